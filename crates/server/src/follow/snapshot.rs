//! Which turns a snapshot has in it already.
//!
//! While a snapshot is read instance by instance, the node goes on. A turn made meanwhile is in the snapshot of
//! its instance or not, depending on when that was read; only the instance's own count of turns tells.
//!
//! Its one invariant: a turn is told exactly when the snapshot told of its instance does not have it.

use everstate_kernel::{Address, Cause, HistoryEntry, Time};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// What was told of instances. Addresses are kept as 64-bit hashes with a key of its own: a million instances
/// are 40 MB instead of 150, and two of them meet with a chance of one in thirty million.
#[derive(Debug, Default)]
pub(super) struct Told {
    keys: RandomState,
    instances: HashMap<u64, Life>,
}

/// One life of an instance, up to where it was told.
#[derive(Debug, Clone, Copy)]
struct Life {
    created_at: Time,
    turns: u64,
}

impl Told {
    /// An instance was told with so many turns.
    pub(super) fn tell(&mut self, address: &Address, created_at: Time, turns: u64) {
        self.instances.insert(self.keys.hash_one(address), Life { created_at, turns });
    }

    /// Is this turn in the snapshot?
    pub(super) fn has(&mut self, address: &Address, entry: &HistoryEntry) -> bool {
        let key = self.keys.hash_one(address);
        let Some(life) = self.instances.get(&key) else { return false };
        let starts = matches!(entry.cause, Cause::Start { .. });
        let goes_on = match starts {
            // Deleted after the snapshot, and started anew.
            true => entry.at > life.created_at,
            false => entry.sequence == life.turns + 1,
        };
        if goes_on || entry.sequence == life.turns {
            self.instances.remove(&key);
        }
        // Anything else is earlier in this life, or of a life before it.
        !goes_on
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
