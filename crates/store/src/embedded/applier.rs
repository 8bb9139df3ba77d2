//! Two threads behind the commit path: one moves sealed generations into the tables and frees journal segments,
//! the other merges the tables' files.
//!
//! It refuses to know records.
//!
//! Its one invariant: a generation is let go of, and a journal segment is freed, only after the tables hold all of
//! it on the disk.

use super::files::Disk;
use super::journal::Shelf;
use super::metrics::Metrics;
use super::trees::{Trees, is_full};
use crate::contract::StoreError;
use crate::reading::Reading;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after a failure for want of space it is tried again. Space comes back by hand, so a second is soon.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest that one commit waits to keep pace. At half, large commits outrun the applier and wait for all of it in
/// the end; at twice, those who wait for an answer feel it.
const PACE_WAIT_MAX: Duration = Duration::from_millis(50);

/// The shortest wait that is worth putting a thread to sleep.
const PACE_WAIT_MIN: Duration = Duration::from_micros(300);

/// The part of the free half of memory that is filled at full speed.
const PACE_FREE: f64 = 0.2;

/// Where the threads are.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    /// Shall they end?
    pub(crate) stop: bool,
    /// Is there no space to go on with?
    pub(crate) full: bool,
    /// Why they cannot go on.
    pub(crate) failure: Option<String>,
    /// Is a generation sealed and not in the tables yet?
    pub(crate) sealed: bool,
    /// Was something moved in since the tables were merged last?
    merge: bool,
    /// Since when the sealed generation is, and its bytes.
    begun: Option<(Instant, usize)>,
    /// How long moving takes for each byte of a generation, in nanoseconds: half of what the last one took, and half
    /// of what was expected then.
    nanos_per_byte: f64,
}

/// What the threads and the store share.
pub(crate) struct Shared {
    pub(crate) reading: Arc<Reading<Trees>>,
    pub(crate) phase: Mutex<Phase>,
    pub(crate) changed: Condvar,
    /// Held while files of the tables or freed segments change; a backup takes it.
    pub(crate) files: Mutex<()>,
    /// Held while files are merged.
    pub(crate) merging: Mutex<()>,
    pub(crate) shelf: Arc<Mutex<Shelf>>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) journal_folder: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) metrics: Arc<Metrics>,
}

impl Phase {
    /// Remembers how long the generation took that has just been moved.
    fn note_pace(&mut self) {
        let Some((begun, bytes)) = self.begun.take() else { return };
        let took = begun.elapsed().as_nanos() as f64 / bytes.max(1) as f64;
        let known = self.nanos_per_byte;
        self.nanos_per_byte = if known > 0.0 { (known + took) / 2.0 } else { took };
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wait<'a>(&self, phase: MutexGuard<'a, Phase>) -> MutexGuard<'a, Phase> {
        self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_a_while<'a>(&self, phase: MutexGuard<'a, Phase>) -> MutexGuard<'a, Phase> {
        self.changed.wait_timeout(phase, RETRY_AFTER).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Seals the active generation and wakes the applier. None must be sealed.
    pub(crate) fn seal(&self) {
        let bytes = self.reading.write().seal().bytes;
        let mut phase = lock(&self.phase);
        phase.sealed = true;
        phase.begun = Some((Instant::now(), bytes));
        self.changed.notify_all();
    }

    /// Waits a little when memory, `filled` of `room` by now, would be full before the applier is done.
    pub(crate) fn keep_pace(&self, filled: usize, room: usize) {
        let part = (filled as f64 / room as f64 - PACE_FREE) / (1.0 - PACE_FREE);
        if part <= 0.0 {
            return;
        }
        let mut phase = lock(&self.phase);
        let Some((begun, bytes)) = phase.begun else { return };
        let elapsed = begun.elapsed();
        let expected = Duration::from_nanos((phase.nanos_per_byte * bytes as f64) as u64);
        // When it takes longer than expected, it is believed to be at four fifths.
        let wait =
            expected.max(elapsed + elapsed / 4).mul_f64(part).saturating_sub(elapsed).min(PACE_WAIT_MAX);
        if wait < PACE_WAIT_MIN {
            return;
        }
        let until = Instant::now() + wait;
        while phase.sealed && !phase.full && phase.failure.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            phase = self.changed.wait_timeout(phase, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until no generation is sealed.
    pub(crate) fn wait_for_tables(&self) -> Result<(), StoreError> {
        let mut phase = lock(&self.phase);
        while phase.sealed {
            self.check(&phase)?;
            phase = self.wait(phase);
        }
        Ok(())
    }

    pub(crate) fn check(&self, phase: &Phase) -> Result<(), StoreError> {
        if let Some(failure) = &phase.failure {
            return Err(StoreError::Poisoned(failure.clone()));
        }
        if phase.full { Err(StoreError::Full) } else { Ok(()) }
    }

    /// Moves generations until told to stop.
    pub(crate) fn apply(&self) {
        loop {
            let mut phase = lock(&self.phase);
            while !phase.stop && !phase.sealed {
                phase = self.wait(phase);
            }
            // What is not moved is still in the journal.
            if phase.stop {
                return;
            }
            if self.reading.tables.is_behind() && phase.failure.is_none() {
                phase.merge = true;
                self.changed.notify_all();
                drop(self.wait_a_while(phase));
                continue;
            }
            drop(phase);
            let phase = self.move_one();
            if phase.failure.is_some() {
                return;
            }
            if phase.full {
                drop(self.wait_a_while(phase));
            }
        }
    }

    /// Moves the sealed generation and notes how that went.
    fn move_one(&self) -> MutexGuard<'_, Phase> {
        let outcome = self.move_sealed();
        let mut phase = lock(&self.phase);
        match outcome {
            Ok(()) => {
                phase.full = false;
                phase.sealed = false;
                phase.note_pace();
                phase.merge = true;
            }
            Err(error) if is_full(&error) => {
                tracing::warn!("the disk is full; new commits are refused once memory is");
                phase.full = true;
            }
            Err(error) => {
                tracing::error!(%error, "the tables cannot be written; the store takes no more commits");
                phase.failure = Some(error.to_string());
            }
        }
        self.changed.notify_all();
        phase
    }

    /// Does what the two threads would do next, in the caller's: for a store that was opened without them.
    pub(crate) fn tend(&self) -> Result<(), StoreError> {
        if lock(&self.phase).sealed {
            drop(self.move_one());
        }
        while self.reading.tables.compact()? {}
        Ok(())
    }

    fn move_sealed(&self) -> Result<(), StoreError> {
        let Some(sealed) = self.reading.read().sealed.clone() else { return Ok(()) };
        let _files = lock(&self.files);
        self.reading.tables.move_in(&sealed, &*self.disk)?;
        let applied = sealed.counters.applied;
        self.reading.write().moved_in();
        self.metrics.moved.fetch_add(1, Relaxed);
        let mut shelf = lock(&self.shelf);
        shelf.free(&*self.disk, &self.journal_folder, applied, self.segment_bytes);
        self.reading.journal_bytes.store(shelf.bytes(), Relaxed);
        // Freeing a generation takes a while, and nobody should wait for it.
        drop(shelf);
        drop(sealed);
        Ok(())
    }

    /// Merges files until told to stop.
    pub(crate) fn merge(&self) {
        loop {
            let mut phase = lock(&self.phase);
            while !phase.stop && !phase.merge {
                phase = self.wait(phase);
            }
            if phase.stop {
                return;
            }
            phase.merge = false;
            drop(phase);
            let outcome = {
                let _merging = lock(&self.merging);
                self.reading.tables.compact()
            };
            let mut phase = lock(&self.phase);
            match outcome {
                Ok(more) => {
                    phase.merge |= more;
                    // The applier may wait for this.
                    self.changed.notify_all();
                }
                Err(error) if is_full(&error) => {
                    phase.merge = true;
                    drop(self.wait_a_while(phase));
                }
                Err(error) => {
                    tracing::error!(%error, "the tables cannot be merged");
                    phase.failure = Some(error.to_string());
                    self.changed.notify_all();
                    return;
                }
            }
        }
    }
}
