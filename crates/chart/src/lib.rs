//! How is a machine written? The chart model, its readers, its checks, and the behaviour that runs it.
//!
//! It refuses to know the world: no clock, I/O, thread, randomness or hash order.

mod behaviour;
pub mod change;
mod chart;
mod check;
mod code;
mod compile;
mod configuration;
mod content;
mod coverage;
mod dispatch;
pub mod document;
pub mod draw;
pub mod duration;
mod endpoint;
pub mod expression;
mod finding;
mod findings_page;
pub mod format;
mod inspect;
mod invoke;
mod link;
mod machine;
mod model;
mod phrase;
mod presence;
mod reader;
mod run;
mod schema;
mod session;
mod shape;
mod stored;
mod task;
pub mod trace;
pub mod value;
pub mod write;

pub use chart::Chart;
pub use coverage::{Coverage, StateCovered, TransitionCovered};
pub use document::{DEFINITION_BYTES_MAX, NESTING_MAX, NODES_MAX};
pub use finding::{Code, Finding, Severity, render};
pub use findings_page::findings_page;
pub use inspect::{StateSummary, TransitionSummary};
pub use machine::{Machine, machine};
pub use model::{STATE_DEPTH_MAX, STATES_MAX, StateKind, Unhandled};
pub use presence::PRESENT_MAX;
pub use reader::{ChartDefinition, FINDINGS_MAX, Outcome, SupervisorDefinition, read, read_restless};
pub use run::{MICROSTEPS_MAX, TURN_COST_MAX};
pub use schema::{reference, schema};
pub use shape::Shape;

/// A length of time as definitions write it, such as `1h30m`.
pub fn span_text(milliseconds: u64) -> String {
    duration::format(everstate_kernel::Span(milliseconds))
}

#[cfg(test)]
mod endpoint_tests;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod semantics_tests;
#[cfg(test)]
mod spaces_tests;
