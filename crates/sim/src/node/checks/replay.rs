//! Replay gives identical bytes: the inputs that stand, given to a fresh kernel over plain tables, make the records that
//! were committed.
//!
//! It refuses to compare what they mean: their bytes are compared.

use super::Evidence;
use crate::node::replay::Replay;

/// The seed of the nodes of a run.
const SEED: u64 = 7;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let mut replay = Replay::new(SEED, evidence.plan.sizes.retain);
    let mut life = 1;
    for (number, commit) in evidence.ledger.commits.iter().enumerate() {
        if commit.life != life {
            life = commit.life;
            replay.restart();
        }
        let before = replay.records.len();
        replay.batch(&commit.inputs);
        let again = &replay.records[before..];
        let bytes = |records: &[everstate_kernel::Record]| {
            postcard::to_allocvec(records).map_err(|problem| problem.to_string())
        };
        if bytes(again)? != bytes(&commit.records)? {
            let at = again.iter().zip(&commit.records).position(|(a, b)| a != b);
            let at = at.unwrap_or_else(|| again.len().min(commit.records.len()));
            return Err(format!(
                "commit {} had {:?}, and replayed {:?}",
                number + 1,
                commit.records.get(at),
                again.get(at)
            ));
        }
    }
    match replay.whole.difference(evidence.whole) {
        Some(what) => Err(format!("replayed inputs lead elsewhere: {what}")),
        None => Ok(()),
    }
}
