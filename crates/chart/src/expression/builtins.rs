//! Calls of functions with values.
//!
//! It refuses to know nodes and scopes. Its one invariant: arguments of the wrong type are a fault, because what is
//! not known when compiling is found out here.

use super::functions::Builtin;
use super::moments::Zone;
use super::{Cost, evaluate::Trouble, evaluate::zone, format, math, pattern, text};
use crate::value::{Duration, Timestamp, Value, compare, decode_base64, encode_base64, equal_within};
use std::cmp::Ordering;
use std::sync::Arc;

type Called = Result<Value, Trouble>;

pub(super) fn call(builtin: Builtin, arguments: &[&Value], cost: &mut Cost) -> Called {
    use Builtin as B;
    match (builtin, arguments) {
        (B::Size, [value]) => size(value, cost),
        (B::TypeOf, [value]) => Ok(Value::Type(value.type_name())),
        (B::Dyn, [value]) => Ok((*value).clone()),
        (B::ToInt, [value]) => to_int(value),
        (B::ToUint, [value]) => to_uint(value),
        (B::ToDouble, [value]) => to_double(value),
        (B::ToText, [value]) => to_text(value, cost),
        (B::ToBytes, [value]) => to_bytes(value, cost),
        (B::ToBool, [value]) => to_bool(value),
        (B::ToTimestamp, [value]) => to_timestamp(value),
        (B::ToDuration, [value]) => to_duration(value),
        (B::Matches, [Value::String(text), Value::String(source)]) => {
            let compiled = pattern::compile(source, cost)?;
            pattern::matches(&compiled, text, cost).map(Value::Bool)
        }
        (B::Moment(part), [time]) => part.of(time, &Zone::Fixed(0)),
        (B::Moment(part), [time, Value::String(name)]) => part.of(time, &zone(name, cost)?),
        (B::Greatest, values) => math::extreme(values, Ordering::Greater, cost),
        (B::Least, values) => math::extreme(values, Ordering::Less, cost),
        (B::BitAnd | B::BitOr | B::BitXor | B::ShiftLeft | B::ShiftRight, [a, b]) => {
            math::bits(builtin, a, b)
        }
        (
            B::Ceil
            | B::Floor
            | B::Round
            | B::Trunc
            | B::Abs
            | B::Sign
            | B::Sqrt
            | B::IsNan
            | B::IsInf
            | B::IsFinite
            | B::BitNot,
            [value],
        ) => math::unary(builtin, value),
        (B::EncodeBase64, [Value::Bytes(bytes)]) => {
            cost.pay(bytes.len() as u64 / 8)?;
            Ok(Value::from(encode_base64(bytes)))
        }
        (B::DecodeBase64, [Value::String(text)]) => {
            cost.pay(text.len() as u64 / 4)?;
            let bytes = decode_base64(text).ok_or_else(|| Trouble::new("text is not base64"))?;
            Ok(Value::Bytes(Arc::from(bytes)))
        }
        (B::OptionalNone, []) => Ok(Value::Optional(None)),
        (B::OptionalOf, [value]) => Ok(some(value)),
        (B::OptionalOfNonZero, [value]) if is_zero(value) => Ok(Value::Optional(None)),
        (B::OptionalOfNonZero, [value]) => Ok(some(value)),
        (B::HasValue, [Value::Optional(inside)]) => Ok(Value::Bool(inside.is_some())),
        (B::OptionalValue, [Value::Optional(inside)]) => match inside {
            Some(value) => Ok((**value).clone()),
            None => Err(Trouble::new("optional has no value; use orValue(…)")),
        },
        (B::Or, [Value::Optional(inside), other @ Value::Optional(_)]) => {
            Ok(if inside.is_some() { arguments[0].clone() } else { (*other).clone() })
        }
        (B::OrValue, [Value::Optional(inside), other]) => {
            Ok(inside.as_ref().map_or_else(|| (*other).clone(), |value| (**value).clone()))
        }
        (B::Format, [Value::String(pattern), Value::List(items)]) => format::format(pattern, items, cost),
        (_, [Value::List(items), rest @ ..]) => list_call(builtin, items, rest, cost),
        (_, [Value::String(subject), rest @ ..]) => text::call(builtin, subject, rest, cost),
        _ => Err(refused(arguments)),
    }
}

/// The fault of a function that does not take these arguments.
#[cold]
pub(super) fn refused(arguments: &[&Value]) -> Trouble {
    let types = arguments.iter().map(|value| value.type_name().as_str()).collect::<Vec<_>>();
    Trouble::new(format!("function does not take ({})", types.join(", ")))
}

fn some(value: &Value) -> Value {
    Value::Optional(Some(Arc::new(value.clone())))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Optional(None) => true,
        Value::Bool(truth) => !truth,
        Value::Int(number) => *number == 0,
        Value::Uint(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Duration(length) => length.nanoseconds() == 0,
        Value::Timestamp(time) => time.seconds() == 0 && time.nanoseconds() == 0,
        Value::Type(_) | Value::Optional(Some(_)) => false,
    }
}

fn size(value: &Value, cost: &mut Cost) -> Called {
    let size = match value {
        Value::String(text) => {
            cost.pay(text.len() as u64 / 16)?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(refused(&[other])),
    };
    Ok(Value::Int(size as i64))
}

// Conversions.

fn out_of_range(what: &str) -> Trouble {
    Trouble::new(format!("number is out of range for {what}"))
}

fn to_int(value: &Value) -> Called {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        // Both ends are out: 2^63 is no i64, and the language leaves out its negative as well.
        Value::Double(number) if number.abs() < 9_223_372_036_854_775_808.0 => Some(*number as i64),
        Value::Double(_) => None,
        Value::Timestamp(time) => Some(time.seconds()),
        Value::String(text) => {
            return text.parse().map(Value::Int).map_err(|_| Trouble::new("text is no int"));
        }
        other => return Err(refused(&[other])),
    };
    number.map(Value::Int).ok_or_else(|| out_of_range("int"))
}

fn to_uint(value: &Value) -> Called {
    let number = match value {
        Value::Uint(number) => Some(*number),
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Double(number) if *number > -1.0 && *number < 18_446_744_073_709_551_616.0 => {
            Some(*number as u64)
        }
        Value::Double(_) => None,
        Value::String(text) => {
            return text.parse().map(Value::Uint).map_err(|_| Trouble::new("text is no uint"));
        }
        other => return Err(refused(&[other])),
    };
    number.map(Value::Uint).ok_or_else(|| out_of_range("uint"))
}

fn to_double(value: &Value) -> Called {
    Ok(Value::Double(match value {
        Value::Double(number) => *number,
        Value::Int(number) => *number as f64,
        Value::Uint(number) => *number as f64,
        Value::String(text) => text.parse().map_err(|_| Trouble::new("text is no double"))?,
        other => return Err(refused(&[other])),
    }))
}

fn to_text(value: &Value, cost: &mut Cost) -> Called {
    Ok(match value {
        Value::String(text) => Value::String(text.clone()),
        Value::Int(number) => Value::from(number.to_string()),
        Value::Uint(number) => Value::from(number.to_string()),
        Value::Double(number) => Value::from(format::double_text(*number)),
        Value::Bool(truth) => Value::from(if *truth { "true" } else { "false" }),
        Value::Timestamp(time) => Value::from(time.to_string()),
        Value::Duration(length) => Value::from(length.to_string()),
        Value::Bytes(bytes) => {
            cost.pay(bytes.len() as u64 / 16)?;
            let text = std::str::from_utf8(bytes).map_err(|_| Trouble::new("bytes are not UTF-8"))?;
            Value::from(text)
        }
        other => return Err(refused(&[other])),
    })
}

fn to_bytes(value: &Value, cost: &mut Cost) -> Called {
    match value {
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes.clone())),
        Value::String(text) => {
            cost.pay(text.len() as u64 / 16)?;
            Ok(Value::Bytes(Arc::from(text.as_bytes())))
        }
        other => Err(refused(&[other])),
    }
}

fn to_bool(value: &Value) -> Called {
    match value {
        Value::Bool(truth) => Ok(Value::Bool(*truth)),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(Trouble::new("text is no bool")),
        },
        other => Err(refused(&[other])),
    }
}

fn to_timestamp(value: &Value) -> Called {
    Ok(Value::Timestamp(match value {
        Value::Timestamp(time) => *time,
        Value::Int(seconds) => Timestamp::new(*seconds, 0)?,
        Value::String(text) => Timestamp::parse(text)?,
        other => return Err(refused(&[other])),
    }))
}

fn to_duration(value: &Value) -> Called {
    Ok(Value::Duration(match value {
        Value::Duration(length) => *length,
        // A number with its unit is short; what is longer is no duration, and is not read.
        Value::String(text) if text.len() <= 256 => Duration::parse(text)?,
        Value::String(_) => return Err(Trouble::new("text is no duration")),
        other => return Err(refused(&[other])),
    }))
}

// Lists.

fn list_call(builtin: Builtin, items: &[Value], rest: &[&Value], cost: &mut Cost) -> Called {
    match (builtin, rest) {
        (Builtin::Join, []) => text::join(items, "", cost),
        (Builtin::Join, [Value::String(between)]) => text::join(items, between, cost),
        (Builtin::Reverse, []) => {
            cost.pay(items.len() as u64)?;
            Ok(Value::list(items.iter().rev().cloned().collect()))
        }
        (Builtin::Slice, [Value::Int(start), Value::Int(end)]) => {
            let range = usize::try_from(*start).ok().zip(usize::try_from(*end).ok());
            let part = range.and_then(|(start, end)| items.get(start..end));
            let part = part.ok_or_else(|| Trouble::new(format!("no slice from {start} to {end}")))?;
            cost.pay(part.len() as u64)?;
            Ok(Value::list(part.to_vec()))
        }
        (Builtin::Distinct, []) => distinct(items, cost),
        (Builtin::Sort, []) => sort(items, cost),
        (Builtin::Flatten, []) => {
            let mut flat = Vec::new();
            for item in items {
                cost.pay(1)?;
                match item {
                    Value::List(inside) => {
                        cost.pay(inside.len() as u64)?;
                        flat.extend_from_slice(inside);
                    }
                    other => flat.push(other.clone()),
                }
            }
            Ok(Value::list(flat))
        }
        (Builtin::Sum, []) => {
            let mut sum = None;
            for item in items {
                cost.pay(1)?;
                sum = Some(match sum {
                    None => item.clone(),
                    Some(sum) => math::arithmetic(super::syntax::Operator::Add, &sum, item, cost)?,
                });
            }
            Ok(sum.unwrap_or(Value::Int(0)))
        }
        (Builtin::First, []) => Ok(Value::Optional(items.first().cloned().map(Arc::new))),
        (Builtin::Last, []) => Ok(Value::Optional(items.last().cloned().map(Arc::new))),
        _ => Err(refused(rest)),
    }
}

fn distinct(items: &[Value], cost: &mut Cost) -> Called {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        let mut known = false;
        for other in &kept {
            cost.pay(1)?;
            if equal_within(item, other, &mut |bytes| cost.pay(bytes as u64 / 16 + 1))? {
                known = true;
                break;
            }
        }
        cost.pay(1)?;
        if !known {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn sort(items: &[Value], cost: &mut Cost) -> Called {
    let first = items.first();
    for item in items {
        let text = item.as_str().map_or(0, str::len) as u64 / 16;
        let rounds = u64::from(usize::BITS - items.len().leading_zeros());
        cost.pay((1 + text) * rounds)?;
        let sorts = first.is_none_or(|first| compare(first, item).flatten().is_some());
        if !sorts {
            return Err(Trouble::new("items have no order; sort numbers, texts or times of one type"));
        }
    }
    let mut sorted = items.to_vec();
    sorted.sort_by(|a, b| compare(a, b).flatten().unwrap_or(Ordering::Equal));
    Ok(Value::list(sorted))
}
