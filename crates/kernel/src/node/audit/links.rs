//! Are links symmetric? Both ends hold the same number, or an errand with it is on its way. It refuses to guess about
//! instances that are not in memory.

use crate::address::Address;
use crate::limits::{CHILDREN_MAX, DEPTH_MAX, MONITORS_MAX};
use crate::link::{Child, Errand, Links, Parent};
use crate::node::Node;
use crate::node::residents::Live;
use crate::record::Serial;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

/// What the outbox carries about links: for whom, and which number.
#[derive(Debug, Default)]
pub(super) struct OnTheWay<'a> {
    /// Makes or renews a link.
    made: BTreeSet<(&'a Address, Serial)>,
    /// Takes a link, or gives another one for it.
    taken: BTreeSet<(&'a Address, Serial)>,
    /// Tells a parent of a link.
    told: BTreeSet<(&'a Address, Serial)>,
    /// Makes or ends a watch.
    watches: BTreeSet<(&'a Address, Serial)>,
}

impl<'a> OnTheWay<'a> {
    pub(super) fn of(node: &'a Node) -> OnTheWay<'a> {
        let mut way = OnTheWay::default();
        for sent in node.outbox.values() {
            let to = &sent.to;
            match &sent.errand {
                Errand::Event | Errand::Answer(_) | Errand::Stop { .. } => {}
                Errand::Spawn(_) => drop(way.made.insert((to, sent.number))),
                Errand::Restart(restarting) => {
                    way.made.insert((to, sent.number));
                    way.taken.insert((to, restarting.link));
                }
                Errand::Orphaned { link, .. } => drop(way.taken.insert((to, *link))),
                Errand::Told { link, .. } => drop(way.told.insert((to, *link))),
                Errand::Monitor => drop(way.watches.insert((to, sent.number))),
                Errand::Demonitor { number } | Errand::Watched { number } => {
                    way.watches.insert((to, *number));
                }
            }
        }
        way
    }

    pub(super) fn audit(&self, node: &Node, live: &Live) -> Result<(), String> {
        let Some(links) = live.row.links.as_deref() else { return Ok(()) };
        check_shape(links, live.row.status.is_ended())?;
        let me = &live.row.address;
        for child in &links.children {
            self.audit_child(node, me, child)?;
        }
        if let Some(parent) = links.parent.as_ref().filter(|parent| parent.live) {
            self.audit_parent(node, me, parent)?;
        }
        for watch in &links.watched {
            let other = node.residents.live(&watch.address).and_then(|other| other.row.links.as_deref());
            let known = other.is_some_and(|other| other.watchers.iter().any(|o| o.number == watch.number));
            let on_its_way = self.watches.contains(&(&watch.address, watch.number))
                || self.watches.contains(&(me, watch.number));
            if node.residents.knows(&watch.address) && !known && !on_its_way {
                return Err(format!("it watches {}, which does not know", watch.address));
            }
        }
        for watch in &links.watchers {
            let other = node.residents.live(&watch.address).and_then(|other| other.row.links.as_deref());
            let wanted = other.is_some_and(|other| other.watched.iter().any(|o| o.number == watch.number));
            let on_its_way = self.watches.contains(&(me, watch.number));
            if node.residents.knows(&watch.address) && !wanted && !on_its_way {
                return Err(format!("{} is to be told of its end, and does not want to", watch.address));
            }
        }
        Ok(())
    }

    fn audit_child(&self, node: &Node, me: &Address, child: &Child) -> Result<(), String> {
        let on_its_way =
            self.made.contains(&(&child.address, child.link)) || self.told.contains(&(me, child.link));
        if !node.residents.knows(&child.address) || on_its_way {
            return Ok(());
        }
        let other = node.residents.live(&child.address);
        let parent = other.and_then(|other| other.row.links.as_ref()?.parent.as_ref());
        match parent {
            Some(parent) if parent.link == child.link && parent.live && parent.address == *me => Ok(()),
            _ => Err(format!("its child {:?} at {} is not its child", child.name, child.address)),
        }
    }

    fn audit_parent(&self, node: &Node, me: &Address, parent: &Parent) -> Result<(), String> {
        if !node.residents.knows(&parent.address) || self.taken.contains(&(me, parent.link)) {
            return Ok(());
        }
        let other = node.residents.live(&parent.address).and_then(|other| other.row.links.as_deref());
        match other.and_then(|links| links.children.iter().find(|child| child.link == parent.link)) {
            Some(child) if child.address == *me && child.name == parent.name => Ok(()),
            _ => Err(format!("its parent {} does not know it", parent.address)),
        }
    }
}

/// What must hold of the links of an instance by themselves.
fn check_shape(links: &Links, ended: bool) -> Result<(), String> {
    if links.is_empty() {
        return Err("its row keeps links though it is tied to nothing".into());
    }
    if ended
        && (!links.children.is_empty()
            || !links.watchers.is_empty()
            || !links.watched.is_empty()
            || links.stopping
            || links.parent.as_ref().is_some_and(|parent| parent.live))
    {
        return Err("it has ended and is still tied to others".into());
    }
    if links.depth > DEPTH_MAX || links.children.len() > CHILDREN_MAX {
        return Err(format!("it has {} children at depth {}", links.children.len(), links.depth));
    }
    if links.watched.len() > MONITORS_MAX || links.watchers.len() > MONITORS_MAX {
        return Err("it watches or is watched by more than may be".into());
    }
    let numbers: BTreeSet<Serial> = links.children.iter().map(|child| child.link).collect();
    if numbers.len() < links.children.len() {
        return Err("two of its children have one link".into());
    }
    let current = || links.children.iter().filter(|child| !child.stopping);
    let names: BTreeSet<&str> = current().map(|child| &*child.name).collect();
    if names.len() < current().count() {
        return Err("two of its children have one name".into());
    }
    Ok(())
}
