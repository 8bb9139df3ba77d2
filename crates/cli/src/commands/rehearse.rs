//! `rehearse`: the history of an instance, played by another version of its definition.
//!
//! Not `replay`: that plays a trace of `explore`, and repeats what was; a rehearsal tries what would be.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;
use crate::{chart_file, meant, render};
use clap::Args;
use everstate_client::api;
use serde_json::json;
use std::path::Path;

/// Play the history of an instance by another version, and show where that differs
///
/// Changes nothing. Exits with 1 when there are differences: another state, another outcome.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate rehearse orders/42 --against v2
  everstate rehearse orders/42 --against orders-next.yaml")]
pub(crate) struct Rehearse {
    /// The instance, KIND/ID
    address: String,
    /// A version of its definition, or a file with one that is not put yet
    #[arg(long, value_name = "VERSION|FILE")]
    against: String,
    /// At most so many differences
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

impl Rehearse {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let file = Path::new(&self.against);
        let is_file = file.is_file();
        let request = api::RehearseInstanceRequest {
            address: meant::address(&self.address)?.into(),
            version: if is_file { String::new() } else { self.against.clone() },
            source: if is_file { chart_file::source(file)? } else { String::new() },
            file_name: if is_file { self.against.clone() } else { String::new() },
            limit: self.limit,
            ..Default::default()
        };
        let answer = client.rehearse(request).await?;
        let exit = if answer.different == 0 { Exit::Fine } else { Exit::Problem };
        if output.json() {
            let differences = answer.differences.iter().map(|one| {
                json!({
                    "sequence": one.sequence, "event": one.event, "recorded": one.recorded, "rehearsed": one.rehearsed,
                })
            });
            output.document(&json!({
                "turns": answer.turns,
                "different": answer.different,
                "differences": differences.collect::<Vec<_>>(),
                "recorded_states": answer.recorded_states,
                "rehearsed_states": answer.rehearsed_states,
            }))?;
            return Ok(exit);
        }
        if answer.different > 0 {
            let mut table = Table::new(&["#", "event", "it was", "it would be"]).right(0);
            for one in &answer.differences {
                table.row(vec![
                    one.sequence.to_string(),
                    one.event.clone(),
                    one.recorded.clone(),
                    one.rehearsed.clone(),
                ]);
            }
            output.data(&table.render(output.paint()))?;
        }
        let (was, would) = (answer.recorded_states.join(", "), answer.rehearsed_states.join(", "));
        let end = if was == would {
            format!("both end in {was}")
        } else {
            format!("it is in {was}, and would be in {would}")
        };
        let turns = render::counted(answer.turns, "turn");
        output.data(&format!("{turns}, {} differ; {end}\n", render::count(answer.different)))?;
        Ok(exit)
    }
}
