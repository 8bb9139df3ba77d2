//! JSON between the wire's `google.protobuf.Value` and the kernel's checked text.
//!
//! Inward, equal documents become equal text: keys are sorted, of a key given twice the last counts, and whole
//! numbers are written without a point. An event sent again is then recognised as the same, although a Value's
//! maps have no order. A Value's numbers are doubles: whole ones beyond ±(2^53 - 1) may have lost digits on the
//! way, so they are refused rather than carried on wrong. Outward, such integers of a machine's own making become
//! strings of digits, exact.

use crate::failure::Failure;
use buffa_types::google::protobuf::__buffa::oneof::value::Kind;
use buffa_types::google::protobuf::__buffa::view::ValueView;
use buffa_types::google::protobuf::__buffa::view::oneof::value::Kind as KindView;
use buffa_types::google::protobuf::{ListValue, Struct, Value};
use everstate_api::Code;
use everstate_kernel::Json;
use everstate_kernel::limits::{DATA_BYTES_MAX, DATA_DEPTH_MAX};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::Write as _;

/// The greatest integer that a double holds without doubt: 2^53 - 1.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// A Value as checked JSON; an absent one is `null`.
pub(crate) fn json_in(value: Option<&ValueView<'_>>, field: &str) -> Result<Json, Failure> {
    let Some(value) = value else { return Ok(Json::NULL) };
    if matches!(value.kind, Some(KindView::NullValue(_))) {
        return Ok(Json::NULL);
    }
    let mut text = Vec::new();
    write(value, 0, &mut text).map_err(|failure| failure.at(field))?;
    match String::from_utf8(text) {
        Ok(text) => Ok(Json::trusted(text)),
        Err(_) => Err(Failure::new(Code::Internal, "JSON was written that is not UTF-8").at(field)),
    }
}

fn write(value: &ValueView<'_>, depth: usize, text: &mut Vec<u8>) -> Result<(), Failure> {
    if depth > DATA_DEPTH_MAX {
        return Err(everstate_kernel::JsonError::TooDeep.into());
    }
    match &value.kind {
        None => {
            let problem =
                "data has a value without a kind; set one of null, number, string, bool, struct and list";
            return Err(Failure::new(Code::MalformedData, problem));
        }
        Some(KindView::NullValue(_)) => text.extend_from_slice(b"null"),
        Some(KindView::BoolValue(true)) => text.extend_from_slice(b"true"),
        Some(KindView::BoolValue(false)) => text.extend_from_slice(b"false"),
        Some(KindView::NumberValue(number)) => write_number(*number, text)?,
        Some(KindView::StringValue(string)) => write_string(string, text),
        Some(KindView::ListValue(list)) => {
            text.push(b'[');
            for (index, item) in list.values.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write(item, depth + 1, text)?;
            }
            text.push(b']');
        }
        Some(KindView::StructValue(object)) => {
            let mut fields: Vec<(&str, &ValueView<'_>)> =
                object.fields.iter().map(|(key, value)| (*key, value)).collect();
            // Stable, so that of equal keys the last stays last.
            fields.sort_by_key(|(key, _)| *key);
            text.push(b'{');
            let mut first = true;
            for (index, (key, value)) in fields.iter().enumerate() {
                if fields.get(index + 1).is_some_and(|(next, _)| next == key) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    text.push(b',');
                }
                write_string(key, text);
                text.push(b':');
                write(value, depth + 1, text)?;
            }
            text.push(b'}');
        }
    }
    if text.len() > DATA_BYTES_MAX {
        return Err(everstate_kernel::JsonError::TooLarge(text.len()).into());
    }
    Ok(())
}

fn write_number(number: f64, text: &mut Vec<u8>) -> Result<(), Failure> {
    if !number.is_finite() {
        let problem = format!("data has a number that JSON has not: {number}; leave it out or send a string");
        return Err(Failure::new(Code::MalformedData, problem));
    }
    if number.abs() > INTEGER_MAX {
        let problem = format!(
            "data has a number beyond ±{INTEGER_MAX}, which may have lost digits on the way: {number}; send it as a string"
        );
        return Err(Failure::new(Code::MalformedData, problem));
    }
    if number.fract() == 0.0 {
        // Writing to a vector does not fail.
        let _ = write!(text, "{}", number as i64);
    } else {
        let _ = serde_json::to_writer(text, &number);
    }
    Ok(())
}

fn write_string(string: &str, text: &mut Vec<u8>) {
    // Writing a string to a vector does not fail.
    let _ = serde_json::to_writer(text, string);
}

/// Checked JSON as a Value.
pub(crate) fn json_out(json: &Json) -> Value {
    if json.is_null() {
        return Value::null();
    }
    match serde_json::from_str::<Outward>(json.as_str()) {
        Ok(value) => value.0,
        Err(error) => {
            // The text was checked when it came in; whoever reads this still gets it whole.
            tracing::error!(%error, "stored data is not JSON");
            Value::from(json.as_str())
        }
    }
}

/// A Value being read from JSON text, with integers kept exact.
struct Outward(Value);

impl<'de> Deserialize<'de> for Outward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outward, D::Error> {
        deserializer.deserialize_any(Reading).map(Outward)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::null())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(if value.unsigned_abs() > INTEGER_MAX as u64 {
            Value::from(value.to_string())
        } else {
            Value::from(value as f64)
        })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(if value > INTEGER_MAX as u64 {
            Value::from(value.to_string())
        } else {
            Value::from(value as f64)
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = ListValue::default();
        while let Some(item) = items.next_element::<Outward>()? {
            list.values.push(item.0);
        }
        Ok(Value { kind: Some(Kind::from(list)), ..Default::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Struct::default();
        while let Some((key, value)) = entries.next_entry::<String, Outward>()? {
            object.fields.insert(key, value.0);
        }
        Ok(Value { kind: Some(Kind::from(object)), ..Default::default() })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
