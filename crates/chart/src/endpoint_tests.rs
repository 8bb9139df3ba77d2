//! Whatever states are entered and left, and whatever actions join and leave: what a chart remembers as held is what the
//! kernel holds, and who it knows to be present is who is there.

use crate::behaviour::state_of;
use crate::presence::role_word;
use crate::trace::{Machine, Stimulus};
use everstate_kernel::{Behaviour, Json};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

const NAMES: [&str; 3] = ["a", "b", "c"];
const PATTERNS: [&str; 5] = ["x/1", "x/2", "x/*", "y", ">"];
const SPACES: [&str; 3] = ["", ", space: one", ", space: one/two"];

/// An endpoint of a name: pattern, role, interest, space.
type Drawn = (usize, usize, bool, usize, usize);

/// A transition: from where, to where, and what it does.
type Move = (usize, usize, Vec<(usize, Drawn)>);

fn drawn() -> impl Strategy<Value = Drawn> {
    (0..NAMES.len(), 0..PATTERNS.len(), any::<bool>(), 0..3usize, 0..SPACES.len())
}

fn part((_, pattern, publisher, interest, space): Drawn) -> String {
    let role = if publisher { "publisher" } else { "subscriber" };
    let interest = ["participant", "observer", "everything"][interest];
    format!("pattern: {}, role: {role}, interest: {interest}{}", PATTERNS[pattern], SPACES[space])
}

/// What a transition does besides: joins, leaves, moves, or asserts.
fn action(kind: usize, drawn: Drawn) -> String {
    let (name, space) = (NAMES[drawn.0], SPACES[drawn.4]);
    match kind {
        0 => format!("{{join: {{name: {name}, {}}}}}", part(drawn)),
        1 => format!("{{leave: {{name: {name}{space}}}}}"),
        2 => format!("{{move: {{name: {name}, pattern: {}{space}}}}}", PATTERNS[drawn.1]),
        _ => format!("{{assert: {{name: {name}, value: {}{space}}}}}", drawn.1),
    }
}

/// States in two regions, each with what it holds, and transitions to any of the same region.
fn definition(states: &[Vec<Drawn>], moves: &[Move]) -> String {
    let mut text = String::from("name: m\nunhandled: ignore\ntype: parallel\nstates:\n");
    for region in 0..2usize {
        let _ = write!(text, "  r{region}:\n    initial: s{region}\n    states:\n");
        for (at, held) in states.iter().enumerate().filter(|(at, _)| at % 2 == region) {
            let mut seen = BTreeSet::new();
            let held = held.iter().filter(|drawn| seen.insert(drawn.0));
            let held: Vec<String> =
                held.map(|drawn| format!("{}: {{{}}}", NAMES[drawn.0], part(*drawn))).collect();
            let _ = writeln!(text, "      s{at}:\n        endpoints: {{{}}}\n        on:", held.join(", "));
            let _ = writeln!(text, "          look: {{actions: {{log: \"${{present('>')}}\"}}}}");
            for (event, (from, to, actions)) in moves.iter().enumerate() {
                let (from, to) = (from % states.len(), to % states.len());
                if from == at && to % 2 == region {
                    let actions: Vec<String> =
                        actions.iter().map(|(kind, one)| action(*kind, *one)).collect();
                    let _ = writeln!(
                        text,
                        "          e{event}: {{target: s{to}, actions: [{}]}}",
                        actions.join(", ")
                    );
                }
            }
        }
    }
    text
}

/// What the chart remembers, what the kernel's row says, and who must be present by comparing all pairs.
fn compare(machine: &Machine) {
    let Some(instance) = machine.instance() else { return };
    let state = machine.chart().decode(instance.state.as_slice()).expect("it was stored");
    let state = state_of(&state).expect("a chart's");
    let (held, present) =
        state.session.as_deref().map_or((&[][..], &[][..]), |one| (&one.held[..], &one.present[..]));
    let remembered: BTreeSet<(String, String)> =
        held.iter().map(|one| (one.space.to_string(), one.name.to_string())).collect();
    let links = instance.links.as_deref();
    let kept = links.into_iter().flat_map(|links| &links.held).flat_map(|held| {
        let space = held.space.inside().expect("a space");
        held.holds.iter().map(move |hold| (space.clone(), hold.name.to_string()))
    });
    assert_eq!(remembered, kept.collect::<BTreeSet<_>>());
    let mut pairs = BTreeSet::new();
    for local in held {
        for remote in held.iter().filter(|remote| remote.space == local.space) {
            if local.part.sees(&remote.part) {
                let role = role_word(remote.part.role);
                pairs.insert((local.space.clone(), local.name.clone(), remote.name.clone(), role));
            }
        }
    }
    let known: BTreeSet<_> = present
        .iter()
        .map(|one| (one.space.clone(), one.ours.clone(), one.endpoint.clone(), role_word(one.role)))
        .collect();
    assert_eq!(known, pairs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_what_is_held(
        states in proptest::collection::vec(proptest::collection::vec(drawn(), 0..3), 4..8),
        moves in proptest::collection::vec(
            (0..8usize, 0..8usize, proptest::collection::vec((0..4usize, drawn()), 0..3)),
            8..16,
        ),
        events in proptest::collection::vec(0..16usize, 1..30),
    ) {
        let text = definition(&states, &moves);
        let mut machine = Machine::new(&text, false).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        machine.start().expect("it starts");
        compare(&machine);
        for event in events {
            // A move of what is not held is a fault, which leaves no trace.
            let _ = machine.step(Stimulus::Event(Arc::from(format!("e{event}")), Json::NULL));
            let _ = machine.step(Stimulus::Event(Arc::from("look"), Json::NULL));
            compare(&machine);
        }
    }
}
