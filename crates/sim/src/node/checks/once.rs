//! No event is applied twice: each id has one turn at most, and what adds up has added each event that was taken once.
//!
//! It refuses to trust either alone: ids are counted in what was committed, sums in what the machines hold.

use super::{Evidence, event_of};
use crate::node::cast;
use everstate_kernel::{EventId, Outcome};
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let letters = evidence.letters();
    let mut seen: BTreeMap<&EventId, u64> = BTreeMap::new();
    for turn in evidence.turns() {
        let id = turn.entry.cause.id();
        if let Some(before) = seen.insert(id, turn.entry.position)
            && !letters.contains(id.as_str())
        {
            return Err(format!(
                "{id} has two turns, at positions {before} and {}: {:?}",
                turn.entry.position, turn.entry.cause
            ));
        }
    }
    sums(evidence)
}

/// Every machine that adds up holds the sum of what its history says that it took since it began.
fn sums(evidence: &Evidence<'_>) -> Result<(), String> {
    let history = evidence.history();
    for row in evidence.whole.rows() {
        if !matches!(row.address.kind(), "tally" | "ticker" | "gauge") {
            continue;
        }
        let (mut sum, mut count) = (0, 0);
        for entry in history.get(&row.address).into_iter().flatten() {
            let Some(event) = event_of(entry) else { continue };
            if &*event.name == "add" && matches!(entry.outcome, Outcome::Ok { .. }) {
                let data: serde_json::Value =
                    serde_json::from_str(event.data.as_str()).map_err(|problem| problem.to_string())?;
                sum += data["n"].as_i64().unwrap_or(0);
                count += 1;
            }
        }
        let context = cast::context(evidence.whole, row)?;
        if context["sum"].as_i64() != Some(sum) || context["count"].as_i64() != Some(count) {
            return Err(format!("{} holds {context} after {count} events with a sum of {sum}", row.address));
        }
    }
    Ok(())
}
