//! What a world file says of where members of the cast stand.
//!
//! It refuses to know states. Its one invariant: every problem has the place of the word that it is about.

use super::reader::Reader;
use crate::standing::{Standing, TimerLeft, Written};
use everstate_chart::Code;
use everstate_chart::document::{Entry, Kind, Node};
use everstate_kernel::{Address, Event, Json};
use std::sync::Arc;

impl Reader<'_> {
    /// A definition as text, in whatever notation: `{text: …}`.
    pub(super) fn definition_text(node: &Node) -> Option<&str> {
        match &node.kind {
            Kind::Map(entries) => match &entries[..] {
                [one] if one.key == "text" => one.value.text(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Where a member stands.
    pub(super) fn stands(&mut self, address: &Address, node: &Node) {
        let keys = ["version", "states", "context", "timers"];
        let Some(entries) = self.entries(node, "where it stands", &keys) else { return };
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let version = match of("version") {
            Some(node) => self.text_of(node, "version").map(Arc::from),
            None => self.greatest(address.kind()),
        };
        let Some(version): Option<Arc<str>> = version else { return };
        let Some(chart) = self.versions.get(&(Arc::from(address.kind()), version.clone())).cloned() else {
            let span = of("version").unwrap_or(node).span.clone();
            let message = format!("there is no chart {}:{version} under `definitions`", address.kind());
            return self.report(Code::UnknownName, span, message, "only a chart can stand somewhere");
        };
        let mut states = Vec::new();
        for item in of("states").and_then(|node| self.items(node, "states")).unwrap_or(&[]) {
            states.extend(self.text_of(item, "a state").map(str::to_owned));
        }
        let context = match of("context").map(|node| (&node.kind, node)) {
            None => &[][..],
            Some((Kind::Map(entries), _)) => entries,
            Some((_, node)) => return self.wrong(node, "context", "a map"),
        };
        let mut fields = Vec::new();
        for entry in context {
            if let Some(data) = self.data(&entry.value) {
                fields.push((entry.key.clone(), data.as_str().to_owned()));
            }
        }
        let before = self.problems();
        let timers = of("timers").map_or_else(Vec::new, |node| self.timers_left(node));
        if self.problems() > before {
            return;
        }
        let written = Written { address, version, states: &states, fields: &fields, timers };
        match Standing::new(&chart, written, self.system.begins) {
            Ok(standing) => self.system.standings.push(standing),
            Err(problems) => {
                for (entry, problem) in problems {
                    let state = of("states").and_then(|node| match &node.kind {
                        Kind::List(items) => items.iter().find(|item| item.text() == Some(&entry)),
                        _ => None,
                    });
                    let field = context.iter().find(|field| field.key == entry).map(|field| &field.key_span);
                    let span = state.map(|node| &node.span).or(field).unwrap_or(&node.span).clone();
                    let problem = if entry.is_empty() { problem } else { format!("{entry}: {problem}") };
                    self.report(Code::BadValue, span, problem, "");
                }
            }
        }
    }

    fn timers_left(&mut self, node: &Node) -> Vec<TimerLeft> {
        let mut timers: Vec<TimerLeft> = Vec::new();
        for item in self.items(node, "timers").unwrap_or(&[]) {
            let Some(timer) = self.timer_left(item) else { continue };
            if timers.iter().any(|other| other.name == timer.name) {
                let message = format!("timer {:?} is there twice", timer.name);
                self.report(Code::DuplicateKey, item.span.clone(), message, "leave one of them out");
                continue;
            }
            timers.push(timer);
        }
        timers
    }

    fn timer_left(&mut self, node: &Node) -> Option<TimerLeft> {
        let entries = self.entries(node, "a timer", &["name", "left", "event", "to", "data"])?;
        let of = |key: &str| entries.iter().find(|entry: &&Entry| entry.key == key).map(|entry| &entry.value);
        let (Some(name), Some(left)) = (of("name"), of("left")) else {
            let hint = "write {name: NAME, left: 5m, event: NAME}; without `event`, that of its name";
            self.report(Code::MissingKey, node.span.clone(), "a timer needs `name` and `left`", hint);
            return None;
        };
        let name = self.text_of(name, "name")?.to_owned();
        let left = self.span(left)?;
        let event = match of("event") {
            Some(event) => self.text_of(event, "event")?.to_owned(),
            None => name.clone(),
        };
        if let Err(problem) = Event::check_name(&event) {
            self.report(Code::BadValue, node.span.clone(), problem, "");
            return None;
        }
        let to = match of("to") {
            Some(to) => Some(self.receiver(to)?),
            None => None,
        };
        let data = match of("data") {
            Some(data) => self.data(data)?,
            None => Json::NULL,
        };
        Some(TimerLeft { name: Arc::from(name), left, event: Arc::from(event), to, data })
    }
}
