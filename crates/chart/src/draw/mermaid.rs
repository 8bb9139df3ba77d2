//! A picture for Mermaid, which many tools render inside of Markdown (`stateDiagram-v2`).
//!
//! It refuses to know places. Its one invariant: text cannot end what it stands in.

use super::Marked;
use super::arrows::{Arrows, Origin};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::model::StateKind;
use std::fmt::Write;

pub(super) fn write(chart: &Chart, arrows: &Arrows, marked: &Marked) -> String {
    let mut out = String::from("stateDiagram-v2\n");
    let mut writer = Writer { chart, arrows, out: &mut out };
    writer.inside(0, 1);
    for (at, lines) in arrows.inside.iter().enumerate().filter(|(_, lines)| !lines.is_empty()) {
        // The machine itself has no box in this notation.
        if at != 0 && !chart.is_leaf(at as StateIndex) {
            let _ = writeln!(out, "  note right of s{at}");
            lines.iter().for_each(|(line, _)| _ = writeln!(out, "    {}", escaped(line)));
            out.push_str("  end note\n");
        }
    }
    if !marked.active.is_empty() {
        out.push_str("  classDef active stroke-width:3px,stroke:#c27803\n");
        for at in &marked.active {
            let _ = writeln!(out, "  class s{at} active");
        }
    }
    out
}

struct Writer<'a> {
    chart: &'a Chart,
    arrows: &'a Arrows,
    out: &'a mut String,
}

impl Writer<'_> {
    fn inside(&mut self, at: StateIndex, depth: usize) {
        let state = self.chart.state(at);
        let indent = "  ".repeat(depth);
        let children = (at + 1..state.end).filter(|child| self.chart.state(*child).parent == at);
        let mut regions = 0;
        for child in children {
            let is_history = matches!(self.chart.state(child).kind, StateKind::History { .. });
            if state.kind == StateKind::Parallel && !is_history {
                if regions > 0 {
                    let _ = writeln!(self.out, "{indent}--");
                }
                regions += 1;
            }
            self.state(child, depth);
        }
        for (number, arrow) in self.arrows.all.iter().enumerate() {
            let is_here = match arrow.from {
                Origin::Dot(container) => container == at,
                // Arrows of states are written outside of all, where their ends are known.
                Origin::State(_) => at == 0,
            };
            if is_here {
                self.arrow(number, &indent);
            }
        }
    }

    fn state(&mut self, at: StateIndex, depth: usize) {
        let state = self.chart.state(at);
        let indent = "  ".repeat(depth);
        let name = match state.kind {
            StateKind::History { deep: false } => "H".to_owned(),
            StateKind::History { deep: true } => "H*".to_owned(),
            _ => escaped(&state.name),
        };
        let _ = writeln!(self.out, "{indent}state \"{name}\" as s{at}");
        if self.chart.is_leaf(at) {
            for (line, _) in &self.arrows.inside[usize::from(at)] {
                let _ = writeln!(self.out, "{indent}s{at} : {}", escaped(line));
            }
        } else {
            let _ = writeln!(self.out, "{indent}state s{at} {{");
            self.inside(at, depth + 1);
            let _ = writeln!(self.out, "{indent}}}");
        }
        if state.kind == StateKind::Final {
            let _ = writeln!(self.out, "{indent}s{at} --> [*]");
        }
    }

    fn arrow(&mut self, number: usize, indent: &str) {
        let arrow = &self.arrows.all[number];
        let from = match arrow.from {
            Origin::Dot(_) => "[*]".to_owned(),
            Origin::State(0) => return,
            Origin::State(from) => format!("s{from}"),
        };
        let label = escaped(&arrow.lines.join(" "));
        let label = if label.is_empty() { label } else { format!(" : {label}") };
        let _ = writeln!(self.out, "{indent}{from} --> s{}{label}", arrow.to);
    }
}

/// Characters that mean something are written by their numbers.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | ';' | ':' | '<' | '>' | '{' | '}' | '`' | '%' | '&' | '\\' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
