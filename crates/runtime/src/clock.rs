//! What time is it? The only place of the runtime that asks.

use everstate_kernel::{Span, Time};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a shard gets the time from.
pub trait Clock: Send + std::fmt::Debug {
    /// Never before an earlier answer.
    fn now(&mut self) -> Time;
}

/// The machine's clock, made safe against jumps.
///
/// A jump forward is followed: a machine that slept has to fire the timers that came due. A jump back is not:
/// time goes on from where it was at its usual pace, so that no timer fires twice as late because someone
/// corrected the clock.
#[derive(Debug)]
pub struct SystemClock {
    last_wall: Time,
    last_reading: Instant,
    /// How far the wall clock was set back while this clock ran.
    ahead: Span,
}

/// Steps back below this are taken as noise between two readings and only stop the clock for that long.
const BACKWARD_NOISE: Span = Span(100);

impl SystemClock {
    /// A clock that starts at the wall clock's time.
    pub fn new() -> SystemClock {
        SystemClock { last_wall: wall(), last_reading: Instant::now(), ahead: Span(0) }
    }

    fn read(&mut self, wall: Time, elapsed: Duration) -> Time {
        let expected = self.last_wall + Span(elapsed.as_millis() as u64);
        let set_back = expected - wall;
        if set_back > BACKWARD_NOISE {
            self.ahead = Span(self.ahead.0.saturating_add(set_back.0));
            self.last_wall = wall;
            tracing::warn!(
                set_back_ms = set_back.0,
                "the clock was set back; timers go on as if it had not been"
            );
        }
        self.last_wall = self.last_wall.max(wall);
        self.last_wall + self.ahead
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Time {
        let reading = Instant::now();
        let elapsed = reading - self.last_reading;
        self.last_reading = reading;
        self.read(wall(), elapsed)
    }
}

fn wall() -> Time {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        Err(before) => Time(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_at(wall: i64) -> SystemClock {
        SystemClock { last_wall: Time(wall), last_reading: Instant::now(), ahead: Span(0) }
    }

    #[test]
    fn a_jump_forward_is_followed() {
        let mut clock = clock_at(1_000);
        assert_eq!(clock.read(Time(9_000_000), Duration::from_millis(5)), Time(9_000_000));
    }

    #[test]
    fn a_jump_back_does_not_take_time_back_nor_stop_it() {
        let mut clock = clock_at(1_000_000);
        assert_eq!(clock.read(Time(400_000), Duration::from_millis(10)), Time(1_000_010));
        assert_eq!(clock.read(Time(400_500), Duration::from_millis(500)), Time(1_000_510));
        assert_eq!(clock.read(Time(100_500), Duration::from_millis(1_000)), Time(1_001_510));
    }

    #[test]
    fn noise_between_readings_is_no_jump() {
        let mut clock = clock_at(1_000);
        assert_eq!(clock.read(Time(990), Duration::from_millis(0)), Time(1_000));
        assert_eq!(clock.read(Time(1_001), Duration::from_millis(11)), Time(1_001));
    }
}
