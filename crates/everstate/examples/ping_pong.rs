//! Two machines that send to each other: the answer to a message comes back as a signal.
#![allow(clippy::print_stdout)]

use everstate::{Address, Behaviour, Context, Everstate, Setup, Signal, wait};
use serde::{Deserialize, Serialize};

const ROUNDS: u32 = 5;

/// Sends the ball until it has come back often enough.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Ping {
    back: u32,
}

#[derive(Serialize, Deserialize)]
struct Serve;

impl Ping {
    fn hit(&self, context: &mut Context<Self>) {
        let pong = Address::<Pong>::new("1").expect("an id");
        context.send(&pong, Ball(self.back));
    }
}

impl Behaviour for Ping {
    const NAME: &str = "ping";
    type Message = Serve;
    type Reply = ();
    type Error = ();

    fn handle(&mut self, _: Serve, context: &mut Context<Self>) -> Result<(), ()> {
        self.hit(context);
        Ok(())
    }

    fn signal(&mut self, signal: Signal, context: &mut Context<Self>) {
        if let Signal::Reply { .. } = signal {
            self.back += 1;
            if self.back < ROUNDS { self.hit(context) } else { context.finish(self.back) }
        }
    }
}

/// Plays every ball back.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Pong;

#[derive(Serialize, Deserialize)]
struct Ball(u32);

impl Behaviour for Pong {
    const NAME: &str = "pong";
    type Message = Ball;
    type Reply = Ball;
    type Error = ();

    fn handle(&mut self, ball: Ball, _: &mut Context<Self>) -> Result<Ball, ()> {
        Ok(ball)
    }
}

/// Everybody who takes part.
pub(crate) fn cast(setup: Setup) -> Setup {
    setup.behaviour::<Ping>().behaviour::<Pong>()
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let everstate = cast(Everstate::memory()).start()?;
    let ping = Address::<Ping>::new("1")?;
    let mut turns = everstate.follow(&ping, None);
    wait(everstate.tell(&ping, Serve))?;
    loop {
        // Whatever is told of it, the state or a turn: it is worth a look.
        wait(turns.next())?;
        let back = everstate.look(&ping)?.map_or(0, |ping| ping.back);
        println!("the ball has come back {back} times");
        if back == ROUNDS {
            return Ok(everstate.stop()?);
        }
    }
}
