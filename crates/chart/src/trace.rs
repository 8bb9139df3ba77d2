//! Traces, by which statechart engines can be compared: what a machine's active states are and what it logs, event by
//! event, on a virtual clock. One JSON object a line goes in, one comes out.
//!
//! It refuses to know where lines come from. Its one invariant: machines run in a node of the kernel, as they would on a
//! server, so that a trace shows what a server does.

use crate::behaviour::state_of;
use crate::chart::Chart;
use crate::finding::{Code, Finding, Severity};
use crate::reader::{Outcome as Read, read, read_restless};
use everstate_kernel::{
    Address, Answer, Behaviour, DeadlineReason, Event, EventId, Fault, FaultCode, Input, Instance, Json,
    Loaded, Node, Out, Outcome, Record, Refusal, Release, Sender, Span, Status, Ticket, Time,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Inputs that one step of a trace may lead to. A machine that wants more sends events to itself for ever.
const INPUTS_MAX: usize = 100_000;

/// What one step has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The event; none for the start, `@+N` for N milliseconds that pass.
    pub event: Option<String>,
    /// The ids of all active states, sorted; none once the machine has halted.
    pub configuration: Vec<String>,
    /// What was logged.
    pub log: Vec<String>,
}

/// Why there is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrace {
    /// The document needs something that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// The document or what is asked for is wrong.
    #[error("{0}")]
    Error(String),
    /// The machine never comes to rest.
    #[error("{0}")]
    Stuck(String),
}

/// What happens to a machine.
#[derive(Debug, Clone)]
pub enum Stimulus {
    /// An event arrives.
    Event(Arc<str>, Json),
    /// So many milliseconds pass.
    Advance(u64),
}

/// Answers one line: `{"id", "scxml", "events": [{"event": NAME, "data"} | {"advance": MS}]}` gives `{"id", "trace"}`, or
/// `{"id"}` with `unsupported`, `error` or `stuck` and a reason. `documents` may name further machines, to be invoked.
pub fn answer(line: &str) -> String {
    let (id, result) = match serde_json::from_str::<Value>(line) {
        Ok(request) => (request.get("id").cloned().unwrap_or(Value::Null), trace_of(&request)),
        Err(error) => (Value::Null, Err(NoTrace::Error(format!("not JSON: {error}")))),
    };
    let answer = match result {
        Ok(steps) => json!({"id": id, "trace": steps.iter().map(Step::to_json).collect::<Vec<_>>()}),
        Err(NoTrace::Unsupported(reason)) => json!({"id": id, "unsupported": reason}),
        Err(NoTrace::Error(reason)) => json!({"id": id, "error": reason}),
        Err(NoTrace::Stuck(reason)) => json!({"id": id, "stuck": reason}),
    };
    answer.to_string()
}

impl Step {
    fn to_json(&self) -> Value {
        json!({"event": self.event, "configuration": self.configuration, "log": self.log})
    }
}

fn trace_of(request: &Value) -> Result<Vec<Step>, NoTrace> {
    let error = |message: &str| NoTrace::Error(message.to_owned());
    let text = request.get("scxml").and_then(Value::as_str);
    let text = text.ok_or_else(|| error("\"scxml\" is missing: the text of a document"))?;
    let none = Vec::new();
    let events = match request.get("events") {
        None | Some(Value::Null) => &none,
        Some(events) => events.as_array().ok_or_else(|| error("\"events\" is not a list"))?,
    };
    let stimuli = events.iter().map(stimulus).collect::<Result<Vec<_>, _>>()?;
    let mut machine = Machine::new(text, false)?;
    if let Some(documents) = request.get("documents") {
        let documents: &Map<String, Value> =
            documents.as_object().ok_or_else(|| error("\"documents\" is not a map"))?;
        for (name, text) in documents {
            machine.define(name, text.as_str().ok_or_else(|| error("a document is not text"))?)?;
        }
    }
    let mut steps = vec![machine.start()?];
    for stimulus in stimuli {
        steps.push(machine.step(stimulus)?);
    }
    Ok(steps)
}

fn stimulus(value: &Value) -> Result<Stimulus, NoTrace> {
    match (value.get("event").and_then(Value::as_str), value.get("advance").and_then(Value::as_u64)) {
        (Some(name), None) => {
            Event::check_name(name).map_err(NoTrace::Error)?;
            let data = value.get("data").map_or(Ok(Json::NULL), |data| Json::parse(&data.to_string()));
            Ok(Stimulus::Event(Arc::from(name), data.map_err(|error| NoTrace::Error(error.to_string()))?))
        }
        (None, Some(span)) => Ok(Stimulus::Advance(span)),
        _ => {
            Err(NoTrace::Error(format!("write {{\"event\": NAME}} or {{\"advance\": MS}}, this is {value}")))
        }
    }
}

/// A machine in a world of its own.
#[derive(Debug)]
pub struct Machine {
    node: Node,
    now: Time,
    chart: Arc<Chart>,
    address: Address,
    instance: Option<Instance>,
    log: Vec<String>,
    trouble: Option<NoTrace>,
    ids: u64,
    restless: bool,
}

impl Machine {
    /// A machine of a document, before its start. A restless one is stored and restored before each microstep.
    pub fn new(text: &str, restless: bool) -> Result<Machine, NoTrace> {
        let definition =
            usable(if restless { read_restless("main.scxml", text) } else { read("main.scxml", text) })?;
        let address =
            Address::new(&definition.id.name, "1").map_err(|error| NoTrace::Error(error.to_string()))?;
        let mut machine = Machine {
            node: Node::new(1),
            now: Time(0),
            chart: definition.chart.clone(),
            address,
            instance: None,
            log: Vec::new(),
            trouble: None,
            ids: 0,
            restless,
        };
        machine.put(definition.to_definition());
        Ok(machine)
    }

    /// A further definition, which the machine can invoke by that name.
    pub fn define(&mut self, name: &str, text: &str) -> Result<(), NoTrace> {
        let read = if self.restless { read_restless(name, text) } else { read(name, text) };
        let mut definition = usable(read)?.to_definition();
        let id = everstate_kernel::DefinitionId::new(name, "v1").map_err(NoTrace::Error)?;
        definition.id = id;
        self.put(definition);
        Ok(())
    }

    fn put(&mut self, definition: everstate_kernel::Definition) {
        let source: Arc<str> = Arc::from("");
        self.feed(Input::Define { ticket: Ticket(0), definition: Arc::new(definition), source });
    }

    /// Starts it.
    pub fn start(&mut self) -> Result<Step, NoTrace> {
        let (address, id) = (self.address.clone(), self.event_id()?);
        self.feed(Input::Start { ticket: Ticket(0), address, version: None, id, data: Json::NULL });
        self.rest()?;
        self.shown(None)
    }

    /// Lets something happen to it, and all that follows from it.
    pub fn step(&mut self, stimulus: Stimulus) -> Result<Step, NoTrace> {
        match stimulus {
            Stimulus::Event(name, data) => {
                let (to, id) = (self.address.clone(), self.event_id()?);
                let event = Event { id, name: name.clone(), data, sender: Sender::Client, time: self.now };
                self.feed(Input::Event { ticket: Ticket(0), to, event });
                self.rest()?;
                self.shown(Some(name.to_string()))
            }
            Stimulus::Advance(span) => {
                self.pass(self.now + Span(span))?;
                self.shown(Some(format!("@+{span}")))
            }
        }
    }

    /// Has it come to its end?
    pub fn is_halted(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| instance.status != Status::Active)
    }

    /// When something would happen without any event.
    pub fn next_deadline(&self) -> Option<Time> {
        self.node.next_deadline().map(|deadline| deadline.at)
    }

    #[cfg(test)]
    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn chart(&self) -> &Chart {
        &self.chart
    }

    /// Its active states as people see them; where it ended, once it has halted.
    pub fn labels(&self) -> Vec<String> {
        self.instance.iter().flat_map(|one| one.labels.iter().map(ToString::to_string)).collect()
    }

    fn event_id(&mut self) -> Result<EventId, NoTrace> {
        self.ids += 1;
        EventId::parse(&format!("e{}", self.ids)).map_err(NoTrace::Error)
    }

    /// Lets time pass; timers fire when they are due.
    fn pass(&mut self, until: Time) -> Result<(), NoTrace> {
        for _ in 0..INPUTS_MAX {
            match self.node.next_deadline().filter(|deadline| deadline.at <= until) {
                Some(deadline) => {
                    self.now = self.now.max(deadline.at);
                    self.rest()?;
                }
                None => {
                    self.now = until;
                    return Ok(());
                }
            }
        }
        Err(NoTrace::Stuck(format!("more than {INPUTS_MAX} timers fire while time passes")))
    }

    /// Lets everything happen that needs no time.
    fn rest(&mut self) -> Result<(), NoTrace> {
        for _ in 0..INPUTS_MAX {
            let input = match self.node.next_deadline() {
                // Everything stays in memory, so there is never more in a store.
                Some(deadline) if deadline.reason == DeadlineReason::Refill => {
                    Some(Input::Refill { timers: Vec::new(), complete: true })
                }
                _ => self.node.ready(self.now),
            };
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
            let Some(input) = input else { return Ok(()) };
            self.feed(input);
        }
        Err(NoTrace::Stuck(format!(
            "the machine handles more than {INPUTS_MAX} events and does not come to rest"
        )))
    }

    /// One input by the contract of the node. What is not in its memory does not exist.
    fn feed(&mut self, input: Input) {
        let touches = self.node.touches(&input);
        self.node.hydrate(Loaded {
            instances: touches.addresses.into_iter().map(|address| (address, None)).collect(),
            outcomes: touches.ids.into_iter().map(|id| (id, None)).collect(),
            seats: Vec::new(),
        });
        let mut out = Out::default();
        self.node.step(self.now, input, &mut out);
        for record in out.records {
            match record {
                Record::Turn(turn) => {
                    if turn.instance.address == self.address {
                        if let Outcome::Failed { fault, .. } = &turn.entry.outcome {
                            self.trouble.get_or_insert(trouble(fault));
                        }
                        self.instance = Some(turn.instance);
                    }
                    self.log.extend(turn.entry.log);
                }
                Record::Row(row) if row.instance.address == self.address => {
                    self.instance = Some(row.instance)
                }
                _ => {}
            }
        }
        for release in out.releases {
            if let Release::Answer(_, Answer::Refused(refusal)) = release {
                self.trouble.get_or_insert(match refusal {
                    Refusal::StartFaulted(fault) => trouble(&fault),
                    other => NoTrace::Error(other.to_string()),
                });
            }
        }
    }

    fn shown(&mut self, event: Option<String>) -> Result<Step, NoTrace> {
        let log = std::mem::take(&mut self.log);
        let instance = self.instance.as_ref().filter(|instance| instance.status == Status::Active);
        let configuration = match instance {
            None => Vec::new(),
            Some(instance) => {
                self.chart.active_ids(instance.state.as_slice()).map_err(|fault| trouble(&fault))?
            }
        };
        Ok(Step { event, configuration, log })
    }
}

impl Chart {
    /// The ids of all active states of a stored instance, sorted.
    fn active_ids(&self, stored: &[u8]) -> Result<Vec<String>, Fault> {
        let state = self.decode(stored)?;
        let state = state_of(&state)?;
        let chart = state.chart(self)?;
        let ids = state.configuration.0.iter().filter_map(|at| chart.state(*at).id.as_deref());
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort();
        Ok(ids)
    }
}

fn trouble(fault: &Fault) -> NoTrace {
    let place = if fault.place.is_empty() { String::new() } else { format!(" at {}", fault.place) };
    let message = format!("{}{place}", fault.message);
    if fault.code == FaultCode::Limit { NoTrace::Stuck(message) } else { NoTrace::Error(message) }
}

/// The definition, or the first thing that is wrong with it.
fn usable(read: Read) -> Result<crate::reader::ChartDefinition, NoTrace> {
    let Read { definition, findings } = read;
    if let Some(definition) = definition {
        return Ok(definition);
    }
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let unsupported = findings.iter().find(|finding| finding.code == Code::Unsupported);
    let Some(finding) = unsupported.or_else(|| findings.iter().find(is_error)) else {
        return Err(NoTrace::Error("the document cannot be used".to_owned()));
    };
    let message = format!("{}:{}: {}", finding.line, finding.column, finding.message);
    Err(match finding.code {
        Code::Unsupported => NoTrace::Unsupported(message),
        Code::EventlessLoop => NoTrace::Stuck(message),
        _ => NoTrace::Error(message),
    })
}

#[cfg(test)]
mod tests;
