//! `replay`: a trace once more, step by step, without a server.

use super::explore::read_system;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Args;
use everstate_sim::{Play, System, Trace, replay};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Play a trace of `explore` once more, step by step
///
/// On a terminal, with --step, waits for Enter after each step. Exits with 1 when the trace still breaks its property,
/// and when it is of other definitions than those that are there now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate replay traces/late-payment.trace.json
  everstate replay late-payment.trace.json --system shop.system.yaml --step")]
pub(crate) struct Replay {
    /// The trace, as `explore --trace` saved it
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The system; the one that the trace names when not given
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,
    /// Wait for Enter after each step
    #[arg(long)]
    step: bool,
}

impl Replay {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let file = &self.trace;
        let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        let trace = Trace::read(&text).map_err(|problem| Failure::problem("trace", problem))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let named = trace.file.as_ref().map(|named| folder.join(named));
        let Some(path) = self.system.or(named) else {
            let failure = Failure::usage("the trace does not say which system it is of");
            return Err(failure.hint("name the system file with --system FILE"));
        };
        let Some(system) = read_system(&path, output)? else { return Ok(Exit::Problem) };
        let story = replay(&system, &trace).map_err(|problem| Failure::problem("trace", problem))?;
        if self.step && std::io::stdin().is_terminal() && !output.json() {
            walk(&system, &trace, output)?;
        }
        let broken = story.is_some();
        if output.json() {
            output.document(&json!({
                "property": trace.property, "broken": broken, "story": story, "steps": trace.steps.len(),
            }))?;
        } else {
            let mended = format!("{} is not broken by this trace any more\n", trace.property);
            output.data(&story.unwrap_or(mended))?;
        }
        Ok(if broken { Exit::Problem } else { Exit::Fine })
    }
}

/// Shows one step after the other, each after Enter.
fn walk(system: &System, trace: &Trace, output: &mut Output) -> Result<(), Failure> {
    let failed = |problem: String| Failure::problem("trace", problem);
    let (mut play, _) = Play::begin(system).map_err(failed)?;
    for (place, happening) in trace.steps.iter().enumerate() {
        let told = play.step(happening).map_err(failed)?;
        output.data(&format!("{:>4} {}\n", place + 1, told.sentence()))?;
        for member in &system.cast {
            if let Some(seen) = play.world().describe(&member.address) {
                output.data(&format!(
                    "       {} {} {}\n",
                    member.name,
                    seen.labels.join(" and "),
                    seen.data
                ))?;
            }
        }
        output.flush()?;
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map_err(|error| Failure::file("read", Path::new("-"), &error))?;
    }
    Ok(())
}
