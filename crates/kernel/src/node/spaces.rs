//! Spaces as instances: the acts of members arrive through the outbox, change what the space holds, and what members
//! are told of it leaves through the outbox again, all in one commit.
//!
//! | errand | the space | what happens |
//! |---|---|---|
//! | act, with a join | nobody | the space is created where that is allowed, then acts |
//! | act | nobody | nothing: nobody is there to see it |
//! | | a space | a turn: all changes together; who is concerned is told; messages reach their takers |
//! | | a space that refuses, or has ended | rejected as a whole; the member is told |
//! | enter | a space, created on demand | the instance is one that ends with it |
//! | | one that has ended | the instance is evicted at once |
//! | withdraw | a space with endpoints of the member | a turn: they are gone, and who is concerned is told why |
//! | | otherwise | nothing is told |
//! | evict | an instance within the space | it stops |
//! | notice | an instance that has held the endpoint since then | the event is handed over |
//! | | anybody else | nothing: it has let go of the endpoint |
//!
//! What a space holds beside its row are seats, each a record of its own: a turn writes as many as it changes, whatever
//! there are. In memory they are an index, brought in with the row. It refuses to know what presence is.
//!
//! Its one invariant: the index is what the seats say, and the row counts them.

use super::Node;
use super::awaited::Keys;
use super::errands::Arrived;
use super::lifecycle::{Ending, Wish};
use super::residents::Live;
use super::turn::{Attempt, Besides, Delivery, Written, internal_id, sent};
use crate::address::Address;
use crate::event::{Event, Outcome, Rejection, Sender};
use crate::input::Out;
use crate::json::Json;
use crate::limits::SPACE_INHABITANTS_MAX;
use crate::link::{Acting, Errand};
use crate::record::{Cause, Record, Seat, SeatRecord, Sent, Serial, Source};
use crate::space::{Act, Asked, Change, Changed, EndpointName, News, Notice, Reason, Space, message, told};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What one turn of a space tells at most; more is told by further turns of the same commit. Each has a number within
/// the turn, so it is below [`Serial::PER_TURN`]; half would write twice as many turns for a large crowd.
const TOLD_MAX: usize = 4096;
/// The number of the event of such a further turn, which no other event has.
const MORE_INDEX: u64 = Serial::PER_TURN - 1;
const _: () = assert!((TOLD_MAX as u64) < MORE_INDEX);

/// What a space holds besides its row.
#[derive(Debug, Clone)]
pub(super) struct Premises {
    space: Space,
    inhabitants: BTreeMap<Address, Serial>,
}

/// An event for one endpoint, or an eviction.
struct Told {
    to: Address,
    event: Arc<str>,
    data: Json,
    errand: Errand,
}

impl Premises {
    pub(super) fn new(seed: u64) -> Premises {
        Premises { space: Space::new(seed), inhabitants: BTreeMap::new() }
    }

    pub(super) fn restore(&mut self, number: Serial, seat: Seat) {
        match seat {
            Seat::Endpoint(endpoint) => self.space.restore(number.0, endpoint),
            Seat::Inhabitant(address) => drop(self.inhabitants.insert(address, number)),
            Seat::Publication(publication) => self.space.restore_publication(number.0, publication),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.space.len() + self.inhabitants.len() + self.space.publications_len()
    }

    /// Lets endpoints go: what becomes of the seats, and what is told.
    fn leave(&mut self, address: &Address, leaves: Vec<Change>) -> (Vec<Record>, Vec<Told>) {
        let changed = self.space.apply(0, leaves).expect("to leave asks for nothing that could be refused");
        let inside = address.inside().unwrap_or_default();
        let all = self.tell(address, &inside, &changed, None);
        (seats(address, changed), all)
    }

    /// Gives up everything: the numbers of all seats, and what is told of it.
    fn clear(&mut self, space: &Address, inside: &str) -> (Vec<Serial>, Vec<Told>) {
        let (mut numbers, mut all) = (Vec::new(), Vec::new());
        let data = Json::trusted(format!(r#"{{"space":{}}}"#, serde_json::Value::from(inside)));
        for (number, endpoint) in self.space.endpoints() {
            numbers.push(Serial(number));
            if !self.inhabitants.contains_key(&endpoint.name.member) {
                all.push(Told::of(space, &endpoint.name, endpoint.since, "space.ended.", data.clone()));
            }
        }
        numbers.extend(self.space.publications().map(|(number, _)| Serial(number)));
        for (address, number) in &self.inhabitants {
            numbers.push(*number);
            let (to, event) = (address.clone(), Arc::from("space.evict"));
            all.push(Told { to, event, data: Json::NULL, errand: Errand::Evict });
        }
        *self = Premises::new(0);
        numbers.sort_unstable();
        (numbers, all)
    }
}

impl Told {
    fn of(space: &Address, to: &EndpointName, since: u64, word: &str, data: Json) -> Told {
        let errand = Errand::Notice { space: space.clone(), endpoint: to.name.clone(), since };
        Told { to: to.member.clone(), event: Arc::from(format!("{word}{}", to.name)), data, errand }
    }

    fn of_notice(space: &Address, inside: &str, notice: &Notice) -> Told {
        let (word, data) = told(inside, &notice.news);
        Told::of(space, &notice.to, notice.since, word, data)
    }
}

impl Live {
    /// The space that it is.
    fn space_mut(&mut self) -> Option<&mut Premises> {
        self.premises.as_deref_mut().filter(|_| !self.row.status.is_ended())
    }

    /// Lets the row count what the space holds.
    fn count_seats(&mut self) {
        let seats = self.premises.as_ref().map_or(0, |premises| premises.len() as u32);
        self.row.links.get_or_insert_default().seats = seats;
        self.row.links = self.row.links.take().filter(|links| !links.is_empty());
    }
}

impl Node {
    /// A member acts in a space.
    pub(super) fn act(&mut self, arrived: Arrived, from: &Address, acting: Acting, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let joins = acting.acts.iter().any(|act| matches!(act, Act::Join { .. }));
        if self.residents.live(&to).is_none() && !joins {
            return self.done(number, out);
        }
        if let Err(nobody) = self.bring_to_life(&to, true, out) {
            self.done(number, out);
            let told = self.refused(number, &to, &event, &nobody.outcome());
            return told.into_iter().for_each(|sent| self.post(sent, out));
        }
        let delivery = Delivery::of(event, Source::Outbox(number));
        let position = self.position + 1;
        let live = self.residents.live_mut(&to).expect("it was brought to life");
        let ended = live.row.status.is_ended();
        let Some(premises) = live.space_mut() else {
            let reason = if ended { Rejection::Final } else { Rejection::BadData };
            let detail = if ended { String::new() } else { format!("{to} is no space") };
            return drop(self.reject(&to, delivery, reason, detail, out));
        };
        let leaves = leaves(from, &acting.acts);
        match premises.space.turn(Serial::of(position, 0).0, from, acting.acts, acting.since) {
            Err(error) => {
                let left = premises.leave(&to, leaves);
                let _ = self.reject(&to, delivery, Rejection::BadData, format!("{error}"), out);
                self.let_leave(&to, left, out);
            }
            Ok(changed) => {
                let inside = to.inside().unwrap_or_default();
                let all = premises.tell(&to, &inside, &changed, Some(from));
                self.take_turn(&to, delivery, seats(&to, changed), all, out);
            }
        }
    }

    /// What was left in a turn that the space refuses: the member has let go of it, so it is gone all the same.
    fn let_leave(&mut self, space: &Address, (seats, all): (Vec<Record>, Vec<Told>), out: &mut Out) {
        if seats.is_empty() {
            return;
        }
        self.residents.live_mut(space).expect("the space is here").count_seats();
        out.records.extend(seats);
        self.write_row(space, Keys::default(), out);
        self.tell_more(space, all, out);
    }

    /// A machine, or an incarnation of it, is gone from a space.
    pub(super) fn withdraw(
        &mut self,
        arrived: Arrived,
        from: &Address,
        (reason, departs): (Reason, bool),
        out: &mut Out,
    ) {
        let Arrived { number, to, event } = arrived;
        let position = self.position + 1;
        let Some(premises) = self.residents.live_mut(&to).and_then(Live::space_mut) else {
            return self.done(number, out);
        };
        let home = if departs { premises.inhabitants.remove(from) } else { None };
        let departed = home.map(|number| Record::Seat(SeatRecord { space: to.clone(), number, seat: None }));
        if !premises.space.is_member(from) {
            if departed.is_none() {
                return self.done(number, out);
            }
            return self.seats_changed(number, &to, departed, out);
        }
        let changes = Vec::from([Change::Withdraw(from.clone(), reason)]);
        let changed = premises.space.apply(Serial::of(position, 0).0, changes);
        let changed = changed.expect("to withdraw asks for nothing that could be refused");
        let inside = to.inside().unwrap_or_default();
        let all = premises.tell(&to, &inside, &changed, Some(from));
        let seats = seats(&to, changed).into_iter().chain(departed).collect();
        self.take_turn(&to, Delivery::of(event, Source::Outbox(number)), seats, all, out);
    }

    /// An instance lives in a space from now on.
    pub(super) fn enter(&mut self, arrived: Arrived, from: Address, out: &mut Out) {
        let Arrived { number, to, .. } = arrived;
        if self.bring_to_life(&to, true, out).is_err() {
            return self.done(number, out);
        }
        let live = self.residents.live_mut(&to).expect("it was brought to life");
        let Some(premises) = live.space_mut().filter(|space| space.inhabitants.len() < SPACE_INHABITANTS_MAX)
        else {
            self.done(number, out);
            let answer = Serial(number.0 + MORE_INDEX - number.0 % Serial::PER_TURN);
            let evict =
                sent(answer, from, Arc::from("space.evict"), Json::NULL, Sender::Instance(to), self.now);
            return self.post(Sent { errand: Errand::Evict, ..evict }, out);
        };
        if premises.inhabitants.contains_key(&from) {
            return self.done(number, out);
        }
        premises.inhabitants.insert(from.clone(), number);
        let seat = SeatRecord { space: to.clone(), number, seat: Some(Seat::Inhabitant(from)) };
        self.seats_changed(number, &to, Some(Record::Seat(seat)), out);
    }

    /// The space that an instance lives in has ended.
    pub(super) fn evict(&mut self, arrived: Arrived, from: Address, out: &mut Out) {
        let Arrived { number, to, event } = arrived;
        let home = Address::of_space(to.space());
        let alive = self.residents.live(&to).is_some_and(|live| !live.row.status.is_ended());
        if !alive || home.as_ref() != Ok(&from) {
            return self.done(number, out);
        }
        let wish = Wish { by: Some(from), id: event.id, source: Source::Outbox(number) };
        let how = Ending { kill: true, reason: "the space it lived in is no more", exit: None };
        self.stop(&to, wish, how, out);
    }

    /// An endpoint is told something.
    pub(super) fn notice(
        &mut self,
        arrived: Arrived,
        (space, endpoint): (&Address, &str),
        since: u64,
        out: &mut Out,
    ) {
        let Arrived { number, to, event } = arrived;
        let live = self.residents.live(&to).filter(|live| !live.row.status.is_ended());
        let hold = live.and_then(|live| live.row.links.as_ref()?.hold(space, endpoint));
        if hold.is_none_or(|hold| hold.since != since) {
            return self.done(number, out);
        }
        self.hand_over_told(number, &to, event, out);
    }

    /// A space gets an event.
    pub(super) fn attend(&mut self, address: &Address, delivery: Delivery, out: &mut Out) -> Attempt {
        if delivery.event.is_told() {
            return self.ignored(address, delivery, out);
        }
        let from = match &delivery.event.sender {
            Sender::Instance(from) => Some(from.clone()),
            Sender::Client | Sender::Timer | Sender::System => None,
        };
        let first = Serial::of(self.position + 1, 0).0;
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let premises = live.premises.as_deref_mut().expect("it is a space");
        let (reply, changed) = match premises.space.asked(&delivery.event) {
            Err(problem) => return self.reject(address, delivery, Rejection::BadData, problem, out),
            Ok(Asked::Unknown) => {
                return self.reject(address, delivery, Rejection::NotAccepted, String::new(), out);
            }
            Ok(Asked::Answer(reply)) => (reply, Changed::default()),
            Ok(Asked::Say(act)) => {
                // Whoever is no machine holds nothing here, as the space itself does.
                match premises.space.turn(
                    first,
                    from.as_ref().unwrap_or(address),
                    Vec::from([act]),
                    Vec::new(),
                ) {
                    Err(error) => {
                        return self.reject(address, delivery, Rejection::BadData, format!("{error}"), out);
                    }
                    Ok(changed) => (Json::NULL, changed),
                }
            }
        };
        let inside = address.inside().unwrap_or_default();
        let all = premises.tell(address, &inside, &changed, from.as_ref());
        let reply = if reply.is_null() { premises.reply(&changed, all.len()) } else { reply };
        live.count_seats();
        let labels = live.row.labels.clone();
        let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply };
        let attempt = self.decide(address, delivery, outcome, None, out);
        out.records.extend(seats(address, changed));
        self.tell_more(address, all, out);
        attempt
    }

    /// The turn of a space that changes its seats and tells of it.
    fn take_turn(
        &mut self,
        address: &Address,
        delivery: Delivery,
        seats: Vec<Record>,
        mut all: Vec<Told>,
        out: &mut Out,
    ) {
        let rest = all.split_off(all.len().min(TOLD_MAX));
        let labels = self.labels(address);
        let live = self.residents.live_mut(address).expect("the space is here");
        live.count_seats();
        out.require(live.definition.policy.durability);
        let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
        let besides = Besides { sends: self.numbered(address, all), ..Besides::default() };
        let written = Written::of(Cause::Event(delivery.event), delivery.source, outcome);
        self.write(address, Written { besides, ..written }, out);
        out.records.extend(seats);
        self.tell_more(address, rest, out);
    }

    /// What is told gets the numbers of the turn that comes.
    fn numbered(&self, address: &Address, all: Vec<Told>) -> Vec<Sent> {
        let position = self.position + 1;
        let all = all.into_iter().enumerate();
        all.map(|(index, Told { to, event, data, errand })| {
            let sender = match errand {
                Errand::Evict => Sender::Instance(address.clone()),
                _ => Sender::System,
            };
            let number = Serial::of(position, index as u64);
            Sent { errand, ..sent(number, to, event, data, sender, self.now) }
        })
        .collect()
    }

    /// What one turn cannot tell is told by further ones.
    fn tell_more(&mut self, address: &Address, mut all: Vec<Told>, out: &mut Out) {
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(TOLD_MAX));
            let labels = self.labels(address);
            let id = internal_id(Serial::of(self.position + 1, MORE_INDEX));
            let (name, data, sender) = (Arc::from("space.more"), Json::NULL, Sender::System);
            let event = Event { id, name, data, sender, time: self.now };
            let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
            let besides = Besides { sends: self.numbered(address, all), ..Besides::default() };
            let written = Written::of(Cause::Event(event), Source::Direct, outcome);
            self.write(address, Written { besides, ..written }, out);
            all = rest;
        }
    }

    /// A space has ended: so does everything in it, and whoever else held an endpoint is told.
    pub(super) fn clear_space(&mut self, address: &Address, out: &mut Out) {
        let Some(live) = self.residents.live_mut(address).filter(|live| live.row.status.is_ended()) else {
            return;
        };
        let Some(premises) = live.premises.as_deref_mut().filter(|premises| premises.len() > 0) else {
            return;
        };
        let (numbers, all) = premises.clear(address, &address.inside().unwrap_or_default());
        live.count_seats();
        let gone = |number| Record::Seat(SeatRecord { space: address.clone(), number, seat: None });
        out.records.extend(numbers.into_iter().map(gone));
        self.write_row(address, Keys::default(), out);
        self.tell_more(address, all, out);
    }

    /// An errand that changed a space's seats and tells nobody.
    fn seats_changed(&mut self, number: Serial, space: &Address, seat: Option<Record>, out: &mut Out) {
        let live = self.residents.live_mut(space).expect("the space is here");
        live.count_seats();
        out.records.extend(seat);
        self.changed(number, space, out);
    }
}

impl Premises {
    /// What is answered to one who says something: how many get it now.
    fn reply(&self, changed: &Changed, told: usize) -> Json {
        let takers = match &changed.said[..] {
            [] => return Json::trusted(String::from(r#"{"takers":0,"waits":true}"#)),
            [_] => told,
            // Credit that lets go of what has waited.
            [said, ..] => self.space.takers(said.takers, &said.topic).len(),
        };
        Json::trusted(format!(r#"{{"takers":{takers}}}"#))
    }

    /// All that is told: who comes and what has changed, then messages, then who goes. So what a machine says as it
    /// comes is heard after it is seen, and what it says as it goes before.
    fn tell(&self, address: &Address, inside: &str, changed: &Changed, from: Option<&Address>) -> Vec<Told> {
        let goes = |notice: &&Notice| matches!(notice.news, News::Absence(..));
        let notices = || changed.notices.iter();
        let mut all: Vec<Told> = notices()
            .filter(|notice| !goes(notice))
            .map(|notice| Told::of_notice(address, inside, notice))
            .collect();
        for said in &changed.said {
            let (word, data) = message(inside, said.by.as_ref().or(from).map(Address::as_str), said);
            let takers = self.space.takers(said.takers, &said.topic).into_iter();
            all.extend(
                takers.map(|(_, taker)| Told::of(address, &taker.name, taker.since, word, data.clone())),
            );
        }
        all.extend(notices().filter(goes).map(|notice| Told::of_notice(address, inside, notice)));
        all
    }
}

/// The records of what is other than before.
fn seats(space: &Address, changed: Changed) -> Vec<Record> {
    let endpoints = changed.endpoints.into_iter().map(|(number, one)| (number, one.map(Seat::Endpoint)));
    let waiting = changed.publications.into_iter().map(|(number, one)| (number, one.map(Seat::Publication)));
    let record =
        |(number, seat)| Record::Seat(SeatRecord { space: space.clone(), number: Serial(number), seat });
    endpoints.chain(waiting).map(record).collect()
}

/// What a machine has let go of, whatever becomes of the rest of its turn.
fn leaves(from: &Address, acts: &[Act]) -> Vec<Change> {
    let left = acts.iter().filter_map(|act| if let Act::Leave { name } = act { Some(name) } else { None });
    left.map(|name| Change::Leave(EndpointName { member: from.clone(), name: name.clone() })).collect()
}
