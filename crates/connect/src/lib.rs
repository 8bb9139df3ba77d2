//! How do other systems take part? Connectors: events in from queues, and notifications out to queues and webhooks.
//!
//! A connector is one more client of a server: no door is open to it that is not open to everybody. Whatever can be
//! wrong is decided by two drivers, [`Inward`] and [`Outward`]; an adapter (a [`Source`], a [`Sink`]) only speaks a
//! protocol. So a new kind of queue is one file.
//!
//! It refuses to know how machines are kept, and how anything is shown to people.
//!
//! Its one invariant: nothing is given up before it is safe elsewhere: a message is acknowledged after its event is
//! committed or lies in the dead-letter queue, and the cursor passes a turn after its notification was taken.
#![allow(async_fn_in_trait, reason = "drivers take adapters by type, on one thread")]

mod body;
mod door;
mod inward;
mod lanes;
#[cfg(feature = "nats")]
mod nats;
mod news;
mod outbox;
mod outward;
mod plan;
mod run;
mod secret;
mod sink;
mod source;
#[cfg(feature = "sqs")]
mod sqs;
mod trouble;
#[cfg(feature = "webhook")]
mod webhook;

pub use body::{Form, Item};
pub use door::{Door, Verdict};
pub use inward::{Inward, InwardTally};
pub use news::{News, Tell, What};
pub use outbox::{Begin, Heard, Outbox, Shelf};
pub use outward::{Choice, Outward, OutwardTally};
pub use plan::{NatsPlan, Plan, ReadPlan, SinkPlan, SourcePlan, Spoken, SqsPlan, WebhookPlan};
pub use run::{Ended, lacking, run};
pub use secret::Secret;
pub use sink::{Notification, Sink};
pub use source::{Message, Source};
pub use trouble::Trouble;
