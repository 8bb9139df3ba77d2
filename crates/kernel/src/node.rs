//! The node: all instances that one thread owns, and the only place where what is true of them changes.
//!
//! It refuses to know the time, the store and the network; whoever drives it brings in what it needs before a
//! step and carries out what it wants after a commit.

mod audit;
mod delivery;
mod mailbox;
mod plan;
mod residents;
mod turn;
mod window;

pub use audit::Violation;

use crate::address::Address;
use crate::definition::{Definition, Durability, version_order};
use crate::event::EventId;
use crate::input::{Answer, Deadline, DeadlineReason, Input, Loaded, Out, Refusal, Release, Ticket, Touches};
use crate::record::{DefinitionRecord, OutcomeRecord, Record, Sent, Serial, TimerKey};
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use residents::Residents;
use window::Window;

/// A definition with its text.
#[derive(Debug)]
struct Put {
    definition: Arc<Definition>,
    source: Arc<str>,
}

/// One deterministic state machine over many instances.
///
/// How it is driven, in this order and by one owner:
///
/// 1. `restore` once, with what the store holds.
/// 2. For each input, one's own or one from [`Node::ready`]: `touches`, then `hydrate` with all that was named,
///    then `step`, which adds to an [`Out`]. Any number of inputs may go into one `Out`.
/// 3. The records of the `Out` are committed. When the commit succeeded: `settle`, then let out the releases.
///    When it did not, the node is ahead of the store: drop it, or `restore` it from the store.
/// 4. `next_deadline` says when to call `ready` although nothing arrived.
///
/// Time may stand still but is never taken back: a `now` before an earlier one counts as that earlier one.
#[derive(Debug)]
pub struct Node {
    /// Every definition, by name, its versions in ascending [`version_order`].
    definitions: BTreeMap<Arc<str>, Vec<Put>>,
    residents: Residents,
    /// Outcomes that were brought in or decided since the last `settle`.
    outcomes: BTreeMap<EventId, Option<OutcomeRecord>>,
    /// Events between instances that are committed or about to be, and not delivered yet. In order.
    outbox: BTreeMap<Serial, Sent>,
    window: Window,
    /// Dead letters that went since the last `settle`.
    letters_gone: BTreeSet<Serial>,
    /// Of the last turn.
    position: u64,
    seed: u64,
    now: Time,
    /// Whose turn it is when both a timer and the outbox are ready.
    timers_first: bool,
}

impl Node {
    /// A node without any instance. `seed` feeds the seeds of turns, and the tables against chosen collisions.
    pub fn new(seed: u64) -> Node {
        Node {
            definitions: BTreeMap::new(),
            residents: Residents::new(seed),
            outcomes: BTreeMap::new(),
            outbox: BTreeMap::new(),
            window: Window::new(),
            letters_gone: BTreeSet::new(),
            position: 0,
            seed,
            now: Time(i64::MIN),
            timers_first: false,
        }
    }

    /// Takes over what a store holds: the position of the last turn and the whole outbox. Forgets everything else
    /// but the definitions.
    pub fn restore(&mut self, last_position: u64, outbox: Vec<Sent>) {
        self.residents = Residents::new(self.seed);
        self.outcomes.clear();
        self.letters_gone.clear();
        self.window = Window::new();
        self.position = last_position;
        self.outbox = outbox.into_iter().map(|sent| (sent.number, sent)).collect();
    }

    /// Takes over a definition that the store holds.
    pub fn restore_definition(&mut self, definition: Arc<Definition>, source: Arc<str>) {
        let versions = self.definitions.entry(definition.id.name.clone()).or_default();
        let place = versions
            .binary_search_by(|put| version_order(&put.definition.id.version, &definition.id.version))
            .unwrap_or_else(|place| place);
        versions.insert(place, Put { definition, source });
    }

    /// The definition of that name: of that version, or of the greatest when none is given.
    pub fn definition(&self, name: &str, version: Option<&str>) -> Option<&Arc<Definition>> {
        let versions = self.definitions.get(name)?;
        match version {
            None => versions.last(),
            Some(version) => versions.iter().find(|put| &*put.definition.id.version == version),
        }
        .map(|put| &put.definition)
    }

    /// What must be hydrated before `input` is stepped. Only what is not in memory.
    pub fn touches(&self, input: &Input) -> Touches {
        let (address, id) = match input {
            Input::Define { .. } | Input::DiscardDeadLetter { .. } | Input::Refill { .. } => {
                return Touches::default();
            }
            Input::Start { address, id, .. } => (address, Some(id)),
            Input::Event { to, event, .. } => (to, Some(&event.id)),
            Input::Delete { address, .. } => (address, None),
            Input::RetryDeadLetter { letter, .. } => (&letter.to, None),
            Input::Deliver(_, to) => (to, None),
            Input::Due(key) => (&key.address, None),
        };
        let mut touches = Touches::default();
        if !self.residents.knows(address) {
            touches.addresses.push(address.clone());
        }
        if let Some(id) = id.filter(|id| !self.outcomes.contains_key(id)) {
            touches.ids.push(id.clone());
        }
        touches
    }

    /// Brings in what was touched.
    pub fn hydrate(&mut self, loaded: Loaded) {
        for (address, found) in loaded.instances {
            let definition = found
                .as_ref()
                .and_then(|(row, _)| self.definition(address.kind(), Some(&row.version)).cloned());
            self.residents.bring_in(address, found, definition);
        }
        for (id, outcome) in loaded.outcomes {
            self.outcomes.entry(id).or_insert(outcome);
        }
    }

    /// Lets `input` happen at `now`, and adds what it wants to `out`.
    ///
    /// # Panics
    /// When something touched was not hydrated, or a row names a definition that was not restored: both are
    /// mistakes of the driver.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Out) {
        self.now = self.now.max(now);
        match input {
            Input::Define { ticket, definition, source } => self.define(ticket, definition, source, out),
            Input::Start { ticket, address, version, id, data } => {
                self.start(ticket, address, version, id, data, out);
            }
            Input::Event { ticket, to, event } => self.arrive(ticket, to, event, out),
            Input::Delete { ticket, address } => self.delete(ticket, &address, out),
            Input::RetryDeadLetter { ticket, letter } => self.retry_dead_letter(ticket, letter, out),
            Input::DiscardDeadLetter { ticket, letter } => {
                let answer =
                    self.take_letter(letter.number, out).map_or_else(Answer::Refused, |()| Answer::Gone);
                out.releases.push(Release::Answer(ticket, answer));
            }
            Input::Deliver(number, _) => self.deliver(number, out),
            Input::Due(key) => self.due(&key, out),
            Input::Refill { timers, complete } => self.window.refill(timers, complete),
        }
    }

    /// The next input that arises from within: an event of the outbox to deliver, or a timer that is due.
    pub fn ready(&mut self, now: Time) -> Option<Input> {
        let now = self.now.max(now);
        let timer = self.window.first().filter(|key| key.due <= now);
        let sent =
            self.outbox.first_key_value().map(|(number, sent)| Input::Deliver(*number, sent.to.clone()));
        let timers_first = self.timers_first;
        self.timers_first = !timers_first;
        match (timer, sent) {
            (Some(key), None) => Some(Input::Due(key.clone())),
            (Some(key), Some(_)) if timers_first => Some(Input::Due(key.clone())),
            (_, sent) => sent,
        }
    }

    /// When to call `ready` at the latest, and who asks.
    pub fn next_deadline(&self) -> Option<Deadline> {
        if !self.outbox.is_empty() {
            return Some(Deadline { at: self.now, reason: DeadlineReason::Outbox });
        }
        if self.window.wants_refill() {
            return Some(Deadline { at: self.now, reason: DeadlineReason::Refill });
        }
        self.window.first().map(|key| Deadline { at: key.due, reason: DeadlineReason::Timer })
    }

    /// After [`DeadlineReason::Refill`]: the timer after which the store shall read on; none for the very first.
    pub fn refill_after(&self) -> Option<&TimerKey> {
        self.window.horizon()
    }

    /// The records of all steps until now are committed, so memory may be given back: at most `instances_max`
    /// instances stay.
    pub fn settle(&mut self, instances_max: usize) {
        self.outcomes.clear();
        self.letters_gone.clear();
        self.residents.settle(instances_max);
    }

    /// Timers that are due and have not fired.
    pub fn timers_late(&self, now: Time) -> usize {
        self.window.due_until(now)
    }

    /// Events on their way between instances.
    pub fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// Instances in memory.
    pub fn resident_len(&self) -> usize {
        self.residents.len()
    }

    /// The position of the last turn.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn define(&mut self, ticket: Ticket, definition: Arc<Definition>, source: Arc<str>, out: &mut Out) {
        let versions = self.definitions.get(&definition.id.name).map_or(&[][..], Vec::as_slice);
        let answer = match versions.iter().find(|put| put.definition.id == definition.id) {
            Some(put) if put.source == source => Answer::Put { fresh: false },
            Some(_) => Answer::Refused(Refusal::DefinitionExists(definition.id.clone())),
            None => {
                let id = definition.id.clone();
                out.require(Durability::Power);
                out.records.push(Record::Definition(DefinitionRecord {
                    id,
                    source: source.clone(),
                    put_at: self.now,
                }));
                self.restore_definition(definition, source);
                Answer::Put { fresh: true }
            }
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn is_resident(&self, address: &Address) -> bool {
        self.residents.live(address).is_some()
    }
}

impl Out {
    /// Raises the durability of the commit to at least `durability`.
    pub(crate) fn require(&mut self, durability: Durability) {
        self.durability = self.durability.max(Some(durability));
    }
}
