//! Lengths of time as people write them: `30s`, `1h30m`, `2d`, `250ms`, or whole milliseconds.
//!
//! It refuses to know calendars: a day is 24 hours. Its one invariant: what [`format`] writes, [`parse`] reads
//! back as the same length.

use everstate_kernel::Span;
use everstate_kernel::limits::DELAY_MS_MAX;

/// Units from the largest; a text names each at most once, in this order.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time, or says what is wrong with it.
pub fn parse(text: &str) -> Result<Span, String> {
    let what = || {
        format!("not a length of time: {text:?}; write milliseconds, or such as 250ms, 30s, 5m, 1h30m, 2d")
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(what());
    }
    if trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        return bounded(trimmed.parse::<u64>().ok(), text);
    }
    let (mut rest, mut total, mut units) = (trimmed, Some(0u64), UNITS.iter());
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(what)?;
        let number = rest[..digits].parse::<u64>().map_err(|_| what())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, milliseconds) = units.find(|(unit, _)| *unit == &rest[..end]).ok_or_else(what)?;
        rest = rest[end..].trim_start();
        total = total.and_then(|total| total.checked_add(number.checked_mul(*milliseconds)?));
    }
    bounded(total, text)
}

fn bounded(milliseconds: Option<u64>, text: &str) -> Result<Span, String> {
    match milliseconds {
        Some(milliseconds) if milliseconds <= DELAY_MS_MAX => Ok(Span(milliseconds)),
        _ => Err(format!("longer than 100 years: {text:?}; the limit is {DELAY_MS_MAX} ms")),
    }
}

/// Reads a length of time as SCXML writes it (`1.5s`, `500ms`, `.5s`), or as everywhere else here.
pub(crate) fn parse_scxml(text: &str) -> Result<Span, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let Some((whole, fraction)) = number.split_once('.') else { return parse(text) };
    let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
    let what = || format!("not a length of time: {text:?}; write such as 500ms, 1.5s, 2m, 1h, 1d");
    // Fractions below a millisecond are cut off; twelve digits tell more than that.
    let fraction =
        fraction.get(..fraction.len().min(12)).filter(|all| all.bytes().all(|c| c.is_ascii_digit()));
    let (Some(factor), Some(fraction)) = (factor, fraction) else { return Err(what()) };
    if whole.is_empty() && fraction.is_empty() {
        return Err(what());
    }
    let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().map_err(|_| what())? };
    let part = u128::from(part) * u128::from(factor) / 10u128.pow(fraction.len() as u32);
    bounded(whole.and_then(|whole| whole.checked_mul(factor)?.checked_add(part as u64)), text)
}

/// The shortest way to write a length of time.
pub fn format(span: Span) -> String {
    let mut rest = span.0;
    let mut text = String::new();
    for (unit, milliseconds) in UNITS.iter().skip(1) {
        if rest >= *milliseconds {
            text.push_str(&format!("{}{unit}", rest / milliseconds));
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0ms".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written() {
        for (text, milliseconds) in [
            ("250", 250),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Span(milliseconds)), "{text}");
            assert_eq!(parse(&format(Span(milliseconds))), Ok(Span(milliseconds)), "{text}");
        }
        for text in [
            "",
            "-1",
            "-1s",
            "5 minutes",
            "1m1h",
            "5x",
            "m",
            "1.5h",
            "101w99999999999999d",
            "999999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("36600d").is_ok());
        assert!(parse("36601d").is_err(), "a century is the limit");
    }
}
