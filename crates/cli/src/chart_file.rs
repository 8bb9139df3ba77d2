//! A chart in a file, read without a server, and texts that go to a file or to stdout.
//!
//! Its one invariant: a definition with errors is told of with all of them, and nothing is done with it.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use everstate_chart::{ChartDefinition, Severity, read, render};
use std::path::Path;

/// The text of a definition.
pub(crate) fn source(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::file("read", file, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("definition is not UTF-8 text: {}", file.display());
        Failure::problem("malformed", message).hint("save the file as UTF-8")
    })
}

/// The definition; none when it has errors, which are told.
pub(crate) fn definition(file: &Path, output: &mut Output) -> Result<Result<ChartDefinition, Exit>, Failure> {
    let name = file.display().to_string();
    let source = source(file)?;
    let outcome = read(&name, &source);
    if let Some(definition) = outcome.definition {
        return Ok(Ok(definition));
    }
    let colour = output.manner().talk_paint.0;
    for finding in outcome.findings.iter().filter(|one| one.severity == Severity::Error) {
        output.talk(&render(finding, &name, &source, colour))?;
    }
    Ok(Err(Exit::Problem))
}

/// Writes a text to a file, or to stdout.
pub(crate) fn deliver(text: &str, file: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    match file {
        None => output.data(text),
        Some(file) => {
            std::fs::write(file, text).map_err(|error| Failure::file("write", file, &error))?;
            output.talk(&format!("wrote {}", file.display()))
        }
    }
}
