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
    expect(
        &shown(v1, v2),
        r#"states
           - checking: atomic
           > granted looks like approved
           + vetting: parallel
           + vetting.credit: compound
           + vetting.credit.waiting: atomic
           + vetting.credit.known: final
           + vetting.identity: compound
           + vetting.identity.waiting: atomic
           + vetting.identity.known: final

           transitions
           ~ received check: checking -> vetting

           timers
           ~ deciding after: 7d -> 10d

           context
           - euros: 0
           + cents: 0
           + risk: unknown

           if these are the same states, migrate with --map granted=approved"#,
    );
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
    expect(
        &shown(old, new),
        r#"states
           ~ the machine initial: a -> b
           ~ c type: atomic -> final

           transitions
           ~ a pay: b if event.sum > 1 -> b if event.sum > 2 / {assign: {'n': context.n + 1}}
           ~ a go: b if context.n > 0; then c -> c; then b if context.n > 0
           + a stop: c

           timers
           ~ a after: 1h -> 2h

           contents
           ~ a entry: {log: hello} -> {log: hi}

           context
           - gone: x
           ~ n: 0 -> 1
           + fresh: []

           events
           ~ pay: {type: object, required: [sum]} -> {type: object, required: [sum, by]}
           + new: any data
           ~ unhandled: reject -> ignore

           policy
           + durability: process

           words
           + b description: the other one"#,
    );
}

#[test]
fn states_that_move_or_look_alike_are_suggested() {
    let old = "{name: m, initial: a, states: {a: {on: {go: waiting, stop: z}}, waiting: {on: {ok: z, no: a, ask: a}}, z: {}, inner: {on: {x: a}}}}";
    let new = "{name: m, initial: a, states: {a: {on: {go: pending, stop: z}}, pending: {on: {ok: z, no: a}}, z: {}, outer: {initial: inner, states: {inner: {on: {x: a}}}}}}";
    expect(
        &shown(old, new),
        r#"states
           > waiting looks like pending
           > inner moved to outer.inner
           + outer: compound

           transitions
           - pending ask: a

           if these are the same states, migrate with --map waiting=pending --map inner=outer.inner"#,
    );
}
