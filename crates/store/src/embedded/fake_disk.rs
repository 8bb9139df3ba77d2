//! A disk for simulations: journal files in memory, and every way of failing that the journal promises to survive.
//!
//! It refuses to know what is written. Its one invariant: what a sync answered `Ok` for is there after every crash,
//! unless the disk was told to lie.
//!
//! The fault model:
//!
//! | what happens | what is left |
//! |---|---|
//! | the process ends | every write that returned, and any part of one that did not; nothing more is on the disk than before |
//! | the power is cut | what was synced; of later writes, sector by sector, whatever [`Torn`] says |
//! | a sync fails | as after Linux's `fsync`: the writes are seen until the power is cut, are never written, and later syncs answer `Ok` |
//! | the disk is full | no file can be made; now and then a write stops half way |
//! | a file is removed | after a power cut the name may be back, until a rename or a new file has made the folder durable |
//! | a file is made or renamed | durable when it returned |
//! | a sync is slow | it takes the time that was asked for, which the caller reads off |
//! | the disk lies | a sync does nothing and answers `Ok`: beyond what a store can survive, to see that the loss is noticed |
//!
//! Damage to what was synced is no crash and made by [`FakeDisk::flip`]. The tables' files lie on a real file system and
//! are kept as they are, whole runs at a time; the power can be cut between two runs of one generation.

use super::files::{Disk, JournalFile};
use super::{Embedded, Options, Recovery, folder, open_on};
use crate::contract::StoreError;
use crate::dice::Dice;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::Xxh3;

#[cfg(test)]
mod tests;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crash {
    /// The process. What it wrote is with the operating system.
    Process,
    /// The power.
    Power,
}

/// What a power cut leaves of writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Torn {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// The first sectors.
    Cut,
    /// Each sector or not, in any order, some with a bit flipped. A sector that is written again as it was is not: a
    /// disk writes a sector whole or not at all, and both are the same then.
    Mixed,
}

/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The salt of folders that are opened on a fake disk, so that equal runs write equal bytes.
const SALT: u64 = 0x5a17;

/// A disk of journal files, in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FakeDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    dice: Dice,
    names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, FakeFile>,
    /// Names that a power cut may bring back.
    removed: Vec<(PathBuf, u64)>,
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    full: bool,
    lies: bool,
    sync_fails: bool,
    sync_ms: u64,
    waited_ms: u64,
}

#[derive(Debug, Default)]
struct FakeFile {
    /// What a power cut cannot take.
    durable: Vec<u8>,
    /// What is read.
    content: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<(usize, Vec<u8>)>,
}

/// Is an operation done?
enum Fate {
    Whole,
    /// In part, and it is the last one.
    Part,
}

impl FakeDisk {
    /// An empty disk; `seed` decides what no one asks for.
    pub fn new(seed: u64) -> FakeDisk {
        let inner = Inner {
            dice: Dice::new(seed),
            names: BTreeMap::new(),
            files: BTreeMap::new(),
            removed: Vec::new(),
            operations: 0,
            dies_at: None,
            dead: false,
            full: false,
            lies: false,
            sync_fails: false,
            sync_ms: 0,
            waited_ms: 0,
        };
        FakeDisk { inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many more operations are done; the one after them is done in part, and none after that.
    pub fn die_after(&self, operations: u64) {
        let mut inner = self.inner();
        inner.dies_at = Some(inner.operations + operations);
    }

    /// Does it do nothing any more?
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// Operations until now.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Lets whoever uses the disk end, and the disk be there again for the next one.
    pub fn crash(&self, crash: Crash, torn: Torn) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        (inner.dead, inner.dies_at, inner.sync_fails) = (false, None, false);
        if crash == Crash::Process {
            return;
        }
        for (path, id) in std::mem::take(&mut inner.removed) {
            if inner.dice.one_in(2) {
                inner.names.entry(path).or_insert(id);
            }
        }
        for file in inner.files.values_mut() {
            file.lose(torn, &mut inner.dice);
        }
    }

    /// From now on there is no space, or is again.
    pub fn set_full(&self, full: bool) {
        self.inner().full = full;
    }

    /// The next sync fails.
    pub fn fail_next_sync(&self) {
        self.inner().sync_fails = true;
    }

    /// Whatever is still to befall it does not.
    pub fn spare(&self) {
        let mut inner = self.inner();
        (inner.dies_at, inner.sync_fails) = (None, false);
    }

    /// From now on syncs do nothing and answer `Ok`, or do what they should again.
    pub fn set_lying(&self, lies: bool) {
        self.inner().lies = lies;
    }

    /// How long a sync takes from now on.
    pub fn set_sync_ms(&self, milliseconds: u64) {
        self.inner().sync_ms = milliseconds;
    }

    /// How long syncs took since this was asked last.
    pub fn take_waited_ms(&self) -> u64 {
        std::mem::take(&mut self.inner().waited_ms)
    }

    /// Flips one bit somewhere in what was written to a segment; says in which file and where. None without a segment.
    pub fn flip(&self) -> Option<(PathBuf, usize)> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let segments = inner.names.iter().filter(|(path, _)| path.extension().is_some());
        let segments: Vec<(PathBuf, u64)> = segments.map(|(path, id)| (path.clone(), *id)).collect();
        let count = segments.len() as u64;
        if count == 0 {
            return None;
        }
        let (path, id) = segments.into_iter().nth(inner.dice.below(count) as usize)?;
        let file = inner.files.get_mut(&id)?;
        let written = file.content.iter().rposition(|byte| *byte != 0)?;
        let at = inner.dice.below(written as u64 + 1) as usize;
        let bit = 1 << inner.dice.below(8);
        file.content[at] ^= bit;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= bit;
        }
        Some((path, at))
    }

    /// A fingerprint of all that can be read.
    pub fn digest(&self) -> u64 {
        let inner = self.inner();
        let mut hash = Xxh3::new();
        for (path, id) in &inner.names {
            hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            hash.update(&inner.files[id].content);
        }
        hash.digest()
    }
}

impl FakeFile {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.content, offset, bytes);
        self.pending.push((offset, bytes.to_vec()));
    }

    fn sync(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            put(&mut self.durable, offset, &bytes);
        }
    }

    /// The power goes: what was not synced is there or not.
    fn lose(&mut self, torn: Torn, dice: &mut Dice) {
        let sectors: Vec<(usize, Vec<u8>)> = std::mem::take(&mut self.pending)
            .into_iter()
            .flat_map(|(at, bytes)| sectors(at, bytes))
            .collect();
        let kept = match torn {
            Torn::Lost => 0,
            Torn::Cut => dice.below(sectors.len() as u64 + 1) as usize,
            Torn::Kept | Torn::Mixed => sectors.len(),
        };
        for (offset, mut bytes) in sectors.into_iter().take(kept) {
            let is_there = self.durable.get(offset..offset + bytes.len()) == Some(&bytes[..]);
            if torn == Torn::Mixed && !is_there {
                if dice.one_in(2) {
                    continue;
                }
                if dice.one_in(8) {
                    let at = dice.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << dice.below(8);
                }
            }
            put(&mut self.durable, offset, &bytes);
        }
        self.content = self.durable.clone();
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// A write cut at the borders of sectors.
fn sectors(mut offset: usize, mut bytes: Vec<u8>) -> Vec<(usize, Vec<u8>)> {
    let mut cut = Vec::new();
    while !bytes.is_empty() {
        let length = (SECTOR - offset % SECTOR).min(bytes.len());
        let rest = bytes.split_off(length);
        cut.push((offset, std::mem::replace(&mut bytes, rest)));
        offset += length;
    }
    cut
}

impl Inner {
    /// Counts an operation.
    fn begin(&mut self) -> io::Result<Fate> {
        if self.dead {
            return Err(io::Error::other("the disk is gone"));
        }
        self.operations += 1;
        match self.dies_at {
            Some(last) if self.operations > last => {
                self.dead = true;
                Ok(Fate::Part)
            }
            _ => Ok(Fate::Whole),
        }
    }

    /// May an operation that is cut off have happened? Then it is told as failed all the same.
    fn maybe(&mut self, fate: &Fate) -> bool {
        matches!(fate, Fate::Whole) || self.dice.one_in(2)
    }

    fn end(&self, fate: &Fate) -> io::Result<()> {
        match fate {
            Fate::Whole => Ok(()),
            Fate::Part => Err(io::Error::other("the disk is gone")),
        }
    }

    fn found(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, id: u64, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let fate = self.begin()?;
        let stops = self.full && self.dice.one_in(4);
        let length = match fate {
            Fate::Whole if !stops => bytes.len(),
            _ => self.dice.below(bytes.len() as u64 + 1) as usize,
        };
        if let Some(file) = self.files.get_mut(&id) {
            file.write(offset, &bytes[..length]);
        }
        if stops && matches!(fate, Fate::Whole) && length < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.end(&fate)
    }

    fn sync(&mut self, id: u64) -> io::Result<()> {
        let fate = self.begin()?;
        self.waited_ms += self.sync_ms;
        let done = self.maybe(&fate) && !self.lies;
        let fails = std::mem::take(&mut self.sync_fails) && matches!(fate, Fate::Whole);
        let Some(file) = self.files.get_mut(&id) else { return self.end(&fate) };
        if fails {
            // They stay to be seen, and nobody writes them any more.
            file.pending.clear();
            return Err(io::Error::other("made to fail"));
        }
        if done {
            file.sync();
        }
        self.end(&fate)
    }
}

struct OpenFile {
    disk: FakeDisk,
    id: u64,
}

impl JournalFile for OpenFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.inner().write(self.id, offset as usize, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.inner().sync(self.id)
    }
}

impl Disk for FakeDisk {
    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn JournalFile>> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let fate = inner.begin()?;
        if inner.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if inner.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !inner.maybe(&fate) {
            return Err(io::Error::other("the disk is gone"));
        }
        let length = match fate {
            Fate::Whole => length,
            Fate::Part => inner.dice.below(length + 1),
        };
        let id = inner.files.keys().next_back().map_or(0, |last| last + 1);
        let zeros = vec![0; length as usize];
        let file = FakeFile { durable: zeros.clone(), content: zeros, pending: Vec::new() };
        inner.files.insert(id, file);
        inner.names.insert(path.to_path_buf(), id);
        inner.removed.clear();
        inner.end(&fate)?;
        Ok(Box::new(OpenFile { disk: self.clone(), id }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn JournalFile>> {
        let id = self.inner().found(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let fate = inner.begin()?;
        let id = inner.found(from)?;
        if inner.maybe(&fate) {
            inner.names.remove(from);
            inner.names.insert(to.to_path_buf(), id);
            inner.removed.clear();
        }
        inner.end(&fate)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        let id = inner.found(path)?;
        Ok(inner.files[&id].content.clone())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        let inner = self.inner();
        let here = inner.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(here.map(|(path, id)| (name(path), inner.files[id].content.len() as u64)).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let fate = inner.begin()?;
        let id = inner.found(path)?;
        if inner.maybe(&fate) {
            inner.names.remove(path);
            inner.removed.push((path.to_path_buf(), id));
        }
        inner.end(&fate)
    }

    fn before_run(&self, _: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let fate = inner.begin()?;
        inner.end(&fate)?;
        if inner.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// Opens a store whose journal lies on a fake disk; `folder`, on a real one, is for its tables. It has no threads of
/// its own, so that equal calls do equal things: whoever commits moves what is sealed, or [`Embedded::tend`] does.
pub fn open_fake(
    folder: &Path,
    options: &Options,
    disk: &FakeDisk,
) -> Result<(Embedded, Recovery), StoreError> {
    if !folder.join("CURRENT").exists() {
        folder::write_mark(folder, SALT)
            .map_err(|source| StoreError::Io { action: "marking a folder".into(), source })?;
    }
    open_on(folder, options, Arc::new(disk.clone()))
}

impl Embedded {
    /// Does what the threads of a store that has any would do by now: moves what is sealed into the tables, and merges
    /// them. Only for stores that were opened without threads.
    pub fn tend(&mut self) -> Result<(), StoreError> {
        self.shared.tend()
    }
}
