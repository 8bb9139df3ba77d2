//! Points and spans of time between the wire (seconds and nanoseconds) and the kernel (milliseconds).

use crate::failure::Failure;
use buffa_types::google::protobuf::__buffa::view::{DurationView, TimestampView};
use buffa_types::google::protobuf::Timestamp;
use everstate_api::Code;
use everstate_kernel::Time;
use std::time::Duration;

/// The first and last second that a Timestamp may name: the years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A time; parts of a millisecond are dropped.
pub(crate) fn time_in(wire: &TimestampView<'_>, field: &str) -> Result<Time, Failure> {
    if !SECONDS.contains(&wire.seconds) || !(0..1_000_000_000).contains(&wire.nanos) {
        let problem = format!(
            "{field} is no time: {} s and {} ns; it must be in the years 1 to 9999",
            wire.seconds, wire.nanos
        );
        return Err(Failure::new(Code::MalformedTime, problem).at(field));
    }
    Ok(Time(wire.seconds * 1000 + i64::from(wire.nanos / 1_000_000)))
}

/// A time for the wire; one beyond its range becomes the nearest in it.
pub(crate) fn time_out(time: Time) -> Timestamp {
    let seconds = time.0.div_euclid(1000).clamp(*SECONDS.start(), *SECONDS.end());
    Timestamp { seconds, nanos: (time.0.rem_euclid(1000) * 1_000_000) as i32, ..Default::default() }
}

/// A duration between zero and `max`.
pub(crate) fn span_in(wire: &DurationView<'_>, max: Duration, field: &str) -> Result<Duration, Failure> {
    let malformed = |problem: String| Failure::new(Code::MalformedTime, problem).at(field);
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(wire.seconds), u32::try_from(wire.nanos)) else {
        return Err(malformed(format!("{field} is negative: {} s and {} ns", wire.seconds, wire.nanos)));
    };
    if nanos >= 1_000_000_000 {
        return Err(malformed(format!("{field} is no duration: {nanos} ns are more than a second")));
    }
    let span = Duration::new(seconds, nanos);
    if span > max {
        return Err(malformed(format!(
            "{field} is {} s long, the limit is {} s",
            span.as_secs(),
            max.as_secs()
        )));
    }
    Ok(span)
}
