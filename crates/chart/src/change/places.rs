//! Where the active states of one chart lead in another, and what a configuration needs to be whole.
//!
//! It refuses to know context, timers and events. Its one invariant: a configuration that comes out is legal.

use super::mapping::at_path;
use super::obstacle::{Found, ObstacleCode};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::configuration::{Configuration, EntrySet, Memory};
use crate::model::StateKind;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Where a state of the old chart leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// Where the operator says; what is inside begins where it begins.
    Said(Vec<StateIndex>),
    /// To the state of the same name at the same place.
    Same(StateIndex),
    /// Nowhere, and the path that was looked for.
    Nowhere(String),
}

/// From one chart to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) old: &'a Chart,
    pub(super) new: &'a Chart,
    pub(super) states: &'a BTreeMap<StateIndex, Vec<StateIndex>>,
}

/// The path of a state within one of its ancestors.
fn within(chart: &Chart, inner: StateIndex, outer: StateIndex) -> String {
    let (inner, outer) = (&chart.state(inner).path, &chart.state(outer).path);
    inner[outer.len()..].trim_start_matches('.').to_owned()
}

impl Way<'_> {
    pub(super) fn image(&self, state: StateIndex) -> Image {
        if state == 0 {
            return Image::Same(0);
        }
        if let Some(targets) = self.states.get(&state) {
            return Image::Said(targets.clone());
        }
        let mut outer = self.old.state(state).parent;
        while outer != 0 {
            if let Some(targets) = self.states.get(&outer) {
                let [target] = targets[..] else { break };
                let path = format!("{}.{}", self.new.state(target).path, within(self.old, state, outer));
                return at_path(self.new, &path).map_or(Image::Nowhere(path), Image::Same);
            }
            outer = self.old.state(outer).parent;
        }
        let path = self.old.state(state).path.to_string();
        at_path(self.new, &path).map_or(Image::Nowhere(path), Image::Same)
    }

    /// States that may have taken the place of an old one: those that it leads to, and the one of the same path.
    pub(super) fn heirs(&self, state: StateIndex) -> SmallVec<[StateIndex; 2]> {
        match self.image(state) {
            Image::Said(targets) => {
                let mut all = SmallVec::from_vec(targets);
                let own = at_path(self.new, &self.old.state(state).path);
                all.extend(own.filter(|own| !all.contains(own)));
                all
            }
            Image::Same(same) => SmallVec::from_slice(&[same]),
            Image::Nowhere(_) => SmallVec::new(),
        }
    }

    /// Where all active leaves lead; what leads nowhere is found.
    pub(super) fn targets(&self, configuration: &Configuration, found: &mut Found) -> Vec<StateIndex> {
        let mut targets = Vec::new();
        for leaf in configuration.leaves(self.old) {
            let path = &self.old.state(leaf).path;
            match self.image(leaf) {
                Image::Said(said) => targets.extend(said),
                Image::Same(same) if self.new.is_leaf(same) && !self.is_history(same) => targets.push(same),
                Image::Same(same) => {
                    let row = self.new.state(same);
                    let what = format!("{path:?} is one state, and {:?} has states inside", row.path);
                    let inner = row.children.first().map_or("", |child| &self.new.state(*child).path);
                    let fix = format!(
                        "say where it leads, such as {path}={inner}, or {path}={} to begin there",
                        row.path
                    );
                    found.refuse(ObstacleCode::State, what, fix);
                }
                Image::Nowhere(looked_for) => {
                    let what = format!("{path:?} leads nowhere: there is no state {looked_for:?}");
                    let near = self.nearest(&looked_for);
                    let fix = format!("say where it leads, such as {path}={near}");
                    found.refuse(ObstacleCode::State, what, fix);
                }
            }
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    fn is_history(&self, at: StateIndex) -> bool {
        matches!(self.new.state(at).kind, StateKind::History { .. })
    }

    /// A state that might be meant.
    fn nearest(&self, path: &str) -> String {
        let standing = || {
            let all = self.new.states.iter().skip(1);
            all.filter(|state| !matches!(state.kind, StateKind::History { .. } | StateKind::Final))
        };
        let near = crate::finding::nearest(path, standing().map(|state| &*state.path));
        let own = path.rsplit('.').next().unwrap_or(path);
        let moved = || standing().find(|state| *state.name == *own).map(|state| &*state.path);
        let first = || standing().find(|state| state.children.is_empty()).map(|state| &*state.path);
        near.or_else(moved).or_else(first).unwrap_or("STATE").to_owned()
    }
}

/// The innermost state that both are in or that is one of them.
fn meeting(chart: &Chart, one: StateIndex, other: StateIndex) -> StateIndex {
    let mut at = one;
    while at != other && !chart.is_inside(other, at) {
        at = chart.state(at).parent;
    }
    at
}

/// Two of the states that cannot be active together, if there are any.
pub(super) fn clash(chart: &Chart, states: &[StateIndex]) -> Option<(StateIndex, StateIndex)> {
    let together = |one: StateIndex, other: StateIndex| {
        let meeting = meeting(chart, one, other);
        meeting == one || meeting == other || chart.state(meeting).kind == StateKind::Parallel
    };
    // In document order a state stands before what is inside of it, so neighbours do not suffice; charts are small.
    states.iter().enumerate().find_map(|(place, one)| {
        let other = states[place + 1..].iter().find(|other| !together(*one, **other));
        other.map(|other| (*one, *other))
    })
}

/// Can the other state stay as it is when the first is entered? Then they lie in different regions.
pub(super) fn beside(chart: &Chart, one: StateIndex, other: StateIndex) -> bool {
    let meeting = meeting(chart, one, other);
    meeting != one && meeting != other && chart.state(meeting).kind == StateKind::Parallel
}

/// The configuration with these states, completed by their ancestors and by where states begin.
pub(super) fn complete(
    chart: &Chart,
    memory: &Memory,
    targets: &[StateIndex],
    found: &mut Found,
) -> Option<Configuration> {
    if let Some((one, other)) = clash(chart, targets) {
        let (one, other) = (&chart.state(one).path, &chart.state(other).path);
        let what = format!("active states lead to {one:?} and {other:?}, which cannot be active together");
        found.refuse(ObstacleCode::Conflict, what, "map one of them to where the other leads");
        return None;
    }
    // A state that another one is inside of is entered with it.
    let targets: Vec<StateIndex> = targets
        .iter()
        .copied()
        .filter(|outer| !targets.iter().any(|inner| chart.is_inside(*inner, *outer)))
        .collect();
    if !every_region_is_led_to(chart, &targets, found) {
        return None;
    }
    let mut set = EntrySet::default();
    set.add(chart, memory, &targets, 0);
    let mut configuration = Configuration::default();
    configuration.insert(0);
    set.states.iter().for_each(|enter| configuration.insert(enter.state));
    if configuration.is_legal(chart) {
        return Some(configuration);
    }
    let what = "the states that it would stand in cannot be active together";
    found.refuse(ObstacleCode::Conflict, what, "map its active states to others");
    None
}

fn every_region_is_led_to(chart: &Chart, targets: &[StateIndex], found: &mut Found) -> bool {
    let mut whole = true;
    let mut met: Vec<StateIndex> = Vec::new();
    for target in targets {
        let mut at = *target;
        while at != 0 {
            at = chart.state(at).parent;
            if chart.state(at).kind != StateKind::Parallel || met.contains(&at) {
                continue;
            }
            met.push(at);
            for region in &*chart.state(at).children {
                if targets.iter().any(|to| to == region || chart.is_inside(*to, *region)) {
                    continue;
                }
                let (path, outer) = (&chart.state(*region).path, &chart.state(at).path);
                let outer = if outer.is_empty() { "the machine" } else { outer };
                let what = format!("nothing leads to the region {path:?} of {outer}");
                let from = &chart.state(*target).path;
                let fix = format!(
                    "lead a state to both, as in OLD={from},{path}, or accept it with --accept region: it begins where it begins"
                );
                whole &= found.meet(ObstacleCode::Region, what, fix, "it begins where it begins");
            }
        }
    }
    whole
}
