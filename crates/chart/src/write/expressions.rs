//! Names in expressions, from one notation to the other: `context.total` is `total` in SCXML, `event` is `_event.data`.
//!
//! It refuses to know grammar beyond names, texts and dots. Its one invariant: what is in quotes stays as it is, but
//! for the states that `in('…')` asks for.

use super::{Losses, lose};
use crate::chart::Chart;
use crate::value::{Key, Value};
use std::collections::BTreeSet;

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Piece<'s> {
    Name(&'s str),
    Quoted(&'s str),
    Other(&'s str),
}

fn pieces(source: &str) -> Vec<Piece<'_>> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let (length, kind): (usize, fn(&str) -> Piece<'_>) = if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let is_prefix = end <= 2
                && rest[..end].chars().all(|c| matches!(c, 'r' | 'R' | 'b' | 'B'))
                && rest[end..].starts_with(['\'', '"']);
            match is_prefix {
                true => {
                    let raw = rest[..end].contains(['r', 'R']);
                    (end + quoted_length(&rest[end..], raw), |text| Piece::Quoted(text))
                }
                false => (end, |text| Piece::Name(text)),
            }
        } else if c == '\'' || c == '"' {
            (quoted_length(rest, false), |text| Piece::Quoted(text))
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), |text| Piece::Other(text))
        } else if c.is_ascii_digit() {
            // `1e5` and `10u` have no names in them.
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            (end, |text| Piece::Other(text))
        } else {
            (c.len_utf8(), |text| Piece::Other(text))
        };
        all.push(kind(&rest[..length]));
        at += length;
    }
    all
}

fn quoted_length(text: &str, raw: bool) -> usize {
    let triple = text.starts_with("'''") || text.starts_with("\"\"\"");
    let quote = if triple { &text[..3] } else { &text[..1] };
    let mut at = quote.len();
    while let Some(c) = text[at..].chars().next() {
        if c == '\\' && !raw {
            at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
        } else if text[at..].starts_with(quote) {
            return at + quote.len();
        } else {
            at += c.len_utf8();
        }
    }
    text.len()
}

fn is_space(piece: &Piece<'_>) -> bool {
    matches!(piece, Piece::Other(text) if text.trim().is_empty())
}

/// The next piece that is no white space, with its position.
fn next<'p, 's>(pieces: &'p [Piece<'s>], from: usize) -> Option<(usize, &'p Piece<'s>)> {
    pieces.iter().enumerate().skip(from).find(|(_, piece)| !is_space(piece))
}

fn is_field(pieces: &[Piece<'_>], at: usize) -> bool {
    let before = pieces[..at].iter().rev().find(|piece| !is_space(piece));
    matches!(before, Some(Piece::Other(".") | Piece::Other("?"))) && matches!(before, Some(Piece::Other(".")))
}

/// Rewrites the names of states that are asked for.
fn state_names<'s>(
    pieces: &mut [Piece<'s>],
    chart: &Chart,
    rename: &'s dyn Fn(u16) -> String,
    owned: &mut Vec<(usize, String)>,
) {
    for at in 0..pieces.len() {
        if !matches!(pieces[at], Piece::Name("in" | "In")) || is_field(pieces, at) {
            continue;
        }
        let Some((open, Piece::Other("("))) = next(pieces, at + 1) else { continue };
        let Some((text, Piece::Quoted(quoted))) = next(pieces, open + 1) else { continue };
        let name = quoted.trim_matches(['\'', '"']);
        if let Some(state) = chart.named(name) {
            owned.push((text, format!("'{}'", rename(state))));
        }
    }
}

/// An expression of the native format as one of SCXML.
pub(super) fn to_scxml(
    source: &str,
    chart: &Chart,
    rename: &dyn Fn(u16) -> String,
    (losses, place): (Losses<'_>, &str),
) -> String {
    let mut all = pieces(source);
    let mut owned = Vec::new();
    state_names(&mut all, chart, rename, &mut owned);
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < all.len() {
        let field = is_field(&all, at);
        match &all[at] {
            Piece::Name("context") if !field => {
                let dot = next(&all, at + 1).filter(|(_, piece)| **piece == Piece::Other("."));
                let name = dot.and_then(|(dot, _)| next(&all, dot + 1));
                if let Some((name_at, Piece::Name(name))) = name {
                    out.push_str(name);
                    at = name_at;
                } else {
                    lose(losses, place, "SCXML has no name for the whole context, only for its items");
                    out.push_str("context");
                }
            }
            Piece::Name("event") if !field => out.push_str("_event.data"),
            Piece::Name(text) | Piece::Other(text) => out.push_str(text),
            Piece::Quoted(text) => {
                let renamed = owned.iter().find(|(other, _)| *other == at);
                out.push_str(renamed.map_or(text, |(_, name)| name));
            }
        }
        at += 1;
    }
    out
}

/// An expression of SCXML as one of the native format. `data` are the items, `locals` the variables of loops around.
pub(super) fn to_native(
    source: &str,
    data: &BTreeSet<&str>,
    locals: &[String],
    (losses, place): (Losses<'_>, &str),
) -> String {
    let all = pieces(source);
    let mut out = String::with_capacity(source.len());
    for (at, piece) in all.iter().enumerate() {
        match piece {
            Piece::Name(name) if is_field(&all, at) || locals.iter().any(|local| local == name) => {
                out.push_str(name);
            }
            Piece::Name(name) if data.contains(name) => {
                out.push_str("context.");
                out.push_str(name);
            }
            Piece::Name("_sessionid") => out.push_str("string(instance.address)"),
            Piece::Name(name @ ("_name" | "_ioprocessors")) => {
                lose(losses, place, format!("the native format has no {name}"));
                out.push_str(name);
            }
            Piece::Name(text) | Piece::Quoted(text) | Piece::Other(text) => out.push_str(text),
        }
    }
    out
}

/// Does an expression read this item of the context?
pub(super) fn reads(source: &str, item: &str) -> bool {
    let all = pieces(source);
    all.iter().enumerate().any(|(at, piece)| {
        *piece == Piece::Name(item)
            || *piece == Piece::Name("context") && !matches!(next(&all, at + 1), Some((_, Piece::Other("."))))
    })
}

/// Text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A value as an expression.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entry = |(key, value): (&Key, &Value)| {
                format!("{}: {}", quoted(key.as_str().unwrap_or("")), literal(value))
            };
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => crate::behaviour::json_text(other).unwrap_or_else(|| "null".to_owned()),
    }
}
