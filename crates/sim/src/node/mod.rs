//! The whole node in simulation: the production kernel and charts over the production store's embedded engine, whose
//! journal lies on a fake disk; clients, a network, a clock and crashes, all decided by one seed.
//!
//! It refuses to know the runtime: its shard loop is written down again in `site`, and recorded inputs of the real one
//! are replayed by [`Replay`]. Its one invariant: equal plans give equal runs, byte for byte.
//!
//! | what | where |
//! |---|---|
//! | what a seed decides | `plan` |
//! | clients, network, faults, time | `run`, `clock` |
//! | the shard's loop, its end and its return | `site` |
//! | what was seen from outside | `ledger` |
//! | what a store must hold, by plain rules | `whole` |
//! | one promise each | `checks` |
//! | bugs put in on purpose | `bugs` |
//! | fewer deeds and faults for the same failure | `shrink` |
//!
//! The disk's fault model stands at the head of `everstate_store`'s fake disk. The tables of the store (`lsm-tree`) do
//! not know that disk: they lie in a scratch folder, are taken to be on the disk whole runs at a time, and the power can
//! be cut between the runs of one generation.

mod bugs;
mod cast;
mod checks;
mod clock;
mod ledger;
mod plan;
mod puppet;
mod replay;
mod run;
mod shrink;
mod site;
mod whole;

#[cfg(test)]
mod tests;

pub use bugs::{BUGS, Bug};
pub use plan::Plan;
pub use replay::Replay;
pub use shrink::shrink;
pub use whole::Whole;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds in every test run. A bug put in on purpose is found within them.
pub const CI_SEEDS: std::ops::Range<u64> = 0..40;

/// Seeds of past failures, which are run for ever.
pub const KEPT_SEEDS: &str = include_str!("../../tests/node.seeds");

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Things that happened.
    pub steps: usize,
    /// Commits that stand in the end.
    pub commits: usize,
    /// How often the process ended.
    pub crashes: usize,
    /// Commits that were lost with a crash that they were not to survive.
    pub lost: usize,
    /// How often something was let go of because its time was over.
    pub expired: usize,
    /// A fingerprint of everything that happened and of the disk.
    pub digest: u64,
    /// What happened, line by line.
    pub story: Vec<String>,
    /// What is wrong, if anything is.
    pub failure: Option<Failure>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The check that found it.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
}

/// Runs a plan, with a bug put in or without.
pub fn run(plan: &Plan, bug: Option<Bug>) -> Verdict {
    // A folder in memory, where the system has such a place: a sync costs nothing there.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => return Verdict::failed("scratch folder", format!("it cannot be made: {error}")),
    };
    match catch_unwind(AssertUnwindSafe(|| run::run(plan, folder.path(), bug))) {
        Ok(verdict) => verdict,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Verdict::failed("panic", text.unwrap_or_default())
        }
    }
}

impl Verdict {
    fn failed(check: &'static str, what: String) -> Verdict {
        let failure = Some(Failure { check, what });
        Verdict {
            steps: 0,
            commits: 0,
            crashes: 0,
            lost: 0,
            expired: 0,
            digest: 0,
            story: Vec::new(),
            failure,
        }
    }
}
