//! A switch as a chart beside a machine in Rust. The state `powered` holds what both its children have in common: they
//! say what they do with `press`, and neither has to know what a power cut is.
#![allow(clippy::print_stdout)]

use everstate::{Address, AnyAddress, Behaviour, Context, Everstate, Setup, wait};
use serde::{Deserialize, Serialize};

const SWITCH: &str = "
name: switches
version: v1
create: on-demand
initial: powered
states:
  powered:
    initial: off
    on: {cut: dark}
    states:
      off: {on: {press: on}}
      on: {on: {press: off}}
  dark:
    on: {restore: powered}
";

/// Presses switches, and knows nothing of how they work.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Finger {
    presses: u64,
}

#[derive(Serialize, Deserialize)]
struct Press(AnyAddress);

impl Behaviour for Finger {
    const NAME: &str = "fingers";
    type Message = Press;
    type Reply = u64;
    type Error = ();

    fn handle(&mut self, Press(switch): Press, context: &mut Context<Self>) -> Result<u64, ()> {
        self.presses += 1;
        context.send_event(&switch, "press", ());
        Ok(self.presses)
    }
}

/// Everybody who takes part.
pub(crate) fn cast(setup: Setup) -> Setup {
    setup.behaviour::<Finger>().chart("switch.yaml", SWITCH)
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let everstate = cast(Everstate::memory()).start()?;
    let (hall, finger) = (AnyAddress::new("switches", "hall")?, Address::<Finger>::new("mine")?);
    let mut turns = everstate.handle().follow();
    wait(everstate.call(&finger, Press(hall.clone())))?;
    while wait(turns.next())?.entry.outcome != said("powered.off", "powered.on") {}
    println!("pressed: on");
    assert_eq!(wait(everstate.send(&hall, "cut", ()))?, said("powered.on", "dark"));
    println!("cut: dark, though no child of `powered` says so");
    assert_eq!(wait(everstate.send(&hall, "restore", ()))?, said("dark", "powered.off"));
    Ok(everstate.stop()?)
}

fn said(from: &str, to: &str) -> everstate::Outcome {
    let labels = |state: &str| std::sync::Arc::from([std::sync::Arc::from(state)]);
    everstate::Outcome::Ok { from: labels(from), to: labels(to), reply: everstate::Json::NULL }
}
