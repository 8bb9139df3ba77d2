//! x
use serde_json::Value;
pub(crate) fn plan(_: &str) -> Value {
    Value::Null
}
