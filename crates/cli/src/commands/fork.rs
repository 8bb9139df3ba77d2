//! `fork`: an instance begins at a point of another's history.

use crate::arguments::Shared;
use crate::chosen::Audit;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;
use everstate_client::api;

/// Begin an instance at a point of the history of another
///
/// The history is played from its start up to that turn by the definition that made it; where that does not come to what
/// the history says, nothing is done. The new instance has the timers that the other one had then, and no children,
/// endpoints or watchers. Turns are numbered in `everstate history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate fork orders/42 --at 17 orders/42-again
  everstate fork orders/42 orders/42-copy")]
pub(crate) struct Fork {
    /// The instance, KIND/ID
    address: String,
    /// The new one, KIND/ID
    new: String,
    /// After this turn; after the last one when not given
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
    #[command(flatten)]
    audit: Audit,
}

impl Fork {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let request = api::ForkInstanceRequest {
            address: meant::address(&self.address)?.into(),
            to: meant::address(&self.new)?.into(),
            sequence: self.at.unwrap_or(0),
            audit: Some(self.audit.message()).into(),
            ..Default::default()
        };
        let instance = client.fork(request).await?;
        if output.json() {
            output.document(&document::instance(&instance))?;
        } else {
            output.data(&render::instance(&instance, now(), output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
