//! The embedded engine: a journal that commits, tables that follow behind, memory for what is between them.
//!
//! It refuses to know what is true; see [`crate::layers`] for what follows from a record.
//!
//! Its one invariant: at any moment, tables, memory and journal together hold every commit that returned `Ok`, and
//! what is only in memory is in the journal too, at the durability asked for.
//!
//! In the folder: `CURRENT` (format and salt), `LOCK` (who has it open), `journal/` (segments and spares) and
//! `tables/` (four trees). A commit encodes its records once, into the block that is appended to the journal;
//! memory keeps slices of it. When memory has grown to half of its bound it is sealed, and the applier moves it
//! into the tables, each key once; commits go on into the other half, at the pace at which the applier empties the
//! first, so that none of them has to wait for long when theirs is full too.

use crate::codec::{self, Entry, Parts};
use crate::contract::{Reader, Store, StoreError};
use crate::export::{Portable, Row};
use crate::layers::Layers;
use crate::reading::Reading;
use applier::{Shared, lock};
use everstate_kernel::{Durability, Loaded, Record, Touches};
use files::{Disk, System};
use journal::{BLOCK_HEADER, Journal};
use metrics::Metrics;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

mod applier;
mod backup;
#[cfg(any(test, feature = "test-world"))]
mod fake_disk;
mod files;
mod folder;
mod journal;
mod metrics;
mod recovery;
#[cfg(test)]
mod tests;
mod trees;

#[cfg(any(test, feature = "test-world"))]
pub use fake_disk::{Crash, FakeDisk, Torn, open_fake};
pub use metrics::Stats;
pub use recovery::{Dropped, Recovery};

/// Sizes of an embedded store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a journal segment. A segment is made whole before it is used; the folder always holds one or two
    /// spare ones. Default 16 MiB; at half, commits pause twice as often for the few milliseconds of going on to
    /// the next; at twice, the smallest store takes twice the space. A store keeps working when this is changed.
    pub segment_bytes: u64,
    /// Bytes of memory for what is not in the tables yet, and so a bound on the journal's tail, too. Default
    /// 128 MiB; at half, more is written more often to the tables; at twice, opening takes twice as long.
    pub memory_bytes: usize,
    /// Bytes of memory for blocks of the tables' files. Default 64 MiB.
    pub cache_bytes: u64,
    /// Files of the tables kept open. Default 128.
    pub open_files: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: 16 << 20, memory_bytes: 128 << 20, cache_bytes: 64 << 20, open_files: 128 }
    }
}

/// The smallest segment that is of use.
const SEGMENT_BYTES_MIN: u64 = 4_096;

/// A store in a folder. See [`Store`] for the order of calls.
pub struct Embedded {
    journal: Journal,
    shared: Arc<Shared>,
    folder: PathBuf,
    memory_bytes: usize,
    threads: Vec<JoinHandle<()>>,
    _lock: std::fs::File,
}

/// What other threads may ask of an open store.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    folder: PathBuf,
}

/// Opens the store in `folder`, which is made if it is not there, and says what had to be recovered.
pub fn open(folder: &Path, options: &Options) -> Result<(Embedded, Recovery), StoreError> {
    let (mut store, recovery) = open_on(folder, options, Arc::new(System))?;
    store.start()?;
    Ok((store, recovery))
}

/// Opens a store without its threads: until [`Embedded::start`], or for ever, and then whoever commits moves what is
/// sealed, or [`Embedded::tend`] does.
fn open_on(
    folder: &Path,
    options: &Options,
    disk: Arc<dyn Disk>,
) -> Result<(Embedded, Recovery), StoreError> {
    let folder::Opened { lock: owned, salt } = folder::open(folder)?;
    let segment_bytes = options.segment_bytes.max(SEGMENT_BYTES_MIN).next_multiple_of(8);
    let tables = trees::Trees::open(&folder.join("tables"), options.cache_bytes, options.open_files)?;
    let mut layers = Layers::default();
    layers.active.counters = tables.counters()?;
    let metrics = Arc::new(Metrics::default());
    let journal_folder = folder.join("journal");
    let opening = recovery::Opening {
        disk: disk.clone(),
        folder: journal_folder.clone(),
        salt,
        segment_bytes,
        applied: layers.active.counters.applied,
        metrics: metrics.clone(),
    };
    let (journal, recovery) = opening.open(&mut |sequence, buffer, payload, path| {
        for (entry, parts) in entries(buffer, payload, path)? {
            layers.apply(&tables, &entry, &parts, buffer)?;
        }
        layers.active.counters.applied = sequence;
        Ok(())
    })?;
    let reading = Arc::new(Reading::new(layers, tables));
    reading.journal_bytes.store(journal.shelf().bytes(), Relaxed);
    let shared = Arc::new(Shared {
        reading,
        phase: Mutex::default(),
        changed: Condvar::new(),
        files: Mutex::new(()),
        merging: Mutex::new(()),
        shelf: journal.shelf.clone(),
        disk,
        journal_folder,
        segment_bytes,
        metrics,
    });
    let store = Embedded {
        journal,
        shared,
        folder: folder.to_path_buf(),
        memory_bytes: options.memory_bytes,
        threads: Vec::new(),
        _lock: owned,
    };
    Ok((store, recovery))
}

/// The entries of a block's payload: each with its length before it.
fn entries(
    buffer: &[u8],
    payload: std::ops::Range<usize>,
    path: &Path,
) -> Result<Vec<(Entry, Parts)>, StoreError> {
    let mut entries = Vec::new();
    let mut at = payload.start;
    while let Some(length) =
        buffer[at..payload.end].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
    {
        // The payload is filled up with zeros to a multiple of eight.
        if length == 0 {
            break;
        }
        let start = at + 4;
        at = start + length as usize;
        if at > payload.end {
            return Err(codec::CodecError::Malformed("a record is longer than its block".into())
                .at(path, start as u64));
        }
        entries.push(codec::read_entry(buffer, start..at).map_err(|error| error.at(path, start as u64))?);
    }
    Ok(entries)
}

/// Appends an entry with its length before it.
fn push_entry<R>(block: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let start = block.len();
    block.extend_from_slice(&[0; 4]);
    let pushed = push(block);
    // A block is at most 1 GiB, which the journal checks.
    let length = (block.len() - start - 4) as u32;
    block[start..start + 4].copy_from_slice(&length.to_le_bytes());
    pushed
}

impl Embedded {
    fn start(&mut self) -> Result<(), StoreError> {
        for (name, run) in
            [("everstate-applier", Shared::apply as fn(&Shared)), ("everstate-merger", Shared::merge)]
        {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new()
                .name(name.into())
                .spawn(move || run(&shared))
                .map_err(|source| StoreError::Io { action: format!("starting thread {name}"), source })?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// What other threads may ask of this store while it is open.
    pub fn handle(&self) -> Handle {
        Handle { shared: self.shared.clone(), folder: self.folder.clone() }
    }

    /// Waits for room in memory, sealing what is there when it is time.
    fn make_room(&mut self) -> Result<(), StoreError> {
        let (filled, room) = (self.shared.reading.read().active.bytes, self.memory_bytes / 2);
        if filled < room {
            if self.has_threads() {
                self.shared.keep_pace(filled, room);
            }
            return Ok(());
        }
        if lock(&self.shared.phase).sealed {
            self.shared.metrics.waits.fetch_add(1, Relaxed);
            self.empty_sealed()?;
        }
        self.shared.check(&lock(&self.shared.phase))?;
        self.seal()
    }

    fn has_threads(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Waits until what is sealed is in the tables, or moves it there.
    fn empty_sealed(&self) -> Result<(), StoreError> {
        if !self.has_threads() {
            self.shared.tend()?;
            return self.shared.check(&lock(&self.shared.phase));
        }
        self.shared.wait_for_tables()
    }

    /// Seals the active generation. What it holds is on the disk in the journal before any of it is in the tables, or
    /// a power cut could leave half of a generation in them that nobody writes again.
    fn seal(&mut self) -> Result<(), StoreError> {
        self.journal.sync_all()?;
        self.shared.seal();
        Ok(())
    }

    /// Commits a block whose entries are pushed by `push` and applied by `apply`.
    fn commit_block(
        &mut self,
        durability: Durability,
        mut block: Vec<u8>,
        apply: impl FnOnce(&mut Layers, &trees::Trees, &Arc<Vec<u8>>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sequence = self.journal.append(&mut block, durability)?;
        let buffer = Arc::new(block);
        let mut layers = self.shared.reading.write();
        let applied = apply(&mut layers, &self.shared.reading.tables, &buffer);
        layers.active.counters.applied = sequence;
        layers.active.bytes += buffer.capacity();
        drop(layers);
        if let Err(error) = applied {
            // The journal has it and memory has not: only opening anew brings them together.
            self.journal.poisoned = Some(error.to_string());
            return Err(error);
        }
        Ok(())
    }

    /// Moves everything into the tables and waits for it. For tests and tools; nobody needs it for safety.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.empty_sealed()?;
        self.seal()?;
        self.empty_sealed()
    }

    /// Merges the tables' files until each row is in one of them. It rewrites everything, so it is for tests and
    /// for an operator who wants the space of what was removed back at once.
    pub fn merge_fully(&mut self) -> Result<(), StoreError> {
        let _merging = lock(&self.shared.merging);
        self.shared.reading.tables.merge_fully()
    }

    /// See [`Handle::backup`].
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.handle().backup(to)
    }

    fn stop(&mut self) {
        lock(&self.shared.phase).stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

impl Store for Embedded {
    fn hydrate(&self, touches: &Touches) -> Result<Loaded, StoreError> {
        self.shared.reading.hydrate(touches)
    }

    fn commit(&mut self, records: &[Record], durability: Durability) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.make_room()?;
        let mut block = Vec::with_capacity(BLOCK_HEADER + 64 + records.len() * 384);
        block.resize(BLOCK_HEADER, 0);
        let parts: Vec<Parts> = records
            .iter()
            .map(|record| push_entry(&mut block, |block| codec::push_record(block, record)))
            .collect();
        self.commit_block(durability, block, |layers, tables, buffer| {
            records
                .iter()
                .zip(&parts)
                .try_for_each(|(record, parts)| layers.record(tables, record, parts, buffer))
        })?;
        self.shared.metrics.commits.fetch_add(1, Relaxed);
        self.shared.metrics.records.fetch_add(records.len() as u64, Relaxed);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.shared.reading.clone()
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.stop();
        self.journal.sync_all()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop();
        // Without a close, what durability `process` asks for is done; a failure has been told or does not matter.
        let _ = self.journal.write_pending();
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Portable for Embedded {
    fn rows(&self, each: &mut dyn FnMut(Row) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.shared.reading.export(each)
    }

    fn commit_rows(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        self.make_room()?;
        let mut block = vec![0; BLOCK_HEADER];
        for row in rows {
            push_entry(&mut block, |block| codec::push_imported(block, row))?;
        }
        self.commit_block(Durability::Power, block, |layers, tables, buffer| {
            rows.iter().try_for_each(|row| {
                layers.apply(tables, &Entry::Row(Box::new(row.clone())), &Parts::default(), buffer)
            })
        })
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.shared.reading.counters().applied == 0)
    }
}

impl Handle {
    /// What the store has done since it was opened.
    pub fn stats(&self) -> Stats {
        let layers = self.shared.reading.read();
        let memory = layers.active.bytes + layers.sealed.as_ref().map_or(0, |sealed| sealed.bytes);
        drop(layers);
        self.shared.metrics.stats(memory as u64)
    }

    /// How many sorted runs the trees of the tables have: rows, history, outcomes, runs. A read asks each of one
    /// tree.
    pub fn runs(&self) -> [usize; 4] {
        self.shared.reading.tables.runs()
    }

    /// Makes a folder that opens as a store, with all that was written when this returned and commits going on.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        backup::backup(&self.shared, &self.folder, to)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("folder", &self.folder).finish_non_exhaustive()
    }
}
