//! A world by hand: one production node over tables in memory, with time that passes when told and events that are
//! delivered when and in the order that is chosen.
//!
//! It refuses to choose: that is for whoever holds it. Its one invariant: every step is one input of the node's
//! contract, committed before anything of it is seen, so each of its states could be one after a restart.

use crate::standing::Standing;
use crate::tables::{Kept, Tables};
use crate::task::TaskEnd;
use everstate_chart::{Finding, Severity};
use everstate_kernel::{
    Address, Answer, DeadLetter, Definition, Description, Event, EventId, HistoryEntry, Input, Json, Lease,
    Leased, Node, Out, Outcome, Record, Refusal, Release, Report, RestartFrom, Sender, Sent, Serial, Span,
    TaskKey, TaskStanding, Ticket, Time, TimerKey, Violation, Waiting,
};
use std::fmt;
use std::sync::Arc;

/// A node in a world of its own. Cheap to clone: a clone is the same world after a restart of its node.
pub struct World {
    node: Node,
    seed: u64,
    tables: Tables,
    definitions: Vec<(Arc<Definition>, Arc<str>)>,
    now: Time,
    /// Ids of events given out.
    ids: u64,
}

/// What one step has brought about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What whoever asked was answered; none for deliveries and timers.
    pub answer: Option<Answer>,
    /// The turns that were made, in order.
    pub turns: Vec<(Address, HistoryEntry)>,
    /// Events that are on their way since.
    pub sent: Vec<Sent>,
    /// Events that nobody could take.
    pub dead_letters: Vec<DeadLetter>,
    /// Earlier events from outside that have their outcome now.
    pub decided: Vec<(EventId, Outcome)>,
    /// Instances whose mailbox or retry changed without a turn.
    pub waiting: Vec<Address>,
}

/// Why a world did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The definition has errors.
    #[error("definition {file} has {} errors; the first, at line {}: {}", .findings.len(), .findings[0].line, .findings[0].message)]
    Definition {
        /// Its file.
        file: String,
        /// All of them, never none.
        findings: Vec<Finding>,
    },
    /// The node refuses.
    #[error("{0}")]
    Refused(Refusal),
    /// The id cannot be one.
    #[error("{0}")]
    BadId(String),
    /// The name of an event cannot be one.
    #[error("{0}")]
    BadName(String),
    /// No event of that number is on its way.
    #[error("no event with the number {} is on its way; `pending` lists those that are", .0.0)]
    NotPending(Serial),
    /// No such timer is set, or it is not due.
    #[error("the timer of {} that was due at {} is not set or not due yet; `timers` lists those that are set", .0.address, .0.due)]
    NotDue(TimerKey),
}

impl World {
    /// An empty world at time 0. The seed feeds the seeds of turns.
    pub fn new(seed: u64) -> World {
        let mut node = Node::new(seed);
        node.restore(0, Vec::new());
        let (tables, definitions) = (Tables::default(), Vec::new());
        World { node, seed, tables, definitions, now: Time(0), ids: 0 }
    }

    /// A world that begins at that time.
    pub fn at(seed: u64, now: Time) -> World {
        World { now, ..World::new(seed) }
    }

    /// Puts a chart from its text.
    pub fn put(&mut self, file: &str, text: &str) -> Result<Step, WorldError> {
        let read = everstate_chart::read(file, text);
        let Some(definition) = read.definition else {
            let mut findings = read.findings;
            findings.retain(|finding| finding.severity == Severity::Error);
            return Err(WorldError::Definition { file: file.to_owned(), findings });
        };
        self.put_definition(Arc::new(definition.to_definition()), Arc::from(text))
    }

    /// Puts a definition of any behaviour. `source` is what tells it from another of the same name and version.
    pub fn put_definition(
        &mut self,
        definition: Arc<Definition>,
        source: Arc<str>,
    ) -> Result<Step, WorldError> {
        let input = Input::Define { ticket: TICKET, definition: definition.clone(), source: source.clone() };
        let step = self.step(input);
        match step.answer {
            Some(Answer::Refused(refusal)) => Err(WorldError::Refused(refusal)),
            Some(Answer::Put { fresh: false }) => Ok(step),
            _ => {
                self.definitions.push((definition, source));
                Ok(step)
            }
        }
    }

    /// Starts an instance of the greatest version.
    pub fn start(&mut self, address: &Address, data: Json) -> Step {
        let id = self.fresh_id();
        self.step(Input::Start { ticket: TICKET, address: address.clone(), version: None, id, data })
    }

    /// Lets an instance stand somewhere where nobody is yet: the steps that it takes.
    pub fn stand(&mut self, standing: &Standing) -> Vec<Step> {
        let mut steps = vec![self.step(standing.begin(self.now, TICKET))];
        let row = self.instance(&standing.address).map(|kept| &kept.row);
        if let Some(settle) = row.and_then(|row| standing.settle(row, TICKET)) {
            steps.push(self.step(settle));
        }
        steps
    }

    /// Sends an event from outside under a fresh id.
    pub fn send(&mut self, to: &Address, name: &str, data: Json) -> Result<Step, WorldError> {
        let id = self.fresh_id();
        self.send_as(id, to, name, data)
    }

    /// Sends an event from outside under an id of one's own: a second one with the same id is a duplicate.
    pub fn send_as(&mut self, id: EventId, to: &Address, name: &str, data: Json) -> Result<Step, WorldError> {
        Event::check_name(name).map_err(WorldError::BadName)?;
        let event = Event { id, name: Arc::from(name), data, sender: Sender::Client, time: self.now };
        Ok(self.step(Input::Event { ticket: TICKET, to: to.clone(), event }))
    }

    /// Deletes an instance.
    pub fn delete(&mut self, address: &Address) -> Step {
        self.step(Input::Delete { ticket: TICKET, address: address.clone() })
    }

    /// Tasks that a worker could take from that queue, the oldest first.
    pub fn ready_tasks(&self, queue: &str) -> Vec<TaskKey> {
        let keys = self.tables.instances.values().flat_map(|kept| kept.row.task_keys());
        let mut ready: Vec<TaskKey> =
            keys.filter(|key| *key.queue == *queue && key.standing == TaskStanding::Ready).collect();
        ready.sort();
        ready
    }

    /// Lets a worker take tasks from a queue, the oldest first.
    pub fn lease(&mut self, worker: &str, queue: &str, max: usize) -> Vec<Leased> {
        let candidates = self.ready_tasks(queue);
        let step = self.step(Input::Lease { ticket: TICKET, worker: Arc::from(worker), max, candidates });
        match step.answer {
            Some(Answer::Leased(leased)) => leased,
            _ => Vec::new(),
        }
    }

    /// Ends a task that is ready, by its place among those of its instance: as if a worker had taken it a while ago and says
    /// so now, or as if no attempt had come to an end in time. Gives what the worker said, and under which lease.
    pub fn end_task(
        &mut self,
        address: &Address,
        place: usize,
        end: &TaskEnd,
    ) -> (Step, Option<(Lease, Report)>) {
        let (now, kept) = (self.now, self.tables.instances.get_mut(address));
        let task = kept.and_then(|kept| Arc::make_mut(kept).row.tasks.get_mut(place));
        let Some(input) = task.map(|task| end.input(task, address, now, TICKET)) else {
            return (Step::default(), None);
        };
        self.restart();
        let said = match &input {
            Input::Report { lease, report, .. } => Some((lease.clone(), report.clone())),
            _ => None,
        };
        (self.step(input), said)
    }

    /// Lets a session fall silent.
    pub fn silence(&mut self, address: &Address) -> Step {
        self.step(Input::Silence { ticket: TICKET, address: address.clone() })
    }

    /// Begins an instance anew, as an operator does.
    pub fn begin_anew(&mut self, address: &Address, data: Json) -> Step {
        let (address, from) = (address.clone(), RestartFrom::Initial(data));
        self.step(Input::Restart { ticket: TICKET, address, from })
    }

    /// Lets a worker say something of a task.
    pub fn report(&mut self, lease: &Lease, report: Report) -> Step {
        self.step(Input::Report { ticket: TICKET, lease: lease.clone(), report })
    }

    /// Events on their way between instances, in the order in which production would deliver them.
    pub fn pending(&self) -> impl Iterator<Item = &Sent> {
        self.tables.outbox.values()
    }

    /// Delivers one of them. Any may be chosen; from one sender to one receiver production keeps the order.
    pub fn deliver(&mut self, number: Serial) -> Result<Step, WorldError> {
        let Some(sent) = self.tables.outbox.get(&number) else {
            return Err(WorldError::NotPending(number));
        };
        let to = sent.to.clone();
        Ok(self.step(Input::Deliver(number, to)))
    }

    /// Takes an event out as if it had never been sent: what a network does, and Everstate itself never.
    pub fn lose(&mut self, number: Serial) -> Result<Sent, WorldError> {
        let lost = self.tables.outbox.remove(&number).ok_or(WorldError::NotPending(number))?;
        self.restart();
        Ok(lost)
    }

    /// Puts a second copy of an event on its way, behind all others.
    pub fn duplicate(&mut self, number: Serial) -> Result<Serial, WorldError> {
        let sent = self.tables.outbox.get(&number).ok_or(WorldError::NotPending(number))?;
        // A turn of nobody's: positions are counted on so that the copy has a number of its own.
        self.tables.position += 1;
        let copy = Sent {
            number: Serial(self.tables.position * Serial::PER_TURN + number.0 % Serial::PER_TURN),
            ..sent.clone()
        };
        let number = copy.number;
        self.tables.outbox.insert(number, copy);
        self.restart();
        Ok(number)
    }

    /// Timers and retries that are set, soonest first.
    pub fn timers(&self) -> Vec<TimerKey> {
        let mut keys: Vec<TimerKey> =
            self.tables.instances.values().flat_map(|kept| timers_of(kept)).collect();
        keys.sort();
        keys
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Time> {
        self.tables.instances.values().flat_map(|kept| timers_of(kept)).map(|key| key.due).min()
    }

    /// Lets a timer fire that is due.
    pub fn fire(&mut self, key: &TimerKey) -> Result<Step, WorldError> {
        let kept = self.tables.instances.get(&key.address);
        let is_set = kept.is_some_and(|kept| timers_of(kept).any(|other| other == *key));
        if !is_set || key.due > self.now {
            return Err(WorldError::NotDue(key.clone()));
        }
        Ok(self.step(Input::Due(key.clone())))
    }

    /// Lets time pass. Timers fire each at its time and in order; events on their way stay there.
    pub fn advance(&mut self, by: Span) -> Vec<Step> {
        let until = self.now + by;
        let mut steps = Vec::new();
        while let Some(key) = self.timers().into_iter().next().filter(|key| key.due <= until) {
            self.now = self.now.max(key.due);
            steps.push(self.step(Input::Due(key)));
        }
        self.now = until;
        steps
    }

    /// Lets time pass without any timer firing, as when a node was down: they are late from here on.
    pub fn skip(&mut self, by: Span) {
        self.now = self.now + by;
    }

    /// Does all that can be done now, as production would: events on their way and timers that are due, at most
    /// `steps_max` of them.
    pub fn settle(&mut self, steps_max: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < steps_max {
            let due = self.timers().into_iter().next().filter(|key| key.due <= self.now);
            let next = match (due, self.tables.outbox.values().next()) {
                (Some(key), Some(sent)) if key.due < sent.event.time => Input::Due(key),
                (_, Some(sent)) => Input::Deliver(sent.number, sent.to.clone()),
                (Some(key), None) => Input::Due(key),
                (None, None) => break,
            };
            steps.push(self.step(next));
        }
        steps
    }

    /// Drops the node and makes another from what the tables hold: a crash between two commits.
    pub fn restart(&mut self) {
        self.node = node_of(self.seed, &self.definitions, &self.tables);
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What a store would hold.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The row and the mailbox of an instance.
    pub fn instance(&self, address: &Address) -> Option<&Kept> {
        self.tables.instances.get(address).map(|kept| &**kept)
    }

    /// The definition that an instance runs.
    pub fn definition_of(&self, row: &everstate_kernel::Instance) -> Option<&Arc<Definition>> {
        self.node.definition(row.address.kind(), Some(&row.version))
    }

    /// The active states and the data of an instance.
    pub fn describe(&self, address: &Address) -> Option<Description> {
        let row = &self.instance(address)?.row;
        let behaviour = &self.definition_of(row)?.behaviour;
        Some(behaviour.describe(&behaviour.decode(row.state.as_slice()).ok()?))
    }

    /// What an instance waits for.
    pub fn waiting(&self, address: &Address) -> Option<Waiting> {
        let row = &self.instance(address)?.row;
        let behaviour = &self.definition_of(row)?.behaviour;
        let state = behaviour.decode(row.state.as_slice()).ok()?;
        Some(behaviour.waiting(&state, address, self.now))
    }

    /// Checks every invariant of the node; the first one broken is the answer.
    pub fn audit(&self) -> Result<(), Violation> {
        self.node.audit()
    }

    /// One input by the node's contract: touch, hydrate, step, commit, settle, release.
    fn step(&mut self, input: Input) -> Step {
        let touches = self.node.touches(&input);
        self.node.hydrate(self.tables.hydrate(&touches));
        let mut out = Out::default();
        self.node.step(self.now, input, &mut out);
        self.tables.apply(&out.records);
        self.node.settle(RESIDENTS_MAX);
        Step::of(out)
    }

    fn fresh_id(&mut self) -> EventId {
        self.ids += 1;
        EventId::parse(&format!("sim-{}", self.ids)).expect("made of visible characters")
    }
}

impl Step {
    fn of(out: Out) -> Step {
        let mut step = Step::default();
        for record in out.records {
            match record {
                Record::Turn(turn) => step.turns.push((turn.instance.address, turn.entry)),
                Record::Sent(sent) => step.sent.push(sent),
                Record::DeadLetter(letter) => step.dead_letters.push(letter),
                Record::Queued(queued) => step.waiting.push(queued.address),
                Record::Row(row) => step.waiting.push(row.instance.address),
                Record::Definition(_)
                | Record::Seat(_)
                | Record::DeadLetterGone(_)
                | Record::Outcome(..)
                | Record::SentGone(_)
                | Record::Trimmed(_)
                | Record::Deleted(_) => {}
            }
        }
        step.waiting.dedup();
        for release in out.releases {
            match release {
                Release::Answer(_, answer) => step.answer = Some(answer),
                Release::Decided(id, outcome) => step.decided.push((id, outcome)),
            }
        }
        step
    }
}

impl Clone for World {
    fn clone(&self) -> World {
        World {
            node: node_of(self.seed, &self.definitions, &self.tables),
            seed: self.seed,
            tables: self.tables.clone(),
            definitions: self.definitions.clone(),
            now: self.now,
            ids: self.ids,
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// Only one input is in the air at a time, so one ticket is enough.
const TICKET: Ticket = Ticket(0);

/// No instance stays in memory between steps, so that every step begins as after a restart.
const RESIDENTS_MAX: usize = 0;

fn node_of(seed: u64, definitions: &[(Arc<Definition>, Arc<str>)], tables: &Tables) -> Node {
    let mut node = Node::new(seed);
    node.restore(tables.position, tables.outbox.values().cloned().collect());
    for (definition, source) in definitions {
        node.restore_definition(definition.clone(), source.clone());
    }
    node
}

/// What wakes an instance.
fn timers_of(kept: &Kept) -> impl Iterator<Item = TimerKey> + '_ {
    let row = &kept.row;
    let timers = row.timers.iter().map(|timer| TimerKey {
        due: timer.due,
        address: row.address.clone(),
        generation: Some(timer.generation),
    });
    let retry = row.retry.iter().map(|retry| TimerKey {
        due: retry.due,
        address: row.address.clone(),
        generation: None,
    });
    timers.chain(retry).chain(row.tasks.iter().filter_map(|task| task.timer(&row.address)))
}
