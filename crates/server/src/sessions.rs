//! Sessions: who holds which, and since when nothing was heard of it.
//!
//! A session is an instance, and what it does and is told lies in the store. Here is only what cannot be: keys are
//! checked, and whoever is silent for too long is told of to the node. After a start of the server every session that
//! is in the store gets a whole wait to come back.
//!
//! It refuses to know how a connection speaks; that is `stream`'s. Its one invariant: every session that is alive has
//! exactly one wait that ends in its silence.

mod inbox;
mod stream;

pub(crate) use stream::attach;

use crate::convert;
use crate::failure::Failure;
use crate::service::{FreshNames, blocking, stopped};
use everstate_api::Code;
use everstate_api::v1::__buffa::view::attach_request::OpenView;
use everstate_kernel::{Address, Instance, Json, Outcome, Refusal, Rejection, RestartFrom, SESSION_KIND};
use everstate_runtime::{CallError, Decision, Handle};
use everstate_store::{Query, StoreError};
use ring::rand::{SecureRandom, SystemRandom};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Sessions read from the store at a time.
const PAGE: usize = 1_000;

/// Who holds which session.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(super) node: Handle,
    /// Turns true when the server is told to stop.
    pub(super) stopping: watch::Receiver<bool>,
    /// How often whoever holds a session is asked to say something.
    pub(crate) pulse: Duration,
    /// How long it may say nothing.
    pub(crate) silent: Duration,
    held: Mutex<Held>,
    /// There is a wait that ends before all others.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Held {
    by_address: HashMap<Address, Holder>,
    /// When to look at a session next: the only entry for it. It may have been heard since.
    waits: BinaryHeap<Reverse<(Instant, Address)>>,
    /// Of the next holder.
    number: u64,
}

#[derive(Debug)]
struct Holder {
    heard: Instant,
    number: u64,
    /// Tells the holder that another has taken the session up.
    replaced: Arc<Notify>,
}

/// A session that was opened.
pub(super) struct Opened {
    pub(super) address: Address,
    /// New, or as it was given.
    pub(super) key: String,
    pub(super) resumed: bool,
    /// The sequence after which turns are told.
    pub(super) after: u64,
    pub(super) holder: u64,
    pub(super) replaced: Arc<Notify>,
}

impl Sessions {
    pub(crate) fn new(
        node: Handle,
        stopping: watch::Receiver<bool>,
        pulse: Duration,
        silent: Duration,
    ) -> Sessions {
        Sessions { node, stopping, pulse, silent, held: Mutex::default(), sooner: Notify::new() }
    }

    /// The row of a session.
    pub(super) async fn look(&self, address: &Address) -> Result<Option<Instance>, Failure> {
        let (reader, address) = (self.node.reader(), address.clone());
        let found = blocking(move || reader.instance(&address)).await??;
        Ok(found.map(|(row, _)| row))
    }

    /// Gives all sessions that the store holds a wait from now on.
    pub(crate) fn restore(&self) -> Result<(), StoreError> {
        let reader = self.node.reader();
        let mut after = None;
        loop {
            let kind = Some(SESSION_KIND.to_string());
            let query = Query { kind, done: Some(false), after, limit: PAGE, ..Query::default() };
            let page = reader.list(&query)?;
            for row in page.instances {
                self.hold(&row.address);
            }
            match page.next {
                None => return Ok(()),
                next => after = next,
            }
        }
    }

    /// Tells the node of each session that is silent, until the server stops.
    pub(crate) async fn watch(self: Arc<Sessions>) {
        loop {
            let next = self.held().waits.peek().map(|Reverse((at, _))| *at);
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.sooner.notified() => continue,
                () = stopped(self.stopping.clone()) => return,
            }
            for address in self.take_silent(Instant::now()) {
                tracing::info!(session = %address, "a session is silent");
                let told = tokio::select! {
                    told = tell_silent(&self.node, &address) => told,
                    () = stopped(self.stopping.clone()) => return,
                };
                if let Err(error) = told {
                    tracing::error!(%error, session = %address, "the node does not learn of a silent session");
                }
            }
        }
    }

    /// Those that were not heard in time; nobody holds them any more.
    fn take_silent(&self, now: Instant) -> Vec<Address> {
        let mut held = self.held();
        let mut silent = Vec::new();
        while let Some(Reverse((at, address))) = held.waits.peek().cloned() {
            if at > now {
                break;
            }
            held.waits.pop();
            // One that was closed has no holder.
            let Some(holder) = held.by_address.get(&address) else { continue };
            let until = holder.heard + self.silent;
            if until > now {
                held.waits.push(Reverse((until, address)));
            } else if let Some(holder) = held.by_address.remove(&address) {
                holder.replaced.notify_one();
                silent.push(address);
            }
        }
        silent
    }

    /// Somebody holds it from now on; whoever did before is told.
    fn hold(&self, address: &Address) -> (u64, Arc<Notify>) {
        let now = Instant::now();
        let mut held = self.held();
        held.number += 1;
        let (number, replaced) = (held.number, Arc::new(Notify::new()));
        let holder = Holder { heard: now, number, replaced: replaced.clone() };
        match held.by_address.insert(address.clone(), holder) {
            Some(before) => before.replaced.notify_one(),
            None => {
                held.waits.push(Reverse((now + self.silent, address.clone())));
                self.sooner.notify_one();
            }
        }
        (number, replaced)
    }

    /// The holder has said something. False when it is not the holder any more.
    pub(super) fn heard(&self, address: &Address, number: u64) -> bool {
        let mut held = self.held();
        match held.by_address.get_mut(address).filter(|holder| holder.number == number) {
            Some(holder) => {
                holder.heard = Instant::now();
                true
            }
            None => false,
        }
    }

    /// Nobody holds it any more, and nobody shall come back.
    pub(super) fn let_go(&self, address: &Address) {
        self.held().by_address.remove(address);
    }

    /// Does anybody hold it?
    pub(super) fn is_held(&self, address: &Address) -> bool {
        self.held().by_address.contains_key(address)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the node, and again while it has too much to do or its disk is full.
async fn tell_silent(node: &Handle, address: &Address) -> Result<(), CallError> {
    loop {
        match node.silence(address.clone()).await {
            Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(CallError::Full) => tokio::time::sleep(Duration::from_secs(1)).await,
            // One that is no more is as silent as can be.
            Err(CallError::Refused(_)) | Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Opens a session, or takes one up again.
pub(super) async fn open(sessions: &Sessions, request: &OpenView<'_>) -> Result<Opened, Failure> {
    let address = match request.address {
        "" if !request.key.is_empty() => {
            let problem = "a key is given without the session's address; give both, as `opened` gave them";
            return Err(Failure::new(Code::MalformedRequest, problem).at("open.address"));
        }
        "" => Address::new(SESSION_KIND, &convert::Names::fresh(&FreshNames))?,
        text => convert::address(text, "open.address")?,
    };
    if address.kind() != SESSION_KIND {
        let problem = format!("{address} is no session; write session/ID, or leave it empty for a fresh one");
        return Err(Failure::new(Code::MalformedRequest, problem).at("open.address"));
    }
    if request.key.is_empty() {
        begin(sessions, address).await
    } else {
        resume(sessions, address, request.key, request.cursor).await
    }
}

async fn begin(sessions: &Sessions, address: Address) -> Result<Opened, Failure> {
    let key = fresh_key()?;
    let data = Json::trusted(serde_json::json!({ "lock": lock(&key) }).to_string());
    let before = sessions.look(&address).await?;
    match before {
        Some(row) if !row.status.is_ended() => return Err(taken(&address)),
        Some(_) => {
            let again = sessions.node.restart(address.clone(), RestartFrom::Initial(data.clone())).await?;
            tracing::debug!(session = %address, ?again, "a session begins anew");
        }
        None => {
            let id = convert::event_id("", "open", &FreshNames)?;
            match sessions.node.start(address.clone(), None, id, data.clone()).await {
                Err(CallError::Refused(Refusal::InstanceExists(_))) => {
                    return Err(taken(&address));
                }
                decision => drop(decision?),
            }
        }
    }
    // Two who begin the same ended session at once: the later one holds it, and the key says which that is.
    let Some(row) = sessions.look(&address).await? else { return Err(gone(&address)) };
    if kept_lock(&row).as_deref() != Some(&*lock(&key)) {
        return Err(taken(&address));
    }
    let (holder, replaced) = sessions.hold(&address);
    Ok(Opened { address, key, resumed: false, after: row.turns, holder, replaced })
}

async fn resume(sessions: &Sessions, address: Address, key: &str, cursor: u64) -> Result<Opened, Failure> {
    let found = sessions.look(&address).await?;
    let Some(row) = found.filter(|row| !row.status.is_ended()) else { return Err(gone(&address)) };
    let fits = kept_lock(&row).is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(lock(key).as_bytes())));
    if !fits {
        let problem = format!("the key is not that of {address}");
        return Err(Failure::new(Code::SessionKey, problem).at("open.key"));
    }
    if cursor > row.turns {
        // Its turns were lost with the machine, as durability below `power` allows, or never were of this session.
        let problem = format!("cursor {cursor} is beyond what {address} was told, {}", row.turns);
        return Err(Failure::new(Code::MalformedRequest, problem).at("open.cursor"));
    }
    let (holder, replaced) = sessions.hold(&address);
    Ok(Opened { address, key: key.to_owned(), resumed: true, after: cursor, holder, replaced })
}

/// What the session was started with, which whoever has its key can make.
fn kept_lock(row: &Instance) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(row.state.as_slice()).ok()?;
    value.get("lock")?.as_str().map(str::to_owned)
}

fn taken(address: &Address) -> Failure {
    let problem = format!("another program holds {address}; give its key, or another name");
    Failure::new(Code::SessionHeld, problem).at("open.address")
}

pub(super) fn gone(address: &Address) -> Failure {
    let problem = format!("{address} is no more; attach anew, without a key");
    Failure::new(Code::SessionGone, problem).at("open.address")
}

/// 256 bits that nobody guesses.
fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        tracing::error!("the system gives no random numbers");
        Failure::internal()
    })?;
    Ok(hex(&bytes))
}

/// What is kept of a key.
fn lock(key: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Did the node take it?
pub(super) fn ended(decision: &Decision) -> bool {
    let rejection = match decision {
        Decision::Decided { outcome: Outcome::Rejected { reason, .. }, .. } => *reason,
        _ => return false,
    };
    matches!(rejection, Rejection::Final | Rejection::UnknownAddress | Rejection::Gone)
}
