//! One line of a load: `{"id","instance","event","time","data"}`.
//!
//! Its one invariant: what it takes is sent as it was written; what it cannot take whole it refuses whole.

use everstate_client::{api, timestamp, value};
use serde::Deserialize;
use serde_json::Value as Json;

/// A line as an event on its way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// The line itself, for the account of refused ones.
    pub(crate) text: String,
    /// What is sent.
    pub(crate) item: api::send_events_request::Item,
}

/// A line that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: u64,
    pub(crate) problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    instance: String,
    event: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    data: Json,
}

/// Reads a line. Without an id of its own a line would be another event in every run, so it must have one.
pub(crate) fn parse(line: u64, text: &str, kind: &str) -> Result<Loaded, Wrong> {
    let wrong = |problem: String| Wrong { line, problem };
    let written: Written = serde_json::from_str(text).map_err(|error| wrong(told(&error)))?;
    for (name, value) in [("id", &written.id), ("instance", &written.instance), ("event", &written.event)] {
        if value.is_empty() {
            return Err(wrong(format!("{name} is empty")));
        }
    }
    let time = match &written.time {
        None => None,
        Some(text) => Some(timestamp(text).ok_or_else(|| {
            wrong(format!("time is not RFC 3339, such as 2026-01-31T12:00:00+01:00: {text:?}"))
        })?),
    };
    let data = match &written.data {
        Json::Null => None,
        data => Some(value(data).map_err(|error| wrong(format!("data: {error}")))?),
    };
    let event = api::Event {
        id: written.id,
        name: written.event,
        data: data.into(),
        time: time.into(),
        ..Default::default()
    };
    let item = api::send_events_request::Item {
        address: format!("{kind}/{}", written.instance),
        event: event.into(),
        ..Default::default()
    };
    Ok(Loaded { line, text: text.to_owned(), item })
}

/// The parser's words, with the column but without its line, which is always 1.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(start) => format!("{start} (column {})", error.column()),
        None => text,
    }
}
