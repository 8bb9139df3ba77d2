//! The embedded engine on the fake disk: whatever a crash leaves, what was acknowledged is there.

use super::{Crash, FakeDisk, Torn, open_fake};
use crate::conformance::folder;
use crate::contract::Store;
use crate::dice::Dice;
use crate::embedded::Options;
use crate::world::{Model, World};
use everstate_kernel::{Durability, Record};

const ENDS: [(Crash, Torn); 5] = [
    (Crash::Process, Torn::Kept),
    (Crash::Power, Torn::Lost),
    (Crash::Power, Torn::Kept),
    (Crash::Power, Torn::Cut),
    (Crash::Power, Torn::Mixed),
];

fn model(batches: &[Vec<Record>]) -> Model {
    let mut model = Model::default();
    batches.iter().flatten().for_each(|record| model.apply(record));
    model
}

/// Commits batches and ends the process again and again, each time with what `befalls` does to the disk before.
fn live(seed: u64, befalls: impl Fn(&FakeDisk, &mut Dice)) {
    let (folder, disk, mut dice) = (folder(), FakeDisk::new(seed), Dice::new(seed));
    let options =
        Options { segment_bytes: 4_096, memory_bytes: 16 << 10, cache_bytes: 1 << 20, open_files: 32 };
    let mut world = World::new(seed, 8);
    let batches: Vec<Vec<Record>> = (0..90).map(|_| world.batch()).collect();
    let (mut acknowledged, mut attempted) = (0, 0);
    for life in 0..7 {
        let (mut store, _) = open_fake(folder.path(), &options, &disk)
            .unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
        let found = store.shared.reading.counters().applied as usize;
        assert!(
            (acknowledged..=attempted).contains(&found),
            "seed {seed}, life {life}: {found} commits are there, of {acknowledged} to {attempted}"
        );
        model(&batches[..found]).check(&*store.reader());
        befalls(&disk, &mut dice);
        (acknowledged, attempted) = (found, found);
        for batch in &batches[found..] {
            if dice.one_in(16) {
                break;
            }
            attempted += 1;
            if store.commit(batch, Durability::Power).is_err() {
                break;
            }
            acknowledged = attempted;
            if dice.one_in(6) && store.tend().is_err() {
                break;
            }
        }
        disk.die_after(0);
        drop(store);
        let (crash, torn) = ENDS[dice.below(5) as usize];
        disk.crash(crash, torn);
    }
}

#[test]
fn whatever_a_power_cut_leaves_the_acknowledged_is_there() {
    for seed in 0..8 {
        live(seed, |disk, dice| disk.die_after(dice.below(60)));
    }
}

#[test]
fn what_a_failed_sync_left_to_be_seen_is_written_again() {
    for seed in 100..106 {
        live(seed, |disk, dice| {
            if dice.one_in(2) {
                disk.fail_next_sync();
            }
        });
    }
}

#[test]
fn moving_into_the_tables_may_be_cut_off_between_any_two_of_them() {
    let options =
        Options { segment_bytes: 1 << 20, memory_bytes: 4 << 20, cache_bytes: 1 << 20, open_files: 32 };
    for seed in 0..2 {
        let mut world = World::new(seed, 8);
        let batches: Vec<Vec<Record>> = (0..60).map(|_| world.batch()).collect();
        let expected = model(&batches);
        // One operation is the sync before; then one before each of the four tables.
        for operations in 1..6 {
            let (folder, disk) = (folder(), FakeDisk::new(seed));
            let (mut store, _) = open_fake(folder.path(), &options, &disk).unwrap();
            for (at, batch) in batches.iter().enumerate() {
                store.commit(batch, Durability::Power).unwrap();
                if at == batches.len() / 2 {
                    store.settle().unwrap();
                }
            }
            disk.die_after(operations);
            // Told or not: what counts is what is found afterwards.
            let _ = store.settle();
            disk.die_after(0);
            drop(store);
            disk.crash(Crash::Process, Torn::Kept);
            let (mut store, _) = open_fake(folder.path(), &options, &disk).unwrap();
            store.settle().unwrap();
            expected.check(&*store.reader());
        }
    }
}

#[test]
fn a_disk_that_lies_is_found_out() {
    let lost = std::panic::catch_unwind(|| {
        for seed in 0..4 {
            live(seed, |disk, _| disk.set_lying(true));
        }
    });
    assert!(lost.is_err(), "the tests would not notice a loss");
}
