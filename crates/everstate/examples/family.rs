//! A parent whose child fails twice and is tried again: the child gives up, the parent hears of it and waits a little
//! longer each time before it makes the next one.
#![allow(clippy::print_stdout)]

use everstate::{Address, Behaviour, Change, Context, End, Everstate, Setup, Signal, wait};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Parent {
    tries: u32,
    result: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum Errand {
    Begin,
    Again,
}

impl Behaviour for Parent {
    const NAME: &str = "parents";
    type Message = Errand;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, _: Errand, context: &mut Context<Self>) -> Result<(), ()> {
        self.tries += 1;
        context.spawn("child", Child { attempt: self.tries });
        Ok(())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<Self>) {
        let Signal::ChildExited { exit, .. } = signal else { return };
        match exit.how {
            End::Final => self.result = exit.output.as_str().map(str::to_owned),
            _ => {
                context.log(format!("try {} failed: {}", self.tries, exit.reason));
                context.timer("again", Duration::from_millis(1 << self.tries), Errand::Again);
            }
        }
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Child {
    attempt: u32,
}

impl Behaviour for Child {
    const NAME: &str = "children";
    type Message = ();
    type Reply = ();
    type Error = ();

    fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), ()> {
        Ok(())
    }

    fn started(&mut self, context: &mut Context<Self>) {
        match self.attempt {
            1 | 2 => context.give_up("the oven is cold"),
            _ => context.finish("bread"),
        }
    }
}

/// Everybody who takes part.
pub(crate) fn cast(setup: Setup) -> Setup {
    setup.behaviour::<Parent>().behaviour::<Child>()
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let everstate = cast(Everstate::memory()).start()?;
    let parent = Address::<Parent>::new("baker")?;
    let mut turns = everstate.follow(&parent, None);
    wait(everstate.tell(&parent, Errand::Begin))?;
    loop {
        if let Change::Turn(turn) = wait(turns.next())? {
            turn.entry.log.iter().for_each(|line| println!("{line}"));
        }
        let seen = everstate.look(&parent)?.unwrap_or_default();
        if let Some(result) = seen.result {
            println!("try {} gave {result}", seen.tries);
            assert_eq!((result.as_str(), seen.tries), ("bread", 3));
            return Ok(everstate.stop()?);
        }
    }
}
