//! Tasks in definitions: what is wrong with one is told where it stands, and one that was read is written as it was.

#![allow(missing_docs)]

use everstate_chart::read;
use everstate_chart::write::{Notation, write};

fn problems(invoke: &str) -> Vec<String> {
    let text = format!("name: m\ninitial: a\nstates:\n  a:\n    invoke: {invoke}\n    on: {{x: a}}\n");
    let read = read("machine.yaml", &text);
    read.findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

#[test]
fn what_is_wrong_is_told() {
    for (invoke, problem) in [
        ("{}", "states.a.invoke[0]: nothing is named that could be invoked"),
        ("{src: m, task: q}", "states.a.invoke[0].src: \"src\" is of machines, and this is a task"),
        (
            "{src: m, timeout: 3s}",
            "states.a.invoke[0].timeout: \"timeout\" is of tasks, and this invokes a machine",
        ),
        (
            "{task: q, autoForward: true}",
            "states.a.invoke[0].autoForward: \"autoForward\" is of machines, and this is a task",
        ),
        ("{task: 'a b'}", "states.a.invoke[0].task: the name of a queue of tasks is not usable"),
        ("{task: q, timeout: 0}", "states.a.invoke[0]: the timeout of a task is 0; give it some time"),
        ("{task: q, timeout: soon}", "states.a.invoke[0].timeout: "),
        (
            "{task: q, retry: {attempts: 0}}",
            "states.a.invoke[0].retry.attempts: attempts must be 1 to 1000000, this is 0",
        ),
        (
            "{task: q, http: {url: 'http://a'}}",
            "states.a.invoke[0]: the task is a request and for the queue \"q\"",
        ),
        ("{http: {}}", "states.a.invoke[0].http: the request goes nowhere"),
        ("{http: {url: 'ftp://a'}}", "states.a.invoke[0].http.url: this is no URL"),
        ("{http: {url: 'http://a', method: LOOK}}", "states.a.invoke[0].http.method: method must be one of"),
        (
            "[{task: q, id: x}, {task: q, id: x}]",
            "states.a.invoke[1]: the state invokes two machines or tasks",
        ),
    ] {
        let found = problems(invoke);
        assert!(found.iter().any(|one| one.starts_with(problem)), "{invoke}: {found:#?}");
    }
}

/// A task that an action asks for has the same keys, and none that ties it to a state.
#[test]
fn what_is_wrong_with_the_task_of_an_action_is_told() {
    let problems = |task: &str| {
        let text =
            format!("name: m\ninitial: a\nstates:\n  a:\n    on: {{x: {{actions: {{task: {task}}}}}}}\n");
        let found = read("machine.yaml", &text).findings;
        found.iter().map(|one| format!("{}: {}", one.path, one.message)).collect::<Vec<_>>()
    };
    let place = "states.a.on.x.actions.task";
    for (task, problem) in [
        ("{}", ": nothing says who could do the task"),
        ("{id: x}", ": nothing says who could do the task"),
        ("{queue: 'a b'}", ".queue: the name of a queue of tasks is not usable"),
        ("{queue: q, http: {url: 'http://a'}}", ": the task is a request and for the queue \"q\""),
        ("{queue: q, id: ''}", ".id: the id of a task is 1 to "),
        ("{queue: q, timeout: 0}", ": the timeout of a task is 0; give it some time"),
        ("{queue: q, retry: {attempts: 0}}", ".retry.attempts: attempts must be 1 to 1000000, this is 0"),
        ("{queue: q, onDone: a}", ".onDone: "),
        ("{http: {}}", ".http: the request goes nowhere"),
    ] {
        let (found, problem) = (problems(task), format!("{place}{problem}"));
        assert!(found.iter().any(|one| one.starts_with(&problem)), "{task}: {problem}: {found:#?}");
    }
    assert_eq!(problems("{queue: q}"), Vec::<String>::new());
}

#[test]
fn what_was_read_is_written_as_it_was() {
    let text = r#"name: payments
version: v1
context:
  amount: 7
states:
  charging:
    invoke:
      - task: charge-card
        id: charge
        input:
          amount: context.amount
        retry: {attempts: 2, backoff: 1s, max: 1m}
        timeout: 30s
        deadline: 1h
        heartbeat: 5s
        onDone: paid
        onError: refused
      - http:
          url: https://pay.example/charges/${context.amount}
          method: PUT
          headers: {x-tenant: a}
  paid: {type: final}
  refused: {type: final}
initial: charging
"#;
    let first = read("machine.yaml", text).definition.expect("a definition");
    let written = write(&first, Notation::Yaml);
    assert!(written.losses.is_empty(), "{:?}", written.losses);
    let second = read("machine.yaml", &written.text).definition.expect("a definition");
    assert_eq!(write(&second, Notation::Yaml).text, written.text);
    for part in [
        "task: charge-card",
        "deadline: '1h'",
        "heartbeat: '5s'",
        "attempts: 2",
        "method: PUT",
        "done.task.charge",
        "error.task.charge",
        "x-tenant",
    ] {
        assert!(written.text.contains(part), "{part}\n{}", written.text);
    }
    let scxml = write(&first, Notation::Scxml);
    assert!(scxml.losses.iter().any(|loss| loss.what.contains("a task (charge)")), "{:?}", scxml.losses);
}
