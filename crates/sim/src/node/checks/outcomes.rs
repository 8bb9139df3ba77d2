//! Outcomes are stable: everybody who asks under one id is told the same, and the store says the same in the end.
//!
//! It refuses to judge outcomes. A dead letter that is tried again gets another outcome, and is left out.

use super::Evidence;
use everstate_kernel::{Answer, EventId, Outcome, Time};
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let letters = evidence.letters();
    let told = evidence.ledger.told.iter().filter_map(|told| match &told.answer {
        Answer::Decided { outcome, .. } => Some((&told.id, outcome)),
        _ => None,
    });
    let decided = evidence.ledger.decided.iter().map(|(id, outcome, _)| (id, outcome));
    let mut known: BTreeMap<&EventId, &Outcome> = BTreeMap::new();
    for (id, outcome) in told.chain(decided) {
        let forgotten = matches!(outcome, Outcome::Rejected { state, .. } if state.is_empty());
        if forgotten || letters.contains(id.as_str()) {
            continue;
        }
        let before = *known.entry(id).or_insert(outcome);
        if before != outcome {
            return Err(format!("{id} was told {before:?}, and later {outcome:?}"));
        }
    }
    let reader = evidence.store.reader();
    for (id, outcome) in known {
        let found = reader.outcome(id, Time(0)).map_err(|error| error.to_string())?;
        let found = found.and_then(|record| record.outcome);
        if found.as_ref() != Some(outcome) {
            return Err(format!("{id} was told {outcome:?}, and the store says {found:?}"));
        }
    }
    Ok(())
}
