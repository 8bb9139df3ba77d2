//! Presence equals what is alive: spaces hold the endpoints that living machines have joined with and not left, and every
//! machine knows exactly those of the others that match its own, told of each once.
//!
//! It refuses to use the kernel's patterns and tables; the rules are written down here once more, as plainly as can be.

use super::Evidence;
use crate::node::puppet::{Knows, Mine, Other, PUPPET, knows};
use everstate_kernel::space::Interest;
use everstate_kernel::{Address, Seat};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let mut alive: BTreeMap<&Address, Knows> = BTreeMap::new();
    for row in evidence.whole.rows().filter(|row| row.address.kind() == PUPPET) {
        if !row.status.is_ended() {
            alive.insert(&row.address, knows(row.state.as_slice())?);
        }
    }
    for (address, knows) in &alive {
        if let Some(what) = knows.nonsense.first() {
            return Err(format!("{address} was told nonsense: {what}"));
        }
        let expected = present_to(address, knows, &alive);
        if knows.present != expected {
            let known: Vec<_> = knows.present.symmetric_difference(&expected).collect();
            return Err(format!("{address} should know of {expected:?}, and differs by {known:?}"));
        }
    }
    seats(evidence, &alive)
}

/// Who is present to the endpoints of one machine: its own other endpoints among them.
fn present_to(me: &Address, knows: &Knows, alive: &BTreeMap<&Address, Knows>) -> BTreeSet<Other> {
    let mut present = BTreeSet::new();
    for mine in &knows.mine {
        for (other, theirs) in alive {
            for their in theirs.mine.iter().filter(|their| sees(mine, their)) {
                if *other != me || their.name != mine.name {
                    let other = other.as_str().to_owned();
                    present.insert((mine.space.clone(), mine.name.clone(), other, their.name.clone()));
                }
            }
        }
    }
    present
}

fn sees(mine: &Mine, their: &Mine) -> bool {
    mine.space == their.space
        && mine.publisher != their.publisher
        && (their.interest == Interest::Participant || mine.interest == Interest::Everything)
        && meet(&segments(&mine.pattern), &segments(&their.pattern))
}

fn segments(pattern: &str) -> Vec<&str> {
    pattern.split('/').collect()
}

/// Is there a topic that both take?
fn meet(a: &[&str], b: &[&str]) -> bool {
    match (a, b) {
        ([">"], rest) | (rest, [">"]) => !rest.is_empty(),
        ([], []) => true,
        ([first, a @ ..], [second, b @ ..]) => {
            (first == second || *first == "*" || *second == "*") && meet(a, b)
        }
        _ => false,
    }
}

/// The spaces hold the same endpoints.
fn seats(evidence: &Evidence<'_>, alive: &BTreeMap<&Address, Knows>) -> Result<(), String> {
    let mut held = BTreeSet::new();
    for (address, knows) in alive {
        for mine in &knows.mine {
            let space = Address::of_space(&mine.space).map_err(|problem| problem.to_string())?;
            held.insert((space, (*address).clone(), mine.name.clone()));
        }
    }
    let spaces: BTreeSet<&Address> =
        evidence.whole.rows().filter(|row| row.address.kind() == "space").map(|row| &row.address).collect();
    let mut there = BTreeSet::new();
    for space in spaces {
        for seat in evidence.whole.seats_of(space) {
            if let Seat::Endpoint(endpoint) = seat {
                let name = &endpoint.name;
                there.insert((space.clone(), name.member.clone(), name.name.to_string()));
            }
        }
    }
    match held.symmetric_difference(&there).next() {
        Some(one) if held.contains(one) => Err(format!("{one:?} is held and not in the space")),
        Some(one) => Err(format!("{one:?} is in the space and held by nobody")),
        None => Ok(()),
    }
}
