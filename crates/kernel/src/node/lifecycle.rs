//! Stopping and restarting an instance, and what belongs to which of its incarnations.
//!
//! | it is | asked to stop | killed | restarted from its start | restarted from its last good state |
//! |---|---|---|---|---|
//! | active | its behaviour is asked; ends now or tidies up | ends | begins anew | goes on |
//! | active, tidying up | nothing | ends | begins anew | goes on, no longer stopping |
//! | parked or paused | ends | ends | begins anew | goes on with its mailbox |
//! | ended | nothing | nothing | begins anew | nothing |
//! | it faults meanwhile | ends | | is parked, or stays ended | |
//!
//! It refuses to know who decides; a parent, its end and an operator all come here.

use super::Node;
use super::awaited::{Keys, retry_key};
use super::delivery::nobody;
use super::numbers::{START_INDEX, STARTED_INDEX};
use super::plan::{Change, plan};
use super::residents::Live;
use super::ties::{Ties, enter};
use super::turn::{Besides, Delivery, Written, internal_id, turn_of, turn_seed};
use crate::address::Address;
use crate::behaviour::{Effect, Fault, Next};
use crate::definition::Definition;
use crate::event::{EventId, Outcome, Rejection, Sender};
use crate::input::{Answer, Out, Refusal, Release, Ticket};
use crate::json::Json;
use crate::link::{Exit, News, Parent, Parked, RestartFrom};
use crate::record::{Cause, Instance, Kept, Labels, Serial, Source, Status};
use crate::space::Reason;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who wants an instance to stop or to restart, and how it came.
pub(super) struct Wish {
    pub(super) by: Option<Address>,
    pub(super) id: EventId,
    pub(super) source: Source,
}

/// How an instance is stopped.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    /// At once, without asking its behaviour?
    pub(super) kill: bool,
    /// Why, for a person.
    pub(super) reason: &'a str,
    /// What others are told of it, when it is not that it was stopped.
    pub(super) exit: Option<Exit>,
}

impl Live {
    /// Must whatever arrives wait?
    pub(super) fn is_held(&self) -> bool {
        self.row.retry.is_some() || self.is_parked()
    }

    /// Does it take no events, whether by a fault or by an operator?
    pub(super) fn is_parked(&self) -> bool {
        matches!(self.row.status, Status::Parked(_) | Status::Paused(_))
    }

    /// Asks the behaviour to stop: what its turn changes, and whether it goes on for now.
    fn ask_to_stop(&mut self, position: u64, now: Time, seed: u64) -> Result<(Change, bool), Fault> {
        let state = self.state()?;
        let mut turn = turn_of(&self.row, now, seed);
        let next = self.definition.behaviour.stop(&state, &mut turn)?;
        let mut effects = turn.effects;
        let goes_on = next.is_some();
        if !goes_on {
            effects.retain(|effect| !matches!(effect, Effect::SetTimer { .. } | Effect::Task { .. }));
        }
        let still = || Next { state, labels: self.row.labels.clone(), done: None };
        let mut change = plan(self, None, next.unwrap_or_else(still), effects, position, now)?;
        if goes_on {
            change.links.get_or_insert_default().stopping = true;
        }
        Ok((change, goes_on))
    }

    /// The first turn of an incarnation.
    fn first_turn(&self, data: &Json, position: u64, now: Time, seed: u64) -> Result<Change, Fault> {
        let mut turn = turn_of(&self.row, now, seed);
        let next = self.definition.behaviour.start(data, &mut turn)?;
        let effects = turn.effects;
        plan(self, None, next, effects, position, now)
    }

    /// Is the event for an earlier incarnation of its receiver, or from an earlier one of the receiver's children?
    ///
    /// | sent by | outdated when |
    /// |---|---|
    /// | itself | it was sent before what is here now began |
    /// | a child, while the restarted child has not begun | always |
    /// | a child | it was sent before the child began |
    /// | the kernel, of a child | the parent has made another child of that name since |
    /// | the kernel, of a task | the instance has asked for another of that name since, or cancelled it meanwhile |
    /// | anybody else | never: they wrote to an address |
    pub(super) fn is_outdated(&self, delivery: &Delivery) -> bool {
        let event = &delivery.event;
        if let Some(number) = event.task() {
            let name = event.child_name().unwrap_or_default();
            let known = self.row.tasks.iter().find(|task| &*task.name == name);
            return match (known, delivery.source) {
                (Some(task), _) => task.number > number,
                // It waited with its event, and is no more.
                (None, Source::Mailbox(_)) => true,
                // An operator brings back an event that was a dead letter.
                (None, _) => false,
            };
        }
        let Sender::Instance(sender) = &event.sender else { return false };
        if *sender == self.row.address {
            return event.number().is_some_and(|number| number.position() < self.row.born);
        }
        let (Some(links), Some(number)) = (&self.row.links, event.number()) else { return false };
        if event.is_told() {
            let name = event.child_name().unwrap_or_default();
            return links.child(name).is_some_and(|child| child.link > number);
        }
        let child = links.children.iter().rev().find(|child| child.address == *sender);
        child.is_some_and(|child| child.born == 0 || number.position() < child.born)
    }
}

impl Node {
    /// Was this sent before what is at the address began?
    pub(super) fn is_before(&self, address: &Address, number: Serial) -> bool {
        self.residents.live(address).is_some_and(|live| number.position() < live.row.born)
    }

    /// Stops the instance, or asks it to.
    pub(super) fn stop(&mut self, address: &Address, wish: Wish, how: Ending<'_>, out: &mut Out) {
        let Ending { kill, reason, exit } = how;
        let (now, position, seed) = (self.now, self.position + 1, turn_seed(self.seed, self.position + 1));
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        out.require(live.definition.policy.durability);
        let from = live.row.labels.clone();
        let mut reason = String::from(reason);
        let asked =
            if kill || live.is_parked() { Ok(None) } else { live.ask_to_stop(position, now, seed).map(Some) };
        let (change, goes_on) = match asked {
            Ok(None) => (None, false),
            Ok(Some((change, goes_on))) => (Some(change), goes_on),
            Err(fault) => {
                reason = format!("{reason}; asked to stop, it faulted: {}", fault.shortened().message);
                (None, false)
            }
        };
        let to = change.as_ref().map_or_else(|| from.clone(), |change| change.next.labels.clone());
        let changed = !goes_on || from != to || change.as_ref().is_some_and(|change| change.ending.is_some());
        let ending = (!goes_on).then(|| Status::Stopped(reason.clone()));
        let Wish { by, id, source } = wish;
        let outcome = Outcome::Ok { from, to, reply: Json::NULL };
        let cause = Cause::Stop { id, by, reason };
        let besides = Besides { ending, exit, ..Besides::default() };
        self.write(address, Written { change, besides, ..Written::of(cause, source, outcome) }, out);
        self.drain(address, changed, out);
    }

    /// Restarts the instance with that definition, whose version may be another one. `parent` is who it belongs to from
    /// now on; none leaves that as it is. After a fault nothing has begun: it is parked, unless it has ended.
    pub(super) fn restart(
        &mut self,
        address: &Address,
        wish: Wish,
        from: RestartFrom,
        parent: Option<Parent>,
        definition: Arc<Definition>,
        out: &mut Out,
    ) -> Result<(), Fault> {
        out.require(definition.policy.durability);
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        if let Some(parent) = parent {
            live.row.links.get_or_insert_default().parent = Some(parent);
        }
        match from {
            RestartFrom::LastGood => {
                self.go_on(address, wish, out);
                Ok(())
            }
            RestartFrom::Initial(data) => self.begin_anew(address, wish, data, definition, out),
        }
    }

    /// The next incarnation goes on from where the last one stood.
    fn go_on(&mut self, address: &Address, wish: Wish, out: &mut Out) {
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        live.row.incarnation += 1;
        live.row.status = Status::Active;
        if let Some(links) = &mut live.row.links {
            links.stopping = false;
        }
        let timers_cleared =
            live.row.retry.take().map(|retry| retry_key(address, retry.due)).into_iter().collect();
        let labels = live.row.labels.clone();
        let Wish { by, id, source } = wish;
        let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
        let cause = Cause::Restart { id, from: RestartFrom::LastGood, by };
        let besides = Besides { keys: Keys { timers_cleared, ..Keys::default() }, ..Besides::default() };
        self.write(address, Written { besides, ..Written::of(cause, source, outcome) }, out);
        self.drain(address, false, out);
    }

    fn begin_anew(
        &mut self,
        address: &Address,
        wish: Wish,
        data: Json,
        definition: Arc<Definition>,
        out: &mut Out,
    ) -> Result<(), Fault> {
        let (now, position) = (self.now, self.position + 1);
        let live = self.residents.live(address).expect("the instance was hydrated");
        let mut ties = Ties::of(live, now);
        let mut sends = ties.forget_earlier(position);
        let reason = match &live.row.status {
            Status::Parked(parked) => Reason::Faulted(Arc::from(&*parked.fault.message)),
            _ => Reason::Exited(Arc::from("restarted")),
        };
        sends.extend(ties.withdraw_before(position, &reason));
        sends.extend(enter(address, position, now));
        let row = Instance {
            version: definition.id.version.clone(),
            incarnation: live.row.incarnation + 1,
            born: position,
            status: Status::Active,
            state: Kept::default(),
            labels: Labels::default(),
            timers: Vec::new(),
            tasks: Vec::new(),
            retry: None,
            links: ties.kept(),
            ..live.row.clone()
        };
        let mailbox = live.mailbox.clone();
        let mut fresh = Live { row, state: None, definition, mailbox, premises: None };
        let change = match fresh.first_turn(&data, position, now, turn_seed(self.seed, position)) {
            Ok(change) => change,
            Err(fault) => {
                let fault = fault.shortened();
                self.park_unstarted(address, &fault, out);
                return Err(fault);
            }
        };
        let mut keys = Keys::default();
        keys.clear_all(&live.row);
        let before = Some(live.row.index_keys());
        let outcome =
            Outcome::Ok { from: live.row.labels.clone(), to: change.next.labels.clone(), reply: Json::NULL };
        let waiting: Vec<Delivery> =
            live.mailbox.iter().map(|waiting| Delivery::from(&waiting.queued)).collect();
        // A space has no state to begin anew: what it holds belongs to its members.
        fresh.premises = self.residents.live_mut(address).and_then(|live| live.premises.take());
        self.residents.insert(fresh);
        let Wish { by, id, source } = wish;
        let cause = Cause::Restart { id, from: RestartFrom::Initial(data), by };
        let besides = Besides { before, keys, sends, ..Besides::default() };
        let written = Written { change: Some(change), besides, ..Written::of(cause, source, outcome) };
        self.write(address, written, out);
        for delivery in waiting {
            let _ = self.reject(address, delivery, Rejection::Gone, String::new(), out);
        }
        Ok(())
    }

    /// The start of the next incarnation faulted. One that is alive waits for another decision.
    fn park_unstarted(&mut self, address: &Address, fault: &Fault, out: &mut Out) {
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let mut keys = Keys::default();
        if !live.row.status.is_ended() {
            let parked = Parked { fault: fault.clone(), event: Arc::from("restart"), attempts: 1 };
            live.row.status = Status::Parked(Box::new(parked));
            keys.timers_cleared.extend(live.row.retry.take().map(|retry| retry_key(address, retry.due)));
        } else if let Some(parent) = live.row.links.as_mut().and_then(|links| links.parent.as_mut()) {
            parent.live = false;
        }
        self.write_row(address, keys, out);
    }

    /// Tells the parent that its child has begun, as the errand with that number wanted.
    pub(super) fn tell_started(&mut self, number: Serial, address: &Address, out: &mut Out) {
        let now = self.now;
        let Some(live) = self.residents.live(address) else { return };
        let name =
            live.row.links.as_ref().and_then(|links| links.parent.as_ref()).map(|parent| &*parent.name);
        let data = serde_json::json!({
            "address": address.as_str(), "name": name, "version": &*live.row.version,
            "incarnation": live.row.incarnation,
        });
        let (news, data) = (News::Started(live.row.born), Json::trusted(data.to_string()));
        if let Some(sent) = Ties::of(live, now).tell_parent(number, "started", news, data) {
            self.post(sent, out);
        }
    }

    pub(super) fn stop_from_outside(
        &mut self,
        ticket: Ticket,
        address: &Address,
        how: Ending<'_>,
        out: &mut Out,
    ) {
        let answer = match self.residents.live(address).map(|live| live.row.status.is_ended()) {
            None => Answer::Refused(Refusal::UnknownInstance(address.clone())),
            Some(true) => Answer::Decided { outcome: nobody(Rejection::Final), duplicate: false },
            Some(false) => {
                let wish = self.wish_of_operator();
                self.stop(address, wish, how, out);
                let labels = self.labels(address);
                let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
                Answer::Decided { outcome, duplicate: false }
            }
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    pub(super) fn restart_by_operator(
        &mut self,
        ticket: Ticket,
        address: &Address,
        from: RestartFrom,
        out: &mut Out,
    ) {
        let Some(live) = self.residents.live(address) else {
            let refusal = Refusal::UnknownInstance(address.clone());
            return out.releases.push(Release::Answer(ticket, Answer::Refused(refusal)));
        };
        if live.row.status.is_ended() && from == RestartFrom::LastGood {
            let answer = Answer::Decided { outcome: nobody(Rejection::Final), duplicate: false };
            return out.releases.push(Release::Answer(ticket, answer));
        }
        let definition = live.definition.clone();
        let (wish, before) = (self.wish_of_operator(), self.labels(address));
        let number = Serial::of(self.position + 1, STARTED_INDEX);
        let answer = match self.restart(address, wish, from, None, definition, out) {
            Err(fault) => Answer::Refused(Refusal::StartFaulted(fault)),
            Ok(()) => {
                self.tell_started(number, address, out);
                let outcome = Outcome::Ok { from: before, to: self.labels(address), reply: Json::NULL };
                Answer::Decided { outcome, duplicate: false }
            }
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    /// One that is about to be deleted ends first, if anybody is to be told.
    pub(super) fn end_to_delete(&mut self, address: &Address, out: &mut Out) {
        let Some(live) = self.residents.live(address) else { return };
        let is_alone = live.row.links.is_none() && address.space().is_empty();
        if is_alone || live.row.status.is_ended() {
            return;
        }
        let labels = live.row.labels.clone();
        let Wish { by, id, source } = self.wish_of_operator();
        let reason = String::from("an operator deleted it");
        let besides = Besides {
            ending: Some(Status::Stopped(reason.clone())),
            exit: Some(Exit::Deleted),
            ..Besides::default()
        };
        let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
        let cause = Cause::Stop { id, by, reason };
        self.write(address, Written { besides, ..Written::of(cause, source, outcome) }, out);
    }

    fn wish_of_operator(&self) -> Wish {
        let id = internal_id(Serial::of(self.position + 1, START_INDEX));
        Wish { by: None, id, source: Source::Direct }
    }
}
