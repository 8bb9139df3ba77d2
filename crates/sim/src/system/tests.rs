//! System files: what is read, and what is told of bad ones.

use super::System;

const DOORS: &str = "
definitions:
  - name: door
    context: {opened: 0}
    initial: closed
    states:
      closed: {on: {open: ajar.half}}
      ajar:
        initial: half
        states: {half: {on: {open: full}}, full: {}}
        on: {close: closed}
cast: {front: door/front, back: {is: door/back, data: {opened: 3}}}
";

/// Every finding as `line:column message`, with its hint.
fn findings(text: &str) -> Vec<String> {
    let read = System::read("s.yaml", text, &|path| Err(format!("cannot read {path}: no such file")));
    assert_eq!(read.system.is_none(), !read.findings.is_empty());
    let line = |(_, _, finding): &(_, _, everstate_chart::Finding)| {
        let hint = finding.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", finding.line, finding.column, finding.message)
    };
    read.findings.iter().map(line).collect()
}

#[track_caller]
fn told(more: &str, wanted: &[&str]) {
    assert_eq!(findings(&format!("{DOORS}{more}")), wanted);
}

#[test]
fn a_property_that_names_nothing_that_exists_is_told_with_its_place() {
    told(
        "properties:\n  - never: in('front.ajra')\n",
        &["14:15 front has no state \"ajra\" (did you mean in('front.ajar')?)"],
    );
    told(
        "properties:\n  - never: in('side.closed')\n",
        &[
            "14:15 no member of the cast is meant by \"side.closed\" (write in('MEMBER.STATE'), with a member of the cast: front, back)",
        ],
    );
    let wrong = findings(&format!("{DOORS}properties:\n  - always: front.context.opend < 9\n"));
    assert!(wrong[0].starts_with("14:") && wrong[0].contains("opend"), "{wrong:?}");
    let wrong = findings(&format!("{DOORS}properties:\n  - always: side.ended\n"));
    assert!(wrong[0].starts_with("14:13") && wrong[0].contains("side"), "{wrong:?}");
    told(
        "properties:\n  - always: 1 + 1 == 2\n",
        &[
            "14:13 the condition names no member of the cast, so it says nothing of the system (the cast has front, back)",
        ],
    );
    told("properties:\n  - always: front.context.opened > 0\n", &[]);
    told(
        "properties:\n  - always: front.context.opened\n",
        &["14:13 a condition is true or false, this never is"],
    );
    let wrong = findings(&format!("{DOORS}properties:\n  - always: front.states\n"));
    assert_eq!(wrong, ["14:13 a condition is true or false, this never is"]);
}

#[test]
fn what_cannot_be_is_told() {
    told(
        "environment: []\n",
        &["13:14 the environment has no events (list events, or leave `environment` out)"],
    );
    told(
        "environment: [{to: front, event: opne}]\n",
        &["13:34 no state of door takes an event \"opne\" (did you mean open?)"],
    );
    told(
        "environment: [{to: fornt, event: open}]\n",
        &["13:20 no member of the cast is called \"fornt\" (the cast has front, back)"],
    );
    told(
        "environment: [{to: front, event: open, times: 0}]\n",
        &["13:47 `times` is a whole number from 1 to 200 (leave it out for none)"],
    );
    told(
        "faults: {losses: 1}\n",
        &[
            "13:9 nothing can be lost or doubled: events between machines arrive exactly once (declare the ways where it can happen under `links`, or events of clients under `first`)",
        ],
    );
    told(
        "faults: {clock_step: 1h}\n",
        &[
            "13:9 `clock_steps` and `clock_step` belong together (write both, such as {clock_steps: 1, clock_step: 1h})",
        ],
    );
    told(
        "expect: {idempotent: true}\n",
        &["13:9 `idempotent` says nothing without duplicates (write `faults: {duplicates: 1}`)"],
    );
    told(
        "propertys: []\n",
        &[
            "13:1 a system has no key \"propertys\" (the keys are name, description, definitions, replace, cast, first, environment, links, tasks, faults, timers, properties, expect, mailbox_max, symmetric)",
        ],
    );
    assert_eq!(
        findings("definitions: [doors.yaml]\ncast: {}\n"),
        ["1:15 cannot read doors.yaml: no such file (paths count from the folder of the system file)"]
    );
    assert_eq!(
        findings("cast: {}\n")[0],
        "1:1 the system has no definitions (list files or definitions under `definitions`)"
    );
}

const OUTSIDE: &str = "
definitions:
  - {name: m, initial: a, states: {a: {invoke: {task: charge, onDone: b}, on: {go: a}}, b: {}}}
cast: {m: m/1, printer: session/printer}
";

#[track_caller]
fn told_outside(more: &str, wanted: &[&str]) {
    assert_eq!(findings(&format!("{OUTSIDE}{more}")), wanted);
}

#[test]
fn what_cannot_come_from_outside_is_told() {
    told_outside("tasks: {charge: [{done: {}}, {failed: no, times: 2}], '*': [{timeout: true}]}\n", &[]);
    told_outside(
        "tasks: {chagre: [{done: {}}]}\n",
        &["5:9 no definition asks for tasks of a queue \"chagre\""],
    );
    told_outside(
        "tasks: {charge: []}\n",
        &["5:17 a task of this queue never ends (write at least one, such as {done: {}})"],
    );
    told_outside(
        "tasks: {charge: [{done: {}, failed: no}]}\n",
        &[
            "5:18 an answer ends a task in one way (write one of done: DATA, failed: CODE, timeout: true, silence: true)",
        ],
    );
    told_outside(
        "tasks: {charge: [{failed: no, times: 0}]}\n",
        &["5:38 `times` is a whole number from 1 to 200 (leave it out for none)"],
    );
    told_outside(
        "tasks: {charge: [{failed: no}, {failed: no}]}\n",
        &["5:32 this answer is there twice (leave one of them out)"],
    );
    told_outside("faults: {silences: 1, reconnections: 1}\n", &[]);
    told_outside(
        "faults: {reconnections: 1}\n",
        &["5:9 a session is begun anew only after it was silent (write `silences: 1` as well)"],
    );
    told(
        "faults: {silences: 1}\n",
        &[
            "13:9 no session can fall silent: there is none in the cast (add one to the cast, such as printer: session/printer)",
        ],
    );
    told_outside(
        "first: [{to: m, acts: []}]\n",
        &["5:23 m/1 is no session, so it has no `acts` (write `event` and `data`)"],
    );
    let wrong = findings(&format!("{OUTSIDE}first: [{{to: printer, acts: [{{jump: {{}}}}]}}]\n"));
    assert!(wrong[0].starts_with("5:29 ") && wrong[0].contains("jump"), "{wrong:?}");
    told_outside("first: [{to: printer, acts: [{leave: {name: me}}]}]\n", &[]);
    told_outside(
        "first: [{to: m, event: go, from: ~worker}]\n",
        &["5:9 a client is not called \"~worker\" ('~' marks what is Everstate's own)"],
    );
}

#[test]
fn what_cannot_stand_in_for_a_machine_is_told() {
    told_outside(
        "replace: {m: {go: [nothing, {reply: 1}]}, other/1: {'*': [{send: {to: '#_sender', event: x}}]}}\n",
        &[],
    );
    told_outside(
        "replace: {m: {go: []}}\n",
        &[
            "5:19 nothing may be done, not even nothing (write at least one, such as nothing or {reply: DATA})",
        ],
    );
    told_outside(
        "replace: {m: {go: [{refuse: no, reply: 1}]}}\n",
        &["5:20 what refuses an event does nothing else about it (write two reactions)"],
    );
    told_outside(
        "replace: {m: {go: [{rely: 1}]}}\n",
        &["5:21 a reaction has no key \"rely\" (the keys are reply, refuse, send)"],
    );
    told_outside(
        "replace: {m: {go: [{send: {to: n, event: x}}]}}\n",
        &["5:32 no member of the cast is called \"n\" (the cast has m, printer)"],
    );
    told_outside(
        "replace: {m/1: {}, m/1: {}}\n",
        &["5:20 \"m/1\" is replaced twice (leave one of them out)"],
    );
}

#[test]
fn findings_in_a_definition_have_their_place_in_the_system_file() {
    let wrong = DOORS.replace("open: full", "open: fulll");
    assert_eq!(findings(&wrong).len(), 1);
    assert!(findings(&wrong)[0].starts_with("10:36 "), "{:?}", findings(&wrong));
}
