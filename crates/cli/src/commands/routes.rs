//! `routes`: whom a message would reach.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;
use crate::{meant, space};
use clap::Args;
use serde_json::json;

/// Show who would get a message about a topic, without sending one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate routes talk/ann --space room-42
  everstate routes tcp/4000/5999 --feedback")]
pub(crate) struct Routes {
    /// The topic; with wildcards, all whose patterns intersect it
    topic: String,
    /// The space, by its path; the outermost when not given
    #[arg(long, value_name = "PATH")]
    space: Option<String>,
    /// A message of feedback, which goes back to publishers
    #[arg(long)]
    feedback: bool,
}

impl Routes {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let (at, topic) =
            (space::address(self.space.as_deref().unwrap_or_default())?, space::pattern(&self.topic)?);
        let client = meant::prompt_client(shared)?;
        let role = if self.feedback { "publisher" } else { "subscriber" };
        let question = json!({ "topic": topic, "role": role });
        let (rows, all) = space::ask(&client, &at, "takers", question).await?;
        if output.json() {
            output.document(&json!({ "takers": rows, "all": all }))?;
            return Ok(Exit::Fine);
        }
        if rows.is_empty() {
            output.talk(&format!("nobody in {at} would get it"))?;
            return Ok(Exit::Fine);
        }
        let mut table = match self.feedback {
            true => Table::new(&["ADDRESS", "ENDPOINT", "PATTERN", "CREDIT", "WAITING"]),
            false => Table::new(&["ADDRESS", "ENDPOINT", "PATTERN"]),
        };
        for row in &rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let mut cells = vec![text("address"), text("endpoint"), text("pattern")];
            if self.feedback {
                // Only who waits for credit has numbers here.
                let number = |key: &str| row[key].as_u64().map_or(String::new(), |number| number.to_string());
                cells.extend([number("credit"), number("waiting")]);
            }
            table.row(cells);
        }
        output.data(&table.render(output.paint()))?;
        if !all {
            output.talk("there are more; ask with a narrower topic")?;
        }
        Ok(Exit::Fine)
    }
}
