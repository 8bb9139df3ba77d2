//! The recommendation's algorithm (Appendix D), written down as literally and slowly as it stands there, on the random
//! documents themselves. Names of procedures are those of the appendix.
//!
//! It refuses to share anything with the engine. Its one invariant: it stops after so many steps, and then says so.

use super::document::{Action, Document, Kind, Stimulus, Transition};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Microsteps and events of one step after which the machine counts as stuck.
const BUDGET: u32 = 900;

/// The machine does not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stuck;

pub(crate) struct Literal<'d> {
    document: &'d Document,
    configuration: BTreeSet<usize>,
    history_value: BTreeMap<usize, BTreeSet<usize>>,
    internal_queue: VecDeque<String>,
    external_queue: VecDeque<String>,
    timers: Vec<Timer>,
    sent: u64,
    now: u64,
    running: bool,
    log: Vec<String>,
    budget: u32,
}

struct Timer {
    due: u64,
    number: u64,
    event: String,
    id: Option<String>,
}

/// Ids of active states, sorted, and what was logged.
pub(crate) type Shown = (Vec<String>, Vec<String>);

impl<'d> Literal<'d> {
    pub(crate) fn new(document: &'d Document) -> Literal<'d> {
        Literal {
            document,
            configuration: BTreeSet::new(),
            history_value: BTreeMap::new(),
            internal_queue: VecDeque::new(),
            external_queue: VecDeque::new(),
            timers: Vec::new(),
            sent: 0,
            now: 0,
            running: true,
            log: Vec::new(),
            budget: 0,
        }
    }

    pub(crate) fn start(&mut self) -> Result<Shown, Stuck> {
        self.budget = BUDGET;
        let initial = self.document.states[0].initial.clone().expect("the machine has states");
        self.enter_states(&[&initial]);
        self.macrostep()?;
        self.main_event_loop()?;
        Ok(self.shown())
    }

    pub(crate) fn step(&mut self, stimulus: &Stimulus) -> Result<Shown, Stuck> {
        self.budget = BUDGET;
        match stimulus {
            Stimulus::Event(name) => {
                self.external_queue.push_back(name.clone());
                self.main_event_loop()?;
            }
            Stimulus::Advance(span) => {
                let until = self.now + span;
                while let Some(at) = self.first_timer(until) {
                    let timer = self.timers.remove(at);
                    self.now = timer.due;
                    self.external_queue.push_back(timer.event);
                    self.main_event_loop()?;
                }
                self.now = until;
            }
        }
        Ok(self.shown())
    }

    fn first_timer(&self, until: u64) -> Option<usize> {
        let due = self.timers.iter().enumerate().filter(|(_, timer)| timer.due <= until);
        due.min_by_key(|(_, timer)| (timer.due, timer.number)).map(|(at, _)| at)
    }

    fn shown(&mut self) -> Shown {
        let mut ids: Vec<String> = self.configuration.iter().map(|at| format!("s{at}")).collect();
        ids.sort();
        (ids, std::mem::take(&mut self.log))
    }

    fn spend(&mut self) -> Result<(), Stuck> {
        self.budget = self.budget.checked_sub(1).ok_or(Stuck)?;
        Ok(())
    }

    fn main_event_loop(&mut self) -> Result<(), Stuck> {
        while self.running {
            let Some(event) = self.external_queue.pop_front() else { return Ok(()) };
            self.spend()?;
            let enabled = self.select_transitions(Some(&event));
            if !enabled.is_empty() {
                self.microstep(&enabled);
            }
            self.macrostep()?;
        }
        self.external_queue.clear();
        Ok(())
    }

    fn macrostep(&mut self) -> Result<(), Stuck> {
        while self.running {
            self.spend()?;
            let mut enabled = self.select_transitions(None);
            if enabled.is_empty() {
                let Some(event) = self.internal_queue.pop_front() else { break };
                enabled = self.select_transitions(Some(&event));
            }
            if !enabled.is_empty() {
                self.microstep(&enabled);
            }
        }
        if !self.running {
            self.exit_interpreter();
        }
        Ok(())
    }

    fn exit_interpreter(&mut self) {
        for s in self.configuration.clone().into_iter().rev() {
            self.execute_content(&self.document.states[s].exit.clone());
            self.configuration.remove(&s);
        }
        self.timers.clear();
        self.external_queue.clear();
    }

    fn is_atomic(&self, s: usize) -> bool {
        match self.document.states[s].kind {
            Kind::Final => true,
            Kind::State => !self.document.is_compound(s),
            _ => false,
        }
    }

    fn is_parallel(&self, s: usize) -> bool {
        self.document.states[s].kind == Kind::Parallel
    }

    fn child_states(&self, s: usize) -> Vec<usize> {
        self.document.states[s]
            .children
            .iter()
            .copied()
            .filter(|one| !self.document.is_history(*one))
            .collect()
    }

    /// Without `until` up to the machine, which is the last one.
    fn proper_ancestors(&self, s: usize, until: Option<usize>) -> Vec<usize> {
        let mut ancestors = Vec::new();
        let mut at = s;
        while at != 0 {
            at = self.document.states[at].parent;
            if Some(at) == until {
                break;
            }
            ancestors.push(at);
        }
        ancestors
    }

    fn select_transitions(&self, event: Option<&str>) -> Vec<&'d Transition> {
        let document = self.document;
        let mut enabled: Vec<&Transition> = Vec::new();
        for state in self.configuration.iter().copied().filter(|s| self.is_atomic(*s)) {
            let chain = std::iter::once(state).chain(self.proper_ancestors(state, None));
            let mut all = chain.flat_map(|s| &document.states[s].transitions);
            let found = all.find(|t| {
                let matches = match (&t.event, event) {
                    (None, None) => true,
                    (Some(descriptors), Some(event)) => name_match(descriptors, event),
                    _ => false,
                };
                matches && t.guard.is_none_or(|(s, negated)| self.configuration.contains(&s) != negated)
            });
            if let Some(t) = found
                && !enabled.iter().any(|one| std::ptr::eq(*one, t))
            {
                enabled.push(t);
            }
        }
        self.remove_conflicting_transitions(enabled)
    }

    fn remove_conflicting_transitions(&self, enabled: Vec<&'d Transition>) -> Vec<&'d Transition> {
        let mut filtered: Vec<&Transition> = Vec::new();
        for t1 in enabled {
            let mut preempted = false;
            let mut to_remove: Vec<&Transition> = Vec::new();
            for t2 in &filtered {
                let (one, other) = (self.compute_exit_set(&[t1]), self.compute_exit_set(&[t2]));
                if one.intersection(&other).next().is_none() {
                    continue;
                }
                if self.document.is_inside(t1.source, t2.source) {
                    to_remove.push(t2);
                } else {
                    preempted = true;
                    break;
                }
            }
            if !preempted {
                filtered.retain(|t| !to_remove.iter().any(|one| std::ptr::eq(*one, *t)));
                filtered.push(t1);
            }
        }
        filtered
    }

    fn microstep(&mut self, enabled: &[&Transition]) {
        self.exit_states(enabled);
        for t in enabled {
            self.execute_content(&t.actions);
        }
        self.enter_states(enabled);
    }

    fn exit_states(&mut self, enabled: &[&Transition]) {
        let to_exit = self.compute_exit_set(enabled);
        for s in to_exit.iter().rev() {
            for h in self.document.states[*s].children.iter().filter(|one| self.document.is_history(**one)) {
                let deep = self.document.states[*h].kind == Kind::History { deep: true };
                let stands_for = |s0: &usize| match deep {
                    true => self.is_atomic(*s0) && self.document.is_inside(*s0, *s),
                    false => self.document.states[*s0].parent == *s,
                };
                let value = self.configuration.iter().copied().filter(stands_for).collect();
                self.history_value.insert(*h, value);
            }
        }
        for s in to_exit.into_iter().rev() {
            self.execute_content(&self.document.states[s].exit);
            self.configuration.remove(&s);
        }
    }

    fn compute_exit_set(&self, transitions: &[&Transition]) -> BTreeSet<usize> {
        let mut to_exit = BTreeSet::new();
        for t in transitions.iter().filter(|t| !t.targets.is_empty()) {
            let Some(domain) = self.transition_domain(t) else { continue };
            to_exit
                .extend(self.configuration.iter().copied().filter(|s| self.document.is_inside(*s, domain)));
        }
        to_exit
    }

    fn enter_states(&mut self, enabled: &[&Transition]) {
        let mut entry = Entry::default();
        for t in enabled {
            for s in &t.targets {
                self.add_descendant_states(*s, &mut entry);
            }
            let Some(ancestor) = self.transition_domain(t) else { continue };
            for s in self.effective_target_states(t) {
                self.add_ancestor_states(s, ancestor, &mut entry);
            }
        }
        for s in entry.states.clone() {
            self.configuration.insert(s);
            let state = &self.document.states[s];
            self.execute_content(&state.entry);
            if entry.default.contains(&s)
                && let Some(initial) = &state.initial
            {
                self.execute_content(&initial.actions);
            }
            if let Some(actions) = entry.history_content.get(&s) {
                self.execute_content(&actions.clone());
            }
            if state.kind == Kind::Final {
                self.entered_final(s);
            }
        }
    }

    fn entered_final(&mut self, s: usize) {
        let parent = self.document.states[s].parent;
        if parent == 0 {
            self.running = false;
            return;
        }
        self.internal_queue.push_back(format!("done.state.s{parent}"));
        let grandparent = self.document.states[parent].parent;
        if grandparent != 0
            && self.is_parallel(grandparent)
            && self.child_states(grandparent).iter().all(|one| self.is_in_final_state(*one))
        {
            self.internal_queue.push_back(format!("done.state.s{grandparent}"));
        }
    }

    fn add_descendant_states(&self, s: usize, entry: &mut Entry) {
        let state = &self.document.states[s];
        if self.document.is_history(s) {
            let parent = state.parent;
            let states: Vec<usize> = match self.history_value.get(&s) {
                Some(value) => value.iter().copied().collect(),
                None => {
                    let default = state.initial.as_ref().expect("a history has a default");
                    entry.history_content.insert(parent, default.actions.clone());
                    default.targets.clone()
                }
            };
            states.iter().for_each(|one| self.add_descendant_states(*one, entry));
            states.iter().for_each(|one| self.add_ancestor_states(*one, parent, entry));
            return;
        }
        entry.states.insert(s);
        if self.document.is_compound(s) {
            entry.default.insert(s);
            let initial = state.initial.as_ref().expect("a compound state begins somewhere");
            initial.targets.iter().for_each(|one| self.add_descendant_states(*one, entry));
            initial.targets.iter().for_each(|one| self.add_ancestor_states(*one, s, entry));
        } else if self.is_parallel(s) {
            self.add_regions(s, entry);
        }
    }

    fn add_regions(&self, parallel: usize, entry: &mut Entry) {
        for child in self.child_states(parallel) {
            if !entry.states.iter().any(|s| self.document.is_inside(*s, child)) {
                self.add_descendant_states(child, entry);
            }
        }
    }

    fn add_ancestor_states(&self, s: usize, ancestor: usize, entry: &mut Entry) {
        for one in self.proper_ancestors(s, Some(ancestor)) {
            if one == 0 {
                continue;
            }
            entry.states.insert(one);
            if self.is_parallel(one) {
                self.add_regions(one, entry);
            }
        }
    }

    fn is_in_final_state(&self, s: usize) -> bool {
        if self.document.is_compound(s) {
            let done = |one: &usize| {
                self.document.states[*one].kind == Kind::Final && self.configuration.contains(one)
            };
            self.child_states(s).iter().any(done)
        } else if self.is_parallel(s) {
            self.child_states(s).iter().all(|one| self.is_in_final_state(*one))
        } else {
            false
        }
    }

    fn transition_domain(&self, t: &Transition) -> Option<usize> {
        let states = self.effective_target_states(t);
        if states.is_empty() {
            return None;
        }
        let inside = |outer: usize| states.iter().all(|s| self.document.is_inside(*s, outer));
        if t.internal && self.document.is_compound(t.source) && inside(t.source) {
            return Some(t.source);
        }
        // The initial transition of the machine has the machine for its domain.
        let ancestors = self.proper_ancestors(t.source, None);
        let compound = ancestors.into_iter().filter(|one| *one == 0 || self.document.is_compound(*one));
        Some(compound.into_iter().find(|one| inside(*one)).unwrap_or(0))
    }

    fn effective_target_states(&self, t: &Transition) -> BTreeSet<usize> {
        let mut targets = BTreeSet::new();
        for s in &t.targets {
            if !self.document.is_history(*s) {
                targets.insert(*s);
            } else if let Some(value) = self.history_value.get(s) {
                targets.extend(value);
            } else if let Some(default) = &self.document.states[*s].initial {
                targets.extend(self.effective_target_states(default));
            }
        }
        targets
    }

    fn execute_content(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Log(text) => self.log.push(text.clone()),
                Action::Raise(event) => self.internal_queue.push_back(event.clone()),
                Action::Send { event, delay: 0, .. } => self.external_queue.push_back(event.clone()),
                Action::Send { event, delay, id } => {
                    self.sent += 1;
                    let due = self.now + delay;
                    self.timers.push(Timer { due, number: self.sent, event: event.clone(), id: id.clone() });
                }
                Action::Cancel(id) => self.timers.retain(|timer| timer.id.as_ref() != Some(id)),
                Action::If(state, event, _) if self.configuration.contains(state) => {
                    self.internal_queue.push_back(event.clone());
                }
                Action::If(_, _, text) => self.log.push(text.clone()),
            }
        }
    }
}

#[derive(Default)]
struct Entry {
    states: BTreeSet<usize>,
    default: BTreeSet<usize>,
    history_content: BTreeMap<usize, Vec<Action>>,
}

/// Does one of the descriptors take the event?
fn name_match(descriptors: &str, event: &str) -> bool {
    descriptors.split(' ').any(|one| {
        let one: Vec<&str> = one.split('.').filter(|token| *token != "*").collect();
        let event: Vec<&str> = event.split('.').collect();
        one.len() <= event.len() && one.iter().zip(&event).all(|(a, b)| a == b)
    })
}
