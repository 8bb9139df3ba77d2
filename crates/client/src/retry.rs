//! When to try again, and for how long. Pure: it is told the time that went by.
//!
//! Its one invariant: the sum of the waits never goes over the patience.

use std::time::Duration;

/// How long a call is tried before its error is returned. Only what may succeed later is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Once the server has answered at least once: how long to wait for it to come back.
    pub patience: Duration,
    /// Before the server has ever answered: a wrong address should be told at once.
    pub first_contact: Duration,
}

impl Default for Retry {
    /// Ten seconds: a server that is restarted by its supervisor is back by then.
    fn default() -> Retry {
        Retry { patience: Duration::from_secs(10), first_contact: Duration::ZERO }
    }
}

/// The first wait. A restart takes longer, a hiccup shorter; half of it would only knock twice as often.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// The longest wait: what a user notices as nothing happening after the server is back.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The waits of one call.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    seed: u64,
}

impl Backoff {
    /// `seed` spreads clients that failed together; any number will do.
    pub(crate) fn new(seed: u64) -> Backoff {
        Backoff { next: WAIT_MIN, seed: seed | 1 }
    }

    /// The wait before the next attempt, or none when the patience is over. `asked` is what the server asked for.
    pub(crate) fn wait(
        &mut self,
        spent: Duration,
        patience: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let left = patience.checked_sub(spent).filter(|left| !left.is_zero())?;
        let wait = match asked {
            Some(asked) => asked,
            None => {
                let whole = self.next;
                self.next = (self.next * 2).min(WAIT_MAX);
                // Between three quarters of the wait and the whole of it.
                whole - whole.mul_f64(self.draw() * 0.25)
            }
        };
        Some(wait.min(left))
    }

    /// Xorshift: good enough to spread clients, and reproducible.
    fn draw(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;
