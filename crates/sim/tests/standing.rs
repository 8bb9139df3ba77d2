//! Systems that begin where live instances stand, as `everstate snapshot` writes them; and such files edited by hand.

#![allow(missing_docs)]

use everstate_sim::{Cohort, Happening, System, explore};

const WORLD: &str = r#"definitions:
  - text: |2
      name: orders
      context: {total: 0, note: null, log: []}
      initial: open
      states:
        open:
          entry: {send: {to: nobody/1, event: opened}}
          after: {30m: late}
          on: {pay: paying}
        late: {on: {pay: paying}}
        paying:
          invoke: {task: charge, id: charge, onDone: paid, onError: {target: late, actions: {assign: {note: event.code}}}}
          after: {1h: {actions: {assign: {log: 'context.log + ["slow"]'}}}}
          on: {remind: {actions: {assign: {log: 'context.log + [event.n]'}}}}
        paid: {type: final}
cast:
  order:
    is: orders/42
    as:
      version: v1
      states: [paying]
      context: {"total": 12.5, "note": "a \"word\"", "log": [1, null, {"a": -3}]}
      timers:
        - {name: after.1h.paying, left: 4m, event: after.1h.paying}
        - {name: reminder, left: 5m, event: remind, data: {n: 7}}
tasks: {charge: [{done: {}}, {failed: declined, times: 1}]}
"#;

#[test]
fn what_can_happen_from_here_is_explored() {
    let properties = "properties:
  - {always: 'order.context.total == 12.5'}
  - {reachable: \"in('order.paid')\"}
  - {reachable: \"in('order.late') && order.context.note == 'declined'\"}
  - {reachable: \"order.context.log == [1, null, {'a': -3}, 'slow', 7]\"}
  - {never: \"order.context.log == [1, null, {'a': -3}, 7]\"}
";
    let system = System::parse(&format!("{WORLD}{properties}")).unwrap_or_else(|problem| panic!("{problem}"));
    let report = explore(&system);
    report.assert();
    // Paying, paid and late, before the first timer, after it and after both; what is late keeps the reminder alone.
    assert_eq!((report.worlds, report.ends), (11, 6));
    let summary = Cohort { seed: 1, runs: 50, threads: 2 }.run(&system).unwrap();
    assert_eq!((summary.runs, summary.failed.len()), (50, 0));
    let broken = format!("{WORLD}properties: [{{never: \"in('order.paid')\"}}]\n");
    let violation = explore(&System::parse(&broken).unwrap()).violation.unwrap();
    assert!(matches!(&violation.trace.steps[..], [Happening::Answer { .. }]), "{}", violation.story());
    assert!(violation.story().contains("at the beginning: orders/42 in paying\n"), "{}", violation.story());
}

/// Every finding as `line:column message`.
fn findings(text: &str) -> Vec<String> {
    let read = System::read("world.yaml", text, &|path| Err(format!("cannot read {path}")));
    assert_eq!(read.system.is_none(), !read.findings.is_empty());
    let line = |(_, _, finding): &(_, _, everstate_chart::Finding)| {
        let hint = finding.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", finding.line, finding.column, finding.message)
    };
    read.findings.iter().map(line).collect()
}

#[test]
fn a_world_file_edited_by_hand_is_told_with_its_places() {
    let told = |from: &str, to: &str, wanted: &[&str]| {
        assert!(WORLD.contains(from));
        assert_eq!(findings(&WORLD.replace(from, to)), wanted, "{from} -> {to}");
    };
    told(
        "states: [paying]",
        "states: [payin]",
        &["22:16 payin: there is no such state; did you mean \"paying\"?"],
    );
    told(
        "version: v1",
        "version: v7",
        &["21:16 there is no chart orders:v7 under `definitions` (only a chart can stand somewhere)"],
    );
    told(
        "left: 4m",
        "left: soon",
        &["25:41 not a length of time: \"soon\"; write milliseconds, or such as 250ms, 30s, 5m, 1h30m, 2d"],
    );
    told(
        "name: reminder",
        "name: after.1h.paying",
        &["26:11 timer \"after.1h.paying\" is there twice (leave one of them out)"],
    );
    told(
        ", left: 5m",
        "",
        &[
            "26:11 a timer needs `name` and `left` (write {name: NAME, left: 5m, event: NAME}; without `event`, that of its name)",
        ],
    );
    told(
        "      version: v1\n",
        "      versoin: v1\n",
        &["21:7 where it stands has no key \"versoin\" (the keys are version, states, context, timers)"],
    );
    told(
        "states: [paying]",
        "states: [paying, late]",
        &["22:16 paying: it cannot be active together with \"late\""],
    );
    told(
        "is: orders/42",
        "is: order/42",
        &["19:9 there is no definition \"order\" (the definitions are orders)"],
    );
}
