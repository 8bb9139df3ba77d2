//! The active states of an instance, what its histories remember, and what a transition leaves and enters: the
//! set computations of the SCXML recommendation (Appendix D), without any content being run.
//!
//! It refuses to know events and values. Its one invariant: states are kept in document order.

use crate::chart::{Chart, Enter, Transition, TransitionIndex};
use crate::code::StateIndex;
use crate::model::{Reach, StateKind};
use smallvec::SmallVec;

/// Active states with all their ancestors, in document order.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Configuration(pub(crate) SmallVec<[StateIndex; 12]>);

impl Clone for Configuration {
    // The derived one copies state by state.
    #[inline]
    fn clone(&self) -> Configuration {
        Configuration(SmallVec::from_slice(&self.0))
    }
}

impl Configuration {
    #[inline]
    pub(crate) fn contains(&self, state: StateIndex) -> bool {
        if self.0.len() <= 12 { self.0.contains(&state) } else { self.0.binary_search(&state).is_ok() }
    }

    #[inline]
    pub(crate) fn insert(&mut self, state: StateIndex) {
        match self.0.last() {
            Some(last) if *last >= state => {
                if let Err(at) = self.0.binary_search(&state) {
                    self.0.insert(at, state);
                }
            }
            _ => self.0.push(state),
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, state: StateIndex) {
        if let Ok(at) = self.0.binary_search(&state) {
            self.0.remove(at);
        }
    }

    /// How many active states come before that one.
    #[inline]
    pub(crate) fn before(&self, state: StateIndex) -> usize {
        match self.0.last() {
            Some(last) if *last >= state => self.0.partition_point(|one| *one < state),
            _ => self.0.len(),
        }
    }

    /// The active states without active sub-states.
    pub(crate) fn leaves<'a>(&'a self, chart: &'a Chart) -> impl DoubleEndedIterator<Item = StateIndex> + 'a {
        self.0.iter().copied().filter(|state| chart.is_leaf(*state))
    }

    /// The configuration that has these leaves, if that is one that the chart can be in.
    pub(crate) fn of_leaves(chart: &Chart, leaves: &[StateIndex]) -> Option<Configuration> {
        let mut configuration = Configuration::default();
        for leaf in leaves {
            if usize::from(*leaf) >= chart.states.len() || !chart.is_leaf(*leaf) {
                return None;
            }
            let mut at = *leaf;
            configuration.insert(at);
            while at != 0 {
                at = chart.state(at).parent;
                configuration.insert(at);
            }
        }
        configuration.is_legal(chart).then_some(configuration)
    }

    /// Is the machine active, one sub-state of every active compound state, and every region of every active
    /// parallel state, and nothing else?
    pub(crate) fn is_legal(&self, chart: &Chart) -> bool {
        let parents = self.0.iter().all(|state| *state == 0 || self.contains(chart.state(*state).parent));
        let complete = self.0.iter().all(|at| {
            let state = chart.state(*at);
            let active = state.children.iter().filter(|child| self.contains(**child)).count();
            match state.kind {
                StateKind::Compound => active == 1,
                StateKind::Parallel => active == state.children.len(),
                StateKind::Atomic | StateKind::Final => true,
                StateKind::History { .. } => false,
            }
        });
        self.contains(0) && parents && complete
    }

    /// Have the sub-states of a state come to their end?
    pub(crate) fn is_in_final(&self, chart: &Chart, at: StateIndex) -> bool {
        let state = chart.state(at);
        match state.kind {
            StateKind::Compound => state
                .children
                .iter()
                .any(|child| chart.state(*child).kind == StateKind::Final && self.contains(*child)),
            StateKind::Parallel => state.children.iter().all(|child| self.is_in_final(chart, *child)),
            _ => false,
        }
    }
}

/// What histories remember: the states that each stands for, by number of the history.
pub(crate) type Memory = Vec<(StateIndex, SmallVec<[StateIndex; 4]>)>;

/// What a history remembers.
pub(crate) fn remembered(memory: &Memory, history: StateIndex) -> Option<&[StateIndex]> {
    memory.binary_search_by_key(&history, |entry| entry.0).ok().map(|at| &*memory[at].1)
}

/// Makes the histories of a state that is being left remember.
pub(crate) fn remember(chart: &Chart, memory: &mut Memory, left: StateIndex, configuration: &Configuration) {
    for history in &*chart.state(left).histories {
        let deep = chart.state(*history).kind == (StateKind::History { deep: true });
        let stands_for = |state: &StateIndex| {
            chart.is_inside(*state, left)
                && if deep { chart.is_leaf(*state) } else { chart.state(*state).parent == left }
        };
        let states = configuration.0.iter().copied().filter(stands_for).collect();
        match memory.binary_search_by_key(history, |entry| entry.0) {
            Ok(at) => memory[at].1 = states,
            Err(at) => memory.insert(at, (*history, states)),
        }
    }
}

/// The targets of a transition, with what they stand for in the place of histories.
pub(crate) fn effective_targets(
    chart: &Chart,
    memory: &Memory,
    targets: &[StateIndex],
) -> SmallVec<[StateIndex; 4]> {
    let mut states = SmallVec::new();
    for target in targets {
        let state = chart.state(*target);
        if !matches!(state.kind, StateKind::History { .. }) {
            states.push(*target);
        } else if let Some(remembered) = remembered(memory, *target) {
            states.extend_from_slice(remembered);
        } else if let Some(initial) = state.initial {
            states.extend(effective_targets(chart, memory, &chart.transition(initial).targets));
        }
    }
    states
}

/// What stays active around a transition; none when it has no targets.
pub(crate) fn domain(chart: &Chart, transition: &Transition, targets: &[StateIndex]) -> Option<StateIndex> {
    if targets.is_empty() {
        return None;
    }
    let source = transition.source;
    let inside = |outer: StateIndex| targets.iter().all(|target| chart.is_inside(*target, outer));
    let stays = match transition.reach {
        Reach::External => false,
        Reach::Internal => chart.state(source).kind == StateKind::Compound && inside(source),
        // By the targets as they are named: a history outside of the source may turn out to stand for the source,
        // which is then left like any other state.
        Reach::Within => {
            transition.targets.iter().all(|target| *target == source || chart.is_inside(*target, source))
        }
    };
    if stays {
        return Some(source);
    }
    let mut at = source;
    while at != 0 {
        at = chart.state(at).parent;
        if at == 0 || (chart.state(at).kind == StateKind::Compound && inside(at)) {
            break;
        }
    }
    Some(at)
}

/// States that transitions enter.
#[derive(Debug, Default)]
pub(crate) struct EntrySet {
    /// In document order.
    pub(crate) states: SmallVec<[Enter; 8]>,
    /// Defaults of histories whose actions run after the entry of their parents.
    pub(crate) histories: SmallVec<[(StateIndex, TransitionIndex); 1]>,
}

impl EntrySet {
    /// Adds what entering these targets below `domain` means.
    pub(crate) fn add(&mut self, chart: &Chart, memory: &Memory, targets: &[StateIndex], domain: StateIndex) {
        for target in targets {
            self.add_descendants(chart, memory, *target);
        }
        for state in effective_targets(chart, memory, targets) {
            self.add_ancestors(chart, memory, state, domain);
        }
        // Beyond the recommendation, where the domain is never a parallel state: regions that were left with
        // the others begin anew.
        if chart.state(domain).kind == StateKind::Parallel {
            self.add_regions(chart, memory, domain);
        }
    }

    /// Adds what is known to be entered.
    pub(crate) fn extend(&mut self, known: &[Enter]) {
        for enter in known {
            self.insert(enter.state).initially |= enter.initially;
        }
    }

    fn insert(&mut self, state: StateIndex) -> &mut Enter {
        if self.states.last().is_none_or(|last| last.state < state) {
            self.states.push(Enter { state, initially: false });
            let last = self.states.len() - 1;
            return &mut self.states[last];
        }
        let at = match self.states.binary_search_by_key(&state, |enter| enter.state) {
            Ok(at) => at,
            Err(at) => {
                self.states.insert(at, Enter { state, initially: false });
                at
            }
        };
        &mut self.states[at]
    }

    /// Is the state or anything inside of it to be entered?
    fn reaches(&self, chart: &Chart, state: StateIndex) -> bool {
        let at = self.states.partition_point(|enter| enter.state < state);
        self.states.get(at).is_some_and(|enter| enter.state < chart.state(state).end)
    }

    fn add_descendants(&mut self, chart: &Chart, memory: &Memory, at: StateIndex) {
        let state = chart.state(at);
        match state.kind {
            StateKind::History { .. } => {
                let states: SmallVec<[StateIndex; 4]> = match (remembered(memory, at), state.initial) {
                    (Some(states), _) => SmallVec::from_slice(states),
                    (None, Some(initial)) => {
                        let known = self.histories.iter_mut().find(|entry| entry.0 == state.parent);
                        match known {
                            Some(entry) => entry.1 = initial,
                            None => self.histories.push((state.parent, initial)),
                        }
                        SmallVec::from_slice(&chart.transition(initial).targets)
                    }
                    (None, None) => SmallVec::new(),
                };
                states.iter().for_each(|one| self.add_descendants(chart, memory, *one));
                states.iter().for_each(|one| self.add_ancestors(chart, memory, *one, state.parent));
            }
            StateKind::Compound => {
                self.insert(at).initially = true;
                let Some(initial) = state.initial else { return };
                let targets = &chart.transition(initial).targets;
                targets.iter().for_each(|one| self.add_descendants(chart, memory, *one));
                targets.iter().for_each(|one| self.add_ancestors(chart, memory, *one, at));
            }
            StateKind::Parallel => {
                self.insert(at);
                self.add_regions(chart, memory, at);
            }
            StateKind::Atomic | StateKind::Final => {
                self.insert(at);
            }
        }
    }

    fn add_ancestors(&mut self, chart: &Chart, memory: &Memory, state: StateIndex, domain: StateIndex) {
        let mut at = state;
        while at != 0 {
            at = chart.state(at).parent;
            if at == domain || !chart.is_inside(at, domain) {
                break;
            }
            self.insert(at);
            if chart.state(at).kind == StateKind::Parallel {
                self.add_regions(chart, memory, at);
            }
        }
    }

    fn add_regions(&mut self, chart: &Chart, memory: &Memory, parallel: StateIndex) {
        for child in &*chart.state(parallel).children {
            if !self.reaches(chart, *child) {
                self.add_descendants(chart, memory, *child);
            }
        }
    }
}
