//! What comes from outside is explored to the end: tasks and their workers, sessions, behaviours that are replaced; and
//! machines that are restarted.

#![allow(missing_docs)]

use everstate_sim::{Report, System, Trace, explore, replay};

#[track_caller]
fn system(text: &str) -> System {
    System::parse(text).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Complete, with so many worlds and ends.
#[track_caller]
fn complete(text: &str) -> (usize, usize) {
    let report = explore(&system(text));
    report.assert();
    (report.worlds, report.ends)
}

#[track_caller]
fn broken(text: &str) -> (String, Report) {
    let report = explore(&system(text));
    let violation = report.violation.clone().unwrap_or_else(|| panic!("{report:?}"));
    (violation.property().to_owned(), report)
}

const PAYMENT: &str = "
definitions:
  - name: order
    context: {receipts: 0}
    initial: charging
    states:
      charging:
        invoke:
          task: charge
          id: charge
          timeout: 30s
          heartbeat: 5s
          onDone: {target: paid, actions: {assign: {receipts: context.receipts + 1}}}
          onError: [{guard: event.reason == 'failed', target: refused}, {target: charging, reenter: true}]
        on: {cancel: cancelled}
      paid: {type: final}
      refused: {on: {again: charging}}
      cancelled: {type: final}
cast: {order: order/1}
environment: [{to: order, event: cancel}, {to: order, event: again, times: 2}]
";

#[test]
fn a_task_ends_in_every_way_that_is_listed() {
    let done = format!("{PAYMENT}tasks: {{charge: [{{done: {{}}}}]}}\n");
    assert_eq!(complete(&format!("{done}properties: [{{eventually: order.ended}}]")), (12, 9));
    let all = "
tasks:
  charge:
    - {done: {}}
    - {failed: declined, times: 2}
    - {timeout: true, times: 1}
    - {silence: true, times: 1}
faults: {duplicates: 1}
";
    let held = "properties: [{always: order.context.receipts <= 1}, {reachable: in('order.refused')}]";
    assert_eq!(complete(&format!("{PAYMENT}{all}{held}")), (474, 212));
    let (property, report) =
        broken(&format!("{PAYMENT}{all}properties: [{{name: it ends, eventually: order.ended}}]"));
    assert_eq!(property, "it ends", "a failure may be the last word");
    let trace = report.violation.unwrap().trace;
    assert_eq!(trace.steps.len(), 1);
    assert_eq!(Trace::read(&trace.write()).unwrap(), trace);
}

#[test]
fn a_task_of_which_nothing_is_said_stays_where_it_is() {
    let report = explore(&system(PAYMENT));
    assert_eq!(report.bounds.len(), 1);
    assert!(report.bounds[0].contains("of the queue charge"), "{:?}", report.bounds);
}

/// The result of a task that was cancelled and asked for anew does not count for the new one.
#[test]
fn what_is_said_late_changes_nothing() {
    let text = "
definitions:
  - name: m
    context: {results: []}
    initial: a
    states:
      a: {invoke: {task: q, id: t, onDone: {target: b, actions: {assign: {results: 'context.results + [event]'}}}}}
      b: {on: {again: a}}
cast: {m: m/1}
environment: [{to: m, event: again, times: 2}]
tasks: {q: [{done: 1}, {done: 2}]}
faults: {duplicates: 2}
properties: [{always: size(m.context.results) <= 3}]
";
    let with = complete(text);
    let without = complete(&text.replace("faults: {duplicates: 2}", ""));
    assert_eq!((with, without), ((183, 60), (33, 22)));
}

const DESK: &str = "
definitions:
  - name: clerk
    context: {printers: 0}
    initial: here
    states:
      here:
        endpoints: {desk: {pattern: print/>, role: publisher}}
        on:
          space.presence.desk: {actions: {assign: {printers: context.printers + 1}}}
          space.absence.desk: {actions: {assign: {printers: context.printers - 1}}}
cast: {clerk: clerk/1, printer: {is: session/printer, data: {}}}
first: [{from: p, to: printer, acts: [{join: {name: me, pattern: print/a, role: subscriber}}]}]
";

#[test]
fn a_session_that_falls_silent_is_missed_and_may_come_back() {
    let once = "properties: [{eventually: clerk.context.printers == 1}]";
    // Two ends: the space knows who came first.
    assert_eq!(complete(&format!("{DESK}{once}")), (13, 2));
    let silent = format!(
        "{DESK}faults: {{silences: 1}}\nproperties: [{{always: 'clerk.context.printers in [0, 1]'}}, {{never: printer.ended && clerk.context.printers < 0}}]"
    );
    assert_eq!(complete(&silent), (17, 2));
    let back = silent
        .replace("silences: 1", "silences: 1, reconnections: 1")
        .replace("first:", "environment: [{to: printer, acts: [{join: {name: me, pattern: print/b, role: subscriber}}]}]\nfirst:");
    assert_eq!(complete(&back), (400, 18));
    let (property, _) = broken(&format!("{DESK}faults: {{silences: 1}}\n{once}"));
    assert!(property.starts_with("eventually"));
}

const SHOP: &str = "
definitions:
  - name: order
    initial: paying
    states:
      paying:
        entry: {send: {to: payment/1, event: charge, data: {amount: 3}}}
        on: {reply.charge: paid, declined: refused, error.communication: refused}
      paid: {type: final}
      refused: {type: final}
replace:
  payment:
    charge:
      - {reply: {ok: true}}
      - {send: {to: '#_sender', event: declined}}
      - {refuse: no money}
      - nothing
cast: {order: order/1}
properties: [{reachable: in('order.paid')}, {reachable: in('order.refused')}]
";

#[test]
fn a_service_answers_whatever_it_may_answer() {
    let allowed = "expect: {dead-letters: allowed}\n";
    assert_eq!(complete(&format!("{SHOP}{allowed}")), (7, 3));
    let it_ends =
        SHOP.replace("properties: [", "properties: [{name: it ends, eventually: order.ended}, ") + allowed;
    let (property, report) = broken(&it_ends);
    assert_eq!(property, "it ends");
    let violation = report.violation.unwrap();
    let read = Trace::read(&violation.trace.write()).unwrap();
    assert_eq!((read.steps.len(), &read), (1, &violation.trace));
    assert!(replay(&system(&it_ends), &read).unwrap().is_some());
    let always = it_ends.replace("      - nothing\n", "");
    assert_eq!(complete(&always), (6, 2));
    let problem = replay(&system(&always), &read).unwrap_err();
    assert!(problem.contains("may do only 3 things"), "{problem}");
}

/// One instance of a kind is replaced, the others are what they are.
#[test]
fn one_instance_is_replaced_and_its_brother_is_not() {
    let text = "
definitions:
  - {name: m, context: {n: 0}, initial: a, states: {a: {on: {ping: {actions: {send: {to: m/2, event: pong}}}, pong: {actions: {assign: {n: context.n + 1}}}}}}}
replace: {m/2: {pong: [{send: {to: '#_sender', event: pong}}, nothing]}}
cast: {one: m/1, two: m/2}
first: [{to: one, event: ping}]
properties: [{reachable: one.context.n == 1}, {always: one.context.n <= 1}]
";
    assert_eq!(complete(text), (5, 2));
}

/// A child that is restarted while what it has written to its parent is on the way.
#[test]
fn what_an_earlier_incarnation_has_sent_is_refused() {
    let text = "
definitions:
  - name: parent
    context: {heard: [], started: 0}
    initial: home
    states:
      home:
        entry: {spawn: {name: a, src: child, id: a}}
        on:
          child.started.a: {actions: {assign: {started: event.incarnation}}}
          anew: {actions: [{restart: a}, {assign: {heard: '[]'}}]}
          bye: {actions: {assign: {heard: 'context.heard + [event.life]'}}}
  - name: child
    initial: awake
    states:
      awake: {on: {go: {actions: {send: {to: '#_parent', event: bye, data: {life: instance.incarnation}}}}}}
cast: {p: parent/1, a: {is: child/a, start: false}}
environment: [{to: p, event: anew, times: 1}, {to: a, event: go, times: 2}]
properties:
  - {name: nothing old is heard, always: 'p.context.started < 2 || p.context.heard.all(life, life == 2)'}
  - {reachable: 'p.context.heard == [2, 2]'}
expect: {refusals: allowed, dead-letters: allowed}
";
    assert_eq!(complete(text), (83, 12));
}
