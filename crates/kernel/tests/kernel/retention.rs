//! What is kept for a time goes when it is over, and not before.

use crate::world::{FAIR, World, address};
use everstate_kernel::limits::EXPIRED_MAX;
use everstate_kernel::{Address, Aged, Answer, Input, Record, Retain, Span, Time};

/// A world with a kind that keeps nothing for long.
fn moths() -> World {
    let mut world = World::new(FAIR);
    world.define("moth", "v1", "as written");
    world
}

/// Offers what is due, as a driver does, until nothing is; answers how many steps that took.
fn expire(world: &mut World) -> usize {
    for steps in 0..1_000 {
        let due = |row: &&everstate_kernel::Instance| row.expires.is_some_and(|due| due <= world.now);
        let Some(row) = world.disk.instances.values().find(due) else { return steps };
        let address = row.address.clone();
        let history = world.disk.history.get(&address).into_iter().flatten();
        let oldest = history.take(EXPIRED_MAX + 1).map(|entry| Aged {
            sequence: entry.sequence,
            position: entry.position,
            at: entry.at,
        });
        let oldest = oldest.collect();
        world.feed(Input::Expire { address, oldest });
        world.commit();
    }
    panic!("it offers for ever")
}

fn history(world: &World, of: &Address) -> Vec<(u64, Time)> {
    let entries = world.disk.history.get(of).into_iter().flatten();
    entries.map(|entry| (entry.sequence, entry.at)).collect()
}

#[test]
fn a_history_is_kept_for_its_time_and_little_longer() {
    let mut world = moths();
    let moth = address("moth/1");
    for number in 0..60 {
        world.send("moth/1", "go", &format!("e{number}"), "");
        world.run();
        expire(&mut world);
        let kept = history(&world, &moth);
        let oldest = world.now.0 - kept[0].1.0;
        // 1.6 s, and a sixteenth of it.
        assert!(oldest <= 1_700, "{oldest} ms are kept");
        let sent = 1_600_i64.min(world.now.0) / 100;
        assert!(kept.len() as i64 >= sent, "{} entries of the last {sent} events", kept.len());
        world.advance(100);
    }
    let row = &world.disk.instances[&moth];
    assert!(row.trimmed.sequence > 30 && row.turns > 60);
    assert_eq!(history(&world, &moth)[0].0, row.trimmed.sequence + 1);
    // Nobody uses it any more, so all of its history goes, and it stays.
    world.advance(5_000);
    expire(&mut world);
    let row = &world.disk.instances[&moth];
    assert_eq!((row.trimmed.sequence, row.expires), (row.turns, None));
    assert!(history(&world, &moth).is_empty());
    world.send("moth/1", "go", "late", "");
    world.run();
    assert_eq!(history(&world, &moth).len(), 1);
    assert!(world.disk.instances[&moth].expires.is_some());
}

#[test]
fn an_ended_instance_goes_and_its_outcomes_stay() {
    let mut world = moths();
    world.send("moth/1", "go", "e1", "done 1");
    world.run();
    world.advance(499);
    assert_eq!(expire(&mut world), 0);
    world.advance(1);
    assert_eq!(expire(&mut world), 1);
    assert!(world.disk.instances.is_empty() && history(&world, &address("moth/1")).is_empty());
    let gone = world.records.iter().rev().find_map(|record| match record {
        Record::Deleted(deleted) => Some(deleted.expired_to),
        _ => None,
    });
    assert_eq!(gone, Some(world.disk.position));
    // The same event is known, another begins anew.
    let again = world.send("moth/1", "go", "e1", "done 1");
    let other = world.send("moth/1", "go", "e2", "");
    world.run();
    assert!(matches!(world.answers[&again], Answer::Decided { duplicate: true, .. }));
    assert!(matches!(world.answers[&other], Answer::Decided { duplicate: false, .. }));
}

#[test]
fn a_long_history_goes_in_parts() {
    let mut world = moths();
    for number in 0..EXPIRED_MAX * 2 + 10 {
        world.send("moth/1", "go", &format!("e{number}"), "");
    }
    world.send("moth/1", "go", "end", "done 1");
    world.run();
    world.advance(500);
    assert_eq!(expire(&mut world), 3);
    assert!(world.disk.instances.is_empty());
}

#[test]
fn who_is_not_due_or_has_turned_since_is_left_alone() {
    let mut world = moths();
    world.send("moth/1", "go", "e1", "done 1");
    world.run();
    world.advance(500);
    world.send("moth/1", "go", "e2", "");
    let oldest = vec![Aged { sequence: 1, position: 1, at: Time(0) }];
    for of in ["moth/1", "moth/2", "cup/1"] {
        world.feed(Input::Expire { address: address(of), oldest: oldest.clone() });
    }
    world.run();
    assert_eq!(history(&world, &address("moth/1")).len(), 3);
}

#[test]
fn the_node_says_what_a_definition_does_not() {
    let mut world = moths();
    world.send("cup/1", "go", "e1", "done 1");
    world.send("cup/2", "go", "e2", "");
    world.run();
    assert_eq!(world.disk.instances[&address("cup/1")].expires, None);
    let day = Span::seconds(24 * 3600);
    world.node.retain_by_default(Retain { finished: Some(day), ..Retain::default() });
    // Offered although nothing is due: it gets the time that holds now.
    for of in ["cup/1", "cup/2"] {
        world.feed(Input::Expire { address: address(of), oldest: Vec::new() });
    }
    world.run();
    assert_eq!(world.disk.instances[&address("cup/1")].expires, Some(Time(0) + day));
    assert_eq!(world.disk.instances[&address("cup/2")].expires, None);
    world.advance(day.0);
    assert_eq!(expire(&mut world), 1);
    assert_eq!(world.disk.instances.len(), 1);
}
