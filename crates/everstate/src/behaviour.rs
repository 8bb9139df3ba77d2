//! What a Rust type has to say to be a machine.
//!
//! It refuses to know how the type is run. Its one invariant: nothing here reads the clock or the world; what a machine
//! may know is in its [`Context`].

use crate::context::Context;
use crate::signal::Signal;
use everstate_kernel::{Create, Policy};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A Rust type as a machine. The value is the state that is kept: `handle` changes a copy of it, which takes the place
/// of the old one when the turn is committed, together with all that the [`Context`] was asked for.
///
/// A turn may be made again with the same arguments (a retry, a simulation) and must then come out the same: use the
/// time and the chance of the context, and collections with an order (`BTreeMap`, not `HashMap`).
///
/// | `handle` | the state | effects | the caller gets |
/// |---|---|---|---|
/// | `Ok(reply)` | kept | done | the reply |
/// | `Err(error)` | as before | none | the error |
/// | panics | as before | none | a fault; the event is retried by the policy, then a dead letter |
/// | overruns the deadline of a turn | as before | none | a fault likewise |
///
/// ```
/// use everstate::{Behaviour, Context};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Clone, Serialize, Deserialize)]
/// struct Counter(u64);
///
/// impl Behaviour for Counter {
///     const NAME: &str = "counters";
///     type Message = u64;
///     type Reply = u64;
///     type Error = String;
///
///     fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, String> {
///         self.0 = self.0.checked_add(more).ok_or("that is more than a counter holds")?;
///         Ok(self.0)
///     }
/// }
/// ```
pub trait Behaviour: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What its definition is called: the kind in the addresses of its instances.
    const NAME: &str;

    /// Of the state. Raise it when states that were written before cannot be read as they are, and read those in
    /// [`Behaviour::upgrade`].
    const VERSION: u32 = 1;

    /// What it takes. The variants of an enum are events of their own: `Add(3)` is the event `Add` with the data `3`, for
    /// charts, for the command line, and in the history. Anything else is the event `message`.
    type Message: Serialize + DeserializeOwned + Send + 'static;

    /// What it answers. `()` is no answer.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// What it says when it refuses a message. At most 4 KiB as JSON.
    type Error: Serialize + DeserializeOwned + Send + 'static;

    /// One message.
    fn handle(
        &mut self,
        message: Self::Message,
        context: &mut Context<'_, Self>,
    ) -> Result<Self::Reply, Self::Error>;

    /// It has begun: its value is what it was started with, or the default one when a message created it.
    fn started(&mut self, context: &mut Context<'_, Self>) {
        let _ = context;
    }

    /// It is told of its children, of whom it watches, of what happens in a space, or of what it sent. Nothing is done by
    /// default.
    fn signal(&mut self, signal: Signal, context: &mut Context<'_, Self>) {
        let _ = (signal, context);
    }

    /// It is to stop. By default it ends at once; with [`Stop::Later`] it goes on until it calls [`Context::finish`].
    fn stop(&mut self, context: &mut Context<'_, Self>) -> Stop {
        let _ = context;
        Stop::Now
    }

    /// The state from one that an earlier version wrote. States of later versions are never given to it: they are
    /// refused.
    fn upgrade(version: u32, state: serde_json::Value) -> Result<Self, String> {
        let _ = state;
        Err(format!(
            "a state of version {version} cannot be read by version {}: write Behaviour::upgrade for it",
            Self::VERSION
        ))
    }

    /// What queries and people call the state that it is in.
    fn state(&self) -> &str {
        "active"
    }

    /// How the kernel treats its instances. By default a message creates the instance that it is sent to.
    fn policy() -> Policy {
        default_policy()
    }
}

/// How machines are treated that do not say: a message creates them.
pub(crate) fn default_policy() -> Policy {
    Policy { create: Create::OnDemand, ..Policy::default() }
}

/// What a machine does when it is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It ends, after the effects of this turn.
    Now,
    /// It goes on until it calls [`Context::finish`], to stop its own children first, say.
    Later,
}
