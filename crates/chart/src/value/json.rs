//! Values from JSON and to JSON.
//!
//! It refuses to lose a difference silently on the way from JSON and back: whole numbers stay whole, fractions
//! stay fractions. Values that JSON has no word for have one defined spelling each. Its one invariant: what
//! [`Value::write_json`] wrote, [`Value::from_json`] reads, and for values that came from JSON it reads the same.
//!
//! | value | JSON |
//! |---|---|
//! | NaN, infinities | `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes | base64 with padding |
//! | timestamp | `"2026-01-02T03:04:05.5Z"` |
//! | duration | `"90.5s"` |
//! | type | its name |
//! | optional | its value, or `null` |
//! | keys that are no texts | their text, such as `"1"` and `"true"` |

use super::{Key, Map, VALUE_DEPTH_MAX, Value};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write};
use std::sync::Arc;

/// Why a text gives no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("data is not JSON: {0}")]
pub struct JsonReadError(String);

/// Why a value has no JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonWriteError {
    /// Two keys, such as `1` and `'1'`, would be the same key in JSON.
    #[error("two keys of a map are the same in JSON: {0:?}; use texts as keys")]
    SameKey(String),
    /// Nested deeper than [`VALUE_DEPTH_MAX`].
    #[error("value nests deeper than {VALUE_DEPTH_MAX} levels; flatten it")]
    TooDeep,
}

impl Value {
    /// Reads JSON. Of equal keys the last one counts. Whole numbers beyond the largest `Uint` become doubles.
    pub fn from_json(text: &str) -> Result<Value, JsonReadError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Level(0).deserialize(&mut reader).map_err(|error| JsonReadError(error.to_string()))?;
        reader.end().map_err(|error| JsonReadError(error.to_string()))?;
        Ok(value)
    }

    /// Appends the value as JSON without spaces, keys sorted.
    pub fn write_json(&self, out: &mut String) -> Result<(), JsonWriteError> {
        write_value(self, out, 0)
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Result<String, JsonWriteError> {
        let mut out = String::new();
        self.write_json(&mut out)?;
        Ok(out)
    }
}

/// How deep the value that is about to be read is nested.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: serde::de::Error>(self) -> Result<Level, E> {
        if self.0 >= VALUE_DEPTH_MAX {
            return Err(E::custom(format_args!("it nests deeper than {VALUE_DEPTH_MAX} levels")));
        }
        Ok(Level(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Uint(value), Value::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::list(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            list.push((key, entries.next_value_seed(inside)?));
        }
        Ok(Value::Map(Arc::new(Map::from_entries(list))))
    }
}

/// Reads a key straight into shared text, without a `String` between.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}
impl Visitor<'_> for KeySeed {
    type Value = Key;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, value: &str) -> Result<Key, E> {
        Ok(Key::from(value))
    }
}

fn write_value(value: &Value, out: &mut String, level: usize) -> Result<(), JsonWriteError> {
    match value {
        Value::Null | Value::Optional(None) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(number) => write_plain(out, format_args!("{number}")),
        Value::Uint(number) => write_plain(out, format_args!("{number}")),
        Value::Double(number) => write_double(*number, out),
        Value::String(text) => write_text(text, out),
        Value::Bytes(bytes) => {
            out.push('"');
            write_base64(bytes, out);
            out.push('"');
        }
        Value::List(items) => {
            let inside = deeper(level)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out, inside)?;
            }
            out.push(']');
        }
        Value::Map(map) => write_map(map, out, deeper(level)?)?,
        Value::Timestamp(time) => write_plain(out, format_args!("\"{time}\"")),
        Value::Duration(length) => write_plain(out, format_args!("\"{length}\"")),
        Value::Type(kind) => write_plain(out, format_args!("\"{kind}\"")),
        Value::Optional(Some(value)) => write_value(value, out, deeper(level)?)?,
    }
    Ok(())
}

fn deeper(level: usize) -> Result<usize, JsonWriteError> {
    if level >= VALUE_DEPTH_MAX { Err(JsonWriteError::TooDeep) } else { Ok(level + 1) }
}

fn write_plain(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = out.write_fmt(text);
}

/// A double always has a point, an exponent or quotes, so that it is read back as a double.
fn write_double(number: f64, out: &mut String) {
    match number {
        _ if number.is_nan() => out.push_str("\"NaN\""),
        f64::INFINITY => out.push_str("\"Infinity\""),
        f64::NEG_INFINITY => out.push_str("\"-Infinity\""),
        _ => write_plain(out, format_args!("{number:?}")),
    }
}

fn write_map(map: &Map, out: &mut String, level: usize) -> Result<(), JsonWriteError> {
    let texts = map.iter().filter(|(key, _)| key.as_str().is_some()).count();
    out.push('{');
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match key {
            Key::String(text) => write_text(text, out),
            other => {
                let text = other.to_string();
                if texts > 0 && map.find(&text).is_some() {
                    return Err(JsonWriteError::SameKey(text));
                }
                write_text(&text, out);
            }
        }
        out.push(':');
        write_value(value, out, level)?;
    }
    out.push('}');
    Ok(())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        clean = at + 1;
        if escape.is_empty() {
            write_plain(out, format_args!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn write_base64(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

/// Bytes as base64 with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    write_base64(bytes, &mut out);
    out
}

/// Bytes from base64 with or without padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text).as_bytes();
    if digits.len() % 4 == 1 || (digits.len() != text.len() && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0u32;
        for place in 0..4 {
            let digit = match chunk.get(place) {
                Some(digit) => BASE64.iter().position(|known| known == digit)? as u32,
                None => 0,
            };
            bits = bits << 6 | digit;
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}
