//! Differences as text.

use super::*;
use crate::change::diff;

fn shown(old: &str, new: &str) -> String {
    diff(&definition(old), &definition(new)).render(false)
}

#[test]
fn the_example_is_told_by_area() {
    let v1 = include_str!("../../../../../examples/change/loans-v1.yaml");
    let v2 = include_str!("../../../../../examples/change/loans-v2.yaml");
    expect(&shown(v1, v2), "?");
    assert!(diff(&definition(v1), &definition(v1)).is_empty());
}

#[test]
fn guards_actions_and_targets_are_told_in_their_place() {
    let old = "
name: m
version: v1
context: {n: 0, gone: x}
events: {pay: {data: {type: object, required: [sum]}}}
initial: a
states:
  a:
    entry: {log: hello}
    on:
      pay: {guard: event.sum > 1, target: b}
      go: [{guard: context.n > 0, target: b}, c]
    after: {1h: c}
  b: {exit: {log: bye}}
  c: {}
";
    let new = "
name: m
version: v2
durability: process
context: {n: 1, fresh: []}
events: {pay: {data: {type: object, required: [sum, by]}}, new: null}
unhandled: ignore
initial: b
states:
  a:
    entry: {log: hi}
    on:
      pay: {guard: event.sum > 2, target: b, actions: {assign: {n: context.n + 1}}}
      go: [c, {guard: context.n > 0, target: b}]
      stop: c
    after: {2h: c}
  b: {exit: {log: bye}, description: the other one}
  c: {type: final}
";
    expect(&shown(old, new), "?");
}

#[test]
fn states_that_move_or_look_alike_are_suggested() {
    let old = "{name: m, initial: a, states: {a: {on: {go: waiting, stop: z}}, waiting: {on: {ok: z, no: a, ask: a}}, z: {}, inner: {on: {x: a}}}}";
    let new = "{name: m, initial: a, states: {a: {on: {go: pending, stop: z}}, pending: {on: {ok: z, no: a}}, z: {}, outer: {initial: inner, states: {inner: {on: {x: a}}}}}}";
    expect(&shown(old, new), "?");
}
