//! What is true? The kernel is one deterministic state machine over all instances of a node: it takes
//! inputs, runs turns, and answers with records to commit and releases to let out after the commit.
//!
//! It refuses to know what time it is, where bytes lie, who is listening, and that charts exist: no clock,
//! thread, async, randomness, environment, I/O, global, or iteration over a hash map.
//!
//! Its one invariant: the same inputs in the same order give the same records, byte for byte.
#![no_std]

extern crate alloc;

mod address;
mod behaviour;
mod definition;
mod event;
mod input;
mod json;
pub mod limits;
mod link;
mod node;
mod record;
mod rehearsal;
mod repair;
mod retention;
mod session;
pub mod space;
mod supervisor;
mod task;
mod time;

pub use address::{Address, AddressError, SESSION_KIND};
pub use behaviour::{
    Behaviour, Description, Effect, Fault, FaultCode, Handled, Next, Rename, State, Turn, Waiting,
};
pub use definition::{Create, Definition, DefinitionId, Durability, Policy, Retry, version_order};
pub use event::{Event, EventId, Outcome, Rejection, SESSION_ACT, Sender};
pub use input::{
    Answer, Deadline, DeadlineReason, Input, Loaded, Out, Refusal, Release, Stored, Ticket, Touches,
};
pub use json::{Json, JsonError};
pub use link::{
    Acting, Child, Errand, Exit, Held, Hold, Links, News, Orphan, Parent, Park, Parked, RestartFrom,
    Restarting, Spawning, Watch,
};
pub use node::{Node, Violation};
pub use record::{
    Cause, DeadLetter, DefinitionRecord, DeletedRecord, Fields, HistoryEntry, IndexKeys, Instance, Kept,
    Labels, OutcomeRecord, Pending, Queued, Record, RowRecord, Seat, SeatRecord, Sent, Serial, Source,
    Status, Timer, TimerKey, Trimmed, TrimmedRecord, TurnRecord,
};
pub use rehearsal::{Played, Rehearsal, agrees};
pub use repair::{Becoming, Remedy, Repair, Repaired, Standing};
pub use retention::{Aged, Retain, index_text, indexed_text};
pub use supervisor::{Backoff, ChildPlan, Plan, PlanError, Restart, Strategy, Supervisor};
pub use task::{
    Failure, FailureReason, Lease, Leased, Report, Stage, Task, TaskKey, TaskPolicy, TaskStanding,
    check_code, check_queue, check_worker,
};
pub use time::{Span, Time};
