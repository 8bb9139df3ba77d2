//! `get`: one instance.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;

/// Show an instance: its state, context and timers
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The instance, KIND/ID
    address: String,
}

impl Get {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let instance = client.instance(meant::address(&self.address)?).await?;
        if output.json() {
            output.document(&document::instance(&instance))?;
        } else {
            output.data(&render::instance(&instance, now(), output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
