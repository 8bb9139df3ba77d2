//! How long to wait before a child is tried again: doubled from one failure to the next, within a bound, and spread by
//! chance so that many children that fail for one reason do not come back at one moment. It refuses to know chance; a
//! seed is given.

use crate::time::Span;

/// The waits between restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub initial: Span,
    /// At most, before it is spread.
    pub max: Span,
    /// How far it is spread to both sides, in percent.
    pub jitter: u32,
}

impl Default for Backoff {
    /// A tenth of a second is short enough for a person not to notice one failure; half a minute is long enough for
    /// whatever was overloaded to recover. A fifth to both sides parts a thousand children well enough.
    fn default() -> Backoff {
        Backoff { initial: Span(100), max: Span::seconds(30), jitter: 20 }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, the first being 1.
    pub(super) fn wait(&self, failures: u32, seed: u64) -> Span {
        let doublings = failures.saturating_sub(1).min(63);
        let wait = self.initial.0.saturating_mul(1u64 << doublings).min(self.max.0);
        let width = u64::from(self.jitter.min(100)) * 2 + 1;
        let percent = 100 - width / 2 + seed % width;
        Span((u128::from(wait) * u128::from(percent) / 100) as u64)
    }
}
