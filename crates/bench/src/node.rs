//! A node over the embedded store, as the server runs it, without the server.
//!
//! It refuses any setting but the defaults. Its one invariant: an event counts only when its outcome is `ok`.

use crate::load::{Bound, Load, Sender, block_on, waiting};
use anyhow::{Context, Result, bail};
use everstate_kernel::{Address, Event, EventId, Json, Outcome, Sender as From, Time};
use everstate_runtime::{Decision, Handle, Options, Runtime};
use everstate_store as store;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// A chart of four levels with a guard and an assign; on demand, so that the first event makes an instance.
pub(crate) const TURN: &str = include_str!("machines/turn.yaml");

/// Names of its kind and of its event.
pub(crate) const KIND: &str = "turn";

/// A running node.
pub(crate) struct Node {
    runtime: Runtime,
    store: store::Handle,
}

/// Which instances a sender goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Among {
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// From one to the next; prime to `count`, so that all are visited.
    pub(crate) stride: u64,
}

impl Among {
    /// One after the other.
    pub(crate) fn in_order(count: u64) -> Among {
        Among { first: 0, count, stride: 1 }
    }

    /// So that neighbours in time are far apart: what the cache of a store likes least.
    pub(crate) fn scattered(count: u64) -> Among {
        Among { first: 0, count, stride: 7_919 }
    }

    /// The same instances, begun elsewhere.
    pub(crate) fn from(self, part: u64, parts: u64) -> Among {
        Among { first: self.count / parts * part, ..self }
    }
}

impl Node {
    /// Opens the store in a folder and puts the machine.
    pub(crate) fn open(folder: &Path) -> Result<Node> {
        let (engine, _) = store::open(folder, &store::Options::default())?;
        let store = engine.handle();
        let runtime = Runtime::start(Box::new(engine), Options::default())?;
        let node = Node { runtime, store };
        let outcome = everstate_chart::read("turn.yaml", TURN);
        let definition = outcome.definition.with_context(|| format!("turn.yaml: {:?}", outcome.findings))?;
        let put = node.handle();
        block_on(async move {
            put.put(Arc::new(definition.to_definition()), Arc::from(TURN)).await?;
            Ok(())
        })?;
        Ok(node)
    }

    pub(crate) fn handle(&self) -> Handle {
        self.runtime.handle()
    }

    /// Bytes in the journal since the start.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.store.stats().bytes
    }

    /// Sends one event to each of so many instances, which makes those that are not there.
    pub(crate) fn populate(&self, instances: u64) -> Result<Load> {
        let (each, senders) = (500, 8);
        let sends = instances.div_ceil(each * senders);
        let mut load = Vec::new();
        for number in 0..senders {
            let among = Among::in_order(instances).from(number, senders);
            load.push(self.sender(among, each as usize));
        }
        let bound = Bound { sends, ..Bound::time(std::time::Duration::from_secs(600)) };
        block_on(waiting(load, bound))
    }

    /// Someone who sends `each` events at a time and waits for their outcomes.
    pub(crate) fn sender(&self, among: Among, each: usize) -> NodeSender {
        NodeSender {
            handle: self.handle(),
            among,
            next: among.first,
            each,
            name: Arc::from("step"),
            data: Json::parse(r#"{"n":1}"#).expect("it is JSON"),
        }
    }

    /// A load of so many senders of `each` events at a time.
    pub(crate) fn load(&self, senders: u64, each: usize, among: Among, bound: Bound) -> Result<Load> {
        let senders = (0..senders).map(|number| self.sender(among.from(number, senders), each)).collect();
        block_on(waiting(senders, bound))
    }

    pub(crate) fn stop(self) -> Result<()> {
        Ok(self.runtime.stop()?)
    }
}

/// See [`Node::sender`].
pub(crate) struct NodeSender {
    handle: Handle,
    among: Among,
    next: u64,
    each: usize,
    name: Arc<str>,
    data: Json,
}

/// Numbers the events of this process.
static SENT: AtomicU64 = AtomicU64::new(0);

/// An id that no other event has, as a client would make it.
pub(crate) fn fresh_id() -> String {
    format!("{:08x}-{:012x}", std::process::id(), SENT.fetch_add(1, Relaxed))
}

/// The address of an instance.
pub(crate) fn address(number: u64) -> String {
    format!("{KIND}/{number:08}")
}

impl NodeSender {
    fn event(&mut self) -> Result<(Address, Event)> {
        let to = Address::parse(&address(self.next))?;
        self.next = (self.next + self.among.stride) % self.among.count;
        let id = EventId::parse(&fresh_id()).map_err(anyhow::Error::msg)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let time = Time(i64::try_from(now.as_millis())?);
        let event =
            Event { id, name: self.name.clone(), data: self.data.clone(), sender: From::Client, time };
        Ok((to, event))
    }
}

impl Sender for NodeSender {
    async fn send(&mut self) -> Result<u64> {
        if self.each == 1 {
            let (to, event) = self.event()?;
            ok(&self.handle.send(to, event).await?)?;
            return Ok(1);
        }
        let events = (0..self.each).map(|_| self.event()).collect::<Result<Vec<_>>>()?;
        for decision in self.handle.send_many(events).await? {
            ok(&decision?)?;
        }
        Ok(self.each as u64)
    }
}

fn ok(decision: &Decision) -> Result<()> {
    match decision {
        Decision::Decided { outcome: Outcome::Ok { .. }, duplicate: false } => Ok(()),
        other => bail!("an event of the bench came to {other:?}"),
    }
}
