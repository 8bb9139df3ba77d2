//! Where notifications go: the seam that an adapter of a queue or a webhook fills.
//!
//! It refuses to know which turns are told. Its one invariant: `Ok` for a notification means that the other side has it
//! for good.

use crate::trouble::Trouble;
use std::rc::Rc;

/// News of one turn, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The same whenever it is sent again: the sink's name and the turn's position.
    pub id: String,
    /// Whose turn it was.
    pub address: Rc<str>,
    /// The turn's position in the node's history.
    pub cursor: u64,
    /// When the turn was made, in seconds since 1970.
    pub seconds: i64,
    /// What it says.
    pub body: String,
}

/// A destination of notifications.
pub trait Sink {
    /// Notifications in one delivery.
    fn batch_max(&self) -> usize;

    /// Deliveries at a time.
    fn parallel(&self) -> usize;

    /// Hands them over, and says of each whether it was taken. No two of them are of one instance, and what was not
    /// taken is sent again before anything later of that instance.
    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>>;
}
