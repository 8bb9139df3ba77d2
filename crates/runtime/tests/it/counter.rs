//! A small machine for tests: it counts, defers, faults, sets timers and sends, as its events say.

use everstate_kernel::{
    Address, Behaviour, Create, Definition, DefinitionId, Description, Durability, Effect, Event, EventId,
    Fault, FaultCode, Handled, Json, Labels, Next, Policy, Sender, Span, State, TaskPolicy, Time, Turn,
    Waiting,
};
use everstate_runtime::{Handle, Options, Runtime};
use everstate_store::{Memory, Store};
use std::sync::Arc;

#[derive(Debug)]
struct Counter;

/// What it counted, and whether it is open.
#[derive(Debug, Clone, PartialEq)]
struct Count(u64, bool);

impl Count {
    fn next(self) -> Next {
        let labels = self.labels();
        Next { state: Arc::new(self), labels, done: None }
    }

    fn labels(&self) -> Labels {
        Arc::from([Arc::from(if self.1 { "open" } else { "closed" })])
    }
}

impl Behaviour for Counter {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(Count(0, false).next())
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let Count(count, open) = *state.downcast_ref::<Count>().expect("its own state");
        Ok(Handled::Took(match &*event.name {
            "add" => {
                turn.effects.push(Effect::Reply(Json::trusted((count + 1).to_string())));
                Count(count + 1, open).next()
            }
            "open" => Count(count, true).next(),
            "when-open" if !open => return Ok(Handled::Deferred),
            "when-open" => Count(count + 100, open).next(),
            "soon" => {
                turn.effects.push(Effect::SetTimer {
                    name: "soon".into(),
                    delay: Span(15),
                    to: None,
                    event: "add".into(),
                    data: Json::NULL,
                });
                Count(count, open).next()
            }
            "ask" => {
                let (name, queue) = (event.id.as_str().into(), "work".into());
                let policy = TaskPolicy::default();
                turn.effects.push(Effect::Task { name, queue, input: Json::NULL, policy });
                Count(count, open).next()
            }
            name if name.starts_with("done.task.") => Count(count + 1, open).next(),
            "pass" => {
                let to = Address::new("counter", "other").expect("an address");
                turn.effects.push(Effect::Send { to, event: "add".into(), data: Json::NULL });
                Count(count, open).next()
            }
            "fail" => {
                let message = "it was told to".into();
                return Err(Fault { code: FaultCode::Action, message, place: String::new() });
            }
            _ => return Ok(Handled::Rejected),
        }))
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        let Count(count, open) = state.downcast_ref::<Count>().expect("its own state");
        [&count.to_le_bytes()[..], &[u8::from(*open)]].concat()
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        let (count, open) = bytes.split_at(8);
        Ok(Arc::new(Count(u64::from_le_bytes(count.try_into().expect("8 bytes")), open == [1])))
    }

    fn describe(&self, state: &State) -> Description {
        let count = state.downcast_ref::<Count>().expect("its own state");
        Description { labels: count.labels(), data: Json::trusted(count.0.to_string()) }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: vec!["add".into()], guarded: Vec::new() }
    }
}

pub(crate) fn definition() -> Arc<Definition> {
    let policy = Policy { create: Create::OnDemand, durability: Durability::Process, ..Policy::default() };
    Arc::new(Definition {
        id: DefinitionId::new("counter", "v1").expect("a name"),
        behaviour: Arc::new(Counter),
        policy,
    })
}

pub(crate) fn address(id: &str) -> Address {
    Address::new("counter", id).expect("an address")
}

pub(crate) fn event(id: &str, name: &str) -> Event {
    let id = EventId::parse(id).expect("an id");
    Event { id, name: name.into(), data: Json::NULL, sender: Sender::Client, time: Time(0) }
}

/// A node over a store, with the counter put.
pub(crate) async fn node_over(store: Box<dyn Store>, options: Options) -> (Runtime, Handle) {
    let runtime = Runtime::start(store, options).expect("it starts");
    let handle = runtime.handle();
    handle.put(definition(), "counter".into()).await.expect("it is put");
    (runtime, handle)
}

pub(crate) async fn node() -> (Runtime, Handle) {
    node_over(Box::new(Memory::new()), Options::default()).await
}

/// What the instance counted.
pub(crate) fn count(handle: &Handle, id: &str) -> u64 {
    let (row, _) = handle.reader().instance(&address(id)).expect("it reads").expect("it is there");
    u64::from_le_bytes(row.state.as_slice()[..8].try_into().expect("8 bytes"))
}
