//! The node: all instances that one thread owns, and the only place where what is true of them changes.
//!
//! It refuses to know the time, the store and the network; whoever drives it brings in what it needs before a
//! step and carries out what it wants after a commit.

mod audit;
mod awaited;
mod delivery;
mod errands;
mod lifecycle;
mod mailbox;
mod numbers;
mod plan;
mod repair;
mod residents;
mod retention;
mod spaces;
mod tasks;
mod ties;
mod turn;
mod window;

pub use audit::Violation;
pub(crate) use delivery::fingerprint;
pub(crate) use numbers::LETTER_INDEX;
pub(crate) use ties::{check_child_name, check_end_of_name};

use crate::address::{Address, SESSION_KIND, SPACE_KIND};
use crate::definition::{Definition, DefinitionId, Durability, version_order};
use crate::event::EventId;
use crate::input::{Answer, Deadline, DeadlineReason, Input, Loaded, Out, Refusal, Release, Ticket, Touches};
use crate::limits::{OUTBOX_MAX, TIMER_WINDOW_MAX};
use crate::link::Exit;
use crate::record::{DefinitionRecord, OutcomeRecord, Record, SeatRecord, Sent, Serial, TimerKey};
use crate::retention::Retain;
use crate::time::Time;
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use lifecycle::Ending;
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
/// 1. `restore` once, with what the store holds; then `restore_definition` for each definition that it holds.
/// 2. For each input, one's own or one from [`Node::ready`]: `touches`, then `hydrate` with all that was named, as the
///    last commit left it, then `step`, which adds to an [`Out`]. Any number of inputs may go into one `Out`.
/// 3. The records of the `Out` are committed. When the commit succeeded: `settle`, then let out the releases.
///    When it did not, the node is ahead of the store: drop it, or go on with 1.
/// 4. `next_deadline` says when to call `ready` although nothing arrived, or asks for a [`Input::Refill`].
///
/// Time may stand still but is never taken back: a `now` before an earlier one counts as that earlier one. Nothing
/// depends on how often `touches`, `ready` and `next_deadline` are called, nor on when commits and restores lie: the same
/// inputs with the same times give the same records.
#[derive(Debug)]
pub struct Node {
    /// Every definition, by name, its versions in ascending [`version_order`].
    definitions: BTreeMap<Arc<str>, Vec<Put>>,
    /// Those that were put since the last `settle`, and go when what they were put with is not committed.
    definitions_fresh: Vec<DefinitionId>,
    residents: Residents,
    /// Outcomes that were brought in or decided since the last `settle`. Nothing goes through them in order, so nothing
    /// depends on the hash.
    outcomes: IndexMap<EventId, Option<OutcomeRecord>, FixedState>,
    /// Events between instances that are committed or about to be, and not delivered yet. In order.
    outbox: BTreeMap<Serial, Sent>,
    window: Window,
    /// Dead letters that went since the last `settle`.
    letters_gone: BTreeSet<Serial>,
    /// Of the last turn.
    position: u64,
    seed: u64,
    now: Time,
    /// What holds where a definition says nothing.
    retain: Retain,
}

impl Node {
    /// A node without any instance. `seed` feeds the seeds of turns, and the tables against chosen collisions.
    pub fn new(seed: u64) -> Node {
        let built_in = [crate::space::definition(), crate::session::definition()].map(|definition| {
            let name = definition.id.name.clone();
            (name, Vec::from([Put { definition: Arc::new(definition), source: Arc::from("") }]))
        });
        Node {
            definitions: BTreeMap::from(built_in),
            definitions_fresh: Vec::new(),
            residents: Residents::new(seed),
            outcomes: IndexMap::with_hasher(FixedState::with_seed(seed)),
            outbox: BTreeMap::new(),
            window: Window::new(TIMER_WINDOW_MAX),
            letters_gone: BTreeSet::new(),
            position: 0,
            seed,
            now: Time(i64::MIN),
            retain: Retain::default(),
        }
    }

    /// How long what has happened is kept where a definition says nothing. Said before the first step; what has been
    /// written before keeps the time that it has, until its next turn.
    pub fn retain_by_default(&mut self, retain: Retain) {
        self.retain = retain;
    }

    /// Takes over what a store holds: the position of the last turn and the whole outbox. Forgets everything else
    /// but the definitions that are committed or were restored.
    pub fn restore(&mut self, last_position: u64, outbox: Vec<Sent>) {
        for id in core::mem::take(&mut self.definitions_fresh) {
            if let Some(versions) = self.definitions.get_mut(&id.name) {
                versions.retain(|put| put.definition.id != id);
            }
        }
        self.residents = Residents::new(self.seed);
        self.outcomes.clear();
        self.letters_gone.clear();
        self.window = Window::new(TIMER_WINDOW_MAX);
        self.position = last_position;
        self.outbox = outbox.into_iter().map(|sent| (sent.number, sent)).collect();
    }

    /// Takes over a definition that the store holds.
    pub fn restore_definition(&mut self, definition: Arc<Definition>, source: Arc<str>) {
        let versions = self.definitions.entry(definition.id.name.clone()).or_default();
        let version = &definition.id.version;
        match versions.binary_search_by(|put| version_order(&put.definition.id.version, version)) {
            Ok(place) => versions[place] = Put { definition, source },
            Err(place) => versions.insert(place, Put { definition, source }),
        }
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
        let (addresses, id) = input.subject();
        let mut touches = Touches::default();
        touches.addresses.extend(addresses.filter(|address| !self.residents.knows(address)).cloned());
        touches.ids.extend(id.filter(|id| !self.outcomes.contains_key(&**id)).map(Cow::into_owned));
        touches
    }

    /// Brings in what was touched.
    pub fn hydrate(&mut self, loaded: Loaded) {
        for (address, found) in loaded.instances {
            let definition = found
                .as_ref()
                .and_then(|(row, _)| self.definition(address.kind(), Some(&row.version)).cloned());
            self.residents.bring_in(address, found, definition, self.seed);
        }
        for SeatRecord { space, number, seat } in loaded.seats {
            self.residents.bring_seat(&space, number, seat);
        }
        self.residents.brought_in();
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
        let (addresses, id) = input.subject();
        for address in addresses {
            assert!(self.residents.knows(address), "{address} was touched and not hydrated");
        }
        if let Some(id) = id {
            assert!(self.outcomes.contains_key(&*id), "{id} was touched and not hydrated");
        }
        match input {
            Input::Define { ticket, definition, source } => self.define(ticket, definition, source, out),
            Input::Start { ticket, address, version, id, data } => {
                self.start(ticket, address, version, id, data, out);
            }
            Input::Event { ticket, to, event } => self.arrive(ticket, to, event, out),
            Input::Delete { ticket, address } => self.delete(ticket, &address, out),
            Input::Stop { ticket, address, kill } => {
                let reason = "an operator stopped it";
                self.stop_from_outside(ticket, &address, Ending { kill, reason, exit: None }, out);
            }
            Input::Silence { ticket, address } => {
                let (reason, exit) = ("nothing was heard from it any more", Some(Exit::Silent));
                self.stop_from_outside(ticket, &address, Ending { kill: true, reason, exit }, out);
            }
            Input::Restart { ticket, address, from } => self.restart_by_operator(ticket, &address, from, out),
            Input::Repair { ticket, address, repair } => self.repair(ticket, &address, *repair, out),
            Input::RetryDeadLetter { ticket, letter } => self.retry_dead_letter(ticket, letter, out),
            Input::DiscardDeadLetter { ticket, letter } => {
                let answer =
                    self.take_letter(letter.number, out).map_or_else(Answer::Refused, |()| Answer::Gone);
                out.releases.push(Release::Answer(ticket, answer));
            }
            Input::Lease { ticket, worker, max, candidates } => {
                self.lease(ticket, &worker, max, &candidates, out);
            }
            Input::Report { ticket, lease, report } => self.report(ticket, &lease, report, out),
            Input::Expire { address, oldest } => self.expire(&address, &oldest, out),
            Input::Deliver(number, _) => self.deliver(number, out),
            Input::Due(key) => self.due(&key, out),
            Input::Refill { timers, complete } => self.window.refill(timers, complete),
        }
    }

    /// The next input that arises from within: an event of the outbox to deliver, or a timer that is due.
    ///
    /// | timer due | outbox | next |
    /// |---|---|---|
    /// | none, or later than `now` | empty | nothing |
    /// | none, or later than `now` | an event | the event |
    /// | yes | empty | the timer |
    /// | before the event was sent | an event, and room | the timer |
    /// | before the event was sent | full | the event |
    /// | when the event was sent, or later | an event | the event |
    ///
    /// So what happened first comes first, timers that are late fire in the order of their dues, and neither can hold
    /// up the other for longer than time stands still.
    pub fn ready(&self, now: Time) -> Option<Input> {
        let now = self.now.max(now);
        let timer = self.window.first().filter(|key| key.due <= now);
        match (timer, self.outbox.first_key_value()) {
            (None, None) => None,
            (Some(key), None) => Some(Input::Due(key.clone())),
            (Some(key), Some((_, sent))) if key.due < sent.event.time && self.outbox.len() < OUTBOX_MAX => {
                Some(Input::Due(key.clone()))
            }
            (_, Some((number, sent))) => Some(Input::Deliver(*number, sent.to.clone())),
        }
    }

    /// When to call `ready` at the latest, and who asks. A refill goes first: a busy outbox must not keep timers from
    /// being known.
    pub fn next_deadline(&self) -> Option<Deadline> {
        if self.window.wants_refill() {
            return Some(Deadline { at: self.now, reason: DeadlineReason::Refill });
        }
        if !self.outbox.is_empty() {
            return Some(Deadline { at: self.now, reason: DeadlineReason::Outbox });
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
        self.definitions_fresh.clear();
        self.outcomes.clear();
        self.letters_gone.clear();
        self.window.settle();
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
            None if &*definition.id.name == SESSION_KIND
                || (&*definition.id.name == SPACE_KIND) != definition.behaviour.is_space() =>
            {
                Answer::Refused(Refusal::BuiltIn(definition.id.name.clone()))
            }
            None => {
                let id = definition.id.clone();
                self.definitions_fresh.push(id.clone());
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

impl Input {
    /// The instances and the event id that must be known before this input is stepped.
    fn subject(&self) -> (impl Iterator<Item = &Address>, Option<Cow<'_, EventId>>) {
        let (address, id) = match self {
            Input::Define { .. }
            | Input::DiscardDeadLetter { .. }
            | Input::Lease { .. }
            | Input::Refill { .. } => (None, None),
            Input::Start { address, id, .. } => (Some(address), Some(Cow::Borrowed(id))),
            Input::Event { to, event, .. } => (Some(to), Some(Cow::Borrowed(&event.id))),
            Input::Delete { address, .. }
            | Input::Stop { address, .. }
            | Input::Silence { address, .. }
            | Input::Restart { address, .. }
            | Input::Expire { address, .. }
            | Input::Repair { address, .. } => (Some(address), None),
            Input::RetryDeadLetter { letter, .. } => (Some(&letter.to), None),
            Input::Report { lease, .. } => (Some(&lease.address), Some(Cow::Owned(lease.event_id()))),
            Input::Deliver(_, to) => (Some(to), None),
            Input::Due(key) => (Some(&key.address), None),
        };
        let candidates = match self {
            Input::Lease { candidates, .. } => &candidates[..],
            _ => &[],
        };
        (address.into_iter().chain(candidates.iter().map(|key| &key.address)), id)
    }
}

impl Out {
    /// Raises the durability of the commit to at least `durability`.
    pub(crate) fn require(&mut self, durability: Durability) {
        self.durability = self.durability.max(Some(durability));
    }
}
