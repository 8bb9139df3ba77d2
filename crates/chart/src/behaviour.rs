//! A chart as a behaviour: what the kernel calls.
//!
//! It refuses to know storage and delivery. Its one invariant: a turn either gives a new state, or leaves no trace.

use crate::chart::{Chart, Transition};
use crate::configuration::Configuration;
use crate::content::value_of;
use crate::coverage::Path;
use crate::dispatch::{PROCESSOR, SESSION_PREFIX};
use crate::expression::{Cost, InstanceMeta};
use crate::model::{Descriptor, Unhandled};
use crate::run::{EventFields, Occurrence, Run, TURN_COST_MAX};
use crate::session::{self, Arrival, Program, Session};
use crate::stored::{self, ChartState};
use crate::value::{Map, VALUE_DEPTH_MAX, Value};
use everstate_kernel::limits::{DATA_BYTES_MAX, STATE_BYTES_MAX};
use everstate_kernel::{
    Address, Behaviour, Description, Event, Fault, FaultCode, Handled, Json, Next, Rename, Sender, State,
    Time, Turn, Waiting,
};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Events whose names begin so tell a machine of something. When nobody takes one it is ignored, whatever the
/// definition says of events that nobody takes.
const TIDINGS: [&str; 4] = ["error.", "reply.", "done.", "child."];

/// The name by which contents know what an instance is started with.
const START: &str = "start";

impl Behaviour for Chart {
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        self.start_along(data, turn, None)
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        self.handle_along(state, event, turn, None)
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        let before = state_of(state)?;
        if !before.ended {
            let chart = before.chart(self)?;
            let mut run = chart.resume(before, Occurrence::nothing(turn.now), turn);
            run.stopping = true;
            run.system_variables();
            run.leave_everything()?;
        }
        Ok(None)
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        // A state of another behaviour can only come from a mistake of ours; it gives bytes that do not decode.
        state_of(state).map_or_else(|_| Vec::new(), |state| stored::encode(self, state))
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        match stored::decode(self, bytes) {
            Ok(state) => Ok(Arc::new(state)),
            Err(what) => Err(fault(FaultCode::State, what.to_owned(), "")),
        }
    }

    fn describe(&self, state: &State) -> Description {
        match state_of(state) {
            Ok(state) => Description {
                labels: state.labels.clone(),
                data: json_of(&state.context).unwrap_or(Json::NULL),
            },
            Err(_) => Description { labels: Arc::from([]), data: Json::NULL },
        }
    }

    fn renamed(&self, state: &State, rename: Rename<'_>) -> Option<State> {
        let before = state_of(state).ok()?;
        Some(Arc::new(ChartState { context: before.context.renamed(rename), ..before.clone() }))
    }

    fn field(&self, state: &State, path: &str) -> Option<Json> {
        let mut value = &state_of(state).ok()?.context;
        for name in path.split('.') {
            let Value::Map(map) = value else { return None };
            value = map.find(name)?;
        }
        json_of(value).ok()
    }

    fn waiting(&self, state: &State, instance: &Address, now: Time) -> Waiting {
        match state_of(state) {
            Ok(state) if !state.ended => state
                .chart(self)
                .map_or_else(|_| Waiting::default(), |chart| chart.waits_for(state, instance, now)),
            _ => Waiting::default(),
        }
    }
}

impl Chart {
    /// Starts an instance; what it goes through is noted, if that is wanted.
    pub(crate) fn start_along(
        &self,
        data: &Json,
        turn: &mut Turn<'_>,
        path: Option<&mut Path>,
    ) -> Result<Next, Fault> {
        let (program, data) = self.program(data, turn.parent)?;
        let chart =
            program.chart(self).map_err(|what| fault(FaultCode::Action, what.to_owned(), "invoke"))?;
        let context = if chart.rules.is_some() { Value::Null } else { chart.initial_context(&data)? };
        let current = Occurrence { name: Arc::from(START), data, ..Occurrence::nothing(turn.now) };
        let session = match program {
            Program::Main => None,
            ref program => Some(Arc::new(Session { program: program.clone(), ..Session::default() })),
        };
        let before = ChartState {
            configuration: Configuration::default(),
            memory: Vec::new(),
            context,
            sends: 0,
            ended: false,
            labels: Arc::from([]),
            session,
        };
        let mut run = chart.resume(&before, current, turn);
        run.path = path.filter(|_| std::ptr::eq(chart, self));
        if chart.rules.is_some() {
            run.system_variables();
            let given = run.current.data.clone();
            run.bind(&given)?;
        }
        run.begin()?;
        chart.next(run, None)
    }

    /// Handles an event; what the instance goes through is noted, if that is wanted.
    pub(crate) fn handle_along(
        &self,
        state: &State,
        event: &Event,
        turn: &mut Turn<'_>,
        path: Option<&mut Path>,
    ) -> Result<Handled, Fault> {
        let before = state_of(state)?;
        if before.ended {
            return Ok(Handled::Rejected);
        }
        let chart = before.chart(self)?;
        let Some(arrival) = session::arrival(before.session.as_deref(), turn.instance, event) else {
            return Ok(Handled::Ignored);
        };
        let current = match chart.occurrence(event, &arrival, before, turn.instance)? {
            Ok(current) => current,
            Err(what) => return Ok(Handled::BadData(what)),
        };
        let due = if current.timed { event.time } else { turn.now };
        let mut run = chart.resume(before, current, turn);
        run.path = path.filter(|_| std::ptr::eq(chart, self));
        run.forget_sent(due);
        if chart.rules.is_some() {
            run.system_variables();
            run.show_event();
        }
        if let Some(at) = arrival.from.filter(|_| arrival.silent) {
            run.session_mut().invocations.remove(at);
            return Ok(Handled::Took(chart.next(run, Some(before))?));
        }
        let heard = run.hear_of_presence(event)? | run.hear(&arrival, event)?;
        if run.take(heard)? {
            return Ok(Handled::Took(chart.next(run, Some(before))?));
        }
        let tidings = TIDINGS.iter().any(|prefix| event.name.starts_with(prefix));
        if matches!(event.sender, Sender::System) || run.is_own_timer() || tidings || arrival.name.is_some() {
            return Ok(Handled::Ignored);
        }
        match chart.unhandled_in(&run.configuration) {
            Unhandled::Reject => Ok(Handled::Rejected),
            Unhandled::Ignore => Ok(Handled::Ignored),
            Unhandled::Defer => Ok(Handled::Deferred),
            Unhandled::Fail => {
                let message = format!("no active state takes the event {:?}", event.name);
                let place = before.labels.first().map_or("", |label| label);
                Err(fault(FaultCode::Unhandled, message, place))
            }
        }
    }

    /// The context of the definition with the start's data laid over it, key by key.
    fn initial_context(&self, data: &Value) -> Result<Value, Fault> {
        match (&self.context, data) {
            (context, Value::Null) => Ok(context.clone()),
            (Value::Map(context), Value::Map(data)) => {
                let mut merged = Map::clone(context);
                for (key, value) in data.iter() {
                    merged.insert(key.clone(), value.clone());
                }
                Ok(Value::from(merged))
            }
            (_, other) => {
                let message = format!(
                    "start data must be a map or nothing, this is {}; it is laid over the context",
                    other.type_name()
                );
                Err(fault(FaultCode::Action, message, "context"))
            }
        }
    }

    /// What an instance is to run, and with what data. Only who is invoked runs anything but its definition.
    fn program(&self, data: &Json, parent: Option<&Address>) -> Result<(Program, Value), Fault> {
        let wrong = |what: String| fault(FaultCode::Action, what, "invoke");
        let Some((fields, data)) = parent.and_then(|_| session::open(data)) else {
            let data = value_of(data).map_err(|message| fault(FaultCode::Action, message, "context"))?;
            return Ok((Program::Main, data));
        };
        let step = |item: &Value| match item {
            Value::Int(at) => u16::try_from(*at).ok(),
            _ => None,
        };
        let path = match fields.field("program") {
            Some(Value::List(path)) => path.iter().map(step).collect::<Option<Vec<u16>>>(),
            _ => Some(Vec::new()),
        };
        let path = path.ok_or_else(|| wrong("the definition has no such chart inside".into()))?;
        let Some(Value::String(text)) = fields.field("document") else {
            return Ok((if path.is_empty() { Program::Main } else { Program::Inline(path) }, data));
        };
        let outcome = crate::reader::read_inline(text);
        let chart = outcome.definition.map(|definition| definition.chart).ok_or_else(|| {
            let first = outcome.findings.first().map_or("", |finding| &finding.message);
            wrong(format!("the document cannot be used: {first}"))
        })?;
        Ok((Program::Document(text.clone(), chart, path), data))
    }

    /// An event as contents see it, or what is wrong with its data.
    fn occurrence<'e>(
        &self,
        event: &'e Event,
        arrival: &Arrival,
        before: &ChartState,
        own: &Address,
    ) -> Result<Result<Occurrence<'e>, String>, Fault> {
        let declared = self.declared_event(&event.name);
        let shape = declared.and_then(|declared| declared.shape.as_ref());
        let from_outside = matches!(event.sender, Sender::Client | Sender::Instance(_));
        let data = match &arrival.data {
            Some(data) => data.clone(),
            None if self.reads_event || (shape.is_some() && from_outside) => {
                value_of(&event.data).map_err(|message| fault(FaultCode::Action, message, ""))?
            }
            None => Value::Null,
        };
        if let Some(shape) = shape.filter(|_| from_outside)
            && let Err(what) = shape.check(&data)
        {
            return Ok(Err(what));
        }
        let name = arrival.name.clone().unwrap_or_else(|| event.name.clone());
        let name = match arrival.from {
            // The recommendation has no event of its own for an invocation that fails.
            Some(_) if arrival.ends && self.rules.is_some() && name.starts_with("error.") => {
                Arc::from("error.communication")
            }
            _ => name,
        };
        let fields = self.rules.is_some().then(|| Box::new(event_fields(event, arrival, before, own)));
        Ok(Ok(Occurrence {
            name,
            data,
            id: event.id.as_str(),
            sender: match &event.sender {
                Sender::Instance(address) => Some(address.as_str()),
                _ => None,
            },
            time: event.time,
            timed: matches!(event.sender, Sender::Timer),
            fields,
        }))
    }

    pub(crate) fn resume<'a>(
        &'a self,
        state: &ChartState,
        current: Occurrence<'a>,
        turn: &'a mut Turn<'_>,
    ) -> Run<'a> {
        Run {
            chart: self,
            instance: InstanceMeta {
                address: turn.instance,
                version: turn.version,
                incarnation: turn.incarnation,
            },
            now: turn.now,
            configuration: state.configuration.clone(),
            memory: if state.memory.is_empty() { Vec::new() } else { state.memory.clone() },
            context: state.context.clone(),
            sends: state.sends,
            current,
            effects: &mut turn.effects,
            queue: VecDeque::new(),
            cost: Cost::new(TURN_COST_MAX),
            microsteps: 0,
            rounds: 0,
            locals: Vec::new(),
            frame: 0,
            ended: None,
            session: state.session.clone(),
            to_invoke: SmallVec::new(),
            parent: turn.parent,
            children: turn.children,
            departed: Vec::new(),
            stopping: false,
            error_sendid: None,
            path: None,
        }
    }

    /// The state after a turn.
    fn next(&self, mut run: Run<'_>, before: Option<&ChartState>) -> Result<Next, Fault> {
        if !before.is_some_and(|before| shares(&before.context, &run.context)) {
            can_be_kept(&run.context)?;
        }
        let done = match run.ended {
            None => None,
            Some(ended) => {
                let output = run.output(ended)?;
                Some(json_of(&output).map_err(|message| fault(FaultCode::Action, message, "output"))?)
            }
        };
        let labels = match before {
            Some(before) if before.configuration == run.configuration => before.labels.clone(),
            _ => stored::labels(self, &run.configuration),
        };
        let state = ChartState {
            configuration: run.configuration,
            memory: run.memory,
            context: run.context,
            sends: run.sends,
            ended: done.is_some(),
            labels: labels.clone(),
            session: run.session.filter(|session| !session.is_empty()),
        };
        Ok(Next { state: Arc::new(state), labels, done })
    }

    pub(crate) fn declared_event(&self, name: &str) -> Option<&crate::chart::Declared> {
        let at = self.declared.binary_search_by(|declared| (*declared.name).cmp(name)).ok()?;
        Some(&self.declared[at])
    }

    /// What the innermost active states say of events that nobody takes, else the definition.
    fn unhandled_in(&self, configuration: &Configuration) -> Unhandled {
        configuration
            .leaves(self)
            .filter_map(|leaf| self.state(leaf).unhandled)
            .max()
            .unwrap_or(self.unhandled)
    }

    fn waits_for(&self, state: &ChartState, instance: &Address, now: Time) -> Waiting {
        let mut turn = Turn {
            now,
            seed: 0,
            instance,
            version: "",
            incarnation: 0,
            parent: None,
            children: &[],
            effects: Vec::new(),
        };
        let mut run = self.resume(state, Occurrence::nothing(now), &mut turn);
        run.system_variables();
        let mut accepts = BTreeSet::new();
        let mut guarded: BTreeMap<Arc<str>, String> = BTreeMap::new();
        for active in &state.configuration.0 {
            let row = self.state(*active);
            let (from, to) = row.exact;
            let exact = self.exact[from as usize..to as usize].iter().flat_map(|entry| entry.1.iter());
            for index in exact.chain(row.patterns.iter()) {
                let transition = self.transition(*index);
                let open = run.may_take(transition);
                for name in names_for_clients(transition) {
                    if open {
                        accepts.insert(name);
                    } else {
                        guarded.entry(name).or_insert_with(|| transition.guard_text.to_string());
                    }
                }
            }
        }
        guarded.retain(|name, _| !accepts.contains(name));
        Waiting { accepts: accepts.into_iter().collect(), guarded: guarded.into_iter().collect() }
    }
}

impl Run<'_> {
    /// Would a transition fire on its event? A guard that asks for the event may say yes, so it counts as open.
    fn may_take(&mut self, transition: &Transition) -> bool {
        let Some(guard) = &transition.guard else { return true };
        let mut asks = false;
        let guards = &self.chart.guards;
        let mut todo = vec![guard];
        while let Some(next) = todo.pop() {
            next.walk(&mut |part| match part {
                crate::code::Guard::Code(code) => asks |= code.reads_event,
                crate::code::Guard::Named(name) => todo.push(&guards[usize::from(*name)]),
                _ => {}
            });
        }
        asks || self.holds(guard).unwrap_or(false)
    }
}

/// What a client could send to fire a transition: not the events that a chart makes for itself.
fn names_for_clients(transition: &Transition) -> impl Iterator<Item = Arc<str>> {
    let own = transition.timed;
    let internal = |name: &str| name.starts_with("done.state.");
    transition
        .descriptors
        .iter()
        .filter(move |one| !own && !matches!(one, Descriptor::Exact(name) if internal(name)))
        .map(Descriptor::text)
}

/// What SCXML tells of an event: fields that came with it, else what is known of its sender.
fn event_fields(event: &Event, arrival: &Arrival, before: &ChartState, own: &Address) -> EventFields {
    let given = |name: &str| arrival.fields.as_ref().and_then(|fields| fields.field(name)).cloned();
    let origin = match &event.sender {
        Sender::Instance(address) => Some(address),
        Sender::Timer => Some(own),
        _ => None,
    };
    let invocations = before.session.as_deref().map_or(&[][..], |session| &session.invocations);
    let invokeid = arrival.from.and_then(|at| invocations.get(at)).map(|one| Value::String(one.id.clone()));
    let known_origin = origin.map(|address| Value::from(format!("{SESSION_PREFIX}{address}").as_str()));
    EventFields {
        kind: match &event.sender {
            Sender::System => "platform",
            _ => "external",
        },
        sendid: given("sendid").unwrap_or_default(),
        origin: given("origin").or(known_origin).unwrap_or_default(),
        origintype: given("origintype").or(origin.map(|_| Value::from(PROCESSOR))).unwrap_or_default(),
        invokeid: given("invokeid").or(invokeid).unwrap_or_default(),
    }
}

pub(crate) fn state_of(state: &State) -> Result<&ChartState, Fault> {
    state
        .downcast_ref::<ChartState>()
        .ok_or_else(|| fault(FaultCode::State, "the state is not that of a chart".into(), ""))
}

fn fault(code: FaultCode, message: String, place: &str) -> Fault {
    Fault { code, message, place: place.to_owned() }
}

/// Bytes of a stored state beyond its context.
const STATE_RESERVE: usize = 64 << 10;

/// Is it the very same value in memory? Then it was checked before.
fn shares(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Map(a), Value::Map(b)) if Arc::ptr_eq(a, b))
}

/// A context has its limits of size and depth.
fn can_be_kept(context: &Value) -> Result<(), Fault> {
    let levels = VALUE_DEPTH_MAX - 1;
    if within(context, &mut STATE_BYTES_MAX.saturating_sub(STATE_RESERVE), levels) {
        return Ok(());
    }
    let message = if context.nests_within(levels) {
        format!("the context is larger than {STATE_BYTES_MAX} bytes; keep large things elsewhere")
    } else {
        format!("the context nests deeper than {levels} levels")
    };
    Err(fault(FaultCode::Limit, message, "context"))
}

/// Does the value fit into that many bytes, about, and that many levels? Looks no further than needed.
fn within(value: &Value, bytes: &mut usize, levels: usize) -> bool {
    match value {
        Value::String(text) => pays(bytes, text.len() + 3),
        Value::Bytes(content) => pays(bytes, content.len() + 3),
        Value::List(items) => {
            levels > 0 && pays(bytes, 10) && items.iter().all(|item| within(item, bytes, levels - 1))
        }
        Value::Map(map) => {
            levels > 0
                && pays(bytes, 10)
                && map.iter().all(|(key, item)| {
                    pays(bytes, key.as_str().map_or(10, str::len)) && within(item, bytes, levels - 1)
                })
        }
        Value::Optional(Some(inside)) => levels > 0 && within(inside, bytes, levels - 1),
        _ => pays(bytes, 10),
    }
}

#[inline]
fn pays(bytes: &mut usize, price: usize) -> bool {
    match bytes.checked_sub(price) {
        Some(rest) => {
            *bytes = rest;
            true
        }
        None => false,
    }
}

/// A value as JSON text, for messages.
pub(crate) fn json_text(value: &Value) -> Option<String> {
    value.to_json().ok()
}

/// A value as JSON that can be carried, or what is wrong with it.
pub(crate) fn json_of(value: &Value) -> Result<Json, String> {
    if matches!(value, Value::Null) {
        return Ok(Json::NULL);
    }
    let mut text = String::new();
    value.write_json(&mut text).map_err(|error| error.to_string())?;
    if text.len() > DATA_BYTES_MAX {
        return Err(format!("the data is {} bytes long, the limit is {DATA_BYTES_MAX}", text.len()));
    }
    Ok(Json::trusted(text))
}
