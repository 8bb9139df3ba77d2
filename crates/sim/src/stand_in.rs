//! Behaviours that are replaced for a run by one that may do anything of a list: a payment service that answers whatever it
//! may answer.
//!
//! It refuses to choose: whoever drives the kernel does, by [`choosing`], and exploration tries all. Its one invariant:
//! given the choice, the behaviour is a pure function like any other.

use crate::system::Who;
use everstate_kernel::{
    Address, Behaviour, Create, Definition, DefinitionId, Description, Effect, Event, Fault, FaultCode,
    Handled, Json, Labels, Next, Policy, Sender, State, Time, Turn, Waiting,
};
use std::cell::Cell;
use std::sync::Arc;

/// Some instances whose behaviour is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// Which.
    pub who: Who,
    /// By the name of an event, `*` for any other, what they may do. An event that is not there is taken, and nothing is
    /// done.
    pub on: Vec<(Arc<str>, Vec<Reaction>)>,
}

/// One thing that may be done about an event. Without anything in it, nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reaction {
    /// The answer to whoever sent it.
    pub reply: Option<Json>,
    /// It is not taken, for this reason; then nothing else is done.
    pub refuse: Option<String>,
    /// What is sent.
    pub sends: Vec<Sending>,
}

/// An event that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// To whom; none for whoever sent the event, if that is a machine.
    pub to: Option<Address>,
    /// Its name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Json,
}

impl Reaction {
    /// Nothing is done.
    pub fn nothing() -> Reaction {
        Reaction::default()
    }

    /// It is answered so.
    pub fn reply(data: &serde_json::Value) -> Reaction {
        Reaction { reply: Some(Json::trusted(data.to_string())), ..Reaction::default() }
    }

    /// It is refused, for this reason.
    pub fn refuse(reason: &str) -> Reaction {
        Reaction { refuse: Some(reason.to_owned()), ..Reaction::default() }
    }

    /// Whoever sent it, if that is a machine, is sent this event.
    pub fn send_back(event: &str, data: &serde_json::Value) -> Reaction {
        let (event, data) = (Arc::from(event), Json::trusted(data.to_string()));
        Reaction { sends: vec![Sending { to: None, event, data }], ..Reaction::default() }
    }
}

impl StandIn {
    fn reactions(&self, event: &str) -> &[Reaction] {
        let of = |name: &str| self.on.iter().find(|(known, _)| **known == *name);
        of(event).or_else(|| of("*")).map_or(&[], |(_, reactions)| reactions)
    }
}

/// The one that stands in for an instance.
fn stands_in<'s>(all: &'s [StandIn], address: &Address) -> Option<&'s StandIn> {
    all.iter().find(|one| one.who.is(address))
}

/// How many things may be done when the instance gets an event of that name; 1 when it is not replaced.
pub(crate) fn ways(all: &[StandIn], address: &Address, event: &str) -> u16 {
    stands_in(all, address).map_or(1, |one| one.reactions(event).len().clamp(1, usize::from(u16::MAX)) as u16)
}

/// Definitions with the behaviours that stand in for others.
pub(crate) fn replaced(
    definitions: &[(Arc<Definition>, Arc<str>)],
    all: &[StandIn],
) -> Vec<(Arc<Definition>, Arc<str>)> {
    let of = |kind: &str| -> Arc<[StandIn]> {
        let concerns = |one: &&StandIn| match &one.who {
            Who::One(address) => address.kind() == kind,
            Who::Kind(name) => **name == *kind,
            Who::Anyone => true,
        };
        all.iter().filter(concerns).cloned().collect()
    };
    let replace = |(definition, source): &(Arc<Definition>, Arc<str>)| {
        let all = of(&definition.id.name);
        if all.is_empty() {
            return (definition.clone(), source.clone());
        }
        let behaviour = Arc::new(Replaced { own: definition.behaviour.clone(), all });
        (Arc::new(Definition { behaviour, ..Definition::clone(definition) }), source.clone())
    };
    definitions.iter().map(replace).collect()
}

/// A definition of a kind that has none of its own: all its instances are replaced, and are there when they are needed.
pub(crate) fn definition(kind: &str) -> Definition {
    let id = DefinitionId { name: Arc::from(kind), version: Arc::from("stand-in") };
    let policy = Policy { create: Create::OnDemand, ..Policy::default() };
    Definition { id, behaviour: Arc::new(Nobody), policy }
}

thread_local! {
    static CHOSEN: Cell<u16> = const { Cell::new(0) };
}

/// Runs something in which a behaviour that stands in does what is listed at that place.
pub(crate) fn choosing<T>(place: u16, run: impl FnOnce() -> T) -> T {
    CHOSEN.set(place);
    let result = run();
    CHOSEN.set(0);
    result
}

/// A behaviour, and those that stand in for it in some instances.
#[derive(Debug)]
struct Replaced {
    own: Arc<dyn Behaviour>,
    all: Arc<[StandIn]>,
}

/// What an instance is.
enum Body {
    Replaced,
    Own(State),
}

/// What the active state of an instance that is replaced is called.
const LABEL: &str = "stand-in";

fn body_of(state: &State) -> Result<&Body, Fault> {
    state.downcast_ref::<Body>().ok_or_else(|| Fault {
        code: FaultCode::State,
        message: "the state is not that of an instance that may be replaced".into(),
        place: String::new(),
    })
}

fn own(next: Next) -> Next {
    Next { state: Arc::new(Body::Own(next.state)), ..next }
}

fn standing() -> Next {
    Next { state: Arc::new(Body::Replaced), labels: Labels::from([Arc::from(LABEL)]), done: None }
}

fn react(stand_in: &StandIn, event: &Event, turn: &mut Turn<'_>) -> Handled {
    let reactions = stand_in.reactions(&event.name);
    let place = usize::from(CHOSEN.get());
    let Some(reaction) = reactions.get(place) else { return Handled::Took(standing()) };
    if let Some(reason) = &reaction.refuse {
        return Handled::Refused(reason.clone());
    }
    turn.effects.extend(reaction.reply.clone().map(Effect::Reply));
    for Sending { to, event: name, data } in &reaction.sends {
        let sender = match &event.sender {
            Sender::Instance(address) => Some(address.clone()),
            Sender::Client | Sender::Timer | Sender::System => None,
        };
        let Some(to) = to.clone().or(sender) else { continue };
        turn.effects.push(Effect::Send { to, event: name.clone(), data: data.clone() });
    }
    Handled::Took(standing())
}

impl Behaviour for Replaced {
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        match stands_in(&self.all, turn.instance) {
            Some(_) => Ok(standing()),
            None => self.own.start(data, turn).map(own),
        }
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        match (body_of(state)?, stands_in(&self.all, turn.instance)) {
            (Body::Replaced, Some(stand_in)) => Ok(react(stand_in, event, turn)),
            (Body::Replaced, None) => Ok(Handled::Ignored),
            (Body::Own(state), _) => Ok(match self.own.handle(state, event, turn)? {
                Handled::Took(next) => Handled::Took(own(next)),
                other => other,
            }),
        }
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        match body_of(state)? {
            Body::Replaced => Ok(None),
            Body::Own(state) => Ok(self.own.stop(state, turn)?.map(own)),
        }
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        match body_of(state) {
            Ok(Body::Own(state)) => [&[1], &*self.own.encode(state)].concat(),
            Ok(Body::Replaced) | Err(_) => vec![0],
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        match bytes.split_first() {
            Some((1, rest)) => Ok(Arc::new(Body::Own(self.own.decode(rest)?))),
            _ => Ok(Arc::new(Body::Replaced)),
        }
    }

    fn describe(&self, state: &State) -> Description {
        match body_of(state) {
            Ok(Body::Own(state)) => self.own.describe(state),
            Ok(Body::Replaced) | Err(_) => {
                Description { labels: Labels::from([Arc::from(LABEL)]), data: Json::NULL }
            }
        }
    }

    fn waiting(&self, state: &State, instance: &Address, now: Time) -> Waiting {
        match body_of(state) {
            Ok(Body::Own(state)) => self.own.waiting(state, instance, now),
            Ok(Body::Replaced) | Err(_) => Waiting { accepts: vec![Arc::from("*")], guarded: Vec::new() },
        }
    }
}

/// The behaviour of a kind that has none.
#[derive(Debug)]
struct Nobody;

impl Behaviour for Nobody {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(standing())
    }

    fn handle(&self, _: &State, _: &Event, _: &mut Turn<'_>) -> Result<Handled, Fault> {
        Ok(Handled::Rejected)
    }

    fn encode(&self, _: &State) -> Vec<u8> {
        Vec::new()
    }

    fn decode(&self, _: &[u8]) -> Result<State, Fault> {
        Ok(Arc::new(Body::Replaced))
    }

    fn describe(&self, _: &State) -> Description {
        Description { labels: Labels::from([Arc::from(LABEL)]), data: Json::NULL }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting::default()
    }
}
