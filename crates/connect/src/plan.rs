//! A connector file, as read: which server, which sources, which sinks.
//!
//! It refuses to open anything, and to hold a secret: a file only says where one is kept.
//!
//! Its one invariant: a plan is whole; what is wrong with a file is found all at once, each with its place.

mod reader;

use crate::body::Form;
use crate::outbox::Begin;
use crate::outward::Choice;
use crate::secret::Secret;
use everstate_chart::Finding;
use std::path::PathBuf;
use std::time::Duration;

/// What a connector file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The server, `http://` or `https://`.
    pub server: Option<String>,
    /// Where events come from.
    pub sources: Vec<SourcePlan>,
    /// Where notifications go.
    pub sinks: Vec<SinkPlan>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlan {
    /// Unique in its file.
    pub name: String,
    /// How its bodies are written.
    pub form: Form,
    /// Messages held at a time.
    pub in_flight: usize,
    /// The queue.
    pub queue: Spoken,
}

/// A sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPlan {
    /// Unique in its file; its cursor is kept under this name.
    pub name: String,
    /// How its bodies are written.
    pub form: Form,
    /// Notifications waiting at a time.
    pub in_flight: usize,
    /// Which turns are told.
    pub choice: Choice,
    /// Where it begins when it is new.
    pub begin: Begin,
    /// The destination.
    pub destination: Spoken,
}

/// A queue or a destination, in the protocol that it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// NATS JetStream.
    Nats(NatsPlan),
    /// Amazon's Simple Queue Service, or what speaks like it.
    Sqs(SqsPlan),
    /// A web server that takes signed requests.
    Webhook(WebhookPlan),
}

/// Of NATS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NatsPlan {
    /// `nats://` or `tls://`, host and port; several with commas.
    pub server: String,
    /// The text of a credentials file.
    pub credentials: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
    /// Certificates of the authorities that may have signed the server's (PEM).
    pub ca: Option<PathBuf>,
    /// Of a source: the stream.
    pub stream: String,
    /// Of a source: its durable consumer, made when it is not there.
    pub consumer: String,
    /// Of a source: only messages of these subjects, when the consumer is made here. Of a sink: where to publish.
    pub subject: String,
    /// Of a source: the subject of rejected messages; a stream must take it.
    pub dead_letter: String,
    /// Of a source: for how long a message is ours.
    pub hold: Duration,
}

/// Of SQS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SqsPlan {
    /// The queue's URL.
    pub queue: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// Another server than Amazon's.
    pub endpoint: Option<String>,
    /// A file as Amazon's tools keep it; the environment when none.
    pub credentials: Option<PathBuf>,
    /// The part of that file.
    pub profile: String,
    /// Of a source: the URL of the queue for rejected messages.
    pub dead_letter: String,
    /// Of a source: for how long a message is ours.
    pub hold: Duration,
}

/// Of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookPlan {
    /// Where to.
    pub url: String,
    /// The secret of the signature: `whsec_` and base64, or any text.
    pub secret: Secret,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What came of reading a connector file.
#[derive(Debug)]
pub struct ReadPlan {
    /// The plan, if nothing is wrong.
    pub plan: Option<Plan>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Reads a connector file.
    pub fn read(text: &str) -> ReadPlan {
        reader::read(text)
    }
}

#[cfg(test)]
mod tests;
