//! A window much smaller than its timers, beside a store that is read at any moment: no timer is lost or late.

use super::Window;
use crate::address::Address;
use crate::record::{Serial, TimerKey};
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Set(i64),
    /// Cancels one of those set.
    Clear(usize),
    /// Fires the first one in the window.
    Fire,
    /// Reads the store as the last commit left it.
    Refill(usize),
    Commit,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..50i64).prop_map(Act::Set),
        2 => (0..20usize).prop_map(Act::Clear),
        2 => Just(Act::Fire),
        2 => (1..8usize).prop_map(Act::Refill),
        2 => Just(Act::Commit),
    ];
    prop::collection::vec(act, 0..80)
}

/// The window, what is committed, and what is true.
struct Model {
    window: Window,
    committed: BTreeSet<TimerKey>,
    timers: BTreeSet<TimerKey>,
    count: u64,
    address: Address,
}

impl Model {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Set(due) => {
                self.count += 1;
                let (due, generation) = (Time(*due), Some(Serial(self.count)));
                let key = TimerKey { due, address: self.address.clone(), generation };
                self.timers.insert(key.clone());
                self.window.change(&[], &[key]);
            }
            Act::Clear(place) => {
                if let Some(key) = self.timers.iter().nth(*place).cloned() {
                    self.timers.remove(&key);
                    self.window.change(&[key], &[]);
                }
            }
            Act::Fire => {
                if let Some(key) = self.window.first().cloned() {
                    // A stale one wakes nobody; any other is the first there is.
                    if self.timers.contains(&key) {
                        assert_eq!(self.timers.first(), Some(&key));
                    }
                    self.timers.remove(&key);
                    self.window.change(&[key], &[]);
                }
            }
            Act::Refill(limit) => self.refill(*limit),
            Act::Commit => {
                self.committed = self.timers.clone();
                self.window.settle();
            }
        }
        let lost = self.timers.iter().find(|key| self.window.reaches(key) && !self.window.contains(key));
        assert_eq!(lost, None, "it is set and nobody will wake it");
        assert!(self.window.timers.len() <= self.window.capacity);
    }

    fn refill(&mut self, limit: usize) {
        if !self.window.wants_refill() {
            return;
        }
        let after = self.window.horizon().map_or(Bound::Unbounded, Bound::Excluded);
        let timers: Vec<TimerKey> =
            self.committed.range((after, Bound::Unbounded)).take(limit).cloned().collect();
        let complete = timers.len() < limit;
        self.window.refill(timers, complete);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_timer_is_lost_or_late(acts in acts(), capacity in 4..12usize) {
        let mut model = Model {
            window: Window::new(capacity),
            committed: BTreeSet::new(),
            timers: BTreeSet::new(),
            count: 0,
            address: Address::parse("cup/1").unwrap(),
        };
        for act in &acts {
            model.act(act);
        }
        // In the end all of them fire.
        for _ in 0..500 {
            for act in [Act::Commit, Act::Refill(3), Act::Fire] {
                model.act(&act);
            }
        }
        prop_assert!(model.timers.is_empty() && model.window.first().is_none());
    }
}
