//! Credit beside a reference that knows lists alone: random turns of joins, moves, leaves, publications, credit and
//! crashes let the same publications go in the same order, and leave the same credit and the same waiting, also when the
//! space is made again from what is kept of it.
//!
//! `SPACE_OPERATIONS=1000000 cargo test -p everstate-kernel credit` for a longer run, `SPACE_SEED=N` for one seed.

extern crate std;

use super::credit::Kept;
use super::dice::Dice;
use super::reference::Reference;
use super::script::{name, pattern};
use crate::json::Json;
use crate::space::{Act, Change, Endpoint, EndpointName, Interest, News, Part, Reason, Role};
use std::env;
use std::format;
use std::string::String;
use std::vec::Vec;

const OPERATIONS: u64 = 30_000;
const TURNS: u64 = 120;
const PATTERNS: [&str; 6] = ["x", "y", "*", ">", "x/1", "x/*"];

impl Dice {
    fn act(&mut self, number: u64) -> Act {
        let about = pattern(self.of(&PATTERNS));
        let endpoint = self.of(&["p", "q"]);
        match self.below(12) {
            0..3 => {
                let role = self.of(&[Role::Publisher, Role::Subscriber]);
                let interest = self.of(&[Interest::Participant, Interest::Participant, Interest::Observer]);
                let waits = role == Role::Publisher && self.below(4) != 0;
                Act::Join { name: endpoint.into(), part: Part { waits, ..Part::new(about, role, interest) } }
            }
            3 => Act::Leave { name: endpoint.into() },
            4..8 => Act::Publish { topic: about, data: Json::parse(&format!("{number}")).expect("a number") },
            _ => {
                let credit = format!("{{\"credit\":{}}}", self.below(4));
                Act::Feedback { topic: about, data: Json::parse(&credit).expect("credit") }
            }
        }
    }
}

/// An endpoint that waits, in the reference.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    name: EndpointName,
    credit: u64,
    /// Topics and data.
    queue: Vec<(String, String)>,
}

/// The reference: presence by all pairs, and a list of who waits.
#[derive(Default)]
struct Naive {
    presence: Reference,
    waiting: Vec<Waiting>,
}

impl Naive {
    fn part(&self, name: &EndpointName) -> Option<&Part> {
        self.presence.list.values().find(|endpoint| endpoint.name == *name).map(|endpoint| &endpoint.part)
    }

    fn is_present_for(&self, name: &EndpointName, who: impl Fn(&Endpoint) -> bool) -> bool {
        let Some(own) = self.part(name) else { return false };
        self.presence.list.values().any(|other| who(other) && own.sees(&other.part))
    }

    /// The first endpoint of the machine that waits and takes the topic, after the first so many acts of its turn. One
    /// that waits before the turn and after it waits all the time.
    fn gate(
        before: &[Endpoint],
        member: &str,
        acts: &[Act],
        done: usize,
        topic: &str,
    ) -> Option<EndpointName> {
        let mut held: Vec<(EndpointName, Option<Part>)> = before
            .iter()
            .filter(|endpoint| endpoint.name.member.as_str() == member)
            .map(|endpoint| (endpoint.name.clone(), Some(endpoint.part.clone())))
            .collect();
        // Those that wait keep their place; others have none until they wait.
        held.retain(|(_, part)| part.as_ref().is_some_and(|part| part.waits));
        let changes = |act: &Act| match act {
            Act::Join { name, part } => Some((name.clone(), Some(part.clone()))),
            Act::Leave { name } => Some((name.clone(), None)),
            _ => None,
        };
        let there: Vec<EndpointName> = held.iter().map(|(name, _)| name.clone()).collect();
        let stays = |endpoint: &str| {
            let mut last = acts.iter().rev().filter_map(changes).filter(|(name, _)| **name == *endpoint);
            let waits = last.next().is_none_or(|(_, part)| part.is_some_and(|part| part.waits));
            waits && there.iter().any(|name| *name.name == *endpoint)
        };
        for (endpoint, part) in acts[..done].iter().filter_map(changes) {
            match held.iter_mut().find(|(name, _)| name.name == endpoint) {
                Some((_, held)) if stays(&endpoint) => {
                    let part = part.or(held.take());
                    *held = part.map(|part| Part { waits: true, ..part });
                }
                Some((_, held)) => *held = part,
                None => held.push((name(member, &endpoint), part)),
            }
        }
        let topic = pattern(topic);
        let takes = |part: &Option<Part>| {
            part.as_ref().is_some_and(|part| part.waits && part.pattern.intersects(&topic))
        };
        held.into_iter().find(|(_, part)| takes(part)).map(|(name, _)| name)
    }

    fn turn(&mut self, first: u64, member: &str, acts: &[Act]) -> Vec<(String, String)> {
        let before: Vec<Endpoint> = self.presence.list.values().cloned().collect();
        // Where each publication goes is decided with the credit that there was.
        let mut decided: Vec<Option<EndpointName>> = Vec::new();
        for (place, act) in acts.iter().enumerate() {
            let Act::Publish { topic, .. } = act else { continue };
            let gate = Naive::gate(&before, member, acts, place, topic.as_str());
            let has_credit = gate.as_ref().and_then(|gate| {
                let waiting = self.waiting.iter_mut().find(|one| one.name == *gate)?;
                waiting.credit = waiting.credit.checked_sub(1)?;
                Some(())
            });
            decided.push(if has_credit.is_some() { None } else { gate });
        }
        let changes: Vec<Change> = acts
            .iter()
            .filter_map(|act| match act {
                Act::Join { name: endpoint, part } => Some(Change::Join(Endpoint {
                    name: name(member, endpoint),
                    part: part.clone(),
                    since: 0,
                    credit: 0,
                })),
                Act::Leave { name: endpoint } => Some(Change::Leave(name(member, endpoint))),
                _ => None,
            })
            .collect();
        let mut said = self.change(first, &changes);
        let mut decided = decided.into_iter();
        for act in acts {
            match act {
                Act::Publish { topic, data } => {
                    let message = (topic.as_str().into(), data.as_str().into());
                    match decided.next().flatten() {
                        None => said.push(message),
                        Some(gate) => match self.waiting.iter().position(|one| one.name == gate) {
                            Some(at) if self.waiting[at].credit > 0 => {
                                self.waiting[at].credit -= 1;
                                said.push(message);
                            }
                            Some(at) => self.waiting[at].queue.push(message),
                            None if self.part(&gate).is_some() => said.push(message),
                            None => {}
                        },
                    }
                }
                Act::Feedback { topic, data } => {
                    let given: u64 = data.as_str()[10..].trim_end_matches('}').parse().expect("a number");
                    said.extend(self.credit(member, topic.as_str(), given));
                }
                _ => {}
            }
        }
        said
    }

    fn credit(&mut self, member: &str, topic: &str, given: u64) -> Vec<(String, String)> {
        let topic = pattern(topic);
        let mut said = Vec::new();
        for number in self.presence.takers(Role::Publisher, &topic) {
            let name = self.presence.list[&number].name.clone();
            let own = |endpoint: &Endpoint| endpoint.name.member.as_str() == member;
            if !self.is_present_for(&name, own) {
                continue;
            }
            let Some(waiting) = self.waiting.iter_mut().find(|one| one.name == name) else { continue };
            for _ in 0..given {
                match waiting.queue.is_empty() {
                    true => waiting.credit += 1,
                    false => said.push(waiting.queue.remove(0)),
                }
            }
        }
        said
    }

    /// Applies changes; answers what is let go by endpoints that wait no more.
    fn change(&mut self, first: u64, changes: &[Change]) -> Vec<(String, String)> {
        let numbers: Vec<(u64, EndpointName)> =
            self.presence.list.iter().map(|(number, endpoint)| (*number, endpoint.name.clone())).collect();
        let notices = self.presence.apply(first, changes);
        let mut said = Vec::new();
        for (_, name) in &numbers {
            let Some(at) = self.waiting.iter().position(|one| one.name == *name) else { continue };
            match self.part(name).map(|part| part.waits) {
                Some(true) => {}
                Some(false) => said.extend(self.waiting.remove(at).queue),
                None => drop(self.waiting.remove(at)),
            }
        }
        let now: Vec<Endpoint> = self.presence.list.values().cloned().collect();
        for endpoint in now.iter().filter(|endpoint| endpoint.part.waits) {
            if !self.waiting.iter().any(|one| one.name == endpoint.name) {
                self.waiting.push(Waiting { name: endpoint.name.clone(), credit: 0, queue: Vec::new() });
            }
            let left = |notice: &crate::space::Notice| {
                notice.to == endpoint.name && matches!(notice.news, News::Absence(..))
            };
            if notices.iter().any(left) && !self.is_present_for(&endpoint.name, |_| true) {
                let waiting = self.waiting.iter_mut().filter(|one| one.name == endpoint.name);
                waiting.for_each(|one| one.credit = 0);
            }
        }
        said
    }
}

fn live(seed: u64) -> u64 {
    let mut dice = Dice(seed.wrapping_mul(0x1234_5678_9abc_def1));
    let (mut kept, mut naive) = (Kept::new(), Naive::default());
    let mut operations = 0;
    for turn in 1..=TURNS {
        let member = dice.of(&["a/1", "a/2", "b/1", "b/2"]);
        let first = turn * 100;
        let (found, expected) = if dice.below(20) == 0 {
            let gone = Change::Withdraw(name(member, "").member, Reason::Silent);
            operations += 1;
            (kept.space.apply(first, [gone.clone()].into()), naive.change(first, &[gone]))
        } else {
            let acts: Vec<Act> = (0..dice.of(&[1, 1, 2, 3, 5])).map(|at| dice.act(turn * 10 + at)).collect();
            operations += acts.len() as u64;
            let since = acts.iter().map(|_| 0).collect();
            let expected = naive.turn(first, member, &acts);
            (kept.space.turn(first, &name(member, "").member, acts, since), expected)
        };
        let changed = found.unwrap_or_else(|error| panic!("seed {seed}, turn {turn}: refused: {error}"));
        let published = changed.said.iter().filter(|said| said.takers == Role::Subscriber);
        let said: Vec<(String, String)> =
            published.map(|said| (said.topic.as_str().into(), said.data.as_str().into())).collect();
        assert_eq!(said, expected, "said with seed {seed} in turn {turn} by {member}");
        if dice.below(3) == 0 {
            kept.keep(&changed);
        } else {
            let again = kept.space.clone();
            kept.keep(&changed);
            kept.space = again;
        }
        compare(&kept, &naive, &format!("seed {seed}, turn {turn} by {member}"));
    }
    operations
}

/// Credit and waiting are the same, and nobody has both.
fn compare(kept: &Kept, naive: &Naive, context: &str) {
    for (_, endpoint) in kept.space.endpoints() {
        let waiting = kept.space.waiting(&endpoint.name);
        assert!(endpoint.credit == 0 || waiting == 0, "both at {:?}, {context}", endpoint.name);
        let expected = naive.waiting.iter().find(|one| one.name == endpoint.name);
        let expected = expected.map_or((0, 0), |one| (one.credit, one.queue.len()));
        assert_eq!((u64::from(endpoint.credit), waiting), expected, "{:?}, {context}", endpoint.name);
    }
    let waiting: usize = naive.waiting.iter().map(|one| one.queue.len()).sum();
    assert_eq!(kept.space.publications_len(), waiting, "{context}");
}

#[test]
fn credit_lets_go_what_the_reference_lets_go() {
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
