//! What is asked of whole runs: that something happens on every fair one, and that everyone can still finish.
//!
//! It refuses to search: it walks over the steps that were kept. Its one invariant: it answers only from worlds whose
//! every step is known.
//!
//! A run is fair when whatever can happen for certain all the time from some point on does happen (weak fairness):
//! events arrive, time passes. The environment and faults owe nothing. A run in which only they are left may end.

use super::search::evaluate;
use super::worlds::Expansion;
use super::{Exploration, Wrong};
use crate::choice::Choice;
use crate::property::{Claim, Condition, Unevaluated};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What happens for certain some day, as far as fairness is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    /// The next event of that way arrives.
    Way(u32, u32),
    /// Time passes for that instance's timer.
    Timer(u32),
    /// That task of an instance ends.
    Task(u32, u16),
}

/// A condition, or the worlds in which it cannot be told.
type Told = Result<bool, Unevaluated>;

impl Exploration<'_> {
    pub(super) fn runs(&self) -> Option<Wrong> {
        let system = self.stage.system;
        for property in &system.properties {
            let (hold, goal) = match &property.claim {
                Claim::Eventually(goal) => (None, goal),
                Claim::Until(hold, goal) => (Some(hold), goal),
                Claim::Always(_) | Claim::Never(_) | Claim::Reachable(_) => continue,
            };
            let wrong = self.without(hold, goal).unwrap_or_else(|Unevaluated(problem)| {
                Some(Wrong::new("", format!("it cannot be told whether it holds: {problem}"), Vec::new()))
            });
            if let Some(wrong) = wrong {
                return Some(Wrong { property: property.name.to_string(), ..wrong });
            }
        }
        let complete = self.found.bounds.is_empty();
        system.built_in.finish.iter().filter(|_| complete).find_map(|member| self.cannot_finish(*member))
    }

    fn told(&self, world: u32, condition: &Condition) -> Told {
        evaluate(self.stage, &self.scene(world), condition, |condition, seen| condition.holds(seen))
    }

    /// A run on which the goal is never met, or the other condition ends before it is.
    fn without(&self, hold: Option<&Condition>, goal: &Condition) -> Result<Option<Wrong>, Unevaluated> {
        // Worlds reached without the goal, each with the step that led there.
        let mut from: BTreeMap<u32, (u32, u16)> = BTreeMap::new();
        let mut todo = VecDeque::new();
        if !self.told(0, goal)? {
            from.insert(0, (0, 0));
            todo.push_back(0u32);
        }
        while let Some(world) = todo.pop_front() {
            let breaks = match hold {
                Some(hold) => !self.told(world, hold)?,
                None => false,
            };
            if breaks {
                let text =
                    format!("neither does this hold nor has that come: {}, {}", source(hold), goal.source());
                return Ok(Some(Wrong::new("", text, self.way(&from, world))));
            }
            let steps = self.steps(world);
            let is_end = self.duties(world).is_empty();
            if is_end && self.is_whole(world) {
                let text = format!("a run may end without this: {}", goal.source());
                return Ok(Some(Wrong::new("", text, self.way(&from, world))));
            }
            for (next, choice) in steps {
                if !from.contains_key(next) && !self.told(*next, goal)? {
                    from.insert(*next, (world, *choice));
                    todo.push_back(*next);
                }
            }
        }
        Ok(self.fair_circle(&from, goal))
    }

    /// A circle among these worlds that fairness does not force out of.
    fn fair_circle(&self, within: &BTreeMap<u32, (u32, u16)>, goal: &Condition) -> Option<Wrong> {
        let components = components(within, |world| self.steps(world));
        for component in components {
            let inside: BTreeSet<u32> = component.iter().copied().collect();
            let start = *inside.first()?;
            let steps = || {
                let each = inside.iter().flat_map(|world| {
                    self.steps(*world).iter().map(move |(next, choice)| (*world, *next, *choice))
                });
                each.filter(|(_, next, _)| inside.contains(next))
            };
            if steps().next().is_none() {
                continue;
            }
            let mut owed: Option<BTreeSet<Duty>> = None;
            for world in &inside {
                let duties = self.duties(*world);
                owed =
                    Some(owed.map_or(duties.clone(), |owed| owed.intersection(&duties).copied().collect()));
            }
            let done: BTreeSet<Duty> =
                steps().filter_map(|(world, _, choice)| duty(self.choice_at(world, choice))).collect();
            let mut stops = vec![start];
            let mut is_fair = true;
            for duty_owed in owed.unwrap_or_default() {
                is_fair &= done.contains(&duty_owed);
                stops.extend(steps().find_map(|(world, _, choice)| {
                    (duty(self.choice_at(world, choice)) == Some(duty_owed)).then_some(world)
                }));
            }
            if !is_fair {
                continue;
            }
            let mut choices = self.way(within, start);
            let circle = choices.len();
            choices.extend(self.tour(&inside, start));
            let text = format!("a fair run may go round for ever without this: {}", goal.source());
            return Some(Wrong { circle: Some(circle), ..Wrong::new("", text, choices) });
        }
        None
    }

    /// A way from a world of a component back to itself that takes every duty of the component once.
    fn tour(&self, inside: &BTreeSet<u32>, start: u32) -> Vec<Choice> {
        let mut choices = Vec::new();
        let mut at = start;
        let mut left: BTreeSet<Duty> = inside
            .iter()
            .flat_map(|world| self.steps(*world).iter().map(move |step| (*world, step)))
            .filter(|(_, (next, _))| inside.contains(next))
            .filter_map(|(world, (_, choice))| duty(self.choice_at(world, *choice)))
            .collect();
        // To the nearest step that does a duty that is left, and home in the end.
        loop {
            let is_wanted = |world: u32, next: u32, choice: u16| match left.is_empty() {
                true => next == start,
                false => duty(self.choice_at(world, choice)).is_some_and(|duty| left.contains(&duty)),
            };
            let Some(way) = self.nearest(inside, at, is_wanted) else { return choices };
            for (world, next, choice) in way {
                let choice = self.choice_at(world, choice);
                left.retain(|one| Some(*one) != duty(choice));
                choices.push(choice);
                at = next;
            }
            if left.is_empty() && at == start {
                return choices;
            }
        }
    }

    /// The shortest way within a component that ends with a wanted step.
    fn nearest(
        &self,
        inside: &BTreeSet<u32>,
        start: u32,
        is_wanted: impl Fn(u32, u32, u16) -> bool,
    ) -> Option<Vec<(u32, u32, u16)>> {
        let mut from: BTreeMap<u32, (u32, u32, u16)> = BTreeMap::new();
        let mut todo = VecDeque::from([start]);
        let mut seen = BTreeSet::from([start]);
        while let Some(world) = todo.pop_front() {
            for (next, choice) in self.steps(world).iter().filter(|(next, _)| inside.contains(next)) {
                if is_wanted(world, *next, *choice) {
                    let mut way = vec![(world, *next, *choice)];
                    let mut at = world;
                    while at != start {
                        let step = from[&at];
                        way.push(step);
                        at = step.0;
                    }
                    way.reverse();
                    return Some(way);
                }
                if seen.insert(*next) {
                    from.insert(*next, (world, *next, *choice));
                    todo.push_back(*next);
                }
            }
        }
        None
    }

    /// A world from which a member cannot reach its end any more.
    fn cannot_finish(&self, member: usize) -> Option<Wrong> {
        let slot = self.stage.cast[member];
        let count = self.found.worlds.len() as u32;
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
        let mut can = vec![false; count as usize];
        let mut todo = Vec::new();
        for world in 0..count {
            for (next, _) in self.steps(world) {
                before[*next as usize].push(world);
            }
            if self.stage.locals.cell(self.scene(world).cell(slot)).ended {
                can[world as usize] = true;
                todo.push(world);
            }
        }
        while let Some(world) = todo.pop() {
            for earlier in &before[world as usize] {
                if !std::mem::replace(&mut can[*earlier as usize], true) {
                    todo.push(*earlier);
                }
            }
        }
        let world = (0..count).find(|world| !can[*world as usize])?;
        let name = &self.stage.system.cast[member].name;
        let text = format!("from here on {name} cannot reach its end, whatever happens");
        Some(Wrong::new("finish", text, self.path(world)))
    }

    fn steps(&self, world: u32) -> &[(u32, u16)] {
        self.found.steps.get(world as usize).map_or(&[], Vec::as_slice)
    }

    /// Is it known what all can happen there?
    fn is_whole(&self, world: u32) -> bool {
        self.found.worlds.expansions[world as usize] == Expansion::Full
    }

    /// What happens for certain some day, as things are in a world.
    fn duties(&self, world: u32) -> BTreeSet<Duty> {
        let mut choices = Vec::new();
        self.stage.choices(&self.scene(world), &mut choices);
        choices.into_iter().filter_map(duty).collect()
    }

    fn way(&self, from: &BTreeMap<u32, (u32, u16)>, mut world: u32) -> Vec<Choice> {
        let mut choices = Vec::new();
        while world != 0 {
            let (earlier, choice) = from[&world];
            choices.push(self.choice_at(earlier, choice));
            world = earlier;
        }
        choices.reverse();
        choices
    }
}

fn duty(choice: Choice) -> Option<Duty> {
    match choice {
        Choice::Deliver { from, to, .. } => Some(Duty::Way(from, to)),
        Choice::Fire { slot, .. } => Some(Duty::Timer(slot)),
        Choice::Answer { slot, task, again: false, .. } => Some(Duty::Task(slot, task)),
        Choice::Send { .. }
        | Choice::Lose { .. }
        | Choice::Duplicate { .. }
        | Choice::Step
        | Choice::Answer { .. }
        | Choice::Silence { .. }
        | Choice::Return { .. } => None,
    }
}

fn source(condition: Option<&Condition>) -> &str {
    condition.map_or("", Condition::source)
}

/// Strongly connected components, by Tarjan's algorithm without recursion; ascending within each.
fn components<'a>(
    within: &BTreeMap<u32, (u32, u16)>,
    steps: impl Fn(u32) -> &'a [(u32, u16)],
) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    let mut numbers: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    let (mut open, mut on_stack, mut counter) = (Vec::new(), BTreeSet::new(), 0);
    for root in within.keys() {
        if numbers.contains_key(root) {
            continue;
        }
        let mut calls = vec![(*root, 0usize)];
        while let Some((world, at)) = calls.pop() {
            if at == 0 {
                numbers.insert(world, (counter, counter));
                counter += 1;
                open.push(world);
                on_stack.insert(world);
            }
            let nexts = steps(world);
            let mut at = at;
            let mut deeper = None;
            while at < nexts.len() && deeper.is_none() {
                let next = nexts[at].0;
                at += 1;
                if !within.contains_key(&next) {
                    continue;
                }
                match numbers.get(&next).copied() {
                    None => deeper = Some(next),
                    Some((number, _)) if on_stack.contains(&next) => lower(&mut numbers, world, number),
                    Some(_) => {}
                }
            }
            if let Some(next) = deeper {
                calls.push((world, at));
                calls.push((next, 0));
                continue;
            }
            let (number, low) = numbers[&world];
            if number == low {
                let from = open.iter().rposition(|one| *one == world).unwrap_or(0);
                let component = open.split_off(from);
                on_stack.retain(|one| !component.contains(one));
                found.push(component);
            }
            if let Some((caller, _)) = calls.last() {
                lower(&mut numbers, *caller, low);
            }
        }
    }
    found
}

fn lower(numbers: &mut BTreeMap<u32, (u32, u32)>, world: u32, to: u32) {
    if let Some((_, low)) = numbers.get_mut(&world) {
        *low = (*low).min(to);
    }
}
