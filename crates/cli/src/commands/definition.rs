//! `definition`: the text of one.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant};
use clap::Args;

/// Print a definition as it was put
#[derive(Debug, Args)]
pub(crate) struct Definition {
    /// Its name, with a version or without one for the greatest
    #[arg(value_name = "NAME[:VERSION]")]
    definition: String,
}

impl Definition {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let (name, version) = meant::definition(&self.definition);
        let client = meant::prompt_client(shared)?;
        let definition = match client.definition(&name, &version).await {
            Ok(definition) => definition,
            Err(error) => return Err(explained(&client, &name, error).await),
        };
        if output.json() {
            output.document(&document::definition(&definition))?;
            return Ok(Exit::Fine);
        }
        output.talk(&format!("{}:{}", definition.name, definition.version))?;
        output.data(&definition.source)?;
        if !definition.source.ends_with('\n') {
            output.data("\n")?;
        }
        Ok(Exit::Fine)
    }
}
