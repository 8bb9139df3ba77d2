//! Functions of texts. Places in a text are counted in characters, as the language has it.
//!
//! It refuses to make a text before it is paid for. Its one invariant: a text is never cut inside a character.

use super::builtins::refused;
use super::functions::Builtin;
use super::{Cost, evaluate::Trouble};
use crate::value::Value;

type Called = Result<Value, Trouble>;

pub(super) fn call(builtin: Builtin, text: &str, rest: &[&Value], cost: &mut Cost) -> Called {
    use Builtin as B;
    // Every function here reads its subject at most a few times.
    cost.pay(text.len() as u64 / 16)?;
    for argument in rest {
        cost.pay(argument.as_str().map_or(0, str::len) as u64 / 16)?;
    }
    match (builtin, rest) {
        (B::Contains, [Value::String(part)]) => Ok(Value::Bool(text.contains(&**part))),
        (B::StartsWith, [Value::String(part)]) => Ok(Value::Bool(text.starts_with(&**part))),
        (B::EndsWith, [Value::String(part)]) => Ok(Value::Bool(text.ends_with(&**part))),
        (B::CharAt, [Value::Int(at)]) => {
            let start = byte_of(text, *at)?;
            let found = text[start..].chars().next();
            Ok(Value::from(found.map(String::from).unwrap_or_default()))
        }
        (B::IndexOf, [Value::String(part)]) => index_of(text, part, 0),
        (B::IndexOf, [Value::String(part), Value::Int(from)]) => index_of(text, part, *from),
        (B::LastIndexOf, [Value::String(part)]) => Ok(characters_before(text, text.rfind(&**part))),
        (B::LastIndexOf, [Value::String(part), Value::Int(from)]) => last_index_of(text, part, *from),
        (B::LowerAscii, []) => Ok(Value::from(text.to_ascii_lowercase())),
        (B::UpperAscii, []) => Ok(Value::from(text.to_ascii_uppercase())),
        (B::Replace, [Value::String(part), Value::String(new)]) => replace(text, part, new, -1, cost),
        (B::Replace, [Value::String(part), Value::String(new), Value::Int(times)]) => {
            replace(text, part, new, *times, cost)
        }
        (B::Split, [Value::String(between)]) => split(text, between, -1, cost),
        (B::Split, [Value::String(between), Value::Int(pieces)]) => split(text, between, *pieces, cost),
        (B::Substring, [Value::Int(start)]) => Ok(Value::from(&text[byte_of(text, *start)?..])),
        (B::Substring, [Value::Int(start), Value::Int(end)]) => {
            let (from, to) = (byte_of(text, *start)?, byte_of(text, *end)?);
            let part = text.get(from..to);
            let part = part.ok_or_else(|| Trouble::new(format!("no substring from {start} to {end}")))?;
            Ok(Value::from(part))
        }
        (B::Trim, []) => Ok(Value::from(text.trim())),
        (B::Reverse, []) => Ok(Value::from(text.chars().rev().collect::<String>())),
        (B::Quote, []) => Ok(Value::from(quote(text))),
        _ => Err(refused(&[&[&Value::from("")], rest].concat())),
    }
}

/// The byte where the character at a place begins; the place behind the last one is the text's end.
fn byte_of(text: &str, place: i64) -> Result<usize, Trouble> {
    let missing = || Trouble::new(format!("index is out of range: {place}"));
    let place = usize::try_from(place).map_err(|_| missing())?;
    let mut bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    bytes.nth(place).ok_or_else(missing)
}

fn characters_before(text: &str, byte: Option<usize>) -> Value {
    Value::Int(byte.map_or(-1, |byte| text[..byte].chars().count() as i64))
}

fn index_of(text: &str, part: &str, from: i64) -> Called {
    let start = byte_of(text, from)?;
    Ok(characters_before(text, text[start..].find(part).map(|byte| start + byte)))
}

/// The last place, not behind `from`, where the part begins.
fn last_index_of(text: &str, part: &str, from: i64) -> Called {
    let start = byte_of(text, from)?;
    let mut end = (start + part.len()).min(text.len());
    // A part that begins in time ends by then, and it ends between characters.
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let found = text[..end].rfind(part).filter(|byte| *byte <= start);
    Ok(characters_before(text, found))
}

fn replace(text: &str, part: &str, new: &str, times: i64, cost: &mut Cost) -> Called {
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    let found = text.matches(part).take(times).count();
    // What it grows to is known before it is made.
    let bytes = text.len() as u64 + (found as u64).saturating_mul(new.len() as u64);
    cost.pay(bytes / 16 + found as u64)?;
    Ok(Value::from(text.replacen(part, new, times)))
}

fn split(text: &str, between: &str, pieces: i64, cost: &mut Cost) -> Called {
    let limit = usize::try_from(pieces).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if limit == 0 {
        return Ok(Value::list(parts));
    }
    if between.is_empty() {
        // Into characters; the last piece holds what is left.
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            cost.pay(1)?;
            if parts.len() + 1 == limit {
                parts.push(Value::from(rest));
                break;
            }
            let (piece, after) = rest.split_at(first.len_utf8());
            parts.push(Value::from(piece));
            rest = after;
        }
        return Ok(Value::list(parts));
    }
    for piece in text.splitn(limit, between) {
        cost.pay(1)?;
        parts.push(Value::from(piece));
    }
    Ok(Value::list(parts))
}

pub(super) fn join(items: &[Value], between: &str, cost: &mut Cost) -> Called {
    let mut bytes = (between.len() as u64).saturating_mul(items.len() as u64);
    for item in items {
        cost.pay(1)?;
        match item {
            Value::String(text) => bytes += text.len() as u64,
            other => {
                return Err(Trouble::new(format!("'join' takes strings, this is {}", other.type_name())));
            }
        }
    }
    cost.pay(bytes / 16)?;
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    Ok(Value::from(texts.join(between)))
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
