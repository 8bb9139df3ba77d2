//! What every engine must do: one suite, run against each.
//!
//! It refuses to know engines beyond how to open them anew. Its one invariant: the model is right.

use crate::contract::Store;
use crate::embedded::{Embedded, Options, open};
use crate::export::{Portable, export, import};
use crate::memory::Memory;
use crate::world::{Dice, World};
use everstate_kernel::{Durability, Time};
use std::path::Path;

const LEVELS: [Durability; 3] = [Durability::None, Durability::Process, Durability::Power];

/// Small sizes, so that every test crosses segments, generations and tables.
pub(crate) fn small() -> Options {
    Options { segment_bytes: 16 << 10, memory_bytes: 64 << 10, cache_bytes: 1 << 20, open_files: 32 }
}

/// An empty folder, in memory where the system has such a place: a sync costs nothing there.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

pub(crate) fn open_small(folder: &Path) -> Embedded {
    open(folder, &small()).expect("the store opens").0
}

fn answers_like_the_model(store: &mut dyn Store, seed: u64, mut settle: impl FnMut(usize)) {
    let mut world = World::new(seed, 12);
    let mut dice = Dice::new(seed);
    let reader = store.reader();
    for round in 0..300 {
        let batch = world.batch();
        store.commit(&batch, LEVELS[dice.below(3) as usize]).expect("a commit");
        settle(round);
        if round % 30 == 0 {
            world.model.check(&*reader);
        }
    }
    world.model.check(&*reader);
    let touches = world.model.touches();
    let loaded = store.hydrate(&touches).expect("hydration");
    for (address, found) in &loaded.instances {
        assert_eq!(*found, reader.instance(address).expect("an answer"));
    }
    let latest = reader.turns(0, usize::MAX).expect("turns").last().map_or(Time(0), |turn| turn.1.at);
    for (id, found) in &loaded.outcomes {
        // What has expired may be gone already.
        let expected = world.model.outcomes.get(id);
        let gone = found.is_none() && expected.is_some_and(|outcome| outcome.until < latest);
        assert!(gone || found.as_ref() == expected, "{id}: {found:?} for {expected:?}");
    }
    let seats = touches.addresses.iter().flat_map(|address| world.model.seats_of(address));
    assert_eq!(loaded.seats, seats.cloned().collect::<Vec<_>>());
    assert_eq!(loaded.instances.len() + loaded.outcomes.len(), touches.addresses.len() + touches.ids.len());
}

#[test]
fn memory_answers_like_the_model() {
    for seed in 0..4 {
        answers_like_the_model(&mut Memory::new(), seed, |_| {});
    }
}

#[test]
fn embedded_answers_like_the_model() {
    for seed in 0..4 {
        let folder = folder();
        let mut store = open_small(folder.path());
        answers_like_the_model(&mut store, seed, |_| {});
    }
}

#[test]
fn embedded_answers_like_the_model_from_tables_and_after_reopening() {
    for seed in 10..13 {
        let folder = folder();
        let mut world = World::new(seed, 12);
        let mut store = Box::new(open_small(folder.path()));
        for round in 0..200 {
            store.commit(&world.batch(), Durability::Process).expect("a commit");
            match round % 40 {
                10 | 33 => store.settle().expect("the tables catch up"),
                20 => {
                    store.close().expect("it closes");
                    store = Box::new(open_small(folder.path()));
                }
                _ => {}
            }
            if round % 20 == 0 {
                world.model.check(&*store.reader());
            }
        }
        store.settle().expect("the tables catch up");
        world.model.check(&*store.reader());
    }
}

fn lines(store: &dyn Portable) -> String {
    let mut out = Vec::new();
    export(store, &mut out).expect("an export");
    String::from_utf8(out).expect("text")
}

#[test]
fn an_import_of_an_export_is_the_same_in_both_engines() {
    let mut world = World::new(77, 12);
    let mut memory = Memory::new();
    let (folder, other) = (folder(), folder());
    let mut embedded = open_small(folder.path());
    for _ in 0..200 {
        let batch = world.batch();
        memory.commit(&batch, Durability::None).expect("a commit");
        embedded.commit(&batch, Durability::None).expect("a commit");
    }
    let text = lines(&memory);
    assert_eq!(text, lines(&embedded));
    let mut copy = Memory::new();
    let count = import(&mut copy, &mut text.as_bytes()).expect("an import");
    assert_eq!(count, text.lines().count() as u64);
    assert_eq!(text, lines(&copy));
    world.model.check(&*copy.reader());
    let mut copy = open_small(other.path());
    import(&mut copy, &mut text.as_bytes()).expect("an import");
    assert_eq!(text, lines(&copy));
    copy.commit(&world.batch(), Durability::Power).expect("it goes on");
    world.model.check(&*copy.reader());
    drop(copy);
    let mut copy = open_small(other.path());
    world.model.check(&*copy.reader());
    copy.settle().expect("the tables catch up");
    world.model.check(&*copy.reader());
    let error = import(&mut copy, &mut text.as_bytes()).expect_err("it is not empty");
    assert!(
        std::error::Error::source(&error).expect("a source").to_string().contains("not empty"),
        "{error}"
    );
}

#[test]
fn an_import_of_something_else_is_refused() {
    for text in ["{}\n", "hello\n", "{\"store\":{\"format\":9,\"last_position\":0}}\n"] {
        import(&mut Memory::new(), &mut text.as_bytes()).expect_err("it is refused");
    }
    let sent = "{\"dead-letter\":{}}\n";
    import(&mut Memory::new(), &mut sent.as_bytes()).expect_err("it is refused");
}

#[test]
fn expired_outcomes_go_and_live_ones_stay() {
    let folder = folder();
    let mut store = open_small(folder.path());
    let mut memory = Memory::new();
    let mut world = World::new(5, 12);
    for _ in 0..1500 {
        let batch = world.batch();
        store.commit(&batch, Durability::None).expect("a commit");
        memory.commit(&batch, Durability::None).expect("a commit");
    }
    store.settle().expect("the tables catch up");
    store.merge_fully().expect("the tables merge");
    world.model.check(&*store.reader());
    world.model.check(&*memory.reader());
    let kept = store.hydrate(&world.model.touches()).expect("hydration").outcomes;
    let kept = kept.iter().filter(|(_, outcome)| outcome.is_some()).count();
    let all = world.model.outcomes.len();
    let latest = store.reader().turns(0, usize::MAX).expect("turns").last().map_or(Time(0), |turn| turn.1.at);
    let live = world.model.outcomes.values().filter(|outcome| outcome.until > latest).count();
    assert!(kept >= live && kept < all, "{kept} kept of {all}, {live} live");
}
