//! A worker: takes tasks from queues, hands each to its handler, says that it is alive while the handler is at it, and
//! reports what came of it.
//!
//! It refuses to know what a task is about. Its one invariant: a task is reported at most once under one lease, however
//! often the connection breaks, since a report is repeated word for word.

use crate::client::{Client, seed};
use crate::error::ClientError;
use crate::json::{json, value};
use crate::retry::{Backoff, Retry};
use everstate_api::v1 as api;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long one call waits at the server for tasks. Below the minute after which proxies cut off what is silent.
const POLL: Duration = Duration::from_secs(20);

/// How often a worker that need not say that it is alive asks whether its task is still wanted.
const ASK: Duration = Duration::from_secs(10);

/// How long a report is repeated: a result that was worked for outlasts a server that is restarted on a slow disk.
const REPORT_PATIENCE: Duration = Duration::from_secs(120);

/// A call that waits at the server for tasks.
type Polling<'a> = Pin<Box<dyn Future<Output = Result<Vec<api::LeasedTask>, ClientError>> + 'a>>;

/// A task in the hands of its handler.
#[derive(Debug)]
pub struct Task<Input> {
    /// What is to be done.
    pub input: Input,
    /// The same in every attempt: give it to the outside world as its idempotency key.
    pub key: String,
    /// Whose task it is.
    pub address: String,
    /// What the instance calls it.
    pub name: String,
    /// The queue that it came from.
    pub queue: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What the last attempt said of how far it had come.
    pub reached: Option<serde_json::Value>,
    progress: Progress,
}

/// How far an attempt has come, as its next heartbeat shall say.
type Progress = Rc<RefCell<Option<serde_json::Value>>>;

/// Why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// A word for machines, such as `card-declined`; the instance sees it as `event.code`.
    pub code: String,
    /// For a person.
    pub message: String,
    /// Can no further attempt succeed?
    pub permanent: bool,
}

impl TaskError {
    /// Another attempt may succeed.
    pub fn again(code: &str, message: impl Into<String>) -> TaskError {
        TaskError { code: code.into(), message: message.into(), permanent: false }
    }

    /// No other attempt can.
    pub fn permanent(code: &str, message: impl Into<String>) -> TaskError {
        TaskError { code: code.into(), message: message.into(), permanent: true }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TaskError {}

impl<Input> Task<Input> {
    /// Says how far it has come: the next attempt gets it if this one ends here.
    pub fn progress(&self, reached: impl Serialize) {
        *self.progress.borrow_mut() = serde_json::to_value(reached).ok();
    }
}

type Working = Pin<Box<dyn Future<Output = Result<serde_json::Value, TaskError>>>>;
type Handler = Box<dyn Fn(Task<serde_json::Value>) -> Working>;

/// Works on tasks until it is told to stop.
pub struct Worker {
    client: Client,
    name: String,
    handlers: BTreeMap<String, Handler>,
    concurrency: usize,
    count: Option<u64>,
}

impl Worker {
    /// A worker that takes nothing yet.
    pub fn new(client: Client) -> Worker {
        let client = client.with_retry(Retry { patience: REPORT_PATIENCE, ..Retry::default() });
        let name = format!("worker-{}-{:04x}", std::process::id(), seed() & 0xffff);
        Worker { client, name, handlers: BTreeMap::new(), concurrency: 1, count: None }
    }

    /// What people see it as; a process id and some letters when not said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Worker {
        self.name = name.into();
        self
    }

    /// Takes tasks of that queue. An input that does not read as the handler's type fails for good.
    #[must_use]
    pub fn queue<Input, Output, Done>(
        mut self,
        queue: &str,
        handler: impl Fn(Task<Input>) -> Done + 'static,
    ) -> Worker
    where
        Input: DeserializeOwned + 'static,
        Output: Serialize,
        Done: Future<Output = Result<Output, TaskError>> + 'static,
    {
        let handler = Rc::new(handler);
        let handle = move |task: Task<serde_json::Value>| -> Working {
            let handler = handler.clone();
            Box::pin(async move {
                let Task { input, key, address, name, queue, attempt, reached, progress } = task;
                let input = serde_json::from_value(input)
                    .map_err(|error| TaskError::permanent("bad-input", error.to_string()))?;
                let task = Task { input, key, address, name, queue, attempt, reached, progress };
                let output = handler(task).await?;
                serde_json::to_value(output)
                    .map_err(|error| TaskError::permanent("bad-result", error.to_string()))
            })
        };
        self.handlers.insert(queue.to_owned(), Box::new(handle));
        self
    }

    /// How many tasks it works on at a time; 1 when not said.
    #[must_use]
    pub fn concurrency(mut self, tasks: usize) -> Worker {
        self.concurrency = tasks.max(1);
        self
    }

    /// Stop after so many tasks.
    #[must_use]
    pub fn count(mut self, tasks: u64) -> Worker {
        self.count = Some(tasks);
        self
    }

    /// Works for ever. Only what cannot go away ends it: a token that is not taken, a queue that cannot be one.
    pub async fn run(self) -> Result<(), ClientError> {
        self.run_until(std::future::pending()).await
    }

    /// Works until `stop` ends; then takes nothing more and finishes what it has.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), ClientError> {
        let mut stop = pin!(stop);
        let mut running = FuturesUnordered::new();
        let (mut stopping, mut taken) = (false, 0u64);
        let mut polling: Option<Polling<'_>> = None;
        loop {
            let left = self.count.map_or(u64::MAX, |count| count.saturating_sub(taken));
            let free = (self.concurrency.saturating_sub(running.len()) as u64).min(left);
            if polling.is_none() && free > 0 && !stopping {
                polling = Some(Box::pin(self.poll(free.min(100) as u32)));
            }
            if polling.is_none() && running.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = &mut stop, if !stopping => {
                    // What is leased for a call that is let go of is given back by the server.
                    (stopping, polling) = (true, None);
                }
                leased = async { polling.as_mut().expect("it is asked only when there").await }, if polling.is_some() => {
                    polling = None;
                    let leased = leased?;
                    taken += leased.len() as u64;
                    leased.into_iter().for_each(|task| running.push(self.work(task)));
                }
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
    }

    /// Takes tasks, waiting for some; a server that is away is waited for.
    async fn poll(&self, max: u32) -> Result<Vec<api::LeasedTask>, ClientError> {
        let queues: Vec<String> = self.handlers.keys().cloned().collect();
        let mut backoff = Backoff::new(seed());
        let started = Instant::now();
        loop {
            match self.client.lease_tasks(&self.name, &queues, max, POLL).await {
                Ok(leased) if leased.is_empty() => {}
                Ok(leased) => return Ok(leased),
                Err(error) if error.is_retryable() => {
                    let wait = backoff.wait(started.elapsed(), Duration::MAX, error.retry_after());
                    tokio::time::sleep(wait.unwrap_or(ASK)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One task from its lease to its report.
    async fn work(&self, leased: api::LeasedTask) {
        let Some(handler) = self.handlers.get(&leased.queue) else {
            let _ = self.client.return_task(&leased.lease).await;
            return;
        };
        let progress: Progress = Rc::default();
        let mut working = handler(task_of(&leased, progress.clone()));
        let every = leased.heartbeat.as_option().map_or(ASK, |span| {
            let span = Duration::new(span.seconds.unsigned_abs(), span.nanos.unsigned_abs());
            (span / 3).max(Duration::from_millis(10))
        });
        let result = loop {
            tokio::select! {
                result = &mut working => break result,
                () = tokio::time::sleep(every) => {
                    // A number that the wire cannot carry is for the handler to round; the word goes without it.
                    let said = progress.borrow_mut().take().and_then(|said| value(&said).ok());
                    // A word that does not get through is followed by the next one; a task that is gone is let go of.
                    if let Err(error) = self.client.heartbeat_task(&leased.lease, said).await
                        && error.code() == GONE
                    {
                        return;
                    }
                }
            }
        };
        let result = result.and_then(|result| {
            value(&result).map_err(|error| TaskError::permanent("bad-result", error.to_string()))
        });
        // When the server does not take the report, the lease ends by itself, and another attempt follows.
        let _ = match result {
            Ok(result) => self.client.complete_task(&leased.lease, result).await.map(drop),
            Err(error) => self.client.fail_task(&leased.lease, &error).await.map(drop),
        };
    }
}

/// The code of a refusal when a lease is over.
const GONE: &str = "gone";

fn task_of(leased: &api::LeasedTask, progress: Progress) -> Task<serde_json::Value> {
    Task {
        input: leased.input.as_option().map_or(serde_json::Value::Null, json),
        key: leased.key.clone(),
        address: leased.address.clone(),
        name: leased.name.clone(),
        queue: leased.queue.clone(),
        attempt: leased.attempt,
        reached: leased.progress.as_option().map(json),
        progress,
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues: Vec<&String> = self.handlers.keys().collect();
        f.debug_struct("Worker").field("name", &self.name).field("queues", &queues).finish_non_exhaustive()
    }
}
