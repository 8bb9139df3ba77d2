//! Names of configurations, states, events and FSMs of `statemachine.v1beta`, which may be any text, as names that
//! Everstate can carry. A server and a connector agree on them here.
//!
//! A character that cannot stand where it stands becomes `_xHEX_`, its code point: `my orders` is the definition
//! `my_x20_orders`. An `_` that would look like the begin of one becomes `_x5F_`. Everything else stays as it is.
//!
//! Its one invariant: `plain` of what is made here is the text it was made of, and two texts never share a name.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The definition that a configuration is.
pub fn kind(name: &str) -> Cow<'_, str> {
    written(name, |before, c, _| match c {
        'a'..='z' | 'A'..='Z' | '_' => true,
        '0'..='9' | '-' => before.is_some(),
        '.' => before.is_some_and(|before| before != '.'),
        _ => false,
    })
}

/// The version of a definition.
pub fn version(version: &str) -> Cow<'_, str> {
    written(version, |_, c, _| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'))
}

/// A state. `~` at its begin is for states of ours.
pub fn state(state: &str) -> Cow<'_, str> {
    written(state, |before, c, last| match c {
        '.' => false,
        '#' | '~' => before.is_some(),
        ' ' => before.is_some() && !last,
        c => c.is_ascii_graphic() || c.is_alphanumeric(),
    })
}

/// An event's name. `*` would stand for others.
pub fn event(name: &str) -> Cow<'_, str> {
    written(name, |_, c, _| c != '*' && (c.is_ascii_graphic() || c.is_alphanumeric()))
}

/// The id of an instance.
pub fn id(id: &str) -> Cow<'_, str> {
    written(id, |before, c, last| match c {
        '/' | ':' | '*' | '>' | '?' | '#' | '%' | '\\' => false,
        '.' => before != Some('.') && (before.is_some() || !last),
        c => is_visible(c),
    })
}

/// An event's id. `~` at its begin is for ids of Everstate itself.
pub fn event_id(id: &str) -> Cow<'_, str> {
    written(id, |before, c, _| if c == '~' { before.is_some() } else { is_visible(c) })
}

/// What an id may have of what people type: letters and digits of any script, and ASCII's signs.
fn is_visible(c: char) -> bool {
    c.is_ascii_graphic() || c.is_alphanumeric()
}

/// The text that a name was made of. A name that was not made here is its own text.
pub fn plain(name: &str) -> Cow<'_, str> {
    if !name.contains("_x") {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        match escape(rest) {
            Some((escaped, length)) => {
                text.push(escaped);
                rest = &rest[length..];
            }
            None => {
                text.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Cow::Owned(text)
}

/// The character that `_xHEX_` at the begin of a text stands for, and how long that is.
fn escape(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("_x")?;
    let end = digits.find('_').filter(|end| (1..=6).contains(end))?;
    let digits = &digits[..end];
    let canonical =
        digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) && !digits.starts_with('0');
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| canonical || digits == "0")?;
    Some((char::from_u32(code)?, end + 3))
}

/// Could what follows an `_` make it the begin of an escape, together with whatever comes behind?
fn looks_escaped(rest: &str) -> bool {
    let mut follows = rest.bytes();
    follows.next() == Some(b'x') && follows.next().is_some_and(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

/// `fits` is told the character before, the character, and whether it is the last.
fn written(text: &str, fits: impl Fn(Option<char>, char, bool) -> bool) -> Cow<'_, str> {
    let mut name = String::new();
    // Up to here all is as it was, and nothing is copied yet.
    let mut same = true;
    let mut before = None;
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let stays = fits(before, c, rest.is_empty()) && !(c == '_' && looks_escaped(rest));
        if !stays && same {
            name.push_str(&text[..at]);
            same = false;
        }
        if !stays {
            // Writing into a text cannot fail.
            let _ = write!(name, "_x{:X}_", u32::from(c));
        } else if !same {
            name.push(c);
        }
        before = Some(if stays { c } else { '_' });
    }
    if same { Cow::Borrowed(text) } else { Cow::Owned(name) }
}
