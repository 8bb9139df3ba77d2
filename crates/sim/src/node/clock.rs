//! The clock of a simulated node: too fast or too slow, and set now and then.
//!
//! It refuses to know the time of day. Its one invariant: while a process runs, its time never goes back; another process
//! begins wherever the wall clock is.

use everstate_kernel::Time;

/// Where the wall clock begins.
const BEGINNING: i64 = 1_700_000_000_000;

/// A wall clock, and what the process that runs makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    drift_ppm: i64,
    /// By how much the wall clock was set.
    set_ms: i64,
    /// How far it was set back while the process ran.
    ahead_ms: i64,
}

impl Clock {
    pub(crate) fn new(drift_ppm: i64) -> Clock {
        Clock { drift_ppm, set_ms: 0, ahead_ms: 0 }
    }

    /// What the process takes for the time, at a time of the simulation.
    pub(crate) fn now(&self, at_ms: u64) -> Time {
        let at = at_ms as i64;
        Time(BEGINNING + at + at * self.drift_ppm / 1_000_000 + self.set_ms + self.ahead_ms)
    }

    /// When, in the time of the simulation, the process will take it to be `due`: not before that, and a little after at
    /// most. Not before `at_ms`.
    pub(crate) fn when(&self, due: Time, at_ms: u64) -> u64 {
        let wait = (due - self.now(at_ms)).0;
        let scaled = u128::from(wait) * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm)) as u128;
        let mut when = at_ms.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX / 2));
        while self.now(when) < due {
            when += 1;
        }
        when
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step(&mut self, by_ms: i64) {
        self.set_ms += by_ms;
        if by_ms < 0 {
            self.ahead_ms -= by_ms;
        }
    }

    /// Another process begins.
    pub(crate) fn restart(&mut self) {
        self.ahead_ms = 0;
    }
}
