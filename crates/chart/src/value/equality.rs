//! Equality and order of values as expressions see them: numbers compare by value across their types.
//!
//! It refuses to know what a comparison costs; who asks pays through a closure. Its one invariant: the
//! answer depends on the values alone, not on how or where they are kept.

use super::{Key, Value};
use std::cmp::Ordering;

/// Are they equal? Every value looked at is paid for with the number of bytes looked at.
pub(crate) fn equal_within<E>(
    a: &Value,
    b: &Value,
    pay: &mut impl FnMut(usize) -> Result<(), E>,
) -> Result<bool, E> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            pay(a.len())?;
            Ok(a == b)
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            pay(a.len())?;
            Ok(a == b)
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                pay(1)?;
                if !equal_within(a, b, pay)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, a), (other, b)) in a.iter().zip(b.iter()) {
                pay(1 + key.as_str().map_or(0, str::len))?;
                if key != other || !equal_within(a, b, pay)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => {
            pay(1)?;
            equal_within(a, b, pay)
        }
        (Value::Optional(None), Value::Optional(None)) | (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(a == b),
        (Value::Duration(a), Value::Duration(b)) => Ok(a == b),
        (Value::Type(a), Value::Type(b)) => Ok(a == b),
        _ => Ok(numbers_equal(a, b)),
    }
}

/// Are both numbers, and equal by value?
fn numbers_equal(a: &Value, b: &Value) -> bool {
    number_order(a, b).flatten() == Some(Ordering::Equal)
}

/// The order of two values that have one: numbers, texts, bytes, booleans, times and durations. The outer `None`
/// says that they have none; the inner one that a NaN is among them.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(Some(a.cmp(b))),
        (Value::Bytes(a), Value::Bytes(b)) => Some(Some(a.cmp(b))),
        (Value::Bool(a), Value::Bool(b)) => Some(Some(a.cmp(b))),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(Some(a.cmp(b))),
        (Value::Duration(a), Value::Duration(b)) => Some(Some(a.cmp(b))),
        _ => number_order(a, b),
    }
}

#[inline]
fn number_order(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        // As the language defines it: the whole number is taken for the nearest fraction.
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Double(a), Value::Uint(b)) => a.partial_cmp(&(*b as f64)),
        _ => return None,
    };
    Some(order)
}

/// The whole number that a value is, whatever its type, as a key of maps and an index of lists.
pub(crate) fn integral(value: &Value) -> Option<Key> {
    match value {
        Value::Int(number) => Some(Key::Int(*number)),
        Value::Uint(number) => Some(Key::Uint(*number)),
        Value::Double(number) if number.fract() == 0.0 => {
            let whole = *number as i128;
            match i64::try_from(whole) {
                Ok(number) => Some(Key::Int(number)),
                Err(_) => u64::try_from(whole).ok().map(Key::Uint),
            }
        }
        _ => None,
    }
}
