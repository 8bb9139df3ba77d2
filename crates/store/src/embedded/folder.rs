//! The folder of a store: made, locked, and marked with its format.
//!
//! It refuses to know what is in the files.
//!
//! Its one invariant: one process at a time has a folder open, and a folder of a newer format is left alone.

use super::files::sync_folder_of;
use super::journal::FORMAT;
use crate::contract::StoreError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::path::Path;

/// A folder that is ours.
pub(crate) struct Opened {
    /// Held until the process ends or this is dropped.
    pub(crate) lock: File,
    /// The seed of all checksums in this folder.
    pub(crate) salt: u64,
}

/// Makes the folder if it is not there, locks it, and reads or writes its mark.
pub(crate) fn open(folder: &Path) -> Result<Opened, StoreError> {
    for part in [folder, &folder.join("journal"), &folder.join("tables")] {
        fs::create_dir_all(part).map_err(|error| unusable(folder, "cannot be made or written", &error))?;
    }
    let lock = lock(folder)?;
    let salt = match read_mark(folder)? {
        Some(salt) => salt,
        None => {
            write_mark(folder, random()).map_err(|error| unusable(folder, "cannot be written", &error))?
        }
    };
    Ok(Opened { lock, salt })
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("LOCK"))
        .map_err(|error| unusable(folder, "cannot be written", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Who it is would be good to know, but the folder is in use either way.
            let _ = file.read_to_string(&mut owner);
            let owner = owner.trim();
            let owner = (!owner.is_empty()).then(|| format!("process {owner}"));
            return Err(StoreError::InUse { folder: folder.to_path_buf(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(folder, "cannot be locked", &error)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|error| unusable(folder, "cannot be written", &error))?;
    Ok(file)
}

/// The salt in the mark, if there is one.
fn read_mark(folder: &Path) -> Result<Option<u64>, StoreError> {
    let path = folder.join("CURRENT");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return no_mark(folder),
        Err(source) => return Err(StoreError::Io { action: format!("reading {}", path.display()), source }),
    };
    let damaged = || StoreError::Damaged {
        file: path.clone(),
        offset: 0,
        problem: "it does not say \"everstate-store format N salt HEX\"; restore it from a backup".into(),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["everstate-store", "format", format, "salt", salt] = words[..] else { return Err(damaged()) };
    let format: u32 = format.parse().map_err(|_| damaged())?;
    if format > FORMAT {
        return Err(StoreError::Format { found: format, known: FORMAT });
    }
    u64::from_str_radix(salt, 16).map(Some).map_err(|_| damaged())
}

/// A folder without a mark must not hold a store, or its data would be taken for nothing.
fn no_mark(folder: &Path) -> Result<Option<u64>, StoreError> {
    let has_segments = fs::read_dir(folder.join("journal"))
        .map_err(|error| unusable(folder, "cannot be read", &error))?
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().ends_with(".log"));
    if has_segments {
        return Err(StoreError::Damaged {
            file: folder.join("CURRENT"),
            offset: 0,
            problem: "it is missing while there is a journal; restore it from a backup".into(),
        });
    }
    Ok(None)
}

/// Writes the mark, whole or not at all.
pub(crate) fn write_mark(folder: &Path, salt: u64) -> std::io::Result<u64> {
    let (new, path) = (folder.join("CURRENT.new"), folder.join("CURRENT"));
    let mut file = File::create(&new)?;
    writeln!(file, "everstate-store format {FORMAT} salt {salt:016x}")?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    sync_folder_of(&path)?;
    Ok(salt)
}

/// A number that users of the store cannot foresee; the standard library seeds its hash maps from the system.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

fn unusable(folder: &Path, what: &str, error: &std::io::Error) -> StoreError {
    StoreError::Folder {
        folder: folder.to_path_buf(),
        problem: format!(
            "{what} ({error}); give this user the right to write there, or choose another folder with --data"
        ),
    }
}
