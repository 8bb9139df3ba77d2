//! Where events come from: the seam that an adapter of a queue fills.
//!
//! It refuses to know what is in a body. Its one invariant: what was received and not acknowledged comes again.

use crate::trouble::Trouble;
use std::time::Duration;

/// A message as a queue gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's own id of it: the same whenever it comes again. It is the event's id when the body has none.
    pub id: String,
    /// This delivery of it: what acknowledging names.
    pub receipt: String,
    /// What it says.
    pub body: Vec<u8>,
}

/// A queue to take events from. Messages for one instance are received in the order in which they shall be applied, as
/// far as the queue has one.
pub trait Source {
    /// For how long a message is ours after it was received or kept. The driver keeps what it holds; none when nothing
    /// has to be kept.
    fn hold(&self) -> Option<Duration>;

    /// Waits for messages, for some seconds at most; at most `max`, and none when none came.
    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble>;

    /// They are done with: their events are committed, or they lie in the dead-letter queue.
    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble>;

    /// They are still worked on: they shall not come again for now.
    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble>;

    /// They will not be worked on here: they shall come again soon, in their order.
    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble>;

    /// Puts a copy into the dead-letter queue, with the reason. The message itself is acknowledged afterwards.
    async fn reject(&self, message: &Message, reason: &str) -> Result<(), Trouble>;
}
