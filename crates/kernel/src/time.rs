//! Points and spans of time as integers. The kernel is told the time; it never asks.

use core::fmt;
use core::ops::{Add, Sub};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. May be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub i64);

/// A length of time in milliseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(pub u64);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds * 1000)
    }

    /// Reads milliseconds, or numbers with units from the largest to the smallest: `250ms`, `30s`, `1h30m`, `2d`. None
    /// for anything else and for what is longer than [`crate::limits::DELAY_MS_MAX`].
    pub fn parse(text: &str) -> Option<Span> {
        const UNITS: [(&str, u64); 6] =
            [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
        let mut rest = text.trim();
        if rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return rest.parse().ok().filter(|ms| *ms <= crate::limits::DELAY_MS_MAX).map(Span);
        }
        let (mut total, mut units) = (0u64, UNITS.iter());
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, ms) = units.find(|(unit, _)| *unit == &rest[..end])?;
            total = total.checked_add(number.checked_mul(*ms)?)?;
            rest = rest[end..].trim_start();
        }
        (total <= crate::limits::DELAY_MS_MAX).then_some(Span(total))
    }
}

impl Time {
    /// After every other time: what is set for it never comes.
    pub const END: Time = Time(i64::MAX);
}

impl Add<Span> for Time {
    type Output = Time;
    /// Saturates at the end of time instead of wrapping.
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add_unsigned(span.0))
    }
}

impl Sub<Time> for Time {
    type Output = Span;
    /// How long after `earlier` this is; zero when it is not after.
    fn sub(self, earlier: Time) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
