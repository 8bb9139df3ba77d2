//! Who speaks to a server? The Rust client: typed methods, typed errors, retries that can never become a second
//! event, and follow streams that resume.
//!
//! It refuses to know how anything is shown or stored, and it adds no meaning to the API's messages.
//!
//! Its one invariant: whatever is sent has its idempotency key before the first attempt, and every further attempt
//! carries the same one.

mod change;
mod client;
mod connection;
mod error;
mod follow;
mod json;
mod retry;
mod time;

pub use client::{Client, Condition, Delivery};
pub use connection::{Target, TargetError};
pub use error::{ClientError, Refusal};
pub use everstate_api::v1 as api;
pub use follow::{Follower, Subject, Told};
pub use json::{UnkeptNumber, json, value};
pub use retry::Retry;
pub use time::{millis, rfc3339, timestamp};
