//! A system: machines, who is there at the beginning, what may happen to them, and what must hold.
//!
//! It refuses to know how it is explored. Its one invariant: a system that was read names only what exists in it.

mod alike;
mod claims;
mod outside;
mod reader;
mod replaced;
mod stands;

#[cfg(test)]
mod tests;

pub(crate) use reader::reads_clock;
pub use reader::{ReadSystem, digest};

use crate::property::{Condition, Property};
use crate::stand_in::{self, StandIn};
use crate::standing::Standing;
use crate::task::TaskAnswer;
use everstate_kernel::{Address, Definition, Json, SESSION_KIND, Span, Time};
use std::sync::Arc;

/// Machines and what is to be known of them.
#[derive(Debug, Clone)]
pub struct System {
    /// For people.
    pub name: Arc<str>,
    /// Definitions with what tells them from others of the same name.
    pub definitions: Vec<(Arc<Definition>, Arc<str>)>,
    /// Instances that properties can name, in order.
    pub cast: Vec<Member>,
    /// Members that do not begin at their start.
    pub standings: Vec<Standing>,
    /// Events that clients send for certain, and count on being taken.
    pub first: Vec<Scripted>,
    /// Events that may come from outside.
    pub environment: Vec<May>,
    /// Ways between machines that are not Everstate's own: networks, radios, people.
    pub links: Vec<Link>,
    /// Whose behaviour is replaced.
    pub stand_ins: Vec<StandIn>,
    /// How tasks may end that machines ask for.
    pub tasks: Vec<TaskAnswer>,
    /// How often what may go wrong does.
    pub faults: Faults,
    /// May a timer fire while events are on their way?
    pub timers: Timers,
    /// When it all begins.
    pub begins: Time,
    /// Does any definition read the clock, so that worlds at different times are different?
    pub clock: bool,
    /// What must hold.
    pub properties: Vec<Property>,
    /// Which of the properties that need no writing are asked.
    pub built_in: BuiltIn,
    /// Events that may wait in one mailbox.
    pub mailbox_max: usize,
    /// Members that differ in nothing but their names. Whether they do is tried; empty where nothing is said.
    pub symmetric: Vec<Address>,
}

/// An instance that properties can name.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it is called in the system.
    pub name: Arc<str>,
    /// Where it is.
    pub address: Address,
    /// What it is started with; none when it is not there at the beginning.
    pub start: Option<Json>,
}

/// An event that a client sends for certain.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// The client. Its events to one receiver keep their order; those of different clients may overtake each other.
    pub from: Arc<str>,
    /// For whom.
    pub to: Address,
    /// The event's name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Json,
}

/// An event that may come from outside, at any time.
#[derive(Debug, Clone)]
pub struct May {
    /// For whom.
    pub to: Address,
    /// The event's name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Json,
    /// How often; none for any number of times.
    pub times: Option<u8>,
}

/// A way between machines on which faults may happen. The ways from clients are such without saying.
#[derive(Debug, Clone)]
pub struct Link {
    /// Who sends.
    pub from: Who,
    /// Who receives.
    pub to: Who,
    /// May a later event overtake an earlier one?
    pub reorder: bool,
}

/// Some instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// That one.
    One(Address),
    /// All of a kind.
    Kind(Arc<str>),
    /// All.
    Anyone,
}

/// How often what may go wrong does, over a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Events of links and clients that are lost.
    pub losses: u8,
    /// Events of links and clients, and words of workers, that arrive twice.
    pub duplicates: u8,
    /// Times that the clock jumps ahead or the node is away for [`Faults::clock_step`], so that timers are late.
    pub clock_steps: u8,
    /// By how much.
    pub clock_step: Span,
    /// Times that a session falls silent.
    pub silences: u8,
    /// Times that whoever held a session that was silent begins it anew.
    pub reconnections: u8,
}

/// May a timer fire while events are on their way?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timers {
    /// Yes: events take as long as they like.
    #[default]
    Race,
    /// No: events are fast, and time passes when nothing else can happen.
    Wait,
}

/// Properties that need no writing.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// No machine faults.
    pub faults: bool,
    /// No event ends as a dead letter.
    pub dead_letters: bool,
    /// No event is refused that its sender counts on.
    pub refusals: bool,
    /// No instance is stuck: not ended, and nothing can move it.
    pub stuck: bool,
    /// No mailbox grows beyond [`System::mailbox_max`].
    pub mailboxes: bool,
    /// From everywhere these members can still reach their end.
    pub finish: Vec<usize>,
    /// All orders end in the same world, or in the same value of an expression.
    pub confluent: Option<Ends>,
    /// Duplicates change nothing of how it ends.
    pub idempotent: Option<Ends>,
    /// Losses only take away: what is listed in the end under losses is part of what is listed without.
    pub lossy_subset: Option<Condition>,
}

/// What is compared of the worlds in which runs end.
#[derive(Debug, Clone)]
pub enum Ends {
    /// All that can be seen of the cast.
    Cast,
    /// The value of an expression.
    Value(Condition),
}

impl Default for BuiltIn {
    fn default() -> BuiltIn {
        BuiltIn {
            faults: true,
            dead_letters: true,
            refusals: true,
            stuck: true,
            mailboxes: true,
            finish: Vec::new(),
            confluent: None,
            idempotent: None,
            lossy_subset: None,
        }
    }
}

/// When systems begin that do not say: 2026-01-01T00:00:00Z.
pub const BEGINS: Time = Time(1_767_225_600_000);

/// Events in one mailbox that nobody wants to see.
pub const MAILBOX_MAX: usize = 16;

impl System {
    /// A system of these definitions with nobody in it.
    pub fn new(name: &str, definitions: Vec<(Arc<Definition>, Arc<str>)>) -> System {
        System {
            name: Arc::from(name),
            definitions,
            cast: Vec::new(),
            standings: Vec::new(),
            first: Vec::new(),
            environment: Vec::new(),
            links: Vec::new(),
            stand_ins: Vec::new(),
            tasks: Vec::new(),
            faults: Faults::default(),
            timers: Timers::default(),
            begins: BEGINS,
            clock: true,
            properties: Vec::new(),
            built_in: BuiltIn::default(),
            mailbox_max: MAILBOX_MAX,
            symmetric: Vec::new(),
        }
    }

    /// The link that joins two instances, if any does.
    pub(crate) fn link(&self, from: &Address, to: &Address) -> Option<&Link> {
        self.links.iter().find(|link| link.from.is(from) && link.to.is(to))
    }

    /// Where a member stands at the beginning, if not at its start.
    pub(crate) fn standing(&self, address: &Address) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.address == *address)
    }

    /// Members of the cast that are sessions.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Member> {
        self.cast.iter().filter(|member| member.address.kind() == SESSION_KIND)
    }

    /// Replaces the behaviour of some instances: on each of these events they do anything of a list. A kind that has no
    /// definition gets one.
    pub fn replace(&mut self, stand_in: StandIn) {
        let kind = match &stand_in.who {
            Who::One(address) => Some(address.kind().to_owned()),
            Who::Kind(kind) => Some(kind.to_string()),
            Who::Anyone => None,
        };
        if let Some(kind) = kind
            && !self.definitions.iter().any(|(definition, _)| *definition.id.name == *kind)
        {
            self.definitions.push((Arc::new(stand_in::definition(&kind)), Arc::from("stand-in")));
        }
        self.stand_ins.push(stand_in);
    }

    /// Are the worlds in which runs end compared?
    pub(crate) fn compares_ends(&self) -> bool {
        let built_in = &self.built_in;
        built_in.confluent.is_some() || built_in.idempotent.is_some() || built_in.lossy_subset.is_some()
    }
}

impl Who {
    /// Is the instance one of them?
    pub(crate) fn is(&self, address: &Address) -> bool {
        match self {
            Who::One(one) => one == address,
            Who::Kind(kind) => **kind == *address.kind(),
            Who::Anyone => true,
        }
    }
}
