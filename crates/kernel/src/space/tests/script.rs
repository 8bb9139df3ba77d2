//! Text in, text out: a script of turns, and what everybody was told.
//!
//! ```text
//! a/1 joins out: publisher participant x/y {"v":1}     a/1 leaves out     a/1 asserts out {"v":2}
//! a/1 exits | faults | falls silent                    publish x/y        feedback x/y
//! ```
//! One line is one turn; changes joined by ` & ` are one turn together.

extern crate std;

use crate::address::Address;
use crate::json::Json;
use crate::space::{Change, Endpoint, EndpointName, Interest, News, Part, Pattern, Reason, Role, Space};
use std::format;
use std::string::String;
use std::vec::Vec;

pub(super) fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

pub(super) fn name(member: &str, name: &str) -> EndpointName {
    EndpointName { member: Address::parse(member).expect("an address"), name: name.into() }
}

pub(super) fn part(text: &str) -> Part {
    let mut words = text.splitn(4, ' ');
    let role = match words.next() {
        Some("publisher") => Role::Publisher,
        Some("subscriber") => Role::Subscriber,
        other => panic!("a role, not {other:?}"),
    };
    let interest = match words.next() {
        Some("participant") => Interest::Participant,
        Some("observer") => Interest::Observer,
        Some("everything") => Interest::Everything,
        other => panic!("an interest, not {other:?}"),
    };
    let mut part = Part::new(pattern(words.next().expect("a pattern")), role, interest);
    match words.next() {
        Some("marked") => part.mark = true,
        value => part.value = Json::parse(value.unwrap_or_default()).expect("a value"),
    }
    part
}

fn change(text: &str) -> Change {
    let (member, act) = text.split_once(' ').expect("who does what");
    let address = || Address::parse(member).expect("an address");
    let withdraw = |reason| Change::Withdraw(address(), reason);
    match act.split_once(' ') {
        Some(("joins", rest)) => {
            let (endpoint, rest) = rest.split_once(": ").expect("name: part");
            Change::Join(Endpoint { name: name(member, endpoint), part: part(rest), since: 0, credit: 0 })
        }
        Some(("leaves", endpoint)) => Change::Leave(name(member, endpoint)),
        Some(("asserts", rest)) => {
            let (endpoint, value) = rest.split_once(' ').expect("name value");
            Change::Assert(name(member, endpoint), Json::parse(value).expect("a value"))
        }
        Some(("falls", "silent")) => withdraw(Reason::Silent),
        None if act == "exits" => withdraw(Reason::Exited("final".into())),
        None if act == "faults" => withdraw(Reason::Faulted("out of paper".into())),
        other => panic!("an act, not {other:?}"),
    }
}

pub(super) fn run(script: &str) -> String {
    let mut space = Space::new(7);
    let mut told = Vec::new();
    for (turn, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        match line.split_once(' ') {
            Some(("publish", topic)) => told.extend(receivers(&space, Role::Subscriber, topic)),
            Some(("feedback", topic)) => told.extend(receivers(&space, Role::Publisher, topic)),
            _ => {
                let changes = line.split(" & ").map(change).collect();
                match space.apply(turn as u64 * 100, changes) {
                    Ok(changed) => told.extend(changed.notices.iter().map(|notice| {
                        format!("{} {}: {}", notice.to.member, notice.to.name, news(&notice.news))
                    })),
                    Err(error) => told.push(format!("refused: {error}")),
                }
            }
        }
        told.push("-".into());
    }
    told.join("\n")
}

fn receivers(space: &Space, role: Role, topic: &str) -> Vec<String> {
    let takers = space.takers(role, &pattern(topic));
    takers.iter().map(|(_, to)| format!("{} {}: message {topic}", to.name.member, to.name.name)).collect()
}

pub(super) fn news(news: &News) -> String {
    let (what, other) = match news {
        News::Presence(other) => ("presence of", other),
        News::Changed(other) => ("change of", other),
        News::Absence(other, reason) => {
            let detail = match reason.detail() {
                "" => String::new(),
                detail => format!(" ({detail})"),
            };
            return format!(
                "absence of {} {} at {}, {}{detail}",
                other.name.member,
                other.name.name,
                other.pattern,
                reason.code()
            );
        }
        News::Complete => return "that was all".into(),
    };
    let value = if other.value.is_null() { String::new() } else { format!(" {}", other.value) };
    format!("{what} {} {} at {}{value}", other.name.member, other.name.name, other.pattern)
}

/// Runs the script and compares all that was told, turn by turn.
pub(super) fn check(script: &str, expected: &str) {
    let tidy = |text: &str| {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let (found, expected) = (tidy(&run(script)), tidy(expected));
    assert!(found == expected, "told:\n{found}\nexpected:\n{expected}");
}
