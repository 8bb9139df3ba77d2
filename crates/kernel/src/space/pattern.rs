//! Topics and patterns: paths of segments joined by `/`, such as `tcp/127.0.0.1:1234/5999`. In a pattern a segment may
//! be `*`, which stands for any one segment, and the last may be `>`, which stands for one or more. A topic is a
//! pattern without either.
//!
//! It refuses to know who holds a pattern. Its invariant: two patterns have an intersection exactly when some topic
//! is taken by both, and the intersection, again one pattern, takes exactly those.

use crate::address::is_visible;
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_SEGMENTS_MAX};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any one segment.
pub(super) const ANY: &str = "*";
/// One segment or more, to the end.
const REST: &str = ">";

/// A topic or a pattern, checked. Cheap to clone.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    /// Segments, a final `>` not counted.
    fixed: u8,
    /// Does it end in `>`?
    open: bool,
    /// Has it a `*` or a `>`?
    wild: bool,
}

/// Why a text is no pattern. The message says what is wrong, in which segment, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// Reads a topic or a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let error = |problem: String| Err(PatternError(problem));
        if text.is_empty() {
            return error("pattern is empty; write segments joined by '/', such as room/42".into());
        }
        if text.len() > PATTERN_BYTES_MAX {
            let bytes = text.len();
            return error(format!("pattern is {bytes} bytes long, the limit is {PATTERN_BYTES_MAX}"));
        }
        let count = text.split('/').count();
        if count > PATTERN_SEGMENTS_MAX {
            return error(format!(
                "pattern has {count} segments, the limit is {PATTERN_SEGMENTS_MAX}: {text:?}"
            ));
        }
        let mut wild = false;
        for (at, segment) in text.split('/').enumerate() {
            wild |= check_segment(segment, at + 1 == count).map_err(|problem| {
                PatternError(format!("segment {} of the pattern {problem}: {text:?}", at + 1))
            })?;
        }
        let open = text.ends_with(REST);
        Ok(Pattern { text: Arc::from(text), fixed: (count - usize::from(open)) as u8, open, wild })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Is it a topic: does it stand for itself alone?
    pub fn is_topic(&self) -> bool {
        !self.wild
    }

    /// Is there a topic that both take?
    pub fn intersects(&self, other: &Pattern) -> bool {
        if !self.wild && !other.wild {
            return self.text == other.text;
        }
        self.shape().meets(other.shape())
            && self.fixed().zip(other.fixed()).all(|(a, b)| a == b || a == ANY || b == ANY)
    }

    /// The pattern of the topics that both take: of wild and concrete the concrete one, of disjoint ones none.
    pub fn intersection(&self, other: &Pattern) -> Option<Pattern> {
        if !self.intersects(other) {
            return None;
        }
        if !self.wild || (other.open && other.fixed == 0) {
            return Some(self.clone());
        }
        if !other.wild || (self.open && self.fixed == 0) {
            return Some(other.clone());
        }
        let (mut text, open) = (String::new(), self.open && other.open);
        let (mut a, mut b) = (self.fixed(), other.fixed());
        loop {
            let segment = match (a.next(), b.next()) {
                (None, None) => break,
                (Some(ANY), Some(segment)) | (Some(segment), _) | (None, Some(segment)) => segment,
            };
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(segment);
        }
        if open {
            text.push('/');
            text.push_str(REST);
        }
        let wild = open || text.split('/').any(|segment| segment == ANY);
        Some(Pattern { text: Arc::from(text), fixed: self.fixed.max(other.fixed), open, wild })
    }

    /// Its segments without a final `>`.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').take(usize::from(self.fixed))
    }

    pub(super) fn shape(&self) -> Shape {
        Shape { fixed: self.fixed, open: self.open }
    }
}

/// How long the topics of a pattern are: exactly so many segments, or more than so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape {
    pub(super) fixed: u8,
    pub(super) open: bool,
}

impl Shape {
    /// Is there a length that both have?
    ///
    /// | | exactly m | more than m |
    /// |---|---|---|
    /// | exactly n | n = m | n > m |
    /// | more than n | m > n | always |
    pub(super) fn meets(self, other: Shape) -> bool {
        match (self.open, other.open) {
            (false, false) => self.fixed == other.fixed,
            (false, true) => self.fixed > other.fixed,
            (true, false) => other.fixed > self.fixed,
            (true, true) => true,
        }
    }
}

/// Is the segment usable, and is it a wildcard? Says what is wrong otherwise.
fn check_segment(segment: &str, is_last: bool) -> Result<bool, String> {
    match segment {
        "" => Err("is empty; write a name, '*' or a final '>' between single '/'".into()),
        ANY => Ok(true),
        REST if is_last => Ok(true),
        REST => Err("is '>', which takes the rest and so must be the last; use '*' for one segment".into()),
        _ if segment.contains(['*', '>']) => {
            Err(format!("mixes a wildcard with other characters ({segment:?}); '*' and '>' stand alone"))
        }
        _ => match segment.chars().find(|c| !is_visible(*c)) {
            Some(c) => Err(format!("has a character that cannot be seen: {c:?}")),
            None => Ok(false),
        },
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}
impl Eq for Pattern {}
impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Pattern) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Pattern {
    fn cmp(&self, other: &Pattern) -> Ordering {
        self.text.cmp(&other.text)
    }
}
impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Pattern::parse(&text).map_err(D::Error::custom)
    }
}
