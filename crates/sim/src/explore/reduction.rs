//! Which of the things that can happen need to be tried in a world, so that every outcome is still seen: partial-order
//! reduction by persistent sets, with the relation that they need learned on the way.
//!
//! It refuses to know how worlds are stored. Its one invariant: an answer holds for all that is known of who sends to
//! whom; when more becomes known, answers that no longer hold are found by [`Reduction::holds`].
//!
//! Two things that happen to different instances commute: each changes its own instance, takes the first event off a
//! way and puts others at the end of ways of its own. That holds of spaces, children and watchers too: a space is an
//! instance, and what one does to another is an errand on a way (worlds may differ in names of links, see
//! [`crate::names`], and go on alike). So all that can happen to one instance `r` now is a *persistent
//! set* (Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996) if nothing that happens
//! elsewhere can make something new happen to `r` before `r` itself moves:
//!
//! - `r` has no timer, no event of the environment is for it, no event on its way to it can be lost or doubled, its tasks
//!   end in no way that is counted, and it is no session that may come and go;
//! - nobody else can, by whatever is sent to him, send to `r` on a way that is empty (behind an event on the same way a
//!   new one waits);
//! - what `r` does now sets no timer, whose due would depend on when it is done;
//! - what `r` does now cannot be seen by a property over worlds (*invisible*; Peled, All from One, One for All, 1993),
//!   and only things that happen for certain are in the set, since runs may end without the others.
//!
//! So that nothing is put off for ever, at least one of the worlds that follow is yet to be expanded (the proviso of
//! Bošnački, Leue and Lluch Lafuente, Partial-Order Reduction for General State Exploring Algorithms, 2006, for
//! breadth-first order); otherwise everything is tried.
//!
//! Who can send to whom is not known beforehand, since a receiver is computed by an expression. It is learned: for each
//! content of each instance, to whom it and all contents after it have sent in any local step that was met. The search
//! begins with nothing known and goes on until every world that was not expanded in full still stands by what is known
//! in the end. That suffices: take the first event, on the shortest run that the reduced search has missed, that is
//! sent to `r` against what is known. Before it nothing happened to `r`, so something in the set could have been done
//! first without changing what the sender did; that run is one step shorter from a world that the search has expanded
//! later, hence seen, hence its sending was met. (The argument of dynamic partial-order reduction, Flanagan and Godefroid
//! 2005, with worlds stored and what is learned kept per content in place of backtracking points.)

use crate::choice::{Choice, Stage};
use crate::locals::{Cell, Due, Locals, Reader, Slot};
use crate::scene::Scene;
use crate::symmetry::Symmetry;
use hashbrown::HashMap;
use std::sync::Arc;

/// A set of slots.
type Slots = Vec<u64>;

/// What is known of who sends to whom.
#[derive(Debug, Default)]
pub(crate) struct Reduction {
    reach: HashMap<(Slot, Cell), Slots, foldhash::fast::FixedState>,
    slots: usize,
    /// How many local steps it was made from.
    steps: usize,
    /// What properties over worlds see of each slot that they name.
    visible: Vec<(Slot, Sight)>,
}

/// What is seen of an instance.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// Whether it is in each of these states.
    States(Vec<Arc<str>>),
    /// Everything.
    All,
}

impl Reduction {
    pub(crate) fn new(stage: &Stage<'_>, symmetry: Option<&Symmetry<'_>>) -> Reduction {
        let mut visible: Vec<(Slot, Sight)> = Vec::new();
        let properties = stage.system.properties.iter();
        for condition in properties.flat_map(|property| property.claim.conditions()) {
            for (member, state) in condition.states() {
                match visible.iter_mut().find(|(slot, _)| *slot == stage.cast[member]) {
                    Some((_, Sight::All)) => {}
                    Some((_, Sight::States(states))) => states.push(state),
                    None => visible.push((stage.cast[member], Sight::States(vec![state]))),
                }
            }
            for member in condition.members_in_full() {
                visible.retain(|(slot, _)| *slot != stage.cast[member]);
                visible.push((stage.cast[member], Sight::All));
            }
        }
        visible.iter_mut().for_each(|(_, sight)| {
            if let Sight::States(states) = sight {
                states.sort();
                states.dedup();
            }
        });
        if let Some(symmetry) = symmetry {
            symmetry.spread(&mut visible);
        }
        Reduction { visible, ..Reduction::default() }
    }

    /// Has so much become known that it is worth learning anew?
    pub(crate) fn is_outdated(&self, locals: &Locals) -> bool {
        locals.steps() > self.steps + self.steps / 4
    }

    /// Is anything known that was not learned?
    pub(crate) fn is_stale(&self, locals: &Locals) -> bool {
        locals.steps() > self.steps
    }

    /// Learns from all local steps that were met.
    pub(crate) fn learn(&mut self, locals: &Locals) {
        self.steps = locals.steps();
        self.slots = locals.slots();
        self.reach.clear();
        let mut before: HashMap<(Slot, Cell), Vec<(Slot, Cell)>, foldhash::fast::FixedState> =
            HashMap::default();
        let mut todo = Vec::new();
        locals.each_from(|from, steps| {
            let reach = self.reach.entry(from).or_default();
            for step in steps {
                for (to, _) in &step.sends {
                    insert(reach, *to);
                }
                if step.cell != from.1 {
                    before.entry((from.0, step.cell)).or_default().push(from);
                }
            }
            todo.push(from);
        });
        while let Some(at) = todo.pop() {
            let Some(earlier) = before.get(&at) else { continue };
            let Some(reach) = self.reach.get(&at).cloned() else { continue };
            for from in earlier {
                if self.reach.get_mut(from).is_some_and(|known| join(known, &reach)) {
                    todo.push(*from);
                }
            }
        }
    }

    /// The instance to which alone something needs to happen now; none when everything has to be tried. `later` tells
    /// whether a world that follows is yet to be expanded.
    pub(crate) fn choose(
        &self,
        stage: &Stage<'_>,
        scene: &Scene,
        choices: &[Choice],
        reader: &mut Reader<'_>,
    ) -> Vec<Slot> {
        if stage.locals.clock || choices.len() < 2 {
            return Vec::new();
        }
        let mut counts: Vec<(usize, Slot)> = Vec::new();
        for choice in choices {
            if let Some(to) = choice.lone() {
                match counts.iter_mut().find(|(_, slot)| *slot == to) {
                    Some((count, _)) => *count += 1,
                    None => counts.push((1, to)),
                }
            }
        }
        counts.retain(|(count, slot)| *count < choices.len() && self.is_alone(stage, scene, *slot));
        counts.retain(|(_, slot)| self.is_quiet(stage, scene, choices, *slot, reader));
        // The smallest set first; the sort keeps the order of choices otherwise.
        counts.sort_by_key(|(count, _)| *count);
        counts.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Does a choice that was made earlier still hold?
    pub(crate) fn holds(&self, stage: &Stage<'_>, scene: &Scene, slot: Slot) -> bool {
        self.is_alone(stage, scene, slot)
    }

    /// Can nothing that happens elsewhere make something new happen to it?
    fn is_alone(&self, stage: &Stage<'_>, scene: &Scene, slot: Slot) -> bool {
        if scene.has_timers(slot) {
            return false;
        }
        let counted = || !stage.tasks_are_free(scene, &stage.locals.cell(scene.cell(slot)));
        if stage.may_come_and_go(scene, slot) || (!stage.system.tasks.is_empty() && counted()) {
            return false;
        }
        let may_come = |(entry, (to, _)): (usize, &(Slot, u32))| *to == slot && scene.left[entry] > 0;
        if stage.entries.iter().enumerate().any(may_come) {
            return false;
        }
        let lanes = || scene.lanes.iter().filter(|lane| lane.to == slot);
        if lanes().any(|lane| stage.may_fail(scene, lane.from, slot)) {
            return false;
        }
        (0..self.slots as Slot).filter(|other| *other != slot).all(|other| {
            let reach = self.reach.get(&(other, scene.cell(other)));
            let can_send = reach.is_some_and(|reach| contains(reach, slot));
            !can_send || (scene.lane(other, slot).is_some() && !stage.reorders(other, slot))
        })
    }

    /// Does what can happen to it now set no timer and change nothing that properties see?
    fn is_quiet(
        &self,
        stage: &Stage<'_>,
        scene: &Scene,
        choices: &[Choice],
        slot: Slot,
        reader: &mut Reader<'_>,
    ) -> bool {
        let sight = self.visible.iter().find(|(seen, _)| *seen == slot).map(|(_, sight)| sight);
        choices.iter().all(|choice| match choice.lone() {
            Some(to) if to == slot => {
                let Some(cause) = stage.cause(scene, *choice) else { return false };
                let step = reader.step(cause);
                let sets = step.dues.iter().any(|due| matches!(due, Due::In(_)));
                let after = step.cell;
                let (before, after) = reader.cells(cause.cell, after);
                let looks_alike = match sight {
                    None => true,
                    Some(Sight::All) => after.view == before.view,
                    Some(Sight::States(states)) => {
                        states.iter().all(|state| before.seen.is_in(state) == after.seen.is_in(state))
                    }
                };
                !sets && looks_alike
            }
            _ => true,
        })
    }
}

fn insert(slots: &mut Slots, slot: Slot) -> bool {
    let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
    if slots.len() <= word {
        slots.resize(word + 1, 0);
    }
    let fresh = slots[word] & bit == 0;
    slots[word] |= bit;
    fresh
}

fn contains(slots: &Slots, slot: Slot) -> bool {
    slots.get(slot as usize / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
}

/// Adds all of the other set, and says whether that was more.
fn join(slots: &mut Slots, other: &Slots) -> bool {
    if slots.len() < other.len() {
        slots.resize(other.len(), 0);
    }
    let mut grew = false;
    for (word, more) in slots.iter_mut().zip(other) {
        grew |= *word | *more != *word;
        *word |= *more;
    }
    grew
}
