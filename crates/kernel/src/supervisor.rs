//! The supervisor: a built-in behaviour that starts children in order, restarts those that fail, and gives up when that
//! happens too often. OTP's words have OTP's meaning. It is a behaviour like any other: what it knows it was told by
//! events, what it does are effects, and what it decided is its state.
//!
//! Its one invariant: at most one child of a group is being started or stopped at a time, in the order of the plan and
//! against it.

mod backoff;
mod decide;
mod plan;
mod reading;
mod standing;
mod strategy;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use plan::{ChildPlan, Plan, PlanError, Restart};
pub use strategy::Strategy;

use crate::address::Address;
use crate::behaviour::{Behaviour, Description, Fault, FaultCode, Handled, Next, State, Turn, Waiting};
use crate::event::{Event, Sender};
use crate::json::Json;
use crate::time::Time;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use decide::{ALARM, Decisions, reason_of};
use standing::{At, Standing};

/// The behaviour of a definition with `type: supervisor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    plan: Plan,
}

impl Supervisor {
    /// What its active state can be called.
    pub const STATES: [&'static str; 5] = ["starting", "watching", "restarting", "stopping", "giving-up"];

    /// A supervisor with this plan. The plan of a definition is read by [`Supervisor::from_json`], which checks it.
    pub fn new(plan: Plan) -> Supervisor {
        Supervisor { plan }
    }

    /// Reads a definition, or says all that is wrong with it:
    ///
    /// ```json
    /// {"strategy": "rest_for_one", "intensity": 3, "period": "10s",
    ///  "backoff": {"initial": "100ms", "max": "30s", "jitter": 20},
    ///  "children": [
    ///    {"name": "ledger", "kind": "ledgers", "version": "v2", "id": "main", "data": {"currency": "EUR"},
    ///     "restart": "permanent", "from": "last-good", "ready": true, "start_deadline": "30s"},
    ///    {"kind": "clerks", "restart": "transient", "stop_deadline": "5s"}]}
    /// ```
    ///
    /// | field | default | |
    /// |---|---|---|
    /// | `strategy` | `one_for_one` | or `one_for_all`, `rest_for_one` |
    /// | `intensity`, `period` | 1, `5s` | restarts that are borne within the period; one more and it gives up |
    /// | `backoff` | `100ms`, `30s`, 20 | the first wait, the longest, and percent of spread |
    /// | `children` | | in the order in which they are started |
    /// | `kind`, `version`, `id`, `data` | greatest version, an id of its own, `null` | of a child |
    /// | `name` | the kind | among the children |
    /// | `restart` | `permanent` | or `transient`, `temporary` |
    /// | `from` | `initial` | or `last-good`: where one that is parked by a fault begins |
    /// | `ready`, `start_deadline` | `false`, `60s` | it sends an event `ready` to its parent, within this time |
    /// | `stop_deadline` | `5s` | then it is killed |
    pub fn from_json(value: &serde_json::Value) -> Result<Supervisor, Vec<PlanError>> {
        Plan::read(value).map(Supervisor::new)
    }

    /// What it is told to do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn decisions<'a, 't>(&'a self, standing: Standing, turn: &'a mut Turn<'t>) -> Decisions<'a, 't> {
        Decisions { plan: &self.plan, standing, turn, ended: false }
    }

    /// The place of the child that the kernel tells of, with the word after `child.`.
    fn told<'e>(&self, event: &'e Event) -> Option<(usize, &'e str)> {
        let (word, name) = event.name.strip_prefix("child.")?.split_once('.')?;
        let place = self.plan.children.iter().position(|child| &*child.name == name)?;
        event.is_told().then_some((place, word))
    }

    /// The place of the child that says that it is ready.
    fn readied(&self, standing: &Standing, event: &Event) -> Option<usize> {
        let Sender::Instance(sender) = &event.sender else { return None };
        let is_sender = |address: &Option<Address>| address.as_ref() == Some(sender);
        let place = standing.children.iter().position(|child| is_sender(&child.address))?;
        (&*event.name == "ready").then_some(place)
    }
}

fn next(decisions: Decisions<'_, '_>) -> Next {
    let labels = decisions.standing.labels();
    Next { labels, done: decisions.ended.then_some(Json::NULL), state: Arc::new(decisions.standing) }
}

fn standing(state: &State) -> &Standing {
    state.downcast_ref().expect("a state of this behaviour")
}

impl Behaviour for Supervisor {
    fn start(&self, _: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        let mut decisions = self.decisions(Standing::new(self.plan.children.len()), turn);
        decisions.advance();
        Ok(next(decisions))
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let standing = standing(state);
        let ready = self.readied(standing, event);
        let told = self.told(event);
        let mut decisions = self.decisions(standing.clone(), turn);
        match (told, ready) {
            (Some((place, word)), _) => {
                let data: serde_json::Value = serde_json::from_str(event.data.as_str()).unwrap_or_default();
                let text =
                    |name: &str| data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
                let truth = |name: &str| data.get(name).and_then(serde_json::Value::as_bool) == Some(true);
                match word {
                    "started" => decisions.started(place, Address::parse(text("address")).ok()),
                    "faulted" => {
                        decisions.faulted(place, reason_of(&data), truth("alive"), truth("parked"));
                    }
                    "exited" => decisions.exited(place, text("how"), text("reason")),
                    _ => return Ok(Handled::Rejected),
                }
            }
            (None, Some(place)) => decisions.ready(place),
            _ if &*event.name == ALARM && event.sender == Sender::Timer => decisions.alarm(),
            _ => return Ok(Handled::Rejected),
        }
        Ok(Handled::Took(next(decisions)))
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        let mut decisions = self.decisions(standing(state).clone(), turn);
        let waits = decisions.stop_all();
        Ok(waits.then(|| next(decisions)))
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        serde_json::to_vec(standing(state)).expect("it is made of numbers, texts and lists")
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        let fault = |message: String| Fault { code: FaultCode::State, message, place: String::new() };
        let standing: Standing = serde_json::from_slice(bytes).map_err(|error| fault(error.to_string()))?;
        if standing.children.len() != self.plan.children.len() {
            return Err(fault("it has another number of children than its definition".into()));
        }
        Ok(Arc::new(standing))
    }

    fn describe(&self, state: &State) -> Description {
        standing(state).describe(&self.plan)
    }

    fn waiting(&self, state: &State, _: &Address, _: Time) -> Waiting {
        let unready = standing(state).children.iter().any(|child| child.at == At::Unready);
        let accepts = if unready { Vec::from([Arc::from("ready")]) } else { Vec::new() };
        Waiting { accepts, guarded: Vec::new() }
    }
}
