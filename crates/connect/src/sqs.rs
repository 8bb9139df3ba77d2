//! Amazon's Simple Queue Service: events from a queue, notifications to one.
//!
//! A FIFO queue (its name ends in `.fifo`) keeps the order of a message group: let a group be an instance. A standard queue
//! has no order that anybody could keep.
//!
//! Its one invariant: a message is deleted only by `acknowledge`.

use crate::plan::SqsPlan;
use crate::sink::{Notification, Sink};
use crate::source::{Message, Source};
use crate::trouble::Trouble;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Messages of one request, as the service has it.
const BATCH_MAX: usize = 10;

/// Bytes of the bodies of one request: 256 KiB, less what goes with them.
const BATCH_BYTES_MAX: usize = 250 << 10;

/// Requests for messages at a time, once a first one came back full.
const RECEIVES_MAX: usize = 8;

/// How long one request waits for messages, in seconds: the most that the service allows, and the cheapest.
const WAIT_SECONDS: i32 = 20;

/// After how long credentials are read anew, so that a file that is replaced is noticed.
const CREDENTIALS_FRESH: Duration = Duration::from_secs(300);

/// Letters of a reason that go with a rejected message.
const REASON_MAX: usize = 1_000;

/// A queue to take events from.
pub(crate) struct SqsSource {
    client: Client,
    queue: String,
    dead_letter: String,
    hold: Duration,
}

impl SqsSource {
    pub(crate) async fn open(plan: &SqsPlan) -> Result<SqsSource, Trouble> {
        let client = client(plan)?;
        exists(&client, &plan.queue).await?;
        exists(&client, &plan.dead_letter).await?;
        let (queue, dead_letter) = (plan.queue.clone(), plan.dead_letter.clone());
        Ok(SqsSource { client, queue, dead_letter, hold: plan.hold })
    }

    async fn take(&self, max: usize, wait: i32) -> Result<Vec<Message>, Trouble> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.queue)
            .max_number_of_messages(i32::try_from(max.min(BATCH_MAX)).unwrap_or(1))
            .wait_time_seconds(wait)
            .visibility_timeout(seconds(self.hold))
            .send()
            .await
            .map_err(|error| trouble("receive", &error))?;
        let read = |message: aws_sdk_sqs::types::Message| Message {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default().into_bytes(),
        };
        Ok(answer.messages.unwrap_or_default().into_iter().map(read).collect())
    }

    async fn visible_in(&self, receipts: &[String], seconds: i32) -> Result<(), Trouble> {
        let calls = receipts.chunks(BATCH_MAX).map(async |chunk| {
            let mut call = self.client.change_message_visibility_batch().queue_url(&self.queue);
            for (at, receipt) in chunk.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder();
                let entry = entry.id(at.to_string()).receipt_handle(receipt).visibility_timeout(seconds);
                call = call.entries(entry.build().map_err(|error| unsaid(&error))?);
            }
            let answer = call.send().await.map_err(|error| trouble("keep", &error))?;
            all_but_stale(answer.failed())
        });
        join_all(calls).await.into_iter().collect()
    }
}

impl Source for SqsSource {
    fn hold(&self) -> Option<Duration> {
        Some(self.hold)
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble> {
        let mut all = self.take(max, WAIT_SECONDS).await?;
        if all.len() < BATCH_MAX {
            return Ok(all);
        }
        let left = max.saturating_sub(all.len());
        let more = (0..(left / BATCH_MAX).min(RECEIVES_MAX)).map(|_| self.take(BATCH_MAX, 0));
        for some in join_all(more).await {
            // What one of them did not get comes with a later one.
            all.extend(some.unwrap_or_default());
        }
        Ok(all)
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble> {
        let calls = receipts.chunks(BATCH_MAX).map(async |chunk| {
            let mut call = self.client.delete_message_batch().queue_url(&self.queue);
            for (at, receipt) in chunk.iter().enumerate() {
                let entry =
                    DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt);
                call = call.entries(entry.build().map_err(|error| unsaid(&error))?);
            }
            let answer = call.send().await.map_err(|error| trouble("delete", &error))?;
            all_but_stale(answer.failed())
        });
        join_all(calls).await.into_iter().collect()
    }

    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.visible_in(receipts, seconds(self.hold)).await
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.visible_in(receipts, 0).await
    }

    async fn reject(&self, message: &Message, reason: &str) -> Result<(), Trouble> {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
        let body = String::from_utf8_lossy(&message.body).into_owned();
        let mut call = self
            .client
            .send_message()
            .queue_url(&self.dead_letter)
            .message_body(body)
            .message_attributes("Reason", text(reason)?)
            .message_attributes("MessageId", text(message.id.clone())?);
        if is_fifo(&self.dead_letter) {
            call = call.message_group_id(&message.id).message_deduplication_id(&message.id);
        }
        call.send().await.map(drop).map_err(|error| trouble("send", &error))
    }
}

/// A queue to send notifications to.
pub(crate) struct SqsSink {
    client: Client,
    queue: String,
}

impl SqsSink {
    pub(crate) async fn open(plan: &SqsPlan) -> Result<SqsSink, Trouble> {
        let client = client(plan)?;
        exists(&client, &plan.queue).await?;
        Ok(SqsSink { client, queue: plan.queue.clone() })
    }

    async fn send(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        match self.try_send(batch).await {
            Err(trouble) => vec![Err(trouble); batch.len()],
            Ok(failed) => {
                let of = |at: usize| match failed.get(&at.to_string()) {
                    None => Ok(()),
                    Some(reason) => Err(Trouble::again(reason.clone())),
                };
                (0..batch.len()).map(of).collect()
            }
        }
    }

    /// Answers the reasons of those that were not taken, by their place.
    async fn try_send(&self, batch: &[Notification]) -> Result<BTreeMap<String, String>, Trouble> {
        let mut call = self.client.send_message_batch().queue_url(&self.queue);
        for (at, one) in batch.iter().enumerate() {
            let mut entry =
                SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(&one.body);
            if is_fifo(&self.queue) {
                entry = entry.message_group_id(group(&one.address)).message_deduplication_id(&one.id);
            }
            call = call.entries(entry.build().map_err(|error| unsaid(&error))?);
        }
        let answer = call.send().await.map_err(|error| trouble("send", &error))?;
        let reason = |entry: &BatchResultErrorEntry| {
            (entry.id().to_owned(), format!("{}: {}", entry.code(), entry.message().unwrap_or_default()))
        };
        Ok(answer.failed().iter().map(reason).collect())
    }
}

impl Sink for SqsSink {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn parallel(&self) -> usize {
        RECEIVES_MAX
    }

    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        let mut results = Vec::with_capacity(batch.len());
        let mut rest = batch;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest));
            results.extend(self.send(some).await);
            rest = others;
        }
        results
    }
}

/// How many from the begin fit into one request: at least one.
fn fitting(batch: &[Notification]) -> usize {
    let mut bytes = 0;
    let fits = |one: &&Notification| {
        bytes += one.body.len();
        bytes <= BATCH_BYTES_MAX
    };
    batch.iter().take_while(fits).count().max(1)
}

/// A group of a FIFO queue has at most 128 characters of ASCII: other addresses by their digest.
fn group(address: &str) -> String {
    if address.len() <= 128 && address.bytes().all(|b| b.is_ascii_graphic()) {
        return address.to_owned();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, address.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

fn seconds(span: Duration) -> i32 {
    i32::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

fn text(value: String) -> Result<MessageAttributeValue, Trouble> {
    // The service takes no empty one.
    let value = if value.is_empty() { "-".to_owned() } else { value };
    let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    value.map_err(|error| unsaid(&error))
}

/// A receipt that is too old belongs to a delivery that was followed by another one: nothing more is to be done.
fn all_but_stale(failed: &[BatchResultErrorEntry]) -> Result<(), Trouble> {
    match failed.iter().find(|entry| !entry.sender_fault()) {
        None => Ok(()),
        Some(entry) => {
            Err(Trouble::again(format!("{}: {}", entry.code(), entry.message().unwrap_or_default())))
        }
    }
}

fn client(plan: &SqsPlan) -> Result<Client, Trouble> {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let place = Place { file: plan.credentials.clone(), profile: plan.profile.clone() };
    place.read().map_err(Trouble::lasting)?;
    let mut config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(plan.region.clone()))
        .credentials_provider(place)
        .http_client(http);
    if let Some(endpoint) = &plan.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(config.build()))
}

async fn exists(client: &Client, queue: &str) -> Result<(), Trouble> {
    let name = QueueAttributeName::QueueArn;
    let asked = client.get_queue_attributes().queue_url(queue).attribute_names(name).send().await;
    match asked.map_err(|error| trouble("find the queue", &error)) {
        Err(trouble) if trouble.again => Err(trouble),
        Err(trouble) => Err(Trouble::lasting(format!("{queue}: {}", trouble.reason))),
        Ok(_) => Ok(()),
    }
}

/// Codes of what a person has to mend.
const LASTING: [&str; 8] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "AccessDenied",
    "AccessDeniedException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidAddress",
];

fn trouble<E>(what: &str, error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(code) = error.code() else {
        return Trouble::again(format!("cannot {what}: {}", DisplayErrorContext(error)));
    };
    let reason = format!("cannot {what}: {code}: {}", error.message().unwrap_or_default());
    let short = code.rsplit(['#', '.']).next().unwrap_or(code);
    let lasting = LASTING.iter().any(|known| *known == code || known.rsplit('.').next() == Some(short));
    if lasting { Trouble::lasting(reason) } else { Trouble::again(reason) }
}

/// A request that lacks what the service asks for is a mistake of ours.
fn unsaid(error: &dyn Error) -> Trouble {
    Trouble::lasting(format!("the request cannot be made: {error}"))
}

/// Where credentials are kept: a file, or the environment.
#[derive(Debug)]
struct Place {
    file: Option<PathBuf>,
    profile: String,
}

impl Place {
    fn read(&self) -> Result<Credentials, String> {
        let known = match &self.file {
            None => environment()?,
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("cannot read the credentials in {}: {error}", file.display()))?;
                let keys = profile(&text, &self.profile);
                keys.ok_or_else(|| format!("{} has no profile {}", file.display(), self.profile))?
            }
        };
        let of = |key: &str| known.get(key).cloned();
        let lacks = |key: &str| format!("the SQS credentials have no {key}");
        let id = of("aws_access_key_id").ok_or_else(|| lacks("aws_access_key_id"))?;
        let secret = of("aws_secret_access_key").ok_or_else(|| lacks("aws_secret_access_key"))?;
        let until = SystemTime::now() + CREDENTIALS_FRESH;
        Ok(Credentials::new(id, secret, of("aws_session_token"), Some(until), "everstate"))
    }
}

impl ProvideCredentials for Place {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.read().map_err(CredentialsError::not_loaded))
    }
}

fn environment() -> Result<BTreeMap<String, String>, String> {
    let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    let read = |key: &str| {
        let value = std::env::var(key.to_uppercase()).ok().filter(|value| !value.is_empty())?;
        Some((key.to_owned(), value))
    };
    let known: BTreeMap<String, String> = keys.iter().filter_map(|key| read(key)).collect();
    if known.len() < 2 {
        return Err(
            "the environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; set them, or name a file \
                    with `credentials`"
                .into(),
        );
    }
    Ok(known)
}

/// The keys of one part of a file as Amazon's tools keep it.
fn profile(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let (mut here, mut found, mut keys) = (false, false, BTreeMap::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            here = title.trim() == name;
            found |= here;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| here) {
            keys.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found.then_some(keys)
}

#[cfg(test)]
mod tests;
