//! Checks of a whole model that no single key shows: what cannot be reached, left, or fire, and what never ends.
//!
//! It refuses to know notations. Its one invariant: an error is certain; what is only likely is a warning.

use crate::code::{Guard, StateIndex};
use crate::finding::Code;
use crate::model::{Descriptor, Model, ModelTransition, StateKind, Trigger};
use std::ops::Range;
use std::sync::Arc;

/// Where findings go: code, place in the text, path, message, hint.
pub(crate) type Report<'r> = &'r mut dyn FnMut(Code, Range<usize>, &str, String, String);

/// An event that the chart sends to itself, and where.
#[derive(Debug, Clone)]
pub(crate) struct SentToSelf {
    pub(crate) name: Arc<str>,
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

/// Checks the model.
pub(crate) fn check(model: &Model, sent: &[SentToSelf], report: Report<'_>) {
    unreachable_states(model, report);
    dead_ends(model, report);
    shadowed_transitions(model, report);
    eventless_loops(model, report);
    events(model, sent, report);
}

/// Does it always hold?
fn is_open(transition: &ModelTransition) -> bool {
    matches!(transition.guard, None | Some(Guard::Constant(true)))
}

fn unreachable_states(model: &Model, report: Report<'_>) {
    let mut walk = Reached { model, reached: vec![false; model.states.len()], todo: Vec::new() };
    walk.by_default(0);
    while let Some(next) = walk.todo.pop() {
        for transition in &model.state(next).transitions {
            if !matches!(transition.guard, Some(Guard::Constant(false))) {
                transition.targets.iter().for_each(|target| walk.target(*target));
            }
        }
    }
    for (at, state) in model.states.iter().enumerate() {
        let outer_is_reached = state.parent.is_some_and(|parent| walk.reached[usize::from(parent)]);
        if walk.reached[at] || !outer_is_reached {
            continue;
        }
        let message = format!("no transition leads to the state {:?}", state.path);
        let hint = "add a transition to it, or remove it".to_owned();
        report(Code::Unreachable, state.span.clone(), &state.place, message, hint);
    }
}

/// Which states an instance can come to, as far as guards and order allow anything.
struct Reached<'m> {
    model: &'m Model,
    reached: Vec<bool>,
    todo: Vec<StateIndex>,
}

impl Reached<'_> {
    /// Marks a state; true when it is new.
    fn mark(&mut self, at: StateIndex) -> bool {
        let known = std::mem::replace(&mut self.reached[usize::from(at)], true);
        if !known {
            self.todo.push(at);
        }
        !known
    }

    /// The state is entered, and begins where it begins.
    fn by_default(&mut self, at: StateIndex) {
        self.mark(at);
        let model = self.model;
        let state = model.state(at);
        match state.kind {
            StateKind::Compound | StateKind::History { .. } => {
                let targets = state.initial.iter().flat_map(|initial| &initial.targets);
                targets.for_each(|target| self.target(*target));
            }
            StateKind::Parallel => self.regions(at),
            StateKind::Atomic | StateKind::Final => {}
        }
    }

    fn regions(&mut self, parallel: StateIndex) {
        for child in &self.model.state(parallel).children {
            let is_history = matches!(self.model.state(*child).kind, StateKind::History { .. });
            if !is_history && !self.reached[usize::from(*child)] {
                self.by_default(*child);
            }
        }
    }

    /// The state is aimed at. It may have been reached on the way to a sub-state before, and begins only now.
    fn target(&mut self, at: StateIndex) {
        let begun = self.reached[usize::from(at)]
            && self
                .model
                .state(at)
                .initial
                .iter()
                .all(|initial| initial.targets.iter().all(|target| self.reached[usize::from(*target)]));
        if begun && self.model.state(at).kind != StateKind::Parallel {
            return;
        }
        self.by_default(at);
        let model = self.model;
        for ancestor in model.ancestors(at) {
            if self.mark(ancestor) && model.state(ancestor).kind == StateKind::Parallel {
                self.regions(ancestor);
            }
        }
    }
}

fn dead_ends(model: &Model, report: Report<'_>) {
    for (at, state) in model.states.iter().enumerate().skip(1) {
        let chain = || std::iter::once(at as StateIndex).chain(model.ancestors(at as StateIndex));
        // Beside another region there can still happen something.
        let alone = chain().all(|one| model.state(one).kind != StateKind::Parallel);
        let nothing = chain().all(|one| model.state(one).transitions.is_empty());
        if state.kind == StateKind::Atomic && alone && nothing {
            let message = format!("nothing leads out of the state {:?}", state.path);
            let hint = "add a transition, or `type: final` if this is an end".to_owned();
            report(Code::DeadEnd, state.span.clone(), &state.place, message, hint);
        }
    }
}

/// Does every event of the second have the first?
fn covers(first: &Descriptor, second: &Descriptor) -> bool {
    match (first, second) {
        (Descriptor::Any, _) => true,
        (_, Descriptor::Any) => false,
        (first, Descriptor::Exact(name) | Descriptor::Prefix(name)) => {
            first.matches(name) && !matches!((first, second), (Descriptor::Exact(_), Descriptor::Prefix(_)))
        }
    }
}

fn is_covered(first: &Trigger, second: &Trigger) -> bool {
    match (first, second) {
        (Trigger::Events(first), Trigger::Events(second)) => {
            second.iter().all(|one| first.iter().any(|other| covers(other, one)))
        }
        (first, second) => first == second,
    }
}

fn shadowed_transitions(model: &Model, report: Report<'_>) {
    for state in &model.states {
        // Only open transitions shadow, and there are few of them in one state; of a thousand, the first hundred
        // are looked at.
        let open: Vec<(usize, &ModelTransition)> =
            state.transitions.iter().enumerate().filter(|(_, one)| is_open(one)).take(100).collect();
        for (at, transition) in state.transitions.iter().enumerate() {
            let shadow = open
                .iter()
                .find(|(before, one)| *before < at && is_covered(&one.trigger, &transition.trigger));
            let (message, hint) = if let Some((_, shadow)) = shadow {
                (
                    "this transition never fires: one before it, without a guard, always does".to_owned(),
                    format!("give the one at {} a guard, or remove this one", shadow.place),
                )
            } else if matches!(transition.guard, Some(Guard::Constant(false))) {
                ("this transition never fires: its guard is false".to_owned(), "remove it".to_owned())
            } else {
                continue;
            };
            report(Code::Shadowed, transition.span.clone(), &transition.place, message, hint);
        }
    }
}

/// Follows eventless transitions that are certain to fire; a circle of them never ends.
fn eventless_loops(model: &Model, report: Report<'_>) {
    let certain = |leaf: StateIndex| -> Option<(StateIndex, &ModelTransition)> {
        let mut chain = std::iter::once(leaf).chain(model.ancestors(leaf));
        let eventless = |one: &&ModelTransition| one.trigger == Trigger::Eventless;
        let (at, first) =
            chain.find_map(|at| Some((at, model.state(at).transitions.iter().find(eventless)?)))?;
        is_open(first).then_some((at, first))
    };
    // What was looked at before either ends, or was reported.
    let mut seen = vec![0u32; model.states.len()];
    for (at, state) in model.states.iter().enumerate() {
        let in_region =
            model.ancestors(at as StateIndex).any(|one| model.state(one).kind == StateKind::Parallel);
        if state.kind != StateKind::Atomic || in_region || seen[at] != 0 {
            continue;
        }
        let round = at as u32 + 1;
        let mut leaf = at as StateIndex;
        while seen[usize::from(leaf)] == 0 {
            seen[usize::from(leaf)] = round;
            let Some((_, transition)) = certain(leaf) else { break };
            let next = match transition.targets.first() {
                None => leaf,
                Some(target) => match default_leaf(model, *target) {
                    Some(next) => next,
                    None => break,
                },
            };
            if seen[usize::from(next)] == round {
                let message = format!(
                    "without any event this leads in a circle, again and again, from the state {:?}",
                    model.state(next).path
                );
                let hint =
                    "give one of the transitions in the circle a guard that will become false, or an event";
                report(
                    Code::EventlessLoop,
                    transition.span.clone(),
                    &transition.place,
                    message,
                    hint.to_owned(),
                );
            }
            leaf = next;
        }
    }
}

/// The one leaf that a state begins in; none when there are several or it depends on a history.
fn default_leaf(model: &Model, mut at: StateIndex) -> Option<StateIndex> {
    loop {
        let state = model.state(at);
        match state.kind {
            StateKind::Atomic | StateKind::Final => return Some(at),
            StateKind::Compound => at = *state.initial.as_ref()?.targets.first()?,
            StateKind::Parallel | StateKind::History { .. } => return None,
        }
    }
}

fn events(model: &Model, sent: &[SentToSelf], report: Report<'_>) {
    let mut exact: Vec<&str> = Vec::new();
    let mut patterns: Vec<&Descriptor> = Vec::new();
    for (_, transition) in model.transitions() {
        let Trigger::Events(descriptors) = &transition.trigger else { continue };
        for descriptor in descriptors {
            match descriptor {
                Descriptor::Exact(name) => exact.push(name),
                pattern => patterns.push(pattern),
            }
        }
    }
    exact.sort_unstable();
    patterns.sort();
    patterns.dedup();
    let is_taken =
        |name: &str| exact.binary_search(&name).is_ok() || patterns.iter().any(|one| one.matches(name));
    for event in sent.iter().filter(|event| !is_taken(&event.name)) {
        let message = format!("no state takes the event {:?} that is sent here", event.name);
        let near = crate::finding::nearest(&event.name, exact.iter().copied());
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => "add a transition for it, or `to:` another instance".to_owned(),
        };
        report(Code::Unhandled, event.span.clone(), &event.path, message, hint);
    }
    if model.events.is_empty() {
        return;
    }
    for event in model.events.iter().filter(|event| !is_taken(&event.name)) {
        let message = format!("the event {:?} is declared, and no state takes it", event.name);
        let hint = "add a transition for it, or remove it".to_owned();
        report(Code::Unused, event.span.clone(), &format!("events.{}", event.name), message, hint);
    }
    let mut declared: Vec<&str> = model.events.iter().map(|event| &*event.name).collect();
    declared.sort_unstable();
    let of_its_own = |name: &str| {
        ["done.", "error.", "reply.", "child.", "monitor.", "space."]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || sent.iter().any(|event| &*event.name == name)
    };
    for (_, transition) in model.transitions() {
        let Trigger::Events(descriptors) = &transition.trigger else { continue };
        for descriptor in descriptors {
            let Descriptor::Exact(name) = descriptor else { continue };
            if declared.binary_search(&&**name).is_ok() || of_its_own(name) {
                continue;
            }
            let message = format!("the event {name:?} is not among the declared `events`");
            let hint = match crate::finding::nearest(name, declared.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "declare it under `events`".to_owned(),
            };
            report(Code::UndeclaredEvent, transition.trigger_span.clone(), &transition.place, message, hint);
        }
    }
}
