//! Which states were entered and which transitions were taken, counted over as many turns as are wanted.
//!
//! It refuses to know where events come from. Its one invariant: a turn that leaves no trace is not counted.

use crate::chart::{Chart, TransitionIndex};
use crate::code::StateIndex;
use crate::inspect::TransitionSummary;
use crate::model::StateKind;
use everstate_kernel::{Event, Fault, Handled, Json, Next, State, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one turn went through, in its order.
#[derive(Debug, Default)]
pub(crate) struct Path {
    pub(crate) taken: Vec<TransitionIndex>,
    pub(crate) entered: Vec<StateIndex>,
}

/// What many turns of one chart went through.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    taken: BTreeMap<TransitionIndex, u64>,
    entered: BTreeMap<StateIndex, u64>,
}

/// A state, and how often it was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCovered {
    /// Its path.
    pub path: Arc<str>,
    /// How often.
    pub entered: u64,
    /// Where its name stands in the text, in bytes.
    pub at: usize,
}

/// A transition, and how often it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionCovered {
    /// Which.
    pub transition: TransitionSummary,
    /// How often.
    pub taken: u64,
    /// Where its event is named in the text, in bytes.
    pub at: usize,
}

impl Coverage {
    fn add(&mut self, path: &Path) {
        path.taken.iter().for_each(|at| *self.taken.entry(*at).or_default() += 1);
        path.entered.iter().for_each(|at| *self.entered.entry(*at).or_default() += 1);
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Coverage) {
        other.taken.iter().for_each(|(at, count)| *self.taken.entry(*at).or_default() += count);
        other.entered.iter().for_each(|(at, count)| *self.entered.entry(*at).or_default() += count);
    }

    /// How often each transition was taken, by its number, as pictures mark them.
    pub fn fired(&self) -> &BTreeMap<u32, u64> {
        &self.taken
    }

    /// All states that can be entered, in document order. The machine itself is none of them.
    pub fn states(&self, chart: &Chart) -> Vec<StateCovered> {
        let numbered = chart.states.iter().enumerate().skip(1);
        let real = numbered.filter(|(_, state)| !matches!(state.kind, StateKind::History { .. }));
        real.map(|(at, state)| StateCovered {
            path: state.path.clone(),
            entered: self.entered.get(&(at as StateIndex)).copied().unwrap_or(0),
            at: state.stands_at as usize,
        })
        .collect()
    }

    /// All transitions that can be taken, in document order: not those to where a state begins.
    pub fn transitions(&self, chart: &Chart) -> Vec<TransitionCovered> {
        let initials: BTreeSet<TransitionIndex> =
            chart.states.iter().filter_map(|state| state.initial).collect();
        let numbers =
            (0..chart.transitions.len() as TransitionIndex).filter(|number| !initials.contains(number));
        numbers
            .zip(chart.transitions())
            .map(|(number, transition)| TransitionCovered {
                transition,
                taken: self.taken.get(&number).copied().unwrap_or(0),
                at: chart.transition(number).stands_at as usize,
            })
            .collect()
    }
}

impl Chart {
    /// Starts an instance as [`everstate_kernel::Behaviour::start`] does, and counts what it goes through.
    pub fn start_counted(
        &self,
        data: &Json,
        turn: &mut Turn<'_>,
        coverage: &mut Coverage,
    ) -> Result<Next, Fault> {
        let mut path = Path::default();
        let next = self.start_along(data, turn, Some(&mut path))?;
        coverage.add(&path);
        Ok(next)
    }

    /// Handles an event as [`everstate_kernel::Behaviour::handle`] does, and counts what the instance goes through.
    pub fn handle_counted(
        &self,
        state: &State,
        event: &Event,
        turn: &mut Turn<'_>,
        coverage: &mut Coverage,
    ) -> Result<Handled, Fault> {
        let mut path = Path::default();
        let handled = self.handle_along(state, event, turn, Some(&mut path))?;
        if matches!(handled, Handled::Took(_)) {
            coverage.add(&path);
        }
        Ok(handled)
    }
}

#[cfg(test)]
mod tests;
