//! From an input to a turn: who is meant, does it exist, was this event seen before, is the instance free.
//!
//! | the event's id is known as | the same event | another event |
//! |---|---|---|
//! | pending | kept, duplicate | conflict |
//! | decided, remembered | its outcome, duplicate | conflict |
//! | decided, retention over | delivered | delivered |
//! | unknown | delivered | |
//!
//! | nobody is at the address | from outside | from a machine or its timer | an answer |
//! |---|---|---|---|
//! | no such definition, or it creates by start alone | rejected, not remembered | dead letter, sender told | dead letter |
//! | created on demand | created, then delivered | created, then delivered | dead letter |
//! | faults while it is created | refused | dead letter, sender told | |
//! | there, with a full mailbox, and it must wait | refused | dead letter, sender told | dead letter |

use super::Node;
use super::awaited::Keys;
use super::errands::Arrived;
use super::numbers::START_INDEX;
use super::residents::Live;
use super::turn::{Attempt, Beginning, Delivery, internal_id, sent};
use crate::address::Address;
use crate::behaviour::Fault;
use crate::definition::{Create, Definition};
use crate::event::{Event, EventId, Outcome, Rejection, Sender};
use crate::input::{Answer, Out, Refusal, Release, Ticket};
use crate::json::Json;
use crate::limits::OUTBOX_MAX;
use crate::link::Errand;
use crate::record::{
    DeadLetter, DeletedRecord, Instance, Kept, Labels, OutcomeRecord, Queued, Record, Sent, Serial, Source,
    Status, TimerKey, Trimmed,
};
use crate::time::Time;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Node {
    pub(super) fn start(
        &mut self,
        ticket: Ticket,
        address: Address,
        version: Option<Arc<str>>,
        id: EventId,
        data: Json,
        out: &mut Out,
    ) {
        let fingerprint = fingerprint("start", &address, version.as_deref().unwrap_or(""), &data);
        let answer = match self.seen_before(&id, fingerprint) {
            Some(answer) => answer,
            None if self.outbox.len() >= OUTBOX_MAX => Answer::Refused(Refusal::Overloaded),
            None => self.start_anew(address, version, id, data, fingerprint, out),
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn start_anew(
        &mut self,
        address: Address,
        version: Option<Arc<str>>,
        id: EventId,
        data: Json,
        fingerprint: u64,
        out: &mut Out,
    ) -> Answer {
        if self.is_resident(&address) {
            return Answer::Refused(Refusal::InstanceExists(address));
        }
        let Some(definition) = self.definition(address.kind(), version.as_deref()).cloned() else {
            let kind = Arc::from(address.kind());
            return Answer::Refused(match version {
                Some(version) if self.definition(&kind, None).is_some() => {
                    Refusal::UnknownVersion(kind, version)
                }
                _ => Refusal::UnknownKind(kind),
            });
        };
        let beginning = Beginning { id, data, source: Source::Direct, fingerprint, remembered: true };
        match self.begin(new_instance(&address, definition), beginning, out) {
            Ok(outcome) => Answer::Decided { outcome, duplicate: false },
            Err(fault) => Answer::Refused(Refusal::StartFaulted(fault)),
        }
    }

    /// An event from outside.
    pub(super) fn arrive(&mut self, ticket: Ticket, to: Address, event: Event, out: &mut Out) {
        let fingerprint = fingerprint("event", &to, &event.name, &event.data);
        let answer = match self.seen_before(&event.id, fingerprint) {
            Some(answer) => answer,
            None if self.outbox.len() >= OUTBOX_MAX => Answer::Refused(Refusal::Overloaded),
            None => match self.bring_to_life(&to, true, out) {
                Err(Nobody::Fault(fault)) => Answer::Refused(Refusal::StartFaulted(fault)),
                Err(Nobody::Reason(reason)) => Answer::Decided { outcome: nobody(reason), duplicate: false },
                Ok(()) => {
                    let delivery =
                        Delivery { fingerprint, remembered: true, ..Delivery::of(event, Source::Direct) };
                    match self.hand_over(&to, delivery, out) {
                        Attempt::Decided { outcome, .. } => Answer::Decided { outcome, duplicate: false },
                        Attempt::Kept => Answer::Kept { duplicate: false },
                        Attempt::MailboxFull => Answer::Refused(Refusal::MailboxFull(to)),
                    }
                }
            },
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    /// The oldest event of the outbox.
    pub(super) fn deliver(&mut self, number: Serial, out: &mut Out) {
        let Some(letter) = self.outbox.remove(&number) else { return };
        let Sent { to, event, errand, .. } = letter;
        let about = match errand {
            Errand::Event => None,
            Errand::Answer(about) => Some(about),
            errand => return self.run_errand(Arrived { number, to, event }, errand, out),
        };
        let attempt = match self.bring_to_life(&to, !event.is_answer(), out) {
            Err(nobody) => Err(nobody.outcome()),
            Ok(()) => {
                let delivery = Delivery::of(event.clone(), Source::Outbox(number));
                if about.is_some_and(|about| self.is_before(&to, about)) {
                    return drop(self.reject(&to, delivery, Rejection::Gone, String::new(), out));
                }
                match self.hand_over(&to, delivery, out) {
                    Attempt::Decided { .. } | Attempt::Kept => Ok(()),
                    Attempt::MailboxFull => Err(nobody(Rejection::MailboxFull)),
                }
            }
        };
        if let Err(outcome) = attempt {
            out.records.push(Record::SentGone(number));
            self.undeliverable(number, to, event, outcome, out);
        }
    }

    /// A timer of an instance, or the retry of an event that faulted.
    pub(super) fn due(&mut self, key: &TimerKey, out: &mut Out) {
        self.window.change(core::slice::from_ref(key), &[]);
        let Some(live) = self.residents.live(&key.address) else { return };
        let Some(generation) = key.generation else {
            return drop(self.retry(key, out));
        };
        let Some(timer) = live.row.timers.iter().find(|timer| timer.generation == generation).cloned() else {
            return self.task_due(key, generation, out);
        };
        let policy = &live.definition.policy;
        out.require(policy.durability);
        let address = &key.address;
        if let Some(to) = timer.to.filter(|to| to != address) {
            let sender = Sender::Instance(address.clone());
            let sent = sent(generation, to, timer.event, timer.data, sender, timer.due);
            self.clear_timer(address, generation, out);
            return self.post(sent, out);
        }
        let event =
            sent(generation, address.clone(), timer.event, timer.data, Sender::Timer, timer.due).event;
        let delivery = Delivery { told: Some(generation), ..Delivery::of(event.clone(), Source::Direct) };
        if matches!(self.hand_over(address, delivery, out), Attempt::MailboxFull) {
            self.clear_timer(address, generation, out);
            self.undeliverable(generation, address.clone(), event, nobody(Rejection::MailboxFull), out);
        }
    }

    /// A timer has fired, and no turn of its owner's takes it away.
    fn clear_timer(&mut self, address: &Address, generation: Serial, out: &mut Out) {
        let live = self.residents.live_mut(address).expect("it was there a moment ago");
        let mut keys = Keys::default();
        live.clear_told(Some(generation), &mut keys);
        self.write_row(address, keys, out);
    }

    /// Another attempt at the event that faulted, unless the key is a stale one.
    pub(super) fn retry(&mut self, key: &TimerKey, out: &mut Out) -> Option<Attempt> {
        let address = &key.address;
        let live = self.residents.live(address)?;
        let retry = live.row.retry.as_ref().filter(|retry| retry.due == key.due)?;
        let waiting = live.mailbox.iter().find(|waiting| waiting.queued.number == retry.number);
        let waiting = waiting.expect("an event that is to be tried again is in the mailbox");
        let mut delivery = Delivery::from(&waiting.queued);
        delivery.attempts = retry.attempts;
        let attempt = self.attempt(address, delivery, out);
        let changed = matches!(attempt, Attempt::Decided { changed: true, .. });
        self.drain(address, changed, out);
        Some(attempt)
    }

    /// Gives an event to an instance: at once when it is free, otherwise into its mailbox. Then lets the instance
    /// take what has become possible.
    pub(super) fn hand_over(&mut self, address: &Address, delivery: Delivery, out: &mut Out) -> Attempt {
        let live = self.residents.live(address).expect("the instance was brought to life");
        if live.is_held() {
            return self.keep(address, delivery, false, out);
        }
        let attempt = self.attempt(address, delivery, out);
        let changed = matches!(attempt, Attempt::Decided { changed: true, .. });
        self.drain(address, changed, out);
        attempt
    }

    /// Takes the events of the mailbox in order, as long as one may be tried. `changed`: the active states have
    /// changed, so deferred ones may be tried again.
    pub(super) fn drain(&mut self, address: &Address, mut changed: bool, out: &mut Out) {
        loop {
            let live = self.residents.live_mut(address).expect("the instance was brought to life");
            if live.is_held() {
                return self.keep_runnable(address, out);
            }
            if changed {
                live.mailbox.iter_mut().for_each(|waiting| waiting.runnable = true);
            }
            let Some(waiting) = live.mailbox.iter().find(|waiting| waiting.runnable) else { return };
            let delivery = Delivery::from(&waiting.queued);
            let attempt = self.attempt(address, delivery, out);
            changed = matches!(attempt, Attempt::Decided { changed: true, .. });
        }
    }

    pub(super) fn delete(&mut self, ticket: Ticket, address: &Address, out: &mut Out) {
        self.end_to_delete(address, out);
        let answer = match self.remove(address, 0, out) {
            true => Answer::Gone,
            false => Answer::Refused(Refusal::UnknownInstance(address.clone())),
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    /// Takes an instance away with all that belongs to it; false when there is none. `expired_to` as in
    /// [`DeletedRecord::expired_to`].
    pub(super) fn remove(&mut self, address: &Address, expired_to: u64, out: &mut Out) -> bool {
        let Some(live) = self.residents.remove(address) else { return false };
        out.require(live.definition.policy.durability);
        let mut keys = Keys::default();
        keys.clear_all(&live.row);
        self.window.change(&keys.timers_cleared, &[]);
        out.records.push(Record::Deleted(DeletedRecord {
            address: address.clone(),
            incarnation: live.row.incarnation,
            turns: live.row.turns,
            before: live.row.index_keys(),
            timers_cleared: keys.timers_cleared,
            tasks_cleared: keys.tasks_cleared,
            mailbox: live.mailbox.iter().map(|waiting| waiting.queued.number).collect(),
            expired_to,
        }));
        let until = self.now + self.retain.over(&live.definition.policy.retain).outcomes;
        for waiting in live.mailbox {
            self.orphan(waiting.queued, until, out);
        }
        true
    }

    /// Whoever sent an event that waited in the mailbox of a deleted instance learns that nobody will take it. An
    /// event of the instance's own timer goes with it.
    fn orphan(&mut self, queued: Queued, until: Time, out: &mut Out) {
        let Queued { address, event, fingerprint, outcome_until, source, .. } = queued;
        let outcome = nobody(Rejection::UnknownAddress);
        if outcome_until.is_some() {
            let (id, at) = (event.id, self.now);
            let known = OutcomeRecord { address, fingerprint, outcome: Some(outcome.clone()), at, until };
            self.outcomes.insert(id.clone(), Some(known.clone()));
            out.records.push(Record::Outcome(id.clone(), known));
            out.releases.push(Release::Decided(id, outcome));
        } else if let Source::Outbox(number) = source {
            self.undeliverable(number, address, event, outcome, out);
        }
    }

    pub(super) fn retry_dead_letter(&mut self, ticket: Ticket, letter: DeadLetter, out: &mut Out) {
        let answer = match self.take_letter(letter.number, out) {
            Err(refusal) => Answer::Refused(refusal),
            Ok(()) => self.deliver_letter(letter, out),
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn deliver_letter(&mut self, letter: DeadLetter, out: &mut Out) -> Answer {
        let DeadLetter { number, to, event, .. } = letter;
        let outcome = match self.bring_to_life(&to, !event.is_answer(), out) {
            Err(nobody) => nobody.outcome(),
            Ok(()) => {
                let delivery = Delivery::of_letter(&to, event.clone());
                match self.hand_over(&to, delivery, out) {
                    Attempt::Decided { outcome, .. } => return Answer::Decided { outcome, duplicate: false },
                    Attempt::Kept => return Answer::Kept { duplicate: false },
                    Attempt::MailboxFull => nobody(Rejection::MailboxFull),
                }
            }
        };
        let (at, told) = (self.now, outcome.clone());
        out.records.push(Record::DeadLetter(DeadLetter { number, to, event, outcome, at }));
        self.letters_gone.remove(&number);
        Answer::Decided { outcome: told, duplicate: false }
    }

    /// Takes a dead letter out, once.
    pub(super) fn take_letter(&mut self, number: Serial, out: &mut Out) -> Result<(), Refusal> {
        if !self.letters_gone.insert(number) {
            return Err(Refusal::UnknownDeadLetter(number));
        }
        out.require(crate::definition::Durability::Power);
        out.records.push(Record::DeadLetterGone(number));
        Ok(())
    }

    /// The answer to an event whose id was seen before.
    pub(super) fn seen_before(&self, id: &EventId, fingerprint: u64) -> Option<Answer> {
        let known = self.outcomes.get(id)?.as_ref()?;
        if known.outcome.is_some() && known.until <= self.now {
            return None;
        }
        if known.fingerprint != fingerprint {
            return Some(Answer::Refused(Refusal::Conflict(id.clone())));
        }
        Some(match &known.outcome {
            Some(outcome) => Answer::Decided { outcome: outcome.clone(), duplicate: true },
            None => Answer::Kept { duplicate: true },
        })
    }

    /// Makes sure that there is an instance at the address, creating it where that is allowed here and by its
    /// definition.
    pub(super) fn bring_to_life(
        &mut self,
        address: &Address,
        may_create: bool,
        out: &mut Out,
    ) -> Result<(), Nobody> {
        if self.is_resident(address) {
            return Ok(());
        }
        let Some(definition) = self.definition(address.kind(), None).cloned() else {
            return Err(Nobody::Reason(Rejection::UnknownKind));
        };
        if definition.policy.create == Create::Explicit || !may_create {
            return Err(Nobody::Reason(Rejection::UnknownAddress));
        }
        let id = internal_id(Serial::of(self.position + 1, START_INDEX));
        let data = Json::NULL;
        let beginning = Beginning { id, data, source: Source::Direct, fingerprint: 0, remembered: false };
        self.begin(new_instance(address, definition), beginning, out).map_err(Nobody::Fault)?;
        Ok(())
    }
}

/// Why there is nobody at an address.
pub(super) enum Nobody {
    Reason(Rejection),
    /// It was to be created on demand and faulted.
    Fault(Fault),
}

impl Nobody {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Nobody::Reason(reason) => nobody(reason),
            Nobody::Fault(fault) => Outcome::Failed { fault, attempts: 1 },
        }
    }
}

impl From<&Queued> for Delivery {
    fn from(queued: &Queued) -> Delivery {
        Delivery {
            fingerprint: queued.fingerprint,
            remembered: queued.outcome_until.is_some(),
            told: queued.event.task(),
            ..Delivery::of(queued.event.clone(), Source::Mailbox(queued.number))
        }
    }
}

/// The outcome of an event that no instance got.
pub(super) fn nobody(reason: Rejection) -> Outcome {
    Outcome::Rejected { reason, state: Labels::default(), detail: reason.to_string(), accepts: Vec::new() }
}

pub(super) fn new_instance(address: &Address, definition: Arc<Definition>) -> Live {
    let row = Instance {
        address: address.clone(),
        version: definition.id.version.clone(),
        incarnation: 1,
        born: 0,
        status: Status::Active,
        state: Kept::default(),
        labels: Labels::default(),
        created_at: Time::default(),
        last_event_at: Time::default(),
        turns: 0,
        mailbox_len: 0,
        timers: Vec::new(),
        tasks: Vec::new(),
        retry: None,
        links: None,
        fields: None,
        trimmed: Trimmed::default(),
        expires: None,
    };
    Live { row, state: None, definition, mailbox: VecDeque::new(), premises: None }
}

/// Tells one request from another under the same id: what is asked for, of whom, the event's name or the version,
/// and the data, each with its length.
pub(crate) fn fingerprint(what: &str, to: &Address, name: &str, data: &Json) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for part in [what, to.as_str(), name, data.as_str()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest()
}
