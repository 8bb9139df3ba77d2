//! Configurations as definitions, and definitions as configurations.

use super::*;
use everstate_kernel::{DefinitionId, Time};
use proptest::prelude::*;
use std::sync::Arc;

/// From a line `name:version states | start | from event to, …`.
fn configuration(name: &str, states: &[&str], start: &str, transitions: &[[&str; 3]]) -> Configuration {
    Configuration {
        name: name.into(),
        version: "v1".into(),
        starting_state: start.into(),
        states: states.iter().map(ToString::to_string).collect(),
        transitions: transitions
            .iter()
            .map(|[from, event, to]| Transition {
                from: from.to_string(),
                to: to.to_string(),
                event: event.to_string(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn record(name: &str, source: &str) -> DefinitionRecord {
    let id = DefinitionId::new(name, "v1").expect("an id");
    DefinitionRecord { id, source: Arc::from(source), put_at: Time(0) }
}

/// Written, read as a definition without a finding, and read back.
fn check(configuration: &Configuration) -> String {
    assert_eq!(problem(configuration), None);
    let text = written(configuration);
    let read = everstate_chart::read("configuration.yaml", &text);
    assert!(read.findings.is_empty(), "{:?} in\n{text}", read.findings);
    let definition = read.definition.expect("a definition");
    assert_eq!(names::plain(&definition.id.name), configuration.name);
    let known = super::read(&record(&definition.id.name, &text));
    assert!(known.is_configuration);
    assert_eq!(known.configuration, *configuration);
    text
}

#[test]
fn a_configuration_becomes_a_definition_that_people_can_read() {
    let orders = configuration(
        "test.orders",
        &["start", "pending", "on hold"],
        "start",
        &[
            ["start", "accept", "pending"],
            ["pending", "wait", "on hold"],
            ["start", "drop", "on hold"],
            ["start", "accept", "on hold"],
        ],
    );
    let expected = r#"# Written by Everstate from a configuration that was put through statemachine.v1beta.
name: test.orders
version: v1
meta: {"statemachine.v1beta": {"name":"test.orders","version":"v1","starting_state":"start","states":["start","pending","on hold"],"transitions":[["start","pending","accept"],["pending","on hold","wait"],["start","on hold","drop"],["start","on hold","accept"]]}}
context: {begin: "", history: []}
initial: "~begin"
states:
  "~begin":
    description: Where it begins - in the state that it is put with, otherwise in the starting state.
    always:
      - {guard: 'context.begin == ""', target: start}
      - {guard: "context.begin == \"start\"", target: start}
      - {guard: "context.begin == \"pending\"", target: pending}
      - {guard: "{\"on hold\": true}[context.begin]", target: "on hold"}
    exit: {assign: {history: "[]"}}
  start:
    on:
      accept: pending
      drop: "on hold"
  pending:
    on:
      wait: "on hold"
  "on hold":
    type: final
"#;
    assert_eq!(check(&orders), expected);
}

#[test]
fn names_of_every_sort_become_definitions() {
    let states = ["a.b", "~begin", "#1", "on", "a\"b'c\\", "Straße", "{x}", "\u{1F600}", "\u{feff}", "true"];
    let ways: Vec<[&str; 3]> = states.iter().map(|state| [*state, "a * b.*", "a.b"]).collect();
    check(&configuration("Bestellungen für alle/heute", &states, "a.b", &ways));
    check(&configuration("one", &["only"], "only", &[["only", "again", "only"]]));
    check(&configuration("on", &["y", "n"], "n", &[["n", "null", "y"]]));
}

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    let good = || configuration("c", &["a", "b"], "a", &[["a", "go", "b"]]);
    let with = |change: &dyn Fn(&mut Configuration)| {
        let mut one = good();
        change(&mut one);
        problem(&one).unwrap_or_default()
    };
    assert_eq!(with(&|_| {}), "");
    assert_eq!(with(&|one| one.name.clear()), "it has no name");
    assert_eq!(with(&|one| one.states.clear()), "it has no states");
    assert_eq!(with(&|one| one.starting_state.clear()), "the starting state \"\" is not one of its states");
    assert_eq!(with(&|one| one.states.push("c".into())), "state \"c\" is not used in any transition");
    assert_eq!(with(&|one| one.states.push(String::new())), "a state has no name");
    assert_eq!(
        with(&|one| one.transitions[0].to = "x".into()),
        "transition 0 names state \"x\", which is not one of its states"
    );
    assert_eq!(with(&|one| one.transitions[0].event.clear()), "transition 0, from \"a\", names no event");
}

#[test]
fn a_text_that_only_says_it_was_a_configuration_is_not_believed() {
    let text = written(&configuration("c", &["a", "b"], "a", &[["a", "go", "b"]]));
    let forged = text.replace("go: b", "go: a");
    let known = super::read(&record("c", &forged));
    assert!(!known.is_configuration);
    assert_eq!(known.configuration.transitions[0].to, "a");
}

#[test]
fn any_definition_is_seen_as_a_configuration() {
    let text = "
name: permit
initial: open
on: {cancel: '#gone'}
states:
  open:
    initial: new
    states: {new: {on: {look: seen}}, seen: {}}
    on: {'sign.*': {target: signed, guard: context.ok}}
  signed: {always: open}
  gone: {id: gone, type: final}
context: {ok: true}
";
    let known = super::read(&record("permit", text));
    let seen = &known.configuration;
    assert!(!known.is_configuration);
    assert_eq!(seen.states, ["open", "open.new", "open.seen", "signed", "gone"]);
    assert_eq!(
        (seen.name.as_str(), seen.version.as_str(), seen.starting_state.as_str()),
        ("permit", "v1", "open.new")
    );
    let ways: Vec<_> = seen.transitions.iter().map(|one| (&*one.from, &*one.event, &*one.to)).collect();
    let expected = [("*", "cancel", "gone"), ("open", "sign.*", "signed"), ("open.new", "look", "open.seen")];
    assert_eq!(ways, expected);
}

proptest! {
    #[test]
    fn every_valid_configuration_is_read_back(
        name in "\\PC{1,10}",
        states in proptest::collection::btree_set("\\PC{1,5}", 1..5),
        events in proptest::collection::vec("\\PC{1,5}", 1..4),
    ) {
        let states: Vec<&str> = states.iter().map(String::as_str).collect();
        let ring = states.iter().zip(states.iter().cycle().skip(1));
        let ways: Vec<[&str; 3]> =
            ring.enumerate().map(|(at, (from, to))| [*from, events[at % events.len()].as_str(), *to]).collect();
        let one = configuration(&name, &states, states[0], &ways);
        let text = written(&one);
        let read = everstate_chart::read("configuration.yaml", &text);
        prop_assert!(read.findings.is_empty(), "{:?} in\n{}", read.findings, text);
        let id = read.definition.expect("a definition").id;
        let known = super::read(&record(&id.name, &text));
        prop_assert!(known.is_configuration);
        prop_assert_eq!(known.configuration, one);
    }
}
