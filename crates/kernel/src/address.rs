//! Where an instance is reached: `kind/id`, within a space `space:kind/id`. An address is enough to wake the
//! instance it names; it says nothing about which node runs it.

use crate::limits::{ADDRESS_BYTES_MAX, ID_BYTES_MAX, KIND_BYTES_MAX, SPACE_DEPTH_MAX};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of an instance, checked: `kind/id` or `space:kind/id`. Cheap to clone.
///
/// A kind is letters, digits, `_`, `-` and `.`, starting with a letter or `_`. An id is visible characters
/// without `/ : * > ? # % \` and without `..`. A space is segments like ids, joined by `/`.
#[derive(Clone)]
pub struct Address {
    text: Arc<str>,
    kind_at: u16,
    id_at: u16,
}

/// Why a text is no address. The message names the part at fault and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl Address {
    /// Reads `kind/id` or `space:kind/id`.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError(format!(
                "address is {} bytes long, the limit is {ADDRESS_BYTES_MAX}",
                text.len()
            )));
        }
        let (space, rest) = match text.split_once(':') {
            Some((space, rest)) => (Some(space), rest),
            None => (None, text),
        };
        if let Some(space) = space {
            check_space(space)?;
        }
        let Some((kind, id)) = rest.split_once('/') else {
            return Err(AddressError(format!(
                "address has no id: {text:?}; write KIND/ID, such as orders/42"
            )));
        };
        check_kind(kind)?;
        check_id(id, "the id")?;
        let kind_at = space.map_or(0, |space| space.len() + 1);
        let id_at = kind_at + kind.len() + 1;
        Ok(Address { text: Arc::from(text), kind_at: kind_at as u16, id_at: id_at as u16 })
    }

    /// The address of `id` of `kind` in the outermost space.
    pub fn new(kind: &str, id: &str) -> Result<Address, AddressError> {
        check_kind(kind)?;
        check_id(id, "the id")?;
        Address::parse(&format!("{kind}/{id}"))
    }

    /// The address of the space at this path, which is itself an instance: `space/ID` in the space around it. The empty
    /// path is the outermost space.
    pub fn of_space(path: &str) -> Result<Address, AddressError> {
        if path.is_empty() {
            return Address::new(SPACE_KIND, OUTERMOST);
        }
        check_space(path)?;
        match path.rsplit_once('/') {
            None => Address::new(SPACE_KIND, path),
            Some((around, id)) => Address::parse(&format!("{around}:{SPACE_KIND}/{id}")),
        }
    }

    /// The path of the space that this is the address of: what the addresses within it begin with.
    pub fn inside(&self) -> Option<String> {
        match (self.kind(), self.space(), self.id()) {
            (SPACE_KIND, "", OUTERMOST) => Some(String::new()),
            (SPACE_KIND, "", id) => Some(id.into()),
            (SPACE_KIND, around, id) => Some(format!("{around}/{id}")),
            _ => None,
        }
    }

    /// The whole address as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The space it is in; empty for the outermost.
    pub fn space(&self) -> &str {
        self.text[..usize::from(self.kind_at)].trim_end_matches(':')
    }

    /// The name of the definition that it is an instance of.
    pub fn kind(&self) -> &str {
        &self.text[usize::from(self.kind_at)..usize::from(self.id_at) - 1]
    }

    /// The name of the instance within its kind.
    pub fn id(&self) -> &str {
        &self.text[usize::from(self.id_at)..]
    }
}

/// The kind of all spaces.
pub(crate) const SPACE_KIND: &str = "space";

/// The kind of the built-in machine that stands for something outside.
pub const SESSION_KIND: &str = "session";
/// The id of the outermost space, in which an address without a space lies.
const OUTERMOST: &str = "~";

fn check_space(path: &str) -> Result<(), AddressError> {
    let depth = path.split('/').count();
    if depth > SPACE_DEPTH_MAX {
        return Err(AddressError(format!(
            "the space is {depth} spaces deep, the limit is {SPACE_DEPTH_MAX}; let fewer lie within each other"
        )));
    }
    for segment in path.split('/') {
        check_id(segment, "a segment of the space")?;
        if segment == OUTERMOST {
            return Err(AddressError(format!(
                "'{OUTERMOST}' is the outermost space itself and cannot lie within a path; leave it out: {path:?}"
            )));
        }
    }
    Ok(())
}

/// Checks the name of a definition, which is the kind of its instances.
pub(crate) fn check_kind(kind: &str) -> Result<(), AddressError> {
    if kind.is_empty() {
        return Err(AddressError("the kind is empty; write KIND/ID, such as orders/42".into()));
    }
    if kind.len() > KIND_BYTES_MAX {
        return Err(AddressError(format!(
            "the kind is {} bytes long, the limit is {KIND_BYTES_MAX}",
            kind.len()
        )));
    }
    let starts_well = kind.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = kind.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !starts_well || !goes_on_well || kind.contains("..") {
        return Err(AddressError(format!(
            "the kind is not a name: {kind:?}; use letters, digits, '_', '-' and single '.', starting with a letter"
        )));
    }
    Ok(())
}

fn check_id(id: &str, what: &str) -> Result<(), AddressError> {
    if id.is_empty() {
        return Err(AddressError(format!("{what} is empty; write KIND/ID, such as orders/42")));
    }
    if id.len() > ID_BYTES_MAX {
        return Err(AddressError(format!("{what} is {} bytes long, the limit is {ID_BYTES_MAX}", id.len())));
    }
    let forbidden = |c: char| !is_visible(c) || matches!(c, '/' | ':' | '*' | '>' | '?' | '#' | '%' | '\\');
    if let Some(c) = id.chars().find(|c| forbidden(*c)) {
        return Err(AddressError(format!("{what} has a character that is not allowed: {c:?} in {id:?}")));
    }
    if id == "." || id.contains("..") {
        return Err(AddressError(format!("{what} must not be '.' or contain '..': {id:?}")));
    }
    Ok(())
}

/// Can a person see it? White space, control characters and marks that only steer the display are not seen; two
/// names that differ in one of them would look alike.
#[inline]
pub(crate) fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_graphic();
    }
    let steers = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !(steers || c.is_control() || c.is_whitespace())
}

impl PartialEq for Address {
    fn eq(&self, other: &Address) -> bool {
        self.text == other.text
    }
}
impl Eq for Address {}
impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Address) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Address {
    fn cmp(&self, other: &Address) -> Ordering {
        self.text.cmp(&other.text)
    }
}
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Address::parse(&text).map_err(D::Error::custom)
    }
}
