//! Recorded inputs, given to a fresh kernel over plain tables.
//!
//! It refuses to know what recorded them: a simulated node, or the real runtime. Its one invariant: it decides nothing;
//! the inputs say what was stepped, when, and in which order.

use super::whole::Whole;
use everstate_kernel::{Definition, Input, Node, Out, Record, Retain, Time};
use std::sync::Arc;

/// A node that is given what another one was given.
#[derive(Debug)]
pub struct Replay {
    seed: u64,
    retain: Retain,
    node: Node,
    definitions: Vec<(Arc<Definition>, Arc<str>)>,
    /// All that the kernel wanted kept, in order.
    pub records: Vec<Record>,
    /// What those make.
    pub whole: Whole,
}

impl Replay {
    /// An empty node with that seed, and what it keeps where definitions say nothing.
    pub fn new(seed: u64, retain: Retain) -> Replay {
        let (definitions, records) = (Vec::new(), Vec::new());
        let (node, whole) = (Node::new(seed), Whole::default());
        let mut replay = Replay { seed, retain, node, definitions, records, whole };
        replay.restart();
        replay
    }

    /// The process that was recorded ended here, and another one went on.
    pub fn restart(&mut self) {
        self.node = Node::new(self.seed);
        self.node.retain_by_default(self.retain);
        for (definition, source) in &self.definitions {
            self.node.restore_definition(definition.clone(), source.clone());
        }
        let tables = &self.whole.tables;
        self.node.restore(tables.position, tables.outbox.values().cloned().collect());
    }

    /// The next batch: inputs between two commits, with their times.
    pub fn batch(&mut self, inputs: &[(Time, Input)]) {
        for (now, input) in inputs {
            self.step(*now, input);
        }
        self.node.settle(0);
    }

    fn step(&mut self, now: Time, input: &Input) {
        if let Input::Define { definition, source, .. } = input {
            self.definitions.push((definition.clone(), source.clone()));
        }
        let loaded = self.whole.tables.hydrate(&self.node.touches(input));
        self.node.hydrate(loaded);
        let mut out = Out::default();
        self.node.step(now, input.clone(), &mut out);
        self.whole.apply(&out.records);
        self.records.extend(out.records);
    }
}
