//! Traces: they replay, and are refused when they no longer fit.

#![allow(missing_docs)]

use everstate_sim::{System, Trace, explore, replay, simulate};

const GATE: &str = "
name: gate
definitions:
  - name: gate
    context: {inside: 0}
    initial: open
    states:
      open:
        on:
          enter: {guard: context.inside < LIMIT, actions: {assign: {inside: context.inside + 1}}}
          leave: {actions: {assign: {inside: context.inside - 1}}}
cast: {gate: gate/1}
environment:
  - {to: gate, event: enter, times: any}
  - {to: gate, event: leave, times: any}
properties:
  - {name: never too many, never: gate.context.inside > 3}
  - {name: never less than nobody, always: gate.context.inside >= -5}
expect: {refusals: allowed}
";

fn gate(limit: &str) -> System {
    System::parse(&GATE.replace("LIMIT", limit)).unwrap()
}

#[test]
fn a_trace_replays_and_is_refused_by_other_definitions() {
    let system = gate("5");
    let trace = explore(&system).violation.unwrap().trace;
    assert_eq!((trace.property.as_str(), trace.steps.len()), ("never too many", 4));
    let read = Trace::read(&trace.write()).unwrap();
    assert_eq!(read, trace);
    assert!(replay(&system, &read).unwrap().unwrap().starts_with("never too many is broken"));
    let problem = replay(&gate("3"), &read).unwrap_err();
    assert!(problem.contains("definition gate:v1 has another text"), "{problem}");
}

#[test]
fn a_trace_that_was_changed_by_hand_is_told() {
    let system = gate("5");
    let trace = explore(&system).violation.unwrap().trace;
    let mut longer = trace.clone();
    if let everstate_sim::Happening::Send { event, .. } = &mut longer.steps[2] {
        *event = "jump".into();
    }
    let problem = replay(&system, &longer).unwrap_err();
    assert_eq!(problem, "step 3: the environment does not send `jump` to gate/1, or not that often");
    let problem = Trace::read(&trace.write().replace("\"trace\": 1", "\"trace\": 9")).unwrap_err();
    assert!(problem.contains("format 9"), "{problem}");
    assert!(Trace::read("{}").unwrap_err().contains("this is no trace"));
    let mut shorter = trace;
    shorter.steps.pop();
    assert_eq!(replay(&system, &shorter), Ok(None), "it does not break any more");
}

#[test]
fn a_seed_is_enough() {
    let system = gate("5");
    let run = |seed| simulate(&system, seed).unwrap();
    assert_eq!(run(7), run(7));
    let found = (0..20).find_map(|seed| run(seed).violation).unwrap();
    // Either may be met first; both are shrunk to what is needed.
    assert!([4, 6].contains(&found.trace.steps.len()), "{}", found.story());
}
