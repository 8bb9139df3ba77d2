//! Expressions of SCXML, and the places in data that it assigns to.
//!
//! It refuses to know where they are used. Its one invariant: a text that is no expression gives one that fails when it
//! is come to.

use super::{Element, Reader, attribute_span};
use crate::code::{Code, Guard, Location, Part, Template};
use crate::expression::{Expression, ExpressionError, RESERVED};
use crate::finding;
use std::ops::Range;
use std::sync::Arc;

/// Words that are no names of variables either, besides those that CEL keeps for later.
const TAKEN: [&str; 5] = ["true", "false", "null", "in", "this"];

impl Reader<'_> {
    /// The expression in an attribute.
    pub(super) fn code_of(&mut self, element: Element<'_>, attribute: &str, path: &str) -> Option<Code> {
        let text = element.attribute(attribute)?;
        Some(self.code(text, attribute_span(element, attribute), &format!("{path}.{attribute}")))
    }

    pub(super) fn code(&mut self, text: &str, span: Range<usize>, path: &str) -> Code {
        let verbatim = self.source.get(span.clone()) == Some(text);
        let place = |range: Range<usize>| match verbatim {
            true => span.start + range.start..span.start + range.end.max(range.start),
            false => span.clone(),
        };
        let expression = match Expression::compile(text, &self.names) {
            Ok(expression) => expression,
            Err(errors) => {
                for error in &errors {
                    let message = format!("{}; error.execution will tell the machine", error.message);
                    let hint = error.hint.clone().unwrap_or_default();
                    self.report(
                        finding::Code::FailingExpression,
                        place(error.span.clone()),
                        path,
                        message,
                        hint,
                    );
                }
                let failing = |errors: Vec<ExpressionError>| {
                    Expression::failing(
                        text,
                        errors.first().map_or("not an expression", |error| &error.message),
                    )
                };
                Expression::compile(text, &self.names.clone().unchecked()).unwrap_or_else(failing)
            }
        };
        let asked: Vec<(String, Range<usize>)> =
            expression.states_asked().map(|(name, span)| (name.to_owned(), span)).collect();
        for (name, span) in asked {
            if !self.ids.contains_key(&name) {
                let message = format!("there is no state {name:?}, so it is never active");
                let near = finding::nearest(&name, self.ids.keys().map(String::as_str));
                let hint = near.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
                self.report(finding::Code::FailingExpression, place(span), path, message, hint);
            }
        }
        let reads_event = text.contains("_event");
        Code { expression: Arc::new(expression), place: Arc::from(path), reads_event }
    }

    /// The condition of a transition or an `if`.
    pub(super) fn guard_of(&mut self, element: Element<'_>, path: &str) -> Option<Guard> {
        self.code_of(element, "cond", path).map(Guard::Code)
    }

    /// A text that is given as it is in one attribute, or computed in another.
    pub(super) fn text_of(
        &mut self,
        element: Element<'_>,
        fixed: &str,
        computed: &str,
        path: &str,
    ) -> Option<Template> {
        self.exclusive(element, fixed, computed);
        if let Some(text) = element.attribute(fixed) {
            return Some(Template::Fixed(Arc::from(text)));
        }
        self.code_of(element, computed, path).map(|code| Template::Parts(vec![Part::Code(code)]))
    }

    /// A place in the data, or what is wrong with the text.
    pub(super) fn location(
        &mut self,
        text: &str,
        span: Range<usize>,
        path: &str,
    ) -> Result<Location, String> {
        let wrong = || format!("{text:?} is no place in the data");
        let trimmed = text.trim();
        let (root, mut rest) = identifier(trimmed).ok_or_else(wrong)?;
        if TAKEN.contains(&root) || RESERVED.contains(&root) {
            return Err(wrong());
        }
        let root = Arc::from(root);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let (field, after) = identifier(after).ok_or_else(wrong)?;
                steps.push(self.code(&format!("'{field}'"), span.clone(), path));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let end = closing(after).ok_or_else(wrong)?;
                steps.push(self.code(&after[..end], span.clone(), path));
                rest = &after[end + 1..];
            } else {
                return Err(wrong());
            }
        }
        Ok(Location { root, steps, text: Arc::from(trimmed), place: Arc::from(path) })
    }

    /// The place that an attribute names.
    pub(super) fn location_of(
        &mut self,
        element: Element<'_>,
        attribute: &str,
        path: &str,
    ) -> Option<Result<Location, String>> {
        let text = element.attribute(attribute)?;
        let span = attribute_span(element, attribute);
        let result = self.location(text, span.clone(), &format!("{path}.{attribute}"));
        if let Err(message) = &result {
            let message = format!("{message}; error.execution will tell the machine");
            let hint = "write the id of a data item, with .fields and [indices]";
            self.report(finding::Code::FailingExpression, span, path, message, hint);
        }
        Some(result)
    }
}

/// The name that a text begins with, and the rest.
fn identifier(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins.then(|| text.split_at(end))
}

/// Where the bracket ends that was opened before a text.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '[' | '(' | '{' => depth += 1,
                ']' if depth == 0 => return Some(at),
                ']' | ')' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    None
}
