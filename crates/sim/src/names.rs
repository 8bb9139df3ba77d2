//! Names of links in exploration. The kernel names a link by a number that is unique for ever; both of its ends, and
//! errands on their way between them, hold it. Here the number is made of who made the link and a small number that
//! nobody in the world still holds, so that worlds in which the same links were made at other times are equal.
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
use everstate_kernel::{Acting, Errand, Hold, Links, Sent, Serial};
use std::collections::{BTreeMap, BTreeSet};

/// Positions of local steps begin here, so that they differ from the small numbers of canonical forms.
const BASE: u64 = 1 << 40;
/// Turns of one instance that may have named something that is still known. One more would take its neighbour's names;
/// memory for worlds ends long before.
const TURNS: u64 = 1 << 20;

/// A turn that has named something: whose it is, and its number.
pub(crate) type Name = (Slot, u32);

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

/// The least number that is not among those that are `used`.
pub(crate) fn unused(used: impl Iterator<Item = u64>) -> u32 {
    let used: BTreeSet<u32> = used.map(|since| since as u32 & ((1 << TURN_BITS) - 1)).collect();
    (0..).find(|number| !used.contains(number)).unwrap_or_default()
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
