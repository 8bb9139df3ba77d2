//! How runs end: whether all orders end alike, whether duplicates matter, and whether losses only take away.
//!
//! It refuses to know what happened on the way. Its one invariant: only ends are compared between which nothing lies
//! but the order of events and the faults in question; what the environment has sent is the same.

use super::search::evaluate;
use super::{Exploration, Wrong};
use crate::property::{Condition, Unevaluated};
use crate::scene::Scene;
use crate::system::Ends;
use everstate_chart::value::Value;
use std::collections::BTreeMap;

/// What is left of the environment, and of losses, duplicates and clock steps.
struct End {
    world: u32,
    environment: Vec<u8>,
    faults: [u8; 3],
    value: String,
    items: Option<Vec<String>>,
}

impl Exploration<'_> {
    pub(super) fn ends(&mut self) -> Option<Wrong> {
        let system = self.stage.system;
        if !system.compares_ends() || !self.found.bounds.is_empty() {
            return None;
        }
        let built_in = &system.built_in;
        let confluent = built_in.confluent.as_ref().map(|what| ("confluent", what));
        let idempotent = built_in.idempotent.as_ref().map(|what| ("idempotent", what));
        for (word, what) in confluent.into_iter().chain(idempotent) {
            let ends = match self.valued(what) {
                Ok(ends) => ends,
                Err(wrong) => return Some(Wrong { property: word.into(), ..*wrong }),
            };
            let wrong = if word == "confluent" { self.differing(&ends) } else { self.doubled(&ends) };
            if wrong.is_some() {
                return wrong;
            }
        }
        let condition = built_in.lossy_subset.clone()?;
        match self.valued(&Ends::Value(condition)) {
            Ok(ends) => self.not_less(&ends),
            Err(wrong) => Some(Wrong { property: "lossy-subset".into(), ..*wrong }),
        }
    }

    fn valued(&self, what: &Ends) -> Result<Vec<End>, Box<Wrong>> {
        let mut ends = Vec::new();
        for world in &self.found.ends {
            let scene = self.scene(*world);
            let (value, items) = match what {
                Ends::Cast => (self.cast_as_text(&scene), None),
                Ends::Value(condition) => {
                    self.value_as_text(&scene, condition).map_err(|Unevaluated(problem)| {
                        let text = format!("{} has no value in an end: {problem}", condition.source());
                        Box::new(Wrong::new("", text, self.path(*world)))
                    })?
                }
            };
            let (environment, faults) = scene.left.split_at(scene.left.len() - 3);
            let (environment, faults) = (environment.to_vec(), [faults[0], faults[1], faults[2]]);
            ends.push(End { world: *world, environment, faults, value, items });
        }
        Ok(ends)
    }

    fn cast_as_text(&self, scene: &Scene) -> String {
        let member = |(slot, member): (&u32, &crate::system::Member)| {
            (member.name.to_string(), self.stage.locals.cell(scene.cell(*slot)).seen.to_json())
        };
        let members = self.stage.cast.iter().zip(&self.stage.system.cast).map(member);
        serde_json::Value::Object(members.collect()).to_string()
    }

    fn value_as_text(
        &self,
        scene: &Scene,
        condition: &Condition,
    ) -> Result<(String, Option<Vec<String>>), Unevaluated> {
        let value = evaluate(self.stage, scene, condition, |condition, seen| condition.value(seen))?;
        let items = match &value {
            Value::List(items) => Some(items.iter().map(text).collect()),
            _ => None,
        };
        Ok((text(&value), items))
    }

    /// Two ends with the same past but for the order.
    fn differing(&self, ends: &[End]) -> Option<Wrong> {
        let mut first: BTreeMap<(&[u8], [u8; 3]), &End> = BTreeMap::new();
        for end in ends {
            let known = *first.entry((&end.environment, end.faults)).or_insert(end);
            if known.value != end.value {
                let mut values: Vec<&str> = ends
                    .iter()
                    .filter(|other| (&other.environment, other.faults) == (&end.environment, end.faults))
                    .map(|other| &*other.value)
                    .collect();
                values.sort_unstable();
                values.dedup();
                let text = format!("orders end in {} different worlds: {}", values.len(), listed(&values));
                return Some(self.two("confluent", text, known, end));
            }
        }
        None
    }

    /// An end with duplicates that is none without.
    fn doubled(&self, ends: &[End]) -> Option<Wrong> {
        let budget = self.stage.system.faults.duplicates;
        let plain = || ends.iter().filter(|end| end.faults[1] == budget);
        for end in ends.iter().filter(|end| end.faults[1] < budget) {
            let alike = |other: &&End| {
                other.environment == end.environment
                    && (other.faults[0], other.faults[2]) == (end.faults[0], end.faults[2])
            };
            let mut known = plain().filter(alike);
            if known.clone().any(|other| other.value == end.value) {
                continue;
            }
            let Some(other) = known.next() else { continue };
            let text = format!("a duplicate changes how it ends: {} instead of {}", end.value, other.value);
            return Some(self.two("idempotent", text, other, end));
        }
        None
    }

    /// An end with losses that lists what no end without lists.
    fn not_less(&self, ends: &[End]) -> Option<Wrong> {
        let budget = self.stage.system.faults.losses;
        for end in ends.iter().filter(|end| end.faults[0] < budget) {
            let alike = |other: &&End| {
                other.faults[0] == budget
                    && other.environment == end.environment
                    && other.faults[1..] == end.faults[1..]
            };
            let mut known = ends.iter().filter(alike);
            let is_less = |other: &End| match (&end.items, &other.items) {
                (Some(less), Some(more)) => is_part(less, more),
                _ => end.value == other.value || end.value == "null",
            };
            if known.clone().any(is_less) {
                continue;
            }
            let Some(other) = known.next() else { continue };
            let text =
                format!("a loss adds what is not there without: {} and not {}", end.value, other.value);
            return Some(self.two("lossy-subset", text, other, end));
        }
        None
    }

    fn two(&self, word: &str, text: String, one: &End, other: &End) -> Wrong {
        let other = Some(self.path(other.world));
        Wrong { other, ..Wrong::new(word, text, self.path(one.world)) }
    }
}

/// At most this many different ends are shown; nobody compares more by eye.
const SHOWN_MAX: usize = 6;

fn listed(values: &[&str]) -> String {
    let shown = values.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(" | ");
    if values.len() > SHOWN_MAX { shown + " | …" } else { shown }
}

fn text(value: &Value) -> String {
    value.to_json().unwrap_or_else(|error| error.to_string())
}

/// Is each of these there, as often?
fn is_part(less: &[String], more: &[String]) -> bool {
    let mut left: Vec<&String> = more.iter().collect();
    less.iter().all(|item| match left.iter().position(|other| *other == item) {
        Some(place) => {
            left.swap_remove(place);
            true
        }
        None => false,
    })
}
