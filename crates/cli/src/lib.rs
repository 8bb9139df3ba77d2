//! Who speaks? The `everstate` command: what was typed becomes what is meant, and is then done by one file per
//! command.
//!
//! It refuses to know the wire and the engines: the client speaks, the server serves, the charts check.
//!
//! Its one invariant: data goes to stdout and talk to stderr, and the exit code says how it went.

mod arguments;
mod chart_file;
mod chosen;
mod commands;
mod conditions;
mod document;
mod failure;
mod load;
mod meant;
mod output;
mod paint;
mod redis;
mod reference;
mod render;
mod report;
mod sarif;
mod simulation;
mod space;
mod table;

use arguments::Arguments;
use clap::{CommandFactory, FromArgMatches};
use failure::{Exit, Failure};
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, the program's name first.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match Arguments::command().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return typed_wrong(&error),
    };
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => return typed_wrong(&error),
    };
    let mut output = Output::new(&arguments.shared.manner());
    let exit = commands::run(arguments, &mut output).unwrap_or_else(|failure| tell(&failure, &mut output));
    match output.flush() {
        Ok(()) => exit.into(),
        Err(failure) => tell(&failure, &mut output).into(),
    }
}

/// Help and version were asked for and go to stdout; all else is wrong usage.
fn typed_wrong(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { Exit::Usage.into() } else { Exit::Fine.into() }
}

fn tell(failure: &Failure, output: &mut Output) -> Exit {
    if failure.is_broken_pipe() {
        // Whoever read our stdout has seen enough, as `head` does.
        return Exit::Fine;
    }
    let text = failure.render(output.manner());
    // When stderr is gone as well there is nobody left to tell; the exit code stays.
    let _ = output.talk_writer().write_all(text.as_bytes());
    failure.exit
}
