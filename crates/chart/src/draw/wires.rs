//! Arrows divided into wires: one for each inside that an arrow runs through, from what is above to what is below.
//!
//! A state is laid out on its own, its sub-states being boxes of known size. An arrow from deep inside one state to
//! deep inside another therefore runs through several insides, and passes their borders at ports. It refuses to know
//! places. Its one invariant: the wires of one inside, taken downwards, have no circle.

use super::arrows::{Arrow, Origin};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::model::StateKind;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a wire ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peg {
    /// Where the inside begins.
    Dot,
    /// A sub-state.
    Child(StateIndex),
    /// The upper border.
    Top,
    /// The lower border.
    Bottom,
}

/// A piece of an arrow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub(super) arrow: usize,
    pub(super) upper: Peg,
    pub(super) lower: Peg,
    /// Is the arrow's label here?
    pub(super) labelled: bool,
}

/// The way of an arrow: insides with the number of the wire there, from its beginning to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    pub(super) legs: Vec<(StateIndex, usize)>,
    /// Does it run upwards?
    pub(super) upwards: bool,
}

/// Wires by the state in whose inside they are, and the way of every arrow.
#[derive(Debug, Default)]
pub(super) struct Wires {
    pub(super) by_state: BTreeMap<StateIndex, Vec<Wire>>,
    pub(super) ways: Vec<Way>,
}

/// The middle of an arrow's way: the inside that has both of its ends.
struct Middle {
    container: StateIndex,
    from: Peg,
    to: Peg,
}

/// Divides all arrows.
pub(super) fn of(chart: &Chart, arrows: &[Arrow]) -> Wires {
    let mut wires = Wires { by_state: BTreeMap::new(), ways: vec![Way::default(); arrows.len()] };
    let middles: Vec<Option<Middle>> = arrows.iter().map(|arrow| middle(chart, arrow)).collect();
    let mut by_container: BTreeMap<StateIndex, Vec<usize>> = BTreeMap::new();
    for (at, middle) in middles.iter().enumerate() {
        if let Some(middle) = middle {
            by_container.entry(middle.container).or_default().push(at);
        }
    }
    for (container, list) in &by_container {
        let pairs: Vec<(Peg, Peg)> =
            list.iter().filter_map(|at| middles[*at].as_ref()).map(|one| (one.from, one.to)).collect();
        for (at, upwards) in list.iter().zip(upward(chart, *container, &pairs)) {
            wires.ways[*at].upwards = upwards;
        }
    }
    for (at, (arrow, middle)) in arrows.iter().zip(&middles).enumerate() {
        if let Some(middle) = middle {
            wires.divide(chart, at, arrow, middle);
        }
    }
    wires
}

/// The child of `outer` that is or has `inner`.
pub(super) fn child_toward(chart: &Chart, outer: StateIndex, inner: StateIndex) -> StateIndex {
    let mut at = inner;
    while at != 0 && chart.state(at).parent != outer {
        at = chart.state(at).parent;
    }
    at
}

/// The state itself, or where that is parallel the region in it that has `inner` inside, and so on; none when that is
/// `inner` itself.
fn region_with(chart: &Chart, outer: StateIndex, inner: StateIndex) -> Option<StateIndex> {
    let mut at = outer;
    while at != inner && chart.state(at).kind == StateKind::Parallel {
        at = child_toward(chart, at, inner);
    }
    (at != inner).then_some(at)
}

/// None for an arrow between regions of a parallel state: each region is laid out on its own.
fn middle(chart: &Chart, arrow: &Arrow) -> Option<Middle> {
    let to = arrow.to;
    let inside = |outer: StateIndex| match chart.state(outer).kind {
        StateKind::Parallel => None,
        _ => Some(outer),
    };
    let toward = |container: StateIndex, state: StateIndex| Peg::Child(child_toward(chart, container, state));
    match arrow.from {
        Origin::Dot(container) => Some(Middle { container, from: Peg::Dot, to: toward(container, to) }),
        Origin::State(from) if chart.is_inside(to, from) => {
            let container = region_with(chart, from, to)?;
            Some(Middle { container, from: Peg::Top, to: toward(container, to) })
        }
        Origin::State(from) if chart.is_inside(from, to) => {
            let container = region_with(chart, to, from)?;
            Some(Middle { container, from: toward(container, from), to: Peg::Bottom })
        }
        Origin::State(from) => {
            let mut container = chart.state(from).parent;
            while container != 0 && !chart.is_inside(to, container) {
                container = chart.state(container).parent;
            }
            let container = inside(container)?;
            Some(Middle { container, from: toward(container, from), to: toward(container, to) })
        }
    }
}

/// Which of the arrows lead back to where one came from. The first state, and then the order of the text, say what
/// is forward.
fn upward(chart: &Chart, container: StateIndex, pairs: &[(Peg, Peg)]) -> Vec<bool> {
    let mut leaving: BTreeMap<Peg, Vec<usize>> = BTreeMap::new();
    for (at, (from, _)) in pairs.iter().enumerate() {
        leaving.entry(*from).or_default().push(at);
    }
    let state = chart.state(container);
    let children = state.children.iter().chain(&state.histories).map(|child| Peg::Child(*child));
    let mut upwards = vec![false; pairs.len()];
    // 1: on the way; 2: done.
    let mut marks: BTreeMap<Peg, u8> = BTreeMap::new();
    for start in [Peg::Dot, Peg::Top].into_iter().chain(children) {
        let mut stack: Vec<(Peg, usize)> = Vec::new();
        if let Entry::Vacant(unseen) = marks.entry(start) {
            unseen.insert(1);
            stack.push((start, 0));
        }
        while let Some((peg, next)) = stack.last_mut() {
            let Some(at) = leaving.get(peg).and_then(|list| list.get(*next)).copied() else {
                marks.insert(*peg, 2);
                stack.pop();
                continue;
            };
            *next += 1;
            let to = pairs[at].1;
            match marks.get(&to) {
                None => {
                    marks.insert(to, 1);
                    stack.push((to, 0));
                }
                Some(1) => upwards[at] = true,
                Some(_) => {}
            }
        }
    }
    upwards
}

impl Wires {
    fn add(&mut self, container: StateIndex, wire: Wire) -> (StateIndex, usize) {
        let list = self.by_state.entry(container).or_default();
        list.push(wire);
        (container, list.len() - 1)
    }

    fn divide(&mut self, chart: &Chart, at: usize, arrow: &Arrow, middle: &Middle) {
        let upwards = self.ways[at].upwards;
        let mut legs = Vec::new();
        if let (Origin::State(from), Peg::Child(outermost)) = (arrow.from, middle.from) {
            let border = if upwards { Peg::Top } else { Peg::Bottom };
            for (container, child) in insides(chart, from, outermost) {
                legs.push(self.pass(at, container, child, border));
            }
        }
        let (upper, lower) = if upwards { (middle.to, middle.from) } else { (middle.from, middle.to) };
        legs.push(self.add(middle.container, Wire { arrow: at, upper, lower, labelled: true }));
        if let Peg::Child(outermost) = middle.to {
            let border = if upwards { Peg::Bottom } else { Peg::Top };
            let mut inner = insides(chart, arrow.to, outermost);
            inner.reverse();
            for (container, child) in inner {
                legs.push(self.pass(at, container, child, border));
            }
        }
        self.ways[at].legs = legs;
    }

    fn pass(
        &mut self,
        arrow: usize,
        container: StateIndex,
        child: StateIndex,
        border: Peg,
    ) -> (StateIndex, usize) {
        let child = Peg::Child(child);
        let (upper, lower) = if border == Peg::Top { (border, child) } else { (child, border) };
        self.add(container, Wire { arrow, upper, lower, labelled: false })
    }
}

/// The insides from around `inner` to that of `outermost`, each with its child on the way. Those of parallel states
/// have no layout of their own.
fn insides(chart: &Chart, inner: StateIndex, outermost: StateIndex) -> Vec<(StateIndex, StateIndex)> {
    let mut all = Vec::new();
    let mut child = inner;
    while child != outermost && child != 0 {
        let container = chart.state(child).parent;
        if chart.state(container).kind != StateKind::Parallel {
            all.push((container, child));
        }
        child = container;
    }
    all
}
