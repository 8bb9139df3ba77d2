//! Exploration: every order of events, timers and declared faults of a system, up to a bound, and what is true of them.
//!
//! It refuses to say more than it knows: `complete` means that nothing was left out that could show a violation.
//! Its one invariant: the same system and limits (but for time) give the same answer, whatever the number of threads.

mod ends;
mod named;
mod reduction;
mod runs;
pub(crate) mod search;
pub(crate) mod worlds;

#[cfg(test)]
mod lockstep_tests;
#[cfg(test)]
#[path = "../tests/models/mod.rs"]
pub(crate) mod models;
#[cfg(test)]
mod tests;

use crate::choice::{Choice, Stage};
use crate::locals::{LocalStep, Locals, Reader};
use crate::property::Claim;
use crate::scene::Scene;
use crate::story::Violation;
use crate::symmetry::Symmetry;
use crate::system::System;
use crate::trace::{self, Trace};
pub(crate) use reduction::Sight;
pub(crate) use search::is_asked;
use search::{Found, Hit, Question, What};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How far an exploration goes.
#[derive(Debug, Clone)]
pub struct Limits<'a> {
    /// Worlds that are kept.
    pub worlds_max: usize,
    /// Steps from the beginning.
    pub depth_max: u32,
    /// Bytes of memory for worlds.
    pub memory_max: usize,
    /// How long it may take; the answer then depends on the machine.
    pub time_max: Option<Duration>,
    /// Threads that expand worlds.
    pub threads: usize,
    /// May orders that cannot be told apart be left out?
    pub reduce: bool,
    /// Set to interrupt it.
    pub stop: Option<&'a AtomicBool>,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Limits {
            worlds_max: 10_000_000,
            depth_max: 1_000_000,
            memory_max: 2 << 30,
            time_max: None,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            reduce: true,
            stop: None,
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Different worlds.
    pub worlds: usize,
    /// Steps tried.
    pub transitions: u64,
    /// Steps from the beginning.
    pub depth: u32,
    /// Since it began.
    pub seconds: f64,
}

/// What an exploration has found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The system's name.
    pub system: String,
    /// Different worlds.
    pub worlds: usize,
    /// Steps tried.
    pub transitions: u64,
    /// Steps that were possible and not tried, since another order shows the same.
    pub pruned: u64,
    /// The longest of the shortest ways to a world.
    pub depth: u32,
    /// Worlds in which nothing happens for certain any more.
    pub ends: usize,
    /// Different casts, whatever is on its way: the measure that other model checkers can be compared by.
    pub casts: usize,
    /// Different turns that the kernel has made.
    pub local_steps: usize,
    /// Bytes of memory that the worlds took.
    pub memory: usize,
    /// Why it is not complete; empty when it is.
    pub bounds: Vec<String>,
    /// The first thing that is wrong.
    pub violation: Option<Violation>,
}

impl Report {
    /// Was everything seen?
    pub fn is_complete(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Panics with the story of a violation, if there is one, and when not everything was seen.
    #[track_caller]
    pub fn assert(&self) -> &Report {
        if let Some(violation) = &self.violation {
            panic!("{}", violation.story());
        }
        assert!(self.is_complete(), "exploration of {} is bounded: {}", self.system, self.bounds.join("; "));
        self
    }
}

/// Why a system cannot be explored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExploreError {
    /// A member of the cast cannot be started.
    #[error("{0}; correct its `data` or its definition")]
    Start(String),
    /// A limit of nothing.
    #[error("{0} is 0, so nothing would be explored; give at least 1")]
    NoBudget(&'static str),
    /// Members that the system says are alike are not.
    #[error("{0}")]
    Unlike(String),
}

/// Explores a system within the default limits.
#[track_caller]
pub fn explore(system: &System) -> Report {
    match explore_within(system, &Limits::default(), &|_| {}) {
        Ok(report) => report,
        Err(error) => panic!("{} cannot be explored: {error}", system.name),
    }
}

/// Explores a system. `progress` is called now and then.
pub fn explore_within(
    system: &System,
    limits: &Limits<'_>,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Report, ExploreError> {
    let budgets = [
        (limits.worlds_max, "the number of worlds"),
        (limits.depth_max as usize, "the depth"),
        (limits.memory_max, "the memory"),
    ];
    if let Some((_, what)) = budgets.iter().find(|(budget, _)| *budget == 0) {
        return Err(ExploreError::NoBudget(what));
    }
    let locals = Locals::new(system);
    let (stage, first, starts) = Stage::set(system, &locals).map_err(ExploreError::Start)?;
    let of_runs = |claim: &Claim| matches!(claim, Claim::Eventually(_) | Claim::Until(..));
    let whole = system.properties.iter().any(|property| of_runs(&property.claim))
        || !system.built_in.finish.is_empty();
    let reduce = limits.reduce && !whole;
    let symmetric = reduce && !system.symmetric.is_empty() && !system.compares_ends();
    let symmetry = symmetric.then(|| Symmetry::new(&stage, &first)).transpose();
    let symmetry = symmetry.map_err(ExploreError::Unlike)?;
    let symmetry = symmetry.as_ref();
    let question = Question { stage: &stage, limits, reduce, symmetry, keep_steps: whole, progress };
    let found = search::search(&question, &first);
    if let Some(unlike) = found.unlike {
        return Err(ExploreError::Unlike(unlike));
    }
    let exploration = Exploration { stage: &stage, first: &first, symmetry, found };
    exploration.report(&starts).map_err(ExploreError::Unlike)
}

/// A search that has ended, and what it was about.
struct Exploration<'a> {
    stage: &'a Stage<'a>,
    first: &'a Scene,
    symmetry: Option<&'a Symmetry<'a>>,
    found: Found,
}

/// Something that is wrong, as choices.
struct Wrong {
    property: String,
    what: String,
    choices: Vec<Choice>,
    /// Where the run goes on for ever: from the end back to the world after so many steps.
    circle: Option<usize>,
    /// Another run, to compare with.
    other: Option<Vec<Choice>>,
}

impl Exploration<'_> {
    fn report(mut self, starts: &[LocalStep]) -> Result<Report, String> {
        let system = self.stage.system;
        let mut wrong = match self.wrong_start(starts) {
            Some(wrong) => Some(wrong),
            None => self.hit()?,
        };
        if wrong.is_none() {
            wrong = self.runs();
        }
        if wrong.is_none() && self.found.bounds.is_empty() {
            wrong = self.unreached();
        }
        if wrong.is_none() {
            wrong = self.ends();
        }
        let mut violation = wrong.map(|wrong| self.violation(wrong));
        // Members that were not proven to be alike may not be, so only what happens under one set of names counts.
        let happens = |violation: &Violation| crate::story::is_broken(system, &violation.trace) == Ok(true);
        if self.found.unproven
            && let Some(violation) = violation.take_if(|violation| !happens(violation))
        {
            let name = violation.property();
            let why = format!(
                "{name} seemed to be broken, and was not when it was played once more: the members of `symmetric` may not be alike; leave it out"
            );
            self.found.bounds.push(why);
        }
        let casts = self.casts();
        let found = self.found;
        let mut bounds = found.bounds;
        bounds.extend(found.chances);
        if violation.is_some() && bounds.is_empty() {
            bounds.push("it stopped at the first violation".into());
        }
        Ok(Report {
            system: system.name.to_string(),
            worlds: found.worlds.len(),
            transitions: found.transitions,
            pruned: found.pruned,
            depth: found.worlds.reached.iter().map(|reached| reached.depth).max().unwrap_or(0),
            ends: found.ends.len(),
            casts,
            local_steps: found.local_steps,
            memory: found.worlds.memory(),
            bounds,
            violation,
        })
    }

    /// How many different casts there are.
    fn casts(&self) -> usize {
        let mut reader = Reader::new(self.stage.locals);
        let mut casts: hashbrown::HashSet<Vec<u32>, foldhash::fast::FixedState> =
            hashbrown::HashSet::default();
        let (mut scene, mut views) = (Scene::default(), Vec::new());
        for world in 0..self.found.worlds.len() as u32 {
            scene.decode(self.found.worlds.bytes_of(world));
            views.clear();
            views.extend(self.stage.cast.iter().map(|slot| reader.cell(scene.cell(*slot)).view));
            if !casts.contains(&views) {
                casts.insert(views.clone());
            }
        }
        casts.len()
    }

    fn wrong_start(&self, starts: &[LocalStep]) -> Option<Wrong> {
        let mut marks = starts.iter().flat_map(|start| start.marks.iter());
        let mark = marks.find(|mark| search::is_asked(self.stage.system, mark.kind))?;
        Some(Wrong::new(trace::word(mark.kind), mark.text.clone(), Vec::new()))
    }

    fn hit(&self) -> Result<Option<Wrong>, String> {
        let Some(Hit { world, choice, what }) = self.found.hit.clone() else { return Ok(None) };
        let choices = match self.symmetry {
            None => {
                let mut choices = self.path(world);
                choices.extend(choice.map(|at| self.choice_at(world, at)));
                choices
            }
            Some(symmetry) => self.path_under_names(symmetry, world, choice, &what).map_err(|problem| {
                format!("something is broken, and the way there cannot be told under the names of one run ({problem}); leave `symmetric` out")
            })?,
        };
        let (property, text) = match what {
            What::Mark(mark) => (trace::word(mark.kind).to_owned(), mark.text),
            What::Property(place) => {
                let property = &self.stage.system.properties[place];
                let text = match &property.claim {
                    Claim::Always(condition) => format!("this does not hold: {}", condition.source()),
                    claim => format!("this holds: {}", claim.conditions()[0].source()),
                };
                (property.name.to_string(), text)
            }
            What::Unevaluated(place, problem) => {
                let property = &self.stage.system.properties[place];
                (property.name.to_string(), format!("it cannot be told whether it holds: {problem}"))
            }
        };
        Ok(Some(Wrong::new(property, text, choices)))
    }

    fn unreached(&self) -> Option<Wrong> {
        let properties = self.stage.system.properties.iter().zip(&self.found.met);
        let mut missed = properties
            .filter(|(property, met)| matches!(property.claim, Claim::Reachable(_)) && met.is_none());
        let (property, _) = missed.next()?;
        let source = property.claim.conditions()[0].source();
        let text = format!("this holds in none of {} worlds: {source}", self.found.worlds.len());
        Some(Wrong::new(property.name.to_string(), text, Vec::new()))
    }

    /// The choices that lead to a world.
    fn path(&self, mut world: u32) -> Vec<Choice> {
        let mut choices = Vec::new();
        while world != 0 {
            let reached = self.found.worlds.reached[world as usize];
            choices.push(self.choice_at(reached.parent, reached.choice));
            world = reached.parent;
        }
        choices.reverse();
        choices
    }

    fn choice_at(&self, world: u32, at: u16) -> Choice {
        let mut choices = Vec::new();
        self.stage.choices(&self.scene(world), &mut choices);
        choices[usize::from(at)]
    }

    fn scene(&self, world: u32) -> Scene {
        let mut scene = Scene::default();
        scene.decode(self.found.worlds.bytes_of(world));
        scene
    }

    /// Shortens what is wrong, and tells it.
    fn violation(&mut self, wrong: Wrong) -> Violation {
        let mut reader = Reader::new(self.stage.locals);
        let steps = trace::named(self.stage, self.first, &wrong.choices, &mut reader);
        let other = wrong.other.map(|other| trace::named(self.stage, self.first, &other, &mut reader));
        let trace = Trace::of(self.stage.system, wrong.property, wrong.what, steps, wrong.circle, other);
        Violation::told(self.stage.system, crate::shrink::shrink(self.stage.system, trace))
    }
}

impl Wrong {
    fn new(property: impl Into<String>, what: String, choices: Vec<Choice>) -> Wrong {
        Wrong { property: property.into(), what, choices, circle: None, other: None }
    }
}
