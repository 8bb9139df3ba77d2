//! Tasks: workers take them, say what became of them, or are not heard of any more. The table of what happens when is
//! in [`crate::task`].
//!
//! It refuses to look for tasks: whoever drives the node offers those that the store says are ready.
//!
//! Its one invariant: the event that tells an instance of the end of a task, and the end itself, are one commit.

use super::Node;
use super::awaited::Keys;
use super::delivery::nobody;
use super::fingerprint;
use super::turn::{Attempt, Delivery};
use crate::address::Address;
use crate::behaviour::shortened;
use crate::event::{Event, Rejection, Sender, TASK_DONE, TASK_ERROR};
use crate::input::{Answer, Out, Refusal, Release, Ticket};
use crate::json::Json;
use crate::limits::{LEASE_BYTES_MAX, LEASES_MAX, TASK_PROGRESS_BYTES_MAX};
use crate::record::{Serial, Source, TimerKey};
use crate::task::{
    Failure, FailureReason, Lease, Leased, Report, Stage, Task, TaskKey, check_code, check_worker,
};
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How a task ended: what the instance is told.
struct End {
    name: String,
    data: Json,
    fingerprint: u64,
    /// Is a worker told what became of its word, and told the same when it says it again?
    remembered: bool,
}

impl Node {
    /// A worker gets those of the candidates that are still ready.
    pub(super) fn lease(
        &mut self,
        ticket: Ticket,
        worker: &Arc<str>,
        max: usize,
        candidates: &[TaskKey],
        out: &mut Out,
    ) {
        let answer = match check_worker(worker) {
            Err(problem) => Answer::Refused(Refusal::BadReport(problem)),
            Ok(()) => {
                let (mut all, mut bytes) = (Vec::new(), 0);
                for key in candidates {
                    if all.len() >= max.min(LEASES_MAX) || bytes >= LEASE_BYTES_MAX {
                        break;
                    }
                    let leased = self.lease_one(worker, key, out);
                    bytes += leased.as_ref().map_or(0, |leased| leased.input.as_str().len());
                    all.extend(leased);
                }
                Answer::Leased(all)
            }
        };
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn lease_one(&mut self, worker: &Arc<str>, key: &TaskKey, out: &mut Out) -> Option<Leased> {
        let now = self.now;
        let task = self.task(&key.address, key.number)?;
        let late = task.deadline().is_some_and(|deadline| deadline <= now);
        if late || !matches!(task.stage, Stage::Ready { .. }) {
            return None;
        }
        let task = self.change_task(&key.address, key.number, out, |task| {
            task.attempts += 1;
            task.leases += 1;
            task.stage = Stage::Leased { worker: worker.clone(), since: now, heard: now };
        });
        Some(Leased {
            lease: Lease { address: key.address.clone(), number: task.number, lease: task.leases },
            name: task.name.clone(),
            queue: task.queue.clone(),
            input: task.input.clone(),
            attempt: task.attempts,
            asked_at: task.asked_at,
            until: task.due().unwrap_or(Time::END),
            ends: task.deadline().unwrap_or(Time::END).min(now + task.policy.timeout),
            heartbeat: task.policy.heartbeat,
            progress: task.progress.clone(),
        })
    }

    /// A worker says something of a task.
    pub(super) fn report(&mut self, ticket: Ticket, lease: &Lease, report: Report, out: &mut Out) {
        let answer = self.reported(lease, report, out).unwrap_or_else(Answer::Refused);
        out.releases.push(Release::Answer(ticket, answer));
    }

    fn reported(&mut self, lease: &Lease, report: Report, out: &mut Out) -> Result<Answer, Refusal> {
        match report {
            Report::Done(result) => {
                let fingerprint = fingerprint("done", &lease.address, "", &result);
                if let Some(answer) = self.said_before(lease, fingerprint)? {
                    return Ok(answer);
                }
                result.check_limits().map_err(|error| Refusal::BadReport(format!("the result: {error}")))?;
                let name = format!("{TASK_DONE}{}", self.leased(lease)?.name);
                let end = End { name, data: result, fingerprint, remembered: true };
                self.end_task(lease, end, out)
            }
            Report::Failed { code, message, retryable } => {
                check_code(&code).map_err(Refusal::BadReport)?;
                let message = shortened(message);
                let fingerprint =
                    fingerprint(&code, &lease.address, &message, &Json::trusted(format!("{retryable}")));
                if let Some(answer) = self.said_before(lease, fingerprint)? {
                    return Ok(answer);
                }
                if let Some(until) = self.failed_before(lease) {
                    return Ok(Answer::Noted { until });
                }
                self.leased(lease)?;
                let (reason, at) = (FailureReason::Failed, self.now);
                let failure = Failure { lease: lease.lease, reason, code, message, at };
                self.attempt_failed(lease, failure, retryable, Some(fingerprint), out)
            }
            Report::Beat { progress } => self.heard(lease, progress, out),
            Report::Return => {
                self.leased(lease)?;
                let since = self.now;
                self.change_task(&lease.address, lease.number, out, |task| {
                    task.attempts -= 1;
                    task.stage = Stage::Ready { since };
                });
                Ok(Answer::Noted { until: since })
            }
        }
    }

    fn heard(&mut self, lease: &Lease, progress: Option<Json>, out: &mut Out) -> Result<Answer, Refusal> {
        let now = self.now;
        if let Some(progress) = &progress {
            progress.check_limits().map_err(|error| Refusal::BadReport(format!("the progress: {error}")))?;
            let bytes = progress.as_str().len();
            if bytes > TASK_PROGRESS_BYTES_MAX {
                return Err(Refusal::BadReport(format!(
                    "the progress takes {bytes} bytes, the limit is {TASK_PROGRESS_BYTES_MAX}"
                )));
            }
        }
        let task = self.leased(lease)?;
        // Nothing hangs on a word that says nothing new.
        if task.policy.heartbeat.is_none() && progress.is_none() {
            return Ok(Answer::Noted { until: task.due().unwrap_or(Time::END) });
        }
        let task = self.change_task(&lease.address, lease.number, out, |task| {
            if let Stage::Leased { heard, .. } = &mut task.stage {
                *heard = now;
            }
            if let Some(progress) = progress {
                task.progress = progress;
            }
        });
        Ok(Answer::Noted { until: task.due().unwrap_or(Time::END) })
    }

    /// Something happens to a task by itself: it may be tried again, or it took too long.
    pub(super) fn task_due(&mut self, key: &TimerKey, number: Serial, out: &mut Out) {
        let now = self.now;
        let Some(task) = self.task(&key.address, number) else { return };
        let Some((at, reason)) = task.wake().filter(|(at, _)| *at <= now) else { return };
        let lease = Lease { address: key.address.clone(), number, lease: task.leases };
        let Some(reason) = reason else {
            self.change_task(&key.address, number, out, |task| task.stage = Stage::Ready { since: at });
            return;
        };
        let message = match (reason, &task.stage) {
            (FailureReason::Timeout, _) => format!("the attempt took more than {} ms", task.policy.timeout.0),
            (FailureReason::Heartbeat, Stage::Leased { worker, .. }) => {
                format!(
                    "nothing was heard of {worker} for {} ms",
                    task.policy.heartbeat.unwrap_or_default().0
                )
            }
            (_, Stage::Ready { .. }) if task.attempts == 0 => {
                format!("no worker took it from the queue {} in time", task.queue)
            }
            _ => format!("it took more than {} ms in all", task.policy.deadline.unwrap_or_default().0),
        };
        let retryable = reason != FailureReason::Deadline;
        let failure = Failure { lease: lease.lease, reason, code: String::new(), message, at };
        // Only a full mailbox can refuse; then the instance cannot be told, and somebody has to know.
        let _ = self.attempt_failed(&lease, failure, retryable, None, out);
    }

    /// An attempt is over without a result: there is another one, or the task has failed.
    fn attempt_failed(
        &mut self,
        lease: &Lease,
        failure: Failure,
        retryable: bool,
        said: Option<u64>,
        out: &mut Out,
    ) -> Result<Answer, Refusal> {
        let now = self.now;
        let Some(task) = self.task(&lease.address, lease.number) else {
            return Err(over(lease, "the task is no more"));
        };
        let wait = task.policy.retry.wait_after(task.attempts).filter(|_| retryable);
        let again = wait.map(|wait| now + wait);
        let again = again.filter(|again| task.deadline().is_none_or(|deadline| *again < deadline));
        if let Some(until) = again {
            self.change_task(&lease.address, lease.number, out, |task| {
                task.stage = Stage::Waiting { until };
                task.failure = Some(failure);
            });
            return Ok(Answer::Noted { until });
        }
        let (name, data) = (format!("{TASK_ERROR}{}", task.name), error_data(task, &failure));
        let end = End { name, data, fingerprint: said.unwrap_or(0), remembered: said.is_some() };
        self.end_task(lease, end, out)
    }

    /// Tells the instance, and takes the task away with it.
    fn end_task(&mut self, lease: &Lease, end: End, out: &mut Out) -> Result<Answer, Refusal> {
        let End { name, data, fingerprint, remembered } = end;
        let address = &lease.address;
        let event = Event {
            id: lease.event_id(),
            name: Arc::from(name),
            data,
            sender: Sender::System,
            time: self.now,
        };
        let delivery = Delivery {
            fingerprint,
            remembered,
            told: Some(lease.number),
            ..Delivery::of(event.clone(), Source::Direct)
        };
        match self.hand_over(address, delivery, out) {
            Attempt::Decided { outcome, .. } => Ok(Answer::Decided { outcome, duplicate: false }),
            Attempt::Kept => Ok(Answer::Kept { duplicate: false }),
            // The worker has its result still, and may say it again.
            Attempt::MailboxFull if remembered => Err(Refusal::MailboxFull(address.clone())),
            Attempt::MailboxFull => {
                let live = self.residents.live_mut(address).expect("it has the task");
                let mut keys = Keys::default();
                live.clear_told(Some(lease.number), &mut keys);
                out.require(live.definition.policy.durability);
                self.write_row(address, keys, out);
                let outcome = nobody(Rejection::MailboxFull);
                self.undeliverable(lease.number, address.clone(), event, outcome, out);
                Err(Refusal::MailboxFull(address.clone()))
            }
        }
    }

    /// The answer to a word that has ended the task, when it was said before.
    fn said_before(&self, lease: &Lease, fingerprint: u64) -> Result<Option<Answer>, Refusal> {
        match self.seen_before(&lease.event_id(), fingerprint) {
            Some(Answer::Refused(_)) => Err(over(lease, "it was reported otherwise")),
            known => Ok(known),
        }
    }

    /// When the next attempt may begin, if this one failed by its worker's word and nobody has begun another.
    fn failed_before(&self, lease: &Lease) -> Option<Time> {
        let task = self.task(&lease.address, lease.number)?;
        let failure = task.failure.as_ref()?;
        let same = task.leases == lease.lease && failure.lease == lease.lease;
        match &task.stage {
            Stage::Waiting { until } | Stage::Ready { since: until }
                if same && failure.reason == FailureReason::Failed =>
            {
                Some(*until)
            }
            _ => None,
        }
    }

    /// The task, if it is leased under that very lease.
    fn leased(&self, lease: &Lease) -> Result<&Task, Refusal> {
        let Some(task) = self.task(&lease.address, lease.number) else {
            return Err(over(lease, "the task was cancelled or has ended"));
        };
        match &task.stage {
            Stage::Leased { .. } if task.leases == lease.lease => Ok(task),
            Stage::Leased { .. } => Err(over(lease, "another worker has the task by now")),
            Stage::Ready { .. } | Stage::Waiting { .. } => {
                Err(over(lease, "it took too long or was reported, and the task will be tried again"))
            }
            Stage::Ended => Err(over(lease, "the task has ended")),
        }
    }

    fn task(&self, address: &Address, number: Serial) -> Option<&Task> {
        let tasks = &self.residents.live(address)?.row.tasks;
        tasks.iter().find(|task| task.number == number)
    }

    /// Changes a task of a row and the keys with it. It must be there.
    fn change_task(
        &mut self,
        address: &Address,
        number: Serial,
        out: &mut Out,
        change: impl FnOnce(&mut Task),
    ) -> &Task {
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        out.require(live.definition.policy.durability);
        let task = live.row.tasks.iter_mut().find(|task| task.number == number);
        let task = task.expect("whoever changes a task has seen it");
        let mut keys = Keys::default();
        keys.clear_task(address, task);
        change(task);
        keys.set_task(address, task);
        self.write_row(address, keys, out);
        self.task(address, number).expect("it is there still")
    }
}

fn over(lease: &Lease, why: &'static str) -> Refusal {
    Refusal::LeaseOver { lease: lease.clone(), why }
}

/// The data of `error.task.NAME`.
fn error_data(task: &Task, failure: &Failure) -> Json {
    let data = serde_json::json!({
        "task": &*task.name, "queue": &*task.queue, "reason": failure.reason.word(), "code": failure.code,
        "message": failure.message, "attempts": task.attempts,
    });
    Json::trusted(format!("{data}"))
}
