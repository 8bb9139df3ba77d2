//! Links between instances as data: who is whose parent, who watches whom, and the errands by which links are made
//! and undone. It refuses to know how an errand is carried out; that is the node's.
//!
//! Its one invariant: a link is named by the [`Serial`] of the effect that made it, so that no two are ever taken for
//! each other, whatever their names and addresses.

use crate::address::Address;
use crate::behaviour::Fault;
use crate::json::Json;
use crate::record::Serial;
use crate::space::{Act, Reason};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What an instance is tied to. Most are tied to nothing, so the row holds it only when there is something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// Who spawned it, unless it was started from outside or is kept beyond its parent's end.
    pub parent: Option<Parent>,
    /// Parents above it when it was spawned. Never above [`crate::limits::DEPTH_MAX`].
    pub depth: u32,
    /// Those that it has spawned and that have not exited, in the order of their spawning.
    pub children: Vec<Child>,
    /// Who is told when it ends.
    pub watchers: Vec<Watch>,
    /// Of whose end it is told.
    pub watched: Vec<Watch>,
    /// Was it asked to stop, and goes on until it has tidied up?
    pub stopping: bool,
    /// Where it holds endpoints.
    pub held: Vec<Held>,
    /// What a space holds besides its row, counted; 0 saves whoever brings it in the look.
    pub seats: u32,
}

/// The parent as its child knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Where.
    pub address: Address,
    /// What the parent calls the child.
    pub name: Arc<str>,
    /// The link's number.
    pub link: Serial,
    /// False when the parent has ended or was started over; then nobody is told of the child.
    pub live: bool,
}

/// A child as its parent knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name among the children of the parent. Two may share it when all but the last are stopping.
    pub name: Arc<str>,
    /// Where.
    pub address: Address,
    /// The link's number.
    pub link: Serial,
    /// The position of the turn that began it; 0 until it is known to have started. What the child sent before that
    /// is of an earlier incarnation.
    pub born: u64,
    /// What becomes of it when the parent ends.
    pub orphan: Orphan,
    /// Was it told to stop?
    pub stopping: bool,
}

/// One instance watching another; both hold the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The other one.
    pub address: Address,
    /// The number of the effect that asked for it.
    pub number: Serial,
}

/// The endpoints of an instance in one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Where.
    pub space: Address,
    /// In the order in which they joined.
    pub holds: Vec<Hold>,
}

/// One endpoint as its machine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it is called.
    pub name: Arc<str>,
    /// The position of the turn that joined with it, however it has moved since. What is told to an earlier endpoint of
    /// the same name has another.
    pub since: u64,
}

/// What a turn does in one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acting {
    /// For each join among the acts, in their order: [`Hold::since`].
    pub since: Vec<u64>,
    /// In the order in which they were asked for.
    pub acts: Vec<Act>,
}

/// What becomes of a child whose parent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Orphan {
    /// It is stopped too.
    #[default]
    Stop,
    /// It goes on without a parent.
    Keep,
}

/// Where an instance that is restarted begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartFrom {
    /// From its start, with this data. Its timers are cleared, what waits in its mailbox or is on the way to the old
    /// one is answered `gone`, and its children become orphans.
    Initial(Json),
    /// From its state after the last turn that did not fault. It is heir to everything: timers, mailbox, children and
    /// answers on the way. One that has ended has no such state, and stays ended.
    LastGood,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It reached its final state.
    Final,
    /// It was stopped: by its parent, because its parent ended, or by an operator.
    Stopped,
    /// It gave up.
    GaveUp,
    /// An operator deleted it.
    Deleted,
    /// It is a session from which nothing was heard any more.
    Silent,
}

impl Exit {
    /// A stable word, as in the data of `child.exited.NAME`.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Final => "final",
            Exit::Stopped => "stopped",
            Exit::GaveUp => "gave-up",
            Exit::Deleted => "deleted",
            Exit::Silent => "silent",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the outbox carries from one instance to another: mostly events, and what makes and undoes links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// An event for whoever is at the address.
    Event,
    /// An event that answers the one with this number, for nobody but the incarnation that sent that.
    Answer(Serial),
    /// Be started as the child of the sender. The event's data is what it is started with.
    Spawn(Box<Spawning>),
    /// Be restarted by the parent. When it begins anew, the link has the errand's number from now on.
    Restart(Box<Restarting>),
    /// Be stopped by the parent.
    Stop {
        /// The link.
        link: Serial,
        /// At once, without being asked?
        kill: bool,
    },
    /// The parent has ended.
    Orphaned {
        /// The link.
        link: Serial,
        /// What becomes of the child.
        orphan: Orphan,
    },
    /// The parent is told of its child.
    Told {
        /// The link.
        link: Serial,
        /// What it means for the link.
        news: News,
    },
    /// The sender wants to be told of the receiver's end.
    Monitor,
    /// The sender no longer wants to be told.
    Demonitor {
        /// The watch.
        number: Serial,
    },
    /// The watcher is told of the end.
    Watched {
        /// The watch.
        number: Serial,
    },
    /// The sender acts in the space.
    Act(Box<Acting>),
    /// The sender lives in the space from now on.
    Enter,
    /// The sender, or an incarnation of it, is gone with all its endpoints in the space.
    Withdraw {
        /// Why.
        reason: Reason,
        /// Does it live there no more?
        departs: bool,
    },
    /// The space that the receiver lives in has ended.
    Evict,
    /// An endpoint is told something, unless its machine has let go of it.
    Notice {
        /// In which space.
        space: Address,
        /// What it is called.
        endpoint: Arc<str>,
        /// See [`Hold::since`].
        since: u64,
    },
}

/// What a child is spawned with, besides its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawning {
    /// Of which version; none for the greatest.
    pub version: Option<Arc<str>>,
    /// The name among the children of its parent.
    pub name: Arc<str>,
    /// How deep it will be.
    pub depth: u32,
}

/// How a child is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarting {
    /// The link until now.
    pub link: Serial,
    /// The name among the children of its parent.
    pub name: Arc<str>,
    /// Where it begins.
    pub from: RestartFrom,
}

/// What a parent learns of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// The child has begun with the turn at this position.
    Started(u64),
    /// A turn of the child faulted for good; it is still there.
    Faulted,
    /// There is no child any more, or there never was.
    Over,
}

/// What is done with an instance one of whose events has faulted for good. The event becomes a dead letter either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Park {
    /// It goes on with the next event.
    #[default]
    Event,
    /// It takes no event until its parent or an operator restarts it; those that arrive wait in its mailbox.
    Instance,
}

/// Why an instance takes no events for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The fault that parked it.
    pub fault: Fault,
    /// The name of the event that faulted.
    pub event: Arc<str>,
    /// How often it was tried.
    pub attempts: u32,
}

impl Links {
    /// Is it tied to nothing, so that the row need not hold it?
    pub(crate) fn is_empty(&self) -> bool {
        self.parent.is_none()
            && self.depth == 0
            && self.children.is_empty()
            && self.watchers.is_empty()
            && self.watched.is_empty()
            && !self.stopping
            && self.held.is_empty()
            && self.seats == 0
    }

    /// The endpoint of that name that it holds in that space.
    pub(crate) fn hold(&self, space: &Address, name: &str) -> Option<&Hold> {
        let mut there = self.held.iter().filter(|held| held.space == *space).flat_map(|held| &held.holds);
        there.find(|hold| &*hold.name == name)
    }

    /// The child of that name that was not told to stop.
    pub fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| !child.stopping && &*child.name == name)
    }
}
