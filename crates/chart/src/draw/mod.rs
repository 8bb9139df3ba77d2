//! Charts as pictures: SVG with places of its own, or Mermaid and DOT for other tools to lay out.
//!
//! It refuses to know instances and files: which states are active is an argument. Its one invariant: the same chart
//! and the same marks give the same bytes.

mod arrows;
mod dot;
mod layout;
mod measure;
mod mermaid;
mod svg;
mod wires;

#[cfg(test)]
mod tests;

use crate::chart::{Chart, TransitionIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// States of a chart that is drawn. Nobody reads a picture of more.
pub const DRAWN_STATES_MAX: usize = 2_000;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Ready to be shown.
    Svg,
    /// For Markdown that is rendered with Mermaid.
    Mermaid,
    /// For Graphviz.
    Dot,
}

/// What is marked in a picture.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Paths of active states; their ancestors are marked too.
    pub active: Vec<Arc<str>>,
    /// How often each transition fired, by its number in the order of the document. Where this is given, those that
    /// never did are marked.
    pub fired: Option<BTreeMap<u32, u64>>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// Too many states.
    #[error("the chart has {0} states, and pictures of at most {DRAWN_STATES_MAX} are drawn; draw its parts")]
    TooLarge(usize),
    /// Too many arrows for a layout in reasonable time.
    #[error(
        "the chart has too many arrows for a layout ({0}); --format dot or mermaid leaves that to another tool"
    )]
    Layout(String),
}

/// Draws a chart.
pub fn draw(chart: &Chart, picture: Picture, marks: &Marks) -> Result<String, DrawError> {
    if chart.states.len() > DRAWN_STATES_MAX {
        return Err(DrawError::TooLarge(chart.states.len()));
    }
    let arrows = arrows::of(chart);
    let marked = Marked::new(chart, marks);
    match picture {
        Picture::Mermaid => Ok(mermaid::write(chart, &arrows, &marked)),
        Picture::Dot => Ok(dot::write(chart, &arrows, &marked)),
        Picture::Svg => {
            let wires = wires::of(chart, &arrows.all);
            let places =
                layout::of(chart, &arrows, &wires).map_err(|error| DrawError::Layout(error.to_string()))?;
            Ok(svg::write(chart, &arrows, &places, &marked))
        }
    }
}

/// Marks by numbers.
struct Marked {
    active: BTreeSet<usize>,
    fired: Option<BTreeMap<TransitionIndex, u64>>,
}

impl Marked {
    fn new(chart: &Chart, marks: &Marks) -> Marked {
        let mut active = BTreeSet::new();
        for (at, state) in chart.states.iter().enumerate() {
            if marks.active.contains(&state.path) {
                let mut at = at;
                while at != 0 && active.insert(at) {
                    at = usize::from(chart.states[at].parent);
                }
            }
        }
        Marked { active, fired: marks.fired.clone() }
    }

    /// Did none of these ever fire, as far as anybody counted?
    fn is_missed(&self, transitions: &[TransitionIndex]) -> bool {
        let Some(fired) = &self.fired else { return false };
        transitions.iter().all(|at| fired.get(at).copied().unwrap_or(0) == 0)
    }
}
