//! Expressions: guards and values of charts in CEL, the Common Expression Language
//! (<https://cel.dev>, language definition of the specification's repository).
//!
//! An expression is total and free of side effects: it ends, within a cost limit that cannot be exceeded, with a
//! value or a fault, and the same scope gives the same answer on every platform. It refuses to know charts, the
//! clock, and anything that it is not given in its [`Scope`]. Its one invariant: what was compiled never panics.
//!
//! What it has beyond the language: `in('state')` (also `In`), `present('pattern')` and `presences('pattern')`, arithmetic that mixes whole numbers and
//! fractions gives a fraction (JSON does not tell `10` from `10.0`), and the extensions for strings, math,
//! optionals, encoders and two-variable comprehensions, and `sum`, `sort`, `distinct`, `flatten`, `slice`, `first`
//! and `last` of lists.

mod builtins;
mod check;
mod deduce;
mod evaluate;
mod format;
mod functions;
mod lexer;
mod macros;
mod math;
mod moments;
mod names;
mod nearest;
mod node;
mod parser;
mod pattern;
mod presence;
mod short;
mod syntax;
mod text;

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod tests;

pub use crate::presence::Presence;
pub use names::{Names, ObjectType, Type};
pub(crate) use parser::RESERVED;
pub(crate) use short::Roots;

use crate::value::Value;
use everstate_kernel::Address;
use everstate_kernel::Time;
use std::ops::Range;
use std::sync::Arc;

/// What an expression sees.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `context`.
    pub context: &'a Value,
    /// `event`: the event's data itself, so that `event.amount` is a field of it. Also `_event.data`.
    pub event: &'a Value,
    /// `_event`.
    pub event_meta: &'a EventMeta<'a>,
    /// `instance`.
    pub instance: &'a InstanceMeta<'a>,
    /// `now`.
    pub now: Time,
    /// `in('state')`: is the state active?
    pub active: &'a dyn Fn(&str) -> bool,
    /// The values of the variables declared in [`Names`], in the order of their slots.
    pub locals: &'a [Value],
    /// `present('pattern')`: who is.
    pub present: &'a [Presence],
}

impl<'a> Scope<'a> {
    fn roots(&self) -> Roots<'a> {
        Roots { context: self.context, event: self.event, locals: self.locals }
    }
}

/// What `_event` tells of an event apart from its data.
#[derive(Clone, Copy, Debug)]
pub struct EventMeta<'a> {
    /// `_event.name`.
    pub name: &'a Arc<str>,
    /// `_event.id`.
    pub id: &'a str,
    /// `_event.sender`: an address, or `null` when it was no instance.
    pub sender: Option<&'a str>,
    /// `_event.time`.
    pub time: Time,
    /// Further fields of `_event`, such as SCXML's `type` and `sendid`; `Value::Null` or a map.
    pub more: &'a Value,
}

/// What `instance` tells of the instance whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct InstanceMeta<'a> {
    /// `instance.address`, and in parts `instance.space`, `instance.kind` and `instance.id`.
    pub address: &'a Address,
    /// `instance.version`.
    pub version: &'a str,
    /// `instance.incarnation`.
    pub incarnation: u32,
}

/// What is left to spend. One unit is one step of an evaluation, or up to 16 bytes read or written by it.
///
/// Work is paid for before it is done, so the limit cannot be exceeded. Give one `Cost` to all evaluations of a
/// turn and the turn as a whole is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    remaining: u64,
}

/// There is not enough left to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostExceeded;

impl Cost {
    /// This many units to spend.
    pub const fn new(units: u64) -> Cost {
        Cost { remaining: units }
    }

    /// What is left.
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Pays, or says that there is not enough, after which nothing is left.
    #[inline]
    pub fn pay(&mut self, units: u64) -> Result<(), CostExceeded> {
        match self.remaining.checked_sub(units) {
            Some(rest) => {
                self.remaining = rest;
                Ok(())
            }
            None => {
                self.remaining = 0;
                Err(CostExceeded)
            }
        }
    }
}

/// Why a text is no expression that can be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ExpressionError {
    /// Bytes of the source that are at fault.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Why an evaluation has no value: a fault of the machine, not `false`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// Bytes of the source that are at fault.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// Was it the cost limit?
    pub limit: bool,
}

/// A compiled expression. Immutable, shared between threads; keeps its source.
#[derive(Debug)]
pub struct Expression {
    source: Arc<str>,
    root: node::Node,
    kind: Type,
    growth: usize,
    /// What the short way costs, where there is one.
    short: Option<u64>,
    states: Vec<(String, Range<usize>)>,
    present: Vec<presence::AskedAt>,
}

impl Expression {
    /// Parses, checks against what is known of the names, and compiles. Gives all errors at once.
    pub fn compile(source: &str, names: &Names) -> Result<Expression, Vec<ExpressionError>> {
        let tree = parser::parse(source).map_err(|error| vec![error])?;
        let mut checker = check::Checker::new(names);
        let lowered = checker.lower(&tree);
        if !checker.errors.is_empty() {
            return Err(checker.errors);
        }
        Ok(Expression {
            source: Arc::from(source),
            short: if lowered.growth > 0 { None } else { short::price(&lowered.node) },
            root: lowered.node,
            kind: deduce::settled(lowered.kind),
            growth: lowered.growth,
            states: checker.states,
            present: checker.present,
        })
    }

    /// An expression that faults with this message whenever it is evaluated, in the place of one that could not be
    /// compiled: SCXML lets a machine meet its mistakes when it comes to them.
    pub fn failing(source: &str, message: &str) -> Expression {
        let span = syntax::Span::new(0, source.len().min(u32::MAX as usize));
        let root = node::Node { span, kind: node::Kind::Fault(message.into()) };
        Expression {
            source: Arc::from(source),
            root,
            kind: Type::Dyn,
            growth: 0,
            short: None,
            states: Vec::new(),
            present: Vec::new(),
        }
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is known of the type of its values.
    pub fn kind(&self) -> &Type {
        &self.kind
    }

    /// Its value in this scope.
    ///
    /// A value nests at most [`crate::value::VALUE_DEPTH_MAX`] deep, and each of its parts is paid for wherever it
    /// is shared, so that writing it takes no longer than its cost allows.
    pub fn evaluate(&self, scope: &Scope<'_>, cost: &mut Cost) -> Result<Value, EvaluationError> {
        match self.short(scope.roots(), cost) {
            Some(value) => Ok(value),
            None => self.long(scope, cost),
        }
    }

    /// Its value as a guard: anything but true and false is an error.
    pub fn evaluate_bool(&self, scope: &Scope<'_>, cost: &mut Cost) -> Result<bool, EvaluationError> {
        match self.short_truth(scope.roots(), cost) {
            Some(truth) => Ok(truth),
            None => self.long_truth(scope, cost),
        }
    }

    /// Its value where that takes no scope to be put together, such as a field or a sum of whole numbers.
    #[inline]
    pub(crate) fn short(&self, roots: Roots<'_>, cost: &mut Cost) -> Option<Value> {
        cost.pay(self.short?).ok()?;
        roots.value(&self.root)
    }

    /// Its value as a guard where that takes no scope to be put together.
    #[inline]
    pub(crate) fn short_truth(&self, roots: Roots<'_>, cost: &mut Cost) -> Option<bool> {
        cost.pay(self.short?).ok()?;
        roots.truth(&self.root)
    }

    /// Its value, when the short way gave none.
    pub(crate) fn long(&self, scope: &Scope<'_>, cost: &mut Cost) -> Result<Value, EvaluationError> {
        let mut run = evaluate::Run::new(scope, cost);
        let value = run.node(&self.root).map_err(evaluate::Trouble::into_error)?.into_value();
        if self.growth > 0 {
            evaluate::measure(&value, cost).map_err(|trouble| trouble.at(self.root.span).into_error())?;
        }
        Ok(value)
    }

    /// Its value as a guard, when the short way gave none.
    pub(crate) fn long_truth(&self, scope: &Scope<'_>, cost: &mut Cost) -> Result<bool, EvaluationError> {
        evaluate::Run::new(scope, cost).truth(&self.root).map_err(evaluate::Trouble::into_error)
    }

    /// The patterns asked for in `present('pattern')`, none for one that is computed, with the bytes of the source
    /// where each stands.
    pub fn presence_asked(
        &self,
    ) -> impl Iterator<Item = (Option<&everstate_kernel::space::Pattern>, Range<usize>)> {
        self.present.iter().map(|(pattern, span)| (pattern.as_ref(), span.clone()))
    }

    /// The states named in `in('state')`, with the bytes of the source where each is named.
    pub fn states_asked(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.states.iter().map(|(name, span)| (name.as_str(), span.clone()))
    }
}
