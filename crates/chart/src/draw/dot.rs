//! A picture for Graphviz (DOT), with states in states as clusters.
//!
//! It refuses to know places. Its one invariant: text cannot end what it stands in.

use super::Marked;
use super::arrows::{Arrows, Origin};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::model::StateKind;
use std::fmt::Write;

pub(super) fn write(chart: &Chart, arrows: &Arrows, marked: &Marked) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "digraph {} {{", quoted(chart.name()));
    out.push_str("  compound=true\n  fontname=\"Helvetica\"\n");
    out.push_str("  node [fontname=\"Helvetica\" fontsize=12 shape=box style=rounded]\n");
    out.push_str("  edge [fontname=\"Helvetica\" fontsize=10]\n");
    inside(chart, arrows, marked, 0, 1, &mut out);
    for arrow in &arrows.all {
        // An arrow at a cluster is one at something inside of it, cut off at its border.
        let (from, tail) = match arrow.from {
            Origin::Dot(container) => (format!("dot{container}"), None),
            Origin::State(0) => continue,
            Origin::State(from) => end(chart, from),
        };
        let (to, head) = end(chart, arrow.to);
        let mut attributes = vec![format!("label={}", quoted(&arrow.lines.join("\n")))];
        attributes.extend(tail.map(|tail| format!("ltail=cluster{tail}")));
        attributes.extend(head.map(|head| format!("lhead=cluster{head}")));
        if marked.is_missed(&arrow.transitions) && !matches!(arrow.from, Origin::Dot(_)) {
            attributes.push("style=dashed color=red fontcolor=red".to_owned());
        }
        let _ = writeln!(out, "  {from} -> {to} [{}]", attributes.join(" "));
    }
    out.push_str("}\n");
    out
}

/// The node that an arrow to or from a state is drawn at, and the cluster at whose border it is cut off.
fn end(chart: &Chart, at: StateIndex) -> (String, Option<StateIndex>) {
    match chart.state(at).kind {
        StateKind::Compound | StateKind::Parallel => (format!("anchor{at}"), Some(at)),
        _ => (format!("s{at}"), None),
    }
}

fn inside(chart: &Chart, arrows: &Arrows, marked: &Marked, at: StateIndex, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let state = chart.state(at);
    if at != 0 {
        let _ = writeln!(out, "{indent}anchor{at} [shape=point style=invis width=0]");
    }
    if arrows.all.iter().any(|arrow| arrow.from == Origin::Dot(at)) {
        let _ = writeln!(
            out,
            "{indent}dot{at} [shape=circle style=filled fillcolor=black width=0.15 label=\"\"]"
        );
    }
    for child in (at + 1..state.end).filter(|child| chart.state(*child).parent == at) {
        let inner = chart.state(child);
        let lines = arrows.inside[usize::from(child)].iter().map(|(line, _)| line.as_str());
        let text = std::iter::once(&*inner.name).chain(lines).collect::<Vec<_>>().join("\n");
        let pen = if marked.active.contains(&usize::from(child)) { " penwidth=3 color=orange" } else { "" };
        match inner.kind {
            StateKind::History { deep } => {
                let text = if deep { "H*" } else { "H" };
                let _ = writeln!(out, "{indent}s{child} [shape=circle width=0.3 label=\"{text}\"]");
            }
            StateKind::Compound | StateKind::Parallel => {
                let dashed = state.kind == StateKind::Parallel;
                let style = if dashed { "dashed" } else { "rounded" };
                let _ = writeln!(out, "{indent}subgraph cluster{child} {{");
                let _ = writeln!(out, "{indent}  label={} style={style}{pen}", quoted(&text));
                inside(chart, arrows, marked, child, depth + 1, out);
                let _ = writeln!(out, "{indent}}}");
            }
            kind => {
                let rings = if kind == StateKind::Final { " peripheries=2" } else { "" };
                let _ = writeln!(out, "{indent}s{child} [label={}{rings}{pen}]", quoted(&text));
            }
        }
    }
}

/// Text in quotes; line ends are kept.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
