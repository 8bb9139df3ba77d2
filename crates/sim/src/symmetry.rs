//! Symmetry: members of the cast that differ in nothing but their names. Worlds that are equal but for who of them is
//! called what are one world, so of n such members up to n! worlds are left out.
//!
//! It refuses to believe that members are alike. Its one invariant: what is left out is what renaming makes of what was
//! seen, because
//!
//! - renaming is exact: every text that is a member's address, its id, or the id of an event from outside, wherever it
//!   stands in an instance, an event or a way, becomes the other's, and nothing else is touched ([`Renamer`]);
//! - the beginning is the same under every renaming: the cast, what clients send, what the environment may;
//! - every local step that was met is made again with names exchanged, by the kernel, until no new one comes up, and must
//!   come out as the first one with names exchanged ([`Proof`]). So a machine that compares ids by order, writes them into
//!   longer texts, or treats one member unlike another is found, whatever its definition looks like;
//! - a property is tried under every renaming of those whom it names, and whom what it sees of them names.
//!
//! Then renaming is an automorphism of all worlds that can be reached, and one world of each orbit is enough (Clarke,
//! Enders, Filkorn and Jha, Exploiting Symmetry in Temporal Logic Model Checking, 1996; with persistent sets: Emerson, Jha
//! and Peled, Combining Partial Order and Symmetry Reductions, 1997). What is asked of whole runs, or by comparing how
//! they end, is answered without it.

mod images;
mod keys;
mod orbit;
mod proof;
mod renamer;

#[cfg(test)]
mod tests;

pub(crate) use orbit::{Orbits, Unanswered};
pub(crate) use proof::{Doubt, Proof};
pub(crate) use renamer::Renamer;

use crate::choice::Stage;
use crate::explore::Sight;
use crate::locals::Slot;
use crate::scene::Scene;
use crate::system::{System, Who};
use everstate_kernel::{Address, SESSION_KIND};
use images::Images;
use std::collections::HashMap;
use std::sync::Arc;

/// Who is called what: the member of that place is called as the one of this number was.
pub(crate) type Naming = Box<[u8]>;

/// Members that may be taken for one another. With twice as many an orbit has more worlds than anybody has atoms, and
/// trying a property under all namings takes longer than the search.
pub(crate) const MEMBERS_MAX: usize = 16;

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// The address of a member.
    Address(u8),
    /// Its id.
    Id(u8),
    /// The id of an event of the environment.
    Entry(usize),
    /// The id of an event that a client sends for certain.
    First(usize),
}

/// What is fixed of it in a system.
#[derive(Debug)]
pub(crate) struct Symmetry<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) members: Vec<Address>,
    pub(super) slots: Vec<Slot>,
    pub(super) texts: HashMap<Arc<str>, Meant>,
}

impl<'a> Symmetry<'a> {
    /// The members that the system says are alike; what speaks against it without looking at a single turn is an error.
    pub(crate) fn new(stage: &'a Stage<'a>, first: &Scene) -> Result<Symmetry<'a>, String> {
        let system = stage.system;
        let members = system.symmetric.clone();
        system.check_symmetric(&members)?;
        let mut texts = HashMap::new();
        for (place, member) in members.iter().enumerate() {
            texts.insert(Arc::from(member.as_str()), Meant::Address(place as u8));
            texts.insert(Arc::from(member.id()), Meant::Id(place as u8));
        }
        for place in 0..system.environment.len() {
            texts.insert(Arc::from(format!("environment-{}", place + 1)), Meant::Entry(place));
        }
        for place in 0..system.first.len() {
            texts.insert(Arc::from(format!("first-{}", place + 1)), Meant::First(place));
        }
        let slots = members.iter().map(|member| stage.locals.slot(member)).collect();
        let symmetry = Symmetry { stage, members, slots, texts };
        let mut renamer = Renamer::new(&symmetry);
        for naming in symmetry.exchanges() {
            Images::of(&symmetry, &naming)?;
            let named = renamer.scene(first, &naming)?;
            if bytes(&named) != bytes(first) {
                let (one, other) = symmetry.exchanged(&naming);
                return Err(format!(
                    "{one} and {other} do not begin alike; give them the same data and the same events, or leave one out of `symmetric`"
                ));
            }
        }
        Ok(symmetry)
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Each two neighbours with names exchanged: all namings are made of these.
    pub(super) fn exchanges(&self) -> Vec<Naming> {
        let swapped = |at: usize| {
            let mut naming: Vec<u8> = (0..self.members.len() as u8).collect();
            naming.swap(at, at + 1);
            naming.into_boxed_slice()
        };
        (0..self.members.len() - 1).map(swapped).collect()
    }

    /// The two that an exchange is about.
    pub(super) fn exchanged(&self, naming: &Naming) -> (&Address, &Address) {
        let at = naming.iter().enumerate().position(|(place, name)| place != usize::from(*name)).unwrap_or(0);
        (&self.members[at], &self.members[usize::from(naming[at])])
    }

    /// Which member an instance is.
    pub(super) fn place(&self, slot: Slot) -> Option<usize> {
        self.slots.iter().position(|other| *other == slot)
    }

    /// Where an instance is under other names.
    pub(super) fn slot(&self, slot: Slot, naming: &Naming) -> Slot {
        self.place(slot).map_or(slot, |place| self.slots[usize::from(naming[place])])
    }

    /// What is seen of one member by a property is seen of all.
    pub(crate) fn spread(&self, visible: &mut Vec<(Slot, Sight)>) {
        let is_member = |(slot, _): &(Slot, Sight)| self.place(*slot).is_some();
        let of_members: Vec<Sight> =
            visible.iter().filter(|one| is_member(one)).map(|(_, sight)| sight.clone()).collect();
        let mut states = Vec::new();
        let sight = of_members.iter().try_for_each(|sight| match sight {
            Sight::All => Err(Sight::All),
            Sight::States(more) => {
                states.extend(more.iter().cloned());
                Ok(())
            }
        });
        if of_members.is_empty() {
            return;
        }
        states.sort();
        states.dedup();
        let sight = sight.err().unwrap_or(Sight::States(states));
        visible.retain(|one| !is_member(one));
        visible.extend(self.slots.iter().map(|slot| (*slot, sight.clone())));
    }
}

/// The naming after which everybody is called as before the other.
pub(crate) fn inverse(naming: &Naming) -> Naming {
    let mut inverse = naming.clone();
    for (place, name) in naming.iter().enumerate() {
        inverse[usize::from(*name)] = place as u8;
    }
    inverse
}

/// One naming after another.
pub(crate) fn after(first: &Naming, second: &Naming) -> Naming {
    first.iter().map(|name| second[usize::from(*name)]).collect()
}

pub(super) fn bytes(scene: &Scene) -> Vec<u8> {
    let mut bytes = Vec::new();
    scene.encode(&mut bytes);
    bytes
}

impl System {
    /// Can they be alike, as far as the system alone tells?
    pub(crate) fn check_symmetric(&self, members: &[Address]) -> Result<(), String> {
        let system = self;
        let [first, rest @ ..] = members else { return Err("`symmetric` names nobody".into()) };
        if rest.is_empty() || members.len() > MEMBERS_MAX {
            return Err(format!("`symmetric` names {} members; name 2 to {MEMBERS_MAX}", members.len()));
        }
        for (place, member) in members.iter().enumerate() {
            if members[..place].contains(member) {
                return Err(format!("`symmetric` names {member} twice"));
            }
            if member.kind() != first.kind() || member.space() != first.space() {
                return Err(format!("{first} and {member} are not of one kind, so they cannot be alike"));
            }
            if member.kind() == SESSION_KIND {
                return Err(format!("{member} is a session; sessions are told apart"));
            }
        }
        let is_member = |who: &Who| matches!(who, Who::One(address) if members.contains(address));
        let linked = system.links.iter().any(|link| is_member(&link.from) || is_member(&link.to));
        if linked || system.stand_ins.iter().any(|stand_in| is_member(&stand_in.who)) {
            let kind = first.kind();
            return Err(format!(
                "a link or a replaced behaviour names one of those that are to be alike; write {kind}/* for all of them"
            ));
        }
        Ok(())
    }
}
