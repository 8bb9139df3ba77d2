//! What a session is told, one turn of its history after another. It lies in the store, so a connection that breaks
//! loses nothing, and one that reads slowly holds up nobody.
//!
//! Its one invariant: entries come in the order of their sequence, without gap or repeat.

use crate::failure::Failure;
use crate::service::blocking;
use everstate_api::Code;
use everstate_kernel::{Address, HistoryEntry};
use everstate_runtime::{Follower, Handle, Interrupted};
use std::collections::VecDeque;
use std::time::Duration;

/// Entries read from the store at a time.
const PAGE: usize = 256;

/// How long a quiet inbox waits before it looks into the store. Turns are passed on without waiting for anybody; when
/// the last one of a burst was left out, no later one shows the gap.
const LOOK: Duration = Duration::from_secs(2);

/// The entries of one session after a sequence.
pub(super) struct Inbox {
    node: Handle,
    address: Address,
    turns: Follower,
    /// Up to this sequence all is told or lies in `ready`.
    at: u64,
    ready: VecDeque<HistoryEntry>,
    /// There may be entries in the store that were not heard of.
    look: bool,
}

impl Inbox {
    /// Subscribing comes first and looking second, so that nothing falls between.
    pub(super) fn new(node: Handle, address: Address, after: u64) -> Inbox {
        let turns = node.follow_instance(address.clone());
        Inbox { node, address, turns, at: after, ready: VecDeque::new(), look: true }
    }

    /// The next entry. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<HistoryEntry, Failure> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(entry);
            }
            if self.look {
                self.read().await?;
                continue;
            }
            let heard = tokio::select! {
                heard = self.turns.next() => heard,
                () = tokio::time::sleep(LOOK) => {
                    self.look = true;
                    continue;
                }
            };
            match heard {
                Ok(turned) if turned.entry.sequence == self.at + 1 => {
                    self.at += 1;
                    self.ready.push_back(turned.entry.clone());
                }
                Ok(turned) => self.look = turned.entry.sequence > self.at,
                Err(Interrupted::Lagged(_)) => {
                    self.turns = self.node.follow_instance(self.address.clone());
                    self.look = true;
                }
                Err(Interrupted::Closed) => {
                    let problem = "the server is stopping; attach again with the key";
                    return Err(Failure::new(Code::Stopping, problem));
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let (reader, address, after) = (self.node.reader(), self.address.clone(), self.at);
        let page = blocking(move || reader.history(&address, after, PAGE)).await??;
        self.look = page.len() == PAGE;
        self.at = page.last().map_or(self.at, |entry| entry.sequence);
        self.ready.extend(page);
        Ok(())
    }
}
