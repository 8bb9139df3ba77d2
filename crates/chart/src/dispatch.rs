//! Executable content as SCXML has it: `assign`, `send`, `cancel`, `log` and `foreach` with places, parameters and
//! targets, and what an error in them becomes.
//!
//! It refuses to know states. Its one invariant: an error here ends a block and becomes an event of the machine; only
//! a limit is a fault of the turn.

use crate::behaviour::json_of;
use crate::code::{Action, Code, Delay, Formula, Template};
use crate::run::{Raised, Run};
use crate::session::{self, Pending};
use crate::value::{Key, Map, Value};
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use everstate_kernel::{Address, Effect, Fault, FaultCode, Json, Span};
use std::sync::Arc;

/// The one kind of message between SCXML sessions, as `type` and `_ioprocessors` name it.
pub(crate) const PROCESSOR: &str = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";

/// Names that mean [`PROCESSOR`].
const PROCESSOR_NAMES: [&str; 4] = ["", "scxml", "http://www.w3.org/TR/scxml", "http://www.w3.org/TR/scxml/"];

/// How an address is written as a target.
pub(crate) const SESSION_PREFIX: &str = "#_scxml_";

/// A place in the data: an item, or a part of it.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) root: Arc<str>,
    pub(crate) steps: Vec<Code>,
    /// As it is written.
    pub(crate) text: Arc<str>,
    pub(crate) place: Arc<str>,
}

/// SCXML's `assign`.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) location: Location,
    pub(crate) value: Formula,
}

/// SCXML's `log`.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) label: Arc<str>,
    pub(crate) value: Option<Formula>,
}

/// SCXML's `foreach`.
#[derive(Debug, Clone)]
pub(crate) struct Each {
    pub(crate) over: Formula,
    pub(crate) item: Location,
    pub(crate) index: Option<Location>,
    pub(crate) body: Vec<Action>,
    pub(crate) place: Arc<str>,
}

/// SCXML's `send`.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) event: Option<Template>,
    pub(crate) target: Option<Template>,
    pub(crate) processor: Option<Template>,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) id_location: Option<Location>,
    pub(crate) delay: Option<Delay>,
    pub(crate) payload: Payload,
    pub(crate) place: Arc<str>,
}

/// What goes with a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    /// Of a `namelist`: an error in one of these stops the message.
    pub(crate) names: Vec<(Arc<str>, Code)>,
    /// Of `param`: an error in one of these leaves it out.
    pub(crate) params: Vec<(Arc<str>, Code)>,
    /// The whole, in the place of pairs.
    pub(crate) content: Option<Formula>,
}

impl Payload {
    /// Everything in it that is computed.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        self.names.iter().chain(&self.params).for_each(|(_, code)| visit(code));
        if let Some(content) = &self.content {
            content.visit(visit);
        }
    }
}

impl Run<'_> {
    /// Runs a block; an error ends it and is raised. Says whether it went well.
    pub(crate) fn block(&mut self, actions: &[Action]) -> Result<bool, Fault> {
        self.error_sendid = None;
        let result = self.act(actions);
        match result {
            Ok(()) => Ok(true),
            Err(fault) => {
                let sendid = self.error_sendid.take();
                self.raise_error("error.execution", fault, sendid)?;
                Ok(false)
            }
        }
    }

    /// Raises an error event for what was a fault elsewhere. Limits stay faults: they bound the turn.
    pub(crate) fn raise_error(
        &mut self,
        name: &'static str,
        fault: Fault,
        sendid: Option<Arc<str>>,
    ) -> Result<(), Fault> {
        if fault.code == FaultCode::Limit {
            return Err(fault);
        }
        let data = Map::from_entries(vec![
            (Key::from("message"), Value::from(fault.message.as_str())),
            (Key::from("place"), Value::from(fault.place.as_str())),
        ]);
        self.queued(Raised { name: Arc::from(name), data: Value::from(data), platform: true, sendid })
    }

    pub(crate) fn note(&mut self, note: &Note) -> Result<(), Fault> {
        let Some(value) = &note.value else { return self.effect(Effect::Log(note.label.to_string()), "log") };
        let text = match self.value(value)? {
            Value::String(text) => text.to_string(),
            other => other.to_json().map_err(|error| mistake(error.to_string(), "log"))?,
        };
        let units = text.len() as u64 / 16;
        if self.cost.pay(units).is_err() {
            return Err(self.exhausted("log"));
        }
        let line = if note.label.is_empty() { text } else { format!("{}: {text}", note.label) };
        self.effect(Effect::Log(line), "log")
    }

    pub(crate) fn set(&mut self, set: &Set) -> Result<(), Fault> {
        let value = self.value(&set.value)?;
        self.store(&set.location, value, false)
    }

    /// Puts a value at a place. A new item is only made where `declares` says so.
    pub(crate) fn store(&mut self, location: &Location, value: Value, declares: bool) -> Result<(), Fault> {
        if location.root.starts_with('_') {
            let message = format!("{:?} belongs to the system and cannot be assigned to", location.root);
            return Err(mistake(message, &location.place));
        }
        let mut steps = Vec::with_capacity(location.steps.len());
        for step in &location.steps {
            steps.push(self.evaluate(step)?);
        }
        if !matches!(self.context, Value::Map(_)) {
            self.context = Value::from(Map::new());
        }
        let Value::Map(context) = &mut self.context else { return Ok(()) };
        let context = Arc::make_mut(context);
        if context.find(&location.root).is_none() {
            if !declares || !steps.is_empty() {
                let message = format!("there is no data item {:?}", location.root);
                return Err(mistake(message, &location.place));
            }
            context.insert(Key::from(&*location.root), Value::Null);
        }
        let Some(mut at) = context.find_mut(&location.root) else { return Ok(()) };
        let count = steps.len();
        for (number, step) in steps.iter().enumerate() {
            at = part_of(at, step, number + 1 == count).ok_or_else(|| {
                let message = format!("{:?} is no place that a value could be put into", location.text);
                mistake(message, &location.place)
            })?;
        }
        *at = value;
        if !self.context.nests_within(crate::value::VALUE_DEPTH_MAX - 1) {
            let message = "the data nests too deep".to_owned();
            return Err(Fault { code: FaultCode::Limit, message, place: location.place.to_string() });
        }
        Ok(())
    }

    pub(crate) fn each(&mut self, each: &Each) -> Result<(), Fault> {
        let over = self.value(&each.over)?;
        let count = match &over {
            Value::List(items) => items.len(),
            Value::Map(map) => map.len(),
            other => {
                let message = format!("foreach needs a list or a map, this is {}", other.type_name());
                return Err(mistake(message, &each.place));
            }
        };
        // The variables are declared even where there is no item.
        if count == 0 {
            self.declare(&each.item)?;
            each.index.iter().try_for_each(|index| self.declare(index))?;
        }
        for at in 0..count {
            let item = match &over {
                Value::List(items) => items.get(at).cloned(),
                Value::Map(map) => map.entry(at).map(|(key, _)| key.to_value()),
                _ => None,
            };
            self.store(&each.item, item.unwrap_or_default(), true)?;
            if let Some(index) = &each.index {
                self.store(index, Value::Int(at as i64), true)?;
            }
            self.act(&each.body)?;
        }
        Ok(())
    }

    fn declare(&mut self, location: &Location) -> Result<(), Fault> {
        let known = self.context.field(&location.root).is_some();
        if known { Ok(()) } else { self.store(location, Value::Null, true) }
    }

    /// The data of a message; none when an error in a `namelist` stops it.
    pub(crate) fn payload(&mut self, payload: &Payload) -> Result<Value, Fault> {
        if let Some(content) = &payload.content {
            return self.value(content);
        }
        let mut pairs = Vec::with_capacity(payload.names.len() + payload.params.len());
        for (name, code) in &payload.names {
            pairs.push((Key::from(&**name), self.evaluate(code)?));
        }
        for (name, code) in &payload.params {
            match self.evaluate(code) {
                Ok(value) => pairs.push((Key::from(&**name), value)),
                Err(fault) => self.raise_error("error.execution", fault, None)?,
            }
        }
        if pairs.is_empty() {
            return Ok(Value::Null);
        }
        self.not_too_deep(Value::from(Map::from_entries(pairs)))
    }

    pub(crate) fn dispatch(&mut self, send: &Dispatch) -> Result<(), Fault> {
        let id = match (&send.id, &send.id_location) {
            (Some(id), _) => Some(id.clone()),
            (None, Some(location)) => {
                self.sends += 1;
                let id: Arc<str> = Arc::from(format!("send.{}", self.sends));
                self.store(location, Value::String(id.clone()), false)?;
                Some(id)
            }
            (None, None) => None,
        };
        // Whatever goes wrong from here on concerns this message.
        let result = self.dispatch_as(send, id.clone());
        if result.is_err() {
            self.error_sendid = id;
        }
        result
    }

    fn dispatch_as(&mut self, send: &Dispatch, id: Option<Arc<str>>) -> Result<(), Fault> {
        if let Some(processor) = &send.processor {
            let processor = self.text(processor)?;
            if &*processor != PROCESSOR && !PROCESSOR_NAMES.contains(&&*processor) {
                return Err(mistake(format!("messages of type {processor:?} cannot be sent"), &send.place));
            }
        }
        let event = match &send.event {
            Some(event) => self.text(event)?,
            None => Arc::from(""),
        };
        let value = self.payload(&send.payload)?;
        if event.is_empty() || event.len() > EVENT_NAME_BYTES_MAX || event.chars().any(char::is_control) {
            let message = format!("{event:?} is no name that an event could have");
            return Err(mistake(message, &send.place));
        }
        let delay = match &send.delay {
            None => Span(0),
            Some(Delay::Fixed(span)) => *span,
            Some(Delay::Text(text)) => {
                let text = self.text(text)?;
                crate::duration::parse_scxml(&text).map_err(|message| mistake(message, &send.place))?
            }
        };
        let target = match &send.target {
            Some(target) => self.text(target)?,
            None => Arc::from(""),
        };
        if &*target == "#_internal" {
            if delay.0 > 0 {
                let message = "an event for the internal queue cannot be delayed".to_owned();
                return Err(mistake(message, &send.place));
            }
            return self.queued(Raised { name: event, data: value, platform: false, sendid: id });
        }
        let to = match self.receiver(&target) {
            Ok(to) => to,
            Err(Unreachable::NoTarget) => {
                return Err(mistake(format!("{target:?} is no target"), &send.place));
            }
            Err(Unreachable::Nobody) => {
                let fault = mistake(format!("nobody is at the target {target:?}"), &send.place);
                return self.raise_error("error.communication", fault, id);
            }
        };
        // Whoever stops a machine does not want to hear of it any more.
        if self.stopping && to.address.as_ref().is_some_and(|to| Some(to) == self.parent) {
            return Ok(());
        }
        let data = json_of(&value).map_err(|message| mistake(message, &send.place))?;
        let data = match &id {
            Some(id) if to.knows_envelopes => session::with_sendid(&data, id),
            _ => data,
        };
        self.post(to.address, event, data, delay, id, &send.place)
    }

    fn post(
        &mut self,
        to: Option<Address>,
        event: Arc<str>,
        data: Json,
        delay: Span,
        id: Option<Arc<str>>,
        place: &str,
    ) -> Result<(), Fault> {
        if delay.0 == 0 {
            let to = to.unwrap_or_else(|| self.instance.address.clone());
            return self.effect(Effect::Send { to, event, data }, place);
        }
        self.sends += 1;
        let number = self.sends;
        if let Some(sendid) = id {
            let due = self.now + delay;
            self.session_mut().pending.push(Pending { sendid, number, due });
        }
        let name = Arc::from(format!("send.{number}"));
        self.effect(Effect::SetTimer { name, delay, to, event, data }, place)
    }

    /// Cancels all delayed sends with that id.
    pub(crate) fn recall(&mut self, id: &Template) -> Result<(), Fault> {
        let id = self.text(id)?;
        let Some(session) = &self.session else { return Ok(()) };
        let numbers: Vec<u64> =
            session.pending.iter().filter(|one| one.sendid == id).map(|one| one.number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        self.session_mut().pending.retain(|one| one.sendid != id);
        for number in numbers {
            self.effect(Effect::CancelTimer(Arc::from(format!("send.{number}"))), "cancel")?;
        }
        Ok(())
    }

    /// Who is meant by a target.
    pub(crate) fn receiver(&self, target: &str) -> Result<Receiver, Unreachable> {
        let own = Receiver { address: None, knows_envelopes: true };
        if target.is_empty() {
            return Ok(own);
        }
        let somebody = |address: Address| {
            if address == *self.instance.address {
                return Ok(Receiver { address: None, knows_envelopes: true });
            }
            let knows_envelopes = address.kind() == self.instance.address.kind();
            Ok(Receiver { address: Some(address), knows_envelopes })
        };
        if target == "#_parent" {
            return self.parent.cloned().ok_or(Unreachable::Nobody).and_then(somebody);
        }
        if let Some(session) = target.strip_prefix(SESSION_PREFIX) {
            return Address::parse(session).map_err(|_| Unreachable::Nobody).and_then(somebody);
        }
        if let Some(invocation) = target.strip_prefix("#_") {
            let invocations = self.session.iter().flat_map(|session| &session.invocations);
            let found = invocations.into_iter().find(|one| &*one.id == invocation && !one.cancelled);
            let found = found.map(|one| &one.address).or_else(|| {
                let mut spawned = self.children.iter();
                spawned.find(|one| &*one.name == invocation && !one.stopping).map(|one| &one.address)
            });
            return found.cloned().ok_or(Unreachable::Nobody).and_then(somebody);
        }
        Address::parse(target).map_err(|_| Unreachable::NoTarget).and_then(somebody)
    }
}

/// Where a message goes.
pub(crate) struct Receiver {
    /// None for the machine itself.
    pub(crate) address: Option<Address>,
    /// Is it a chart of the same kind, which knows what is wrapped around data?
    pub(crate) knows_envelopes: bool,
}

/// Why a message goes nowhere.
pub(crate) enum Unreachable {
    /// The text means nothing.
    NoTarget,
    /// It means somebody who is not there.
    Nobody,
}

/// The part of a value that a step leads to; the last step may make a new entry of a map or a new last item.
fn part_of<'v>(value: &'v mut Value, step: &Value, last: bool) -> Option<&'v mut Value> {
    match (value, step) {
        (Value::Map(map), step) => {
            let key = match step {
                Value::String(name) => Key::from(&**name),
                Value::Int(number) => Key::Int(*number),
                Value::Bool(truth) => Key::Bool(*truth),
                _ => return None,
            };
            let map = Arc::make_mut(map);
            if map.find_key(&key).is_none() {
                if !last {
                    return None;
                }
                map.insert(key.clone(), Value::Null);
            }
            map.find_key_mut(&key)
        }
        (Value::List(items), Value::Int(at)) => {
            let at = usize::try_from(*at).ok()?;
            let items = Arc::make_mut(items);
            if last && at == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(at)
        }
        _ => None,
    }
}

pub(crate) fn mistake(message: String, place: &str) -> Fault {
    Fault { code: FaultCode::Action, message, place: place.to_owned() }
}
