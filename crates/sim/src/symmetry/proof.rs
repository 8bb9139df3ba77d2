//! Are the members alike? Every local step that was met is made again with names exchanged, and what comes up on the way
//! likewise, until nothing new does.
//!
//! It refuses to read definitions. Its one invariant: when it is content, renaming any local step that the search has met,
//! by any naming, gives a local step of the kernel. A content that names k of n members in order has n!/(n-k)! images, so it
//! may be told to stop before that.

use super::{Naming, Renamer, Symmetry};
use crate::locals::{Act, Cause, LocalStep};
use hashbrown::HashSet;

/// Why members are not known to be alike.
#[derive(Debug)]
pub(crate) enum Doubt {
    /// They are not, for this reason.
    Unlike(String),
    /// Not all was tried, for this reason.
    Unproven(String),
}

#[derive(Debug)]
pub(crate) struct Proof<'a> {
    renamer: Renamer<'a>,
    exchanges: Vec<Naming>,
    tried: HashSet<Cause, foldhash::fast::FixedState>,
}

impl<'a> Proof<'a> {
    pub(crate) fn new(symmetry: &'a Symmetry<'a>) -> Proof<'a> {
        let (renamer, exchanges) = (Renamer::new(symmetry), symmetry.exchanges());
        Proof { renamer, exchanges, tried: HashSet::default() }
    }

    /// Tries all local steps that were met and not tried yet; says which two members are not alike. `spent` is asked
    /// before each, with how many it has tried, whether that is enough.
    pub(crate) fn go_on(&mut self, spent: &dyn Fn(usize) -> Option<String>) -> Result<(), Doubt> {
        let locals = self.renamer.symmetry.stage.locals;
        if locals.has_names() || locals.has_endpoints() {
            return Err(Doubt::Unlike(
                "a machine of the system has children, watches another or joins a space: their links are not renamed; leave `symmetric` out"
                    .into(),
            ));
        }
        let mut todo: Vec<Cause> = Vec::new();
        locals.each_cause(|cause| todo.extend((!self.tried.contains(&cause)).then_some(cause)));
        while let Some(cause) = todo.pop() {
            if self.tried.contains(&cause) {
                continue;
            }
            if let Some(why) = spent(self.tried.len()) {
                return Err(Doubt::Unproven(why));
            }
            self.tried.insert(cause);
            let step = locals.step(cause);
            for at in 0..self.exchanges.len() {
                let naming = self.exchanges[at].clone();
                let other = self.renamer.cause(cause, &naming).map_err(Doubt::Unlike)?;
                let wanted = self.renamer.step(&step, &naming).map_err(Doubt::Unlike)?;
                let found = locals.step(other);
                if !is_alike(&wanted, &step, &found) {
                    return Err(Doubt::Unlike(self.difference(cause, &naming, &wanted, &found)));
                }
                todo.push(other);
            }
        }
        Ok(())
    }

    fn difference(&self, cause: Cause, naming: &Naming, wanted: &LocalStep, found: &LocalStep) -> String {
        let (symmetry, locals) = (self.renamer.symmetry, self.renamer.symmetry.stage.locals);
        let (one, other) = symmetry.exchanged(naming);
        let what = match cause.act {
            Act::Take(letter, _) => format!("takes `{}`", locals.letter(letter).event.name),
            Act::Wake(_) => "is woken by a timer".to_owned(),
            Act::Answer(..) => "is told how a task ended".to_owned(),
            Act::Silence | Act::Return(_) => "comes or goes".to_owned(),
        };
        let ordered = LocalStep {
            sends: in_order(found),
            cell: found.cell,
            dues: found.dues.clone(),
            marks: Box::default(),
        };
        let how = locals.difference(wanted, &ordered);
        format!(
            "{one} and {other} are not alike: when {} {what}, it is not the same with their names exchanged ({how}); leave one of them out of `symmetric`, or let the machine neither order, count on, nor take apart their names",
            locals.address(cause.slot)
        )
    }
}

/// Events by receiver: what goes to one keeps its order.
fn in_order(step: &LocalStep) -> Box<[(crate::locals::Slot, crate::locals::Letter)]> {
    let mut sends = step.sends.to_vec();
    sends.sort_by_key(|(to, _)| *to);
    sends.into()
}

fn is_alike(wanted: &LocalStep, step: &LocalStep, found: &LocalStep) -> bool {
    let kinds = |step: &LocalStep| step.marks.iter().map(|mark| mark.kind).collect::<Vec<_>>();
    (wanted.cell, &wanted.dues, &wanted.sends) == (found.cell, &found.dues, &in_order(found))
        && kinds(step) == kinds(found)
}
