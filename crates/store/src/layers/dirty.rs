//! An instance that differs from what lies beneath its generation, and its turns there.
//!
//! It refuses to know rows and indexes. Its one invariant: every turn of the generation is in one of its runs.

use super::Change;
use everstate_kernel::{Cause, HistoryEntry, IndexKeys, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Positions of consecutive turns of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) incarnation: u32,
    pub(crate) first: u64,
    pub(crate) positions: Vec<u64>,
    /// Names of the events that were received in it, and perhaps of others; those of a run in memory are beside it.
    pub(crate) names: Vec<Arc<str>>,
}

/// When an instance has last received an event of some name: the turn's position, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) position: u64,
    pub(crate) at: Time,
}

/// An instance that differs from what lies beneath its generation.
pub(crate) struct Dirty {
    /// What the indexes beneath hold of it; none when it is not there.
    pub(super) base: Option<IndexKeys>,
    pub(crate) row: Change,
    /// Its turns in this generation.
    pub(crate) runs: Vec<Run>,
    /// The events that it has received in this generation, by name.
    pub(crate) received: Vec<(Arc<str>, Received)>,
    /// Was it deleted, so that runs beneath count no more?
    pub(crate) cut: bool,
}

impl Dirty {
    pub(super) fn new(base: Option<IndexKeys>) -> Dirty {
        Dirty { base, row: Change::Gone, runs: Vec::new(), received: Vec::new(), cut: false }
    }

    /// When it last made a turn, unless it is gone.
    pub(crate) fn last_event_at(&self) -> Option<Time> {
        match &self.row {
            Change::Put(_, index_keys) => Some(index_keys.last_event_at),
            Change::Gone => None,
        }
    }

    pub(super) fn extend_runs(&mut self, incarnation: u32, entry: &HistoryEntry) {
        let HistoryEntry { sequence, position, .. } = *entry;
        if let Cause::Event(event) = &entry.cause {
            let now = Received { position, at: entry.at };
            match self.received.binary_search_by(|(name, _)| (**name).cmp(&*event.name)) {
                Ok(at) => self.received[at].1 = now,
                Err(at) => self.received.insert(at, (event.name.clone(), now)),
            }
        }
        let goes_on =
            |run: &Run| run.incarnation == incarnation && run.first + run.positions.len() as u64 == sequence;
        if let Some(run) = self.runs.last_mut().filter(|run| goes_on(run)) {
            run.positions.push(position);
            return;
        }
        self.runs.push(Run { incarnation, first: sequence, positions: vec![position], names: Vec::new() });
    }
}

/// The name of the event of a turn, if it had one.
pub(super) fn name_of(entry: &HistoryEntry) -> Vec<Arc<str>> {
    match &entry.cause {
        Cause::Event(event) => vec![event.name.clone()],
        _ => Vec::new(),
    }
}

/// Runs ascending; of those that begin alike the last one given. A run may be in the tables although its generation is
/// not known to be there: while that is moved, or when moving it was cut off. Then memory's word counts.
pub(crate) fn in_order(mut runs: Vec<Run>) -> Vec<Run> {
    runs.reverse();
    runs.sort_by_key(|run| (run.incarnation, run.first));
    runs.dedup_by_key(|run| (run.incarnation, run.first));
    runs
}
