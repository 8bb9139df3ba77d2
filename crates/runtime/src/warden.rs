//! The thread that watches over the shard's: it leaves it behind when a turn overruns its deadline, and starts the next.
//!
//! It refuses to know what a shard does. Its one invariant: as long as it runs, there is a thread that owns the store, or
//! nobody can.

use crate::shard::Shard;
use crate::{CallError, Crew, Ended, start_thread};
use crossbeam_channel::RecvTimeoutError;
use everstate_store::StoreError;
use std::time::Duration;

/// Looks in one deadline. So a turn is given up after its deadline and at most a quarter of it more.
const LOOKS: u32 = 4;

/// The shortest time between two looks, whatever the deadline.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// Threads that are left behind, at most. Each may keep a processor busy for ever, so a program with this many cannot
/// be helped by one more; the node stops, with a reason that names the last turn.
const LEFT_BEHIND_MAX: u32 = 16;

/// Whoever watches.
pub(crate) struct Warden {
    pub(crate) crew: Crew,
}

impl Warden {
    /// Watches until a thread of the shard ends by itself.
    pub(crate) fn guard(self, first: Ended) -> Result<(), StoreError> {
        let (mut ended, mut owner) = (first, 0);
        let (mut seen, mut looks) = (None, 0);
        loop {
            match ended.recv_timeout((self.crew.options.turn_deadline / LOOKS).max(LOOK_MIN)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    // Whatever it left of the store is not to be trusted with anything more.
                    drop(self.crew.estate.end(owner));
                    return Err(StoreError::Poisoned("the shard's thread panicked".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let busy = self.crew.watch.busy();
            looks = if busy.is_some() && busy == seen { looks + 1 } else { 0 };
            seen = busy;
            let Some(turn) = busy.filter(|_| looks >= LOOKS) else { continue };
            if let Some((next, doing)) = self.leave_behind(turn) {
                (ended, owner) = (self.relieve(next, &doing)?, next);
            }
            (seen, looks) = (None, 0);
        }
    }

    /// Takes everything from the owner, if it is still in that turn. Answers the number of the next one.
    fn leave_behind(&self, turn: u64) -> Option<(u32, String)> {
        let mut doing = None;
        let next = self.crew.estate.pass_on(|| {
            doing = self.crew.watch.give_up(turn);
            doing.is_some()
        })?;
        let doing = doing?.to_string();
        let deadline_ms = self.crew.options.turn_deadline.as_millis() as u64;
        tracing::error!(doing, deadline_ms, "a turn overran its deadline; its thread is left behind");
        Some((next, doing))
    }

    /// Starts the thread of that number, or ends the node.
    fn relieve(&self, owner: u32, doing: &str) -> Result<Ended, StoreError> {
        if owner >= LEFT_BEHIND_MAX {
            let problem = format!("{owner} turns overran their deadline, the last was {doing}");
            return Err(self.close(owner, problem));
        }
        let shard =
            Shard::take_over(owner, &self.crew).map_err(|error| self.close(owner, error.to_string()))?;
        start_thread(shard, &self.crew).map_err(|error| self.close(owner, error.to_string()))
    }

    /// Ends the node: nobody can own the store any more.
    fn close(&self, owner: u32, problem: String) -> StoreError {
        tracing::error!(problem, "nothing more is taken");
        self.crew.shared.fail(&problem);
        if let Some(mut owned) = self.crew.estate.end(owner) {
            owned.callers.refuse_all(&CallError::Failed(problem.clone()));
            if let Err(error) = owned.store.close() {
                tracing::error!(%error, "the store did not close well");
            }
        }
        StoreError::Poisoned(problem)
    }
}
