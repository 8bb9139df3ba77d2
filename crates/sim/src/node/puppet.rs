//! A machine that does in spaces what its events say, and remembers what it is told there.
//!
//! It refuses to know who else is there. Its one invariant: its state is what it was told, in its order, and nothing
//! that it concluded.

use everstate_kernel::space::{Act, Interest, Part, Pattern, Place, Role};
use everstate_kernel::{
    Address, Behaviour, Description, Effect, Event, Fault, FaultCode, Handled, Json, Labels, Next, State,
    Time, Turn, Waiting,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of its definition.
pub(crate) const PUPPET: &str = "puppet";

/// What a puppet is told to do, in the data of an event `do`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// Join with an endpoint.
    Join(Mine),
    /// Leave with the endpoint at that place among its own, counted round.
    Leave(usize),
    /// A message in that space on that topic.
    Publish(String, String),
    /// Break its promise.
    Fault,
    /// Come to its end.
    Done,
}

/// An endpoint as its owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mine {
    pub(crate) space: String,
    pub(crate) name: String,
    pub(crate) publisher: bool,
    pub(crate) interest: Interest,
    pub(crate) pattern: String,
}

/// A counterpart: the space and the endpoint of one's own to which it is present, whose it is, and what it is called.
pub(crate) type Other = (String, String, String, String);

/// What a puppet knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Knows {
    /// Endpoints that it has joined with and not left.
    pub(crate) mine: BTreeSet<Mine>,
    /// Counterparts that are present.
    pub(crate) present: BTreeSet<Other>,
    /// Presences of those that were present already, and absences of those that were not.
    pub(crate) nonsense: Vec<String>,
    /// Messages that it got.
    pub(crate) messages: u64,
}

#[derive(Deserialize)]
struct Told {
    space: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    endpoint: String,
}

/// The behaviour.
#[derive(Debug)]
pub(crate) struct Puppet;

impl Knows {
    /// Takes what a space tells. False when it is something else.
    fn told(&mut self, event: &Event) -> bool {
        let Some((word, name)) = event.name.strip_prefix("space.").and_then(|rest| rest.split_once('.'))
        else {
            return false;
        };
        let Ok(told) = serde_json::from_str::<Told>(event.data.as_str()) else { return false };
        let other = (told.space, name.to_owned(), told.address, told.endpoint);
        match word {
            "presence" if !self.present.insert(other.clone()) => {
                self.nonsense.push(format!("{other:?} is present twice"));
            }
            "absence" if !self.present.remove(&other) => {
                self.nonsense.push(format!("{other:?} is absent and was not present"));
            }
            "presence" | "absence" => {}
            "message" | "feedback" => self.messages += 1,
            "ended" => {
                self.mine.retain(|mine| mine.space != other.0);
                self.present.retain(|present| present.0 != other.0);
            }
            _ => return false,
        }
        true
    }

    fn does(&mut self, step: Step, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let place = |space: &str| Place::At(Arc::from(space));
        let topic = |text: &str| Pattern::parse(text).map_err(|problem| fault(&problem.to_string()));
        let (space, act) = match step {
            Step::Join(mine) => {
                let role = if mine.publisher { Role::Publisher } else { Role::Subscriber };
                let part = Part::new(topic(&mine.pattern)?, role, mine.interest);
                let act = Act::Join { name: Arc::from(&*mine.name), part };
                self.mine.insert(mine.clone());
                (mine.space, act)
            }
            Step::Leave(place) => {
                let Some(mine) = self.mine.iter().nth(place % self.mine.len().max(1)).cloned() else {
                    return Ok(());
                };
                self.mine.remove(&mine);
                let Mine { space, name, .. } = mine;
                self.present.retain(|other| (&other.0, &other.1) != (&space, &name));
                (space, Act::Leave { name: Arc::from(name) })
            }
            Step::Publish(space, about) => (space, Act::Publish { topic: topic(&about)?, data: Json::NULL }),
            Step::Fault => return Err(fault("as told")),
            Step::Done => return Ok(()),
        };
        turn.effects.push(Effect::Act(place(&space), act));
        Ok(())
    }

    fn next(self, done: bool) -> Next {
        Next { state: Arc::new(self), labels: labels(), done: done.then_some(Json::NULL) }
    }
}

fn labels() -> Labels {
    Labels::from([Arc::from("playing")])
}

fn fault(message: &str) -> Fault {
    Fault { code: FaultCode::Action, message: message.to_owned(), place: String::new() }
}

/// What a puppet's stored state says.
pub(crate) fn knows(bytes: &[u8]) -> Result<Knows, String> {
    serde_json::from_slice(bytes).map_err(|problem| problem.to_string())
}

fn state(state: &State) -> &Knows {
    state.downcast_ref().expect("a state of this behaviour")
}

impl Behaviour for Puppet {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(Knows::default().next(false))
    }

    fn handle(&self, before: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let mut knows = state(before).clone();
        if knows.told(event) {
            return Ok(Handled::Took(knows.next(false)));
        }
        if &*event.name != "do" {
            return Ok(Handled::Ignored);
        }
        let steps: Vec<Step> = match serde_json::from_str(event.data.as_str()) {
            Ok(steps) => steps,
            Err(problem) => return Ok(Handled::BadData(problem.to_string())),
        };
        let done = steps.contains(&Step::Done);
        for step in steps {
            knows.does(step, turn)?;
        }
        Ok(Handled::Took(knows.next(done)))
    }

    fn encode(&self, of: &State) -> Vec<u8> {
        serde_json::to_vec(state(of)).unwrap_or_default()
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        match knows(bytes) {
            Ok(knows) => Ok(Arc::new(knows)),
            Err(problem) => Err(Fault { code: FaultCode::State, ..fault(&problem) }),
        }
    }

    fn describe(&self, of: &State) -> Description {
        let text = serde_json::to_string(state(of)).unwrap_or_default();
        Description { labels: labels(), data: Json::parse(&text).unwrap_or(Json::NULL) }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: vec![Arc::from("do")], guarded: Vec::new() }
    }
}
