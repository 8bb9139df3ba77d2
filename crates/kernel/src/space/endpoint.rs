//! An endpoint: a machine's part in conversations. And the table of who is told about whom.
//!
//! It refuses to know the other endpoints of a space. Its invariant: whether one endpoint is told of another depends
//! on the two alone, so both orders of arrival give the same knowledge.

use super::pattern::Pattern;
use crate::address::Address;
use crate::json::Json;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends messages, gets feedback.
    Publisher,
    /// Gets messages, sends feedback.
    Subscriber,
}

impl Role {
    /// The role of its counterparts.
    pub fn opposite(self) -> Role {
        match self {
            Role::Publisher => Role::Subscriber,
            Role::Subscriber => Role::Publisher,
        }
    }
}

/// Whom an endpoint is told of, and who is told of it.
///
/// | local \ remote | participant | observer | everything |
/// |---|---|---|---|
/// | participant | yes | no | no |
/// | observer | yes | no | no |
/// | everything | yes | yes | yes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interest {
    /// Takes part.
    #[default]
    Participant,
    /// Sees participants come and go, unseen by them.
    Observer,
    /// Sees observers too.
    Everything,
}

impl Interest {
    /// Is an endpoint of this interest told of one of that interest?
    pub fn sees(self, remote: Interest) -> bool {
        remote == Interest::Participant || self == Interest::Everything
    }
}

/// What an endpoint is called: whose it is, and its name among the endpoints of that machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointName {
    /// The machine.
    pub member: Address,
    /// Joining again under the same name replaces the endpoint.
    pub name: Arc<str>,
}

/// What an endpoint takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The topics.
    pub pattern: Pattern,
    /// Which way.
    pub role: Role,
    /// Who sees whom.
    pub interest: Interest,
    /// What it asserts, such as `{"skill": "welding"}`; often null. Whoever sees it is told of it and of its changes.
    pub value: Json,
    /// Is it told, after all that was present when it joined, that this was all?
    pub mark: bool,
    /// Does what its machine publishes about these topics wait for credit? Only a publisher's can.
    pub waits: bool,
}

impl Part {
    /// A part without a value.
    pub fn new(pattern: Pattern, role: Role, interest: Interest) -> Part {
        Part { pattern, role, interest, value: Json::NULL, mark: false, waits: false }
    }

    /// Is an endpoint with this part told of one with that part?
    pub fn sees(&self, remote: &Part) -> bool {
        self.role != remote.role
            && self.interest.sees(remote.interest)
            && self.pattern.intersects(&remote.pattern)
    }

    /// Do both lie at the same place of the index?
    pub(super) fn is_placed_like(&self, other: &Part) -> bool {
        self.role == other.role && self.pattern == other.pattern
    }
}

/// A machine's part in conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whose it is and what it is called.
    pub name: EndpointName,
    /// What it takes part in.
    pub part: Part,
    /// The position of the turn that joined with it, however it has moved since.
    pub since: u64,
    /// How many publications may go before more wait; 0 unless it waits.
    pub credit: u32,
}

/// Why an endpoint is gone. One that moved to another pattern, or from which one moved oneself, has left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Its machine left, or moved to where the two no longer match.
    Left,
    /// Its machine ended; how, in a word.
    Exited(Arc<str>),
    /// Its machine broke its promise; the fault's message.
    Faulted(Arc<str>),
    /// Its session missed its heartbeats.
    Silent,
}

impl Reason {
    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Left => "left",
            Reason::Exited(_) => "exited",
            Reason::Faulted(_) => "faulted",
            Reason::Silent => "silent",
        }
    }

    /// More for a person; empty when the word says it all.
    pub fn detail(&self) -> &str {
        match self {
            Reason::Exited(detail) | Reason::Faulted(detail) => detail,
            Reason::Left | Reason::Silent => "",
        }
    }
}
