//! How tasks may end in a system: what workers may say of them, and what happens when nobody does.
//!
//! It refuses to know how often a task was tried, which no machine is told before its end: a worker takes a task and ends
//! it in one step. Its one invariant: it changes a row only to what leases and time would have made of it.

use crate::trace::json;
use everstate_kernel::{
    Address, Event, Input, Json, Lease, Report, Serial, Span, Stage, Task, TaskPolicy, Ticket, Time, TimerKey,
};
use std::sync::Arc;

/// One way in which a task may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskAnswer {
    /// For tasks of that queue, or of all: `*`.
    pub queue: Arc<str>,
    /// How.
    pub end: TaskEnd,
    /// How often in a run; none for any number of times.
    pub times: Option<u8>,
}

/// The queue that stands for all of them.
pub(crate) const ANY_QUEUE: &str = "*";

impl TaskAnswer {
    /// Can a task of that queue end so?
    pub(crate) fn is_for(&self, queue: &str) -> bool {
        *self.queue == *queue || *self.queue == *ANY_QUEUE
    }
}

/// How a task ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// A worker says that it is done.
    Done(Json),
    /// A worker says that it has failed, and that no other attempt will do better.
    Failed {
        /// The worker's word for it.
        code: String,
        /// For a person.
        message: String,
    },
    /// Every attempt takes too long.
    Timeout,
    /// In every attempt nothing is heard of its worker any more.
    Silence,
}

impl TaskEnd {
    /// A worker says that it is done, with this result.
    pub fn done(result: &serde_json::Value) -> TaskEnd {
        TaskEnd::Done(Json::trusted(result.to_string()))
    }

    /// A worker says that it has failed, by this word.
    pub fn failed(code: &str) -> TaskEnd {
        TaskEnd::Failed { code: code.to_owned(), message: String::new() }
    }

    /// Can a task with these terms end so? One whose deadline comes first ends by that, which is a timer.
    pub(crate) fn fits(&self, policy: &TaskPolicy) -> bool {
        let sooner = |span: Span| policy.deadline.is_none_or(|deadline| span < deadline);
        match self {
            TaskEnd::Done(_) | TaskEnd::Failed { .. } => true,
            TaskEnd::Timeout => sooner(policy.timeout),
            TaskEnd::Silence => {
                policy.heartbeat.is_some_and(|heartbeat| heartbeat < policy.timeout && sooner(heartbeat))
            }
        }
    }

    /// May it be said twice?
    pub(crate) fn is_said(&self) -> bool {
        matches!(self, TaskEnd::Done(_) | TaskEnd::Failed { .. })
    }

    /// Lets the last attempt begin, and gives what ends it.
    pub(crate) fn input(&self, task: &mut Task, address: &Address, now: Time, ticket: Ticket) -> Input {
        let earlier = |span: Span| Time(now.0.saturating_sub_unsigned(span.0));
        let (attempts, since, heard) = match self {
            TaskEnd::Done(_) | TaskEnd::Failed { .. } => (1, now, now),
            TaskEnd::Timeout => (task.policy.retry.attempts, earlier(task.policy.timeout), now),
            TaskEnd::Silence => {
                let silent = task.policy.heartbeat.unwrap_or_default();
                (task.policy.retry.attempts, earlier(silent), earlier(silent))
            }
        };
        (task.attempts, task.leases) = (attempts, task.leases + 1);
        // A deadline that is due just now is a timer's, and comes before or after.
        task.asked_at = now;
        task.stage = Stage::Leased { worker: Arc::from("worker"), since, heard };
        let lease = Lease { address: address.clone(), number: task.number, lease: task.leases };
        match self.report() {
            Some(report) => Input::Report { ticket, lease, report },
            None => {
                let generation = Some(task.number);
                Input::Due(TimerKey { due: task.due().unwrap_or(now), address: address.clone(), generation })
            }
        }
    }

    /// What a worker says, if one does.
    pub(crate) fn report(&self) -> Option<Report> {
        match self {
            TaskEnd::Done(result) => Some(Report::Done(result.clone())),
            TaskEnd::Failed { code, message } => {
                let (code, message) = (code.clone(), message.clone());
                Some(Report::Failed { code, message, retryable: false })
            }
            TaskEnd::Timeout | TaskEnd::Silence => None,
        }
    }

    /// The name and the data of what a worker says of a task of that name when it says it again.
    pub(crate) fn again(&self, task: &str) -> Option<(Arc<str>, Json)> {
        match self {
            TaskEnd::Done(result) => Some((Arc::from(format!("done.task.{task}")), result.clone())),
            TaskEnd::Failed { .. } => {
                let data = Json::trusted(self.to_value()["failed"].to_string());
                Some((Arc::from(format!("error.task.{task}")), data))
            }
            TaskEnd::Timeout | TaskEnd::Silence => None,
        }
    }

    /// As traces write it.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            TaskEnd::Done(result) => serde_json::json!({ "done": json(result) }),
            TaskEnd::Failed { code, message } => {
                serde_json::json!({ "failed": { "code": code, "message": message } })
            }
            TaskEnd::Timeout => "timeout".into(),
            TaskEnd::Silence => "silence".into(),
        }
    }
}

/// What a worker said, from what [`TaskEnd::again`] made of it.
pub(crate) fn said(event: &Event) -> Report {
    if event.name.starts_with("done.task.") {
        return Report::Done(event.data.clone());
    }
    let data = json(&event.data);
    let part = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    Report::Failed { code: part("code"), message: part("message"), retryable: false }
}

/// A task of which that could be said.
pub(crate) fn leased(event: &Event, number: Serial, now: Time) -> Task {
    let name = event.name.splitn(3, '.').nth(2).unwrap_or_default();
    Task {
        name: Arc::from(name),
        number,
        queue: Arc::from("again"),
        input: Json::NULL,
        policy: TaskPolicy::default(),
        asked_at: now,
        attempts: 1,
        leases: 1,
        stage: Stage::Leased { worker: Arc::from("worker"), since: now, heard: now },
        failure: None,
        progress: Json::NULL,
    }
}
