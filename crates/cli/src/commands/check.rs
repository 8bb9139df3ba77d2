//! `check`: the problems of definitions, all of them, without a server.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::render::counted;
use crate::sarif;
use crate::{chart_file, meant};
use clap::{Args, ValueEnum};
use everstate_chart::{Finding, Severity, machine, render};
use everstate_sim::check_properties;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Report every problem of definitions, with file, line and column
///
/// Works without a server. Properties that a definition states are tried by exploring one instance within a small budget;
/// `everstate explore` goes further. Exits with 1 when there is an error, or, with --strict, a warning.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, or folders of them (*.yaml, *.yml, *.json, *.scxml)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Let warnings count as errors
    #[arg(long)]
    strict: bool,
    /// How findings are written; --json means json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with excerpts
    Text,
    /// One JSON object a line
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
}

impl Check {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let files = meant::definition_files(&self.files)?;
        let format = if output.json() && self.format == Format::Text { Format::Json } else { self.format };
        let mut results = Vec::new();
        let (mut errors, mut warnings) = (0_u64, 0_u64);
        for file in &files {
            let name = file.display().to_string();
            let source = chart_file::source(file)?;
            let properties = check_properties(&name, &source);
            for finding in machine(&name, &source).1.into_iter().chain(properties) {
                match finding.severity {
                    Severity::Error => errors += 1,
                    Severity::Warning => warnings += 1,
                }
                match format {
                    Format::Json => output.line(&document(&name, &finding))?,
                    Format::Sarif => results.push(sarif::result(&name, &source, &finding)),
                    Format::Text => {
                        output.data(&render(&finding, &name, &source, output.paint().0))?;
                        output.data("\n")?;
                    }
                }
            }
        }
        if format == Format::Sarif {
            output.document(&sarif::log(results))?;
        }
        output.talk(&summary(files.len() as u64, errors, warnings))?;
        let bad = errors > 0 || (self.strict && warnings > 0);
        Ok(if bad { Exit::Problem } else { Exit::Fine })
    }
}

fn document(file: &str, finding: &Finding) -> Json {
    json!({
        "file": file,
        "line": finding.line,
        "column": finding.column,
        "severity": finding.severity.to_string(),
        "code": finding.code.as_str(),
        "message": finding.message,
        "path": finding.path,
        "hint": finding.hint,
    })
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
