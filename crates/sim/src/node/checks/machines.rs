//! Machines do what their definitions say: the history of every order is played again by a few lines that say what an
//! order does, and each outcome must be the one that they give.
//!
//! It refuses to know charts.

use super::{Evidence, event_of};
use everstate_kernel::{Cause, HistoryEntry, Outcome, Sender};

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    for (address, history) in evidence.history().iter().filter(|(address, _)| address.kind() == "order") {
        let mut at = "draft";
        for entry in history {
            if matches!(entry.cause, Cause::Start { .. }) {
                at = "draft";
                continue;
            }
            let expected = after(at, entry);
            let found = match &entry.outcome {
                Outcome::Ok { to, .. } => to.first().map(|label| &**label),
                _ => None,
            };
            if found != expected {
                return Err(format!(
                    "{address} was {at}, and {:?} should lead to {expected:?}; the outcome is {:?}",
                    event_of(entry).map(|event| (&event.name, &event.data)),
                    entry.outcome
                ));
            }
            at = expected.unwrap_or(at);
        }
    }
    Ok(())
}

/// Where an event leads an order to; none when it is refused.
fn after(at: &'static str, entry: &HistoryEntry) -> Option<&'static str> {
    let event = event_of(entry)?;
    if event.sender == Sender::Timer {
        return Some("draft");
    }
    match (at, &*event.name) {
        ("draft", "submit") => {
            let data: serde_json::Value = serde_json::from_str(event.data.as_str()).ok()?;
            match data["amount"].as_i64()? {
                100.. => Some("review"),
                10.. => Some("accepted"),
                _ => Some("draft"),
            }
        }
        ("draft" | "review", "cancel") => Some("cancelled"),
        ("review", "approve") => Some("accepted"),
        ("review", "refuse") => Some("draft"),
        ("accepted", "ship") => Some("shipped"),
        _ => None,
    }
}
