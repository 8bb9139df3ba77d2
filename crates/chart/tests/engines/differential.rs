//! Random machines in our engine, SCION and XState, in that part of the language where neither of them is known to leave
//! the recommendation.
//!
//! What is left out, for what either does differently there: parallel states (domains, order of regions, targets), histories
//! (where they stand, defaults, deep ones), final states inside of others (`done` events, when a machine halts), `In()` in
//! actions, delays and `cancel`, deep initial states, and descriptors of one state that overlap. All of that is compared
//! with the recommendation's own algorithm in `tests/fuzz`.
//!
//! It refuses to know how machines run. Its one invariant: all sides get the same document and the same events.

#[path = "../fuzz/document.rs"]
#[allow(dead_code, reason = "only the machines are used here")]
mod document;

use crate::npm;
use document::{Action, Document, Kind, Transition};
use everstate_chart::trace::{Machine, Stimulus};
use everstate_kernel::Json;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::fmt;
use std::process::Command;
use std::sync::Arc;

/// Machines of a run.
const CASES: usize = 3_000;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) compared: usize,
    /// What differs, the shortest document first.
    pub(crate) found: Vec<String>,
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} machines in SCION and XState, {} differences", self.compared, self.found.len())?;
        self.found.iter().take(3).try_for_each(|one| writeln!(f, "{one}"))
    }
}

/// A machine, its events, and what ours does with them.
struct Case {
    document: Document,
    events: Vec<String>,
    ours: Value,
}

/// Compares them all.
pub(crate) fn compare() -> Result<Differences, String> {
    let folder = npm::installed(&[("xstate", "5.33.3"), ("@scion-scxml/core", "2.6.24")])?;
    let cases = cases();
    let failed = |error: std::io::Error| error.to_string();
    let file = folder.join("cases.json");
    let asked: Vec<Value> = cases.iter().map(Case::to_json).collect();
    std::fs::write(&file, Value::from(asked).to_string()).map_err(failed)?;
    let script = folder.join("engines.mjs");
    std::fs::write(&script, include_str!("engines.mjs")).map_err(failed)?;
    let output = Command::new("node").arg(&script).arg(&file).output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("node: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let mut differences = Differences::default();
    for (case, line) in cases.iter().zip(told.lines()) {
        let told: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        differences.compared += 1;
        for engine in ["scion", "xstate"] {
            let theirs = &told[engine];
            if theirs["trace"] != case.ours {
                let text = case.document.to_scxml();
                differences.found.push(format!(
                    "{engine}: {text}{:?}\n  ours   {}\n  theirs {theirs}",
                    case.events, case.ours
                ));
            }
        }
    }
    differences.found.sort_by_key(String::len);
    Ok(differences)
}

fn cases() -> Vec<Case> {
    let count =
        std::env::var("EVERSTATE_ENGINE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::deterministic();
    let strategy = (document::genes(), prop::collection::vec(any::<u8>(), 0..8));
    let mut cases = Vec::new();
    for _ in 0..4 * count {
        let Ok(tree) = strategy.new_tree(&mut runner) else { continue };
        let (genes, events) = tree.current();
        let mut document = Document::of(&genes);
        plain(&mut document);
        let events: Vec<String> = events.into_iter().map(document::event).collect();
        // Those that never come to rest have no trace to be compared.
        if let Some(ours) = ours(&document, &events) {
            cases.push(Case { document, events, ours });
        }
        if cases.len() == count {
            break;
        }
    }
    cases
}

/// The same document without what is left out.
fn plain(document: &mut Document) {
    for at in 1..document.states.len() {
        let is_outermost = document.states[at].parent == 0;
        let state = &mut document.states[at];
        match state.kind {
            Kind::Final if is_outermost => {}
            Kind::History { .. } => {
                state.kind = Kind::State;
                state.initial = None;
            }
            _ => state.kind = Kind::State,
        }
        state.transitions.truncate(if state.kind == Kind::Final { 0 } else { 9 });
    }
    for at in 0..document.states.len() {
        let first = document.states[at].children.first().copied();
        let begins = document.states[at].initial.as_ref().and_then(|one| one.targets.first().copied());
        let begins = begins.map(|target| child_towards(document, at, target));
        let state = &mut document.states[at];
        state.implied |= begins.is_none();
        if let (Some(initial), Some(target)) = (&mut state.initial, begins.or(first)) {
            initial.targets = vec![target];
            initial.actions.iter_mut().for_each(simple);
        }
        state.entry.iter_mut().chain(&mut state.exit).for_each(simple);
        let named = |one: &Transition| one.event.clone().map(|event| event.replace("done.state", "c"));
        let only = state.transitions.iter().find_map(named);
        for one in &mut state.transitions {
            one.targets.truncate(1);
            one.event = one.event.as_ref().and(only.clone()).map(|event| bare(&event));
            one.actions.iter_mut().for_each(simple);
        }
    }
}

/// `c.s3` is no event that comes.
fn bare(event: &str) -> String {
    if event.starts_with("c.") { "c".to_owned() } else { event.to_owned() }
}

/// The child of a state that another one is or lies in.
fn child_towards(document: &Document, outer: usize, inner: usize) -> usize {
    let mut at = inner;
    while document.states[at].parent != outer {
        at = document.states[at].parent;
    }
    at
}

fn simple(action: &mut Action) {
    if let Action::Send { .. } | Action::Cancel(_) | Action::If(..) = action {
        *action = Action::Log("left out".to_owned());
    }
}

fn ours(document: &Document, events: &[String]) -> Option<Value> {
    let mut machine = Machine::new(&document.to_scxml(), false).ok()?;
    let mut steps = vec![machine.start().ok()?];
    for event in events {
        steps.push(machine.step(Stimulus::Event(Arc::from(event.as_str()), Json::NULL)).ok()?);
    }
    Some(steps.into_iter().map(|step| json!([step.configuration, step.log])).collect())
}

impl Case {
    fn to_json(&self) -> Value {
        let states = self.document.states.iter().map(|state| {
            let begins = state.initial.as_ref().filter(|_| !state.implied);
            let initial =
                begins.map(|one| json!({ "target": one.targets[0], "actions": actions(&one.actions) }));
            json!({
                "kind": if state.kind == Kind::Final { "final" } else { "state" },
                "parent": state.parent, "children": state.children, "initial": initial,
                "entry": actions(&state.entry), "exit": actions(&state.exit),
                "transitions": state.transitions.iter().map(transition).collect::<Vec<_>>(),
            })
        });
        json!({ "states": states.collect::<Vec<_>>(), "events": self.events })
    }
}

fn transition(one: &Transition) -> Value {
    let guard = one.guard.map(|(state, negated)| json!({ "state": state, "negated": negated }));
    json!({
        "event": one.event, "guard": guard, "target": one.targets.first(), "internal": one.internal,
        "actions": actions(&one.actions),
    })
}

fn actions(all: &[Action]) -> Value {
    let action = |one: &Action| match one {
        Action::Raise(event) => json!({ "raise": event }),
        Action::Log(text) => json!({ "log": text }),
        _ => json!({ "log": "left out" }),
    };
    all.iter().map(action).collect()
}
