//! Times for people: the day and the second in UTC, and how far away that is.

use buffa_types::google::protobuf::Timestamp;
use everstate_client::{millis, rfc3339};

/// `2026-11-22 02:09:10 UTC (2 min ago)`.
pub(crate) fn moment(time: Option<&Timestamp>, now: i64) -> String {
    time.map_or(String::new(), |time| format!("{} UTC ({})", second(time), ago(millis(time), now)))
}

/// `2026-11-22 02:09:10`.
pub(crate) fn second(time: &Timestamp) -> String {
    let text = rfc3339(time);
    text.get(..19).map_or(text.clone(), |start| start.replace('T', " "))
}

/// The same of milliseconds since 1970.
pub(crate) fn second_of(millis: i64) -> String {
    let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    second(&Timestamp { seconds, nanos: rest as i32 * 1_000_000, ..Default::default() })
}

/// `02:09:10.123`.
pub(crate) fn clock(time: &Timestamp) -> String {
    let text = rfc3339(time);
    let second = text.get(11..19).unwrap_or_default();
    format!("{second}.{:03}", time.nanos / 1_000_000)
}

/// `2 min ago`, or `in 2 min`, in the largest unit that makes a whole number of at least two, when there is one.
pub(crate) fn ago(time: i64, now: i64) -> String {
    let distance = now.saturating_sub(time);
    let seconds = distance.unsigned_abs() / 1000;
    let length = match seconds {
        0 => return if distance < 0 { "in less than 1 s".into() } else { "just now".into() },
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800..63_072_000 => format!("{} days", seconds / 86_400),
        _ => format!("{} years", seconds / 31_536_000),
    };
    if distance < 0 { format!("in {length}") } else { format!("{length} ago") }
}
