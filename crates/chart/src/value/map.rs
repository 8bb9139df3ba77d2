//! A map from keys to values, kept sorted by key, so that equal maps have equal order and equal bytes.
//!
//! It refuses to hash. Its one invariant: keys ascend strictly.

use super::Value;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A key. The order is: booleans, then numbers by value, then texts by bytes. `Int(1)` and `Uint(1)` are the
/// same key.
#[derive(Clone, Debug)]
pub enum Key {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is never negative.
    Uint(u64),
    /// Text: the only keys that JSON has.
    String(Arc<str>),
}

impl Key {
    /// The key as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Key::Bool(key) => Value::Bool(*key),
            Key::Int(key) => Value::Int(*key),
            Key::Uint(key) => Value::Uint(*key),
            Key::String(key) => Value::String(key.clone()),
        }
    }

    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Key::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key::String(Arc::from(text))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Bool(key) => key.fmt(f),
            Key::Int(key) => key.fmt(f),
            Key::Uint(key) => key.fmt(f),
            Key::String(key) => key.fmt(f),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::String(a), Key::String(b)) => a.cmp(b),
            (Key::Int(a), Key::Int(b)) => a.cmp(b),
            (Key::Uint(a), Key::Uint(b)) => a.cmp(b),
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            (Key::Int(a), Key::Uint(b)) => i128::from(*a).cmp(&i128::from(*b)),
            (Key::Uint(a), Key::Int(b)) => i128::from(*a).cmp(&i128::from(*b)),
            (Key::String(_), _) | (_, Key::Bool(_)) => Ordering::Greater,
            (_, Key::String(_)) | (Key::Bool(_), _) => Ordering::Less,
        }
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Key {}

/// A map, sorted by key. Keys lie apart from values: a map that was made from another one by changing values shares
/// its keys, so that a copy costs what its values cost.
#[derive(Clone, Debug, Default)]
pub struct Map {
    keys: Arc<Vec<Key>>,
    /// As many as keys.
    values: Vec<Value>,
}

/// At most this many keys are searched one by one, which for short keys beats halving. At twice this the two cost
/// the same.
const SCANNED_MAX: usize = 8;

impl Map {
    /// An empty map.
    pub fn new() -> Map {
        Map::default()
    }

    /// Entries in any order; of entries with equal keys the last one stays.
    pub fn from_entries(mut entries: Vec<(Key, Value)>) -> Map {
        let ascend = |pair: &[(Key, Value)]| pair[0].0 < pair[1].0;
        if !entries.windows(2).all(ascend) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries.reverse();
        }
        let (keys, values): (Vec<Key>, Vec<Value>) = entries.into_iter().unzip();
        Map { keys: Arc::new(keys), values }
    }

    /// The value of the text key `name`. (There is no `get`: a map that misses a key is no surprise here.)
    #[inline]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.values.get(self.named(name)?)
    }

    /// The value of a key of any type.
    pub fn find_key(&self, key: &Key) -> Option<&Value> {
        match key {
            Key::String(name) => self.find(name),
            _ => self.place(key).ok().and_then(|at| self.values.get(at)),
        }
    }

    /// The value of the text key `name`, to be changed.
    #[inline]
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.named(name)?;
        self.values.get_mut(at)
    }

    /// The value of a key of any type, to be changed.
    pub(crate) fn find_key_mut(&mut self, key: &Key) -> Option<&mut Value> {
        let at = self.place(key).ok()?;
        self.values.get_mut(at)
    }

    /// Puts a value in place of what the key had, which is returned.
    pub fn insert(&mut self, key: Key, value: Value) -> Option<Value> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at], value)),
            Err(at) => {
                Arc::make_mut(&mut self.keys).insert(at, key);
                self.values.insert(at, value);
                None
            }
        }
    }

    /// Takes the entry of the text key `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.named(name)?;
        Arc::make_mut(&mut self.keys).remove(at);
        Some(self.values.remove(at))
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The entries, ascending by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> {
        self.keys.iter().zip(&self.values)
    }

    /// The entry at a position in the order of keys.
    pub(crate) fn entry(&self, at: usize) -> Option<(&Key, &Value)> {
        Some((self.keys.get(at)?, self.values.get(at)?))
    }

    /// Takes the keys of another map in the place of its own, where they are the same, and so inside of it. Nothing
    /// that could be seen changes, but copies and look-ups become cheaper.
    pub(crate) fn share_keys(&mut self, other: &Map) {
        if Arc::ptr_eq(&self.keys, &other.keys) || same_keys(&self.keys, &other.keys) {
            self.keys = other.keys.clone();
            for (value, other) in self.values.iter_mut().zip(&other.values) {
                value.share_keys(other);
            }
        }
    }

    /// Where the text key `name` is. Names of a chart's own data are mostly the very same in memory.
    #[inline]
    fn named(&self, name: &str) -> Option<usize> {
        let same = |key: &Key| matches!(key, Key::String(key) if std::ptr::eq::<str>(&**key, name));
        match self.keys.iter().take(SCANNED_MAX).position(same) {
            Some(at) => Some(at),
            None => self.spelt(name),
        }
    }

    /// Where it is, by its spelling.
    #[inline(never)]
    fn spelt(&self, name: &str) -> Option<usize> {
        if self.keys.len() > SCANNED_MAX {
            let place = |key: &Key| match key {
                Key::String(key) => (**key).cmp(name),
                _ => Ordering::Less,
            };
            return self.keys.binary_search_by(place).ok();
        }
        self.keys.iter().position(|key| matches!(key, Key::String(key) if alike(key, name)))
    }

    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.keys.binary_search(key)
    }
}

/// Are they equal? Names that are equally long mostly differ in their first letter.
#[inline]
fn alike(key: &str, name: &str) -> bool {
    key.len() == name.len() && key.as_bytes().first() == name.as_bytes().first() && key == name
}

/// Are they the same keys, of the same types?
fn same_keys(some: &[Key], other: &[Key]) -> bool {
    let same_type = |a: &Key, b: &Key| std::mem::discriminant(a) == std::mem::discriminant(b);
    some.len() == other.len() && some.iter().zip(other).all(|(a, b)| same_type(a, b) && a == b)
}

/// Identity of content: keys of the same type with identical values.
impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        (Arc::ptr_eq(&self.keys, &other.keys) || same_keys(&self.keys, &other.keys))
            && self.values == other.values
    }
}
impl Eq for Map {}

impl<K: Into<Key>> FromIterator<(K, Value)> for Map {
    fn from_iter<T: IntoIterator<Item = (K, Value)>>(entries: T) -> Map {
        Map::from_entries(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}
