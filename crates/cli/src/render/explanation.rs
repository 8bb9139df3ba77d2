//! What an instance waits for, in sentences.

use super::instance::timer;
use super::{ago, counted, states};
use crate::document::verdict;
use crate::paint::Paint;
use crate::table::visible;
use everstate_client::{api, millis};

/// Sentences, the most important first.
pub(crate) fn explanation(explanation: &api::ExplainInstanceResponse, now: i64, paint: Paint) -> String {
    let instance = explanation.instance.as_option().cloned().unwrap_or_default();
    let word = match verdict(explanation) {
        "waiting" => paint.good("waiting"),
        "stuck" => paint.bad("stuck"),
        "paused" => paint.odd("paused"),
        "parked" => paint.bad("parked"),
        "retrying" => paint.odd("retrying"),
        word => word.to_owned(),
    };
    let mut text = format!(
        "{} is in {} and {word}.\n",
        paint.bold(&visible(&instance.address)),
        visible(&states(&instance.states))
    );
    let mut say = |sentence: String| {
        if !sentence.is_empty() {
            text += &sentence;
            text.push('\n');
        }
    };
    say(retry(explanation, now));
    match explanation.accepts.as_slice() {
        [] => say(visible(&explanation.summary)),
        accepts => say(format!("it would take now: {}", accepts.join(", "))),
    }
    for (guard, events) in held_back(explanation) {
        say(format!("held back by the guard {}: {}", visible(guard), events.join(", ")));
    }
    for one in &instance.timers {
        say(format!("timer {}", visible(&timer(one, now))));
    }
    say(mailbox(explanation));
    text
}

/// Events by the guard that says no, guards in their order.
fn held_back(explanation: &api::ExplainInstanceResponse) -> Vec<(&str, Vec<&str>)> {
    let mut guards: Vec<(&str, Vec<&str>)> = Vec::new();
    for guarded in &explanation.guarded {
        match guards.iter_mut().find(|(guard, _)| *guard == guarded.guard) {
            Some((_, events)) => events.push(&guarded.event),
            None => guards.push((&guarded.guard, vec![&guarded.event])),
        }
    }
    guards
}

fn retry(explanation: &api::ExplainInstanceResponse, now: i64) -> String {
    let Some(retry) = explanation.retry.as_option() else { return String::new() };
    let next = retry.due_time.as_option().map_or(String::new(), |due| ago(millis(due), now));
    format!(
        "event {} faulted {}; it is tried again {next}: {}",
        retry.event_id,
        counted(retry.attempts.into(), "time"),
        visible(&retry.fault)
    )
}

fn mailbox(explanation: &api::ExplainInstanceResponse) -> String {
    if explanation.waiting.is_empty() {
        return String::new();
    }
    let names: Vec<_> = explanation.waiting.iter().take(10).map(|event| event.name.as_str()).collect();
    let more = if explanation.waiting.len() > names.len() { ", …" } else { "" };
    let number = counted(explanation.waiting.len() as u64, "event");
    format!("{number} in the mailbox, oldest first: {}{more}", visible(&names.join(", ")))
}
