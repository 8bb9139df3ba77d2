//! Watching over behaviours that a program brings along: whose turn it is, and for how long it has been.
//!
//! A chart's turn ends, since its work is counted; a Rust function need not, and nothing can stop it from outside. So
//! the thread that is in such a turn is left behind: another takes over the store, goes on from what is committed, and
//! the event that is to blame faults instead of being handled again. The kernel knows nothing of it.
//!
//! Its one invariant: what overran once is not tried again, as long as it is remembered.

use everstate_kernel::{
    Address, Behaviour, Definition, Description, Event, EventId, Fault, FaultCode, Handled, Json, Next,
    State, Time, Turn, Waiting,
};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is being done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Doing {
    /// Handling the event: its id, its name and its data.
    Event(Address, EventId, Arc<str>, Json),
    /// Starting with the data.
    Start(Address, Json),
    /// Stopping.
    Stop(Address),
    /// Reading a state.
    Read(Arc<[u8]>),
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Event(address, id, name, _) => write!(f, "event {name} ({id}) of {address}"),
            Doing::Start(address, _) => write!(f, "the start of {address}"),
            Doing::Stop(address) => write!(f, "the stop of {address}"),
            Doing::Read(state) => write!(f, "reading a state of {} bytes", state.len()),
        }
    }
}

/// What the shard's thread tells whoever watches over it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Counts beginnings, so that two looks can tell whether it is the same turn.
    begun: AtomicU64,
    current: Mutex<Option<(u64, Doing)>>,
    overran: Mutex<VecDeque<Overran>>,
}

/// What overran.
#[derive(Debug)]
struct Overran {
    doing: Doing,
    /// Has it faulted for that? Then it is known by its id alone.
    faulted: bool,
}

impl Overran {
    /// Is it this that is begun once more? An event of a machine that was not committed may have another id by now; it
    /// is known by what it says, once.
    fn is(&mut self, again: &Doing) -> bool {
        let found = match (&self.doing, again) {
            (Doing::Event(to, id, name, data), Doing::Event(again_to, again_id, again_name, again_data)) => {
                let both_inner = [id, again_id].iter().all(|id| id.as_str().starts_with('~'));
                let says = !self.faulted && both_inner && name == again_name && data == again_data;
                to == again_to && (id == again_id || says)
            }
            (doing, again) => doing == again,
        };
        if found {
            (self.doing, self.faulted) = (again.clone(), true);
        }
        found
    }
}

/// Things that overran and are remembered. Each has cost a thread that may still be running, and a process does not have
/// many to give; the oldest is forgotten for the newest.
const OVERRAN_MAX: usize = 64;

/// Ends what was begun.
struct Done<'a>(&'a Watch, u64);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        // One that was left behind must not end what its successor does.
        self.0.current().take_if(|(number, _)| *number == self.1);
    }
}

impl Watch {
    fn current(&self) -> MutexGuard<'_, Option<(u64, Doing)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, doing: Doing) -> Result<Done<'_>, Fault> {
        let mut overran = self.overran.lock().unwrap_or_else(PoisonError::into_inner);
        if overran.iter_mut().any(|before| before.is(&doing)) {
            let message = format!("{doing} overran the deadline of a turn and was given up");
            return Err(Fault { code: FaultCode::Limit, message, place: String::new() });
        }
        drop(overran);
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        *self.current() = Some((number, doing));
        Ok(Done(self, number))
    }

    /// The number of the turn that is being made.
    pub(crate) fn busy(&self) -> Option<u64> {
        self.current().as_ref().map(|(number, _)| *number)
    }

    /// Gives up the turn of that number, if it is still being made.
    pub(crate) fn give_up(&self, number: u64) -> Option<Doing> {
        let (_, doing) = self.current().take_if(|(current, _)| *current == number)?;
        let mut overran = self.overran.lock().unwrap_or_else(PoisonError::into_inner);
        if overran.len() == OVERRAN_MAX {
            overran.pop_front();
        }
        overran.push_back(Overran { doing: doing.clone(), faulted: false });
        Some(doing)
    }
}

/// A behaviour that is watched.
#[derive(Debug)]
struct Watched {
    behaviour: Arc<dyn Behaviour>,
    watch: Arc<Watch>,
}

/// The definition with its behaviour watched.
pub(crate) fn watched(definition: &Arc<Definition>, watch: &Arc<Watch>) -> Arc<Definition> {
    let behaviour = Watched { behaviour: definition.behaviour.clone(), watch: watch.clone() };
    Arc::new(Definition { behaviour: Arc::new(behaviour), ..(**definition).clone() })
}

impl Behaviour for Watched {
    fn start(&self, data: &Json, turn: &mut Turn<'_>) -> Result<Next, Fault> {
        let _done = self.watch.begin(Doing::Start(turn.instance.clone(), data.clone()))?;
        self.behaviour.start(data, turn)
    }

    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        let _done = self.watch.begin(Doing::Event(
            turn.instance.clone(),
            event.id.clone(),
            event.name.clone(),
            event.data.clone(),
        ))?;
        self.behaviour.handle(state, event, turn)
    }

    fn stop(&self, state: &State, turn: &mut Turn<'_>) -> Result<Option<Next>, Fault> {
        let _done = self.watch.begin(Doing::Stop(turn.instance.clone()))?;
        self.behaviour.stop(state, turn)
    }

    fn encode(&self, state: &State) -> Vec<u8> {
        self.behaviour.encode(state)
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        let _done = self.watch.begin(Doing::Read(Arc::from(bytes)))?;
        self.behaviour.decode(bytes)
    }

    fn describe(&self, state: &State) -> Description {
        self.behaviour.describe(state)
    }

    fn waiting(&self, state: &State, instance: &Address, now: Time) -> Waiting {
        self.behaviour.waiting(state, instance, now)
    }
}
