//! Fields out of JSON, with everything that is wrong about them at once. It refuses to know what they are for.

use super::plan::PlanError;
use crate::time::Span;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::Value;

/// What was found to be wrong until now.
#[derive(Debug, Default)]
pub(super) struct Reading {
    errors: Vec<PlanError>,
}

impl Reading {
    /// The value, or everything that is wrong.
    pub(super) fn end<T>(self, value: T) -> Result<T, Vec<PlanError>> {
        if self.errors.is_empty() { Ok(value) } else { Err(self.errors) }
    }

    pub(super) fn wrong(&mut self, path: &str, problem: String) {
        self.errors.push(PlanError { path: path.to_string(), problem });
    }

    /// Finds fields that nobody knows: a misspelt one would be passed over otherwise.
    pub(super) fn known(&mut self, value: &Value, path: &str, known: &[&str]) {
        let Some(fields) = value.as_object() else {
            return self.wrong(path, format!("it is {value}; write a map of fields"));
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let problem = format!("there is no such field; the fields are {}", known.join(", "));
            self.wrong(&joined(path, name), problem);
        }
    }

    /// The field, unless it is left out or `null`.
    pub(super) fn part<'a>(&mut self, value: &'a Value, _path: &str, name: &str) -> Option<&'a Value> {
        value.get(name).filter(|part| !part.is_null())
    }

    pub(super) fn text<'a>(
        &mut self,
        value: &'a Value,
        path: &str,
        name: &str,
        needed: bool,
    ) -> Option<&'a str> {
        match self.part(value, path, name) {
            None if needed => self.wrong(&joined(path, name), "it is missing; write a text".into()),
            None => {}
            Some(Value::String(text)) => return Some(text),
            Some(other) => self.wrong(&joined(path, name), format!("it is {other}; write a text")),
        }
        None
    }

    /// One of these words.
    pub(super) fn word<'a>(
        &mut self,
        value: &'a Value,
        path: &str,
        name: &str,
        words: &[&str],
    ) -> Option<&'a str> {
        let word = self.text(value, path, name, false)?;
        if !words.contains(&word) {
            self.wrong(&joined(path, name), format!("it is {word:?}; write one of {}", words.join(", ")));
            return None;
        }
        Some(word)
    }

    pub(super) fn truth(&mut self, value: &Value, path: &str, name: &str) -> Option<bool> {
        let part = self.part(value, path, name)?;
        if part.as_bool().is_none() {
            self.wrong(&joined(path, name), format!("it is {part}; write true or false"));
        }
        part.as_bool()
    }

    pub(super) fn whole(&mut self, value: &Value, path: &str, name: &str, max: u32) -> Option<u32> {
        let part = self.part(value, path, name)?;
        let whole = part.as_u64().and_then(|whole| u32::try_from(whole).ok()).filter(|whole| *whole <= max);
        if whole.is_none() {
            self.wrong(&joined(path, name), format!("it is {part}; write a whole number from 0 to {max}"));
        }
        whole
    }

    /// Milliseconds, or a text such as `250ms` or `1m30s`.
    pub(super) fn span(&mut self, value: &Value, path: &str, name: &str) -> Option<Span> {
        let part = self.part(value, path, name)?;
        let span = match part {
            Value::String(text) => Span::parse(text),
            Value::Number(number) => Span::parse(&number.to_string()),
            _ => None,
        };
        if span.is_none() {
            let problem = format!("it is {part}; write milliseconds, or such as 250ms, 30s, 5m, 1h30m");
            self.wrong(&joined(path, name), problem);
        }
        span
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}
