//! `diff`: what differs between two definitions.

use crate::arguments::Shared;
use crate::chart_file;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use clap::Args;
use everstate_chart::ChartDefinition;
use everstate_chart::change::diff;
use serde_json::json;
use std::path::Path;

/// Show what differs between two definitions
///
/// Each is a file, or NAME@VERSION (NAME for the greatest version) on a server. Exits with 0 when they are the same but
/// for name and version, and with 1 when they differ. States that have moved, or look like one under another name, are
/// suggested as entries for `migrate --map`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate diff orders-v1.yaml orders-v2.yaml
  everstate diff orders@v1 orders@v2
  everstate diff orders@v2 orders-next.yaml --json")]
pub(crate) struct Diff {
    /// The old one: FILE or NAME@VERSION
    #[arg(value_name = "OLD")]
    old: String,
    /// The new one: FILE or NAME@VERSION
    #[arg(value_name = "NEW")]
    new: String,
}

impl Diff {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let old = match definition(&self.old, shared, output).await? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let new = match definition(&self.new, shared, output).await? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let diff = diff(&old, &new);
        if output.json() {
            let changes = diff.changes.iter().map(|one| {
                json!({
                    "area": one.area.as_str(), "place": one.place, "how": one.how.as_str(), "part": one.part,
                    "before": one.before, "after": one.after,
                })
            });
            let suggested = diff.suggested.iter().map(|(old, new)| json!({"from": old, "to": new}));
            output.document(&json!({
                "old": old.id.to_string(),
                "new": new.id.to_string(),
                "changes": changes.collect::<Vec<_>>(),
                "suggested": suggested.collect::<Vec<_>>(),
            }))?;
        } else if diff.is_empty() {
            output.talk(&format!("{} and {} do the same", old.id, new.id))?;
        } else {
            output.data(&diff.render(output.paint().0))?;
        }
        Ok(if diff.is_empty() { Exit::Fine } else { Exit::Problem })
    }
}

/// The definition of a file or a server; none when it has errors, which are told. Errors are no difference.
async fn definition(
    text: &str,
    shared: &Shared,
    output: &mut Output,
) -> Result<Result<ChartDefinition, Exit>, Failure> {
    let file = Path::new(text);
    if file.is_file() {
        return Ok(chart_file::definition(file, output)?.map_err(|_| Exit::Usage));
    }
    if text.contains(['/', '\\'])
        || [".yaml", ".yml", ".json", ".scxml"].iter().any(|end| text.ends_with(end))
    {
        return Err(Failure::usage(format!("there is no file {text}")));
    }
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name.to_owned(), version.to_owned()),
        None => meant::definition(text),
    };
    let client = meant::prompt_client(shared)?;
    let found = match client.definition(&name, &version).await {
        Ok(found) => found,
        Err(error) => return Err(crate::commands::explained(&client, &name, error).await),
    };
    match everstate_chart::read(&name, &found.source).definition {
        Some(definition) => Ok(Ok(definition)),
        None => Err(Failure::usage(format!("{text} is no chart; only charts are compared"))),
    }
}
