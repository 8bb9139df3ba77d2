//! Maps of a definition as the table of keys describes them: unknown, repeated and unsupported keys, and values
//! of a wrong type, are reported here for all of the reader.
//!
//! It refuses to know what keys mean. Its one invariant: asking for a key that the table does not have finds
//! nothing.

use super::{Reader, join, span_of};
use crate::document::{Entry, Kind, Node};
use crate::finding::{Code, nearest};
use crate::format::{Object, Takes};
use everstate_kernel::Span;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries of a small map.
const SMALL: usize = 16;

/// A map that was checked against the table.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    object: &'static Object,
    entries: Vec<&'a Entry>,
}

impl<'a> Fields<'a> {
    /// A map of that kind without any keys.
    pub(super) fn empty(object: &'static Object) -> Fields<'a> {
        Fields { object, entries: Vec::new() }
    }

    /// Is there such a key in maps of this kind?
    pub(super) fn takes(&self, key: &str) -> bool {
        self.object.key(key).is_some()
    }

    /// The entry of a key, if it is there. `null` counts as not there.
    pub(super) fn find(&self, key: &str) -> Option<&'a Entry> {
        debug_assert!(self.object.key(key).is_some(), "{key} is not in the table of {}", self.object.name);
        let found = self.entries.iter().find(|entry| entry.key == key).copied()?;
        (!matches!(found.value.kind, Kind::Null)).then_some(found)
    }

    /// The keys that are there, in the order of the text.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a Entry> + '_ {
        self.entries.iter().copied()
    }
}

impl<'a> Reader<'a> {
    /// A map of that kind, checked; none when it is no map.
    pub(super) fn fields(
        &mut self,
        node: &'a Node,
        object: &'static Object,
        path: &str,
    ) -> Option<Fields<'a>> {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, path, &format!("a map ({})", object.name));
            return None;
        }
        let mut entries = Vec::new();
        for entry in self.entries(node, path, "") {
            match object.key(&entry.key) {
                None => self.unknown_key(entry, object, path),
                Some(key) => {
                    if let Takes::Unsupported(why) = key.takes
                        && !is_empty(&entry.value)
                    {
                        let message = format!("{:?} is not supported here", entry.key);
                        self.report(
                            Code::Unsupported,
                            entry.key_span.clone(),
                            &join(path, &entry.key),
                            message,
                            why,
                        );
                    }
                    entries.push(entry);
                }
            }
        }
        Some(Fields { object, entries })
    }

    fn unknown_key(&mut self, entry: &Entry, object: &'static Object, path: &str) {
        let message = format!("unknown key {:?} in a {}", entry.key, object.name);
        let hint = match nearest(&entry.key, object.keys.iter().map(|key| key.name)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                let known = object.keys.iter().filter(|key| !matches!(key.takes, Takes::Unsupported(_)));
                let known: Vec<&str> = known.map(|key| key.name).take(24).collect();
                format!("known keys: {}", known.join(", "))
            }
        };
        self.report(Code::UnknownKey, entry.key_span.clone(), &join(path, &entry.key), message, hint);
    }

    /// The entries of a map with names for keys, the first of each; repeated ones are reported. What is no map
    /// is reported as well, if it is said what was expected.
    pub(super) fn entries(&mut self, node: &'a Node, path: &str, expected: &str) -> Vec<&'a Entry> {
        let Kind::Map(entries) = &node.kind else {
            if !expected.is_empty() && !matches!(node.kind, Kind::Null) {
                self.wrong_type(node, path, expected);
            }
            return Vec::new();
        };
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        let mut distinct: Vec<&'a Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            // Most maps are small, and looked through sooner than a tree of their keys is made.
            let before = match entries.len() <= SMALL {
                true => distinct.iter().find(|one| one.key == entry.key).map(|one| one.key_span.start),
                false => first.get(entry.key.as_str()).copied(),
            };
            if let Some(before) = before {
                let (line, _) = self.lines.position(before);
                let states = path.ends_with("states") || path == "states";
                let (code, what) =
                    if states { (Code::DuplicateState, "state") } else { (Code::DuplicateKey, "key") };
                let message =
                    format!("the {what} {:?} is here a second time; the first is in line {line}", entry.key);
                let hint =
                    if states { "give one of them another name" } else { "put both into one, or remove one" };
                self.report(code, entry.key_span.clone(), &join(path, &entry.key), message, hint);
            } else {
                if entries.len() > SMALL {
                    first.insert(&entry.key, entry.key_span.start);
                }
                distinct.push(entry);
            }
        }
        distinct
    }

    /// Reports repeated keys in data that is carried as it is.
    pub(super) fn check_repeats(&mut self, node: &'a Node, path: &str) {
        match &node.kind {
            Kind::Map(_) => {
                for entry in self.entries(node, path, "") {
                    self.check_repeats(&entry.value, &join(path, &entry.key));
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.check_repeats(item, path)),
            _ => {}
        }
    }

    pub(super) fn wrong_type(&mut self, node: &Node, path: &str, expected: &str) {
        let message = format!("expected {expected}, found {}", node.noun());
        self.report(Code::WrongType, node.span.clone(), path, message, "");
    }

    /// The text of an entry.
    pub(super) fn text(&mut self, entry: &'a Entry, path: &str) -> Option<&'a str> {
        let text = entry.value.text();
        if text.is_none() {
            let expected = if matches!(entry.value.kind, Kind::Bool(_) | Kind::Int(_) | Kind::Double(_)) {
                "text (put it in quotes)"
            } else {
                "text"
            };
            self.wrong_type(&entry.value, path, expected);
        }
        text
    }

    pub(super) fn text_of(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<&'a str> {
        let entry = fields.find(key)?;
        self.text(entry, &join(path, key))
    }

    pub(super) fn bool_of(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<bool> {
        let entry = fields.find(key)?;
        if let Kind::Bool(value) = entry.value.kind {
            return Some(value);
        }
        self.wrong_type(&entry.value, &join(path, key), "true or false");
        None
    }

    /// One of the words that the table names for the key.
    pub(super) fn word(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<&'static str> {
        let entry = fields.find(key)?;
        let Some(Takes::Word(words)) = fields.object.key(key).map(|key| key.takes) else { return None };
        // `none` and `off` are words here; YAML 1.2 reads them as text, but people also write `null` and `false`.
        let path = join(path, key);
        let text = self.text(entry, &path)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let message = format!("{key} must be one of {}, this is {text:?}", words.join(", "));
            let hint = nearest(text, words.iter().copied()).map(|near| format!("did you mean {near:?}?"));
            self.report(Code::BadValue, entry.value.span.clone(), &path, message, hint.unwrap_or_default());
        }
        found
    }

    pub(super) fn duration(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<Span> {
        let entry = fields.find(key)?;
        match span_of(&entry.value) {
            Ok(span) => Some(span),
            Err(message) => {
                self.report(Code::BadValue, entry.value.span.clone(), &join(path, key), message, "");
                None
            }
        }
    }

    pub(super) fn tags(&mut self, fields: &Fields<'a>, path: &str) -> Vec<Arc<str>> {
        let Some(entry) = fields.find("tags") else { return Vec::new() };
        let items = one_or_more(&entry.value);
        let mut tags = Vec::new();
        for item in items {
            match item.text() {
                Some(tag) => tags.push(Arc::from(tag)),
                None => self.wrong_type(item, &join(path, "tags"), "text"),
            }
        }
        tags
    }
}

/// The items of a list, or the one thing that stands in the place of a list.
pub(super) fn one_or_more(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        Kind::Null => &[],
        _ => std::slice::from_ref(node),
    }
}

/// Exports write keys they have no use for as empty lists and maps.
fn is_empty(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => true,
        Kind::List(items) => items.is_empty(),
        Kind::Map(entries) => entries.is_empty(),
        _ => false,
    }
}
