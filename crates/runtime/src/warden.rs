//! The thread that watches over the shard's: it starts it, leaves it behind when a turn overruns its deadline, and
//! starts the next one.
//!
//! It refuses to know what a shard does. Its one invariant: as long as it runs, there is a thread that owns the store or
//! the store is closed.

use crate::CallError;
use crate::estate::Estate;
use crate::watch::Watch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use everstate_store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Looks in one deadline. So a turn is given up after its deadline and at most a quarter of it more.
const LOOKS: u32 = 4;

/// Threads that are left behind, at most. Each may keep a processor busy for ever, so a program with this many cannot
/// be helped by one more; the node stops, with a reason that names the last turn.
const LEFT_BEHIND_MAX: u32 = 16;

/// What it watches over.
pub(crate) struct Warden {
    pub(crate) estate: Estate,
    pub(crate) watch: Arc<Watch>,
    pub(crate) deadline: Duration,
    pub(crate) failed: Box<dyn Fn(&str) + Send>,
}

/// How a thread of the shard says that it has ended.
pub(crate) type Ends = Sender<Result<(), StoreError>>;

impl Warden {
    /// Watches until a thread of the shard ends by itself. `start` starts the one of that number.
    pub(crate) fn guard(
        self,
        first: Receiver<Result<(), StoreError>>,
        start: impl Fn(u32) -> Result<Receiver<Result<(), StoreError>>, StoreError>,
    ) -> Result<(), StoreError> {
        let (mut ended, mut seen, mut looks) = (first, None, 0);
        loop {
            match ended.recv_timeout(self.deadline / LOOKS) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(StoreError::Poisoned("the shard's thread panicked".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let busy = self.watch.busy();
            looks = if busy.is_some() && busy == seen { looks + 1 } else { 0 };
            seen = busy;
            let Some(number) = busy.filter(|_| looks >= LOOKS) else { continue };
            if let Some(owner) = self.take_over(number)? {
                ended = match start(owner) {
                    Ok(ended) => ended,
                    Err(error) => return self.close(owner, &error.to_string()),
                };
            }
            (seen, looks) = (None, 0);
        }
    }

    /// Leaves the owner behind in that turn, if it is still in it.
    fn take_over(&self, number: u64) -> Result<Option<u32>, StoreError> {
        let mut doing = None;
        let owner = self.estate.pass_on(|| {
            doing = self.watch.give_up(number);
            doing.is_some()
        });
        let (Some(owner), Some(doing)) = (owner, doing) else { return Ok(None) };
        let deadline_ms = self.deadline.as_millis() as u64;
        tracing::error!(%doing, deadline_ms, "a turn overran its deadline; its thread is left behind");
        if owner < LEFT_BEHIND_MAX {
            return Ok(Some(owner));
        }
        let problem = format!("{LEFT_BEHIND_MAX} turns overran their deadline, the last was {doing}");
        self.close(owner, &problem).map(|()| None)
    }

    /// Ends the node: nobody can own the store any more.
    fn close(&self, owner: u32, problem: &str) -> Result<(), StoreError> {
        tracing::error!(problem, "nothing more is taken");
        (self.failed)(problem);
        if let Some(mut owned) = self.estate.end(owner) {
            owned.callers.refuse_all(&CallError::Failed(problem.to_owned()));
            owned.store.close()?;
        }
        Err(StoreError::Poisoned(problem.to_owned()))
    }
}
