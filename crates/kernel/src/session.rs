//! The built-in definition `session`: the body that something outside has in here while it is connected. It holds
//! endpoints, sends and is sent to like any machine; what it is told lies in its history, from which whoever is
//! connected reads it.
//!
//! | event | from | what happens |
//! |---|---|---|
//! | `session.act` | whoever holds the session, through its connection | the acts of its data, in one turn |
//! | | a machine | rejected: nobody acts for another |
//! | anything else | anybody | taken; it is for whoever is connected |
//!
//! It refuses to know connections, heartbeats and who may hold a session; whoever drives the node tells of silence by
//! [`crate::Input::Silence`]. Its one invariant: its state is the data that it was started with.

use crate::address::{Address, SESSION_KIND};
use crate::behaviour::{
    Behaviour, Description, Effect, Fault, FaultCode, Handled, Next, State, Turn, Waiting,
};
use crate::definition::{Definition, DefinitionId, Policy};
use crate::event::{Event, SESSION_ACT, Sender};
use crate::json::Json;
use crate::limits::SESSION_ACTS_MAX;
use crate::node::check_end_of_name;
use crate::record::Labels;
use crate::retention::Retain;
use crate::space::{Act, Interest, Part, Pattern, Place, Role};
use crate::time::{Span, Time};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How long the outcome of an act is remembered: far longer than whoever is silent is waited for.
/// An ended session is kept for a day, so that people can see why it ended.
const RETAIN: Retain = Retain {
    outcomes: Some(Span::seconds(3600)),
    history: Some(Span::seconds(7 * 24 * 3600)),
    finished: Some(Span::seconds(24 * 3600)),
};

#[derive(Debug)]
struct SessionBehaviour;

/// The definition of all sessions.
pub(crate) fn definition() -> Definition {
    Definition {
        id: DefinitionId { name: Arc::from(SESSION_KIND), version: Arc::from("0") },
        behaviour: Arc::new(SessionBehaviour),
        policy: Policy { retain: RETAIN, ..Policy::default() },
    }
}

/// The data of `session.act`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acts<'a> {
    #[serde(borrow)]
    acts: Vec<Doing<'a>>,
}

/// One of them, such as `{"leave": {"name": "door"}}`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Doing<'a> {
    #[serde(borrow)]
    Join(Join<'a>),
    Leave(Leave),
    #[serde(borrow)]
    Assert(Assert<'a>),
    #[serde(borrow)]
    Publish(Said<'a>),
    #[serde(borrow)]
    Feedback(Said<'a>),
    #[serde(borrow)]
    Send(Send<'a>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join<'a> {
    #[serde(default)]
    space: Option<String>,
    name: String,
    pattern: Pattern,
    role: Role,
    #[serde(default)]
    interest: Interest,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    mark: bool,
    #[serde(default)]
    waits: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    #[serde(default)]
    space: Option<String>,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assert<'a> {
    #[serde(default)]
    space: Option<String>,
    name: String,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said<'a> {
    #[serde(default)]
    space: Option<String>,
    topic: Pattern,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send<'a> {
    to: String,
    event: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

fn json(text: Option<&RawValue>) -> Json {
    text.map_or(Json::NULL, |text| Json::trusted(text.get().to_owned()))
}

/// Without a space: where the session lives.
fn place(space: Option<String>) -> Place {
    space.map_or(Place::Here, |path| Place::At(Arc::from(path)))
}

fn name(text: &str) -> Result<Arc<str>, String> {
    check_end_of_name("an endpoint", text).map_err(|fault| fault.message)?;
    Ok(Arc::from(text))
}

impl Doing<'_> {
    fn effect(self) -> Result<Effect, String> {
        let (space, act) = match self {
            Doing::Join(join) => {
                let part = Part {
                    value: json(join.value),
                    mark: join.mark,
                    waits: join.waits,
                    ..Part::new(join.pattern, join.role, join.interest)
                };
                (join.space, Act::Join { name: name(&join.name)?, part })
            }
            Doing::Leave(Leave { space, name: text }) => (space, Act::Leave { name: name(&text)? }),
            Doing::Assert(Assert { space, name: text, value }) => {
                (space, Act::Assert { name: name(&text)?, value: json(value) })
            }
            Doing::Publish(Said { space, topic, data }) => (space, Act::Publish { topic, data: json(data) }),
            Doing::Feedback(Said { space, topic, data }) => {
                (space, Act::Feedback { topic, data: json(data) })
            }
            Doing::Send(Send { to, event, data }) => {
                Event::check_name(&event)?;
                let to = Address::parse(&to).map_err(|error| error.to_string())?;
                return Ok(Effect::Send { to, event: Arc::from(event), data: json(data) });
            }
        };
        Ok(Effect::Act(place(space), act))
    }
}

/// The effects that the data of `session.act` asks for; an error says what is wrong with it.
fn effects(data: &Json) -> Result<Vec<Effect>, String> {
    let Acts { acts } = serde_json::from_str(data.as_str())
        .map_err(|error| format!(r#"{error}; write it as {{"acts": [{{"leave": {{"name": "door"}}}}]}}"#))?;
    if acts.len() > SESSION_ACTS_MAX {
        return Err(format!("{} acts at once, the limit is {SESSION_ACTS_MAX}; split them", acts.len()));
    }
    let numbered = acts.into_iter().enumerate();
    numbered
        .map(|(index, doing)| doing.effect().map_err(|problem| format!("acts[{index}]: {problem}")))
        .collect()
}

fn labels() -> Labels {
    Labels::from([Arc::from("open")])
}

fn data_of(state: &State) -> Result<&Json, Fault> {
    state.downcast_ref::<Json>().ok_or_else(|| broken("the state is not that of a session"))
}

fn broken(message: &str) -> Fault {
    Fault { code: FaultCode::State, message: message.into(), place: String::new() }
}

impl Behaviour for SessionBehaviour {
    fn start(&self, data: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(Next { state: Arc::new(data.clone()), labels: labels(), done: None })
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        if &*event.name == SESSION_ACT {
            if event.sender != Sender::Client {
                return Ok(Handled::Rejected);
            }
            match effects(&event.data) {
                Ok(effects) => turn.effects = effects,
                Err(problem) => return Ok(Handled::BadData(problem)),
            }
        }
        Ok(Handled::Took(Next { state: state.clone(), labels: labels(), done: None }))
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        data_of(state).map_or_else(|_| Vec::new(), |data| data.as_str().as_bytes().to_vec())
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        let text = core::str::from_utf8(bytes).map_err(|error| broken(&error.to_string()))?;
        Ok(Arc::new(Json::parse(text).map_err(|error| broken(&error.to_string()))?))
    }

    fn describe(&self, state: &State) -> Description {
        Description { labels: labels(), data: data_of(state).cloned().unwrap_or(Json::NULL) }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: Vec::from([Arc::from("*")]), guarded: Vec::new() }
    }
}
