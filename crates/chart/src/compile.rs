//! From the model to the chart: numbers for events, tables for dispatch, and for every transition that has no
//! history on its way the states that it leaves and enters, computed once.
//!
//! It refuses to know notations, and reports nothing: the model was checked. Its one invariant: equal models give
//! equal charts.

use crate::chart::{After, Chart, Declared, Enter, PATTERNS, Plan, State, Transition, TransitionIndex};
use crate::code::{Action, Code, Delay, Guard, Location, StateIndex, Template};
use crate::configuration::{EntrySet, domain};
use crate::model::{Descriptor, Model, ModelState, ModelTransition, Reach, StateKind, Trigger};
use crate::presence::Asked;
use everstate_kernel::Span;
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes the chart of a model that was found to be without errors.
pub(crate) fn compile(name: &str, mut model: Model, names: Vec<(Arc<str>, StateIndex)>) -> Chart {
    let (mut reads_event, mut asked) = (false, Asked::Nothing);
    visit(&model, &mut |code| {
        reads_event |= code.reads_event;
        for (pattern, _) in code.expression.presence_asked() {
            asked = std::mem::take(&mut asked).and(pattern);
        }
    });
    let mut compiler = Compiler {
        transitions: Vec::new(),
        exact: Vec::new(),
        events: Vec::new(),
        eventless: eventless(&model),
        handles: Vec::new(),
    };
    compiler.events = compiler.number_events(&model);
    let remembers = model.states.iter().any(|state| matches!(state.kind, StateKind::History { .. }));
    let states: Box<[State]> =
        (0..model.states.len()).map(|at| compiler.state(&mut model, at as StateIndex)).collect();
    let mut declared: Vec<Declared> = model
        .events
        .into_iter()
        .map(|event| Declared { name: event.name, description: event.description, shape: event.shape })
        .collect();
    declared.sort_by(|a, b| a.name.cmp(&b.name));
    let mut chart = Chart {
        name: Arc::from(name),
        states,
        transitions: compiler.transitions.into_boxed_slice(),
        events: compiler.events.into_boxed_slice(),
        exact: compiler.exact.into_boxed_slice(),
        guards: model.guards.into_boxed_slice(),
        guard_names: model.guard_names.into_boxed_slice(),
        actions: model.actions.into_boxed_slice(),
        action_names: model.action_names.into_boxed_slice(),
        names: names.into_boxed_slice(),
        context: model.context,
        declared: declared.into_boxed_slice(),
        unhandled: model.unhandled,
        asked,
        eventless: compiler.eventless.contains(&true),
        remembers,
        reads_event,
        rules: model.rules,
        inline: model.inline.into_boxed_slice(),
        restless: false,
    };
    let plans: Vec<Plan> = chart.transitions.iter().map(|transition| plan(&chart, transition)).collect();
    for (transition, plan) in chart.transitions.iter_mut().zip(plans) {
        transition.plan = plan;
    }
    chart
}

/// The name of the timer of a state, and of its event.
pub(crate) fn after_name(model: &Model, state: StateIndex, delay: u64) -> Arc<str> {
    let delay = crate::duration::format(Span(delay));
    let name = format!("after.{delay}.{}", model.state(state).path);
    if name.len() <= EVENT_NAME_BYTES_MAX {
        Arc::from(name)
    } else {
        Arc::from(format!("after.{delay}.#{state}"))
    }
}

/// The name of the event that the end of a state raises.
pub(crate) fn done_name(model: &Model, state: StateIndex) -> Arc<str> {
    Arc::from(format!("done.state.{}", model.state(state).id))
}

struct Compiler {
    transitions: Vec<Transition>,
    exact: Vec<(u32, Box<[TransitionIndex]>)>,
    events: Vec<Arc<str>>,
    /// For each state: has it or an ancestor any transition without an event?
    eventless: Vec<bool>,
    /// [`State::handles`] of the states before.
    handles: Vec<u64>,
}

impl Compiler {
    fn descriptors(&self, model: &Model, source: StateIndex, trigger: &Trigger) -> Box<[Descriptor]> {
        match trigger {
            Trigger::Events(descriptors) => descriptors.clone().into_boxed_slice(),
            Trigger::Eventless => Box::from([]),
            Trigger::After(delay) => Box::from([Descriptor::Exact(after_name(model, source, *delay))]),
            Trigger::Done => Box::from([Descriptor::Exact(done_name(model, source))]),
        }
    }

    fn number_events(&self, model: &Model) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for (source, transition) in model.transitions() {
            for descriptor in self.descriptors(model, source, &transition.trigger) {
                if let Descriptor::Exact(name) = descriptor {
                    names.push(name);
                }
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn transition(
        &mut self,
        model: &Model,
        source: StateIndex,
        one: ModelTransition,
    ) -> (TransitionIndex, &Transition) {
        let index = self.transitions.len() as TransitionIndex;
        self.transitions.push(Transition {
            source,
            descriptors: self.descriptors(model, source, &one.trigger),
            timed: matches!(one.trigger, Trigger::After(_)),
            guard: one.guard,
            guard_text: Arc::from(one.guard_text.as_str()),
            targets: one.targets.into_boxed_slice(),
            reach: one.reach,
            actions: one.actions.into_boxed_slice(),
            plan: Plan::Open,
            stands_at: one.trigger_span.start as u32,
        });
        (index, &self.transitions[index as usize])
    }

    /// The bits of what the next state takes, or an ancestor.
    fn handles<'a>(
        &mut self,
        parent: Option<StateIndex>,
        exact: impl Iterator<Item = &'a u32>,
        patterns: bool,
    ) -> u64 {
        // Parents come before their sub-states.
        let above = parent.map_or(0, |parent| self.handles[usize::from(parent)]);
        let own = exact.fold(0, |bits, number| bits | (Chart::bits(Some(*number)) & !PATTERNS));
        let handles = above | own | if patterns { PATTERNS } else { 0 };
        self.handles.push(handles);
        handles
    }

    /// What the state has is moved out of the model; its names and kind stay, for those who come after it.
    fn state(&mut self, model: &mut Model, at: StateIndex) -> State {
        let taken = &mut model.states[usize::from(at)];
        let (initial, transitions) = (taken.initial.take(), std::mem::take(&mut taken.transitions));
        let (entry, exit) = (std::mem::take(&mut taken.entry), std::mem::take(&mut taken.exit));
        let (output, donedata) = (taken.output.take(), taken.donedata.take());
        let (invokes, tags) = (std::mem::take(&mut taken.invokes), std::mem::take(&mut taken.tags));
        let endpoints = std::mem::take(&mut taken.endpoints);
        let model = &*model;
        let state = model.state(at);
        let initial = initial.map(|one| self.transition(model, at, one).0);
        let events = std::mem::take(&mut self.events);
        let (mut exact, mut patterns, mut eventless) =
            (BTreeMap::<u32, Vec<_>>::new(), Vec::new(), Vec::new());
        let mut after: Vec<After> = Vec::new();
        for one in transitions {
            let is_eventless = one.trigger == Trigger::Eventless;
            let delay = match one.trigger {
                Trigger::After(delay) => Some(delay),
                _ => None,
            };
            let (index, row) = self.transition(model, at, one);
            for descriptor in &row.descriptors {
                match descriptor {
                    Descriptor::Exact(name) => {
                        let number = events.binary_search(name).unwrap_or_default() as u32;
                        let list = exact.entry(number).or_default();
                        if list.last() != Some(&index) {
                            list.push(index);
                        }
                    }
                    _ if patterns.last() != Some(&index) => patterns.push(index),
                    _ => {}
                }
            }
            if is_eventless {
                eventless.push(index);
            }
            if let Some(delay) = delay.filter(|delay| after.iter().all(|known| known.delay.0 != *delay)) {
                after.push(After { delay: Span(delay), name: after_name(model, at, delay) });
            }
        }
        self.events = events;
        let handles = self.handles(state.parent, exact.keys(), !patterns.is_empty());
        let from = self.exact.len() as u32;
        self.exact.extend(exact.into_iter().map(|(number, list)| (number, list.into_boxed_slice())));
        let path: Arc<str> = Arc::from(state.path.as_str());
        let (histories, children): (Vec<StateIndex>, Vec<StateIndex>) = state
            .children
            .iter()
            .partition(|child| matches!(model.state(**child).kind, StateKind::History { .. }));
        State {
            name: Arc::from(state.name.as_str()),
            labels: if at == 0 { Arc::from([]) } else { Arc::from([path.clone()]) },
            path,
            parent: state.parent.unwrap_or(0),
            end: state.end,
            kind: state.kind,
            children: children.into_boxed_slice(),
            histories: histories.into_boxed_slice(),
            exact: (from, self.exact.len() as u32),
            handles,
            patterns: patterns.into_boxed_slice(),
            eventless_above: self.eventless[usize::from(at)],
            eventless: eventless.into_boxed_slice(),
            initial,
            entry: entry.into_boxed_slice(),
            exit: exit.into_boxed_slice(),
            after: after.into_boxed_slice(),
            output,
            donedata,
            invokes: invokes.into_boxed_slice(),
            endpoints: endpoints.into_boxed_slice(),
            id: state.has_id.then(|| Arc::from(state.id.as_str())),
            done: done_name(model, at),
            unhandled: unhandled_above(model, at),
            description: state.description.clone(),
            tags: tags.into_boxed_slice(),
            stands_at: state.span.start as u32,
        }
    }
}

/// For each state: has it or an ancestor any transition without an event?
fn eventless(model: &Model) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::with_capacity(model.states.len());
    for state in &model.states {
        let own = state.transitions.iter().any(|one| one.trigger == Trigger::Eventless);
        // Parents come before their sub-states.
        all.push(own || state.parent.is_some_and(|parent| all[usize::from(parent)]));
    }
    all
}

/// What the state or the nearest ancestor below the machine says; the machine's word is the chart's.
fn unhandled_above(model: &Model, at: StateIndex) -> Option<crate::model::Unhandled> {
    std::iter::once(at)
        .chain(model.ancestors(at))
        .filter(|state| *state != 0)
        .find_map(|state| model.state(state).unhandled)
}

/// What a transition leaves and enters, if that does not depend on what histories remember.
fn plan(chart: &Chart, transition: &Transition) -> Plan {
    if transition.targets.is_empty() {
        return Plan::Stay;
    }
    let is_history = |state: StateIndex| matches!(chart.state(state).kind, StateKind::History { .. });
    if transition.targets.iter().any(|target| is_history(*target)) {
        return Plan::Open;
    }
    let Some(domain) = domain(chart, transition, &transition.targets) else { return Plan::Stay };
    // A state without sub-states that stays in itself leaves and enters nothing. Were it to enter itself, it would
    // not conflict with a transition of another region that leaves it.
    if chart.is_leaf(domain) {
        return Plan::Stay;
    }
    let mut set = EntrySet::default();
    set.add(chart, &Vec::new(), &transition.targets, domain);
    // With a history on the way the set would depend on its memory; then it is computed when it is known.
    let through_history = |enter: &Enter| {
        let initial = chart.state(enter.state).initial.filter(|_| enter.initially);
        initial
            .is_some_and(|initial| chart.transition(initial).targets.iter().any(|target| is_history(*target)))
    };
    if set.states.iter().any(through_history) {
        return Plan::Open;
    }
    Plan::Fixed { domain, entry: set.states.into_vec().into_boxed_slice() }
}

/// Visits everything that is computed.
fn visit(model: &Model, code: &mut dyn FnMut(&Code)) {
    for state in &model.states {
        actions(&state.entry, code);
        actions(&state.exit, code);
        state.output.iter().for_each(|output| output.visit(code));
        state.donedata.iter().for_each(|payload| payload.visit(code));
        state.endpoints.iter().for_each(|endpoint| endpoint.visit(code));
        for invoke in &state.invokes {
            invoke.visit(code);
            actions(&invoke.finalize, code);
            invoke.templates().for_each(|text| text.visit(code));
        }
        for one in state.transitions.iter().chain(&state.initial) {
            actions(&one.actions, code);
            one.guard.iter().for_each(|guard| guards(guard, code));
        }
    }
    model.actions.iter().for_each(|list| actions(list, code));
    model.guards.iter().for_each(|guard| guards(guard, code));
}

fn guards(guard: &Guard, visit: &mut dyn FnMut(&Code)) {
    guard.walk(&mut |part| {
        if let Guard::Code(code) = part {
            visit(code);
        }
    });
}

fn location(one: &Location, visit: &mut dyn FnMut(&Code)) {
    one.steps.iter().for_each(visit);
}

fn delay_text(delay: &Option<Delay>) -> Option<&Template> {
    match delay {
        Some(Delay::Text(text)) => Some(text),
        _ => None,
    }
}

fn actions(list: &[Action], visit: &mut dyn FnMut(&Code)) {
    for action in list {
        action.walk(&mut |action| match action {
            Action::Assign(fields) => fields.iter().for_each(|(_, one)| one.visit(visit)),
            Action::Raise { event, data } => {
                event.visit(visit);
                data.visit(visit);
            }
            Action::Send(send) => {
                let texts = [Some(&send.event), send.to.as_ref(), send.id.as_ref(), delay_text(&send.delay)];
                texts.into_iter().flatten().for_each(|text| text.visit(visit));
                send.data.visit(visit);
            }
            Action::Dispatch(send) => {
                let texts = [&send.event, &send.target, &send.processor].map(Option::as_ref);
                let texts = texts.into_iter().chain([delay_text(&send.delay)]);
                texts.flatten().for_each(|text| text.visit(visit));
                send.payload.visit(visit);
                send.id_location.iter().for_each(|one| location(one, visit));
            }
            Action::Set(set) => {
                location(&set.location, visit);
                set.value.visit(visit);
            }
            Action::Note(note) => note.value.iter().for_each(|value| value.visit(visit)),
            Action::Each(each) => each.over.visit(visit),
            Action::Block(_) | Action::Mistake { .. } => {}
            Action::Cancel(text) | Action::Log(text) | Action::Recall(text) => text.visit(visit),
            Action::Act(acting) => acting.visit(visit),
            Action::Link(linking) => linking.visit(visit),
            Action::Task(task) => task.visit(visit),
            Action::Reply(value) => value.visit(visit),
            Action::If { guard, .. } => guards(guard, visit),
            Action::Foreach(each) => visit(&each.over),
            Action::Named(_) => {}
        });
    }
}

/// The initial transition of a state that has but one sub-state to begin in, or that says which.
pub(crate) fn initial_transition(
    targets: Vec<StateIndex>,
    actions: Vec<Action>,
    state: &ModelState,
) -> ModelTransition {
    ModelTransition {
        trigger: Trigger::Eventless,
        guard: None,
        guard_text: String::new(),
        targets,
        reach: Reach::Internal,
        actions,
        span: state.span.clone(),
        trigger_span: state.span.clone(),
        place: format!("{}.initial", state.place),
    }
}
