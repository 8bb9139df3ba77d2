//! A property in all worlds that one world stands for.
//!
//! It refuses to know what follows from the answer. Its one invariant: it has tried every naming that could make a
//! difference to what the property sees, or says that there were too many.

use super::{Naming, Renamer, Symmetry};
use crate::choice::Stage;
use crate::locals::Cell;
use crate::property::{Condition, Unevaluated};
use crate::scene::Scene;
use hashbrown::HashMap;

/// Namings that are tried of one property in one world. All of seven members are 5,040; twice as many take a second for
/// each thousand worlds.
const NAMINGS_MAX: usize = 6_000;

/// What is wanted of a condition.
pub(crate) type Verdict = Result<bool, Unevaluated>;

/// Asks, and remembers.
#[derive(Debug)]
pub(crate) struct Orbits<'a> {
    pub(crate) renamer: Renamer<'a>,
    /// By property, value wanted, and contents: the first naming that has it.
    known: HashMap<(u32, bool, Vec<Cell>), Option<Naming>, foldhash::fast::FixedState>,
    verdicts: HashMap<(u32, Vec<u32>), Verdict, foldhash::fast::FixedState>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Something about the members.
    Symmetry(String),
    /// The condition itself cannot be told.
    Condition(Unevaluated),
}

impl<'a> Orbits<'a> {
    pub(crate) fn new(symmetry: &'a Symmetry<'a>) -> Orbits<'a> {
        Orbits { renamer: Renamer::new(symmetry), known: HashMap::default(), verdicts: HashMap::default() }
    }

    /// A naming under which the condition of that place is `wanted` in this world, if there is one.
    pub(crate) fn find(
        &mut self,
        stage: &Stage<'_>,
        scene: &Scene,
        (place, condition): (u32, &Condition),
        wanted: bool,
    ) -> Result<Option<Naming>, Unanswered> {
        let symmetry = self.renamer.symmetry;
        let named: Vec<usize> =
            condition.members.iter().filter_map(|member| symmetry.place(stage.cast[*member])).collect();
        let others = condition.members.iter().map(|member| stage.cast[*member]);
        let others: Vec<Cell> =
            others.filter(|slot| symmetry.place(*slot).is_none()).map(|slot| scene.cell(slot)).collect();
        let mut contents: Vec<Cell> = symmetry.slots.iter().map(|slot| scene.cell(*slot)).collect();
        contents.extend(&others);
        let key = (place, wanted, contents);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let mut namings = Vec::new();
        let count = symmetry.members.len();
        let mut naming = vec![u8::MAX; count];
        if !self.namings(scene, &named, &others, &mut naming, &mut namings) {
            return Err(Unanswered::Symmetry(
                "a property sees so much of members that are alike that not all of their names could be tried; let it name fewer of them, and let what it sees keep no ids of events from outside".into(),
            ));
        }
        let mut found = None;
        for naming in namings {
            if self.asked(stage, scene, (place, condition), &naming)? == wanted {
                found = Some(naming);
                break;
            }
        }
        self.known.insert(key, found.clone());
        Ok(found)
    }

    /// Lists all ways to call those who matter: first who is called as those whom the condition names, then all whom the
    /// contents that it sees name. `u8::MAX` stands for nobody yet. False when there are too many.
    fn namings(
        &mut self,
        scene: &Scene,
        wanted: &[usize],
        others: &[Cell],
        naming: &mut Vec<u8>,
        all: &mut Vec<Naming>,
    ) -> bool {
        let symmetry = self.renamer.symmetry;
        if let Some((name, rest)) = wanted.split_first() {
            for place in 0..naming.len() {
                if naming[place] == u8::MAX {
                    naming[place] = *name as u8;
                    if !self.namings(scene, rest, others, naming, all) {
                        return false;
                    }
                    naming[place] = u8::MAX;
                }
            }
            return true;
        }
        let seen = naming.iter().enumerate().filter(|(_, name)| **name != u8::MAX);
        let seen = seen.map(|(place, _)| scene.cell(symmetry.slots[place]));
        let cells: Vec<Cell> = seen.chain(others.iter().copied()).collect();
        let mentioned = self.renamer.in_cells(cells.into_iter());
        let open = mentioned.into_iter().map(usize::from).filter(|place| naming[*place] == u8::MAX);
        fill(&open.collect::<Vec<_>>(), naming, all)
    }

    fn asked(
        &mut self,
        stage: &Stage<'_>,
        scene: &Scene,
        (place, condition): (u32, &Condition),
        naming: &Naming,
    ) -> Result<bool, Unanswered> {
        let symmetry = self.renamer.symmetry;
        let undone = super::inverse(naming);
        let mut cells = Vec::new();
        for slot in &stage.cast {
            let is_named = condition.members.iter().any(|member| stage.cast[*member] == *slot);
            // What the condition does not name it does not see.
            let cell = if is_named { scene.cell(symmetry.slot(*slot, &undone)) } else { scene.cell(*slot) };
            let cell =
                if is_named { self.renamer.cell(cell, naming).map_err(Unanswered::Symmetry)? } else { cell };
            cells.push(cell);
        }
        let entries: Vec<_> = cells.iter().map(|cell| stage.locals.cell(*cell)).collect();
        let views = condition.members.iter().map(|member| entries[*member].view).collect();
        let known = self.verdicts.entry((place, views)).or_insert_with(|| {
            let seen: Vec<_> = entries.iter().map(|entry| &entry.seen).collect();
            condition.holds(&seen)
        });
        known.clone().map_err(Unanswered::Condition)
    }
}

/// Lists all ways to call these by names that nobody has yet; everybody else gets what is left, in order.
fn fill(open: &[usize], naming: &mut Vec<u8>, all: &mut Vec<Naming>) -> bool {
    let is_free = |naming: &[u8], name: u8| !naming.contains(&name);
    let Some((place, rest)) = open.split_first() else {
        let mut whole = naming.clone();
        for place in 0..whole.len() {
            if whole[place] == u8::MAX {
                let free = (0..whole.len() as u8).find(|name| is_free(&whole, *name));
                whole[place] = free.unwrap_or_default();
            }
        }
        all.push(whole.into());
        return all.len() <= NAMINGS_MAX;
    };
    for name in 0..naming.len() as u8 {
        if is_free(naming, name) {
            naming[*place] = name;
            if !fill(rest, naming, all) {
                return false;
            }
            naming[*place] = u8::MAX;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn all_ways_to_call_some_of_them_are_listed_once() {
        let mut all = Vec::new();
        assert!(fill(&[1, 3], &mut vec![u8::MAX, u8::MAX, 0, u8::MAX], &mut all));
        let written: Vec<String> = all.iter().map(|naming| format!("{naming:?}")).collect();
        assert_eq!(
            written,
            ["[3, 1, 0, 2]", "[2, 1, 0, 3]", "[3, 2, 0, 1]", "[1, 2, 0, 3]", "[2, 3, 0, 1]", "[1, 3, 0, 2]"]
        );
    }
}
