//! What the texts of definitions say: the only place of the server that reads them.
//!
//! Its one invariant: what it remembers of a definition stays true, since definitions never change.

use everstate_api::v1;
use everstate_chart::{Chart, Finding, Machine, Severity, StateKind};
use everstate_kernel::{Definition, DefinitionId, Supervisor};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Text {
    /// All that is wrong or looks wrong with it.
    pub(crate) findings: Vec<v1::Finding>,
    /// What it defines, when nothing is wrong.
    pub(crate) definition: Option<(Arc<Definition>, Arc<Facts>)>,
}

/// What a definition says of itself, for people and tools.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) description: String,
    pub(crate) states: Vec<String>,
    pub(crate) events: Vec<String>,
}

/// Findings rendered with an excerpt. Whoever has more mends these first.
const RENDERED_MAX: usize = 100;

/// Reads a text. The file's name gives the definition's name where the text does not, and is named in findings.
pub(crate) fn read(file_name: &str, source: &str) -> Text {
    let (machine, findings) = everstate_chart::machine(file_name, source);
    let definition = machine.map(|machine| {
        let (states, events) = match &machine {
            Machine::Chart(read) => {
                (paths(&read.chart), read.chart.events().iter().map(ToString::to_string).collect())
            }
            Machine::Supervisor(_) => {
                (Supervisor::STATES.iter().map(ToString::to_string).collect(), vec!["ready".to_string()])
            }
        };
        let description = machine.description().unwrap_or_default().to_string();
        (Arc::new(machine.to_definition()), Arc::new(Facts { description, states, events }))
    });
    let findings = findings.iter().enumerate();
    let findings =
        findings.map(|(index, finding)| shown(finding, file_name, source, index < RENDERED_MAX)).collect();
    Text { findings, definition }
}

/// Paths of all states that can be active, in document order.
fn paths(chart: &Chart) -> Vec<String> {
    let below_the_machine = chart.states().filter(|state| state.depth > 0);
    let states = below_the_machine.filter(|state| !matches!(state.kind, StateKind::History { .. }));
    states.map(|state| state.path.to_string()).collect()
}

fn shown(finding: &Finding, file_name: &str, source: &str, rendered: bool) -> v1::Finding {
    use v1::finding::Severity as Wire;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let severity = match finding.severity {
        Severity::Error => Wire::Error,
        Severity::Warning => Wire::Warning,
    };
    v1::Finding {
        code: finding.code.as_str().into(),
        severity: severity.into(),
        message: finding.message.clone(),
        line: number(finding.line),
        column: number(finding.column),
        hint: finding.hint.clone().unwrap_or_default(),
        rendered: if rendered {
            everstate_chart::render(finding, file_name, source, false)
        } else {
            String::new()
        },
        ..Default::default()
    }
}

/// Facts of definitions that are put, read once.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<HashMap<DefinitionId, Arc<Facts>>>);

impl Catalogue {
    /// Remembers what is known of a definition.
    pub(crate) fn remember(&self, id: &DefinitionId, facts: Arc<Facts>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), facts);
    }

    /// What a definition says, read from its text when that was not done before.
    pub(crate) fn facts(&self, id: &DefinitionId, source: &str) -> Arc<Facts> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        known.unwrap_or_else(|| {
            let facts = read(&id.name, source).definition.map(|(_, facts)| facts).unwrap_or_default();
            self.remember(id, facts.clone());
            facts
        })
    }
}
