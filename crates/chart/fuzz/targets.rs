//! What is done with bytes that anybody could have written: each reader takes them, and what it accepts is used.
//!
//! It refuses to know where the bytes come from: libFuzzer, the corpus, a mutation of it. Its one invariant: whatever the
//! bytes, a target returns; a panic, an endless loop or a broken promise is a bug of the reader.

use everstate_chart::expression::{Cost, EventMeta, Expression, InstanceMeta, Names, Scope};
use everstate_chart::value::Value;
use everstate_chart::write::{Notation, write};
use everstate_chart::{ChartDefinition, read};
use everstate_kernel::{Address, Behaviour, Event, EventId, Handled, Json, Sender, Time, Turn};
use std::sync::Arc;

/// The native format, in YAML or JSON.
pub(crate) fn yaml(bytes: &[u8]) {
    used("machine.yaml", bytes);
}

/// SCXML.
pub(crate) fn scxml(bytes: &[u8]) {
    used("machine.scxml", bytes);
}

/// The flat list of go-statemachine.
pub(crate) fn flat(bytes: &[u8]) {
    used("machine.json", bytes);
}

/// An expression, checked and, where it is right, evaluated.
pub(crate) fn expression(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let Ok(context) = Value::from_json(r#"{"n":1,"text":"ab","items":[1,2,3],"map":{"a":{"b":null}}}"#)
    else {
        return;
    };
    let Ok(expression) = Expression::compile(source, &Names::new()) else { return };
    let Ok(address) = Address::parse("orders/42") else { return };
    let name: Arc<str> = Arc::from("pay");
    let meta = EventMeta { name: &name, id: "e-1", sender: None, time: Time(1), more: &Value::Null };
    let instance = InstanceMeta { address: &address, version: "v1", incarnation: 1 };
    let scope = Scope {
        context: &context,
        event: &context,
        event_meta: &meta,
        instance: &instance,
        now: Time(1_700_000_000_000),
        active: &|name| name == "a",
        locals: &[],
        present: &[],
    };
    let mut cost = Cost::new(20_000);
    let first = expression.evaluate(&scope, &mut cost);
    let again = expression.evaluate(&scope, &mut Cost::new(20_000));
    assert_eq!(first.is_ok(), again.is_ok(), "the same expression gives the same: {source}");
}

/// A machine with a bit of everything that is stored.
const STORED: &str = "
name: stored
context: {n: 0, deep: {list: [1, 2.5, text, null, true]}}
initial: a
states:
  a:
    type: parallel
    states:
      one: {initial: x, states: {x: {on: {e: y}}, y: {}, h: {type: history, history: deep}}}
      two: {initial: x, states: {x: {}, y: {}}}
    on: {out: b}
  b: {on: {e: a.one.h, f: c}, invoke: {src: other, input: {n: context.n}}}
  c: {type: final, output: context.n}
";

/// A stored state. What is taken for one is written as it was read, and is a state that goes on.
pub(crate) fn state(bytes: &[u8]) {
    let Some(definition) = read("stored.yaml", STORED).definition else { panic!("it has no errors") };
    let chart = definition.chart;
    let Ok(state) = chart.decode(bytes) else { return };
    let encoded = chart.encode(&state);
    let Ok(again) = chart.decode(&encoded) else { panic!("what was written can be read: {encoded:?}") };
    assert_eq!(chart.encode(&again), encoded, "and gives the same bytes");
    let Ok(address) = Address::parse("stored/1") else { return };
    let _ = chart.waiting(&state, &address, Time(1));
    let _ = chart.describe(&state);
    for name in ["e", "out", "f"] {
        let _ = chart.handle(&state, &event(name), &mut turn(&address));
    }
}

/// States as they are stored, by the way that leads to them.
pub(crate) fn stored_states() -> Vec<(String, Vec<u8>)> {
    let ways: [&[&str]; 5] = [&[], &["e"], &["e", "out"], &["e", "out", "e"], &["out", "f"]];
    let Some(definition) = read("stored.yaml", STORED).definition else { return Vec::new() };
    let Ok(address) = Address::parse("stored/1") else { return Vec::new() };
    let mut all = Vec::new();
    for way in ways {
        let Ok(mut next) = definition.chart.start(&Json::NULL, &mut turn(&address)) else { continue };
        for name in way {
            if let Ok(Handled::Took(after)) =
                definition.chart.handle(&next.state, &event(name), &mut turn(&address))
            {
                next = after;
            }
        }
        all.push((format!("start-{}", way.join("-")), definition.chart.encode(&next.state)));
    }
    all
}

/// Reads a definition; one that is accepted is run a little, and written in both notations.
fn used(file: &str, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let outcome = read(file, text);
    for finding in outcome.findings.iter().take(5) {
        let _ = everstate_chart::render(finding, file, text, false);
    }
    let Some(definition) = outcome.definition else { return };
    for notation in [Notation::Yaml, Notation::Scxml] {
        let _ = write(&definition, notation);
    }
    started(&definition);
}

fn started(definition: &ChartDefinition) {
    let Ok(address) = Address::new(&definition.id.name, "1") else { return };
    let chart = &definition.chart;
    let Ok(next) = chart.start(&Json::NULL, &mut turn(&address)) else { return };
    let encoded = chart.encode(&next.state);
    assert!(chart.decode(&encoded).is_ok(), "a state that was made can be restored: {encoded:?}");
    let names = chart.events();
    for name in names.iter().map(|name| &**name).chain(["e"]).take(8) {
        let _ = chart.handle(&next.state, &event(name), &mut turn(&address));
    }
}

fn event(name: &str) -> Event {
    let id = EventId::parse("e-1").unwrap_or_else(|_| unreachable!("an id"));
    Event { id, name: Arc::from(name), data: Json::NULL, sender: Sender::Client, time: Time(1) }
}

fn turn(address: &Address) -> Turn<'_> {
    Turn {
        now: Time(1),
        seed: 1,
        instance: address,
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    }
}
