//! What everybody but the shard's thread holds of a node: calls go in here, and answers come back after their
//! commit. Cheap to clone.

use crate::definitions::Definitions;
use crate::error::CallError;
use crate::follow::{Follower, Hub};
use crate::metrics::Metrics;
use crate::tasks::{Depth, Depths, Want};
use crossbeam_channel::{Receiver, Sender};
use everstate_kernel::{
    Address, Answer, Definition, Event, EventId, Input, Json, Lease, Leased, Outcome, Repair, Report,
    RestartFrom, Serial, Ticket, Time,
};
use everstate_store::Reader;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What became of an event or a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It has its outcome.
    Decided {
        /// The outcome.
        outcome: Outcome,
        /// Is it that of an earlier event with the same id?
        duplicate: bool,
    },
    /// It is kept and will be decided later; [`Handle::decided`] waits for that.
    Kept {
        /// Was it kept before?
        duplicate: bool,
    },
}

/// What became of a worker's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// The task has ended, and its instance is told.
    Ended {
        /// Was this said before?
        duplicate: bool,
    },
    /// The task goes on: the worker has it until then, or the next attempt may begin then.
    Noted {
        /// When.
        until: Time,
    },
}

/// A way to talk to a node.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What the handles and the shard share.
pub(crate) struct Shared {
    calls: Mutex<Option<Sender<Call>>>,
    /// Events in the queue, and how many there may be.
    pub(crate) queued: AtomicUsize,
    queued_max: usize,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) depths: Mutex<Depths>,
    /// The store has failed, and how.
    pub(crate) failure: Mutex<Option<String>>,
    pub(crate) stopped: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("queued", &self.queued).finish_non_exhaustive()
    }
}

/// The answer to a call, or why there is none.
pub(crate) type Reply = oneshot::Sender<Result<Answer, CallError>>;

/// The answers to the events of one call, in their order.
pub(crate) type Replies = oneshot::Sender<Result<Vec<Answer>, CallError>>;

/// What is asked of the shard.
pub(crate) enum Call {
    Define {
        definition: Arc<Definition>,
        source: Arc<str>,
        reply: Reply,
    },
    Start {
        address: Address,
        version: Option<Arc<str>>,
        id: EventId,
        data: Json,
        reply: Reply,
    },
    Event {
        to: Address,
        event: Event,
        reply: Reply,
    },
    Events {
        events: Vec<(Address, Event)>,
        replies: Replies,
    },
    Delete {
        address: Address,
        reply: Reply,
    },
    Stop {
        address: Address,
        kill: bool,
        reply: Reply,
    },
    Silence {
        address: Address,
        reply: Reply,
    },
    Restart {
        address: Address,
        from: RestartFrom,
        reply: Reply,
    },
    Repair {
        address: Address,
        repair: Box<Repair>,
        reply: Reply,
    },
    RetryDeadLetter {
        number: Serial,
        reply: Reply,
    },
    DiscardDeadLetter {
        number: Serial,
        reply: Reply,
    },
    /// A worker wants tasks.
    Lease(Want),
    /// A worker says something of a task.
    Report {
        lease: Lease,
        report: Report,
        reply: Reply,
    },
    /// Tell when the event is decided.
    Decided {
        id: EventId,
        reply: oneshot::Sender<Outcome>,
    },
}

impl Call {
    /// How many events it brings into the queue.
    pub(crate) fn events(&self) -> usize {
        match self {
            Call::Events { events, .. } => events.len(),
            Call::Decided { .. } => 0,
            _ => 1,
        }
    }

    /// What it is for the node; one that concerns a dead letter needs the letter as well, and is none here.
    pub(crate) fn inputs(&self, mut ticket: impl FnMut() -> Ticket) -> Vec<Input> {
        if let Call::Events { events, .. } = self {
            let input = |(to, event): &(Address, Event)| Input::Event {
                ticket: ticket(),
                to: to.clone(),
                event: event.clone(),
            };
            return events.iter().map(input).collect();
        }
        self.input(ticket()).into_iter().collect()
    }

    fn input(&self, ticket: Ticket) -> Option<Input> {
        Some(match self {
            Call::Event { to, event, .. } => Input::Event { ticket, to: to.clone(), event: event.clone() },
            Call::Start { address, version, id, data, .. } => Input::Start {
                ticket,
                address: address.clone(),
                version: version.clone(),
                id: id.clone(),
                data: data.clone(),
            },
            Call::Define { definition, source, .. } => {
                Input::Define { ticket, definition: definition.clone(), source: source.clone() }
            }
            Call::Report { lease, report, .. } => {
                Input::Report { ticket, lease: lease.clone(), report: report.clone() }
            }
            Call::Delete { address, .. } => Input::Delete { ticket, address: address.clone() },
            Call::Silence { address, .. } => Input::Silence { ticket, address: address.clone() },
            Call::Repair { address, repair, .. } => {
                Input::Repair { ticket, address: address.clone(), repair: repair.clone() }
            }
            Call::Stop { address, kill, .. } => Input::Stop { ticket, address: address.clone(), kill: *kill },
            Call::Restart { address, from, .. } => {
                Input::Restart { ticket, address: address.clone(), from: from.clone() }
            }
            Call::Events { .. }
            | Call::Lease(_)
            | Call::RetryDeadLetter { .. }
            | Call::DiscardDeadLetter { .. }
            | Call::Decided { .. } => return None,
        })
    }

    /// Who waits for the one answer to it.
    pub(crate) fn into_reply(self) -> Option<Reply> {
        match self {
            Call::Define { reply, .. }
            | Call::Start { reply, .. }
            | Call::Event { reply, .. }
            | Call::Delete { reply, .. }
            | Call::Stop { reply, .. }
            | Call::Silence { reply, .. }
            | Call::Restart { reply, .. }
            | Call::Repair { reply, .. }
            | Call::Report { reply, .. }
            | Call::RetryDeadLetter { reply, .. }
            | Call::DiscardDeadLetter { reply, .. } => Some(reply),
            Call::Events { .. } | Call::Lease(_) | Call::Decided { .. } => None,
        }
    }
}

impl Shared {
    /// Says why nothing more is taken, unless that is known.
    pub(crate) fn fail(&self, why: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| why.to_owned());
    }
}

/// How long a refused caller shall wait: about as long as a full queue takes to drain.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

impl Handle {
    pub(crate) fn new(
        reader: Arc<dyn Reader>,
        definitions: Arc<Definitions>,
        metrics: Arc<Metrics>,
        hub: Arc<Hub>,
        queued_max: usize,
    ) -> (Handle, Receiver<Call>) {
        // Bounded by `queued`, which counts events and not calls.
        let (calls, queue) = crossbeam_channel::unbounded();
        let shared = Shared {
            calls: Mutex::new(Some(calls)),
            queued: AtomicUsize::new(0),
            queued_max,
            reader,
            definitions,
            metrics,
            hub,
            depths: Mutex::default(),
            failure: Mutex::new(None),
            stopped: AtomicBool::new(false),
        };
        (Handle { shared: Arc::new(shared) }, queue)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Takes no more calls.
    pub(crate) fn close(&self) {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Puts a definition compiled from `source`. Answers whether it is new; the very same text again is fine.
    pub async fn put(&self, definition: Arc<Definition>, source: Arc<str>) -> Result<bool, CallError> {
        match self.call(1, |reply| Call::Define { definition, source, reply }).await? {
            Answer::Put { fresh } => Ok(fresh),
            other => unreachable!("a definition was answered with {other:?}"),
        }
    }

    /// Starts an instance of a version, or of the greatest.
    pub async fn start(
        &self,
        address: Address,
        version: Option<Arc<str>>,
        id: EventId,
        data: Json,
    ) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::Start { address, version, id, data, reply }).await.map(decision)
    }

    /// Sends one event; answers after its commit.
    pub async fn send(&self, to: Address, event: Event) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::Event { to, event, reply }).await.map(decision)
    }

    /// Sends one event and waits for nothing: it is in the queue, and lost when the process ends before its turn.
    pub fn post(&self, to: Address, event: Event) -> Result<(), CallError> {
        let (reply, _) = oneshot::channel();
        self.push(1, Call::Event { to, event, reply })
    }

    /// Sends events in order; answers for each, in the same order, once all are committed.
    pub async fn send_many(
        &self,
        events: Vec<(Address, Event)>,
    ) -> Result<Vec<Result<Decision, CallError>>, CallError> {
        let (replies, answers) = oneshot::channel();
        self.push(events.len(), Call::Events { events, replies })?;
        let answers = answers.await.map_err(|_| self.gone())??;
        Ok(answers.into_iter().map(|answer| refused(answer).map(decision)).collect())
    }

    /// Waits until an event that was kept is decided. Cancel it by dropping.
    pub async fn decided(&self, id: &EventId) -> Result<Outcome, CallError> {
        let (reply, outcome) = oneshot::channel();
        self.push(0, Call::Decided { id: id.clone(), reply })?;
        outcome.await.map_err(|_| self.gone())
    }

    /// Deletes an instance.
    pub async fn delete(&self, address: Address) -> Result<(), CallError> {
        self.call(1, |reply| Call::Delete { address, reply }).await.map(drop)
    }

    /// Stops an instance: `kill` does so at once, otherwise its behaviour is asked to tidy up first.
    pub async fn stop_instance(&self, address: Address, kill: bool) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::Stop { address, kill, reply }).await.map(decision)
    }

    /// Ends a session that was not heard from in time.
    pub async fn silence(&self, address: Address) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::Silence { address, reply }).await.map(decision)
    }

    /// Lets an instance begin again.
    pub async fn restart(&self, address: Address, from: RestartFrom) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::Restart { address, from, reply }).await.map(decision)
    }

    /// Tries a dead letter again. It is taken out, and put back when again nobody can take it.
    pub async fn retry_dead_letter(&self, number: Serial) -> Result<Decision, CallError> {
        self.call(1, |reply| Call::RetryDeadLetter { number, reply }).await.map(decision)
    }

    /// Throws a dead letter away.
    pub async fn discard_dead_letter(&self, number: Serial) -> Result<(), CallError> {
        self.call(1, |reply| Call::DiscardDeadLetter { number, reply }).await.map(drop)
    }

    /// Takes at most `max` tasks from queues for a worker, the oldest first. When there are none, `waits` until there
    /// are; drop the future to stop waiting, and what was leased to nobody is given back.
    pub async fn lease(
        &self,
        worker: Arc<str>,
        queues: Vec<Arc<str>>,
        max: usize,
        waits: bool,
    ) -> Result<Vec<Leased>, CallError> {
        let (reply, leased) = oneshot::channel();
        self.push(1, Call::Lease(Want { worker, queues, max, waits, reply }))?;
        let mut awaiting = Awaiting { handle: self, leased };
        let leased = (&mut awaiting.leased).await;
        leased.map_err(|_| self.gone())?
    }

    /// Says something of a task that a worker leases.
    pub async fn report(&self, lease: Lease, report: Report) -> Result<Reported, CallError> {
        Ok(match self.call(1, |reply| Call::Report { lease, report, reply }).await? {
            Answer::Noted { until } => Reported::Noted { until },
            Answer::Decided { duplicate, .. } | Answer::Kept { duplicate } => Reported::Ended { duplicate },
            other => unreachable!("a worker was answered with {other:?}"),
        })
    }

    /// Queues that have tasks, by name, with how many.
    pub fn task_queues(&self) -> Vec<(Arc<str>, Depth)> {
        self.shared.depths.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    /// Every turn committed from now on.
    pub fn follow(&self) -> Follower {
        self.shared.hub.follow()
    }

    /// Every turn of one instance that is committed from now on; [`Interrupted`](crate::Interrupted) also when some may
    /// have been left out. Sequences tell a gap.
    pub fn follow_instance(&self, address: Address) -> Follower {
        self.shared.hub.follow_one(address)
    }

    /// The reading side of the store. Its calls block, briefly.
    pub fn reader(&self) -> Arc<dyn Reader> {
        self.shared.reader.clone()
    }

    /// What may run here.
    pub fn definitions(&self) -> &Definitions {
        &self.shared.definitions
    }

    /// What was counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Events waiting for the shard.
    pub fn queue_len(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.shared.hub.followers()
    }

    /// Why the node takes no more events, when it does not: the store has failed, or it is stopping.
    pub fn failure(&self) -> Option<String> {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.or_else(|| self.shared.stopped.load(Ordering::Relaxed).then(|| "the node has stopped".into()))
    }

    pub(crate) async fn call(
        &self,
        events: usize,
        make: impl FnOnce(Reply) -> Call,
    ) -> Result<Answer, CallError> {
        let (reply, answer) = oneshot::channel();
        self.push(events, make(reply))?;
        refused(answer.await.map_err(|_| self.gone())??)
    }

    fn push(&self, events: usize, call: Call) -> Result<(), CallError> {
        let shared = &self.shared;
        let before = shared.queued.fetch_add(events, Ordering::Relaxed);
        // A batch larger than the whole queue is taken when nothing else waits.
        if before > 0 && before + events > shared.queued_max {
            shared.queued.fetch_sub(events, Ordering::Relaxed);
            crate::metrics::bump(&shared.metrics.refused);
            return Err(CallError::Overloaded { retry_after: RETRY_AFTER });
        }
        let calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match calls.as_ref().map(|calls| calls.send(call)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => {
                shared.queued.fetch_sub(events, Ordering::Relaxed);
                drop(calls);
                Err(self.gone())
            }
        }
    }

    /// Why the shard does not answer any more.
    fn gone(&self) -> CallError {
        match self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(failure) => CallError::Failed(failure),
            None => CallError::Stopping,
        }
    }
}

/// A worker that waits. When it stops waiting just as it gets tasks, they are given back.
struct Awaiting<'a> {
    handle: &'a Handle,
    leased: oneshot::Receiver<Result<Vec<Leased>, CallError>>,
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.leased.close();
        let Ok(Ok(leased)) = self.leased.try_recv() else { return };
        for Leased { lease, .. } in leased {
            let (reply, _) = oneshot::channel();
            // A node that takes no more calls lets the lease end by itself.
            let _ = self.handle.push(1, Call::Report { lease, report: Report::Return, reply });
        }
    }
}

fn refused(answer: Answer) -> Result<Answer, CallError> {
    match answer {
        Answer::Refused(refusal) => Err(CallError::Refused(refusal)),
        answer => Ok(answer),
    }
}

pub(crate) fn decision(answer: Answer) -> Decision {
    match answer {
        Answer::Decided { outcome, duplicate } => Decision::Decided { outcome, duplicate },
        Answer::Kept { duplicate } => Decision::Kept { duplicate },
        other => unreachable!("an event was answered with {other:?}"),
    }
}
