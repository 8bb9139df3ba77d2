//! A supervisor's definition: its plan is read by the kernel, which runs it; here its errors get their places.
//!
//! It refuses to know what a plan means. Its one invariant: whatever the kernel finds wrong with a plan is a finding.

use super::{Reader, finished};
use crate::document::{Entry, Kind, Node};
use crate::finding::{Code, Finding};
use crate::format;
use everstate_kernel::{Definition, DefinitionId, Policy, Supervisor};
use serde_json::{Map, Value};
use std::ops::Range;
use std::sync::Arc;

/// A supervisor that was read.
#[derive(Debug, Clone)]
pub struct SupervisorDefinition {
    /// Name and version.
    pub id: DefinitionId,
    /// What the kernel keeps for it.
    pub policy: Policy,
    /// What it does.
    pub supervisor: Arc<Supervisor>,
    /// For people.
    pub description: Option<Arc<str>>,
}

impl SupervisorDefinition {
    /// The definition as the kernel takes it.
    pub fn to_definition(&self) -> Definition {
        Definition { id: self.id.clone(), behaviour: self.supervisor.clone(), policy: self.policy.clone() }
    }
}

/// What of a definition is its plan.
const PLAN: &[&str] = &["strategy", "intensity", "period", "backoff", "children"];

/// Does the definition say that it is a supervisor?
pub(super) fn is_supervisor(root: &Node) -> bool {
    entry(root, "type").is_some_and(|entry| entry.value.text() == Some("supervisor"))
}

/// Reads it, or says all that is wrong with it.
pub(super) fn read(
    file_name: &str,
    source: &str,
    root: &Node,
) -> (Option<SupervisorDefinition>, Vec<Finding>) {
    let mut reader = Reader::new(source);
    let definition = reader.supervisor(file_name, root);
    finished(definition, reader.findings)
}

impl<'a> Reader<'a> {
    fn supervisor(&mut self, file_name: &str, root: &'a Node) -> Option<SupervisorDefinition> {
        let fields = self.fields(root, &format::SUPERVISOR, "")?;
        let id = self.identity(file_name, &fields, root);
        let policy = self.policy(&fields);
        let description = self.text_of(&fields, "description", "").map(Arc::from);
        let plan: Map<String, Value> = PLAN
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), plain(&entry(root, key)?.value))))
            .collect();
        match Supervisor::from_json(&Value::Object(plan)) {
            Ok(supervisor) => {
                Some(SupervisorDefinition { id: id?, policy, supervisor: Arc::new(supervisor), description })
            }
            Err(errors) => {
                for error in errors {
                    let problem = match error.path.rsplit('.').next() {
                        Some(key) if !key.is_empty() => format!("{key}: {}", error.problem),
                        _ => error.problem,
                    };
                    self.report(Code::BadValue, place(root, &error.path), &error.path, problem, "");
                }
                None
            }
        }
    }
}

/// The node as JSON. A number that JSON has not, and a text that stands for one, are told by the plan's reader.
fn plain(node: &Node) -> Value {
    let text = node.to_value().to_json().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
        _ => None,
    }
}

/// Where a path of keys and places leads, as far as it leads anywhere.
fn place(root: &Node, path: &str) -> Range<usize> {
    let mut node = root;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let next = match (&node.kind, step.parse::<usize>()) {
            (Kind::List(nodes), Ok(at)) => nodes.get(at),
            _ => entry(node, step).map(|entry| &entry.value),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    if std::ptr::eq(node, root) { root.span.start..root.span.start } else { node.span.clone() }
}
