//! `check`: the problems of definitions, all of them, without a server.

use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::render::counted;
use clap::Args;
use everstate_chart::{Severity, machine, render};
use serde_json::json;
use std::path::PathBuf;

/// Report every problem of definitions, with file, line and column
///
/// Works without a server. Exits with 1 when there is an error, or, with --strict, a warning.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, or folders of them (*.yaml, *.yml, *.json)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Let warnings count as errors
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let files = meant::definition_files(&self.files)?;
        let (mut errors, mut warnings) = (0_u64, 0_u64);
        for file in &files {
            let name = file.display().to_string();
            let source = std::fs::read(file).map_err(|error| Failure::file("read", file, &error))?;
            let Ok(source) = String::from_utf8(source) else {
                let message = format!("definition is not UTF-8 text: {name}");
                return Err(Failure::problem("malformed", message).hint("save the file as UTF-8"));
            };
            for finding in machine(&name, &source).1 {
                match finding.severity {
                    Severity::Error => errors += 1,
                    Severity::Warning => warnings += 1,
                }
                if output.json() {
                    output.line(&json!({
                        "file": name,
                        "line": finding.line,
                        "column": finding.column,
                        "severity": finding.severity.to_string(),
                        "code": finding.code.as_str(),
                        "message": finding.message,
                        "path": finding.path,
                        "hint": finding.hint,
                    }))?;
                } else {
                    output.data(&render(&finding, &name, &source, output.paint().0))?;
                    output.data("\n")?;
                }
            }
        }
        output.talk(&summary(files.len() as u64, errors, warnings))?;
        let bad = errors > 0 || (self.strict && warnings > 0);
        Ok(if bad { Exit::Problem } else { Exit::Fine })
    }
}

fn summary(files: u64, errors: u64, warnings: u64) -> String {
    let checked = counted(files, "file");
    match (errors, warnings) {
        (0, 0) => format!("checked {checked}: no problems"),
        (errors, 0) => format!("checked {checked}: {}", counted(errors, "error")),
        (0, warnings) => format!("checked {checked}: {}", counted(warnings, "warning")),
        (errors, warnings) => {
            format!("checked {checked}: {}, {}", counted(errors, "error"), counted(warnings, "warning"))
        }
    }
}
