//! Workers at the shard: what is ready is offered to them, and what was leased to nobody is given back.
//!
//! Its one invariant: within a batch a task is offered to one worker alone, since the store says that it is ready until
//! the commit.

use super::{Asked, Batch, Shard};
use crate::error::CallError;
use crate::tasks::Want;
use everstate_kernel::{Answer, Input, Record, Report, Standing, Ticket, limits};
use everstate_store::StoreError;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Who waits for the answer to what the shard does by itself.
const NOBODY: Ticket = Ticket(u64::MAX);

impl Shard {
    /// What was to be leased to nobody is ready again, and those who are woken get theirs.
    pub(super) fn take_back(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        for lease in std::mem::take(&mut self.returned) {
            let input = Input::Report { ticket: NOBODY, lease, report: Report::Return };
            let now = self.clock.now();
            self.step(now, input, batch)?;
        }
        while batch.inputs < self.options.batch_inputs_max
            && let Some(want) = self.waiters.next_woken()
        {
            self.lease(want, batch)?;
        }
        Ok(())
    }

    /// Offers a worker what the store says is ready, or lets it wait.
    pub(super) fn lease(&mut self, want: Want, batch: &mut Batch) -> Result<(), StoreError> {
        if want.reply.is_closed() {
            return Ok(());
        }
        let reader = self.store.reader();
        let max = want.max.min(limits::LEASES_MAX);
        let mut candidates = Vec::new();
        for queue in &want.queues {
            let enough = max + self.offered.len();
            let ready = reader.tasks(Some(queue), Some(Standing::Ready), None, enough)?;
            candidates.extend(ready.into_iter().filter(|key| !self.offered.contains(&key.number)).take(max));
        }
        candidates.sort_by_key(|key| (key.since, key.number));
        candidates.truncate(max);
        if candidates.is_empty() {
            self.wait_for_tasks(want);
            return Ok(());
        }
        self.offered.extend(candidates.iter().map(|key| key.number));
        let worker = want.worker.clone();
        let (ticket, now) = (self.ticket(Asked::Worker(want)), self.clock.now());
        self.step(now, Input::Lease { ticket, worker, max, candidates }, batch)
    }

    fn wait_for_tasks(&mut self, want: Want) {
        if want.waits {
            let refusal = CallError::Overloaded { retry_after: crate::handle::RETRY_AFTER };
            return self.waiters.wait(want, &refusal);
        }
        let _ = want.reply.send(Ok(Vec::new()));
    }

    /// A worker gets its tasks, unless it has gone meanwhile: then they are given back.
    pub(super) fn give(&mut self, want: Want, answer: Answer) {
        let sent = match answer {
            // What it was offered is gone by now. Others may have become ready in the same commit, before it waits.
            Answer::Leased(leased) if leased.is_empty() => return self.waiters.look_again(want),
            Answer::Leased(leased) => want.reply.send(Ok(leased)),
            Answer::Refused(refusal) => want.reply.send(Err(CallError::Refused(refusal))),
            other => unreachable!("a worker was answered with {other:?}"),
        };
        if let Err(Ok(leased)) = sent {
            self.returned.extend(leased.into_iter().map(|leased| leased.lease));
        }
    }

    /// Counts where tasks stand now, and wakes the workers that wait for those that are ready.
    pub(super) fn count_tasks(&mut self, records: &[Record]) {
        let mut ready = BTreeMap::new();
        let mut depths = self.shared.depths.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|record| depths.apply(record, &mut ready));
        drop(depths);
        self.waiters.wake(&ready);
    }
}
