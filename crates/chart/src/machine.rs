//! A definition of whatever sort: a chart, or a machine that is built in and only told what to do.
//!
//! It refuses to know how either of them is read.

use crate::finding::Finding;
use crate::reader::{self, ChartDefinition, SupervisorDefinition};
use everstate_kernel::{Definition, DefinitionId};

/// A definition that was read.
#[derive(Debug, Clone)]
pub enum Machine {
    /// A chart.
    Chart(ChartDefinition),
    /// A supervisor.
    Supervisor(SupervisorDefinition),
}

impl Machine {
    /// Name and version.
    pub fn id(&self) -> &DefinitionId {
        match self {
            Machine::Chart(chart) => &chart.id,
            Machine::Supervisor(supervisor) => &supervisor.id,
        }
    }

    /// For people.
    pub fn description(&self) -> Option<&str> {
        match self {
            Machine::Chart(chart) => chart.description.as_deref(),
            Machine::Supervisor(supervisor) => supervisor.description.as_deref(),
        }
    }

    /// The definition as the kernel takes it.
    pub fn to_definition(&self) -> Definition {
        match self {
            Machine::Chart(chart) => chart.to_definition(),
            Machine::Supervisor(supervisor) => supervisor.to_definition(),
        }
    }
}

/// Reads a definition of any sort and in any notation: the machine, unless something is wrong with it, and all that is
/// to be said of it. The file's name gives the definition's name where the text does not.
pub fn machine(file_name: &str, text: &str) -> (Option<Machine>, Vec<Finding>) {
    match reader::read_supervisor(file_name, text) {
        Some((supervisor, findings)) => (supervisor.map(Machine::Supervisor), findings),
        None => {
            let outcome = reader::read(file_name, text);
            (outcome.definition.map(Machine::Chart), outcome.findings)
        }
    }
}
