//! The soonest timers, in memory. Later ones stay in the store until the window has room: a million timers of
//! next year cost nothing today.

use crate::record::TimerKey;
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// Every timer up to the horizon, ascending.
#[derive(Debug)]
pub(super) struct Window {
    timers: BTreeSet<TimerKey>,
    capacity: usize,
    horizon: Horizon,
    /// Timers beyond the horizon that were set since the last commit: a store that is read on now may not have them.
    unsettled: Vec<TimerKey>,
}

/// How far the window reaches.
#[derive(Debug, PartialEq, Eq)]
enum Horizon {
    /// Nothing was read from the store yet.
    Unread,
    /// Every timer up to this one is in the window; the store may have later ones.
    Through(TimerKey),
    /// Every timer there is is in the window.
    All,
}

impl Window {
    pub(super) fn new(capacity: usize) -> Window {
        Window { timers: BTreeSet::new(), capacity, horizon: Horizon::Unread, unsettled: Vec::new() }
    }

    pub(super) fn first(&self) -> Option<&TimerKey> {
        self.timers.first()
    }

    pub(super) fn due_until(&self, now: Time) -> usize {
        self.timers.iter().take_while(|key| key.due <= now).count()
    }

    /// Takes over what a record says of timers.
    pub(super) fn change(&mut self, cleared: &[TimerKey], set: &[TimerKey]) {
        for key in cleared {
            self.timers.remove(key);
        }
        for key in set {
            self.insert(key.clone());
        }
    }

    /// Takes a timer that was set.
    fn insert(&mut self, key: TimerKey) {
        if self.reaches(&key) {
            self.timers.insert(key);
            self.shrink();
        } else {
            self.unsettled.push(key);
        }
    }

    /// Every timer that was set is in the store.
    pub(super) fn settle(&mut self) {
        self.unsettled.clear();
    }

    /// Few timers are left and the store may have more.
    pub(super) fn wants_refill(&self) -> bool {
        self.horizon != Horizon::All && self.timers.len() < self.capacity / 4
    }

    /// Where the store shall read on.
    pub(super) fn horizon(&self) -> Option<&TimerKey> {
        match &self.horizon {
            Horizon::Through(last) => Some(last),
            Horizon::Unread | Horizon::All => None,
        }
    }

    /// Takes the soonest timers after the horizon. One that was cleared since the last commit may be among them; it
    /// wakes its instance for nothing.
    pub(super) fn refill(&mut self, timers: Vec<TimerKey>, complete: bool) {
        self.horizon = match timers.last() {
            Some(last) if !complete => Horizon::Through(last.clone()),
            _ => Horizon::All,
        };
        self.timers.extend(timers);
        for key in core::mem::take(&mut self.unsettled) {
            self.insert(key);
        }
        self.shrink();
    }

    /// Must this timer be in the window, if it is set?
    pub(super) fn reaches(&self, key: &TimerKey) -> bool {
        match &self.horizon {
            Horizon::Unread => false,
            Horizon::Through(last) => key <= last,
            Horizon::All => true,
        }
    }

    pub(super) fn contains(&self, key: &TimerKey) -> bool {
        self.timers.contains(key)
    }

    fn shrink(&mut self) {
        while self.timers.len() > self.capacity {
            self.unsettled.extend(self.timers.pop_last());
            if let Some(last) = self.timers.last() {
                self.horizon = Horizon::Through(last.clone());
            }
        }
    }
}
