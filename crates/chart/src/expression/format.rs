//! `format`: texts from values, with clauses such as `%s`, `%d` and `%.2f`.
//!
//! It refuses locales. Its one invariant: what is written was paid for, piece by piece.

use super::{Cost, evaluate::Trouble};
use crate::value::Value;
use std::fmt::Write;

/// Digits after the point. A double has at most 1,074 that are not zero; 100 are more than anybody reads.
const PRECISION_MAX: usize = 100;

pub(super) fn format(pattern: &str, items: &[Value], cost: &mut Cost) -> Result<Value, Trouble> {
    cost.pay(pattern.len() as u64 / 16)?;
    let mut out = String::new();
    let mut rest = pattern;
    let mut next = items.iter().enumerate();
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, after) = precision(rest)?;
        let Some(clause) = after.chars().next() else {
            return Err(Trouble::new("format ends in the middle of a clause"));
        };
        rest = &after[clause.len_utf8()..];
        let Some((_, value)) = next.next() else {
            return Err(Trouble::new(format!("format has more clauses than the {} values", items.len())));
        };
        // A clause with a precision writes at most that many digits and a double's own.
        cost.pay(2 + precision.unwrap_or(6) as u64 / 16)?;
        write_clause(clause, precision, value, &mut out, cost)?;
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn precision(text: &str) -> Result<(Option<usize>, &str), Trouble> {
    let Some(after) = text.strip_prefix('.') else { return Ok((None, text)) };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let number = after[..digits].parse().ok().filter(|number| *number <= PRECISION_MAX);
    match number {
        Some(number) => Ok((Some(number), &after[digits..])),
        None => Err(Trouble::new(format!("format has a precision that is not 0 to {PRECISION_MAX}"))),
    }
}

fn write_clause(
    clause: char,
    precision: Option<usize>,
    value: &Value,
    out: &mut String,
    cost: &mut Cost,
) -> Result<(), Trouble> {
    let refused = || Trouble::new(format!("'%{clause}' does not take {}", value.type_name()));
    match (clause, value) {
        ('s', value) => write_text(value, out, cost)?,
        ('d', Value::Int(number)) => put(out, format_args!("{number}")),
        ('d', Value::Uint(number)) => put(out, format_args!("{number}")),
        ('d', Value::Double(number)) if !number.is_finite() || number.fract() == 0.0 => {
            out.push_str(&double_words(*number).map_or_else(|| format!("{number:.0}"), str::to_owned));
        }
        ('f', value) => {
            let number = as_double(value).ok_or_else(refused)?;
            match double_words(number) {
                Some(words) => out.push_str(words),
                None => put(out, format_args!("{number:.*}", precision.unwrap_or(6))),
            }
        }
        ('e', value) => {
            let number = as_double(value).ok_or_else(refused)?;
            match double_words(number) {
                Some(words) => out.push_str(words),
                None => write_scientific(number, precision.unwrap_or(6), out),
            }
        }
        ('b', Value::Bool(truth)) => out.push(if *truth { '1' } else { '0' }),
        ('b' | 'o' | 'x' | 'X', Value::Int(number)) => {
            if *number < 0 {
                out.push('-');
            }
            write_radix(clause, number.unsigned_abs(), out);
        }
        ('b' | 'o' | 'x' | 'X', Value::Uint(number)) => write_radix(clause, *number, out),
        ('x' | 'X', Value::String(text)) => write_hex(clause, text.as_bytes(), out, cost)?,
        ('x' | 'X', Value::Bytes(bytes)) => write_hex(clause, bytes, out, cost)?,
        ('d' | 'b' | 'o' | 'x' | 'X', _) => return Err(refused()),
        _ => return Err(Trouble::new(format!("format has an unknown clause: '%{clause}'"))),
    }
    Ok(())
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = out.write_fmt(text);
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        _ => None,
    }
}

fn double_words(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// The shortest text that reads back as the same double, without a point where there is no fraction.
pub(super) fn double_text(number: f64) -> String {
    if let Some(words) = double_words(number) {
        return words.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => exponent_text(digits, exponent),
            None => text,
        };
    }
    format!("{number}")
}

/// An exponent has a sign and at least two digits.
fn exponent_text(digits: &str, exponent: &str) -> String {
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

fn write_scientific(number: f64, precision: usize, out: &mut String) {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => out.push_str(&exponent_text(digits, exponent)),
        None => out.push_str(&text),
    }
}

fn write_radix(clause: char, number: u64, out: &mut String) {
    match clause {
        'b' => put(out, format_args!("{number:b}")),
        'o' => put(out, format_args!("{number:o}")),
        'x' => put(out, format_args!("{number:x}")),
        _ => put(out, format_args!("{number:X}")),
    }
}

fn write_hex(clause: char, bytes: &[u8], out: &mut String, cost: &mut Cost) -> Result<(), Trouble> {
    cost.pay(bytes.len() as u64 / 8)?;
    for byte in bytes {
        match clause {
            'x' => put(out, format_args!("{byte:02x}")),
            _ => put(out, format_args!("{byte:02X}")),
        }
    }
    Ok(())
}

fn write_text(value: &Value, out: &mut String, cost: &mut Cost) -> Result<(), Trouble> {
    cost.pay(1)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => put(out, format_args!("{truth}")),
        Value::Int(number) => put(out, format_args!("{number}")),
        Value::Uint(number) => put(out, format_args!("{number}")),
        Value::Double(number) => out.push_str(&double_text(*number)),
        Value::String(text) => {
            cost.pay(text.len() as u64 / 16)?;
            out.push_str(text);
        }
        Value::Bytes(bytes) => {
            cost.pay(bytes.len() as u64 / 16)?;
            out.push_str(&String::from_utf8_lossy(bytes));
        }
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_text(item, out, cost)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            // Sorted by the text of the keys, whatever their types.
            cost.pay(map.len() as u64 * 4)?;
            let mut entries: Vec<(String, &Value)> =
                map.iter().map(|(key, value)| (key.to_string(), value)).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                cost.pay(key.len() as u64 / 16)?;
                out.push_str(if at > 0 { ", " } else { "" });
                out.push_str(key);
                out.push_str(": ");
                write_text(value, out, cost)?;
            }
            out.push('}');
        }
        Value::Timestamp(time) => put(out, format_args!("{time}")),
        Value::Duration(length) => put(out, format_args!("{length}")),
        Value::Type(kind) => put(out, format_args!("{kind}")),
        Value::Optional(None) => out.push_str("optional.none()"),
        Value::Optional(Some(inside)) => {
            out.push_str("optional.of(");
            write_text(inside, out, cost)?;
            out.push(')');
        }
    }
    Ok(())
}
