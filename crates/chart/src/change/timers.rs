//! What becomes of timers: those of states follow the states, all others keep their names.
//!
//! | a state's timer, and the state that takes its place | it |
//! |---|---|
//! | waits as long | goes on, due as before |
//! | has one timer, as the old one had, of another length | is due when the state has been active for so long |
//! | has no such timer | has no counterpart |
//! | waits for something that the old one did not wait for | is set, counted from now |
//!
//! It refuses to know how timers are kept.

use super::obstacle::{Found, ObstacleCode};
use super::places::Way;
use crate::chart::{After, Chart};
use crate::configuration::Configuration;
use everstate_kernel::{Effect, Json, Serial, Time, Timer};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What becomes of timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pub(super) kept: Vec<Timer>,
    pub(super) set: Vec<Effect>,
}

pub(super) fn timers(
    way: Way<'_>,
    (before, after): (&Configuration, &Configuration),
    held: &[Timer],
    found: &mut Found,
) -> Timers {
    let (old, new) = (way.old, way.new);
    let mut timers = Timers::default();
    // Names of timers of the new chart that need not be set: they go on, or have fired before.
    let mut settled: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut of_states: BTreeSet<Arc<str>> = BTreeSet::new();
    for state in &before.0 {
        let row = old.state(*state);
        let heirs: Vec<_> = way.heirs(*state).into_iter().filter(|heir| after.contains(*heir)).collect();
        for one in &*row.after {
            of_states.insert(one.name.clone());
            let heir = heirs.iter().find_map(|heir| heir_of(one, &row.after, &new.state(*heir).after));
            if let Some(heir) = heir {
                settled.insert(heir.name.clone());
            }
            let Some(timer) = held.iter().find(|timer| timer.name == one.name) else { continue };
            match heir {
                Some(heir) => timers.kept.push(follow(timer, one, heir, found)),
                None => {
                    let what = format!(
                        "the timer `after {}` of {:?} has no counterpart where it leads",
                        crate::duration::format(one.delay),
                        row.path
                    );
                    let fix = "accept it with --accept timer: it is cleared";
                    found.meet(ObstacleCode::Timer, what, fix.to_owned(), "it is cleared");
                }
            }
        }
    }
    keep_others(way, held, &of_states, &mut timers, found);
    for state in &after.0 {
        for one in new.state(*state).after.iter().filter(|one| !settled.contains(&one.name)) {
            let waits = crate::duration::format(one.delay);
            found.note(format!(
                "the timer `after {waits}` of {:?} is set, counted from now",
                new.state(*state).path
            ));
            timers.set.push(Effect::SetTimer {
                name: one.name.clone(),
                delay: one.delay,
                to: None,
                event: one.name.clone(),
                data: Json::NULL,
            });
        }
    }
    in_order_of(held, &mut timers.kept);
    unlike(&mut timers, found);
    timers
}

/// The timer that takes the place of one, among those of the state that takes the place of its state.
fn heir_of<'n>(one: &After, own: &[After], others: &'n [After]) -> Option<&'n After> {
    let same = others.iter().find(|other| other.delay == one.delay);
    same.or(match (own, others) {
        ([_], [only]) => Some(only),
        _ => None,
    })
}

fn follow(timer: &Timer, one: &After, heir: &After, found: &mut Found) -> Timer {
    let mut timer = Timer { name: heir.name.clone(), event: heir.name.clone(), ..timer.clone() };
    if heir.delay != one.delay {
        let entered = Time(timer.due.0.saturating_sub_unsigned(one.delay.0));
        timer.due = entered + heir.delay;
        // Another due is another timer.
        timer.generation = Serial(0);
        let (from, to) = (crate::duration::format(one.delay), crate::duration::format(heir.delay));
        found.note(format!(
            "the timer `after {from}` becomes `after {to}`, counted from when its state was entered"
        ));
    } else if heir.name != one.name {
        found.note(format!("the timer {:?} goes on as {:?}", one.name, heir.name));
    }
    timer
}

/// Timers that no state sets: delayed sends.
fn keep_others(
    way: Way<'_>,
    held: &[Timer],
    of_states: &BTreeSet<Arc<str>>,
    timers: &mut Timers,
    found: &mut Found,
) {
    for timer in held.iter().filter(|timer| !of_states.contains(&timer.name)) {
        timers.kept.push(timer.clone());
        let event = &timer.event;
        if timer.to.is_none() && takes(way.old, event) && !takes(way.new, event) {
            let what =
                format!("a timer will send the event {event:?}, which no state of the new version takes");
            let fix = "let a state take it, or accept it with --accept event";
            found.meet(
                ObstacleCode::Event,
                what,
                fix.to_owned(),
                "it is answered like any that nobody takes",
            );
        }
    }
}

/// Does any state take the event, as far as that does not depend on guards?
pub(super) fn takes(chart: &Chart, event: &str) -> bool {
    let mut all = chart.transitions.iter().filter(|transition| !transition.timed);
    all.any(|transition| transition.descriptors.iter().any(|one| one.matches(event)))
}

/// Timers are kept in the order in which they were set.
fn in_order_of(held: &[Timer], kept: &mut [Timer]) {
    let place = |timer: &Timer| {
        let of = |other: &Timer| other.generation == timer.generation || other.event == timer.event;
        held.iter().position(of).unwrap_or(held.len())
    };
    kept.sort_by_key(place);
}

/// Two timers of one name would be one.
fn unlike(timers: &mut Timers, found: &mut Found) {
    let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
    let set = timers.set.iter().filter_map(|effect| match effect {
        Effect::SetTimer { name, .. } => Some(name.clone()),
        _ => None,
    });
    for name in timers.kept.iter().map(|timer| timer.name.clone()).chain(set) {
        if !names.insert(name.clone()) {
            let what = format!("two timers would be called {name:?}");
            found.refuse(ObstacleCode::Timer, what, "map the states that set them to states of their own");
        }
    }
}
