//! A configuration as the text of a definition, and what the text of any definition says as a configuration.
//!
//! It refuses to put or to look up anything. Its one invariant: a configuration that was written here is read back
//! equal to what it was, and what is told of any other text follows from its chart alone.

use everstate_api::names;
use everstate_api::v1beta::{Configuration, Transition};
use everstate_chart::{StateKind, TransitionSummary};
use everstate_kernel::DefinitionRecord;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// What a definition says, as clients of this API see it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) configuration: Configuration,
    /// Was it put as a configuration? Then its FSMs can begin in any state.
    pub(super) is_configuration: bool,
    /// As the chart has them, with guards.
    pub(super) transitions: Vec<TransitionSummary>,
}

/// The state in which it is decided where an FSM begins. No state of a configuration is ever written so.
const BEGIN: &str = "~begin";

/// Where a text of ours keeps the configuration as it was put.
const META: &str = "meta: {\"statemachine.v1beta\": ";

/// What is wrong with a configuration, beyond what the reader of definitions finds.
pub(super) fn problem(configuration: &Configuration) -> Option<String> {
    if configuration.name.is_empty() {
        return Some("it has no name".into());
    }
    if configuration.states.is_empty() {
        return Some("it has no states".into());
    }
    let states: HashSet<&str> = configuration.states.iter().map(String::as_str).collect();
    if states.contains("") {
        return Some("a state has no name".into());
    }
    if !states.contains(configuration.starting_state.as_str()) {
        let start = super::shown(&configuration.starting_state);
        return Some(format!("the starting state {start} is not one of its states"));
    }
    let mut unused = states.clone();
    for (at, transition) in configuration.transitions.iter().enumerate() {
        for state in [&transition.from, &transition.to] {
            if !states.contains(state.as_str()) {
                let state = super::shown(state);
                return Some(format!("transition {at} names state {state}, which is not one of its states"));
            }
            unused.remove(state.as_str());
        }
        if transition.event.is_empty() {
            let from = super::shown(&transition.from);
            return Some(format!("transition {at}, from {from}, names no event"));
        }
    }
    let unused = configuration.states.iter().find(|state| unused.contains(state.as_str()));
    unused.map(|state| format!("state {} is not used in any transition", super::shown(state)))
}

/// The definition that a valid configuration is, in the native format.
pub(super) fn written(configuration: &Configuration) -> String {
    let mut seen = HashSet::new();
    let states: Vec<&String> = configuration.states.iter().filter(|state| seen.insert(*state)).collect();
    let start = names::state(&configuration.starting_state);
    let mut text = String::from(
        "# Written by Everstate from a configuration that was put through statemachine.v1beta.\n",
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing into a text cannot fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    line(format_args!("name: {}", word(&names::kind(&configuration.name))));
    line(format_args!("version: {}", word(&names::version(&configuration.version))));
    line(format_args!("{META}{}}}", quoted(&Kept::of(configuration))));
    line(format_args!("context: {{begin: \"\", history: []}}"));
    line(format_args!("initial: {}", quoted(&BEGIN)));
    line(format_args!("states:"));
    line(format_args!("  {}:", quoted(&BEGIN)));
    line(format_args!(
        "    description: Where it begins - in the state that it is put with, otherwise in the starting state."
    ));
    line(format_args!("    always:"));
    line(format_args!("      - {{guard: 'context.begin == \"\"', target: {}}}", word(&start)));
    for (at, state) in states.iter().enumerate() {
        let name = names::state(state);
        // The last one faults at a state that is none of these, so that no FSM is left without a state.
        let guard = match at + 1 == states.len() {
            true => format!("{{{}: true}}[context.begin]", quoted(&name)),
            false => format!("context.begin == {}", quoted(&name)),
        };
        line(format_args!("      - {{guard: {}, target: {}}}", quoted(&guard), word(&name)));
    }
    line(format_args!("    exit: {{assign: {{history: \"[]\"}}}}"));
    let ways = ways(configuration);
    for state in states {
        line(format_args!("  {}:", word(&names::state(state))));
        let Some(ways) = ways.get(state.as_str()) else {
            line(format_args!("    type: final"));
            continue;
        };
        line(format_args!("    on:"));
        for (event, to) in ways {
            line(format_args!("      {}: {}", word(&names::event(event)), word(&names::state(to))));
        }
    }
    text
}

/// Events and where they lead, by state. Of several for one event the first counts; the others are in `meta` alone,
/// since they can never fire.
pub(super) fn ways(configuration: &Configuration) -> HashMap<&str, Vec<(&str, &str)>> {
    let mut seen = HashSet::new();
    let mut ways: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for one in &configuration.transitions {
        if seen.insert((one.from.as_str(), one.event.as_str())) {
            ways.entry(&one.from).or_default().push((&one.event, &one.to));
        }
    }
    ways
}

/// What a definition says.
pub(super) fn read(record: &DefinitionRecord) -> Known {
    let chart = everstate_chart::read(&format!("{}.yaml", record.id.name), &record.source).definition;
    let transitions: Vec<TransitionSummary> =
        chart.as_ref().map(|read| read.chart.transitions().collect()).unwrap_or_default();
    if let Some(configuration) = kept(&record.source) {
        return Known { configuration, is_configuration: true, transitions };
    }
    let mut configuration = Configuration {
        name: names::plain(&record.id.name).into_owned(),
        version: names::plain(&record.id.version).into_owned(),
        ..Default::default()
    };
    if let Some(read) = chart {
        let states = read.chart.states().filter(|state| state.depth > 0);
        let states = states.filter(|state| !matches!(state.kind, StateKind::History { .. }));
        configuration.states = states.map(|state| names::plain(&state.path).into_owned()).collect();
        configuration.starting_state = joined(&read.chart.initial());
        configuration.transitions = transitions.iter().flat_map(flat).collect();
    }
    Known { configuration, is_configuration: false, transitions }
}

/// A transition of a chart as this API can tell it: from anywhere is `*`.
fn flat(transition: &TransitionSummary) -> Vec<Transition> {
    let from = match &*transition.source {
        "" => "*".to_owned(),
        source => names::plain(source).into_owned(),
    };
    let to = if transition.targets.is_empty() { from.clone() } else { joined(&transition.targets) };
    let named = transition.events.iter().filter(|event| !event.starts_with("done.state."));
    let flat = named.map(|event| Transition {
        from: from.clone(),
        to: to.clone(),
        event: names::plain(event).into_owned(),
        ..Default::default()
    });
    flat.collect()
}

/// Active states as the one state that this API has room for.
pub(super) fn joined(states: &[std::sync::Arc<str>]) -> String {
    let plain: Vec<_> = states.iter().map(|state| names::plain(state)).collect();
    plain.join(",")
}

/// The configuration that a text of ours keeps. Only one that would be written to the very same text is believed.
fn kept(source: &str) -> Option<Configuration> {
    let line = source.lines().find_map(|line| line.strip_prefix(META))?;
    let kept: Kept<'_> = serde_json::from_str(line.strip_suffix('}')?).ok()?;
    let configuration = kept.configuration();
    (written(&configuration) == source).then_some(configuration)
}

/// A configuration in JSON.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    starting_state: Cow<'a, str>,
    states: Vec<Cow<'a, str>>,
    /// From, to, event.
    transitions: Vec<[Cow<'a, str>; 3]>,
}

impl Kept<'_> {
    fn of(configuration: &Configuration) -> Kept<'_> {
        let transitions = configuration.transitions.iter();
        Kept {
            name: configuration.name.as_str().into(),
            version: configuration.version.as_str().into(),
            starting_state: configuration.starting_state.as_str().into(),
            states: configuration.states.iter().map(|state| state.as_str().into()).collect(),
            transitions: transitions
                .map(|one| [&one.from, &one.to, &one.event].map(|text| text.as_str().into()))
                .collect(),
        }
    }

    fn configuration(self) -> Configuration {
        let transition = |[from, to, event]: [Cow<'_, str>; 3]| Transition {
            from: from.into_owned(),
            to: to.into_owned(),
            event: event.into_owned(),
            ..Default::default()
        };
        Configuration {
            name: self.name.into_owned(),
            version: self.version.into_owned(),
            starting_state: self.starting_state.into_owned(),
            states: self.states.into_iter().map(Cow::into_owned).collect(),
            transitions: self.transitions.into_iter().map(transition).collect(),
            ..Default::default()
        }
    }
}

/// JSON that is YAML as well: whatever YAML might not print is escaped, but for what takes two units in JSON's escapes,
/// which YAML does not join.
fn quoted(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() || c > '\u{ffff}' {
            text.push(c);
        } else {
            // Writing into a text cannot fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        }
    }
    text
}

/// A name as people write it in YAML: in quotes only where it could be taken for something else.
fn word(name: &str) -> String {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = begins && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let spoken_for = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let taken = spoken_for.iter().any(|word| name.eq_ignore_ascii_case(word));
    if plain && !taken { name.to_owned() } else { quoted(&name) }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
