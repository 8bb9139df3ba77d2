//! A Rust type as the kernel's behaviour: events in, state and effects out, and no panic beyond this point.
//!
//! It refuses to know stores and threads. Its one invariant: whatever the type does, its answer is a value, and the
//! state before is as it was.

use crate::behaviour::{Behaviour, Stop};
use crate::context::{Context, Wanted};
use crate::message::{self, NoMessage};
use crate::signal::Signal;
use everstate_kernel::{
    Address as AnyAddress, Behaviour as Kernel, Definition, DefinitionId, Description, Effect, Event, Fault,
    FaultCode, Handled, Json, Labels, Next, Rename, State, Time, Turn, Waiting, limits,
};
use serde::Serialize;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The definition of a type.
pub(crate) fn definition<B: Behaviour>() -> Result<Arc<Definition>, String> {
    let id = DefinitionId::new(B::NAME, &format!("v{}", B::VERSION))?;
    let behaviour = Arc::new(Adapter::<B>(PhantomData));
    Ok(Arc::new(Definition { id, behaviour, policy: B::policy() }))
}

/// Stands for the type; it has no state of its own.
pub(crate) struct Adapter<B>(PhantomData<fn() -> B>);

impl<B: Behaviour> fmt::Debug for Adapter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "behaviour {} in Rust", B::NAME)
    }
}

/// A state in memory: the value, and how it is kept.
struct Held<B> {
    machine: B,
    /// The version of the state, a space, and the state as JSON.
    text: Box<str>,
    labels: Labels,
}

/// The state as it is kept.
pub(crate) fn written<B: Behaviour>(machine: &B) -> Result<String, Fault> {
    let json = serde_json::to_string(machine)
        .map_err(|error| fault(FaultCode::State, format!("the state cannot be kept as JSON: {error}")))?;
    Ok(format!("{} {json}", B::VERSION))
}

/// The state that was kept. One of an older version is upgraded, one of a newer is refused.
pub(crate) fn read<B: Behaviour>(bytes: &[u8]) -> Result<B, Fault> {
    let unreadable = |problem: String| fault(FaultCode::State, format!("stored state: {problem}"));
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let (version, json) = text.split_once(' ').ok_or_else(|| unreadable("it has no version".into()))?;
    let version: u32 = version.parse().map_err(|_| unreadable(format!("{version:?} is no version")))?;
    if version > B::VERSION {
        return Err(unreadable(format!(
            "it is of version {version}, this program knows {} up to version {}; use the newer program",
            B::NAME,
            B::VERSION
        )));
    }
    if version == B::VERSION {
        return serde_json::from_str(json).map_err(|error| unreadable(error.to_string()));
    }
    let old = serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
    B::upgrade(version, old).map_err(unreadable)
}

fn fault(code: FaultCode, message: String) -> Fault {
    Fault { code, message, place: String::new() }
}

/// Does the work, whatever it does. What it worked on is thrown away when it panics.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = match panic.downcast_ref::<&str>() {
            Some(said) => (*said).to_owned(),
            None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "without a word".into()),
        };
        // The payload may be anything, and its end may panic again.
        std::mem::forget(panic);
        Err(fault(FaultCode::Panic, format!("it panicked: {said}")))
    })
}

impl<B: Behaviour> Adapter<B> {
    fn held(state: &State) -> Result<&Held<B>, Fault> {
        let held = (**state).downcast_ref();
        held.ok_or_else(|| fault(FaultCode::State, format!("the state is not one of {}", B::NAME)))
    }

    /// The value after a turn as the kernel takes it, and what the turn wanted.
    fn next(
        machine: B,
        before: Option<&Held<B>>,
        context: Context<'_, B>,
        turn: &mut Turn<'_>,
    ) -> Result<Next, Fault> {
        let Wanted { effects, output } = context.wanted()?;
        turn.effects.extend(effects);
        let held = Adapter::hold(machine, before)?;
        Ok(Next { labels: held.labels.clone(), state: Arc::new(held), done: output })
    }

    fn hold(machine: B, before: Option<&Held<B>>) -> Result<Held<B>, Fault> {
        let text = written(&machine)?.into_boxed_str();
        let state = machine.state();
        // Most turns stay in their state.
        let labels = match before.filter(|before| before.labels.iter().all(|label| **label == *state)) {
            Some(before) => before.labels.clone(),
            None => Arc::from([Arc::from(state)]),
        };
        Ok(Held { machine, text, labels })
    }

    fn signalled(
        held: &Held<B>,
        signal: Signal,
        event: &Event,
        turn: &mut Turn<'_>,
    ) -> Result<Handled, Fault> {
        let mut machine = held.machine.clone();
        let mut context = Context::new(turn, Some(event));
        machine.signal(signal, &mut context);
        Adapter::next(machine, Some(held), context, turn).map(Handled::Took)
    }

    fn handled(
        held: &Held<B>,
        message: B::Message,
        event: &Event,
        turn: &mut Turn<'_>,
    ) -> Result<Handled, Fault> {
        let mut machine = held.machine.clone();
        let mut context = Context::new(turn, Some(event));
        let reply = match machine.handle(message, &mut context) {
            Ok(reply) => reply,
            Err(error) => return refused(&error),
        };
        if let Some(reply) = context.json(&reply).filter(|reply| !reply.is_null()) {
            context.want(Effect::Reply(reply));
        }
        Adapter::next(machine, Some(held), context, turn).map(Handled::Took)
    }
}

/// The refusal as its caller reads it.
fn refused(error: &impl Serialize) -> Result<Handled, Fault> {
    let text = serde_json::to_string(error)
        .map_err(|error| fault(FaultCode::Action, format!("its refusal is no JSON: {error}")))?;
    if text.len() > limits::TEXT_BYTES_MAX {
        let (bytes, max) = (text.len(), limits::TEXT_BYTES_MAX);
        return Err(fault(
            FaultCode::Limit,
            format!("its refusal is {bytes} bytes long, the limit is {max}"),
        ));
    }
    Ok(Handled::Refused(text))
}

impl<B: Behaviour> Kernel for Adapter<B> {
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        guarded(|| {
            let mut machine = match data.is_null() {
                true => B::default(),
                false => serde_json::from_str(data.as_str()).map_err(|error| {
                    fault(FaultCode::State, format!("it cannot be started with this data: {error}"))
                })?,
            };
            let mut context = Context::new(turn, None);
            machine.started(&mut context);
            Adapter::next(machine, None, context, turn)
        })
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let held = Adapter::<B>::held(state)?;
        guarded(|| match message::read(&event.name, &event.data) {
            Ok(message) => Adapter::handled(held, message, event, turn),
            Err(NoMessage::Data(problem)) => Ok(Handled::BadData(format!("{}: {problem}", event.name))),
            Err(NoMessage::Unknown) => match Signal::of(event) {
                Ok(Some(signal)) => Adapter::signalled(held, signal, event, turn),
                Ok(None) => Ok(Handled::Rejected),
                Err(problem) => Ok(Handled::BadData(problem)),
            },
        })
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        let held = Adapter::<B>::held(state)?;
        guarded(|| {
            let mut machine = held.machine.clone();
            let mut context = Context::new(turn, None);
            let stop = machine.stop(&mut context);
            let next = Adapter::next(machine, Some(held), context, turn)?;
            Ok(match stop {
                Stop::Now => None,
                Stop::Later => Some(next),
            })
        })
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        let held = Adapter::<B>::held(state).expect("a state of this behaviour");
        held.text.as_bytes().to_vec()
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        guarded(|| Ok(Arc::new(Adapter::<B>::hold(read(bytes)?, None)?) as Arc<dyn Any + Send + Sync>))
    }

    fn renamed(&self, state: &State, rename: Rename<'_>) -> Option<State> {
        let held = Adapter::<B>::held(state).ok()?;
        let text = serde_json::to_string(&held.machine).ok()?;
        let machine: B = serde_json::from_str(Json::trusted(text).renamed(rename).as_str()).ok()?;
        Some(Arc::new(Adapter::hold(machine, None).ok()?))
    }

    fn describe(&self, state: &State) -> Description {
        let held = Adapter::<B>::held(state).expect("a state of this behaviour");
        let json = held.text.split_once(' ').map_or("null", |(_, json)| json);
        Description { labels: held.labels.clone(), data: Json::trusted(json.to_owned()) }
    }

    fn waiting(&self, _: &State, _: &AnyAddress, _: Time) -> Waiting {
        let mut accepts: Vec<Arc<str>> =
            message::names::<B::Message>().iter().map(|name| Arc::from(*name)).collect();
        accepts.sort_unstable();
        accepts.dedup();
        Waiting { accepts, guarded: Vec::new() }
    }
}
