//! The stream of one follower: a small state machine that is asked for one message at a time.
//!
//! Subscribing comes first and looking second, so that nothing falls between. Positions of the node's turns tell
//! what was told: `at` is the last one that was told or is not for this follower.

use super::Subject;
use super::snapshot::Told;
use crate::convert;
use crate::failure::Failure;
use crate::service::{blocking, stopped};
use everstate_api::v1::__buffa::oneof::follow_response::What;
use everstate_api::{Code, v1};
use everstate_kernel::{Address, HistoryEntry, Instance};
use everstate_runtime::{Follower, Handle, Interrupted};
use everstate_store::{Cursor, Query, Reader, StoreError};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;

/// Instances or turns read from the store at a time.
const PAGE: usize = 256;

/// How many turns a follower may be behind before it is told to come back. Catching up reads the store at the
/// client's pace, which is cheap; a client this far behind is better told than waited for.
const BEHIND_MAX: u64 = 100_000;

/// How long a quiet follower waits before it looks into the store. The node passes turns on without waiting for
/// anybody; when its buffer was full at the end of a burst, no later turn shows the gap.
const LOOK: Duration = Duration::from_secs(2);

/// A follower and where it stands.
pub(super) struct Following {
    node: Handle,
    stopping: watch::Receiver<bool>,
    subject: Subject,
    turns: Follower,
    stage: Stage,
    /// Every turn up to here is told or not for this follower.
    at: u64,
    /// Made and not yet asked for.
    ready: VecDeque<v1::FollowResponse>,
    /// Turns up to the second number may be in the snapshot.
    told: Option<(Told, u64)>,
}

enum Stage {
    /// Instances after this one are to be told.
    Snapshot(Option<Cursor>),
    /// Turns up to this position come from the store.
    Store(u64),
    /// Turns come from the node.
    Live,
}

impl Following {
    pub(super) fn new(
        node: Handle,
        stopping: watch::Receiver<bool>,
        subject: Subject,
        cursor: Option<u64>,
    ) -> Following {
        let turns = node.follow();
        let since = turns.since();
        let (stage, at, told) = match cursor {
            Some(cursor) => (Stage::Store(since), cursor, None),
            None => (Stage::Snapshot(None), since, Some((Told::default(), u64::MAX))),
        };
        Following { node, stopping, subject, turns, stage, at, ready: VecDeque::new(), told }
    }

    /// The next message. Safe to cancel: whatever was read lies in `ready`.
    pub(super) async fn next(&mut self) -> Result<v1::FollowResponse, Failure> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            if *self.stopping.borrow() {
                return Err(self.interrupted());
            }
            match &self.stage {
                Stage::Snapshot(after) => {
                    let after = after.clone();
                    self.snapshot(after).await?;
                }
                Stage::Store(until) => {
                    let until = *until;
                    self.catch_up(until).await?;
                }
                Stage::Live => self.listen().await?,
            }
        }
    }

    fn interrupted(&self) -> Failure {
        let failure = Failure::new(Code::Stopping, "the server is stopping; follow again from the cursor");
        // In the middle of a snapshot there is nothing to resume.
        if self.told.is_some() { failure } else { failure.resume(self.at) }
    }

    /// Tells one page of the snapshot.
    async fn snapshot(&mut self, after: Option<Cursor>) -> Result<(), Failure> {
        if let Subject::Instance(address) = &self.subject {
            let address = address.clone();
            if let Some((row, _)) = self.read(move |reader| reader.instance(&address)).await? {
                self.tell(&row.address, row.created_at, row.turns);
                self.push(What::from(self.shown(&row)), 0);
            }
            return self.snapshot_complete().await;
        }
        let kind = match &self.subject {
            Subject::Kind(kind) => Some(kind.clone()),
            _ => None,
        };
        let query = Query { kind, after, limit: PAGE, ..Query::default() };
        let page = self.read(move |reader| reader.list(&query)).await?;
        for row in &page.instances {
            self.tell(&row.address, row.created_at, row.turns);
            self.push(What::from(self.shown(row)), 0);
        }
        match page.next {
            Some(next) => self.stage = Stage::Snapshot(Some(next)),
            None => self.snapshot_complete().await?,
        }
        Ok(())
    }

    fn shown(&self, row: &Instance) -> v1::Instance {
        let definition = self.node.definitions().find(row.address.kind(), Some(&row.version));
        convert::instance(row, definition.as_deref())
    }

    fn tell(&mut self, address: &Address, created_at: everstate_kernel::Time, turns: u64) {
        if let Some((told, _)) = &mut self.told {
            told.tell(address, created_at, turns);
        }
    }

    /// All instances are told. Turns made up to now may be among them; they are sorted out from the store before
    /// the snapshot is called complete, so that its cursor is exact.
    async fn snapshot_complete(&mut self) -> Result<(), Failure> {
        let turns = self.node.follow();
        let last = turns.since();
        self.turns = turns;
        if let Some((_, until)) = &mut self.told {
            *until = last;
        }
        self.stage = Stage::Store(last);
        Ok(())
    }

    /// Tells one page of turns from the store.
    async fn catch_up(&mut self, until: u64) -> Result<(), Failure> {
        let after = self.at;
        if after > until {
            // Its turns were lost with the machine, as durability below `power` allows, or never were of this node.
            let problem = format!("cursor {after} is beyond the last turn, {until}; follow without a cursor");
            return Err(Failure::new(Code::MalformedRequest, problem).at("cursor"));
        }
        self.check_kept(after).await?;
        let page = if after < until {
            self.read(move |reader| reader.turns(after, PAGE)).await?
        } else {
            Vec::new()
        };
        for (address, entry) in &page {
            if entry.position > until {
                break;
            }
            self.turn(address, entry);
        }
        // What the store left out belongs to deleted instances.
        let complete = page.len() < PAGE || page.last().is_some_and(|(_, entry)| entry.position >= until);
        if complete {
            self.at = self.at.max(until);
            self.turns.resume_after(self.at);
            self.stage = Stage::Live;
            if self.told.take().is_some() {
                self.push(What::Live(true), self.at);
            }
        }
        Ok(())
    }

    /// Are all turns after the cursor that are for this follower kept still?
    async fn check_kept(&self, after: u64) -> Result<(), Failure> {
        let subject = self.subject.clone();
        let gone = self.read(move |reader| match &subject {
            Subject::Instance(address) => {
                Ok(reader.instance(address)?.map_or(0, |(row, _)| row.trimmed.position))
            }
            Subject::Kind(kind) => reader.expired(Some(kind)),
            Subject::Everything => reader.expired(None),
        });
        let gone = gone.await?;
        if gone <= after {
            return Ok(());
        }
        let problem = format!(
            "turns after the cursor {after} are kept no longer; the earliest cursor is {gone}, or follow without one"
        );
        Err(Failure::new(Code::CursorExpired, problem).at("cursor").resume(gone))
    }

    /// Waits for a turn from the node.
    async fn listen(&mut self) -> Result<(), Failure> {
        let heard = tokio::select! {
            heard = self.turns.next() => heard,
            () = stopped(self.stopping.clone()) => Err(Interrupted::Closed),
            () = tokio::time::sleep(LOOK) => return self.look().await,
        };
        match heard {
            Ok(turned) => {
                self.turn(&turned.address, &turned.entry);
                Ok(())
            }
            Err(Interrupted::Lagged(_)) => self.fallen_behind(),
            Err(Interrupted::Closed) => Err(self.interrupted()),
        }
    }

    /// Nothing was heard for a while: is there anything?
    async fn look(&mut self) -> Result<(), Failure> {
        let after = self.at;
        let missed = self.read(move |reader| reader.turns(after, 1)).await?;
        if missed.is_empty() { Ok(()) } else { self.fallen_behind() }
    }

    /// Subscribes anew; what was missed comes from the store, unless that is too much.
    fn fallen_behind(&mut self) -> Result<(), Failure> {
        let turns = self.node.follow();
        let last = turns.since();
        if last.saturating_sub(self.at) > BEHIND_MAX {
            let problem = format!(
                "this follower is {} turns behind; follow again from the cursor {}",
                last - self.at,
                self.at
            );
            return Err(Failure::new(Code::Lagged, problem).resume(self.at));
        }
        self.turns = turns;
        self.stage = Stage::Store(last);
        Ok(())
    }

    /// Passes one turn, and tells it if it is for this follower and not in the snapshot.
    fn turn(&mut self, address: &Address, entry: &HistoryEntry) {
        if entry.position <= self.at {
            return;
        }
        self.at = entry.position;
        if !self.subject.is(address) {
            return;
        }
        match &mut self.told {
            Some((told, until)) if entry.position <= *until => {
                if !told.has(address, entry) {
                    self.push(What::from(convert::turn(address, entry)), 0);
                }
            }
            _ => self.push(What::from(convert::turn(address, entry)), entry.position),
        }
    }

    fn push(&mut self, what: What, cursor: u64) {
        self.ready.push_back(v1::FollowResponse { what: Some(what), cursor, ..Default::default() });
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let reader = self.node.reader();
        blocking(move || read(&*reader)).await?.map_err(Failure::from)
    }
}
