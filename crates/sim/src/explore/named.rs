//! The way to a world that stands for others, as the names of one run have it.
//!
//! It refuses to search. Its one invariant: each step is the one that was found, under the names that the steps before it
//! have left.

use super::Exploration;
use super::search::What;
use crate::choice::Choice;
use crate::locals::Reader;
use crate::property::{Claim, Unevaluated};
use crate::symmetry::{Naming, Orbits, Symmetry, Unanswered, after, inverse};

impl Exploration<'_> {
    /// The choices that lead to a world, and the last one from there, under such names that the property that is broken
    /// there is broken as it is written.
    pub(super) fn path_under_names(
        &self,
        symmetry: &Symmetry<'_>,
        world: u32,
        last: Option<u16>,
        what: &What,
    ) -> Result<Vec<Choice>, String> {
        let mut ways = Vec::new();
        let mut at = world;
        while at != 0 {
            let reached = self.found.worlds.reached[at as usize];
            ways.push((reached.parent, reached.choice));
            at = reached.parent;
        }
        ways.reverse();
        ways.extend(last.map(|choice| (world, choice)));
        let mut orbits = Orbits::new(symmetry);
        let wanted = self.wanted(&mut orbits, world, what)?;
        // Two runs that differ in names alone begin in one world, so the names at the beginning are free: those that lead
        // to the wanted ones in the end.
        let same: Naming = (0..symmetry.len() as u8).collect();
        let (_, reached) = self.walk(symmetry, &ways, same.clone())?;
        let begin = wanted.map_or(same, |wanted| after(&inverse(&reached), &wanted));
        Ok(self.walk(symmetry, &ways, begin)?.0)
    }

    /// The naming of that world under which the property is broken.
    fn wanted(&self, orbits: &mut Orbits<'_>, world: u32, what: &What) -> Result<Option<Naming>, String> {
        let What::Property(place) = what else { return Ok(None) };
        let property = &self.stage.system.properties[*place];
        let broken = !matches!(property.claim, Claim::Always(_));
        let asked = (*place as u32, property.claim.conditions()[0]);
        orbits.find(self.stage, &self.scene(world), asked, broken).map_err(|problem| match problem {
            Unanswered::Symmetry(problem) | Unanswered::Condition(Unevaluated(problem)) => problem,
        })
    }

    /// Goes a way that was found, beginning under these names: the choices as they are then, and the names in the end.
    fn walk(
        &self,
        symmetry: &Symmetry<'_>,
        ways: &[(u32, u16)],
        begin: Naming,
    ) -> Result<(Vec<Choice>, Naming), String> {
        let mut reader = Reader::new(self.stage.locals);
        let mut renamer = crate::symmetry::Renamer::new(symmetry);
        let (mut naming, mut choices) = (begin, Vec::new());
        for (world, at) in ways {
            let mut scene = self.scene(*world);
            let named = renamer.scene(&scene, &naming)?;
            let choice = self.choice_at(*world, *at);
            choices.push(renamer.choice(&scene, &named, choice, &naming)?);
            self.stage.take(&mut scene, choice, &mut reader);
            let canonical = renamer.canonical(&mut scene)?;
            naming = after(&inverse(&canonical), &naming);
        }
        Ok((choices, naming))
    }
}
