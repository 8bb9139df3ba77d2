//! `restarts`: what a supervisor did about its children, and why.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;

/// Show the children of a supervisor, how often each was restarted, and what was decided
#[derive(Debug, Args)]
pub(crate) struct Restarts {
    /// The supervisor, KIND/ID
    address: String,
}

impl Restarts {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let instance = client.instance(meant::address(&self.address)?).await?;
        let context = document::instance(&instance)["context"].clone();
        if !context["decisions"].is_array() {
            let problem = format!("{} is no supervisor", self.address);
            return Err(Failure::problem("no-supervisor", problem)
                .hint(format!("everstate tree {} shows what it has spawned", self.address)));
        }
        if output.json() {
            output.document(&context)?;
        } else {
            output.data(&render::restarts(&context, output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
