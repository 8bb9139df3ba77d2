//! How many instances of each kind are in each atomic state, kept as they move.
//!
//! It refuses to count anything itself: it is told of each move. Its one invariant: what has no instance is not in it, so
//! it is as long as there are states with instances.

use everstate_kernel::{IndexKeys, Labels};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instances by kind and atomic state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census(BTreeMap<String, BTreeMap<Arc<str>, u64>>);

impl Census {
    /// An instance has moved: from nowhere when it is new, to nowhere when it is gone.
    pub(super) fn moved(&mut self, kind: &str, before: Option<&IndexKeys>, now: Option<&Labels>) {
        let before = before.map(|before| &before.labels);
        if before == now {
            return;
        }
        if !self.0.contains_key(kind) {
            self.0.insert(kind.to_owned(), BTreeMap::new());
        }
        let Some(states) = self.0.get_mut(kind) else { return };
        for label in before.into_iter().flat_map(|labels| labels.iter()) {
            if let Some(count) = states.get_mut(label) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    states.remove(label);
                }
            }
        }
        for label in now.into_iter().flat_map(|labels| labels.iter()) {
            *states.entry(label.clone()).or_default() += 1;
        }
        if states.is_empty() {
            self.0.remove(kind);
        }
    }

    /// All of it: kind, state, and how many.
    pub(crate) fn all(&self) -> Vec<(String, Arc<str>, u64)> {
        let of_kind = |(kind, states): (&String, &BTreeMap<Arc<str>, u64>)| {
            let kind = kind.clone();
            let states: Vec<_> = states.iter().map(|(state, count)| (state.clone(), *count)).collect();
            states.into_iter().map(move |(state, count)| (kind.clone(), state, count))
        };
        self.0.iter().flat_map(of_kind).collect()
    }
}
