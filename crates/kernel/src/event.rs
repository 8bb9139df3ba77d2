//! What is sent between machines, and what became of it.

use crate::address::{Address, is_visible};
use crate::behaviour::Fault;
use crate::json::Json;
use crate::limits::{EVENT_ID_BYTES_MAX, EVENT_NAME_BYTES_MAX};
use crate::record::{Labels, Serial};
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The name of an event for deduplication: one id, one event, however often it arrives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Takes 1 to [`EVENT_ID_BYTES_MAX`] visible characters; otherwise says what is wrong.
    pub fn parse(text: &str) -> Result<EventId, String> {
        if text.is_empty() {
            return Err("event id is empty".into());
        }
        if text.len() > EVENT_ID_BYTES_MAX {
            return Err(format!("event id is {} bytes long, the limit is {EVENT_ID_BYTES_MAX}", text.len()));
        }
        if text.starts_with('~') {
            return Err(format!(
                "event id begins with '~', which marks the ids of Everstate itself: {text:?}"
            ));
        }
        if !text.chars().all(is_visible) {
            return Err(format!("event id has white space or a control character: {text:?}"));
        }
        Ok(EventId(Arc::from(text)))
    }

    /// The id that the kernel gives to an event which it carries under that number.
    pub fn of_number(number: Serial) -> EventId {
        EventId::internal(format!("~{}", number.0))
    }

    /// The id that the kernel gives to an event of its own making; the text is made of checked parts.
    pub(crate) fn internal(text: String) -> EventId {
        EventId(Arc::from(text))
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The idempotency key.
    pub id: EventId,
    /// What happened, such as `pay` or `payment.failed`.
    pub name: Arc<str>,
    /// What comes with it.
    pub data: Json,
    /// Who sent it.
    pub sender: Sender,
    /// When it happened, as its sender says; when none said, when it was taken in. For the event of a timer, when
    /// the timer was due.
    pub time: Time,
}

impl Event {
    /// Takes 1 to [`EVENT_NAME_BYTES_MAX`] characters as the name of an event; otherwise says what is wrong.
    pub fn check_name(name: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("event name is empty".into());
        }
        if name.len() > EVENT_NAME_BYTES_MAX {
            return Err(format!(
                "event name is {} bytes long, the limit is {EVENT_NAME_BYTES_MAX}",
                name.len()
            ));
        }
        if name.chars().any(char::is_control) {
            return Err(format!("event name has a control character: {name:?}"));
        }
        Ok(())
    }

    /// What tells it from another event with the same id; for whoever writes an [`crate::OutcomeRecord`] of an event that
    /// was decided elsewhere.
    pub fn fingerprint(&self, to: &Address) -> u64 {
        crate::node::fingerprint("event", to, &self.name, &self.data)
    }

    /// Does only the kernel send events of this name? They tell of children, of tasks, of instances that are
    /// watched, and of what happens in a space.
    pub(crate) fn is_reserved(name: &str) -> bool {
        const PREFIXES: [&str; 13] = [
            TASK_DONE,
            TASK_ERROR,
            "child.started.",
            "child.faulted.",
            "child.exited.",
            "monitor.exited",
            "space.presence.",
            "space.complete.",
            "space.changed.",
            "space.absence.",
            "space.message.",
            "space.feedback.",
            "space.ended.",
        ];
        PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Does the kernel tell its receiver of something? When nobody takes such an event, it is ignored, whatever the
    /// definition says of events that nobody takes.
    pub fn is_told(&self) -> bool {
        match &self.sender {
            Sender::System => true,
            Sender::Instance(_) => Event::is_reserved(&self.name),
            Sender::Client | Sender::Timer => false,
        }
    }

    /// The name of the child that an event of the kernel's tells of.
    pub(crate) fn child_name(&self) -> Option<&str> {
        self.name.splitn(3, '.').nth(2)
    }

    /// The kernel's own number in its id, if it was sent by an instance.
    pub fn number(&self) -> Option<Serial> {
        self.id.as_str().strip_prefix('~')?.parse().ok().map(Serial)
    }

    /// Does it pretend to tell of a task? Machines cannot send such an event, and clients are not believed: a result
    /// comes with a lease.
    pub(crate) fn is_forged(&self) -> bool {
        self.sender != Sender::System && self.is_of_task()
    }

    fn is_of_task(&self) -> bool {
        self.name.starts_with(TASK_DONE) || self.name.starts_with(TASK_ERROR)
    }

    /// The number of the task whose end it tells of.
    pub fn task(&self) -> Option<Serial> {
        if self.sender != Sender::System || !self.is_of_task() {
            return None;
        }
        let (number, _) = self.id.as_str().strip_prefix('~')?.split_once('.')?;
        number.parse().ok().map(Serial)
    }

    /// Is it an answer to an event of its receiver's? Such an event that nobody takes causes no further one and
    /// creates nobody, or two machines could write to each other for ever.
    pub(crate) fn is_answer(&self) -> bool {
        self.is_told() || self.name.starts_with(REPLY_PREFIX)
    }
}

/// What the name of the event that brings the result of a task begins with; the name of the task follows.
pub(crate) const TASK_DONE: &str = "done.task.";

/// The same of the event that tells that a task has failed for good.
pub(crate) const TASK_ERROR: &str = "error.task.";

/// What the name of a reply to a sending instance begins with; the name of the event replied to follows.
pub(crate) const REPLY_PREFIX: &str = "reply.";

/// The event by which whoever holds a session acts through it.
pub const SESSION_ACT: &str = "session.act";

/// Who sent an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sender {
    /// A client of the API.
    Client,
    /// Another machine, or the machine itself.
    Instance(Address),
    /// A timer of the machine itself.
    Timer,
    /// The kernel, telling of a failed send or the like. Such an event that nobody takes is ignored, whatever
    /// the definition says of events that nobody takes: it must not cause a further one.
    System,
}

/// What became of an event. Remembered by its id for the definition's retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A turn was made.
    Ok {
        /// Active states before the turn.
        from: Labels,
        /// Active states after it.
        to: Labels,
        /// What the machine replied.
        reply: Json,
    },
    /// The machine may not or does not take it here. Nothing changed.
    Rejected {
        /// Why.
        reason: Rejection,
        /// Active states; empty when there is no such instance.
        state: Labels,
        /// More for a person, such as what is wrong with the data; often empty.
        detail: String,
        /// Names of the events that it would take now, sorted; a final `.*` means every event with that prefix. At
        /// most [`crate::limits::ACCEPTS_MAX`].
        accepts: Vec<Arc<str>>,
    },
    /// Every attempt faulted. Nothing changed; the event is a dead letter.
    Failed {
        /// The last fault.
        fault: Fault,
        /// How many turns were tried.
        attempts: u32,
    },
}

/// Why an event was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// No active state takes it, and the definition rejects such events.
    NotAccepted,
    /// The instance has reached its final state.
    Final,
    /// There is no such instance, and its definition does not create on demand.
    UnknownAddress,
    /// No definition has the name that the address gives as its kind.
    UnknownKind,
    /// Its mailbox is full, and the sender is a machine that cannot be asked to wait.
    MailboxFull,
    /// It was for, or from, an incarnation that is no more.
    Gone,
    /// The event's data does not have the shape that the definition declares.
    BadData,
    /// The machine takes such events and said no to this one.
    Refused,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Rejection; 8] = [
        Rejection::NotAccepted,
        Rejection::Final,
        Rejection::UnknownAddress,
        Rejection::UnknownKind,
        Rejection::MailboxFull,
        Rejection::Gone,
        Rejection::BadData,
        Rejection::Refused,
    ];

    /// A stable word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Rejection::NotAccepted => "not-accepted",
            Rejection::Final => "final",
            Rejection::UnknownAddress => "unknown-address",
            Rejection::UnknownKind => "unknown-kind",
            Rejection::MailboxFull => "mailbox-full",
            Rejection::Gone => "gone",
            Rejection::BadData => "bad-data",
            Rejection::Refused => "refused",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejection::NotAccepted => "no active state takes it",
            Rejection::Final => "the instance has ended",
            Rejection::UnknownAddress => {
                "there is no such instance, and its definition creates none on demand"
            }
            Rejection::UnknownKind => "there is no definition of that kind",
            Rejection::MailboxFull => "its mailbox is full",
            Rejection::Gone => "it belongs to an incarnation that is no more",
            Rejection::BadData => "its data is not of the declared shape",
            Rejection::Refused => "the machine refused it",
        })
    }
}
