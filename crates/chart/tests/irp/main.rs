//! The W3C's implementation-report tests, in a node of the kernel and virtual time; and all of them once more, stored
//! and restored before every microstep.
//!
//! `EVERSTATE_SCXML_IRP` may name a folder with further tests of the same form.

mod rewrite;

use everstate_chart::trace::{Machine, NoTrace, Step, Stimulus};
use rewrite::rewrite;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tests that cannot apply, each with the reason.
const SKIPPED: &[(&str, &str)] = &[
    ("test301", "needs <script>, which is refused; the document is rejected, as the test wants"),
    ("test446", "ECMAScript only: instanceof, and data read from a file"),
    ("test452", "ECMAScript only: a script makes the object that is assigned to"),
    ("test453", "ECMAScript only: functions as values"),
    ("test456", "ECMAScript only: <script>"),
    ("test460", "ECMAScript only: [].concat"),
    ("test510", "Basic HTTP event processor"),
    ("test513", "Basic HTTP event processor; manual"),
    ("test522", "Basic HTTP event processor"),
    ("test557", "ECMAScript only: XML as a DOM, and data read from a file"),
    ("test567", "Basic HTTP event processor"),
];

/// Manual tests: what the log must show, and that the machine ends in `final`.
const MANUAL: &[(&str, &[&str])] = &[
    ("test178", &["_event : "]),
    ("test230", &["name is : childToParent", "type is : external", "origintype is : http"]),
    ("test250", &["Exiting sub01", "Exiting sub0"]),
    ("test307", &["error in state"]),
    ("test313", &[]),
    ("test314", &[]),
];

/// Virtual time that a test may take.
const SILENCE_MS: u64 = 30_000;

fn folder() -> PathBuf {
    match std::env::var_os("EVERSTATE_SCXML_IRP") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scxml-irp"),
    }
}

/// All documents by name.
fn documents() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).expect("the folder of the tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "txml") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).expect("a test");
            all.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    all
}

/// What became of a test.
struct Ran {
    /// Where it ended; empty when it did not.
    end: Vec<String>,
    steps: Vec<Step>,
}

fn run(name: &str, documents: &BTreeMap<String, String>, restless: bool) -> Result<Ran, String> {
    let refused = |error: NoTrace| error.to_string();
    let text = rewrite(&documents[name])?;
    let mut machine = Machine::new(&text, restless).map_err(refused)?;
    for (other, text) in documents.iter().filter(|(other, _)| other.starts_with(&format!("{name}sub"))) {
        machine.define(other, &rewrite(text)?).map_err(refused)?;
    }
    let mut steps = vec![machine.start().map_err(refused)?];
    steps.push(machine.step(Stimulus::Advance(SILENCE_MS)).map_err(refused)?);
    let end = if machine.is_halted() { machine.labels() } else { Vec::new() };
    Ok(Ran { end, steps })
}

/// What is wrong with how a test ran.
fn verdict(name: &str, ran: &Ran) -> Option<String> {
    let log: Vec<&str> = ran.steps.iter().flat_map(|step| &step.log).map(String::as_str).collect();
    let end = ran.end.join(" ");
    let Some((_, wanted)) = MANUAL.iter().find(|(known, _)| *known == name) else {
        return (end != "pass").then(|| format!("ended in {end:?}, log {log:?}"));
    };
    let missing = wanted.iter().find(|wanted| !log.iter().any(|line| line.starts_with(**wanted)));
    match missing {
        Some(missing) => Some(format!("no line begins with {missing:?} in {log:?}")),
        None => (end != "pass" && end != "final").then(|| format!("ended in {end:?}, log {log:?}")),
    }
}

fn check_all(restless: bool) {
    let documents = documents();
    let (mut passed, mut failed) = (0, Vec::new());
    for name in documents.keys().filter(|name| !name.contains("sub")) {
        if SKIPPED.iter().any(|(skipped, _)| skipped == name) {
            continue;
        }
        match run(name, &documents, restless).map(|ran| verdict(name, &ran)) {
            Ok(None) => passed += 1,
            Ok(Some(what)) | Err(what) => failed.push(format!("{name}: {what}")),
        }
    }
    assert!(failed.is_empty(), "{passed} passed, {} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_test_of_the_w3c_passes_or_is_skipped_by_name() {
    check_all(false);
}

#[test]
fn they_pass_when_they_are_stored_and_restored_before_every_microstep() {
    check_all(true);
    let documents = documents();
    for name in documents.keys().filter(|name| !name.contains("sub")) {
        let (Ok(one), Ok(other)) = (run(name, &documents, false), run(name, &documents, true)) else {
            continue;
        };
        assert_eq!(one.steps, other.steps, "{name}");
    }
}

#[test]
fn every_skipped_test_is_there() {
    let documents = documents();
    if std::env::var_os("EVERSTATE_SCXML_IRP").is_some() {
        return;
    }
    let known = |name: &str| documents.contains_key(name) || folder().join(format!("{name}.txt")).exists();
    for (name, reason) in SKIPPED {
        assert!(known(name) && !reason.is_empty(), "{name}");
    }
}
