//! Points and lengths of time in values: nanoseconds, in the range that the language defines.
//!
//! It refuses to know the clock and time zones by name. Its one invariant: a timestamp lies in the years 1 to
//! 9999.

use everstate_kernel::Time;
use std::fmt;

/// A point in time, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// A length of time in nanoseconds, at most 292 years either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

/// Why there is no such time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Beyond what can be represented.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Not how such a thing is written.
    #[error("{0}")]
    Malformed(&'static str),
}

const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;
const NANOSECONDS: i64 = 1_000_000_000;
const NOT_TIMESTAMP: TimeError = TimeError::Malformed("not a timestamp; write 2026-01-02T03:04:05Z");
const NOT_DURATION: TimeError = TimeError::Malformed("not a duration; write 1h30m, 90s or 1.5s");

/// A day of the calendar and a time of the day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    /// From 0.
    pub(crate) day_of_year: i64,
    /// From 0, Sunday.
    pub(crate) weekday: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Timestamp {
    /// Seconds since 1970 and nanoseconds after that.
    pub fn new(seconds: i64, nanoseconds: u32) -> Result<Timestamp, TimeError> {
        let fits = (SECONDS_MIN..=SECONDS_MAX).contains(&seconds) && i64::from(nanoseconds) < NANOSECONDS;
        if fits { Ok(Timestamp { seconds, nanoseconds }) } else { Err(TimeError::Range("timestamp")) }
    }

    /// The kernel's time.
    pub fn from_time(time: Time) -> Result<Timestamp, TimeError> {
        Timestamp::new(time.0.div_euclid(1000), time.0.rem_euclid(1000) as u32 * 1_000_000)
    }

    /// The kernel's time; what is below a millisecond is cut off.
    pub fn to_time(self) -> Time {
        Time(self.seconds * 1000 + i64::from(self.nanoseconds / 1_000_000))
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after the whole second.
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Reads a text as RFC 3339 defines it.
    pub fn parse(text: &str) -> Result<Timestamp, TimeError> {
        let bytes = text.as_bytes();
        let number = |from: usize, digits: usize| -> Result<i64, TimeError> {
            let part = bytes.get(from..from + digits).ok_or(NOT_TIMESTAMP)?;
            part.iter().try_fold(0, |sum, byte| match byte {
                b'0'..=b'9' => Ok(sum * 10 + i64::from(byte - b'0')),
                _ => Err(NOT_TIMESTAMP),
            })
        };
        let sign_at = |at: usize, signs: &[u8]| match bytes.get(at) {
            Some(byte) if signs.contains(byte) => Ok(()),
            _ => Err(NOT_TIMESTAMP),
        };
        let year_digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if year_digits > 4 {
            return Err(TimeError::Range("timestamp"));
        }
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        sign_at(4, b"-")?;
        sign_at(7, b"-")?;
        sign_at(10, b"Tt")?;
        sign_at(13, b":")?;
        sign_at(16, b":")?;
        let in_month = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        if !in_month || hour > 23 || minute > 59 || second > 59 {
            return Err(NOT_TIMESTAMP);
        }
        let (nanoseconds, rest) = fraction(text.get(19..).unwrap_or(""))?;
        let offset = match rest {
            "Z" | "z" => 0,
            _ => parse_offset(rest).filter(|_| rest.starts_with(['+', '-'])).ok_or(NOT_TIMESTAMP)?,
        };
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Timestamp::new(seconds, nanoseconds)
    }

    /// This much later, or earlier.
    pub fn plus(self, length: Duration) -> Result<Timestamp, TimeError> {
        let nanoseconds = i64::from(self.nanoseconds) + length.0.rem_euclid(NANOSECONDS);
        let seconds = self.seconds + length.0.div_euclid(NANOSECONDS) + nanoseconds / NANOSECONDS;
        Timestamp::new(seconds, (nanoseconds % NANOSECONDS) as u32)
    }

    /// How long after `earlier` this is.
    pub fn since(self, earlier: Timestamp) -> Result<Duration, TimeError> {
        let seconds = i128::from(self.seconds - earlier.seconds);
        let nanoseconds = i128::from(self.nanoseconds) - i128::from(earlier.nanoseconds);
        Duration::from_wide(seconds * i128::from(NANOSECONDS) + nanoseconds)
    }

    /// Day and time at a place that is `offset` seconds east.
    pub(crate) fn civil(self, offset: i64) -> Civil {
        let local = self.seconds + offset;
        let (days, of_day) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            day_of_year: days - days_from_civil(year, 1, 1),
            weekday: (days + 4).rem_euclid(7),
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil(0);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write_fraction(f, self.nanoseconds)?;
        f.write_str("Z")
    }
}

impl Duration {
    /// That many nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Duration {
        Duration(nanoseconds)
    }

    /// That many milliseconds, when they fit.
    pub fn from_milliseconds(milliseconds: i64) -> Result<Duration, TimeError> {
        Duration::from_wide(i128::from(milliseconds) * 1_000_000)
    }

    fn from_wide(nanoseconds: i128) -> Result<Duration, TimeError> {
        i64::try_from(nanoseconds).map(Duration).map_err(|_| TimeError::Range("duration"))
    }

    /// The length in nanoseconds.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The length in whole milliseconds, cut off towards zero.
    pub const fn milliseconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// Both together.
    pub fn plus(self, other: Duration) -> Result<Duration, TimeError> {
        self.0.checked_add(other.0).map(Duration).ok_or(TimeError::Range("duration"))
    }

    /// This without the other.
    pub fn minus(self, other: Duration) -> Result<Duration, TimeError> {
        self.0.checked_sub(other.0).map(Duration).ok_or(TimeError::Range("duration"))
    }

    /// The same length the other way.
    pub fn negated(self) -> Result<Duration, TimeError> {
        self.0.checked_neg().map(Duration).ok_or(TimeError::Range("duration"))
    }

    /// Reads numbers with units, such as `1h30m`, `-1.5s`, `20ms`; units are h, m, s, ms, us, ns.
    pub fn parse(text: &str) -> Result<Duration, TimeError> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Duration(0));
        }
        if rest.is_empty() {
            return Err(NOT_DURATION);
        }
        let mut sum = 0i128;
        while !rest.is_empty() {
            let (part, after) = duration_part(rest)?;
            sum += part;
            // A long text of large parts must not overflow the sum.
            if sum > i128::from(i64::MAX) + 1 {
                return Err(TimeError::Range("duration"));
            }
            rest = after;
        }
        Duration::from_wide(if negative { -sum } else { sum })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", size / NANOSECONDS as u64)?;
        write_fraction(f, (size % NANOSECONDS as u64) as u32)?;
        f.write_str("s")
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn duration_part(text: &str) -> Result<(i128, &str), TimeError> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let digits = text.find(|c| !is_number(c)).ok_or(NOT_DURATION)?;
    let (number, rest) = text.split_at(digits);
    let unit_length = rest.find(is_number).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_length);
    let unit: i128 = match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" | "µs" | "μs" => 1_000,
        "ns" => 1,
        _ => return Err(NOT_DURATION),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(NOT_DURATION);
    }
    if whole.len() > 20 {
        return Err(TimeError::Range("duration"));
    }
    let mut sum = whole.bytes().fold(0i128, |sum, byte| sum * 10 + i128::from(byte - b'0')) * unit;
    let mut place = unit;
    for byte in fraction.bytes().take(15) {
        sum += i128::from(byte - b'0') * place / 10;
        place /= 10;
    }
    Ok((sum, rest))
}

/// Nanoseconds from a text that may begin with `.5`, and what follows it.
fn fraction(text: &str) -> Result<(u32, &str), TimeError> {
    let Some(rest) = text.strip_prefix('.') else { return Ok((0, text)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return Err(NOT_TIMESTAMP);
    }
    let number = rest.bytes().take(digits).fold(0u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    Ok((number * 10u32.pow(9 - digits as u32), &rest[digits..]))
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanoseconds: u32) -> fmt::Result {
    if nanoseconds == 0 {
        return Ok(());
    }
    let digits = format!("{nanoseconds:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// Seconds east of a text such as `+11:00`, `-02:30` or `02:00`.
pub(crate) fn parse_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str, below: i64| {
        let well_formed = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| well_formed && *number < below)
    };
    Some(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; the algorithm is Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01; `civil_from_days` of the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
