//! A behaviour that is not a pure function is found by making its turns twice, and the difference is told.

#![allow(missing_docs)]

use everstate_kernel::{
    Address, Behaviour, Definition, DefinitionId, Description, Effect, Event, Fault, Handled, Json, Labels,
    Next, Policy, State, Time, Turn, Waiting,
};
use everstate_sim::{May, Member, System, explore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts in memory of its own, and says so in its state or in what it sends.
#[derive(Debug, Default)]
struct Impure {
    count: AtomicU64,
    sends: bool,
}

fn next(text: &str) -> Next {
    Next { state: Arc::new(text.to_owned()), labels: Labels::from([Arc::from("here")]), done: None }
}

impl Behaviour for Impure {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(next("0"))
    }

    fn handle(&self, _: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if !self.sends {
            return Ok(Handled::Took(next(&count.to_string())));
        }
        let (to, data) = (turn.instance.clone(), Json::trusted(count.to_string()));
        if &*event.name == "go" {
            turn.effects.push(Effect::Send { to, event: Arc::from("told"), data });
        }
        Ok(Handled::Took(next("0")))
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        state.downcast_ref::<String>().map(|text| text.clone().into_bytes()).unwrap_or_default()
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        Ok(Arc::new(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn describe(&self, state: &State) -> Description {
        let text = state.downcast_ref::<String>().cloned().unwrap_or_default();
        Description { labels: Labels::from([Arc::from("here")]), data: Json::trusted(text) }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: vec![Arc::from("*")], guarded: Vec::new() }
    }
}

fn found(sends: bool) -> String {
    let id = DefinitionId { name: Arc::from("impure"), version: Arc::from("v1") };
    let behaviour = Arc::new(Impure { sends, ..Impure::default() });
    let definition = Definition { id, behaviour, policy: Policy::default() };
    let mut system = System::new("impure", vec![(Arc::new(definition), Arc::from("impure"))]);
    let address = Address::parse("impure/1").unwrap();
    system.cast.push(Member { name: Arc::from("m"), address: address.clone(), start: Some(Json::NULL) });
    system.environment.push(May { to: address, event: Arc::from("go"), data: Json::NULL, times: Some(1) });
    let violation = explore(&system).violation.unwrap();
    assert_eq!(violation.property(), "pure behaviours");
    violation.what().to_owned()
}

#[test]
fn a_turn_that_comes_out_differently_is_told_with_the_difference() {
    assert_eq!(
        found(false),
        "the same turn of impure/1 made twice came out differently: its context once 0, then 2; a behaviour must be a pure function of its arguments"
    );
    assert_eq!(
        found(true),
        "the same turn of impure/1 made twice came out differently: it sent once `told` 0 to impure/1, then `told` 2 to impure/1; a behaviour must be a pure function of its arguments"
    );
}
