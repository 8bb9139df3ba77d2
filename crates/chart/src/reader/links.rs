//! What actions of the native format do to children and to those that are watched.
//!
//! It refuses to know how links are kept.

use super::{Reader, join};
use crate::code::{Action, Formula, Template};
use crate::document::Entry;
use crate::finding::Code;
use crate::format;
use crate::link::{Link, Linking, Spawn};
use crate::value::Value;
use everstate_kernel::{Address, Orphan};
use std::sync::Arc;

/// Is it an action of this module?
pub(super) fn is_of_links(key: &str) -> bool {
    matches!(key, "spawn" | "stop" | "restart" | "monitor" | "demonitor" | "giveUp")
}

impl<'a> Reader<'a> {
    /// One of `spawn`, `stop`, `restart`, `monitor`, `demonitor`, `giveUp`.
    pub(super) fn link_action(&mut self, entry: &'a Entry, path: &str) -> Option<Action> {
        let node = &entry.value;
        let link = match entry.key.as_str() {
            "spawn" => Link::Spawn(self.spawn(entry, path)?),
            "stop" if node.text().is_some() => Link::Stop { child: self.template(node, path)?, kill: false },
            "stop" => {
                let fields = self.fields(node, &format::STOP, path)?;
                let (_, child) = self.needed(&fields, "child", node, path)?;
                Link::Stop { child, kill: self.bool_of(&fields, "kill", path).unwrap_or(false) }
            }
            "restart" if node.text().is_some() => Link::Restart {
                child: self.template(node, path)?,
                input: Some(Formula::Literal(Value::Null)),
            },
            "restart" => self.restart(entry, path)?,
            "monitor" => Link::Monitor(self.watched(entry, path)?),
            "demonitor" => Link::Demonitor(self.watched(entry, path)?),
            _ => Link::GiveUp(self.template(node, path)?),
        };
        Some(Action::Link(Box::new(Linking { link, place: Arc::from(path) })))
    }

    fn spawn(&mut self, entry: &'a Entry, path: &str) -> Option<Spawn> {
        let node = &entry.value;
        let fields = self.fields(node, &format::SPAWN, path)?;
        let name = self.needed(&fields, "name", node, path);
        let source = self.needed(&fields, "src", node, path);
        let id = match fields.find("id") {
            Some(entry) => Some(self.template(&entry.value, &join(path, "id"))?),
            None => None,
        };
        let input = self.formula_of(&fields, "input", path)?;
        let orphan = match self.word(&fields, "orphan", path) {
            Some("keep") => Orphan::Keep,
            _ => Orphan::Stop,
        };
        let ((_, name), (at, source)) = (name?, source?);
        if let Template::Fixed(text) = &source
            && crate::invoke::definition_of(text).is_none()
        {
            let message = format!("{text:?} is not the name of a definition");
            self.report(Code::BadValue, at.value.span.clone(), &join(path, "src"), message, "");
        }
        Some(Spawn { name, source, id, input, orphan })
    }

    fn restart(&mut self, entry: &'a Entry, path: &str) -> Option<Link> {
        let node = &entry.value;
        let fields = self.fields(node, &format::RESTART, path)?;
        let (_, child) = self.needed(&fields, "child", node, path)?;
        let input = self.formula_of(&fields, "input", path)?;
        if self.word(&fields, "from", path) != Some("last-good") {
            return Some(Link::Restart { child, input: Some(input) });
        }
        if let Some(input) = fields.find("input") {
            let message = "`input` is for `from: initial`; from its last good state a child needs none";
            self.report(Code::BadValue, input.key_span.clone(), path, message, "remove `input`");
        }
        Some(Link::Restart { child, input: None })
    }

    fn watched(&mut self, entry: &'a Entry, path: &str) -> Option<Template> {
        let address = self.template(&entry.value, path)?;
        if let Template::Fixed(text) = &address
            && !text.starts_with("#_")
            && let Err(error) = Address::parse(text)
        {
            self.report(Code::BadValue, entry.value.span.clone(), path, error.to_string(), "");
        }
        Some(address)
    }
}
