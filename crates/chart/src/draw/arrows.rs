//! Which arrows a picture has, what is written beside them, and in which state's inside each runs.
//!
//! It refuses to know places. Its one invariant: every transition is shown once: as part of an arrow, or as a line
//! inside of its state when it leads nowhere else.

use super::measure;
use crate::chart::{Chart, Transition, TransitionIndex};
use crate::code::StateIndex;
use crate::invoke::Source;
use crate::model::{Reach, StateKind};
use crate::phrase;
use std::collections::BTreeMap;

/// Longer phrases are cut: an arrow is a reminder, and the definition has the whole.
const PHRASE_CHARACTERS: usize = 34;

/// More arrows than this from the border of a state inwards would hide what is there; they are written as lines.
const INWARD_ARROWS_MAX: usize = 4;

/// Where an arrow begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// At a state.
    State(StateIndex),
    /// At the dot that says where the inside of a state begins.
    Dot(StateIndex),
}

/// An arrow: all transitions between the same two states.
#[derive(Debug, Clone)]
pub(super) struct Arrow {
    pub(super) from: Origin,
    pub(super) to: StateIndex,
    /// What is written beside it.
    pub(super) lines: Vec<String>,
    pub(super) transitions: Vec<TransitionIndex>,
}

/// All arrows, and what is written inside of states.
#[derive(Debug, Default)]
pub(super) struct Arrows {
    pub(super) all: Vec<Arrow>,
    /// Lines inside of each state, each with the transition that it tells of.
    pub(super) inside: Vec<Vec<(String, Option<TransitionIndex>)>>,
}

/// The arrows of a chart, in document order.
pub(super) fn of(chart: &Chart) -> Arrows {
    let mut arrows = Arrows { all: Vec::new(), inside: vec![Vec::new(); chart.states.len()] };
    let mut known: BTreeMap<(Origin, StateIndex), usize> = BTreeMap::new();
    for (at, state) in chart.states.iter().enumerate() {
        for (word, list) in [("entry", &state.entry), ("exit", &state.exit)] {
            let text = phrase::actions(chart, list);
            if !text.is_empty() {
                let line = phrase::shortened(&format!("{word} / {text}"), PHRASE_CHARACTERS);
                arrows.inside[at].push((line, None));
            }
        }
        for endpoint in &state.endpoints {
            let line = phrase::shortened(&phrase::acting(endpoint), PHRASE_CHARACTERS);
            arrows.inside[at].push((line, None));
        }
        for invoke in &state.invokes {
            let name = invoke.id.as_deref().unwrap_or("a machine");
            let line = match &invoke.source {
                Source::Task(asked) => format!("task {}", asked.queue),
                _ => format!("invoke {name}"),
            };
            let line = phrase::shortened(&line, PHRASE_CHARACTERS);
            arrows.inside[at].push((line, None));
        }
    }
    let crowded = crowded(chart);
    for (at, transition) in chart.transitions.iter().enumerate() {
        let at = at as TransitionIndex;
        let source = transition.source;
        let is_initial = chart.state(source).initial == Some(at);
        let from = match chart.state(source).kind {
            StateKind::History { .. } if !has_own_default(chart, source, transition) => continue,
            _ if is_initial && !matches!(chart.state(source).kind, StateKind::History { .. }) => {
                Origin::Dot(source)
            }
            _ => Origin::State(source),
        };
        let lines = lines(chart, transition, is_initial);
        if !is_initial
            && (is_inside(chart, transition)
                || crowded[usize::from(source)] && leads_inward(chart, transition))
        {
            let sign = if stays(chart, transition) { "" } else { "↻ " };
            let beside = transition.targets.iter().find(|target| **target != source);
            let to = beside.map(|target| format!(" → {}", chart.state(*target).path)).unwrap_or_default();
            let own = phrase::shortened(&format!("{sign}{}", lines.join(" ")), PHRASE_CHARACTERS);
            let text = format!("{own}{to}");
            arrows.inside[usize::from(source)].push((text, Some(at)));
            continue;
        }
        for (number, to) in transition.targets.iter().enumerate() {
            let index = *known.entry((from, *to)).or_insert_with(|| {
                let transitions = Vec::new();
                arrows.all.push(Arrow { from, to: *to, lines: Vec::new(), transitions });
                arrows.all.len() - 1
            });
            arrows.all[index].transitions.push(at);
            // A transition with several targets is written beside the first.
            if number == 0 {
                arrows.all[index].lines.extend(lines.iter().cloned());
            }
        }
    }
    arrows
}

fn leads_inward(chart: &Chart, transition: &Transition) -> bool {
    !transition.targets.is_empty()
        && transition.targets.iter().all(|target| chart.is_inside(*target, transition.source))
}

/// From which states do too many transitions lead inwards?
fn crowded(chart: &Chart) -> Vec<bool> {
    let mut counts = vec![0; chart.states.len()];
    for transition in chart.transitions.iter().filter(|one| leads_inward(chart, one)) {
        counts[usize::from(transition.source)] += 1;
    }
    // One of them is where the state begins.
    counts.into_iter().map(|count| count > INWARD_ARROWS_MAX + 1).collect()
}

/// Does a history say itself where it leads? Else it begins where its parent does, and needs no arrow.
fn has_own_default(chart: &Chart, history: StateIndex, default: &Transition) -> bool {
    let parent = chart.state(chart.state(history).parent);
    match parent.initial {
        Some(initial) => chart.transition(initial).targets != default.targets || !default.actions.is_empty(),
        None => default.targets.len() == 1,
    }
}

/// Is the state itself not left and entered again by it?
fn stays(chart: &Chart, transition: &Transition) -> bool {
    let outward = transition.targets.iter().any(|target| *target != transition.source);
    outward
        || transition.targets.is_empty()
        || transition.reach == Reach::Within
            && chart.is_leaf(transition.source)
            && transition.targets.iter().all(|target| *target == transition.source)
}

/// Is it written inside of its state, since it leads nowhere else, or to where no arrow can be told from the border?
fn is_inside(chart: &Chart, transition: &Transition) -> bool {
    let source = transition.source;
    transition.targets.iter().all(|target| {
        let is_region = |inner: StateIndex, outer: StateIndex| {
            inner != 0 && chart.state(inner).parent == outer && chart.state(outer).kind == StateKind::Parallel
        };
        *target == source || is_region(*target, source) || is_region(source, *target)
    })
}

/// The lines beside an arrow: in one line what fits, else event, guard and actions each in their own.
fn lines(chart: &Chart, transition: &Transition, is_initial: bool) -> Vec<String> {
    let mut parts = Vec::new();
    if !is_initial {
        parts.push(phrase::trigger(chart, transition));
    }
    if let Some(guard) = &transition.guard {
        let text = phrase::shortened(&phrase::guard(chart, guard), PHRASE_CHARACTERS - 2);
        parts.push(format!("[{text}]"));
    }
    let actions = phrase::actions(chart, &transition.actions);
    if !actions.is_empty() {
        parts.push(phrase::shortened(&format!("/ {actions}"), PHRASE_CHARACTERS));
    }
    parts.retain(|part| !part.is_empty());
    if parts.iter().map(|part| part.chars().count() + 1).sum::<usize>() <= PHRASE_CHARACTERS {
        let line = parts.join(" ");
        return if line.is_empty() { Vec::new() } else { vec![line] };
    }
    parts
}

impl Arrow {
    /// The size of what is written beside it.
    pub(super) fn label_size(&self) -> (f64, f64) {
        let width =
            self.lines.iter().map(|line| measure::width(line, measure::TEXT_SIZE)).fold(0.0, f64::max);
        if self.lines.is_empty() {
            return (0.0, 0.0);
        }
        (width + 8.0, self.lines.len() as f64 * measure::LINE_HEIGHT + 4.0)
    }
}
