use super::{
    ago, bytes, count, dead_letters, definitions, explanation, follow_line, history, instance, instances,
    outcome, put, snapshot_line, status,
};
use crate::paint::Paint;
use buffa_types::google::protobuf::Value;
use everstate_client::api::explain_instance_response::{Guarded, Retry, Verdict};
use everstate_client::api::outcome::Code;
use everstate_client::{api, millis, timestamp, value};
use serde_json::json;

const PLAIN: Paint = Paint(false);

fn now() -> i64 {
    millis(&timestamp("2026-11-22T02:09:10Z").unwrap())
}

fn data(json: serde_json::Value) -> Value {
    value(&json).unwrap()
}

fn order() -> api::Instance {
    api::Instance {
        address: "orders/42".into(),
        version: "v1".into(),
        states: vec!["open.unpaid".into(), "open.packing".into()],
        context: data(json!({"amount": 20})).into(),
        created_time: timestamp("2026-11-22T02:00:00Z").into(),
        last_event_time: timestamp("2026-11-22T02:09:08.500Z").into(),
        turns: 3,
        incarnation: 1,
        timers: vec![
            api::Timer {
                name: "expire".into(),
                due_time: timestamp("2026-11-22T02:39:10Z").into(),
                event: "expired".into(),
                ..Default::default()
            },
            api::Timer {
                name: "remind".into(),
                due_time: timestamp("2026-11-22T02:09:00Z").into(),
                to: "mails/7".into(),
                ..Default::default()
            },
        ],
        waiting_events: 2,
        ..Default::default()
    }
}

#[test]
fn an_instance_in_full() {
    insta::assert_snapshot!(instance(&order(), now(), PLAIN), @r#"
    orders/42
    state       open.unpaid, open.packing
    version     v1
    context     {"amount":20}
    timers      expire  in 30 min
                remind  10 s ago (late), to mails/7
    mailbox     2 waiting events
    turns       3
    created     2026-11-22 02:00:00 UTC (9 min ago)
    last event  2026-11-22 02:09:08 UTC (1 s ago)
    "#);
}

#[test]
fn an_instance_at_its_end() {
    let done = api::Instance {
        done: true,
        output: data(
            json!({"receipt": "a long line of text that needs more room than one line has", "n": 1}),
        )
        .into(),
        states: vec!["paid".into()],
        timers: vec![],
        waiting_events: 0,
        context: data(json!({})).into(),
        ..order()
    };
    insta::assert_snapshot!(instance(&done, now(), PLAIN), @r#"
    orders/42
    state       paid (done)
    version     v1
    output      {
                  "n": 1,
                  "receipt": "a long line of text that needs more room than one line has"
                }
    turns       3
    created     2026-11-22 02:00:00 UTC (9 min ago)
    last event  2026-11-22 02:09:08 UTC (1 s ago)
    "#);
}

#[test]
fn instances_in_a_table() {
    let small =
        api::Instance { address: "orders/7".into(), states: vec!["paid".into()], done: true, ..order() };
    let large = api::Instance { context: data(json!({"note": "x".repeat(100)})).into(), ..order() };
    insta::assert_snapshot!(instances(&[small, large], now(), PLAIN), @r#"
    address    version  state                      turns  last event                     context
    orders/7   v1       paid (done)                    3  2026-11-22 02:09:08 (1 s ago)  {"amount":20}
    orders/42  v1       open.unpaid, open.packing      3  2026-11-22 02:09:08 (1 s ago)  {"note":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    "#);
}

fn ok(from: &str, to: &str) -> api::Outcome {
    api::Outcome {
        code: Code::CODE_OK.into(),
        from: vec![from.into()],
        to: vec![to.into()],
        ..Default::default()
    }
}

fn rejected() -> api::Outcome {
    api::Outcome {
        code: Code::CODE_REJECTED.into(),
        from: vec!["unpaid".into()],
        reason: "not-accepted".into(),
        message: "no active state takes \"ship\"".into(),
        accepts: vec!["cancel".into(), "pay".into()],
        ..Default::default()
    }
}

fn failed() -> api::Outcome {
    api::Outcome {
        code: Code::CODE_FAILED.into(),
        from: vec!["unpaid".into()],
        reason: "fault-expression".into(),
        message: "context.amount is null".into(),
        attempts: 3,
        ..Default::default()
    }
}

#[test]
fn outcomes() {
    let taken = api::Outcome { reply: data(json!({"total": 20})).into(), ..ok("unpaid", "paid") };
    insta::assert_snapshot!(outcome(&taken, "e-1", PLAIN), @r#"
    ok     unpaid -> paid
    reply  {"total":20}
    event  e-1
    "#);
    insta::assert_snapshot!(outcome(&rejected(), "e-2", PLAIN), @r#"
    rejected  no active state takes "ship"
    reason    not-accepted
    state     unpaid
    accepts   cancel, pay
    event     e-2
    "#);
    let shapeless = api::Outcome {
        reason: "bad-data".into(),
        message: "\"article\" is missing".into(),
        accepts: vec![],
        ..rejected()
    };
    insta::assert_snapshot!(outcome(&shapeless, "e-2", PLAIN), @r#"
    rejected  "article" is missing
    reason    bad-data
    state     unpaid
    event     e-2
    "#);
    insta::assert_snapshot!(outcome(&failed(), "e-3", PLAIN), @r"
    failed    context.amount is null
    reason    fault-expression
    attempts  3
    event     e-3
    ");
    let again = api::Outcome { duplicate: true, ..ok("paid", "paid") };
    insta::assert_snapshot!(outcome(&again, "e-1", PLAIN), @r"
    ok     paid
    event  e-1 (a duplicate: this is its first outcome)
    ");
    let pending = api::Outcome { code: Code::CODE_PENDING.into(), ..Default::default() };
    insta::assert_snapshot!(outcome(&pending, "e-4", PLAIN), @r"
    pending  kept, not decided yet
    event    e-4
    ");
    assert!(outcome(&rejected(), "e-2", Paint(true)).starts_with("\u{1b}[31mrejected\u{1b}[0m  no active"));
}

fn turns() -> Vec<api::Turn> {
    let turn = |sequence: u64, event: Option<&str>, sender: &str, outcome: api::Outcome| api::Turn {
        address: "orders/42".into(),
        cursor: 100 + sequence,
        sequence,
        time: timestamp("2026-11-22T02:00:00.250Z").into(),
        event: event
            .map(|name| api::Event { id: "e".into(), name: name.into(), ..Default::default() })
            .into(),
        sender: sender.into(),
        outcome: outcome.into(),
        ..Default::default()
    };
    vec![
        api::Turn {
            start_data: data(json!({"amount": 20})).into(),
            ..turn(1, None, "client", api::Outcome { from: vec![], ..ok("", "unpaid") })
        },
        turn(2, Some("ship"), "client", rejected()),
        api::Turn {
            log: vec!["paid by card".into()],
            ..turn(3, Some("pay"), "shops/1", ok("unpaid", "paid"))
        },
    ]
}

#[test]
fn a_history() {
    insta::assert_snapshot!(history(&turns(), PLAIN), @r#"
    #  time                 event    from     outcome   state                                                data
    1  2026-11-22 02:00:00  (start)  client   ok        unpaid                                               {"amount":20}
    2  2026-11-22 02:00:00  ship     client   rejected  unpaid (not-accepted: no active state takes "ship")
    3  2026-11-22 02:00:00  pay      shops/1  ok        unpaid -> paid
    "#);
}

#[test]
fn turns_as_they_happen() {
    let lines: String = turns().iter().map(|turn| follow_line(turn, PLAIN)).collect();
    insta::assert_snapshot!(snapshot_line(&order(), PLAIN) + &lines, @r#"
    at first      orders/42  3 turns  open.unpaid, open.packing
    02:00:00.250  orders/42  (start)  unpaid
    02:00:00.250  orders/42  ship  rejected unpaid (not-accepted: no active state takes "ship")
    02:00:00.250  orders/42  pay  unpaid -> paid
      paid by card
    "#);
}

#[test]
fn what_an_instance_waits_for() {
    let waiting = api::ExplainInstanceResponse {
        verdict: Verdict::VERDICT_WAITING.into(),
        summary: "waits for an event or for its timer".into(),
        instance: order().into(),
        accepts: vec!["cancel".into(), "pay".into()],
        guarded: vec![Guarded { event: "ship".into(), guard: "context.paid".into(), ..Default::default() }],
        waiting: vec![api::Event { name: "late".into(), ..Default::default() }],
        ..Default::default()
    };
    insta::assert_snapshot!(explanation(&waiting, now(), PLAIN), @r"
    orders/42 is in open.unpaid, open.packing and waiting.
    it would take now: cancel, pay
    held back by the guard context.paid: ship
    timer expire  in 30 min
    timer remind  10 s ago (late), to mails/7
    1 event in the mailbox, oldest first: late
    ");
    let retrying = api::ExplainInstanceResponse {
        verdict: Verdict::VERDICT_RETRYING.into(),
        instance: api::Instance { timers: vec![], ..order() }.into(),
        retry: Retry {
            event_id: "e-3".into(),
            attempts: 2,
            due_time: timestamp("2026-11-22T02:09:14Z").into(),
            fault: "context.amount is null".into(),
            ..Default::default()
        }
        .into(),
        ..Default::default()
    };
    insta::assert_snapshot!(explanation(&retrying, now(), PLAIN), @r"
    orders/42 is in open.unpaid, open.packing and retrying.
    event e-3 faulted 2 times; it is tried again in 4 s: context.amount is null
    ");
}

#[test]
fn definitions_and_what_became_of_putting_one() {
    let definition = api::Definition {
        name: "orders".into(),
        version: "v1".into(),
        put_time: timestamp("2026-11-22T02:00:00Z").into(),
        description: "An order with payment\nand expiry".into(),
        states: vec!["unpaid".into(), "paid".into()],
        events: vec!["cancel".into(), "pay".into()],
        ..Default::default()
    };
    insta::assert_snapshot!(definitions(std::slice::from_ref(&definition), PLAIN), @r"
    definition  states  events       put                  description
    orders:v1        2  cancel, pay  2026-11-22 02:00:00  An order with payment
    ");
    let answer =
        api::PutDefinitionResponse { definition: definition.into(), fresh: true, ..Default::default() };
    assert_eq!(put(&answer, "orders.yaml"), "orders:v1  put  orders.yaml\n");
}

#[test]
fn dead_letters_with_their_reason() {
    let letter = api::DeadLetter {
        number: 7,
        address: "orders/42".into(),
        event: api::Event { name: "pay".into(), ..Default::default() }.into(),
        sender: "client".into(),
        outcome: failed().into(),
        time: timestamp("2026-11-22T02:00:00Z").into(),
        ..Default::default()
    };
    insta::assert_snapshot!(dead_letters(&[letter], PLAIN), @r"
    number  time                 address    event  sender  attempts  why
         7  2026-11-22 02:00:00  orders/42  pay    client         3  fault-expression: context.amount is null
    ");
}

#[test]
fn how_a_server_is() {
    let answer = api::GetStatusResponse {
        version: "0.1.0".into(),
        started_time: timestamp("2026-11-22T00:00:00Z").into(),
        engine: "journal".into(),
        data_folder: "./everstate-data".into(),
        bytes_on_disk: 12_345_678,
        instances: 1_000_000,
        turns: 65_533,
        dead_letters: 1,
        definitions: 4,
        ..Default::default()
    };
    insta::assert_snapshot!(status(&answer, "http://127.0.0.1:7400", now(), PLAIN), @r"
    server        http://127.0.0.1:7400 (everstate 0.1.0)
    up since      2026-11-22 00:00:00 UTC (2 h ago)
    engine        journal, 12.3 MB
    data folder   ./everstate-data
    definitions   4
    instances     1,000,000
    turns         65,533
    dead letters  1
    followers     0
    queued        0
    timers late   0
    ");
}

#[test]
fn numbers_and_distances() {
    assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0, 999, 1500, 2_000_000_000].map(bytes), ["0 bytes", "999 bytes", "1.5 kB", "2.0 GB"]);
    let told = |seconds: i64| ago(0, seconds * 1000);
    assert_eq!(told(0), "just now");
    assert_eq!(told(119), "119 s ago");
    assert_eq!(told(-120), "in 2 min");
    assert_eq!(told(7_200), "2 h ago");
    assert_eq!(told(200_000), "2 days ago");
    assert_eq!(told(100_000_000), "3 years ago");
}
