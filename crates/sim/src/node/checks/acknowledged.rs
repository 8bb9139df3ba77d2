//! What a client was told of stands: an event that was taken is in the history, one that was kept is decided or still
//! waits, and whoever does not give up is answered.
//!
//! It refuses to look at what was committed; it compares what was told with what is there in the end.

use super::Evidence;
use crate::node::run::id_of;
use everstate_kernel::{Answer, EventId, Outcome};
use std::collections::BTreeSet;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let history = evidence.history();
    let entries = history.values().flatten();
    let decided: BTreeSet<&EventId> = entries.map(|entry| entry.cause.id()).collect();
    let mailboxes = evidence.whole.tables.instances.values().flat_map(|kept| &kept.mailbox);
    let waiting: BTreeSet<&EventId> = mailboxes.map(|queued| &queued.event.id).collect();
    let deleted = evidence.deleted();
    for told in &evidence.ledger.told {
        let kept = match &told.answer {
            // Of what nobody was there for, nothing is remembered.
            Answer::Decided { outcome: Outcome::Rejected { state, .. }, .. } if state.is_empty() => continue,
            Answer::Decided { .. } => decided.contains(&told.id),
            Answer::Kept { .. } => decided.contains(&told.id) || waiting.contains(&told.id),
            _ => continue,
        };
        let deed = evidence.plan.deeds.iter().find(|(place, _)| *place == told.deed);
        let gone = deed.and_then(|(_, deed)| deed.receiver()).is_some_and(|to| deleted.contains(&to));
        if !kept && !gone {
            return Err(format!("{} was told {:?}, and nothing is left of it", told.id, told.answer));
        }
    }
    patient(evidence)
}

/// Whoever never gives up is answered.
fn patient(evidence: &Evidence<'_>) -> Result<(), String> {
    for ((place, deed), answered) in evidence.plan.deeds.iter().zip(evidence.answered) {
        if deed.attempts().is_none() && !answered {
            return Err(format!("{} was never answered", id_of(*place)));
        }
    }
    Ok(())
}
