//! Guards, actions and values in SCXML.
//!
//! It refuses to know states. Its one invariant: an action that SCXML does not have is named as a loss.

use super::{Writer, escaped, inner, machine};
use crate::code::{Action, Delay, Foreach, Formula, Guard, Part, Send, StateIndex, Template};
use crate::dispatch::{Dispatch, Each, Payload, SESSION_PREFIX};
use crate::invoke::Source;
use crate::value::{Key, Value};
use crate::write::{expressions, lose};
use std::fmt::Write;

impl Writer<'_, '_> {
    pub(super) fn formula(&mut self, formula: &Formula) -> String {
        match formula {
            Formula::Literal(value) => expressions::literal(value),
            Formula::Code(code) => self.code(code),
            Formula::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.formula(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Formula::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, item)| {
                        let key = expressions::quoted(key.as_str().unwrap_or(""));
                        format!("{key}: {}", self.formula(item))
                    })
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    pub(super) fn guard(&mut self, guard: &Guard) -> String {
        let mut joined = |parts: &[Guard], between: &str, none: &str| {
            let parts: Vec<String> = parts.iter().map(|part| format!("({})", self.guard(part))).collect();
            if parts.is_empty() { none.to_owned() } else { parts.join(between) }
        };
        match guard {
            Guard::Constant(value) => value.to_string(),
            Guard::All(parts) => joined(parts, " && ", "true"),
            Guard::Any(parts) => joined(parts, " || ", "false"),
            Guard::Code(code) => self.code(code),
            Guard::Not(inner) => format!("!({})", self.guard(inner)),
            Guard::In(state) => format!("In({})", expressions::quoted(&self.ids[state])),
            Guard::Named(at) => {
                let chart = self.chart;
                self.guard(&chart.guards[usize::from(*at)])
            }
        }
    }

    /// A text as an attribute that gives it as it is, or as one that computes it.
    fn text(&mut self, fixed: &str, computed: &str, text: &Template) -> String {
        match text {
            Template::Fixed(text) => format!(" {fixed}=\"{}\"", escaped(text)),
            Template::Parts(_) => format!(" {computed}=\"{}\"", escaped(&self.computed(text))),
        }
    }

    fn computed(&mut self, text: &Template) -> String {
        match text {
            Template::Fixed(text) => expressions::quoted(text),
            Template::Parts(parts) => match &parts[..] {
                [Part::Code(code)] if self.chart.rules.is_some() => self.code(code),
                parts => {
                    let parts: Vec<String> = parts
                        .iter()
                        .map(|part| match part {
                            Part::Text(text) => expressions::quoted(text),
                            Part::Code(code) => format!("string({})", self.code(code)),
                        })
                        .collect();
                    parts.join(" + ")
                }
            },
        }
    }

    pub(super) fn actions(&mut self, list: &[Action], place: &str) {
        for action in list {
            self.action(action, place);
        }
    }

    fn action(&mut self, action: &Action, place: &str) {
        match action {
            Action::Block(block) => self.actions(block, place),
            Action::Assign(fields) => self.assign(fields, place),
            Action::Raise { event, data } => self.raise(event, data),
            Action::Send(send) => self.send(send, place),
            Action::Cancel(id) | Action::Recall(id) => {
                let attributes = self.text("sendid", "sendidexpr", id);
                self.line(&format!("<cancel{attributes}/>"));
            }
            Action::Reply(_) => lose(self.losses, place, "left out: a reply to the sender"),
            Action::Log(text) => {
                let attributes = match text {
                    Template::Fixed(text) => format!(" label=\"{}\"", escaped(text)),
                    text => format!(" expr=\"{}\"", escaped(&self.computed(text))),
                };
                self.line(&format!("<log{attributes}/>"));
            }
            Action::Note(note) => {
                let mut attributes = String::new();
                if !note.label.is_empty() {
                    let _ = write!(attributes, " label=\"{}\"", escaped(&note.label));
                }
                if let Some(value) = &note.value {
                    let _ = write!(attributes, " expr=\"{}\"", escaped(&self.formula(value)));
                }
                self.line(&format!("<log{attributes}/>"));
            }
            Action::If { guard, then, otherwise } => {
                let cond = self.guard(guard);
                self.open("if", &format!(" cond=\"{}\"", escaped(&cond)));
                self.actions(then, place);
                if !otherwise.is_empty() {
                    self.line("<else/>");
                    self.actions(otherwise, place);
                }
                self.close("if");
            }
            Action::Foreach(each) => self.foreach(each, place),
            Action::Each(each) => self.each(each, place),
            Action::Named(at) => {
                let chart = self.chart;
                self.actions(&chart.actions[usize::from(*at)], place);
            }
            Action::Set(set) => {
                let location = escaped(&set.location.text);
                match &set.value {
                    Formula::Literal(value) if inner(value).is_some() => {
                        let text = inner(value).unwrap_or_default();
                        self.line(&format!("<assign location=\"{location}\">{text}</assign>"));
                    }
                    value => {
                        let text = self.formula(value);
                        self.line(&format!("<assign location=\"{location}\" expr=\"{}\"/>", escaped(&text)));
                    }
                }
            }
            Action::Dispatch(send) => self.dispatch(send),
            Action::Act(acting) => {
                let what = crate::phrase::acting(acting);
                lose(self.losses, &acting.place, format!("left out: spaces are not known to SCXML ({what})"));
            }
            Action::Link(linking) => {
                let what = "left out: children are invoked in SCXML, and nobody is watched";
                lose(self.losses, &linking.place, what);
            }
            Action::Task(task) => {
                let what = format!("left out: SCXML knows no tasks ({})", task.asked.queue);
                lose(self.losses, &task.place, what);
            }
            Action::Mistake { message, place } => {
                lose(self.losses, place, format!("left out: {message}"));
            }
        }
    }

    fn assign(&mut self, fields: &[(Key, Formula)], place: &str) {
        for (number, (key, value)) in fields.iter().enumerate() {
            let key = key.as_str().unwrap_or("");
            let text = self.formula(value);
            let before = fields[..number].iter().filter_map(|(key, _)| key.as_str());
            if before.into_iter().any(|earlier| expressions::reads(&text, earlier)) {
                let what = "assignments come one after the other; this one reads what an earlier one changed";
                lose(self.losses, place, what);
            }
            self.line(&format!("<assign location=\"{}\" expr=\"{}\"/>", escaped(key), escaped(&text)));
        }
    }

    fn send(&mut self, send: &Send, place: &str) {
        let mut attributes = self.text("event", "eventexpr", &send.event);
        match &send.to {
            None => {}
            Some(Template::Fixed(to)) => {
                let _ = write!(attributes, " target=\"{SESSION_PREFIX}{}\"", escaped(to));
            }
            Some(to) => {
                let to = self.computed(to);
                let _ = write!(attributes, " targetexpr=\"'{SESSION_PREFIX}' + {}\"", escaped(&to));
            }
        }
        match &send.id {
            Some(Template::Fixed(id)) => _ = write!(attributes, " id=\"{}\"", escaped(id)),
            Some(_) => lose(self.losses, place, "left out: a computed id of a send"),
            None => {}
        }
        attributes.push_str(&self.delay(send.delay.as_ref()));
        self.with_data("send", &attributes, &send.data);
    }

    fn foreach(&mut self, each: &Foreach, place: &str) {
        let array = self.code(&each.over);
        let (item, index) = (&each.names.0, &each.names.1);
        let attributes =
            format!(" array=\"{}\" item=\"{}\" index=\"{}\"", escaped(&array), escaped(item), escaped(index));
        self.open("foreach", &attributes);
        self.actions(&each.body, place);
        self.close("foreach");
    }

    fn each(&mut self, each: &Each, place: &str) {
        let array = self.formula(&each.over);
        let mut attributes = format!(" array=\"{}\" item=\"{}\"", escaped(&array), escaped(&each.item.text));
        if let Some(index) = &each.index {
            let _ = write!(attributes, " index=\"{}\"", escaped(&index.text));
        }
        self.open("foreach", &attributes);
        self.actions(&each.body, place);
        self.close("foreach");
    }

    fn raise(&mut self, event: &Template, data: &Formula) {
        match (event, data) {
            (Template::Fixed(name), Formula::Literal(Value::Null)) => {
                self.line(&format!("<raise event=\"{}\"/>", escaped(name)));
            }
            (event, data) => {
                let attributes = self.text("event", "eventexpr", event);
                self.with_data("send", &format!("{attributes} target=\"#_internal\""), data);
            }
        }
    }

    fn with_data(&mut self, tag: &str, attributes: &str, data: &Formula) {
        if matches!(data, Formula::Literal(Value::Null)) {
            self.line(&format!("<{tag}{attributes}/>"));
            return;
        }
        let text = self.formula(data);
        self.open(tag, attributes);
        self.line(&format!("<content expr=\"{}\"/>", escaped(&text)));
        self.close(tag);
    }

    fn delay(&mut self, delay: Option<&Delay>) -> String {
        match delay {
            None => String::new(),
            Some(Delay::Fixed(span)) => format!(" delay=\"{}ms\"", span.0),
            Some(Delay::Text(text)) => format!(" delayexpr=\"{}\"", escaped(&self.computed(text))),
        }
    }

    fn dispatch(&mut self, send: &Dispatch) {
        let mut attributes = String::new();
        for (fixed, computed, text) in [
            ("event", "eventexpr", &send.event),
            ("target", "targetexpr", &send.target),
            ("type", "typeexpr", &send.processor),
        ] {
            if let Some(text) = text {
                attributes.push_str(&self.text(fixed, computed, text));
            }
        }
        if let Some(id) = &send.id {
            let _ = write!(attributes, " id=\"{}\"", escaped(id));
        }
        if let Some(location) = &send.id_location {
            let _ = write!(attributes, " idlocation=\"{}\"", escaped(&location.text));
        }
        attributes.push_str(&self.delay(send.delay.as_ref()));
        self.namelist(&send.payload, &mut attributes);
        if send.payload.params.is_empty() && send.payload.content.is_none() {
            self.line(&format!("<send{attributes}/>"));
            return;
        }
        self.open("send", &attributes);
        self.payload(&send.payload);
        self.close("send");
    }

    fn namelist(&mut self, payload: &Payload, attributes: &mut String) {
        if !payload.names.is_empty() {
            let names: Vec<&str> = payload.names.iter().map(|(name, _)| &**name).collect();
            let _ = write!(attributes, " namelist=\"{}\"", escaped(&names.join(" ")));
        }
    }

    /// The parameters and the content of a message.
    pub(super) fn payload(&mut self, payload: &Payload) {
        for (name, code) in &payload.params {
            let text = self.code(code);
            self.line(&format!("<param name=\"{}\" expr=\"{}\"/>", escaped(name), escaped(&text)));
        }
        match &payload.content {
            None => {}
            Some(Formula::Literal(value)) if inner(value).is_some() => {
                self.line(&format!("<content>{}</content>", inner(value).unwrap_or_default()));
            }
            Some(formula) => {
                let text = self.formula(formula);
                self.line(&format!("<content expr=\"{}\"/>", escaped(&text)));
            }
        }
    }

    /// What a machine is invoked with, which has to be a map: its entries become parameters.
    fn input(&mut self, input: &Formula, place: &str) {
        let entries: Vec<(String, Formula)> = match input {
            Formula::Literal(Value::Null) => return,
            Formula::Literal(Value::Map(map)) => {
                let literal = |(key, value): (&Key, &Value)| {
                    Some((key.as_str()?.to_owned(), Formula::Literal(value.clone())))
                };
                map.iter().filter_map(literal).collect()
            }
            Formula::Map(entries) => entries
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.clone())))
                .collect(),
            _ => {
                let what = "left out: what a machine is invoked with, where it is no map of known keys";
                return lose(self.losses, place, what);
            }
        };
        for (name, value) in entries {
            let text = self.formula(&value);
            self.line(&format!("<param name=\"{}\" expr=\"{}\"/>", escaped(&name), escaped(&text)));
        }
    }

    pub(super) fn invokes(&mut self, at: StateIndex) {
        let chart = self.chart;
        let place = self.place(at);
        for invoke in &chart.state(at).invokes {
            if let Source::Task(_) = &invoke.source {
                let what = format!("left out: a task ({})", invoke.id.as_deref().unwrap_or("without id"));
                lose(self.losses, &place, &what);
                continue;
            }
            let mut attributes = String::new();
            if let Some(kind) = &invoke.kind {
                attributes.push_str(&self.text("type", "typeexpr", kind));
            }
            if let Some(id) = &invoke.id {
                let _ = write!(attributes, " id=\"{}\"", escaped(id));
            }
            if let Some(location) = &invoke.id_location {
                let _ = write!(attributes, " idlocation=\"{}\"", escaped(&location.text));
            }
            if invoke.forwards {
                attributes.push_str(" autoforward=\"true\"");
            }
            self.namelist(&invoke.payload, &mut attributes);
            if let Source::Definition(source) = &invoke.source {
                attributes.push_str(&self.text("src", "srcexpr", source));
            }
            self.open("invoke", &attributes);
            match (&invoke.source, &invoke.payload.content) {
                // What is named takes no content beside it.
                (Source::Definition(_), Some(input)) => self.input(input, &place),
                _ => self.payload(&invoke.payload),
            }
            match &invoke.source {
                Source::Definition(_) | Source::Task(_) => {}
                Source::Inline(number) => {
                    self.open("content", "");
                    machine(&chart.inline[usize::from(*number)], "", self.depth, self.losses, self.out);
                    self.close("content");
                }
                Source::Document(document) => {
                    let text = self.formula(document);
                    self.line(&format!("<content expr=\"{}\"/>", escaped(&text)));
                }
            }
            if !invoke.finalize.is_empty() {
                self.open("finalize", "");
                self.actions(&invoke.finalize, &place);
                self.close("finalize");
            }
            self.close("invoke");
        }
    }
}
