//! The way out: turns of the node become notifications at a destination.
//!
//! Turns come in the order of the node's history. Those that are wanted wait in lanes, one for each instance, and the
//! cursor that is kept is the last position below which nothing waits. After a crash everything above it is told again, so
//! each is told at least once, and none of an instance before an earlier one was taken.
//!
//! It refuses to know any destination. Its one invariant: the cursor never passes a turn that is wanted and was not taken.

use crate::body::Form;
use crate::lanes::{Key, Lanes};
use crate::news::{Tell, Teller};
use crate::outbox::{Heard, KIND, Outbox, Shelf};
use crate::sink::{Notification, Sink};
use crate::trouble::{Trouble, backoff, insist};
use everstate_client::api;
use everstate_client::api::outcome::Code;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Turns read ahead. The server holds the others for us.
const AHEAD_MAX: usize = 256;

/// How often the cursor is kept while notifications go out. Each time is a turn of the server; seldom only means that
/// more is told twice after a crash.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Turns that are passed without being wanted before the cursor is kept for them: reading so many again takes a second.
const PASSED_MAX: u64 = 50_000;

/// How long deliveries may take once we are told to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Which turns are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// All turns, and not only those whose event was refused or failed.
    pub all: bool,
    /// Only of instances of these kinds; of all when empty.
    pub kinds: Vec<String>,
}

impl Choice {
    fn wants(&self, turn: &api::Turn) -> bool {
        let kind = turn.address.rsplit(':').next().and_then(|address| address.split('/').next());
        let kind = kind.unwrap_or_default();
        let code = turn.outcome.as_option().and_then(|outcome| outcome.code.as_known());
        let told = self.all || matches!(code, Some(Code::CODE_REJECTED | Code::CODE_FAILED));
        told && kind != KIND && (self.kinds.is_empty() || self.kinds.iter().any(|one| one == kind))
    }
}

/// What went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutwardTally {
    /// Notifications taken by the destination.
    pub delivered: u64,
    /// Deliveries that were tried once more.
    pub repeated: u64,
    /// The last cursor that was kept.
    pub cursor: u64,
}

/// The driver of a sink.
pub struct Outward<S> {
    name: String,
    sink: S,
    choice: Choice,
    form: Form,
    in_flight_max: usize,
    tell: Teller,
}

enum Step {
    Delivered(Vec<(Key, Rc<Notification>)>, Vec<Result<(), Trouble>>),
    Awake(Key),
    Kept(u64, Result<(), Trouble>),
}

type Steps<'a> = FuturesUnordered<LocalBoxFuture<'a, Step>>;

/// How far it is.
struct Progress {
    lanes: Lanes<Rc<Notification>>,
    /// Positions of what waits or is on its way.
    open: BTreeSet<u64>,
    /// The last turn that was read, and how many were read since the cursor was kept.
    read: u64,
    passed: u64,
    /// Has anything been delivered since then?
    delivered: bool,
    keeping: bool,
    keep_at: Instant,
    delivering: usize,
    tally: OutwardTally,
}

impl<S: Sink> Outward<S> {
    /// A driver that has so many notifications waiting at most.
    pub fn new(
        name: &str,
        sink: S,
        choice: Choice,
        form: Form,
        in_flight_max: usize,
        tell: Tell,
    ) -> Outward<S> {
        let (name, tell) = (name.to_owned(), Teller::new(name, tell));
        Outward { name, sink, choice, form, in_flight_max: in_flight_max.max(1), tell }
    }

    /// Works until `stop` ends, or until something lasting is wrong.
    pub async fn run(
        &self,
        mut outbox: impl Outbox,
        stop: impl Future<Output = ()>,
    ) -> Result<OutwardTally, Trouble> {
        let mut stop = pin!(stop);
        let cursor = tokio::select! {
            cursor = insist("open the outbox", &self.tell, async || outbox.open().await) => cursor?,
            () = &mut stop => return Ok(OutwardTally::default()),
        };
        let shelf = outbox.shelf();
        let (ahead, mut turns) = mpsc::channel(AHEAD_MAX);
        let mut reading = pin!(self.read(&mut outbox, ahead));
        let mut progress = Progress::new(cursor);
        let mut steps: Steps<'_> = FuturesUnordered::new();
        let (mut stopping, mut grace) = (false, pin!(tokio::time::sleep(Duration::MAX)));
        loop {
            if !stopping {
                self.deliver(&mut progress, &steps);
            }
            let due = self.keep(&mut progress, &shelf, &steps, stopping);
            if stopping && progress.delivering == 0 && !progress.keeping {
                return Ok(progress.tally);
            }
            tokio::select! {
                biased;
                () = &mut stop, if !stopping => {
                    stopping = true;
                    grace.as_mut().reset(Instant::now() + STOP_GRACE);
                }
                () = &mut grace, if stopping => return Ok(progress.tally),
                Some(step) = steps.next(), if !steps.is_empty() => self.take(step, &mut progress, &steps)?,
                failed = &mut reading, if !stopping => return Err(failed),
                Some(turn) = turns.recv(), if !stopping && progress.open.len() < self.in_flight_max => {
                    self.heard(&turn, &mut progress);
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// Reads turns as long as there is room for them; answers why there will be no more.
    async fn read(&self, outbox: &mut impl Outbox, ahead: mpsc::Sender<Box<api::Turn>>) -> Trouble {
        loop {
            match outbox.next().await {
                Err(trouble) => return trouble,
                Ok(Heard::Lost(reason)) => self.tell.trouble(1, "follow the server", &reason),
                Ok(Heard::Resumed) => self.tell.mended(1, "follow the server"),
                // Whoever takes them lives as long as this does.
                Ok(Heard::Turn(turn)) => drop(ahead.send(turn).await),
            }
        }
    }

    fn heard(&self, turn: &api::Turn, progress: &mut Progress) {
        progress.read = progress.read.max(turn.cursor);
        let own = turn.address.starts_with(KIND);
        progress.passed += u64::from(!own);
        if !self.choice.wants(turn) {
            return;
        }
        if let Some(notification) = self.form.notification(&self.name, turn) {
            progress.open.insert(notification.cursor);
            progress.lanes.push(notification.address.clone(), Rc::new(notification));
        }
    }

    fn deliver<'a>(&'a self, progress: &mut Progress, steps: &Steps<'a>) {
        while progress.delivering < self.sink.parallel().max(1) {
            let batch = progress.lanes.take(self.sink.batch_max().max(1));
            if batch.is_empty() {
                return;
            }
            progress.delivering += 1;
            steps.push(Box::pin(async move {
                let notifications: Vec<Notification> = batch.iter().map(|(_, one)| (**one).clone()).collect();
                let results = self.sink.deliver(&notifications).await;
                Step::Delivered(batch, results)
            }));
        }
    }

    fn take<'a>(&'a self, step: Step, progress: &mut Progress, steps: &Steps<'a>) -> Result<(), Trouble> {
        match step {
            Step::Delivered(batch, results) => {
                progress.delivering -= 1;
                // A result that is missing is none: it is sent again.
                let results = results.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
                for ((key, notification), result) in batch.into_iter().zip(results) {
                    self.delivered(key, &notification, result, progress, steps)?;
                }
            }
            Step::Awake(key) => progress.lanes.again(&key),
            Step::Kept(cursor, done) => {
                done?;
                progress.tally.cursor = cursor;
                progress.keeping = false;
                progress.keep_at = Instant::now() + KEEP_EVERY;
            }
        }
        Ok(())
    }

    fn delivered<'a>(
        &'a self,
        key: Key,
        notification: &Notification,
        result: Option<Result<(), Trouble>>,
        progress: &mut Progress,
        steps: &Steps<'a>,
    ) -> Result<(), Trouble> {
        let reason = match result {
            Some(Ok(())) => {
                progress.open.remove(&notification.cursor);
                progress.lanes.done(&key);
                progress.delivered = true;
                progress.tally.delivered += 1;
                return Ok(());
            }
            Some(Err(trouble)) if !trouble.again => return Err(trouble),
            Some(Err(trouble)) => trouble.reason,
            None => "the destination did not say whether it was taken".into(),
        };
        let failures = progress.lanes.failed(&key);
        progress.tally.repeated += 1;
        self.tell.trouble(failures, &format!("deliver {}", notification.id), &reason);
        steps.push(Box::pin(async move {
            tokio::time::sleep(backoff(failures)).await;
            Step::Awake(key)
        }));
        Ok(())
    }

    /// Keeps the cursor when it is time to; answers when it will be.
    fn keep<'a, K: Shelf>(
        &'a self,
        progress: &mut Progress,
        shelf: &'a K,
        steps: &Steps<'a>,
        now: bool,
    ) -> Option<Instant> {
        let cursor = progress.cursor();
        let worth = progress.delivered || progress.passed >= PASSED_MAX;
        if progress.keeping || !worth || cursor <= progress.tally.cursor {
            return None;
        }
        // What is still on its way when we stop may move it once more.
        let now = now && progress.delivering == 0;
        if !now && Instant::now() < progress.keep_at {
            return Some(progress.keep_at);
        }
        (progress.keeping, progress.delivered, progress.passed) = (true, false, 0);
        steps.push(Box::pin(async move {
            let done = insist("keep the cursor", &self.tell, async || shelf.keep(cursor).await).await;
            Step::Kept(cursor, done)
        }));
        None
    }
}

impl Progress {
    fn new(cursor: u64) -> Progress {
        Progress {
            lanes: Lanes::new(),
            open: BTreeSet::new(),
            read: cursor,
            passed: 0,
            delivered: false,
            keeping: false,
            keep_at: Instant::now(),
            delivering: 0,
            tally: OutwardTally { cursor, ..OutwardTally::default() },
        }
    }

    /// The last position below which nothing waits.
    fn cursor(&self) -> u64 {
        self.open.first().map_or(self.read, |open| open - 1)
    }
}

#[cfg(test)]
mod tests;
