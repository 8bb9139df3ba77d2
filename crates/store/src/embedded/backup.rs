//! A copy of an open store that opens as a store.
//!
//! It refuses to stop commits: only the tables stand still, and only while names are linked and the journal is
//! copied.
//!
//! Its one invariant: the copy holds all that was written to the journal when the copy began, and every commit in it
//! is there with all commits before it.

use super::applier::{Shared, lock};
use super::files::sync_folder_of;
use super::journal::segment_path;
use crate::contract::StoreError;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

pub(crate) fn backup(shared: &Shared, folder: &Path, to: &Path) -> Result<(), StoreError> {
    let empty = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !empty {
        return Err(StoreError::Folder {
            folder: to.to_path_buf(),
            problem: "it is not an empty folder; give the backup a folder of its own".into(),
        });
    }
    // The links lie beside the tables, since a link cannot lead to another file system.
    let links = folder.join(format!("backup-{}", std::process::id()));
    let outcome = gather(shared, folder, &links, to).and_then(|()| copy_tree(&links, &to.join("tables")));
    let removed = match fs::remove_dir_all(&links) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    // The mark comes last: a copy that was cut off does not open as a store.
    outcome
        .and(removed)
        .and_then(|()| fs::copy(folder.join("CURRENT"), to.join("CURRENT")).map(|_| ()))
        .and_then(|()| File::open(to.join("CURRENT"))?.sync_all())
        .and_then(|()| sync_folder_of(&to.join("CURRENT")))
        .map_err(|source| StoreError::Io { action: format!("making a backup in {}", to.display()), source })
}

/// Links the tables' files and copies the journal while neither is changed but at the journal's end.
fn gather(shared: &Shared, folder: &Path, links: &Path, to: &Path) -> io::Result<()> {
    let _merging = lock(&shared.merging);
    let _files = lock(&shared.files);
    link_tree(&folder.join("tables"), links)?;
    let (written, closed) = {
        let shelf = lock(&shared.shelf);
        let closed: Vec<_> = shelf.closed.iter().map(|closed| (closed.path.clone(), closed.length)).collect();
        (shelf.written, closed)
    };
    let journal = to.join("journal");
    fs::create_dir_all(&journal)?;
    for (path, length) in closed {
        if let Some(name) = path.file_name() {
            copy_file(&path, &journal.join(name), length, length)?;
        }
    }
    // What is behind the end may be half of a commit that goes on now.
    let (number, end) = written;
    let path = segment_path(&folder.join("journal"), number);
    let length = fs::metadata(&path)?.len();
    copy_file(&path, &segment_path(&journal, number), end, length)?;
    sync_folder_of(&segment_path(&journal, number))
}

/// Copies the first `bytes` of a file and fills it up with zeros.
fn copy_file(from: &Path, to: &Path, bytes: u64, length: u64) -> io::Result<()> {
    let mut copy = File::create(to)?;
    io::copy(&mut File::open(from)?.take(bytes), &mut copy)?;
    copy.set_len(length)?;
    copy.flush()?;
    copy.sync_all()
}

/// Links files that are never changed once they have their name, and copies the others.
fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}
