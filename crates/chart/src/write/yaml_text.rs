//! Trees of keys as YAML, in the block style in which people write it.
//!
//! It refuses to know what keys mean. Its one invariant: what is written is read as the same tree.

use crate::value::Value;
use std::fmt::Write;

/// A tree to be written.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    /// A number, `true`, `false` or `null`, as it is written.
    Plain(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Lines are about as long as people like them.
const LINE_CHARACTERS: usize = 90;

impl Tree {
    pub(super) fn text(text: impl Into<String>) -> Tree {
        Tree::Text(text.into())
    }

    /// A value that is carried as it is.
    pub(super) fn value(value: &Value) -> Tree {
        match value {
            Value::Bool(value) => Tree::Plain(value.to_string()),
            Value::Int(value) => Tree::Plain(value.to_string()),
            Value::Uint(value) => Tree::Plain(value.to_string()),
            Value::Double(value) => Tree::Plain(format!("{value:?}")),
            Value::String(text) => Tree::text(&**text),
            Value::List(items) => Tree::List(items.iter().map(Tree::value).collect()),
            Value::Map(map) => Tree::Map(
                map.iter()
                    .map(|(key, value)| (key.as_str().unwrap_or("").to_owned(), Tree::value(value)))
                    .collect(),
            ),
            _ => Tree::Plain("null".to_owned()),
        }
    }

    /// One of a list, or the list.
    pub(super) fn one_or_more(mut items: Vec<Tree>) -> Tree {
        match items.len() {
            1 if !matches!(items[0], Tree::List(_)) => items.remove(0),
            _ => Tree::List(items),
        }
    }

    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        match self {
            Tree::Map(entries) if !entries.is_empty() => map(entries, 0, &mut out),
            other => _ = writeln!(out, "{}", flow(other)),
        }
        out
    }

    fn is_simple(&self) -> bool {
        match self {
            Tree::Plain(_) | Tree::Text(_) => true,
            Tree::List(items) => items.iter().all(Tree::is_simple),
            Tree::Map(entries) => entries.len() <= 4 && entries.iter().all(|(_, value)| value.is_simple()),
        }
    }
}

fn map(entries: &[(String, Tree)], depth: usize, out: &mut String) {
    for (number, (key, value)) in entries.iter().enumerate() {
        // The first line of a map in a list stands behind its dash.
        let indent = if number == 0 && out.ends_with("- ") { 0 } else { 2 * depth };
        let _ = write!(out, "{:indent$}{}:", "", scalar(key));
        after(value, depth, key.len() + 2 * depth, out);
    }
}

/// What follows a key or a dash.
fn after(value: &Tree, depth: usize, column: usize, out: &mut String) {
    let flowing = value.is_simple().then(|| flow(value)).filter(|text| column + text.len() < LINE_CHARACTERS);
    match (value, flowing) {
        (Tree::Plain(_) | Tree::Text(_), _) => _ = writeln!(out, " {}", flow(value)),
        (_, Some(text)) => _ = writeln!(out, " {text}"),
        (Tree::Map(entries), None) => {
            out.push('\n');
            map(entries, depth + 1, out);
        }
        (Tree::List(items), None) => {
            out.push('\n');
            list(items, depth + 1, out);
        }
    }
}

fn list(items: &[Tree], depth: usize, out: &mut String) {
    for item in items {
        let _ = write!(out, "{:indent$}- ", "", indent = 2 * depth);
        let text = flow(item);
        match item {
            Tree::Map(entries) if !(item.is_simple() && text.len() + 2 * depth < LINE_CHARACTERS) => {
                map(entries, depth + 1, out);
            }
            _ => _ = writeln!(out, "{text}"),
        }
    }
}

pub(super) fn flow(tree: &Tree) -> String {
    match tree {
        Tree::Plain(text) => text.clone(),
        Tree::Text(text) => scalar(text),
        Tree::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Tree::Map(entries) => {
            let entry = |(key, value): &(String, Tree)| format!("{}: {}", scalar(key), flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Text, in quotes unless it could not be taken for anything else.
fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    let word = |c: char| c.is_ascii_alphanumeric() || " _-./()+*<>=&|$;@^".contains(c);
    let plain = begins
        && text.chars().all(word)
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    // `on` is a key of the format, and no YAML 1.2 reader takes it for anything else.
    if plain || text == "on" {
        return text.to_owned();
    }
    if !text.contains('\'')
        && text.chars().all(|c| !c.is_control())
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
    {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
