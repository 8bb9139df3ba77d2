//! What was found of many instances, grouped: where they stand, where they would stand, and what is in the way.
//!
//! It refuses to know how they are looked at. Its one invariant: every instance is counted once.

use super::carry::Carried;
use super::obstacle::{Note, Obstacle};
use everstate_kernel::{Address, Labels};
use std::collections::BTreeMap;

/// Groups that are kept apart. A chart's instances stand in dozens of configurations; what is beyond is counted together.
const GROUPS_MAX: usize = 1_000;

/// Instances of a group that are named.
const EXAMPLES_MAX: usize = 3;

/// What groups have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Those with something in the way come first.
    clear: bool,
    from: Labels,
    to: Labels,
    obstacles: Vec<Obstacle>,
    notes: Vec<Note>,
}

/// Instances that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where they stand.
    pub from: Labels,
    /// Where they would stand; none when something is in the way.
    pub to: Labels,
    /// What is in the way.
    pub obstacles: Vec<Obstacle>,
    /// What is done on the way.
    pub notes: Vec<Note>,
    /// How many they are.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Address>,
}

/// What was found of many instances.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    groups: BTreeMap<Key, (u64, Vec<Address>)>,
    /// Beyond the groups that are kept apart: those that can be carried over, and those that cannot.
    rest: (u64, u64),
}

impl Survey {
    /// Counts an instance that stands at `from`.
    pub fn count(&mut self, address: &Address, from: &Labels, found: &Result<Carried, Vec<Obstacle>>) {
        let key = match found {
            Ok(carried) => Key {
                clear: true,
                from: from.clone(),
                to: carried.labels.clone(),
                obstacles: Vec::new(),
                notes: carried.notes.clone(),
            },
            Err(obstacles) => Key {
                clear: false,
                from: from.clone(),
                to: Labels::default(),
                obstacles: obstacles.clone(),
                notes: Vec::new(),
            },
        };
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            match key.clear {
                true => self.rest.0 += 1,
                false => self.rest.1 += 1,
            }
            return;
        }
        let (count, examples) = self.groups.entry(key).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(address.clone());
        }
    }

    /// How many can be carried over.
    pub fn clear(&self) -> u64 {
        self.sum(true) + self.rest.0
    }

    /// How many cannot.
    pub fn blocked(&self) -> u64 {
        self.sum(false) + self.rest.1
    }

    fn sum(&self, clear: bool) -> u64 {
        self.groups.iter().filter(|(key, _)| key.clear == clear).map(|(_, group)| group.0).sum()
    }

    /// The groups, those with something in the way first.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        self.groups.iter().map(|(key, (count, examples))| Group {
            from: key.from.clone(),
            to: key.to.clone(),
            obstacles: key.obstacles.clone(),
            notes: key.notes.clone(),
            count: *count,
            examples: examples.clone(),
        })
    }
}
