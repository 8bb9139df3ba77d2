//! The short way: what most guards and values of charts consist of (fields, constants, comparisons, whole numbers),
//! without anything being put together for it.
//!
//! It refuses to fault and to know anything but the context, the event's data and the variables. Its one invariant: it
//! gives what the long way would give, or nothing, and then the long way is taken from the beginning.

use super::Cost;
use super::functions::Builtin;
use super::node::{Kind, Node, Variable};
use super::syntax::Operator;
use crate::value::{Value, compare};
use std::cmp::Ordering;

/// What an expression sees without its scope being put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roots<'a> {
    pub(crate) context: &'a Value,
    pub(crate) event: &'a Value,
    pub(crate) locals: &'a [Value],
}

impl<'a> Roots<'a> {
    /// The value of a node, if it is a constant, a field, or arithmetic of whole numbers.
    #[inline]
    pub(super) fn value(self, node: &'a Node, cost: &mut Cost) -> Option<Value> {
        match &node.kind {
            Kind::Arithmetic(..) | Kind::Call(..) => self.whole(node, cost).map(Value::Int),
            Kind::Order(..) | Kind::Equal(..) | Kind::All(_) | Kind::Any(_) | Kind::Not(_) => {
                self.truth(node, cost).map(Value::Bool)
            }
            _ => self.kept(node, cost).cloned(),
        }
    }

    /// Is it true? None for what is no comparison, and for what would fault.
    pub(super) fn truth(self, node: &'a Node, cost: &mut Cost) -> Option<bool> {
        match &node.kind {
            Kind::All(parts) => self.connected(parts, false, cost),
            Kind::Any(parts) => self.connected(parts, true, cost),
            Kind::Not(part) => Some(!self.truth(part, cost)?),
            Kind::Order(parts, operator) => {
                let order = self.order(&parts[0], &parts[1], cost)?;
                Some(match operator {
                    Operator::Less => order == Ordering::Less,
                    Operator::LessEqual => order != Ordering::Greater,
                    Operator::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
            Kind::Equal(parts, negated) => {
                let equal = match (self.kept(&parts[0], cost), self.kept(&parts[1], cost)) {
                    (Some(Value::String(a)), Some(Value::String(b))) => {
                        cost.pay(a.len() as u64 / 16).ok()?;
                        a == b
                    }
                    (Some(Value::Int(a)), Some(Value::Int(b))) => a == b,
                    (Some(Value::Bool(a)), Some(Value::Bool(b))) => a == b,
                    _ => return None,
                };
                Some(equal != *negated)
            }
            Kind::Constant(_) | Kind::Path(..) => match self.kept(node, cost)? {
                Value::Bool(truth) => Some(*truth),
                _ => None,
            },
            _ => None,
        }
    }

    fn connected(self, parts: &'a [Node], decides: bool, cost: &mut Cost) -> Option<bool> {
        for part in parts {
            if self.truth(part, cost)? == decides {
                return Some(decides);
            }
        }
        Some(!decides)
    }

    /// The order of two numbers; of fractions only where they lie in fields.
    #[inline]
    fn order(self, a: &'a Node, b: &'a Node, cost: &mut Cost) -> Option<Ordering> {
        if let (Some(a), Some(b)) = (self.whole(a, cost), self.whole(b, cost)) {
            return Some(a.cmp(&b));
        }
        match (self.kept(a, cost)?, self.kept(b, cost)?) {
            (Value::String(_) | Value::Bytes(_), _) => None,
            // A NaN has no order, which the long way knows what to do with.
            (a, b) => compare(a, b).flatten(),
        }
    }

    /// A whole number.
    #[inline]
    fn whole(self, node: &'a Node, cost: &mut Cost) -> Option<i64> {
        match &node.kind {
            Kind::Arithmetic(parts, operator) => {
                let (a, b) = (self.whole(&parts[0], cost)?, self.whole(&parts[1], cost)?);
                match operator {
                    Operator::Add => a.checked_add(b),
                    Operator::Subtract => a.checked_sub(b),
                    Operator::Multiply => a.checked_mul(b),
                    _ => None,
                }
            }
            Kind::Call(Builtin::Size, arguments) => match self.kept(arguments.first()?, cost)? {
                Value::List(items) => Some(items.len() as i64),
                Value::Map(map) => Some(map.len() as i64),
                _ => None,
            },
            _ => match self.kept(node, cost)? {
                Value::Int(number) => Some(*number),
                _ => None,
            },
        }
    }

    /// A value that is there already.
    #[inline]
    fn kept(self, node: &'a Node, cost: &mut Cost) -> Option<&'a Value> {
        match &node.kind {
            Kind::Constant(value) => {
                cost.pay(1).ok()?;
                Some(value)
            }
            Kind::Path(variable, steps) => {
                cost.pay(1 + steps.len() as u64).ok()?;
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
            Kind::Variable(Variable::Local(slot)) => {
                cost.pay(1).ok()?;
                self.locals.get(*slot as usize)
            }
            Kind::Index(parts, false) => {
                let (Value::Map(map), Value::String(key)) =
                    (self.kept(&parts[0], cost)?, self.kept(&parts[1], cost)?)
                else {
                    return None;
                };
                cost.pay(key.len() as u64 / 16).ok()?;
                map.find(key)
            }
            _ => None,
        }
    }
}
