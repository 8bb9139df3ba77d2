//! One turn of a chart: the interpretation algorithm of the SCXML recommendation (Appendix D), run to completion.
//!
//! It refuses to know how states are kept and how a chart was written. Its one invariant: between microsteps the
//! configuration is legal, and the number of microsteps of a turn is bounded.

mod binding;
mod selection;

use crate::chart::{Chart, Enter, Plan, TransitionIndex};
use crate::code::StateIndex;
use crate::configuration::{Configuration, EntrySet, Memory, remember};
use crate::coverage::Path;
use crate::dispatch::{PROCESSOR, SESSION_PREFIX};
use crate::expression::{Cost, InstanceMeta};
use crate::model::StateKind;
use crate::presence::Presence;
use crate::session::Session;
use crate::value::{Key, Map, Value};
use everstate_kernel::{Address, Child, Effect, Fault, FaultCode, Time};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// Microsteps of one turn. A machine that wants more is looping: real charts need fewer than ten.
pub const MICROSTEPS_MAX: u32 = 1_000;

/// Events that one turn may raise and handle. A machine that wants more is looping, such as one whose guard fails
/// again at each error event that its failing raises.
const ROUNDS_MAX: u32 = 10_000;

/// Cost of all expressions of one turn: about 10 ms. Ten guards over ten thousand items fit.
pub const TURN_COST_MAX: u64 = 1_000_000;

/// The event that contents see.
#[derive(Debug)]
pub(crate) struct Occurrence<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) data: Value,
    pub(crate) id: &'a str,
    pub(crate) sender: Option<&'a str>,
    pub(crate) time: Time,
    /// Was it sent by a timer of the instance?
    pub(crate) timed: bool,
    /// What SCXML's `_event` has besides, in charts written in SCXML.
    pub(crate) fields: Option<Box<EventFields>>,
}

impl Occurrence<'_> {
    /// The event before the first one.
    pub(crate) fn nothing(now: Time) -> Occurrence<'static> {
        Occurrence {
            name: Arc::from(""),
            data: Value::Null,
            id: "",
            sender: None,
            time: now,
            timed: false,
            fields: None,
        }
    }
}

/// What SCXML's `_event` has besides a name and data.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFields {
    pub(crate) kind: &'static str,
    pub(crate) sendid: Value,
    pub(crate) origin: Value,
    pub(crate) origintype: Value,
    pub(crate) invokeid: Value,
}

/// An event on the internal queue.
#[derive(Debug, Clone)]
pub(crate) struct Raised {
    pub(crate) name: Arc<str>,
    pub(crate) data: Value,
    /// Was it raised by the interpreter itself?
    pub(crate) platform: bool,
    pub(crate) sendid: Option<Arc<str>>,
}

/// A turn that is being made.
pub(crate) struct Run<'a> {
    pub(crate) chart: &'a Chart,
    pub(crate) instance: InstanceMeta<'a>,
    pub(crate) now: Time,
    pub(crate) configuration: Configuration,
    pub(crate) memory: Memory,
    pub(crate) context: Value,
    /// Delayed sends without an id that were made so far: they need names of their own.
    pub(crate) sends: u64,
    pub(crate) current: Occurrence<'a>,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) queue: VecDeque<Raised>,
    pub(crate) cost: Cost,
    pub(crate) microsteps: u32,
    /// Raised events that were handled.
    pub(crate) rounds: u32,
    pub(crate) locals: Vec<Value>,
    /// Where the locals of the actions that are run begin: named actions do not see those of their users.
    pub(crate) frame: usize,
    /// The final state that ended the machine; the machine itself when all its regions have ended.
    pub(crate) ended: Option<StateIndex>,
    /// Delayed sends, invocations and the like.
    pub(crate) session: Option<Arc<Session>>,
    /// States entered since the last macrostep that have something to invoke.
    pub(crate) to_invoke: SmallVec<[StateIndex; 2]>,
    /// Who has spawned the instance.
    pub(crate) parent: Option<&'a Address>,
    /// Its children before the turn.
    pub(crate) children: &'a [Child],
    /// What was known through endpoints that were left in this turn.
    pub(crate) departed: Vec<Presence>,
    /// Is the machine being stopped from outside?
    pub(crate) stopping: bool,
    /// The id of the send that an error is about.
    pub(crate) error_sendid: Option<Arc<str>>,
    /// What the turn goes through, where somebody wants to know.
    pub(crate) path: Option<&'a mut Path>,
}

pub(crate) type Selected = SmallVec<[TransitionIndex; 4]>;

impl Run<'_> {
    /// Enters the machine and runs to completion.
    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        let chart = self.chart;
        let mut set = EntrySet::default();
        set.states.push(Enter { state: 0, initially: false });
        match (chart.state(0).kind, chart.state(0).initial) {
            (StateKind::Compound, Some(initial)) => {
                set.states[0].initially = true;
                set.add(chart, &self.memory, &chart.transition(initial).targets, 0);
            }
            _ => set.add(chart, &self.memory, &[], 0),
        }
        self.enter(&set)?;
        self.complete()
    }

    /// Takes the current event, if any state does, and runs to completion. Says whether anything has happened; `heard`
    /// says that something has before.
    pub(crate) fn take(&mut self, heard: bool) -> Result<bool, Fault> {
        let selected = self.select(true)?;
        // SCXML looks at eventless transitions after any event: their guards may ask for it.
        if selected.is_empty() && !heard && self.chart.rules.is_none() {
            return Ok(false);
        }
        if !selected.is_empty() {
            self.microstep(&selected)?;
        }
        self.complete()?;
        Ok(heard || self.microsteps > 0 || self.rounds > 0)
    }

    /// Macrosteps until nothing is left to do; then, at the end, leaves.
    fn complete(&mut self) -> Result<(), Fault> {
        loop {
            self.macrostep()?;
            if self.ended.is_some() {
                return self.leave_everything();
            }
            self.invoke_entered()?;
            if self.queue.is_empty() {
                return Ok(());
            }
        }
    }

    /// Eventless transitions first, then what was raised, until nothing is left.
    fn macrostep(&mut self) -> Result<(), Fault> {
        while self.ended.is_none() {
            if self.chart.restless {
                crate::stored::store_and_restore(self)?;
            }
            let mut selected = self.select(false)?;
            if selected.is_empty() {
                let Some(raised) = self.queue.pop_front() else { return Ok(()) };
                self.rounds += 1;
                if self.rounds > ROUNDS_MAX {
                    let message = format!("the turn handles more than {ROUNDS_MAX} raised events");
                    return Err(Fault { code: FaultCode::Limit, message, place: String::new() });
                }
                self.raised(raised);
                selected = self.select(true)?;
            }
            if !selected.is_empty() {
                self.microstep(&selected)?;
            }
        }
        Ok(())
    }

    /// Makes a raised event the current one.
    fn raised(&mut self, raised: Raised) {
        let Raised { name, data, platform, sendid } = raised;
        let fields = self.chart.rules.is_some().then(|| {
            Box::new(EventFields {
                kind: if platform { "platform" } else { "internal" },
                sendid: sendid.map_or(Value::Null, Value::String),
                ..EventFields::default()
            })
        });
        self.occur(Occurrence { name, data, id: "", sender: None, time: self.now, timed: false, fields });
    }

    /// Makes an event the current one.
    pub(crate) fn occur(&mut self, occurrence: Occurrence<'_>) {
        let Occurrence { name, data, time, timed, fields, .. } = occurrence;
        self.current = Occurrence { name, data, id: "", sender: None, time, timed, fields };
        self.show_event();
    }

    /// Makes `_event` of SCXML the current event.
    pub(crate) fn show_event(&mut self) {
        if self.chart.rules.is_none() || !self.chart.reads_event {
            return;
        }
        let mut entries: Vec<(Key, Value)> =
            self.event_fields().into_iter().map(|(name, value)| (Key::from(name), value)).collect();
        entries.push((Key::from("data"), self.current.data.clone()));
        if let Some(slot) = self.locals.first_mut() {
            *slot = Value::from(Map::from_entries(entries));
        }
    }

    pub(crate) fn event_fields(&self) -> [(&'static str, Value); 6] {
        let fields = self.current.fields.as_deref().cloned().unwrap_or_default();
        [
            ("name", Value::String(self.current.name.clone())),
            ("type", Value::from(fields.kind)),
            ("sendid", fields.sendid),
            ("origin", fields.origin),
            ("origintype", fields.origintype),
            ("invokeid", fields.invokeid),
        ]
    }

    /// The values of SCXML's system variables, in the order of [`crate::reader::SYSTEM_VARIABLES`]. Before the first
    /// event there is none.
    pub(crate) fn system_variables(&mut self) {
        let Some(rules) = &self.chart.rules else { return };
        let session = self.instance.address.as_str();
        let location = Value::from(format!("{SESSION_PREFIX}{session}").as_str());
        let processor = Value::from(Map::from_entries(vec![(Key::from("location"), location)]));
        let processors = Map::from_entries(vec![
            (Key::from(PROCESSOR), processor.clone()),
            (Key::from("scxml"), processor),
        ]);
        self.locals = vec![Value::Null, rules.name.clone(), Value::from(session), Value::from(processors)];
    }

    /// Delayed sends that were due before need not be remembered: they cannot be cancelled any more.
    pub(crate) fn forget_sent(&mut self, due: Time) {
        let late = |session: &Session| session.pending.iter().any(|one| one.due < due);
        if self.session.as_deref().is_some_and(late) {
            self.session_mut().pending.retain(|one| one.due >= due);
        }
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        Arc::make_mut(self.session.get_or_insert_default())
    }

    /// At the end all exit actions run, innermost first. The configuration stays, for people to see where it
    /// ended.
    pub(crate) fn leave_everything(&mut self) -> Result<(), Fault> {
        let last = self.configuration.clone();
        for state in last.0.iter().rev() {
            self.exit_actions(*state)?;
            self.configuration.remove(*state);
        }
        self.configuration = last;
        Ok(())
    }

    /// Leaves, acts and enters.
    fn microstep(&mut self, selected: &Selected) -> Result<(), Fault> {
        self.microsteps += 1;
        if self.microsteps > MICROSTEPS_MAX {
            let message = format!(
                "the turn takes more than {MICROSTEPS_MAX} microsteps; transitions without an event, or raised events, lead in a circle"
            );
            let place = self.chart.state(self.chart.transition(selected[0]).source).path.to_string();
            return Err(Fault { code: FaultCode::Limit, message, place });
        }
        if let Some(path) = &mut self.path {
            path.taken.extend_from_slice(selected);
        }
        let chart = self.chart;
        if let [only] = selected[..]
            && let Plan::Fixed { domain, entry } = &chart.transition(only).plan
        {
            self.remember(&[*domain]);
            self.exit(*domain)?;
            self.act(&chart.transition(only).actions)?;
            for enter in entry {
                self.enter_state(*enter, None)?;
            }
            return Ok(());
        }
        let domains: SmallVec<[StateIndex; 4]> =
            selected.iter().filter_map(|transition| self.domain_of(*transition)).collect();
        self.remember(&domains);
        // What they leave does not overlap: transitions that would leave the same state preempt each other.
        let mut last_first = domains.clone();
        last_first.sort_unstable_by(|a, b| b.cmp(a));
        last_first.into_iter().try_for_each(|domain| self.exit(domain))?;
        for transition in selected {
            self.act(&chart.transition(*transition).actions)?;
        }
        let mut set = EntrySet::default();
        let mut domains = domains.into_iter();
        for transition in selected {
            let row = chart.transition(*transition);
            match &row.plan {
                Plan::Stay => {}
                Plan::Fixed { entry, .. } => {
                    domains.next();
                    set.extend(entry);
                }
                Plan::Open => {
                    if let Some(domain) = domains.next() {
                        set.add(chart, &self.memory, &row.targets, domain);
                    }
                }
            }
        }
        self.enter(&set)
    }

    /// Makes the histories of all active states inside of these remember.
    fn remember(&mut self, domains: &[StateIndex]) {
        let chart = self.chart;
        if !chart.remembers {
            return;
        }
        for state in &self.configuration.0 {
            let left = || domains.iter().any(|domain| chart.is_inside(*state, *domain));
            if !chart.state(*state).histories.is_empty() && left() {
                remember(chart, &mut self.memory, *state, &self.configuration);
            }
        }
    }

    /// Leaves every active state inside of this one, innermost and last first.
    fn exit(&mut self, domain: StateIndex) -> Result<(), Fault> {
        let mut position = self.configuration.before(self.chart.state(domain).end);
        while position > 0 {
            position -= 1;
            let state = self.configuration.0[position];
            if state <= domain {
                break;
            }
            self.exit_actions(state)?;
            match position + 1 == self.configuration.0.len() {
                true => drop(self.configuration.0.pop()),
                false => drop(self.configuration.0.remove(position)),
            }
        }
        Ok(())
    }

    fn exit_actions(&mut self, state: StateIndex) -> Result<(), Fault> {
        let row = self.chart.state(state);
        self.act(&row.exit)?;
        if !row.endpoints.is_empty() {
            self.leave_held(state)?;
        }
        if !row.invokes.is_empty() {
            self.cancel_invocations(state)?;
        }
        for after in &*row.after {
            self.effect(Effect::CancelTimer(after.name.clone()), &row.path)?;
        }
        Ok(())
    }

    fn enter(&mut self, set: &EntrySet) -> Result<(), Fault> {
        for enter in &set.states {
            let history = set.histories.iter().find(|entry| entry.0 == enter.state).map(|entry| entry.1);
            self.enter_state(*enter, history)?;
        }
        Ok(())
    }

    fn enter_state(&mut self, enter: Enter, history: Option<TransitionIndex>) -> Result<(), Fault> {
        let chart = self.chart;
        let row = chart.state(enter.state);
        // A transition to the state that it stays in begins its sub-states anew, and not the state itself.
        let active = self.configuration.contains(enter.state);
        if !active {
            self.configuration.insert(enter.state);
            if let Some(path) = &mut self.path {
                path.entered.push(enter.state);
            }
            if !row.invokes.is_empty() {
                self.to_invoke.push(enter.state);
            }
            if chart.rules.as_ref().is_some_and(|rules| rules.late) {
                self.bind_late(enter.state)?;
            }
            for endpoint in &*row.endpoints {
                self.act_in_space(endpoint, Some(enter.state))?;
            }
            for after in &*row.after {
                let timer = Effect::SetTimer {
                    name: after.name.clone(),
                    delay: after.delay,
                    to: None,
                    event: after.name.clone(),
                    data: everstate_kernel::Json::NULL,
                };
                self.effect(timer, &row.path)?;
            }
        }
        // The recommendation's algorithm enters the states around one that a history remembers, whether they were left or
        // not, and so do we where it counts.
        if !active || chart.rules.is_some() {
            self.act(&row.entry)?;
        }
        if enter.initially
            && let Some(initial) = row.initial
        {
            self.act(&chart.transition(initial).actions)?;
        }
        if let Some(history) = history {
            self.act(&chart.transition(history).actions)?;
        }
        if row.kind == StateKind::Final {
            self.reached(enter.state)?;
        }
        Ok(())
    }

    /// A final state was entered: its parent is done, perhaps the parent's parent, perhaps the machine.
    fn reached(&mut self, state: StateIndex) -> Result<(), Fault> {
        let chart = self.chart;
        let parent = chart.state(state).parent;
        if parent == 0 && chart.state(0).kind != StateKind::Parallel {
            self.ended = Some(state);
            return Ok(());
        }
        let output = self.output_of(state)?;
        self.done(parent, output)?;
        let grandparent = chart.state(parent).parent;
        if parent != 0
            && grandparent != 0
            && chart.state(grandparent).kind == StateKind::Parallel
            && self.configuration.is_in_final(chart, grandparent)
        {
            self.done(grandparent, Value::Null)?;
        }
        if chart.state(0).kind == StateKind::Parallel && self.configuration.is_in_final(chart, 0) {
            self.ended = Some(0);
        }
        Ok(())
    }

    /// The output of a machine that has ended.
    pub(crate) fn output(&mut self, ended: StateIndex) -> Result<Value, Fault> {
        let chart = self.chart;
        if chart.rules.is_some() {
            return self.output_of(ended);
        }
        match chart.state(ended).output.as_ref().or(chart.state(0).output.as_ref()) {
            Some(output) => self.value(output),
            None => Ok(Value::Null),
        }
    }

    /// What comes with the event that a final state raises.
    fn output_of(&mut self, state: StateIndex) -> Result<Value, Fault> {
        let row = self.chart.state(state);
        let Some(payload) = &row.donedata else {
            return row.output.as_ref().map_or(Ok(Value::Null), |output| self.value(output));
        };
        match self.payload(payload) {
            Err(fault) => {
                self.raise_error("error.execution", fault, None)?;
                Ok(Value::Null)
            }
            output => output,
        }
    }

    fn done(&mut self, state: StateIndex, data: Value) -> Result<(), Fault> {
        let name = self.chart.state(state).done.clone();
        self.queued(Raised { name, data, platform: true, sendid: None })
    }
}
