//! The index over segments: which endpoints have patterns that intersect a given one.
//!
//! Patterns of one shape (how many segments, with or without a final `>`) lie in one tree of segments, in which `*` is
//! a segment like others. A topic is looked up along at most two branches for each segment; a pattern whose wildcards
//! come last takes all below the place where its names end. A pattern with a name behind a `*` would have to try every
//! branch: for it, the leaves are listed by the segment they have at a place, and the shortest such list is checked.
//!
//! It refuses to know endpoints: they are numbers here. Its invariant: every number lies in one leaf, whose path is
//! the pattern it was inserted with; nothing is left of a pattern that nobody holds.

use super::pattern::{ANY, Pattern, Shape};
use crate::limits::PATTERN_SEGMENTS_MAX;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// A segment's number in the index. `*` has one of its own.
type Segment = u32;
const STAR: Segment = u32::MAX;
/// A segment that no pattern in the index has.
const UNKNOWN: Segment = u32::MAX - 1;

type Path = [Segment; PATTERN_SEGMENTS_MAX];

#[derive(Debug, Clone)]
pub(super) struct Routes {
    segments: Segments,
    roots: BTreeMap<Shape, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Leaves by shape, place and the segment they have there. Only where a `*` can come before.
    listed: IndexMap<(Shape, u8, Segment), BTreeSet<u32>, FixedState>,
    hasher: FixedState,
}

#[derive(Debug, Clone)]
enum Node {
    Branch(IndexMap<Segment, u32, FixedState>),
    Leaf { path: Box<[Segment]>, numbers: BTreeSet<u64> },
    Free,
}

/// Segments by text, each with how many leaves have it.
#[derive(Debug, Clone)]
struct Segments {
    known: IndexMap<Arc<str>, (Segment, u32), FixedState>,
    free: Vec<Segment>,
}

impl Routes {
    pub(super) fn new(seed: u64) -> Routes {
        let hasher = FixedState::with_seed(seed);
        Routes {
            segments: Segments { known: IndexMap::with_hasher(hasher.clone()), free: Vec::new() },
            roots: BTreeMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            listed: IndexMap::with_hasher(hasher.clone()),
            hasher,
        }
    }

    /// Adds a number; answers the leaf that it lies in, for `remove`.
    pub(super) fn insert(&mut self, pattern: &Pattern, number: u64) -> u32 {
        let shape = pattern.shape();
        let mut buffer = [UNKNOWN; PATTERN_SEGMENTS_MAX];
        let path = self.segments.path(pattern, &mut buffer);
        let leaf = match self.leaf(shape, path) {
            Some(leaf) => leaf,
            None => self.grow(shape, pattern),
        };
        if let Node::Leaf { numbers, .. } = &mut self.nodes[leaf as usize] {
            numbers.insert(number);
        }
        leaf
    }

    /// Takes a number out of the leaf it lies in; a leaf that becomes empty goes with all that led to it alone.
    pub(super) fn remove(&mut self, leaf: u32, pattern: &Pattern, number: u64) {
        let Some(Node::Leaf { path, numbers }) = self.nodes.get_mut(leaf as usize) else { return };
        numbers.remove(&number);
        if !numbers.is_empty() {
            return;
        }
        let path = core::mem::take(path);
        let shape = pattern.shape();
        for (at, segment) in listed_places(&path) {
            let key = (shape, at, segment);
            if let Some(leaves) = self.listed.get_mut(&key) {
                leaves.remove(&leaf);
                if leaves.is_empty() {
                    self.listed.swap_remove(&key);
                }
            }
        }
        self.prune(shape, &path);
        self.segments.release(pattern);
    }

    /// Adds the numbers of all patterns that intersect this one, in no particular order.
    pub(super) fn find(&self, pattern: &Pattern, found: &mut Vec<u64>) {
        let shape = pattern.shape();
        let mut buffer = [UNKNOWN; PATTERN_SEGMENTS_MAX];
        let path = self.segments.path(pattern, &mut buffer);
        for (other, root) in &self.roots {
            if !shape.meets(*other) {
                continue;
            }
            let compared = &path[..path.len().min(usize::from(other.fixed))];
            if is_star_before_name(compared) {
                self.find_listed(*other, compared, found);
            } else {
                self.walk(*root, compared, found);
            }
        }
    }

    fn walk(&self, node: u32, rest: &[Segment], found: &mut Vec<u64>) {
        match (&self.nodes[node as usize], rest) {
            (Node::Leaf { numbers, .. }, _) => found.extend(numbers),
            (Node::Branch(children), [] | [STAR, ..]) => {
                let rest = rest.get(1..).unwrap_or_default();
                children.values().for_each(|child| self.walk(*child, rest, found));
            }
            (Node::Branch(children), [segment, rest @ ..]) => {
                for child in [segment, &STAR].into_iter().filter_map(|segment| children.get(segment)) {
                    self.walk(*child, rest, found);
                }
            }
            (Node::Free, _) => {}
        }
    }

    /// Checks the leaves that have the rarest of the names at its place, or a `*` there.
    fn find_listed(&self, shape: Shape, path: &[Segment], found: &mut Vec<u64>) {
        let at_place = |at: u8, segment: Segment| self.listed.get(&(shape, at, segment));
        let lists = |at: u8, segment: Segment| [at_place(at, segment), at_place(at, STAR)];
        let names = path.iter().enumerate().filter(|(_, segment)| **segment != STAR);
        let rarest = names
            .map(|(at, segment)| lists(at as u8, *segment))
            .min_by_key(|lists| lists.iter().flatten().map(|leaves| leaves.len()).sum::<usize>());
        for leaf in rarest.into_iter().flatten().flatten().flatten() {
            if let Node::Leaf { path: other, numbers } = &self.nodes[*leaf as usize]
                && path.iter().zip(other).all(|(a, b)| a == b || *a == STAR || *b == STAR)
            {
                found.extend(numbers);
            }
        }
    }

    /// The leaf of exactly this path.
    fn leaf(&self, shape: Shape, path: &[Segment]) -> Option<u32> {
        let mut node = *self.roots.get(&shape)?;
        for segment in path {
            let Node::Branch(children) = &self.nodes[node as usize] else { return None };
            node = *children.get(segment)?;
        }
        Some(node)
    }

    /// Makes the leaf of a pattern that nobody holds yet, and what leads to it.
    fn grow(&mut self, shape: Shape, pattern: &Pattern) -> u32 {
        let path = self.segments.acquire(pattern);
        let mut node = match self.roots.get(&shape) {
            Some(root) => *root,
            None => {
                let root = self.sprout(&path);
                self.roots.insert(shape, root);
                root
            }
        };
        for (at, segment) in path.iter().enumerate() {
            let known = match &self.nodes[node as usize] {
                Node::Branch(children) => children.get(segment).copied(),
                Node::Leaf { .. } | Node::Free => None,
            };
            node = match known {
                Some(child) => child,
                None => {
                    let child = self.sprout(&path[at + 1..]);
                    if let Node::Branch(children) = &mut self.nodes[node as usize] {
                        children.insert(*segment, child);
                    }
                    child
                }
            };
        }
        for (at, segment) in listed_places(&path) {
            self.listed.entry((shape, at, segment)).or_default().insert(node);
        }
        if let Node::Leaf { path: kept, .. } = &mut self.nodes[node as usize] {
            *kept = path;
        }
        node
    }

    /// A new node: a branch when there are segments to come, otherwise a leaf.
    fn sprout(&mut self, rest: &[Segment]) -> u32 {
        let node = if rest.is_empty() {
            Node::Leaf { path: Box::default(), numbers: BTreeSet::new() }
        } else {
            Node::Branch(IndexMap::with_hasher(self.hasher.clone()))
        };
        match self.free.pop() {
            Some(place) => {
                self.nodes[place as usize] = node;
                place
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// Removes the leaf of this path, and every branch that is left without children.
    fn prune(&mut self, shape: Shape, path: &[Segment]) {
        let Some(root) = self.roots.get(&shape).copied() else { return };
        let mut trail: Vec<u32> = Vec::with_capacity(path.len() + 1);
        trail.push(root);
        for segment in path {
            let Some(Node::Branch(children)) = trail.last().map(|node| &self.nodes[*node as usize]) else {
                return;
            };
            let Some(child) = children.get(segment) else { return };
            trail.push(*child);
        }
        for (depth, node) in trail.iter().enumerate().rev() {
            if matches!(&self.nodes[*node as usize], Node::Branch(children) if !children.is_empty()) {
                return;
            }
            self.nodes[*node as usize] = Node::Free;
            self.free.push(*node);
            match depth.checked_sub(1) {
                None => drop(self.roots.remove(&shape)),
                Some(above) => {
                    if let Node::Branch(children) = &mut self.nodes[trail[above] as usize] {
                        children.swap_remove(&path[above]);
                    }
                }
            }
        }
    }

    /// Nodes, lists and segments in use; for tests that nothing is left behind.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize, usize) {
        (self.nodes.len() - self.free.len(), self.listed.len(), self.segments.known.len())
    }
}

/// Is there a name behind a `*`, so that every branch at the `*` would have to be tried?
fn is_star_before_name(path: &[Segment]) -> bool {
    let star = path.iter().position(|segment| *segment == STAR);
    star.is_some_and(|star| path[star..].iter().any(|segment| *segment != STAR))
}

/// The places at which a leaf is listed: none when there is one segment alone, before which no `*` can come.
fn listed_places(path: &[Segment]) -> impl Iterator<Item = (u8, Segment)> {
    let listed = if path.len() > 1 { path } else { &[] };
    listed.iter().enumerate().map(|(at, segment)| (at as u8, *segment))
}

impl Segments {
    /// The numbers of a pattern's segments as far as they are known.
    fn path<'a>(&self, pattern: &Pattern, buffer: &'a mut Path) -> &'a [Segment] {
        let mut length = 0;
        for (slot, segment) in buffer.iter_mut().zip(pattern.fixed()) {
            *slot = match segment {
                ANY => STAR,
                name => self.known.get(name).map_or(UNKNOWN, |(number, _)| *number),
            };
            length += 1;
        }
        &buffer[..length]
    }

    /// The numbers of a pattern's segments, which stay known until they are released.
    fn acquire(&mut self, pattern: &Pattern) -> Box<[Segment]> {
        let number_of = |segment: &str| {
            if segment == ANY {
                return STAR;
            }
            if let Some((number, uses)) = self.known.get_mut(segment) {
                *uses += 1;
                return *number;
            }
            let number = self.free.pop().unwrap_or(self.known.len() as Segment);
            self.known.insert(Arc::from(segment), (number, 1));
            number
        };
        pattern.fixed().map(number_of).collect()
    }

    fn release(&mut self, pattern: &Pattern) {
        for segment in pattern.fixed() {
            let Some((number, uses)) = self.known.get_mut(segment) else { continue };
            *uses -= 1;
            if *uses == 0 {
                self.free.push(*number);
                self.known.swap_remove(segment);
            }
        }
    }
}
