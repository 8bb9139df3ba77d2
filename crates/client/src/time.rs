//! Times of the wire to and from milliseconds and RFC 3339.

use buffa_types::google::protobuf::Timestamp;

/// Reads RFC 3339 with any offset, such as `2010-03-31T16:59:42+02:00`.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

/// RFC 3339 in UTC, such as `2010-03-31T14:59:42Z`; digits after the second only where there are any. Empty when
/// the time is beyond what RFC 3339 can write.
pub fn rfc3339(time: &Timestamp) -> String {
    match serde_json::to_value(time) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn millis(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos / 1_000_000))
}

#[cfg(test)]
mod tests;
