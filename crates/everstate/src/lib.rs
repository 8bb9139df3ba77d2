//! Durable machines as Rust types: a type says what it does with a message, and Everstate keeps every instance of it
//! alive, in this process, on a folder or in memory. The guide is `docs/guides/rust.md`; start with [`Behaviour`] and
//! [`Everstate`].
//!
//! It refuses to decide what is true (the kernel does). Its one invariant: whatever a type does, its instances are whole:
//! a turn is committed with all that it wanted, or leaves no trace.

mod adapter;
mod address;
mod behaviour;
mod context;
mod error;
mod everstate;
mod follow;
mod message;
mod random;
mod signal;
pub mod simulation;
mod sourced;
mod wait;

pub use crate::everstate::{Everstate, Setup, definition};
pub use address::Address;
pub use behaviour::{Behaviour, Stop};
pub use context::{Context, Taking};
pub use error::{CallError, LookError, OpenError};
pub use everstate_kernel::space::Place;
pub use everstate_kernel::{
    Address as AnyAddress, Create, Durability, EventId, Fault, FaultCode, Json, Outcome, Park, Policy,
    Rejection, Retry, Span, Time,
};
pub use everstate_runtime::{Handle, Options};
pub use follow::{Change, Cursor, FollowError, Following, Turn};
pub use random::Random;
pub use signal::{ChildFault, Counterpart, End, Exit, Publication, Signal, Undelivered};
pub use sourced::{EventSourced, Sourced, events_of};
pub use wait::wait;

/// The code of the guide, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/rust.md")]
struct Guide;
