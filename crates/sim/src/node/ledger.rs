//! What was seen from outside of the node: what it committed, and what clients were told.
//!
//! It refuses to look into the node. Its one invariant: what stands in it is what must be found after any crash that the
//! durability of it survives.

use super::whole::Whole;
use everstate_kernel::{Answer, Durability, EventId, Input, Outcome, Record, Time};
use everstate_store::Crash;
use std::collections::BTreeSet;

/// A batch that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// What it holds.
    pub records: Vec<Record>,
    /// What it survives.
    pub durability: Durability,
    /// The steps that made it, with their times.
    pub inputs: Vec<(Time, Input)>,
    /// What the clock of the process said when it was made.
    pub at: Time,
    /// Which process made it, counted from the first.
    pub life: u64,
}

/// What a client was told of an event or a start of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whose.
    pub id: EventId,
    /// By which deed of the plan.
    pub deed: usize,
    /// What.
    pub answer: Answer,
    /// How many commits stood when it was told.
    pub commits: usize,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Commits that stand.
    pub commits: Vec<Commit>,
    /// Every answer that left the node, in order.
    pub told: Vec<Told>,
    /// Events that were decided after they had been kept, with how many commits stood then.
    pub decided: Vec<(EventId, Outcome, usize)>,
    /// Commits that were lost with a crash that their durability does not survive.
    pub lost: usize,
    /// What the first so many commits make.
    base: (usize, Whole),
    /// A batch of which it is not known whether it was kept.
    pub(crate) doubt: Option<Commit>,
}

impl Ledger {
    /// The ids of which a store may remember an outcome.
    pub(crate) fn ids(&self) -> BTreeSet<EventId> {
        let commits = self.commits.iter().chain(&self.doubt);
        let ids = commits.flat_map(|commit| &commit.records).filter_map(|record| match record {
            Record::Turn(turn) => turn.outcome_until.map(|_| turn.entry.cause.id().clone()),
            Record::Queued(queued) => queued.outcome_until.map(|_| queued.event.id.clone()),
            Record::Outcome(id, _) => Some(id.clone()),
            _ => None,
        });
        ids.collect()
    }

    /// How often something was let go of because its time was over.
    pub(crate) fn expired(&self) -> usize {
        let records = self.commits.iter().flat_map(|commit| &commit.records);
        let gone = records.filter(|record| match record {
            Record::Trimmed(trimmed) => !trimmed.positions.is_empty(),
            Record::Deleted(deleted) => deleted.expired_to > 0,
            _ => false,
        });
        gone.count()
    }

    /// What all commits that stand make.
    pub(crate) fn whole(&mut self) -> &Whole {
        let (done, whole) = &mut self.base;
        for commit in &self.commits[*done..] {
            whole.apply(&commit.records);
        }
        *done = self.commits.len();
        whole
    }

    /// The node is there again after a crash, and its store holds `found`. What is gone is struck out; an error when
    /// something is gone that must not be, or something is there that never was.
    pub(crate) fn recovered(&mut self, crash: Crash, found: &Whole) -> Result<(), String> {
        let survives = match crash {
            Crash::Process => Durability::Process,
            Crash::Power => Durability::Power,
        };
        let must = self.commits.iter().rposition(|commit| commit.durability >= survives);
        let must = must.map_or(0, |last| last + 1);
        self.commits.extend(self.doubt.take());
        let (mut count, mut whole) =
            if self.base.0 <= must { self.base.clone() } else { (0, Whole::default()) };
        for commit in &self.commits[count..must] {
            whole.apply(&commit.records);
        }
        count = must;
        let first = whole.difference(found);
        while count < self.commits.len() && whole != *found {
            whole.apply(&self.commits[count].records);
            count += 1;
        }
        if whole != *found {
            let what = first.unwrap_or_default();
            return Err(format!(
                "after the {crash:?} crash the store holds none of what may be there, from commit {must} to {}; of commit {must}: {what}",
                self.commits.len()
            ));
        }
        self.lost += self.commits.len() - count;
        self.commits.truncate(count);
        // What was told of a commit that is gone with the durability that was asked for need not stand.
        self.told.retain(|told| told.commits <= count);
        self.decided.retain(|(_, _, commits)| *commits <= count);
        self.base = (count, whole);
        Ok(())
    }
}
