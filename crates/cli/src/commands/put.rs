//! `put`: definitions for the server to keep.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;
use everstate_client::ClientError;
use serde_json::json;
use std::path::PathBuf;

/// Put definitions: the same text again is fine, a changed one needs another version
///
/// Goes on after a file that was refused, and then exits with 1.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Files, or folders of them (*.yaml, *.yml, *.json, *.scxml)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Put {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let mut exit = Exit::Fine;
        for file in meant::definition_files(&self.files)? {
            let name = file.display().to_string();
            let source =
                std::fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
            let answer = match client.put_definition(&name, &source).await {
                Ok(answer) => answer,
                Err(error @ ClientError::Refused(_)) => {
                    output.flush()?;
                    let text = Failure::from(error).render(output.manner());
                    let text = if output.json() { text } else { format!("{name}: {text}") };
                    output
                        .talk_writer()
                        .write_all(text.as_bytes())
                        .map_err(|error| Failure::writing(&error))?;
                    exit = Exit::Problem;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for finding in &answer.findings {
                output.talk(&finding.rendered)?;
            }
            if output.json() {
                output.line(&json!({
                    "definition": answer.definition.as_option().map(document::definition),
                    "fresh": answer.fresh,
                    "file": name,
                }))?;
            } else {
                output.data(&render::put(&answer, &name))?;
            }
        }
        Ok(exit)
    }
}
