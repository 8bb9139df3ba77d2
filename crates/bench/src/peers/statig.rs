//! The machine of tour.yaml compiled by statig: how little a statechart can cost when nothing is interpreted.
//!
//! It refuses to be clever: it is written as its guide shows. Its one invariant: the same states are left and
//! entered, with the same actions.

use statig::prelude::*;

/// The event that leads to and fro.
#[derive(Debug)]
pub(crate) struct Step;

/// The machine's data.
#[derive(Debug)]
pub(crate) struct Tour {
    pub(crate) entered: u64,
    pub(crate) exited: u64,
    pub(crate) limit: u64,
}

impl Default for Tour {
    fn default() -> Tour {
        Tour { entered: 0, exited: 0, limit: 1_000_000_000 }
    }
}

#[state_machine(initial = "State::idle()")]
impl Tour {
    #[state(superstate = "left", entry_action = "enter", exit_action = "leave")]
    fn idle(&mut self, event: &Step) -> Outcome<State> {
        match event {
            Step if self.entered < self.limit => Transition(State::busy()),
            Step => Super,
        }
    }

    #[state(superstate = "right", entry_action = "enter", exit_action = "leave")]
    fn busy(&mut self, event: &Step) -> Outcome<State> {
        match event {
            Step if self.entered < self.limit => Transition(State::idle()),
            Step => Super,
        }
    }

    #[superstate(superstate = "middle", entry_action = "enter", exit_action = "leave")]
    fn left() -> Outcome<State> {
        Super
    }

    #[superstate(superstate = "middle", entry_action = "enter", exit_action = "leave")]
    fn right() -> Outcome<State> {
        Super
    }

    #[superstate(superstate = "outer")]
    fn middle() -> Outcome<State> {
        Super
    }

    #[superstate]
    fn outer() -> Outcome<State> {
        Super
    }

    #[action]
    fn enter(&mut self) {
        self.entered += 1;
    }

    #[action]
    fn leave(&mut self) {
        self.exited += 1;
    }
}

/// Takes that many events and answers how many states were entered.
pub(crate) fn run(events: u64) -> u64 {
    let mut machine = Tour::default().state_machine();
    machine.init();
    for _ in 0..events {
        machine.handle(std::hint::black_box(&Step));
    }
    machine.inner().entered
}
