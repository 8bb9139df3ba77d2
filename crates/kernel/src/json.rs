//! JSON as checked text. The kernel carries data between machines without looking inside; who needs its
//! meaning parses it. Depth and size are checked once, at the door.

use crate::behaviour::Rename;
use crate::limits::{DATA_BYTES_MAX, DATA_DEPTH_MAX};
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A JSON document: valid, at most [`DATA_BYTES_MAX`] bytes and [`DATA_DEPTH_MAX`] deep. `null` allocates nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Json(Option<Arc<str>>);

/// Why a text is not JSON that can be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON; the parser's own words, with line and column.
    #[error("data is not JSON: {0}")]
    Malformed(String),
    /// Nested deeper than [`DATA_DEPTH_MAX`].
    #[error("data nests deeper than {DATA_DEPTH_MAX} levels; flatten it")]
    TooDeep,
    /// Longer than [`DATA_BYTES_MAX`].
    #[error(
        "data is {0} bytes long, the limit is {DATA_BYTES_MAX}; keep large things elsewhere and send their address"
    )]
    TooLarge(usize),
}

impl Json {
    /// The document `null`.
    pub const NULL: Json = Json(None);

    /// Checks and takes a text. An empty text is `null`.
    pub fn parse(text: &str) -> Result<Json, JsonError> {
        if text.len() > DATA_BYTES_MAX {
            return Err(JsonError::TooLarge(text.len()));
        }
        let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() || trimmed == "null" {
            return Ok(Json::NULL);
        }
        if depth(trimmed) > DATA_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        match serde_json::from_str::<Readable>(trimmed) {
            Ok(Readable) => Ok(Json(Some(Arc::from(trimmed)))),
            Err(error) => Err(JsonError::Malformed(error.to_string())),
        }
    }

    /// Takes a text that the caller has just written as JSON. The limits are checked where it is used: an effect
    /// with data above them is a fault of the turn.
    pub fn trusted(text: String) -> Json {
        debug_assert!(!matches!(Json::parse(&text), Err(JsonError::Malformed(_))), "not JSON: {text}");
        if text.is_empty() || text == "null" { Json::NULL } else { Json(Some(Arc::from(text))) }
    }

    /// The same document with other names in it: each text that is one which `rename` knows, keys included, is what it
    /// says. Nothing changes its place.
    pub fn renamed(&self, rename: Rename<'_>) -> Json {
        let mut rest = self.as_str();
        let mut renamed = String::new();
        while let Some(begin) = rest.find('"') {
            let end = text_end(&rest[begin..]).map_or(rest.len(), |length| begin + length);
            let (before, text) = (&rest[..begin], &rest[begin..end]);
            renamed.push_str(before);
            let read: Option<String> = serde_json::from_str(text).ok();
            match read.and_then(|read| rename(&read)) {
                Some(other) => renamed.push_str(&serde_json::to_string(&*other).unwrap_or_default()),
                None => renamed.push_str(text),
            }
            rest = &rest[end..];
        }
        renamed.push_str(rest);
        Json::trusted(renamed)
    }

    /// Checks the limits of a document that was taken on trust.
    pub(crate) fn check_limits(&self) -> Result<(), JsonError> {
        let text = self.as_str();
        if text.len() > DATA_BYTES_MAX {
            return Err(JsonError::TooLarge(text.len()));
        }
        // A short text cannot nest deep, and most are short.
        if text.len() > DATA_DEPTH_MAX && depth(text) > DATA_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        Ok(())
    }

    /// The document as text; `null` for nothing.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("null")
    }

    /// Is it `null`?
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }
}

/// A document that any reader can read. It looks at every value without keeping one: a number that is too large
/// and half of a surrogate pair are well-formed, and would be found only by whoever needs their meaning.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Readable, D::Error> {
        deserializer.deserialize_any(Readable)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Readable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_str<E>(self, _: &str) -> Result<Readable, E> {
        Ok(Readable)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Readable, A::Error> {
        while let Some(Readable) = items.next_element()? {}
        Ok(Readable)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Readable, A::Error> {
        while let Some((Readable, Readable)) = members.next_entry()? {}
        Ok(Readable)
    }
}

/// How deep brackets nest outside of strings. Needs no stack, so it is safe on any text.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
/// How long a text is that begins with its quotation mark; none when it does not end.
fn text_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends.then_some(at + 1)
    })
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_deref().unwrap_or(""))
    }
}
impl<'de> Deserialize<'de> for Json {
    /// Reads back what was written; the text was checked when it came in.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        if text.len() > DATA_BYTES_MAX {
            return Err(D::Error::custom("data is longer than the limit"));
        }
        Ok(if text.is_empty() { Json::NULL } else { Json(Some(Arc::from(text.as_ref()))) })
    }
}
