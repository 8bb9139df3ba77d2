//! Numbers that an operator wants to see of the embedded store.
//!
//! It refuses to know how they are shown. Its one invariant: counting costs one relaxed atomic addition.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters as they are written.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) commits: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) last_sync_nanos: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) moved: AtomicU64,
}

/// What the store has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commits that returned `Ok`.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// Bytes written to the journal.
    pub bytes: u64,
    /// How long the last sync took, in nanoseconds.
    pub last_sync_nanos: u64,
    /// About how many bytes of memory hold what is not in the tables yet.
    pub memory_bytes: u64,
    /// Commits that had to wait until the tables caught up.
    pub waits: u64,
    /// How often memory was moved into the tables.
    pub moved: u64,
}

impl Metrics {
    pub(crate) fn stats(&self, memory_bytes: u64) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            records: self.records.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            last_sync_nanos: self.last_sync_nanos.load(Relaxed),
            memory_bytes,
            waits: self.waits.load(Relaxed),
            moved: self.moved.load(Relaxed),
        }
    }
}
