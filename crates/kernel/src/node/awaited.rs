//! What an instance waits for besides events: its timers and its tasks, with the keys that the store keeps of them
//! beside the row. It refuses to know when anything is due.
//!
//! Its one invariant: whoever takes a timer or a task in or out here notes its keys, and a key that came and went
//! within one change was never there.

use super::residents::Live;
use crate::address::Address;
use crate::record::{Instance, Serial, Timer, TimerKey};
use crate::task::{Stage, Task, TaskKey};
use alloc::vec::Vec;

/// The keys that go and come with a change of a row.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) timers_cleared: Vec<TimerKey>,
    pub(super) timers_set: Vec<TimerKey>,
    pub(super) tasks_cleared: Vec<TaskKey>,
    pub(super) tasks_set: Vec<TaskKey>,
}

/// The timers and tasks of an instance while a turn works on them.
pub(super) struct Awaited {
    pub(super) timers: Vec<Timer>,
    pub(super) tasks: Vec<Task>,
    pub(super) keys: Keys,
}

impl Keys {
    pub(super) fn clear_timer(&mut self, key: TimerKey) {
        take_out(&mut self.timers_set, &mut self.timers_cleared, key);
    }

    pub(super) fn clear_task(&mut self, address: &Address, task: &Task) {
        if let Some(key) = task.timer(address) {
            self.clear_timer(key);
        }
        if let Some(key) = task.key(address) {
            take_out(&mut self.tasks_set, &mut self.tasks_cleared, key);
        }
    }

    pub(super) fn set_task(&mut self, address: &Address, task: &Task) {
        self.timers_set.extend(task.timer(address));
        self.tasks_set.extend(task.key(address));
    }

    /// All that an instance waits for by itself goes.
    pub(super) fn clear_all(&mut self, row: &Instance) {
        let address = &row.address;
        row.timers.iter().for_each(|timer| self.clear_timer(timer_key(address, timer)));
        row.retry.iter().for_each(|retry| self.clear_timer(retry_key(address, retry.due)));
        row.tasks.iter().for_each(|task| self.clear_task(address, task));
    }

    /// These, and then the others.
    pub(super) fn extend(&mut self, others: Keys) {
        others.timers_cleared.into_iter().for_each(|key| self.clear_timer(key));
        others.tasks_cleared.into_iter().for_each(|key| {
            take_out(&mut self.tasks_set, &mut self.tasks_cleared, key);
        });
        self.timers_set.extend(others.timers_set);
        self.tasks_set.extend(others.tasks_set);
    }
}

fn take_out<K: PartialEq>(set: &mut Vec<K>, cleared: &mut Vec<K>, key: K) {
    match set.iter().position(|other| *other == key) {
        Some(place) => drop(set.remove(place)),
        None => cleared.push(key),
    }
}

impl Awaited {
    pub(super) fn of(row: &Instance) -> Awaited {
        Awaited { timers: row.timers.clone(), tasks: row.tasks.clone(), keys: Keys::default() }
    }

    pub(super) fn add_timer(&mut self, address: &Address, timer: Timer) {
        self.keys.timers_set.push(timer_key(address, &timer));
        self.timers.push(timer);
    }

    pub(super) fn add_task(&mut self, address: &Address, task: Task) {
        self.keys.set_task(address, &task);
        self.tasks.push(task);
    }

    pub(super) fn remove_timers(&mut self, address: &Address, matches: impl Fn(&Timer) -> bool) {
        let keys = &mut self.keys;
        self.timers.retain(|timer| {
            let goes = matches(timer);
            if goes {
                keys.clear_timer(timer_key(address, timer));
            }
            !goes
        });
    }

    pub(super) fn remove_tasks(&mut self, address: &Address, matches: impl Fn(&Task) -> bool) {
        let keys = &mut self.keys;
        self.tasks.retain(|task| {
            let goes = matches(task);
            if goes {
                keys.clear_task(address, task);
            }
            !goes
        });
    }

    /// Takes out what the event of this turn tells of: a timer that fired, or a task that has ended.
    pub(super) fn remove_told(&mut self, address: &Address, told: Option<Serial>) {
        let Some(told) = told else { return };
        self.remove_timers(address, |timer| timer.generation == told);
        self.remove_tasks(address, |task| task.number == told);
    }
}

impl Live {
    /// Takes what an event tells of out of the row: the timer that fired it, or the task that has ended.
    pub(super) fn clear_told(&mut self, told: Option<Serial>, keys: &mut Keys) {
        let Some(told) = told else { return };
        let address = &self.row.address;
        self.row.timers.retain(|timer| {
            let goes = timer.generation == told;
            if goes {
                keys.clear_timer(timer_key(address, timer));
            }
            !goes
        });
        self.row.tasks.retain(|task| {
            let goes = task.number == told;
            if goes {
                keys.clear_task(address, task);
            }
            !goes
        });
    }

    /// The event goes into the mailbox: its timer is gone, and its task stays as one that has ended, until the event is
    /// taken or the task cancelled.
    pub(super) fn keep_told(&mut self, told: Option<Serial>, keys: &mut Keys) {
        let Some(number) = told else { return };
        let address = &self.row.address;
        if let Some(task) = self.row.tasks.iter_mut().find(|task| task.number == number) {
            keys.clear_task(address, task);
            task.stage = Stage::Ended;
            (task.input, task.progress) = Default::default();
            return;
        }
        self.clear_told(told, keys);
    }
}

pub(super) fn timer_key(address: &Address, timer: &Timer) -> TimerKey {
    TimerKey { due: timer.due, address: address.clone(), generation: Some(timer.generation) }
}

pub(super) fn retry_key(address: &Address, due: crate::time::Time) -> TimerKey {
    TimerKey { due, address: address.clone(), generation: None }
}
