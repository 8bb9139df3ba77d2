//! Small documents, and what a trace shows of them.

use super::answer;

#[track_caller]
fn check(scxml: &str, events: &str, expected: &str) {
    let line = serde_json::json!({
        "id": 1,
        "scxml": scxml,
        "events": serde_json::from_str::<serde_json::Value>(events).expect("JSON"),
    });
    let actual: serde_json::Value = serde_json::from_str(&answer(&line.to_string())).expect("JSON");
    let mut lines = Vec::new();
    for step in actual["trace"].as_array().unwrap_or_else(|| panic!("{actual}")) {
        let text = |key: &str| {
            let words: Vec<&str> =
                step[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
            words.join(" ")
        };
        let event = step["event"].as_str().unwrap_or("-");
        lines.push(format!("{event}: {} | {}", text("configuration"), text("log")).trim().to_owned());
    }
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(lines, expected, "{actual}");
}

#[test]
fn a_machine_is_seen_from_its_start_to_its_end() {
    check(
        r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="cel" initial="a">
             <datamodel><data id="n" expr="1"/></datamodel>
             <parallel id="p"><state id="a"><onentry><log expr="'in a'"/></onentry>
               <transition event="go" target="z"/>
               <transition event="later"><send event="tick" delay="1s" id="t"/><assign location="n" expr="n + 1"/></transition>
               <transition event="tick"><log label="n" expr="n"/></transition></state>
               <state id="b"/></parallel>
             <final id="z"><onentry><log label="end"/></onentry></final>
           </scxml>"#,
        r#"[{"event": "later"}, {"advance": 999}, {"advance": 1}, {"event": "what"}, {"event": "go.now"}, {"event": "x"}]"#,
        "-: a b p | in a
         later: a b p |
         @+999: a b p |
         @+1: a b p | n: 2
         what: a b p |
         go.now:  | end
         x:  |",
    );
}

#[test]
fn what_cannot_be_traced_is_told() {
    let line = |scxml: &str| answer(&serde_json::json!({"id": "x", "scxml": scxml}).to_string());
    for (scxml, part) in [
        ("<scxml datamodel='ecmascript'><state/></scxml>", "\"unsupported\""),
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><scxml>&e;</scxml>", "\"unsupported\""),
        ("<scxml><state id='a'><transition target='a'/></state></scxml>", "\"stuck\""),
        (
            "<scxml><state id='a'><onentry><send event='e'/></onentry><transition event='e' target='a'/></state></scxml>",
            "\"stuck\"",
        ),
        (
            "<scxml><state id='a'><onentry><raise event='e'/></onentry><transition event='e' target='a'/></state></scxml>",
            "\"stuck\"",
        ),
        ("<scxml><state id='a'><transition event='e' target='b'/></state></scxml>", "\"error\""),
        ("<scxml>", "\"error\""),
        ("name: x", "\"error\""),
    ] {
        let answer = line(scxml);
        assert!(answer.contains(part) && answer.contains("\"id\":\"x\""), "{scxml}: {answer}");
    }
    assert!(answer("nonsense").contains("\"error\""));
}

/// Runs a native machine with others that it can invoke; answers labels and log for each step.
#[track_caller]
fn native(main: &str, others: &[(&str, &str)], events: &[&str]) -> Vec<String> {
    let mut machine = super::Machine::new(main, true).expect("a machine");
    for (name, text) in others {
        machine.define(name, text).expect("another machine");
    }
    let mut lines = Vec::new();
    let step = machine.start().expect("it starts");
    lines.push(format!("{} | {}", machine.labels().join(" "), step.log.join(" ")).trim().to_owned());
    for event in events {
        let (name, data) = event.split_once(' ').unwrap_or((event, "null"));
        let data = everstate_kernel::Json::parse(data).expect("JSON");
        let stimulus = match name.strip_prefix("@+") {
            Some(span) => super::Stimulus::Advance(span.parse().expect("milliseconds")),
            None => super::Stimulus::Event(name.into(), data),
        };
        let step = machine.step(stimulus).expect("a step");
        lines.push(format!("{} | {}", machine.labels().join(" "), step.log.join(" ")).trim().to_owned());
    }
    lines
}

const PARENT: &str = "
name: parent
initial: idle
context: {got: null}
states:
  idle: {on: {go: busy, missing: lost}}
  busy:
    invoke:
      src: worker
      id: w
      input: {n: 20}
      onDone: {target: idle, actions: {log: 'done ${event.sum}'}}
      onError: {target: failed, actions: {log: error}}
    on:
      more: {actions: {send: {event: add, to: '#_w', data: {n: 1}}}}
      stop: idle
      progress: {actions: {log: 'at ${event.sum}'}}
  lost: {invoke: {src: nobody, onError: failed}}
  failed: {type: final}
";

const WORKER: &str = "
name: worker
initial: on
context: {n: 0, sum: 0}
states:
  on:
    entry: {log: 'begins with ${context.n}'}
    exit: [{log: bye}, {send: {event: progress, to: '#_parent', data: {sum: 0}}}]
    on:
      add:
        - {guard: context.sum > 0, target: off}
        - actions:
            - assign: {sum: context.sum + context.n + event.n}
            - send: {event: progress, to: '#_parent', data: {sum: context.sum}}
  off: {type: final, output: {sum: context.sum}}
";

#[test]
fn a_native_machine_invokes_others_and_hears_of_their_end() {
    let lines = native(PARENT, &[("worker", WORKER)], &["go", "more", "more", "go", "stop", "missing"]);
    assert_eq!(
        lines,
        [
            "idle |",
            "busy | begins with 20",
            "busy | at 21",
            "idle | bye at 0 done 21",
            "busy | begins with 20",
            "idle | bye",
            "failed |",
        ]
    );
}

#[test]
fn a_machine_that_invokes_itself_comes_to_an_end() {
    let text = "name: m\ninitial: a\nstates: {a: {invoke: {src: m, onError: b}}, b: {type: final}}";
    let lines = native(text, &[], &["@+1"]);
    assert_eq!(lines, ["a |", "a |"]);
}
