//! `convert`: a definition in another notation.

use crate::chart_file;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::{Args, ValueEnum};
use everstate_chart::write::{Notation, write};
use std::path::PathBuf;

/// Write a definition in another notation: the native format or SCXML
///
/// Works without a server. What the other notation cannot say is named on stderr, each with its place; the exit code
/// is 1 when there is any such loss. Comments are not kept.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The definition
    file: PathBuf,
    /// The notation
    #[arg(long, value_name = "NOTATION")]
    to: To,
    /// Write to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// The native format
    Yaml,
    /// SCXML, with expressions in CEL
    Scxml,
}

impl Convert {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let definition = match chart_file::definition(&self.file, output)? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let notation = match self.to {
            To::Yaml => Notation::Yaml,
            To::Scxml => Notation::Scxml,
        };
        let written = write(&definition, notation);
        chart_file::deliver(&written.text, self.output.as_deref(), output)?;
        for loss in &written.losses {
            let place = if loss.place.is_empty() { String::new() } else { format!(" {}:", loss.place) };
            output.talk(&format!("lost:{place} {}", loss.what))?;
        }
        Ok(if written.losses.is_empty() { Exit::Fine } else { Exit::Problem })
    }
}
