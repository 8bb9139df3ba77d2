//! Executable content of SCXML.
//!
//! It refuses to know when content runs. Its one invariant: an element that it does not know is reported, never passed
//! over in silence.

use super::{Element, Reader, attribute_span, elements, is_scxml, tag_span};
use crate::code::{Action, Delay, Dispatch, Each, Formula, Guard, Note, Set, Template};
use crate::finding::Code;
use crate::value::Value;
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use std::sync::Arc;

impl Reader<'_> {
    /// The content of an element as a block.
    pub(super) fn block(&mut self, element: Element<'_>, path: &str) -> Option<Action> {
        let actions = self.actions(elements(element), path);
        (!actions.is_empty()).then_some(Action::Block(actions))
    }

    /// The blocks that all elements of that name in an element are.
    pub(super) fn handlers(&mut self, element: Element<'_>, tag: &str, path: &str) -> Vec<Action> {
        let mut blocks = Vec::new();
        for (at, handler) in elements(element).filter(|child| is_scxml(*child, tag)).enumerate() {
            self.check_attributes(handler, &[]);
            blocks.extend(self.block(handler, &format!("{path}.{tag}[{at}]")));
        }
        blocks
    }

    fn actions<'a>(&mut self, children: impl Iterator<Item = Element<'a>>, path: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for (at, child) in children.enumerate() {
            let path = format!("{path}.{}[{at}]", child.tag_name().name());
            actions.extend(self.action(child, &path));
        }
        actions
    }

    fn action(&mut self, element: Element<'_>, path: &str) -> Option<Action> {
        if !is_scxml(element, element.tag_name().name()) {
            let tag = element.tag_name().name();
            let message = format!("<{tag}> is of another namespace, and no action that is known here");
            self.report(Code::Unsupported, tag_span(element), path, message, "remove it");
            return None;
        }
        match element.tag_name().name() {
            "raise" => self.raise(element),
            "if" => self.choice(element, path),
            "foreach" => Some(self.each(element, path)),
            "log" => Some(self.note(element, path)),
            "assign" => Some(self.assign(element, path)),
            "send" => Some(self.send(element, path)),
            "cancel" => {
                self.check_attributes(element, &["sendid", "sendidexpr"]);
                let id = self.text_of(element, "sendid", "sendidexpr", path);
                if id.is_none() {
                    self.required(element, "sendid");
                }
                id.map(Action::Recall)
            }
            "script" => {
                let hint = "compute with <assign>, whose expressions are CEL";
                self.report(Code::Unsupported, tag_span(element), path, "scripts are not supported", hint);
                None
            }
            tag => {
                let message = format!("<{tag}> is no action");
                let known = ["raise", "if", "foreach", "log", "assign", "send", "cancel"];
                let near = crate::finding::nearest(tag, known);
                let hint = near.map_or(format!("use one of {}", known.join(", ")), |near| {
                    format!("did you mean <{near}>?")
                });
                self.report(Code::UnknownKey, tag_span(element), path, message, hint);
                None
            }
        }
    }

    fn raise(&mut self, element: Element<'_>) -> Option<Action> {
        self.check_attributes(element, &["event"]);
        let event = self.required(element, "event");
        self.event_name(element, event).then(|| Action::Raise {
            event: Template::Fixed(Arc::from(event)),
            data: Formula::Literal(Value::Null),
        })
    }

    /// Can that be the name of an event?
    fn event_name(&mut self, element: Element<'_>, name: &str) -> bool {
        if name.len() > EVENT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!(
                "an event cannot have this name: {} bytes of at most {EVENT_NAME_BYTES_MAX}, without control characters",
                name.len()
            );
            self.report(Code::BadValue, attribute_span(element, "event"), "event", message, "");
            return false;
        }
        !name.is_empty()
    }

    /// `if` with its branches, from the last to the first.
    fn choice(&mut self, element: Element<'_>, path: &str) -> Option<Action> {
        self.check_attributes(element, &["cond"]);
        let mut branches: Vec<(Option<Guard>, Vec<Element<'_>>)> = Vec::new();
        self.required(element, "cond");
        branches.push((self.guard_of(element, path), Vec::new()));
        let mut has_else = false;
        for child in elements(element) {
            let (is_elseif, is_else) = (is_scxml(child, "elseif"), is_scxml(child, "else"));
            if has_else && (is_elseif || is_else) {
                let message = "nothing more can follow <else/>";
                self.report(Code::BadValue, tag_span(child), path, message, "");
            }
            if is_elseif {
                self.check_attributes(child, &["cond"]);
                self.required(child, "cond");
                let guard = self.guard_of(child, path);
                branches.push((guard, Vec::new()));
            } else if is_else {
                has_else = true;
                branches.push((None, Vec::new()));
            } else if let Some((_, branch)) = branches.last_mut() {
                branch.push(child);
            }
        }
        let mut otherwise = Vec::new();
        for (number, (guard, children)) in branches.into_iter().enumerate().rev() {
            let then = self.actions(children.into_iter(), &format!("{path}.{number}"));
            otherwise = match guard {
                Some(guard) => vec![Action::If { guard, then, otherwise }],
                None => then,
            };
        }
        otherwise.pop()
    }

    fn each(&mut self, element: Element<'_>, path: &str) -> Action {
        self.check_attributes(element, &["array", "item", "index"]);
        self.needs_data(element, "foreach");
        self.required(element, "array");
        self.required(element, "item");
        let over = self.code_of(element, "array", path);
        let item = self.location_of(element, "item", path);
        let index = self.location_of(element, "index", path).transpose();
        let body = self.actions(elements(element), path);
        let place: Arc<str> = Arc::from(path);
        let variable = |location: &crate::code::Location| location.steps.is_empty();
        match (over, item, index) {
            (Some(over), Some(Ok(item)), Ok(index))
                if variable(&item) && index.as_ref().is_none_or(variable) =>
            {
                Action::Each(Box::new(Each { over: Formula::Code(over), item, index, body, place }))
            }
            _ => Action::Mistake { message: Arc::from("foreach has no legal array, item or index"), place },
        }
    }

    fn note(&mut self, element: Element<'_>, path: &str) -> Action {
        self.check_attributes(element, &["label", "expr"]);
        let label = Arc::from(element.attribute("label").unwrap_or(""));
        let value = self.code_of(element, "expr", path).map(Formula::Code);
        Action::Note(Box::new(Note { label, value }))
    }

    fn assign(&mut self, element: Element<'_>, path: &str) -> Action {
        self.check_attributes(element, &["location", "expr"]);
        self.needs_data(element, "assign");
        self.required(element, "location");
        let location = self.location_of(element, "location", path);
        let value = self.value_of(element, path);
        let place: Arc<str> = Arc::from(path);
        match (location, value) {
            (Some(Ok(location)), Some(value)) => Action::Set(Box::new(Set { location, value })),
            (Some(Err(message)), _) => Action::Mistake { message: Arc::from(message), place },
            _ => Action::Mistake { message: Arc::from("there is no value to assign"), place },
        }
    }

    fn send(&mut self, element: Element<'_>, path: &str) -> Action {
        const KNOWN: [&str; 11] = [
            "event",
            "eventexpr",
            "target",
            "targetexpr",
            "type",
            "typeexpr",
            "id",
            "idlocation",
            "delay",
            "delayexpr",
            "namelist",
        ];
        self.check_attributes(element, &KNOWN);
        for child in elements(element).filter(|one| !is_scxml(*one, "param") && !is_scxml(*one, "content")) {
            self.stray(child, "send");
        }
        let event = self.text_of(element, "event", "eventexpr", path);
        let target = self.text_of(element, "target", "targetexpr", path);
        let processor = self.text_of(element, "type", "typeexpr", path);
        let delay = self.delay(element, path);
        self.exclusive(element, "id", "idlocation");
        let id = element.attribute("id").map(Arc::from);
        let place: Arc<str> = Arc::from(path);
        let id_location = match self.location_of(element, "idlocation", path) {
            Some(Ok(location)) => Some(location),
            Some(Err(message)) => return Action::Mistake { message: Arc::from(message), place },
            None => None,
        };
        let payload = self.payload(element, path, false);
        let send = Dispatch { event, target, processor, id, id_location, delay, payload, place };
        Action::Dispatch(Box::new(send))
    }

    fn delay(&mut self, element: Element<'_>, path: &str) -> Option<Delay> {
        self.exclusive(element, "delay", "delayexpr");
        let Some(text) = element.attribute("delay") else {
            return self.text_of(element, "delay", "delayexpr", path).map(Delay::Text);
        };
        match crate::duration::parse_scxml(text) {
            Ok(span) => Some(Delay::Fixed(span)),
            Err(message) => {
                self.report(Code::BadValue, attribute_span(element, "delay"), path, message, "");
                None
            }
        }
    }
}
