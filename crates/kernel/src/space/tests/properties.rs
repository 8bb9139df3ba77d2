//! A space beside the reference, through random turns of joins, moves, leaves, assertions and crashes: the same is
//! told in the same order, the same would be reached, and nothing is left in the index when all are gone.
//!
//! `SPACE_OPERATIONS=1000000 cargo test -p everstate-kernel space` for a longer run, `SPACE_SEED=N` for one seed.

extern crate std;

use super::dice::Dice;
use super::reference::{Reference, value};
use super::script::{name, pattern};
use crate::space::{Change, Endpoint, Interest, Part, Pattern, Reason, Role, Space};
use std::env;
use std::format;
use std::string::String;
use std::vec::Vec;

/// Changes in a normal run.
const OPERATIONS: u64 = 40_000;
/// Turns of one space.
const TURNS: u64 = 150;

impl Dice {
    fn pattern(&mut self) -> Pattern {
        let length = 1 + self.below(3);
        let names = ["a", "a", "b", "c", "*"];
        let mut segments: Vec<&str> = (0..length).map(|_| self.of(&names)).collect();
        if self.below(6) == 0 {
            segments.push(">");
        }
        if self.below(40) == 0 {
            segments = [">"].into();
        }
        pattern(&segments.join("/"))
    }

    fn part(&mut self) -> Part {
        let interests = [Interest::Participant, Interest::Observer, Interest::Everything];
        let mut part =
            Part::new(self.pattern(), self.of(&[Role::Publisher, Role::Subscriber]), self.of(&interests));
        part.mark = self.below(3) == 0;
        if self.below(3) == 0 {
            part.value = value(self.below(3));
        }
        part
    }

    fn change(&mut self, space: &Space) -> Change {
        let endpoint = name(&format!("m/{}", self.below(6)), self.of(&["x", "y", "z"]));
        match self.below(16) {
            0..9 => Change::Join(Endpoint { name: endpoint, part: self.part(), since: 0, credit: 0 }),
            9..12 => Change::Leave(endpoint),
            12..15 if space.endpoint(&endpoint).is_some() => Change::Assert(endpoint, value(self.below(3))),
            _ => {
                let reasons = [Reason::Exited("final".into()), Reason::Faulted("ink".into()), Reason::Silent];
                let reason = reasons[self.below(3) as usize].clone();
                Change::Withdraw(endpoint.member, reason)
            }
        }
    }

    /// The changes of a turn; an assertion of what the same turn takes away is left out, since it is refused.
    fn turn(&mut self, space: &Space) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..self.of(&[1, 1, 1, 2, 3, 5]) {
            let change = self.change(space);
            let is_assertion = matches!(change, Change::Assert(..));
            let takes_away = |other: &Change| matches!(other, Change::Leave(_) | Change::Withdraw(..));
            if !(is_assertion && changes.iter().any(takes_away)) {
                changes.push(change);
            }
        }
        changes
    }
}

/// One space through `TURNS` turns; answers how many changes there were.
fn live(seed: u64) -> u64 {
    let mut dice = Dice(seed.wrapping_mul(0x1234_5678_9abc_def1));
    let (mut space, mut reference) = (Space::new(seed), Reference::default());
    let mut operations = 0;
    for turn in 1..=TURNS {
        let changes = dice.turn(&space);
        operations += changes.len() as u64;
        let context = || format!("seed {seed}, turn {turn}: {changes:?}\nwith {:#?}", reference.list);
        let mut after = reference.clone();
        let expected = after.apply(turn * 100, &changes);
        let changed = match space.apply(turn * 100, changes.clone()) {
            Ok(changed) => changed,
            Err(error) => panic!("refused: {error}\n{}", context()),
        };
        assert!(
            changed.notices == expected,
            "told {:#?}\nand not {expected:#?}\n{}",
            changed.notices,
            context()
        );
        for (number, endpoint) in changed.endpoints {
            let before = reference.list.remove(&number);
            assert!(before != endpoint, "{number} is as before, {}", context_of(seed, turn));
            reference.list.extend(endpoint.map(|endpoint| (number, endpoint)));
        }
        assert_eq!(reference.list, after.list, "what is kept, {}", context_of(seed, turn));
        compare(&mut dice, &space, &reference, &context_of(seed, turn));
        if dice.below(20) == 0 {
            let kept: Vec<(u64, Endpoint)> = space.endpoints().map(|(n, e)| (n, e.clone())).collect();
            space = Space::new(seed + turn);
            kept.into_iter().rev().for_each(|(number, endpoint)| space.restore(number, endpoint));
        }
    }
    let all = (0..6).map(|n| Change::Withdraw(name(&format!("m/{n}"), "x").member, Reason::Silent));
    let changed = space.apply(TURNS * 200, all.collect()).expect("all may go");
    assert!(changed.notices.is_empty(), "nobody is left to be told");
    assert!(space.is_empty() && space.members.is_empty() && space.names.is_empty());
    assert_eq!((space.publishers.size(), space.subscribers.size()), ((0, 0, 0), (0, 0, 0)));
    operations
}

fn context_of(seed: u64, turn: u64) -> String {
    format!("seed {seed}, turn {turn}")
}

/// Endpoints and answers to questions are the same.
fn compare(dice: &mut Dice, space: &Space, reference: &Reference, context: &str) {
    let held: Vec<(u64, Endpoint)> = space.endpoints().map(|(n, e)| (n, e.clone())).collect();
    let expected: Vec<(u64, Endpoint)> = reference.list.clone().into_iter().collect();
    assert_eq!(held, expected, "{context}");
    let topic = dice.pattern();
    for role in [Role::Publisher, Role::Subscriber] {
        let takers: Vec<u64> = space.takers(role, &topic).iter().map(|(number, _)| *number).collect();
        assert_eq!(takers, reference.takers(role, &topic), "{role:?} of {topic}, {context}");
    }
    let part = dice.part();
    assert_eq!(space.present(&part), reference.present(&part), "{part:?}, {context}");
}

#[test]
fn a_space_tells_what_the_reference_tells() {
    let number = |variable: &str| env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SPACE_SEED") {
        live(seed);
        return;
    }
    let wanted = number("SPACE_OPERATIONS").unwrap_or(OPERATIONS);
    let (mut made, mut seed) = (0, 0);
    while made < wanted {
        made += live(seed);
        seed += 1;
    }
}
