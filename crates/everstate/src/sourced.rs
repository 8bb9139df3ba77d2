//! Event-sourced machines: a command is decided into domain events, and domain events are folded into the state.
//!
//! The domain events of a turn are lines of its log: they are committed with the turn, whole or not at all, lie in the
//! history for as long as it is kept, and followers see them. The folded state is kept with every turn, as it is of any
//! machine: a snapshot each turn costs one row that is written anyway, and nothing is ever replayed to wake a machine.
//!
//! Its one invariant: the state is the fold of the domain events that the history has.

use crate::behaviour::{Behaviour, default_policy};
use crate::context::Context;
use crate::follow::Turn;
use crate::message;
use crate::signal::Signal;
use everstate_kernel::{HistoryEntry, Json, Policy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A machine that is made of what has happened to it. [`Sourced`] makes a behaviour of it.
pub trait EventSourced: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// See [`Behaviour::NAME`].
    const NAME: &str;
    /// See [`Behaviour::VERSION`].
    const VERSION: u32 = 1;
    /// What it is asked to do.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// What has happened. Kept for as long as the history: its shape is for ever.
    type Event: Serialize + DeserializeOwned + Send + 'static;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// What it says when it refuses.
    type Error: Serialize + DeserializeOwned + Send + 'static;

    /// What happens because of a command, or why nothing does. The reply is made from the state after it.
    fn decide(
        &self,
        command: Self::Command,
        context: &mut Context<'_, Sourced<Self>>,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// What has happened becomes state. It cannot refuse: it has happened.
    fn apply(&mut self, event: &Self::Event);

    /// What is answered to a command that was accepted.
    fn reply(&self) -> Self::Reply;

    /// What happens because of a signal.
    fn react(&self, signal: Signal, context: &mut Context<'_, Sourced<Self>>) -> Vec<Self::Event> {
        let _ = (signal, context);
        Vec::new()
    }

    /// See [`Behaviour::upgrade`].
    fn upgrade(version: u32, state: serde_json::Value) -> Result<Self, String> {
        let _ = state;
        Err(format!("a state of version {version} cannot be read: write EventSourced::upgrade for it"))
    }

    /// See [`Behaviour::state`].
    fn state(&self) -> &str {
        "active"
    }

    /// See [`Behaviour::policy`].
    fn policy() -> Policy {
        default_policy()
    }
}

/// An event-sourced machine as a behaviour: `Address<Sourced<Account>>`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sourced<T>(pub T);

/// What a line of the log begins with that is a domain event. Other lines that begin so get a space in front.
const MARK: char = '@';

/// The line of the log that a domain event is.
fn line(event: &impl Serialize) -> Result<String, String> {
    let (name, data) = message::write(event)?;
    Ok(format!("{MARK}{name} {data}"))
}

/// The domain events of a turn, in order.
pub fn events_of<E: DeserializeOwned>(entry: &HistoryEntry) -> Vec<E> {
    let lines = entry.log.iter().filter_map(|line| line.strip_prefix(MARK)?.split_once(' '));
    lines.filter_map(|(name, data)| message::read(name, &Json::trusted(data.to_owned())).ok()).collect()
}

impl<T: EventSourced> Turn<Sourced<T>> {
    /// What has happened in this turn.
    pub fn events(&self) -> Vec<T::Event> {
        events_of(&self.entry)
    }
}

impl<T: EventSourced> Sourced<T> {
    fn fold(&mut self, events: &[T::Event], context: &mut Context<'_, Self>) {
        for event in events {
            match line(event) {
                Ok(line) => context.note(line),
                Err(problem) => context.fault(format!("a domain event is no JSON: {problem}")),
            }
            self.0.apply(event);
        }
    }
}

fn marked(line: String) -> String {
    if line.starts_with(MARK) { format!(" {line}") } else { line }
}

impl<T: EventSourced> Behaviour for Sourced<T> {
    const NAME: &str = T::NAME;
    const VERSION: u32 = T::VERSION;
    type Message = T::Command;
    type Reply = T::Reply;
    type Error = T::Error;

    fn handle(&mut self, command: T::Command, context: &mut Context<'_, Self>) -> Result<T::Reply, T::Error> {
        context.lines = marked;
        let events = self.0.decide(command, context)?;
        self.fold(&events, context);
        Ok(self.0.reply())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<'_, Self>) {
        context.lines = marked;
        let events = self.0.react(signal, context);
        self.fold(&events, context);
    }

    fn upgrade(version: u32, state: serde_json::Value) -> Result<Self, String> {
        T::upgrade(version, state).map(Sourced)
    }

    fn state(&self) -> &str {
        self.0.state()
    }

    fn policy() -> Policy {
        T::policy()
    }
}
