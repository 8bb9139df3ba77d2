//! The cases of SCION's test framework: documents in ECMAScript, and the states that each event leads to.
//!
//! It refuses to run JavaScript: what the two languages write alike is run, and the rest is counted by its reason. Its
//! one invariant: a case that is run either passes or stands in the report as failed.

use everstate_chart::trace::{Machine, NoTrace, Stimulus};
use everstate_kernel::Json;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Cases in which a document means something else in ECMAScript than in CEL, or that no engine could pass here, each with
/// the reason.
const SKIPPED: &[(&str, &str)] = &[
    ("internal-transitions/test0", "the recommendation has no <transition> in <scxml>"),
    ("w3c-ecma/test444.txml", "a condition with an effect"),
    ("w3c-ecma/test449.txml", "a text as a condition"),
    ("w3c-ecma/test552.txml", "data read from a file"),
    ("w3c-ecma/test558.txml", "data read from a file"),
];

/// Where what the framework demands contradicts the recommendation: the domain of a transition is never a parallel state.
/// Beside it stands what the recommendation wants, under the name of an older semantics.
const CONTRADICTED: &[&str] = &["more-parallel/test10", "more-parallel/test10b"];

/// What it is called.
const OLDER: &str = "legacySemantics";

/// What the language of a document shows by.
const JAVASCRIPT: &[(&str, &str)] = &[
    ("<script", "<script>"),
    ("JSON.", "functions of JavaScript"),
    ("Math.", "functions of JavaScript"),
    ("instanceof", "types of JavaScript"),
    ("getElementsByTagName", "XML as a DOM"),
    ("function(", "functions as values"),
    ("checkErrorData", "functions of JavaScript"),
    ("doError()", "functions of JavaScript"),
    ("new testobject", "objects of JavaScript"),
    (".concat(", "functions of JavaScript"),
    ("_event.raw", "Basic HTTP event processor"),
    ("basichttp", "Basic HTTP event processor"),
    ("BasicHTTPEventProcessor", "Basic HTTP event processor"),
    ("undefined", "undefined as a value"),
];

/// Virtual time after which a machine of the W3C's has ended.
const SILENCE_MS: u64 = 30_000;

/// What became of all cases.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) passed: Vec<String>,
    pub(crate) failed: Vec<(String, String)>,
    skipped: BTreeMap<String, Vec<String>>,
    /// Passed by what the recommendation wants, where SCION wants something else.
    by_the_book: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped: usize = self.skipped.values().map(Vec::len).sum();
        writeln!(
            f,
            "SCION's cases: {} passed, {} failed, {skipped} skipped",
            self.passed.len(),
            self.failed.len()
        )?;
        writeln!(f, "  by the recommendation, where SCION wants otherwise: {}", self.by_the_book.join(" "))?;
        for (reason, names) in &self.skipped {
            writeln!(f, "  skipped, {reason}: {} ({})", names.len(), names.join(" "))?;
        }
        for (name, what) in &self.failed {
            writeln!(f, "  FAILED {name}: {what}")?;
        }
        Ok(())
    }
}

/// Runs all cases below a folder.
pub(crate) fn all(folder: &Path) -> Report {
    let mut report = Report::default();
    let mut groups: Vec<_> = entries(folder).into_iter().filter(|path| path.is_dir()).collect();
    groups.sort();
    for group in groups {
        let mut scripts = entries(&group);
        scripts.retain(|path| path.extension().is_some_and(|end| end == "json"));
        scripts.sort();
        for script in scripts {
            one(&script, &mut report);
        }
    }
    report
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder)
        .map(|all| all.filter_map(|one| Some(one.ok()?.path())).collect())
        .unwrap_or_default()
}

fn one(script: &Path, report: &mut Report) {
    let stem = script.with_extension("");
    let document = script.with_extension("scxml");
    let group = script.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = format!("{group}/{}", stem.file_name().unwrap_or_default().to_string_lossy());
    let text = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (Ok(source), Ok(script)) = (text(&document), text(script)) else { return };
    let Ok(script) = serde_json::from_str::<Value>(&script) else { return };
    let mut skip = |reason: &str| report.skipped.entry(reason.to_owned()).or_default().push(name.clone());
    if let Some((_, reason)) = SKIPPED.iter().find(|(known, _)| *known == name) {
        return skip(reason);
    }
    if let Some((_, reason)) = JAVASCRIPT.iter().find(|(sign, _)| source.contains(sign)) {
        return skip(reason);
    }
    let is_contradicted = CONTRADICTED.contains(&&*name);
    let result = match group == "w3c-ecma" {
        true => w3c(&document, &source),
        false => scripted(&document, &source, if is_contradicted { &script[OLDER] } else { &script }),
    };
    match result {
        Ok(()) => {
            if is_contradicted {
                report.by_the_book.push(name.clone());
            }
            report.passed.push(name);
        }
        Err(what) => report.failed.push((name, what)),
    }
}

/// A test of the W3C's ends in `pass`; those that a person would judge end in `final`.
fn w3c(document: &Path, source: &str) -> Result<(), String> {
    let mut machine = machine(document, source)?;
    let mut log = machine.start().map_err(refused)?.log;
    log.extend(machine.step(Stimulus::Advance(SILENCE_MS)).map_err(refused)?.log);
    match &machine.labels()[..] {
        [end] if machine.is_halted() && (end == "pass" || end == "final") => Ok(()),
        other => Err(format!("ended in {other:?}, log {log:?}")),
    }
}

fn refused(error: NoTrace) -> String {
    error.to_string()
}

/// The machine of a document, with the documents beside it that it may invoke.
fn machine(document: &Path, source: &str) -> Result<Machine, String> {
    let mut machine = Machine::new(&rewritten(source), false).map_err(refused)?;
    let stem = document.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem.split('.').next().unwrap_or_default();
    for other in entries(document.parent().unwrap_or(Path::new(""))) {
        let name = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".scxml").filter(|name| name.starts_with(&format!("{stem}sub")))
        else {
            continue;
        };
        let text = std::fs::read_to_string(&other).map_err(|error| error.to_string())?;
        machine.define(name.split('.').next().unwrap_or(name), &rewritten(&text)).map_err(refused)?;
    }
    Ok(machine)
}

/// The states that each event leads to.
fn scripted(document: &Path, source: &str, script: &Value) -> Result<(), String> {
    let mut machine = machine(document, source)?;
    let log = machine.start().map_err(refused)?.log;
    compared("the start", &machine, &script["initialConfiguration"], &log)?;
    for (at, step) in script["events"].as_array().into_iter().flatten().enumerate() {
        if let Some(span) = step["after"].as_u64() {
            machine.step(Stimulus::Advance(span)).map_err(refused)?;
        }
        let name = step["event"]["name"].as_str().unwrap_or_default();
        let data = Json::parse(&step["event"].get("data").unwrap_or(&Value::Null).to_string());
        let event = Stimulus::Event(Arc::from(name), data.map_err(|error| error.to_string())?);
        let log = machine.step(event).map_err(refused)?.log;
        compared(&format!("event {} ({name})", at + 1), &machine, &step["nextConfiguration"], &log)?;
    }
    Ok(())
}

/// Are these the active states without active sub-states?
fn compared(when: &str, machine: &Machine, wanted: &Value, log: &[String]) -> Result<(), String> {
    let labels = machine.labels();
    let wanted: Vec<&str> = wanted.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is = |label: &str, id: &str| label == id || label.ends_with(&format!(".{id}"));
    let same =
        labels.len() == wanted.len() && wanted.iter().all(|id| labels.iter().any(|label| is(label, id)));
    if same { Ok(()) } else { Err(format!("{when} leads to {labels:?}, wanted {wanted:?}, log {log:?}")) }
}

/// What both languages have, as CEL writes it.
fn rewritten(source: &str) -> String {
    let text = source.replace("datamodel=\"ecmascript\"", "datamodel=\"cel\"");
    let text = if text.contains("datamodel=\"") {
        text
    } else {
        text.replacen("<scxml", "<scxml datamodel=\"cel\"", 1)
    };
    let text = text.replace("===", "==").replace("!==", "!=");
    // What is there is true in JavaScript, whatever it is.
    let bare = Regex::new(r#"cond="(!?)([A-Za-z_]\w*(?:\.\w+|\['\w+'\])*)""#).expect("an expression");
    let known = |name: &str| matches!(name, "true" | "false" | "return");
    let text = bare.replace_all(&text, |found: &regex::Captures<'_>| match known(&found[2]) {
        true => found[0].to_owned(),
        false => format!("cond=\"{} {}= null\"", &found[2], if found[1].is_empty() { "!" } else { "=" }),
    });
    text.into_owned()
}
