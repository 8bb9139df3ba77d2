//! One turn: the behaviour is asked, and its answer becomes a record or leaves no trace.
//!
//! | behaviour says | outcome | state and effects | event |
//! |---|---|---|---|
//! | took | ok | kept, sent | gone |
//! | ignored | ok | unchanged | gone |
//! | rejected, bad data, refused | rejected | unchanged | gone |
//! | rejected, deferred or unhandled, and it was the kernel's own | ok | unchanged | gone |
//! | deferred | none yet | unchanged | in the mailbox, tried again when the active states have changed |
//! | fault, attempts left | none yet | unchanged | in the mailbox, tried again when due |
//! | fault, no attempt left or no room in the mailbox | failed | unchanged | a dead letter |
//! | not asked: it has ended | rejected | unchanged | gone |
//! | not asked: it is for or from an incarnation that is no more | rejected | unchanged | gone |

use super::Node;
use super::awaited::{Keys, retry_key};
use super::fingerprint;
use super::numbers::{FAILURE_OFFSET, FAULTED_INDEX, LETTER_INDEX, REFUSAL_INDEX, REPLY_INDEX};
use super::plan::{Change, plan};
use super::residents::Live;
use super::spaces::Premises;
use super::ties::{Ties, enter};
use crate::address::Address;
use crate::behaviour::{Fault, FaultCode, Handled, State, Turn, shortened};
use crate::event::{Event, EventId, Outcome, REPLY_PREFIX, Rejection, Sender};
use crate::input::{Out, Release};
use crate::json::Json;
use crate::limits::{ACCEPTS_MAX, MAILBOX_MAX};
use crate::link::{Errand, Exit, News, Park, Parked};
use crate::record::{
    Cause, DeadLetter, HistoryEntry, IndexKeys, Instance, Labels, OutcomeRecord, Pending, Record, RowRecord,
    Sent, Serial, Source, Status, TurnRecord,
};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// An event on its way into an instance.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) event: Event,
    pub(super) source: Source,
    pub(super) fingerprint: u64,
    /// Is its outcome remembered by its id?
    pub(super) remembered: bool,
    /// Turns that have faulted over it.
    pub(super) attempts: u32,
    /// What it tells of, which goes with it: the timer that fired it, or the task that has ended.
    pub(super) told: Option<Serial>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The event has its outcome.
    Decided {
        outcome: Outcome,
        /// Did the active states change, or the instance end?
        changed: bool,
    },
    /// It is in the mailbox.
    Kept,
    /// It should be in the mailbox, which is full. Nothing has changed.
    MailboxFull,
}

impl Node {
    /// Lets the instance handle the event; it must not be busy with a retry of another.
    pub(super) fn attempt(&mut self, address: &Address, delivery: Delivery, out: &mut Out) -> Attempt {
        let position = self.position + 1;
        let seed = turn_seed(self.seed, position);
        let now = self.now;
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        out.require(live.definition.policy.durability);
        if live.row.status.is_ended() {
            return self.reject(address, delivery, Rejection::Final, String::new(), out);
        }
        if live.is_outdated(&delivery) {
            return self.reject(address, delivery, Rejection::Gone, String::new(), out);
        }
        if delivery.event.is_forged() {
            let detail = String::from("only the kernel tells of tasks; their workers report them");
            return self.reject(address, delivery, Rejection::NotAccepted, detail, out);
        }
        if live.premises.is_some() {
            return self.attend(address, delivery, out);
        }
        let behaviour = live.definition.behaviour.clone();
        let state = match live.state() {
            Ok(state) => state,
            Err(fault) => return self.fault(address, delivery, fault, out),
        };
        let mut turn = turn_of(&live.row, now, seed);
        let handled = behaviour.handle(&state, &delivery.event, &mut turn);
        match handled {
            Ok(Handled::Rejected | Handled::Deferred) | Err(Fault { code: FaultCode::Unhandled, .. })
                if delivery.event.is_told() =>
            {
                self.ignored(address, delivery, out)
            }
            Err(fault) => self.fault(address, delivery, fault, out),
            Ok(Handled::Took(next)) => {
                let effects = turn.effects;
                match plan(live, delivery.told, next, effects, position, now) {
                    Ok(change) => self.took(address, delivery, change, out),
                    Err(fault) => self.fault(address, delivery, fault, out),
                }
            }
            Ok(Handled::Ignored) => self.ignored(address, delivery, out),
            Ok(Handled::Rejected) => {
                self.reject(address, delivery, Rejection::NotAccepted, String::new(), out)
            }
            Ok(Handled::BadData(detail)) => self.reject(address, delivery, Rejection::BadData, detail, out),
            Ok(Handled::Refused(detail)) => self.reject(address, delivery, Rejection::Refused, detail, out),
            Ok(Handled::Deferred) => self.keep(address, delivery, true, out),
        }
    }

    /// Makes the first turn of an instance that does not exist yet. On a fault nothing of it exists.
    pub(super) fn begin(
        &mut self,
        mut live: Live,
        beginning: Beginning,
        out: &mut Out,
    ) -> Result<Outcome, Fault> {
        let Beginning { id, data, source, fingerprint, remembered } = beginning;
        let address = live.row.address.clone();
        let position = self.position + 1;
        live.row.born = position;
        let mut turn = turn_of(&live.row, self.now, turn_seed(self.seed, position));
        let next = live.definition.behaviour.start(&data, &mut turn).map_err(Fault::shortened)?;
        let effects = turn.effects;
        let change = plan(&live, None, next, effects, position, self.now).map_err(Fault::shortened)?;
        out.require(live.definition.policy.durability);
        let outcome = Outcome::Ok {
            from: Labels::default(),
            to: change.next.labels.clone(),
            reply: change.reply.clone(),
        };
        live.row.created_at = self.now;
        if live.definition.behaviour.is_space() {
            live.premises = Some(Box::new(Premises::new(self.seed)));
        }
        let besides = Besides {
            sends: enter(&address, position, self.now).into_iter().collect(),
            ..Besides::default()
        };
        self.residents.insert(live);
        let written = Written {
            fingerprint,
            remembered,
            change: Some(change),
            besides,
            ..Written::of(Cause::Start { id, data }, source, outcome.clone())
        };
        self.write(&address, written, out);
        Ok(outcome)
    }

    fn took(&mut self, address: &Address, delivery: Delivery, change: Change, out: &mut Out) -> Attempt {
        let from = self.labels(address);
        let outcome = Outcome::Ok { from, to: change.next.labels.clone(), reply: change.reply.clone() };
        self.decide(address, delivery, outcome, Some(change), out)
    }

    pub(super) fn ignored(&mut self, address: &Address, delivery: Delivery, out: &mut Out) -> Attempt {
        let labels = self.labels(address);
        let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
        self.decide(address, delivery, outcome, None, out)
    }

    pub(super) fn reject(
        &mut self,
        address: &Address,
        delivery: Delivery,
        reason: Rejection,
        detail: String,
        out: &mut Out,
    ) -> Attempt {
        let now = self.now;
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        out.require(live.definition.policy.durability);
        let state = live.row.labels.clone();
        let mut accepts = match (reason, live.state()) {
            (Rejection::NotAccepted, Ok(at)) => live.definition.behaviour.waiting(&at, address, now).accepts,
            _ => Vec::new(),
        };
        accepts.truncate(ACCEPTS_MAX);
        let detail = shortened(detail);
        let outcome = Outcome::Rejected { reason, state, detail, accepts };
        self.decide(address, delivery, outcome, None, out)
    }

    /// A turn faulted: the event is kept for another attempt, or has failed for good, at once when the mailbox has no
    /// room to keep it in.
    fn fault(&mut self, address: &Address, mut delivery: Delivery, fault: Fault, out: &mut Out) -> Attempt {
        delivery.attempts += 1;
        let fault = fault.shortened();
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let has_room = live.mailbox.len() < MAILBOX_MAX || matches!(delivery.source, Source::Mailbox(_));
        let wait = live.definition.policy.retry.wait_after(delivery.attempts).filter(|_| has_room);
        let Some(wait) = wait else {
            let outcome = Outcome::Failed { fault, attempts: delivery.attempts };
            return self.decide(address, delivery, outcome, None, out);
        };
        let due = self.now + wait;
        let mut keys = Keys::default();
        keys.timers_cleared.extend(live.row.retry.take().map(|retry| retry_key(address, retry.due)));
        let attempts = delivery.attempts;
        let number = match delivery.source {
            Source::Mailbox(number) => number,
            Source::Direct | Source::Outbox(_) => self.enqueue(address, &delivery, false, out),
        };
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        live.row.retry = Some(Pending { number, attempts, due, fault });
        live.keep_told(delivery.told, &mut keys);
        keys.timers_set.push(retry_key(address, due));
        self.write_row(address, keys, out);
        Attempt::Kept
    }

    /// Gives an event its outcome.
    pub(super) fn decide(
        &mut self,
        address: &Address,
        delivery: Delivery,
        outcome: Outcome,
        change: Option<Change>,
        out: &mut Out,
    ) -> Attempt {
        let ended = change.as_ref().is_some_and(|change| change.ending.is_some());
        let changed = match &outcome {
            Outcome::Ok { from, to, .. } => from != to || ended,
            Outcome::Rejected { .. } | Outcome::Failed { .. } => false,
        };
        let Delivery { event, source, fingerprint, remembered, told, .. } = delivery;
        if remembered && matches!(source, Source::Mailbox(_)) {
            out.releases.push(Release::Decided(event.id.clone(), outcome.clone()));
        }
        let position = self.position + 1;
        let letter = matches!(outcome, Outcome::Failed { .. }).then(|| DeadLetter {
            number: Serial::of(position, LETTER_INDEX),
            to: address.clone(),
            event: event.clone(),
            outcome: outcome.clone(),
            at: self.now,
        });
        let answer = self.answer_to_sender(address, &event, &outcome, position);
        let besides = self.after_fault(address, &event, &outcome, position);
        let written = Written {
            fingerprint,
            remembered,
            told,
            change,
            answer,
            besides,
            ..Written::of(Cause::Event(event), source, outcome.clone())
        };
        self.write(address, written, out);
        out.records.extend(letter.map(Record::DeadLetter));
        Attempt::Decided { outcome, changed }
    }

    /// What a sending instance is told of the outcome of its event: a reply, or that it was not taken.
    fn answer_to_sender(
        &self,
        address: &Address,
        event: &Event,
        outcome: &Outcome,
        position: u64,
    ) -> Option<Sent> {
        let Sender::Instance(to) = &event.sender else { return None };
        let (name, data, sender, index) = match outcome {
            Outcome::Ok { reply, .. } if reply.is_null() => return None,
            Outcome::Ok { reply, .. } => (
                format!("{REPLY_PREFIX}{}", event.name),
                reply.clone(),
                Sender::Instance(address.clone()),
                REPLY_INDEX,
            ),
            Outcome::Rejected { .. } | Outcome::Failed { .. } => (
                String::from("error.communication"),
                refusal(address, event, outcome),
                Sender::System,
                REFUSAL_INDEX,
            ),
        };
        // A reply that is not taken is nobody's mistake, and telling of it could go back and forth for ever.
        if event.is_answer() {
            return None;
        }
        let number = Serial::of(position, index);
        let errand = event.number().map_or(Errand::Event, Errand::Answer);
        Some(Sent { errand, ..sent(number, to.clone(), name.into(), data, sender, self.now) })
    }

    /// What follows when the last attempt at an event has faulted: the parent is told, and the instance parked where
    /// its definition says so.
    fn after_fault(&self, address: &Address, event: &Event, outcome: &Outcome, position: u64) -> Besides {
        let (Outcome::Failed { fault, attempts }, Some(live)) = (outcome, self.residents.live(address))
        else {
            return Besides::default();
        };
        let parks = live.definition.policy.park == Park::Instance;
        let data = serde_json::json!({
            "address": address.as_str(), "reason": "event-faulted", "message": &fault.message, "place": &fault.place,
            "event": &*event.name, "id": event.id.as_str(), "attempt": attempts, "parked": parks, "alive": true,
        });
        let data = Json::trusted(data.to_string());
        let number = Serial::of(position, FAULTED_INDEX);
        let told = Ties::of(live, self.now).tell_parent(number, "faulted", News::Faulted, data);
        let parked = Parked { fault: fault.clone(), event: event.name.clone(), attempts: *attempts };
        Besides { parked: parks.then_some(parked), sends: told.into_iter().collect(), ..Besides::default() }
    }

    /// An event that cannot be delivered and makes no turn becomes a dead letter; its sender is told.
    pub(super) fn undeliverable(
        &mut self,
        number: Serial,
        to: Address,
        event: Event,
        outcome: Outcome,
        out: &mut Out,
    ) {
        out.require(crate::definition::Durability::Power);
        let told = self.refused(number, &to, &event, &outcome);
        out.records.push(Record::DeadLetter(DeadLetter { number, to, event, outcome, at: self.now }));
        if let Some(sent) = told {
            self.post(sent, out);
        }
    }

    /// What the sender of an event that was not delivered is told.
    pub(super) fn refused(
        &self,
        number: Serial,
        to: &Address,
        event: &Event,
        outcome: &Outcome,
    ) -> Option<Sent> {
        let Sender::Instance(sender) = &event.sender else { return None };
        if !number.is_of_effect() {
            return None;
        }
        let told = Serial(number.0 + FAILURE_OFFSET);
        let (name, data) = ("error.communication".into(), refusal(to, event, outcome));
        let sent = sent(told, sender.clone(), name, data, Sender::System, self.now);
        Some(Sent { errand: Errand::Answer(number), ..sent })
    }

    /// Puts an event into the outbox.
    pub(super) fn post(&mut self, sent: Sent, out: &mut Out) {
        out.records.push(Record::Sent(sent.clone()));
        self.outbox.insert(sent.number, sent);
    }

    pub(super) fn labels(&self, address: &Address) -> Labels {
        self.residents.live(address).map(|live| live.row.labels.clone()).unwrap_or_default()
    }

    /// The one place where a turn is written: it changes the row and makes the record of it.
    pub(super) fn write(&mut self, address: &Address, written: Written, out: &mut Out) {
        let Written { cause, source, fingerprint, remembered, outcome, told, change, answer, besides } =
            written;
        self.position += 1;
        let now = self.now;
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let before: Option<IndexKeys> =
            besides.before.or_else(|| (live.row.turns > 0).then(|| live.row.index_keys()));
        let (mut keys, mut sends, mut ending) = (besides.keys, besides.sends, besides.ending);
        let mut log = Vec::new();
        if let Source::Mailbox(number) = source {
            live.mailbox.retain(|waiting| waiting.queued.number != number);
            live.row.mailbox_len = live.mailbox.len() as u32;
            if let Some(retry) = live.row.retry.take_if(|retry| retry.number == number) {
                keys.clear_timer(retry_key(address, retry.due));
            }
        }
        match change {
            None => live.clear_told(told, &mut keys),
            Some(change) => {
                keys.extend(change.awaited.keys);
                (live.row.timers, live.row.tasks) = (change.awaited.timers, change.awaited.tasks);
                live.row.state = change.bytes;
                live.row.labels = change.next.labels;
                live.state = Some(change.next.state);
                live.row.links = change.links;
                log = change.log;
                sends.extend(change.sends);
                ending = ending.or(change.ending);
            }
        }
        if let Some(parked) = besides.parked {
            live.row.status = Status::Parked(Box::new(parked));
        }
        let ends = ending.is_some();
        if let Some(status) = ending {
            sends.extend(live.end(status, besides.exit, (self.position, now), &mut keys));
        }
        let retained = self.retain.over(&live.definition.policy.retain);
        live.turned(now, &retained);
        let outcome_until = remembered.then(|| now + retained.outcomes);
        if let Some(until) = outcome_until {
            let outcome = Some(outcome.clone());
            let known = OutcomeRecord { address: address.clone(), fingerprint, outcome, at: now, until };
            self.outcomes.insert(cause.id().clone(), Some(known));
        }
        self.window.change(&keys.timers_cleared, &keys.timers_set);
        let entry =
            HistoryEntry { position: self.position, sequence: live.row.turns, at: now, cause, outcome, log };
        out.records.push(Record::Turn(Box::new(TurnRecord {
            entry,
            instance: live.row.clone(),
            before,
            source,
            outcome_until,
            fingerprint,
            timers_cleared: keys.timers_cleared,
            timers_set: keys.timers_set,
            tasks_cleared: keys.tasks_cleared,
            tasks_set: keys.tasks_set,
        })));
        for sent in sends.into_iter().chain(answer) {
            self.post(sent, out);
        }
        if ends {
            self.clear_space(address, out);
        }
    }

    /// Writes a change of the row that is no turn.
    pub(super) fn write_row(&mut self, address: &Address, keys: Keys, out: &mut Out) {
        let live = self.residents.live(address).expect("the instance was hydrated");
        let Keys { timers_cleared, timers_set, tasks_cleared, tasks_set } = keys;
        self.window.change(&timers_cleared, &timers_set);
        let instance = live.row.clone();
        let row = RowRecord { instance, timers_cleared, timers_set, tasks_cleared, tasks_set };
        out.records.push(Record::Row(Box::new(row)));
    }
}

/// A turn that is about to be written.
pub(super) struct Written {
    pub(super) cause: Cause,
    pub(super) source: Source,
    pub(super) fingerprint: u64,
    pub(super) remembered: bool,
    pub(super) outcome: Outcome,
    /// See [`Delivery::told`].
    pub(super) told: Option<Serial>,
    /// None when nothing of the instance changes.
    pub(super) change: Option<Change>,
    /// What the sender is told.
    pub(super) answer: Option<Sent>,
    pub(super) besides: Besides,
}

/// What a turn changes apart from what the behaviour asked for.
#[derive(Default)]
pub(super) struct Besides {
    /// How the instance ends, whatever its behaviour asked for.
    pub(super) ending: Option<Status>,
    /// What others are told of its end, when that is not what its status says.
    pub(super) exit: Option<Exit>,
    /// It takes no more events for now.
    pub(super) parked: Option<Parked>,
    /// What the indexes hold of it, when the row is another one by now.
    pub(super) before: Option<IndexKeys>,
    /// Those of timers and tasks of an earlier incarnation.
    pub(super) keys: Keys,
    pub(super) sends: Vec<Sent>,
}

/// What the first turn of an instance is made from.
pub(super) struct Beginning {
    pub(super) id: EventId,
    pub(super) data: Json,
    pub(super) source: Source,
    pub(super) fingerprint: u64,
    pub(super) remembered: bool,
}

impl Written {
    /// A turn that changes nothing and is forgotten afterwards.
    pub(super) fn of(cause: Cause, source: Source, outcome: Outcome) -> Written {
        let (told, change, answer, besides) = (None, None, None, Besides::default());
        let (fingerprint, remembered) = (0, false);
        Written { cause, source, fingerprint, remembered, outcome, told, change, answer, besides }
    }
}

/// What a behaviour knows in a turn of the instance.
pub(super) fn turn_of(row: &Instance, now: Time, seed: u64) -> Turn<'_> {
    let parent = row.links.as_ref().and_then(|links| links.parent.as_ref());
    Turn {
        now,
        seed,
        instance: &row.address,
        version: &row.version,
        incarnation: row.incarnation,
        parent: parent.filter(|parent| parent.live).map(|parent| &parent.address),
        children: row.links.as_ref().map_or(&[], |links| &links.children),
        effects: Vec::new(),
    }
}

impl Delivery {
    /// The event of a dead letter, tried anew.
    pub(super) fn of_letter(to: &Address, event: Event) -> Delivery {
        let fingerprint = fingerprint("event", to, &event.name, &event.data);
        let remembered = event.sender == Sender::Client;
        Delivery { fingerprint, remembered, ..Delivery::of(event, Source::Direct) }
    }

    /// An event that is delivered for the first time and forgotten afterwards.
    pub(super) fn of(event: Event, source: Source) -> Delivery {
        Delivery { event, source, fingerprint: 0, remembered: false, attempts: 0, told: None }
    }
}

impl Live {
    /// The state as its behaviour likes it.
    pub(super) fn state(&mut self) -> Result<State, Fault> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let state = self.definition.behaviour.decode(self.row.state.as_slice())?;
        self.state = Some(state.clone());
        Ok(state)
    }
}

/// An event of Everstate's own making.
pub(super) fn sent(
    number: Serial,
    to: Address,
    name: Arc<str>,
    data: Json,
    sender: Sender,
    time: Time,
) -> Sent {
    let event = Event { id: internal_id(number), name, data, sender, time };
    Sent { number, to, event, errand: Errand::Event }
}

pub(super) fn internal_id(number: Serial) -> EventId {
    EventId::of_number(number)
}

/// The data of `error.communication`: which event, to whom, and why it was not taken.
fn refusal(to: &Address, event: &Event, outcome: &Outcome) -> Json {
    let (reason, message) = match outcome {
        Outcome::Rejected { reason, detail, .. } => (reason.code(), detail.clone()),
        Outcome::Failed { fault, .. } => ("failed", fault.message.clone()),
        Outcome::Ok { .. } => ("ok", String::new()),
    };
    let data = serde_json::json!({
        "event": &*event.name, "to": to.as_str(), "id": event.id.as_str(), "reason": reason, "message": message,
    });
    Json::trusted(data.to_string())
}

/// The seed of a turn. A chain of turns has unrelated seeds, and a replay has the same ones.
pub(super) fn turn_seed(seed: u64, position: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&position.to_le_bytes(), seed)
}
