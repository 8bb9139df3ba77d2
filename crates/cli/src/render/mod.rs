//! The answers as text for people.
//!
//! It refuses to do anything: every function here is text out of an answer, the time, and whether to colour.

mod definition;
mod explanation;
mod instance;
mod moment;
mod outcome;
mod task;
mod tree;
mod turn;

pub(crate) use definition::{definitions, put};
pub(crate) use explanation::explanation;
pub(crate) use instance::{instance, instances};
pub(crate) use moment::{ago, moment};
pub(crate) use outcome::{dead_letters, outcome};
pub(crate) use task::tasks;
pub(crate) use tree::{restarts, tree};
pub(crate) use turn::{follow_line, history, snapshot_line};

use crate::paint::Paint;
use crate::table::pairs;
use buffa_types::google::protobuf::Value;
use everstate_client::api;
use everstate_client::json;

/// Data on one line.
fn compact(value: &Value) -> String {
    json(value).to_string()
}

/// Data over lines, unless it is short.
fn indented(value: &Value) -> String {
    const SHORT: usize = 60;
    let line = compact(value);
    if line.chars().count() <= SHORT { line } else { format!("{:#}", json(value)) }
}

/// Is there anything to show? Null and `{}` say no more than an absent line.
fn worth_showing(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !matches!(compact(value).as_str(), "null" | "{}"))
}

/// Active states; every region's one.
fn states(states: &[String]) -> String {
    states.join(", ")
}

/// 1234567 as 1,234,567.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 turn`, `2 turns`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Bytes in the largest unit that leaves a number above one.
pub(crate) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "bytes" { format!("{number} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// How a server is.
pub(crate) fn status(status: &api::GetStatusResponse, server: &str, now: i64, paint: Paint) -> String {
    let late = count(status.timers_late.into());
    let rows = [
        ("server", format!("{} (everstate {})", paint.name(server), status.version)),
        ("up since", moment(status.started_time.as_option(), now)),
        ("engine", format!("{}, {}", status.engine, bytes(status.bytes_on_disk))),
        ("data folder", status.data_folder.clone()),
        ("definitions", count(status.definitions.into())),
        ("instances", count(status.instances)),
        ("turns", count(status.turns)),
        ("dead letters", alarm(status.dead_letters, paint)),
        ("followers", count(status.followers.into())),
        ("queued", count(status.queued.into())),
        ("timers late", if status.timers_late == 0 { late } else { paint.odd(&late) }),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    pairs(&rows, paint)
}

fn alarm(number: u64, paint: Paint) -> String {
    if number == 0 { count(number) } else { paint.bad(&count(number)) }
}

#[cfg(test)]
mod tests;
