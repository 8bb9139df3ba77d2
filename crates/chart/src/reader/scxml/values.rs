//! Values that SCXML writes out: text that is JSON, XML, or just text; and what goes with a message.
//!
//! It refuses to know what they are for. Its one invariant: the same text gives the same value wherever it stands.

use super::{Element, Reader, attribute_span, elements, is_scxml, tag_span};
use crate::code::{Code, Formula, Payload};
use crate::expression::Expression;
use crate::finding;
use crate::value::Value;
use std::sync::Arc;

impl Reader<'_> {
    /// What stands inside of an element: JSON as what it means, XML as its text, other text with its white space
    /// normalised. None when there is nothing.
    pub(super) fn inner_value(&self, element: Element<'_>) -> Option<Value> {
        if let (Some(first), Some(last)) = (element.first_element_child(), element.last_element_child()) {
            let text = self.source.get(first.range().start..last.range().end).unwrap_or("");
            return Some(Value::from(text));
        }
        let text: String =
            element.children().filter(|child| child.is_text()).filter_map(|one| one.text()).collect();
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return None;
        }
        let json = everstate_kernel::Json::parse(trimmed).ok();
        let value = json.and_then(|json| Value::from_json(json.as_str()).ok());
        let normal = || trimmed.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(value.unwrap_or_else(|| Value::from(normal().as_str())))
    }

    /// The value of an element with `expr` or something inside of it.
    pub(super) fn value_of(&mut self, element: Element<'_>, path: &str) -> Option<Formula> {
        let inside = self.inner_value(element);
        if let Some(code) = self.code_of(element, "expr", path) {
            if inside.is_some() {
                let tag = element.tag_name().name();
                let message =
                    format!("<{tag}> has \"expr\" and something inside, of which only one can count");
                self.report(finding::Code::BadValue, tag_span(element), path, message, "remove one of them");
            }
            return Some(Formula::Code(code));
        }
        inside.map(Formula::Literal)
    }

    /// The `namelist`, `param` and, unless that is a machine to be invoked, `content` of an element.
    pub(super) fn payload(&mut self, element: Element<'_>, path: &str, invokes: bool) -> Payload {
        let mut payload = Payload::default();
        if let Some(names) = element.attribute("namelist") {
            self.needs_data(element, "namelist");
            for name in names.split_ascii_whitespace() {
                let at = format!("{path}.namelist");
                let code = self.code(name, attribute_span(element, "namelist"), &at);
                payload.names.push((Arc::from(name), code));
            }
        }
        for (at, child) in elements(element).enumerate() {
            let path = format!("{path}.{}[{at}]", child.tag_name().name());
            if is_scxml(child, "param") {
                self.check_attributes(child, &["name", "expr", "location"]);
                self.exclusive(child, "expr", "location");
                let name = self.required(child, "name");
                payload.params.push((Arc::from(name), self.param(child, &path)));
            } else if is_scxml(child, "content") && !invokes {
                self.check_attributes(child, &["expr"]);
                payload.content = self.value_of(child, &path).or(Some(Formula::Literal(Value::Null)));
            }
        }
        if payload.content.is_some() && !(payload.params.is_empty() && payload.names.is_empty()) {
            let message = "<content> stands beside pairs, of which only one can count";
            self.report(finding::Code::BadValue, tag_span(element), path, message, "remove one of them");
        }
        payload
    }

    fn param(&mut self, child: Element<'_>, path: &str) -> Code {
        let code = self.code_of(child, "expr", path).or_else(|| self.code_of(child, "location", path));
        code.unwrap_or_else(|| {
            let message = "<param> has neither \"expr\" nor \"location\"";
            self.report(finding::Code::FailingExpression, tag_span(child), path, message, "add expr=\"…\"");
            Code {
                expression: Arc::new(Expression::failing("", message)),
                place: Arc::from(path),
                reads_event: false,
            }
        })
    }

    /// An attribute that must be there; empty when it is not.
    pub(super) fn required<'a>(&mut self, element: Element<'a>, attribute: &str) -> &'a str {
        match element.attribute(attribute) {
            Some(text) if !text.trim().is_empty() => text.trim(),
            _ => {
                let tag = element.tag_name().name();
                let message = format!("<{tag}> needs {attribute:?}");
                let hint = format!("add {attribute}=\"…\"");
                self.report(finding::Code::MissingKey, tag_span(element), tag, message, hint);
                ""
            }
        }
    }

    /// Reports what has no meaning without data.
    pub(super) fn needs_data(&mut self, element: Element<'_>, what: &str) {
        if !self.has_data {
            let message = format!("{what:?} needs data, and datamodel=\"null\" has none");
            let hint = "write datamodel=\"cel\"";
            self.report(finding::Code::Unsupported, tag_span(element), what, message, hint);
        }
    }
}
