//! The model that every notation is read into: states in document order with their transitions and contents, and
//! where each stands in the text. Checks look at it, and the chart is compiled from it.
//!
//! It refuses to know notations. Its one invariant: the states are a preorder of the tree, so that the
//! descendants of a state are those from the next one up to its `end`.

use crate::chart::{Chart, Rules};
use crate::code::{Acting, Action, Formula, Guard, Payload, StateIndex};
use crate::invoke::Invoke;
use crate::shape::Shape;
use crate::value::Value;
use std::ops::Range;
use std::sync::Arc;

/// States of a chart. Stored configurations number them with 16 bits; and no person has drawn half as many.
pub const STATES_MAX: usize = 20_000;

/// How deep states may nest. Real charts are 4 to 6 deep; configurations and their cost grow with it.
pub const STATE_DEPTH_MAX: usize = 64;

/// A machine as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) states: Vec<ModelState>,
    pub(crate) guards: Vec<Guard>,
    /// What the guards are called, in their order.
    pub(crate) guard_names: Vec<Arc<str>>,
    pub(crate) actions: Vec<Vec<Action>>,
    /// What the lists of actions are called, in their order.
    pub(crate) action_names: Vec<Arc<str>>,
    pub(crate) context: Value,
    pub(crate) events: Vec<DeclaredEvent>,
    pub(crate) unhandled: Unhandled,
    /// Of SCXML.
    pub(crate) rules: Option<Rules>,
    /// Charts written inside of this one.
    pub(crate) inline: Vec<Arc<Chart>>,
}

/// What happens to an event that nobody takes. Ordered: when regions differ, the greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unhandled {
    /// The sender is told.
    Reject,
    /// Nothing.
    Ignore,
    /// It is a fault.
    Fail,
    /// It is kept until the active states change.
    Defer,
}

/// What sort of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// Without sub-states.
    Atomic,
    /// One sub-state is active.
    Compound,
    /// All sub-states are active.
    Parallel,
    /// The end of its parent.
    Final,
    /// Stands for the sub-states of its parent that were last active.
    History {
        /// All the way down?
        deep: bool,
    },
}

/// A state as it was written.
#[derive(Debug, Clone)]
pub(crate) struct ModelState {
    pub(crate) name: String,
    /// Names of the ancestors and its own, joined by dots; empty for the machine.
    pub(crate) path: String,
    /// What `done.state.` events call it.
    pub(crate) id: String,
    pub(crate) parent: Option<StateIndex>,
    /// One past its last descendant.
    pub(crate) end: StateIndex,
    pub(crate) children: Vec<StateIndex>,
    pub(crate) kind: StateKind,
    /// Where a compound state begins, or a history without memory leads.
    pub(crate) initial: Option<ModelTransition>,
    /// In document order.
    pub(crate) transitions: Vec<ModelTransition>,
    pub(crate) entry: Vec<Action>,
    pub(crate) exit: Vec<Action>,
    pub(crate) output: Option<Formula>,
    pub(crate) donedata: Option<Payload>,
    pub(crate) invokes: Vec<Invoke>,
    pub(crate) endpoints: Vec<Acting>,
    /// Is `id` the author's own?
    pub(crate) has_id: bool,
    pub(crate) unhandled: Option<Unhandled>,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) tags: Vec<Arc<str>>,
    /// Where its name stands.
    pub(crate) span: Range<usize>,
    /// Such as `states.open.states.waiting`.
    pub(crate) place: String,
}

impl ModelState {
    /// A state without anything in it yet. The parent's path and the name make its own.
    pub(crate) fn new(
        name: &str,
        kind: StateKind,
        parent: Option<(StateIndex, &str)>,
        index: StateIndex,
        span: Range<usize>,
    ) -> ModelState {
        let path = match parent {
            None => String::new(),
            Some((_, "")) => name.to_owned(),
            Some((_, outer)) => format!("{outer}.{name}"),
        };
        ModelState {
            name: name.to_owned(),
            id: path.clone(),
            path,
            parent: parent.map(|(index, _)| index),
            end: index + 1,
            children: Vec::new(),
            kind,
            initial: None,
            transitions: Vec::new(),
            entry: Vec::new(),
            exit: Vec::new(),
            output: None,
            donedata: None,
            invokes: Vec::new(),
            endpoints: Vec::new(),
            has_id: false,
            unhandled: None,
            description: None,
            tags: Vec::new(),
            span,
            place: String::new(),
        }
    }
}

/// What lets a transition fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Any of these events.
    Events(Vec<Descriptor>),
    /// Nothing: tried after every microstep.
    Eventless,
    /// The state was active for so many milliseconds.
    After(u64),
    /// The state's sub-states have come to their end.
    Done,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Descriptor {
    /// The event of that name.
    Exact(Arc<str>),
    /// The event of that name and all whose names begin with it and a dot.
    Prefix(Arc<str>),
    /// Every event.
    Any,
}

impl Descriptor {
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Descriptor::Exact(exact) => **exact == *name,
            Descriptor::Prefix(prefix) => {
                name.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            Descriptor::Any => true,
        }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> Arc<str> {
        match self {
            Descriptor::Exact(name) => name.clone(),
            Descriptor::Prefix(prefix) => Arc::from(format!("{prefix}.*")),
            Descriptor::Any => Arc::from("*"),
        }
    }
}

/// How far a transition reaches out: which state stays active around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The least compound ancestor of source and targets.
    External,
    /// The source itself, when it is compound and all targets are inside of it (SCXML's `internal`).
    Internal,
    /// The source itself, when all targets are inside of it or it itself (the native format's default).
    Within,
}

/// A transition as it was written.
#[derive(Debug, Clone)]
pub(crate) struct ModelTransition {
    pub(crate) trigger: Trigger,
    pub(crate) guard: Option<Guard>,
    /// As it is written, for people.
    pub(crate) guard_text: String,
    pub(crate) targets: Vec<StateIndex>,
    pub(crate) reach: Reach,
    pub(crate) actions: Vec<Action>,
    pub(crate) span: Range<usize>,
    /// Where its event is named.
    pub(crate) trigger_span: Range<usize>,
    pub(crate) place: String,
}

/// An event that the definition declares.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredEvent {
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) shape: Option<Shape>,
    pub(crate) span: Range<usize>,
}

impl Model {
    pub(crate) fn state(&self, index: StateIndex) -> &ModelState {
        &self.states[usize::from(index)]
    }

    /// The parent, its parent, and so on to the machine.
    pub(crate) fn ancestors(&self, index: StateIndex) -> impl Iterator<Item = StateIndex> + '_ {
        std::iter::successors(self.state(index).parent, |at| self.state(*at).parent)
    }

    /// All transitions with their sources, in document order.
    pub(crate) fn transitions(&self) -> impl Iterator<Item = (StateIndex, &ModelTransition)> {
        let numbered = self.states.iter().enumerate();
        numbered.flat_map(|(at, state)| state.transitions.iter().map(move |one| (at as StateIndex, one)))
    }
}
