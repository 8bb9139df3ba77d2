//! Results as tables: for people now, and as Markdown for docs/benchmarks.md.
//!
//! It refuses to measure. Its one invariant: a goal stands beside what was measured, met or not.

use crate::machine::{Machine, load};
use crate::scratch::root;
use anyhow::{Context, Result};
use std::fmt;
use std::fs;

/// All sections of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    smoke: bool,
    sections: Vec<(&'static str, Section)>,
}

/// What one bench found.
#[derive(Debug, Default)]
pub(crate) struct Section {
    title: String,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// One line of a table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    what: String,
    result: String,
    ratio: String,
    goal: String,
}

impl Section {
    pub(crate) fn new(title: &str) -> Section {
        Section { title: title.into(), ..Section::default() }
    }

    /// Adds a row; its ratio and goal are added to what this returns.
    pub(crate) fn row(&mut self, what: impl Into<String>, result: impl Into<String>) -> &mut Row {
        self.rows.push(Row { what: what.into(), result: result.into(), ..Row::default() });
        self.rows.last_mut().expect("one was pushed")
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl Row {
    /// How it compares: `value` times `of`.
    pub(crate) fn times(&mut self, value: f64, of: &str) -> &mut Row {
        self.ratio =
            if value >= 10.0 { format!("{value:.0} × {of}") } else { format!("{value:.2} × {of}") };
        self
    }

    /// The goal that `value` reaches at least `goal`, which is written as `text`.
    pub(crate) fn at_least(&mut self, value: f64, goal: f64, text: &str) {
        self.judge(value >= goal, value / goal, &format!("at least {text}"));
    }

    /// The goal that `value` stays at or below `goal`, which is written as `text`.
    pub(crate) fn at_most(&mut self, value: f64, goal: f64, text: &str) {
        self.judge(value <= goal, goal / value, &format!("at most {text}"));
    }

    fn judge(&mut self, met: bool, part: f64, text: &str) {
        self.goal = match met {
            true => format!("{text}: met"),
            false => format!("{text}: missed, {:.0} % of it", part * 100.0),
        };
    }

    fn cells(&self) -> [&str; 4] {
        [&self.what, &self.result, &self.ratio, &self.goal]
    }
}

const HEADS: [&str; 4] = ["what", "result", "beside", "goal"];

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[&str; 4]> = std::iter::once(HEADS).chain(self.rows.iter().map(Row::cells)).collect();
        let width =
            |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        writeln!(f, "### {}\n", self.title)?;
        for (number, cells) in lines.iter().enumerate() {
            for (cell, width) in cells.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for width in widths {
                    write!(f, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        for (number, note) in self.notes.iter().enumerate() {
            write!(f, "{}- {note}\n", if number == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

const FILE: &str = "docs/benchmarks.md";

impl Report {
    pub(crate) fn new(machine: Machine, smoke: bool) -> Report {
        Report { machine, smoke, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, section: Section) {
        self.sections.push((name, section));
    }

    /// Puts every section between its marks in docs/benchmarks.md, in place of what was there.
    pub(crate) fn write(&self) -> Result<()> {
        debug_assert!(!self.smoke, "refused at the door");
        let path = root().join(FILE);
        let mut text = fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
        for (name, section) in &self.sections {
            let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
            let place = text.find(&begin).zip(text.find(&end));
            let (from, to) =
                place.with_context(|| format!("{FILE} has no marks for {name}: {begin}{end}"))?;
            let measured = format!("{section}\nMeasured on: {}; {:.1} at the end.\n", self.machine, load());
            text.replace_range(from + begin.len()..to, &measured);
        }
        fs::write(&path, text).with_context(|| format!("writing {FILE}"))?;
        eprintln!("{FILE} is written");
        Ok(())
    }
}

/// A rate, in words.
pub(crate) fn per_second(value: f64, what: &str) -> String {
    format!("{} {what}/s", thousands(value))
}

/// A length of time in the unit that suits it, from nanoseconds.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_says_by_how_much() {
        let mut section = Section::new("turns");
        section
            .row("waiting", per_second(48_123.4, "turns"))
            .times(0.4, "the bare loop")
            .at_least(0.4, 0.5, "0.5");
        let text = section.to_string();
        assert!(text.contains(
            "| waiting | 48,123 turns/s | 0.40 × the bare loop | at least 0.5: missed, 80 % of it |"
        ));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(thousands(12.0), "12");
        assert_eq!(time(49.0), "49 ns");
        assert_eq!(time(9_200.0), "9.2 µs");
    }
}
