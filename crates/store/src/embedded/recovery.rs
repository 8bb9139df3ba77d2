//! What is left of the journal when a store is opened: replayed up to the last good block.
//!
//! It refuses to guess. A block that is not what was written ends the journal when nothing that was acknowledged
//! can lie behind it; otherwise the store does not open.
//!
//! Its one invariant: every block whose sync was acknowledged is replayed, or opening fails and says where.
//!
//! | at the place of the next block | behind it | then |
//! |---|---|---|
//! | the block | | it is replayed |
//! | zeros, or the end of the file | nothing that fits | the journal ends here |
//! | anything else | nothing that fits | a torn write: dropped, reported, overwritten |
//! | zeros or anything else | a later block that knows this one as synced | damaged |
//! | anything but the block | another segment | damaged: a segment is synced before the next is begun |

use super::files::{Disk, zero};
use super::journal::{
    BLOCK_HEADER, BlockHeader, Closed, Journal, SEGMENT_HEADER, Segment, SegmentHeader, Shelf, activate,
    segment_path,
};
use super::metrics::Metrics;
use crate::contract::StoreError;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was found when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Commits replayed from the journal.
    pub replayed: u64,
    /// What could not be used at the journal's end.
    pub dropped: Option<Dropped>,
}

/// The end of a journal that could not be used: a write that was cut off, or damaged since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The file.
    pub file: PathBuf,
    /// Where the first block that is not whole begins.
    pub offset: u64,
    /// What was found there.
    pub problem: String,
}

/// A block to be replayed: a buffer and where the block's payload is in it.
pub(crate) type Replay<'a> =
    &'a mut dyn FnMut(u64, &Arc<Vec<u8>>, Range<usize>, &Path) -> Result<(), StoreError>;

/// What opening a journal needs.
pub(crate) struct Opening {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) salt: u64,
    pub(crate) segment_bytes: u64,
    /// The last block that the tables hold.
    pub(crate) applied: u64,
    pub(crate) metrics: Arc<Metrics>,
}

/// The end of what could be read in the last segment.
struct End {
    offset: usize,
    /// Where the first block begins of which it is not known that it was synced.
    unsynced: usize,
    dropped: Option<String>,
}

/// The last segment, as it was found.
struct Last {
    path: PathBuf,
    number: u64,
    /// Where its last good block ends.
    offset: u64,
    length: u64,
    /// The good blocks at its end of which it is not known that they were synced.
    tail: Vec<u8>,
}

impl Opening {
    /// Replays all blocks that the tables do not hold; answers the journal, ready to go on.
    pub(crate) fn open(self, replay: Replay<'_>) -> Result<(Journal, Recovery), StoreError> {
        let (numbers, mut shelf) = self.files()?;
        let mut recovery = Recovery::default();
        let mut expected = self.applied + 1;
        let mut last = None;
        let mut ended_at = 0;
        for (at, number) in numbers.iter().enumerate() {
            let path = segment_path(&self.folder, *number);
            let bytes =
                Arc::new(self.disk.read(&path).map_err(|source| self.failed("reading", &path, source))?);
            let is_last = at + 1 == numbers.len();
            let header = match self.header(&path, &bytes, *number, is_last)? {
                Some(header) => header,
                None => {
                    let problem = "the segment has no header".to_string();
                    recovery.dropped = Some(Dropped { file: path.clone(), offset: 0, problem });
                    let length = bytes.len() as u64;
                    last = Some(Last { path, number: *number, offset: 0, length, tail: Vec::new() });
                    break;
                }
            };
            if at == 0 {
                self.check_first(&path, header.first)?;
                expected = header.first;
            } else if header.first != expected {
                let before = segment_path(&self.folder, number - 1);
                return Err(gap(&before, ended_at, expected, header.first));
            }
            let end = self.segment(&path, &bytes, &mut expected, is_last, &mut recovery, replay)?;
            ended_at = end.offset as u64;
            if !is_last {
                shelf.closed.push_back(Closed { path, length: bytes.len() as u64, last: expected - 1 });
                continue;
            }
            if let Some(problem) = end.dropped {
                tracing::warn!(
                    file = %path.display(), offset = end.offset, %problem,
                    "the journal's end was not whole; recovered up to the last good commit"
                );
                recovery.dropped = Some(Dropped { file: path.clone(), offset: end.offset as u64, problem });
            }
            let tail = bytes.get(end.unsynced..end.offset).unwrap_or_default().to_vec();
            let (offset, length) = (end.offset as u64, bytes.len() as u64);
            last = Some(Last { path, number: *number, offset, length, tail });
        }
        let journal = self.go_on(shelf, last, expected, recovery.dropped.is_some())?;
        Ok((journal, recovery))
    }

    /// The numbers of the segments, ascending, and the spares.
    fn files(&self) -> Result<(Vec<u64>, Shelf), StoreError> {
        let mut shelf = Shelf::default();
        let mut numbers: Vec<u64> = Vec::new();
        let files = self.disk.list(&self.folder).map_err(|e| self.failed("listing", &self.folder, e))?;
        for (name, length) in files {
            if let Some(number) = name.strip_suffix(".log").and_then(|number| number.parse().ok()) {
                numbers.push(number);
            } else if let Some(number) = name.strip_prefix("spare-").and_then(|n| n.parse::<u64>().ok()) {
                shelf.spare_number = shelf.spare_number.max(number);
                if length == self.segment_bytes {
                    shelf.spares.push((self.folder.join(name), length));
                } else {
                    // Of another length, or cut off while it was made: it holds nothing.
                    let _ = self.disk.remove(&self.folder.join(name));
                }
            }
        }
        numbers.sort_unstable();
        self.leave_out_freed(&mut numbers)?;
        Ok((numbers, shelf))
    }

    /// The names of freed segments may be back after a power cut, and not all of them: nothing waits for a removal to
    /// be on the disk. Before a gap there is only such, when what follows it begins with what the tables do not hold.
    fn leave_out_freed(&self, numbers: &mut Vec<u64>) -> Result<(), StoreError> {
        let Some(gap) = numbers.windows(2).rposition(|pair| pair[1] != pair[0] + 1) else { return Ok(()) };
        let after = segment_path(&self.folder, numbers[gap + 1]);
        let bytes = self.disk.read(&after).map_err(|source| self.failed("reading", &after, source))?;
        let begins = SegmentHeader::read(&bytes, self.salt).map(|header| header.first);
        if !begins.is_ok_and(|first| first <= self.applied + 1) {
            return Err(StoreError::Damaged {
                file: segment_path(&self.folder, numbers[gap] + 1),
                offset: 0,
                problem: "the segment is missing; put it back, or restore the folder from a backup".into(),
            });
        }
        for freed in numbers.drain(..=gap) {
            // It holds nothing that counts; should it stay, the next opening meets it again.
            let _ = self.disk.remove(&segment_path(&self.folder, freed));
        }
        Ok(())
    }

    /// The header of a segment; none when it is the last one and holds nothing.
    fn header(
        &self,
        path: &Path,
        bytes: &[u8],
        number: u64,
        is_last: bool,
    ) -> Result<Option<SegmentHeader>, StoreError> {
        match SegmentHeader::read(bytes, self.salt) {
            Ok(header) if header.number == number => Ok(Some(header)),
            Err(_) if is_last && self.later(bytes, 0, self.applied + 1, false).is_none() => Ok(None),
            Ok(_) => Err(damaged(path, 0, "the segment has the number of another one")),
            Err(problem) => Err(damaged(path, 0, &problem)),
        }
    }

    fn check_first(&self, path: &Path, first: u64) -> Result<(), StoreError> {
        if first <= self.applied + 1 {
            return Ok(());
        }
        Err(gap(path, 0, self.applied + 1, first))
    }

    /// Replays the blocks of one segment.
    fn segment(
        &self,
        path: &Path,
        bytes: &Arc<Vec<u8>>,
        expected: &mut u64,
        is_last: bool,
        recovery: &mut Recovery,
        replay: Replay<'_>,
    ) -> Result<End, StoreError> {
        let mut offset = SEGMENT_HEADER;
        let (mut places, mut synced) = (Vec::new(), 0);
        while let Some(header) = bytes.get(offset..).and_then(|rest| BlockHeader::check(rest, self.salt)) {
            if header.sequence != *expected {
                break;
            }
            places.push((header.sequence, offset));
            synced = header.synced;
            let payload = offset + BLOCK_HEADER..offset + BLOCK_HEADER + header.length;
            offset = payload.end;
            if header.sequence > self.applied {
                replay(header.sequence, bytes, payload, path)?;
                recovery.replayed += 1;
            }
            *expected += 1;
        }
        let unsynced = places.iter().find(|(sequence, _)| *sequence > synced).map_or(offset, |(_, at)| *at);
        if !is_last {
            return Ok(End { offset, unsynced, dropped: None });
        }
        if let Some(at) = self.later(bytes, offset, *expected, true) {
            let problem = format!(
                "commit {} is not what was written, and a later one is there at byte {at}; restore the folder from a backup",
                *expected
            );
            return Err(StoreError::Damaged { file: path.to_path_buf(), offset: offset as u64, problem });
        }
        let mark = bytes.get(offset..).unwrap_or_default();
        let mark = &mark[..mark.len().min(BLOCK_HEADER)];
        let dropped = if mark.iter().any(|byte| *byte != 0) {
            Some(format!("commit {} is not whole", *expected))
        } else if (bytes.len() as u64) < self.segment_bytes {
            Some(format!("the file ends after {} bytes, it was made longer", bytes.len()))
        } else {
            None
        };
        Ok(End { offset, unsynced, dropped })
    }

    /// Where behind `offset` a block with a sequence from `expected` on begins; with `proof`, only one that
    /// was written when the expected one was known to be on the disk.
    fn later(&self, bytes: &[u8], offset: usize, expected: u64, proof: bool) -> Option<usize> {
        (offset.next_multiple_of(8)..bytes.len()).step_by(8).find(|at| {
            let Some(header) = BlockHeader::read(&bytes[*at..]) else { return false };
            header.sequence >= expected
                && (!proof || header.synced >= expected)
                && BlockHeader::check(&bytes[*at..], self.salt).is_some()
        })
    }

    /// The journal from where its last good block ends.
    fn go_on(
        self,
        mut shelf: Shelf,
        last: Option<Last>,
        expected: u64,
        dropped: bool,
    ) -> Result<Journal, StoreError> {
        let mut number = 1;
        if let Some(Last { path, number: last_number, offset, length, tail }) = last {
            let reach = length.max(self.segment_bytes);
            // Without its header, or with less in it than the tables hold, there is nothing to go on from.
            if offset > 0 && expected > self.applied {
                self.tidy(&path, offset, reach, dropped || length < reach)?;
                let file = self.disk.open(&path).map_err(|e| self.failed("opening", &path, e))?;
                // After a sync that failed, the system may show what it will never write. So it is written again, and
                // the sync below is one of something.
                file.write_at(&tail, offset - tail.len() as u64)
                    .map_err(|e| self.failed("writing", &path, e))?;
                let current = Segment { file, path, number: last_number, length: reach, end: offset };
                return self.finish(shelf, current, expected);
            }
            number = last_number + 1;
            if offset == 0 {
                // The name stays before the next one, and the next opening must not stumble over it.
                number = last_number;
                self.disk.remove(&path).map_err(|e| self.failed("removing", &path, e))?;
            } else {
                shelf.closed.push_back(Closed { path, length, last: expected - 1 });
            }
        }
        let first = expected.max(self.applied + 1);
        let (spare, length) = match shelf.spares.pop() {
            Some(spare) => spare,
            None => shelf.make_spare(&*self.disk, &self.folder, self.segment_bytes)?,
        };
        let (file, path) = activate(&*self.disk, &spare, &self.folder, number, first, self.salt)
            .map_err(|e| self.failed("beginning", &spare, e))?;
        if first > expected {
            // All that the older segments hold is in the tables, and the sequence does not go on from them.
            for closed in std::mem::take(&mut shelf.closed) {
                self.disk.remove(&closed.path).map_err(|e| self.failed("removing", &closed.path, e))?;
            }
        }
        let current = Segment { file, path, number, length, end: SEGMENT_HEADER as u64 };
        self.finish(shelf, current, first)
    }

    /// Overwrites what was dropped, so that it can never be taken for a later commit, and gives a segment that
    /// was cut off its length back.
    fn tidy(&self, path: &Path, offset: u64, reach: u64, needed: bool) -> Result<(), StoreError> {
        if !needed {
            return Ok(());
        }
        let file = self.disk.open(path).map_err(|e| self.failed("opening", path, e))?;
        zero(&*file, offset, reach).and_then(|()| file.sync()).map_err(|e| self.failed("clearing", path, e))
    }

    fn finish(self, mut shelf: Shelf, current: Segment, next: u64) -> Result<Journal, StoreError> {
        shelf.open_length = current.length;
        shelf.written = (current.number, current.end);
        if shelf.spares.is_empty() {
            match shelf.make_spare(&*self.disk, &self.folder, self.segment_bytes) {
                Ok(spare) => shelf.spares.push(spare),
                Err(error) => tracing::warn!(%error, "there is no space for a reserve segment"),
            }
        }
        let mut journal = Journal {
            disk: self.disk,
            folder: self.folder,
            salt: self.salt,
            segment_bytes: self.segment_bytes,
            current,
            next_sequence: next,
            synced: 0,
            pending: Vec::new(),
            shelf: Arc::new(Mutex::new(shelf)),
            metrics: self.metrics,
            poisoned: None,
        };
        // What was read may still be only with the operating system.
        journal.sync_all()?;
        Ok(journal)
    }

    fn failed(&self, what: &str, path: &Path, source: std::io::Error) -> StoreError {
        StoreError::Io { action: format!("{what} {}", path.display()), source }
    }
}

fn damaged(path: &Path, offset: u64, problem: &str) -> StoreError {
    StoreError::Damaged {
        file: path.to_path_buf(),
        offset,
        problem: format!("{problem}; restore the folder from a backup"),
    }
}

fn gap(path: &Path, offset: u64, expected: u64, found: u64) -> StoreError {
    damaged(path, offset, &format!("commits {expected} to {} are missing", found.saturating_sub(1)))
}
