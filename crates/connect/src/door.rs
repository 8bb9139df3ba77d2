//! What the way in needs of a server: a batch of events committed, and what became of each.
//!
//! Its one invariant: [`Verdict::Committed`] is said only of what the server will never forget.

use crate::body::Item;
use crate::trouble::Trouble;
use everstate_client::api::outcome::Code;
use everstate_client::{Client, ClientError, Retry, api};
use std::time::Duration;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept for good, whatever its machine made of it.
    Committed {
        /// It was already, under the same id.
        duplicate: bool,
    },
    /// It is not, and may be later.
    Again(String),
    /// It never will be, as it is.
    Never(String),
}

/// The server, as the way in sees it.
pub trait Door {
    /// Commits events, each for another instance; a verdict for each, in their order.
    async fn commit(&self, items: Vec<Item>) -> Result<Vec<Verdict>, Trouble>;
}

/// The driver has the greater patience; the client's own is for hiccups.
const PATIENCE: Duration = Duration::from_secs(1);

impl Door for Client {
    async fn commit(&self, items: Vec<Item>) -> Result<Vec<Verdict>, Trouble> {
        let client = self.with_retry(Retry { patience: PATIENCE, first_contact: PATIENCE });
        match client.send_all(items.clone()).await {
            Ok(delivery) => Ok(delivery.results.iter().map(verdict).collect()),
            // One event that is too large spoils its batch: each for itself tells which.
            Err(error) if of_the_request(&error) && items.len() > 1 => {
                let mut verdicts = Vec::with_capacity(items.len());
                for item in items {
                    verdicts.push(alone(&client, item).await?);
                }
                Ok(verdicts)
            }
            Err(error) if of_the_request(&error) => Ok(vec![Verdict::Never(error.to_string())]),
            Err(error) => Err(error.into()),
        }
    }
}

async fn alone(client: &Client, item: Item) -> Result<Verdict, Trouble> {
    match client.send_all(vec![item]).await {
        Ok(delivery) => Ok(delivery.results.first().map_or_else(unanswered, verdict)),
        Err(error) if of_the_request(&error) => Ok(Verdict::Never(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn unanswered() -> Verdict {
    Verdict::Again("the server did not say what became of it".into())
}

/// Was it what was sent, and not who sent it or the way?
fn of_the_request(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => {
            !refusal.retryable && matches!(refusal.status, "invalid_argument" | "resource_exhausted")
        }
        _ => false,
    }
}

fn verdict(result: &api::send_events_response::Result) -> Verdict {
    if let Some(error) = result.error.as_option() {
        let told = format!("{}: {}", error.code, error.message);
        return if error.retryable { Verdict::Again(told) } else { Verdict::Never(told) };
    }
    let Some(outcome) = result.outcome.as_option() else { return unanswered() };
    match (outcome.code.as_known(), outcome.reason.as_str()) {
        // The server keeps nothing of an event for nobody, so the dead-letter queue does.
        (Some(Code::CODE_REJECTED), "unknown-address" | "unknown-kind") => {
            Verdict::Never(format!("{}: {}", outcome.reason, outcome.message))
        }
        (Some(Code::CODE_REJECTED), "mailbox-full") => Verdict::Again(outcome.message.clone()),
        (Some(Code::CODE_OK | Code::CODE_REJECTED | Code::CODE_FAILED | Code::CODE_PENDING), _) => {
            Verdict::Committed { duplicate: outcome.duplicate }
        }
        _ => unanswered(),
    }
}
