//! Names of links in exploration. The kernel names a link by a number that is unique for ever; both of its ends, and
//! errands on their way between them, hold it. Here the number is made of who made the link and a small number that
//! nobody in the world still holds, so that worlds in which the same links were made at other times are equal.
//!
//! Incarnations are told apart likewise. The kernel does it by positions: what was sent before the turn that began an
//! instance is of an earlier one. Here that turn stands for its incarnation, a number that the row holds anyway, and what
//! an instance has sent for the one that it was then ([`life`]).
//!
//! It refuses to know what is linked. Its one invariant: no two links of a world have the same name, since a step is told
//! a number above all that the world holds of its instance's making.
//!
//! An endpoint is told from an earlier one of the same name by the turn that joined with it. Here that is a small number
//! that no earlier one of an endpoint that its machine does not hold has in the world, be it in a space or on its way:
//! 0 where everybody has heard of the last leaving.
//!
//! Names are compared for equality alone, so worlds that differ in them alone go on alike; that some are told apart costs
//! worlds and hides nothing. What is made of a number and can be seen is the id of a child that was given none.

use crate::locals::Slot;
use everstate_kernel::space::Act;
use everstate_kernel::{Acting, Address, Errand, Event, Hold, Links, Sent, Serial};
use std::collections::{BTreeMap, BTreeSet};

/// Positions of local steps begin here, so that they differ from the small numbers of canonical forms.
const BASE: u64 = 1 << 40;
/// Turns of one instance that may have named something that is still known. One more would take its neighbour's names;
/// memory for worlds ends long before.
const TURNS: u64 = 1 << 20;

/// A turn that has named something: whose it is, and its number.
pub(crate) type Name = (Slot, u32);

/// Positions of incarnations are this far apart, so that what arrives can be numbered in two ways.
const LIFE: u64 = 2;

/// The position that stands for the turn that began that incarnation.
pub(crate) fn life(incarnation: u32) -> u64 {
    LIFE * u64::from(incarnation)
}

/// The number of an event that was sent in that life, when it is tried for the first or the second time.
pub(crate) fn arriving(life: u64, index: u64, salt: u64) -> Serial {
    Serial((life + salt % LIFE) * Serial::PER_TURN + index)
}

/// The life that a number of [`arriving`] stands for.
pub(crate) fn life_of(number: Serial) -> u64 {
    let position = number.0 / Serial::PER_TURN;
    position - position % LIFE
}

/// Is it the position of a step, and no small number of a canonical form?
pub(crate) fn is_of_step(position: u64) -> bool {
    // What an end takes with it is numbered one turn before.
    position + 1 >= BASE
}

/// Is it a number of a step of that instance?
pub(crate) fn is_of(slot: Slot, number: Serial) -> bool {
    let next = Serial(number.0 + Serial::PER_TURN);
    name_of(next).is_some_and(|(whose, _)| whose == slot)
}

/// The position of a step of that instance whose names nobody holds yet.
pub(crate) fn position(slot: Slot, fresh: u32) -> u64 {
    BASE + u64::from(slot) * TURNS + u64::from(fresh)
}

fn name_of(serial: Serial) -> Option<Name> {
    let position = (serial.0 / Serial::PER_TURN).checked_sub(BASE)?;
    Some(((position / TURNS) as Slot, (position % TURNS) as u32))
}

/// Does the number of the errand itself name a link?
pub(crate) fn is_naming(errand: &Errand) -> bool {
    matches!(errand, Errand::Spawn(_) | Errand::Restart(_) | Errand::Monitor)
}

/// The names that an instance holds.
pub(crate) fn of_links(links: &Links) -> Vec<Name> {
    let parents = links.parent.iter().map(|parent| parent.link);
    let children = links.children.iter().map(|child| child.link);
    let watches = links.watchers.iter().chain(&links.watched).map(|watch| watch.number);
    parents.chain(children).chain(watches).filter_map(name_of).collect()
}

/// The name that an event in a mailbox holds: what is told of a child has the number of the link.
pub(crate) fn of_event(event: &Event) -> Option<Name> {
    name_of(event.number().filter(|_| event.is_told())?)
}

/// The name that an errand on its way holds.
pub(crate) fn of_errand(errand: &Errand, number: Serial) -> Option<Name> {
    match errand {
        one if is_naming(one) => name_of(number),
        Errand::Stop { link, .. } | Errand::Orphaned { link, .. } | Errand::Told { link, .. } => {
            name_of(*link)
        }
        Errand::Demonitor { number } | Errand::Watched { number } => name_of(*number),
        _ => None,
    }
}

/// Turns of one step are told apart above these bits of the number of an endpoint.
const TURN_BITS: u32 = 16;

/// The joins of an errand, each with its number.
pub(crate) fn joins(acting: &Acting) -> impl Iterator<Item = (&str, u64)> {
    let named = acting.acts.iter().filter_map(|act| match act {
        Act::Join { name, .. } => Some(&**name),
        _ => None,
    });
    named.zip(acting.since.iter().copied())
}

/// Numbers that are free for what an instance joins with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Joins {
    /// For an endpoint of a name that it does not hold.
    pub(crate) anew: u32,
    /// For one that takes the place of an endpoint that it holds.
    pub(crate) again: u32,
}

/// The numbers that the world has of the endpoints of an instance.
pub(crate) struct Used<'a> {
    links: Option<&'a Links>,
    /// Of such as it does not hold.
    gone: BTreeSet<u32>,
    /// Of all.
    all: BTreeSet<u32>,
}

impl<'a> Used<'a> {
    pub(crate) fn of(links: Option<&'a Links>) -> Used<'a> {
        let holds = links.into_iter().flat_map(|links| &links.held).flat_map(|held| &held.holds);
        Used { links, gone: BTreeSet::new(), all: holds.map(|hold| low(hold.since)).collect() }
    }

    /// The world has this number of the endpoint with that name.
    pub(crate) fn add(&mut self, space: &Address, name: &str, since: u64) {
        self.all.insert(low(since));
        if self.links.is_none_or(|links| !holds(links, space, name)) {
            self.gone.insert(low(since));
        }
    }

    /// The least ones that it does not have.
    pub(crate) fn unused(self) -> Joins {
        let least = |used: BTreeSet<u32>| (0..).find(|number| !used.contains(number)).unwrap_or_default();
        Joins { anew: least(self.gone), again: least(self.all) }
    }
}

/// A number without what tells turns of one step apart.
fn low(since: u64) -> u32 {
    since as u32 & ((1 << TURN_BITS) - 1)
}

fn holds(links: &Links, space: &Address, name: &str) -> bool {
    let mut there = links.held.iter().filter(|held| held.space == *space);
    there.any(|held| held.holds.iter().any(|hold| &*hold.name == name))
}

/// Has a step joined with an endpoint in the place of one that was held before it?
pub(crate) fn has_joined_again(before: &Links, after: &Links) -> bool {
    after.held.iter().any(|held| {
        let mut fresh = held.holds.iter().filter(|hold| hold.since >= BASE);
        fresh.any(|hold| holds(before, &held.space, &hold.name))
    })
}

/// Gives what a step has joined with the number `joins` in place of the position of its turn.
pub(crate) fn number_joins(holds: &mut [&mut Hold], sent: &mut [Sent], joins: u32) {
    let acts = sent.iter_mut().filter_map(|sent| match &mut sent.errand {
        Errand::Act(acting) => Some(&mut acting.since),
        _ => None,
    });
    let held = holds.iter_mut().map(|hold| &mut hold.since);
    let mut all: Vec<&mut u64> = held.chain(acts.flatten()).filter(|since| **since >= BASE).collect();
    let turns: BTreeSet<u64> = all.iter().map(|since| **since).collect();
    let numbered = turns.into_iter().zip(0..).map(|(turn, place): (u64, u64)| (turn, place << TURN_BITS));
    let numbers: BTreeMap<u64, u64> = numbered.collect();
    all.iter_mut().for_each(|since| **since = u64::from(joins) + numbers[&**since]);
}
