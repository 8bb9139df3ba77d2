//! What a machine is told that is no message of its own: of children, of whom it watches, of spaces, of what it sent.
//!
//! It refuses to know what a machine makes of it. Its one invariant: what is a signal is what the kernel sends, by the
//! names that only the kernel uses.

use crate::address::Address;
use crate::behaviour::Behaviour;
use everstate_kernel::{Address as AnyAddress, Event, Sender};
use serde::Deserialize;
use serde_json::Value;

/// What a machine is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// A child has begun.
    ChildStarted {
        /// What the machine calls it.
        name: String,
        /// Where it is.
        address: AnyAddress,
        /// How many times it was restarted, from 1.
        incarnation: u32,
    },
    /// A turn of a child faulted for good, or there is no child though one was spawned.
    ChildFaulted {
        /// What the machine calls it.
        name: String,
        /// What happened.
        fault: ChildFault,
    },
    /// A child has ended.
    ChildExited {
        /// What the machine calls it.
        name: String,
        /// How.
        exit: Exit,
    },
    /// An instance that the machine watches has ended, or there was none.
    Exited(Exit),
    /// A counterpart of one of the machine's endpoints is here.
    Presence {
        /// Which endpoint.
        endpoint: String,
        /// Who.
        counterpart: Counterpart,
    },
    /// A counterpart that is here asserts another value.
    Changed {
        /// Which endpoint.
        endpoint: String,
        /// Who.
        counterpart: Counterpart,
    },
    /// A counterpart is gone.
    Absence {
        /// Which endpoint.
        endpoint: String,
        /// Who.
        counterpart: Counterpart,
        /// `left`, `exited`, `faulted` or `silent`.
        reason: String,
    },
    /// That was all that was present when the endpoint joined.
    Complete {
        /// Which endpoint.
        endpoint: String,
    },
    /// A published message, at an endpoint that subscribes.
    Published {
        /// Which endpoint.
        endpoint: String,
        /// What.
        message: Publication,
    },
    /// Feedback, at an endpoint that publishes.
    Feedback {
        /// Which endpoint.
        endpoint: String,
        /// What.
        message: Publication,
    },
    /// The space of an endpoint has ended.
    SpaceEnded {
        /// Which endpoint.
        endpoint: String,
        /// The path of the space.
        space: String,
    },
    /// An answer to what the machine sent.
    Reply {
        /// The name of the event that it answers.
        to: String,
        /// Who answers.
        from: AnyAddress,
        /// The answer.
        reply: Value,
    },
    /// What the machine sent was not taken.
    Undelivered(Undelivered),
}

/// How an instance has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Exit {
    /// Where it was.
    pub address: AnyAddress,
    /// How.
    pub how: End,
    /// What it ended with, when it finished.
    #[serde(default)]
    pub output: Value,
    /// More for a person; often empty.
    #[serde(default)]
    pub reason: String,
}

/// How an instance has ended, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It finished.
    Final,
    /// It was stopped.
    Stopped,
    /// It gave up.
    GaveUp,
    /// It was deleted.
    Deleted,
    /// There was none to watch.
    Unknown,
    /// Nobody more may watch it.
    Refused,
}

/// What went wrong with a child.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChildFault {
    /// Where it is.
    pub address: AnyAddress,
    /// A stable word, such as `event-faulted`.
    pub reason: String,
    /// For a person.
    pub message: String,
    /// The event whose turn faulted; none when there is no child.
    pub event: Option<String>,
    /// Does it take no events until it is restarted?
    pub parked: bool,
    /// Is it there?
    pub alive: bool,
}

/// An endpoint of another machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Counterpart {
    /// The path of the space; empty for the outermost.
    pub space: String,
    /// Whose it is.
    pub address: AnyAddress,
    /// What that machine calls it.
    pub endpoint: String,
    /// What it has in common with one's own pattern.
    pub pattern: String,
    /// What it asserts.
    #[serde(default)]
    pub value: Value,
}

/// A message of a space.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Publication {
    /// The path of the space; empty for the outermost.
    pub space: String,
    /// About what.
    pub topic: String,
    /// Who sent it; none for somebody outside.
    pub from: Option<AnyAddress>,
    /// What it says.
    pub data: Value,
}

/// An event that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Undelivered {
    /// Its name.
    pub event: String,
    /// For whom it was.
    pub to: AnyAddress,
    /// A stable word: `refused`, `failed`, `unknown-address`, …
    pub reason: String,
    /// More: the refusal as JSON, or the fault's message.
    pub message: String,
}

#[derive(Deserialize)]
struct Begun {
    address: AnyAddress,
    incarnation: u32,
}

#[derive(Deserialize)]
struct Ended {
    space: String,
}

#[derive(Deserialize)]
struct Gone {
    reason: String,
}

/// The name of the event that tells a machine that what it sent was not taken.
const UNDELIVERED: &str = "error.communication";

impl Signal {
    /// The signal that an event is; none when it is a message. An error says what of it cannot be read.
    pub(crate) fn of(event: &Event) -> Result<Option<Signal>, String> {
        Signal::read(event).map_err(|error| format!("the data of {} cannot be read: {error}", event.name))
    }

    fn read(event: &Event) -> Result<Option<Signal>, serde_json::Error> {
        let data = event.data.as_str();
        if &*event.name == UNDELIVERED && event.sender == Sender::System {
            return serde_json::from_str(data).map(Signal::Undelivered).map(Some);
        }
        if &*event.name == "monitor.exited" {
            return serde_json::from_str(data).map(Signal::Exited).map(Some);
        }
        if let (Some(to), Sender::Instance(from)) = (event.name.strip_prefix("reply."), &event.sender) {
            let (to, from, reply) = (to.to_owned(), from.clone(), serde_json::from_str(data)?);
            return Ok(Some(Signal::Reply { to, from, reply }));
        }
        let mut words = event.name.splitn(3, '.');
        let (Some(first), Some(second), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Ok(None);
        };
        let name = name.to_owned();
        Ok(Some(match (first, second) {
            ("child", "started") => {
                let Begun { address, incarnation } = serde_json::from_str(data)?;
                Signal::ChildStarted { name, address, incarnation }
            }
            ("child", "faulted") => Signal::ChildFaulted { name, fault: serde_json::from_str(data)? },
            ("child", "exited") => Signal::ChildExited { name, exit: serde_json::from_str(data)? },
            ("space", word) => return Signal::of_space(word, name, data),
            _ => return Ok(None),
        }))
    }

    fn of_space(word: &str, endpoint: String, data: &str) -> Result<Option<Signal>, serde_json::Error> {
        Ok(Some(match word {
            "presence" => Signal::Presence { endpoint, counterpart: serde_json::from_str(data)? },
            "changed" => Signal::Changed { endpoint, counterpart: serde_json::from_str(data)? },
            "absence" => {
                let Gone { reason } = serde_json::from_str(data)?;
                Signal::Absence { endpoint, counterpart: serde_json::from_str(data)?, reason }
            }
            "complete" => Signal::Complete { endpoint },
            "message" => Signal::Published { endpoint, message: serde_json::from_str(data)? },
            "feedback" => Signal::Feedback { endpoint, message: serde_json::from_str(data)? },
            "ended" => {
                let Ended { space } = serde_json::from_str(data)?;
                Signal::SpaceEnded { endpoint, space }
            }
            _ => return Ok(None),
        }))
    }

    /// The answer of that machine, if the signal is one.
    pub fn reply_of<B: Behaviour, M>(&self, address: &Address<B, M>) -> Option<B::Reply> {
        match self {
            Signal::Reply { from, reply, .. } if from == address.any() => B::Reply::deserialize(reply).ok(),
            _ => None,
        }
    }
}
