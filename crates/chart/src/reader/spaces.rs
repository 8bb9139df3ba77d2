//! What states hold and actions do in spaces, in the native format.
//!
//! It refuses to know what comes of it. Its one invariant: a text without holes that is no pattern is an error here, and
//! not when it is come to.

use super::fields::Fields;
use super::{Reader, join};
use crate::code::{Action, Code as Compiled, Formula, Part, Template};
use crate::document::{Entry, Node};
use crate::endpoint::{Act, Acting, Endpoint, Within};
use crate::finding::Code;
use crate::format;
use crate::presence::{interest, role};
use crate::value::Value;
use everstate_kernel::limits::ENDPOINT_NAME_BYTES_MAX;
use everstate_kernel::space::{Interest, Pattern, Role};
use std::ops::Range;
use std::sync::Arc;

/// A pattern that an expression asks for, and where.
#[derive(Debug)]
pub(super) struct AskedPresence {
    pattern: Pattern,
    span: Range<usize>,
    path: String,
}

impl<'a> Reader<'a> {
    /// What a state holds while it is active.
    pub(super) fn endpoints(&mut self, body: &Fields<'a>, place: &str) -> Vec<Acting> {
        let Some(entry) = body.find("endpoints") else { return Vec::new() };
        let path = join(place, "endpoints");
        let mut all = Vec::new();
        for entry in self.entries(&entry.value, &path, "a map from names to endpoints") {
            let path = join(&path, &entry.key);
            if !self.check_end_of_name(&entry.key, entry.key_span.clone(), &path) {
                continue;
            }
            let Some(fields) = self.fields(&entry.value, &format::ENDPOINT, &path) else { continue };
            let name = Template::Fixed(Arc::from(entry.key.as_str()));
            all.extend(self.endpoint(&fields, &entry.value, name, &path));
        }
        all
    }

    /// One of `join`, `leave`, `move`, `assert`, `publish`, `feedback`.
    pub(super) fn space_action(&mut self, entry: &'a Entry, path: &str) -> Option<Action> {
        let node = &entry.value;
        let acting = match entry.key.as_str() {
            "join" => {
                let fields = self.fields(node, &format::JOIN, path)?;
                let name = self.end_of_name(&fields, node, path)?;
                self.endpoint(&fields, node, name, path)?
            }
            "leave" if node.text().is_some() => {
                let act = Act::Leave(self.template(node, path)?);
                Acting { act, within: Within::Here, place: Arc::from(path) }
            }
            "leave" => {
                let fields = self.fields(node, &format::LEAVE, path)?;
                let act = Act::Leave(self.end_of_name(&fields, node, path)?);
                self.acting(&fields, act, path)?
            }
            "move" => {
                let fields = self.fields(node, &format::MOVE, path)?;
                let name = self.end_of_name(&fields, node, path)?;
                let pattern = self.pattern(&fields, "pattern", node, path)?;
                self.note_reach(&pattern);
                self.acting(&fields, Act::Move(name, pattern), path)?
            }
            "assert" => {
                let fields = self.fields(node, &format::ASSERT, path)?;
                let name = self.end_of_name(&fields, node, path)?;
                let value = self.formula_of(&fields, "value", path)?;
                self.acting(&fields, Act::Assert(name, value), path)?
            }
            word => {
                let fields = self.fields(node, &format::PUBLISH, path)?;
                let topic = self.pattern(&fields, "topic", node, path)?;
                let data = self.formula_of(&fields, "data", path)?;
                let act =
                    if word == "publish" { Act::Publish(topic, data) } else { Act::Feedback(topic, data) };
                self.acting(&fields, act, path)?
            }
        };
        Some(Action::Act(Box::new(acting)))
    }

    fn endpoint(
        &mut self,
        fields: &Fields<'a>,
        node: &'a Node,
        name: Template,
        path: &str,
    ) -> Option<Acting> {
        let pattern = self.pattern(fields, "pattern", node, path);
        let role = match self.word(fields, "role", path) {
            Some(word) => role(word),
            None if fields.find("role").is_some() => None,
            None => {
                let hint = "add `role: publisher` or `role: subscriber`";
                self.report(Code::MissingKey, node.span.clone(), path, "the endpoint has no role", hint);
                None
            }
        };
        let interest =
            self.word(fields, "interest", path).and_then(interest).unwrap_or(Interest::Participant);
        let value = self.formula_of(fields, "value", path)?;
        let mark = self.bool_of(fields, "mark", path).unwrap_or(false);
        let waits = self.bool_of(fields, "waits", path).unwrap_or(false);
        let (pattern, role) = (pattern?, role?);
        if let (true, Role::Subscriber, Some(entry)) = (waits, role, fields.find("waits")) {
            let message = "a subscriber publishes nothing that could wait for credit";
            let hint = "declare it at the publisher's endpoint; this one gives credit by `feedback`";
            self.report(Code::BadValue, entry.key_span.clone(), &join(path, "waits"), message, hint);
            return None;
        }
        self.note_reach(&pattern);
        let endpoint = Endpoint { name, pattern, role, interest, value, mark, waits };
        self.acting(fields, Act::Join(endpoint), path)
    }

    fn acting(&mut self, fields: &Fields<'a>, act: Act, path: &str) -> Option<Acting> {
        let outer = self.bool_of(fields, "outer", path).unwrap_or(false);
        let within = match fields.find("space") {
            Some(entry) if outer => {
                let message = "`outer` and `space` both say where";
                self.report(Code::BadValue, entry.key_span.clone(), path, message, "remove one of them");
                return None;
            }
            Some(entry) => {
                let at = join(path, "space");
                let template = self.template(&entry.value, &at)?;
                if let Template::Fixed(text) = &template
                    && let Err(error) = everstate_kernel::Address::of_space(text)
                {
                    self.report(Code::BadValue, entry.value.span.clone(), &at, error.to_string(), "");
                }
                Within::Path(template)
            }
            None if outer => Within::Outer,
            None => Within::Here,
        };
        Some(Acting { act, within, place: Arc::from(path) })
    }

    /// A key that must be there, with text.
    pub(super) fn needed(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        node: &Node,
        path: &str,
    ) -> Option<(&'a Entry, Template)> {
        let Some(entry) = fields.find(key) else {
            let message = format!("`{key}` is missing");
            self.report(Code::MissingKey, node.span.clone(), path, message, format!("add `{key}:`"));
            return None;
        };
        Some((entry, self.template(&entry.value, &join(path, key))?))
    }

    pub(super) fn formula_of(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Option<Formula> {
        match fields.find(key) {
            Some(entry) => self.formula(&entry.value, &join(path, key)),
            None => Some(Formula::Literal(Value::Null)),
        }
    }

    fn end_of_name(&mut self, fields: &Fields<'a>, node: &Node, path: &str) -> Option<Template> {
        let (entry, name) = self.needed(fields, "name", node, path)?;
        match &name {
            Template::Fixed(text) => {
                let usable = self.check_end_of_name(text, entry.value.span.clone(), &join(path, "name"));
                usable.then_some(name)
            }
            Template::Parts(_) => Some(name),
        }
    }

    fn check_end_of_name(&mut self, name: &str, span: Range<usize>, path: &str) -> bool {
        let usable =
            !name.is_empty() && name.len() <= ENDPOINT_NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if !usable {
            let message = format!(
                "the name of an endpoint is 1 to {ENDPOINT_NAME_BYTES_MAX} bytes without control characters, this is {name:?}"
            );
            self.report(Code::BadValue, span, path, message, "");
        }
        usable
    }

    fn pattern(&mut self, fields: &Fields<'a>, key: &str, node: &Node, path: &str) -> Option<Template> {
        let (entry, pattern) = self.needed(fields, key, node, path)?;
        if let Template::Fixed(text) = &pattern
            && let Err(error) = Pattern::parse(text)
        {
            self.report(Code::BadValue, entry.value.span.clone(), &join(path, key), error.to_string(), "");
            return None;
        }
        Some(pattern)
    }

    /// Notes what an endpoint may be told of: what comes after the first hole may be anything.
    fn note_reach(&mut self, pattern: &Template) {
        let text = match pattern {
            Template::Fixed(text) => text.to_string(),
            Template::Parts(parts) => match parts.first() {
                Some(Part::Text(text)) => match text.rsplit_once('/') {
                    Some((before, _)) => format!("{before}/>"),
                    None => ">".to_owned(),
                },
                _ => ">".to_owned(),
            },
        };
        self.reaches.extend(Pattern::parse(&text));
    }

    /// Notes which patterns an expression asks for.
    pub(super) fn note_asked(&mut self, node: &Node, code: &Compiled, offset: usize, path: &str) {
        let source = self.source;
        for (pattern, span) in code.expression.presence_asked() {
            let Some(pattern) = pattern.cloned() else { continue };
            let span = node.locate(source, span.start + offset..span.end + offset);
            self.asked_presence.push(AskedPresence { pattern, span, path: path.to_owned() });
        }
    }

    /// Warns where nobody could ever tell the machine of what an expression asks for.
    pub(super) fn check_presence(&mut self) {
        for AskedPresence { pattern, span, path } in std::mem::take(&mut self.asked_presence) {
            if self.reaches.iter().any(|reach| reach.intersects(&pattern)) {
                continue;
            }
            let message = format!("no endpoint of this machine is ever told of {:?}", pattern.as_str());
            let hint = match self.reaches.is_empty() {
                true => "declare one under `endpoints`, or `join`, with a pattern that takes it".to_owned(),
                false => {
                    let known: Vec<&str> = self.reaches.iter().map(Pattern::as_str).take(8).collect();
                    format!("its endpoints are about {}", known.join(", "))
                }
            };
            self.report(Code::NeverPresent, span, &path, message, hint);
        }
    }
}

/// Is it an action of this module?
pub(super) fn is_of_spaces(key: &str) -> bool {
    matches!(key, "join" | "leave" | "move" | "assert" | "publish" | "feedback")
}
