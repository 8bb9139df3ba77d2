//! The JSON Schema and the Markdown reference of the native format, both made from the table in
//! [`crate::format`].
//!
//! It refuses to know anything that the table does not say. Its one invariant: the same table gives the same text.

use crate::format::{Key, OBJECTS, Object, Takes};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A JSON Schema (draft 2020-12) of the native format, for editors.
pub fn schema() -> String {
    let mut definitions = Map::new();
    for object in OBJECTS {
        definitions.insert(object.name.replace(' ', "-"), object_schema(object));
    }
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://everstate.dev/schema/definition.json",
        "title": "Everstate definition",
        "anyOf": [{"$ref": "#/$defs/definition"}, {"$ref": "#/$defs/flat"}, {"$ref": "#/$defs/supervisor"}],
        "$defs": definitions,
    });
    let mut text = serde_json::to_string_pretty(&whole).unwrap_or_default();
    text.push('\n');
    text
}

fn object_schema(object: &Object) -> Value {
    let mut properties = Map::new();
    for key in object.keys {
        let mut schema = takes_schema(&key.takes);
        if let Value::Object(map) = &mut schema {
            map.insert("description".into(), key.doc.into());
        }
        properties.insert(key.name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": object.doc,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn takes_schema(takes: &Takes) -> Value {
    match takes {
        Takes::Text | Takes::Expression => json!({"type": "string"}),
        Takes::Template => json!({"type": ["string", "number", "boolean"]}),
        Takes::Value | Takes::Anything | Takes::Unsupported(_) => json!({}),
        Takes::Bool => json!({"type": "boolean"}),
        Takes::Integer => json!({"type": "integer"}),
        Takes::Number => json!({"type": "number"}),
        Takes::Duration => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*(\d+|(\d+w)?\s*(\d+d)?\s*(\d+h)?\s*(\d+m)?\s*(\d+s)?\s*(\d+ms)?)\s*$"},
        ]}),
        Takes::Word(words) => json!({"enum": words}),
        // A state without anything in it may be written as nothing.
        Takes::Map(object) if object.name == "state" => {
            json!({"anyOf": [{"$ref": "#/$defs/state"}, {"type": "null"}]})
        }
        Takes::Map(object) => json!({"$ref": format!("#/$defs/{}", object.name.replace(' ', "-"))}),
        Takes::Names(inner) => {
            json!({"type": "object", "additionalProperties": nullable(takes_schema(inner))})
        }
        Takes::List(inner) => json!({"type": "array", "items": takes_schema(inner)}),
        Takes::OneOrMore(inner) => {
            let one = takes_schema(inner);
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        }
        Takes::Either(all) => json!({"anyOf": all.iter().map(takes_schema).collect::<Vec<_>>()}),
    }
}

/// What a name stands for may be left out.
fn nullable(schema: Value) -> Value {
    if schema == json!({}) { schema } else { json!({"anyOf": [schema, {"type": "null"}]}) }
}

/// The reference of the native format, as Markdown.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    for object in OBJECTS {
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n| key | takes | meaning |\n|---|---|---|\n",
            object.name, object.doc
        );
        for key in object.keys {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} |",
                key.name,
                cell(&takes_text(&key.takes)),
                cell(&meaning(key))
            );
        }
    }
    out.push_str("\n## Findings\n\nWhat `check` reports. A definition with an error cannot be put.\n\n");
    out.push_str("| code | severity | meaning |\n|---|---|---|\n");
    for code in crate::finding::Code::ALL {
        let _ = writeln!(out, "| `{code}` | {} | {} |", code.severity(), cell(code.explanation()));
    }
    out
}

const INTRODUCTION: &str = "# The native format

A definition is one YAML or JSON document. This page is made from the table that the reader itself uses.

What is written where:

- **Value** (`assign`, `data`, `reply`, `output`): text is a CEL expression, so a text itself stands in quotes
  (`\"'paid'\"`); lists and maps are built of values; numbers, `true`, `false` and `null` stand for themselves.
- **Template** (`to`, `event`, `log`, `delay`, `id`): text with `${ expression }` holes, such as
  `payments/${instance.id}`. `$${` stands for `${`.
- **Expression** (`guard`, `if`, `foreach`): CEL. It sees `context`, `event` (the event's data, so `event.amount`),
  `_event` (`name`, `data`, `id`, `sender`, `time`), `instance` (`address`, `space`, `kind`, `id`, `version`,
  `incarnation`), `now`, `in('path.of.a.state')`, and who is present, as the machine's own endpoints have been told:
  `present('worker/*/idle')`, `present('worker/*/idle', x.skill == 'welding')` where `x` is what the counterpart asserts,
  and `presences(…)` with the same arguments, a list of `address`, `endpoint`, `pattern`, `role`, `interest`, `value` and `space`.
- **Duration**: whole milliseconds, or units from the largest to the smallest: `2d`, `1h30m`, `45s`, `250ms`.

On start, `event` is the data that the instance is started with and `_event.name` is `start`.
A fault in an expression or action rolls the turn back as a whole. A turn has at most 1,000 microsteps.
An `after` is a timer named `after.DELAY.PATH`; only the instance's own timers fire it, and `*` does not take it.
";

fn meaning(key: &Key) -> String {
    match key.takes {
        Takes::Unsupported(why) => format!("{} Not supported: {why}.", key.doc),
        _ => key.doc.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn takes_text(takes: &Takes) -> String {
    match takes {
        Takes::Text => "text".into(),
        Takes::Template => "template".into(),
        Takes::Expression => "expression".into(),
        Takes::Value => "value".into(),
        Takes::Anything => "anything".into(),
        Takes::Bool => "`true` or `false`".into(),
        Takes::Integer => "whole number".into(),
        Takes::Number => "number".into(),
        Takes::Duration => "duration".into(),
        Takes::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Takes::Map(object) => format!("[{}](#{})", object.name, object.name.replace(' ', "-")),
        Takes::Names(inner) => format!("map from names: {}", takes_text(inner)),
        Takes::List(inner) => format!("list: {}", takes_text(inner)),
        Takes::OneOrMore(inner) => format!("{}, or a list", takes_text(inner)),
        Takes::Either(all) => all.iter().map(takes_text).collect::<Vec<_>>().join(" or "),
        Takes::Unsupported(_) => "not supported".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_of_the_table_is_in_the_schema_and_the_reference() {
        let schema: Value = serde_json::from_str(&schema()).expect("JSON");
        let reference = reference();
        for object in OBJECTS {
            assert!(
                schema["$defs"][object.name.replace(' ', "-")]["properties"].is_object(),
                "{}",
                object.name
            );
            assert!(reference.contains(&format!("\n## {}\n", object.name)), "{}", object.name);
            for key in object.keys {
                assert!(reference.contains(&format!("| `{}` |", key.name)), "{}", key.name);
                assert!(!key.doc.is_empty());
            }
        }
        for word in ["reject", "on-demand"] {
            assert!(reference.contains(word));
        }
    }

    #[test]
    fn references_of_the_schema_lead_somewhere() {
        let text = schema();
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        for (at, _) in text.match_indices("#/$defs/") {
            let name: String = text[at + 8..].chars().take_while(|c| *c != '"').collect();
            assert!(schema["$defs"][&name].is_object(), "{name}");
        }
    }
}
