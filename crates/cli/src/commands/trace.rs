//! `trace`: what machines do, event by event, for comparison with other engines; without a server.

use crate::failure::{Exit, Failure, plain};
use crate::output::Output;
use clap::Args;
use std::io::BufRead;

/// Run SCXML documents on a virtual clock and show what they do
///
/// Reads one JSON object a line on stdin, {"id", "scxml", "events": [{"event": NAME, "data"} | {"advance": MS}]}, and
/// answers each with one line on stdout, {"id", "trace": [{"event", "configuration", "log"}]}, or {"id"} with
/// "unsupported", "error" or "stuck" and a reason. The first entry of a trace is for the start; "@+N" means that N
/// milliseconds passed. "documents" may map names to further documents, for <invoke src="NAME"/>. Works without a
/// server.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo '{\"id\": 1, \"scxml\": \"<scxml initial='\\''a'\\''><state id='\\''a'\\''/></scxml>\"}' | everstate trace")]
pub(crate) struct Trace {}

impl Trace {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        for line in std::io::stdin().lock().split(b'\n') {
            let line = line.map_err(|error| {
                Failure::problem("system", format!("cannot read the lines on stdin: {}", plain(&error)))
            })?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            output.data(&everstate_chart::trace::answer(&line))?;
            output.data("\n")?;
            // Whoever compares engines waits for one answer before it asks for the next.
            output.flush()?;
        }
        Ok(Exit::Fine)
    }
}
