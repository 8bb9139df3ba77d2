//! The shape that an event's data must have: a part of JSON Schema, checked at the door.
//!
//! It refuses to know events. Its one invariant: checking takes time linear in the data, and never panics.

use crate::expression::Type;
use crate::format::SHAPE_TYPES;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A shape of data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// Allowed types, as positions in [`SHAPE_TYPES`]; empty for any.
    pub(crate) types: Vec<&'static str>,
    pub(crate) properties: BTreeMap<Arc<str>, Shape>,
    pub(crate) required: Vec<Arc<str>>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Shape>>,
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
    /// Bounds of a string's characters.
    pub(crate) length: (Option<u64>, Option<u64>),
    /// Bounds of an array's items.
    pub(crate) count: (Option<u64>, Option<u64>),
}

/// Properties that a shape does not name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Additional {
    /// May be there.
    #[default]
    Allowed,
    /// Must not be there.
    Refused,
    /// Must have this shape.
    Shaped(Box<Shape>),
}

impl Shape {
    /// Checks a value; otherwise says what is wrong and where.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.check_at(value, &mut Vec::new())
    }

    fn check_at(&self, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let fail = |path: &[String], what: String| {
            Err(if path.is_empty() { what } else { format!("{}: {what}", path.join(".")) })
        };
        if !self.types.is_empty() && !self.types.iter().any(|name| is_of(value, name)) {
            return fail(path, format!("must be {}, is {}", self.types.join(" or "), noun(value)));
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|other| other.equals(value))
        {
            let list: Vec<String> = allowed.iter().take(20).map(json).collect();
            return fail(path, format!("must be one of {}, is {}", list.join(", "), json(value)));
        }
        match value {
            Value::Int(_) | Value::Uint(_) | Value::Double(_) => match self.check_number(number(value)) {
                Some(what) => fail(path, what),
                None => Ok(()),
            },
            Value::String(text) => {
                let length = text.chars().count() as u64;
                match out_of(self.length, length) {
                    Some((word, limit)) => {
                        fail(path, format!("must have at {word} {limit} characters, has {length}"))
                    }
                    None => Ok(()),
                }
            }
            Value::List(items) => {
                let count = items.len() as u64;
                if let Some((word, limit)) = out_of(self.count, count) {
                    return fail(path, format!("must have at {word} {limit} items, has {count}"));
                }
                let Some(shape) = &self.items else { return Ok(()) };
                items.iter().enumerate().try_for_each(|(at, item)| {
                    path.push(at.to_string());
                    shape.check_at(item, path)?;
                    path.pop();
                    Ok(())
                })
            }
            Value::Map(_) => self.check_properties(value, path),
            _ => Ok(()),
        }
    }

    fn check_number(&self, value: f64) -> Option<String> {
        let bounds = [
            (self.minimum, value < self.minimum.unwrap_or(value), "at least"),
            (self.maximum, value > self.maximum.unwrap_or(value), "at most"),
            (self.above, self.above.is_some_and(|bound| value <= bound), "more than"),
            (self.below, self.below.is_some_and(|bound| value >= bound), "less than"),
        ];
        bounds.into_iter().find_map(|(bound, broken, words)| {
            bound.filter(|_| broken).map(|bound| format!("must be {words} {bound}, is {value}"))
        })
    }

    fn check_properties(&self, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let at =
            |path: &[String]| if path.is_empty() { String::new() } else { format!("{}: ", path.join(".")) };
        if let Some(name) = self.required.iter().find(|name| value.field(name).is_none()) {
            return Err(format!("{}{name:?} is missing", at(path)));
        }
        let Value::Map(map) = value else { return Ok(()) };
        for (key, part) in map.iter() {
            let name = key.as_str().unwrap_or("");
            let shape = match (self.properties.get(name), &self.additional) {
                (Some(shape), _) => shape,
                (None, Additional::Shaped(shape)) => shape,
                (None, Additional::Allowed) => continue,
                (None, Additional::Refused) => {
                    return Err(format!("{}{name:?} is not a known property", at(path)));
                }
            };
            path.push(name.to_owned());
            shape.check_at(part, path)?;
            path.pop();
        }
        Ok(())
    }

    /// What an expression may assume of data of this shape.
    pub(crate) fn to_type(&self) -> Type {
        let [name] = self.types[..] else { return Type::Dyn };
        match name {
            "object" => {
                // A property that may be missing is known by name; reading it where it is missing is a fault.
                let fields = self.properties.iter().map(|(name, shape)| (name.clone(), shape.to_type()));
                Type::object(fields, self.additional != Additional::Refused)
            }
            "array" => Type::list(self.items.as_ref().map_or(Type::Dyn, |shape| shape.to_type())),
            "string" => Type::String,
            "number" => Type::Number,
            "integer" => Type::Number,
            "boolean" => Type::Bool,
            _ => Type::Dyn,
        }
    }

    /// The type of that name, if there is one.
    pub(crate) fn type_named(name: &str) -> Option<&'static str> {
        SHAPE_TYPES.iter().copied().find(|known| *known == name)
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        Value::Double(value) => *value,
        _ => f64::NAN,
    }
}

fn out_of(bounds: (Option<u64>, Option<u64>), value: u64) -> Option<(&'static str, u64)> {
    match bounds {
        (Some(least), _) if value < least => Some(("least", least)),
        (_, Some(most)) if value > most => Some(("most", most)),
        _ => None,
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Int(_) | Value::Uint(_) => matches!(name, "number" | "integer"),
        Value::Double(value) => name == "number" || (name == "integer" && value.fract() == 0.0),
        Value::List(_) => name == "array",
        Value::Map(_) => name == "object",
        _ => name == "string",
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => "a number",
        Value::List(_) => "an array",
        Value::Map(_) => "an object",
        _ => "a string",
    }
}

/// A value as short JSON, for messages.
fn json(value: &Value) -> String {
    let text = crate::behaviour::json_text(value).unwrap_or_default();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
