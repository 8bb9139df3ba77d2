//! Which states of two charts are the same, and what differs between those that are.
//!
//! | the old state | is taken for the new one |
//! |---|---|
//! | has its path | yes |
//! | has its name, elsewhere, and no other state has that name | moved |
//! | is of its sort, has a counterpart of its parent as parent, and takes half of its events at least | renamed, the most alike first |
//!
//! It refuses to know what differs beside states. Its one invariant: a state has one counterpart at most.

use super::{Area, Change, Diff, How, word};
use crate::chart::{Chart, Transition};
use crate::code::StateIndex;
use crate::model::{Descriptor, StateKind};
use crate::write::{compact, delay_of, transitions};
use std::collections::{BTreeMap, BTreeSet};

/// The counterparts of old states among the new ones.
pub(super) type Pairs = BTreeMap<StateIndex, StateIndex>;

/// States that are looked through for a likeness; beyond it, charts are compared by paths alone.
const LIKENESS_STATES_MAX: usize = 400;

pub(super) fn pairs(old: &Chart, new: &Chart) -> Pairs {
    let by_path: BTreeMap<&str, StateIndex> =
        new.states.iter().enumerate().map(|(at, state)| (&*state.path, at as StateIndex)).collect();
    let mut pairs = Pairs::new();
    for (at, state) in old.states.iter().enumerate() {
        if let Some(found) = by_path.get(&*state.path) {
            pairs.insert(at as StateIndex, *found);
        }
    }
    let lost = |pairs: &Pairs| -> Vec<StateIndex> {
        (1..old.states.len() as StateIndex).filter(|at| !pairs.contains_key(at)).collect()
    };
    let fresh = |pairs: &Pairs| -> Vec<StateIndex> {
        let taken: BTreeSet<StateIndex> = pairs.values().copied().collect();
        (1..new.states.len() as StateIndex).filter(|at| !taken.contains(at)).collect()
    };
    let (gone, came) = (lost(&pairs), fresh(&pairs));
    if gone.len().max(came.len()) > LIKENESS_STATES_MAX {
        return pairs;
    }
    for at in &gone {
        let name = &old.state(*at).name;
        let same: Vec<StateIndex> =
            came.iter().copied().filter(|other| new.state(*other).name == *name).collect();
        let rivals = gone.iter().filter(|other| old.state(**other).name == *name).count();
        if let ([only], 1) = (&same[..], rivals)
            && old.state(*at).kind == new.state(*only).kind
        {
            pairs.insert(*at, *only);
        }
    }
    // Outer states stand before inner ones, so that a renamed parent is known when its children are looked at.
    for at in lost(&pairs) {
        let parent = pairs.get(&old.state(at).parent).copied();
        let best = fresh(&pairs)
            .into_iter()
            .filter(|other| Some(new.state(*other).parent) == parent)
            .map(|other| (likeness(old, at, new, other), other))
            .filter(|(likeness, _)| *likeness >= 50)
            .max_by_key(|(likeness, other)| (*likeness, std::cmp::Reverse(*other)));
        if let Some((_, other)) = best {
            pairs.insert(at, other);
        }
    }
    pairs
}

/// How much two states have in common, in percent of what they have.
fn likeness(old: &Chart, one: StateIndex, new: &Chart, other: StateIndex) -> usize {
    if old.state(one).kind != new.state(other).kind {
        return 0;
    }
    let (a, b) = (traits(old, one), traits(new, other));
    let all = a.union(&b).count();
    // An end without anything has nothing to be known by.
    (100 * a.intersection(&b).count()).checked_div(all).unwrap_or(0)
}

fn traits(chart: &Chart, at: StateIndex) -> BTreeSet<String> {
    let row = chart.state(at);
    let mut all: BTreeSet<String> = transitions(chart, at).map(|(_, one)| trigger(chart, one)).collect();
    all.extend(row.children.iter().map(|child| format!("state {}", chart.state(*child).name)));
    all.extend(row.after.iter().map(|after| format!("after {}", after.delay.0)));
    all.extend(compact::actions(chart, &row.entry).into_iter().map(|action| format!("entry {action}")));
    all
}

/// What fires a transition, as a person would say it.
fn trigger(chart: &Chart, transition: &Transition) -> String {
    if let Some(delay) = delay_of(chart, transition) {
        return format!("after {}", crate::duration::format(delay));
    }
    match &*transition.descriptors {
        [] => "always".to_owned(),
        [Descriptor::Exact(name) | Descriptor::Prefix(name)]
            if *name == chart.state(transition.source).done =>
        {
            "onDone".to_owned()
        }
        all => all.iter().map(|one| one.text().to_string()).collect::<Vec<_>>().join(" "),
    }
}

fn path(chart: &Chart, at: StateIndex) -> String {
    match at {
        0 => "the machine".to_owned(),
        at => chart.state(at).path.to_string(),
    }
}

pub(super) fn states(old: &Chart, new: &Chart, pairs: &Pairs, diff: &mut Diff) {
    let back: BTreeMap<StateIndex, StateIndex> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
    for at in 1..old.states.len() as StateIndex {
        let row = old.state(at);
        let counterpart = pairs.get(&at).copied();
        let place = counterpart.map_or_else(|| path(old, at), |to| path(new, to));
        let how = match counterpart {
            None => How::Removed,
            // What is inside of a state that has moved has moved with it.
            Some(to) if new.state(to).path == row.path || follows(old, new, pairs, at, to) => continue,
            Some(to) if new.state(to).name == row.name => How::Moved,
            Some(_) => How::Renamed,
        };
        let kind = |chart: &Chart, at: StateIndex| chart.state(at).kind.as_str();
        let (before, after) = match counterpart {
            None => (kind(old, at).to_owned(), String::new()),
            Some(to) => {
                diff.suggested.push((path(old, at), path(new, to)));
                (path(old, at), path(new, to))
            }
        };
        diff.changes.push(Change { area: Area::States, place, how, part: String::new(), before, after });
    }
    for at in 0..new.states.len() as StateIndex {
        match back.get(&at) {
            Some(from) => Pair { old, new, pairs, from: *from, to: at }.compare(diff),
            None => diff.changes.push(Change {
                area: Area::States,
                place: path(new, at),
                how: How::Added,
                part: String::new(),
                before: String::new(),
                after: new.state(at).kind.as_str().to_owned(),
            }),
        }
    }
}

fn follows(old: &Chart, new: &Chart, pairs: &Pairs, at: StateIndex, to: StateIndex) -> bool {
    let (parent, other) = (old.state(at).parent, new.state(to).parent);
    old.state(at).name == new.state(to).name && pairs.get(&parent) == Some(&other) && parent != 0
}

/// Two states that are taken for the same.
struct Pair<'a> {
    old: &'a Chart,
    new: &'a Chart,
    pairs: &'a Pairs,
    from: StateIndex,
    to: StateIndex,
}

impl Pair<'_> {
    fn compare(&self, diff: &mut Diff) {
        let (one, other) = (self.old.state(self.from), self.new.state(self.to));
        self.part(Area::States, "type", kind(one.kind), kind(other.kind), diff);
        self.part(Area::States, "initial", self.initial(true), self.initial(false), diff);
        for (name, before, after) in [("entry", &one.entry, &other.entry), ("exit", &one.exit, &other.exit)] {
            let before = compact::actions(self.old, before).join(", ");
            let after = compact::actions(self.new, after).join(", ");
            self.part(Area::Contents, name, before, after, diff);
        }
        self.part(Area::Contents, "output", output(self.old, self.from), output(self.new, self.to), diff);
        let unhandled = |chart: &Chart, at: StateIndex| {
            let row = chart.state(at);
            let outer = if at == 0 || row.parent == 0 { None } else { chart.state(row.parent).unhandled };
            row.unhandled
                .filter(|own| at != 0 && Some(*own) != outer)
                .map_or_else(String::new, |one| word(one).to_owned())
        };
        self.part(
            Area::Events,
            "unhandled",
            unhandled(self.old, self.from),
            unhandled(self.new, self.to),
            diff,
        );
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or("").to_owned();
        if self.to != 0 {
            self.part(Area::Words, "description", text(&one.description), text(&other.description), diff);
            self.part(Area::Words, "tags", one.tags.join(", "), other.tags.join(", "), diff);
        }
        self.timers(diff);
        self.invokes(diff);
        self.transitions(diff);
    }

    fn part(
        &self,
        area: Area,
        part: &str,
        before: impl Into<String>,
        after: impl Into<String>,
        diff: &mut Diff,
    ) {
        let (before, after) = (before.into(), after.into());
        if before == after {
            return;
        }
        let how = match (before.is_empty(), after.is_empty()) {
            (true, _) => How::Added,
            (_, true) => How::Removed,
            _ => How::Changed,
        };
        let place = path(self.new, self.to);
        diff.changes.push(Change { area, place, how, part: part.to_owned(), before, after });
    }

    /// The state as the new chart calls it.
    fn name(&self, of_old: bool, at: StateIndex) -> String {
        match (of_old, self.pairs.get(&at)) {
            (true, Some(to)) => path(self.new, *to),
            (true, None) => path(self.old, at),
            (false, _) => path(self.new, at),
        }
    }

    fn targets(&self, of_old: bool, targets: &[StateIndex]) -> String {
        targets.iter().map(|at| self.name(of_old, *at)).collect::<Vec<_>>().join(", ")
    }

    fn initial(&self, of_old: bool) -> String {
        let (chart, at) = if of_old { (self.old, self.from) } else { (self.new, self.to) };
        let Some(initial) = chart.state(at).initial else { return String::new() };
        let row = chart.transition(initial);
        let actions = compact::actions(chart, &row.actions);
        let targets = self.targets(of_old, &row.targets);
        if actions.is_empty() { targets } else { format!("{targets} / {}", actions.join(", ")) }
    }

    fn timers(&self, diff: &mut Diff) {
        let all = |chart: &Chart, at: StateIndex| -> BTreeSet<u64> {
            chart.state(at).after.iter().map(|after| after.delay.0).collect()
        };
        let (before, after) = (all(self.old, self.from), all(self.new, self.to));
        let text = |span: &u64| crate::duration::format(everstate_kernel::Span(*span));
        let gone: Vec<String> = before.difference(&after).map(text).collect();
        let came: Vec<String> = after.difference(&before).map(text).collect();
        self.part(Area::Timers, "after", gone.join(", "), came.join(", "), diff);
    }

    fn invokes(&self, diff: &mut Diff) {
        let all = |chart: &Chart, at: StateIndex| -> Vec<(String, String)> {
            let invokes = chart.state(at).invokes.iter().enumerate();
            let named = invokes.map(|(number, invoke)| {
                let name = invoke.id.as_deref().map_or_else(|| format!("{}", number + 1), str::to_owned);
                (name, compact::invoke(chart, invoke))
            });
            named.collect()
        };
        let (before, after) = (all(self.old, self.from), all(self.new, self.to));
        let of = |list: &[(String, String)], name: &str| {
            list.iter().find(|(other, _)| other == name).map_or_else(String::new, |(_, text)| text.clone())
        };
        let mut names: Vec<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            self.part(Area::Invokes, &format!("invoke {name}"), of(&before, name), of(&after, name), diff);
        }
    }

    /// Transitions by what fires them, in their order: equal ones are the same, the rest are changed one by one.
    fn transitions(&self, diff: &mut Diff) {
        let (before, after) = (self.fired(true), self.fired(false));
        let mut triggers: Vec<&String> = before.iter().chain(&after).map(|(trigger, _)| trigger).collect();
        let mut seen = BTreeSet::new();
        triggers.retain(|trigger| seen.insert((*trigger).clone()));
        for trigger in triggers {
            let of = |list: &[(String, String)]| -> Vec<String> {
                list.iter().filter(|(other, _)| other == trigger).map(|(_, text)| text.clone()).collect()
            };
            let (mut gone, mut came) = (of(&before), of(&after));
            if gone == came {
                continue;
            }
            let reordered = {
                let (mut a, mut b) = (gone.clone(), came.clone());
                a.sort();
                b.sort();
                a == b
            };
            if reordered {
                self.part(Area::Transitions, trigger, gone.join("; then "), came.join("; then "), diff);
                continue;
            }
            gone.retain(|text| match came.iter().position(|other| other == text) {
                Some(place) => {
                    came.remove(place);
                    false
                }
                None => true,
            });
            for place in 0..gone.len().max(came.len()) {
                let text = |list: &[String]| list.get(place).cloned().unwrap_or_default();
                self.part(Area::Transitions, trigger, text(&gone), text(&came), diff);
            }
        }
    }

    /// What fires each transition of the state, and what it does.
    fn fired(&self, of_old: bool) -> Vec<(String, String)> {
        let (chart, at) = if of_old { (self.old, self.from) } else { (self.new, self.to) };
        let timers = |chart: &Chart, at: StateIndex| chart.state(at).after.len();
        let only_timers = timers(self.old, self.from) == 1 && timers(self.new, self.to) == 1;
        let one = |transition: &Transition| {
            let mut text = match &*transition.targets {
                [] => "stay".to_owned(),
                targets => self.targets(of_old, targets),
            };
            if let Some(guard) = &transition.guard {
                text.push_str(&format!(" if {}", compact::guard(chart, guard)));
            }
            let actions = compact::actions(chart, &transition.actions);
            if !actions.is_empty() {
                text.push_str(&format!(" / {}", actions.join(", ")));
            }
            if transition.reach == crate::model::Reach::External && transition.targets.contains(&at) {
                text.push_str(" (reenter)");
            }
            // A timer of another length is a difference of the timer alone.
            let trigger = match only_timers && transition.timed {
                true => "after".to_owned(),
                false => trigger(chart, transition),
            };
            (trigger, text)
        };
        transitions(chart, at).map(|(_, transition)| one(transition)).collect()
    }
}

fn kind(kind: StateKind) -> &'static str {
    kind.as_str()
}

fn output(chart: &Chart, at: StateIndex) -> String {
    let row = chart.state(at);
    let output = row.output.as_ref().map(|output| compact::formula(chart, output));
    let output = output.or_else(|| row.donedata.as_ref().and_then(|data| compact::payload(chart, data)));
    output.unwrap_or_default()
}
