//! How many instances of each kind there are, by version, by whether they have ended, and by atomic state; kept as they move.
//!
//! It refuses to count anything itself: it is told of each move, and answers nothing where it would have to guess. Its one
//! invariant: what has no instance is not in it, so it is as long as there are states with instances in each version.

use crate::contract::Query;
use everstate_kernel::{IndexKeys, Instance, Labels};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Groups of each kind, ascending by version, the living before the ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census(BTreeMap<String, Vec<Group>>);

/// Instances of one kind and version that all live, or have all ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    version: Arc<str>,
    done: bool,
    all: u64,
    /// Those that are in several atomic states at a time.
    parallel: u64,
    states: BTreeMap<Arc<str>, u64>,
}

impl Group {
    fn new(version: &Arc<str>, done: bool) -> Group {
        Group { version: version.clone(), done, all: 0, parallel: 0, states: BTreeMap::new() }
    }

    fn came(&mut self, labels: &Labels) {
        self.all += 1;
        self.parallel += u64::from(labels.len() > 1);
        for label in labels.iter() {
            match self.states.get_mut(label) {
                Some(count) => *count += 1,
                None => drop(self.states.insert(label.clone(), 1)),
            }
        }
    }

    fn went(&mut self, labels: &Labels) {
        self.all = self.all.saturating_sub(1);
        self.parallel = self.parallel.saturating_sub(u64::from(labels.len() > 1));
        for label in labels.iter() {
            if let Some(count) = self.states.get_mut(label) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.states.remove(label);
                }
            }
        }
    }

    /// How many are in a state or below it; nothing when one of them may be in two such states.
    fn within(&self, state: &str) -> Option<u64> {
        let from = (Bound::Included(state), Bound::Unbounded);
        let begin_so = self.states.range::<str, _>(from).map_while(|(label, count)| {
            let rest = label.strip_prefix(state)?;
            Some((rest, *count))
        });
        let within = begin_so.filter(|(rest, _)| rest.is_empty() || rest.starts_with('.'));
        let (states, count) = within.fold((0, 0), |(states, sum), (_, count)| (states + 1, sum + count));
        (states <= 1 || self.parallel == 0).then_some(count)
    }
}

impl Census {
    /// An instance has moved: from nowhere when it is new, to nowhere when it is gone.
    pub(super) fn moved(&mut self, kind: &str, before: Option<&IndexKeys>, now: Option<&Instance>) {
        let stays = |before: &IndexKeys, now: &Instance| {
            before.labels == now.labels
                && before.done == now.status.is_ended()
                && before.version == now.version
        };
        if before.zip(now).is_some_and(|(before, now)| stays(before, now)) {
            return;
        }
        if !self.0.contains_key(kind) {
            self.0.insert(kind.to_owned(), Vec::new());
        }
        let Some(groups) = self.0.get_mut(kind) else { return };
        if let Some(before) = before
            && let Ok(at) = place(groups, &before.version, before.done)
        {
            groups[at].went(&before.labels);
        }
        if let Some(now) = now {
            let done = now.status.is_ended();
            let at = place(groups, &now.version, done).unwrap_or_else(|at| {
                groups.insert(at, Group::new(&now.version, done));
                at
            });
            groups[at].came(&now.labels);
        }
        groups.retain(|group| group.all > 0);
        if groups.is_empty() {
            self.0.remove(kind);
        }
    }

    /// How many match, if that is known without looking at any of them.
    pub(crate) fn count(&self, query: &Query) -> Option<u64> {
        if query.since.is_some() || query.event.is_some() || !query.fields.is_empty() {
            return None;
        }
        let kinds =
            self.0.iter().filter(|(kind, _)| query.kind.as_ref().is_none_or(|wanted| wanted == *kind));
        let groups = kinds.flat_map(|(_, groups)| groups).filter(|group| {
            query.version.as_ref().is_none_or(|version| **version == *group.version)
                && query.done.is_none_or(|done| done == group.done)
        });
        groups.map(|group| query.state.as_ref().map_or(Some(group.all), |state| group.within(state))).sum()
    }

    /// How many of each kind are in each atomic state.
    pub(crate) fn all(&self) -> Vec<(String, Arc<str>, u64)> {
        let of_kind = |(kind, groups): (&String, &Vec<Group>)| {
            let mut states: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            for (state, count) in groups.iter().flat_map(|group| &group.states) {
                *states.entry(state.clone()).or_default() += count;
            }
            let kind = kind.clone();
            states.into_iter().map(move |(state, count)| (kind.clone(), state, count))
        };
        self.0.iter().flat_map(of_kind).collect()
    }
}

/// Where a group is, or belongs.
fn place(groups: &[Group], version: &str, done: bool) -> Result<usize, usize> {
    groups.binary_search_by(|group| (&*group.version, group.done).cmp(&(version, done)))
}

#[cfg(test)]
mod tests;
