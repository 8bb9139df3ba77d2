//! The search itself: breadth first, in blocks that are expanded by all cores and put together in order, so that the
//! answer does not depend on how many cores there are.
//!
//! It refuses to know what a violation means. Its one invariant: a world is expanded only after all worlds that are
//! nearer to the beginning were found, so the first violation has a shortest trace among the orders that are tried.

use super::reduction::Reduction;
use super::worlds::{Expansion, Reached, Worlds};
use super::{Limits, Progress};
use crate::choice::{Choice, Stage};
use crate::locals::{Mark, MarkKind, Reader};
use crate::property::{Claim, Condition, Property, Unevaluated};
use crate::scene::Scene;
use crate::symmetry::{Doubt, Orbits, Proof, Symmetry, Unanswered};
use crate::system::System;
use hashbrown::HashMap;
use std::time::Instant;

/// Worlds expanded between two looks at what was found. Large enough that starting threads costs nothing beside it,
/// small enough that progress is seen and an interrupt is quick.
const BLOCK: usize = 4096;

/// Fewer worlds than this are expanded by one thread.
const BLOCK_ALONE: usize = 256;

/// What a local step that is made again under other names takes of memory, with the contents that come of it, about.
const STEP_BYTES: usize = 4096;

/// What a search is asked.
pub(crate) struct Question<'a> {
    pub(crate) stage: &'a Stage<'a>,
    pub(crate) limits: &'a Limits<'a>,
    /// May orders that cannot be told apart be left out?
    pub(crate) reduce: bool,
    /// May worlds that differ only in who is called what be taken for one?
    pub(crate) symmetry: Option<&'a Symmetry<'a>>,
    /// Are all steps kept, for what is asked of whole runs?
    pub(crate) keep_steps: bool,
    pub(crate) progress: &'a (dyn Fn(&Progress) + Sync),
}

/// What was found wrong where.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// In that world.
    pub(crate) world: u32,
    /// When that choice is taken there; none for the world itself.
    pub(crate) choice: Option<u16>,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A built-in property.
    Mark(Mark),
    /// The property of that place.
    Property(usize),
    /// It cannot be evaluated.
    Unevaluated(usize, String),
}

/// What a search has found.
pub(crate) struct Found {
    pub(crate) worlds: Worlds,
    /// Worlds in which nothing happens for certain any more.
    pub(crate) ends: Vec<u32>,
    /// Where each property of the form `reachable` was met first.
    pub(crate) met: Vec<Option<u32>>,
    /// The first thing that is wrong.
    pub(crate) hit: Option<Hit>,
    pub(crate) transitions: u64,
    pub(crate) pruned: u64,
    /// Why it is not complete; empty when it is.
    pub(crate) bounds: Vec<String>,
    /// All steps, when they were kept: of each world, to which world by which choice.
    pub(crate) steps: Vec<Vec<(u32, u16)>>,
    /// Things that depend on what is not explored.
    pub(crate) chances: Vec<String>,
    /// Local steps that the kernel made.
    pub(crate) local_steps: usize,
    /// Why members are not alike, when the system says that they are.
    pub(crate) unlike: Option<String>,
    /// Were they not proven to be alike, since that would have taken too much?
    pub(crate) unproven: bool,
}

/// One thread's part.
struct Worker<'a> {
    reader: Reader<'a>,
    verdicts: HashMap<(u32, Vec<u32>), Result<bool, Unevaluated>, foldhash::fast::FixedState>,
    orbits: Option<Orbits<'a>>,
    scene: Scene,
    next: Scene,
    choices: Vec<Choice>,
}

/// What a thread has found.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    /// Hash, end of the bytes, parent, choice.
    candidates: Vec<(u64, usize, u32, u16)>,
    expansions: Vec<(u32, Expansion)>,
    hits: Vec<Hit>,
    ends: Vec<u32>,
    met: Vec<(usize, u32)>,
    transitions: u64,
    pruned: u64,
    chances: Vec<String>,
    unlike: Option<String>,
}

/// What is the same for all threads of a block.
struct Block<'a> {
    question: &'a Question<'a>,
    worlds: &'a Worlds,
    reduction: &'a Reduction,
    /// Worlds to be expanded in full, after all.
    again: bool,
    /// Nothing before this is yet to be expanded.
    later: u32,
}

pub(crate) fn search(question: &Question<'_>, first: &Scene) -> Found {
    let stage = question.stage;
    let mut search = Search {
        question,
        found: Found {
            worlds: Worlds::new(),
            ends: Vec::new(),
            met: vec![None; stage.system.properties.len()],
            hit: None,
            transitions: 0,
            pruned: 0,
            bounds: Vec::new(),
            steps: Vec::new(),
            chances: Vec::new(),
            local_steps: 0,
            unlike: None,
            unproven: false,
        },
        reduction: Reduction::new(stage, question.symmetry),
        proof: question.symmetry.map(Proof::new),
        began: Instant::now(),
    };
    let mut bytes = Vec::new();
    first.encode(&mut bytes);
    let worlds = &mut search.found.worlds;
    let hash = worlds.hash(&bytes);
    worlds.add(hash, &bytes, Reached { parent: 0, choice: 0, depth: 0 });
    search.run();
    // Nothing that was found counts before this.
    search.try_names();
    search.found.local_steps = stage.locals.steps();
    search.found
}

struct Search<'a> {
    question: &'a Question<'a>,
    found: Found,
    reduction: Reduction,
    proof: Option<Proof<'a>>,
    began: Instant,
}

impl<'a> Search<'a> {
    fn run(&mut self) {
        let threads = self.question.limits.threads.max(1);
        let locals = self.question.stage.locals;
        let mut workers: Vec<Worker<'a>> = (0..threads).map(|_| Worker::new(self.question)).collect();
        let mut next = 0u32;
        loop {
            while (next as usize) < self.found.worlds.len() {
                if self.is_over() {
                    return;
                }
                if self.question.reduce && self.reduction.is_outdated(locals) {
                    // What one does the others do, too.
                    self.try_names();
                    self.reduction.learn(locals);
                }
                let end = (next as usize + BLOCK).min(self.found.worlds.len()) as u32;
                let block: Vec<u32> = (next..end).collect();
                self.expand(&mut workers, &block, end, false);
                next = end;
            }
            let again = self.not_enough(&mut workers[0]);
            if again.is_empty() {
                return;
            }
            for block in again.chunks(BLOCK) {
                if self.is_over() {
                    return;
                }
                self.expand(&mut workers, block, 0, true);
            }
        }
    }

    /// Is there a reason to stop?
    fn is_over(&mut self) -> bool {
        let found = &mut self.found;
        if found.hit.is_some() || found.unlike.is_some() || found.unproven {
            return true;
        }
        let limits = self.question.limits;
        let depth = found.worlds.reached.last().map_or(0, |reached| reached.depth);
        let seconds = self.began.elapsed();
        (self.question.progress)(&Progress {
            worlds: found.worlds.len(),
            transitions: found.transitions,
            depth,
            seconds: seconds.as_secs_f64(),
        });
        let (worlds, memory) = ((found.worlds.len(), "worlds"), found.worlds.memory());
        let Some(why) = spent(limits, self.began, worlds, memory) else { return false };
        let open = found.worlds.expansions.iter().filter(|one| **one == Expansion::Open).count();
        found.bounds.push(format!("{why}, with {open} worlds seen and not gone on from"));
        true
    }

    /// Worlds where something was left out that what is known now forbids.
    fn not_enough(&mut self, worker: &mut Worker<'_>) -> Vec<u32> {
        let stage = self.question.stage;
        self.try_names();
        if self.found.unproven || !self.question.reduce || !self.reduction.is_stale(stage.locals) {
            return Vec::new();
        }
        self.reduction.learn(stage.locals);
        let worlds = &self.found.worlds;
        let mut again = Vec::new();
        for (index, expansion) in worlds.expansions.iter().enumerate() {
            let Expansion::Only(slot) = expansion else { continue };
            worker.scene.decode(worlds.bytes_of(index as u32));
            if !self.reduction.holds(stage, &worker.scene, *slot) {
                again.push(index as u32);
            }
        }
        again
    }

    /// Tries whether members that are said to be alike are, as far as is known now.
    fn try_names(&mut self) {
        let (Some(proof), found) = (&mut self.proof, &mut self.found) else { return };
        if found.unproven {
            return;
        }
        let (limits, began, memory) = (self.question.limits, self.began, found.worlds.memory());
        let spent = |tried: usize| {
            let memory = memory.saturating_add(tried.saturating_mul(STEP_BYTES));
            spent(limits, began, (tried, "local steps under other names"), memory)
        };
        match proof.go_on(&spent) {
            Ok(()) => {}
            Err(Doubt::Unlike(unlike)) => _ = found.unlike.get_or_insert(unlike),
            Err(Doubt::Unproven(why)) => {
                found.unproven = true;
                found
                    .bounds
                    .push(format!("{why}, and members of `symmetric` are not yet proven to be alike"));
            }
        }
    }

    fn expand(&mut self, workers: &mut [Worker<'a>], indices: &[u32], later: u32, again: bool) {
        let block = Block {
            question: self.question,
            worlds: &self.found.worlds,
            reduction: &self.reduction,
            again,
            later,
        };
        let parts: Vec<Part> = if indices.len() < BLOCK_ALONE || workers.len() == 1 {
            vec![workers[0].expand(&block, indices)]
        } else {
            let share = indices.len().div_ceil(workers.len());
            std::thread::scope(|scope| {
                let threads: Vec<_> = workers
                    .iter_mut()
                    .zip(indices.chunks(share))
                    .map(|(worker, chunk)| {
                        let block = &block;
                        scope.spawn(move || worker.expand(block, chunk))
                    })
                    .collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, Part>| match thread.join() {
                    Ok(part) => part,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                threads.into_iter().map(join).collect()
            })
        };
        parts.into_iter().for_each(|part| self.take(part));
    }

    /// Takes over what a thread has found, in the order of worlds.
    fn take(&mut self, part: Part) {
        let found = &mut self.found;
        let depth_max = self.question.limits.depth_max;
        let mut start = 0;
        for (hash, end, parent, choice) in part.candidates {
            let world = &part.bytes[start..end];
            start = end;
            let depth = found.worlds.reached[parent as usize].depth + 1;
            if depth > depth_max {
                let why = format!("it has reached {depth_max} steps from the beginning");
                if !found.bounds.contains(&why) {
                    found.bounds.push(why);
                }
                continue;
            }
            let (index, _) = found.worlds.add(hash, world, Reached { parent, choice, depth });
            if self.question.keep_steps {
                if found.steps.len() <= parent as usize {
                    found.steps.resize(parent as usize + 1, Vec::new());
                }
                found.steps[parent as usize].push((index, choice));
            }
        }
        for (index, expansion) in part.expansions {
            found.worlds.expansions[index as usize] = expansion;
        }
        found.ends.extend(part.ends);
        for (property, index) in part.met {
            found.met[property].get_or_insert(index);
        }
        found.transitions += part.transitions;
        found.pruned += part.pruned;
        if let Some(unlike) = part.unlike {
            found.unlike.get_or_insert(unlike);
        }
        for chance in part.chances {
            if !found.chances.contains(&chance) {
                found.chances.push(chance);
            }
        }
        // What is wrong with a world comes before what is wrong with a step from it.
        let first = part.hits.into_iter().min_by_key(|hit| (hit.world, hit.choice.map_or(0, |at| at + 1)));
        if let Some(hit) = first.filter(|_| found.hit.is_none()) {
            found.hit = Some(hit);
        }
    }
}

impl<'a> Worker<'a> {
    fn new(question: &Question<'a>) -> Worker<'a> {
        Worker {
            reader: Reader::new(question.stage.locals),
            verdicts: HashMap::default(),
            orbits: question.symmetry.map(Orbits::new),
            scene: Scene::default(),
            next: Scene::default(),
            choices: Vec::new(),
        }
    }

    fn expand(&mut self, block: &Block<'_>, indices: &[u32]) -> Part {
        let mut part = Part::default();
        for index in indices {
            self.scene.decode(block.worlds.bytes_of(*index));
            block.question.stage.choices(&self.scene, &mut self.choices);
            if !block.again {
                self.judge(block.question.stage, *index, &mut part);
                if !self.choices.iter().any(|choice| choice.is_certain()) {
                    part.ends.push(*index);
                }
            }
            self.expand_one(block, *index, &mut part);
        }
        part
    }

    fn expand_one(&mut self, block: &Block<'_>, index: u32, part: &mut Part) {
        let stage = block.question.stage;
        let only = match block.question.reduce && !block.again {
            true => block.reduction.choose(stage, &self.scene, &self.choices, &mut self.reader),
            false => Vec::new(),
        };
        let (candidates, bytes, all) = (part.candidates.len(), part.bytes.len(), self.choices.len());
        for slot in only {
            let is_one = |choice: &Choice| choice.lone() == Some(slot);
            let mut later = false;
            let mut taken = 0;
            for at in 0..all {
                if is_one(&self.choices[at]) {
                    later |= self.follow(block, index, at, part);
                    taken += 1;
                }
            }
            if later {
                part.expansions.push((index, Expansion::Only(slot)));
                part.transitions += taken;
                part.pruned += all as u64 - taken;
                return;
            }
            part.candidates.truncate(candidates);
            part.bytes.truncate(bytes);
        }
        for at in 0..all {
            self.follow(block, index, at, part);
        }
        part.expansions.push((index, Expansion::Full));
        part.transitions += all as u64;
    }

    /// Takes a choice, and says whether the world that follows is yet to be expanded.
    fn follow(&mut self, block: &Block<'_>, index: u32, at: usize, part: &mut Part) -> bool {
        let stage = block.question.stage;
        self.next.clone_from(&self.scene);
        let step = stage.take(&mut self.next, self.choices[at], &mut self.reader);
        for mark in step.into_iter().flat_map(|step| step.marks.iter()) {
            if mark.kind == MarkKind::Chance {
                part.chances.push(mark.text.clone());
            } else if is_asked(stage.system, mark.kind) {
                let what = What::Mark(mark.clone());
                part.hits.push(Hit { world: index, choice: Some(at as u16), what });
            }
        }
        if let Some(orbits) = &mut self.orbits
            && let Err(unlike) = orbits.renamer.canonical(&mut self.next)
        {
            part.unlike.get_or_insert(unlike);
        }
        let start = part.bytes.len();
        self.next.encode(&mut part.bytes);
        let hash = block.worlds.hash(&part.bytes[start..]);
        let known = block.worlds.find(hash, &part.bytes[start..]);
        part.candidates.push((hash, part.bytes.len(), index, at as u16));
        known.is_none_or(|known| known >= block.later)
    }

    /// Do the properties over worlds hold in this one?
    fn judge(&mut self, stage: &Stage<'_>, index: u32, part: &mut Part) {
        for (place, property) in stage.system.properties.iter().enumerate() {
            let (condition, wanted) = match &property.claim {
                Claim::Always(condition) => (condition, true),
                Claim::Never(condition) => (condition, false),
                Claim::Reachable(condition) => (condition, true),
                Claim::Eventually(_) | Claim::Until(..) => continue,
            };
            if self.orbits.is_some() {
                self.judge_all(stage, index, (place, property), wanted, part);
                continue;
            }
            let what = match self.holds(stage, place as u32, condition) {
                Ok(holds) if matches!(property.claim, Claim::Reachable(_)) => {
                    part.met.extend(holds.then_some((place, index)));
                    continue;
                }
                Ok(holds) if holds == wanted => continue,
                Ok(_) => What::Property(place),
                Err(Unevaluated(problem)) => What::Unevaluated(place, problem),
            };
            part.hits.push(Hit { world: index, choice: None, what });
        }
    }

    /// Does a property hold in all worlds that this one stands for?
    fn judge_all(
        &mut self,
        stage: &Stage<'_>,
        index: u32,
        (place, property): (usize, &Property),
        wanted: bool,
        part: &mut Part,
    ) {
        let Some(orbits) = &mut self.orbits else { return };
        let is_reachable = matches!(property.claim, Claim::Reachable(_));
        let asked = (place as u32, property.claim.conditions()[0]);
        let what = match orbits.find(stage, &self.scene, asked, wanted == is_reachable) {
            Ok(Some(_)) if is_reachable => return part.met.push((place, index)),
            Ok(Some(_)) => What::Property(place),
            Ok(None) => return,
            Err(Unanswered::Condition(Unevaluated(problem))) => What::Unevaluated(place, problem),
            Err(Unanswered::Symmetry(unlike)) => {
                part.unlike.get_or_insert(unlike);
                return;
            }
        };
        part.hits.push(Hit { world: index, choice: None, what });
    }

    fn holds(&mut self, stage: &Stage<'_>, place: u32, condition: &Condition) -> Result<bool, Unevaluated> {
        let cell = |member: &usize| self.scene.cell(stage.cast[*member]);
        let views = condition.members.iter().map(|member| self.reader.cell(cell(member)).view).collect();
        let key = (place, views);
        if let Some(known) = self.verdicts.get(&key) {
            return known.clone();
        }
        let verdict = evaluate(stage, &self.scene, condition, |condition, seen| condition.holds(seen));
        self.verdicts.insert(key, verdict.clone());
        verdict
    }
}

/// Why it is enough, with so many of something and so much memory, if it is.
fn spent(
    limits: &Limits<'_>,
    began: Instant,
    (count, things): (usize, &str),
    memory: usize,
) -> Option<String> {
    let seconds = began.elapsed();
    if limits.stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed)) {
        Some("it was interrupted".to_owned())
    } else if count >= limits.worlds_max {
        Some(format!("it has reached {} {things}", limits.worlds_max))
    } else if memory > limits.memory_max {
        Some(format!("it has reached {} MB of memory", limits.memory_max >> 20))
    } else if limits.time_max.is_some_and(|max| seconds > max) {
        Some(format!("it has taken {} s", seconds.as_secs()))
    } else {
        None
    }
}

/// Asks a condition in a world.
pub(crate) fn evaluate<T>(
    stage: &Stage<'_>,
    scene: &Scene,
    condition: &Condition,
    ask: impl FnOnce(&Condition, &[&crate::property::Seen]) -> Result<T, Unevaluated>,
) -> Result<T, Unevaluated> {
    let cells: Vec<_> = stage.cast.iter().map(|slot| stage.locals.cell(scene.cell(*slot))).collect();
    let seen: Vec<_> = cells.iter().map(|cell| &cell.seen).collect();
    ask(condition, &seen)
}

/// Is it wrong in this system?
pub(crate) fn is_asked(system: &System, kind: MarkKind) -> bool {
    let built_in = &system.built_in;
    match kind {
        MarkKind::Fault => built_in.faults,
        MarkKind::DeadLetter => built_in.dead_letters,
        MarkKind::Refusal => built_in.refusals,
        MarkKind::Stuck => built_in.stuck,
        MarkKind::Mailbox => built_in.mailboxes,
        MarkKind::Unrepeatable => true,
        MarkKind::Chance => false,
    }
}
