//! A history played once more: by the definition that made it, to come to where an instance stood, or by another, to
//! see where that would differ.
//!
//! It refuses to send anything and to know where histories are kept, and asks the behaviour alone: what the node itself
//! refuses of a turn, such as a child's name that is in use, is not asked again. Its one invariant: what it does with an entry
//! depends on the entries before it alone, and changes nothing in the world.

use crate::address::Address;
use crate::behaviour::{Description, Effect, Fault, FaultCode, Handled, Next, State, Turn};
use crate::definition::Definition;
use crate::event::{Event, Outcome, Rejection, Sender};
use crate::json::Json;
use crate::link::{Child, RestartFrom};
use crate::record::{Cause, HistoryEntry, Kept, Labels, Serial, Timer};
use crate::repair::{Repaired, Standing};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A history being played.
#[derive(Debug)]
pub struct Rehearsal {
    definition: Arc<Definition>,
    address: Address,
    parent: Option<Address>,
    state: Option<State>,
    labels: Labels,
    timers: Vec<Timer>,
    children: BTreeSet<Arc<str>>,
    incarnation: u32,
    ended: bool,
}

/// What became of an entry here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    /// It has this outcome.
    Decided(Outcome),
    /// It would wait for another state.
    Deferred,
    /// The behaviour is not asked, there or here: an end, a pause, an event that came too late.
    Passed,
    /// An operator put the instance where this definition cannot follow.
    Lost,
}

impl Rehearsal {
    /// Before the first entry of the history of `address`.
    pub fn new(definition: Arc<Definition>, address: Address, parent: Option<Address>) -> Rehearsal {
        Rehearsal {
            definition,
            address,
            parent,
            state: None,
            labels: Labels::default(),
            timers: Vec::new(),
            children: BTreeSet::new(),
            incarnation: 1,
            ended: false,
        }
    }

    /// Goes on with another version, as the history did.
    pub fn go_on_as(&mut self, definition: Arc<Definition>) {
        self.definition = definition;
    }

    /// Its active states.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Has it come to its end?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Names of its children that have not exited.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(|name| &**name)
    }

    /// Where it stands; none before its start.
    pub fn standing(&self) -> Option<Standing> {
        let state = Kept::new(self.definition.behaviour.encode(self.state.as_ref()?));
        let version = self.definition.id.version.clone();
        Some(Standing { version, state, timers: self.timers.clone() })
    }

    /// The same for people: its active states and its data.
    pub fn describe(&self) -> Option<Description> {
        Some(self.definition.behaviour.describe(self.state.as_ref()?))
    }

    /// Plays an entry.
    pub fn play(&mut self, entry: &HistoryEntry) -> Played {
        // What a timer sends to somebody else stands in no history of its own.
        self.timers.retain(|timer| timer.to.is_none() || timer.due > entry.at);
        match &entry.cause {
            Cause::Start { data, .. } => self.begin(data, entry),
            Cause::Restart { from: RestartFrom::Initial(data), .. } => {
                self.incarnation += 1;
                self.children.clear();
                // Nobody waits for what it replies.
                match self.begin(data, entry) {
                    Played::Decided(Outcome::Ok { from, to, .. }) => {
                        Played::Decided(Outcome::Ok { from, to, reply: Json::NULL })
                    }
                    played => played,
                }
            }
            Cause::Restart { from: RestartFrom::LastGood, .. } => {
                self.incarnation += 1;
                Played::Passed
            }
            Cause::Stop { .. } => {
                self.ended = true;
                Played::Passed
            }
            Cause::Repair { done: Repaired::Paused | Repaired::Resumed, .. } => Played::Passed,
            Cause::Repair {
                done: Repaired::Became { after, .. } | Repaired::Began { after, .. }, ..
            } => self.stand(after),
            Cause::Event(event) => self.take(event, entry),
        }
    }

    fn begin(&mut self, data: &Json, entry: &HistoryEntry) -> Played {
        let (from, behaviour) = (self.labels.clone(), self.definition.behaviour.clone());
        (self.ended, self.timers) = (false, Vec::new());
        let mut turn = self.turn(entry, &[]);
        let next = behaviour.start(data, &mut turn);
        let effects = turn.effects;
        match next {
            Ok(next) => self.took(next, effects, from, entry),
            Err(fault) => Played::Decided(Outcome::Failed { fault, attempts: 1 }),
        }
    }

    fn stand(&mut self, standing: &Standing) -> Played {
        if standing.version != self.definition.id.version {
            return Played::Lost;
        }
        match self.definition.behaviour.decode(standing.state.as_slice()) {
            Ok(state) => {
                let from = core::mem::take(&mut self.labels);
                self.labels = self.definition.behaviour.describe(&state).labels;
                (self.state, self.timers) = (Some(state), standing.timers.clone());
                Played::Decided(Outcome::Ok { from, to: self.labels.clone(), reply: Json::NULL })
            }
            Err(_) => Played::Lost,
        }
    }

    fn take(&mut self, event: &Event, entry: &HistoryEntry) -> Played {
        let not_asked = matches!(
            &entry.outcome,
            Outcome::Rejected {
                reason: Rejection::Final
                    | Rejection::Gone
                    | Rejection::MailboxFull
                    | Rejection::UnknownAddress
                    | Rejection::UnknownKind,
                ..
            }
        );
        let Some(state) = self.state.clone().filter(|_| !not_asked) else { return Played::Passed };
        if event.sender == Sender::Timer {
            let fired = |timer: &Timer| timer.event == event.name && timer.to.is_none();
            let due = self.timers.iter().position(|timer| fired(timer) && timer.due == event.time);
            let place = due.or_else(|| self.timers.iter().position(fired));
            place.map(|place| self.timers.remove(place));
        }
        if let Some(name) = event.name.strip_prefix("child.exited.") {
            self.children.remove(name);
        }
        let (from, behaviour) = (self.labels.clone(), self.definition.behaviour.clone());
        if self.ended {
            return self.rejected(Rejection::Final);
        }
        let mut turn = self.turn(entry, &[]);
        let handled = behaviour.handle(&state, event, &mut turn);
        let effects = turn.effects;
        match handled {
            Ok(Handled::Rejected | Handled::Deferred) | Err(Fault { code: FaultCode::Unhandled, .. })
                if event.is_told() =>
            {
                Played::Decided(Outcome::Ok { from: from.clone(), to: from, reply: Json::NULL })
            }
            Ok(Handled::Took(next)) => self.took(next, effects, from, entry),
            Ok(Handled::Ignored) => {
                Played::Decided(Outcome::Ok { from: from.clone(), to: from, reply: Json::NULL })
            }
            Ok(Handled::Rejected) => self.rejected(Rejection::NotAccepted),
            Ok(Handled::BadData(_)) => self.rejected(Rejection::BadData),
            Ok(Handled::Refused(_)) => self.rejected(Rejection::Refused),
            Ok(Handled::Deferred) => Played::Deferred,
            Err(fault) => Played::Decided(Outcome::Failed { fault, attempts: 1 }),
        }
    }

    fn rejected(&self, reason: Rejection) -> Played {
        let (state, accepts) = (self.labels.clone(), Vec::new());
        Played::Decided(Outcome::Rejected { reason, state, detail: String::new(), accepts })
    }

    fn took(&mut self, next: Next, effects: Vec<Effect>, from: Labels, entry: &HistoryEntry) -> Played {
        let mut reply = Json::NULL;
        for effect in effects {
            match effect {
                Effect::Reply(data) => reply = data,
                Effect::SetTimer { name, delay, to, event, data } => {
                    self.timers.retain(|timer| timer.name != name);
                    let (due, generation) = (entry.at + delay, Serial(0));
                    self.timers.push(Timer { name, due, generation, to, event, data });
                }
                Effect::CancelTimer(name) => self.timers.retain(|timer| timer.name != name),
                Effect::Spawn { name, .. } => drop(self.children.insert(name)),
                Effect::GiveUp(_) => self.ended = true,
                _ => {}
            }
        }
        if next.done.is_some() || self.ended {
            self.ended = true;
            self.timers.clear();
        }
        self.state = Some(next.state);
        self.labels = next.labels;
        Played::Decided(Outcome::Ok { from, to: self.labels.clone(), reply })
    }

    fn turn<'a>(&'a self, entry: &HistoryEntry, children: &'a [Child]) -> Turn<'a> {
        Turn {
            now: entry.at,
            seed: entry.position,
            instance: &self.address,
            version: &self.definition.id.version,
            incarnation: self.incarnation,
            parent: self.parent.as_ref(),
            children,
            effects: Vec::new(),
        }
    }
}

/// Is this what the history says? Messages and what would have been accepted are for people, and no difference.
pub fn agrees(recorded: &Outcome, played: &Played) -> bool {
    match (recorded, played) {
        (_, Played::Passed) => true,
        (_, Played::Deferred | Played::Lost) => false,
        (recorded, Played::Decided(played)) => match (recorded, played) {
            (
                Outcome::Ok { from, to, reply },
                Outcome::Ok { from: played_from, to: played_to, reply: played_reply },
            ) => (from, to, reply) == (played_from, played_to, played_reply),
            (Outcome::Rejected { reason, .. }, Outcome::Rejected { reason: played, .. }) => reason == played,
            (Outcome::Failed { fault, .. }, Outcome::Failed { fault: played, .. }) => {
                fault.code == played.code
            }
            _ => false,
        },
    }
}
