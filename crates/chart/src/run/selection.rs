//! Which transitions an event takes, or, without one, which need none (the recommendation's Appendix D,
//! `selectTransitions` to `removeConflictingTransitions`).
//!
//! It refuses to leave and enter states. Its one invariant: no two of those that it selects would leave the same state.

use super::{Run, Selected};
use crate::chart::{Chart, Plan, TransitionIndex};
use crate::code::StateIndex;
use crate::configuration::{domain, effective_targets};
use crate::model::StateKind;
use everstate_kernel::Fault;
use smallvec::SmallVec;

impl Run<'_> {
    /// The transitions that the current event enables, or, without one, those that need none: for each active
    /// leaf the innermost state's first one, less those that another one preempts.
    pub(crate) fn select(&mut self, with_event: bool) -> Result<Selected, Fault> {
        let chart = self.chart;
        let mut enabled = Selected::new();
        if !with_event && !chart.eventless {
            return Ok(enabled);
        }
        let number = if with_event { chart.event_number(&self.current.name) } else { None };
        let bits = Chart::bits(number);
        // Regions meet in parallel states. What was found from there on up is the same for each of them.
        let mut met: SmallVec<[StateIndex; 8]> = SmallVec::new();
        for position in 0..self.configuration.0.len() {
            let leaf = self.configuration.0[position];
            let row = chart.state(leaf);
            let takes = if with_event { row.handles & bits != 0 } else { row.eventless_above };
            if !takes || !chart.is_leaf(leaf) {
                continue;
            }
            let mut at = leaf;
            loop {
                let state = chart.state(at);
                if state.kind == StateKind::Parallel {
                    if met.contains(&at) {
                        break;
                    }
                    met.push(at);
                }
                let found = match with_event {
                    true => self.first_of(chart.exact(state, number), &state.patterns)?,
                    false => self.first_enabled(&state.eventless)?,
                };
                // What lies above where regions meet is looked at once, so none is found twice.
                if let Some(found) = found {
                    enabled.push(found);
                    break;
                }
                if at == 0 {
                    break;
                }
                at = state.parent;
            }
        }
        if enabled.len() > 1 { Ok(self.without_preempted(&enabled)) } else { Ok(enabled) }
    }

    /// The first enabled one of two ascending lists: those that name the event, and those with patterns.
    fn first_of(
        &mut self,
        mut exact: &[TransitionIndex],
        mut patterns: &[TransitionIndex],
    ) -> Result<Option<TransitionIndex>, Fault> {
        let chart = self.chart;
        loop {
            let next = match (exact.first(), patterns.first()) {
                (None, None) => return Ok(None),
                (Some(one), other) if other.is_none_or(|other| one <= other) => {
                    exact = &exact[1..];
                    // A transition with several descriptors can be in both lists.
                    if other == Some(one) {
                        patterns = &patterns[1..];
                    }
                    if chart.transition(*one).timed && !self.current.timed {
                        continue;
                    }
                    *one
                }
                (_, Some(one)) => {
                    patterns = &patterns[1..];
                    // Timers belong to the states that set them: patterns do not see their events.
                    let descriptors = &chart.transition(*one).descriptors;
                    if self.is_own_timer() || !descriptors.iter().any(|one| one.matches(&self.current.name)) {
                        continue;
                    }
                    *one
                }
                (Some(_), None) => return Ok(None),
            };
            if self.is_enabled(next)? {
                return Ok(Some(next));
            }
        }
    }

    /// Is the current event that of an `after`?
    pub(crate) fn is_own_timer(&self) -> bool {
        self.current.timed && self.current.name.starts_with("after.")
    }

    fn first_enabled(&mut self, candidates: &[TransitionIndex]) -> Result<Option<TransitionIndex>, Fault> {
        for candidate in candidates {
            if self.is_enabled(*candidate)? {
                return Ok(Some(*candidate));
            }
        }
        Ok(None)
    }

    #[inline]
    fn is_enabled(&mut self, transition: TransitionIndex) -> Result<bool, Fault> {
        match &self.chart.transition(transition).guard {
            None => Ok(true),
            Some(guard) => self.condition(guard),
        }
    }

    /// What a transition leaves lies inside of this state; none when it leaves nothing.
    pub(super) fn domain_of(&self, transition: TransitionIndex) -> Option<StateIndex> {
        let row = self.chart.transition(transition);
        match &row.plan {
            Plan::Stay => None,
            Plan::Fixed { domain, .. } => Some(*domain),
            Plan::Open => domain(self.chart, row, &effective_targets(self.chart, &self.memory, &row.targets)),
        }
    }

    /// Of two transitions that would leave the same state only one is taken: the inner one, else the first.
    fn without_preempted(&self, enabled: &Selected) -> Selected {
        let chart = self.chart;
        let ranges = |transition: TransitionIndex| match self.domain_of(transition) {
            Some(domain) => (domain + 1, chart.state(domain).end),
            None => (0, 0),
        };
        let mut kept: SmallVec<[(TransitionIndex, (StateIndex, StateIndex)); 4]> = SmallVec::new();
        let mut reached = 0;
        for one in enabled {
            let range = ranges(*one);
            // What lies behind all that the others leave is in nobody's way.
            let behind = range.0 >= reached;
            reached = reached.max(range.1);
            if behind {
                kept.push((*one, range));
                continue;
            }
            let conflicts = |other: &(StateIndex, StateIndex)| range.0.max(other.0) < range.1.min(other.1);
            let source = chart.transition(*one).source;
            let preempts = |other: TransitionIndex| chart.is_inside(source, chart.transition(other).source);
            if kept.iter().any(|(other, taken)| conflicts(taken) && !preempts(*other)) {
                continue;
            }
            kept.retain(|(_, taken)| !conflicts(taken));
            kept.push((*one, range));
        }
        kept.into_iter().map(|(transition, _)| transition).collect()
    }
}
