//! Values with other names in them.
//!
//! It refuses to know whose names they are. Its one invariant: only whole texts are changed, never parts of longer ones.

use super::{Key, Map, Value};
use everstate_kernel::Rename;
use std::sync::Arc;

impl Value {
    /// The same value, in which each text that is one which `rename` knows, keys of maps included, is what it says.
    pub(crate) fn renamed(&self, rename: Rename<'_>) -> Value {
        match self {
            Value::String(text) => rename(text).map_or_else(|| self.clone(), Value::String),
            Value::List(items) => Value::list(items.iter().map(|item| item.renamed(rename)).collect()),
            Value::Map(map) => {
                let entry = |(key, value): (&Key, &Value)| {
                    let other = key.as_str().and_then(rename).map(Key::String);
                    (other.unwrap_or_else(|| key.clone()), value.renamed(rename))
                };
                Value::from(Map::from_entries(map.iter().map(entry).collect()))
            }
            Value::Optional(Some(value)) => Value::Optional(Some(Arc::new(value.renamed(rename)))),
            _ => self.clone(),
        }
    }
}
