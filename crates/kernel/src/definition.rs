//! What a machine does, with a name, a version and the policies that the kernel keeps for it. Immutable once put.

use crate::behaviour::Behaviour;
use crate::limits::VERSION_BYTES_MAX;
use crate::link::Park;
use crate::retention::Retain;
use crate::time::Span;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The name and version of a definition, written `name:version`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DefinitionId {
    /// The kind of its instances.
    pub name: Arc<str>,
    /// Such as `v1` or `1.2.0`.
    pub version: Arc<str>,
}

impl DefinitionId {
    /// Checks both parts; says what is wrong with them otherwise.
    pub fn new(name: &str, version: &str) -> Result<DefinitionId, String> {
        crate::address::check_kind(name).map_err(|error| format!("{error}"))?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        if version.is_empty() || version.len() > VERSION_BYTES_MAX || !version.chars().all(fits) {
            return Err(format!(
                "version is not usable: {version:?}; use 1 to {VERSION_BYTES_MAX} letters, digits, '_', '-', '.' and '+', such as v1"
            ));
        }
        Ok(DefinitionId { name: Arc::from(name), version: Arc::from(version) })
    }
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}
impl fmt::Debug for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A definition ready to run.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Name and version.
    pub id: DefinitionId,
    /// What it does.
    pub behaviour: Arc<dyn Behaviour>,
    /// What the kernel keeps for it.
    pub policy: Policy,
}

/// How the kernel treats the instances of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// May an event create the instance that it is sent to?
    pub create: Create,
    /// What a commit survives before it is acknowledged.
    pub durability: Durability,
    /// How long what has happened is kept.
    pub retain: Retain,
    /// What of the state is indexed: paths such as `customer.id`. At most [`crate::limits::INDEX_MAX`].
    pub index: Vec<Arc<str>>,
    /// What is done with an event whose turn faults.
    pub retry: Retry,
    /// What is done with the instance after the last attempt.
    pub park: Park,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            create: Create::Explicit,
            durability: Durability::Power,
            retain: Retain::default(),
            index: Vec::new(),
            retry: Retry::default(),
            park: Park::Event,
        }
    }
}

/// Whether sending to an address that does not exist yet creates the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Create {
    /// Only `start` does.
    Explicit,
    /// An event does as well.
    OnDemand,
}

/// What an acknowledged commit survives. Ordered: each level survives what the one before survives, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Durability {
    /// Nothing: it may still be in this process's memory.
    None,
    /// The end of the process: it is with the operating system.
    Process,
    /// A power cut: it is synced to the disk.
    Power,
}

/// How often an event whose turn faulted is tried, and at what distance. Until the last attempt the instance
/// takes no other event, since order is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Turns tried in all, at least 1.
    pub attempts: u32,
    /// The wait before the second attempt; doubled before each further one.
    pub backoff: Span,
    /// The longest wait.
    pub backoff_max: Span,
}

impl Default for Retry {
    /// One attempt: a turn is a pure function, so without a change from outside a second one faults likewise.
    fn default() -> Retry {
        Retry { attempts: 1, backoff: Span(100), backoff_max: Span::seconds(60) }
    }
}

impl Retry {
    /// The wait after the given number of attempts have faulted; none when that was the last.
    pub fn wait_after(&self, attempts: u32) -> Option<Span> {
        if attempts >= self.attempts.max(1) {
            return None;
        }
        let doublings = attempts.saturating_sub(1).min(63);
        let wait = self.backoff.0.saturating_mul(1u64 << doublings);
        Some(Span(wait.min(self.backoff_max.0)))
    }
}

/// The order of versions: runs of digits by number, the rest by character, so v2 comes before v10 and 1.2.0
/// before 1.10.3. Versions that differ in leading zeros alone are ordered by character, so that only equal texts
/// are equal.
pub fn version_order(a: &str, b: &str) -> Ordering {
    let by_character = a.cmp(b);
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return by_character,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, rest_a) = digits(a);
                let (y, rest_b) = digits(b);
                let by_number = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
                if by_number.is_ne() {
                    return by_number;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => (a, b) = (&a[1..], &b[1..]),
        }
    }
}

/// The leading digits without leading zeros, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let start = text[..end].iter().position(|c| *c != b'0').unwrap_or(end);
    (&text[start..end], &text[end..])
}
