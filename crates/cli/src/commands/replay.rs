//! `replay`: a trace or the report of a fault once more, step by step, without a server.

use super::explore::read_system;
use crate::chart_file;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::report::{REPORT_BYTES_MAX, Report, Reported, Verdict, is_report};
use clap::Args;
use everstate_sim::{Play, System, Trace, replay};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Play a trace of `explore`, or the report of a fault, once more, step by step
///
/// On a terminal, with --step, waits for Enter after each step of a trace. Exits with 1 when the trace still breaks its
/// property or the fault comes again, and when the file is of other definitions than those that are there now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate replay traces/late-payment.trace.json
  everstate replay late-payment.trace.json --system shop.system.yaml --step
  everstate replay fault.jsonl
  everstate replay fault.jsonl --definition orders-mended.yaml")]
pub(crate) struct Replay {
    /// The trace, as `explore --trace` saved it, or the report that `everstate report` wrote
    #[arg(value_name = "FILE")]
    trace: PathBuf,
    /// The system; the one that the trace names when not given
    #[arg(long, value_name = "FILE", conflicts_with = "definition")]
    system: Option<PathBuf>,
    /// The definition to play a report by; the one in the report when not given
    #[arg(long, value_name = "FILE")]
    definition: Option<PathBuf>,
    /// Wait for Enter after each step
    #[arg(long)]
    step: bool,
}

impl Replay {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let file = &self.trace;
        let text = text_of(file)?;
        if is_report(&text) {
            return self.report(&text, output);
        }
        if self.definition.is_some() {
            return Err(Failure::usage("--definition is for the report of a fault, and this is none")
                .hint("a trace is of a system: name it with --system FILE"));
        }
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

    /// Plays the report of a fault.
    fn report(&self, text: &str, output: &mut Output) -> Result<Exit, Failure> {
        let file = self.trace.display();
        let unusable = |problem: String| Failure::problem("report", format!("{file}: {problem}"));
        let report = Report::read(text).map_err(unusable)?;
        let kind = report.address.kind();
        let definition = match &self.definition {
            Some(path) => match chart_file::definition(path, output)? {
                Ok(definition) => definition,
                Err(exit) => return Ok(exit),
            },
            None => everstate_chart::read(&format!("{kind}.yaml"), &report.source)
                .definition
                .ok_or_else(|| unusable("the definition in it has errors".to_owned()))?,
        };
        let verdict = report.play(&definition).map_err(|problem| {
            let hint = "play it without --definition, or mend what the fault is about and nothing before it";
            let failure = unusable(problem);
            if self.definition.is_some() { failure.hint(hint) } else { failure }
        })?;
        let (exit, again, what) = match &verdict {
            Verdict::Again(message) => (Exit::Problem, true, format!("faults again: {message}")),
            Verdict::Otherwise(message) => (Exit::Problem, true, format!("faults otherwise: {message}")),
            Verdict::NoMore(what) => (Exit::Fine, false, format!("does not fault any more: {what}")),
        };
        if output.json() {
            output.document(&json!({
                "address": report.address.as_str(), "definition": definition.id.to_string(),
                "turns": report.turns.len(), "again": again, "message": what,
            }))?;
        } else {
            output.data(&format!("{} of {kind}:{}\n", report.address, report.version))?;
            for turn in &report.turns {
                output.data(&shown(turn))?;
            }
            output.data(&format!("     {what}\n"))?;
        }
        Ok(exit)
    }
}

/// One turn of a report, with where the instance stood before it.
fn shown(turn: &Reported) -> String {
    let part = |field: &str| turn.turn.get(field).filter(|value| !value.is_null());
    let event = part("event");
    let name = event.and_then(|event| event["name"].as_str());
    let data = event.map_or_else(|| part("start_data"), |event| event.get("data"));
    let data = data.filter(|data| !data.is_null()).map(|data| format!(" {data}")).unwrap_or_default();
    let cause = part("cause").and_then(|cause| cause.as_str()).unwrap_or_default();
    let name = name.map_or_else(|| format!("({cause})"), str::to_owned);
    let before = match turn.before["states"].as_array() {
        None => String::new(),
        Some(states) => {
            let states: Vec<&str> = states.iter().filter_map(|state| state.as_str()).collect();
            format!("\n     in {} {}", states.join(" and "), turn.before["context"])
        }
    };
    format!("{:>4} {name}{data}{before}\n", turn.sequence)
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", file, &error);
    let mut text = String::new();
    let open = std::fs::File::open(file).map_err(failed)?;
    if open.take(REPORT_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)? as u64 > REPORT_BYTES_MAX {
        let message = format!("{} is larger than {REPORT_BYTES_MAX} bytes", file.display());
        return Err(Failure::problem("too-large", message).hint("report an earlier fault, with --turn"));
    }
    Ok(text)
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
