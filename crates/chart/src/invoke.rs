//! Machines that run while a state is active: they are spawned when a macrostep has ended, heard, given copies of
//! events, and stopped when the state is left. And tasks, which are asked for and cancelled at the same points.
//!
//! It refuses to know what they do. Its one invariant: an invocation is remembered exactly from its spawning to its
//! last event or its cancellation.

use crate::behaviour::json_of;
use crate::chart::Chart;
use crate::code::{Action, Code, Formula, StateIndex, Template};
use crate::dispatch::{Location, Payload, mistake};
use crate::run::Run;
use crate::session::{self, Arrival, Invocation, Program};
use crate::task::Asked;
use crate::value::Value;
use everstate_kernel::limits::{CHILD_NAME_BYTES_MAX, ID_BYTES_MAX};
use everstate_kernel::{Address, DefinitionId, Effect, Event, Fault, Json, Orphan};
use std::sync::Arc;

/// Names of the one type of machine that can be invoked.
pub(crate) const TYPES: [&str; 4] =
    ["", "scxml", "http://www.w3.org/TR/scxml", "http://www.w3.org/TR/scxml/"];

/// A machine to be invoked.
#[derive(Debug, Clone)]
pub(crate) struct Invoke {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) id_location: Option<Location>,
    /// What a generated id begins with.
    pub(crate) prefix: Arc<str>,
    pub(crate) kind: Option<Template>,
    pub(crate) source: Source,
    pub(crate) payload: Payload,
    /// Does it get a copy of every event?
    pub(crate) forwards: bool,
    /// What is done with its events before they are taken.
    pub(crate) finalize: Vec<Action>,
    pub(crate) place: Arc<str>,
}

/// What is invoked.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A definition by its name.
    Definition(Template),
    /// A chart written inside of this one, by its number.
    Inline(u16),
    /// A document that is computed.
    Document(Formula),
    /// Work for the outside world, which is no machine.
    Task(Box<Asked>),
}

/// The name of a definition, a version, and what is given to the machine.
type Spawned = (Arc<str>, Option<Arc<str>>, Json);

impl Invoke {
    /// Everything in it that is computed, without its actions.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Code)) {
        self.payload.visit(visit);
        if let Source::Document(formula) = &self.source {
            formula.visit(visit);
        }
    }

    /// Every text with holes in it.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        let (source, http) = match &self.source {
            Source::Definition(text) => (Some(text), None),
            Source::Task(asked) => (None, Some(asked.templates())),
            Source::Inline(_) | Source::Document(_) => (None, None),
        };
        self.kind.iter().chain(source).chain(http.into_iter().flatten())
    }
}

impl Run<'_> {
    /// Invokes what belongs to the states that were entered since the last macrostep and are still active.
    pub(crate) fn invoke_entered(&mut self) -> Result<(), Fault> {
        let mut states = std::mem::take(&mut self.to_invoke);
        states.sort_unstable();
        let chart = self.chart;
        for state in states {
            for (number, invoke) in chart.state(state).invokes.iter().enumerate() {
                let result = self.invoke(state, number as u16, invoke);
                match result {
                    Err(fault) if chart.rules.is_some() => {
                        self.raise_error("error.execution", fault, None)?
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }

    pub(crate) fn invoke(&mut self, state: StateIndex, number: u16, invoke: &Invoke) -> Result<(), Fault> {
        if let Source::Task(asked) = &invoke.source {
            let name = invoke.id.clone().unwrap_or_else(|| invoke.prefix.clone());
            let input = self.payload(&invoke.payload)?;
            return self.ask(name, asked, input, &invoke.place);
        }
        self.sends += 1;
        let serial = self.sends;
        let id = match &invoke.id {
            Some(id) => id.clone(),
            None => Arc::from(format!("{}.{serial}", invoke.prefix)),
        };
        if let Some(location) = &invoke.id_location {
            self.store(location, Value::String(id.clone()), false)?;
        }
        if let Some(kind) = &invoke.kind {
            let kind = self.text(kind)?;
            if !TYPES.contains(&&*kind) {
                return Err(mistake(format!("machines of type {kind:?} cannot be invoked"), &invoke.place));
            }
        }
        let value = self.payload(&invoke.payload)?;
        let data = json_of(&value).map_err(|message| mistake(message, &invoke.place))?;
        let (kind, version, data) = self.invoked(invoke, data)?;
        let child_id = session::child_id(self.instance.address, serial);
        let address = self.beside(&kind, &child_id).ok_or_else(|| {
            let message =
                format!("machines are invoked by each other too deep: ids have {ID_BYTES_MAX} bytes");
            mistake(message, &invoke.place)
        })?;
        let name = self.child_name(&id, serial);
        let spawn = Effect::Spawn {
            name: name.clone(),
            kind,
            version,
            id: Some(Arc::from(child_id)),
            data,
            orphan: Orphan::Stop,
        };
        self.effect(spawn, &invoke.place)?;
        self.session_mut().invocations.push(Invocation {
            id,
            name,
            address,
            state,
            number,
            cancelled: false,
        });
        Ok(())
    }

    /// Cancels the tasks that were asked for in a state that is left.
    fn cancel_tasks(&mut self, state: StateIndex) -> Result<(), Fault> {
        let chart = self.chart;
        for invoke in &chart.state(state).invokes {
            if let (Source::Task(_), Some(name)) = (&invoke.source, &invoke.id) {
                self.effect(Effect::CancelTask(name.clone()), &invoke.place)?;
            }
        }
        Ok(())
    }

    /// Which definition is spawned, of which version, and with what.
    fn invoked(&mut self, invoke: &Invoke, data: Json) -> Result<Spawned, Fault> {
        let own_kind: Arc<str> = Arc::from(self.instance.address.kind());
        let own_version: Arc<str> = Arc::from(self.instance.version);
        Ok(match &invoke.source {
            Source::Definition(source) => {
                let source = self.text(source)?;
                let (kind, version) = definition_of(&source).ok_or_else(|| {
                    mistake(format!("{source:?} is not the name of a definition"), &invoke.place)
                })?;
                (kind, version, data)
            }
            Source::Task(_) => return Err(mistake("a task is no machine".to_owned(), &invoke.place)),
            Source::Inline(at) => {
                let program = self
                    .session
                    .as_deref()
                    .map_or(Program::Main.inside(*at), |session| session.program.inside(*at));
                (own_kind, Some(own_version), session::enveloped(&program, &data))
            }
            Source::Document(formula) => {
                let document = self.value(formula)?;
                let Value::String(text) = &document else {
                    let what = document.type_name();
                    return Err(mistake(format!("a document is text, this is {what}"), &invoke.place));
                };
                let program = serde_json::json!({"document": &**text});
                (own_kind, Some(own_version), session::enveloped(&program, &data))
            }
        })
    }

    fn beside(&self, kind: &str, id: &str) -> Option<Address> {
        let space = self.instance.address.space();
        let text = if space.is_empty() { format!("{kind}/{id}") } else { format!("{space}:{kind}/{id}") };
        Address::parse(&text).ok()
    }

    /// What the kernel calls the child: as the chart does, unless it has another one of that name.
    fn child_name(&self, id: &Arc<str>, serial: u64) -> Arc<str> {
        let taken = self
            .session
            .iter()
            .any(|session| session.invocations.iter().any(|one| one.name == *id && !one.cancelled));
        let fits = !id.is_empty() && id.len() <= CHILD_NAME_BYTES_MAX && !id.chars().any(char::is_control);
        if !taken && fits { id.clone() } else { Arc::from(format!("invoke.{serial}")) }
    }

    /// Stops what was invoked in a state that is left.
    pub(crate) fn cancel_invocations(&mut self, state: StateIndex) -> Result<(), Fault> {
        let is_asked = !self.to_invoke.contains(&state);
        self.to_invoke.retain(|one| *one != state);
        if is_asked {
            self.cancel_tasks(state)?;
        }
        let concerns = |one: &Invocation| one.state == state && !one.cancelled;
        let Some(session) = &self.session else { return Ok(()) };
        let names: Vec<Arc<str>> =
            session.invocations.iter().filter(|one| concerns(one)).map(|one| one.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let invocations = &mut self.session_mut().invocations;
        invocations.iter_mut().filter(|one| concerns(one)).for_each(|one| one.cancelled = true);
        names.into_iter().try_for_each(|child| self.effect(Effect::Stop { child, kill: false }, "invoke"))
    }

    /// What invocations have to do with the current event before any state takes it. Says whether there was anything.
    pub(crate) fn hear(&mut self, arrival: &Arrival, event: &Event) -> Result<bool, Fault> {
        let Some(session) = self.session.clone() else { return Ok(false) };
        let mut heard = false;
        for (at, one) in session.invocations.iter().enumerate().filter(|(_, one)| !one.cancelled) {
            let chart: &Chart = self.chart;
            let Some(invoke) = chart.state(one.state).invokes.get(usize::from(one.number)) else { continue };
            if arrival.from == Some(at) && !invoke.finalize.is_empty() {
                self.act(&invoke.finalize)?;
                heard = true;
            }
            if invoke.forwards && !(arrival.ends && arrival.from == Some(at)) {
                let (name, data) = self.copy_of(event, arrival, one)?;
                let forward = Effect::Send { to: one.address.clone(), event: name, data };
                self.effect(forward, "autoforward")?;
                heard = true;
            }
        }
        if arrival.ends
            && let Some(at) = arrival.from
        {
            self.session_mut().invocations.remove(at);
            heard = true;
        }
        Ok(heard)
    }

    /// An exact copy of an event: a chart of the same kind gets the fields of `_event` with it.
    fn copy_of(&self, event: &Event, arrival: &Arrival, to: &Invocation) -> Result<(Arc<str>, Json), Fault> {
        let name = self.current.name.clone();
        let data = match &arrival.data {
            Some(data) => json_of(data).map_err(|message| mistake(message, "autoforward"))?,
            None => event.data.clone(),
        };
        if to.address.kind() != self.instance.address.kind() {
            return Ok((name, data));
        }
        let fields = self.event_fields();
        let mut map = serde_json::Map::new();
        for (key, value) in fields {
            if let (Some(value), true) = (value.as_str(), key != "name") {
                map.insert(key.to_owned(), serde_json::Value::from(value));
            }
        }
        Ok((name, session::enveloped(&serde_json::Value::Object(map), &data)))
    }
}

/// The definition that a source means: `NAME`, `NAME:VERSION`, or a file of that name.
pub(crate) fn definition_of(source: &str) -> Option<(Arc<str>, Option<Arc<str>>)> {
    let source = source.strip_prefix("file:").unwrap_or(source);
    let name = source.rsplit(['/', '\\']).next().unwrap_or("");
    let name = [".scxml", ".xml"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let (name, version) = match name.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    };
    DefinitionId::new(name, version.unwrap_or("v1")).ok()?;
    Some((Arc::from(name), version.map(Arc::from)))
}
