//! Machines in Rust for the benches: one that counts, and three that meet in a space.
//!
//! It refuses to do any work but what is measured. Its one invariant: what is to be counted is counted in a state, so that
//! a bench sees whether all of it was done.

use everstate::{Behaviour, Context, Create, Durability, Place, Policy, Signal, Taking};
use serde::{Deserialize, Serialize};

/// Adds up; kept nowhere but in memory.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Counter(pub(crate) u64);

impl Behaviour for Counter {
    const NAME: &str = "counters";
    type Message = u64;
    type Reply = u64;
    type Error = ();

    fn handle(&mut self, more: u64, _: &mut Context<'_, Counter>) -> Result<u64, ()> {
        self.0 += more;
        Ok(self.0)
    }

    fn policy() -> Policy {
        in_memory()
    }
}

/// Made by the first message, and not written before it is answered.
fn in_memory() -> Policy {
    Policy { create: Create::OnDemand, durability: Durability::None, ..Policy::default() }
}

/// The topic that is subscribed to once.
const WANTED: &str = "topic/wanted";

/// Endpoints of one [`Crowd`].
pub(crate) const EACH: u64 = 250;

/// Subscribes to topics that nobody publishes about.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Crowd;

impl Behaviour for Crowd {
    const NAME: &str = "crowds";
    /// The number of its first endpoint, and how many.
    type Message = (u64, u64);
    type Reply = ();
    type Error = ();

    fn handle(&mut self, (first, count): (u64, u64), context: &mut Context<'_, Crowd>) -> Result<(), ()> {
        for number in first..first + count.min(EACH) {
            let taking = Taking::subscriber(&format!("topic/other-{number}"));
            context.join(Place::Here, &format!("e{number}"), taking);
        }
        Ok(())
    }
}

/// Subscribes to the topic and counts what it gets.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Listener(pub(crate) u64);

/// What a listener is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ear {
    Open,
    Count,
}

impl Behaviour for Listener {
    const NAME: &str = "listeners";
    type Message = Ear;
    type Reply = u64;
    type Error = ();

    fn handle(&mut self, ear: Ear, context: &mut Context<'_, Listener>) -> Result<u64, ()> {
        if let Ear::Open = ear {
            context.join(Place::Here, "ear", Taking::subscriber(WANTED));
        }
        Ok(self.0)
    }

    fn signal(&mut self, signal: Signal, _: &mut Context<'_, Listener>) {
        if let Signal::Published { .. } = signal {
            self.0 += 1;
        }
    }
}

/// Publishes, joins and leaves.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Talker;

/// What a talker is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Talk {
    /// So often, in one turn.
    Publish(u64),
    /// An endpoint that matches nobody.
    Join,
    Leave,
}

impl Behaviour for Talker {
    const NAME: &str = "talkers";
    type Message = Talk;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, talk: Talk, context: &mut Context<'_, Talker>) -> Result<(), ()> {
        match talk {
            Talk::Publish(times) => (0..times).for_each(|_| context.publish(Place::Here, WANTED, ())),
            Talk::Join => context.join(Place::Here, "own", Taking::subscriber("topic/own")),
            Talk::Leave => context.leave(Place::Here, "own"),
        }
        Ok(())
    }
}
