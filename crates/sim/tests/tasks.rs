//! Charts that ask for work of the outside world, with the production kernel: asked for on entry, cancelled on exit,
//! their ends taken by `onDone` and `onError`.

#![allow(missing_docs)]

use everstate_kernel::{Address, Answer, Json, Refusal, Report, Span};
use everstate_sim::World;

const PAYMENT: &str = r#"
name: payments
context: {amount: 7, receipt: null, why: null}
initial: charging
states:
  charging:
    invoke:
      task: charge-card
      id: charge
      input: {amount: context.amount, order: instance.id}
      retry: {attempts: 2, backoff: 1s}
      timeout: 30s
      heartbeat: 5s
      onDone: {target: paid, actions: {assign: {receipt: event.receipt}}}
      onError: {target: refused, actions: {assign: {why: event.reason + "/" + event.code}}}
    on:
      cancel: cancelled
      again: {target: charging, reenter: true}
  paid: {type: final}
  refused: {on: {again: charging}}
  cancelled: {on: {again: charging}}
"#;

fn world(text: &str) -> World {
    let mut world = World::new(1);
    world.put("machine.yaml", text).expect("it is a definition");
    world
}

fn payment() -> (World, Address) {
    let mut world = world(PAYMENT);
    let address = Address::parse("payments/1").expect("an address");
    world.start(&address, Json::NULL);
    (world, address)
}

fn state(world: &World, address: &Address) -> (String, String) {
    let description = world.describe(address).expect("it is there");
    (description.labels.join("+"), description.data.as_str().to_owned())
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("json")
}

fn failed(code: &str) -> Report {
    Report::Failed { code: code.into(), message: "no".into(), retryable: false }
}

#[test]
fn a_task_is_asked_for_on_entry_and_its_result_leads_on() {
    let (mut world, address) = payment();
    assert_eq!(world.lease("w", "other", 1), []);
    let leased = world.lease("w", "charge-card", 9);
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].input.as_str(), r#"{"amount":7,"order":"1"}"#);
    assert_eq!((&*leased[0].name, leased[0].attempt, leased[0].heartbeat), ("charge", 1, Some(Span(5_000))));
    world.report(&leased[0].lease, Report::Done(json(r#"{"receipt":"r-1"}"#)));
    let (labels, data) = state(&world, &address);
    assert_eq!(labels, "paid");
    assert!(data.contains(r#""receipt":"r-1""#), "{data}");
}

#[test]
fn a_failure_leads_elsewhere_and_says_why() {
    let (mut world, address) = payment();
    let lease = world.lease("w", "charge-card", 1).remove(0).lease;
    world.report(&lease, failed("card-declined"));
    let (labels, data) = state(&world, &address);
    assert_eq!(labels, "refused");
    assert!(data.contains(r#""why":"failed/card-declined""#), "{data}");
    world.send(&address, "again", Json::NULL).expect("it is taken");
    world.lease("w", "charge-card", 1);
    world.advance(Span(5_000));
    assert_eq!(state(&world, &address).0, "charging", "there is another attempt");
    world.advance(Span(1_000));
    world.lease("w", "charge-card", 1);
    world.advance(Span(5_000));
    let (labels, data) = state(&world, &address);
    assert_eq!(labels, "refused");
    assert!(data.contains(r#""why":"heartbeat/""#), "{data}");
}

#[test]
fn leaving_the_state_cancels_and_entering_it_again_asks_anew() {
    let (mut world, address) = payment();
    let first = world.lease("w", "charge-card", 1).remove(0).lease;
    world.send(&address, "cancel", Json::NULL).expect("it is taken");
    let step = world.report(&first, Report::Done(json(r#"{"receipt":"r-1"}"#)));
    assert!(matches!(step.answer, Some(Answer::Refused(Refusal::LeaseOver { .. }))));
    assert_eq!(state(&world, &address).0, "cancelled");
    world.send(&address, "again", Json::NULL).expect("it is taken");
    world.send(&address, "again", Json::NULL).expect("it is taken");
    let leased = world.lease("w", "charge-card", 9);
    assert_eq!(leased.len(), 1, "the one that was left is cancelled");
    world.report(&leased[0].lease, Report::Done(json(r#"{"receipt":"r-2"}"#)));
    assert_eq!(state(&world, &address).0, "paid");
    world.audit().expect("all is well");
}

#[test]
fn a_state_that_is_passed_through_asks_for_nothing() {
    let mut world = world(
        "{name: m, initial: a, states: {a: {invoke: {task: q}, always: b}, b: {invoke: [{task: q, id: x}, {task: q, id: y}]}}}",
    );
    let address = Address::parse("m/1").expect("an address");
    world.start(&address, Json::NULL);
    let names: Vec<String> =
        world.lease("w", "q", 9).into_iter().map(|leased| leased.name.to_string()).collect();
    assert_eq!(names, ["x", "y"]);
}

#[test]
fn a_request_is_a_task_of_the_server() {
    let mut world = world(
        r#"
name: m
context: {order: "o-1"}
initial: a
states:
  a:
    invoke:
      http: {url: "https://pay.example/charges/${context.order}", headers: {x-tenant: "${instance.kind}"}}
      input: {amount: 3}
      onDone: b
  b: {type: final}
"#,
    );
    let address = Address::parse("m/1").expect("an address");
    world.start(&address, Json::NULL);
    let leased = world.lease("w", "http", 1).remove(0);
    let request: serde_json::Value = serde_json::from_str(leased.input.as_str()).expect("json");
    assert_eq!(
        request,
        serde_json::json!({
            "url": "https://pay.example/charges/o-1", "method": "POST", "headers": {"x-tenant": "m"},
            "body": {"amount": 3},
        })
    );
    world.report(&leased.lease, Report::Done(Json::NULL));
    assert_eq!(state(&world, &address).0, "b");
}
