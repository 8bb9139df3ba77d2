//! One random run, and many: for systems that are too large to explore.
//!
//! It refuses to ask the world for chance. Its one invariant: the same system and seed give the same run, byte for
//! byte, on every machine and with any number of threads.

use crate::chance::Chance;
use crate::play::Play;
use crate::property::Claim;
use crate::story::Violation;
use crate::system::System;
use crate::trace::{Happening, Trace};

/// A run that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it was made from.
    pub seed: u64,
    /// Steps made.
    pub steps: usize,
    /// Did it come to an end, and not only to the bound of steps?
    pub ended: bool,
    /// The first thing that is wrong.
    pub violation: Option<Violation>,
}

/// Steps of a run that does not end by itself.
pub const STEPS_MAX: usize = 2_000;

/// Makes one run.
pub fn simulate(system: &System, seed: u64) -> Result<Run, String> {
    let mut chance = Chance::new(seed);
    let (mut play, starts) = Play::begin(system)?;
    let mut steps: Vec<Happening> = Vec::new();
    let mut wrong: Option<(String, String)> =
        starts.into_iter().flat_map(|told| told.wrong).next().map(|(word, text)| (word.into(), text));
    loop {
        wrong = wrong.or_else(|| broken(system, &play));
        let possible = play.possible();
        if wrong.is_some() || possible.is_empty() || steps.len() >= STEPS_MAX {
            let violation = wrong.map(|(property, what)| {
                let trace = Trace::of(system, property, what, steps.clone(), None, None);
                Violation::told(system, crate::shrink::shrink(system, trace))
            });
            return Ok(Run { seed, steps: steps.len(), ended: possible.is_empty(), violation });
        }
        let happening = chance.choose(&possible).clone();
        let told = play.step(&happening)?;
        steps.push(happening);
        wrong = told.wrong.into_iter().next().map(|(word, text)| (word.into(), text));
    }
}

/// A property over worlds that does not hold in this one.
fn broken(system: &System, play: &Play<'_>) -> Option<(String, String)> {
    let seen = play.seen();
    let seen: Vec<_> = seen.iter().collect();
    system.properties.iter().find_map(|property| {
        let (condition, wanted) = match &property.claim {
            Claim::Always(condition) => (condition, true),
            Claim::Never(condition) => (condition, false),
            _ => return None,
        };
        match condition.holds(&seen) {
            Ok(holds) if holds == wanted => None,
            Ok(true) => Some((property.name.to_string(), format!("this holds: {}", condition.source()))),
            Ok(false) => {
                Some((property.name.to_string(), format!("this does not hold: {}", condition.source())))
            }
            Err(problem) => Some((
                property.name.to_string(),
                format!("it cannot be told whether it holds: {}", problem.0),
            )),
        }
    })
}

/// Many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cohort {
    /// The first seed; the others follow.
    pub seed: u64,
    /// How many runs.
    pub runs: usize,
    /// On how many threads.
    pub threads: usize,
}

/// What many runs have shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CohortSummary {
    /// Runs made.
    pub runs: usize,
    /// Steps of all of them.
    pub steps: usize,
    /// How many came to an end.
    pub ended: usize,
    /// Runs in which something was wrong, by ascending seed.
    pub failed: Vec<Run>,
}

impl Cohort {
    /// Makes the runs.
    pub fn run(&self, system: &System) -> Result<CohortSummary, String> {
        let threads = self.threads.clamp(1, self.runs.max(1));
        let part = |first: usize| -> Result<Vec<Run>, String> {
            let seeds = (first..self.runs).step_by(threads);
            seeds.map(|place| simulate(system, self.seed.wrapping_add(place as u64))).collect()
        };
        let parts: Vec<Result<Vec<Run>, String>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
            let join = |handle: std::thread::ScopedJoinHandle<'_, _>| match handle.join() {
                Ok(runs) => runs,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            handles.into_iter().map(join).collect()
        });
        let mut summary = CohortSummary::default();
        for part in parts {
            for run in part? {
                summary.runs += 1;
                summary.steps += run.steps;
                summary.ended += usize::from(run.ended);
                summary.failed.extend(run.violation.is_some().then_some(run));
            }
        }
        summary.failed.sort_by_key(|run| run.seed);
        Ok(summary)
    }
}
