//! JSON to and from the wire's `google.protobuf.Value`.
//!
//! It refuses to round: the wire keeps numbers as doubles, so an integer that a double cannot hold is an error
//! before it is sent, not another number after it arrived.

use buffa_types::google::protobuf::__buffa::oneof::value::Kind;
use buffa_types::google::protobuf::{ListValue, Struct, Value};
use serde_json::{Map, Number, Value as Json};

/// The largest integer that is a double of its own, as is every smaller one: 2^53 - 1.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A number that the wire would change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("number is too large to be kept exactly at {path}: {number}; write it as a string")]
pub struct UnkeptNumber {
    /// Where it is, such as `$.order.number`.
    pub path: String,
    /// The number as written.
    pub number: String,
}

/// JSON as the wire's value.
pub fn value(json: &Json) -> Result<Value, UnkeptNumber> {
    encode(json).map_err(|(mut path, number)| {
        path.push("$".into());
        path.reverse();
        UnkeptNumber { path: path.concat(), number }
    })
}

/// On failure: the steps to the number, innermost first, and the number.
fn encode(json: &Json) -> Result<Value, (Vec<String>, String)> {
    let kind = match json {
        Json::Null => return Ok(Value::null()),
        Json::Bool(bool) => Kind::BoolValue(*bool),
        Json::Number(number) => Kind::NumberValue(exact(number).ok_or_else(|| (vec![], number.to_string()))?),
        Json::String(string) => Kind::StringValue(string.clone()),
        Json::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                values.push(encode(item).map_err(|(mut path, number)| {
                    path.push(format!("[{index}]"));
                    (path, number)
                })?);
            }
            Kind::ListValue(Box::new(ListValue { values, ..Default::default() }))
        }
        Json::Object(fields) => {
            let mut whole = Struct::default();
            for (name, field) in fields {
                let field = encode(field).map_err(|(mut path, number)| {
                    path.push(format!(".{name}"));
                    (path, number)
                })?;
                whole.fields.insert(name.clone(), field);
            }
            Kind::StructValue(Box::new(whole))
        }
    };
    Ok(Value { kind: Some(kind), ..Default::default() })
}

/// The number as a double, when that is the same number.
fn exact(number: &Number) -> Option<f64> {
    let whole = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match whole {
        Some(whole) if whole > EXACT_MAX => None,
        _ => number.as_f64().filter(|double| double.is_finite()),
    }
}

/// The wire's value as JSON; fields in alphabetical order, whole numbers without a point.
pub fn json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(bool)) => Json::Bool(*bool),
        Some(Kind::NumberValue(number)) => whole(*number),
        Some(Kind::StringValue(string)) => Json::String(string.clone()),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(json).collect()),
        Some(Kind::StructValue(whole)) => {
            let mut fields: Vec<_> = whole.fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            Json::Object(
                fields.into_iter().map(|(name, field)| (name.clone(), json(field))).collect::<Map<_, _>>(),
            )
        }
    }
}

fn whole(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX as f64 {
        return Json::Number((number as i64).into());
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests;
