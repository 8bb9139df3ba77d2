//! The soonest timers, in memory. Later ones stay in the store until the window has room: a million timers of
//! next year cost nothing today.

use crate::limits::TIMER_WINDOW_MAX;
use crate::record::TimerKey;
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Every timer up to the horizon, ascending.
#[derive(Debug)]
pub(super) struct Window {
    timers: BTreeSet<TimerKey>,
    horizon: Horizon,
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
    pub(super) fn new() -> Window {
        Window { timers: BTreeSet::new(), horizon: Horizon::Unread }
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

    /// Takes a timer that was set, if it lies within the horizon.
    fn insert(&mut self, key: TimerKey) {
        let within = match &self.horizon {
            Horizon::Unread => false,
            Horizon::Through(last) => key <= *last,
            Horizon::All => true,
        };
        if within {
            self.timers.insert(key);
            self.shrink();
        }
    }

    /// Few timers are left and the store may have more.
    pub(super) fn wants_refill(&self) -> bool {
        self.horizon != Horizon::All && self.timers.len() < TIMER_WINDOW_MAX / 4
    }

    /// Where the store shall read on.
    pub(super) fn horizon(&self) -> Option<&TimerKey> {
        match &self.horizon {
            Horizon::Through(last) => Some(last),
            Horizon::Unread | Horizon::All => None,
        }
    }

    /// Takes the soonest timers after the horizon.
    pub(super) fn refill(&mut self, timers: Vec<TimerKey>, complete: bool) {
        if complete {
            self.horizon = Horizon::All;
        } else if let Some(last) = timers.last() {
            self.horizon = Horizon::Through(last.clone());
        }
        self.timers.extend(timers);
        self.shrink();
    }

    /// Must this timer be in the window, if it is set? For audits.
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
        while self.timers.len() > TIMER_WINDOW_MAX {
            self.timers.pop_last();
            if let Some(last) = self.timers.last() {
                self.horizon = Horizon::Through(last.clone());
            }
        }
    }
}
