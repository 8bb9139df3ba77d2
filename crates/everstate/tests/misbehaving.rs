//! Machines that break their promises: they panic, never return, or ask for what cannot be. Nobody else is harmed.

use everstate::{
    Address, AnyAddress, Behaviour, CallError, Context, Everstate, Fault, FaultCode, Options, Rejection, wait,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Wild {
    tamed: u32,
}

#[derive(Serialize, Deserialize)]
enum Whim {
    Behave,
    Refuse,
    Panic,
    Sleep,
    Loop,
    Grow,
    Wish,
    Send(AnyAddress, String),
}

impl Behaviour for Wild {
    const NAME: &str = "wild";
    type Message = Whim;
    type Reply = u32;
    type Error = String;

    fn handle(&mut self, whim: Whim, context: &mut Context<Self>) -> Result<u32, String> {
        self.tamed += 1;
        match whim {
            Whim::Behave => {}
            Whim::Refuse => return Err("not today".into()),
            Whim::Panic => panic!("it bites"),
            Whim::Sleep => std::thread::sleep(Duration::from_secs(3600)),
            Whim::Loop => loop {
                std::thread::yield_now();
            },
            Whim::Grow => (0..100_000).for_each(|_| context.log("more")),
            Whim::Wish => context.publish(everstate::Place::Here, "a/>/b", 1),
            Whim::Send(to, event) => context.send_event(&to, &event, ()),
        }
        Ok(self.tamed)
    }
}

fn wild(id: &str) -> Address<Wild> {
    Address::new(id).expect("an id")
}

fn node() -> Everstate {
    Everstate::memory().behaviour::<Wild>().start().expect("it starts")
}

/// With a deadline that honest turns keep on a busy machine, too.
fn hasty_node() -> Everstate {
    let options = Options { turn_deadline: Duration::from_secs(2), ..Options::default() };
    Everstate::memory().behaviour::<Wild>().options(options).start().expect("it starts")
}

fn fault(result: Result<u32, CallError<String>>) -> Fault {
    match result {
        Err(CallError::Failed { fault, attempts: 1 }) => fault,
        other => panic!("it should have failed: {other:?}"),
    }
}

#[test]
fn a_panic_is_a_fault_of_that_turn_alone() {
    let everstate = node();
    assert_eq!(wait(everstate.call(&wild("1"), Whim::Behave)).expect("it behaves"), 1);
    let fault = fault(wait(everstate.call(&wild("1"), Whim::Panic)));
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Panic, "it panicked: it bites"));
    assert_eq!(wait(everstate.call(&wild("1"), Whim::Behave)).expect("it behaves"), 2);
}

#[test]
fn a_refusal_is_typed_and_changes_nothing() {
    let everstate = node();
    let refused = wait(everstate.call(&wild("1"), Whim::Refuse));
    assert!(matches!(refused, Err(CallError::Refused(why)) if why == "not today"));
    assert_eq!(wait(everstate.call(&wild("1"), Whim::Behave)).expect("it behaves"), 1);
}

#[test]
fn wishes_that_cannot_be_are_faults() {
    let everstate = node();
    let wish = fault(wait(everstate.call(&wild("1"), Whim::Wish)));
    assert_eq!(wish.code, FaultCode::Action);
    assert!(wish.message.contains("pattern"), "{}", wish.message);
    assert_eq!(fault(wait(everstate.call(&wild("1"), Whim::Grow))).code, FaultCode::Limit);
}

fn stuck(whim: Whim) {
    let everstate = hasty_node();
    let calling = everstate.clone();
    let calling = std::thread::spawn(move || wait(calling.call(&wild("stuck"), whim)));
    let others: Vec<_> = (0..50)
        .map(|n| {
            let everstate = everstate.clone();
            std::thread::spawn(move || wait(everstate.call(&wild(&n.to_string()), Whim::Behave)))
        })
        .collect();
    for other in others {
        assert_eq!(other.join().expect("no panic").expect("it behaves"), 1);
    }
    let fault = fault(calling.join().expect("no panic"));
    assert_eq!(fault.code, FaultCode::Limit);
    assert!(fault.message.contains("overran the deadline"), "{}", fault.message);
    assert_eq!(wait(everstate.call(&wild("stuck"), Whim::Behave)).expect("it behaves"), 1);
    everstate.stop().expect("it stops, whoever is still in a turn");
}

#[test]
fn a_turn_that_never_ends_faults_and_everybody_else_goes_on() {
    stuck(Whim::Loop);
}

#[test]
fn a_turn_that_waits_for_ever_faults_likewise() {
    stuck(Whim::Sleep);
}

#[test]
fn a_machine_that_makes_another_overrun_is_told() {
    let everstate = hasty_node();
    let to = wild("2").any().clone();
    wait(everstate.call(&wild("1"), Whim::Send(to, "Loop".into()))).expect("it is sent");
    // The outbox is delivered again by the thread that takes over, and the event faults there.
    let mut turns = everstate.follow(&wild("1"), None);
    let told = || {
        let history = everstate.handle().reader().history(wild("1").any(), 2, 9).expect("it reads");
        history.first().map(|entry| format!("{:?}", entry.cause))
    };
    let told = loop {
        wait(turns.next()).expect("the node runs");
        if let Some(told) = told() {
            break told;
        }
    };
    let said = ["error.communication", "failed", "overran the deadline"];
    assert!(said.iter().all(|said| told.contains(said)), "{told}");
    assert_eq!(everstate.handle().reader().dead_letters(None, 9).expect("it reads").len(), 1);
}

#[test]
fn what_is_no_message_is_rejected_with_what_would_be() {
    let everstate = node();
    let any = wild("1").any().clone();
    let said = |event: &str, data: &str| {
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        match wait(everstate.send(&any, event, data)).expect("it is decided") {
            everstate::Outcome::Rejected { reason, accepts, .. } => (reason, accepts.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(said("Fly", "null"), (Rejection::NotAccepted, 8));
    assert_eq!(said("Send", "[1]"), (Rejection::BadData, 0));
    assert_eq!(said("Panic", "1"), (Rejection::BadData, 0));
}
