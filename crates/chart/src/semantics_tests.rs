//! What charts do, feature by feature: a chart, events, and what came of each as a line.

use crate::harness::check;

/// Four levels with entries and exits everywhere: the order in which they run.
const LEVELS: &str = "
name: levels
initial: a
entry: {log: '+machine'}
exit: {log: '-machine'}
states:
  a:
    entry: {log: +a}
    exit: {log: -a}
    initial: b
    states:
      b:
        entry: {log: +b}
        exit: {log: -b}
        initial: c
        states:
          c:
            entry: {log: +c}
            exit: {log: -c}
            on:
              beside: {target: d, actions: {log: go}}
              far: {target: 'z', actions: {log: go}}
              self: c
              again: {target: c, reenter: true}
              out: '#end'
          d: {entry: {log: +d}, exit: {log: -d}, on: {back: c}}
        on:
          inner: {target: .d, actions: {log: inner}}
          outer: {target: .d, actions: {log: outer}, reenter: true}
          stay: {actions: {log: stay}}
    on: {up: z}
  z: {entry: {log: +z}, exit: {log: -z}, on: {a: a, d: a.b.d}}
  end: {id: end, type: final, entry: {log: +end}}
";

#[test]
fn entries_run_from_outside_and_exits_from_inside() {
    check(
        LEVELS,
        "beside
         far
         back
         up
         d
         up",
        "a.b.c | +machine | +a | +b | +c
         a.b.d | -c | go | +d
         rejected
         a.b.c | -d | +c
         z | -c | -b | -a | +z
         a.b.d | -z | +a | +b | +d
         z | -d | -b | -a | +z",
    );
    check(LEVELS, "far", "a.b.c | +machine | +a | +b | +c\nz | -c | -b | -a | go | +z");
}

#[test]
fn internal_external_and_targetless_transitions() {
    check(
        LEVELS,
        "self
         again
         inner
         outer
         stay",
        "a.b.c | +machine | +a | +b | +c
         a.b.c
         a.b.c | -c | +c
         a.b.d | -c | inner | +d
         a.b.d | -d | -b | outer | +b | +d
         a.b.d | stay",
    );
}

#[test]
fn the_end_leaves_everything_and_nothing_is_taken_after_it() {
    check(
        LEVELS,
        "out
         up",
        "a.b.c | +machine | +a | +b | +c
         end | -c | -b | -a | +end | -machine | done null
         rejected",
    );
}

#[test]
fn a_compound_state_begins_anew_when_it_is_its_own_target() {
    check(
        "
name: m
initial: p
states:
  p:
    entry: {log: +p}
    initial: {target: a, actions: {log: begin}}
    on: {anew: p, reenter: {target: p, reenter: true}}
    states:
      a: {entry: {log: +a}, on: {next: b}}
      b: {entry: {log: +b}, exit: {log: -b}}
",
        "next
         anew
         next
         reenter",
        "p.a | +p | begin | +a
         p.b | +b
         p.a | -b | begin | +a
         p.b | +b
         p.a | -b | +p | begin | +a",
    );
}

#[test]
fn ancestors_handle_what_their_sub_states_do_not() {
    check(
        "
name: m
initial: a
states:
  a:
    initial: b
    on: {x: {actions: {log: outer x}}, y: {actions: {log: outer y}}}
    states:
      b: {on: {x: {actions: {log: inner x}}, y: {guard: false || 1 > 2, actions: {log: never}}}}
on: {z: {actions: {log: machine z}}}
",
        "x
         y
         z
         w",
        "a.b
         a.b | inner x
         a.b | outer y
         a.b | machine z
         rejected",
    );
}

#[test]
fn exact_names_come_before_prefixes_and_those_before_any() {
    check(
        "
name: m
initial: a
states:
  a:
    on:
      '*': {actions: {log: any}}
      pay.*: {actions: {log: pay.*}}
      pay.card.*: {actions: {log: pay.card.*}}
      pay.card.visa: {actions: {log: exact}}
",
        "pay.card.visa
         pay.card.other
         pay.card
         pay
         payment
         pay.cash",
        "a
         a | exact
         a | pay.card.*
         a | pay.card.*
         a | pay.*
         a | any
         a | pay.*",
    );
}

#[test]
fn the_first_enabled_of_several_is_taken() {
    check(
        "
name: m
context: {n: 0}
initial: a
states:
  a:
    on:
      go:
        - {guard: event.n > 10, target: big}
        - {guard: event.n > 5, target: middle}
        - small
  big: {on: {back: a}}
  middle: {on: {back: a}}
  small: {on: {back: a}}
",
        "go {\"n\": 11}
         back
         go {\"n\": 6}
         back
         go {\"n\": 1}",
        "a
         big
         a
         middle
         a
         small",
    );
}

#[test]
fn eventless_transitions_run_until_none_is_enabled() {
    check(
        "
name: m
context: {n: 0}
initial: count
states:
  count:
    entry: {assign: {n: context.n + 1}}
    always:
      - {guard: context.n < 5, target: count, reenter: true, actions: {log: '${context.n}'}}
      - {guard: context.n >= 5, target: full}
  full:
    on: {reset: {target: count, actions: {assign: {n: 3}}}}
",
        "?
         reset
         ?",
        "full | 1 | 2 | 3 | 4
         {\"n\":5}
         full | 4
         {\"n\":5}",
    );
}

#[test]
fn raised_events_are_handled_in_the_same_turn_after_eventless_ones() {
    check(
        "
name: m
initial: a
states:
  a:
    on:
      go: {target: b, actions: [{raise: first}, {raise: {event: second, data: {x: 1 + 1}}}]}
  b:
    always: {target: c, actions: {log: always}}
  c:
    on:
      first: {actions: {log: '${_event.name}'}}
      second: {actions: {log: 'second ${event.x} ${event}'}}
",
        "go",
        "a
         c | always | first | second 2 {\"x\":2}",
    );
}

#[test]
fn an_endless_loop_is_a_fault_and_changes_nothing() {
    check(
        "
name: m
context: {n: 0}
initial: a
states:
  a: {on: {go: b, ping: {actions: {raise: ping}}}}
  b: {always: {guard: context.n >= 0, target: c}}
  c: {always: {guard: context.n >= 0, target: b}}
",
        "go
         ping
         ?",
        "a
         fault Limit at c: the turn takes more than 1000 microsteps; transitions without an event, or raised events, lead in a circle
         fault Limit at a: the turn takes more than 1000 microsteps; transitions without an event, or raised events, lead in a circle
         {\"n\":0}",
    );
}

#[test]
fn the_end_of_a_compound_state_is_an_event_with_the_output() {
    check(
        "
name: m
context: {total: 7}
initial: work
states:
  work:
    initial: doing
    onDone: {target: over, actions: {log: 'done ${event.sum}'}}
    states:
      doing: {on: {finish: finished, quit: '#gone'}}
      finished: {type: final, output: {sum: context.total + event.more}}
  over: {on: {end: gone}}
  gone: {id: gone, type: final, output: '\"total \" + string(context.total)'}
output: '\"nothing\"'
",
        "finish {\"more\": 3}
         end",
        "work.doing
         over | done 10
         gone | done \"total 7\"",
    );
}

/// Two regions and a history.
const REGIONS: &str = "
name: regions
initial: p
states:
  p:
    type: parallel
    entry: {log: +p}
    exit: {log: -p}
    onDone: over
    on: {out: away, leave: {target: away, actions: {log: by p}}}
    states:
      a:
        entry: {log: +a}
        exit: {log: -a}
        initial: a1
        states:
          a1: {entry: {log: +a1}, exit: {log: -a1}, on: {next: a2, both: {target: a2, actions: {log: a both}}, leave: {target: away, actions: {log: by a}}}}
          a2: {entry: {log: +a2}, exit: {log: -a2}, on: {end: a3, cross: '#b2'}}
          a3: {type: final}
      b:
        entry: {log: +b}
        exit: {log: -b}
        initial: b1
        states:
          b1: {entry: {log: +b1}, exit: {log: -b1}, on: {both: {target: b2, actions: {log: b both}}, leave: {target: over, actions: {log: by b}}}}
          b2: {id: b2, entry: {log: +b2}, exit: {log: -b2}, on: {end: b3}, initial: b21, states: {b21: {on: {deeper: b22}}, b22: {}}}
          b3: {type: final}
      shallow: {type: history}
      deep: {type: history, history: deep}
  away: {on: {back: p, shallow: p.shallow, deep: p.deep, some: {target: [p.a.a2, p.b.b2.b22]}}}
  over: {type: final}
";

#[test]
fn all_regions_of_a_parallel_state_are_entered_and_take_events() {
    check(
        REGIONS,
        "next
         both
         end",
        "p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         p.a.a2 p.b.b1 | -a1 | +a2
         p.a.a2 p.b.b2.b21 | -b1 | b both | +b2
         over | -b2 | -a2 | -b | -a | -p | done null",
    );
    check(
        REGIONS,
        "both",
        "p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         p.a.a2 p.b.b2.b21 | -b1 | -a1 | a both | b both | +a2 | +b2",
    );
}

#[test]
fn of_conflicting_transitions_the_first_in_document_order_wins() {
    check(
        REGIONS,
        "leave",
        "p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         away | -b1 | -b | -a1 | -a | -p | by a",
    );
}

#[test]
fn an_inner_transition_preempts_that_of_an_ancestor_in_another_region() {
    // In region a nobody but the parallel state itself takes the event; region b has a transition of its own,
    // which comes later in document order but deeper in the tree.
    check(
        "
name: m
initial: p
states:
  p:
    type: parallel
    on: {x: {target: out, actions: {log: outer}}}
    states:
      a: {initial: a1, states: {a1: {}}}
      b: {initial: b1, states: {b1: {on: {x: {target: b2, actions: {log: inner}}}}, b2: {}}}
  out: {on: {y: p}}
",
        "x
         x",
        "p.a.a1 p.b.b1
         p.a.a1 p.b.b2 | inner
         out | outer",
    );
}

#[test]
fn a_transition_from_one_region_into_another_leaves_the_whole_parallel_state() {
    check(
        REGIONS,
        "next
         cross",
        "p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         p.a.a2 p.b.b1 | -a1 | +a2
         p.a.a1 p.b.b2.b21 | -b1 | -b | -a2 | -a | -p | +p | +a | +a1 | +b | +b2",
    );
}

#[test]
fn histories_bring_back_what_was_active() {
    check(
        REGIONS,
        "next
         both
         deeper
         out
         deep
         out
         shallow
         out
         some
         out
         back",
        "p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         p.a.a2 p.b.b1 | -a1 | +a2
         p.a.a2 p.b.b2.b21 | -b1 | b both | +b2
         p.a.a2 p.b.b2.b22
         away | -b2 | -b | -a2 | -a | -p
         p.a.a2 p.b.b2.b22 | +p | +a | +a2 | +b | +b2
         away | -b2 | -b | -a2 | -a | -p
         p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1
         away | -b1 | -b | -a1 | -a | -p
         p.a.a2 p.b.b2.b22 | +p | +a | +a2 | +b | +b2
         away | -b2 | -b | -a2 | -a | -p
         p.a.a1 p.b.b1 | +p | +a | +a1 | +b | +b1",
    );
}

#[test]
fn a_history_without_memory_stands_for_its_default() {
    let chart = "
name: m
initial: off
states:
  off: {on: {on: on, resume: on.last, deep: on.all}}
  on:
    initial: low
    on: {off: off}
    states:
      last: {type: history, target: high}
      all: {history: deep}
      low: {on: {up: high}}
      high: {initial: x, states: {x: {on: {y: y}}, y: {}}}
";
    check(
        chart,
        "resume
         y
         off
         resume
         off
         deep",
        "off
         on.high.x
         on.high.y
         off
         on.high.x
         off
         on.high.x",
    );
    check(chart, "deep", "off\non.low");
    check(
        chart,
        "on
         up
         y
         off
         deep",
        "off
         on.low
         on.high.x
         on.high.y
         off
         on.high.y",
    );
}

#[test]
fn timers_are_set_on_entry_and_cancelled_on_exit() {
    let chart = "
name: m
initial: unpaid
states:
  unpaid:
    after:
      30m: {target: expired, actions: {log: too late}}
      1000: {actions: {log: remind}}
    on: {pay: paid, '*': {actions: {log: any}}}
  paid: {type: final}
  expired: {on: {again: unpaid}}
";
    check(
        chart,
        "!after.1s.unpaid
         after.1s.unpaid
         !after.30m.unpaid
         again
         pay",
        "unpaid | set after.30m.unpaid 30m | set after.1s.unpaid 1s
         unpaid | remind
         unpaid | any
         expired | cancel after.30m.unpaid | cancel after.1s.unpaid | too late
         unpaid | set after.30m.unpaid 30m | set after.1s.unpaid 1s
         paid | cancel after.30m.unpaid | cancel after.1s.unpaid | done null",
    );
    check(
        chart,
        "!after.30m.unpaid
         !after.30m.unpaid",
        "unpaid | set after.30m.unpaid 30m | set after.1s.unpaid 1s
         expired | cancel after.30m.unpaid | cancel after.1s.unpaid | too late
         ignored",
    );
}

#[test]
fn sends_delays_cancels_and_replies_are_effects() {
    check(
        "
name: orders
context: {delay: 5m}
initial: a
states:
  a:
    on:
      go:
        actions:
          - send: {to: 'payments/${instance.id}', event: charge, data: {amount: event.amount, order: instance.address}}
          - send: {event: later, delay: 1h30m, id: reminder}
          - send: {event: 'tick.${1 + 1}', delay: '${context.delay}'}
          - send: {event: later, delay: 10}
          - send: later
          - cancel: reminder
          - reply: {ok: true, total: event.amount * 2}
          - log: costs $${ ${event.amount}
      later: {}
      tick.*: {}
",
        "go {\"amount\": 21}
         go {\"amount\": 1}
         later",
        "a
         a | send charge {\"amount\":21,\"order\":\"orders/1\"} to payments/1 | set reminder 1h30m later null to itself | set send.1 5m tick.2 null to itself | set send.2 10ms later null to itself | send later null to orders/1 | cancel reminder | reply {\"ok\":true,\"total\":42} | costs ${ 21
         a | send charge {\"amount\":1,\"order\":\"orders/1\"} to payments/1 | set reminder 1h30m later null to itself | set send.3 5m tick.2 null to itself | set send.4 10ms later null to itself | send later null to orders/1 | cancel reminder | reply {\"ok\":true,\"total\":2} | costs ${ 1
         a",
    );
}

#[test]
fn conditions_loops_and_names() {
    check(
        "
name: m
context: {sum: 0, limit: 10}
guards:
  full: context.sum > context.limit
  open: {not: full}
actions:
  report: {log: 'sum ${context.sum}'}
  add:
    - foreach: event.items
      item: one
      index: at
      do:
        - assign: {sum: context.sum + one}
        - if: one > 2
          then: {log: '${at}: ${one} is large'}
          else: [{log: '${at}: ${one}'}, report]
initial: a
states:
  a:
    on:
      add: {guard: open, actions: [add, report]}
      state: {guard: {and: [{in: a}, {or: [full, 'in(\"a\") && !in(\"b\")']}]}, actions: {log: in a}}
      to: b
  b: {entry: {type: report}}
",
        "add {\"items\": [1, 3]}
         state
         add {\"items\": [9]}
         add {\"items\": [9]}
         to",
        "a
         a | 0: 1 | sum 1 | 1: 3 is large | sum 4
         a | in a
         a | 0: 9 is large | sum 13
         rejected
         b | sum 13",
    );
}

#[test]
fn assignments_are_computed_before_the_first_is_set() {
    check(
        "
name: m
context: {a: 1, b: 2}
initial: s
states: {s: {on: {swap: {actions: {assign: {a: context.b, b: context.a, list: [context.a, {x: context.b}, 3, null]}}}}}}
",
        "swap
         ?",
        "s
         s
         {\"a\":2,\"b\":1,\"list\":[1,{\"x\":2},3,null]}",
    );
}

#[test]
fn start_data_is_laid_over_the_context() {
    let chart = "
name: m
context: {a: 1, b: {c: 2}}
initial: s
states: {s: {entry: {log: '${event}'}, on: {x: s}}}
";
    check(chart, "start {\"b\": 3, \"d\": 4}\n?", "s | {\"b\":3,\"d\":4}\n{\"a\":1,\"b\":3,\"d\":4}");
    check(chart, "?", "s | null\n{\"a\":1,\"b\":{\"c\":2}}");
    let mut machine = crate::harness::machine(chart);
    assert_eq!(
        machine.start("[1]"),
        "fault Action at context: start data must be a map or nothing, this is list; it is laid over the context"
    );
}

#[test]
fn unhandled_events_are_treated_as_the_innermost_state_says() {
    check(
        "
name: m
unhandled: ignore
initial: a
states:
  a: {on: {b: b}}
  b:
    unhandled: defer
    initial: c
    states:
      c: {on: {d: d}}
      d: {unhandled: fail, on: {e: '#e'}}
  e: {id: e, unhandled: reject, on: {x: {}}}
",
        "nobody
         b
         nobody
         reply.nobody
         ~nobody
         !after.1s.a
         !nobody
         d
         nobody
         e
         nobody
         x",
        "a
         ignored
         b.c
         deferred
         ignored
         ignored
         ignored
         deferred
         b.d
         fault Unhandled at b.d: no active state takes the event \"nobody\"
         e
         rejected
         e",
    );
}

#[test]
fn a_guard_or_an_action_that_fails_is_a_fault_with_its_place() {
    check(
        "
name: m
context: {n: 0}
initial: a
states:
  a:
    on:
      guard: {guard: event.x > 1, target: b}
      action: {target: b, actions: [{log: lost}, {assign: {n: 1 / event.x}}]}
      to: {actions: {send: {to: '${event.to}', event: x}}}
      text: {guard: event.x}
  b: {on: {x: a}}
",
        "guard {}
         action {\"x\": 0}
         to {\"to\": \"no address\"}
         text {\"x\": \"yes\"}
         ?",
        "a
         fault Expression at states.a.on.guard.guard: there is no field 'x'; ask with has(…) before
         fault Expression at states.a.on.action.actions[1].assign.n: division by zero
         fault Action at states.a.on.to.actions.send: address has no id: \"no address\"; write KIND/ID, such as orders/42
         fault Expression at states.a.on.text.guard: a condition is a bool, this is string
         {\"n\":0}",
    );
}

#[test]
fn declared_data_is_checked_at_the_door() {
    check(
        "
name: m
events:
  pay:
    description: money came
    data:
      type: object
      required: [amount]
      additionalProperties: false
      properties:
        amount: {type: integer, minimum: 1}
        currency: {enum: [EUR, USD]}
        lines: {type: array, maxItems: 2, items: {type: string, minLength: 1}}
  done: it is over
initial: a
states: {a: {on: {pay: {actions: {log: '${event.amount}'}}, done: {}}}}
",
        "pay {\"amount\": 3}
         pay
         pay {}
         pay {\"amount\": 0}
         pay {\"amount\": 1.5}
         pay {\"amount\": 1, \"other\": 1}
         pay {\"amount\": 1, \"currency\": \"DM\"}
         pay {\"amount\": 1, \"lines\": [\"a\", \"\"]}
         pay {\"amount\": 1, \"lines\": [1, 2, 3]}
         done {\"any\": 1}",
        "a
         a | 3
         bad data: must be object, is null
         bad data: \"amount\" is missing
         bad data: amount: must be at least 1, is 0
         bad data: amount: must be integer, is a number
         bad data: \"other\" is not a known property
         bad data: currency: must be one of \"EUR\", \"USD\", is \"DM\"
         bad data: lines.1: must have at least 1 characters, has 0
         bad data: lines: must have at most 2 items, has 3
         a",
    );
}

#[test]
fn what_an_instance_waits_for() {
    let mut machine = crate::harness::machine(
        "
name: m
context: {n: 0}
initial: a
states:
  a:
    after: {5m: b}
    on:
      go: {guard: context.n > 0, target: b}
      ask: {guard: event.x > 0}
      add: {actions: {assign: {n: context.n + 1}}}
      log.*: {}
  b: {type: final}
on: {stop: b}
",
    );
    machine.start("null");
    let waiting = machine.waiting();
    let accepts: Vec<&str> = waiting.accepts.iter().map(|name| &**name).collect();
    assert_eq!(accepts, ["add", "ask", "log.*", "stop"]);
    assert_eq!(waiting.guarded, [("go".into(), "context.n > 0".to_owned())]);
    machine.send("add", "null");
    assert!(machine.waiting().guarded.is_empty());
    machine.send("stop", "null");
    assert_eq!(machine.waiting(), everstate_kernel::Waiting::default());
}

#[test]
fn in_is_right_while_states_are_left_and_entered() {
    check(
        "
name: m
initial: p
states:
  p:
    type: parallel
    on: {out: z}
    states:
      a: {initial: a1, states: {a1: {entry: {log: 'a1 ${in(\"b1\")}'}, exit: {log: 'a1 ${in(\"b1\")} ${in(\"a\")}'}}}}
      b: {initial: b1, states: {b1: {entry: {log: 'b1 ${in(\"a1\")} ${in(\"b1\")}'}, exit: {log: 'b1 ${in(\"a1\")} ${in(\"b1\")}'}}}}
  z: {on: {back: p}}
",
        "out",
        "p.a.a1 p.b.b1 | a1 false | b1 true true
         z | b1 true true | a1 false true",
    );
}

#[test]
fn a_parallel_machine_ends_with_all_its_regions() {
    check(
        "
name: m
type: parallel
states:
  a: {initial: x, states: {x: {on: {a: y}}, y: {type: final}}}
  b: {initial: x, states: {x: {on: {b: y}}, y: {type: final}}}
on: {reset: {target: a.x}}
output: {both: true}
",
        "a
         reset
         a
         b",
        "a.x b.x
         a.y b.x
         a.x b.x
         a.y b.x
         a.y b.y | done {\"both\":true}",
    );
}

#[test]
fn a_targetless_transition_on_a_parallel_state_runs_beside_one_of_a_region() {
    check(
        "
name: m
initial: p
states:
  p:
    type: parallel
    on: {x: {actions: {log: p}}}
    states:
      a: {initial: a1, states: {a1: {on: {x: {target: a2, actions: {log: a}}}}, a2: {}}}
      b: {initial: b1, states: {b1: {}}}
",
        "x
         x",
        "p.a.a1 p.b.b1
         p.a.a2 p.b.b1 | a | p
         p.a.a2 p.b.b1 | p",
    );
}

#[test]
fn done_events_of_regions_come_in_the_order_of_entry() {
    check(
        "
name: m
initial: p
states:
  p:
    type: parallel
    on:
      done.state.p.a: {actions: {log: a is done}}
      done.state.p.b: {actions: {log: b is done}}
      done.state.p: {actions: {log: p is done}}
    states:
      a: {initial: a1, states: {a1: {on: {x: a2}}, a2: {type: final}}}
      b: {initial: b1, states: {b1: {on: {x: b2}}, b2: {type: final}}}
",
        "x",
        "p.a.a1 p.b.b1
         p.a.a2 p.b.b2 | a is done | b is done | p is done",
    );
}
