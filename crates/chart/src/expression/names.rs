//! What an expression may name, and what is known of its type.
//!
//! It refuses to know values at run time. Its one invariant: a declared variable keeps its slot.

use crate::value::{Key, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What is known of a value before it is there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Type {
    /// Anything: checked when it is evaluated.
    #[default]
    Dyn,
    /// `null`.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A whole number that is never negative.
    Uint,
    /// A number with a fraction.
    Double,
    /// Any number, as in JSON.
    Number,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A length of time.
    Duration,
    /// A type.
    Type,
    /// A list of such.
    List(Arc<Type>),
    /// A map of such keys and values.
    Map(Arc<Type>, Arc<Type>),
    /// A map with known fields.
    Object(Arc<ObjectType>),
    /// Such a value or nothing.
    Optional(Arc<Type>),
}

/// A map with known fields.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ObjectType {
    /// The known fields.
    pub fields: BTreeMap<Arc<str>, Type>,
    /// May it have others? If not, naming another one is an error of the expression.
    pub open: bool,
}

impl Type {
    /// A list of such.
    pub fn list(item: Type) -> Type {
        Type::List(Arc::new(item))
    }

    /// A map of such keys and values.
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// A map with known fields; `open` when it may have others.
    pub fn object<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, Type)>, open: bool) -> Type {
        let fields = fields.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        Type::Object(Arc::new(ObjectType { fields, open }))
    }

    /// What an initial value tells of the values to come: a number may become any number, `null` anything, an
    /// empty list a list of anything. The outermost map has the fields that it has now and no others; maps in it
    /// may grow further fields.
    pub fn of_initial(value: &Value) -> Type {
        match (Type::of_part(value), value) {
            (Type::Object(object), Value::Map(_)) => {
                Type::Object(Arc::new(ObjectType { fields: object.fields.clone(), open: false }))
            }
            (kind, _) => kind,
        }
    }

    /// The name of a field as values of this type have it in memory, where it is known.
    pub(crate) fn name_of_field(&self, name: &Arc<str>) -> Arc<str> {
        match self {
            Type::Object(object) => object.fields.get_key_value(name).map_or(name, |known| known.0).clone(),
            _ => name.clone(),
        }
    }

    fn of_part(value: &Value) -> Type {
        match value {
            Value::Null | Value::Optional(_) => Type::Dyn,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) | Value::Uint(_) | Value::Double(_) => Type::Number,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Timestamp(_) => Type::Timestamp,
            Value::Duration(_) => Type::Duration,
            Value::Type(_) => Type::Type,
            Value::List(items) => {
                let mut kinds = items.iter().map(Type::of_part);
                let first = kinds.next().unwrap_or(Type::Dyn);
                Type::list(kinds.fold(first, |a, b| if a == b { a } else { Type::Dyn }))
            }
            Value::Map(map) if map.iter().all(|(key, _)| key.as_str().is_some()) => {
                let field = |(key, value): (&Key, &Value)| match key {
                    Key::String(name) => Some((name.clone(), Type::of_part(value))),
                    _ => None,
                };
                Type::Object(Arc::new(ObjectType {
                    fields: map.iter().filter_map(field).collect(),
                    open: true,
                }))
            }
            Value::Map(_) => Type::map(Type::Dyn, Type::Dyn),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::Number => f.write_str("number"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::Type => f.write_str("type"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Object(_) => f.write_str("map"),
            Type::Optional(inner) => write!(f, "optional({inner})"),
        }
    }
}

/// What an expression may name: `context`, `event`, `_event`, `instance`, `now` and the variables declared here,
/// which may hide those.
#[derive(Clone, Debug)]
pub struct Names {
    pub(super) context: Option<Type>,
    pub(super) event: Option<Type>,
    pub(super) more: ObjectType,
    pub(super) locals: Vec<(Arc<str>, Type)>,
    pub(super) checked: bool,
    pub(super) bare: Option<Arc<BTreeSet<Arc<str>>>>,
}

impl Default for Names {
    fn default() -> Names {
        Names::new()
    }
}

impl Names {
    /// The names of a chart, with nothing known of the types of `context` and `event`.
    pub fn new() -> Names {
        Names {
            context: Some(Type::Dyn),
            event: Some(Type::Dyn),
            more: ObjectType::default(),
            locals: Vec::new(),
            checked: true,
            bare: None,
        }
    }

    /// Says what is known of `context`; none removes the name.
    pub fn context(mut self, kind: Option<Type>) -> Names {
        self.context = kind;
        self
    }

    /// Says what is known of `event`, the data; none removes the name.
    pub fn event(mut self, kind: Option<Type>) -> Names {
        self.event = kind;
        self
    }

    /// Declares a further field of `_event`, found in [`super::EventMeta::more`].
    pub fn event_field(mut self, name: &str, kind: Type) -> Names {
        self.more.fields.insert(Arc::from(name), kind);
        self
    }

    /// Errors of names and types become faults of the evaluation instead of errors of the compilation, as SCXML
    /// wants; only what does not parse is refused.
    pub fn unchecked(mut self) -> Names {
        self.checked = false;
        self
    }

    /// Fields of the context can be named without `context.` before them, as SCXML names its data. The ones given here
    /// hide standard names; any other name that is not known is one as well, and where the context has no such field,
    /// that is a fault of the evaluation.
    pub fn bare_context(mut self, fields: Arc<BTreeSet<Arc<str>>>) -> Names {
        self.bare = Some(fields);
        self
    }

    /// A field of the context, by its name as values have it in memory.
    pub(crate) fn key_of_context(&self, name: &str) -> Key {
        let name: Arc<str> = Arc::from(name);
        Key::String(self.context.as_ref().map_or_else(|| name.clone(), |kind| kind.name_of_field(&name)))
    }

    /// Declares a variable and says which slot of [`super::Scope::locals`] it is read from. A later variable of
    /// the same name hides an earlier one.
    pub fn declare(&mut self, name: &str, kind: Type) -> usize {
        self.locals.push((Arc::from(name), kind));
        self.locals.len() - 1
    }

    /// Forgets the variables from that slot on: the end of the block that declared them.
    pub fn truncate(&mut self, slots: usize) {
        self.locals.truncate(slots);
    }
}
