//! The commit path: each batch is one checksummed block at the end of a segment file that has its full length
//! already, followed by at most one sync.
//!
//! It refuses to know what a block holds.
//!
//! Its one invariant: blocks are numbered without a gap, and a block is only ever followed by its successor or by
//! zeros. Therefore an end can be told from a damage: see [`super::recovery`].
//!
//! A segment begins with [`SEGMENT_HEADER`] bytes: magic, format, its number, the sequence of its first block,
//! checksum. A block begins with [`BLOCK_HEADER`] bytes: magic, length of its payload, its sequence, the last
//! sequence known to be synced when it was written, checksum. All numbers are little-endian; checksums are XXH3
//! seeded with the salt of the store, so that nothing a user stores can look like a block.

use super::files::{Disk, JournalFile, is_full};
use super::metrics::Metrics;
use crate::contract::StoreError;
use everstate_kernel::Durability;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const SEGMENT_HEADER: usize = 40;
pub(crate) const BLOCK_HEADER: usize = 32;
const SEGMENT_MAGIC: &[u8; 8] = b"EVERSTJL";
const BLOCK_MAGIC: &[u8; 4] = b"EVBK";
/// The format of segments and blocks written now.
pub(crate) const FORMAT: u32 = 1;

/// Bytes that commits of durability `none` may gather before they are written. They cost memory and are lost with
/// the process; at half, writes are shorter than the cost of a system call is worth.
const PENDING_MAX: usize = 256 << 10;

/// The longest block. A batch is bounded far below by whoever makes it; offsets within a block are 32 bits.
const BLOCK_MAX: usize = 1 << 30;

/// Segments kept for later instead of being removed. One is the reserve that lets a full disk be noticed before a
/// block is written; the second saves making one while the applier is behind.
const SPARES_MAX: usize = 2;

/// What a block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) length: usize,
    pub(crate) sequence: u64,
    pub(crate) synced: u64,
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) first: u64,
}

/// The segment that is written.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn JournalFile>,
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) length: u64,
    /// Where the next block goes.
    pub(crate) end: u64,
}

/// A segment that is full.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// The sequence of its last block.
    pub(crate) last: u64,
}

/// Segments besides the one that is written; shared with the applier, which frees them.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) closed: VecDeque<Closed>,
    pub(crate) spares: Vec<(PathBuf, u64)>,
    pub(crate) spare_number: u64,
    /// The segment that is written, and how far it is.
    pub(crate) written: (u64, u64),
    pub(crate) open_length: u64,
}

/// The end of the journal.
pub(crate) struct Journal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) salt: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) current: Segment,
    pub(crate) next_sequence: u64,
    /// The last sequence known to be on the disk.
    pub(crate) synced: u64,
    /// Blocks of durability `none` that are not written yet.
    pub(crate) pending: Vec<u8>,
    pub(crate) shelf: Arc<Mutex<Shelf>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) poisoned: Option<String>,
}

impl Journal {
    /// Makes `block`, whose first [`BLOCK_HEADER`] bytes are free, the next block, and brings it as far as
    /// `durability` asks. Answers its sequence. When the disk is full, nothing has happened.
    pub(crate) fn append(&mut self, block: &mut Vec<u8>, durability: Durability) -> Result<u64, StoreError> {
        self.check()?;
        if block.len() > BLOCK_MAX {
            return Err(StoreError::Io {
                action: format!("committing a batch of {} bytes; commit less at a time", block.len()),
                source: std::io::ErrorKind::FileTooLarge.into(),
            });
        }
        let sequence = self.next_sequence;
        seal_block(block, sequence, self.synced, self.salt);
        if durability == Durability::None && self.pending.len() + block.len() <= PENDING_MAX {
            self.pending.extend_from_slice(block);
        } else {
            self.write(block)?;
            if durability == Durability::Power {
                self.next_sequence += 1;
                self.sync()?;
                return Ok(sequence);
            }
        }
        self.next_sequence += 1;
        Ok(sequence)
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.poisoned {
            Some(reason) => Err(StoreError::Poisoned(reason.clone())),
            None => Ok(()),
        }
    }

    /// Writes what is pending, and `block` behind it, with the zeros that mark the end.
    fn write(&mut self, block: &mut Vec<u8>) -> Result<(), StoreError> {
        let length = self.pending.len() + block.len();
        if length == 0 {
            return Ok(());
        }
        if self.current.end + (length + BLOCK_HEADER) as u64 > self.current.length {
            self.rotate(length)?;
        }
        let kept = self.pending.len();
        let written = if kept == 0 {
            block.resize(length + BLOCK_HEADER, 0);
            let written = self.current.file.write_at(block, self.current.end);
            block.truncate(length);
            written
        } else {
            self.pending.extend_from_slice(block);
            self.pending.resize(length + BLOCK_HEADER, 0);
            let written = self.current.file.write_at(&self.pending, self.current.end);
            self.pending.truncate(kept);
            written
        };
        if let Err(error) = written {
            return Err(self.not_written(error));
        }
        self.pending.clear();
        self.current.end += length as u64;
        self.shelf().written = (self.current.number, self.current.end);
        self.metrics.bytes.fetch_add(length as u64, Relaxed);
        Ok(())
    }

    /// After a failed write: when only space is missing and the end can be marked where it was, nothing has
    /// happened; otherwise nothing more can be promised.
    fn not_written(&mut self, error: std::io::Error) -> StoreError {
        if is_full(&error) && self.current.file.write_at(&[0; BLOCK_HEADER], self.current.end).is_ok() {
            return StoreError::Full;
        }
        self.poison("writing", error)
    }

    pub(crate) fn poison(&mut self, what: &str, source: std::io::Error) -> StoreError {
        let action = format!("{what} journal segment {}", self.current.path.display());
        self.poisoned = Some(format!("{action} failed: {source}"));
        tracing::error!(%source, "{action} failed; the store takes no more commits");
        StoreError::Io { action, source }
    }

    /// Writes what is pending and puts everything on the disk.
    pub(crate) fn sync_all(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.write(&mut Vec::new())?;
        self.sync()
    }

    /// Writes what is pending.
    pub(crate) fn write_pending(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.write(&mut Vec::new())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let started = Instant::now();
        if let Err(error) = self.current.file.sync() {
            return Err(self.poison("syncing", error));
        }
        self.synced = self.next_sequence - 1;
        self.metrics.syncs.fetch_add(1, Relaxed);
        let took = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.metrics.last_sync_nanos.store(took, Relaxed);
        Ok(())
    }

    /// Goes on in another segment with room for `length` bytes.
    fn rotate(&mut self, length: usize) -> Result<(), StoreError> {
        let room = (SEGMENT_HEADER + length + BLOCK_HEADER) as u64;
        // What was written so far must be on the disk before anything can follow in another file, or a power cut
        // could keep the later and lose the earlier. What is pending goes to the new segment.
        let first = self.next_sequence - self.pending_blocks();
        let (path, spare_length) = match self.spare(room.max(self.segment_bytes)) {
            Err(StoreError::Io { action, source }) => {
                return Err(self.poison(&format!("{action}, after"), source));
            }
            other => other?,
        };
        if let Err(error) = self.current.file.sync() {
            self.shelf().spares.push((path, spare_length));
            return Err(self.poison("syncing", error));
        }
        self.synced = first - 1;
        let number = self.current.number + 1;
        match activate(&*self.disk, &path, &self.folder, number, first, self.salt) {
            Ok((file, new_path)) => {
                let segment = Segment {
                    file,
                    path: new_path,
                    number,
                    length: spare_length,
                    end: SEGMENT_HEADER as u64,
                };
                let old = std::mem::replace(&mut self.current, segment);
                let mut shelf = self.shelf();
                shelf.closed.push_back(Closed { path: old.path, length: old.length, last: first - 1 });
                shelf.written = (number, SEGMENT_HEADER as u64);
                shelf.open_length = spare_length;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.shelf().spares.push((path, spare_length));
                Err(StoreError::Full)
            }
            Err(error) => Err(self.poison("going on after", error)),
        }
    }

    fn pending_blocks(&self) -> u64 {
        let (mut blocks, mut at) = (0, 0);
        while let Some(header) = self.pending.get(at..).and_then(BlockHeader::read) {
            blocks += 1;
            at += BLOCK_HEADER + header.length;
        }
        blocks
    }

    /// A spare segment of at least that length, made if there is none.
    fn spare(&self, length: u64) -> Result<(PathBuf, u64), StoreError> {
        let mut shelf = self.shelf();
        if let Some(at) = shelf.spares.iter().position(|spare| spare.1 >= length) {
            return Ok(shelf.spares.swap_remove(at));
        }
        shelf.make_spare(&*self.disk, &self.folder, length)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Makes a spare segment.
    pub(crate) fn make_spare(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        length: u64,
    ) -> Result<(PathBuf, u64), StoreError> {
        self.spare_number += 1;
        let path = folder.join(format!("spare-{}", self.spare_number));
        match disk.create(&path, length) {
            Ok(_) => Ok((path, length)),
            Err(error) if is_full(&error) => Err(StoreError::Full),
            Err(source) => {
                Err(StoreError::Io { action: format!("making journal segment {}", path.display()), source })
            }
        }
    }

    /// Frees all segments that hold nothing above `applied`.
    pub(crate) fn free(&mut self, disk: &dyn Disk, folder: &Path, applied: u64, segment_bytes: u64) {
        while self.closed.front().is_some_and(|closed| closed.last <= applied) {
            let Some(closed) = self.closed.pop_front() else { return };
            self.recycle(disk, folder, &closed.path, closed.length, segment_bytes);
        }
    }

    /// Keeps a segment as a spare, or removes it. What cannot be done now is done when the store is opened again.
    pub(crate) fn recycle(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        path: &Path,
        length: u64,
        segment_bytes: u64,
    ) {
        let outcome = if self.spares.len() < SPARES_MAX && length == segment_bytes {
            self.spare_number += 1;
            let spare = folder.join(format!("spare-{}", self.spare_number));
            disk.rename(path, &spare).map(|()| self.spares.push((spare, length)))
        } else {
            disk.remove(path)
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "journal segment {} could not be freed", path.display());
        }
    }

    /// Bytes of all journal files.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed.iter().map(|closed| closed.length).sum::<u64>()
            + self.spares.iter().map(|spare| spare.1).sum::<u64>()
            + self.open_length
    }
}

/// Makes the file at `spare` the segment of that number.
pub(crate) fn activate(
    disk: &dyn Disk,
    spare: &Path,
    folder: &Path,
    number: u64,
    first: u64,
    salt: u64,
) -> std::io::Result<(Box<dyn JournalFile>, PathBuf)> {
    let file = disk.open(spare)?;
    let mut header = segment_header(SegmentHeader { number, first }, salt).to_vec();
    header.resize(SEGMENT_HEADER + BLOCK_HEADER, 0);
    file.write_at(&header, 0)?;
    // On the disk before it has its name: a segment whose name is there has its header.
    file.sync()?;
    let path = segment_path(folder, number);
    disk.rename(spare, &path)?;
    Ok((file, path))
}

/// Where the segment of that number lies.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.log"))
}

fn segment_header(header: SegmentHeader, salt: u64) -> [u8; SEGMENT_HEADER] {
    let mut bytes = [0; SEGMENT_HEADER];
    bytes[..8].copy_from_slice(SEGMENT_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.number.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.first.to_le_bytes());
    let checksum = xxh3_64_with_seed(&bytes[..32], salt);
    bytes[32..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

impl SegmentHeader {
    /// Reads and checks the beginning of a segment.
    pub(crate) fn read(bytes: &[u8], salt: u64) -> Result<SegmentHeader, String> {
        let Some(bytes) = bytes.get(..SEGMENT_HEADER) else { return Err("the file is too short".into()) };
        if xxh3_64_with_seed(&bytes[..32], salt) != number(bytes, 32) {
            return Err("the header's checksum does not fit".into());
        }
        Ok(SegmentHeader { number: number(bytes, 16), first: number(bytes, 24) })
    }
}

/// Fills in the header of a block.
fn seal_block(block: &mut Vec<u8>, sequence: u64, synced: u64, salt: u64) {
    // A multiple of eight, so that a search for blocks needs to look at every eighth byte only.
    block.resize(block.len().next_multiple_of(8), 0);
    let length = block.len() - BLOCK_HEADER;
    block[..4].copy_from_slice(BLOCK_MAGIC);
    block[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    block[8..16].copy_from_slice(&sequence.to_le_bytes());
    block[16..24].copy_from_slice(&synced.to_le_bytes());
    let checksum = block_checksum(block, salt);
    block[24..32].copy_from_slice(&checksum.to_le_bytes());
}

fn block_checksum(block: &[u8], salt: u64) -> u64 {
    let header = xxh3_64_with_seed(&block[..24], salt);
    xxh3_64_with_seed(&block[BLOCK_HEADER..], header)
}

impl BlockHeader {
    /// Reads the header of a block, unchecked.
    pub(crate) fn read(bytes: &[u8]) -> Option<BlockHeader> {
        let bytes = bytes.get(..BLOCK_HEADER).filter(|bytes| bytes.starts_with(BLOCK_MAGIC))?;
        let length = u32::from_le_bytes(*bytes[4..].first_chunk()?) as usize;
        Some(BlockHeader { length, sequence: number(bytes, 8), synced: number(bytes, 16) })
    }

    /// Reads the block at the beginning of `bytes`; none when it is not whole or its checksum does not fit.
    pub(crate) fn check(bytes: &[u8], salt: u64) -> Option<BlockHeader> {
        let header = BlockHeader::read(bytes)?;
        let block = bytes.get(..BLOCK_HEADER.checked_add(header.length)?)?;
        (block_checksum(block, salt) == number(bytes, 24)).then_some(header)
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
