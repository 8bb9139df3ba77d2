//! Differences as text, grouped by what they are about.
//!
//! It refuses to know terminals; whether there are colours is said. Its one invariant: a difference is one line.

use super::{Change, Diff, How};
use std::fmt::Write;

/// Characters of one side of a difference; what is longer is cut off, and whole in JSON.
const SIDE_CHARACTERS_MAX: usize = 200;

impl Diff {
    /// The differences as text, in colour if wanted; empty when there are none.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        let mut area = None;
        for change in &self.changes {
            if area != Some(change.area) {
                let gap = if area.is_some() { "\n" } else { "" };
                let (on, off) = if colour { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
                let _ = writeln!(out, "{gap}{on}{}{off}", change.area.as_str());
                area = Some(change.area);
            }
            let _ = writeln!(out, "  {}", line(change, colour));
        }
        if !self.suggested.is_empty() {
            let maps: Vec<String> =
                self.suggested.iter().map(|(old, new)| format!("--map {old}={new}")).collect();
            let _ = writeln!(out, "\nif these are the same states, migrate with {}", maps.join(" "));
        }
        out
    }
}

fn line(change: &Change, colour: bool) -> String {
    let code = match change.how {
        How::Added => "\u{1b}[32m",
        How::Removed => "\u{1b}[31m",
        How::Changed => "\u{1b}[33m",
        How::Moved | How::Renamed => "\u{1b}[36m",
    };
    let (on, off) = if colour { (code, "\u{1b}[0m") } else { ("", "") };
    let part = if change.part.is_empty() { String::new() } else { format!(" {}", change.part) };
    let (before, after) = (short(&change.before), short(&change.after));
    let what = match change.how {
        How::Added => after,
        How::Removed => before,
        How::Changed => format!("{before} -> {after}"),
        How::Moved => return format!("{on}{} {before} moved to {after}{off}", change.how.mark()),
        How::Renamed => {
            return format!("{on}{} {before} looks like {after}{off}", change.how.mark());
        }
    };
    format!("{on}{} {}{part}: {what}{off}", change.how.mark(), change.place)
}

fn short(text: &str) -> String {
    let text = text.replace('\n', " ");
    match text.char_indices().nth(SIDE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
