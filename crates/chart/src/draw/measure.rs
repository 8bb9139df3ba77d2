//! How wide text will be. Nobody knows the reader's font, so widths are those of common sans-serif fonts, rounded up.
//!
//! It refuses to know what the text says. Its one invariant: the same text has the same width on every machine.

/// Size of the names of states.
pub(super) const NAME_SIZE: f64 = 13.0;
/// Size of everything else.
pub(super) const TEXT_SIZE: f64 = 11.0;
/// From one line to the next.
pub(super) const LINE_HEIGHT: f64 = 15.0;

/// The width of a line in that size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let ems: f64 = text.chars().map(ems).sum();
    (ems * size * 1.04).ceil()
}

fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' | '!' | '.' | ',' | ':' | ';' => 0.3,
        'f' | 't' | 'r' | 'I' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.92,
        'A'..='Z' => 0.7,
        '<' | '>' | '=' | '+' | '&' | '~' => 0.72,
        c if c.is_ascii() => 0.59,
        // Scripts that are written in squares.
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{ffef}' | '\u{1f000}'..='\u{3ffff}' => 1.05,
        _ => 0.66,
    }
}
