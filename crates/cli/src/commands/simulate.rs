//! `simulate`: one instance of a definition, step by step, without a server.

use crate::failure::{Exit, Failure, plain};
use crate::output::Output;
use crate::simulation::{Simulation, Told};
use crate::{chart_file, meant};
use clap::Args;
use everstate_kernel::Json;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

/// Step through a definition: send events, let time pass, go back and forth
///
/// Works without a server. Reads commands from the terminal or from stdin, one a line; `help` lists them. From a pipe,
/// exits with 1 when a line was no command.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The definition
    file: PathBuf,
    /// What the instance is started with: JSON
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

const HELP: &str = "\
EVENT [JSON]    send an event, with its data (also: send EVENT [JSON])
+TIME           let time pass, such as +30s or +2h; timers fire on the way
tick            let time pass to the next timer
back [N]        N steps back
forward [N]     N steps forward again
show            the active states, context, events and timers
quit            the end
";

impl Simulate {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let definition = match chart_file::definition(&self.file, output)? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let data = json(self.data.as_deref().unwrap_or("null")).map_err(Failure::usage)?;
        let (mut simulation, told) = Simulation::start(definition, &data)
            .map_err(|message| Failure::problem("fault", format!("the machine cannot start: {message}")))?;
        let interactive = std::io::stdin().is_terminal();
        if interactive {
            output.talk("help lists the commands; quit or Ctrl-D ends")?;
        }
        show(&simulation, &told, output)?;
        let mut exit = Exit::Fine;
        let mut line = String::new();
        loop {
            if interactive {
                output.data("> ")?;
            }
            output.flush()?;
            line.clear();
            let read = std::io::stdin().lock().read_line(&mut line).map_err(|error| {
                Failure::problem("input", format!("cannot read the commands: {}", plain(&error)))
            })?;
            let command = line.trim();
            if read == 0 || matches!(command, "quit" | "exit" | "q") {
                return Ok(exit);
            }
            if command.is_empty() || command.starts_with('#') {
                continue;
            }
            if !interactive {
                output.data(&format!("> {command}\n"))?;
            }
            if let Err(message) = obey(command, &mut simulation, output)? {
                output.data(&format!("  {message}\n"))?;
                exit = if interactive { Exit::Fine } else { Exit::Problem };
            }
        }
    }
}

/// Does what a line says and shows where that led, or says why it cannot be meant.
fn obey(line: &str, simulation: &mut Simulation, output: &mut Output) -> Result<Result<(), String>, Failure> {
    if matches!(line, "help" | "?") {
        output.data(HELP)?;
        return Ok(Ok(()));
    }
    match act(line, simulation) {
        Ok(told) => show(simulation, &told, output).map(Ok),
        Err(message) => Ok(Err(message)),
    }
}

/// Does what a line of a script says, and tells what followed; or says why it cannot be meant.
pub(crate) fn act(line: &str, simulation: &mut Simulation) -> Result<Told, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(match word {
        "show" => Vec::new(),
        "back" | "b" | "forward" | "f" => {
            let steps = if rest.is_empty() { Ok(1) } else { rest.parse::<u32>() };
            let steps = steps.map_err(|_| format!("{rest:?} is no number of steps"))?;
            let steps = isize::try_from(steps).unwrap_or(isize::MAX);
            if !simulation.go(if word.starts_with('b') { -steps } else { steps }) {
                let (at, last) = simulation.position();
                return Err(format!("there are {at} steps before this and {} after it", last - at));
            }
            Vec::new()
        }
        "tick" => simulation.pass(None),
        word if word.starts_with('+') => {
            let span = meant::span(&line[1..]).map_err(|_| {
                format!("{:?} is no length of time; write such as +500ms, +30s, +2h", &line[1..])
            })?;
            simulation.pass(Some(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
        }
        word => {
            let (name, data) = match word {
                "send" => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
                name => (name, rest),
            };
            let data = json(if data.trim().is_empty() { "null" } else { data.trim() })?;
            if name.is_empty() {
                return Err("send needs the name of an event".to_owned());
            }
            simulation.send(name, data)
        }
    })
}

fn span(milliseconds: i64) -> String {
    everstate_chart::span_text(milliseconds.max(0).unsigned_abs())
}

fn json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| format!("data is not JSON: {error}"))
}

fn show(simulation: &Simulation, told: &[String], output: &mut Output) -> Result<(), Failure> {
    let paint = output.paint();
    for line in told {
        output.data(&format!("  {line}\n"))?;
    }
    let Some(description) = simulation.description() else { return Ok(()) };
    let (at, last) = simulation.position();
    let place = if at == last { format!("step {at}") } else { format!("step {at} of {last}") };
    let states = paint.bold(&description.labels.join(" "));
    let time = span(simulation.now().0);
    output.data(&format!("  state    {states}   {}\n", paint.dim(&format!("({place}, at {time})"))))?;
    if description.data.as_str() != "{}" && description.data.as_str() != "null" {
        output.data(&format!("  context  {}\n", description.data))?;
    }
    if let Some(data) = simulation.output() {
        return output.data(&format!("  done     {data}\n"));
    }
    let waiting = simulation.waiting();
    if !waiting.accepts.is_empty() {
        output.data(&format!("  events   {}\n", waiting.accepts.join("  ")))?;
    }
    for (event, guard) in &waiting.guarded {
        output.data(&format!("  guarded  {event} [{guard}]\n"))?;
    }
    for timer in simulation.timers() {
        let left = span(timer.due.0.saturating_sub(simulation.now().0));
        output.data(&format!("  timer    {} in {left}\n", timer.name))?;
    }
    Ok(())
}
