//! Arithmetic and the functions of `math`.
//!
//! It refuses to wrap around: what does not fit is a fault. Its one invariant: only operations that IEEE 754
//! defines to the last bit are used, so that every platform gives the same.

use super::Cost;
use super::evaluate::Trouble;
use super::functions::Builtin;
use super::syntax::Operator;
use crate::value::{Value, compare};
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) fn negate(value: &Value) -> Result<Value, Trouble> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(length) => Ok(Value::Duration(length.negated()?)),
        other => Err(Trouble::new(format!("'-' does not take {}", other.type_name()))),
    }
}

pub(super) fn arithmetic(
    operator: Operator,
    a: &Value,
    b: &Value,
    cost: &mut Cost,
) -> Result<Value, Trouble> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => int(operator, *a, *b),
        (Value::Double(a), Value::Double(b)) => double(operator, *a, *b),
        (Value::Uint(a), Value::Uint(b)) => uint(operator, *a, *b),
        // JSON does not tell 10 from 10.0, so a whole number beside a fraction is taken for one.
        (Value::Int(a), Value::Double(b)) => double(operator, *a as f64, *b),
        (Value::Uint(a), Value::Double(b)) => double(operator, *a as f64, *b),
        (Value::Double(a), Value::Int(b)) => double(operator, *a, *b as f64),
        (Value::Double(a), Value::Uint(b)) => double(operator, *a, *b as f64),
        _ => match operator {
            Operator::Add => add(a, b, cost),
            Operator::Subtract => subtract(a, b),
            _ => Err(refused(operator, a, b)),
        },
    }
}

fn int(operator: Operator, a: i64, b: i64) -> Result<Value, Trouble> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err(by_zero()),
        Operator::Divide => a.checked_div(b),
        _ => Some(a.wrapping_rem(b)),
    };
    result.map(Value::Int).ok_or_else(overflow)
}

fn uint(operator: Operator, a: u64, b: u64) -> Result<Value, Trouble> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err(by_zero()),
        Operator::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.map(Value::Uint).ok_or_else(overflow)
}

fn double(operator: Operator, a: f64, b: f64) -> Result<Value, Trouble> {
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return Err(Trouble::new("'%' does not take double and double; convert with int(x)")),
    };
    // The bits of a NaN that an operation makes differ between processors.
    Ok(Value::Double(if result.is_nan() { f64::NAN } else { result }))
}

fn add(a: &Value, b: &Value, cost: &mut Cost) -> Result<Value, Trouble> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            cost.pay((a.len() + b.len()) as u64 / 16)?;
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            Ok(Value::from(text))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            cost.pay((a.len() + b.len()) as u64 / 16)?;
            Ok(Value::Bytes(Arc::from([&a[..], &b[..]].concat())))
        }
        (Value::List(a), Value::List(b)) => {
            cost.pay((a.len() + b.len()) as u64)?;
            let mut items = Vec::with_capacity(a.len() + b.len());
            items.extend_from_slice(a);
            items.extend_from_slice(b);
            Ok(Value::list(items))
        }
        (Value::Timestamp(a), Value::Duration(b)) => Ok(Value::Timestamp(a.plus(*b)?)),
        (Value::Duration(a), Value::Timestamp(b)) => Ok(Value::Timestamp(b.plus(*a)?)),
        (Value::Duration(a), Value::Duration(b)) => Ok(Value::Duration(a.plus(*b)?)),
        _ => Err(refused(Operator::Add, a, b)),
    }
}

fn subtract(a: &Value, b: &Value) -> Result<Value, Trouble> {
    match (a, b) {
        (Value::Timestamp(a), Value::Duration(b)) => Ok(Value::Timestamp(a.plus(b.negated()?)?)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(Value::Duration(a.since(*b)?)),
        (Value::Duration(a), Value::Duration(b)) => Ok(Value::Duration(a.minus(*b)?)),
        _ => Err(refused(Operator::Subtract, a, b)),
    }
}

#[cold]
fn refused(operator: Operator, a: &Value, b: &Value) -> Trouble {
    Trouble::new(format!("'{}' does not take {} and {}", operator.as_str(), a.type_name(), b.type_name()))
}

#[cold]
fn overflow() -> Trouble {
    Trouble::new("whole number overflows 64 bits")
}

#[cold]
fn by_zero() -> Trouble {
    Trouble::new("division by zero")
}

/// Functions of one number.
pub(super) fn unary(builtin: Builtin, value: &Value) -> Result<Value, Trouble> {
    Ok(match (builtin, value) {
        (Builtin::Ceil, Value::Double(number)) => Value::Double(number.ceil()),
        (Builtin::Floor, Value::Double(number)) => Value::Double(number.floor()),
        (Builtin::Round, Value::Double(number)) => Value::Double(number.round()),
        (Builtin::Trunc, Value::Double(number)) => Value::Double(number.trunc()),
        (Builtin::Abs, Value::Double(number)) => Value::Double(number.abs()),
        (Builtin::Abs, Value::Int(number)) => Value::Int(number.checked_abs().ok_or_else(overflow)?),
        (Builtin::Abs, Value::Uint(number)) => Value::Uint(*number),
        (Builtin::Sign, Value::Double(number)) if *number == 0.0 || number.is_nan() => Value::Double(*number),
        (Builtin::Sign, Value::Double(number)) => Value::Double(number.signum()),
        (Builtin::Sign, Value::Int(number)) => Value::Int(number.signum()),
        (Builtin::Sign, Value::Uint(number)) => Value::Uint((*number).min(1)),
        (Builtin::Sqrt, Value::Double(number)) => root(*number),
        (Builtin::Sqrt, Value::Int(number)) => root(*number as f64),
        (Builtin::Sqrt, Value::Uint(number)) => root(*number as f64),
        (Builtin::IsNan, Value::Double(number)) => Value::Bool(number.is_nan()),
        (Builtin::IsInf, Value::Double(number)) => Value::Bool(number.is_infinite()),
        (Builtin::IsFinite, Value::Double(number)) => Value::Bool(number.is_finite()),
        (Builtin::BitNot, Value::Int(number)) => Value::Int(!number),
        (Builtin::BitNot, Value::Uint(number)) => Value::Uint(!number),
        (Builtin::Ceil | Builtin::Floor | Builtin::Round | Builtin::Trunc, other) => {
            return Err(Trouble::new(format!("this takes a double, not {}", other.type_name())));
        }
        (_, other) => return Err(Trouble::new(format!("this does not take {}", other.type_name()))),
    })
}

fn root(number: f64) -> Value {
    let root = number.sqrt();
    Value::Double(if root.is_nan() { f64::NAN } else { root })
}

/// Functions of the bits of whole numbers.
pub(super) fn bits(builtin: Builtin, a: &Value, b: &Value) -> Result<Value, Trouble> {
    let places = match (builtin, b) {
        (Builtin::ShiftLeft | Builtin::ShiftRight, Value::Int(places)) if *places < 0 => {
            return Err(Trouble::new(format!("negative number of places to shift: {places}")));
        }
        (_, Value::Int(places)) => u32::try_from(*places).unwrap_or(u32::MAX),
        _ => 0,
    };
    Ok(match (builtin, a, b) {
        (Builtin::BitAnd, Value::Int(a), Value::Int(b)) => Value::Int(a & b),
        (Builtin::BitAnd, Value::Uint(a), Value::Uint(b)) => Value::Uint(a & b),
        (Builtin::BitOr, Value::Int(a), Value::Int(b)) => Value::Int(a | b),
        (Builtin::BitOr, Value::Uint(a), Value::Uint(b)) => Value::Uint(a | b),
        (Builtin::BitXor, Value::Int(a), Value::Int(b)) => Value::Int(a ^ b),
        (Builtin::BitXor, Value::Uint(a), Value::Uint(b)) => Value::Uint(a ^ b),
        (Builtin::ShiftLeft, Value::Int(a), Value::Int(_)) => {
            Value::Int((*a as u64).checked_shl(places).unwrap_or(0) as i64)
        }
        (Builtin::ShiftLeft, Value::Uint(a), Value::Int(_)) => {
            Value::Uint(a.checked_shl(places).unwrap_or(0))
        }
        (Builtin::ShiftRight, Value::Int(a), Value::Int(_)) => {
            Value::Int((*a as u64).checked_shr(places).unwrap_or(0) as i64)
        }
        (Builtin::ShiftRight, Value::Uint(a), Value::Int(_)) => {
            Value::Uint(a.checked_shr(places).unwrap_or(0))
        }
        _ => {
            let (a, b) = (a.type_name(), b.type_name());
            return Err(Trouble::new(format!("this does not take {a} and {b}")));
        }
    })
}

/// The greatest or the least of numbers, or of a list of them; of equal ones the first.
pub(super) fn extreme(arguments: &[&Value], wanted: Ordering, cost: &mut Cost) -> Result<Value, Trouble> {
    if let [Value::List(items)] = arguments {
        cost.pay(items.len() as u64)?;
        return extreme_of(items.iter(), wanted);
    }
    extreme_of(arguments.iter().copied(), wanted)
}

fn extreme_of<'v>(values: impl Iterator<Item = &'v Value>, wanted: Ordering) -> Result<Value, Trouble> {
    let mut best: Option<&Value> = None;
    for value in values {
        if !matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_)) {
            return Err(Trouble::new(format!("this takes numbers, not {}", value.type_name())));
        }
        let better = best.is_none_or(|best| compare(value, best).flatten() == Some(wanted));
        if better {
            best = Some(value);
        }
    }
    best.cloned().ok_or_else(|| Trouble::new("there is no greatest or least of an empty list"))
}
