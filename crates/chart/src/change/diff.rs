//! What differs between two definitions: states, transitions, actions, context, events, what is invoked, policies.
//!
//! It refuses to know which of the two runs. Its one invariant: equal definitions have no difference, and every
//! difference has a place.

mod shown;
mod states;

use crate::chart::Chart;
use crate::model::Unhandled;
use crate::reader::ChartDefinition;
use crate::value::Value;
use crate::write::compact;
use std::collections::BTreeMap;
use std::fmt;

/// What a difference is about, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// States: there or not, of what sort, where they begin.
    States,
    /// Transitions: what fires them, under which guard, where to, with which actions.
    Transitions,
    /// Timers of states.
    Timers,
    /// Actions at entry and exit, outputs, named guards and actions.
    Contents,
    /// What states invoke.
    Invokes,
    /// Fields of the context.
    Context,
    /// Declared events and the shapes of their data.
    Events,
    /// How the kernel treats instances.
    Policy,
    /// Descriptions and tags.
    Words,
}

impl Area {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::States => "states",
            Area::Transitions => "transitions",
            Area::Timers => "timers",
            Area::Contents => "contents",
            Area::Invokes => "invokes",
            Area::Context => "context",
            Area::Events => "events",
            Area::Policy => "policy",
            Area::Words => "words",
        }
    }
}

/// What has become of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
    /// It has the same name at another place.
    Moved,
    /// It looks like one that is gone, under another name.
    Renamed,
}

impl How {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
            How::Moved => "moved",
            How::Renamed => "renamed",
        }
    }

    fn mark(self) -> char {
        match self {
            How::Added => '+',
            How::Removed => '-',
            How::Changed => '~',
            How::Moved | How::Renamed => '>',
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What it is about.
    pub area: Area,
    /// Where: the path of a state, a field, an event; of the new definition where it has one.
    pub place: String,
    /// What has become of it.
    pub how: How,
    /// Which part of it; empty for the whole.
    pub part: String,
    /// As it was; empty where there was nothing.
    pub before: String,
    /// As it is; empty where there is nothing.
    pub after: String,
}

/// All differences between two definitions, by area and in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Each one.
    pub changes: Vec<Change>,
    /// Entries of a mapping that the differences suggest: old path and new path.
    pub suggested: Vec<(String, String)>,
}

impl Diff {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What differs between two definitions. Name and version are who they are, and no difference.
pub fn diff(old: &ChartDefinition, new: &ChartDefinition) -> Diff {
    let mut diff = Diff::default();
    let pairs = states::pairs(&old.chart, &new.chart);
    states::states(&old.chart, &new.chart, &pairs, &mut diff);
    contents(&old.chart, &new.chart, &mut diff);
    context(&old.chart, &new.chart, &mut diff);
    events(&old.chart, &new.chart, &mut diff);
    let policy = |one: &ChartDefinition| compact::policy(&one.policy).into_iter().collect();
    named(Area::Policy, "", policy(old), policy(new), &mut diff);
    let words = |one: &ChartDefinition| {
        let mut words = BTreeMap::new();
        words.extend(one.description.as_ref().map(|text| ("description".to_owned(), text.to_string())));
        if !one.tags.is_empty() {
            words.insert("tags".to_owned(), one.tags.join(", "));
        }
        words
    };
    named(Area::Words, "", words(old), words(new), &mut diff);
    // Within an area the order of the document stays.
    diff.changes.sort_by_key(|change| change.area);
    diff
}

/// Compares what has names.
fn named(
    area: Area,
    prefix: &str,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
    diff: &mut Diff,
) {
    let mut add = |name: &str, how, before: &str, after: &str| {
        let place = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let (before, after) = (before.to_owned(), after.to_owned());
        diff.changes.push(Change { area, place, how, part: String::new(), before, after });
    };
    for (name, text) in &before {
        match after.get(name) {
            None => add(name, How::Removed, text, ""),
            Some(now) if now != text => add(name, How::Changed, text, now),
            Some(_) => {}
        }
    }
    for (name, text) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        add(name, How::Added, "", text);
    }
}

fn contents(old: &Chart, new: &Chart, diff: &mut Diff) {
    let guards = |chart: &Chart| {
        let all = chart.guard_names.iter().zip(&chart.guards);
        all.map(|(name, guard)| (name.to_string(), compact::guard(chart, guard))).collect()
    };
    named(Area::Contents, "guards", guards(old), guards(new), diff);
    let actions = |chart: &Chart| {
        let all = chart.action_names.iter().zip(&chart.actions);
        all.map(|(name, list)| (name.to_string(), compact::actions(chart, list).join(", "))).collect()
    };
    named(Area::Contents, "actions", actions(old), actions(new), diff);
}

fn context(old: &Chart, new: &Chart, diff: &mut Diff) {
    let fields = |chart: &Chart| -> BTreeMap<String, String> {
        if let Some(rules) = &chart.rules {
            let value = |formula| compact::formula(chart, formula);
            let data = rules.data.iter();
            return data
                .map(|datum| (datum.id.to_string(), datum.value.as_ref().map_or_else(String::new, value)))
                .collect();
        }
        match &chart.context {
            Value::Map(map) => {
                let field = |key: &crate::value::Key| key.as_str().unwrap_or("").to_owned();
                map.iter().map(|(key, value)| (field(key), compact::value(value))).collect()
            }
            _ => BTreeMap::new(),
        }
    };
    named(Area::Context, "", fields(old), fields(new), diff);
}

fn events(old: &Chart, new: &Chart, diff: &mut Diff) {
    let events = |chart: &Chart| -> BTreeMap<String, String> {
        let shape = |shape: &Option<crate::shape::Shape>| {
            shape.as_ref().map_or_else(|| "any data".to_owned(), compact::shape)
        };
        chart.declared.iter().map(|event| (event.name.to_string(), shape(&event.shape))).collect()
    };
    named(Area::Events, "", events(old), events(new), diff);
    if old.unhandled != new.unhandled {
        diff.changes.push(Change {
            area: Area::Events,
            place: "unhandled".to_owned(),
            how: How::Changed,
            part: String::new(),
            before: word(old.unhandled).to_owned(),
            after: word(new.unhandled).to_owned(),
        });
    }
}

fn word(unhandled: Unhandled) -> &'static str {
    match unhandled {
        Unhandled::Reject => "reject",
        Unhandled::Ignore => "ignore",
        Unhandled::Fail => "fail",
        Unhandled::Defer => "defer",
    }
}
