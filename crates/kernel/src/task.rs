//! Tasks as data: work for the outside world that an instance has asked for, and what workers say of it. It refuses to
//! know who works, and how anybody is told.
//!
//! A task is part of its instance's row, so that whatever ends the instance ends the task in the same commit, and its
//! result is taken in the very commit that takes the task away. Beside the row the store keeps one [`TaskKey`] for each
//! task, in the order in which workers take them.
//!
//! | the task is | leased | reported done, failed for good | reported failed | beat, returned | time passes |
//! |---|---|---|---|---|---|
//! | ready | begins an attempt | gone | gone | gone | ends at its deadline |
//! | leased under that lease | not offered | ends | backs off, or ends | goes on, is ready again | timeout or silence: like failed |
//! | leased under another lease | not offered | gone | gone | gone | |
//! | backing off | not offered | gone | gone | gone | is ready again, or ends at its deadline |
//! | ended, its event waits in the mailbox | not offered | gone | gone | gone | |
//!
//! Its one invariant: a lease has a number of its own, and only the last one given counts.

use crate::address::{Address, is_visible};
use crate::definition::Retry;
use crate::event::EventId;
use crate::json::Json;
use crate::limits::{DELAY_MS_MAX, QUEUE_BYTES_MAX, TASK_CODE_BYTES_MAX, WORKER_BYTES_MAX};
use crate::record::{Serial, TimerKey};
use crate::time::{Span, Time};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Work that an instance has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name among the tasks of the instance.
    pub name: Arc<str>,
    /// The [`Serial`] of the effect that asked for it; tells it from every other task there ever was.
    pub number: Serial,
    /// Where workers look for it.
    pub queue: Arc<str>,
    /// What they get.
    pub input: Json,
    /// How often and how long.
    pub policy: TaskPolicy,
    /// When it was asked for.
    pub asked_at: Time,
    /// Attempts that were begun and not returned.
    pub attempts: u32,
    /// Leases given so far: the number of the last one.
    pub leases: u32,
    /// Where it stands.
    pub stage: Stage,
    /// How the last attempt that failed did.
    pub failure: Option<Failure>,
    /// What the last heartbeat said, for the next attempt to go on from.
    pub progress: Json,
}

/// How often a task is tried, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPolicy {
    /// How often, and at what distance.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How long it may take in all, from the turn that asks for it: waiting for a worker and every attempt included.
    pub deadline: Option<Span>,
    /// How long a worker may be silent during an attempt; none when it need not say that it is alive.
    pub heartbeat: Option<Span>,
}

impl Default for TaskPolicy {
    /// Ten attempts, from a second apart to a minute, of at most a minute each: a service that restarts is outlasted,
    /// and an instance is told within minutes of one that does not come back.
    fn default() -> TaskPolicy {
        let retry = Retry { attempts: 10, backoff: Span::seconds(1), backoff_max: Span::seconds(60) };
        TaskPolicy { retry, timeout: Span::seconds(60), deadline: None, heartbeat: None }
    }
}

impl TaskPolicy {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let spans = [
            ("timeout", Some(self.timeout)),
            ("deadline", self.deadline),
            ("heartbeat", self.heartbeat),
            ("backoff", Some(self.retry.backoff_max)),
        ];
        for (what, span) in spans {
            match span {
                Some(Span(0)) if what != "backoff" => {
                    return Err(format!("the {what} of a task is 0; give it some time"));
                }
                Some(Span(ms)) if ms > DELAY_MS_MAX => {
                    return Err(format!("the {what} of a task is {ms} ms, the limit is {DELAY_MS_MAX}"));
                }
                _ => {}
            }
        }
        if self.retry.attempts == 0 {
            return Err("a task has 0 attempts; give it at least 1".to_string());
        }
        Ok(())
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// A worker may take it.
    Ready {
        /// Since when.
        since: Time,
    },
    /// A worker has it.
    Leased {
        /// Which one says it is.
        worker: Arc<str>,
        /// Since when.
        since: Time,
        /// When it was last heard of.
        heard: Time,
    },
    /// An attempt has failed; the next may begin then.
    Waiting {
        /// When.
        until: Time,
    },
    /// It has ended, and the event that tells of it waits in the mailbox.
    Ended,
}

/// [`Stage`] as the store sorts by it: what workers look for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskStanding {
    /// See [`Stage::Ready`].
    Ready,
    /// See [`Stage::Leased`].
    Leased,
    /// See [`Stage::Waiting`].
    Waiting,
}

impl TaskStanding {
    /// All of them, in order.
    pub const ALL: [TaskStanding; 3] = [TaskStanding::Ready, TaskStanding::Leased, TaskStanding::Waiting];

    /// A stable word.
    pub fn word(self) -> &'static str {
        match self {
            TaskStanding::Ready => "ready",
            TaskStanding::Leased => "leased",
            TaskStanding::Waiting => "waiting",
        }
    }
}

/// What a store keeps of a task beside its row. Ordered by queue, standing, time and number, so that the tasks which a
/// worker may take next lie together, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    /// In which queue.
    pub queue: Arc<str>,
    /// Where it stands there.
    pub standing: TaskStanding,
    /// Since when; of one that is waiting, until when.
    pub since: Time,
    /// See [`Task::number`].
    pub number: Serial,
    /// Whose it is.
    pub address: Address,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Under which lease; 0 when it was never leased.
    pub lease: u32,
    /// What sort of failure.
    pub reason: FailureReason,
    /// The worker's word for it, for machines; empty when it gave none.
    pub code: String,
    /// What went wrong, for a person.
    pub message: String,
    /// When.
    pub at: Time,
}

/// Sorts of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureReason {
    /// The worker said so.
    Failed,
    /// The attempt took too long.
    Timeout,
    /// The worker was silent for too long.
    Heartbeat,
    /// The task took too long in all.
    Deadline,
}

impl FailureReason {
    /// A stable word, as in the data of `error.task.NAME`.
    pub fn word(self) -> &'static str {
        match self {
            FailureReason::Failed => "failed",
            FailureReason::Timeout => "timeout",
            FailureReason::Heartbeat => "heartbeat",
            FailureReason::Deadline => "deadline",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One attempt at one task, as its worker names it. Written `ADDRESS#NUMBER.LEASE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Whose task.
    pub address: Address,
    /// Which task.
    pub number: Serial,
    /// Which of its leases, from 1.
    pub lease: u32,
}

impl Lease {
    /// Reads what [`fmt::Display`] wrote; otherwise says what is wrong.
    pub fn parse(text: &str) -> Result<Lease, String> {
        let parts = text.rsplit_once('#').and_then(|(address, rest)| {
            let (number, lease) = rest.split_once('.')?;
            Some((Address::parse(address).ok()?, number.parse().ok()?, lease.parse().ok()?))
        });
        match parts {
            Some((address, number, lease)) => Ok(Lease { address, number: Serial(number), lease }),
            None => {
                Err(format!("this is no lease of a task: {text:?}; give the one that came with the task"))
            }
        }
    }

    /// The key of the task itself, which stays the same for every attempt: what makes an outside call idempotent.
    pub fn task(&self) -> String {
        format!("{}#{}", self.address, self.number.0)
    }

    /// The id of the event that tells the instance of the end.
    pub fn event_id(&self) -> EventId {
        EventId::internal(format!("~{}.{}", self.number.0, self.lease))
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}.{}", self.address, self.number.0, self.lease)
    }
}

/// What a worker says of a task that it leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It is done.
    Done(Json),
    /// The attempt has failed.
    Failed {
        /// A word for machines, or nothing.
        code: String,
        /// What went wrong, for a person.
        message: String,
        /// May another attempt succeed?
        retryable: bool,
    },
    /// The worker is at it.
    Beat {
        /// What the next attempt shall know if this one ends here; none leaves what was said before.
        progress: Option<Json>,
    },
    /// The worker has not begun and will not: the lease is given back, and the attempt does not count.
    Return,
}

/// A task as its worker gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// What it is reported under.
    pub lease: Lease,
    /// Its name among the tasks of the instance.
    pub name: Arc<str>,
    /// The queue that it was taken from.
    pub queue: Arc<str>,
    /// What is to be done.
    pub input: Json,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was asked for.
    pub asked_at: Time,
    /// When it is taken for failed, unless the worker is heard of before.
    pub until: Time,
    /// When it is taken for failed, whatever is heard of the worker.
    pub ends: Time,
    /// How long the worker may be silent; none when it need not say that it is alive.
    pub heartbeat: Option<Span>,
    /// What the last attempt said of how far it had come.
    pub progress: Json,
}

impl Task {
    /// One that was just asked for.
    pub(crate) fn new(
        (name, number): (Arc<str>, Serial),
        queue: Arc<str>,
        input: Json,
        policy: TaskPolicy,
        now: Time,
    ) -> Task {
        let (stage, failure, progress) = (Stage::Ready { since: now }, None, Json::NULL);
        let (attempts, leases) = (0, 0);
        Task { name, number, queue, input, policy, asked_at: now, attempts, leases, stage, failure, progress }
    }

    /// When it is given up, whatever it is doing.
    pub fn deadline(&self) -> Option<Time> {
        self.policy.deadline.map(|deadline| self.asked_at + deadline)
    }

    /// When something happens to it by itself, and what.
    pub(crate) fn wake(&self) -> Option<(Time, Option<FailureReason>)> {
        let deadline = self.deadline().map(|at| (at, Some(FailureReason::Deadline)));
        let soonest = match &self.stage {
            Stage::Ready { .. } => None,
            Stage::Ended => return None,
            Stage::Waiting { until } => Some((*until, None)),
            Stage::Leased { since, heard, .. } => {
                let timeout = (*since + self.policy.timeout, Some(FailureReason::Timeout));
                let silence =
                    self.policy.heartbeat.map(|span| (*heard + span, Some(FailureReason::Heartbeat)));
                Some(silence.filter(|(at, _)| *at < timeout.0).unwrap_or(timeout))
            }
        };
        match (soonest, deadline) {
            (Some(soonest), Some(deadline)) if deadline.0 <= soonest.0 => Some(deadline),
            (soonest, deadline) => soonest.or(deadline),
        }
    }

    /// When something happens to it by itself.
    pub fn due(&self) -> Option<Time> {
        self.wake().map(|(at, _)| at)
    }

    /// What the store keeps of it beside the row.
    pub fn key(&self, address: &Address) -> Option<TaskKey> {
        let (standing, since) = match &self.stage {
            Stage::Ready { since } => (TaskStanding::Ready, *since),
            Stage::Leased { since, .. } => (TaskStanding::Leased, *since),
            Stage::Waiting { until } => (TaskStanding::Waiting, *until),
            Stage::Ended => return None,
        };
        Some(TaskKey {
            queue: self.queue.clone(),
            standing,
            since,
            number: self.number,
            address: address.clone(),
        })
    }

    /// What wakes its instance for it.
    pub fn timer(&self, address: &Address) -> Option<TimerKey> {
        let due = self.due()?;
        Some(TimerKey { due, address: address.clone(), generation: Some(self.number) })
    }

    /// Bytes that it takes in the row, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let failure = self.failure.as_ref().map_or(0, |failure| failure.code.len() + failure.message.len());
        self.name.len()
            + self.queue.len()
            + self.input.as_str().len()
            + self.progress.as_str().len()
            + failure
    }
}

/// Takes 1 to [`QUEUE_BYTES_MAX`] letters, digits and `_ - . /` as the name of a queue; otherwise says what is wrong.
pub fn check_queue(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if name.is_empty() || name.len() > QUEUE_BYTES_MAX || !name.chars().all(fits) {
        return Err(format!(
            "the name of a queue of tasks is not usable: {name:?}; use 1 to {QUEUE_BYTES_MAX} letters, digits, '_', '-', '.' and '/', such as charge-card"
        ));
    }
    Ok(())
}

/// Takes 1 to [`WORKER_BYTES_MAX`] visible characters as the name of a worker; otherwise says what is wrong.
pub fn check_worker(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > WORKER_BYTES_MAX || !name.chars().all(is_visible) {
        return Err(format!(
            "the name of a worker is not usable: {name:?}; use 1 to {WORKER_BYTES_MAX} bytes without white space, such as host-1:4711"
        ));
    }
    Ok(())
}

/// Takes up to [`TASK_CODE_BYTES_MAX`] bytes as a worker's word for a failure; otherwise says what is wrong.
pub fn check_code(code: &str) -> Result<(), String> {
    if code.len() > TASK_CODE_BYTES_MAX || code.chars().any(char::is_control) {
        return Err(format!(
            "the code of a failure is not usable: {code:?}; use up to {TASK_CODE_BYTES_MAX} bytes without control characters, such as card-declined"
        ));
    }
    Ok(())
}
