//! One instance of a definition in a world of its own, with a clock that only moves when it is told to.
//!
//! It refuses to know servers and terminals. Its one invariant: every moment is kept whole, so going back is exact.

mod replay;
#[cfg(test)]
mod tests;

pub(crate) use replay::Replay;

use everstate_chart::{ChartDefinition, Coverage};
use everstate_kernel::{
    Address, Behaviour, Description, Effect, Event, EventId, Handled, Json, Next, Sender, State, Time, Turn,
    Waiting,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Events that the machine sends itself in one step; more is a circle.
const STEPS_MAX: usize = 1_000;

/// A timer that is set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timer {
    pub(crate) name: Arc<str>,
    pub(crate) due: Time,
    event: Arc<str>,
    data: Json,
    /// Another instance, that would get the event.
    to: Option<Address>,
}

/// Everything at one point of the simulation.
#[derive(Clone)]
struct Moment {
    state: Option<State>,
    now: Time,
    timers: Vec<Timer>,
    kept: Vec<(Sender, Arc<str>, Json)>,
    done: Option<Json>,
    events: u64,
}

/// A machine that is tried out.
pub(crate) struct Simulation {
    definition: ChartDefinition,
    address: Address,
    moments: Vec<Moment>,
    at: usize,
    /// What all its steps went through, those included that it went back from.
    coverage: RefCell<Coverage>,
}

/// What a step did, as lines for people.
pub(crate) type Told = Vec<String>;

impl Simulation {
    /// Starts an instance.
    pub(crate) fn start(definition: ChartDefinition, data: &Json) -> Result<(Simulation, Told), String> {
        let address =
            Address::parse(&format!("{}/1", definition.id.name)).map_err(|error| error.to_string())?;
        let begin =
            Moment { state: None, now: Time(0), timers: Vec::new(), kept: Vec::new(), done: None, events: 0 };
        let coverage = RefCell::default();
        let mut simulation = Simulation { definition, address, moments: Vec::new(), at: 0, coverage };
        let mut moment = begin;
        let mut turn = simulation.turn(moment.now);
        let chart = &simulation.definition.chart;
        let next = chart.start_counted(data, &mut turn, &mut simulation.coverage.borrow_mut());
        let effects = turn.effects;
        let next = next.map_err(|fault| format!("{} at {}", fault.message, fault.place))?;
        let (mut told, mut todo) = (Vec::new(), VecDeque::new());
        simulation.took(&mut moment, next, effects, &mut told, &mut todo);
        simulation.settle(&mut moment, todo, &mut told);
        simulation.moments.push(moment);
        Ok((simulation, told))
    }

    fn turn(&self, now: Time) -> Turn<'_> {
        Turn {
            now,
            seed: 1,
            instance: &self.address,
            version: &self.definition.id.version,
            incarnation: 1,
            parent: None,
            children: &[],
            effects: Vec::new(),
        }
    }

    fn moment(&self) -> &Moment {
        &self.moments[self.at]
    }

    /// What comes after now takes the place of what did before.
    fn push(&mut self, moment: Moment) {
        self.moments.truncate(self.at + 1);
        self.moments.push(moment);
        self.at += 1;
    }

    /// Sends an event as a client would.
    pub(crate) fn send(&mut self, name: &str, data: Json) -> Told {
        let mut moment = self.moment().clone();
        let mut told = Vec::new();
        let todo = VecDeque::from([(Sender::Client, Arc::from(name), data)]);
        self.settle(&mut moment, todo, &mut told);
        self.push(moment);
        told
    }

    /// Lets time pass, to the next timer when no length is given. Timers fire on the way.
    pub(crate) fn pass(&mut self, milliseconds: Option<u64>) -> Told {
        let mut moment = self.moment().clone();
        let mut told = Vec::new();
        let next = |moment: &Moment| moment.timers.iter().map(|timer| timer.due).min();
        let until = match (milliseconds, next(&moment)) {
            (Some(span), _) => Time(moment.now.0.saturating_add_unsigned(span)),
            (None, Some(due)) => due,
            (None, None) => return vec!["no timer is set".to_owned()],
        };
        for _ in 0..STEPS_MAX {
            let Some(due) = next(&moment).filter(|due| *due <= until) else { break };
            moment.now = due;
            let Some(at) = moment.timers.iter().position(|timer| timer.due == due) else { break };
            let timer = moment.timers.remove(at);
            told.push(format!("timer {}", timer.name));
            match timer.to.filter(|to| *to != self.address) {
                Some(to) => told.push(format!("send {} {} to {to}", timer.event, timer.data)),
                None => {
                    let todo = VecDeque::from([(Sender::Timer, timer.event, timer.data)]);
                    self.settle(&mut moment, todo, &mut told);
                }
            }
        }
        moment.now = until;
        self.push(moment);
        told
    }

    /// Goes so many steps back, or forward again; says whether there were as many.
    pub(crate) fn go(&mut self, steps: isize) -> bool {
        let wanted = self.at.checked_add_signed(steps).filter(|at| *at < self.moments.len());
        self.at = wanted.unwrap_or(self.at);
        wanted.is_some()
    }

    /// Handles events until there are none left.
    fn settle(&self, moment: &mut Moment, mut todo: VecDeque<(Sender, Arc<str>, Json)>, told: &mut Told) {
        let mut steps = 0;
        while let Some((sender, name, data)) = todo.pop_front() {
            steps += 1;
            if steps > STEPS_MAX {
                told.push(format!("stopped: more than {STEPS_MAX} events that the machine sends itself"));
                return;
            }
            let Some(state) = moment.state.clone().filter(|_| moment.done.is_none()) else {
                told.push(format!("{name}: the machine is done"));
                continue;
            };
            moment.events += 1;
            let Ok(id) = EventId::parse(&format!("e{}", moment.events)) else { return };
            let event = Event {
                id,
                name: name.clone(),
                data: data.clone(),
                sender: sender.clone(),
                time: moment.now,
            };
            let mut turn = self.turn(moment.now);
            let chart = &self.definition.chart;
            let result = chart.handle_counted(&state, &event, &mut turn, &mut self.coverage.borrow_mut());
            let effects = turn.effects;
            match result {
                Ok(Handled::Took(next)) => {
                    let before = self.definition.chart.describe(&state).labels;
                    let changed = before != next.labels;
                    self.took(moment, next, effects, told, &mut todo);
                    if changed {
                        todo.extend(std::mem::take(&mut moment.kept));
                    }
                }
                Ok(Handled::Rejected) => told.push(format!("{name}: rejected, no active state takes it")),
                Ok(Handled::BadData(what) | Handled::Refused(what)) => {
                    told.push(format!("{name}: rejected, {what}"))
                }
                Ok(Handled::Ignored) => told.push(format!("{name}: ignored")),
                Ok(Handled::Deferred) => {
                    told.push(format!("{name}: deferred until the active states change"));
                    moment.kept.push((sender, name, data));
                }
                Err(fault) => told.push(format!("{name}: fault at {}: {}", fault.place, fault.message)),
            }
        }
    }

    fn took(
        &self,
        moment: &mut Moment,
        next: Next,
        effects: Vec<Effect>,
        told: &mut Told,
        todo: &mut VecDeque<(Sender, Arc<str>, Json)>,
    ) {
        for effect in effects {
            match effect {
                Effect::Log(text) => told.push(format!("log {text}")),
                Effect::Reply(data) => told.push(format!("reply {data}")),
                Effect::Send { to, event, data } if to == self.address => {
                    todo.push_back((Sender::Instance(to), event, data));
                }
                Effect::Send { to, event, data } => told.push(format!("send {event} {data} to {to}")),
                Effect::SetTimer { name, delay, to, event, data } => {
                    moment.timers.retain(|timer| timer.name != name);
                    let due = Time(moment.now.0.saturating_add_unsigned(delay.0));
                    moment.timers.push(Timer { name, due, event, data, to });
                    moment.timers.sort_by_key(|timer| timer.due);
                }
                Effect::CancelTimer(name) => moment.timers.retain(|timer| timer.name != name),
                Effect::Spawn { name, kind, .. } => {
                    told.push(format!("spawn {kind} as {name} (not simulated)"))
                }
                Effect::Stop { child, .. } => told.push(format!("stop {child} (not simulated)")),
                other => told.push(format!("{other:?} (not simulated)")),
            }
        }
        moment.state = Some(next.state);
        if let Some(output) = next.done {
            moment.timers.clear();
            moment.done = Some(output);
        }
    }

    /// What all its steps went through.
    pub(crate) fn coverage(&self) -> Coverage {
        self.coverage.borrow().clone()
    }

    pub(crate) fn description(&self) -> Option<Description> {
        self.moment().state.as_ref().map(|state| self.definition.chart.describe(state))
    }

    pub(crate) fn waiting(&self) -> Waiting {
        let moment = self.moment();
        let state = moment.state.as_ref().filter(|_| moment.done.is_none());
        state.map(|state| self.definition.chart.waiting(state, &self.address, moment.now)).unwrap_or_default()
    }

    pub(crate) fn timers(&self) -> &[Timer] {
        &self.moment().timers
    }

    /// Since the start.
    pub(crate) fn now(&self) -> Time {
        self.moment().now
    }

    pub(crate) fn output(&self) -> Option<&Json> {
        self.moment().done.as_ref()
    }

    /// The number of this moment and that of the last, from 0.
    pub(crate) fn position(&self) -> (usize, usize) {
        (self.at, self.moments.len() - 1)
    }
}
