//! The shard's thread: batch, hydrate, step, one commit, release, for ever.

use crate::error::{CallError, StartError};
use crate::estate::{Ended, Estate, Owned};
use crate::expiring::Expiring;
use crate::follow::Turned;
use crate::handle::{Call, Shared};
use crate::metrics::bump;
use crate::native;
use crate::tasks::Depths;
use crate::watch::{Watch, watched};
use crate::{Crew, Options};
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use everstate_kernel::{
    Address, Answer, DeadlineReason, Durability, Input, Json, Node, Out, Outcome, Record, Refusal, Release,
    Remedy, Report, Serial, Status, Ticket, Time, Touches, limits,
};
use everstate_store::{Reader, StoreError};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A node, and the thread that runs it. What outlives the thread is in the [`Estate`].
pub(crate) struct Shard {
    node: Node,
    estate: Estate,
    /// The number of this thread among the owners of the estate.
    owner: u32,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    watch: Arc<Watch>,
    /// Calls that the thread before has taken and not answered.
    backlog: VecDeque<Call>,
    /// Tasks that were offered in the current batch: the store says that they are ready still.
    pub(crate) offered: BTreeSet<Serial>,
    /// The disk was full a moment ago: nothing from within is tried before this.
    full_until: Option<Instant>,
    pub(crate) expiring: Expiring,
}

/// What one batch has taken. One is used for all batches, since its lists are long.
#[derive(Default)]
pub(crate) struct Batch {
    out: Out,
    pub(crate) inputs: usize,
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

    /// What was stepped wants to be kept.
    pub(crate) fn records(&self) -> &[Record] {
        &self.out.records
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.out.records.is_empty()
    }
}

/// Turns of operators that may lie between a fault and its retry. More have thought about it for long enough to resume
/// the instance and to retry the dead letter by its number.
const LETTER_TURNS_MAX: usize = 100;

/// How long the longest wait without a deadline is; only bounds the arithmetic.
const IDLE: Duration = Duration::from_secs(3600);

/// How long timers and events between instances rest after the disk was found full. At once would spin, a second
/// would keep timers late for long once there is room again.
const FULL_PAUSE: Duration = Duration::from_millis(200);

impl Shard {
    /// The first thread of a node.
    pub(crate) fn new(crew: &Crew) -> Result<Shard, StartError> {
        let mut shard = Shard::of(0, crew);
        let depths = Depths::read(&*shard.reader)?;
        *shard.shared.depths.lock().unwrap_or_else(PoisonError::into_inner) = depths;
        shard.restore().map_err(store_error)?;
        shard.put_natives()?;
        Ok(shard)
    }

    /// The thread that takes over: it goes on from what is committed, with the calls that were taken since.
    pub(crate) fn take_over(owner: u32, crew: &Crew) -> Result<Shard, StoreError> {
        let mut shard = Shard::of(owner, crew);
        let begun = shard.restore().and_then(|()| {
            shard.owned(|owned| {
                owned.recording.restored();
                owned.callers.take_back()
            })
        });
        shard.backlog = begun.map_err(store_error)?;
        Ok(shard)
    }

    fn of(owner: u32, crew: &Crew) -> Shard {
        let Crew { estate, options, shared, watch, .. } = crew.clone();
        let (node, reader) = (Node::new(options.seed), shared.reader.clone());
        let (backlog, offered, full_until) = (VecDeque::new(), BTreeSet::new(), None);
        let expiring = Expiring::default();
        Shard { node, estate, owner, reader, options, shared, watch, backlog, offered, full_until, expiring }
    }

    /// Works with what outlives this thread, unless it was left behind.
    pub(crate) fn owned<T>(&self, work: impl FnOnce(&mut Owned) -> T) -> Result<T, Ended> {
        self.estate.with(self.owner, work)
    }

    pub(crate) fn now(&self) -> Result<Time, Ended> {
        self.owned(|owned| owned.clock.now())
    }

    /// Makes the node anew from what is committed.
    fn restore(&mut self) -> Result<(), Ended> {
        let last_position = self.reader.summary()?.last_position;
        let outbox = self.reader.outbox(None, usize::MAX)?;
        self.node = Node::new(self.options.seed);
        for (definition, record) in self.shared.definitions.all() {
            let definition = match native::is_native(&record.source) {
                true => watched(&definition, &self.watch),
                false => definition,
            };
            self.node.restore_definition(definition, record.source);
        }
        self.node.restore(last_position, outbox);
        self.node.retain_by_default(self.options.retain);
        self.expiring.restore(&*self.reader, &self.options.retain)?;
        self.owned(|owned| owned.publisher.committed(last_position))
    }

    /// Puts the behaviours that the program brings along and the store does not hold yet.
    fn put_natives(&mut self) -> Result<(), StartError> {
        let (now, mut out) = (self.now().map_err(store_error)?, Out::default());
        let natives = self.options.natives.clone();
        for native in &natives {
            let (id, source) = (native.id.clone(), native::source(&native.id));
            let definition = watched(native, &self.watch);
            self.node.step(now, Input::Define { ticket: Ticket(0), definition, source }, &mut out);
            if let Some(Release::Answer(_, Answer::Refused(refusal))) = out.releases.pop() {
                return Err(StartError::Put { id, problem: refusal.to_string() });
            }
        }
        if out.records.is_empty() {
            return Ok(());
        }
        let durability = out.durability.unwrap_or(Durability::Power);
        self.owned(|owned| owned.store.commit(&out.records, durability)).map_err(store_error)??;
        self.node.settle(self.options.instances_cached_max);
        for record in out.records {
            if let Record::Definition(record) = record
                && let Some(native) = natives.iter().find(|native| native.id == record.id)
            {
                self.shared.definitions.insert(native.clone(), record);
            }
        }
        Ok(())
    }

    /// Works until no handle takes calls any more, or the store fails. Nothing when this thread was left behind.
    pub(crate) fn run(mut self, queue: &Receiver<Call>) -> Option<Result<(), StoreError>> {
        let _told = TellOfPanic(self.shared.clone());
        let ended = match self.work(queue) {
            Ok(()) => Ok(()),
            Err(Ended::LeftBehind) => return None,
            Err(Ended::Store(error)) => Err(error),
        };
        let mut owned = self.estate.end(self.owner)?;
        if let Err(error) = &ended {
            tracing::error!(%error, "the store failed; nothing more is taken");
            self.shared.fail(&error.to_string());
            owned.callers.refuse_all(&CallError::Failed(error.to_string()));
        }
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Whoever still waits sees its channel closed and learns why from `failure`.
        let closed = owned.store.close();
        Some(ended.and(closed))
    }

    fn work(&mut self, queue: &Receiver<Call>) -> Result<(), Ended> {
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
            self.expire()?;
        }
    }

    /// Was the disk full a moment ago?
    pub(crate) fn is_full(&self) -> bool {
        self.full_until.is_some()
    }

    /// Drops what was stepped since the last commit.
    pub(crate) fn give_up_batch(&mut self) -> Result<(), Ended> {
        self.restore()?;
        self.owned(|owned| owned.recording.restored())
    }

    /// Waits for a call or a deadline, then takes and steps what is there, as far as the batch goes. Answers
    /// false when no call will ever come again.
    fn gather(&mut self, queue: &Receiver<Call>, batch: &mut Batch) -> Result<bool, Ended> {
        // With one call in each batch, a second one that does not end delays nobody but itself.
        if let Some(call) = self.backlog.pop_front() {
            self.take(call, batch)?;
            return Ok(true);
        }
        let mut next = match self.wait(queue)? {
            Waited::Call(call) => Some(call),
            Waited::Deadline => None,
            Waited::Closed => return Ok(false),
        };
        self.lease_again(batch)?;
        loop {
            let call = match next.take() {
                Some(call) => call,
                None => match queue.try_recv() {
                    Ok(call) => call,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(true),
                },
            };
            self.shared.queued.fetch_sub(call.events(), Ordering::Relaxed);
            self.take(call, batch)?;
            if batch.inputs >= self.options.batch_inputs_max || batch.bytes >= self.options.batch_bytes_max {
                return Ok(true);
            }
        }
    }

    fn wait(&mut self, queue: &Receiver<Call>) -> Result<Waited, Ended> {
        let until = match self.node.next_deadline() {
            None => IDLE,
            Some(deadline) => match deadline.reason {
                DeadlineReason::Outbox => Duration::ZERO,
                DeadlineReason::Timer => Duration::from_millis((deadline.at - self.now()?).0).min(IDLE),
                DeadlineReason::Refill => {
                    self.refill()?;
                    Duration::ZERO
                }
            },
        };
        let until = match self.expiring.at {
            Some(at) => until.min(Duration::from_millis((at - self.now()?).0)),
            None => until,
        };
        let until = if self.owned(|owned| owned.leasing.is_due())? { Duration::ZERO } else { until };
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
    fn refill(&mut self) -> Result<(), Ended> {
        let limit = limits::TIMER_WINDOW_MAX / 2;
        let timers = self.reader.timers(self.node.refill_after(), limit)?;
        let complete = timers.len() < limit;
        let now = self.now()?;
        self.node.step(now, Input::Refill { timers, complete }, &mut Out::default());
        Ok(())
    }

    /// Steps what arises from within: events between instances, and timers, as far as the batch goes.
    fn step_ready(&mut self, batch: &mut Batch) -> Result<(), Ended> {
        if self.full_until.take_if(|until| *until <= Instant::now()).is_none() && self.full_until.is_some() {
            return Ok(());
        }
        let mut now = self.now()?;
        let limit = batch.inputs + self.options.batch_inputs_max;
        let bytes = batch.bytes + self.options.batch_bytes_max;
        while batch.inputs < limit && batch.bytes < bytes {
            let Some(input) = self.node.ready(now) else { break };
            if let Input::Due(key) = &input {
                let late = (now - key.due).0.saturating_mul(1000);
                self.shared.metrics.timer_late_seconds.count(late);
            }
            self.step(now, input, batch)?;
            if batch.inputs.is_multiple_of(64) {
                now = self.now()?;
            }
        }
        Ok(())
    }

    /// Brings in what the inputs touch, in one look into the store.
    fn hydrate(&mut self, inputs: &[Input]) -> Result<(), Ended> {
        let mut touches = Touches::default();
        for input in inputs {
            let more = self.node.touches(input);
            touches.addresses.extend(more.addresses);
            touches.ids.extend(more.ids);
        }
        if !touches.addresses.is_empty() || !touches.ids.is_empty() {
            let loaded = self.owned(|owned| owned.store.hydrate(&touches))??;
            self.node.hydrate(loaded);
        }
        Ok(())
    }

    pub(crate) fn step(&mut self, now: Time, input: Input, batch: &mut Batch) -> Result<(), Ended> {
        self.hydrate(std::slice::from_ref(&input))?;
        self.owned(|owned| owned.recording.stepped(now, &input))?;
        let told = batch.out.records.len();
        self.node.step(now, input, &mut batch.out);
        batch.inputs += 1;
        // A space may tell many in one turn, and what is told together is in one commit.
        batch.bytes += batch.out.records[told..].iter().map(told_bytes).sum::<usize>();
        Ok(())
    }

    /// Turns a call into inputs and steps them.
    fn take(&mut self, call: Call, batch: &mut Batch) -> Result<(), Ended> {
        let mut call = match call {
            Call::Lease(want) => return self.lease(want, batch),
            call => call,
        };
        let now = self.now()?;
        match &mut call {
            Call::Repair { address, repair, .. } => {
                if let Remedy::Retry(letter) = &mut repair.remedy {
                    *letter = self.letter_that_parked(address)?.map(Box::new);
                }
            }
            Call::Decided { id, .. } => {
                let known = self.reader.outcome(id, now)?.and_then(|known| known.outcome);
                let Call::Decided { id, reply } = call else { return Ok(()) };
                return match known {
                    // Nobody may wait any more; then nobody misses it.
                    Some(outcome) => {
                        let _ = reply.send(outcome);
                        Ok(())
                    }
                    None => self.owned(|owned| owned.callers.wait(id, reply)),
                };
            }
            Call::RetryDeadLetter { number, .. } | Call::DiscardDeadLetter { number, .. } => {
                let (number, retry) = (*number, matches!(call, Call::RetryDeadLetter { .. }));
                let Some(letter) = self.letter(number)? else {
                    let unknown = Answer::Refused(Refusal::UnknownDeadLetter(number));
                    if let Some(reply) = call.into_reply() {
                        let _ = reply.send(Ok(unknown));
                    }
                    return Ok(());
                };
                let ticket = self.owned(|owned| {
                    let ticket = owned.callers.ticket();
                    owned.callers.take(call);
                    ticket
                })?;
                let input = match retry {
                    true => Input::RetryDeadLetter { ticket, letter },
                    false => Input::DiscardDeadLetter { ticket, letter },
                };
                return self.step(now, input, batch);
            }
            _ => {}
        }
        let inputs = self.owned(|owned| {
            let inputs = call.inputs(|| owned.callers.ticket());
            owned.callers.take(call);
            inputs
        })?;
        if inputs.len() > 1 {
            self.hydrate(&inputs)?;
        }
        for input in inputs {
            batch.bytes += match &input {
                Input::Event { event, .. } => event.data.as_str().len(),
                Input::Report { report: Report::Done(result), .. } => result.as_str().len(),
                _ => 0,
            };
            self.step(now, input, batch)?;
        }
        Ok(())
    }

    fn letter(&self, number: Serial) -> Result<Option<everstate_kernel::DeadLetter>, StoreError> {
        let before = number.0.checked_sub(1).map(Serial);
        let found = self.reader.dead_letters(before, 1)?;
        Ok(found.into_iter().find(|letter| letter.number == number))
    }

    /// The letter of the last event of an instance that failed for good.
    fn letter_that_parked(
        &self,
        address: &Address,
    ) -> Result<Option<everstate_kernel::DeadLetter>, StoreError> {
        let Some((row, _)) = self.reader.instance(address)? else { return Ok(None) };
        // One that is parked makes no turns but those of operators.
        let after = row.turns.saturating_sub(LETTER_TURNS_MAX as u64);
        let history = self.reader.history(address, after, LETTER_TURNS_MAX)?;
        match history.iter().rev().find_map(everstate_kernel::HistoryEntry::letter) {
            Some(number) => self.letter(number),
            None => Ok(None),
        }
    }

    /// Commits the batch and lets out what it released.
    pub(crate) fn finish(&mut self, batch: &mut Batch) -> Result<(), Ended> {
        let out = &mut batch.out;
        self.offered.clear();
        let metrics = self.shared.metrics.clone();
        if !out.records.is_empty() {
            let started = Instant::now();
            let durability = out.durability.unwrap_or(Durability::Power);
            match self.owned(|owned| owned.store.commit(&out.records, durability))? {
                Ok(()) => {}
                Err(StoreError::Full) => {
                    self.give_up_batch()?;
                    self.full_until = Some(Instant::now() + FULL_PAUSE);
                    self.owned(|owned| owned.callers.refuse_all(&CallError::Full))?;
                    batch.clear();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            metrics.commit_seconds.count_time(started.elapsed());
            metrics.commit_records.count(out.records.len() as u64);
            metrics.batch_inputs.count(batch.inputs as u64);
            let position = self.node.position();
            self.owned(|owned| owned.publisher.committed(position))?;
        }
        self.owned(|owned| owned.recording.committed(&out.records))?;
        self.node.settle(self.options.instances_cached_max);
        self.tell(&mut out.records)?;
        for release in &out.releases {
            if let Release::Answer(_, answer) = release {
                count(&metrics, answer);
            }
        }
        self.owned(|owned| {
            let workers = owned.callers.release(&mut out.releases);
            workers.into_iter().for_each(|(want, answer)| owned.leasing.give(want, answer));
        })?;
        batch.clear();
        let now = self.now()?;
        metrics.timers_late.store(self.node.timers_late(now) as u64, Ordering::Relaxed);
        metrics.outbox.store(self.node.outbox_len() as u64, Ordering::Relaxed);
        metrics.instances_cached.store(self.node.resident_len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Counts and publishes what was committed.
    fn tell(&mut self, records: &mut Vec<Record>) -> Result<(), Ended> {
        self.count_tasks(records)?;
        let wanted = self.owned(|owned| owned.publisher.wanted())?;
        let mut turns = Vec::new();
        for record in records.drain(..) {
            self.expiring.apply(&record);
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
                Record::Trimmed(trimmed) if !trimmed.positions.is_empty() => {
                    bump(&self.shared.metrics.expired);
                }
                Record::Deleted(deleted) if deleted.expired_to > 0 => bump(&self.shared.metrics.expired),
                Record::DeadLetter(_) => bump(&self.shared.metrics.dead_letters),
                _ => {}
            }
        }
        if !turns.is_empty() {
            self.owned(|owned| owned.publisher.publish(turns))?;
        }
        Ok(())
    }
}

/// A thread that begins is not left behind: nothing of its own runs before it is watched.
fn store_error(ended: Ended) -> StoreError {
    match ended {
        Ended::Store(error) => error,
        Ended::LeftBehind => StoreError::Poisoned("another thread has taken over".into()),
    }
}

/// The bytes of what one record sends.
fn told_bytes(record: &Record) -> usize {
    if let Record::Sent(sent) = record { sent.event.data.as_str().len() } else { 0 }
}

/// Callers must learn that the shard is gone even when it went in a way that nobody foresaw.
struct TellOfPanic(Arc<Shared>);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the shard's thread panicked; the log has the place");
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
