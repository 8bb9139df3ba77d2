//! `present(pattern)`, `present(pattern, condition)` and `presences(…)`: who is here, as the scope says. In the condition
//! `x` is what the counterpart asserts.
//!
//! It refuses to know how presence is told. Its one invariant: a counterpart whose value the condition does not evaluate
//! on does not count. What others assert is no promise of this machine, so it cannot make it fault.

use super::check::{Checker, Lowered};
use super::evaluate::{Run, Trouble};
use super::names::Type;
use super::node::{Kind, Node};
use super::syntax::{Span, Tree};
use crate::presence::{Presence, interest_word, role_word};
use crate::value::{Key, Map, Value};
use everstate_kernel::space::Pattern;
use std::ops::Range;

/// A question for who is present.
#[derive(Debug)]
pub(super) struct Present {
    pattern: Asked,
    condition: Option<Node>,
    /// Are all wanted, or is it enough that there is one?
    all: bool,
}

#[derive(Debug)]
enum Asked {
    Known(Pattern),
    Computed(Node),
}

/// A pattern that an expression asks for, unless it is computed, and where.
pub(super) type AskedAt = (Option<Pattern>, Range<usize>);

impl Checker<'_> {
    pub(super) fn present(
        &mut self,
        span: Span,
        all: bool,
        pattern: &Tree,
        condition: Option<&Tree>,
    ) -> Lowered {
        let at = pattern.span;
        let pattern = self.lower(pattern);
        if !matches!(pattern.kind, Type::String | Type::Dyn) {
            let message = format!("here stands a pattern, this is {}", pattern.kind);
            self.mistake(at, message, Some("write present('worker/*/idle')".into()));
        }
        let pattern = match &pattern.node.kind {
            Kind::Constant(Value::String(text)) => match Pattern::parse(text) {
                Ok(pattern) => Asked::Known(pattern),
                Err(error) => return self.fault(at, error.to_string(), None),
            },
            _ => Asked::Computed(pattern.node),
        };
        let known = match &pattern {
            Asked::Known(pattern) => Some(pattern.clone()),
            Asked::Computed(_) => None,
        };
        self.present.push((known, at.range()));
        let condition = condition.map(|condition| {
            self.bound.push(("x".into(), Type::Dyn, 0));
            let lowered = self.lower(condition);
            self.bound.pop();
            self.condition(&lowered);
            lowered.node
        });
        let node = Kind::Present(Box::new(Present { pattern, condition, all }));
        if !all {
            return Lowered::new(span, node, Type::Bool, 0);
        }
        let inner = self.grown(span, 0);
        let growth = self.grown(span, inner);
        Lowered::new(span, node, Type::list(presence_type()), growth)
    }
}

fn presence_type() -> Type {
    let texts = ["space", "address", "endpoint", "pattern", "role", "interest"];
    Type::object(texts.map(|name| (name, Type::String)).into_iter().chain([("value", Type::Dyn)]), false)
}

impl<'a> Run<'a, '_> {
    /// Whether there is one, or a list of them all. A counterpart of several own endpoints counts once.
    pub(super) fn present(&mut self, asked: &'a Present) -> Result<Value, Trouble> {
        let computed;
        let pattern = match &asked.pattern {
            Asked::Known(pattern) => pattern,
            Asked::Computed(node) => {
                let text = self.node(node)?;
                let Some(text) = text.value().as_str() else {
                    return Err(Trouble::new(format!(
                        "a pattern is text, this is {}",
                        text.value().type_name()
                    )));
                };
                self.cost.pay(text.len() as u64 / 16)?;
                computed = Pattern::parse(text).map_err(|error| Trouble::new(error.to_string()))?;
                &computed
            }
        };
        let mut found: Vec<&Presence> = Vec::new();
        for one in self.presences()? {
            self.cost.pay(1 + one.pattern.as_str().len() as u64 / 16)?;
            if !one.pattern.intersects(pattern) || found.last().is_some_and(|last| last.is_of_the_same(one)) {
                continue;
            }
            if let Some(condition) = &asked.condition
                && !self.holds_for(condition, one)?
            {
                continue;
            }
            if !asked.all {
                return Ok(Value::Bool(true));
            }
            found.push(one);
        }
        if !asked.all {
            return Ok(Value::Bool(false));
        }
        self.cost.pay(8 * found.len() as u64)?;
        Ok(Value::list(found.into_iter().map(as_value).collect()))
    }

    fn holds_for(&mut self, condition: &'a Node, one: &Presence) -> Result<bool, Trouble> {
        let depth = self.push(one.value.clone());
        let holds = self.truth(condition);
        self.pop(depth);
        match holds {
            Err(trouble) if !trouble.is_limit() => Ok(false),
            holds => holds,
        }
    }
}

fn as_value(one: &Presence) -> Value {
    let text = |name: &str, text: &str| (Key::from(name), Value::from(text));
    Value::from(Map::from_entries(vec![
        text("space", &one.space),
        text("address", one.address.as_str()),
        text("endpoint", &one.endpoint),
        text("pattern", one.pattern.as_str()),
        text("role", role_word(one.role)),
        text("interest", interest_word(one.interest)),
        (Key::from("value"), one.value.clone()),
    ]))
}
