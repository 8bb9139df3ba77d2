//! `why`: what an instance waits for.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;

/// Tell what an instance waits for, or that it is provably stuck
///
/// Exits with 1 when it is stuck.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The instance, KIND/ID
    address: String,
}

impl Why {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let explanation = client.explain(meant::address(&self.address)?).await?;
        if output.json() {
            output.document(&document::explanation(&explanation))?;
        } else {
            output.data(&render::explanation(&explanation, now(), output.paint()))?;
        }
        Ok(if document::verdict(&explanation) == "stuck" { Exit::Problem } else { Exit::Fine })
    }
}
