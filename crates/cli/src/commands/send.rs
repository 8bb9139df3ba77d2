//! `send`: one event.

use crate::arguments::Shared;
use crate::commands::nearest_kind;
use crate::document;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::render;
use clap::Args;
use everstate_client::api;
use everstate_client::timestamp;
use serde_json::json;
use std::time::Duration;

/// Send an event to an instance
///
/// Prints what became of it. Exits with 1 when it was rejected or failed. Repeating it with the same --id sends
/// nothing twice: it gives the first outcome again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate send orders/42 pay
  everstate send orders/42 pay --data '{\"by\": \"card\"}' --id payment-7781")]
pub(crate) struct Send {
    /// The instance, KIND/ID
    address: String,
    /// Name of the event
    event: String,
    /// What comes with it: JSON, @FILE or @- for stdin
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// The event's own id; made when not given
    #[arg(long)]
    id: Option<String>,
    /// When it happened, RFC 3339; now when not given
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// When the event is kept for later (deferred, or behind one that is retried), wait for its outcome, so long
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1m")]
    wait: Option<String>,
}

/// The server's own bound.
const WAIT_MAX: Duration = Duration::from_secs(300);

impl Send {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let address = meant::address(&self.address)?;
        let wait = self.wait.as_deref().map(meant::span).transpose()?;
        if wait.is_some_and(|wait| wait > WAIT_MAX) {
            return Err(
                Failure::usage("--wait is at most 5m").hint("ask later with: everstate outcome EVENT-ID")
            );
        }
        let time = match &self.time {
            None => None,
            Some(text) => Some(timestamp(text).ok_or_else(|| {
                Failure::usage(format!("time is not usable: {text:?}")).hint("write 2026-01-31T12:00:00Z")
            })?),
        };
        let event = api::Event {
            id: self.id.clone().unwrap_or_default(),
            name: self.event.clone(),
            data: meant::data(self.data.as_deref())?.into(),
            time: time.into(),
            ..Default::default()
        };
        let client = meant::prompt_client(shared)?;
        let answer = client.send(address, event, wait).await?;
        let outcome = answer.outcome.as_option().cloned().unwrap_or_default();
        if output.json() {
            let document = json!({ "event_id": answer.event_id, "outcome": document::outcome(&outcome) });
            output.document(&document)?;
        } else {
            output.data(&render::outcome(&outcome, &answer.event_id, output.paint()))?;
        }
        self.advise(&client, &outcome, &answer.event_id, output).await
    }

    /// The next action where there is an evident one, and the exit.
    async fn advise(
        &self,
        client: &everstate_client::Client,
        outcome: &api::Outcome,
        event_id: &str,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let kind = self.address.split('/').next().unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default();
        match (document::code(outcome), outcome.reason.as_str()) {
            ("ok", _) => return Ok(Exit::Fine),
            ("pending", _) => {
                output.talk(&format!(
                    "it waits in the mailbox; ask later with: everstate outcome {event_id}"
                ))?;
                return Ok(Exit::Fine);
            }
            ("rejected", "unknown-kind") => {
                if let Some(near) = nearest_kind(client, kind).await {
                    output.talk(&format!("hint: did you mean {near}?"))?;
                }
            }
            ("rejected", "unknown-address") => {
                let id = self.address.split('/').next_back().unwrap_or_default();
                output.talk(&format!("hint: start it with: everstate start {kind} {id}"))?;
            }
            ("failed", _) => {
                output
                    .talk("hint: once its definition is mended: everstate dead-letters list, then retry")?;
            }
            _ => {
                let near = crate::commands::nearest(&self.event, outcome.accepts.iter().cloned());
                if let Some(near) = near.filter(|near| *near != self.event) {
                    output.talk(&format!("hint: did you mean {near}?"))?;
                }
            }
        }
        Ok(Exit::Problem)
    }
}
