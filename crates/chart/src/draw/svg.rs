//! A picture as SVG: boxes, arrows and text with a plain style that follows the reader's light or dark scheme.
//!
//! It refuses to know how places were found. Its one invariant: text is escaped, and numbers are written with one
//! digit after the point.

use super::Marked;
use super::arrows::{Arrow, Arrows, Origin};
use super::layout::{Area, DOT, Places, Point};
use super::measure::{self, LINE_HEIGHT};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::model::StateKind;
use std::fmt::Write;

/// Around the picture.
const MARGIN: f64 = 12.0;

const STYLE: &str = "\
.es-paper{fill:#ffffff}\
.es-box{fill:#ffffff;stroke:#8a94a6;stroke-width:1.2}\
.es-leaf{fill:#f2f5fa;stroke:#5b6880;stroke-width:1.2}\
.es-ring{fill:none;stroke:#5b6880;stroke-width:1}\
.es-line{fill:none;stroke:#5b6880;stroke-width:1.2}\
.es-divide{stroke:#8a94a6;stroke-width:1;stroke-dasharray:5 4}\
.es-rule{stroke:#d5dae3;stroke-width:1}\
.es-ink{fill:#3d4759}\
.es-halo{fill:#ffffff;fill-opacity:0.94}\
text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;fill:#1d2433}\
.es-name{font-size:13px;font-weight:600}\
.es-text{font-size:11px;fill:#3d4759}\
.es-on{fill:#fff1c9;stroke:#c27803;stroke-width:2.4}\
.es-on-box{stroke:#c27803;stroke-width:2.4}\
.es-missed{stroke:#c0392b;stroke-dasharray:3 3}\
.es-missed-text{fill:#c0392b}";

const DARK: &str = "\
.es-paper,.es-box{fill:#161a22}\
.es-box,.es-divide{stroke:#6f7b90}\
.es-leaf{fill:#232a37;stroke:#93a0b8}\
.es-ring,.es-line{stroke:#93a0b8}\
.es-rule{stroke:#39424f}\
.es-ink{fill:#c4cede}\
.es-halo{fill:#161a22}\
text{fill:#eef2f8}\
.es-text{fill:#c4cede}\
.es-on{fill:#4a3708;stroke:#f0b429}\
.es-on-box{stroke:#f0b429}\
.es-missed{stroke:#ff7b6b}\
.es-missed-text{fill:#ff9d90}";

pub(super) fn write(chart: &Chart, arrows: &Arrows, places: &Places, marked: &Marked) -> String {
    let mut svg = Svg { out: String::new(), chart, arrows, places, marked };
    let whole = extent(arrows, places);
    let (width, height) = (whole.width + 2.0 * MARGIN, whole.height + 2.0 * MARGIN);
    let (left, top) = (whole.x - MARGIN, whole.y - MARGIN);
    let _ = writeln!(
        svg.out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left:.1} {top:.1} {width:.1} {height:.1}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">"
    );
    let _ = writeln!(svg.out, "<title>{}</title>", escaped(chart.name()));
    let _ = writeln!(svg.out, "<style>{STYLE}@media(prefers-color-scheme:dark){{{DARK}}}</style>");
    let _ = writeln!(
        svg.out,
        "<rect class=\"es-paper\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
    for at in 0..chart.states.len() {
        svg.state(at as StateIndex);
    }
    for (at, arrow) in arrows.all.iter().enumerate() {
        svg.arrow(arrow, &places.arrows[at]);
    }
    for (at, arrow) in arrows.all.iter().enumerate() {
        if let Some(centre) = places.labels[at] {
            svg.label(arrow, centre);
        }
    }
    svg.out.push_str("</svg>\n");
    svg.out
}

/// What the whole picture covers: the machine's box, and lines that swing out of it.
fn extent(arrows: &Arrows, places: &Places) -> Area {
    let machine = places.states[0];
    let (mut from, mut to) =
        ((machine.x, machine.y), (machine.x + machine.width, machine.y + machine.height));
    let mut add = |x: f64, y: f64| {
        from = (from.0.min(x), from.1.min(y));
        to = (to.0.max(x), to.1.max(y));
    };
    for (at, arrow) in arrows.all.iter().enumerate() {
        places.arrows[at].iter().for_each(|point| add(point.0, point.1));
        if let Some((x, y)) = places.labels[at] {
            let (width, height) = arrow.label_size();
            add(x - width / 2.0, y - height / 2.0);
            add(x + width / 2.0, y + height / 2.0);
        }
    }
    Area { x: from.0, y: from.1, width: to.0 - from.0, height: to.1 - from.1 }
}

struct Svg<'a> {
    out: String,
    chart: &'a Chart,
    arrows: &'a Arrows,
    places: &'a Places,
    marked: &'a Marked,
}

impl Svg<'_> {
    fn rect(&mut self, class: &str, area: Area, radius: f64) {
        let Area { x, y, width, height } = area;
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
        );
    }

    fn text(&mut self, class: &str, anchor: &str, (x, y): Point, text: &str) {
        let _ = writeln!(
            self.out,
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escaped(text)
        );
    }

    fn line(&mut self, class: &str, from: Point, to: Point) {
        let _ = writeln!(
            self.out,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn state(&mut self, at: StateIndex) {
        let state = self.chart.state(at);
        let area = self.places.states[usize::from(at)];
        let active = self.marked.active.contains(&usize::from(at));
        let on = |class: &str, mark: &str| if active { format!("{class} {mark}") } else { class.to_owned() };
        let is_region = at != 0 && self.chart.state(state.parent).kind == StateKind::Parallel;
        if let Some(description) = &state.description {
            let _ = writeln!(self.out, "<g><title>{}</title>", escaped(description));
        }
        match state.kind {
            StateKind::History { deep } => {
                let (x, y) = (area.x + area.width / 2.0, area.y + area.height / 2.0);
                let radius = area.width / 2.0;
                let _ = writeln!(
                    self.out,
                    "<circle class=\"es-leaf\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
                );
                self.text("es-text", "middle", (x, y + 4.0), if deep { "H*" } else { "H" });
            }
            StateKind::Final => {
                self.rect(&on("es-leaf", "es-on"), area, area.height / 2.0);
                let inner = Area {
                    x: area.x + 3.0,
                    y: area.y + 3.0,
                    width: area.width - 6.0,
                    height: area.height - 6.0,
                };
                self.rect("es-ring", inner, inner.height / 2.0);
                self.words(at, area);
            }
            StateKind::Atomic => {
                self.rect(&on("es-leaf", "es-on"), area, 7.0);
                self.words(at, area);
            }
            StateKind::Compound | StateKind::Parallel => {
                if is_region {
                    self.divide(at, area);
                } else {
                    self.rect(&on("es-box", "es-on-box"), area, 9.0);
                }
                self.words(at, area);
                self.dot(at);
            }
        }
        if state.description.is_some() {
            self.out.push_str("</g>\n");
        }
    }

    /// Regions are divided by dashed lines: one to the left of each but the first of its row, and one above those of
    /// further rows.
    fn divide(&mut self, at: StateIndex, area: Area) {
        let outer = self.places.states[usize::from(self.chart.state(at).parent)];
        let siblings = &self.chart.state(self.chart.state(at).parent).children;
        let position = siblings.iter().position(|one| *one == at).unwrap_or(0);
        let before = position.checked_sub(1).map(|before| self.places.states[usize::from(siblings[before])]);
        let Some(before) = before else { return };
        if before.x < area.x {
            let x = area.x - 8.0;
            self.line(
                "es-divide",
                (x, area.y.min(before.y)),
                (x, (area.y + area.height).max(before.y + before.height)),
            );
        } else {
            let y = area.y - 8.0;
            self.line("es-divide", (outer.x, y), (outer.x + outer.width, y));
        }
    }

    fn dot(&mut self, at: StateIndex) {
        if let Some((x, y)) = self.places.dots.get(&at) {
            let radius = DOT / 2.0 - 1.0;
            let _ = writeln!(
                self.out,
                "<circle class=\"es-ink\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
            );
        }
    }

    /// The name of a state, and the lines below it.
    fn words(&mut self, at: StateIndex, area: Area) {
        let state = self.chart.state(at);
        let name = if at == 0 { self.chart.name() } else { &state.name };
        let lines = &self.arrows.inside[usize::from(at)];
        let is_plain = lines.is_empty() && self.chart.is_leaf(at);
        let y = if is_plain { area.y + area.height / 2.0 + 4.5 } else { area.y + 17.0 };
        let centre = area.x + area.width / 2.0;
        self.text("es-name", "middle", (centre, y), name);
        if !lines.is_empty() && self.chart.is_leaf(at) && state.kind != StateKind::Final {
            self.line("es-rule", (area.x + 1.0, area.y + 24.0), (area.x + area.width - 1.0, area.y + 24.0));
        }
        for (number, (line, transition)) in lines.iter().enumerate() {
            let y = area.y + 36.0 + number as f64 * LINE_HEIGHT;
            let missed = transition.is_some_and(|at| self.marked.is_missed(&[at]));
            let class = if missed { "es-text es-missed-text" } else { "es-text" };
            let (anchor, x) = if state.kind == StateKind::Final || !self.chart.is_leaf(at) {
                ("middle", centre)
            } else {
                ("start", area.x + 10.0)
            };
            self.text(class, anchor, (x, y), line);
        }
    }

    fn arrow(&mut self, arrow: &Arrow, points: &[Point]) {
        let Some((path, tip, from)) = curve(points) else { return };
        let is_dot = matches!(arrow.from, Origin::Dot(_));
        let missed = !is_dot && self.marked.is_missed(&arrow.transitions);
        let class = if missed { "es-line es-missed" } else { "es-line" };
        let _ = writeln!(self.out, "<path class=\"{class}\" d=\"{path}\"/>");
        self.head(tip, from);
    }

    /// The head of an arrow; drawn as a shape, since not every renderer knows markers.
    fn head(&mut self, tip: Point, from: Point) {
        let (dx, dy) = (tip.0 - from.0, tip.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt().max(0.001);
        let (ux, uy) = (dx / length, dy / length);
        let base = (tip.0 - ux * 9.0, tip.1 - uy * 9.0);
        let _ = writeln!(
            self.out,
            "<path class=\"es-ink\" d=\"M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
            tip.0,
            tip.1,
            base.0 - uy * 3.8,
            base.1 + ux * 3.8,
            base.0 + uy * 3.8,
            base.1 - ux * 3.8,
        );
    }

    fn label(&mut self, arrow: &Arrow, (x, y): Point) {
        let top = y - arrow.label_size().1 / 2.0;
        // Only what is written hides the line behind it.
        for (number, line) in arrow.lines.iter().enumerate() {
            let width = measure::width(line, measure::TEXT_SIZE) + 4.0;
            let y = top + 1.5 + number as f64 * LINE_HEIGHT;
            self.rect("es-halo", Area { x: x - width / 2.0, y, width, height: LINE_HEIGHT }, 2.0);
        }
        let missed = !matches!(arrow.from, Origin::Dot(_)) && self.marked.is_missed(&arrow.transitions);
        let class = if missed { "es-text es-missed-text" } else { "es-text" };
        for (number, line) in arrow.lines.iter().enumerate() {
            let y = top + 13.0 + number as f64 * LINE_HEIGHT;
            self.text(class, "middle", (x, y), line);
        }
    }
}

/// A smooth line near all points (a uniform B-spline) that begins and ends in the first and last; with the tip, and
/// where it comes from there.
fn curve(points: &[Point]) -> Option<(String, Point, Point)> {
    let mut distinct: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        let near = |last: &Point| (last.0 - point.0).abs() < 0.05 && (last.1 - point.1).abs() < 0.05;
        if !distinct.last().is_some_and(near) {
            distinct.push(*point);
        }
    }
    let (first, tip) = (*distinct.first()?, *distinct.last()?);
    let before = *distinct.get(distinct.len().checked_sub(2)?)?;
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    if distinct.len() > 2 {
        let mix = |a: Point, b: Point, t: f64| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
        let start = mix(first, distinct[1], 1.0 / 6.0);
        let _ = write!(path, "L{:.1} {:.1}", start.0, start.1);
        distinct.push(tip);
        for window in distinct.windows(3) {
            let [a, b, c] = [window[0], window[1], window[2]];
            let (one, two) = (mix(a, b, 1.0 / 3.0), mix(a, b, 2.0 / 3.0));
            let end = ((a.0 + 4.0 * b.0 + c.0) / 6.0, (a.1 + 4.0 * b.1 + c.1) / 6.0);
            let _ = write!(
                path,
                "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                one.0, one.1, two.0, two.1, end.0, end.1
            );
        }
    }
    let _ = write!(path, "L{:.1} {:.1}", tip.0, tip.1);
    Some((path, tip, before))
}

/// Text as it can stand in XML. Control characters cannot.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
