//! The short way: what most guards and values of charts consist of (fields, constants, comparisons, whole numbers),
//! without anything being put together for it.
//!
//! It refuses to fault and to know anything but the context, the event's data and the variables. Its one invariant: it
//! gives what the long way would give, or nothing, and then the long way is taken from the beginning.

use super::functions::Builtin;
use super::node::{Kind, Node, Variable};
use super::syntax::Operator;
use crate::value::{Value, compare};
use std::cmp::Ordering;

/// Texts that are longer are compared on the long way, which pays for their length.
const TEXT_MAX: usize = 256;

/// What the short way costs, known beforehand; none when an expression has anything that it does not know.
pub(super) fn price(node: &Node) -> Option<u64> {
    let all = |parts: &[Node]| parts.iter().try_fold(1u64, |sum, part| Some(sum + price(part)?));
    match &node.kind {
        Kind::Constant(_) | Kind::Variable(Variable::Local(_)) => Some(1),
        Kind::Path(Variable::Context | Variable::Event | Variable::Local(_), steps) => {
            Some(1 + steps.len() as u64)
        }
        Kind::Index(parts, false) | Kind::Equal(parts, _) | Kind::Order(parts, _) => all(&parts[..]),
        Kind::Arithmetic(parts, Operator::Add | Operator::Subtract | Operator::Multiply) => all(&parts[..]),
        Kind::All(parts) | Kind::Any(parts) => all(parts),
        Kind::Call(Builtin::Size, arguments) if arguments.len() == 1 => all(arguments),
        Kind::Not(part) => Some(1 + price(part)?),
        _ => None,
    }
}

/// What an expression sees without its scope being put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roots<'a> {
    pub(crate) context: &'a Value,
    pub(crate) event: &'a Value,
    pub(crate) locals: &'a [Value],
}

impl<'a> Roots<'a> {
    /// The value of a node, if it is a constant, a field, a comparison, or arithmetic of whole numbers.
    #[inline]
    pub(super) fn value(self, node: &'a Node) -> Option<Value> {
        match &node.kind {
            Kind::Arithmetic(..) | Kind::Call(..) => self.whole(node).map(Value::Int),
            Kind::Constant(_) | Kind::Path(..) | Kind::Variable(_) | Kind::Index(..) => {
                self.kept(node).cloned()
            }
            _ => self.truth(node).map(Value::Bool),
        }
    }

    /// Is it true? None for what is no comparison, and for what would fault.
    pub(super) fn truth(self, node: &'a Node) -> Option<bool> {
        match &node.kind {
            Kind::All(parts) => self.connected(parts, false),
            Kind::Any(parts) => self.connected(parts, true),
            Kind::Not(part) => Some(!self.truth(part)?),
            Kind::Order(parts, operator) => {
                let order = self.order(&parts[0], &parts[1])?;
                Some(match operator {
                    Operator::Less => order == Ordering::Less,
                    Operator::LessEqual => order != Ordering::Greater,
                    Operator::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
            Kind::Equal(parts, negated) => {
                let equal = match (self.kept(&parts[0])?, self.kept(&parts[1])?) {
                    (Value::String(a), Value::String(b)) if a.len().min(b.len()) <= TEXT_MAX => a == b,
                    (Value::Int(a), Value::Int(b)) => a == b,
                    (Value::Bool(a), Value::Bool(b)) => a == b,
                    _ => return None,
                };
                Some(equal != *negated)
            }
            _ => match self.kept(node)? {
                Value::Bool(truth) => Some(*truth),
                _ => None,
            },
        }
    }

    fn connected(self, parts: &'a [Node], decides: bool) -> Option<bool> {
        for part in parts {
            if self.truth(part)? == decides {
                return Some(decides);
            }
        }
        Some(!decides)
    }

    /// The order of two numbers; of fractions only where they lie in fields.
    #[inline]
    fn order(self, a: &'a Node, b: &'a Node) -> Option<Ordering> {
        if let (Some(a), Some(b)) = (self.whole(a), self.whole(b)) {
            return Some(a.cmp(&b));
        }
        match (self.kept(a)?, self.kept(b)?) {
            (Value::String(_) | Value::Bytes(_), _) => None,
            // A NaN has no order, which the long way knows what to do with.
            (a, b) => compare(a, b).flatten(),
        }
    }

    /// A whole number.
    #[inline]
    fn whole(self, node: &'a Node) -> Option<i64> {
        match &node.kind {
            Kind::Arithmetic(parts, operator) => self.arithmetic(parts, *operator),
            Kind::Call(_, arguments) => match self.kept(arguments.first()?)? {
                Value::List(items) => Some(items.len() as i64),
                Value::Map(map) => Some(map.len() as i64),
                _ => None,
            },
            _ => match self.kept(node)? {
                Value::Int(number) => Some(*number),
                _ => None,
            },
        }
    }

    fn arithmetic(self, parts: &'a [Node; 2], operator: Operator) -> Option<i64> {
        let (a, b) = (self.whole(&parts[0])?, self.whole(&parts[1])?);
        match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            _ => None,
        }
    }

    /// A value that is there already.
    #[inline]
    fn kept(self, node: &'a Node) -> Option<&'a Value> {
        match &node.kind {
            Kind::Constant(value) => Some(value),
            Kind::Path(variable, steps) => {
                let mut value = match variable {
                    Variable::Context => self.context,
                    Variable::Event => self.event,
                    Variable::Local(slot) => self.locals.get(*slot as usize)?,
                    _ => return None,
                };
                for step in steps {
                    let Value::Map(map) = value else { return None };
                    value = map.find(&step.field)?;
                }
                Some(value)
            }
            Kind::Variable(Variable::Local(slot)) => self.locals.get(*slot as usize),
            Kind::Index(parts, false) => self.indexed(parts),
            _ => None,
        }
    }

    #[inline(never)]
    fn indexed(self, parts: &'a [Node; 2]) -> Option<&'a Value> {
        match (self.kept(&parts[0])?, self.kept(&parts[1])?) {
            (Value::Map(map), Value::String(key)) if key.len() <= TEXT_MAX => map.find(key),
            _ => None,
        }
    }
}
