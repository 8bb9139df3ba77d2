//! Which events may be on their way at the same time: an instance belongs to one lane, and a lane has one batch on
//! its way, so the events of an instance arrive in their order.

use super::line::Loaded;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A number of a lane.
pub(crate) type Lane = usize;

/// Events that wait to be sent.
#[derive(Debug)]
pub(crate) struct Lanes {
    waiting: Vec<VecDeque<Loaded>>,
    busy: Vec<bool>,
    batch: usize,
}

/// Bytes of one batch: well below what a server takes as one request.
const BATCH_BYTES_MAX: usize = 2 << 20;

impl Lanes {
    pub(crate) fn new(lanes: usize, batch: usize) -> Lanes {
        Lanes { waiting: (0..lanes).map(|_| VecDeque::new()).collect(), busy: vec![false; lanes], batch }
    }

    pub(crate) fn push(&mut self, loaded: Loaded) {
        let mut hasher = DefaultHasher::new();
        loaded.item.address.hash(&mut hasher);
        let lane = (hasher.finish() % self.waiting.len() as u64) as usize;
        self.waiting[lane].push_back(loaded);
    }

    /// Has every lane less than two batches waiting? Reading on beyond that would only fill the memory.
    pub(crate) fn have_room(&self) -> bool {
        self.waiting.iter().all(|lane| lane.len() < 2 * self.batch)
    }

    /// A batch of a lane that has none on its way; a full one, or, when `all`, any. Its lane is then busy.
    pub(crate) fn take(&mut self, all: bool) -> Option<(Lane, Vec<Loaded>)> {
        let lane = (0..self.waiting.len()).filter(|lane| !self.busy[*lane]).find(|lane| {
            let waiting = self.waiting[*lane].len();
            waiting >= self.batch || (all && waiting > 0)
        })?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(first) = self.waiting[lane].front() {
            bytes += first.text.len();
            if batch.len() == self.batch || (bytes > BATCH_BYTES_MAX && !batch.is_empty()) {
                break;
            }
            batch.extend(self.waiting[lane].pop_front());
        }
        self.busy[lane] = true;
        Some((lane, batch))
    }

    /// The batch of the lane has its results.
    pub(crate) fn done(&mut self, lane: Lane) {
        self.busy[lane] = false;
    }
}
