//! `coverage`: which states and transitions of a chart some runs went through; without a server.

use super::simulate;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::simulation::{Replay, Simulation};
use crate::{chart_file, document};
use clap::Args;
use everstate_chart::document::Lines;
use everstate_chart::draw::{Marks, Picture, draw};
use everstate_chart::{ChartDefinition, Coverage as Counts, StateCovered, TransitionCovered};
use everstate_kernel::Json;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Show which states were entered and which transitions taken, over scripts and histories
///
/// A run is a script of `everstate simulate`, or histories as `everstate history --json` prints them, of as many
/// instances as there are in it; `-` reads one from stdin. Scripts are run, histories are played once more. Works
/// without a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate coverage orders.yaml tests/*.script
  everstate history orders/42 --json | everstate coverage orders.yaml -
  everstate coverage orders.yaml tests/*.script --least 100 --draw missed.svg")]
pub(crate) struct Coverage {
    /// The definition
    file: PathBuf,
    /// Scripts and histories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Exit with 1 when fewer of the transitions were taken
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    least: Option<u8>,
    /// Write a picture in which transitions that were never taken are marked (SVG)
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
}

/// Bytes of a run. A history of a million turns is larger than what a person reads the coverage of.
const RUN_BYTES_MAX: u64 = 256 << 20;

impl Coverage {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let definition = match chart_file::definition(&self.file, output)? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let mut counts = Counts::default();
        for file in &self.runs {
            let ran = run(&definition, &text_of(file)?);
            let ran = ran
                .map_err(|message| Failure::problem("malformed", format!("{}: {message}", file.display())))?;
            counts.merge(&ran);
        }
        if let Some(picture) = &self.draw {
            let marks = Marks { fired: Some(counts.fired().clone()), ..Marks::default() };
            let text = draw(&definition.chart, Picture::Svg, &marks)
                .map_err(|error| Failure::problem("too-large", error.to_string()))?;
            chart_file::deliver(&text, Some(picture), output)?;
        }
        let source = chart_file::source(&self.file)?;
        let shown = Shown {
            // A mark of byte order is no part of what has places.
            lines: Lines::new(source.trim_start_matches('\u{feff}')),
            states: counts.states(&definition.chart),
            transitions: counts.transitions(&definition.chart),
        };
        if output.json() {
            output.document(&shown.to_json(&definition))?;
        } else {
            output.data(&shown.to_text(&self.file))?;
        }
        let taken =
            share(shown.transitions.iter().filter(|one| one.taken > 0).count(), shown.transitions.len());
        let Some(least) = self.least.filter(|least| taken < u64::from(*least)) else { return Ok(Exit::Fine) };
        output.talk(&format!("{taken} % of the transitions were taken, {least} % are asked for"))?;
        Ok(Exit::Problem)
    }
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", file, &error);
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(RUN_BYTES_MAX + 1).read_to_end(&mut bytes),
        _ => std::fs::File::open(file).and_then(|open| open.take(RUN_BYTES_MAX + 1).read_to_end(&mut bytes)),
    };
    if read.map_err(failed)? as u64 > RUN_BYTES_MAX {
        let message = format!("{} is larger than {RUN_BYTES_MAX} bytes; give it in parts", file.display());
        return Err(Failure::problem("too-large", message));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::problem("malformed", format!("{} is not UTF-8 text", file.display())))
}

/// Runs a script, or plays histories; what they went through.
fn run(definition: &ChartDefinition, text: &str) -> Result<Counts, String> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut lines = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).peekable();
    let placed = |at: usize, message: String| format!("line {at}: {message}");
    if lines.peek().is_some_and(|(_, line)| line.starts_with('{')) {
        let mut replay = Replay::new(definition);
        for (at, line) in lines {
            replay.line(line).map_err(|message| placed(at, message))?;
        }
        return Ok(replay.into_coverage());
    }
    let (mut simulation, _) = Simulation::start(definition.clone(), &Json::NULL)?;
    for (at, line) in lines {
        if matches!(line, "quit" | "exit" | "q") {
            break;
        }
        simulate::act(line, &mut simulation).map_err(|message| placed(at, message))?;
    }
    Ok(simulation.coverage())
}

/// How many of a hundred; all only when it is all of them.
fn share(part: usize, whole: usize) -> u64 {
    if whole == 0 { 100 } else { part as u64 * 100 / whole as u64 }
}

/// What is shown of it.
struct Shown<'s> {
    lines: Lines<'s>,
    states: Vec<StateCovered>,
    transitions: Vec<TransitionCovered>,
}

impl Shown<'_> {
    fn to_json(&self, definition: &ChartDefinition) -> serde_json::Value {
        let place = |at: usize| self.lines.position(at);
        let states = self.states.iter().map(|state| {
            let (line, column) = place(state.at);
            json!({ "path": &*state.path, "line": line, "column": column, "entered": state.entered })
        });
        let transitions = self.transitions.iter().map(|one| {
            let (line, column) = place(one.at);
            json!({
                "source": &*one.transition.source, "events": document::texts(&one.transition.events),
                "guard": &*one.transition.guard, "targets": document::texts(&one.transition.targets),
                "line": line, "column": column, "taken": one.taken,
            })
        });
        json!({
            "definition": definition.id.to_string(),
            "states": states.collect::<Vec<_>>(),
            "transitions": transitions.collect::<Vec<_>>(),
        })
    }

    fn to_text(&self, file: &Path) -> String {
        let entered = self.states.iter().filter(|state| state.entered > 0).count();
        let taken = self.transitions.iter().filter(|one| one.taken > 0).count();
        let (states, transitions) = (self.states.len(), self.transitions.len());
        let mut text = format!(
            "{}: {entered} of {states} states entered ({} %), {taken} of {transitions} transitions taken ({} %)\n",
            file.display(),
            share(entered, states),
            share(taken, transitions)
        );
        let place = |at: usize| {
            let (line, column) = self.lines.position(at);
            format!("{line}:{column}")
        };
        let mut rows: Vec<(usize, [String; 3])> = Vec::new();
        for state in self.states.iter().filter(|state| state.entered == 0) {
            rows.push((state.at, [place(state.at), "never entered".to_owned(), state.path.to_string()]));
        }
        for one in self.transitions.iter().filter(|one| one.taken == 0) {
            rows.push((one.at, [place(one.at), "never taken".to_owned(), named(one)]));
        }
        rows.sort();
        for (_, [place, what, which]) in rows {
            text.push_str(&format!("  {place:<8} {what:<14} {which}\n"));
        }
        text
    }
}

/// A transition as a person would say it.
fn named(one: &TransitionCovered) -> String {
    let transition = &one.transition;
    let source = if transition.source.is_empty() { "the machine" } else { &transition.source };
    let mut text = format!("{source}: {}", document::texts(&transition.events).join(" "));
    if transition.events.is_empty() {
        text = format!("{source}: always");
    }
    if !transition.guard.is_empty() {
        text.push_str(&format!(" [{}]", transition.guard));
    }
    if !transition.targets.is_empty() {
        text.push_str(&format!(" -> {}", document::texts(&transition.targets).join(" ")));
    }
    text
}
