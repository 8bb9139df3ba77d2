//! What the reader says of definitions that are wrong: text in, findings out.

use crate::finding::{Code, Severity, render};
use crate::reader::{Outcome, read};
use crate::{DEFINITION_BYTES_MAX, NODES_MAX, STATE_DEPTH_MAX};

/// Findings as lines: `LINE:COLUMN code: message` and, if there is one, ` (hint)`.
fn findings(text: &str) -> String {
    let outcome = read("machine.yaml", text);
    let line = |one: &crate::Finding| {
        let hint = one.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}: {}{hint}", one.line, one.column, one.code, one.message)
    };
    outcome.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let trim = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let (actual, expected) = (trim(&findings(text)), trim(expected));
    assert!(actual == expected, "expected:\n{expected}\n\nactual:\n{actual}\n");
}

#[track_caller]
fn only(outcome: &Outcome, code: Code) {
    assert!(outcome.definition.is_none());
    let codes: Vec<Code> = outcome.findings.iter().map(|one| one.code).collect();
    assert_eq!(codes, [code]);
}

#[test]
fn a_definition_without_problems_has_no_findings() {
    check("name: m\ninitial: a\nstates:\n  a: {on: {x: b}}\n  b: {type: final}\n", "");
    check(
        "{\"name\": \"m\", \"states\": {\"a\": {\"on\": {\"x\": \"b\"}}, \"b\": {\"type\": \"final\"}}, \"initial\": \"a\"}",
        "",
    );
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    check(
        "\
name: m
initail: a
create: maybe
states:
  a:
    entery: {log: x}
    on:
      go: nowhere
      pay:
        - {targt: b}
        - {target: 3}
        - {target: B}
    after: {5x: b}
  b:
    type: finale
  b: {}
",
        "2:1 unknown-key: unknown key \"initail\" in a definition (did you mean \"initial\"?)
         3:9 bad-value: create must be one of explicit, on-demand, this is \"maybe\"
         4:1 missing-initial: the definition does not say in which sub-state it begins (add `initial: a`, or another of its states)
         6:5 unknown-key: unknown key \"entery\" in a state (did you mean \"entry\"?)
         8:11 unknown-target: there is no state \"nowhere\" (targets name a state beside (`paid`), inside (`.waiting`), by path (`open.waiting`) or by id (`#paid`))
         10:12 unknown-key: unknown key \"targt\" in a transition (did you mean \"target\"?)
         11:20 wrong-type: expected the name of a state, found a number
         12:20 unknown-target: there is no state \"B\" (did you mean \"b\"?)
         13:13 bad-value: not a length of time: \"5x\"; write milliseconds, or such as 250ms, 30s, 5m, 1h30m, 2d
         15:11 bad-value: type must be one of atomic, compound, parallel, final, history, this is \"finale\" (did you mean \"final\"?)
         16:3 duplicate-state: the state \"b\" is here a second time; the first is in line 14 (give one of them another name)",
    );
}

#[test]
fn errors_in_expressions_point_inside_of_them() {
    check(
        "\
name: m
context: {total: 1, name: x}
initial: a
states:
  a:
    on:
      x: {guard: context.totl > 1, target: b}
      y: {guard: \"context.total > \", target: b}
      z:
        target: b
        actions:
          - log: 'total ${context.total} of ${contxt.total}'
          - log: |
              first line
              then ${ context.nam } here
          - assign: {total: \"context.total + 'x'\"}
          - log: 'open ${ hole'
      w: {guard: in('c'), target: b}
  b: {type: final}
",
        "7:26 expression: there is no field 'totl' (did you mean 'total'?)
         8:35 expression: expected a value, found the end
         12:47 expression: unknown name: 'contxt' (did you mean 'context'?)
         15:31 expression: there is no field 'nam' (did you mean 'name'?)
         16:30 expression: '+' does not take number and string (convert with string(x))
         17:24 expression: the hole that begins here has no end (close it with '}', or write $${ for the characters themselves)
         18:21 unknown-state: there is no state \"c\" (name a state by its path, such as open.waiting, or by its id)",
    );
}

#[test]
fn whole_model_problems_are_warnings_with_hints() {
    check(
        "\
name: m
events:
  go: begins
  never: nobody
guards: {unused: 'true'}
actions: {also: {log: x}}
initial: a
states:
  a:
    on:
      go:
        - b
        - {target: c}
      typo: {target: b, actions: [{raise: gone}, {send: {event: go, delay: 5}}]}
  b: {}
  c: {on: {go: {guard: false, target: a}}}
  d: {on: {go: e}}
  e: {}
",
        "4:3 unused-name: the event \"never\" is declared, and no state takes it (add a transition for it, or remove it)
         5:10 unused-name: nothing uses the guard \"unused\" (remove it, or use it by its name)
         6:11 unused-name: nothing uses the action \"also\" (remove it, or use it by its name)
         13:11 shadowed-transition: this transition never fires: one before it, without a guard, always does (give the one at states.a.on.go[0] a guard, or remove this one)
         14:7 undeclared-event: the event \"typo\" is not among the declared `events` (declare it under `events`)
         14:43 unhandled-event: no state takes the event \"gone\" that is sent here (add a transition for it, or `to:` another instance)
         15:3 dead-end: nothing leads out of the state \"b\" (add a transition, or `type: final` if this is an end)
         16:16 shadowed-transition: this transition never fires: its guard is false (remove it)
         17:3 unreachable-state: no transition leads to the state \"d\" (add a transition to it, or remove it)
         18:3 unreachable-state: no transition leads to the state \"e\" (add a transition to it, or remove it)
         18:3 dead-end: nothing leads out of the state \"e\" (add a transition, or `type: final` if this is an end)",
    );
}

#[test]
fn circles_without_an_event_are_errors_where_they_are_certain() {
    check(
        "\
name: m
initial: a
states:
  a: {always: b}
  b: {initial: c, states: {c: {always: '#a'}}}
  d: {id: a, always: {target: b}}
on: {x: a}
",
        "6:22 eventless-loop: without any event this leads in a circle, again and again, from the state \"b.c\" (give one of the transitions in the circle a guard that will become false, or an event)",
    );
    check(
        "name: m\ninitial: a\nstates: {a: {always: {actions: {log: x}}, on: {x: b}}, b: {type: final}}",
        "3:22 eventless-loop: without any event this leads in a circle, again and again, from the state \"a\" (give one of the transitions in the circle a guard that will become false, or an event)",
    );
}

#[test]
fn states_that_cannot_be() {
    check(
        "\
name: m
initial: a
states:
  a:
    initial: x.y
    states:
      x: {type: final, on: {e: x}}
      h: {type: history, target: h2}
      h2: {type: history, target: '#out'}
    on: {both: [[x, out]], two: {target: [a.x, out]}}
  out: {id: out, onDone: a, initial: a}
  p: {type: parallel, initial: a}
  a.b: {}
  q: {initial: h, states: {h: {history: shallow}, z: {}}}
  r: {invoke: [{id: x}, {src: x}], on: {go: '#out'}}
on: {p: p, q: q, r: r}
",
        "5:14 unknown-target: there is no state \"x.y\" (did you mean \"a.b\"?)
         7:24 bad-value: a final state has no \"on\"
         8:34 history-default: the default of a history cannot be a history (name a state that is active when nothing was before)
         9:35 history-default: \"out\" is not inside of \"a\" (name one of its sub-states: x, h, h2)
         10:17 wrong-type: expected a target or a map (transition), found a list
         10:42 conflicting-targets: \"a.x\" and \"out\" cannot be active together (several targets must be in different regions of a parallel state)
         11:18 bad-value: an atomic state has no \"onDone\"
         11:29 bad-value: an atomic state has no \"initial\"
         12:13 bad-value: a parallel state needs regions under `states`
         12:23 bad-value: an atomic state has no \"initial\"
         13:3 bad-value: the name of a state has a '.': \"a.b\"; paths are made with it (write \"a_b\")
         14:28 history-default: the history \"h\" has no default, and none follows from its parent's `initial` (add `target: STATE`, a state beside it)
         15:16 missing-key: nothing is named that could be invoked (add `src: NAME` of a definition, or `task: QUEUE` for work of the outside world)",
    );
}

#[test]
fn what_other_tools_write_and_is_not_supported_is_said() {
    check(
        "name: m\ninitial: a\nstates:\n  a: {invoke: {src: x, systemId: y}, on: {x: {guard: {type: isX}, actions: [{type: doX}]}}}\n",
        "4:24 unsupported: \"systemId\" is not supported here (send to the address of an instance, or to `#_ID`)
         4:61 unknown-name: there is no guard \"isX\" under `guards` (define it under `guards:` as an expression)
         4:84 unknown-name: there is no action \"doX\" under `actions` (define it under `actions:`, or write it out, such as `log: doX`)",
    );
}

#[test]
fn circles_of_names_are_errors() {
    check(
        "name: m\nguards: {a: {not: b}, b: {and: [a]}}\nactions: {x: [y], y: [x]}\ninitial: s\nstates: {s: {on: {go: {guard: a, actions: x}}}}\n",
        "2:10 name-cycle: the guard \"a\" uses itself in a circle
         2:23 name-cycle: the guard \"b\" uses itself in a circle
         3:11 name-cycle: the action \"x\" uses itself in a circle
         3:19 name-cycle: the action \"y\" uses itself in a circle",
    );
}

#[test]
fn hostile_texts_have_defined_answers() {
    only(&read("m", ""), Code::Malformed);
    only(&read("m", "a: ["), Code::Malformed);
    only(&read("m", "- x: y\n -"), Code::Malformed);
    only(&read("m", "- x\n- y"), Code::WrongType);
    only(&read("m", "a: 1\n---\nb: 2"), Code::Malformed);
    only(&read("m", "a: !!binary x"), Code::Malformed);
    only(&read("m", "a: &x [*x]"), Code::Malformed);
    only(&read("m", "just text"), Code::WrongType);
    only(&read("m", &"x".repeat(DEFINITION_BYTES_MAX + 1)), Code::TooLarge);
    only(&read("m", &"[".repeat(10_000)), Code::TooLarge);
    only(&read("m", &"{a: ".repeat(10_000)), Code::TooLarge);
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    only(&read("m", &laughs), Code::TooLarge);
    only(&read("m", &format!("a: [{}]", "x, ".repeat(NODES_MAX))), Code::TooLarge);
}

#[test]
fn ten_thousand_nested_states_are_refused() {
    let mut text = String::from("name: m\n");
    for level in 0..10_000 {
        let indent = " ".repeat(level.min(300) * 2);
        text.push_str(&format!("{indent}states:\n{indent} s:\n"));
    }
    let outcome = read("m", &text);
    assert!(outcome.definition.is_none());
    assert_eq!(outcome.findings[0].code, Code::TooLarge);
    let nested = |depth: usize| {
        let open = "{initial: s, states: {s: ".repeat(depth);
        format!("name: m\nstates: {{s: {open}{{on: {{x: s}}}}{}}}", "}}".repeat(depth))
    };
    assert!(read("m", &nested(STATE_DEPTH_MAX - 1)).definition.is_some());
    let outcome = read("m", &nested(STATE_DEPTH_MAX));
    assert!(outcome.findings.iter().any(|one| one.code == Code::TooLarge));
}

#[test]
fn a_finding_is_rendered_with_excerpt_and_hint() {
    let text = "name: m\ninitial: a\nstates:\n  a:\n    on: {go: nowhera}\n  nowhere: {type: final}\n";
    let outcome = read("m.yaml", text);
    let error = outcome.findings.iter().find(|one| one.severity == Severity::Error).expect("an error");
    assert_eq!(
        render(error, "m.yaml", text, false),
        "\
error[unknown-target]: there is no state \"nowhera\"
 --> m.yaml:5:14
  |
5 |     on: {go: nowhera}
  |              ^^^^^^^
  |
  = hint: did you mean \"nowhere\"?
"
    );
    assert!(render(error, "m.yaml", text, true).contains('\u{1b}'));
}

#[test]
fn places_are_right_behind_characters_of_several_bytes() {
    check(
        "# ünïcödé\nname: m\ninitial: ä\nstates:\n  ä: {description: 'größer', on: {x: ö}}\n",
        "5:38 unknown-target: there is no state \"ö\" (targets name a state beside (`paid`), inside (`.waiting`), by path (`open.waiting`) or by id (`#paid`))",
    );
    let outcome = read("m", "\u{feff}name: m\ninitial: b\nstates: {a: {on: {x: a}}}");
    assert_eq!(outcome.findings[0].span, 3 + 17..3 + 18);
}

#[test]
fn names_versions_and_policies_are_read() {
    let outcome = read(
        "dir/orders.v2.yaml",
        "version: 1.2.0\ncreate: on-demand\ndurability: process\nretain: {outcomes: 2d, history: forever}\nindex: [customer.id]\nretry: {attempts: 3, backoff: 1s, max: 1m}\ninitial: a\nstates: {a: {on: {x: a}}}\n",
    );
    let definition = outcome.definition.expect("no errors");
    assert_eq!(definition.id.to_string(), "orders:1.2.0");
    assert_eq!(
        format!("{:?}", definition.policy),
        "Policy { create: OnDemand, durability: Process, retain: Retain { outcomes: Some(Span(172800000)), history: Some(Span(18446744073709551615)), finished: None }, index: [\"customer.id\"], retry: Retry { attempts: 3, backoff: Span(1000), backoff_max: Span(60000) }, park: Event }"
    );
    check(
        "name: a b\ninitial: a\nstates: {a: {on: {x: a}}}",
        "1:7 bad-value: the kind is not a name: \"a b\"; use letters, digits, '_', '-' and single '.', starting with a letter",
    );
    check(
        "name: m\nversion: v 1\ninitial: a\nstates: {a: {on: {x: a}}}",
        "2:10 bad-value: version is not usable: \"v 1\"; use 1 to 64 letters, digits, '_', '-', '.' and '+', such as v1",
    );
    check(
        "name: m\ninitial: a\nretry: {attempts: 0}\nstates: {a: {on: {x: a}}}",
        "3:19 bad-value: attempts must be 1 to 1000000, this is 0",
    );
}

#[test]
fn flat_definitions_are_read_and_checked() {
    check(
        "name: o\nversion: v2\nstates: [a, b]\ntransitions:\n- {from: a, to: b, event: go}\n- {from: b, to: a, event: back}\nstarting_state: a\n",
        "",
    );
    let json = r#"{"name":"o","states":["a","b"],"transitions":[{"from":"a","to":"b","event":"go"}],"startingState":"a"}"#;
    check(json, "");
    assert_eq!(read("x.json", json).definition.expect("a definition").id.to_string(), "o:v1");
    check(
        "states: [a, b, a, cc]\ntransitions:\n- {from: a, to: c, event: go}\n- {from: a, event: ''}\n",
        "1:1 missing-initial: the definition does not say in which state it begins (add `starting_state: STATE`)
         1:13 bad-value: no transition uses the state \"b\" (add a transition, or remove the state)
         1:16 duplicate-state: the state \"a\" is here a second time (remove one)
         1:19 bad-value: no transition uses the state \"cc\" (add a transition, or remove the state)
         3:17 unknown-target: there is no state \"c\" (did you mean \"cc\"?)
         4:3 missing-key: the transition has no \"to\" (add `to`)
         4:20 bad-value: event name is empty",
    );
}
