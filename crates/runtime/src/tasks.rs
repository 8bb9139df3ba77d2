//! Workers that wait for tasks, and how many tasks there are in each queue.
//!
//! It refuses to know what a task is and whether it may be leased: it counts keys as records tell of them, and hands
//! those who wait back to the shard when there is something for them.
//!
//! Its one invariant: nobody waits while a task that was offered to nobody is ready in one of their queues.

use crate::error::CallError;
use everstate_kernel::{Leased, Record, TaskKey, TaskStanding};
use everstate_store::{Reader, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How many workers may wait at once. Each is a hundred bytes; above it a worker is told to come again.
pub(crate) const WAITERS_MAX: usize = 10_000;

/// A worker that wants tasks.
#[derive(Debug)]
pub(crate) struct Want {
    pub(crate) worker: Arc<str>,
    pub(crate) queues: Vec<Arc<str>>,
    pub(crate) max: usize,
    /// Shall it wait when there is nothing?
    pub(crate) waits: bool,
    pub(crate) reply: oneshot::Sender<Result<Vec<Leased>, CallError>>,
}

/// Those who wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: VecDeque<Want>,
    /// There is something for them.
    woken: VecDeque<Want>,
}

impl Waiters {
    /// Lets a worker wait. One too many is told so.
    pub(crate) fn wait(&mut self, want: Want, refusal: &CallError) {
        if self.waiting.len() >= WAITERS_MAX {
            self.waiting.retain(|want| !want.reply.is_closed());
        }
        if self.waiting.len() >= WAITERS_MAX {
            // Nobody may wait any more; then nobody misses it.
            let _ = want.reply.send(Err(refusal.clone()));
            return;
        }
        self.waiting.push_back(want);
    }

    /// Tasks have become ready: those who wait for them are woken, as many as it takes.
    pub(crate) fn wake(&mut self, ready: &BTreeMap<Arc<str>, usize>) {
        if self.waiting.is_empty() {
            return;
        }
        for (queue, count) in ready {
            let mut left = *count;
            while left > 0 {
                let fits = |want: &Want| want.queues.contains(queue) && !want.reply.is_closed();
                let Some(place) = self.waiting.iter().position(fits) else { break };
                let want = self.waiting.remove(place).expect("it was just found");
                left = left.saturating_sub(want.max);
                self.woken.push_back(want);
            }
        }
    }

    /// Lets a worker look again in the next batch.
    pub(crate) fn look_again(&mut self, want: Want) {
        self.woken.push_back(want);
    }

    pub(crate) fn next_woken(&mut self) -> Option<Want> {
        self.woken.pop_front()
    }

    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }
}

/// How many tasks stand where in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// A worker could take them.
    pub ready: u64,
    /// A worker has them.
    pub leased: u64,
    /// An attempt has failed, and the next one is to come.
    pub waiting: u64,
}

/// The queues that have tasks, with how many.
#[derive(Debug, Default)]
pub(crate) struct Depths(BTreeMap<Arc<str>, Depth>);

impl Depths {
    /// Counts what a store holds.
    pub(crate) fn read(reader: &dyn Reader) -> Result<Depths, StoreError> {
        const CHUNK: usize = 4096;
        let mut depths = Depths::default();
        let mut after: Option<TaskKey> = None;
        loop {
            let keys = reader.tasks(None, None, after.as_ref(), CHUNK)?;
            keys.iter().for_each(|key| depths.count(key, 1));
            if keys.len() < CHUNK {
                return Ok(depths);
            }
            after = keys.into_iter().last();
        }
    }

    /// Takes over what a committed record says; tasks that are ready now are added to `ready`.
    pub(crate) fn apply(&mut self, record: &Record, ready: &mut BTreeMap<Arc<str>, usize>) {
        let nothing = &[][..];
        let (cleared, set) = match record {
            Record::Turn(turn) => (&turn.tasks_cleared[..], &turn.tasks_set[..]),
            Record::Row(row) => (&row.tasks_cleared[..], &row.tasks_set[..]),
            Record::Deleted(deleted) => (&deleted.tasks_cleared[..], nothing),
            _ => return,
        };
        cleared.iter().for_each(|key| self.count(key, -1));
        for key in set {
            self.count(key, 1);
            if key.standing == TaskStanding::Ready {
                *ready.entry(key.queue.clone()).or_default() += 1;
            }
        }
    }

    fn count(&mut self, key: &TaskKey, by: i64) {
        let depth = self.0.entry(key.queue.clone()).or_default();
        let place = match key.standing {
            TaskStanding::Ready => &mut depth.ready,
            TaskStanding::Leased => &mut depth.leased,
            TaskStanding::Waiting => &mut depth.waiting,
        };
        *place = place.saturating_add_signed(by);
        if *depth == Depth::default() {
            self.0.remove(&key.queue);
        }
    }

    pub(crate) fn all(&self) -> Vec<(Arc<str>, Depth)> {
        self.0.iter().map(|(queue, depth)| (queue.clone(), *depth)).collect()
    }
}
