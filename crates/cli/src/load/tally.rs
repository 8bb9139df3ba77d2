//! The account of a load: what became of every line.

use super::line::{Loaded, Wrong};
use crate::document::code;
use crate::failure::Exit;
use crate::paint::Paint;
use crate::render::count;
use crate::table::{Table, pairs};
use everstate_client::api;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What became of the lines so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Events of the file.
    pub(crate) events: u64,
    /// Taken now.
    taken: u64,
    /// Taken now and kept for later.
    waiting: u64,
    /// Taken before.
    already: u64,
    /// Lines that are no event.
    wrong: u64,
    /// Of those taken before, the ones that were refused then.
    already_refused: u64,
    /// Events that moved nothing, by reason, whether now or before.
    refused: BTreeMap<String, Reason>,
}

/// Events that were refused for the same reason.
#[derive(Debug, PartialEq, Eq)]
struct Reason {
    events: u64,
    line: u64,
    message: String,
    /// Refused by the machine, and so kept in its history; otherwise by the server, and not kept at all.
    kept: bool,
}

/// An event that was refused now, for the file of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused(pub(crate) Json);

impl Tally {
    /// Counts a result; tells of it when the event was refused.
    pub(crate) fn count(
        &mut self,
        loaded: &Loaded,
        result: &api::send_events_response::Result,
    ) -> Option<Refused> {
        self.events += 1;
        if let Some(error) = result.error.as_option() {
            return Some(self.refuse(loaded, &error.code, &error.message, false));
        }
        let outcome = result.outcome.as_option().cloned().unwrap_or_default();
        if outcome.duplicate {
            self.already += 1;
        }
        match code(&outcome) {
            "ok" | "pending" if outcome.duplicate => None,
            "ok" => {
                self.taken += 1;
                None
            }
            "pending" => {
                self.waiting += 1;
                None
            }
            word => {
                self.already_refused += u64::from(outcome.duplicate);
                let reason = if outcome.reason.is_empty() { word } else { &outcome.reason };
                Some(self.refuse(loaded, reason, &outcome.message, true))
            }
        }
    }

    fn refuse(&mut self, loaded: &Loaded, reason: &str, message: &str, kept: bool) -> Refused {
        let first = || Reason { events: 0, line: loaded.line, message: message.to_owned(), kept };
        self.refused.entry(reason.to_owned()).or_insert_with(first).events += 1;
        let event = serde_json::from_str(&loaded.text).unwrap_or(Json::Null);
        Refused(json!({ "line": loaded.line, "reason": reason, "message": message, "event": event }))
    }

    /// Counts a line that is no event.
    pub(crate) fn wrong(&mut self, wrong: &Wrong) -> Refused {
        self.wrong += 1;
        Refused(
            json!({ "line": wrong.line, "reason": "malformed-line", "message": wrong.problem, "event": null }),
        )
    }

    /// Events that were refused, now or before.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.values().map(|reason| reason.events).sum()
    }

    /// How many lines were no event.
    pub(crate) fn malformed(&self) -> u64 {
        self.wrong
    }

    fn refused_now(&self) -> u64 {
        self.refused() - self.already_refused
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.refused() + self.wrong == 0 { Exit::Fine } else { Exit::Problem }
    }

    pub(crate) fn render(&self, paint: Paint) -> String {
        let already = match self.already_refused {
            0 => count(self.already),
            refused => format!("{}, {} of them refused", count(self.already), count(refused)),
        };
        let mut rows = vec![
            ("lines", count(self.events + self.wrong)),
            ("taken", paint.good(&count(self.taken))),
            ("already there", already),
        ];
        if self.waiting > 0 {
            rows.push(("kept for later", count(self.waiting)));
        }
        let refused = count(self.refused_now());
        rows.push(("refused", if self.refused_now() == 0 { refused } else { paint.bad(&refused) }));
        rows.push(("malformed", if self.wrong == 0 { count(0) } else { paint.bad(&count(self.wrong)) }));
        let mut text = pairs(&rows, paint);
        if !self.refused.is_empty() {
            let mut table = Table::new(&["refused", "events", "kept", "first", "message"]).right(1);
            for (reason, what) in &self.refused {
                table.row(vec![
                    reason.clone(),
                    count(what.events),
                    if what.kept { "in history".into() } else { "no".into() },
                    format!("line {}", what.line),
                    what.message.clone(),
                ]);
            }
            text.push('\n');
            text += &table.render(paint);
        }
        text
    }

    pub(crate) fn document(&self) -> Json {
        let refused: BTreeMap<_, _> = self
            .refused
            .iter()
            .map(|(reason, what)| {
                (reason, json!({
                    "events": what.events, "first_line": what.line, "kept": what.kept, "message": what.message,
                }))
            })
            .collect();
        json!({
            "lines": self.events + self.wrong,
            "taken": self.taken,
            "already_there": self.already,
            "already_refused": self.already_refused,
            "kept_for_later": self.waiting,
            "refused": self.refused_now(),
            "malformed": self.wrong,
            "reasons": refused,
        })
    }
}
