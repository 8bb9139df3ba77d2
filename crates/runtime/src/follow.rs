//! Who wants to see every turn. The shard hands each commit's turns to a thread of its own, which passes them on:
//! ten thousand followers, or one that never reads, cost the shard nothing.
//!
//! A follower that falls behind is told where to resume; nothing is kept for it, since the store has it all.

use crossbeam_channel::{Receiver, Sender, TrySendError};
use everstate_kernel::{Address, HistoryEntry, Json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::broadcast;

/// A turn that was committed.
#[derive(Debug, Clone)]
pub struct Turned {
    /// Whose.
    pub address: Address,
    /// The version of its definition.
    pub version: Arc<str>,
    /// The turn.
    pub entry: HistoryEntry,
    /// The instance's output, when this turn was its last.
    pub done: Option<Json>,
}

type Batch = Arc<[Arc<Turned>]>;

/// Whose turns somebody wants who wants no others.
type ByAddress = Mutex<HashMap<Address, broadcast::Sender<Batch>>>;

/// Batches that a follower of one instance may be behind. There may be very many such followers, and each channel takes
/// its room at once; whoever falls behind reads the store.
const BEHIND_OF_ONE_MAX: usize = 16;

/// Passes turns on.
#[derive(Debug)]
pub(crate) struct Hub {
    turns: broadcast::Sender<Batch>,
    by_address: Arc<ByAddress>,
    followers: Arc<AtomicUsize>,
    /// Position of the last turn that was committed, published or not.
    committed: Arc<AtomicU64>,
    /// A batch found the queue full and was left out; followers must be woken to find the gap.
    missed: Arc<AtomicBool>,
}

/// The shard's end.
#[derive(Debug)]
pub(crate) struct Publisher {
    hub: Arc<Hub>,
    queue: Sender<Batch>,
}

/// A stream of all turns from a point on, or of those of one instance.
#[derive(Debug)]
pub struct Follower {
    turns: broadcast::Receiver<Batch>,
    /// Of one instance alone: then positions have gaps.
    of: Option<(Address, Arc<ByAddress>)>,
    batch: Batch,
    /// The place in `batch` to go on at.
    at: usize,
    /// Position of the last turn told, or before which none will be.
    last: u64,
    followers: Arc<AtomicUsize>,
    committed: Arc<AtomicU64>,
}

/// Why a follower got no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// It is too far behind; the turns after this position are in the store.
    #[error("fell behind; resume after {0}")]
    Lagged(u64),
    /// The node has stopped.
    #[error("the node has stopped")]
    Closed,
}

impl Hub {
    pub(crate) fn start(buffer_max: usize) -> (Arc<Hub>, Publisher, JoinHandle<()>) {
        let (turns, _) = broadcast::channel(buffer_max.max(1));
        let missed = Arc::new(AtomicBool::new(false));
        let (followers, committed) = (Arc::default(), Arc::default());
        let by_address = Arc::<ByAddress>::default();
        let hub = Arc::new(Hub {
            turns: turns.clone(),
            by_address: by_address.clone(),
            followers,
            committed,
            missed: missed.clone(),
        });
        let (queue, batches): (_, Receiver<Batch>) = crossbeam_channel::bounded(buffer_max.max(1));
        let pass_on = move || {
            for batch in &batches {
                pass_to_each(&by_address, &batch, missed.load(Ordering::Acquire));
                // An error says that nobody listens any more, which is nobody's loss.
                let _ = turns.send(batch);
                if batches.is_empty() && missed.swap(false, Ordering::AcqRel) {
                    pass_to_each(&by_address, &Batch::default(), true);
                    let _ = turns.send(Batch::default());
                }
            }
        };
        let thread = std::thread::spawn(pass_on);
        (hub.clone(), Publisher { hub, queue }, thread)
    }

    pub(crate) fn follow(&self) -> Follower {
        self.followers.fetch_add(1, Ordering::Relaxed);
        // First subscribe, then look: a turn committed in between is in the stream and skipped by its position.
        let turns = self.turns.subscribe();
        let last = self.committed.load(Ordering::Acquire);
        let (followers, committed) = (self.followers.clone(), self.committed.clone());
        Follower { turns, of: None, batch: Arc::default(), at: 0, last, followers, committed }
    }

    /// The same for the turns of one instance: its follower costs nothing while others make turns.
    pub(crate) fn follow_one(&self, address: Address) -> Follower {
        self.followers.fetch_add(1, Ordering::Relaxed);
        let turns = {
            let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = || broadcast::channel(BEHIND_OF_ONE_MAX).0;
            by_address.entry(address.clone()).or_insert_with(channel).subscribe()
        };
        let last = self.committed.load(Ordering::Acquire);
        let (followers, committed) = (self.followers.clone(), self.committed.clone());
        let of = Some((address, self.by_address.clone()));
        Follower { turns, of, batch: Arc::default(), at: 0, last, followers, committed }
    }

    pub(crate) fn followers(&self) -> usize {
        self.followers.load(Ordering::Relaxed)
    }
}

/// Passes each turn to those who follow its instance alone. When batches were left out, all of them are told first, so
/// that none takes a later turn for the next one.
fn pass_to_each(by_address: &ByAddress, batch: &Batch, missed: bool) {
    let by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
    if by_address.is_empty() {
        return;
    }
    if missed {
        for turns in by_address.values() {
            let _ = turns.send(Batch::default());
        }
    }
    for turned in batch.iter() {
        if let Some(turns) = by_address.get(&turned.address) {
            // An error says that its last follower has just gone.
            let _ = turns.send(Arc::from([turned.clone()]));
        }
    }
}

impl Publisher {
    /// The turns up to this position are in the store from now on.
    pub(crate) fn committed(&self, position: u64) {
        self.hub.committed.store(position, Ordering::Release);
    }

    pub(crate) fn wanted(&self) -> bool {
        self.hub.followers() > 0
    }

    /// Tells followers of turns. When the passing thread is behind, they are left out, and followers find the gap by
    /// the positions. An empty batch says that there may be one.
    pub(crate) fn publish(&self, turns: Vec<Arc<Turned>>) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Arc::from(turns)) {
            // First the mark, then another try: either the thread still has batches to pass on and sees the mark after
            // them, or this one wakes it.
            self.hub.missed.store(true, Ordering::Release);
            let _ = self.queue.try_send(Batch::default());
        }
    }
}

impl Follower {
    /// Every turn with a position above this will be told, or [`Interrupted::Lagged`].
    pub fn since(&self) -> u64 {
        self.last
    }

    /// Goes on after another position, once the turns until then were read from the store.
    pub fn resume_after(&mut self, position: u64) {
        self.last = position;
    }

    /// The next turn. Safe to cancel.
    pub async fn next(&mut self) -> Result<Arc<Turned>, Interrupted> {
        loop {
            while let Some(turned) = self.batch.get(self.at) {
                let position = turned.entry.position;
                if self.of.is_none() && position > self.last + 1 {
                    return Err(Interrupted::Lagged(self.last));
                }
                self.at += 1;
                if position > self.last {
                    self.last = position;
                    return Ok(turned.clone());
                }
            }
            match self.turns.recv().await {
                Ok(batch) if batch.is_empty() => {
                    if self.committed.load(Ordering::Acquire) > self.last {
                        return Err(Interrupted::Lagged(self.last));
                    }
                }
                Ok(batch) => (self.batch, self.at) = (batch, 0),
                Err(broadcast::error::RecvError::Lagged(_)) => return Err(Interrupted::Lagged(self.last)),
                Err(broadcast::error::RecvError::Closed) => return Err(Interrupted::Closed),
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.fetch_sub(1, Ordering::Relaxed);
        if let Some((address, by_address)) = &self.of {
            let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
            // This one still counts.
            if by_address.get(address).is_some_and(|turns| turns.receiver_count() <= 1) {
                by_address.remove(address);
            }
        }
    }
}
