//! What became of events, and the ones that nobody could take.

use super::moment::second;
use super::{indented, states, worth_showing};
use crate::document::code;
use crate::paint::Paint;
use crate::table::{Table, pairs, visible};
use everstate_client::api;

/// One outcome in full.
pub(crate) fn outcome(outcome: &api::Outcome, event_id: &str, paint: Paint) -> String {
    let word = code(outcome);
    let mut rows = vec![(word, headline(outcome))];
    if !outcome.reason.is_empty() {
        rows.push(("reason", outcome.reason.clone()));
    }
    if word == "rejected" && !outcome.from.is_empty() {
        rows.push(("state", states(&outcome.from)));
    }
    // Only an event that is not accepted here makes one ask what is.
    if outcome.reason == "not-accepted" {
        let none = "no event at all".to_owned();
        rows.push(("accepts", if outcome.accepts.is_empty() { none } else { outcome.accepts.join(", ") }));
    }
    if outcome.attempts > 1 {
        rows.push(("attempts", outcome.attempts.to_string()));
    }
    if let Some(reply) = worth_showing(outcome.reply.as_option()) {
        rows.push(("reply", indented(reply)));
    }
    let note = if outcome.duplicate { " (a duplicate: this is its first outcome)" } else { "" };
    rows.push(("event", format!("{event_id}{note}")));
    let text = pairs(&rows, Paint(false));
    let painted = match word {
        "ok" => paint.good(word),
        "pending" => paint.odd(word),
        _ => paint.bad(word),
    };
    text.replacen(word, &painted, 1)
}

fn headline(outcome: &api::Outcome) -> String {
    let words = match code(outcome) {
        "ok" => return steps(outcome),
        "pending" => "kept, not decided yet",
        "rejected" => "nothing changed",
        "failed" => "nothing changed; the event is a dead letter",
        _ => "an outcome that this program does not know",
    };
    if outcome.message.is_empty() { words.to_owned() } else { visible(&outcome.message) }
}

/// `unpaid -> paid`, or the state alone when the turn did not leave it.
pub(super) fn steps(outcome: &api::Outcome) -> String {
    let (from, to) = (states(&outcome.from), states(&outcome.to));
    if from == to || from.is_empty() { to } else { format!("{from} -> {to}") }
}

/// Dead letters, oldest first.
pub(crate) fn dead_letters(letters: &[api::DeadLetter], paint: Paint) -> String {
    let mut table = Table::new(&["number", "time", "address", "event", "sender", "attempts", "why"])
        .right(0)
        .right(5)
        .colour(2, Paint::bold)
        .colour(6, Paint::bad);
    for letter in letters {
        let outcome = letter.outcome.as_option().cloned().unwrap_or_default();
        table.row(vec![
            letter.number.to_string(),
            letter.time.as_option().map_or(String::new(), second),
            letter.address.clone(),
            letter.event.as_option().map_or(String::new(), |event| event.name.clone()),
            letter.sender.clone(),
            outcome.attempts.to_string(),
            if outcome.message.is_empty() {
                outcome.reason
            } else {
                format!("{}: {}", outcome.reason, outcome.message)
            },
        ]);
    }
    table.render(paint)
}
