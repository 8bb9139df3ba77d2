//! How does it run? One thread owns a node and its store: it takes a batch of inputs, hydrates, steps each,
//! commits once, and releases. Everyone else talks to it through a [`Handle`].
//!
//! It refuses to decide what is true (the kernel does), to know how it is kept (the store does) and who speaks
//! to it (the server does).
//!
//! Its one invariant: nothing leaves before the commit that carries it.

mod callers;
mod clock;
mod definitions;
mod error;
mod estate;
mod expiring;
mod follow;
mod handle;
mod leasing;
mod metrics;
mod native;
mod recorder;
mod repair;
mod shard;
mod tasks;
mod warden;
mod watch;

pub use clock::{Clock, SystemClock};
pub use definitions::Definitions;
pub use error::{CallError, StartError};
pub use follow::{Follower, Interrupted, Turned};
pub use handle::{Decision, Handle, Reported};
pub use metrics::{Histogram, Metrics};
pub use recorder::Recorder;
pub use repair::Note;
pub use tasks::Depth;

use callers::Callers;
use crossbeam_channel::Receiver;
use estate::{Estate, Owned};
use everstate_kernel::{Definition, Retain};
use everstate_store::{Store, StoreError};
use follow::Hub;
use handle::{Call, Shared};
use leasing::Leasing;
use recorder::Recording;
use shard::Shard;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use warden::Warden;
use watch::Watch;

/// How a node runs. Every field has a default that suits a small machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events that may wait for the shard. One more is answered [`CallError::Overloaded`]. At half, a short stall
    /// of the disk is seen by callers; at twice, they wait longer before they learn of an overload.
    pub queue_events_max: usize,
    /// Inputs in one batch. It bounds how long the first of a batch waits for the last.
    pub batch_inputs_max: usize,
    /// Bytes of event data in one batch. It bounds the size of a commit.
    pub batch_bytes_max: usize,
    /// Instances kept in memory between batches.
    pub instances_cached_max: usize,
    /// Commits that followers may be behind before they must read from the store.
    pub follow_buffer_max: usize,
    /// Feeds the seeds of turns.
    pub seed: u64,
    /// How long what has happened is kept where a definition says nothing.
    pub retain: Retain,
    /// Where what is kept no longer is written before it is deleted; nowhere without a folder.
    pub archive: Option<PathBuf>,
    /// Behaviours in Rust that the program brings along. A store that holds others of the kind does not open.
    pub natives: Vec<Arc<Definition>>,
    /// How long a turn of theirs may take. One that takes longer faults, its thread is left behind, and another one goes
    /// on. Honest turns take microseconds; at half, a machine that is short of processors faults without being to
    /// blame, at twice, everybody else waits twice as long for one that never ends.
    pub turn_deadline: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            queue_events_max: 65_536,
            batch_inputs_max: 2_048,
            batch_bytes_max: 4 << 20,
            instances_cached_max: 50_000,
            follow_buffer_max: 1_024,
            seed: 0,
            retain: Retain::default(),
            archive: None,
            natives: Vec::new(),
            turn_deadline: Duration::from_secs(10),
        }
    }
}

/// A running node. Dropping it stops it like [`Runtime::stop`], without telling how that went.
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    warden: Option<JoinHandle<Result<(), StoreError>>>,
    hub: Option<JoinHandle<()>>,
}

impl Runtime {
    /// Brings a store to life: reads its definitions and what is on its way, and starts the threads.
    pub fn start(store: Box<dyn Store>, options: Options) -> Result<Runtime, StartError> {
        Runtime::start_with_clock(store, options, Box::new(SystemClock::new()))
    }

    /// The same with a clock of one's own.
    pub fn start_with_clock(
        store: Box<dyn Store>,
        options: Options,
        clock: Box<dyn Clock>,
    ) -> Result<Runtime, StartError> {
        Runtime::start_with(store, options, clock, Recording::default())
    }

    /// The same, with somebody who is told of all that is stepped and committed.
    pub fn start_recorded(
        store: Box<dyn Store>,
        options: Options,
        recorder: Box<dyn Recorder>,
    ) -> Result<Runtime, StartError> {
        Runtime::start_with(store, options, Box::new(SystemClock::new()), Recording::to(recorder))
    }

    fn start_with(
        store: Box<dyn Store>,
        options: Options,
        clock: Box<dyn Clock>,
        recording: Recording,
    ) -> Result<Runtime, StartError> {
        let reader = store.reader();
        let definitions = Arc::new(Definitions::read(&*reader, &options.natives)?);
        let metrics = Arc::new(Metrics::default());
        let (hub, publisher, hub_thread) = Hub::start(options.follow_buffer_max);
        let (handle, queue) = Handle::new(reader, definitions, metrics, hub, options.queue_events_max);
        let (callers, leasing) = (Callers::default(), Leasing::default());
        let estate = Estate::new(Owned { store, clock, publisher, callers, leasing, recording });
        let (shared, watch) = (handle.shared(), Arc::default());
        let crew = Crew { estate, watch, shared, options, queue };
        let first = start_thread(Shard::new(&crew)?, &crew).map_err(StartError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("everstate-warden".into())
            .spawn(move || Warden { crew }.guard(first))
            .map_err(StartError::Thread)?;
        Ok(Runtime { handle, warden: Some(thread), hub: Some(hub_thread) })
    }

    /// What to talk to it through.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes no more calls, finishes those that wait, answers them, and closes the store. Blocks until then.
    pub fn stop(mut self) -> Result<(), StoreError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.handle.close();
        let ended = match self.warden.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => {
                Err(StoreError::Poisoned("the thread that watches over the shard's panicked".into()))
            }
        };
        if let Some(hub) = self.hub.take() {
            // The hub ends once the shard has dropped its publisher; it cannot fail.
            let _ = hub.join();
        }
        ended
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

/// What the threads of one shard share, and whoever watches over them.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) estate: Estate,
    pub(crate) watch: Arc<Watch>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    pub(crate) queue: Receiver<Call>,
}

/// How a thread of the shard says that it has ended.
pub(crate) type Ended = Receiver<Result<(), StoreError>>;

/// Runs a shard on a thread of its own.
pub(crate) fn start_thread(shard: Shard, crew: &Crew) -> std::io::Result<Ended> {
    let (ends, ended) = crossbeam_channel::bounded(1);
    let queue = crew.queue.clone();
    let run = move || {
        if let Some(result) = shard.run(&queue) {
            // Nobody listens when the warden has panicked, and then nobody is to be told.
            let _ = ends.send(result);
        }
    };
    std::thread::Builder::new().name("everstate-shard".into()).spawn(run)?;
    Ok(ended)
}
