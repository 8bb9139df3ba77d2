//! Executable content of the native format: actions, guards, values, texts with holes, and the expressions in them.
//!
//! It refuses to know when content runs. Its one invariant: an error inside of an expression is reported at its
//! own place in the text, not at that of the whole expression.

use super::fields::{Fields, one_or_more};
use super::links::is_of_links;
use super::spaces::is_of_spaces;
use super::{Reader, join, span_of};
use crate::code::{Action, Code, Delay, Foreach, Formula, Guard, Part, Send, Template};
use crate::document::{Entry, Kind, Node};
use crate::expression::{Expression, Type};
use crate::finding::{self, nearest};
use crate::format;
use crate::value::{Key, Map, Value};
use std::ops::Range;
use std::sync::Arc;

/// The keys that say what an action does; a map has exactly one of them.
const DOING: [&str; 22] = [
    "assign",
    "raise",
    "send",
    "cancel",
    "reply",
    "log",
    "if",
    "foreach",
    "join",
    "leave",
    "move",
    "assert",
    "publish",
    "feedback",
    "spawn",
    "stop",
    "restart",
    "monitor",
    "demonitor",
    "giveUp",
    "task",
    "type",
];

impl<'a> Reader<'a> {
    pub(super) fn actions_of(&mut self, fields: &Fields<'a>, key: &str, path: &str) -> Vec<Action> {
        match fields.find(key) {
            Some(entry) => self.actions(&entry.value, &join(path, key)),
            None => Vec::new(),
        }
    }

    pub(super) fn actions(&mut self, node: &'a Node, path: &str) -> Vec<Action> {
        let is_list = matches!(node.kind, Kind::List(_));
        let mut actions = Vec::new();
        for (at, item) in one_or_more(node).iter().enumerate() {
            let path = if is_list { format!("{path}[{at}]") } else { path.to_owned() };
            actions.extend(self.action(item, &path));
        }
        actions
    }

    fn action(&mut self, node: &'a Node, path: &str) -> Option<Action> {
        if let Some(name) = node.text() {
            return self.named_action(name, node, path);
        }
        let fields = self.fields(node, &format::ACTION, path)?;
        let doing: Vec<&Entry> = DOING.iter().filter_map(|key| fields.find(key)).collect();
        let [entry] = doing[..] else {
            let found: Vec<&str> = doing.iter().map(|entry| entry.key.as_str()).collect();
            let message = match found[..] {
                [] => "the action does not say what to do".to_owned(),
                _ => format!("one action does one thing, this one has {}", found.join(" and ")),
            };
            let hint = match found[..] {
                [] => format!("use one of {}", DOING[..DOING.len() - 1].join(", ")),
                _ => "make a list of actions of them".to_owned(),
            };
            self.report(finding::Code::BadValue, node.span.clone(), path, message, hint);
            return None;
        };
        self.check_companions(&fields, entry, path);
        let at = join(path, &entry.key);
        let value = &entry.value;
        match entry.key.as_str() {
            "assign" => self.assign(value, &at),
            "raise" => self.raise(value, &at),
            "send" => self.send(value, &at),
            "cancel" => self.template(value, &at).map(Action::Cancel),
            "reply" => self.formula(value, &at).map(Action::Reply),
            "log" => self.template(value, &at).map(Action::Log),
            "if" => {
                let guard = self.guard(value, &at)?;
                let then = self.actions_of(&fields, "then", path);
                let otherwise = self.actions_of(&fields, "else", path);
                Some(Action::If { guard, then, otherwise })
            }
            "foreach" => self.foreach(&fields, entry, path),
            key if is_of_spaces(key) => self.space_action(entry, &at),
            key if is_of_links(key) => self.link_action(entry, &at),
            "task" => self.task_action(entry, &at),
            _ => {
                let name = self.text(entry, &at)?;
                self.named_action(name, value, &at)
            }
        }
    }

    /// Keys that belong to another sort of action than the one that is there.
    fn check_companions(&mut self, fields: &Fields<'a>, doing: &Entry, path: &str) {
        let belong: &[&str] = match doing.key.as_str() {
            "if" => &["then", "else"],
            "foreach" => &["item", "index", "do"],
            "type" => &["params"],
            _ => &[],
        };
        let stray: Vec<&Entry> = fields
            .keys()
            .filter(|entry| entry.key != doing.key && !belong.contains(&entry.key.as_str()))
            .collect();
        for entry in stray {
            let message = format!("{:?} does not belong to {:?}", entry.key, doing.key);
            let hint = match doing.key.as_str() {
                "type" | "log" | "cancel" | "reply" | "assign" => String::new(),
                _ => format!("put it inside of `{}`", doing.key),
            };
            self.report(
                finding::Code::BadValue,
                entry.key_span.clone(),
                &join(path, &entry.key),
                message,
                hint,
            );
        }
        if doing.key == "if" && fields.find("then").is_none() && fields.find("else").is_none() {
            let hint = "add `then:` with actions";
            self.report(finding::Code::MissingKey, doing.key_span.clone(), path, "`if` without `then`", hint);
        }
    }

    fn named_action(&mut self, name: &str, node: &Node, path: &str) -> Option<Action> {
        if let Some(at) = self.action_names.get(name) {
            self.used_actions.insert(*at);
            return Some(Action::Named(*at));
        }
        let near = nearest(name, self.action_names.keys().copied());
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("define it under `actions:`, or write it out, such as `log: {name}`"),
        };
        let message = format!("there is no action {name:?} under `actions`");
        self.report(finding::Code::UnknownName, node.span.clone(), path, message, hint);
        None
    }

    fn assign(&mut self, node: &'a Node, path: &str) -> Option<Action> {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, path, "a map from keys of the context to values");
            return None;
        }
        let mut fields = Vec::new();
        for entry in self.entries(node, path, "") {
            let value = self.formula(&entry.value, &join(path, &entry.key));
            fields.push((self.names.key_of_context(&entry.key), value?));
        }
        Some(Action::Assign(fields))
    }

    fn raise(&mut self, node: &'a Node, path: &str) -> Option<Action> {
        if node.text().is_some() {
            let event = self.event_name(node, path)?;
            self.note_sent(&event, node, path);
            return Some(Action::Raise { event, data: Formula::Literal(Value::Null) });
        }
        let fields = self.fields(node, &format::RAISE, path)?;
        let event = self.event_of(&fields, node, path)?;
        let data = self.data_of(&fields, path)?;
        if let Some(entry) = fields.find("event") {
            self.note_sent(&event, &entry.value, path);
        }
        Some(Action::Raise { event, data })
    }

    /// An event for the machine itself should be taken by some state.
    fn note_sent(&mut self, event: &Template, node: &Node, path: &str) {
        if let Template::Fixed(name) = event {
            let (name, span, path) = (name.clone(), node.span.clone(), path.to_owned());
            self.sent.push(crate::check::SentToSelf { name, span, path });
        }
    }

    fn send(&mut self, node: &'a Node, path: &str) -> Option<Action> {
        let mut send = Send {
            to: None,
            event: Template::Fixed(Arc::from("")),
            data: Formula::Literal(Value::Null),
            delay: None,
            id: None,
            place: Arc::from(path),
        };
        if node.text().is_some() {
            send.event = self.event_name(node, path)?;
            self.note_sent(&send.event, node, path);
            return Some(Action::Send(Box::new(send)));
        }
        let fields = self.fields(node, &format::SEND, path)?;
        send.event = self.event_of(&fields, node, path)?;
        send.data = self.data_of(&fields, path)?;
        if let Some(entry) = fields.find("to") {
            send.to = Some(self.template(&entry.value, &join(path, "to"))?);
        } else if let Some(entry) = fields.find("event") {
            self.note_sent(&send.event, &entry.value, path);
        }
        if let Some(entry) = fields.find("id") {
            send.id = Some(self.template(&entry.value, &join(path, "id"))?);
        }
        if let Some(entry) = fields.find("delay") {
            send.delay = Some(self.delay(entry, &join(path, "delay"))?);
        } else if let Some(entry) = fields.find("id") {
            let message = "an `id` is for cancelling a delayed send, and this one has no `delay`";
            self.report(
                finding::Code::BadValue,
                entry.key_span.clone(),
                path,
                message,
                "add `delay:` or remove `id`",
            );
        }
        if let Some(Template::Fixed(address)) = &send.to
            && !address.starts_with("#_")
            && let Err(error) = everstate_kernel::Address::parse(address)
        {
            let span = fields.find("to").map_or(node.span.clone(), |entry| entry.value.span.clone());
            self.report(finding::Code::BadValue, span, &join(path, "to"), error.to_string(), "");
        }
        Some(Action::Send(Box::new(send)))
    }

    fn delay(&mut self, entry: &'a Entry, path: &str) -> Option<Delay> {
        if entry.value.text().is_some_and(|text| text.contains("${")) {
            return self.template(&entry.value, path).map(Delay::Text);
        }
        match span_of(&entry.value) {
            Ok(span) => Some(Delay::Fixed(span)),
            Err(message) => {
                self.report(finding::Code::BadValue, entry.value.span.clone(), path, message, "");
                None
            }
        }
    }

    fn event_of(&mut self, fields: &Fields<'a>, node: &Node, path: &str) -> Option<Template> {
        match fields.find("event") {
            Some(entry) => self.event_name(&entry.value, &join(path, "event")),
            None => {
                let hint = "add `event: NAME`";
                self.report(finding::Code::MissingKey, node.span.clone(), path, "no event is named", hint);
                None
            }
        }
    }

    fn event_name(&mut self, node: &'a Node, path: &str) -> Option<Template> {
        let template = self.template(node, path)?;
        if let Template::Fixed(name) = &template
            && (name.is_empty() || name.len() > everstate_kernel::limits::EVENT_NAME_BYTES_MAX)
        {
            let message = format!("the name of an event is {} bytes long", name.len());
            self.report(finding::Code::BadValue, node.span.clone(), path, message, "");
            return None;
        }
        Some(template)
    }

    fn data_of(&mut self, fields: &Fields<'a>, path: &str) -> Option<Formula> {
        match fields.find("data") {
            Some(entry) => self.formula(&entry.value, &join(path, "data")),
            None => Some(Formula::Literal(Value::Null)),
        }
    }

    fn foreach(&mut self, fields: &Fields<'a>, entry: &'a Entry, path: &str) -> Option<Action> {
        let over = self.expression_of(entry, &join(path, "foreach"))?;
        let item = self.text_of(fields, "item", path).unwrap_or("item");
        let index = self.text_of(fields, "index", path).unwrap_or("index");
        let outer = self.slots;
        let slot = self.names.declare(item, Type::Dyn);
        self.names.declare(index, Type::Int);
        self.slots += 2;
        let body = self.actions_of(fields, "do", path);
        self.slots = outer;
        self.names.truncate(outer);
        if body.is_empty() && fields.find("do").is_none() {
            let hint = "add `do:` with actions";
            self.report(
                finding::Code::MissingKey,
                entry.key_span.clone(),
                path,
                "`foreach` without `do`",
                hint,
            );
        }
        let names = (Arc::from(item), Arc::from(index));
        Some(Action::Foreach(Box::new(Foreach { over, slot, names, body })))
    }

    /// A guard where it is used: the name of one, an expression, or a map.
    pub(super) fn guard(&mut self, node: &'a Node, path: &str) -> Option<Guard> {
        if let Some(name) = node.text()
            && let Some(at) = self.guard_names.get(name)
        {
            self.used_guards.insert(*at);
            return Some(Guard::Named(*at));
        }
        self.guard_expression(node, path)
    }

    /// A guard where it is defined: an expression or a map, in which names of guards can be used.
    pub(super) fn guard_expression(&mut self, node: &'a Node, path: &str) -> Option<Guard> {
        match &node.kind {
            Kind::Bool(value) => Some(Guard::Constant(*value)),
            Kind::Text { text, .. } => self.compile(node, text, 0, path).map(Guard::Code),
            Kind::Map(_) => {
                let fields = self.fields(node, &format::GUARD, path)?;
                let keys: Vec<&'a Entry> = fields.keys().filter(|entry| entry.key != "params").collect();
                let [entry] = keys[..] else {
                    let message = "a guard has one of `not`, `and`, `or`, `in`, `type`";
                    self.report(finding::Code::BadValue, node.span.clone(), path, message, "");
                    return None;
                };
                self.guard_map(entry, &join(path, &entry.key))
            }
            _ => {
                self.wrong_type(node, path, "an expression or a map (guard)");
                None
            }
        }
    }

    fn guard_map(&mut self, entry: &'a Entry, path: &str) -> Option<Guard> {
        let parts = |reader: &mut Reader<'a>| -> Option<Vec<Guard>> {
            let Kind::List(items) = &entry.value.kind else {
                reader.wrong_type(&entry.value, path, "a list of guards");
                return None;
            };
            let guards: Vec<Option<Guard>> = items.iter().map(|item| reader.guard(item, path)).collect();
            guards.into_iter().collect()
        };
        match entry.key.as_str() {
            "not" => self.guard(&entry.value, path).map(|guard| Guard::Not(Box::new(guard))),
            "and" => parts(self).map(Guard::All),
            "or" => parts(self).map(Guard::Any),
            "in" => {
                let name = self.text(entry, path)?;
                self.asked_state(name, entry.value.span.clone(), path).map(Guard::In)
            }
            _ => {
                let name = self.text(entry, path)?;
                if let Some(at) = self.guard_names.get(name) {
                    self.used_guards.insert(*at);
                    return Some(Guard::Named(*at));
                }
                let near = nearest(name, self.guard_names.keys().copied());
                let hint = match near {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "define it under `guards:` as an expression".to_owned(),
                };
                let message = format!("there is no guard {name:?} under `guards`");
                self.report(finding::Code::UnknownName, entry.value.span.clone(), path, message, hint);
                None
            }
        }
    }

    /// A value: text is an expression, lists and maps are built of values, the rest stands for itself.
    pub(super) fn formula(&mut self, node: &'a Node, path: &str) -> Option<Formula> {
        match &node.kind {
            Kind::Text { text, .. } => self.compile(node, text, 0, path).map(Formula::Code),
            Kind::List(items) => {
                let parts: Vec<Option<Formula>> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.formula(item, &format!("{path}[{at}]")))
                    .collect();
                let parts: Vec<Formula> = parts.into_iter().collect::<Option<_>>()?;
                let literals = parts.iter().map(literal).collect::<Option<Vec<Value>>>();
                Some(literals.map_or(Formula::List(parts), |items| Formula::Literal(Value::list(items))))
            }
            Kind::Map(_) => {
                let entries = self.entries(node, path, "");
                let parts: Vec<Option<(Key, Formula)>> = entries
                    .into_iter()
                    .map(|entry| {
                        let part = self.formula(&entry.value, &join(path, &entry.key))?;
                        Some((Key::from(entry.key.as_str()), part))
                    })
                    .collect();
                let parts: Vec<(Key, Formula)> = parts.into_iter().collect::<Option<_>>()?;
                let literals = parts.iter().map(|(key, part)| Some((key.clone(), literal(part)?)));
                let literals = literals.collect::<Option<Vec<(Key, Value)>>>();
                Some(match literals {
                    Some(entries) => Formula::Literal(Value::from(Map::from_entries(entries))),
                    None => Formula::Map(parts),
                })
            }
            _ => Some(Formula::Literal(node.to_value())),
        }
    }

    /// A text with `${ expression }` holes; `$${` stands for `${`.
    pub(super) fn template(&mut self, node: &'a Node, path: &str) -> Option<Template> {
        let text = match &node.kind {
            Kind::Text { text, .. } => text.as_str(),
            Kind::Int(_) | Kind::Double(_) | Kind::Bool(_) => {
                return Some(Template::Fixed(Arc::from(self.source.get(node.span.clone()).unwrap_or(""))));
            }
            _ => {
                self.wrong_type(node, path, "text, with ${ expression } where something is to be filled in");
                return None;
            }
        };
        let (mut parts, mut fixed, mut at, mut complete) = (Vec::new(), String::new(), 0, true);
        while let Some(found) = text[at..].find("${") {
            let hole = at + found;
            if text[..hole].ends_with('$') && hole > at {
                fixed.push_str(&text[at..hole - 1]);
                fixed.push_str("${");
                at = hole + 2;
                continue;
            }
            fixed.push_str(&text[at..hole]);
            let Some(length) = hole_length(&text[hole + 2..]) else {
                let span = node.locate(self.source, hole..hole + 2);
                let hint = "close it with '}', or write $${ for the characters themselves";
                self.report(
                    finding::Code::Expression,
                    span,
                    path,
                    "the hole that begins here has no end",
                    hint,
                );
                return None;
            };
            let inner = &text[hole + 2..hole + 2 + length];
            match self.compile(node, inner, hole + 2, path) {
                Some(code) => {
                    if !fixed.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut fixed)));
                    }
                    parts.push(Part::Code(code));
                }
                None => complete = false,
            }
            at = hole + 2 + length + 1;
        }
        fixed.push_str(&text[at..]);
        if !complete {
            return None;
        }
        if parts.is_empty() {
            return Some(Template::Fixed(Arc::from(fixed)));
        }
        if !fixed.is_empty() {
            parts.push(Part::Text(fixed));
        }
        Some(Template::Parts(parts))
    }

    fn expression_of(&mut self, entry: &'a Entry, path: &str) -> Option<Code> {
        let text = self.text(entry, path)?;
        self.compile(&entry.value, text, 0, path)
    }

    /// Compiles an expression that stands at `offset` in the text of a node.
    fn compile(&mut self, node: &Node, text: &str, offset: usize, path: &str) -> Option<Code> {
        let place = |range: Range<usize>| range.start + offset..range.end + offset;
        match Expression::compile(text, &self.names) {
            Ok(expression) => {
                let asked: Vec<(String, Range<usize>)> =
                    expression.states_asked().map(|(name, span)| (name.to_owned(), span)).collect();
                for (name, span) in asked {
                    let span = node.locate(self.source, place(span));
                    self.asked_state(&name, span, path);
                }
                let reads_event = text.contains("event");
                let code = Code { expression: Arc::new(expression), place: Arc::from(path), reads_event };
                self.note_asked(node, &code, offset, path);
                Some(code)
            }
            Err(errors) => {
                for error in errors {
                    let span = node.locate(self.source, place(error.span));
                    let hint = error.hint.unwrap_or_default();
                    self.report(finding::Code::Expression, span, path, error.message, hint);
                }
                None
            }
        }
    }
}

fn literal(formula: &Formula) -> Option<Value> {
    match formula {
        Formula::Literal(value) => Some(value.clone()),
        _ => None,
    }
}

/// How long the expression of a hole is, up to its closing brace: braces of maps and texts are inside of it.
fn hole_length(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '{' => depth += 1,
                '}' if depth == 0 => return Some(at),
                '}' => depth -= 1,
                _ => {}
            },
        }
    }
    None
}
