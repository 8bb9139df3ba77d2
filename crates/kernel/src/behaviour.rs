//! The seam between the kernel and machines: a behaviour is a pure function from (state, event) to (state,
//! effects). Charts, Rust types and built-in machines stand behind it alike; the kernel knows none of them.

use crate::address::Address;
use crate::event::Event;
use crate::json::Json;
use crate::limits::TEXT_BYTES_MAX;
use crate::link::{Child, Orphan, RestartFrom};
use crate::record::Labels;
use crate::space::{Act, Place};
use crate::task::TaskPolicy;
use crate::time::{Span, Time};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A machine's state in memory, as its behaviour likes it. Never changed in place: a turn makes a new one.
pub type State = Arc<dyn Any + Send + Sync>;

/// What a machine does. Every method is a pure function of its arguments: no clock, randomness or I/O.
///
/// `handle` is called once per attempt at an event and may be called again with the same arguments (a retry, a
/// replay, an exploration); it must then give the same answer, byte for byte.
pub trait Behaviour: Send + Sync + fmt::Debug {
    /// The state of a new instance, from the data that it is started with.
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault>;

    /// One event. A fault or a rejection leaves no trace of what the turn has asked for until then.
    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault>;

    /// It is to stop. `None` ends it at once, after the effects of this turn; a state lets it go on until it is final,
    /// to stop its own children first, say. A fault ends it at once and without effects.
    fn stop(&self, _state: &State, _turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        Ok(None)
    }

    /// Are its instances spaces? Only the built-in one says so.
    fn is_space(&self) -> bool {
        false
    }

    /// The state as bytes, to be kept. Equal states give equal bytes.
    fn encode(&self, state: &State) -> Vec<u8>;

    /// The state from bytes that `encode` of this definition wrote.
    fn decode(&self, bytes: &[u8]) -> Result<State, Fault>;

    /// What a person or a query wants to know of a state.
    fn describe(&self, state: &State) -> Description;

    /// The part of a state at a path such as `customer.id`, for an index; none when there is none.
    fn field(&self, state: &State, path: &str) -> Option<Json> {
        crate::retention::field_of(&self.describe(state).data, path)
    }

    /// The same state with other names in it: each text that is one which `rename` knows, keys of maps included, is what
    /// it says. None when there are no names in it, as far as the behaviour can tell. For explorations, which try
    /// whether instances differ in anything but their names.
    fn renamed(&self, _state: &State, _rename: Rename<'_>) -> Option<State> {
        None
    }

    /// What an instance in this state waits for. `instance` and `now` are for guards that ask.
    fn waiting(&self, state: &State, instance: &Address, now: Time) -> Waiting;
}

/// What a text becomes, if it becomes another.
pub type Rename<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// What a turn knows, and where it says what it wants.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time of the turn.
    pub now: Time,
    /// The only source of chance: equal seeds give equal turns.
    pub seed: u64,
    /// Whose turn it is.
    pub instance: &'a Address,
    /// The version of its definition.
    pub version: &'a str,
    /// How many times the instance was restarted.
    pub incarnation: u32,
    /// Who has spawned it and is told of it.
    pub parent: Option<&'a Address>,
    /// Its children before the turn: those on their way and those that are stopping, too.
    pub children: &'a [Child],
    /// What it wants, in order. At most [`crate::limits::EFFECTS_MAX`].
    pub effects: Vec<Effect>,
}

/// What a turn wants from the world, as data. Nothing of it happens before the turn is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send an event to an instance, which may be the sender itself. Arrives once, in order for each receiver.
    /// When nobody takes it, the sender is told by an event named `error.communication`.
    Send {
        /// Who shall get it.
        to: Address,
        /// The event's name.
        event: Arc<str>,
        /// Its data.
        data: Json,
    },
    /// The answer to whoever sent the event of this turn. The last one counts. A sending instance gets it as an
    /// event named `reply.` and the name of the event replied to.
    Reply(Json),
    /// Set a timer, in place of one with the same name: after `delay` the event is sent.
    SetTimer {
        /// Its name among the timers of this instance.
        name: Arc<str>,
        /// How long from now.
        delay: Span,
        /// Who shall get the event; none for the instance itself.
        to: Option<Address>,
        /// The event's name.
        event: Arc<str>,
        /// Its data.
        data: Json,
    },
    /// Cancel the timer of that name, if it is set.
    CancelTimer(Arc<str>),
    /// Ask for work in the outside world, in place of a task with the same name, which is cancelled. A worker takes it
    /// from the queue; its result arrives as `done.task.NAME`, and when it fails for good, `error.task.NAME`.
    Task {
        /// Its name among the tasks of this instance. At most [`crate::limits::TASK_NAME_BYTES_MAX`].
        name: Arc<str>,
        /// Which workers shall do it, such as `charge-card`.
        queue: Arc<str>,
        /// What they get. At most [`crate::limits::TASK_INPUT_BYTES_MAX`].
        input: Json,
        /// How often and how long.
        policy: TaskPolicy,
    },
    /// Cancel the task of that name, if there is one. Nothing more is heard of it; its worker learns at its next word.
    CancelTask(Arc<str>),
    /// A line for the history of the instance.
    Log(String),
    /// Make a child. It is told by events from the child's address: `child.started.NAME`, or `child.faulted.NAME` when
    /// there will be none (the address is in use, no such definition, its start faulted). An ended child of the same
    /// parent at the address begins anew.
    Spawn {
        /// Its name among the children, free or that of one that is stopping: otherwise the turn faults. At most
        /// [`crate::limits::CHILD_NAME_BYTES_MAX`].
        name: Arc<str>,
        /// The name of its definition.
        kind: Arc<str>,
        /// Of which version; none for the greatest.
        version: Option<Arc<str>>,
        /// Its id in the space of the parent; none for one derived from the parent's address and the turn.
        id: Option<Arc<str>>,
        /// What it is started with.
        data: Json,
        /// What becomes of it when the parent ends.
        orphan: Orphan,
    },
    /// Stop the child of that name, if there is one. `child.exited.NAME` tells when it has.
    Stop {
        /// Its name.
        child: Arc<str>,
        /// At once, without asking its behaviour?
        kill: bool,
    },
    /// Restart the child of that name, if there is one, as its next incarnation. `child.started.NAME` tells when it is.
    Restart {
        /// Its name.
        child: Arc<str>,
        /// Where it begins.
        from: RestartFrom,
    },
    /// Be told once, by `monitor.exited`, when the instance at the address ends, or now if nobody is there. A second one
    /// for the same address changes nothing.
    Monitor(Address),
    /// Not be told of that address any more.
    Demonitor(Address),
    /// Act in a space. All that one turn changes in a space is seen together, before the messages of that turn where it
    /// comes and after them where it goes. A space that does not exist is created when somebody joins; when it refuses,
    /// the sender is told by `error.communication`, and nothing of what the turn wanted in that space is done.
    Act(Place, Act),
    /// End here: the instance has failed at its task. Whoever started it decides what now.
    GiveUp(Fault),
}

/// What `handle` did with an event.
#[derive(Debug)]
pub enum Handled {
    /// Took it: the instance goes on from this state.
    Took(Next),
    /// Nobody takes it here and the definition rejects such events.
    Rejected,
    /// The event's data is not of the declared shape; the text says what is wrong and where.
    BadData(String),
    /// The machine takes such events and says no to this one; the text is its answer.
    Refused(String),
    /// Nobody takes it here and the definition ignores such events: a turn that changes nothing.
    Ignored,
    /// Nobody takes it here and the definition keeps such events until the active states change.
    Deferred,
}

/// The state after a turn.
#[derive(Debug)]
pub struct Next {
    /// The new state.
    pub state: State,
    /// Its active states.
    pub labels: Labels,
    /// The output, when this is the end of the machine.
    pub done: Option<Json>,
}

/// A machine broke its promise: its action failed, its guard did not evaluate, its handler panicked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What sort of promise.
    pub code: FaultCode,
    /// What went wrong, for a person.
    pub message: String,
    /// Where in the definition: a path such as `states.open.on.pay.guard`, or empty.
    pub place: String,
}

impl Fault {
    /// The same with texts that may be kept.
    pub(crate) fn shortened(self) -> Fault {
        Fault { message: shortened(self.message), place: shortened(self.place), ..self }
    }
}

/// A text for a person, cut off where it grows too long to be kept.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Sorts of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultCode {
    /// An expression did not evaluate: a missing field, a wrong type, a division by zero.
    Expression,
    /// An action could not be done, such as a send to a text that is no address.
    Action,
    /// Nobody takes the event and the definition says that this is a fault.
    Unhandled,
    /// A limit of turns was reached: microsteps, expression cost, effects, size of state.
    Limit,
    /// The handler panicked.
    Panic,
    /// Stored state does not fit the definition.
    State,
}

/// A state for people and queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Active atomic states as paths, in document order.
    pub labels: Labels,
    /// The machine's data (a chart's context).
    pub data: Json,
}

/// What an instance can still do by itself or be made to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Events it would take now, sorted, without repeats. `*` stands for any event.
    pub accepts: Vec<Arc<str>>,
    /// Events that a state names but whose guards say no at present, with the guard's text.
    pub guarded: Vec<(Arc<str>, String)>,
}
