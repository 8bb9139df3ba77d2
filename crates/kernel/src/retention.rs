//! How long what has happened is kept, and what of a state is indexed: what a definition says, and what follows from it.
//!
//! It refuses to know who looks for what is over, and where it goes.
//!
//! Its one invariant: what is kept for a time is kept for at least that time.

use crate::json::Json;
use crate::limits::INDEX_VALUE_BYTES_MAX;
use crate::record::Instance;
use crate::time::{Span, Time};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use serde_json::Value;

/// How long what has happened is kept. What is not said is what the node says, and otherwise what is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retain {
    /// What became of an event, by its id: within this time an event is handled once, however often it is sent. Thirty
    /// days, which is longer than any client retries.
    pub outcomes: Option<Span>,
    /// The turns of an instance. For ever.
    pub history: Option<Span>,
    /// An instance that has ended, since its last turn, and all that belongs to it. For ever.
    pub finished: Option<Span>,
}

/// What holds for an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retained {
    pub(crate) outcomes: Span,
    /// None: for ever.
    pub(crate) history: Option<Span>,
    /// None: for ever.
    pub(crate) finished: Option<Span>,
}

/// See [`Retain::outcomes`].
const OUTCOMES: Span = Span::seconds(30 * 24 * 3600);

/// The part of a time by which a history is kept longer: 1/16. So a turn that grows old is let go with others, and not
/// one by one; at half, twice as many steps, at twice, twice as much that is kept longer than asked for.
const SLACK: u64 = 16;

impl Retain {
    /// A length of time that is never over, for a definition that keeps what the node would not.
    pub const FOREVER: Span = Span(u64::MAX);

    /// How long outcomes are remembered when nobody says more.
    pub fn outcomes_kept(&self) -> Span {
        self.outcomes.unwrap_or(OUTCOMES)
    }

    /// What a definition says, over this.
    pub(crate) fn over(&self, said: &Retain) -> Retained {
        let bounded = |span: Option<Span>| span.filter(|span| *span != Retain::FOREVER);
        Retained {
            outcomes: said.outcomes.unwrap_or_else(|| self.outcomes_kept()),
            history: bounded(said.history.or(self.history)),
            finished: bounded(said.finished.or(self.finished)),
        }
    }
}

impl Retained {
    /// Is an instance kept no longer?
    pub(crate) fn is_over(&self, row: &Instance, now: Time) -> bool {
        row.status.is_ended() && self.finished.is_some_and(|span| row.last_event_at + span <= now)
    }

    /// Is an entry that was made then kept no longer?
    pub(crate) fn is_old(&self, at: Time, now: Time) -> bool {
        self.history.is_some_and(|span| at + span <= now)
    }

    /// When somebody shall look at the instance again, because something of it is kept no longer.
    pub(crate) fn next(&self, row: &Instance) -> Option<Time> {
        let ended = self.finished.filter(|_| row.status.is_ended()).map(|span| row.last_event_at + span);
        let history = self.history.filter(|_| row.turns > row.trimmed.sequence);
        let history = history.map(|span| row.trimmed.since + span + Span(span.0 / SLACK));
        ended.into_iter().chain(history).min()
    }
}

/// An entry of a history that may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    /// Its number in the instance.
    pub sequence: u64,
    /// Its number in the node.
    pub position: u64,
    /// When it was made.
    pub at: Time,
}

/// The part of a document at a path of names with dots between them.
pub(crate) fn field_of(document: &Json, path: &str) -> Option<Json> {
    let value: Value = serde_json::from_str(document.as_str()).ok()?;
    let found = path.split('.').try_fold(&value, |value, name| value.get(name))?;
    Some(Json::trusted(found.to_string()))
}

/// What an index holds of a value: texts as they are, numbers and booleans as JSON writes them, with whole numbers
/// without a fraction. Nothing of lists, maps and `null`.
pub fn index_text(value: &Json) -> Option<Arc<str>> {
    let text = match serde_json::from_str(value.as_str()).ok()? {
        Value::String(text) => text,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && (float as i64) as f64 == float => (float as i64).to_string(),
            _ => number.to_string(),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(indexed_text(&text))
}

/// What an index holds of a text: itself, or of a long one its beginning and a fingerprint.
pub fn indexed_text(text: &str) -> Arc<str> {
    if text.len() <= INDEX_VALUE_BYTES_MAX {
        return Arc::from(text);
    }
    let kept = INDEX_VALUE_BYTES_MAX - 33;
    let end = (0..=kept).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Arc::from(format!("{}~{:032x}", &text[..end], xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
}

#[cfg(test)]
mod tests;
