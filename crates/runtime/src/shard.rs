//! The shard's thread: batch, hydrate, step, one commit, release, for ever.

mod tasks;

use crate::Options;
use crate::clock::Clock;
use crate::error::{CallError, StartError};
use crate::follow::{Publisher, Turned};
use crate::handle::{Call, Replies, Reply, Shared};
use crate::metrics::bump;
use crate::tasks::{Depths, Waiters, Want};
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use everstate_kernel::{
    Address, Answer, DeadlineReason, Durability, Event, EventId, Input, Json, Lease, Node, Out, Outcome,
    Record, Refusal, Release, Report, Serial, Status, Ticket, Time, Touches, limits,
};
use everstate_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A node with its store, its clock and those who wait for answers.
pub(crate) struct Shard {
    node: Node,
    store: Box<dyn Store>,
    clock: Box<dyn Clock>,
    options: Options,
    shared: Arc<Shared>,
    publisher: Publisher,
    /// Who waits for which answer of the current batch; a ticket is the place in this list.
    asked: Vec<Asked>,
    /// Calls with many events, whose answers are gathered until the commit.
    gathered: Vec<Gathered>,
    /// Who waits for events that were kept.
    waiting: BTreeMap<EventId, Vec<oneshot::Sender<Outcome>>>,
    /// At how many of these to look for those who have stopped waiting.
    waiting_clean_at: usize,
    /// Workers that wait for tasks.
    waiters: Waiters,
    /// Tasks that were offered in the current batch: the store says that they are ready still.
    offered: BTreeSet<Serial>,
    /// Leases whose worker was gone when it was to get them.
    returned: Vec<Lease>,
    /// The disk was full a moment ago: nothing from within is tried before this.
    full_until: Option<Instant>,
}

/// Who waits for an answer.
enum Asked {
    One(Reply),
    /// One of the events of the call at this place in `gathered`.
    Part(usize),
    /// A worker, and what it wants.
    Worker(Want),
}

/// A call with many events.
struct Gathered {
    answers: Vec<Answer>,
    replies: Replies,
}

/// What one batch has taken. One is used for all batches, since its lists are long.
#[derive(Default)]
struct Batch {
    out: Out,
    inputs: usize,
    bytes: usize,
}

impl Batch {
    /// Makes it ready for the next one.
    fn clear(&mut self) {
        self.out.records.clear();
        self.out.releases.clear();
        self.out.durability = None;
        (self.inputs, self.bytes) = (0, 0);
    }
}

/// How long the longest wait without a deadline is; only bounds the arithmetic.
const IDLE: Duration = Duration::from_secs(3600);

/// How long timers and events between instances rest after the disk was found full. At once would spin, a second
/// would keep timers late for long once there is room again.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// Fewer waiting callers than this are not worth a look.
const WAITING_CLEAN_MIN: usize = 256;

impl Shard {
    pub(crate) fn new(
        store: Box<dyn Store>,
        options: Options,
        clock: Box<dyn Clock>,
        shared: Arc<Shared>,
        publisher: Publisher,
    ) -> Result<Shard, StartError> {
        let node = Node::new(options.seed);
        let (asked, gathered, waiting) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (waiting_clean_at, full_until) = (WAITING_CLEAN_MIN, None);
        let mut shard = Shard {
            node,
            store,
            clock,
            options,
            shared,
            publisher,
            asked,
            gathered,
            waiting,
            waiting_clean_at,
            waiters: Waiters::default(),
            offered: BTreeSet::new(),
            returned: Vec::new(),
            full_until,
        };
        let depths = Depths::read(&*shard.store.reader())?;
        *shard.shared.depths.lock().unwrap_or_else(PoisonError::into_inner) = depths;
        shard.restore()?;
        Ok(shard)
    }

    /// Makes the node anew from what is committed.
    fn restore(&mut self) -> Result<(), StoreError> {
        let reader = self.store.reader();
        let last_position = reader.summary()?.last_position;
        let outbox = reader.outbox(None, usize::MAX)?;
        self.node = Node::new(self.options.seed);
        for (definition, record) in self.shared.definitions.all() {
            self.node.restore_definition(definition, record.source);
        }
        self.node.restore(last_position, outbox);
        self.publisher.committed(last_position);
        Ok(())
    }

    /// Works until no handle takes calls any more, or the store fails.
    pub(crate) fn run(mut self, queue: &Receiver<Call>) -> Result<(), StoreError> {
        let _told = TellOfPanic(self.shared.clone());
        let ended = self.work(queue);
        if let Err(error) = &ended {
            tracing::error!(%error, "the store failed; nothing more is taken");
            let mut failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.to_string());
            drop(failure);
            self.answer_all(&CallError::Failed(error.to_string()));
        }
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Whoever still waits sees its channel closed and learns why from `failure`.
        let closed = self.store.close();
        ended.and(closed)
    }

    fn work(&mut self, queue: &Receiver<Call>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        loop {
            let open = self.gather(queue, &mut batch)?;
            if open {
                self.step_ready(&mut batch)?;
            }
            self.finish(&mut batch)?;
            if !open {
                // What is on its way is in the store, and goes on at the next start.
                return Ok(());
            }
        }
    }

    /// Waits for a call or a deadline, then takes and steps what is there, as far as the batch goes. Answers
    /// false when no call will ever come again.
    fn gather(&mut self, queue: &Receiver<Call>, batch: &mut Batch) -> Result<bool, StoreError> {
        let mut next = match self.wait(queue)? {
            Waited::Call(call) => Some(call),
            Waited::Deadline => None,
            Waited::Closed => return Ok(false),
        };
        self.take_back(batch)?;
        loop {
            let call = match next.take() {
                Some(call) => call,
                None => match queue.try_recv() {
                    Ok(call) => call,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(true),
                },
            };
            self.take(call, batch)?;
            if batch.inputs >= self.options.batch_inputs_max || batch.bytes >= self.options.batch_bytes_max {
                return Ok(true);
            }
        }
    }

    fn wait(&mut self, queue: &Receiver<Call>) -> Result<Waited, StoreError> {
        let until = match self.node.next_deadline() {
            None => IDLE,
            Some(deadline) => match deadline.reason {
                DeadlineReason::Outbox => Duration::ZERO,
                DeadlineReason::Timer => Duration::from_millis((deadline.at - self.clock.now()).0).min(IDLE),
                DeadlineReason::Refill => {
                    self.refill()?;
                    Duration::ZERO
                }
            },
        };
        let until =
            if self.waiters.has_woken() || !self.returned.is_empty() { Duration::ZERO } else { until };
        let until = match self.full_until {
            Some(full_until) => until.max(full_until.saturating_duration_since(Instant::now())),
            None => until,
        };
        let call = if until.is_zero() {
            queue.try_recv().map_err(|error| matches!(error, TryRecvError::Disconnected))
        } else {
            queue.recv_timeout(until).map_err(|error| matches!(error, RecvTimeoutError::Disconnected))
        };
        Ok(match call {
            Ok(call) => Waited::Call(call),
            Err(true) => Waited::Closed,
            Err(false) => Waited::Deadline,
        })
    }

    /// Reads more timers. Everything before is committed, since this is between two batches.
    fn refill(&mut self) -> Result<(), StoreError> {
        let limit = limits::TIMER_WINDOW_MAX / 2;
        let timers = self.store.reader().timers(self.node.refill_after(), limit)?;
        let complete = timers.len() < limit;
        let now = self.clock.now();
        self.node.step(now, Input::Refill { timers, complete }, &mut Out::default());
        Ok(())
    }

    /// Steps what arises from within: events between instances, and timers, as far as the batch goes.
    fn step_ready(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        if self.full_until.take_if(|until| *until <= Instant::now()).is_none() && self.full_until.is_some() {
            return Ok(());
        }
        let mut now = self.clock.now();
        let limit = batch.inputs + self.options.batch_inputs_max;
        while batch.inputs < limit {
            let Some(input) = self.node.ready(now) else { break };
            if let Input::Due(key) = &input {
                let late = (now - key.due).0.saturating_mul(1000);
                self.shared.metrics.timer_late_seconds.count(late);
            }
            self.step(now, input, batch)?;
            if batch.inputs.is_multiple_of(64) {
                now = self.clock.now();
            }
        }
        Ok(())
    }

    /// Brings in what the inputs touch, in one look into the store.
    fn hydrate(&mut self, inputs: &[Input]) -> Result<(), StoreError> {
        let mut touches = Touches::default();
        for input in inputs {
            let more = self.node.touches(input);
            touches.addresses.extend(more.addresses);
            touches.ids.extend(more.ids);
        }
        if !touches.addresses.is_empty() || !touches.ids.is_empty() {
            self.node.hydrate(self.store.hydrate(&touches)?);
        }
        Ok(())
    }

    fn step(&mut self, now: Time, input: Input, batch: &mut Batch) -> Result<(), StoreError> {
        self.hydrate(std::slice::from_ref(&input))?;
        self.node.step(now, input, &mut batch.out);
        batch.inputs += 1;
        Ok(())
    }

    /// Turns a call into inputs and steps them.
    fn take(&mut self, call: Call, batch: &mut Batch) -> Result<(), StoreError> {
        let now = self.clock.now();
        let input = match call {
            Call::Events { events, replies } => return self.take_events(now, events, replies, batch),
            Call::Lease(want) => {
                self.shared.queued.fetch_sub(1, Ordering::Relaxed);
                return self.lease(want, batch);
            }
            Call::Report { lease, report, reply } => {
                if let Report::Done(result) = &report {
                    batch.bytes += result.as_str().len();
                }
                Input::Report { ticket: self.ticket(Asked::One(reply)), lease, report }
            }
            Call::Decided { id, reply } => {
                match self.store.reader().outcome(&id, now)?.and_then(|known| known.outcome) {
                    // Nobody may wait any more; then nobody misses it.
                    Some(outcome) => drop(reply.send(outcome)),
                    None => self.waiting.entry(id).or_default().push(reply),
                }
                return Ok(());
            }
            Call::Event { to, event, reply } => {
                batch.bytes += event.data.as_str().len();
                Input::Event { ticket: self.ticket(Asked::One(reply)), to, event }
            }
            Call::Start { address, version, id, data, reply } => {
                Input::Start { ticket: self.ticket(Asked::One(reply)), address, version, id, data }
            }
            Call::Define { definition, source, reply } => {
                Input::Define { ticket: self.ticket(Asked::One(reply)), definition, source }
            }
            Call::Delete { address, reply } => {
                Input::Delete { ticket: self.ticket(Asked::One(reply)), address }
            }
            Call::Stop { address, kill, reply } => {
                Input::Stop { ticket: self.ticket(Asked::One(reply)), address, kill }
            }
            Call::Restart { address, from, reply } => {
                Input::Restart { ticket: self.ticket(Asked::One(reply)), address, from }
            }
            Call::RetryDeadLetter { number, reply } => match self.letter(number)? {
                Some(letter) => Input::RetryDeadLetter { ticket: self.ticket(Asked::One(reply)), letter },
                None => {
                    self.unknown_letter(number, reply);
                    return Ok(());
                }
            },
            Call::DiscardDeadLetter { number, reply } => match self.letter(number)? {
                Some(letter) => Input::DiscardDeadLetter { ticket: self.ticket(Asked::One(reply)), letter },
                None => {
                    self.unknown_letter(number, reply);
                    return Ok(());
                }
            },
        };
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        self.step(now, input, batch)
    }

    /// Many events of one call, brought in with one look into the store.
    fn take_events(
        &mut self,
        now: Time,
        events: Vec<(Address, Event)>,
        replies: Replies,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let place = self.gathered.len();
        self.shared.queued.fetch_sub(events.len(), Ordering::Relaxed);
        self.gathered.push(Gathered { answers: Vec::with_capacity(events.len()), replies });
        let events: Vec<Input> = events
            .into_iter()
            .map(|(to, event)| {
                batch.bytes += event.data.as_str().len();
                Input::Event { ticket: self.ticket(Asked::Part(place)), to, event }
            })
            .collect();
        self.hydrate(&events)?;
        for event in events {
            self.step(now, event, batch)?;
        }
        Ok(())
    }

    fn ticket(&mut self, asked: Asked) -> Ticket {
        self.asked.push(asked);
        Ticket(self.asked.len() as u64 - 1)
    }

    fn letter(&self, number: Serial) -> Result<Option<everstate_kernel::DeadLetter>, StoreError> {
        let before = number.0.checked_sub(1).map(Serial);
        let found = self.store.reader().dead_letters(before, 1)?;
        Ok(found.into_iter().find(|letter| letter.number == number))
    }

    fn unknown_letter(&self, number: Serial, reply: Reply) {
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        // Nobody may wait any more; then nobody misses it.
        let _ = reply.send(Ok(Answer::Refused(Refusal::UnknownDeadLetter(number))));
    }

    /// Commits the batch and lets out what it released.
    fn finish(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let out = &mut batch.out;
        self.offered.clear();
        let metrics = self.shared.metrics.clone();
        if !out.records.is_empty() {
            let started = Instant::now();
            match self.store.commit(&out.records, out.durability.unwrap_or(Durability::Power)) {
                Ok(()) => {}
                Err(StoreError::Full) => {
                    self.restore()?;
                    self.full_until = Some(Instant::now() + FULL_PAUSE);
                    self.answer_all(&CallError::Full);
                    batch.clear();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            metrics.commit_seconds.count_time(started.elapsed());
            metrics.commit_records.count(out.records.len() as u64);
            metrics.batch_inputs.count(batch.inputs as u64);
            self.publisher.committed(self.node.position());
        }
        self.node.settle(self.options.instances_cached_max);
        self.tell(&mut out.records);
        self.release(&mut out.releases);
        batch.clear();
        let now = self.clock.now();
        metrics.timers_late.store(self.node.timers_late(now) as u64, Ordering::Relaxed);
        metrics.outbox.store(self.node.outbox_len() as u64, Ordering::Relaxed);
        metrics.instances_cached.store(self.node.resident_len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn release(&mut self, releases: &mut Vec<Release>) {
        let mut asked: Vec<Option<Asked>> = std::mem::take(&mut self.asked).into_iter().map(Some).collect();
        for release in releases.drain(..) {
            match release {
                Release::Answer(ticket, answer) => {
                    count(&self.shared.metrics, &answer);
                    match usize::try_from(ticket.0)
                        .ok()
                        .and_then(|at| asked.get_mut(at))
                        .and_then(Option::take)
                    {
                        // Nobody may wait any more; then nobody misses it. So for all sends here.
                        Some(Asked::One(reply)) => drop(reply.send(Ok(answer))),
                        Some(Asked::Part(place)) => self.gathered[place].answers.push(answer),
                        Some(Asked::Worker(want)) => self.give(want, answer),
                        None => {}
                    }
                }
                Release::Decided(id, outcome) => {
                    for reply in self.waiting.remove(&id).into_iter().flatten() {
                        drop(reply.send(outcome.clone()));
                    }
                }
            }
        }
        for gathered in self.gathered.drain(..) {
            drop(gathered.replies.send(Ok(gathered.answers)));
        }
        if self.waiting.len() >= self.waiting_clean_at {
            self.waiting.retain(|_, replies| {
                replies.retain(|reply| !reply.is_closed());
                !replies.is_empty()
            });
            self.waiting_clean_at = WAITING_CLEAN_MIN.max(2 * self.waiting.len());
        }
    }

    /// Counts and publishes what was committed.
    fn tell(&mut self, records: &mut Vec<Record>) {
        self.count_tasks(records);
        let wanted = self.publisher.wanted();
        let mut turns = Vec::new();
        for record in records.drain(..) {
            match record {
                Record::Turn(turn) => {
                    bump(counter(&self.shared.metrics, &turn.entry.outcome));
                    if wanted {
                        let turn = *turn;
                        let done = match turn.instance.status {
                            Status::Final(output) => Some(output),
                            // Whoever was stopped or gave up has ended without an output.
                            status => status.is_ended().then_some(Json::NULL),
                        };
                        let (address, version) = (turn.instance.address, turn.instance.version);
                        turns.push(Arc::new(Turned { address, version, entry: turn.entry, done }));
                    }
                }
                Record::Definition(record) => {
                    if let Some(definition) = self.node.definition(&record.id.name, Some(&record.id.version))
                    {
                        self.shared.definitions.insert(definition.clone(), record);
                    }
                }
                Record::Queued(_) => bump(&self.shared.metrics.queued),
                Record::DeadLetter(_) => bump(&self.shared.metrics.dead_letters),
                _ => {}
            }
        }
        if !turns.is_empty() {
            self.publisher.publish(turns);
        }
    }

    /// Answers everyone of the current batch alike.
    fn answer_all(&mut self, error: &CallError) {
        for asked in self.asked.drain(..) {
            match asked {
                Asked::One(reply) => drop(reply.send(Err(error.clone()))),
                Asked::Worker(want) => drop(want.reply.send(Err(error.clone()))),
                Asked::Part(_) => {}
            }
        }
        for gathered in self.gathered.drain(..) {
            drop(gathered.replies.send(Err(error.clone())));
        }
    }
}

/// Callers must learn that the shard is gone even when it went in a way that nobody foresaw.
struct TellOfPanic(Arc<Shared>);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut failure = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| "the shard's thread panicked; the log has the place".into());
        }
    }
}

enum Waited {
    Call(Call),
    Deadline,
    Closed,
}

fn counter<'a>(metrics: &'a crate::Metrics, outcome: &Outcome) -> &'a AtomicU64 {
    match outcome {
        Outcome::Ok { .. } => &metrics.turns_ok,
        Outcome::Rejected { .. } => &metrics.turns_rejected,
        Outcome::Failed { .. } => &metrics.turns_failed,
    }
}

fn count(metrics: &crate::Metrics, answer: &Answer) {
    match answer {
        Answer::Decided { duplicate: true, .. } | Answer::Kept { duplicate: true } => {
            bump(&metrics.duplicates)
        }
        Answer::Refused(_) => bump(&metrics.refused),
        Answer::Decided { .. }
        | Answer::Kept { .. }
        | Answer::Put { .. }
        | Answer::Leased(_)
        | Answer::Noted { .. }
        | Answer::Gone => {}
    }
}
