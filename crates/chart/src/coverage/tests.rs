//! What is counted, and what is not.

use crate::coverage::Coverage;
use crate::document::Lines;
use crate::harness::machine;
use everstate_kernel::{Address, Event, EventId, Handled, Json, Sender, Time, Turn};
use std::sync::Arc;

const DOOR: &str = "
name: door
initial: closed
states:
  closed:
    on:
      open: {target: opened, guard: event.key == 1}
      knock: {actions: {log: knock}}
      break: {target: opened, actions: {assign: {n: 1 / 0}}}
  opened:
    initial: wide
    states: {wide: {}, ajar: {}, past: {type: history}}
    on:
      close: closed
";

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

fn covered(events: &[(&str, &str)]) -> Vec<String> {
    let machine = machine(DOOR);
    let chart = &machine.definition.chart;
    let mut coverage = Coverage::default();
    let begun = chart.start_counted(&Json::NULL, &mut turn(&machine.address), &mut coverage);
    let mut state = begun.expect("it starts").state;
    for (name, data) in events {
        let event = Event {
            id: EventId::parse("e").expect("an id"),
            name: Arc::from(*name),
            data: Json::parse(data).expect("JSON"),
            sender: Sender::Client,
            time: Time(1),
        };
        if let Ok(Handled::Took(next)) =
            chart.handle_counted(&state, &event, &mut turn(&machine.address), &mut coverage)
        {
            state = next.state;
        }
    }
    let lines = Lines::new(DOOR);
    let states = coverage.states(chart);
    let states =
        states.iter().map(|one| format!("{} {} {}", lines.position(one.at).0, one.path, one.entered));
    let transitions = coverage.transitions(chart);
    let transitions = transitions
        .iter()
        .map(|one| format!("{} {} {}", lines.position(one.at).0, one.transition.events.join(" "), one.taken));
    states.chain(transitions).collect()
}

#[test]
fn what_a_run_goes_through_is_counted_with_its_place() {
    let seen =
        covered(&[("open", "{\"key\": 1}"), ("close", "null"), ("open", "{\"key\": 2}"), ("knock", "null")]);
    let expected = [
        "5 closed 2",
        "10 opened 1",
        "12 opened.wide 1",
        "12 opened.ajar 0",
        "7 open 1",
        "8 knock 1",
        "9 break 0",
        "14 close 1",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_turn_that_fails_is_not_counted() {
    let seen = covered(&[("break", "null")]);
    assert!(seen.contains(&"9 break 0".to_owned()) && seen.contains(&"10 opened 0".to_owned()), "{seen:?}");
}
