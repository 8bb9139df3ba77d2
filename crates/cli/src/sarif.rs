//! Findings as SARIF 2.1.0, which code scanning and editors read.
//!
//! It refuses to know where it is written to. Its one invariant: every result names a rule of the log.

use everstate_chart::{Code, Finding, Severity};
use serde_json::{Value as Json, json};

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// One finding of a file with that text.
pub(crate) fn result(file: &str, source: &str, finding: &Finding) -> Json {
    let mut text = finding.message.clone();
    if let Some(hint) = &finding.hint {
        text = format!("{text}; {hint}");
    }
    let (end_line, end_column) = end(source, finding);
    let index = Code::ALL.iter().position(|code| *code == finding.code);
    json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(file)},
                "region": {
                    "startLine": finding.line,
                    "startColumn": finding.column,
                    "endLine": end_line,
                    "endColumn": end_column,
                },
            },
            "logicalLocations": [{"fullyQualifiedName": finding.path}],
        }],
    })
}

/// Line and column after the last character.
fn end(source: &str, finding: &Finding) -> (usize, usize) {
    let text = source.get(finding.span.clone()).unwrap_or("");
    let column = |text: &str| text.chars().count();
    match text.rsplit_once('\n') {
        None => (finding.line, finding.column + column(text)),
        Some((before, last)) => (finding.line + before.matches('\n').count() + 1, column(last) + 1),
    }
}

/// A path as a relative reference.
fn uri(file: &str) -> String {
    let mut out = String::new();
    for byte in file.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The whole log.
pub(crate) fn log(results: Vec<Json>) -> Json {
    let rules: Vec<Json> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.as_str(),
                "shortDescription": {"text": code.explanation()},
                "defaultConfiguration": {"level": level(code.severity())},
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "everstate", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests;
