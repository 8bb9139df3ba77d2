//! Credit: what an endpoint that waits publishes is kept until a subscriber has given credit for it, by feedback.
//!
//! | what comes | what happens |
//! |---|---|
//! | feedback `{"credit": N}` of a machine that is present for the endpoint | N more publications go: those that wait, in order, then those that come |
//! | any other feedback | it is told like all feedback, and is no credit |
//! | a publication, and there is credit | it goes, for one credit |
//! | a publication, and there is none | it waits behind those that wait already |
//! | one more than may wait | what the turn wanted in the space is refused |
//! | nobody is present for the endpoint any more | its credit is gone with them; what waits goes on waiting |
//! | the endpoint joins again, and waits no more | what has waited goes |
//! | the endpoint is gone | what waits is gone with it |
//!
//! A publication waits at that endpoint of its machine which takes its topic at that point of the turn, the one that
//! joined first where there are several. It refuses to know whom a message reaches. Its one invariant: an endpoint has
//! credit or publications that wait, never both.

use super::Space;
use super::act::{Act, Message};
use super::endpoint::{Endpoint, EndpointName, Role};
use super::pattern::Pattern;
use super::presence::{Changed, News, SpaceError};
use crate::address::Address;
use crate::json::Json;
use crate::limits::{
    CREDIT_MAX, SPACE_ALL_WAITING_BYTES_MAX, SPACE_ALL_WAITING_MAX, SPACE_WAITING_BYTES_MAX,
    SPACE_WAITING_MAX,
};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A publication that waits for credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The endpoint at which it waits.
    pub by: EndpointName,
    /// About what it is.
    pub topic: Pattern,
    /// What it says.
    pub data: Json,
}

/// A message that is let go. Where it reaches is for the space as it is after the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whose it is, when it has waited; otherwise it is of the machine whose turn it is.
    pub by: Option<Address>,
    /// Who takes it: subscribers what is published, publishers feedback.
    pub takers: Role,
    /// About what it is.
    pub topic: Pattern,
    /// What it says.
    pub data: Json,
}

/// What waits in a space. An endpoint at which nothing waits has no queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Queues {
    queues: BTreeMap<EndpointName, Queue>,
    /// In all of them.
    len: usize,
    bytes: usize,
}

/// The publications that wait at one endpoint, by their numbers in the space.
#[derive(Debug, Clone, Default)]
struct Queue {
    waiting: BTreeMap<u64, Publication>,
    bytes: usize,
}

/// Where the publications of a turn wait, decided before its changes are made.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// For each of them in order: the endpoint at which it waits; none when it goes.
    waits: Vec<Option<EndpointName>>,
    /// Those that go for credit, counted.
    spent: BTreeMap<EndpointName, u32>,
    /// What waits in the space with those of this turn, and its bytes.
    len: usize,
    bytes: usize,
}

/// An endpoint that waits before or within a turn, while the acts of that are gone through.
struct Gate {
    name: Arc<str>,
    pattern: Pattern,
    /// Is it held at this point, and does it wait?
    held: bool,
    /// Does it wait before the turn and after it? Then it has never been away, and nothing goes past what waits there.
    stays: bool,
    credit: u32,
    waiting: usize,
    bytes: usize,
}

impl Queues {
    fn add(&mut self, number: u64, publication: Publication) {
        let bytes = bytes_of(&publication.topic, &publication.data);
        let queue = self.queues.entry(publication.by.clone()).or_default();
        queue.bytes += bytes;
        self.bytes += bytes;
        queue.waiting.insert(number, publication);
        self.len += 1;
    }

    /// Takes out what has waited longest at the endpoint.
    fn take(&mut self, name: &EndpointName) -> Option<(u64, Publication)> {
        let queue = self.queues.get_mut(name)?;
        let (number, publication) = queue.waiting.pop_first()?;
        let bytes = bytes_of(&publication.topic, &publication.data);
        queue.bytes -= bytes;
        self.bytes -= bytes;
        self.len -= 1;
        if queue.waiting.is_empty() {
            self.queues.remove(name);
        }
        Some((number, publication))
    }

    /// The bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits at the endpoint, in order.
    pub(super) fn of(&self, name: &EndpointName) -> impl Iterator<Item = &Publication> {
        self.queues.get(name).into_iter().flat_map(|queue| queue.waiting.values())
    }

    /// How many wait at the endpoint, and how long they are together.
    fn size(&self, name: &EndpointName) -> (usize, usize) {
        self.queues.get(name).map_or((0, 0), |queue| (queue.waiting.len(), queue.bytes))
    }
}

impl Space {
    /// Takes over a publication that was kept under this number.
    pub fn restore_publication(&mut self, number: u64, publication: Publication) {
        self.queues.add(number, publication);
    }

    /// All publications that wait, by endpoint, with their numbers.
    pub fn publications(&self) -> impl Iterator<Item = (u64, &Publication)> {
        let all = self.queues.queues.values().flat_map(|queue| &queue.waiting);
        all.map(|(number, publication)| (*number, publication))
    }

    /// How many publications wait.
    pub fn publications_len(&self) -> usize {
        self.queues.len
    }

    /// How many publications wait at the endpoint.
    pub fn waiting(&self, name: &EndpointName) -> usize {
        self.queues.size(name).0
    }

    /// Decides which publications among the acts of a machine wait, and whether there is room for them. Nothing has
    /// changed yet.
    pub(super) fn gates(&self, from: &Address, acts: &[Act]) -> Result<Gates, SpaceError> {
        let mut decided = Gates { len: self.queues.len, bytes: self.queues.bytes, ..Gates::default() };
        if !acts.iter().any(|act| matches!(act, Act::Publish { .. })) {
            return Ok(decided);
        }
        let mut gates = self.gates_of(from);
        for gate in &mut gates {
            let last = acts.iter().rev().find_map(|act| match act {
                Act::Join { name, part } => (*name == gate.name).then_some(part.waits),
                Act::Leave { name } => (*name == gate.name).then_some(false),
                _ => None,
            });
            gate.stays = last.unwrap_or(true);
        }
        for act in acts {
            match act {
                Act::Join { name, part } => {
                    let (name, pattern, held) = (name.clone(), part.pattern.clone(), part.waits);
                    match gates.iter_mut().find(|gate| gate.name == name) {
                        Some(gate) => (gate.pattern, gate.held) = (pattern, held || gate.stays),
                        None => gates.push(Gate {
                            name,
                            pattern,
                            held,
                            stays: false,
                            credit: 0,
                            waiting: 0,
                            bytes: 0,
                        }),
                    }
                }
                Act::Leave { name } => {
                    let left = gates.iter_mut().find(|gate| gate.name == *name);
                    left.into_iter().for_each(|gate| gate.held = gate.stays);
                }
                Act::Publish { topic, data } => {
                    let gate = gates.iter_mut().find(|gate| gate.held && gate.pattern.intersects(topic));
                    let waits =
                        gate.map(|gate| decided.pass(from, gate, bytes_of(topic, data))).transpose()?;
                    decided.waits.push(waits.flatten());
                }
                Act::Assert { .. } | Act::Feedback { .. } => {}
            }
        }
        Ok(decided)
    }

    /// The endpoints of a machine that wait, in the order in which they joined.
    fn gates_of(&self, member: &Address) -> Vec<Gate> {
        let held = self.members.get(member).into_iter().flatten();
        let waiting = held.filter_map(|number| self.at(*number)).filter(|endpoint| endpoint.part.waits);
        let gate = |endpoint: &Endpoint| {
            let (waiting, bytes) = self.queues.size(&endpoint.name);
            Gate {
                name: endpoint.name.name.clone(),
                pattern: endpoint.part.pattern.clone(),
                held: true,
                stays: true,
                credit: endpoint.credit,
                waiting,
                bytes,
            }
        };
        waiting.map(gate).collect()
    }

    /// Lets go of what may go of the messages of a turn, whose changes are made. What has to wait gets numbers from
    /// `first` on.
    pub(super) fn say(
        &mut self,
        first: u64,
        from: &Address,
        messages: Vec<Message>,
        gates: Gates,
        changed: &mut Changed,
    ) {
        for (name, spent) in gates.spent {
            let Some((number, endpoint)) = self.endpoint(&name) else { continue };
            let credit = endpoint.credit.saturating_sub(spent);
            self.set_credit(number, credit, changed);
        }
        let mut waits = gates.waits.into_iter();
        for (number, Message { takers, topic, data }) in (first..).zip(messages) {
            let gate = if takers == Role::Subscriber { waits.next().flatten() } else { None };
            let Some(by) = gate else {
                let credit = if takers == Role::Publisher { credit_of(&data) } else { 0 };
                changed.said.push(Said { by: None, takers, topic: topic.clone(), data });
                if credit > 0 {
                    self.give(credit, from, &topic, changed);
                }
                continue;
            };
            match self.endpoint(&by).map(|(number, endpoint)| (number, endpoint.part.waits, endpoint.credit))
            {
                Some((_, false, _)) => changed.said.push(Said { by: None, takers, topic, data }),
                // It was given earlier in this turn, by the machine itself.
                Some((gate, true, credit @ 1..)) => {
                    self.set_credit(gate, credit - 1, changed);
                    changed.said.push(Said { by: None, takers, topic, data });
                }
                Some((_, true, 0)) => {
                    let publication = Publication { by, topic, data };
                    changed.publications.push((number, Some(publication.clone())));
                    self.queues.add(number, publication);
                }
                // It has gone with the endpoint.
                None => {}
            }
        }
    }

    /// A machine gives credit to the endpoints about the topic for which it is present.
    fn give(&mut self, credit: u32, from: &Address, topic: &Pattern, changed: &mut Changed) {
        for number in self.matching(Role::Publisher, topic) {
            let Some(endpoint) = self.at(number).filter(|endpoint| endpoint.part.waits) else { continue };
            let own = self.members.get(from).into_iter().flatten().filter_map(|own| self.at(*own));
            if !own.into_iter().any(|own| endpoint.part.sees(&own.part)) {
                continue;
            }
            let mut credit = endpoint.credit.saturating_add(credit).min(CREDIT_MAX);
            let name = endpoint.name.clone();
            while credit > 0 && self.let_go(&name, changed) {
                credit -= 1;
            }
            self.set_credit(number, credit, changed);
        }
    }

    /// Lets the first publication go that waits at the endpoint, if there is one.
    fn let_go(&mut self, name: &EndpointName, changed: &mut Changed) -> bool {
        let Some((number, Publication { by, topic, data })) = self.queues.take(name) else { return false };
        changed.publications.push((number, None));
        changed.said.push(Said { by: Some(by.member), takers: Role::Subscriber, topic, data });
        true
    }

    fn set_credit(&mut self, number: u64, credit: u32, changed: &mut Changed) {
        let Some(seat) = self.seats.get_mut(&number).filter(|seat| seat.endpoint.credit != credit) else {
            return;
        };
        seat.endpoint.credit = credit;
        let endpoint = Some(seat.endpoint.clone());
        match changed.endpoints.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => changed.endpoints[at].1 = endpoint,
            Err(at) => changed.endpoints.insert(at, (number, endpoint)),
        }
    }

    /// What follows for what waits, and for credit, from the changes that were just made. `waited` are the endpoints
    /// that waited before them and were touched.
    pub(super) fn settle(&mut self, waited: Vec<(u64, EndpointName)>, changed: &mut Changed) {
        for (number, name) in waited {
            match self.at(number).map(|endpoint| endpoint.part.waits) {
                Some(true) => {}
                Some(false) => while self.let_go(&name, changed) {},
                None => {
                    while let Some((number, _)) = self.queues.take(&name) {
                        changed.publications.push((number, None));
                    }
                }
            }
        }
        let absences = changed.notices.iter().filter(|notice| matches!(notice.news, News::Absence(..)));
        let mut left: Vec<u64> = absences.map(|notice| notice.number).collect();
        left.dedup();
        for number in left {
            let Some(endpoint) = self.at(number).filter(|endpoint| endpoint.credit > 0) else { continue };
            let others = self.matching(endpoint.part.role.opposite(), &endpoint.part.pattern);
            let is_seen = |other: &u64| self.at(*other).is_some_and(|other| endpoint.part.sees(&other.part));
            if !others.iter().any(is_seen) {
                self.set_credit(number, 0, changed);
            }
        }
    }
}

impl Gates {
    /// Of each publication in order: does it wait?
    pub(super) fn waits(&self) -> impl Iterator<Item = bool> {
        self.waits.iter().map(Option::is_some)
    }

    /// A publication comes to the endpoint: it goes for credit, or waits there if there is room.
    fn pass(
        &mut self,
        from: &Address,
        gate: &mut Gate,
        bytes: usize,
    ) -> Result<Option<EndpointName>, SpaceError> {
        let name = EndpointName { member: from.clone(), name: gate.name.clone() };
        if gate.credit > 0 {
            gate.credit -= 1;
            *self.spent.entry(name).or_default() += 1;
            return Ok(None);
        }
        (gate.waiting, gate.bytes) = (gate.waiting + 1, gate.bytes + bytes);
        if gate.waiting > SPACE_WAITING_MAX || gate.bytes > SPACE_WAITING_BYTES_MAX {
            return Err(SpaceError::NoCredit(name.name));
        }
        (self.len, self.bytes) = (self.len + 1, self.bytes + bytes);
        if self.len > SPACE_ALL_WAITING_MAX || self.bytes > SPACE_ALL_WAITING_BYTES_MAX {
            return Err(SpaceError::NoRoom);
        }
        Ok(Some(name))
    }
}

/// The credit that a message of feedback gives; 0 when it gives none.
pub(super) fn credit_of(data: &Json) -> u32 {
    #[derive(Deserialize)]
    struct Credit {
        credit: u64,
    }
    let credit = serde_json::from_str(data.as_str()).map_or(0, |Credit { credit }| credit);
    u32::try_from(credit).unwrap_or(CREDIT_MAX).min(CREDIT_MAX)
}

fn bytes_of(topic: &Pattern, data: &Json) -> usize {
    topic.as_str().len() + data.as_str().len()
}
