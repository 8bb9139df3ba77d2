//! `delete`: an instance, for good.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use clap::Args;
use serde_json::json;

/// Delete an instance with its history, timers and mailbox
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The instance, KIND/ID
    address: String,
}

impl Delete {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        client.delete(meant::address(&self.address)?).await?;
        if output.json() {
            output.document(&json!({ "address": self.address, "deleted": true }))?;
        } else {
            output.talk(&format!("deleted {}", self.address))?;
        }
        Ok(Exit::Fine)
    }
}
