//! Events that were refused, in the log: once each, with all that is needed to understand why.
//!
//! It refuses to log data of events. Its one invariant: a line is written when an event is decided, and never for a
//! repeated one.

use crate::service::Service;
use everstate_kernel::{Address, EventId, Outcome, Rejection};
use everstate_store::Reader;
use std::sync::Arc;
use tracing::Level;

/// An event that was sent.
pub(crate) struct Sent {
    pub(crate) to: Address,
    pub(crate) id: EventId,
    pub(crate) name: Arc<str>,
}

/// Lines of one call; a batch may have ten thousand events, all refused for the same reason.
const LINES_MAX: usize = 100;

/// Logs those that were refused. The caller does not wait for it.
pub(crate) fn log(service: &Service, mut refused: Vec<(Sent, Outcome)>) {
    refused.retain(|(_, outcome)| !matches!(outcome, Outcome::Ok { .. }));
    if refused.is_empty() || !tracing::enabled!(Level::INFO) {
        return;
    }
    let reader = service.node.reader();
    tokio::task::spawn_blocking(move || {
        let more = refused.len().saturating_sub(LINES_MAX);
        for (sent, outcome) in refused.iter().take(LINES_MAX) {
            line(&*reader, sent, outcome);
        }
        if more > 0 {
            tracing::info!(more, "further events of the same call were refused");
        }
    });
}

fn line(reader: &dyn Reader, sent: &Sent, outcome: &Outcome) {
    // Nobody is there, or the store has failed, which is told elsewhere: then there is no version.
    let row = reader.instance(&sent.to).ok().flatten();
    let version = row.as_ref().map_or("", |(row, _)| &*row.version);
    let told = Told::of(outcome);
    let state = match &row {
        // A machine that faulted stays where it was.
        Some((row, _)) if told.state.is_empty() => row.labels.join(","),
        _ => told.state.clone(),
    };
    tracing::info!(
        address = %sent.to, version, state, event = &*sent.name, event_id = %sent.id, reason = told.reason,
        allowed = told.allowed, detail = told.detail, "an event was refused"
    );
}

/// What a line says of an outcome.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    reason: &'static str,
    state: String,
    allowed: String,
    detail: String,
}

impl Told {
    fn of(outcome: &Outcome) -> Told {
        match outcome {
            Outcome::Ok { .. } => {
                Told { reason: "ok", state: String::new(), allowed: String::new(), detail: String::new() }
            }
            Outcome::Rejected { reason, state, detail, accepts } => Told {
                reason: reason.code(),
                state: state.join(","),
                allowed: accepts.join(","),
                // What is wrong with data may quote it.
                detail: if *reason == Rejection::BadData { String::new() } else { detail.clone() },
            },
            Outcome::Failed { fault, attempts } => Told {
                reason: "failed",
                state: String::new(),
                allowed: String::new(),
                detail: format!("{} attempts; at {}: {}", attempts, fault.place, fault.message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_why_and_quotes_no_data() {
        let rejected = |reason, detail: &str| Outcome::Rejected {
            reason,
            state: Arc::from([Arc::from("paid.packing")]),
            detail: detail.into(),
            accepts: vec![Arc::from("pay"), Arc::from("ship")],
        };
        let told = Told::of(&rejected(Rejection::NotAccepted, ""));
        assert_eq!((told.reason, &*told.state, &*told.allowed), ("not-accepted", "paid.packing", "pay,ship"));
        assert_eq!(Told::of(&rejected(Rejection::Refused, "too late")).detail, "too late");
        assert_eq!(Told::of(&rejected(Rejection::BadData, "$.card: 4711")).detail, "");
    }
}
