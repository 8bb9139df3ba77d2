//! Parts of a chart as one line each, in the words of the native format, for whoever compares or names them.
//!
//! It refuses to know what is lost on the way. Its one invariant: parts that do the same and are written alike give equal
//! texts.

use super::yaml_actions::Contents;
use super::yaml_text::{Tree, flow};
use super::{Loss, yaml};
use crate::chart::Chart;
use crate::code::{Action, Formula, Guard};
use crate::dispatch::Payload;
use crate::invoke::{Invoke, Source};
use crate::shape::Shape;
use crate::value::Value;
use everstate_kernel::Policy;

fn contents<R>(chart: &Chart, part: impl FnOnce(&mut Contents<'_, '_>) -> R) -> R {
    let mut losses: Vec<Loss> = Vec::new();
    let data = chart.rules.iter().flat_map(|rules| rules.data.iter().map(|datum| &*datum.id)).collect();
    part(&mut Contents { chart, data, losses: &mut losses, locals: Vec::new() })
}

fn line(tree: &Tree) -> String {
    match tree {
        Tree::Text(text) => text.clone(),
        other => flow(other),
    }
}

/// A guard.
pub(crate) fn guard(chart: &Chart, guard: &Guard) -> String {
    contents(chart, |contents| line(&contents.guard(guard)))
}

/// Actions, one text each.
pub(crate) fn actions(chart: &Chart, list: &[Action]) -> Vec<String> {
    contents(chart, |contents| contents.actions(list).iter().map(line).collect())
}

/// A value that is computed, or not.
pub(crate) fn formula(chart: &Chart, formula: &Formula) -> String {
    contents(chart, |contents| line(&contents.formula(formula)))
}

/// What goes with a message.
pub(crate) fn payload(chart: &Chart, payload: &Payload) -> Option<String> {
    contents(chart, |contents| contents.payload(payload).map(|tree| line(&tree)))
}

/// A value.
pub(crate) fn value(value: &Value) -> String {
    flow(&Tree::value(value))
}

/// The shape of an event's data.
pub(crate) fn shape(shape: &Shape) -> String {
    flow(&yaml::shape(shape))
}

/// What is invoked, and how.
pub(crate) fn invoke(chart: &Chart, invoke: &Invoke) -> String {
    let source = match &invoke.source {
        Source::Definition(name) => contents(chart, |contents| contents.template(name)),
        Source::Inline(at) => format!("chart {} inside", at + 1),
        Source::Document(text) => formula(chart, text),
        Source::Task(asked) => format!("task {}", asked.queue),
    };
    let mut parts = vec![source];
    parts.extend(payload(chart, &invoke.payload).map(|payload| format!("with {payload}")));
    if invoke.forwards {
        parts.push("which gets a copy of every event".to_owned());
    }
    if !invoke.finalize.is_empty() {
        parts.push(format!("then {}", actions(chart, &invoke.finalize).join(", ")));
    }
    parts.join(" ")
}

/// What a policy says that is not what it says by default: keys and values.
pub(crate) fn policy(policy: &Policy) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    yaml::policy(policy, &mut entries);
    entries.into_iter().map(|(key, tree)| (key, line(&tree))).collect()
}
