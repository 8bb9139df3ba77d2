//! What charts do in spaces and to children, and what they know of who is present.

use crate::finding::Code;
use crate::harness::{check, machine};
use crate::write::{Notation, write};
use crate::{PRESENT_MAX, read};
use everstate_kernel::{Behaviour, Effect, Sender, space::Act};

/// The event that tells the endpoint `ours` of `address`, which holds `pattern` and asserts `value`.
fn told(word: &str, ours: &str, address: &str, pattern: &str, value: &str) -> String {
    format!(
        r#"~space.{word}.{ours} {{"space":"","address":"{address}","endpoint":"e","pattern":"{pattern}","role":"publisher","interest":"participant","value":{value},"reason":"left","detail":""}}"#
    )
}

const DISPATCH: &str = "
name: dispatch
initial: waiting
states:
  waiting:
    endpoints:
      workers: {pattern: worker/*/idle, role: subscriber}
    always:
      guard: present('worker/*/idle', x.skill == 'welding')
      target: working
    on: {look: {actions: {log: '${presences(\"worker/*/idle\").map(one, one.address + \" \" + one.pattern)}'}}}
  working:
    entry: {log: \"${presences('worker/>').size()}\"}
    on: {back: waiting}
";

#[test]
fn what_is_present_moves_a_chart_though_no_state_takes_the_event() {
    let events = [
        told("presence", "workers", "worker/2", "worker/2/idle", r#"{"skill":"painting"}"#),
        told("presence", "workers", "worker/1", "worker/1/idle", "null"),
        told("presence", "workers", "worker/1", "worker/1/idle", "null"),
        "look".to_owned(),
        told("absence", "workers", "worker/2", "worker/2/idle", "null"),
        told("absence", "workers", "worker/3", "worker/3/idle", "null"),
        told("changed", "workers", "worker/1", "worker/1/idle", r#"{"skill":"welding"}"#),
        told("complete", "workers", "worker/1", "worker/1/idle", "null"),
    ];
    check(
        DISPATCH,
        &events.join("\n"),
        r#"waiting | Act(Here, Join { name: "workers", part: Part { pattern: worker/*/idle, role: Subscriber, interest: Participant, value: null, mark: false, waits: false } })
           waiting
           waiting
           ignored
           waiting | ["worker/1 worker/1/idle","worker/2 worker/2/idle"]
           waiting
           ignored
           working | Act(At(""), Leave { name: "workers" }) | 0
           ignored"#,
    );
}

#[test]
fn only_the_kernel_tells_of_presence() {
    let mut machine = machine(DISPATCH);
    machine.start("null");
    let told = told("presence", "workers", "worker/1", "worker/1/idle", r#"{"skill":"welding"}"#);
    let (name, data) = told.split_once(' ').expect("a name and data");
    assert_eq!(machine.send(&name[1..], data), "rejected");
    assert_eq!(machine.send_as(Sender::System, &name[1..], data).split(' ').next(), Some("working"));
}

#[test]
fn who_is_known_is_limited_and_what_is_not_asked_for_is_not_known() {
    let mut dispatch = machine(DISPATCH);
    dispatch.start("null");
    let mut tell = |address: &str, pattern: &str| {
        let told = told("presence", "workers", address, pattern, "null");
        let (name, data) = told.split_once(' ').expect("a name and data");
        dispatch.send_as(Sender::System, &name[1..], data)
    };
    assert_eq!(tell("worker/x", "other"), "ignored");
    for one in 0..PRESENT_MAX {
        assert_eq!(tell(&format!("worker/{one}"), &format!("worker/{one}/idle")), "waiting");
    }
    assert_eq!(tell("worker/0", "worker/0/idle"), "ignored");
    assert_eq!(
        tell("worker/x", "worker/x/idle"),
        "fault Limit at present: the instance is told of more than 1000 counterparts that it asks for; join with narrower patterns"
    );
}

#[test]
fn a_state_moves_what_the_next_one_holds_under_the_same_name() {
    check(
        "
name: worker
initial: idle
states:
  idle:
    endpoints: {me: {pattern: 'worker/${instance.id}/idle', role: publisher, value: {skill: \"'welding'\"}}}
    entry: {log: \"${present('job/1')}\"}
    on: {work: busy}
  busy:
    endpoints: {me: {pattern: 'worker/${instance.id}/busy', role: publisher}}
    always: {guard: present('job/1'), target: done}
    on: {rest: idle}
  done: {type: final}
allow: {never-present: the test tells it}
",
        &[
            "work".to_owned(),
            "rest".to_owned(),
            told("presence", "me", "job/1", "job/1", "null"),
            "work".to_owned(),
        ]
        .join("\n"),
        r#"idle | Act(Here, Join { name: "me", part: Part { pattern: worker/1/idle, role: Publisher, interest: Participant, value: {"skill":"welding"}, mark: false, waits: false } }) | false
           busy | Act(At(""), Leave { name: "me" }) | Act(Here, Join { name: "me", part: Part { pattern: worker/1/busy, role: Publisher, interest: Participant, value: null, mark: false, waits: false } })
           idle | Act(At(""), Leave { name: "me" }) | Act(Here, Join { name: "me", part: Part { pattern: worker/1/idle, role: Publisher, interest: Participant, value: {"skill":"welding"}, mark: false, waits: false } }) | false
           idle
           done | Act(At(""), Leave { name: "me" }) | Act(Here, Join { name: "me", part: Part { pattern: worker/1/busy, role: Publisher, interest: Participant, value: null, mark: false, waits: false } }) | Act(At(""), Leave { name: "me" }) | done null"#,
    );
}

const ALL: &str = "
name: all
version: v1
initial: here
states:
  here:
    endpoints:
      e: {pattern: a/>, role: subscriber, interest: everything, value: {n: context.n}, mark: true, outer: true}
      w: {pattern: a/>, role: publisher, waits: true}
    invoke: {src: helper, id: help, input: context.n}
    on:
      act:
        actions:
          - join: {name: j, pattern: 'a/${event.x}', role: publisher, space: 'room-${event.x}'}
          - move: {name: j, pattern: b, space: 'room-${event.x}'}
          - assert: {name: j, value: {v: 2}, space: 'room-${event.x}'}
          - publish: {topic: b, data: 1 + 1, space: 'room-${event.x}'}
          - feedback: {topic: b/*, outer: true}
          - leave: {name: j, space: 'room-${event.x}'}
          - leave: j
          - spawn: {name: k, src: 'helper:v2', id: k-1, input: event.x, orphan: keep}
          - stop: k
          - stop: {child: k, kill: true}
          - restart: k
          - restart: {child: k, from: last-good}
          - restart: {child: k, input: {again: true}}
          - monitor: helper/1
          - demonitor: helper/1
          - task: {queue: charge-card, id: 'charge-${event.x}', input: {n: event.x}, timeout: 3s, retry: {attempts: 2, backoff: 1s, max: 2s}}
          - task: {http: {url: 'http://a/${event.x}', method: PUT, headers: {x: 'y${event.x}'}}, input: 5, deadline: 1h}
          - giveUp: 'no more of ${event.x}'
      wrong:
        actions: {move: {name: nobody, pattern: b}}
context: {n: 1}
";

#[test]
fn every_act_is_what_the_kernel_offers() {
    let mut all = machine(ALL);
    all.address = everstate_kernel::Address::parse("tenant:all/1").expect("an address");
    all.start("null");
    let line = all.send("act", r#"{"x":7}"#);
    let effects: Vec<&str> = line.split(" | ").skip(1).collect();
    let expected = [
        r#"Act(At("room-7"), Join { name: "j", part: Part { pattern: a/7, role: Publisher, interest: Participant, value: null, mark: false, waits: false } })"#,
        r#"Act(At("room-7"), Join { name: "j", part: Part { pattern: b, role: Publisher, interest: Participant, value: null, mark: false, waits: false } })"#,
        r#"Act(At("room-7"), Assert { name: "j", value: {"v":2} })"#,
        r#"Act(At("room-7"), Publish { topic: b, data: 2 })"#,
        "Act(Outer, Feedback { topic: b/*, data: null })",
        r#"Act(At("room-7"), Leave { name: "j" })"#,
        r#"Spawn { name: "k", kind: "helper", version: Some("v2"), id: Some("k-1"), data: 7, orphan: Keep }"#,
        r#"Stop { child: "k", kill: false }"#,
        r#"Stop { child: "k", kill: true }"#,
        r#"Restart { child: "k", from: Initial(null) }"#,
        r#"Restart { child: "k", from: LastGood }"#,
        r#"Restart { child: "k", from: Initial({"again":true}) }"#,
        "Monitor(helper/1)",
        "Demonitor(helper/1)",
        r#"Task { name: "charge-7", queue: "charge-card", input: {"n":7}, policy: TaskPolicy { retry: Retry { attempts: 2, backoff: Span(1000), backoff_max: Span(2000) }, timeout: Span(3000), deadline: None, heartbeat: None } }"#,
        r#"Task { name: "http", queue: "http", input: {"body":5,"headers":{"x":"y7"},"method":"PUT","url":"http://a/7"}, policy: TaskPolicy { retry: Retry { attempts: 10, backoff: Span(1000), backoff_max: Span(60000) }, timeout: Span(60000), deadline: Some(Span(3600000)), heartbeat: None } }"#,
        r#"GiveUp(Fault { code: Action, message: "no more of 7", place: "states.here.on.act.actions[17].giveUp" })"#,
    ];
    assert_eq!(effects, expected);
    assert_eq!(
        all.send("wrong", "null"),
        "fault Action at states.here.on.wrong.actions.move: the machine holds no endpoint \"nobody\" in tenant; join with it first"
    );
}

#[test]
fn every_act_is_written_back() {
    let first = read("all.yaml", ALL).definition.expect("it is usable");
    let written = write(&first, Notation::Yaml);
    assert_eq!(written.losses, []);
    let second = read("all.yaml", &written.text).definition.expect("it is usable");
    assert_eq!(write(&second, Notation::Yaml).text, written.text);
    let (a, b) = (first.chart, second.chart);
    assert_eq!(format!("{:?}", a.states[1].endpoints), format!("{:?}", b.states[1].endpoints));
    let acts = |chart: &crate::Chart| {
        format!("{:?}", chart.transitions.iter().map(|one| &one.actions).collect::<Vec<_>>())
    };
    assert_eq!(acts(&a).replace(' ', ""), acts(&b).replace(' ', ""));
    let losses = write(&read("all.yaml", ALL).definition.expect("it is usable"), Notation::Scxml).losses;
    assert!(
        losses.iter().any(|loss| loss.what.contains("join b") || loss.what.contains("join a/")),
        "{losses:#?}"
    );
}

#[track_caller]
fn finds(text: &str, expected: &[(Code, &str)]) {
    let found = read("machine.yaml", text).findings;
    let found: Vec<(Code, String)> =
        found.into_iter().map(|one| (one.code, format!("{} {}", one.path, one.message))).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((code, text), (wanted, part)) in found.iter().zip(expected) {
        assert!(code == wanted && text.contains(part), "{code} {text}: {wanted} {part}");
    }
}

#[test]
fn what_is_wrong_is_found_where_it_stands() {
    finds(
        "
name: m
initial: a
states:
  a:
    endpoints:
      one: {pattern: 'a/>/b', role: publisher}
      two: {pattern: a}
      three: {pattern: a, role: talker, space: 'x//y'}
      four: {pattern: a, role: publisher, outer: true, space: x}
      five: {pattern: a, role: subscriber, waits: true}
      six: {pattern: a, role: publisher, waits: 3}
    entry:
      - join: {pattern: a, role: publisher}
      - publish: {data: 1}
      - leave: j
        topic: x
      - spawn: {name: x}
      - restart: {child: x, from: last-good, input: 1}
      - monitor: 'no address'
    on: {go: {guard: \"present('a//b')\"}, no: {guard: present(1)}}
",
        &[
            (Code::BadValue, "states.a.endpoints.one.pattern segment 2 of the pattern is '>'"),
            (Code::MissingKey, "states.a.endpoints.two the endpoint has no role"),
            (Code::BadValue, "three.role"),
            (Code::BadValue, "states.a.endpoints.four `outer` and `space` both say where"),
            (
                Code::BadValue,
                "states.a.endpoints.five.waits a subscriber publishes nothing that could wait for credit",
            ),
            (Code::WrongType, "states.a.endpoints.six.waits"),
            (Code::MissingKey, "states.a.entry[0].join `name` is missing"),
            (Code::MissingKey, "states.a.entry[1].publish `topic` is missing"),
            (Code::UnknownKey, "topic"),
            (Code::MissingKey, "states.a.entry[3].spawn `src` is missing"),
            (Code::BadValue, "`input` is for `from: initial`"),
            (Code::BadValue, "states.a.entry[5].monitor"),
            (Code::Expression, "segment 2 of the pattern is empty"),
            (Code::Expression, "here stands a pattern, this is int"),
        ],
    );
}

#[test]
fn what_nobody_could_ever_tell_is_a_warning() {
    let with = |endpoint: &str, asked: &str| {
        format!(
            "
name: m
initial: a
states:
  a:
    {endpoint}
    on: {{go: {{guard: \"present({asked})\", target: b}}}}
  b: {{type: final}}
"
        )
    };
    let never = [(Code::NeverPresent, "is ever told of \"w/*/idle\"")];
    finds(&with("description: x", "'w/*/idle'"), &never);
    finds(&with("endpoints: {e: {pattern: v/>, role: publisher}}", "'w/*/idle'"), &never);
    finds(&with("endpoints: {e: {pattern: 'w/${now}/busy', role: publisher}}", "'w/*/idle'"), &[]);
    finds(&with("endpoints: {e: {pattern: 'w${now}', role: publisher}}", "'w/*/idle'"), &[]);
    finds(&with("endpoints: {e: {pattern: w/>, role: publisher}}", "'w/*/idle'"), &[]);
    finds(&with("entry: {join: {name: e, pattern: w/1/idle, role: publisher}}", "'w/*/idle'"), &[]);
    finds(&with("description: x", "'w/' + instance.id"), &[]);
}

#[test]
fn a_chart_that_ends_leaves_the_reason_to_the_kernel() {
    let mut worker = machine(
        "{name: w, initial: a, endpoints: {me: {pattern: w, role: publisher}}, states: {a: {on: {end: b}}, b: {type: final}}}",
    );
    assert!(worker.start("null").starts_with("a | Act(Here, Join"));
    assert_eq!(worker.send("end", "null"), "b | done null");
    let mut turn = everstate_kernel::Turn {
        now: worker.now,
        seed: 1,
        instance: &worker.address,
        version: "v1",
        incarnation: 0,
        parent: None,
        children: &[],
        effects: Vec::new(),
    };
    worker.definition.chart.stop(worker.state.as_ref().expect("started"), &mut turn).expect("it stops");
    assert!(!turn.effects.iter().any(|one| matches!(one, Effect::Act(_, Act::Leave { .. }))));
}
