//! Order within a key, and nothing else in between: a lane for each key, of which only the head is worked on.
//!
//! Its one invariant: a head stays where it is until it is done with, so a second attempt never comes after a later one.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// What a lane is for: an instance's address.
pub(crate) type Key = Rc<str>;

/// See the file.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    lanes: HashMap<Key, Lane<T>>,
    /// Lanes whose head nobody works on, in the order in which they became so.
    ready: VecDeque<Key>,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    /// Failed attempts at the head.
    failures: u32,
}

impl<T: Clone> Lanes<T> {
    pub(crate) fn new() -> Lanes<T> {
        Lanes { lanes: HashMap::new(), ready: VecDeque::new() }
    }

    /// Puts one at the end of its lane.
    pub(crate) fn push(&mut self, key: Key, item: T) {
        match self.lanes.get_mut(&key) {
            Some(lane) => lane.waiting.push_back(item),
            None => {
                self.lanes.insert(key.clone(), Lane { waiting: VecDeque::from([item]), failures: 0 });
                self.ready.push_back(key);
            }
        }
    }

    /// Heads to work on, each of another lane; their lanes wait for [`Lanes::done`] or [`Lanes::again`].
    pub(crate) fn take(&mut self, max: usize) -> Vec<(Key, T)> {
        let count = max.min(self.ready.len());
        let heads = self.ready.drain(..count).filter_map(|key| {
            let head = self.lanes.get(&key)?.waiting.front()?.clone();
            Some((key, head))
        });
        heads.collect()
    }

    /// The head is done with; the next one of its lane can be taken.
    pub(crate) fn done(&mut self, key: &Key) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.waiting.pop_front();
        lane.failures = 0;
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            self.ready.push_back(key.clone());
        }
    }

    /// The head was not taken; answers how often so far.
    pub(crate) fn failed(&mut self, key: &Key) -> u32 {
        let Some(lane) = self.lanes.get_mut(key) else { return 1 };
        lane.failures = lane.failures.saturating_add(1);
        lane.failures
    }

    /// The head can be taken once more.
    pub(crate) fn again(&mut self, key: &Key) {
        if self.lanes.contains_key(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// Takes out all that nobody has begun with: whole lanes, and what is behind the heads of the others.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut left = Vec::new();
        for key in std::mem::take(&mut self.ready) {
            left.extend(self.lanes.remove(&key).into_iter().flat_map(|lane| lane.waiting));
        }
        for lane in self.lanes.values_mut() {
            left.extend(lane.waiting.drain(1..));
        }
        left
    }
}

#[cfg(test)]
mod tests;
