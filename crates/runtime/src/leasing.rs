//! The shard's part in tasks: it offers workers what is ready, lets those wait for whom there is nothing, and takes back
//! what was leased to somebody who has gone.
//!
//! It refuses to know what a task is. Its one invariant: a lease that nobody got is given back.

use crate::error::CallError;
use crate::estate::Ended;
use crate::handle::{Call, RETRY_AFTER};
use crate::shard::{Batch, Shard};
use crate::tasks::{Waiters, Want};
use everstate_kernel::{Answer, Input, Lease, Record, Report, TaskStanding, Ticket, limits};
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Who waits for the answer to what the shard does by itself.
const NOBODY: Ticket = Ticket(u64::MAX);

/// What outlives a thread of the shard.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    /// Workers that wait for tasks.
    waiters: Waiters,
    /// Leases whose worker was gone when it was to get them.
    returned: Vec<Lease>,
}

impl Leasing {
    /// Is there something to do, though nothing arrives?
    pub(crate) fn is_due(&self) -> bool {
        self.waiters.has_woken() || !self.returned.is_empty()
    }

    /// A worker gets its tasks, unless it has gone meanwhile: then they are given back.
    pub(crate) fn give(&mut self, want: Want, answer: Answer) {
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

    fn wait(&mut self, want: Want) {
        if want.waits {
            return self.waiters.wait(want, &CallError::Overloaded { retry_after: RETRY_AFTER });
        }
        // Nobody may wait any more; then nobody misses it.
        let _ = want.reply.send(Ok(Vec::new()));
    }
}

impl Shard {
    /// What was to be leased to nobody is ready again, and those who are woken get theirs.
    pub(crate) fn lease_again(&mut self, batch: &mut Batch) -> Result<(), Ended> {
        let returned = self.owned(|owned| std::mem::take(&mut owned.leasing.returned))?;
        for lease in returned {
            let now = self.now()?;
            self.step(now, Input::Report { ticket: NOBODY, lease, report: Report::Return }, batch)?;
        }
        while batch.inputs < self.options.batch_inputs_max
            && let Some(want) = self.owned(|owned| owned.leasing.waiters.next_woken())?
        {
            self.lease(want, batch)?;
        }
        Ok(())
    }

    /// Offers a worker what the store says is ready, or lets it wait.
    pub(crate) fn lease(&mut self, want: Want, batch: &mut Batch) -> Result<(), Ended> {
        if want.reply.is_closed() {
            return Ok(());
        }
        let max = want.max.min(limits::LEASES_MAX);
        let mut candidates = Vec::new();
        for queue in &want.queues {
            let enough = max + self.offered.len();
            let ready = self.reader.tasks(Some(queue), Some(TaskStanding::Ready), None, enough)?;
            candidates.extend(ready.into_iter().filter(|key| !self.offered.contains(&key.number)).take(max));
        }
        candidates.sort_by_key(|key| (key.since, key.number));
        candidates.truncate(max);
        if candidates.is_empty() {
            return self.owned(|owned| owned.leasing.wait(want));
        }
        self.offered.extend(candidates.iter().map(|key| key.number));
        let worker = want.worker.clone();
        let ticket = self.owned(|owned| {
            let ticket = owned.callers.ticket();
            owned.callers.take(Call::Lease(want));
            ticket
        })?;
        let now = self.now()?;
        self.step(now, Input::Lease { ticket, worker, max, candidates }, batch)
    }

    /// Counts where tasks stand now, and wakes the workers that wait for those that are ready.
    pub(crate) fn count_tasks(&mut self, records: &[Record]) -> Result<(), Ended> {
        let mut ready = BTreeMap::new();
        let mut depths = self.shared.depths.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|record| depths.apply(record, &mut ready));
        drop(depths);
        self.owned(|owned| owned.leasing.waiters.wake(&ready))
    }
}
