//! `definitions`: what there is.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;

/// List the definitions, or the versions of one
#[derive(Debug, Args)]
pub(crate) struct Definitions {
    /// Only this one, with all its versions
    name: Option<String>,
}

impl Definitions {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let name = self.name.unwrap_or_default();
        let definitions = match client.definitions(&name).await {
            Ok(definitions) => definitions,
            Err(error) => return Err(explained(&client, &name, error).await),
        };
        if output.json() {
            for definition in &definitions {
                output.line(&document::definition(definition))?;
            }
        } else if definitions.is_empty() {
            output.talk("there are none; put one with: everstate put FILE")?;
        } else {
            output.data(&render::definitions(&definitions, output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
