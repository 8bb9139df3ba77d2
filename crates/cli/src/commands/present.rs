//! `present`: who is in a space.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;
use crate::{meant, space};
use clap::Args;
use serde_json::{Value, json};

/// Show who is present in a space for a pattern
///
/// Nobody in the space is told of the question.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate present 'worker/*/idle'
  everstate present '>' --space room-42 --everything")]
pub(crate) struct Present {
    /// Segments joined by '/'; '*' stands for one, a final '>' for the rest
    pattern: String,
    /// The space, by its path; the outermost when not given
    #[arg(long, value_name = "PATH")]
    space: Option<String>,
    /// Observers, too, who are not seen by others
    #[arg(long)]
    everything: bool,
}

impl Present {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let (at, pattern) =
            (space::address(self.space.as_deref().unwrap_or_default())?, space::pattern(&self.pattern)?);
        let client = meant::prompt_client(shared)?;
        let interest = if self.everything { "everything" } else { "observer" };
        let (mut rows, mut all) = (Vec::new(), true);
        // An endpoint sees those of the opposite role; here both are of interest.
        for role in ["subscriber", "publisher"] {
            let question = json!({ "pattern": pattern, "role": role, "interest": interest });
            let (found, complete) = space::ask(&client, &at, "present", question).await?;
            rows.extend(found);
            all &= complete;
        }
        if output.json() {
            output.document(&json!({ "present": rows, "all": all }))?;
            return Ok(Exit::Fine);
        }
        if rows.is_empty() {
            output.talk(&format!("nobody is present for {pattern} in {at}"))?;
            return Ok(Exit::Fine);
        }
        let mut table = Table::new(&["ADDRESS", "ENDPOINT", "PATTERN", "ROLE", "INTEREST", "VALUE"]);
        for row in &rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let value = if row["value"].is_null() { String::new() } else { Value::to_string(&row["value"]) };
            let [address, endpoint, pattern, role, interest] =
                ["address", "endpoint", "pattern", "role", "interest"].map(text);
            table.row(vec![address, endpoint, pattern, role, interest, value]);
        }
        output.data(&table.render(output.paint()))?;
        if !all {
            output.talk("there are more; ask with a narrower pattern")?;
        }
        Ok(Exit::Fine)
    }
}
