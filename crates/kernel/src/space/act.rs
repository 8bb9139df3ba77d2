//! What a machine does in a space, and in which one, as data. It refuses to know what comes of it.

use super::endpoint::{Endpoint, EndpointName, Part, Role};
use super::pattern::Pattern;
use super::presence::Change;
use crate::address::Address;
use crate::json::Json;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// Which space a machine acts in. The one around it only when it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where it lives.
    Here,
    /// Around that one.
    Outer,
    /// The space at this path, such as `tenant-a/order-42`; the empty one is the outermost.
    At(Arc<str>),
}

impl Place {
    /// The address of the space; says what is wrong when there can be none.
    pub fn of(&self, member: &Address) -> Result<Address, String> {
        let path = match (self, member.space()) {
            (Place::At(path), _) => path,
            (Place::Here, here) => here,
            (Place::Outer, "") => {
                return Err(format!("{member} lives in the outermost space, which has no space around it"));
            }
            (Place::Outer, here) => here.rsplit_once('/').map_or("", |(around, _)| around),
        };
        Address::of_space(path).map_err(|error| format!("space {path:?} has no usable address: {error}"))
    }
}

/// What a machine does in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Join with an endpoint, in place of one's own of the same name.
    Join {
        /// What the machine calls it: the end of the names of the events that it gets for it.
        name: Arc<str>,
        /// What it takes part in.
        part: Part,
    },
    /// Leave with the endpoint of that name, if there is one.
    Leave {
        /// Which.
        name: Arc<str>,
    },
    /// Let the endpoint of that name assert another value.
    Assert {
        /// Which.
        name: Arc<str>,
        /// What.
        value: Json,
    },
    /// A message to all subscribers whose patterns take the topic.
    Publish {
        /// About what; with wildcards it reaches all whose patterns intersect it.
        topic: Pattern,
        /// What it says.
        data: Json,
    },
    /// A message back to all publishers whose patterns take the topic.
    Feedback {
        /// About what.
        topic: Pattern,
        /// What it says.
        data: Json,
    },
}

/// A message on its way to its takers.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) takers: Role,
    pub(super) topic: Pattern,
    pub(super) data: Json,
}

impl Act {
    /// The change that it is for the space, or else the message. A join takes the next of `since`.
    pub(super) fn split(
        self,
        member: &Address,
        since: &mut impl Iterator<Item = u64>,
    ) -> Result<Change, Message> {
        let named = |name| EndpointName { member: member.clone(), name };
        Ok(match self {
            Act::Join { name, part } => {
                let since = since.next().expect("every join says since when");
                Change::Join(Endpoint { name: named(name), part, since, credit: 0 })
            }
            Act::Leave { name } => Change::Leave(named(name)),
            Act::Assert { name, value } => Change::Assert(named(name), value),
            Act::Publish { topic, data } => return Err(Message { takers: Role::Subscriber, topic, data }),
            Act::Feedback { topic, data } => return Err(Message { takers: Role::Publisher, topic, data }),
        })
    }

    /// What the history of the space calls it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Act::Join { .. } => "space.join",
            Act::Leave { .. } => "space.leave",
            Act::Assert { .. } => "space.assert",
            Act::Publish { .. } => "space.publish",
            Act::Feedback { .. } => "space.feedback",
        }
    }
}
