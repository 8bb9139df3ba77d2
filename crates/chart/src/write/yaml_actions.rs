//! Guards, actions and values in the native format.
//!
//! It refuses to know states. Its one invariant: an action that the format does not have is named as a loss.

use super::yaml_text::Tree;
use super::{Losses, expressions, lose};
use crate::chart::Chart;
use crate::code::{Action, Code, Delay, Formula, Guard, Part, Template};
use crate::dispatch::{Dispatch, Each, Payload, SESSION_PREFIX};
use crate::value::Value;
use std::collections::BTreeSet;

/// What is known while contents are written.
pub(super) struct Contents<'c, 'l> {
    pub(super) chart: &'c Chart,
    pub(super) data: BTreeSet<&'c str>,
    pub(super) losses: Losses<'l>,
    /// Variables of the loops around.
    pub(super) locals: Vec<String>,
}

fn map<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Contents<'_, '_> {
    pub(super) fn code(&mut self, code: &Code) -> String {
        let source = code.expression.source();
        match self.chart.rules {
            None => source.to_owned(),
            Some(_) => expressions::to_native(source, &self.data, &self.locals, (self.losses, &code.place)),
        }
    }

    pub(super) fn formula(&mut self, formula: &Formula) -> Tree {
        match formula {
            Formula::Code(code) => Tree::Text(self.code(code)),
            Formula::Literal(value) => literal(value),
            Formula::List(items) => Tree::List(items.iter().map(|item| self.formula(item)).collect()),
            Formula::Map(entries) => Tree::Map(
                entries
                    .iter()
                    .map(|(key, item)| (key.as_str().unwrap_or("").to_owned(), self.formula(item)))
                    .collect(),
            ),
        }
    }

    pub(super) fn template(&mut self, text: &Template) -> String {
        let fixed = |text: &str| text.replace("${", "$${");
        match text {
            Template::Fixed(text) => fixed(text),
            Template::Parts(parts) => {
                let mut out = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => out.push_str(&fixed(text)),
                        Part::Code(code) => {
                            out.push_str("${");
                            out.push_str(&self.code(code));
                            out.push('}');
                        }
                    }
                }
                out
            }
        }
    }

    pub(super) fn guard(&mut self, guard: &Guard) -> Tree {
        let mut parts = |list: &[Guard]| Tree::List(list.iter().map(|part| self.guard(part)).collect());
        match guard {
            Guard::Constant(value) => Tree::Plain(value.to_string()),
            Guard::All(list) => map([("and", parts(list))]),
            Guard::Any(list) => map([("or", parts(list))]),
            Guard::Code(code) => Tree::Text(self.code(code)),
            Guard::Not(inner) => map([("not", self.guard(inner))]),
            Guard::In(state) => map([("in", Tree::text(&*self.chart.state(*state).path))]),
            Guard::Named(at) => Tree::text(&*self.chart.guard_names[usize::from(*at)]),
        }
    }

    pub(super) fn actions(&mut self, list: &[Action]) -> Vec<Tree> {
        let mut all = Vec::new();
        for action in list {
            match action {
                Action::Block(block) => all.extend(self.actions(block)),
                other => all.extend(self.action(other)),
            }
        }
        all
    }

    fn action(&mut self, action: &Action) -> Option<Tree> {
        Some(match action {
            Action::Assign(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (key.as_str().unwrap_or("").to_owned(), self.formula(value)));
                map([("assign", Tree::Map(fields.collect()))])
            }
            Action::Raise { event, data } => {
                let event = self.template(event);
                map([("raise", self.message(event, data, Vec::new()))])
            }
            Action::Send(send) => {
                let mut more = Vec::new();
                more.extend(send.to.as_ref().map(|to| ("to".to_owned(), Tree::Text(self.template(to)))));
                more.extend(send.delay.as_ref().map(|delay| ("delay".to_owned(), self.delay(delay))));
                more.extend(send.id.as_ref().map(|id| ("id".to_owned(), Tree::Text(self.template(id)))));
                let event = self.template(&send.event);
                map([("send", self.message(event, &send.data, more))])
            }
            Action::Cancel(id) | Action::Recall(id) => map([("cancel", Tree::Text(self.template(id)))]),
            Action::Reply(value) => map([("reply", self.formula(value))]),
            Action::Log(text) => map([("log", Tree::Text(self.template(text)))]),
            Action::If { guard, then, otherwise } => {
                let mut entries = vec![("if".to_owned(), self.guard(guard))];
                entries.push(("then".to_owned(), Tree::List(self.actions(then))));
                if !otherwise.is_empty() {
                    entries.push(("else".to_owned(), Tree::List(self.actions(otherwise))));
                }
                Tree::Map(entries)
            }
            Action::Foreach(each) => {
                let over = Tree::Text(self.code(&each.over));
                let body = Tree::List(self.actions(&each.body));
                let (item, index) = (Tree::text(&*each.names.0), Tree::text(&*each.names.1));
                map([("foreach", over), ("item", item), ("index", index), ("do", body)])
            }
            Action::Named(at) => Tree::text(&*self.chart.action_names[usize::from(*at)]),
            Action::Block(_) => return None,
            Action::Set(set) if set.location.steps.is_empty() => {
                let value = self.formula(&set.value);
                map([("assign", Tree::Map(vec![(set.location.root.to_string(), value)]))])
            }
            Action::Set(set) => {
                let what = format!("assigning to a part of a data item ({})", set.location.text);
                return self.lost(&set.location.place, what);
            }
            Action::Dispatch(send) => return self.dispatch(send),
            Action::Note(note) => {
                let label = note.label.replace("${", "$${");
                let value = note.value.as_ref().map(|value| match self.formula(value) {
                    Tree::Text(text) => format!("${{{text}}}"),
                    _ => String::new(),
                });
                let between = if label.is_empty() || value.is_none() { "" } else { ": " };
                map([("log", Tree::Text(format!("{label}{between}{}", value.unwrap_or_default())))])
            }
            Action::Each(each) => return self.each(each),
            Action::Act(acting) => self.acting(acting),
            Action::Link(linking) => self.linking(&linking.link),
            Action::Task(task) => self.task(task),
            Action::Mistake { message, place } => return self.lost(place, &**message),
        })
    }

    /// SCXML's variables of a loop are data; here they are seen inside of the loop only.
    fn each(&mut self, each: &Each) -> Option<Tree> {
        let over = match self.formula(&each.over) {
            Tree::Text(text) => Tree::Text(text),
            _ => return self.lost(&each.place, "a foreach over what is no expression"),
        };
        let item = each.item.root.to_string();
        let index = each.index.as_ref().map_or("index".to_owned(), |index| index.root.to_string());
        let outer = self.locals.len();
        self.locals.extend([item.clone(), index.clone()]);
        let body = Tree::List(self.actions(&each.body));
        self.locals.truncate(outer);
        Some(map([("foreach", over), ("item", Tree::Text(item)), ("index", Tree::Text(index)), ("do", body)]))
    }

    fn lost(&mut self, place: &str, what: impl Into<String>) -> Option<Tree> {
        lose(self.losses, place, format!("left out: {}", what.into()));
        None
    }

    /// The short form where there is nothing but a name.
    fn message(&mut self, event: String, data: &Formula, more: Vec<(String, Tree)>) -> Tree {
        let mut entries = vec![("event".to_owned(), Tree::Text(event))];
        entries.extend(more);
        if !matches!(data, Formula::Literal(Value::Null)) {
            entries.push(("data".to_owned(), self.formula(data)));
        }
        match entries.len() {
            1 => entries.remove(0).1,
            _ => Tree::Map(entries),
        }
    }

    fn delay(&mut self, delay: &Delay) -> Tree {
        match delay {
            Delay::Fixed(span) => Tree::Text(crate::duration::format(*span)),
            Delay::Text(text) => Tree::Text(self.template(text)),
        }
    }

    fn dispatch(&mut self, send: &Dispatch) -> Option<Tree> {
        let Some(event) = &send.event else { return self.lost(&send.place, "a send without an event") };
        let event = self.template(event);
        let target = send.target.as_ref().map(|target| self.template(target));
        if send.id_location.is_some() {
            lose(self.losses, &send.place, "idlocation: ids of sends are not stored");
        }
        let data = self.payload(&send.payload);
        let is_internal = target.as_deref() == Some("#_internal");
        let mut entries = vec![("event".to_owned(), Tree::Text(event))];
        match target {
            None => {}
            Some(_) if is_internal => {}
            Some(target) => match target.strip_prefix(SESSION_PREFIX) {
                Some(address) => entries.push(("to".to_owned(), Tree::text(address))),
                None => return self.lost(&send.place, format!("a send to {target}")),
            },
        }
        if let Some(delay) = &send.delay
            && !is_internal
        {
            entries.push(("delay".to_owned(), self.delay(delay)));
            entries.extend(send.id.as_ref().map(|id| ("id".to_owned(), Tree::text(&**id))));
        }
        entries.extend(data.map(|data| ("data".to_owned(), data)));
        let message = if entries.len() == 1 { entries.remove(0).1 } else { Tree::Map(entries) };
        Some(map([(if is_internal { "raise" } else { "send" }, message)]))
    }

    pub(super) fn payload(&mut self, payload: &Payload) -> Option<Tree> {
        if let Some(content) = &payload.content {
            return Some(self.formula(content));
        }
        let pairs: Vec<(String, Tree)> = payload
            .names
            .iter()
            .chain(&payload.params)
            .map(|(name, code)| (name.to_string(), Tree::Text(self.code(code))))
            .collect();
        (!pairs.is_empty()).then_some(Tree::Map(pairs))
    }
}

/// A value where text would be an expression.
fn literal(value: &Value) -> Tree {
    match value {
        Value::String(text) => Tree::Text(expressions::quoted(text)),
        Value::List(items) => Tree::List(items.iter().map(literal).collect()),
        Value::Map(entries) => Tree::Map(
            entries
                .iter()
                .map(|(key, item)| (key.as_str().unwrap_or("").to_owned(), literal(item)))
                .collect(),
        ),
        other => Tree::value(other),
    }
}
