//! Places: every state's inside is laid out in layers on its own, and is then a box of known size in its parent's.
//!
//! It refuses to know how a picture is written. Its one invariant: the same chart has the same places everywhere.

use super::arrows::{Arrow, Arrows};
use super::measure::{self, LINE_HEIGHT, NAME_SIZE, TEXT_SIZE};
use super::wires::{Peg, Way, Wire, Wires};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::model::StateKind;
use dugong::graphlib::{Graph, GraphOptions};
use dugong::{EdgeLabel, GraphLabel, LayoutError, NodeLabel, WorkControl, WorkError};
use std::collections::BTreeMap;

/// Between a border and what is inside.
const PADDING: f64 = 16.0;
/// The height of a state's name.
const HEAD: f64 = 24.0;
/// The size of initial dots.
pub(super) const DOT: f64 = 14.0;
/// The size of histories.
pub(super) const HISTORY: f64 = 24.0;
/// Wider rows of regions are broken.
const REGIONS_WIDTH_MAX: f64 = 1_400.0;
/// What the layout may cost. A chart of 50 states takes less than a hundredth; one of thousands is no picture.
const WORK_MAX: u64 = 2_000_000_000;

pub(super) type Point = (f64, f64);

/// A rectangle by its upper left corner.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) states: Vec<Area>,
    /// Centres of initial dots, by the state whose inside they begin.
    pub(super) dots: BTreeMap<StateIndex, Point>,
    /// Points of every arrow, from its beginning.
    pub(super) arrows: Vec<Vec<Point>>,
    /// Centres of labels.
    pub(super) labels: Vec<Option<Point>>,
}

/// One inside with places relative to its upper left corner.
#[derive(Debug, Default, Clone)]
struct Inside {
    size: (f64, f64),
    children: BTreeMap<StateIndex, Point>,
    dot: Option<Point>,
    wires: Vec<Vec<Point>>,
    labels: Vec<Option<Point>>,
}

struct Layout<'a> {
    chart: &'a Chart,
    arrows: &'a Arrows,
    wires: &'a Wires,
    sizes: Vec<(f64, f64)>,
    insides: BTreeMap<StateIndex, Inside>,
    budget: Budget,
}

/// What the layout may still cost.
struct Budget(u64);

impl WorkControl for Budget {
    fn charge(&mut self, units: usize) -> Result<(), WorkError> {
        self.0 = self.0.checked_sub(units as u64).ok_or(WorkError::Interrupted)?;
        Ok(())
    }
}

/// Finds a place for everything; none where that would take too long.
pub(super) fn of(chart: &Chart, arrows: &Arrows, wires: &Wires) -> Result<Places, LayoutError> {
    let sizes = vec![(0.0, 0.0); chart.states.len()];
    let budget = Budget(WORK_MAX);
    let mut layout = Layout { chart, arrows, wires, sizes, insides: BTreeMap::new(), budget };
    // Sub-states come after their parents.
    for at in (0..chart.states.len()).rev() {
        layout.measure(at as StateIndex)?;
    }
    Ok(layout.place())
}

/// The height of what stands above the inside of a state: its name and lines.
fn head(arrows: &Arrows, state: StateIndex) -> f64 {
    HEAD + arrows.inside[usize::from(state)].len() as f64 * LINE_HEIGHT
}

/// The size of a state's own text.
fn text_size(chart: &Chart, arrows: &Arrows, at: StateIndex) -> (f64, f64) {
    let state = chart.state(at);
    let name = if at == 0 { chart.name() } else { &state.name };
    let lines = &arrows.inside[usize::from(at)];
    let widest = lines.iter().map(|(line, _)| measure::width(line, TEXT_SIZE)).fold(0.0, f64::max);
    let width = widest.max(measure::width(name, NAME_SIZE)) + 24.0;
    (width, if lines.is_empty() { 32.0 } else { head(arrows, at) + 10.0 })
}

impl Layout<'_> {
    fn measure(&mut self, at: StateIndex) -> Result<(), LayoutError> {
        let text = text_size(self.chart, self.arrows, at);
        self.sizes[usize::from(at)] = match self.chart.state(at).kind {
            StateKind::Atomic => text,
            StateKind::Final => (text.0 + 12.0, text.1),
            StateKind::History { .. } => (HISTORY, HISTORY),
            StateKind::Compound => {
                let inside = self.layers(at)?;
                self.boxed(at, text, inside)
            }
            StateKind::Parallel => {
                let inside = self.regions(at);
                self.boxed(at, text, inside)
            }
        };
        Ok(())
    }

    fn boxed(&mut self, at: StateIndex, text: (f64, f64), mut inside: Inside) -> (f64, f64) {
        let width = (inside.size.0 + 2.0 * PADDING).max(text.0);
        let height = head(self.arrows, at) + inside.size.1 + 2.0 * PADDING - 4.0;
        // The inside is centred below the text.
        let shift = ((width - inside.size.0) / 2.0, head(self.arrows, at) + PADDING - 4.0);
        inside.shift(shift);
        self.insides.insert(at, inside);
        (width, height)
    }

    /// Regions stand side by side, all of one height.
    fn regions(&mut self, at: StateIndex) -> Inside {
        let state = self.chart.state(at);
        let mut inside = Inside::default();
        let mut rows: Vec<Vec<StateIndex>> = vec![Vec::new()];
        let mut width = 0.0;
        for region in &state.children {
            let own = self.sizes[usize::from(*region)].0;
            if width + own > REGIONS_WIDTH_MAX && width > 0.0 {
                rows.push(Vec::new());
                width = 0.0;
            }
            width += own;
            if let Some(row) = rows.last_mut() {
                row.push(*region);
            }
        }
        let mut y = 0.0;
        for row in &rows {
            let height = row.iter().map(|one| self.sizes[usize::from(*one)].1).fold(0.0, f64::max);
            let mut x = 0.0;
            for region in row {
                let size = &mut self.sizes[usize::from(*region)];
                // Only what has an inside grows with its row.
                if !self.chart.is_leaf(*region) {
                    size.1 = height;
                }
                inside.children.insert(*region, (x, y + (height - size.1) / 2.0));
                x += size.0 + PADDING;
            }
            inside.size.0 = inside.size.0.max(x - PADDING);
            y += height + PADDING;
        }
        let mut x = 0.0;
        for history in &state.histories {
            inside.children.insert(*history, (x, y));
            x += HISTORY + PADDING;
        }
        if x > 0.0 {
            y += HISTORY + PADDING;
        }
        inside.size = (inside.size.0.max(x), y - PADDING);
        inside
    }

    /// Sub-states of a compound state in layers, with the wires between them.
    fn layers(&mut self, at: StateIndex) -> Result<Inside, LayoutError> {
        let none = Vec::new();
        let wires = self.wires.by_state.get(&at).unwrap_or(&none);
        let state = self.chart.state(at);
        let mut graph: Graph<NodeLabel, EdgeLabel, GraphLabel> =
            Graph::new(GraphOptions { directed: true, multigraph: true, compound: false });
        let has_ports = wires.iter().any(|wire| wire.upper == Peg::Top || wire.lower == Peg::Bottom);
        // This ranker puts everything that nothing follows, and so all ports, into the last layer.
        let ranker = has_ports.then(|| "longest-path".to_owned());
        graph.set_graph(GraphLabel {
            nodesep: 30.0,
            ranksep: 34.0,
            edgesep: 18.0,
            ranker,
            ..GraphLabel::default()
        });
        let node = |(width, height): (f64, f64)| NodeLabel { width, height, ..NodeLabel::default() };
        if wires.iter().any(|wire| wire.upper == Peg::Dot) {
            graph.set_node("dot", node((DOT, DOT)));
        }
        let children: Vec<StateIndex> =
            (at + 1..state.end).filter(|child| self.chart.state(*child).parent == at).collect();
        for child in &children {
            graph.set_node(child.to_string(), node(self.sizes[usize::from(*child)]));
        }
        let depth = Depth::of(wires);
        for (number, wire) in wires.iter().enumerate() {
            let (width, height) =
                if wire.labelled { self.arrows.all[wire.arrow].label_size() } else { (0.0, 0.0) };
            let upper = name_of(wire.upper, number);
            let lower = name_of(wire.lower, number);
            for peg in [(&upper, wire.upper), (&lower, wire.lower)] {
                if matches!(peg.1, Peg::Top | Peg::Bottom) {
                    graph.set_node(peg.0.clone(), node((1.0, 1.0)));
                }
            }
            let label = EdgeLabel {
                width,
                height,
                minlen: depth.length(wire),
                weight: if wire.upper == Peg::Dot { 3.0 } else { 1.0 },
                ..EdgeLabel::default()
            };
            graph.set_edge_named(upper, lower, Some(number.to_string()), Some(label));
        }
        dugong::layout_controlled(&mut graph, &mut self.budget)?;
        Ok(self.read(&graph, &children, wires))
    }

    fn read(
        &self,
        graph: &Graph<NodeLabel, EdgeLabel, GraphLabel>,
        children: &[StateIndex],
        wires: &[Wire],
    ) -> Inside {
        let mut inside = Inside::default();
        let centre = |name: &str| {
            let node = graph.node(name)?;
            Some((node.x?, node.y?))
        };
        let mut extent = Extent::default();
        for child in children {
            let (x, y) = centre(&child.to_string()).unwrap_or_default();
            let (width, height) = self.sizes[usize::from(*child)];
            let corner = (x - width / 2.0, y - height / 2.0);
            extent.add(corner, (width, height));
            inside.children.insert(*child, corner);
        }
        inside.dot = centre("dot");
        if let Some((x, y)) = inside.dot {
            extent.add((x - DOT / 2.0, y - DOT / 2.0), (DOT, DOT));
        }
        for (number, wire) in wires.iter().enumerate() {
            let name = number.to_string();
            let edge = graph.edge(&name_of(wire.upper, number), &name_of(wire.lower, number), Some(&name));
            let points = edge.map(|edge| edge.points.iter().map(|point| (point.x, point.y)).collect());
            let points: Vec<Point> = points.unwrap_or_default();
            points.iter().for_each(|point| extent.add(*point, (0.0, 0.0)));
            let label = edge
                .and_then(|edge| Some((edge.x?, edge.y?)))
                .filter(|_| wire.labelled && !self.arrows.all[wire.arrow].lines.is_empty());
            if let Some((x, y)) = label {
                let size = self.arrows.all[wire.arrow].label_size();
                extent.add((x - size.0 / 2.0, y - size.1 / 2.0), size);
            }
            inside.wires.push(points);
            inside.labels.push(label);
        }
        inside.shift((-extent.from.0, -extent.from.1));
        inside.size = (extent.to.0 - extent.from.0, extent.to.1 - extent.from.1);
        inside
    }

    /// From relative to absolute places, and from wires to arrows.
    fn place(&self) -> Places {
        let states = self.chart.states.len();
        let count = self.arrows.all.len();
        let mut places = Places {
            states: vec![Area::default(); states],
            dots: BTreeMap::new(),
            arrows: vec![Vec::new(); count],
            labels: vec![None; count],
        };
        for at in 0..states {
            let (width, height) = self.sizes[at];
            let index = at as StateIndex;
            let parent = self.chart.state(index).parent;
            let outer = places.states[usize::from(parent)];
            let corner = self.insides.get(&parent).and_then(|inside| inside.children.get(&index));
            let (x, y) = if at == 0 { (0.0, 0.0) } else { corner.copied().unwrap_or_default() };
            places.states[at] = Area { x: outer.x + x, y: outer.y + y, width, height };
            if let Some(dot) = self.insides.get(&index).and_then(|inside| inside.dot) {
                let area = places.states[at];
                places.dots.insert(index, (area.x + dot.0, area.y + dot.1));
            }
        }
        for (at, way) in self.wires.ways.iter().enumerate() {
            let (points, label) = self.route(&places, at, way);
            places.arrows[at] = points;
            places.labels[at] = label;
        }
        places
    }

    /// The points of an arrow through all insides on its way.
    fn route(&self, places: &Places, at: usize, way: &Way) -> (Vec<Point>, Option<Point>) {
        let mut points: Vec<Point> = Vec::new();
        let mut label = None;
        for (container, number) in &way.legs {
            let (Some(inside), Some(wires)) =
                (self.insides.get(container), self.wires.by_state.get(container))
            else {
                continue;
            };
            let (area, wire) = (places.states[usize::from(*container)], wires[*number]);
            let absolute = |point: &Point| (area.x + point.0, area.y + point.1);
            let mut leg: Vec<Point> = inside.wires.get(*number).into_iter().flatten().map(absolute).collect();
            // Lines meet a border at a right angle: the place inside of it stays on the way.
            if let (Peg::Top, Some(first)) = (wire.upper, leg.first().copied()) {
                leg.insert(0, (first.0, area.y));
            }
            if let (Peg::Bottom, Some(last)) = (wire.lower, leg.last().copied()) {
                leg.push((last.0, area.y + area.height));
            }
            if way.upwards {
                leg.reverse();
            }
            if wire.labelled {
                label = inside.labels.get(*number).and_then(Option::as_ref).map(absolute);
            }
            join(&mut points, leg, !wire.labelled);
        }
        if points.len() < 2 {
            points = self.straight(places, at);
            let (first, last) = (points[0], points[points.len() - 1]);
            label = Some(((first.0 + last.0) / 2.0, (first.1 + last.1) / 2.0));
            if self.arrows.all[at].lines.is_empty() {
                label = None;
            }
        }
        self.reach(places, at, &mut points);
        (points, label)
    }

    /// Ends an arrow at the shape that it leads to, which may not be the rectangle that the layout knew.
    fn reach(&self, places: &Places, at: usize, points: &mut Vec<Point>) {
        let to = self.arrows.all[at].to;
        let state = self.chart.state(to);
        let area = places.states[usize::from(to)];
        let is_round = matches!(state.kind, StateKind::Final | StateKind::History { .. });
        // The insides of parallel states have no wires: the last piece is a straight one.
        let last = points.last().copied().unwrap_or_default();
        let is_away = last.0 < area.x - 1.0
            || last.0 > area.x + area.width + 1.0
            || last.1 < area.y - 1.0
            || last.1 > area.y + area.height + 1.0;
        if is_away {
            let x = last.0.clamp(area.x, area.x + area.width);
            points.push((x, last.1.clamp(area.y, area.y + area.height)));
        }
        let Some(last) = points.last_mut().filter(|_| is_round) else { return };
        let radius = area.height / 2.0;
        let middle = area.y + radius;
        let spine = (last.0.clamp(area.x + radius, area.x + area.width - radius), middle);
        let (dx, dy) = (last.0 - spine.0, last.1 - spine.1);
        let distance = (dx * dx + dy * dy).sqrt();
        if distance > radius {
            *last = (spine.0 + dx * radius / distance, spine.1 + dy * radius / distance);
        }
    }

    /// Where no layout has the arrow: between two regions, from the nearest sides.
    fn straight(&self, places: &Places, at: usize) -> Vec<Point> {
        let arrow: &Arrow = &self.arrows.all[at];
        let from = match arrow.from {
            super::arrows::Origin::State(state) | super::arrows::Origin::Dot(state) => state,
        };
        let (a, b) = (places.states[usize::from(from)], places.states[usize::from(arrow.to)]);
        let middle = |area: Area| area.y + area.height / 2.0;
        // Between a parallel state and something directly in it.
        if self.chart.is_inside(arrow.to, from) {
            let x = b.x + b.width / 2.0;
            return vec![(x, a.y), (x, b.y)];
        }
        if self.chart.is_inside(from, arrow.to) {
            let x = a.x + a.width / 2.0;
            return vec![(x, a.y + a.height), (x, b.y + b.height)];
        }
        if a.x <= b.x {
            vec![(a.x + a.width, middle(a)), (b.x, middle(b))]
        } else {
            vec![(a.x, middle(a)), (b.x + b.width, middle(b))]
        }
    }
}

/// Puts a leg after what is there. Where they meet at a border, the port's place counts: `inner` says that the new leg
/// is the one that knows it.
fn join(points: &mut Vec<Point>, mut leg: Vec<Point>, inner: bool) {
    if points.is_empty() || leg.is_empty() {
        points.append(&mut leg);
        return;
    }
    if inner {
        points.pop();
        points.append(&mut leg);
    } else {
        points.extend(leg.into_iter().skip(1));
    }
}

fn name_of(peg: Peg, wire: usize) -> String {
    match peg {
        Peg::Dot => "dot".to_owned(),
        Peg::Child(state) => state.to_string(),
        Peg::Top | Peg::Bottom => format!("port{wire}"),
    }
}

/// How many layers are below everything, so that wires from the upper border can reach from the first layer.
struct Depth {
    below: BTreeMap<Peg, usize>,
    all: usize,
}

impl Depth {
    fn of(wires: &[Wire]) -> Depth {
        let mut below: BTreeMap<Peg, usize> = BTreeMap::new();
        // Wires have no circle, so this ends after as many rounds as the longest way has steps.
        for _ in 0..=wires.len() {
            let mut changed = false;
            for wire in wires.iter().filter(|wire| wire.upper != Peg::Top) {
                let lower =
                    if wire.lower == Peg::Bottom { 0 } else { below.get(&wire.lower).copied().unwrap_or(0) };
                let known = below.entry(wire.upper).or_default();
                if *known < lower + 1 {
                    *known = lower + 1;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let all = below.values().copied().max().unwrap_or(0);
        Depth { below, all }
    }

    fn length(&self, wire: &Wire) -> usize {
        match (wire.upper, wire.lower) {
            (Peg::Top, lower) => (self.all - self.below.get(&lower).copied().unwrap_or(0).min(self.all)) + 1,
            _ => 1,
        }
    }
}

/// The least rectangle around what was added.
struct Extent {
    from: Point,
    to: Point,
}

impl Default for Extent {
    fn default() -> Extent {
        Extent { from: (f64::MAX, f64::MAX), to: (f64::MIN, f64::MIN) }
    }
}

impl Extent {
    fn add(&mut self, corner: Point, size: (f64, f64)) {
        self.from = (self.from.0.min(corner.0), self.from.1.min(corner.1));
        self.to = (self.to.0.max(corner.0 + size.0), self.to.1.max(corner.1 + size.1));
    }
}

impl Inside {
    fn shift(&mut self, by: Point) {
        let moved = |point: &mut Point| *point = (point.0 + by.0, point.1 + by.1);
        self.children.values_mut().for_each(moved);
        self.dot.iter_mut().for_each(moved);
        self.wires.iter_mut().flatten().for_each(moved);
        self.labels.iter_mut().flatten().for_each(moved);
    }
}
