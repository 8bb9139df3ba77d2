//! The way in: messages of a source become events of instances.
//!
//! | what happened | the message |
//! |---|---|
//! | the event is committed, or was under the same id | acknowledged |
//! | the body is malformed, or nobody can take the event | dead-letter queue with the reason, then acknowledged |
//! | the server is away or busy | held, kept at the source, tried again: nothing of its instance overtakes it |
//! | it comes again while it is held | the newer delivery stands for both |
//! | we stop | given back, unless its event is on its way |
//! | we crash | comes again; its event's id makes the second one a duplicate |
//!
//! It refuses to know any queue. Its one invariant: of one instance at most one event is on its way, the oldest.

use crate::body::{Form, Item};
use crate::door::{Door, Verdict};
use crate::lanes::{Key, Lanes};
use crate::news::{Tell, Teller, What};
use crate::source::{Message, Source};
use crate::trouble::{Trouble, backoff, insist};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Batches on their way to the server at a time. One would leave it idle while we read; more than a few share its
/// commits anyway.
const SENDING_MAX: usize = 4;

/// Events of a batch: one commit of the server takes as many with ease.
const BATCH_MAX: usize = 256;

/// Messages acknowledged at a time.
const ACKNOWLEDGED_MAX: usize = 256;

/// Attempts to acknowledge. After the last one the message may come again: it will be found to be a duplicate.
const ACKNOWLEDGE_ATTEMPTS: u32 = 5;

/// Bytes of bodies that are held before nothing more is received. A batch of the largest messages may come on top.
const HELD_BYTES_MAX: usize = 64 << 20;

/// How long what is on its way may take once we are told to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InwardTally {
    /// Messages received, repeated deliveries included.
    pub received: u64,
    /// Events committed for the first time.
    pub committed: u64,
    /// Events that were committed before.
    pub duplicates: u64,
    /// Messages put into the dead-letter queue.
    pub rejected: u64,
    /// Messages given back at the end.
    pub given_back: u64,
}

/// The driver of a source.
pub struct Inward<S, D> {
    source: S,
    door: D,
    form: Form,
    in_flight_max: usize,
    tell: Teller,
}

/// A message that is held, with its event.
#[derive(Clone)]
struct Held {
    message: Rc<Message>,
    item: Item,
}

/// A delivery of a message that is held.
struct Delivery {
    receipt: String,
    bytes: usize,
}

/// Something that was waited for.
enum Step {
    Sent(Vec<(Key, Held)>, Result<Vec<Verdict>, Trouble>),
    Awake(Vec<Key>),
    Rejected(Option<Key>, Rc<Message>, Result<(), Trouble>),
    Acknowledged,
    Kept,
}

type Steps<'a> = FuturesUnordered<LocalBoxFuture<'a, Step>>;

/// What is held, and what is done with it.
struct Holding {
    lanes: Lanes<Held>,
    /// The newest delivery of each message that is not acknowledged yet, by the message's id.
    deliveries: HashMap<String, Delivery>,
    /// The sum of their bodies.
    bytes: usize,
    /// Ids of messages to acknowledge.
    safe: Vec<String>,
    sending: usize,
    acknowledging: bool,
    /// Failures in a row at the server, and at receiving.
    away: u32,
    deaf: u32,
    tally: InwardTally,
}

impl<S: Source, D: Door> Inward<S, D> {
    /// A driver that holds so many messages at most.
    pub fn new(name: &str, source: S, door: D, form: Form, in_flight_max: usize, tell: Tell) -> Inward<S, D> {
        let tell = Teller::new(name, tell);
        Inward { source, door, form, in_flight_max: in_flight_max.max(1), tell }
    }

    /// Works until `stop` ends, or until something lasting is wrong.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<InwardTally, Trouble> {
        let mut holding = Holding::new();
        let mut steps: Steps<'_> = FuturesUnordered::new();
        let mut receiving: Option<LocalBoxFuture<'_, Result<Vec<Message>, Trouble>>> = None;
        let mut ticks = self.source.hold().map(|hold| tokio::time::interval((hold / 3).max(TICK_MIN)));
        let (mut stop, mut grace) = (pin!(stop), pin!(tokio::time::sleep(Duration::MAX)));
        let mut stopping = false;
        loop {
            let room = holding.room(self.in_flight_max);
            if receiving.is_none() && room > 0 && !stopping {
                receiving = Some(Box::pin(self.receive(room, holding.deaf)));
            }
            if !stopping {
                self.send(&mut holding, &steps);
            }
            self.acknowledge(&mut holding, &steps);
            if stopping && holding.is_settled() {
                self.give_back_all(&mut holding).await;
                return Ok(holding.tally);
            }
            tokio::select! {
                biased;
                () = &mut stop, if !stopping => {
                    (stopping, receiving) = (true, None);
                    grace.as_mut().reset(tokio::time::Instant::now() + STOP_GRACE);
                    let left = holding.lanes.drain();
                    let left: Vec<String> = left.iter().map(|held| held.message.id.clone()).collect();
                    self.give_back(&left, &mut holding).await;
                }
                () = &mut grace, if stopping => {
                    self.give_back_all(&mut holding).await;
                    return Ok(holding.tally);
                }
                Some(step) = steps.next(), if !steps.is_empty() => self.take(step, &mut holding, &steps)?,
                received = async { receiving.as_mut().expect("asked only when there").await }, if receiving.is_some() => {
                    receiving = None;
                    self.received(received, &mut holding, &steps)?;
                }
                _ = async { ticks.as_mut().expect("asked only when there").tick().await }, if ticks.is_some() => {
                    self.keep(&holding, &steps);
                }
            }
        }
    }

    async fn receive(&self, room: usize, failures: u32) -> Result<Vec<Message>, Trouble> {
        if failures > 0 {
            tokio::time::sleep(backoff(failures)).await;
        }
        self.source.receive(room).await
    }

    fn received<'a>(
        &'a self,
        received: Result<Vec<Message>, Trouble>,
        holding: &mut Holding,
        steps: &Steps<'a>,
    ) -> Result<(), Trouble> {
        let messages = match received {
            Ok(messages) => messages,
            Err(trouble) if !trouble.again => return Err(trouble),
            Err(trouble) => {
                holding.deaf += 1;
                self.tell.trouble(holding.deaf, "receive", &trouble.reason);
                return Ok(());
            }
        };
        self.tell.mended(std::mem::take(&mut holding.deaf), "receive");
        for message in messages {
            holding.tally.received += 1;
            if !holding.hold(&message) {
                continue;
            }
            match self.form.event(&message.id, &message.body) {
                Ok(item) => {
                    let key = Key::from(item.address.as_str());
                    holding.lanes.push(key, Held { message: Rc::new(message), item });
                }
                Err(reason) => steps.push(Box::pin(self.reject(None, Rc::new(message), reason))),
            }
        }
        Ok(())
    }

    /// Sends heads of lanes.
    fn send<'a>(&'a self, holding: &mut Holding, steps: &Steps<'a>) {
        while holding.sending < SENDING_MAX {
            let batch = holding.lanes.take(BATCH_MAX);
            if batch.is_empty() {
                return;
            }
            holding.sending += 1;
            steps.push(Box::pin(async move {
                let items = batch.iter().map(|(_, held)| held.item.clone()).collect();
                let verdicts = self.door.commit(items).await;
                Step::Sent(batch, verdicts)
            }));
        }
    }

    fn take<'a>(&'a self, step: Step, holding: &mut Holding, steps: &Steps<'a>) -> Result<(), Trouble> {
        match step {
            Step::Sent(batch, verdicts) => {
                holding.sending -= 1;
                return self.sent(batch, verdicts, holding, steps);
            }
            Step::Awake(keys) => keys.iter().for_each(|key| holding.lanes.again(key)),
            Step::Rejected(key, message, done) => {
                done?;
                holding.tally.rejected += 1;
                holding.safe.push(message.id.clone());
                key.iter().for_each(|key| holding.lanes.done(key));
            }
            Step::Acknowledged => holding.acknowledging = false,
            Step::Kept => {}
        }
        Ok(())
    }

    fn sent<'a>(
        &'a self,
        batch: Vec<(Key, Held)>,
        verdicts: Result<Vec<Verdict>, Trouble>,
        holding: &mut Holding,
        steps: &Steps<'a>,
    ) -> Result<(), Trouble> {
        let verdicts = match verdicts {
            Ok(verdicts) => verdicts,
            Err(trouble) if !trouble.again => return Err(trouble),
            Err(trouble) => {
                holding.away += 1;
                self.tell.trouble(holding.away, "send events to the server", &trouble.reason);
                let keys = batch.into_iter().map(|(key, _)| key).collect();
                steps.push(awake(keys, holding.away));
                return Ok(());
            }
        };
        self.tell.mended(std::mem::take(&mut holding.away), "send events to the server");
        // A verdict that is missing is none: that event is sent again.
        let verdicts = verdicts.into_iter().map(Some).chain(std::iter::repeat(None));
        for ((key, held), verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                Some(Verdict::Committed { duplicate }) => {
                    holding.tally.committed += u64::from(!duplicate);
                    holding.tally.duplicates += u64::from(duplicate);
                    holding.safe.push(held.message.id.clone());
                    holding.lanes.done(&key);
                }
                Some(Verdict::Never(reason)) => {
                    steps.push(Box::pin(self.reject(Some(key), held.message, reason)));
                }
                Some(Verdict::Again(_)) | None => {
                    let failures = holding.lanes.failed(&key);
                    if let Some(Verdict::Again(reason)) = &verdict {
                        self.tell.trouble(failures, &format!("send an event to {key}"), reason);
                    }
                    steps.push(awake(vec![key], failures));
                }
            }
        }
        Ok(())
    }

    async fn reject(&self, key: Option<Key>, message: Rc<Message>, reason: String) -> Step {
        let what = "put a message into the dead-letter queue";
        let done = insist(what, &self.tell, async || self.source.reject(&message, &reason).await).await;
        if done.is_ok() {
            self.tell.say(What::Rejected, format!("message {}: {reason}", message.id));
        }
        Step::Rejected(key, message, done)
    }

    fn acknowledge<'a>(&'a self, holding: &mut Holding, steps: &Steps<'a>) {
        if holding.acknowledging || holding.safe.is_empty() {
            return;
        }
        holding.acknowledging = true;
        let count = holding.safe.len().min(ACKNOWLEDGED_MAX);
        let ids: Vec<String> = holding.safe.drain(..count).collect();
        let receipts = holding.release(&ids);
        steps.push(Box::pin(async move {
            for attempt in 1..=ACKNOWLEDGE_ATTEMPTS {
                match self.source.acknowledge(&receipts).await {
                    Ok(()) => break,
                    Err(trouble) => {
                        self.tell.trouble(attempt, "acknowledge messages", &trouble.reason);
                        tokio::time::sleep(backoff(attempt)).await;
                    }
                }
            }
            Step::Acknowledged
        }));
    }

    /// Says that what is held is still worked on.
    fn keep<'a>(&'a self, holding: &Holding, steps: &Steps<'a>) {
        if holding.deliveries.is_empty() {
            return;
        }
        let receipts: Vec<String> = holding.deliveries.values().map(|held| held.receipt.clone()).collect();
        steps.push(Box::pin(async move {
            if let Err(trouble) = self.source.keep(&receipts).await {
                // The next tick says it again.
                self.tell.trouble(1, "keep messages", &trouble.reason);
            }
            Step::Kept
        }));
    }

    async fn give_back_all(&self, holding: &mut Holding) {
        let left: Vec<String> = holding.deliveries.keys().cloned().collect();
        self.give_back(&left, holding).await;
    }

    /// Gives messages back, to whoever comes next.
    async fn give_back(&self, ids: &[String], holding: &mut Holding) {
        let receipts = holding.release(ids);
        if receipts.is_empty() {
            return;
        }
        holding.tally.given_back += receipts.len() as u64;
        if let Err(trouble) = self.source.give_back(&receipts).await {
            // They come back by themselves, only later.
            self.tell.trouble(1, "give messages back", &trouble.reason);
        }
    }
}

/// A queue that holds messages for less than some of these would lose them to itself.
const TICK_MIN: Duration = Duration::from_millis(100);

fn awake<'a>(keys: Vec<Key>, failures: u32) -> LocalBoxFuture<'a, Step> {
    Box::pin(async move {
        tokio::time::sleep(backoff(failures)).await;
        Step::Awake(keys)
    })
}

impl Holding {
    fn new() -> Holding {
        Holding {
            lanes: Lanes::new(),
            deliveries: HashMap::new(),
            bytes: 0,
            safe: Vec::new(),
            sending: 0,
            acknowledging: false,
            away: 0,
            deaf: 0,
            tally: InwardTally::default(),
        }
    }

    /// Is nothing on its way?
    fn is_settled(&self) -> bool {
        self.sending == 0 && !self.acknowledging && self.safe.is_empty()
    }

    /// How many more messages can be held.
    fn room(&self, in_flight_max: usize) -> usize {
        if self.bytes >= HELD_BYTES_MAX { 0 } else { in_flight_max.saturating_sub(self.deliveries.len()) }
    }

    /// Remembers a delivery; answers whether its message is new here.
    fn hold(&mut self, message: &Message) -> bool {
        let held = Delivery { receipt: message.receipt.clone(), bytes: message.body.len() };
        self.bytes += held.bytes;
        match self.deliveries.insert(message.id.clone(), held) {
            None => true,
            Some(older) => {
                self.bytes -= older.bytes;
                false
            }
        }
    }

    /// Forgets messages; answers their receipts.
    fn release(&mut self, ids: &[String]) -> Vec<String> {
        let mut receipts = Vec::with_capacity(ids.len());
        for held in ids.iter().filter_map(|id| self.deliveries.remove(id)) {
            self.bytes -= held.bytes;
            receipts.push(held.receipt);
        }
        receipts
    }
}

#[cfg(test)]
mod tests;
