//! The file operations of the journal, as few as it needs, so that tests and simulations can make each of them fail.
//!
//! It refuses to know what is written.
//!
//! Its one invariant: when `sync` has answered `Ok`, all that `write_at` answered `Ok` for before is on the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Where journal files lie.
pub(crate) trait Disk: Send + Sync {
    /// Makes a file of that length, all zeros and on the disk, so that writing into it later neither needs
    /// space nor changes what a sync would have to write besides the data. Leaves no file when it fails.
    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn JournalFile>>;

    /// Opens a file that exists.
    fn open(&self, path: &Path) -> io::Result<Box<dyn JournalFile>>;

    /// Renames a file and makes that durable.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names of the files in a folder, with their lengths.
    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>>;

    /// Removes a file. The name may come back after a power cut, until something else makes the folder durable.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The run of a table is about to be written. The tables' files do not lie here; but whoever stands in for a disk
    /// can cut the power between two of them.
    fn before_run(&self, _table: &str) -> io::Result<()> {
        Ok(())
    }
}

/// A file of fixed length.
pub(crate) trait JournalFile: Send {
    /// Writes all bytes, at that offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Puts what was written on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of the operating system.
#[derive(Debug)]
pub(crate) struct System;

/// Zeros written at a time.
const ZEROS: &[u8] = &[0; 1 << 18];

impl Disk for System {
    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn JournalFile>> {
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let filled = zero(&made, 0, length).and_then(|()| made.sync_all());
        if let Err(error) = filled {
            // The name must not stay behind with half the space in it; that it cannot be removed changes nothing.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        sync_folder_of(path)?;
        Ok(Box::new(made))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn JournalFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            files.push((entry.file_name().to_string_lossy().into_owned(), length));
        }
        Ok(files)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl JournalFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes zeros from `offset` up to `end`.
pub(crate) fn zero(file: &dyn JournalFile, mut offset: u64, end: u64) -> io::Result<()> {
    while offset < end {
        let length = (end - offset).min(ZEROS.len() as u64);
        file.write_at(&ZEROS[..length as usize], offset)?;
        offset += length;
    }
    Ok(())
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

/// Has the disk, or the user's share of it, no more space?
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
