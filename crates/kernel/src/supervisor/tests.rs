//! Tables: strategies, waits, and what is wrong with plans.

use super::*;
use crate::time::Span;
use alloc::format;
use serde_json::json;

#[test]
fn strategies_concern_neighbours() {
    let table = [
        (Strategy::OneForOne, 0, 1, 0..1),
        (Strategy::OneForOne, 0, 3, 0..1),
        (Strategy::OneForOne, 2, 3, 2..3),
        (Strategy::OneForAll, 0, 1, 0..1),
        (Strategy::OneForAll, 0, 3, 0..3),
        (Strategy::OneForAll, 2, 3, 0..3),
        (Strategy::RestForOne, 0, 1, 0..1),
        (Strategy::RestForOne, 0, 3, 0..3),
        (Strategy::RestForOne, 1, 3, 1..3),
        (Strategy::RestForOne, 2, 3, 2..3),
    ];
    for (strategy, failed, count, expected) in table {
        assert_eq!(strategy.affected(failed, count), expected, "{strategy:?} {failed} of {count}");
    }
}

#[test]
fn waits_double_within_a_bound_and_are_spread_to_both_sides() {
    let exact = Backoff { initial: Span(100), max: Span(1000), jitter: 0 };
    let waits: Vec<u64> = (1..=6).map(|failures| exact.wait(failures, 7).0).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(exact.wait(u32::MAX, 7), Span(1000));
    let spread = Backoff { jitter: 20, ..exact };
    let all: Vec<u64> = (0..1000).map(|seed| spread.wait(1, seed * 7919).0).collect();
    assert_eq!((all.iter().min(), all.iter().max()), (Some(&80), Some(&120)));
    let far = Backoff { initial: Span(u64::MAX), max: Span(u64::MAX), jitter: 0 };
    assert_eq!(far.wait(9, 0), Span(u64::MAX));
}

#[test]
fn lengths_of_time_are_read() {
    let table =
        [("0", 0), ("250", 250), ("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000)];
    for (text, ms) in table {
        assert_eq!(Span::parse(text), Some(Span(ms)), "{text}");
    }
    for text in ["s", "-1", "1x", "1s1h", "99999999999d", "5 minutes", "1.5s"] {
        assert_eq!(Span::parse(text), None, "{text}");
    }
}

/// What is wrong, one line each.
#[track_caller]
fn check(value: serde_json::Value, expected: &[&str]) {
    let errors = Supervisor::from_json(&value).expect_err("it is wrong");
    let lines: Vec<String> = errors.iter().map(|error| format!("{error}")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_plan_is_read_with_its_defaults() {
    let value = json!({
        "type": "supervisor", "name": "shop", "strategy": "rest_for_one", "intensity": 3, "period": "10s",
        "backoff": {"initial": 50, "max": "1m"},
        "children": [
            {"name": "ledger", "kind": "ledgers", "version": "v2", "id": "main", "data": {"currency": "EUR"},
             "from": "last-good", "ready": true, "start_deadline": "30s"},
            {"kind": "clerks", "restart": "transient", "stop_deadline": 1},
        ],
    });
    let supervisor = Supervisor::from_json(&value).expect("it is right");
    let plan = supervisor.plan();
    assert_eq!((plan.strategy, plan.intensity, plan.period), (Strategy::RestForOne, 3, Span(10_000)));
    assert_eq!(plan.backoff, Backoff { initial: Span(50), max: Span(60_000), jitter: 20 });
    let [ledger, clerk] = &plan.children[..] else { panic!("two children") };
    assert_eq!((&*ledger.name, ledger.data.as_str()), ("ledger", "{\"currency\":\"EUR\"}"));
    assert!(ledger.ready && ledger.from_last_good && ledger.start_deadline == Span(30_000));
    assert_eq!((&*clerk.name, clerk.restart, clerk.stop_deadline), ("clerks", Restart::Transient, Span(1)));
    assert_eq!((clerk.id.as_deref(), clerk.data.is_null(), clerk.ready), (None, true, false));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    check(json!({}), &["children: a supervisor has a list of children"]);
    check(
        json!("text"),
        &[": it is \"text\"; write a map of fields", "children: a supervisor has a list of children"],
    );
    check(
        json!({
            "strategy": "one_for_none", "intensity": -1, "period": "soon", "backoff": {"jitter": 101, "factor": 2},
            "childs": [], "children": [],
        }),
        &[
            "childs: there is no such field; the fields are strategy, intensity, period, backoff, children, name, \
             version, type, create, durability, retain, retry, park, description, title, $schema",
            "strategy: it is \"one_for_none\"; write one of one_for_one, one_for_all, rest_for_one",
            "backoff.factor: there is no such field; the fields are initial, max, jitter",
            "backoff.jitter: it is 101; write a whole number from 0 to 100",
            "intensity: it is -1; write a whole number from 0 to 4294967295",
            "period: it is \"soon\"; write milliseconds, or such as 250ms, 30s, 5m, 1h30m",
        ],
    );
}

#[test]
fn children_that_cannot_be_are_told_by_their_place() {
    check(
        json!({"name": "shop", "children": [
            {"kind": "shop"},
            {"name": "a", "kind": "pots", "id": "1"},
            {"name": "a", "kind": "pots", "id": "1", "restart": "often"},
            {"kind": "no name", "id": "1/2", "ready": "yes"},
            {"name": 7},
            5,
        ]}),
        &[
            "children.0.kind: a supervisor cannot have itself as a child: it would begin for ever",
            "children.2.restart: it is \"often\"; write one of permanent, transient, temporary",
            "children.2.name: there is another child named \"a\"",
            "children.2.id: another child has this kind and id; an address is one instance",
            "children.3.kind: the kind is not a name: \"no name\"; use letters, digits, '_', '-' and single '.', \
             starting with a letter",
            "children.3.id: the kind is not a name: \"no name\"; use letters, digits, '_', '-' and single '.', \
             starting with a letter",
            "children.3.ready: it is \"yes\"; write true or false",
            "children.4.kind: it is missing; write a text",
            "children.4.name: it is 7; write a text",
            "children.5: it is 5; write a map of fields",
            "children.5.kind: it is missing; write a text",
        ],
    );
}

#[test]
fn a_state_of_another_plan_is_a_fault() {
    let plan = |count: usize| {
        let children: Vec<_> = (0..count).map(|n| json!({"kind": format!("k{n}")})).collect();
        Supervisor::from_json(&json!({"children": children})).expect("it is right")
    };
    let (one, two) = (plan(1), plan(2));
    let state: State = Arc::new(Standing::new(1));
    assert!(one.decode(&one.encode(&state)).is_ok());
    assert_eq!(two.decode(&one.encode(&state)).expect_err("another plan").code, FaultCode::State);
    assert_eq!(one.decode(b"{").expect_err("no state").code, FaultCode::State);
}
