//! Why a call or a start came to nothing.

use everstate_kernel::{DefinitionId, Refusal};
use everstate_store::StoreError;
use std::time::Duration;

/// Why a call to a node came to nothing. Nothing of it is kept, except where it says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The kernel refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much is waiting; try again after a while.
    #[error("the node has too many events waiting; send again in {} ms", .retry_after.as_millis())]
    Overloaded {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The disk is full.
    #[error("the disk is full; nothing was kept, free some space and send again")]
    Full,
    /// The node is shutting down.
    #[error("the node is shutting down; send again to the one that follows it")]
    Stopping,
    /// The store failed. Whether the event is kept is not known; send it again with the same id after a restart.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition in the store does not compile any more.
    #[error("definition {id} in the store cannot be read: {problem}; use the everstate that put it")]
    Definition {
        /// Which.
        id: DefinitionId,
        /// The first error in it.
        problem: String,
    },
    /// A definition in the store is a behaviour in Rust that this program does not have.
    #[error("{id} in the store is a behaviour in Rust, and {problem}")]
    Native {
        /// Which.
        id: DefinitionId,
        /// What this program lacks, and what to do.
        problem: String,
    },
    /// A definition that the program brings along was not taken.
    #[error("{id} cannot be put: {problem}")]
    Put {
        /// Which.
        id: DefinitionId,
        /// Why.
        problem: String,
    },
    /// No thread could be had.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}
