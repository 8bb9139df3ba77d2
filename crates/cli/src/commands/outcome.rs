//! `outcome`: what became of an event.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;
use serde_json::json;

/// Tell what became of an event
///
/// Exits with 1 when it was rejected or failed.
#[derive(Debug, Args)]
pub(crate) struct Outcome {
    /// The event's id, as `send` printed it
    event_id: String,
}

impl Outcome {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let answer = meant::prompt_client(shared)?.outcome(&self.event_id).await?;
        let outcome = answer.outcome.as_option().cloned().unwrap_or_default();
        if output.json() {
            output.document(&json!({
                "event_id": self.event_id,
                "address": answer.address,
                "outcome": document::outcome(&outcome),
                "time": document::time(answer.time.as_option()),
            }))?;
        } else {
            output.data(&render::outcome(&outcome, &self.event_id, output.paint()))?;
            output.talk(&format!("sent to {}", answer.address))?;
        }
        let well = matches!(document::code(&outcome), "ok" | "pending");
        Ok(if well { Exit::Fine } else { Exit::Problem })
    }
}
