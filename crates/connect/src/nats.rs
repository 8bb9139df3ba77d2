//! NATS JetStream: events from a durable pull consumer, notifications to a subject.
//!
//! A stream is in order, and so is its consumer, but for what was given out and never arrived: what an earlier process
//! held when it ended, or what was lost with a connection. It comes again only after a while, and newer messages before
//! it. So newer ones are held back until such a rest is there ([`Order`]).
//!
//! Its one invariant: messages are handed to the driver in the order of the stream.

use crate::plan::NatsPlan;
use crate::sink::{Notification, Sink};
use crate::source::{Message, Source};
use crate::trouble::Trouble;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::context::{GetStreamByNameErrorKind, GetStreamErrorKind};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use futures::TryStreamExt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;
use tokio::time::Instant;

/// How long one call waits for the first message. The server answers as soon as there is one.
const POLL: Duration = Duration::from_secs(5);

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Messages of one pull: as many as make good batches further on.
const PULL_MAX: usize = 512;

/// Publications under way at a time; each waits for the server's word.
const PUBLISHED_MAX: usize = 256;

/// What a message that goes on being worked on is told with, and one that shall come again.
const WORKING: &str = "+WPI";
const GIVEN_BACK: &str = "-NAK";

/// A durable consumer of a stream.
pub(crate) struct NatsSource {
    client: Client,
    context: Context,
    consumer: Consumer<pull::Config>,
    stream: String,
    dead_letter: String,
    hold: Duration,
    order: RefCell<Order>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of the message in the stream.
    stream: u64,
    /// Of the delivery among all deliveries of the consumer.
    consumer: u64,
}

/// Brings deliveries into the order of the stream.
#[derive(Debug)]
struct Order {
    /// The last delivery that was seen.
    seen: u64,
    rest: Option<Rest>,
    /// After how long what did not arrive comes again.
    hold: Duration,
}

/// What was given out and did not arrive.
#[derive(Debug)]
struct Rest {
    /// Its messages are at most this far in the stream.
    horizon: u64,
    /// How many deliveries are to come again.
    expected: usize,
    /// What came since, by its place in the stream.
    came: BTreeMap<u64, Message>,
    /// When to wait no longer: a message that was deleted from the stream never comes.
    until: Instant,
}

impl Order {
    fn new(seen: Place, unacknowledged: usize, hold: Duration, now: Instant) -> Order {
        let mut order = Order { seen: seen.consumer, rest: None, hold };
        order.lost(unacknowledged, seen.stream, now);
        order
    }

    fn lost(&mut self, count: usize, horizon: u64, now: Instant) {
        if count == 0 {
            return;
        }
        let until = now + self.hold * 2;
        let new = || Rest { horizon, expected: 0, came: BTreeMap::new(), until };
        let rest = self.rest.get_or_insert_with(new);
        rest.horizon = rest.horizon.max(horizon);
        rest.expected += count;
        rest.until = until;
    }

    /// Takes what came; answers what can be handed on, in order.
    fn take(&mut self, deliveries: Vec<(Place, Message)>, now: Instant) -> Vec<Message> {
        let mut ready = Vec::new();
        for (place, message) in deliveries {
            let missed = place.consumer.saturating_sub(self.seen + 1);
            self.lost(usize::try_from(missed).unwrap_or(usize::MAX), place.stream, now);
            self.seen = self.seen.max(place.consumer);
            match &mut self.rest {
                Some(rest) => drop(rest.came.insert(place.stream, message)),
                None => ready.push(message),
            }
        }
        let complete = |rest: &mut Rest| {
            let there = rest.came.range(..=rest.horizon).count();
            there >= rest.expected || now >= rest.until
        };
        let rest = self.rest.take_if(complete).into_iter();
        ready.extend(rest.flat_map(|rest| rest.came.into_values()));
        ready
    }
}

impl NatsSource {
    /// Connects, and finds the consumer or makes it.
    pub(crate) async fn open(plan: &NatsPlan, in_flight: usize) -> Result<NatsSource, Trouble> {
        let client = connect(plan).await?;
        let context = jetstream::new(client.clone());
        taken(&context, &plan.dead_letter).await?;
        let stream = context.get_stream(&plan.stream).await.map_err(|error| match error.kind() {
            GetStreamErrorKind::Request => again("ask for the stream", &error),
            _ => Trouble::lasting(format!(
                "there is no stream {}: {error}; make it with: nats stream add {}",
                plan.stream, plan.stream
            )),
        })?;
        let config = pull::Config {
            durable_name: Some(plan.consumer.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: plan.hold,
            max_deliver: -1,
            max_ack_pending: i64::try_from(in_flight).unwrap_or(i64::MAX),
            filter_subject: plan.subject.clone(),
            ..pull::Config::default()
        };
        let consumer = stream
            .get_or_create_consumer(&plan.consumer, config)
            .await
            .map_err(|error| again("find or make the consumer", &error))?;
        let known = consumer.get_info().await.map_err(|error| again("ask for the consumer", &error))?;
        if known.config.ack_policy != AckPolicy::Explicit {
            return Err(Trouble::lasting(format!(
                "the consumer {} does not take acknowledgements of single messages; use another one",
                plan.consumer
            )));
        }
        let hold = known.config.ack_wait;
        let delivered = &known.delivered;
        let seen = Place { stream: delivered.stream_sequence, consumer: delivered.consumer_sequence };
        let order = RefCell::new(Order::new(seen, known.num_ack_pending, hold, Instant::now()));
        Ok(NatsSource {
            client,
            context,
            consumer,
            stream: plan.stream.clone(),
            dead_letter: plan.dead_letter.clone(),
            hold,
            order,
        })
    }

    /// What is there now; else the first message that comes.
    async fn pull(&self, max: usize) -> Result<Vec<jetstream::Message>, Trouble> {
        let failed = |error: &dyn Display| again("pull messages", &error);
        let batch = self.consumer.fetch().max_messages(max.min(PULL_MAX)).messages().await;
        let batch = batch.map_err(|error| failed(&error))?;
        let there: Vec<_> = batch.try_collect().await.map_err(|error| failed(&error))?;
        if !there.is_empty() {
            return Ok(there);
        }
        let first = self.consumer.batch().max_messages(1).expires(POLL).messages().await;
        let first = first.map_err(|error| failed(&error))?;
        first.try_collect().await.map_err(|error| failed(&error))
    }

    fn read(&self, message: &jetstream::Message) -> Result<(Place, Message), Trouble> {
        let info = message.info().map_err(|error| again("read a message's place", &error))?;
        let place = Place { stream: info.stream_sequence, consumer: info.consumer_sequence };
        let named =
            message.headers.as_ref().and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID));
        let id = named.map_or_else(|| format!("{}-{}", self.stream, place.stream), ToString::to_string);
        let receipt = message.reply.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok((place, Message { id, receipt, body: message.payload.to_vec() }))
    }

    /// Says a word of each delivery.
    async fn say(&self, receipts: &[String], word: &'static str) -> Result<(), Trouble> {
        let saying = async {
            for receipt in receipts {
                self.client
                    .publish(receipt.clone(), word.into())
                    .await
                    .map_err(|error| again("answer", &error))?;
            }
            self.client.flush().await.map_err(|error| again("answer", &error))
        };
        within(saying).await
    }
}

impl Source for NatsSource {
    fn hold(&self) -> Option<Duration> {
        Some(self.hold)
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble> {
        let pulled = self.pull(max).await?;
        let deliveries = pulled.iter().map(|message| self.read(message)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.order.borrow_mut().take(deliveries, Instant::now()))
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.say(receipts, "").await
    }

    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.say(receipts, WORKING).await
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.say(receipts, GIVEN_BACK).await
    }

    async fn reject(&self, message: &Message, reason: &str) -> Result<(), Trouble> {
        let mut headers = HeaderMap::new();
        // A header is one line.
        let line: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        headers.insert("Everstate-Reason", line);
        headers.insert("Everstate-Message-Id", message.id.as_str());
        let publishing = async {
            let acknowledged = self
                .context
                .publish_with_headers(self.dead_letter.clone(), headers, message.body.clone().into())
                .await
                .map_err(|error| again("publish", &error))?;
            acknowledged.await.map(drop).map_err(|error| again("publish", &error))
        };
        within(publishing).await
    }
}

/// A subject of a stream.
pub(crate) struct NatsSink {
    context: Context,
    subject: String,
}

impl NatsSink {
    /// Connects; a stream must take the subject.
    pub(crate) async fn open(plan: &NatsPlan) -> Result<NatsSink, Trouble> {
        let context = jetstream::new(connect(plan).await?);
        taken(&context, &plan.subject).await?;
        Ok(NatsSink { context, subject: plan.subject.clone() })
    }
}

impl Sink for NatsSink {
    fn batch_max(&self) -> usize {
        PUBLISHED_MAX
    }

    fn parallel(&self) -> usize {
        1
    }

    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        let mut published = Vec::with_capacity(batch.len());
        for one in batch {
            let mut headers = HeaderMap::new();
            headers.insert(async_nats::header::NATS_MESSAGE_ID, one.id.as_str());
            headers.insert("Everstate-Address", &*one.address);
            let body = one.body.clone().into();
            published.push(self.context.publish_with_headers(self.subject.clone(), headers, body).await);
        }
        let mut results = Vec::with_capacity(batch.len());
        for one in published {
            results.push(match one {
                Err(error) => Err(again("publish", &error)),
                Ok(acknowledged) => acknowledged.await.map(drop).map_err(|error| again("publish", &error)),
            });
        }
        results
    }
}

async fn connect(plan: &NatsPlan) -> Result<Client, Trouble> {
    let mut options = ConnectOptions::new()
        .name("everstate connect")
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .require_tls(plan.server.split(',').any(|server| server.starts_with("tls://")));
    if let Some(secret) = &plan.credentials {
        let text = secret.read().map_err(Trouble::lasting)?;
        // What is wrong with it could tell what is in it.
        let unusable = |_| Trouble::lasting(format!("there are no NATS credentials in {secret:?}"));
        options = options.credentials(&text).map_err(unusable)?;
    }
    if let Some(secret) = &plan.token {
        options = options.token(secret.read().map_err(Trouble::lasting)?);
    }
    if let Some(file) = &plan.ca {
        options = options.add_root_certificates(file.clone());
    }
    let servers: Result<Vec<ServerAddr>, _> = plan.server.split(',').map(str::parse).collect();
    let servers =
        servers.map_err(|error| Trouble::lasting(format!("{} is no address: {error}", plan.server)))?;
    options
        .connect(servers)
        .await
        .map_err(|error| Trouble::again(format!("cannot connect to {}: {error}", plan.server)))
}

/// A subject that no stream takes would lose what is published there.
async fn taken(context: &Context, subject: &str) -> Result<(), Trouble> {
    match context.stream_by_subject(subject).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), GetStreamByNameErrorKind::NotFound) => {
            Err(Trouble::lasting(format!(
                "no stream takes the subject {subject}; add it to a stream, such as with: nats stream add --subjects \
             {subject}"
            )))
        }
        Err(error) => Err(again("look for the stream of a subject", &error)),
    }
}

async fn within<T>(doing: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Trouble::again(format!("the server did not answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, doing).await.map_err(late)?
}

fn again(what: &str, error: &dyn Display) -> Trouble {
    Trouble::again(format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests;
