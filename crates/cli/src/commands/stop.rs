//! `stop`: an instance and all that it has spawned, with its history kept.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant};
use clap::Args;

/// Stop an instance and what it has spawned; its history stays
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// The instance, KIND/ID
    address: String,
    /// At once, without letting it tidy up
    #[arg(long)]
    kill: bool,
}

impl Stop {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let instance = client.stop(meant::address(&self.address)?, self.kill).await?;
        if output.json() {
            output.document(&document::instance(&instance))?;
        } else if instance.done {
            output.talk(&format!("stopped {}", self.address))?;
        } else {
            output.talk(&format!("asked {} to stop; it tidies up first", self.address))?;
        }
        Ok(Exit::Fine)
    }
}
