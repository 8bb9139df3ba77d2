//! What waits for credit, case by case: text in, text out.
//!
//! ```text
//! a/1: wait e x/y | join e sub part x/y | leave e | publish x/y 1 | credit x/y 2 | feedback x/y {"n":1}
//! a/1 exits
//! ```
//! One line is one turn, ` | ` stands between its acts. `wait` joins as a publisher that waits, `open` as one that does
//! not. What is let go is shown, and after a `-` each endpoint that has credit or at which something waits.

extern crate std;

use super::script::{name, pattern};
use crate::address::Address;
use crate::json::Json;
use crate::limits::{
    CREDIT_MAX, EFFECT_BYTES_MAX, SPACE_ALL_WAITING_BYTES_MAX, SPACE_REACH_BYTES_MAX, SPACE_WAITING_MAX,
};
use crate::space::{
    Act, Change, Changed, Endpoint, EndpointName, Interest, Part, Publication, Reason, Role, Space,
};
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// A space, and what is kept of it.
pub(super) struct Kept {
    pub(super) space: Space,
    endpoints: BTreeMap<u64, Endpoint>,
    publications: BTreeMap<u64, Publication>,
}

impl Kept {
    pub(super) fn new() -> Kept {
        Kept { space: Space::new(7), endpoints: BTreeMap::new(), publications: BTreeMap::new() }
    }

    /// Keeps what a turn has changed; the space is made from what is kept again.
    pub(super) fn keep(&mut self, changed: &Changed) {
        keep(&mut self.endpoints, &changed.endpoints);
        keep(&mut self.publications, &changed.publications);
        self.space = Space::new(9);
        self.publications
            .iter()
            .for_each(|(number, one)| self.space.restore_publication(*number, one.clone()));
        self.endpoints.iter().for_each(|(number, one)| self.space.restore(*number, one.clone()));
        assert_eq!(self.space.publications_len(), self.publications.len());
    }
}

fn keep<T: Clone>(kept: &mut BTreeMap<u64, T>, changed: &[(u64, Option<T>)]) {
    for (number, one) in changed {
        match one {
            Some(one) => drop(kept.insert(*number, one.clone())),
            None => drop(kept.remove(number)),
        }
    }
}

fn act(text: &str) -> Act {
    let words: Vec<&str> = text.split(' ').collect();
    let join = |name: &str, role, interest, about, waits| {
        let part = Part { waits, ..Part::new(pattern(about), role, interest) };
        Act::Join { name: name.into(), part }
    };
    let json = |text: &str| Json::parse(text).expect("JSON");
    match words[..] {
        ["wait", name, about] => join(name, Role::Publisher, Interest::Participant, about, true),
        ["open", name, about] => join(name, Role::Publisher, Interest::Participant, about, false),
        ["take", name, about] => join(name, Role::Subscriber, Interest::Participant, about, false),
        ["look", name, about] => join(name, Role::Subscriber, Interest::Observer, about, false),
        ["wrong", name, about] => join(name, Role::Subscriber, Interest::Participant, about, true),
        ["leave", name] => Act::Leave { name: name.into() },
        ["publish", topic, data] => Act::Publish { topic: pattern(topic), data: json(data) },
        ["credit", topic, n] => {
            Act::Feedback { topic: pattern(topic), data: json(&format!("{{\"credit\":{n}}}")) }
        }
        ["feedback", topic, data] => Act::Feedback { topic: pattern(topic), data: json(data) },
        _ => panic!("no act: {text:?}"),
    }
}

fn turn(kept: &mut Kept, number: u64, line: &str) -> String {
    let first = number * 1000;
    let changed = match line.split_once(": ") {
        Some((member, acts)) => {
            let acts: Vec<Act> = acts.split(" | ").map(act).collect();
            let since = acts.iter().filter(|act| matches!(act, Act::Join { .. })).map(|_| number).collect();
            kept.space.turn(first, &Address::parse(member).expect("an address"), acts, since)
        }
        None => {
            let member = line.strip_suffix(" exits").expect("a turn");
            let reason = Reason::Exited("final".into());
            kept.space.apply(first, [Change::Withdraw(name(member, "").member, reason)].into())
        }
    };
    let changed = match changed {
        Ok(changed) => changed,
        Err(error) => return format!("refused: {error}"),
    };
    kept.keep(&changed);
    let published = changed.said.iter().filter(|said| said.takers == Role::Subscriber);
    let mut words: Vec<String> = published
        .map(|said| {
            let by = said.by.as_ref().map_or_else(String::new, |by| format!("{by} "));
            format!("{by}{} {}", said.topic, said.data)
        })
        .collect();
    words.push("-".into());
    for (_, endpoint) in kept.space.endpoints() {
        let waiting = kept.space.waiting(&endpoint.name);
        if endpoint.credit > 0 || waiting > 0 {
            let EndpointName { member, name } = &endpoint.name;
            words.push(format!("{member} {name}: {} credit, {waiting} wait", endpoint.credit));
        }
    }
    words.join("; ")
}

fn check(script: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect()
    };
    let mut kept = Kept::new();
    let found: Vec<String> = lines(script)
        .iter()
        .enumerate()
        .map(|(number, line)| turn(&mut kept, number as u64 + 1, line))
        .collect();
    assert_eq!(found, lines(expected), "{}", found.join("\n"));
}

#[test]
fn with_one_credit_exactly_one_line_arrives() {
    check(
        "tcp/1: wait out line
         echo/1: take in line
         tcp/1: publish line 1 | publish line 2 | publish line 3
         echo/1: credit line 1
         echo/1: credit line 1
         echo/1: credit line 5
         tcp/1: publish line 4",
        "-
         -
         -; tcp/1 out: 0 credit, 3 wait
         tcp/1 line 1; -; tcp/1 out: 0 credit, 2 wait
         tcp/1 line 2; -; tcp/1 out: 0 credit, 1 wait
         tcp/1 line 3; -; tcp/1 out: 4 credit, 0 wait
         line 4; -; tcp/1 out: 3 credit, 0 wait",
    );
}

/// Credit comes from whoever is present for the endpoint, and says so in so many words.
#[test]
fn what_is_no_credit() {
    check(
        "a/1: wait e x | publish x 1
         c/1: look e x
         c/1: credit x 1
         c/2: credit x 1
         b/1: take e x
         b/1: feedback x 1
         b/1: feedback x {\"credit\":-1}
         b/1: feedback x {\"credit\":1.5}
         b/1: feedback x {\"credit\":\"1\"}
         b/1: credit x 0
         b/1: credit y 1
         b/1: leave e | credit x 1
         b/1: credit x 1 | take e x",
        "-; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         a/1 x 1; -",
    );
}

#[test]
fn credit_goes_with_the_last_who_is_present() {
    check(
        "a/1: wait e x
         b/1: take e x
         b/2: take e x
         b/1: credit x 3
         b/1 exits
         a/1: publish x 1
         b/2: leave e
         a/1: publish x 2
         b/3: take e x
         b/3: credit x 1",
        "-
         -
         -
         -; a/1 e: 3 credit, 0 wait
         -; a/1 e: 3 credit, 0 wait
         x 1; -; a/1 e: 2 credit, 0 wait
         -
         -; a/1 e: 0 credit, 1 wait
         -; a/1 e: 0 credit, 1 wait
         a/1 x 2; -",
    );
}

#[test]
fn what_waits_goes_with_its_endpoint_and_credit_too() {
    check(
        "a/1: wait e x | publish x 1
         a/1: leave e
         b/1: take e x
         b/1: credit x 1
         a/1: wait e x | publish x 2
         b/1: credit x 3
         a/1: publish x 3 | publish x 4 | publish x 5 | leave e
         a/1: publish x 6
         a/1: wait e x | publish x 7
         a/1 exits
         b/1: credit x 9",
        "-; a/1 e: 0 credit, 1 wait
         -
         -
         -
         -; a/1 e: 0 credit, 1 wait
         a/1 x 2; -; a/1 e: 2 credit, 0 wait
         x 3; x 4; -
         x 6; -
         -; a/1 e: 0 credit, 1 wait
         -
         -",
    );
}

/// An endpoint that moves stays what it is; one that waits no more lets go.
#[test]
fn an_endpoint_that_moves() {
    check(
        "a/1: wait e x | publish x 1
         a/1: publish x 2 | wait e y | publish y 3 | publish x 4
         b/1: take e *
         b/1: credit y 1
         a/1: leave e | wait e x | publish x 5
         a/1: publish x 6 | open e x | publish x 7
         a/1: publish x 8
         a/1: wait e x | publish x 9
         b/1: credit * 2",
        "-; a/1 e: 0 credit, 1 wait
         x 4; -; a/1 e: 0 credit, 3 wait
         -; a/1 e: 0 credit, 3 wait
         a/1 x 1; -; a/1 e: 0 credit, 2 wait
         -; a/1 e: 0 credit, 3 wait
         a/1 x 2; a/1 y 3; a/1 x 5; x 6; x 7; -
         x 8; -
         -; a/1 e: 0 credit, 1 wait
         a/1 x 9; -; a/1 e: 1 credit, 0 wait",
    );
}

/// A publication waits where its machine waits for credit, and at one endpoint only.
#[test]
fn several_endpoints() {
    check(
        "a/1: open o x | wait e x/1 | wait f x/*
         b/1: take e x/*
         a/1: publish x 0 | publish x/1 1 | publish x/2 2
         c/1: publish x/1 9
         b/1: credit x/2 1
         b/1: credit x/1 1",
        "-
         -
         x 0; -; a/1 e: 0 credit, 1 wait; a/1 f: 0 credit, 1 wait
         x/1 9; -; a/1 e: 0 credit, 1 wait; a/1 f: 0 credit, 1 wait
         a/1 x/2 2; -; a/1 e: 0 credit, 1 wait
         a/1 x/1 1; -; a/1 f: 1 credit, 0 wait",
    );
}

/// As when a chart goes from one state to another that holds the same endpoint, and says something on the way.
#[test]
fn an_endpoint_that_is_left_and_joined_again_has_never_been_away() {
    check(
        "a/1: wait e x
         a/1: publish x 1 | publish x 2
         a/1: leave e | publish x 3 | wait e x
         a/1: open e x | publish x 4 | wait e x
         b/1: take i x | credit x 3
         b/1: credit x 2
         a/1: leave e | publish x 5 | publish x 6 | wait e x",
        "-
         -; a/1 e: 0 credit, 2 wait
         -; a/1 e: 0 credit, 3 wait
         -; a/1 e: 0 credit, 4 wait
         a/1 x 1; a/1 x 2; a/1 x 3; -; a/1 e: 0 credit, 1 wait
         a/1 x 4; -; a/1 e: 1 credit, 0 wait
         x 5; -; a/1 e: 0 credit, 1 wait",
    );
}

#[test]
fn a_machine_gives_credit_to_itself() {
    check(
        "a/1: wait e x | take i x | publish x 1 | credit x 1 | publish x 2
         a/1: credit x 1
         a/1: credit x 2 | publish x 3",
        "a/1 x 1; -; a/1 e: 0 credit, 1 wait
         a/1 x 2; -
         x 3; -; a/1 e: 1 credit, 0 wait",
    );
}

#[test]
fn a_subscriber_has_nothing_that_could_wait() {
    check(
        "a/1: wrong e x",
        "refused: endpoint \"e\" is a subscriber's, which has nothing that could wait; join as a publisher, or without `waits`",
    );
}

#[test]
fn more_credit_than_anybody_works_off() {
    let mut kept = Kept::new();
    turn(&mut kept, 1, "a/1: wait e x");
    turn(&mut kept, 2, "b/1: take e x");
    for number in 3..5 {
        let found = turn(&mut kept, number, &format!("b/1: credit x {}", u64::MAX));
        assert_eq!(found, format!("-; a/1 e: {CREDIT_MAX} credit, 0 wait"));
    }
}

/// A fresh endpoint has room for all that a turn may publish; one more is refused with all that its turn wanted.
#[test]
fn one_more_than_may_wait_is_refused() {
    let mut kept = Kept::new();
    turn(&mut kept, 1, "b/1: take e x");
    turn(&mut kept, 2, "a/1: wait e x");
    let all = (0..SPACE_WAITING_MAX).map(|n| format!("publish x {n}")).collect::<Vec<_>>().join(" | ");
    assert_eq!(turn(&mut kept, 3, &format!("a/1: {all}")), "-; a/1 e: 0 credit, 1000 wait");
    let refused = turn(&mut kept, 5, "a/1: take other y | publish x 1000");
    assert!(refused.starts_with("refused: more waits for credit at endpoint \"e\" than 1000"), "{refused}");
    assert_eq!((kept.space.len(), kept.space.publications_len()), (2, SPACE_WAITING_MAX));
    let found = turn(&mut kept, 6, "b/1: credit x 1");
    assert_eq!(found, "a/1 x 0; -; a/1 e: 0 credit, 999 wait");
    let big = "v".repeat(EFFECT_BYTES_MAX);
    let refused = turn(&mut kept, 7, &format!("a/1: publish x \"{}\"", &big[..1 << 19]));
    assert_eq!(refused, "-; a/1 e: 0 credit, 1000 wait");
    let mut kept = Kept::new();
    turn(&mut kept, 1, "a/1: wait e x");
    let half = format!("publish x \"{}\"", &big[..1 << 19]);
    let many = [half.as_str(); 16].join(" | ");
    let refused = turn(&mut kept, 2, &format!("a/1: {many}"));
    assert!(refused.starts_with("refused: more waits for credit"), "{refused}");
    assert_eq!(kept.space.publications_len(), 0);
}

/// Many endpoints together hold no more than a space has room for.
#[test]
fn one_more_than_waits_in_a_space_is_refused() {
    let mut kept = Kept::new();
    let each = 1 << 19;
    let data = format!("\"{}\"", "v".repeat(each));
    let room = SPACE_ALL_WAITING_BYTES_MAX / (each + 8);
    for place in 0..room {
        let found = turn(
            &mut kept,
            place as u64 + 1,
            &format!("a/1: wait e{place} x{place} | publish x{place} {data}"),
        );
        assert!(found.starts_with("-;"), "{place}");
    }
    let refused = turn(&mut kept, 100, &format!("b/1: wait e y | publish y {data}"));
    assert!(refused.starts_with("refused: more waits for credit in the space"), "{refused}");
    assert_eq!((kept.space.len(), kept.space.publications_len()), (room, room));
}

/// What all are told together is bounded, whoever said it and however long ago.
#[test]
fn what_reaches_too_far_is_refused() {
    let (mut kept, bytes) = (Kept::new(), 1 << 19);
    let data = format!("\"{}\"", "v".repeat(bytes));
    turn(&mut kept, 1, &format!("a/1: wait e x | publish x {data}"));
    let takers = SPACE_REACH_BYTES_MAX / bytes + 1;
    for taker in 0..takers {
        turn(&mut kept, taker as u64 + 2, &format!("b/{taker}: take i x"));
    }
    for says in [format!("c/1: publish x {data}"), "b/1: credit x 1".into(), "a/1: open e x".into()] {
        let refused = turn(&mut kept, 1_000, &says);
        assert!(refused.starts_with("refused: all who would be told"), "{refused}");
    }
    assert_eq!(kept.space.publications_len(), 1);
    // What waits is told to nobody yet.
    assert!(turn(&mut kept, 1_001, &format!("a/1: publish x {data}")).ends_with("0 credit, 2 wait"));
    turn(&mut kept, 1_002, "b/1: leave i");
    turn(&mut kept, 1_003, "b/2: leave i");
    assert!(turn(&mut kept, 1_004, "b/3: credit x 1").ends_with("0 credit, 1 wait"));
}
