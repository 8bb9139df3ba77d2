//! Machines in this process: opened on a folder or in memory, talked to with types.
//!
//! It refuses to know how a node runs (the runtime does). Its one invariant: what `call` and `tell` have answered is
//! committed.

use crate::address::Address;
use crate::behaviour::Behaviour;
use crate::error::{CallError, LookError, OpenError};
use crate::follow::{Cursor, Following};
use crate::{adapter, message};
use everstate_kernel::{
    Address as AnyAddress, Definition, Event, EventId, Json, Outcome, Rejection, Sender, Time,
};
use everstate_runtime::{Clock, Decision, Handle, Options, Runtime, SystemClock};
use everstate_store::{Memory, Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Running machines. Cheap to clone; they end with [`Everstate::stop`], or with the last clone.
///
/// ```
/// # use everstate::{Address, Behaviour, Context, Everstate, wait};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # impl Behaviour for Counter {
/// #     const NAME: &str = "counters";
/// #     type Message = u64;
/// #     type Reply = u64;
/// #     type Error = String;
/// #     fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, String> { self.0 += more; Ok(self.0) }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let everstate = Everstate::memory().behaviour::<Counter>().start()?;
/// let visits = Address::<Counter>::new("visits")?;
/// assert_eq!(wait(everstate.call(&visits, 3))?, 3);
/// everstate.stop()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Everstate {
    handle: Handle,
    runtime: Arc<Mutex<Option<Runtime>>>,
    ids: Arc<Ids>,
}

/// What to bring to life, and on what.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct Setup {
    /// None for the engine in memory.
    folder: Option<PathBuf>,
    behaviours: Vec<(&'static str, Result<Arc<Definition>, String>)>,
    charts: Vec<(String, String)>,
    options: Options,
}

impl Setup {
    /// Registers a behaviour. A folder that holds machines of others does not open.
    pub fn behaviour<B: Behaviour>(mut self) -> Setup {
        self.behaviours.push((B::NAME, adapter::definition::<B>()));
        self
    }

    /// Puts a chart, or a supervisor, beside them. The file's name gives the definition's name where the text does not,
    /// and is named in errors.
    pub fn chart(mut self, file: &str, text: &str) -> Setup {
        self.charts.push((file.to_owned(), text.to_owned()));
        self
    }

    /// How the node runs. The behaviours stay those that were registered.
    pub fn options(mut self, options: Options) -> Setup {
        self.options = options;
        self
    }

    /// Opens the store, and lets everything in it go on from where it was.
    pub fn start(mut self) -> Result<Everstate, OpenError> {
        self.options.natives = natives(std::mem::take(&mut self.behaviours))?;
        let mut charts = Vec::new();
        for (file, text) in &self.charts {
            let (machine, findings) = everstate_chart::machine(file, text);
            let problem = || {
                let errors =
                    findings.iter().filter(|finding| finding.severity == everstate_chart::Severity::Error);
                errors.map(|finding| everstate_chart::render(finding, file, text, false)).collect()
            };
            let machine =
                machine.ok_or_else(|| OpenError::Chart { file: file.clone(), problem: problem() })?;
            charts.push((Arc::new(machine.to_definition()), Arc::from(text.as_str())));
        }
        let store: Box<dyn Store> = match &self.folder {
            None => Box::new(Memory::new()),
            Some(folder) => Box::new(everstate_store::open(folder, &everstate_store::Options::default())?.0),
        };
        let runtime = Runtime::start(store, self.options)?;
        let handle = runtime.handle();
        for (definition, source) in charts {
            crate::wait(handle.put(definition, source))?;
        }
        let runtime = Arc::new(Mutex::new(Some(runtime)));
        Ok(Everstate { handle, runtime, ids: Arc::new(Ids::new()) })
    }
}

/// The definitions of the behaviours, each name once.
pub(crate) fn natives(
    behaviours: Vec<(&'static str, Result<Arc<Definition>, String>)>,
) -> Result<Vec<Arc<Definition>>, OpenError> {
    let mut natives: Vec<Arc<Definition>> = Vec::new();
    for (name, definition) in behaviours {
        let problem = |problem: String| OpenError::Behaviour { name, problem };
        let definition = definition.map_err(problem)?;
        if natives.iter().any(|other| other.id.name == definition.id.name) {
            return Err(problem("two are registered under this name; give one of them another".into()));
        }
        natives.push(definition);
    }
    Ok(natives)
}

/// The definition of a behaviour, for whoever hosts it elsewhere: in a server beside charts
/// (`everstate_server::Server::start_hosting`), or in a world of `everstate_sim`.
pub fn definition<B: Behaviour>() -> Result<Arc<Definition>, OpenError> {
    adapter::definition::<B>().map_err(|problem| OpenError::Behaviour { name: B::NAME, problem })
}

impl Everstate {
    /// On the embedded store in a folder, which is made when it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Setup {
        Setup { folder: Some(folder.into()), ..Everstate::memory() }
    }

    /// In memory: nothing survives the process.
    pub fn memory() -> Setup {
        Setup { folder: None, behaviours: Vec::new(), charts: Vec::new(), options: Options::default() }
    }

    /// Sends a message and waits for the reply, however long it takes: until the event is decided, retries included.
    pub async fn call<B: Behaviour, M: Into<B::Message>>(
        &self,
        to: &Address<B, M>,
        message: M,
    ) -> Result<B::Reply, CallError<B::Error>> {
        self.call_as(self.fresh_id(), to, message).await
    }

    /// The same under an id of one's own. A caller that stops waiting learns by it what became of the message
    /// ([`Everstate::outcome`]); one that sends again under it gets the first outcome and causes nothing twice.
    pub async fn call_as<B: Behaviour, M: Into<B::Message>>(
        &self,
        id: EventId,
        to: &Address<B, M>,
        message: M,
    ) -> Result<B::Reply, CallError<B::Error>> {
        let event = event(id.clone(), &message.into())?;
        let outcome = match self.handle.send(to.any().clone(), event).await? {
            Decision::Decided { outcome, .. } => outcome,
            Decision::Kept { .. } => self.handle.decided(&id).await?,
        };
        reply::<B>(outcome)
    }

    /// What became of the message with that id, once it is decided. None when no such message is known: it did not
    /// arrive (yet), or longer ago than outcomes are remembered.
    pub async fn outcome<B: Behaviour>(&self, id: &EventId) -> Result<Option<B::Reply>, CallError<B::Error>> {
        let failed = |error: StoreError| everstate_runtime::CallError::Failed(error.to_string());
        let Some(known) = self.handle.reader().outcome(id, now()).map_err(failed)? else { return Ok(None) };
        let outcome = match known.outcome {
            Some(outcome) => outcome,
            None => self.handle.decided(id).await?,
        };
        reply::<B>(outcome).map(Some)
    }

    /// Sends a message and waits until it is kept. It is not waited for when it is to be retried.
    pub async fn tell<B: Behaviour, M: Into<B::Message>>(
        &self,
        to: &Address<B, M>,
        message: M,
    ) -> Result<(), CallError<B::Error>> {
        let event = event(self.fresh_id(), &message.into())?;
        match self.handle.send(to.any().clone(), event).await? {
            Decision::Decided { outcome, .. } => reply::<B>(outcome).map(drop),
            Decision::Kept { .. } => Ok(()),
        }
    }

    /// Sends a message and waits for nothing: it is in the node's queue, and lost when the process ends before its turn.
    pub fn post<B: Behaviour, M: Into<B::Message>>(
        &self,
        to: &Address<B, M>,
        message: M,
    ) -> Result<(), CallError<B::Error>> {
        let event = event(self.fresh_id(), &message.into())?;
        Ok(self.handle.post(to.any().clone(), event)?)
    }

    /// Sends an event to any machine, such as a chart.
    pub async fn send(
        &self,
        to: &AnyAddress,
        name: &str,
        data: impl Serialize,
    ) -> Result<Outcome, CallError<String>> {
        Event::check_name(name).map_err(CallError::Unreadable)?;
        let (id, data) = (self.fresh_id(), json(&data)?);
        let event =
            Event { id: id.clone(), name: Arc::from(name), data, sender: Sender::Client, time: now() };
        Ok(match self.handle.send(to.clone(), event).await? {
            Decision::Decided { outcome, .. } => outcome,
            Decision::Kept { .. } => self.handle.decided(&id).await?,
        })
    }

    /// Starts an instance as `machine`. Only what a message does not create needs it.
    pub async fn start<B: Behaviour>(&self, at: &Address<B>, machine: B) -> Result<(), CallError<B::Error>> {
        let data = json(&machine)?;
        match self.handle.start(at.any().clone(), None, self.fresh_id(), data).await? {
            Decision::Decided { outcome, .. } => reply::<B>(outcome).map(drop),
            Decision::Kept { .. } => Ok(()),
        }
    }

    /// The state of an instance as it is committed; none when there is no such instance.
    pub fn look<B: Behaviour, M>(&self, at: &Address<B, M>) -> Result<Option<B>, LookError> {
        let Some((row, _)) = self.handle.reader().instance(at.any())? else { return Ok(None) };
        adapter::read(row.state.as_slice()).map(Some).map_err(LookError::State)
    }

    /// The state of an instance, and then each of its turns: from now on, or after a cursor.
    pub fn follow<B: Behaviour, M>(&self, at: &Address<B, M>, after: Option<Cursor>) -> Following<B> {
        Following::new(self.handle.clone(), at.any().clone(), after)
    }

    /// An id that no other message has.
    pub fn fresh_id(&self) -> EventId {
        self.ids.fresh()
    }

    /// All that a node can do, without types: stopping and restarting instances, dead letters, queries, metrics.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes no more messages, finishes those that wait, and closes the store. Other clones are answered that it is
    /// stopping.
    pub fn stop(self) -> Result<(), StoreError> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        runtime.map_or(Ok(()), Runtime::stop)
    }
}

fn event<E>(id: EventId, message: &impl Serialize) -> Result<Event, CallError<E>> {
    let (name, data) = message::write(message).map_err(CallError::Unreadable)?;
    Ok(Event { id, name: Arc::from(name), data: checked(data)?, sender: Sender::Client, time: now() })
}

fn json<E>(value: &impl Serialize) -> Result<Json, CallError<E>> {
    let text = serde_json::to_string(value).map_err(|error| CallError::Unreadable(error.to_string()))?;
    checked(Json::trusted(text))
}

/// What comes from outside is checked at the door: its size always, how deep it nests where it could nest too deep.
fn checked<E>(data: Json) -> Result<Json, CallError<E>> {
    if data.as_str().len() <= everstate_kernel::limits::DATA_DEPTH_MAX {
        return Ok(data);
    }
    Json::parse(data.as_str()).map_err(|error| CallError::Unreadable(error.to_string()))
}

/// What an outcome is for a caller.
pub(crate) fn reply<B: Behaviour>(outcome: Outcome) -> Result<B::Reply, CallError<B::Error>> {
    match outcome {
        Outcome::Ok { reply, .. } => typed(reply.as_str()),
        Outcome::Rejected { reason: Rejection::Refused, detail, .. } => {
            Err(typed(&detail).map_or_else(|error| error, CallError::Refused))
        }
        Outcome::Rejected { reason, detail, .. } => Err(CallError::Rejected { reason, detail }),
        Outcome::Failed { fault, attempts } => Err(CallError::Failed { fault, attempts }),
    }
}

fn typed<T: DeserializeOwned, E>(text: &str) -> Result<T, CallError<E>> {
    serde_json::from_str(text)
        .map_err(|error| CallError::Unreadable(format!("the answer is not of its type: {error}: {text}")))
}

fn now() -> Time {
    SystemClock::new().now()
}

/// Ids of messages: one that no other process has, and a count.
#[derive(Debug)]
struct Ids {
    process: String,
    count: AtomicU64,
}

impl Ids {
    fn new() -> Ids {
        Ids { process: uuid::Uuid::now_v7().simple().to_string(), count: AtomicU64::new(0) }
    }

    fn fresh(&self) -> EventId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        EventId::parse(&format!("{}-{count}", self.process)).expect("digits and letters are visible")
    }
}
