//! What an operator may do to an instance besides sending it events: let it stand elsewhere, hold it, let it go on. As
//! data; the node carries it out.
//!
//! It refuses to know what a state means and who may ask. Its one invariant: what was done stands in the history with
//! all that is needed to do it again, or to take it back.

use crate::address::Address;
use crate::behaviour::Effect;
use crate::record::{DeadLetter, Kept, Timer};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What an operator wants done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Who wants it, as they call themselves. Cut off at [`crate::limits::TEXT_BYTES_MAX`], as is the reason.
    pub by: Arc<str>,
    /// Why, for whoever reads the history.
    pub reason: Arc<str>,
    /// What.
    pub remedy: Remedy,
}

/// What can be done to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It stands elsewhere from now on, perhaps in another version of its definition.
    Become(Box<Becoming>),
    /// It begins at a point of another instance's history. Nobody may be at the address.
    Begin {
        /// Whose history.
        origin: Address,
        /// After which turn.
        sequence: u64,
        /// Where it stood then. All its timers are set anew.
        standing: Box<Standing>,
    },
    /// It takes no events until it is resumed.
    Pause,
    /// It takes events again, those that have waited first. One that is parked goes on without the event that parked it.
    Resume,
    /// The event that faulted is tried now: the one that waits to be tried again, or, of an instance that is parked, its
    /// dead letter, before everything that has waited since. The letter is read as for [`crate::Input::RetryDeadLetter`].
    Retry(Option<Box<DeadLetter>>),
}

/// Where an instance shall stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Becoming {
    /// The turns that it had made when this was worked out. If it has made another since, nothing is done.
    pub expected: u64,
    /// Where it shall stand. A timer of a generation that the instance has at present, and of the same due, goes on under
    /// whatever name it has here; every other one is set anew.
    pub standing: Standing,
    /// What is wanted besides: timers counted from now, children to start and to stop, tasks to ask for and to cancel.
    pub effects: Vec<Effect>,
}

/// Where an instance stands: all of it that its definition gives a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The version of its definition.
    pub version: Arc<str>,
    /// Its state, as the behaviour of that version encodes it.
    pub state: Kept,
    /// Its timers.
    pub timers: Vec<Timer>,
}

/// What an operator has done, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repaired {
    /// It stands elsewhere.
    Became {
        /// Where it stood.
        before: Box<Standing>,
        /// Where it stands.
        after: Box<Standing>,
        /// Were children started or stopped for it, or tasks asked for or cancelled? That cannot be taken back.
        children: bool,
    },
    /// It began at a point of another instance's history.
    Began {
        /// Whose.
        origin: Address,
        /// After which turn.
        sequence: u64,
        /// Where it stands.
        after: Box<Standing>,
    },
    /// It takes no events.
    Paused,
    /// It takes events again.
    Resumed,
}
