//! Change and repair: instances carried over to another version, put elsewhere, held and let go on, forked, rehearsed.
//!
//! It refuses to decide what a state of one version is in another: `everstate_chart::change` does, and the node writes it
//! down or refuses.
//!
//! Its one invariant: what was worked out from a look at an instance is done only if the instance is still as it was.

mod fork;
mod migrate;
mod repairs;
mod report;
mod undo;

pub(crate) use fork::{fork, rehearse};
pub(crate) use migrate::migrate;
pub(crate) use repairs::{pause, resume, retry, set_state};
pub(crate) use undo::undo;

use crate::failure::Failure;
use everstate_api::v1::__buffa::view::AuditView;
use everstate_api::{Code, v1};
use everstate_chart::change::{Carried, MappingError, Obstacle, Occupant};
use everstate_chart::{Chart, Machine};
use everstate_kernel::limits::TEXT_BYTES_MAX;
use everstate_kernel::{Address, Becoming, Instance, Standing, Time};
use everstate_runtime::{Handle, Note};
use std::sync::Arc;

/// Bytes of who wants something: a name or an address, not a letter.
const BY_BYTES_MAX: usize = 255;

/// Who wants it and why, as the history keeps it.
fn note(audit: Option<&AuditView<'_>>, reason_needed: bool) -> Result<Note, Failure> {
    let (by, reason) = audit.map_or(("", ""), |audit| (audit.by, audit.reason));
    if by.len() > BY_BYTES_MAX {
        let problem = format!("audit.by is {} bytes long, the limit is {BY_BYTES_MAX}", by.len());
        return Err(Failure::new(Code::MalformedRequest, problem).at("audit.by"));
    }
    if reason.len() > TEXT_BYTES_MAX {
        let problem = format!("the reason is {} bytes long, the limit is {TEXT_BYTES_MAX}", reason.len());
        return Err(Failure::new(Code::MalformedRequest, problem).at("audit.reason"));
    }
    if reason.trim().is_empty() && reason_needed {
        let problem = "the reason is missing; say why, for whoever reads the history";
        return Err(Failure::new(Code::MalformedRequest, problem).at("audit.reason"));
    }
    Ok(Note { by: Arc::from(if by.is_empty() { "an operator" } else { by }), reason: Arc::from(reason) })
}

/// The chart of a definition; a supervisor or a built-in machine has none.
fn chart(node: &Handle, kind: &str, version: &str, field: &str) -> Result<Arc<Chart>, Failure> {
    let definitions = node.definitions();
    let Some(record) = definitions.record(kind, Some(version)) else {
        if definitions.record(kind, None).is_none() && definitions.find(kind, None).is_some() {
            return Err(no_chart(kind));
        }
        if definitions.find(kind, None).is_none() {
            let problem = format!("there is no definition {kind:?}; put it first");
            return Err(Failure::new(Code::UnknownDefinition, problem).at("kind"));
        }
        let problem = format!("there is no version {version:?} of definition {kind:?}");
        return Err(Failure::new(Code::UnknownVersion, problem).at(field));
    };
    match everstate_chart::machine(kind, &record.source).0 {
        Some(Machine::Chart(definition)) => Ok(definition.chart),
        _ => Err(no_chart(kind)),
    }
}

fn no_chart(kind: &str) -> Failure {
    let problem = format!(
        "{kind:?} is no chart, so its states have no names to map; supervisors and spaces are what their plans and members make them"
    );
    Failure::new(Code::Unfit, problem).at("kind")
}

/// What is wrong with what an operator has written, all of it.
fn written_wrong(errors: &[MappingError], field: &str) -> Failure {
    let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::new(Code::MalformedRequest, problems.join("\n")).at(field)
}

/// Everything that is in the way.
fn in_the_way(address: &Address, obstacles: &[Obstacle]) -> Failure {
    let problems: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    Failure::new(Code::Unfit, format!("{address}: {}", problems.join("\n"))).at("states")
}

/// An instance as charts look at it.
fn occupant<'a>(row: &'a Instance, version: &'a str, waiting: &'a [Arc<str>], now: Time) -> Occupant<'a> {
    let parent = row.links.as_ref().and_then(|links| links.parent.as_ref());
    Occupant {
        address: &row.address,
        version,
        incarnation: row.incarnation,
        parent: parent.filter(|parent| parent.live).map(|parent| &parent.address),
        state: row.state.as_slice(),
        timers: &row.timers,
        tasks: &row.tasks,
        waiting,
        now,
    }
}

/// What the node is asked for.
fn becoming(row: &Instance, version: &Arc<str>, carried: Carried) -> Becoming {
    let Carried { state, timers, effects, .. } = carried;
    Becoming { expected: row.turns, standing: Standing { version: version.clone(), state, timers }, effects }
}

/// Fields and their expressions.
fn fields<'a>(
    wire: impl Iterator<Item = &'a v1::__buffa::view::FieldValueView<'a>>,
) -> Vec<(String, String)> {
    wire.map(|one| (one.field.to_owned(), one.expression.to_owned())).collect()
}
