//! What an operator has done to an instance. Each is one turn, with who wanted it and why.
//!
//! | the instance | become | pause | resume | retry |
//! |---|---|---|---|---|
//! | active | stands there; deferred events are tried | takes no events | refused | refused |
//! | active, an event is being tried again | likewise, the event stays first | likewise; its attempts begin anew | refused | tried now |
//! | paused | stands there, still paused | nothing, it is | takes events | refused |
//! | parked | stands there, still parked | refused | goes on without the event | the event first, then the others |
//! | ended | `final` | `final` | `final` | `final` |
//! | a space | refused | refused | refused | refused |
//! | has made a turn since the operator looked | refused | | | |
//!
//! It refuses to know what a state means: the behaviour of the version reads it, or nothing is done.

use super::Node;
use super::awaited::{Keys, retry_key, timer_key};
use super::delivery::{new_instance, nobody};
use super::numbers::{EFFECTS_INDEX, START_INDEX};
use super::plan::{Change, plan};
use super::residents::Live;
use super::ties::enter;
use super::turn::{Attempt, Besides, Delivery, Written, internal_id};
use crate::address::Address;
use crate::behaviour::{Effect, Fault, Next, shortened};
use crate::definition::Definition;
use crate::event::{Outcome, Rejection};
use crate::input::{Answer, Out, Refusal, Release, Ticket};
use crate::json::Json;
use crate::limits::{EFFECTS_MAX, OUTBOX_MAX};
use crate::record::{
    Cause, DeadLetter, IndexKeys, Instance, Labels, Serial, Source, Status, Timer, TimerKey,
};
use crate::repair::{Becoming, Remedy, Repair, Repaired, Standing};
use crate::task::Task;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who wants it, and why.
struct Note {
    by: Arc<str>,
    reason: Arc<str>,
}

impl Note {
    fn cause(self, position: u64, done: Repaired) -> Cause {
        let short = |text: &str| shortened(String::from(text));
        let id = internal_id(Serial::of(position, START_INDEX));
        Cause::Repair { id, by: Arc::from(short(&self.by)), reason: short(&self.reason), done }
    }
}

impl Node {
    pub(super) fn repair(&mut self, ticket: Ticket, address: &Address, repair: Repair, out: &mut Out) {
        let Repair { by, reason, remedy } = repair;
        let note = Note { by, reason };
        let answer = match remedy {
            Remedy::Begin { origin, sequence, standing } => {
                self.begin_at(address, (origin, sequence), *standing, note, out)
            }
            remedy => match self.fit_for_repair(address) {
                Err(answer) => answer,
                Ok(()) => match remedy {
                    Remedy::Become(becoming) => self.r#become(address, *becoming, note, out),
                    Remedy::Pause => self.pause(address, note, out),
                    Remedy::Resume => self.resume(address, note, out),
                    Remedy::Retry(letter) => self.retry_now(address, letter, note, out),
                    Remedy::Begin { .. } => unreachable!("it was carried out above"),
                },
            },
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn fit_for_repair(&mut self, address: &Address) -> Result<(), Answer> {
        let Some(live) = self.residents.live(address) else {
            return Err(Answer::Refused(Refusal::UnknownInstance(address.clone())));
        };
        if live.definition.behaviour.is_space() {
            let why = "is a space, which is what its members make it; nothing of it can be repaired by hand";
            return Err(unfit(address, why));
        }
        match live.row.status.is_ended() {
            true => Err(Answer::Decided { outcome: nobody(Rejection::Final), duplicate: false }),
            false => Ok(()),
        }
    }

    fn r#become(&mut self, address: &Address, becoming: Becoming, note: Note, out: &mut Out) -> Answer {
        let Becoming { expected, standing, effects } = becoming;
        let live = self.residents.live(address).expect("it is there");
        let found = live.row.turns;
        if found != expected {
            return Answer::Refused(Refusal::MovedOn { address: address.clone(), expected, found });
        }
        let definition = match self.version_of(address, &standing.version) {
            Ok(definition) => definition,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let position = self.position + 1;
        let children = effects.iter().any(|effect| !matches!(effect, Effect::SetTimer { .. }));
        let mut next = live.clone();
        next.definition = definition.clone();
        next.row.version = definition.id.version.clone();
        let change = match self.change_to(&next, &live.row.timers, &standing, effects, position) {
            Ok(change) => change,
            Err(fault) => return Answer::Refused(Refusal::BadState(address.clone(), fault)),
        };
        out.require(live.definition.policy.durability.max(definition.policy.durability));
        let (before, from) = (standing_of(&live.row), live.row.labels.clone());
        let after = Standing { timers: change.awaited.timers.clone(), ..standing };
        let to = change.next.labels.clone();
        let done = Repaired::Became { before: Box::new(before), after: Box::new(after), children };
        let keys: IndexKeys = live.row.index_keys();
        let live = self.residents.live_mut(address).expect("it is there");
        (live.row.version, live.definition) = (definition.id.version.clone(), definition);
        let besides = Besides { before: Some(keys), ..Besides::default() };
        self.repaired(address, (note, done), (from, to), Some(change), besides, out)
    }

    /// What the instance changes into; `held` are the timers that it has.
    fn change_to(
        &self,
        next: &Live,
        held: &[Timer],
        standing: &Standing,
        effects: Vec<Effect>,
        position: u64,
    ) -> Result<Change, Fault> {
        let behaviour = &next.definition.behaviour;
        let state = behaviour.decode(standing.state.as_slice()).map_err(Fault::shortened)?;
        let labels = behaviour.describe(&state).labels;
        let address = &next.row.address;
        let mut timers = standing.timers.clone();
        let first = EFFECTS_INDEX + effects.len() as u64;
        if effects.len() + timers.len() > EFFECTS_MAX {
            return Err(super::plan::limit(alloc::format!(
                "{} timers and {} effects are more than one turn can set, which is {EFFECTS_MAX}",
                timers.len(),
                effects.len()
            )));
        }
        for (timer, index) in timers.iter_mut().zip(first..) {
            let goes_on =
                held.iter().any(|other| other.generation == timer.generation && other.due == timer.due);
            if !goes_on {
                timer.generation = Serial::of(position, index);
            }
        }
        if let Some(twice) =
            (1..timers.len()).find(|at| timers[..*at].iter().any(|one| one.name == timers[*at].name))
        {
            return Err(super::plan::limit(alloc::format!(
                "timer {:?} would be set twice",
                timers[twice].name
            )));
        }
        let mut stood = next.clone();
        stood.row.timers = timers;
        let mut change = plan(&stood, None, Next { state, labels, done: None }, effects, position, self.now)
            .map_err(Fault::shortened)?;
        let keys = |timers: &[Timer], tasks: &[Task]| -> BTreeSet<TimerKey> {
            let of_tasks = tasks.iter().filter_map(|task| task.timer(address));
            timers.iter().map(|timer| timer_key(address, timer)).chain(of_tasks).collect()
        };
        let had = keys(held, &next.row.tasks);
        let has = keys(&change.awaited.timers, &change.awaited.tasks);
        change.awaited.keys.timers_cleared = had.difference(&has).cloned().collect();
        change.awaited.keys.timers_set = has.difference(&had).cloned().collect();
        Ok(change)
    }

    fn begin_at(
        &mut self,
        address: &Address,
        (origin, sequence): (Address, u64),
        standing: Standing,
        note: Note,
        out: &mut Out,
    ) -> Answer {
        if self.is_resident(address) {
            return Answer::Refused(Refusal::InstanceExists(address.clone()));
        }
        if self.outbox.len() >= OUTBOX_MAX {
            return Answer::Refused(Refusal::Overloaded);
        }
        let definition = match self.version_of(address, &standing.version) {
            Ok(definition) if definition.behaviour.is_space() => {
                return unfit(address, "would be a space, which has no history to begin from");
            }
            Ok(definition) => definition,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let position = self.position + 1;
        let mut live = new_instance(address, definition.clone());
        (live.row.born, live.row.created_at) = (position, self.now);
        let change = match self.change_to(&live, &[], &standing, Vec::new(), position) {
            Ok(change) => change,
            Err(fault) => return Answer::Refused(Refusal::BadState(address.clone(), fault)),
        };
        out.require(definition.policy.durability);
        self.residents.insert(live);
        let after = Standing { timers: change.awaited.timers.clone(), ..standing };
        let done = Repaired::Began { origin, sequence, after: Box::new(after) };
        let to = change.next.labels.clone();
        let sends = enter(address, position, self.now).into_iter().collect();
        let besides = Besides { sends, ..Besides::default() };
        self.repaired(address, (note, done), (Labels::default(), to), Some(change), besides, out)
    }

    fn pause(&mut self, address: &Address, note: Note, out: &mut Out) -> Answer {
        let live = self.residents.live_mut(address).expect("it is there");
        let labels = live.row.labels.clone();
        match &live.row.status {
            Status::Paused(_) => {
                let outcome = Outcome::Ok { from: labels.clone(), to: labels, reply: Json::NULL };
                return Answer::Decided { outcome, duplicate: true };
            }
            Status::Parked(_) => {
                return unfit(
                    address,
                    "is parked after a fault, so it takes no events already; resume or retry it",
                );
            }
            _ => {}
        }
        out.require(live.definition.policy.durability);
        live.row.status = Status::Paused(shortened(String::from(&*note.reason)));
        // The event that is being tried again waits like the others.
        let mut keys = Keys::default();
        live.row.retry.take().into_iter().for_each(|retry| keys.clear_timer(retry_key(address, retry.due)));
        let besides = Besides { keys, ..Besides::default() };
        self.repaired(address, (note, Repaired::Paused), (labels.clone(), labels), None, besides, out)
    }

    fn resume(&mut self, address: &Address, note: Note, out: &mut Out) -> Answer {
        let live = self.residents.live_mut(address).expect("it is there");
        if !live.is_parked() {
            return unfit(address, "is neither paused nor parked, so there is nothing to resume");
        }
        live.row.status = Status::Active;
        let labels = live.row.labels.clone();
        out.require(live.definition.policy.durability);
        let besides = Besides::default();
        self.repaired(address, (note, Repaired::Resumed), (labels.clone(), labels), None, besides, out)
    }

    fn retry_now(
        &mut self,
        address: &Address,
        letter: Option<Box<DeadLetter>>,
        note: Note,
        out: &mut Out,
    ) -> Answer {
        let live = self.residents.live_mut(address).expect("it is there");
        if let Some(retry) = &live.row.retry {
            let key = retry_key(address, retry.due);
            self.window.change(core::slice::from_ref(&key), &[]);
            return answer_to(self.retry(&key, out), address);
        }
        match &live.row.status {
            Status::Parked(_) => {}
            Status::Paused(_) => {
                return unfit(address, "is paused, and no event of it has faulted; resume it");
            }
            _ => {
                return unfit(
                    address,
                    "has no event to try again; events that failed for good are among the dead letters",
                );
            }
        }
        let Some(letter) = letter.filter(|letter| letter.to == *address) else {
            return unfit(
                address,
                "is parked, and the event that parked it is no longer among the dead letters; resume it to go on without",
            );
        };
        if let Err(refusal) = self.take_letter(letter.number, out) {
            return Answer::Refused(refusal);
        }
        let live = self.residents.live_mut(address).expect("it is there");
        live.row.status = Status::Active;
        let labels = live.row.labels.clone();
        let written = written(self.position + 1, (note, Repaired::Resumed), (labels.clone(), labels));
        self.write(address, written, out);
        let attempt = self.attempt(address, Delivery::of_letter(address, letter.event), out);
        let changed = matches!(attempt, Attempt::Decided { changed: true, .. });
        self.drain(address, changed, out);
        answer_to(Some(attempt), address)
    }

    /// Writes the turn, lets what has waited be tried, and answers.
    fn repaired(
        &mut self,
        address: &Address,
        (note, done): (Note, Repaired),
        (from, to): (Labels, Labels),
        change: Option<Change>,
        besides: Besides,
        out: &mut Out,
    ) -> Answer {
        let stands_elsewhere = matches!(done, Repaired::Became { .. });
        let written = written(self.position + 1, (note, done), (from, to));
        let outcome = written.outcome.clone();
        self.write(address, Written { change, besides, ..written }, out);
        self.drain(address, stands_elsewhere, out);
        Answer::Decided { outcome, duplicate: false }
    }

    fn version_of(&self, address: &Address, version: &Arc<str>) -> Result<Arc<Definition>, Refusal> {
        let kind = address.kind();
        self.definition(kind, Some(version)).cloned().ok_or_else(|| match self.definition(kind, None) {
            Some(_) => Refusal::UnknownVersion(Arc::from(kind), version.clone()),
            None => Refusal::UnknownKind(Arc::from(kind)),
        })
    }
}

fn written(position: u64, (note, done): (Note, Repaired), (from, to): (Labels, Labels)) -> Written {
    let outcome = Outcome::Ok { from, to, reply: Json::NULL };
    Written::of(note.cause(position, done), Source::Direct, outcome)
}

fn standing_of(row: &Instance) -> Standing {
    Standing { version: row.version.clone(), state: row.state.clone(), timers: row.timers.clone() }
}

fn unfit(address: &Address, why: &'static str) -> Answer {
    Answer::Refused(Refusal::Unfit(address.clone(), why))
}

fn answer_to(attempt: Option<Attempt>, address: &Address) -> Answer {
    match attempt {
        Some(Attempt::Decided { outcome, .. }) => Answer::Decided { outcome, duplicate: false },
        Some(Attempt::Kept) => Answer::Kept { duplicate: false },
        Some(Attempt::MailboxFull) => Answer::Refused(Refusal::MailboxFull(address.clone())),
        None => unfit(address, "has no event to try again"),
    }
}
