//! What enters a node and what leaves it. Closed enums: whoever drives a node, in production or in simulation,
//! handles every case.

use crate::address::Address;
use crate::behaviour::Fault;
use crate::definition::{Definition, DefinitionId, Durability};
use crate::event::{Event, EventId, Outcome};
use crate::json::Json;
use crate::link::RestartFrom;
use crate::record::{DeadLetter, Instance, OutcomeRecord, Queued, Record, SeatRecord, Serial, TimerKey};
use crate::repair::Repair;
use crate::retention::Aged;
use crate::task::{Lease, Leased, Report, TaskKey};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who waits for the answer to an input; the driver's number, which the kernel only hands back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What can happen to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// A definition is put.
    Define {
        /// Who waits.
        ticket: Ticket,
        /// The definition, compiled from `source`.
        definition: Arc<Definition>,
        /// Its text, to be kept.
        source: Arc<str>,
    },
    /// An instance is started.
    Start {
        /// Who waits.
        ticket: Ticket,
        /// Where.
        address: Address,
        /// Of which version; none for the greatest by [`crate::version_order`].
        version: Option<Arc<str>>,
        /// The idempotency key.
        id: EventId,
        /// What it is started with.
        data: Json,
    },
    /// An event arrives from outside.
    Event {
        /// Who waits.
        ticket: Ticket,
        /// For whom.
        to: Address,
        /// What.
        event: Event,
    },
    /// An operator deletes an instance.
    Delete {
        /// Who waits.
        ticket: Ticket,
        /// Which.
        address: Address,
    },
    /// An operator stops an instance.
    Stop {
        /// Who waits.
        ticket: Ticket,
        /// Which.
        address: Address,
        /// At once, without asking its behaviour?
        kill: bool,
    },
    /// A session is silent: whoever held it was not heard from in time. It ends at once, and its counterparts are told
    /// that it is silent.
    Silence {
        /// Who waits.
        ticket: Ticket,
        /// Which.
        address: Address,
    },
    /// An operator restarts an instance: one that is parked, has ended, or is wedged.
    Restart {
        /// Who waits.
        ticket: Ticket,
        /// Which.
        address: Address,
        /// Where it begins.
        from: RestartFrom,
    },
    /// An operator repairs an instance.
    Repair {
        /// Who waits.
        ticket: Ticket,
        /// Which.
        address: Address,
        /// What is wanted, and why.
        repair: Box<Repair>,
    },
    /// An operator wants a dead letter to be tried again.
    RetryDeadLetter {
        /// Who waits.
        ticket: Ticket,
        /// The letter, as it is kept: read by the owner of the node, after its last commit. One that was read earlier
        /// may be gone by now, and would be tried twice.
        letter: DeadLetter,
    },
    /// An operator throws a dead letter away.
    DiscardDeadLetter {
        /// Who waits.
        ticket: Ticket,
        /// The letter, read as for [`Input::RetryDeadLetter`].
        letter: DeadLetter,
    },
    /// A worker wants tasks.
    Lease {
        /// Who waits.
        ticket: Ticket,
        /// Which worker it says it is.
        worker: Arc<str>,
        /// How many at most; [`crate::limits::LEASES_MAX`] anyway.
        max: usize,
        /// Tasks that are ready, the oldest first, as the last commit left them. Those that are not ready any more are
        /// passed over, so the same may be offered twice in one batch, to no avail.
        candidates: Vec<TaskKey>,
    },
    /// A worker says something of a task that it leases.
    Report {
        /// Who waits.
        ticket: Ticket,
        /// Of which.
        lease: Lease,
        /// What.
        report: Report,
    },
    /// The time of an instance, or of a part of its history, is over: [`Instance::expires`]. Whoever drives the node offers
    /// it when nothing else is urgent, as the last commit left it.
    Expire {
        /// Which.
        address: Address,
        /// The oldest entries of its history that are kept, ascending: [`crate::limits::EXPIRED_MAX`] and one more, or all.
        oldest: Vec<Aged>,
    },
    /// The oldest event of the outbox is delivered. Only [`crate::Node::ready`] makes it.
    Deliver(Serial, Address),
    /// A timer is due. Only [`crate::Node::ready`] makes it.
    Due(TimerKey),
    /// More timers from the store, after [`DeadlineReason::Refill`]: the soonest ones after
    /// [`crate::Node::refill_after`], with no step between that call and this one.
    Refill {
        /// Ascending.
        timers: Vec<TimerKey>,
        /// Are these all that there are? None at all are all, whatever this says.
        complete: bool,
    },
}

/// What must be brought in before an input is stepped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touches {
    /// Instances with their mailboxes.
    pub addresses: Vec<Address>,
    /// Outcomes of events.
    pub ids: Vec<EventId>,
}

/// What a store holds of an instance: its row, and its mailbox in the order of numbers.
pub type Stored = (Instance, Vec<Queued>);

/// What was brought in: an answer for each thing touched, absence included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Instances.
    pub instances: Vec<(Address, Option<Stored>)>,
    /// What is remembered of events, expired or not.
    pub outcomes: Vec<(EventId, Option<OutcomeRecord>)>,
    /// All that those of the instances that are spaces hold.
    pub seats: Vec<SeatRecord>,
}

/// What steps want. Nothing of `releases` may leave before all of `records` are committed.
#[derive(Debug, Default)]
pub struct Out {
    /// To be kept, in this order, all or none.
    pub records: Vec<Record>,
    /// To be let out after the commit, in this order.
    pub releases: Vec<Release>,
    /// The strictest durability that any of the definitions concerned asks for.
    pub durability: Option<Durability>,
}

/// What leaves a node after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The answer to an input.
    Answer(Ticket, Answer),
    /// An event that was answered [`Answer::Kept`] is decided.
    Decided(EventId, Outcome),
}

/// The answer to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// What became of the event or the start. A rejection because there is nobody at the address is the one outcome
    /// that is not remembered: the same event may be taken once there is.
    Decided {
        /// The outcome.
        outcome: Outcome,
        /// Is it that of an earlier event with the same id?
        duplicate: bool,
    },
    /// The event is kept and will be decided later: it is deferred, faulted and is tried again, or waits behind one
    /// that is. [`Release::Decided`] tells when, unless the node was restored in between.
    Kept {
        /// Was it kept before, under the same id?
        duplicate: bool,
    },
    /// The definition is put; `fresh` tells whether it was not there before.
    Put {
        /// False when the very same definition was there.
        fresh: bool,
    },
    /// The instance, or the dead letter, is gone.
    Gone,
    /// These tasks are leased.
    Leased(Vec<Leased>),
    /// What was said of a task is noted, and it goes on.
    Noted {
        /// Until when the worker has it, or when the next attempt may begin.
        until: Time,
    },
    /// Nothing was done and nothing is kept.
    Refused(Refusal),
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The id belongs to another event.
    #[error("event id {0} was used for another event; use a new id for a new event")]
    Conflict(EventId),
    /// The address is taken.
    #[error("instance {0} exists already")]
    InstanceExists(Address),
    /// The definition exists with another text.
    #[error("definition {0} exists with another content; definitions are immutable, so raise its version")]
    DefinitionExists(DefinitionId),
    /// No such instance.
    #[error("there is no instance {0}")]
    UnknownInstance(Address),
    /// The name is that of a built-in definition.
    #[error("the name {0:?} is that of a built-in definition; choose another name")]
    BuiltIn(Arc<str>),
    /// No definition with that name.
    #[error("there is no definition {0:?}; put it first")]
    UnknownKind(Arc<str>),
    /// No such version of the definition.
    #[error("there is no version {1:?} of definition {0:?}")]
    UnknownVersion(Arc<str>, Arc<str>),
    /// No such dead letter, or no longer.
    #[error("there is no dead letter {n}", n = .0.0)]
    UnknownDeadLetter(Serial),
    /// The lease is over: the task was cancelled or has ended, or somebody else has it by now.
    #[error("the lease {lease} is over: {why}; drop what was done under it")]
    LeaseOver {
        /// Which.
        lease: Lease,
        /// What is known of the task.
        why: &'static str,
    },
    /// What a worker said cannot be taken.
    #[error("{0}")]
    BadReport(String),
    /// The mailbox is full.
    #[error("{0} has {max} events waiting, which is the limit; send again later", max = crate::limits::MAILBOX_MAX)]
    MailboxFull(Address),
    /// The outbox is full.
    #[error("this node has {max} events on their way, which is the limit; send again later", max = crate::limits::OUTBOX_MAX)]
    Overloaded,
    /// The instance has made a turn since the operator looked at it.
    #[error("{address} has made turn {found} since it was looked at in turn {expected}; look again")]
    MovedOn {
        /// Which.
        address: Address,
        /// Its turns when it was looked at.
        expected: u64,
        /// Its turns now.
        found: u64,
    },
    /// It is not in a condition for what is wanted.
    #[error("{0} {1}")]
    Unfit(Address, &'static str),
    /// The definition cannot read the state that the instance should have.
    #[error("{0} cannot stand so: {message}", message = .1.message)]
    BadState(Address, Fault),
    /// The machine faulted while it started.
    #[error("the machine faulted while it started: {}", .0.message)]
    StartFaulted(Fault),
}

/// When a node wants to be called again though nothing arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Not before this time.
    pub at: Time,
    /// Who asked.
    pub reason: DeadlineReason,
}

/// Who asked to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineReason {
    /// The outbox has events to deliver: at once.
    Outbox,
    /// A timer is due then.
    Timer,
    /// Timers in memory have run low and the store has more: give a [`Input::Refill`].
    Refill,
}
