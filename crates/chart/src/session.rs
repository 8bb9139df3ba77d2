//! What an instance remembers besides its states and data: delayed sends that can be cancelled, machines that it has
//! invoked, data that is bound, and which program it runs when it was itself invoked with one written inside of
//! another. And how events carry what SCXML's messages have beyond a name and data.
//!
//! It refuses to know how states are entered and left. Its one invariant: nothing here is trusted that did not come
//! from a machine of the same kind or from the kernel.

use crate::chart::Chart;
use crate::code::StateIndex;
use crate::endpoint::Held;
use crate::presence::Presence;
use crate::value::Value;
use everstate_kernel::{Address, Event, Json, Sender, Time};
use std::sync::Arc;

/// What is remembered. Most instances need none of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) program: Program,
    /// In the order of sending.
    pub(crate) pending: Vec<Pending>,
    /// In the order of invoking.
    pub(crate) invocations: Vec<Invocation>,
    /// States whose data was given its first value, ascending. Only where binding is late.
    pub(crate) bound: Vec<StateIndex>,
    /// By space and name.
    pub(crate) held: Vec<Held>,
    /// By [`Presence::key`]. At most [`crate::PRESENT_MAX`].
    pub(crate) present: Vec<Presence>,
}

impl Session {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.program, Program::Main)
            && self.pending.is_empty()
            && self.invocations.is_empty()
            && self.bound.is_empty()
            && self.held.is_empty()
            && self.present.is_empty()
    }
}

/// What an instance runs.
#[derive(Debug, Clone, Default)]
pub(crate) enum Program {
    /// What its definition says.
    #[default]
    Main,
    /// A chart written inside of the definition: at each step the number of one inside of the one before.
    Inline(Vec<u16>),
    /// A document that its parent has made and its chart, or one inside of that.
    Document(Arc<str>, Arc<Chart>, Vec<u16>),
}

impl Program {
    /// The chart that runs, in an instance of the definition that `main` is of.
    pub(crate) fn chart<'a>(&'a self, main: &'a Chart) -> Result<&'a Chart, &'static str> {
        match self {
            Program::Main => Ok(main),
            Program::Document(_, chart, path) => chart_inside(chart, path),
            Program::Inline(path) => chart_inside(main, path),
        }
    }

    /// What is handed to a machine that shall run a chart written inside of the one that runs here.
    pub(crate) fn inside(&self, at: u16) -> serde_json::Value {
        let extended = |path: &[u16]| path.iter().copied().chain([at]).collect::<Vec<u16>>();
        match self {
            Program::Main => serde_json::json!({"program": [at]}),
            Program::Inline(path) => serde_json::json!({"program": extended(path)}),
            Program::Document(text, _, path) => {
                serde_json::json!({"document": &**text, "program": extended(path)})
            }
        }
    }
}

fn chart_inside<'a>(main: &'a Chart, path: &[u16]) -> Result<&'a Chart, &'static str> {
    path.iter().try_fold(main, |chart, at| {
        let inner = chart.inline.get(usize::from(*at));
        inner.map(|inner| &**inner).ok_or("the definition has no such chart inside")
    })
}

/// A delayed send with an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) sendid: Arc<str>,
    /// The number in the name of its timer.
    pub(crate) number: u64,
    pub(crate) due: Time,
}

/// An invoked machine that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The invokeid.
    pub(crate) id: Arc<str>,
    /// What the kernel calls the child.
    pub(crate) name: Arc<str>,
    pub(crate) address: Address,
    /// The state that it was invoked in, and its number there.
    pub(crate) state: StateIndex,
    pub(crate) number: u16,
    /// Was its state left? What it had sent before is still heard.
    pub(crate) cancelled: bool,
}

/// What is wrapped around data begins so.
const ENVELOPE: &str = "{\"$scxml\":";

/// Data with the id of the send that it comes from.
pub(crate) fn with_sendid(data: &Json, sendid: &str) -> Json {
    let id = serde_json::Value::from(sendid);
    Json::trusted(format!("{ENVELOPE}{{\"sendid\":{id}}},\"data\":{data}}}"))
}

/// Data with any fields around it.
pub(crate) fn enveloped(fields: &serde_json::Value, data: &Json) -> Json {
    Json::trusted(format!("{ENVELOPE}{fields},\"data\":{data}}}"))
}

/// What is wrapped around data, and the data.
pub(crate) fn open(data: &Json) -> Option<(Value, Value)> {
    if !data.as_str().starts_with(ENVELOPE) {
        return None;
    }
    let whole = Value::from_json(data.as_str()).ok()?;
    Some((whole.field("$scxml")?.clone(), whole.field("data")?.clone()))
}

/// An event as a chart sees it.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// Another name than the event's.
    pub(crate) name: Option<Arc<str>>,
    /// Other data than the event's.
    pub(crate) data: Option<Value>,
    /// What was wrapped around its data.
    pub(crate) fields: Option<Value>,
    /// The position among the invocations of the one that it comes from.
    pub(crate) from: Option<usize>,
    /// Was that its last one?
    pub(crate) ends: bool,
    /// Is it nothing but the end of a machine that was cancelled?
    pub(crate) silent: bool,
}

/// What an event means to an instance; none when it is nothing that a machine is told of.
pub(crate) fn arrival(session: Option<&Session>, own: &Address, event: &Event) -> Option<Arrival> {
    let mut arrival = Arrival::default();
    let sender = match &event.sender {
        Sender::Instance(sender) => sender,
        Sender::Timer => {
            (arrival.fields, arrival.data) = open(&event.data).unzip();
            return Some(arrival);
        }
        Sender::System if is_answer_of_child(own, event) => return None,
        _ => return Some(arrival),
    };
    if sender.kind() == own.kind() {
        (arrival.fields, arrival.data) = open(&event.data).unzip();
    }
    let invocations = session.map_or(&[][..], |session| &session.invocations);
    arrival.from = invocations.iter().position(|one| one.address == *sender);
    let Some(from) = arrival.from else {
        // What a cancelled machine still sends is not heard.
        return (!is_child(own, sender)).then_some(arrival);
    };
    let Some(about) = event.name.strip_prefix("child.") else { return Some(arrival) };
    let (what, _) = about.split_once('.').unwrap_or((about, ""));
    let id = &invocations[from].id;
    match what {
        "started" => return None,
        "exited" | "faulted" if invocations[from].cancelled && !is_final(event) => {
            arrival.ends = true;
            arrival.silent = true;
        }
        "exited" => {
            let told = crate::content::value_of(&event.data).unwrap_or_default();
            if is_final(event) {
                arrival.name = Some(Arc::from(format!("done.invoke.{id}")));
                arrival.data = Some(told.field("output").cloned().unwrap_or_default());
            } else {
                arrival.name = Some(Arc::from(format!("error.invoke.{id}")));
            }
            arrival.ends = true;
        }
        "faulted" => {
            arrival.name = Some(Arc::from(format!("error.invoke.{id}")));
            arrival.ends = true;
        }
        _ => {}
    }
    Some(arrival)
}

/// Has the machine come to its end by itself?
fn is_final(event: &Event) -> bool {
    let told = crate::content::value_of(&event.data).unwrap_or_default();
    told.field("how").and_then(Value::as_str) == Some("final")
}

/// What the id of an invoked machine is made of: its parent's id and a number.
pub(crate) fn child_id(own: &Address, number: u64) -> String {
    format!("{}~{number}", own.id())
}

/// Is it the address of a machine that this one has invoked?
fn is_child(own: &Address, other: &Address) -> bool {
    let number = other.id().strip_prefix(own.id()).and_then(|rest| rest.strip_prefix('~'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

/// Does the kernel tell that an event did not reach an invoked machine? That machine has come to its end meanwhile;
/// its last event is on its way.
fn is_answer_of_child(own: &Address, event: &Event) -> bool {
    if &*event.name != "error.communication" {
        return false;
    }
    let told = crate::content::value_of(&event.data).unwrap_or_default();
    let to = told.field("to").and_then(Value::as_str).and_then(|to| Address::parse(to).ok());
    let gone =
        matches!(told.field("reason").and_then(Value::as_str), Some("final" | "unknown-address" | "gone"));
    gone && to.is_some_and(|to| is_child(own, &to))
}
