//! The types that operators and calls give, from the types of their operands.
//!
//! It refuses to know trees and values. Its one invariant: where nothing is known, nothing is refused.

use super::functions::{Function, Gives};
use super::names::Type;
use super::syntax::Operator;
use std::sync::Arc;

/// The type inside of an empty list: it fits any other. It never leaves the checker, see [`settled`].
pub(super) fn open_type() -> Type {
    // No map has `null` for a key, so this is no other value's type.
    Type::map(Type::Null, Type::Null)
}

pub(super) fn is_open(kind: &Type) -> bool {
    matches!(kind, Type::Map(key, value) if **key == Type::Null && **value == Type::Null)
}

/// The type with what is still open taken for anything.
pub(super) fn settled(kind: Type) -> Type {
    match kind {
        kind if is_open(&kind) => Type::Dyn,
        Type::List(item) => Type::list(settled(Arc::unwrap_or_clone(item))),
        Type::Map(key, value) => {
            Type::map(settled(Arc::unwrap_or_clone(key)), settled(Arc::unwrap_or_clone(value)))
        }
        Type::Optional(inner) => Type::Optional(Arc::new(settled(Arc::unwrap_or_clone(inner)))),
        kind => kind,
    }
}

/// The type of a place where either may stand.
pub(super) fn join(a: &Type, b: &Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (a, b) if is_open(a) => b.clone(),
        (a, b) if is_open(b) => a.clone(),
        (Type::List(a), Type::List(b)) => Type::list(join(a, b)),
        (Type::Map(k, v), Type::Map(l, w)) => Type::map(join(k, l), join(v, w)),
        (Type::Optional(a), Type::Optional(b)) => Type::Optional(Arc::new(join(a, b))),
        (a, b) if is_number(a) && is_number(b) => Type::Number,
        _ => Type::Dyn,
    }
}

/// The type of the items of a literal: the language takes numbers of several types for anything.
pub(super) fn join_items(a: &Type, b: &Type) -> Type {
    match join(a, b) {
        Type::Number if a != b && !is_open(a) && !is_open(b) => Type::Dyn,
        kind => kind,
    }
}

pub(super) fn is_number(kind: &Type) -> bool {
    matches!(kind, Type::Int | Type::Uint | Type::Double | Type::Number)
}

/// May values of these types be equal?
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Null, _) | (_, Type::Dyn | Type::Null) => true,
        (a, b) if is_number(a) && is_number(b) => true,
        (a, b) if is_open(a) || is_open(b) => true,
        (Type::List(a), Type::List(b)) => comparable(a, b),
        (Type::Map(..) | Type::Object(_), Type::Map(..) | Type::Object(_)) => true,
        (Type::Optional(a), Type::Optional(b)) => comparable(a, b),
        (a, b) => a == b,
    }
}

/// Do values of these types have an order?
pub(super) fn ordered(a: &Type, b: &Type) -> bool {
    let has_order = |kind: &Type| {
        is_open(kind)
            || is_number(kind)
            || matches!(
                kind,
                Type::Dyn | Type::Bool | Type::String | Type::Bytes | Type::Timestamp | Type::Duration
            )
    };
    has_order(a) && has_order(b) && comparable(a, b)
}

/// The type of `a + b` and the like; none when there is no such operation.
pub(super) fn arithmetic(operator: Operator, a: &Type, b: &Type) -> Option<Type> {
    let add = operator == Operator::Add;
    let additive = add || operator == Operator::Subtract;
    let both_times = |kind: &Type| matches!(kind, Type::Timestamp | Type::Duration);
    Some(match (a, b) {
        (a, b) if is_open(a) || is_open(b) => Type::Dyn,
        (Type::Dyn, Type::Dyn) => Type::Dyn,
        (Type::Dyn, known) | (known, Type::Dyn) => match known {
            known if is_number(known) && operator == Operator::Remainder && *known == Type::Double => {
                return None;
            }
            known if is_number(known) => Type::Number,
            known if both_times(known) && additive => Type::Dyn,
            Type::String | Type::Bytes if add => known.clone(),
            Type::List(_) if add => Type::list(Type::Dyn),
            _ => return None,
        },
        (a, b) if is_number(a) && is_number(b) => return number(operator, a, b),
        (Type::String, Type::String) if add => Type::String,
        (Type::Bytes, Type::Bytes) if add => Type::Bytes,
        (Type::List(a), Type::List(b)) if add => Type::list(join(a, b)),
        (Type::Timestamp, Type::Duration) if additive => Type::Timestamp,
        (Type::Duration, Type::Timestamp) if add => Type::Timestamp,
        (Type::Duration, Type::Duration) if additive => Type::Duration,
        (Type::Timestamp, Type::Timestamp) if operator == Operator::Subtract => Type::Duration,
        _ => return None,
    })
}

/// | | int | uint | double | number |
/// |---|---|---|---|---|
/// | **int** | int | – | double | number |
/// | **uint** | – | uint | double | number |
/// | **double** | double | double | double | double |
/// | **number** | number | number | double | number |
///
/// A remainder has no doubles.
fn number(operator: Operator, a: &Type, b: &Type) -> Option<Type> {
    let double = *a == Type::Double || *b == Type::Double;
    match (a, b) {
        _ if double && operator == Operator::Remainder => None,
        _ if double => Some(Type::Double),
        (Type::Int, Type::Uint) | (Type::Uint, Type::Int) => None,
        (a, b) if a == b => Some(a.clone()),
        _ => Some(Type::Number),
    }
}

impl Function {
    /// What a call with arguments of these types gives.
    pub(super) fn result(&self, arguments: &[Type]) -> Type {
        let first = arguments.first();
        let inside = |kind: &Type| match kind {
            Type::List(inside) | Type::Optional(inside) => (**inside).clone(),
            _ => Type::Dyn,
        };
        match self.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Uint => Type::Uint,
            Gives::Double => Type::Double,
            Gives::String => Type::String,
            Gives::Bytes => Type::Bytes,
            Gives::Timestamp => Type::Timestamp,
            Gives::Duration => Type::Duration,
            Gives::Type => Type::Type,
            Gives::Dyn => Type::Dyn,
            Gives::Texts => Type::list(Type::String),
            Gives::First => first.cloned().unwrap_or_default(),
            Gives::Numbers => match arguments {
                [Type::List(item)] => (**item).clone(),
                [first, rest @ ..] => rest.iter().fold(first.clone(), |kind, other| join(&kind, other)),
                [] => Type::Dyn,
            },
            Gives::ItemOfFirst => first.map(inside).unwrap_or_default(),
            Gives::InsideOfFirst => match (first, arguments.get(1)) {
                (Some(optional), Some(other)) => join(&inside(optional), other),
                (Some(optional), None) => inside(optional),
                _ => Type::Dyn,
            },
            Gives::OptionalOfFirst => Type::Optional(Arc::new(first.cloned().unwrap_or_else(open_type))),
            Gives::OptionalOfItem => Type::Optional(Arc::new(first.map(inside).unwrap_or_default())),
        }
    }
}
