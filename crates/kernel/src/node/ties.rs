//! The links of an instance while a turn works on them: what its effects do to them, and what its end does. It refuses
//! to touch any other instance; those are told through the outbox.
//!
//! Its one invariant: for whatever changes here that another instance holds too, there is an errand to that one.

use super::awaited::Keys;
use super::numbers::{
    CHILDREN_INDEX, EARLIER_CHILDREN_INDEX, EARLIER_HELD_INDEX, EARLIER_WATCHED_INDEX, ENTER_INDEX,
    EXITED_INDEX, HELD_INDEX, WATCHED_INDEX, WATCHERS_INDEX,
};
use super::residents::Live;
use super::turn::sent;
use crate::address::Address;
use crate::behaviour::{Fault, FaultCode};
use crate::event::Sender;
use crate::json::Json;
use crate::limits::{CHILD_NAME_BYTES_MAX, CHILDREN_MAX, DEPTH_MAX, HELD_MAX, MONITORS_MAX};
use crate::link::{
    Acting, Child, Errand, Exit, Held, Hold, Links, News, Orphan, Parent, RestartFrom, Restarting, Spawning,
    Watch,
};
use crate::record::{Sent, Serial, Status};
use crate::space::{Act, Place, Reason};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The links of an instance and whose they are.
pub(super) struct Ties<'a> {
    address: &'a Address,
    now: Time,
    pub(super) links: Links,
    /// What it held before the turn.
    before: Option<&'a Links>,
    /// What the turn does in each space, with the number of the first act there.
    acting: Vec<(Serial, Address, Acting)>,
}

impl<'a> Ties<'a> {
    pub(super) fn of(live: &'a Live, now: Time) -> Ties<'a> {
        let before = live.row.links.as_deref();
        let links = before.cloned().unwrap_or_default();
        Ties { address: &live.row.address, now, links, before, acting: Vec::new() }
    }

    /// What the row holds of them.
    pub(super) fn kept(self) -> Option<Box<Links>> {
        kept(self.links)
    }

    fn errand(&self, number: Serial, to: Address, name: &str, data: Json, errand: Errand) -> Sent {
        let sender = Sender::Instance(self.address.clone());
        Sent { errand, ..sent(number, to, Arc::from(name), data, sender, self.now) }
    }

    pub(super) fn spawn(&mut self, number: Serial, wanted: Wanted) -> Result<Sent, Fault> {
        let Wanted { name, kind, version, id, data, orphan } = wanted;
        if self.links.child(&name).is_some() {
            return Err(action(format!("there is a child named {name:?} already; stop it first")));
        }
        if self.links.children.len() >= CHILDREN_MAX {
            return Err(limit(format!("the instance has {CHILDREN_MAX} children, which is the limit")));
        }
        let depth = self.links.depth + 1;
        if depth > DEPTH_MAX {
            return Err(limit(format!(
                "child {name:?} has {depth} parents above it, the limit is {DEPTH_MAX}"
            )));
        }
        let id = id.unwrap_or_else(|| derived_id(self.address, number));
        let space = self.address.space();
        let colon = if space.is_empty() { "" } else { ":" };
        let address = Address::parse(&format!("{space}{colon}{kind}/{id}"))
            .map_err(|error| action(format!("child {name:?} has no usable address: {error}")))?;
        let child = Child {
            name: name.clone(),
            address: address.clone(),
            link: number,
            born: 0,
            orphan,
            stopping: false,
        };
        self.links.children.push(child);
        let errand = Errand::Spawn(Box::new(Spawning { version, name, depth }));
        Ok(self.errand(number, address, "spawn", data, errand))
    }

    pub(super) fn stop(&mut self, number: Serial, name: &str, kill: bool) -> Option<Sent> {
        // One that is stopping and will not may still be killed.
        let child = self.links.children.iter_mut().rev();
        let child = child.filter(|child| kill || !child.stopping).find(|child| &*child.name == name)?;
        child.stopping = true;
        let (to, errand) = (child.address.clone(), Errand::Stop { link: child.link, kill });
        Some(self.errand(number, to, "stop", Json::NULL, errand))
    }

    pub(super) fn restart(&mut self, number: Serial, name: &str, from: RestartFrom) -> Option<Sent> {
        let child = self.links.children.iter_mut().find(|child| !child.stopping && &*child.name == name)?;
        let (link, name) = (child.link, child.name.clone());
        if matches!(from, RestartFrom::Initial(_)) {
            (child.link, child.born) = (number, 0);
        }
        let to = child.address.clone();
        let errand = Errand::Restart(Box::new(Restarting { link, name, from }));
        Some(self.errand(number, to, "restart", Json::NULL, errand))
    }

    pub(super) fn monitor(&mut self, number: Serial, to: Address) -> Result<Option<Sent>, Fault> {
        if self.links.watched.iter().any(|watch| watch.address == to) {
            return Ok(None);
        }
        if self.links.watched.len() >= MONITORS_MAX {
            return Err(limit(format!("the instance watches {MONITORS_MAX} others, which is the limit")));
        }
        self.links.watched.push(Watch { address: to.clone(), number });
        Ok(Some(self.errand(number, to, "monitor", Json::NULL, Errand::Monitor)))
    }

    pub(super) fn demonitor(&mut self, number: Serial, to: &Address) -> Option<Sent> {
        let place = self.links.watched.iter().position(|watch| watch.address == *to)?;
        let Watch { address, number: watch } = self.links.watched.remove(place);
        Some(self.errand(number, address, "demonitor", Json::NULL, Errand::Demonitor { number: watch }))
    }

    /// Acts in a space: noted here, and sent as one errand for each space.
    pub(super) fn act(&mut self, number: Serial, place: &Place, act: Act) -> Result<(), Fault> {
        let space = place.of(self.address).map_err(action)?;
        let mut since = None;
        match &act {
            Act::Join { name, .. } => since = Some(self.join(number.position(), &space, name)?),
            Act::Leave { name } => {
                let there = self.links.held.iter_mut().filter(|held| held.space == space);
                there.for_each(|held| held.holds.retain(|hold| hold.name != *name));
            }
            Act::Assert { name, .. } if self.links.hold(&space, name).is_none() => {
                return Err(action(format!(
                    "the instance holds no endpoint {name:?} in {space}; join with it first"
                )));
            }
            Act::Assert { .. } | Act::Publish { .. } | Act::Feedback { .. } => {}
        }
        let place = self.acting.iter().position(|(_, other, _)| *other == space);
        let place = place.unwrap_or_else(|| {
            self.acting.push((number, space, Acting { since: Vec::new(), acts: Vec::new() }));
            self.acting.len() - 1
        });
        let acting = &mut self.acting[place].2;
        acting.since.extend(since);
        acting.acts.push(act);
        Ok(())
    }

    /// Holds an endpoint, and says since when: this turn, unless it was held before it. So what was told to one that was
    /// left in an earlier turn is not taken for news of its successor, and what moves within a turn stays what it is.
    fn join(&mut self, position: u64, space: &Address, name: &Arc<str>) -> Result<u64, Fault> {
        if let Some(hold) = self.links.hold(space, name) {
            return Ok(hold.since);
        }
        if self.links.held.iter().map(|held| held.holds.len()).sum::<usize>() >= HELD_MAX {
            return Err(limit(format!(
                "the instance holds {HELD_MAX} endpoints, which is the limit; leave with one first"
            )));
        }
        let before = self.before.and_then(|links| links.hold(space, name));
        let since = before.map_or(position, |hold| hold.since);
        let hold = Hold { name: name.clone(), since };
        match self.links.held.iter_mut().find(|held| held.space == *space) {
            Some(held) => held.holds.push(hold),
            None => self.links.held.push(Held { space: space.clone(), holds: Vec::from([hold]) }),
        }
        Ok(since)
    }

    /// The errands of all acts.
    pub(super) fn acting(&mut self) -> Vec<Sent> {
        self.links.held.retain(|held| !held.holds.is_empty());
        let acting = core::mem::take(&mut self.acting).into_iter();
        acting
            .map(|(number, space, acting)| {
                let word = if let [act] = &acting.acts[..] { act.word() } else { "space.acts" };
                self.errand(number, space, word, Json::NULL, Errand::Act(Box::new(acting)))
            })
            .collect()
    }

    /// Lets go of all endpoints before the first turn of the next incarnation, whose own come after.
    pub(super) fn withdraw_before(&mut self, position: u64, reason: &Reason) -> Vec<Sent> {
        self.withdraw((position - 1, EARLIER_HELD_INDEX), reason, false)
    }

    fn withdraw(&mut self, from: (u64, u64), reason: &Reason, departs: bool) -> Vec<Sent> {
        let home = home(self.address).filter(|_| departs);
        let mut spaces: Vec<Address> =
            core::mem::take(&mut self.links.held).into_iter().map(|held| held.space).collect();
        spaces.extend(home.clone().filter(|home| !spaces.contains(home)));
        let spaces = spaces.into_iter().enumerate();
        spaces
            .map(|(index, space)| {
                let number = Serial::of(from.0, from.1 + index as u64);
                let departs = home.as_ref() == Some(&space);
                let errand = Errand::Withdraw { reason: reason.clone(), departs };
                self.errand(number, space, "space.withdraw", Json::NULL, errand)
            })
            .collect()
    }

    /// Lets go of all that an earlier incarnation had, before the next one begins.
    pub(super) fn forget_earlier(&mut self, position: u64) -> Vec<Sent> {
        self.links.stopping = false;
        self.let_go(position, EARLIER_CHILDREN_INDEX, EARLIER_WATCHED_INDEX)
    }

    /// Lets go of all children and of all that is watched; numbers from these on are given to the errands.
    fn let_go(&mut self, position: u64, children: u64, watched: u64) -> Vec<Sent> {
        let mut sends = Vec::new();
        for (index, child) in core::mem::take(&mut self.links.children).into_iter().enumerate() {
            let number = Serial::of(position, children + index as u64);
            // One that is on its way to its end goes there, whatever was to become of it.
            let orphan = if child.stopping { Orphan::Stop } else { child.orphan };
            let errand = Errand::Orphaned { link: child.link, orphan };
            sends.push(self.errand(number, child.address, "orphaned", Json::NULL, errand));
        }
        for (index, watch) in core::mem::take(&mut self.links.watched).into_iter().enumerate() {
            let number = Serial::of(position, watched + index as u64);
            let errand = Errand::Demonitor { number: watch.number };
            sends.push(self.errand(number, watch.address, "demonitor", Json::NULL, errand));
        }
        sends
    }

    /// Tells the parent, if there is one that listens. That it has started is told of a child that has ended since, too.
    pub(super) fn tell_parent(&self, number: Serial, word: &str, news: News, data: Json) -> Option<Sent> {
        let listens = |parent: &&Parent| parent.live || matches!(news, News::Started(_));
        let parent = self.links.parent.as_ref().filter(listens)?;
        let name = format!("child.{word}.{}", parent.name);
        let errand = Errand::Told { link: parent.link, news };
        Some(self.errand(number, parent.address.clone(), &name, data, errand))
    }

    /// Lets go of everything, and tells everyone who is concerned.
    fn end(&mut self, position: u64, exit: Exit, status: &Status) -> Vec<Sent> {
        let data = exit_data(self.address, self.links.parent.as_ref(), exit, status);
        let number = Serial::of(position, EXITED_INDEX);
        let mut sends: Vec<Sent> =
            self.tell_parent(number, "exited", News::Over, data.clone()).into_iter().collect();
        if let Some(parent) = &mut self.links.parent {
            parent.live = false;
        }
        sends.extend(self.let_go(position, CHILDREN_INDEX, WATCHED_INDEX));
        for (index, watch) in core::mem::take(&mut self.links.watchers).into_iter().enumerate() {
            let number = Serial::of(position, WATCHERS_INDEX + index as u64);
            sends.push(watched(number, watch, data.clone(), self.now));
        }
        let reason = match (exit, status) {
            (Exit::Silent, _) => Reason::Silent,
            (Exit::GaveUp, Status::GaveUp(fault)) => Reason::Faulted(Arc::from(&*fault.message)),
            _ => Reason::Exited(Arc::from(exit.word())),
        };
        sends.extend(self.withdraw((position, HELD_INDEX), &reason, true));
        self.links.stopping = false;
        sends
    }
}

/// The space that an instance lives in, unless it is the outermost, which never ends.
fn home(address: &Address) -> Option<Address> {
    let path = Some(address.space()).filter(|path| !path.is_empty())?;
    Some(Address::of_space(path).expect("the space of an address is a path"))
}

/// What tells the space of an instance that it has begun to live there.
pub(super) fn enter(address: &Address, position: u64, now: Time) -> Option<Sent> {
    let (number, sender) = (Serial::of(position, ENTER_INDEX), Sender::Instance(address.clone()));
    let enter = sent(number, home(address)?, Arc::from("space.enter"), Json::NULL, sender, now);
    Some(Sent { errand: Errand::Enter, ..enter })
}

/// What a turn wants of a new child.
pub(super) struct Wanted {
    pub(super) name: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) version: Option<Arc<str>>,
    pub(super) id: Option<Arc<str>>,
    pub(super) data: Json,
    pub(super) orphan: Orphan,
}

impl Live {
    /// Ends it: nothing of it waits for anything any more. `keys` are those of the turn that ends it; `told` is how it ends
    /// for others, when its status does not say so; the answer is what they are told.
    pub(super) fn end(
        &mut self,
        status: Status,
        told: Option<Exit>,
        at: (u64, Time),
        keys: &mut Keys,
    ) -> Vec<Sent> {
        let (position, now) = at;
        keys.clear_all(&self.row);
        (self.row.timers, self.row.tasks, self.row.retry) = Default::default();
        let mut sends = Vec::new();
        if self.row.links.is_some() || !self.row.address.space().is_empty() {
            let mut ties = Ties::of(self, now);
            let exit = told.unwrap_or_else(|| match &status {
                Status::Final(_) if ties.links.stopping => Exit::Stopped,
                status => status.exit(),
            });
            sends = ties.end(position, exit, &status);
            self.row.links = ties.kept();
        }
        self.row.status = status;
        sends
    }
}

/// The event that tells a watcher.
pub(super) fn watched(number: Serial, watch: Watch, data: Json, now: Time) -> Sent {
    let errand = Errand::Watched { number: watch.number };
    let event = Arc::from(MONITOR_EXITED);
    Sent { errand, ..sent(number, watch.address, event, data, Sender::System, now) }
}

/// The name of the event that tells a watcher of an end.
pub(super) const MONITOR_EXITED: &str = "monitor.exited";

/// The data of `child.exited.NAME` and of `monitor.exited`.
fn exit_data(address: &Address, parent: Option<&Parent>, exit: Exit, status: &Status) -> Json {
    let output = match status {
        Status::Final(output) => output.as_str(),
        _ => "null",
    };
    let reason = match status {
        Status::Stopped(reason) => reason.clone(),
        Status::GaveUp(fault) => fault.message.clone(),
        Status::Final(_) | Status::Active | Status::Parked(_) | Status::Paused(_) => String::new(),
    };
    let name = parent.map(|parent| serde_json::json!(&*parent.name).to_string());
    let text = format!(
        r#"{{"address":{},"name":{},"how":"{exit}","output":{output},"reason":{}}}"#,
        serde_json::json!(address.as_str()),
        name.as_deref().unwrap_or("null"),
        serde_json::json!(reason),
    );
    // An output at its limit may be too much together with the rest; the row has it.
    let data = Json::trusted(text);
    if data.check_limits().is_ok() { data } else { exit_data(address, parent, exit, &Status::Active) }
}

/// The links as the row holds them.
pub(super) fn kept(links: Links) -> Option<Box<Links>> {
    if links.is_empty() { None } else { Some(Box::new(links)) }
}

/// The id of a child that was given none: the same whenever the same turn is made, and of no other turn.
fn derived_id(parent: &Address, number: Serial) -> Arc<str> {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(parent.as_str().as_bytes(), number.0);
    Arc::from(format!("{:x}-{:08x}", number.0, hash >> 32))
}

fn action(message: String) -> Fault {
    Fault { code: FaultCode::Action, message, place: String::new() }
}

fn limit(message: String) -> Fault {
    Fault { code: FaultCode::Limit, message, place: String::new() }
}

/// Is the name of a child usable at the end of the names of the events that tell of it?
pub(crate) fn check_child_name(name: &str) -> Result<usize, Fault> {
    check_end_of_name("a child", name)
}

/// Is the name of a child or an endpoint usable at the end of the names of the events that tell of it?
pub(crate) fn check_end_of_name(of: &str, name: &str) -> Result<usize, Fault> {
    if name.is_empty() || name.len() > CHILD_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(limit(format!(
            "the name of {of} is not usable: {name:?}; use 1 to {CHILD_NAME_BYTES_MAX} bytes without control characters"
        )));
    }
    Ok(name.len())
}
