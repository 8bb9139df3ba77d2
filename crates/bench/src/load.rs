//! Load: senders that wait for their answers, at full speed or at a given rate.
//!
//! It refuses to know what is sent. Its one invariant: it ends after its time or its count, whichever is first.

use anyhow::{Result, ensure};
use std::future::Future;
use std::time::{Duration, Instant};

/// One of many that send; it has its own connection, if there are connections.
pub(crate) trait Sender: Send + 'static {
    /// Sends once and waits for the answer. Answers how many events that decided.
    fn send(&mut self) -> impl Future<Output = Result<u64>> + Send;
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) time: Duration,
    /// Sends of each sender.
    pub(crate) sends: u64,
}

impl Bound {
    pub(crate) fn time(time: Duration) -> Bound {
        Bound { time, sends: 10_000_000 }
    }
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) events: u64,
    pub(crate) elapsed: Duration,
    /// Of each send, in microseconds, sorted.
    latencies: Vec<u32>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which that part of all sends was answered, in nanoseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let place = (self.latencies.len() as f64 * part) as usize;
        self.latencies
            .get(place.min(self.latencies.len().saturating_sub(1)))
            .map_or(0.0, |us| f64::from(*us) * 1e3)
    }
}

/// Every sender sends again as soon as it has its answer.
pub(crate) async fn waiting<S: Sender>(senders: Vec<S>, bound: Bound) -> Result<Load> {
    let started = Instant::now();
    let until = started + bound.time;
    run(senders, started, move |mut sender| async move {
        let mut sent = Sent::default();
        while sent.latencies.len() < bound.sends as usize && Instant::now() < until {
            let asked = Instant::now();
            sent.events += sender.send().await?;
            sent.note(asked);
        }
        Ok(sent)
    })
    .await
}

/// Every sender sends at its share of `per_second`. A send that is late because the one before it was not answered
/// in time counts from when it was due; a late wake-up of this process does not count.
pub(crate) async fn paced<S: Sender>(senders: Vec<S>, per_second: f64, bound: Bound) -> Result<Load> {
    ensure!(per_second > 0.0, "a rate of {per_second} sends per second never ends");
    let started = Instant::now();
    let until = started + bound.time;
    let count = senders.len() as u32;
    let interval = Duration::from_secs_f64(f64::from(count) / per_second);
    let numbered: Vec<(u32, S)> = (0..count).zip(senders).collect();
    run(numbered, started, move |(number, mut sender)| async move {
        let mut sent = Sent::default();
        let mut due = started + interval * number / count;
        while sent.latencies.len() < bound.sends as usize && due < until {
            let mut asked = due;
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
                asked = Instant::now();
            }
            sent.events += sender.send().await?;
            sent.note(asked);
            due += interval;
        }
        Ok(sent)
    })
    .await
}

/// What one sender did.
#[derive(Default)]
struct Sent {
    events: u64,
    latencies: Vec<u32>,
}

impl Sent {
    fn note(&mut self, asked: Instant) {
        self.latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

async fn run<S, W, F>(senders: Vec<S>, started: Instant, work: W) -> Result<Load>
where
    W: Fn(S) -> F,
    F: Future<Output = Result<Sent>> + Send + 'static,
{
    let tasks: Vec<_> = senders.into_iter().map(|sender| tokio::spawn(work(sender))).collect();
    let mut load = Load { events: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
    for task in tasks {
        let sent = task.await??;
        load.events += sent.events;
        load.latencies.extend(sent.latencies);
    }
    load.elapsed = started.elapsed();
    load.latencies.sort_unstable();
    Ok(load)
}

/// One thread for all senders: the other core is for what is measured.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
