//! The embedded engine under faults: every file operation failing in turn, the journal cut off and flipped at any
//! byte, two owners, full and forbidden folders.
//!
//! It refuses to sleep. Its one invariant: what was acknowledged is there afterwards, or opening says where it is not.

use super::files::{Disk, JournalFile, System};
use super::{Embedded, Options, open, open_on};
use crate::conformance::{folder, open_small, small};
use crate::contract::{Store, StoreError};
use crate::world::{Dice, Model, World};
use everstate_kernel::{Durability, Record};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing is done, and an error is told.
    Error,
    /// Half is written, and an error is told.
    Short,
    /// Half is written, and then there is no space.
    Full,
}

/// A disk whose operation number `at` fails.
struct Faulty {
    at: u64,
    fault: Fault,
    count: Arc<AtomicU64>,
}

impl Faulty {
    fn new(at: u64, fault: Fault) -> Arc<Faulty> {
        Arc::new(Faulty { at, fault, count: Arc::default() })
    }

    fn wrap(&self, file: Box<dyn JournalFile>) -> Box<dyn JournalFile> {
        Box::new(FaultyFile { file, at: self.at, fault: self.fault, count: self.count.clone() })
    }
}

struct FaultyFile {
    file: Box<dyn JournalFile>,
    at: u64,
    fault: Fault,
    count: Arc<AtomicU64>,
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Full => io::ErrorKind::StorageFull.into(),
        Fault::Error | Fault::Short => io::Error::other("made to fail"),
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn JournalFile>> {
        if self.count.fetch_add(1, Relaxed) == self.at {
            return Err(error(self.fault));
        }
        System.create(path, length).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn JournalFile>> {
        System.open(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.count.fetch_add(1, Relaxed) == self.at {
            return Err(error(self.fault));
        }
        System.rename(from, to)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        System.read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        System.list(folder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }
}

impl JournalFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.count.fetch_add(1, Relaxed) != self.at {
            return self.file.write_at(bytes, offset);
        }
        if self.fault != Fault::Error {
            self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
        }
        Err(error(self.fault))
    }

    fn sync(&self) -> io::Result<()> {
        if self.count.fetch_add(1, Relaxed) != self.at {
            return self.file.sync();
        }
        // A sync never says "full" in a way that could be undone.
        Err(io::Error::other("made to fail"))
    }
}

fn batches(seed: u64, count: usize) -> Vec<Vec<Record>> {
    let mut world = World::new(seed, 8);
    (0..count).map(|_| world.batch()).collect()
}

/// The state after some of the batches.
fn model<'a>(batches: impl IntoIterator<Item = &'a Vec<Record>>) -> Model {
    let mut model = Model::default();
    batches.into_iter().flatten().for_each(|record| model.apply(record));
    model
}

/// How many commits there are in a store that counts from its first.
fn commits(store: &Embedded) -> usize {
    store.shared.reading.counters().applied as usize
}

/// Large enough that nothing moves into the tables by itself.
fn roomy() -> Options {
    Options { segment_bytes: 1 << 20, memory_bytes: 1 << 30, cache_bytes: 1 << 20, open_files: 32 }
}

#[test]
fn whatever_operation_fails_the_acknowledged_is_kept() {
    let batches = batches(3, 24);
    let options = Options { segment_bytes: 4 << 10, ..roomy() };
    for fault in [Fault::Error, Fault::Short, Fault::Full] {
        for at in 0.. {
            let folder = folder();
            let disk = Faulty::new(at, fault);
            let mut kept = Vec::new();
            let mut lost = None;
            match open_on(folder.path(), &options, disk.clone()) {
                Err(_) => {}
                Ok((mut store, _)) => {
                    for batch in &batches {
                        match store.commit(batch, Durability::Power) {
                            Ok(()) => kept.push(batch),
                            // Nothing of it is kept, and it can be sent again.
                            Err(StoreError::Full) => {
                                store.commit(batch, Durability::Power).expect("there is space again");
                                kept.push(batch);
                            }
                            Err(_) => {
                                lost = Some(batch);
                                let again = store.commit(batch, Durability::Power);
                                assert!(matches!(again, Err(StoreError::Poisoned(_))), "{again:?}");
                                break;
                            }
                        }
                    }
                    model(kept.iter().copied()).check(&*store.reader());
                }
            }
            let fired = disk.count.load(Relaxed) > at;
            let (store, _) = open(folder.path(), &options).expect("it opens again");
            let found = commits(&store);
            let attempted = kept.len() + usize::from(lost.is_some());
            assert!((kept.len()..=attempted).contains(&found), "operation {at} failing with {fault:?}");
            model(kept.iter().copied().chain(lost).take(found)).check(&*store.reader());
            if !fired {
                break;
            }
        }
    }
}

/// A store whose journal was left as a crash leaves it, and where each commit ends in it.
struct Crash {
    folder: tempfile::TempDir,
    batches: Vec<Vec<Record>>,
    /// End of each commit that was written, and the level it was written at.
    ends: Vec<(u64, Durability)>,
    segment: PathBuf,
}

fn crash(seed: u64, levels: &[Durability]) -> Crash {
    let folder = folder();
    let batches = batches(seed, 12);
    let mut dice = Dice::new(seed);
    let (mut store, _) = open(folder.path(), &roomy()).expect("it opens");
    let mut ends = Vec::new();
    for batch in &batches {
        let level = levels[dice.below(levels.len() as u64) as usize];
        store.commit(batch, level).expect("a commit");
        ends.push((store.journal.current.end, level));
    }
    let segment = store.journal.current.path.clone();
    drop(store);
    Crash { folder, batches, ends, segment }
}

impl Crash {
    /// Opens after the segment was changed; `whole` commits lie before the change.
    fn check(&self, whole: usize, what: &str) {
        // A later commit proves an earlier one when that was synced before it was written.
        let synced_after =
            |at: usize| self.ends[at..].iter().position(|(_, level)| *level == Durability::Power);
        let proven = synced_after(whole.min(self.ends.len() - 1))
            .is_some_and(|synced| whole < self.ends.len() && whole + synced + 1 < self.ends.len());
        match open(self.folder.path(), &roomy()) {
            Ok((store, recovery)) => {
                assert_eq!(commits(&store), whole, "{what}");
                model(&self.batches[..whole]).check(&*store.reader());
                assert_eq!(recovery.replayed, whole as u64, "{what}");
                if whole < self.ends.len() {
                    assert!(recovery.dropped.is_some(), "{what}: nothing reported");
                    assert!(!proven, "{what}: the middle of what was acknowledged is gone");
                }
                self.goes_on(store, whole);
            }
            Err(StoreError::Damaged { file, .. }) => {
                assert!(proven, "{what}: {whole} of {} could be had", self.ends.len());
                assert_eq!(file, self.segment);
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }

    /// After a recovery, commits go on, and another opening finds them and nothing of what was dropped.
    fn goes_on(&self, mut store: Embedded, whole: usize) {
        let Some(next) = self.batches.get(whole) else { return };
        store.commit(next, Durability::Power).expect("a commit");
        drop(store);
        let (store, recovery) = open(self.folder.path(), &roomy()).expect("it opens");
        model(&self.batches[..=whole]).check(&*store.reader());
        assert_eq!(recovery.dropped, None);
    }
}

const ALL: [Durability; 2] = [Durability::Process, Durability::Power];

#[test]
fn a_journal_cut_off_anywhere_opens_with_all_before() {
    let mut dice = Dice::new(1);
    for seed in 0..25 {
        let crash = crash(seed, &ALL);
        let last = crash.ends[crash.ends.len() - 1].0;
        let cut = dice.below(last + 200);
        let file = fs::OpenOptions::new().write(true).open(&crash.segment).expect("the segment");
        file.set_len(cut).expect("cut off");
        let whole = crash.ends.iter().filter(|(end, _)| *end <= cut).count();
        match open(crash.folder.path(), &roomy()) {
            Ok((store, recovery)) => {
                assert_eq!(commits(&store), whole, "cut at {cut}");
                model(&crash.batches[..whole]).check(&*store.reader());
                assert!(recovery.dropped.is_some());
                crash.goes_on(store, whole);
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_dropped_at_the_end_and_told_in_the_middle() {
    let mut dice = Dice::new(2);
    for seed in 0..60 {
        let levels = if seed % 2 == 0 { &ALL[..] } else { &ALL[..1] };
        let crash = crash(seed, levels);
        let first = super::journal::SEGMENT_HEADER as u64;
        let last = crash.ends[crash.ends.len() - 1].0;
        let from = if dice.below(2) == 0 { first } else { crash.ends[crash.ends.len() - 2].0 };
        let at = from + dice.below(last - from);
        flip(&crash.segment, at, dice.below(8));
        let whole = crash.ends.iter().filter(|(end, _)| *end <= at).count();
        crash.check(whole, &format!("seed {seed}, a bit flipped at {at}"));
    }
}

fn flip(path: &Path, at: u64, bit: u64) {
    let mut bytes = fs::read(path).expect("the segment");
    bytes[at as usize] ^= 1 << bit;
    fs::write(path, bytes).expect("flipped");
}

#[test]
fn a_damaged_header_is_told_unless_nothing_follows() {
    let crash = crash(1, &ALL);
    flip(&crash.segment, 20, 3);
    let error = open(crash.folder.path(), &roomy()).expect_err("it is damaged");
    assert!(matches!(error, StoreError::Damaged { offset: 0, .. }), "{error}");
    assert!(error.to_string().contains("restore the folder from a backup"), "{error}");
}

#[test]
fn a_missing_segment_is_told() {
    let folder = folder();
    let options = Options { segment_bytes: 4 << 10, ..roomy() };
    let (mut store, _) = open(folder.path(), &options).expect("it opens");
    for batch in batches(1, 60) {
        store.commit(&batch, Durability::Process).expect("a commit");
    }
    assert!(store.journal.current.number > 3);
    drop(store);
    for number in [2, 1] {
        let path = super::journal::segment_path(&folder.path().join("journal"), number);
        let aside = folder.path().join("aside");
        fs::rename(&path, &aside).expect("moved away");
        let error = open(folder.path(), &options).expect_err("a segment is missing");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        fs::rename(&aside, &path).expect("moved back");
    }
    open(folder.path(), &options).expect("it opens again");
}

#[test]
fn a_damaged_segment_before_the_last_is_told() {
    let folder = folder();
    let options = Options { segment_bytes: 4 << 10, ..roomy() };
    let (mut store, _) = open(folder.path(), &options).expect("it opens");
    for batch in batches(1, 40) {
        store.commit(&batch, Durability::Process).expect("a commit");
    }
    drop(store);
    flip(&super::journal::segment_path(&folder.path().join("journal"), 1), 500, 0);
    let error = open(folder.path(), &options).expect_err("it is damaged");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let folder = folder();
    let first = open_small(folder.path());
    let error = open(folder.path(), &small()).expect_err("it is in use");
    let StoreError::InUse { owner, .. } = &error else { panic!("{error}") };
    assert_eq!(owner.as_deref(), Some(&*format!("process {}", std::process::id())));
    drop(first);
    open(folder.path(), &small()).expect("it is free again");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let error = open(&path, &small()).expect_err("it is no folder");
        assert!(matches!(error, StoreError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("--data"), "{error}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).expect("a folder");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("closed");
        // Whoever may write everywhere cannot be shown this.
        if fs::write(closed.join("probe"), "").is_err() {
            let error = open(&closed, &small()).expect_err("it is closed");
            assert!(matches!(error, StoreError::Folder { .. }), "{error}");
        }
    }
}

#[test]
fn a_newer_or_broken_mark_is_told() {
    let folder = folder();
    drop(open_small(folder.path()));
    let mark = folder.path().join("CURRENT");
    let good = fs::read_to_string(&mark).expect("the mark");
    fs::write(&mark, good.replace("format 1", "format 2")).expect("written");
    assert!(matches!(open(folder.path(), &small()), Err(StoreError::Format { found: 2, known: 1 })));
    for bad in ["", "everstate-store format x salt 1", "something else"] {
        fs::write(&mark, bad).expect("written");
        assert!(matches!(open(folder.path(), &small()), Err(StoreError::Damaged { .. })));
    }
    fs::remove_file(&mark).expect("removed");
    assert!(matches!(open(folder.path(), &small()), Err(StoreError::Damaged { .. })));
    fs::write(&mark, good).expect("written");
    open(folder.path(), &small()).expect("it opens");
}

#[test]
fn a_backup_is_a_store_while_commits_go_on() {
    let (folder, to) = (folder(), folder());

    let batches = batches(9, 300);
    let mut store = open_small(folder.path());
    for batch in &batches[..150] {
        store.commit(batch, Durability::Process).expect("a commit");
    }
    let handle = store.handle();
    let target = to.path().join("copy");
    let copy = target.clone();
    let thread = std::thread::spawn(move || handle.backup(&copy));
    for batch in &batches[150..] {
        store.commit(batch, Durability::Process).expect("a commit");
    }
    thread.join().expect("no panic").expect("a backup");
    model(&batches).check(&*store.reader());
    let (backup, recovery) = open(&target, &small()).expect("the backup opens");
    assert_eq!(recovery.dropped, None);
    let sequence = backup.shared.reading.counters().applied as usize;
    assert!((150..=300).contains(&sequence));
    model(&batches[..sequence]).check(&*backup.reader());
    let error = store.backup(&target).expect_err("it is not empty");
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
}

#[test]
fn what_is_in_the_tables_needs_no_journal() {
    let folder = folder();
    let batches = batches(4, 50);
    let mut store = open_small(folder.path());
    for batch in &batches {
        store.commit(batch, Durability::None).expect("a commit");
    }
    store.settle().expect("the tables catch up");
    // The journal lost its end with the power, and the tables did not: they are synced by themselves.
    let path = store.journal.current.path.clone();
    drop(store);
    let bytes = fs::read(&path).expect("the segment");
    let first = super::journal::SEGMENT_HEADER;
    let cleared: Vec<u8> = bytes.iter().take(first).copied().chain(vec![0; bytes.len() - first]).collect();
    fs::write(&path, cleared).expect("cleared");
    let mut store = open_small(folder.path());
    model(&batches).check(&*store.reader());
    let more = World::new(4, 8);
    let mut world = more;
    (0..50).for_each(|_| {
        world.batch();
    });
    store.commit(&world.batch(), Durability::Power).expect("it goes on");
    drop(store);
    world.model.check(&*open_small(folder.path()).reader());
}

#[test]
fn closing_keeps_what_was_only_in_memory() {
    let folder = folder();
    let batches = batches(6, 20);
    let mut store = Box::new(open_small(folder.path()));
    for batch in &batches {
        store.commit(batch, Durability::None).expect("a commit");
    }
    store.close().expect("it closes");
    model(&batches).check(&*open_small(folder.path()).reader());
}
