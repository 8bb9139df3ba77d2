//! Turns around a snapshot: those in it, those after it, and those of other lives at the same address.

use super::*;
use everstate_kernel::{Event, EventId, Json, Outcome, Sender};

fn turn(sequence: u64, at: i64) -> HistoryEntry {
    let id = EventId::parse(&format!("e{at}")).expect("an id");
    let time = Time(at);
    let cause = match sequence {
        1 => Cause::Start { id, data: Json::NULL },
        _ => Cause::Event(Event { id, name: "go".into(), data: Json::NULL, sender: Sender::Client, time }),
    };
    let labels: everstate_kernel::Labels = [].into();
    let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
    HistoryEntry { position: at as u64, sequence, at: time, cause, outcome, log: Vec::new() }
}

/// Which of the turns are told after a snapshot of a life begun at `created` with `turns` turns.
fn told(created: i64, turns: u64, made: &[(u64, i64)]) -> Vec<i64> {
    let address = Address::parse("door/1").expect("an address");
    let mut told = Told::default();
    told.tell(&address, Time(created), turns);
    let told = made.iter().filter(|(sequence, at)| !told.has(&address, &turn(*sequence, *at)));
    told.map(|(_, at)| *at).collect()
}

#[test]
fn turns_up_to_the_snapshot_are_in_it() {
    assert_eq!(told(1, 3, &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]), [4, 5]);
    assert_eq!(told(1, 3, &[(4, 4), (5, 5)]), [4, 5]);
    assert_eq!(told(1, 1, &[(1, 1), (2, 2)]), [2]);
}

#[test]
fn a_life_after_the_snapshot_is_told_whole() {
    assert_eq!(told(1, 3, &[(4, 4), (1, 10), (2, 11)]), [4, 10, 11]);
    assert_eq!(told(1, 3, &[(1, 10), (2, 11), (3, 12), (4, 13)]), [10, 11, 12, 13]);
}

#[test]
fn a_life_before_the_snapshot_is_not_told() {
    assert_eq!(told(10, 2, &[(7, 3), (8, 4), (1, 10), (2, 11), (3, 12)]), [12]);
}

#[test]
fn an_instance_that_was_not_told_has_nothing_in_the_snapshot() {
    let mut told = Told::default();
    assert!(!told.has(&Address::parse("door/2").expect("an address"), &turn(1, 1)));
}
