//! Writers: a chart in the native format or in SCXML, with every loss named.
//!
//! It refuses to know files. Its one invariant: what one notation has and the other has not is either written in
//! another way that does the same, or stands among the losses; nothing is passed over in silence.

pub(crate) mod compact;
mod expressions;
mod scxml;
mod yaml;
mod yaml_actions;
mod yaml_spaces;
mod yaml_text;

#[cfg(test)]
mod tests;

use crate::chart::{Chart, Transition, TransitionIndex};
use crate::code::StateIndex;
use crate::reader::ChartDefinition;

/// A notation that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// The native format.
    Yaml,
    /// SCXML with `datamodel="cel"`.
    Scxml,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// What the notation cannot say, each with its place, in the order of the document.
    pub losses: Vec<Loss>,
}

/// Something that was not written, or does not do the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// Such as `states.open.on.pay`.
    pub place: String,
    /// What is lost.
    pub what: String,
}

/// Writes a definition in a notation.
pub fn write(definition: &ChartDefinition, notation: Notation) -> Written {
    let mut losses = Vec::new();
    let text = match notation {
        Notation::Yaml => yaml::write(definition, &mut losses),
        Notation::Scxml => scxml::write(definition, &mut losses),
    };
    let mut seen = std::collections::BTreeSet::new();
    losses.retain(|loss| seen.insert(loss.clone()));
    Written { text, losses }
}

type Losses<'l> = &'l mut Vec<Loss>;

fn lose(losses: Losses<'_>, place: &str, what: impl Into<String>) {
    losses.push(Loss { place: place.to_owned(), what: what.into() });
}

/// The transitions of a state without that to where it begins, in their order.
pub(crate) fn transitions(
    chart: &Chart,
    at: StateIndex,
) -> impl Iterator<Item = (TransitionIndex, &Transition)> {
    let initial = chart.state(at).initial;
    let numbered = chart.transitions.iter().enumerate().map(|(at, one)| (at as TransitionIndex, one));
    // They lie together, in the order of their states.
    let from = chart.transitions.partition_point(|one| one.source < at);
    numbered
        .skip(from)
        .take_while(move |(_, one)| one.source == at)
        .filter(move |(at, _)| Some(*at) != initial)
}

/// The sub-states of a state, histories included, in document order.
fn children(chart: &Chart, at: StateIndex) -> impl Iterator<Item = StateIndex> + '_ {
    (at + 1..chart.state(at).end).filter(move |child| chart.state(*child).parent == at)
}

/// How long a timed transition waits.
pub(crate) fn delay_of(chart: &Chart, transition: &Transition) -> Option<everstate_kernel::Span> {
    let name = match transition.descriptors.first()? {
        crate::model::Descriptor::Exact(name) if transition.timed => name,
        _ => return None,
    };
    chart.state(transition.source).after.iter().find(|after| after.name == *name).map(|after| after.delay)
}

/// The id that the author gave to a state.
fn own_id(chart: &Chart, at: StateIndex) -> Option<String> {
    if let Some(id) = &chart.state(at).id {
        return Some(id.to_string());
    }
    let mut ids = chart.names.iter().filter(|(_, state)| *state == at);
    ids.find_map(|(name, _)| name.strip_prefix('#')).map(str::to_owned)
}
