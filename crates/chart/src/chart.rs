//! A compiled chart: flat arrays over states and transitions, made so that a turn touches only what is active.
//!
//! It refuses to know how it was written. Its one invariant: it never changes, and every index in it is valid.

use crate::code::{Acting, Action, Formula, Guard, Payload, StateIndex};
use crate::invoke::Invoke;
use crate::model::{Descriptor, StateKind, Unhandled};
use crate::presence::Asked;
use crate::shape::Shape;
use crate::value::Value;
use everstate_kernel::{Labels, Span};
use std::sync::Arc;

/// The number of a transition in the chart.
pub(crate) type TransitionIndex = u32;

/// A machine ready to run. Made by [`crate::read`]; shared by all its instances.
#[derive(Debug)]
pub struct Chart {
    pub(crate) name: Arc<str>,
    /// In document order; the machine itself is the first.
    pub(crate) states: Box<[State]>,
    pub(crate) transitions: Box<[Transition]>,
    /// Names of events that transitions name exactly, sorted; their positions are the numbers in `exact`.
    pub(crate) events: Box<[Arc<str>]>,
    /// For each state, by [`State::exact`]: event number and the transitions that name it, sorted.
    pub(crate) exact: Box<[(u32, Box<[TransitionIndex]>)]>,
    pub(crate) guards: Box<[Guard]>,
    /// What the guards are called, in their order.
    pub(crate) guard_names: Box<[Arc<str>]>,
    pub(crate) actions: Box<[Vec<Action>]>,
    /// What the lists of actions are called, in their order.
    pub(crate) action_names: Box<[Arc<str>]>,
    /// What states are called by `in('…')`, sorted.
    pub(crate) names: Box<[(Arc<str>, StateIndex)]>,
    pub(crate) context: Value,
    /// Declared events by name, sorted.
    pub(crate) declared: Box<[Declared]>,
    pub(crate) unhandled: Unhandled,
    /// What expressions ask of who is present.
    pub(crate) asked: Asked,
    /// Has any state a transition without an event?
    pub(crate) eventless: bool,
    /// Does any history remember anything?
    pub(crate) remembers: bool,
    /// Does any content look at the data of events?
    pub(crate) reads_event: bool,
    /// The recommendation's rules, where the chart was written in SCXML.
    pub(crate) rules: Option<Rules>,
    /// Charts written inside of this one, to be invoked.
    pub(crate) inline: Box<[Arc<Chart>]>,
    /// Is a turn stored and restored before each microstep? Only to show that it could be.
    pub(crate) restless: bool,
}

/// What is otherwise in SCXML: errors are events, data are variables.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// `_name`.
    pub(crate) name: Value,
    /// Does data get its first value when its state is entered?
    pub(crate) late: bool,
    /// In document order.
    pub(crate) data: Box<[Datum]>,
}

/// A data item.
#[derive(Debug, Clone)]
pub(crate) struct Datum {
    pub(crate) id: Arc<str>,
    pub(crate) state: StateIndex,
    pub(crate) value: Option<Formula>,
}

/// A state of a compiled chart.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    /// Path without the machine.
    pub(crate) path: Arc<str>,
    pub(crate) parent: StateIndex,
    /// One past its last descendant.
    pub(crate) end: StateIndex,
    pub(crate) kind: StateKind,
    /// Without histories.
    pub(crate) children: Box<[StateIndex]>,
    pub(crate) histories: Box<[StateIndex]>,
    /// Its part of [`Chart::exact`].
    pub(crate) exact: (u32, u32),
    /// A bit for each of the events that it or an ancestor takes, by [`Chart::bits`].
    pub(crate) handles: u64,
    /// Its transitions for prefixes and for every event, in order.
    pub(crate) patterns: Box<[TransitionIndex]>,
    /// Its transitions without an event, in order.
    pub(crate) eventless: Box<[TransitionIndex]>,
    /// Has it or an ancestor any transition without an event?
    pub(crate) eventless_above: bool,
    /// Where it begins, or what a history without memory stands for.
    pub(crate) initial: Option<TransitionIndex>,
    pub(crate) entry: Box<[Action]>,
    pub(crate) exit: Box<[Action]>,
    pub(crate) after: Box<[After]>,
    pub(crate) output: Option<Formula>,
    /// SCXML's output.
    pub(crate) donedata: Option<Payload>,
    pub(crate) invokes: Box<[Invoke]>,
    /// What it holds while it is active: each joins.
    pub(crate) endpoints: Box<[Acting]>,
    /// What the author calls it, if anything.
    pub(crate) id: Option<Arc<str>>,
    /// The event that its end raises.
    pub(crate) done: Arc<str>,
    /// What it or an ancestor below the machine says.
    pub(crate) unhandled: Option<Unhandled>,
    /// The labels when it is the only active leaf.
    pub(crate) labels: Labels,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) tags: Box<[Arc<str>]>,
    /// Where its name stands in the text, in bytes; texts are shorter than that.
    pub(crate) stands_at: u32,
}

/// A timer of a state.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) delay: Span,
    /// The timer's name and its event's.
    pub(crate) name: Arc<str>,
}

/// A transition of a compiled chart.
#[derive(Debug)]
pub(crate) struct Transition {
    pub(crate) source: StateIndex,
    pub(crate) descriptors: Box<[Descriptor]>,
    /// Does only a timer of the chart itself fire it?
    pub(crate) timed: bool,
    pub(crate) guard: Option<Guard>,
    pub(crate) guard_text: Arc<str>,
    pub(crate) targets: Box<[StateIndex]>,
    pub(crate) reach: crate::model::Reach,
    pub(crate) actions: Box<[Action]>,
    pub(crate) plan: Plan,
    /// Where its event is named in the text, in bytes.
    pub(crate) stands_at: u32,
}

/// What is left and entered by a transition.
#[derive(Debug)]
pub(crate) enum Plan {
    /// No targets: only its actions run.
    Stay,
    /// Known beforehand.
    Fixed {
        /// What stays active around it.
        domain: StateIndex,
        /// What is entered, in document order.
        entry: Box<[Enter]>,
    },
    /// There is a history on the way: it depends on what was active.
    Open,
}

/// A state to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Enter {
    pub(crate) state: StateIndex,
    /// Does it begin in its initial state, whose actions then run?
    pub(crate) initially: bool,
}

/// A declared event.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) shape: Option<Shape>,
}

/// The bit of states that have patterns.
pub(crate) const PATTERNS: u64 = 1 << 63;

impl Chart {
    #[inline]
    pub(crate) fn state(&self, index: StateIndex) -> &State {
        &self.states[usize::from(index)]
    }

    #[inline]
    pub(crate) fn transition(&self, index: TransitionIndex) -> &Transition {
        &self.transitions[index as usize]
    }

    /// Is the first a proper descendant of the second?
    #[inline]
    pub(crate) fn is_inside(&self, inner: StateIndex, outer: StateIndex) -> bool {
        inner > outer && inner < self.state(outer).end
    }

    /// Has it no sub-states that could be active?
    #[inline]
    pub(crate) fn is_leaf(&self, index: StateIndex) -> bool {
        self.state(index).children.is_empty()
    }

    /// The state that `in('…')` means.
    pub(crate) fn named(&self, name: &str) -> Option<StateIndex> {
        self.names.binary_search_by(|(known, _)| (**known).cmp(name)).ok().map(|at| self.names[at].1)
    }

    /// The number of an event that some transition names exactly.
    #[inline]
    pub(crate) fn event_number(&self, name: &str) -> Option<u32> {
        self.events.binary_search_by(|known| (**known).cmp(name)).ok().map(|at| at as u32)
    }

    /// The bits of which a state must have one to take an event: that of its number, which it may share with others,
    /// and the highest, which states with patterns have.
    #[inline]
    pub(crate) fn bits(event: Option<u32>) -> u64 {
        event.map_or(0, |event| 1 << (event % 63)) | PATTERNS
    }

    /// The transitions of a state that name an event exactly, in document order.
    #[inline]
    pub(crate) fn exact(&self, state: &State, event: Option<u32>) -> &[TransitionIndex] {
        let (from, to) = state.exact;
        let Some(event) = event else { return &[] };
        let entries = &self.exact[from as usize..to as usize];
        match entries.binary_search_by_key(&event, |entry| entry.0) {
            Ok(at) => &entries[at].1,
            Err(_) => &[],
        }
    }
}
