//! Following one machine: its state at one moment, and every turn after that moment.
//!
//! It refuses to keep anything for a follower that falls behind: the store has the turns. Its one invariant: between two
//! turns that are told, no turn is left out, and none is told twice.

use crate::behaviour::Behaviour;
use crate::error::{CallError, LookError};
use crate::{adapter, everstate, message};
use everstate_kernel::{Address as AnyAddress, Cause, HistoryEntry};
use everstate_runtime::{Follower, Handle, Interrupted};
use everstate_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

/// Where a follower is. It may be kept, and gone on from later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last turn told, among those of the instance.
    turn: u64,
    /// The same among those of the node.
    position: u64,
}

/// What a follower is told.
#[derive(Debug)]
pub enum Change<B: Behaviour> {
    /// The state; none when there is no such instance. It comes first, and again when the instance was deleted and
    /// another one is at its address.
    Snapshot {
        /// The state.
        state: Option<B>,
        /// Everything up to here is in it.
        cursor: Cursor,
    },
    /// A turn.
    Turn(Box<Turn<B>>),
}

/// A turn that was committed.
#[derive(Debug, Clone)]
pub struct Turn<B> {
    /// The turn as the history has it.
    pub entry: HistoryEntry,
    /// Where to go on after it.
    pub cursor: Cursor,
    behaviour: PhantomData<fn() -> B>,
}

impl<B: Behaviour> Turn<B> {
    /// The message, when it was one and not a signal, a start, a stop or a restart.
    pub fn message(&self) -> Option<B::Message> {
        match &self.entry.cause {
            Cause::Event(event) => message::read(&event.name, &event.data).ok(),
            _ => None,
        }
    }

    /// What became of it.
    pub fn result(&self) -> Result<B::Reply, CallError<B::Error>> {
        everstate::reply::<B>(self.entry.outcome.clone())
    }
}

/// Why a follower is told nothing more.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The node has stopped. Follow again from the last cursor.
    #[error("the node has stopped")]
    Stopped,
    /// The state cannot be read.
    #[error(transparent)]
    Look(#[from] LookError),
}

/// Turns read from the store at a time.
const PAGE: usize = 256;

/// A stream of one machine's turns.
#[derive(Debug)]
pub struct Following<B: Behaviour> {
    handle: Handle,
    address: AnyAddress,
    turns: Follower,
    /// None before the snapshot.
    cursor: Option<Cursor>,
    /// Are there turns in the store that were not told?
    behind: bool,
    ready: VecDeque<Change<B>>,
}

impl<B: Behaviour> Following<B> {
    pub(crate) fn new(handle: Handle, address: AnyAddress, cursor: Option<Cursor>) -> Following<B> {
        let turns = handle.follow();
        Following { handle, address, turns, cursor, behind: true, ready: VecDeque::new() }
    }

    /// What comes next. Safe to cancel.
    pub async fn next(&mut self) -> Result<Change<B>, FollowError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            match self.cursor {
                None => self.snapshot()?,
                Some(cursor) if self.behind => self.catch_up(cursor)?,
                Some(cursor) => self.listen(cursor).await?,
            }
        }
    }

    fn snapshot(&mut self) -> Result<(), FollowError> {
        let reader = self.handle.reader();
        let found = reader.instance(&self.address).map_err(LookError::from)?;
        let (state, cursor) = match found {
            None => (None, Cursor { turn: 0, position: self.turns.since() }),
            Some((row, _)) => {
                // Deleted in between: the next look finds nobody, or another one.
                let Some(last) = self.entry(&*reader, row.turns)? else { return Ok(()) };
                let state = adapter::read(row.state.as_slice()).map_err(LookError::State)?;
                (Some(state), Cursor { turn: row.turns, position: last.position })
            }
        };
        self.cursor = Some(cursor);
        self.behind = false;
        self.ready.push_back(Change::Snapshot { state, cursor });
        Ok(())
    }

    /// The turn of that number.
    fn entry(&self, reader: &dyn Reader, turn: u64) -> Result<Option<HistoryEntry>, FollowError> {
        let after = turn.saturating_sub(1);
        let found = reader.history(&self.address, after, 1).map_err(LookError::from)?;
        Ok(found.into_iter().find(|entry| entry.sequence == turn))
    }

    /// Tells one page of turns from the store.
    fn catch_up(&mut self, cursor: Cursor) -> Result<(), FollowError> {
        let reader: Arc<dyn Reader> = self.handle.reader();
        let same = match cursor.turn {
            0 => true,
            turn => self.entry(&*reader, turn)?.is_some_and(|entry| entry.position == cursor.position),
        };
        if !same {
            // Another instance is there by now, or the cursor is of turns that were lost with the machine.
            self.cursor = None;
            return Ok(());
        }
        let page = reader.history(&self.address, cursor.turn, PAGE);
        let page = page.map_err(|error: StoreError| LookError::from(error))?;
        self.behind = page.len() == PAGE;
        page.into_iter().for_each(|entry| self.tell(entry));
        Ok(())
    }

    fn tell(&mut self, entry: HistoryEntry) {
        let cursor = Cursor { turn: entry.sequence, position: entry.position };
        self.cursor = Some(cursor);
        let turn = Turn { entry, cursor, behaviour: PhantomData };
        self.ready.push_back(Change::Turn(Box::new(turn)));
    }

    /// Waits for a turn from the node.
    async fn listen(&mut self, cursor: Cursor) -> Result<(), FollowError> {
        match self.turns.next().await {
            Ok(turned) if turned.address != self.address || turned.entry.position <= cursor.position => {
                Ok(())
            }
            Ok(turned) if turned.entry.sequence == cursor.turn + 1 => {
                self.tell(turned.entry.clone());
                Ok(())
            }
            Ok(_) => {
                self.behind = true;
                Ok(())
            }
            Err(Interrupted::Lagged(_)) => {
                self.turns = self.handle.follow();
                self.behind = true;
                Ok(())
            }
            Err(Interrupted::Closed) => Err(FollowError::Stopped),
        }
    }
}
