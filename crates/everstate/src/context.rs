//! What a machine knows in a turn, and where it says what it wants.
//!
//! It refuses to do anything: what is wanted here is done by the kernel, after the turn is committed. Its one invariant:
//! a wish that cannot be (a pattern that is none, data that is no JSON) faults the turn, and is never left out.

use crate::address::Address;
use crate::behaviour::Behaviour;
use crate::message;
use crate::random::Random;
use everstate_kernel::space::{Act, Interest, Part, Pattern, Place, Role};
use everstate_kernel::{
    Address as AnyAddress, Child, Effect, Event, Fault, FaultCode, Json, Orphan, RestartFrom, Sender, Span,
    Time, Turn,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// What a turn of `B` knows and wants. Nothing that is wanted happens unless `handle` answers `Ok`.
pub struct Context<'t, B: Behaviour> {
    now: Time,
    instance: &'t AnyAddress,
    incarnation: u32,
    parent: Option<&'t AnyAddress>,
    children: &'t [Child],
    event: Option<&'t Event>,
    random: Random,
    effects: Vec<Effect>,
    output: Option<Json>,
    fault: Option<Fault>,
    /// What becomes of lines of the log.
    pub(crate) lines: fn(String) -> String,
    behaviour: PhantomData<fn() -> B>,
}

impl<B: Behaviour> fmt::Debug for Context<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("instance", &self.instance).field("effects", &self.effects).finish()
    }
}

/// What a turn wanted.
pub(crate) struct Wanted {
    pub(crate) effects: Vec<Effect>,
    pub(crate) output: Option<Json>,
}

impl<'t, B: Behaviour> Context<'t, B> {
    pub(crate) fn new(turn: &Turn<'t>, event: Option<&'t Event>) -> Context<'t, B> {
        Context {
            now: turn.now,
            instance: turn.instance,
            incarnation: turn.incarnation,
            parent: turn.parent,
            children: turn.children,
            event,
            random: Random::new(turn.seed),
            effects: Vec::new(),
            output: None,
            fault: None,
            lines: |line| line,
            behaviour: PhantomData,
        }
    }

    pub(crate) fn wanted(self) -> Result<Wanted, Fault> {
        match self.fault {
            None => Ok(Wanted { effects: self.effects, output: self.output }),
            Some(fault) => Err(fault),
        }
    }

    /// The time of the turn.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The only source of chance: the same turn draws the same numbers.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Where this machine is.
    pub fn address(&self) -> Address<B> {
        Address::of(self.instance.clone())
    }

    /// Which machine sent the message; none when it was somebody outside, or a timer.
    pub fn sender(&self) -> Option<&'t AnyAddress> {
        match self.event.map(|event| &event.sender) {
            Some(Sender::Instance(address)) => Some(address),
            _ => None,
        }
    }

    /// The event that this turn handles; none while the machine begins or stops.
    pub fn event(&self) -> Option<&'t Event> {
        self.event
    }

    /// How many times this machine was restarted, from 1.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Who spawned it and is told of it.
    pub fn parent(&self) -> Option<&'t AnyAddress> {
        self.parent
    }

    /// Its children before the turn, those that are stopping included.
    pub fn children(&self) -> &'t [Child] {
        self.children
    }

    /// Where the child of that name is, unless it is stopping.
    pub fn child(&self, name: &str) -> Option<&'t AnyAddress> {
        let mut children = self.children.iter().filter(|child| !child.stopping);
        children.find(|child| &*child.name == name).map(|child| &child.address)
    }

    /// Sends a message. It arrives once, in order for each receiver; an answer comes as [`crate::Signal::Reply`], and
    /// [`crate::Signal::Undelivered`] tells when it was not taken.
    pub fn send<C: Behaviour, M: Into<C::Message>>(&mut self, to: &Address<C, M>, message: M) {
        let Some((event, data)) = self.event_of(&message.into()) else { return };
        self.want(Effect::Send { to: to.any().clone(), event, data });
    }

    /// Sends an event to any machine, such as a chart.
    pub fn send_event(&mut self, to: &AnyAddress, event: &str, data: impl Serialize) {
        let Some(data) = self.json(&data) else { return };
        self.want(Effect::Send { to: to.clone(), event: Arc::from(event), data });
    }

    /// Sets a timer in place of one with the same name: after `delay` this machine gets the message.
    pub fn timer(&mut self, name: &str, delay: Duration, message: B::Message) {
        let Some((event, data)) = self.event_of(&message) else { return };
        let delay = Span(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self.want(Effect::SetTimer { name: Arc::from(name), delay, to: None, event, data });
    }

    /// Cancels the timer of that name, if it is set.
    pub fn cancel(&mut self, name: &str) {
        self.want(Effect::CancelTimer(Arc::from(name)));
    }

    /// Makes a child that begins as `child`, in the space of this machine. [`crate::Signal::ChildStarted`] tells where.
    pub fn spawn<C: Behaviour>(&mut self, name: &str, child: C) {
        self.spawn_as(name, C::NAME, None, &child);
    }

    /// The same with an id of one's own, so that its address is known at once.
    pub fn spawn_at<C: Behaviour>(&mut self, name: &str, at: &Address<C>, child: C) {
        if at.any().space() != self.instance.space() {
            let message =
                format!("child {name:?} shall be at {at}, which is in another space than its parent");
            return self.fault(message);
        }
        self.spawn_as(name, C::NAME, Some(Arc::from(at.id())), &child);
    }

    /// Makes a child of any kind, such as a chart or a space.
    pub fn spawn_kind(&mut self, name: &str, kind: &str, id: Option<&str>, data: impl Serialize) {
        self.spawn_as(name, kind, id.map(Arc::from), &data);
    }

    fn spawn_as(&mut self, name: &str, kind: &str, id: Option<Arc<str>>, data: &impl Serialize) {
        let Some(data) = self.json(data) else { return };
        let (name, kind) = (Arc::from(name), Arc::from(kind));
        self.want(Effect::Spawn { name, kind, version: None, id, data, orphan: Orphan::Stop });
    }

    /// Stops the child of that name, if there is one. [`crate::Signal::ChildExited`] tells when it has.
    pub fn stop(&mut self, child: &str) {
        self.want(Effect::Stop { child: Arc::from(child), kill: false });
    }

    /// The same at once, without asking it.
    pub fn kill(&mut self, child: &str) {
        self.want(Effect::Stop { child: Arc::from(child), kill: true });
    }

    /// Lets the child of that name, if there is one, go on from its state as another incarnation.
    pub fn resume(&mut self, child: &str) {
        self.want(Effect::Restart { child: Arc::from(child), from: RestartFrom::LastGood });
    }

    /// Lets the child of that name, if there is one, begin again as `anew`.
    pub fn restart<C: Behaviour>(&mut self, child: &str, anew: C) {
        let Some(data) = self.json(&anew) else { return };
        self.want(Effect::Restart { child: Arc::from(child), from: RestartFrom::Initial(data) });
    }

    /// Be told once, by [`crate::Signal::Exited`], when the instance ends, or now if nobody is there.
    pub fn monitor(&mut self, address: &AnyAddress) {
        self.want(Effect::Monitor(address.clone()));
    }

    /// Not be told of that instance any more.
    pub fn demonitor(&mut self, address: &AnyAddress) {
        self.want(Effect::Demonitor(address.clone()));
    }

    /// Takes part in a space: joins with an endpoint, in place of one's own of the same name.
    pub fn join(&mut self, place: Place, endpoint: &str, part: Taking) {
        let Some(pattern) = self.pattern(&part.pattern) else { return };
        let Some(value) = self.json(&part.value) else { return };
        let Taking { role, interest, mark, waits, .. } = part;
        let part = Part { value, mark, waits, ..Part::new(pattern, role, interest) };
        self.want(Effect::Act(place, Act::Join { name: Arc::from(endpoint), part }));
    }

    /// Leaves with the endpoint of that name, if there is one.
    pub fn leave(&mut self, place: Place, endpoint: &str) {
        self.want(Effect::Act(place, Act::Leave { name: Arc::from(endpoint) }));
    }

    /// Lets the endpoint of that name assert another value.
    pub fn assert(&mut self, place: Place, endpoint: &str, value: impl Serialize) {
        let Some(value) = self.json(&value) else { return };
        self.want(Effect::Act(place, Act::Assert { name: Arc::from(endpoint), value }));
    }

    /// A message to all subscribers whose patterns take the topic.
    pub fn publish(&mut self, place: Place, topic: &str, data: impl Serialize) {
        let (Some(topic), Some(data)) = (self.pattern(topic), self.json(&data)) else { return };
        self.want(Effect::Act(place, Act::Publish { topic, data }));
    }

    /// A message back to all publishers whose patterns take the topic.
    pub fn feedback(&mut self, place: Place, topic: &str, data: impl Serialize) {
        let (Some(topic), Some(data)) = (self.pattern(topic), self.json(&data)) else { return };
        self.want(Effect::Act(place, Act::Feedback { topic, data }));
    }

    /// A line for the history of this machine.
    pub fn log(&mut self, line: impl Into<String>) {
        let line = (self.lines)(line.into());
        self.want(Effect::Log(line));
    }

    /// A line that is no line of the machine's own.
    pub(crate) fn note(&mut self, line: String) {
        self.want(Effect::Log(line));
    }

    /// The end of the machine, with its output.
    pub fn finish(&mut self, output: impl Serialize) {
        self.output = self.json(&output);
    }

    /// Ends here, having failed at its task: whoever started it decides what now.
    pub fn give_up(&mut self, reason: impl Into<String>) {
        let fault = Fault { code: FaultCode::Action, message: reason.into(), place: String::new() };
        self.want(Effect::GiveUp(fault));
    }

    pub(crate) fn want(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn fault(&mut self, message: String) {
        let fault = Fault { code: FaultCode::Action, message, place: String::new() };
        self.fault.get_or_insert(fault);
    }

    pub(crate) fn json(&mut self, value: &impl Serialize) -> Option<Json> {
        match serde_json::to_string(value) {
            Ok(text) => Some(Json::trusted(text)),
            Err(error) => {
                self.fault(format!("what it sends or keeps is no JSON: {error}"));
                None
            }
        }
    }

    fn event_of(&mut self, message: &impl Serialize) -> Option<(Arc<str>, Json)> {
        match message::write(message) {
            Ok((name, data)) => Some((Arc::from(name), data)),
            Err(error) => {
                self.fault(format!("a message is no JSON: {error}"));
                None
            }
        }
    }

    fn pattern(&mut self, text: &str) -> Option<Pattern> {
        match Pattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.fault(error.to_string());
                None
            }
        }
    }
}

/// What an endpoint takes part in.
#[derive(Debug, Clone, PartialEq)]
pub struct Taking {
    pattern: String,
    role: Role,
    interest: Interest,
    value: Value,
    mark: bool,
    waits: bool,
}

impl Taking {
    /// Gets what is published about the topics of the pattern.
    pub fn subscriber(pattern: &str) -> Taking {
        let (role, interest) = (Role::Subscriber, Interest::Participant);
        let pattern = pattern.to_owned();
        Taking { pattern, role, interest, value: Value::Null, mark: false, waits: false }
    }

    /// Publishes about the topics of the pattern, and gets feedback.
    pub fn publisher(pattern: &str) -> Taking {
        Taking { role: Role::Publisher, ..Taking::subscriber(pattern) }
    }

    /// Keeps what is published about these topics until a subscriber has given credit for it, by the feedback
    /// `{"credit": N}`. A subscriber has nothing to keep: its space refuses it.
    pub fn waiting(self) -> Taking {
        Taking { waits: true, ..self }
    }

    /// Sees participants come and go, unseen by them.
    pub fn observing(self) -> Taking {
        Taking { interest: Interest::Observer, ..self }
    }

    /// Sees observers too.
    pub fn seeing_everything(self) -> Taking {
        Taking { interest: Interest::Everything, ..self }
    }

    /// Asserts a field, which counterparts are told.
    pub fn with(self, key: &str, value: impl Into<Value>) -> Taking {
        let mut all: BTreeMap<String, Value> = serde_json::from_value(self.value).unwrap_or_default();
        all.insert(key.to_owned(), value.into());
        Taking { value: all.into_iter().collect(), ..self }
    }

    /// Is told, by [`crate::Signal::Complete`], when it was told of all that was present.
    pub fn marked(self) -> Taking {
        Taking { mark: true, ..self }
    }
}
