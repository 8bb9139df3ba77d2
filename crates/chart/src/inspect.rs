//! What a person or a tool wants to know of a chart without running it.
//!
//! It refuses to know instances. Its one invariant: lists are in document order, or sorted where said.

use crate::chart::Chart;
use crate::model::{Descriptor, StateKind, Unhandled};
use everstate_kernel::Span;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A state, as a tool lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSummary {
    /// Its path; empty for the machine itself.
    pub path: Arc<str>,
    /// Its own name.
    pub name: Arc<str>,
    /// What sort.
    pub kind: StateKind,
    /// How deep: 0 for the machine itself.
    pub depth: usize,
    /// Is it where its parent begins?
    pub initial: bool,
    /// Events that its transitions name, prefixes as `name.*`, sorted.
    pub events: Vec<Arc<str>>,
    /// Its timers.
    pub timers: Vec<Span>,
    /// For people.
    pub description: Option<Arc<str>>,
    /// Words for tools and people.
    pub tags: Vec<Arc<str>>,
}

/// A transition, as a tool draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionSummary {
    /// Path of the state it belongs to.
    pub source: Arc<str>,
    /// Paths of the states it leads to; none when it stays.
    pub targets: Vec<Arc<str>>,
    /// The events that fire it, as they are written; none when it needs no event.
    pub events: Vec<Arc<str>>,
    /// Its guard as it is written; empty without one.
    pub guard: Arc<str>,
}

impl StateKind {
    /// The word for it in the native format.
    pub fn as_str(self) -> &'static str {
        match self {
            StateKind::Atomic => "atomic",
            StateKind::Compound => "compound",
            StateKind::Parallel => "parallel",
            StateKind::Final => "final",
            StateKind::History { deep: false } => "history",
            StateKind::History { deep: true } => "deep history",
        }
    }
}

impl Chart {
    /// The name of the machine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All states in document order, the machine itself first.
    pub fn states(&self) -> impl ExactSizeIterator<Item = StateSummary> + '_ {
        self.states.iter().enumerate().map(|(at, state)| {
            let at = at as crate::code::StateIndex;
            let depth =
                std::iter::successors(Some(at), |at| (*at != 0).then(|| self.state(*at).parent)).count() - 1;
            let parent = self.state(state.parent);
            let begins = |initial| self.transition(initial).targets.contains(&at);
            let (from, to) = state.exact;
            let exact = self.exact[from as usize..to as usize].iter().flat_map(|entry| entry.1.iter());
            let events: BTreeSet<Arc<str>> = exact
                .chain(state.patterns.iter())
                .filter(|index| !self.transition(**index).timed)
                .flat_map(|index| self.transition(*index).descriptors.iter().map(Descriptor::text))
                .collect();
            StateSummary {
                path: state.path.clone(),
                name: state.name.clone(),
                kind: state.kind,
                depth,
                initial: at != 0 && parent.initial.is_some_and(begins),
                events: events.into_iter().collect(),
                timers: state.after.iter().map(|after| after.delay).collect(),
                description: state.description.clone(),
                tags: state.tags.to_vec(),
            }
        })
    }

    /// All transitions in document order.
    pub fn transitions(&self) -> impl Iterator<Item = TransitionSummary> + '_ {
        let initials: BTreeSet<u32> = self.states.iter().filter_map(|state| state.initial).collect();
        let numbered = self.transitions.iter().enumerate();
        let own = numbered.filter(move |(at, _)| !initials.contains(&(*at as u32)));
        own.map(|(_, transition)| TransitionSummary {
            source: self.state(transition.source).path.clone(),
            targets: transition.targets.iter().map(|target| self.state(*target).path.clone()).collect(),
            events: transition.descriptors.iter().map(Descriptor::text).collect(),
            guard: transition.guard_text.clone(),
        })
    }

    /// Names of all events that transitions name and that the definition declares, sorted; prefixes as `name.*`.
    /// Events that the chart makes for itself by timers and ends of states are left out.
    pub fn events(&self) -> Vec<Arc<str>> {
        let named = self.transitions.iter().filter(|transition| !transition.timed);
        let named = named.flat_map(|transition| transition.descriptors.iter().map(Descriptor::text));
        let named = named.filter(|name| !name.starts_with("done.state."));
        let all: BTreeSet<Arc<str>> =
            named.chain(self.declared.iter().map(|declared| declared.name.clone())).collect();
        all.into_iter().collect()
    }

    /// What the definition says of an event.
    pub fn event_description(&self, name: &str) -> Option<&str> {
        self.declared_event(name)?.description.as_deref()
    }

    /// Paths of the states that an instance begins in, as far as that does not depend on guards.
    pub fn initial(&self) -> Vec<Arc<str>> {
        let mut set = crate::configuration::EntrySet::default();
        let targets = self.state(0).initial.map(|initial| &*self.transition(initial).targets);
        set.add(self, &Vec::new(), targets.unwrap_or(&[]), 0);
        let leaves = set.states.iter().filter(|enter| self.is_leaf(enter.state));
        leaves.map(|enter| self.state(enter.state).path.clone()).collect()
    }

    /// The context that instances begin with, as JSON.
    pub fn context(&self) -> everstate_kernel::Json {
        crate::behaviour::json_of(&self.context).unwrap_or(everstate_kernel::Json::NULL)
    }

    /// What happens to events that nobody takes, where no state says otherwise.
    pub fn unhandled(&self) -> Unhandled {
        self.unhandled
    }

    /// Is there a state of that path?
    pub fn has_state(&self, path: &str) -> bool {
        self.states.iter().any(|state| *state.path == *path && !path.is_empty())
    }
}
