//! What must be remembered, as data. A commit is a list of records; whoever keeps them derives every table and
//! index from the records alone, so each one carries what it needs, the keys it replaces included.

use crate::address::Address;
use crate::behaviour::Fault;
use crate::definition::DefinitionId;
use crate::event::{Event, EventId, Outcome};
use crate::json::Json;
use crate::link::{Errand, Exit, Links, Parked, RestartFrom};
use crate::node::LETTER_INDEX;
use crate::repair::Repaired;
use crate::space::{Endpoint, Publication};
use crate::task::{Task, TaskKey};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Active atomic states as dotted paths (`accepted.wait.user`), in document order. An ancestor is active too;
/// its path is a prefix and is not listed.
pub type Labels = Arc<[Arc<str>]>;

/// A number that is unique in a node for ever: the position of a turn times [`Serial::PER_TURN`], and the number
/// of a thing within that turn. So nothing but positions has to be counted durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Serial(pub u64);

impl Serial {
    /// Things that one turn can number: a power of two; effects and what becomes of them take the lowest, what the
    /// kernel adds to a turn itself the rest.
    pub const PER_TURN: u64 = 8192;

    /// The position of the turn that it was given in.
    pub(crate) fn position(self) -> u64 {
        self.0 / Serial::PER_TURN
    }

    /// The number of a thing within the turn at `position`.
    pub(crate) fn of(position: u64, index: u64) -> Serial {
        debug_assert!(index < Serial::PER_TURN);
        Serial(position * Serial::PER_TURN + index)
    }
}

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A definition was put.
    Definition(DefinitionRecord),
    /// An instance made a turn: it was started, or an event reached its outcome.
    /// Boxed, since it is by far the largest and a batch of thousands is moved about while it grows.
    Turn(Box<TurnRecord>),
    /// An event waits in the mailbox of an instance. Its outcome is pending.
    Queued(Queued),
    /// An instance or timer sent an event that is not delivered yet.
    Sent(Sent),
    /// The row of an instance changed without a turn: a retry was scheduled, a timer fired.
    Row(Box<RowRecord>),
    /// An event that nobody could take.
    DeadLetter(DeadLetter),
    /// The dead letter of that number was retried or discarded.
    DeadLetterGone(Serial),
    /// What is remembered of an event's id, apart from a turn.
    Outcome(EventId, OutcomeRecord),
    /// An outbox entry was taken out and led to no turn of its receiver.
    SentGone(Serial),
    /// A space holds something more or less than before.
    Seat(SeatRecord),
    /// The instance was deleted with all that belonged to it. Outcomes of its events stay for their retention.
    Deleted(DeletedRecord),
    /// The oldest part of the history of an instance is kept no longer.
    Trimmed(Box<TrimmedRecord>),
}

/// A definition as it was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionRecord {
    /// Name and version.
    pub id: DefinitionId,
    /// The text as it was put.
    pub source: Arc<str>,
    /// When.
    pub put_at: Time,
}

/// A turn, and everything it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// What the history keeps of it.
    pub entry: HistoryEntry,
    /// The instance after the turn.
    pub instance: Instance,
    /// What the indexes hold of the instance before the turn; none when it was created by this one.
    pub before: Option<IndexKeys>,
    /// Where the event was taken from.
    pub source: Source,
    /// Until when the outcome is remembered by the event's id: the definition's retention after the turn. None for
    /// events between machines, which the outbox delivers once without it.
    pub outcome_until: Option<Time>,
    /// A fingerprint of receiver, name and data, to tell a repeated event from another with the same id.
    pub fingerprint: u64,
    /// Timers that are no longer set. They go before the new ones come: a retry may be due when the last one was.
    pub timers_cleared: Vec<TimerKey>,
    /// Timers that are set now and were not before.
    pub timers_set: Vec<TimerKey>,
    /// Tasks that do not stand there any more. They go before the others come.
    pub tasks_cleared: Vec<TaskKey>,
    /// Where tasks stand now and did not before.
    pub tasks_set: Vec<TaskKey>,
}

/// A change of a row without a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRecord {
    /// The instance after the change.
    pub instance: Instance,
    /// Timers that are no longer set.
    pub timers_cleared: Vec<TimerKey>,
    /// Timers that are set now and were not before.
    pub timers_set: Vec<TimerKey>,
    /// Tasks that do not stand there any more. They go before the others come.
    pub tasks_cleared: Vec<TaskKey>,
    /// Where tasks stand now and did not before.
    pub tasks_set: Vec<TaskKey>,
}

/// An instance was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRecord {
    /// Which.
    pub address: Address,
    /// Its incarnation.
    pub incarnation: u32,
    /// How long its history was.
    pub turns: u64,
    /// What the indexes hold of it.
    pub before: IndexKeys,
    /// Its timers.
    pub timers_cleared: Vec<TimerKey>,
    /// Its tasks.
    pub tasks_cleared: Vec<TaskKey>,
    /// Numbers of the events in its mailbox.
    pub mailbox: Vec<u64>,
    /// The position of its last turn when its time was over; 0 when an operator has deleted it.
    pub expired_to: u64,
}

/// A part of a history is kept no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimmedRecord {
    /// The instance after that: its row says from where its history is kept.
    pub instance: Instance,
    /// What the indexes held of it.
    pub before: IndexKeys,
    /// The positions of the turns that go.
    pub positions: Vec<u64>,
}

/// What a space holds besides its row, one by one: a turn writes what it changes, however many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatRecord {
    /// Which space.
    pub space: Address,
    /// Its number in the space.
    pub number: Serial,
    /// What it is now; none when it is gone.
    pub seat: Option<Seat>,
}

/// One thing that a space holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seat {
    /// An endpoint.
    Endpoint(Endpoint),
    /// An instance that lives there.
    Inhabitant(Address),
    /// A publication that waits for credit.
    Publication(Publication),
}

/// Where the event of a turn was until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// It had just arrived, or there was none (a start).
    Direct,
    /// In the instance's mailbox under this number.
    Mailbox(u64),
    /// In the node's outbox under this number.
    Outbox(Serial),
}

/// One line of an instance's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Number of the turn in the whole node, ascending by 1 from 1: the cursor of followers.
    pub position: u64,
    /// Number of the turn in the instance, ascending by 1 from 1.
    pub sequence: u64,
    /// When the turn was made.
    pub at: Time,
    /// What caused it.
    pub cause: Cause,
    /// What became of it.
    pub outcome: Outcome,
    /// What its `log` actions said.
    pub log: Vec<String>,
}

/// What caused a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The instance was started with this data. The id is that of the request, or one of the kernel's own when an
    /// event created it on demand.
    Start {
        /// The idempotency key of the start.
        id: EventId,
        /// What it was started with.
        data: Json,
    },
    /// An event.
    Event(Event),
    /// It was restarted, and is another incarnation from here on.
    Restart {
        /// The kernel's own id.
        id: EventId,
        /// Where it began.
        from: RestartFrom,
        /// Its parent; none for an operator.
        by: Option<Address>,
    },
    /// It was stopped.
    Stop {
        /// The kernel's own id.
        id: EventId,
        /// Its parent; none for an operator.
        by: Option<Address>,
        /// Why, for a person.
        reason: String,
    },
    /// An operator has repaired it.
    Repair {
        /// The kernel's own id.
        id: EventId,
        /// Who, as they call themselves.
        by: Arc<str>,
        /// Why.
        reason: String,
        /// What was done.
        done: Repaired,
    },
}

impl HistoryEntry {
    /// The number of the dead letter that its event has become, if it failed for good.
    pub fn letter(&self) -> Option<Serial> {
        let failed = matches!(self.outcome, Outcome::Failed { .. });
        failed.then(|| Serial::of(self.position, LETTER_INDEX))
    }
}

impl Cause {
    /// The idempotency key.
    pub fn id(&self) -> &EventId {
        match self {
            Cause::Start { id, .. }
            | Cause::Restart { id, .. }
            | Cause::Stop { id, .. }
            | Cause::Repair { id, .. } => id,
            Cause::Event(event) => &event.id,
        }
    }
}

/// The stored row of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name; the kind in it is the name of its definition.
    pub address: Address,
    /// The version of its definition.
    pub version: Arc<str>,
    /// How many times it was restarted, from 1. An address used again after a deletion begins at 1 again: nothing is
    /// kept of the deleted instance.
    pub incarnation: u32,
    /// The position of the turn that began what is here now: its start, or the last restart from the beginning.
    pub born: u64,
    /// Alive, or at its end.
    pub status: Status,
    /// The state as its behaviour encodes it.
    pub state: Kept,
    /// Its active states.
    pub labels: Labels,
    /// When it was started.
    pub created_at: Time,
    /// When it last made a turn.
    pub last_event_at: Time,
    /// Turns made: the sequence of the last history entry.
    pub turns: u64,
    /// Events in its mailbox; 0 saves whoever brings it in the look.
    pub mailbox_len: u32,
    /// Its timers, in the order in which they were set.
    pub timers: Vec<Timer>,
    /// Its tasks, in the order in which they were asked for.
    pub tasks: Vec<Task>,
    /// The event at the head of the mailbox that faulted and is to be tried again.
    pub retry: Option<Pending>,
    /// What it is tied to.
    pub links: Option<Box<Links>>,
    /// What of its state is indexed.
    pub fields: Fields,
    /// How much of its history is gone.
    pub trimmed: Trimmed,
    /// When a part of its history, or all of it, is not kept any longer.
    pub expires: Option<Time>,
}

/// Indexed parts of a state: each path that has a value, and the value as text.
pub type Fields = Option<Arc<[(Arc<str>, Arc<str>)]>>;

/// How much of a history is gone: its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trimmed {
    /// The sequence of the last entry that is gone; 0 when all are there.
    pub sequence: u64,
    /// Its position.
    pub position: u64,
    /// When the oldest entry that is kept was made.
    pub since: Time,
}

/// Is an instance alive?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It takes events.
    Active,
    /// It has reached its end, with this output.
    Final(Json),
    /// It takes no events until it is restarted.
    Parked(Box<Parked>),
    /// It was stopped, for this reason.
    Stopped(String),
    /// It gave up.
    GaveUp(Fault),
    /// It takes no events until an operator resumes it, for this reason.
    Paused(String),
}

impl Status {
    /// Has it ended? Then it takes no events any more, unless it is restarted.
    pub fn is_ended(&self) -> bool {
        match self {
            Status::Active | Status::Parked(_) | Status::Paused(_) => false,
            Status::Final(_) | Status::Stopped(_) | Status::GaveUp(_) => true,
        }
    }

    /// How one that has ended did.
    pub fn exit(&self) -> Exit {
        match self {
            Status::Final(_) => Exit::Final,
            Status::GaveUp(_) => Exit::GaveUp,
            Status::Stopped(_) | Status::Active | Status::Parked(_) | Status::Paused(_) => Exit::Stopped,
        }
    }
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Its name among the timers of the instance.
    pub name: Arc<str>,
    /// When it is due.
    pub due: Time,
    /// The [`Serial`] of the effect that set it; tells a replaced timer from its successor.
    pub generation: Serial,
    /// Who gets the event; none for the instance itself.
    pub to: Option<Address>,
    /// The event's name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Json,
}

/// A fault that is being retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The event's number in the mailbox.
    pub number: u64,
    /// Turns that faulted so far.
    pub attempts: u32,
    /// When the next one is due.
    pub due: Time,
    /// The last fault.
    pub fault: Fault,
}

/// What wakes an instance, ordered by when. The store keeps these sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerKey {
    /// When.
    pub due: Time,
    /// Whom.
    pub address: Address,
    /// The generation of the timer, or the number of the task; none for the retry of a faulted event.
    pub generation: Option<Serial>,
}

/// An event in the mailbox of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Whose mailbox.
    pub address: Address,
    /// Its number there; events are taken in the order of their numbers.
    pub number: u64,
    /// The event.
    pub event: Event,
    /// Deferred by a state (until the active states change), or waiting behind an earlier event.
    pub deferred: bool,
    /// See [`TurnRecord::fingerprint`].
    pub fingerprint: u64,
    /// [`Time::END`] when its id is remembered: as long as it waits, it is pending. None as in
    /// [`TurnRecord::outcome_until`].
    pub outcome_until: Option<Time>,
    /// Where it came from. A record for a number that is in the mailbox already only changes `deferred`; its source
    /// is the same as before, and empty by now.
    pub source: Source,
}

/// An event on its way from one instance to another. Events leave the outbox in the order of their numbers, which is
/// the order in which they were asked for; a delayed one keeps the number that it got when its timer was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its number in the node's outbox, ascending.
    pub number: Serial,
    /// Who shall get it.
    pub to: Address,
    /// The event. An errand that is no event has one too: its data and its sender count, its name is for people.
    pub event: Event,
    /// What it is carried for.
    pub errand: Errand,
}

/// An event that nobody could take, kept until someone retries or discards it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number in the node.
    pub number: Serial,
    /// For whom it was.
    pub to: Address,
    /// The event.
    pub event: Event,
    /// Why nobody could take it.
    pub outcome: Outcome,
    /// When it was given up.
    pub at: Time,
}

/// What is remembered of an event's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// Who got it.
    pub address: Address,
    /// See [`TurnRecord::fingerprint`].
    pub fingerprint: u64,
    /// What became of it; none while it waits in a mailbox.
    pub outcome: Option<Outcome>,
    /// When it was decided, or queued.
    pub at: Time,
    /// Until when this is remembered.
    pub until: Time,
}

/// What the indexes hold of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKeys {
    /// The version of its definition.
    pub version: Arc<str>,
    /// Its active states.
    pub labels: Labels,
    /// When it last made a turn.
    pub last_event_at: Time,
    /// Has it ended?
    pub done: bool,
    /// See [`Instance::fields`].
    pub fields: Fields,
    /// See [`Instance::expires`].
    pub expires: Option<Time>,
    /// Up to which position its history is gone.
    pub trimmed: u64,
}

impl Instance {
    /// What the store keeps of its tasks beside the row.
    pub fn task_keys(&self) -> impl Iterator<Item = TaskKey> + '_ {
        self.tasks.iter().filter_map(|task| task.key(&self.address))
    }

    /// What the indexes hold of it.
    pub fn index_keys(&self) -> IndexKeys {
        IndexKeys {
            version: self.version.clone(),
            labels: self.labels.clone(),
            last_event_at: self.last_event_at,
            done: self.status.is_ended(),
            fields: self.fields.clone(),
            expires: self.expires,
            trimmed: self.trimmed.position,
        }
    }
}

/// Bytes that are kept as they are. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kept(Arc<[u8]>);

impl Kept {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Kept {
        Kept(Arc::from(bytes))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}
impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kept, D::Error> {
        struct Bytes;
        impl<'de> serde::de::Visitor<'de> for Bytes {
            type Value = Kept;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Kept, E> {
                Ok(Kept(Arc::from(bytes)))
            }
            // Formats without bytes, such as JSON, have numbers.
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Kept, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Kept::new(bytes))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
