//! Turns: as a history, and as they happen.

use super::moment::{clock, second};
use super::outcome::steps;
use super::{compact, states, worth_showing};
use crate::document::{self, code};
use crate::paint::Paint;
use crate::table::{Table, visible};
use everstate_client::api;

/// The turns of one instance.
pub(crate) fn history(turns: &[api::Turn], paint: Paint) -> String {
    let mut table = Table::new(&["#", "time", "event", "from", "outcome", "state", "data"])
        .right(0)
        .colour(2, Paint::bold)
        .colour(4, |paint, word| if word == "ok" { paint.good(word) } else { paint.bad(word) })
        .colour(6, Paint::dim);
    for turn in turns {
        table.row(vec![
            turn.sequence.to_string(),
            turn.time.as_option().map_or(String::new(), second),
            name(turn),
            sender(turn),
            turn.outcome.as_option().map_or("", code).to_owned(),
            turn.outcome.as_option().map_or(String::new(), result),
            data(turn),
        ]);
    }
    table.render(paint)
}

/// One turn as it happens.
pub(crate) fn follow_line(turn: &api::Turn, paint: Paint) -> String {
    let outcome = turn.outcome.as_option().cloned().unwrap_or_default();
    let time = turn.time.as_option().map_or(String::new(), clock);
    let word = match code(&outcome) {
        "ok" => String::new(),
        word => format!("{} ", paint.bad(word)),
    };
    let log: String = turn.log.iter().map(|line| format!("\n  {}", paint.dim(&visible(line)))).collect();
    format!(
        "{}  {}  {}  {word}{}{log}\n",
        paint.dim(&time),
        paint.bold(&visible(&turn.address)),
        paint.name(&visible(&name(turn))),
        visible(&result(&outcome)),
    )
}

/// One instance as it was when the following began.
pub(crate) fn snapshot_line(instance: &api::Instance, paint: Paint) -> String {
    let done = if instance.done { " (done)" } else { "" };
    format!(
        "{}  {}  {}  {}{done}\n",
        paint.dim("at first    "),
        paint.bold(&visible(&instance.address)),
        paint.dim(&format!("{} turns", instance.turns)),
        paint.good(&visible(&states(&instance.states))),
    )
}

/// Who sent the event, or who did what was done.
fn sender(turn: &api::Turn) -> String {
    turn.repair.as_option().map_or_else(|| turn.sender.clone(), |repair| repair.by.clone())
}

fn name(turn: &api::Turn) -> String {
    if let Some(repair) = turn.repair.as_option() {
        return match document::repaired(repair) {
            "became" if repair.from_version != repair.to_version => {
                format!("({} to {})", repair.from_version, repair.to_version)
            }
            "became" => "(put)".to_owned(),
            "began" => format!("(fork of {} at {})", repair.origin, repair.sequence),
            what => format!("({what})"),
        };
    }
    turn.event.as_option().map_or_else(|| "(start)".to_owned(), |event| event.name.clone())
}

fn result(outcome: &api::Outcome) -> String {
    match code(outcome) {
        "ok" => steps(outcome),
        _ if outcome.message.is_empty() => format!("{} ({})", states(&outcome.from), outcome.reason),
        _ => format!("{} ({}: {})", states(&outcome.from), outcome.reason, outcome.message),
    }
}

fn data(turn: &api::Turn) -> String {
    if let Some(repair) = turn.repair.as_option() {
        return repair.reason.clone();
    }
    let event = turn.event.as_option().and_then(|event| event.data.as_option());
    worth_showing(event.or(turn.start_data.as_option())).map_or(String::new(), compact)
}
