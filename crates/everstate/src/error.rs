//! Why something came to nothing. It refuses to hide: whatever the node said is in here.

use everstate_kernel::{Fault, Rejection};
use everstate_runtime::StartError;
use everstate_store::StoreError;

/// Why there is no reply. `E` is what the machine says when it refuses.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError<E> {
    /// The machine refused; nothing of it has changed.
    #[error("the machine refused")]
    Refused(E),
    /// The machine did not get to see it, or could not read it.
    #[error("the event was rejected: {reason}{}{detail}", if .detail.is_empty() { "" } else { ": " })]
    Rejected {
        /// Why.
        reason: Rejection,
        /// More for a person.
        detail: String,
    },
    /// The machine broke its promise in every attempt; the event is a dead letter.
    #[error("the machine faulted {attempts} times: {}", .fault.message)]
    Failed {
        /// The last fault.
        fault: Fault,
        /// How often it was tried.
        attempts: u32,
    },
    /// The node did not take it. Nothing is kept, except where it says otherwise.
    #[error(transparent)]
    Node(#[from] everstate_runtime::CallError),
    /// The message is not JSON, or the reply not of its type.
    #[error("{0}")]
    Unreadable(String),
}

/// Why a machine's state could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds is not a state of this type.
    #[error("{}", .0.message)]
    State(Fault),
}

/// Why machines could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A behaviour's name, or a second one of the same name.
    #[error("behaviour {name:?}: {problem}")]
    Behaviour {
        /// Its name.
        name: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A chart has errors.
    #[error("chart {file}: {problem}")]
    Chart {
        /// The file.
        file: String,
        /// The errors with their places.
        problem: String,
    },
    /// The folder cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in it cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A chart was not taken.
    #[error(transparent)]
    Put(#[from] everstate_runtime::CallError),
}
