//! The values that charts compute with: a context, an event's data, what an expression gives.
//!
//! It refuses to know expressions and charts. Its one invariant: equal content is equal everywhere, in memory, in
//! bytes and in order, because maps are kept sorted and nothing depends on an address or a hash.

mod binary;
mod equality;
mod json;
mod map;
mod names;
mod time;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::any_json;

pub use binary::DecodeError;
pub use json::{JsonReadError, JsonWriteError};
pub use map::{Key, Map};
pub(crate) use time::parse_offset;
pub use time::{Duration, TimeError, Timestamp};

pub(crate) use equality::{compare, equal_within, integral};
pub(crate) use json::{decode_base64, encode_base64};

use std::fmt;
use std::sync::Arc;

/// How deep a value may nest, the same as for data at the door, so that recursion over values is safe.
pub const VALUE_DEPTH_MAX: usize = everstate_kernel::limits::DATA_DEPTH_MAX;

/// A value. Cheap to clone: what is large is shared and never changed in place while shared.
///
/// `==` on values is identity of content (an `Int` is never a `Double`, NaN is itself). The equality of
/// expressions, where `1 == 1.0`, is [`Value::equals`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number. JSON numbers without fraction and exponent are these.
    Int(i64),
    /// A whole number that is never negative. From JSON only above the largest `Int`.
    Uint(u64),
    /// A number with a fraction.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes; in JSON base64.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map; a JSON object when all keys are strings.
    Map(Arc<Map>),
    /// A point in time; in JSON a text such as `2026-01-02T03:04:05Z`.
    Timestamp(Timestamp),
    /// A length of time; in JSON a text such as `90s`.
    Duration(Duration),
    /// The type of a value; in JSON its name.
    Type(TypeName),
    /// What an optional field or index gave: a value or nothing. In JSON the value or `null`.
    Optional(Option<Arc<Value>>),
}

/// The type of a value, as `type(x)` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the type of the value of the same name")]
pub enum TypeName {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Type,
    Optional,
}

impl TypeName {
    /// All of them, in the order of their codes in stored bytes.
    pub const ALL: [TypeName; 13] = [
        TypeName::Null,
        TypeName::Bool,
        TypeName::Int,
        TypeName::Uint,
        TypeName::Double,
        TypeName::String,
        TypeName::Bytes,
        TypeName::List,
        TypeName::Map,
        TypeName::Timestamp,
        TypeName::Duration,
        TypeName::Type,
        TypeName::Optional,
    ];

    /// The name that expressions know it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            TypeName::Null => "null_type",
            TypeName::Bool => "bool",
            TypeName::Int => "int",
            TypeName::Uint => "uint",
            TypeName::Double => "double",
            TypeName::String => "string",
            TypeName::Bytes => "bytes",
            TypeName::List => "list",
            TypeName::Map => "map",
            TypeName::Timestamp => "google.protobuf.Timestamp",
            TypeName::Duration => "google.protobuf.Duration",
            TypeName::Type => "type",
            TypeName::Optional => "optional_type",
        }
    }

    /// The type that an expression means by `name`.
    pub fn named(name: &str) -> Option<TypeName> {
        TypeName::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value {
    /// Its type.
    pub fn type_name(&self) -> TypeName {
        match self {
            Value::Null => TypeName::Null,
            Value::Bool(_) => TypeName::Bool,
            Value::Int(_) => TypeName::Int,
            Value::Uint(_) => TypeName::Uint,
            Value::Double(_) => TypeName::Double,
            Value::String(_) => TypeName::String,
            Value::Bytes(_) => TypeName::Bytes,
            Value::List(_) => TypeName::List,
            Value::Map(_) => TypeName::Map,
            Value::Timestamp(_) => TypeName::Timestamp,
            Value::Duration(_) => TypeName::Duration,
            Value::Type(_) => TypeName::Type,
            Value::Optional(_) => TypeName::Optional,
        }
    }

    /// A list of these.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    /// The value in the field `name`, when this is a map that has it.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.find(name),
            _ => None,
        }
    }

    /// The text, when this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Are they equal as `==` in an expression says? Numbers compare by value whatever their type, NaN equals
    /// nothing, lists and maps compare by their parts, and values of different types are not equal.
    pub fn equals(&self, other: &Value) -> bool {
        let free = &mut |_: usize| Ok::<(), std::convert::Infallible>(());
        match equal_within(self, other, free) {
            Ok(equal) => equal,
        }
    }

    /// Takes the keys of another value in the place of its own, where they are the same: see [`Map::share_keys`].
    pub(crate) fn share_keys(&mut self, other: &Value) {
        let (Value::Map(map), Value::Map(other)) = (self, other) else { return };
        // One that is shared already was made in memory, and not just read.
        if let Some(map) = Arc::get_mut(map) {
            map.share_keys(other);
        }
    }

    /// Does it nest at most `levels` deep? A scalar nests 0 deep. Looks no deeper than that.
    pub fn nests_within(&self, levels: usize) -> bool {
        let inside = |value: &Value| levels > 0 && value.nests_within(levels - 1);
        match self {
            Value::List(items) => levels > 0 && items.iter().all(inside),
            Value::Map(map) => levels > 0 && map.iter().all(|(_, value)| inside(value)),
            Value::Optional(Some(value)) => inside(value),
            _ => true,
        }
    }
}

/// Identity of content: same type, same content, doubles by their bits.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Uint(a), Value::Uint(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => Arc::ptr_eq(a, b) || a == b,
            (Value::Map(a), Value::Map(b)) => Arc::ptr_eq(a, b) || a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for Value {}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Uint(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Double(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(Arc::from(value))
    }
}
impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(Arc::from(value))
    }
}
impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Value {
        Value::String(value)
    }
}
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::list(items)
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(Arc::new(map))
    }
}
