//! Worlds by hand: what is chosen happens, and nothing else.

use crate::World;
use everstate_kernel::{Address, Answer, Json, Outcome, Span, Time};

const COURIER: &str = "
name: courier
context: {carried: 0}
initial: idle
states:
  idle:
    on:
      carry:
        target: away
        actions:
          - send: {to: 'inbox/${event.to}', event: parcel, data: {from: instance.id}}
  away:
    after: {10s: {target: idle, actions: {assign: {carried: context.carried + 1}}}}
";

const INBOX: &str = "
name: inbox
create: on-demand
context: {from: []}
initial: open
states:
  open: {on: {parcel: {actions: {assign: {from: 'context.from + [event.from]'}}}}}
";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn world() -> World {
    let mut world = World::new(1);
    world.put("courier.yaml", COURIER).unwrap();
    world.put("inbox.yaml", INBOX).unwrap();
    for name in ["a", "b"] {
        world.start(&address(&format!("courier/{name}")), Json::NULL);
        let to = address(&format!("courier/{name}"));
        world.send(&to, "carry", json(r#"{"to": "home"}"#)).unwrap();
    }
    world
}

fn received(world: &World) -> String {
    world.describe(&address("inbox/home")).unwrap().data.as_str().to_owned()
}

#[test]
fn events_are_delivered_in_the_order_that_is_chosen() {
    let first = world();
    let numbers: Vec<_> = first.pending().map(|sent| sent.number).collect();
    assert_eq!(numbers.len(), 2);
    let mut second = first.clone();
    let mut first = first;
    for number in &numbers {
        first.deliver(*number).unwrap();
    }
    for number in numbers.iter().rev() {
        second.deliver(*number).unwrap();
    }
    assert_eq!(received(&first), r#"{"from":["a","b"]}"#);
    assert_eq!(received(&second), r#"{"from":["b","a"]}"#);
    first.audit().unwrap();
    assert!(first.deliver(numbers[0]).is_err());
}

#[test]
fn time_passes_when_told_and_a_late_timer_fires_late() {
    let mut world = world();
    assert_eq!(world.next_due(), Some(Time(10_000)));
    assert!(world.fire(&world.timers()[0].clone()).is_err());
    assert!(world.advance(Span(9_999)).is_empty());
    assert_eq!(world.advance(Span(1)).len(), 2);
    assert_eq!(&*world.describe(&address("courier/a")).unwrap().labels[0], "idle");
    let to = address("courier/a");
    world.send(&to, "carry", json(r#"{"to": "home"}"#)).unwrap();
    world.skip(Span(60_000));
    let key = world.timers()[0].clone();
    let step = world.fire(&key).unwrap();
    assert_eq!(step.turns[0].1.at, Time(70_000));
    assert!(matches!(step.turns[0].1.outcome, Outcome::Ok { .. }));
}

#[test]
fn what_a_network_does_can_be_done() {
    let mut world = world();
    let numbers: Vec<_> = world.pending().map(|sent| sent.number).collect();
    world.duplicate(numbers[0]).unwrap();
    assert_eq!(&*world.lose(numbers[1]).unwrap().event.name, "parcel");
    assert_eq!(world.settle(100).len(), 2);
    assert_eq!(received(&world), r#"{"from":["a","a"]}"#);
}

#[test]
fn bad_input_is_told() {
    let mut world = world();
    let problem = world.put("x.yaml", "initial: nowhere\nstates: {here: {}}").unwrap_err();
    assert!(problem.to_string().contains("x.yaml"), "{problem}");
    assert!(world.put("courier.yaml", INBOX.replace("inbox", "courier").as_str()).is_err());
    let step = world.start(&address("nobody/1"), Json::NULL);
    assert!(matches!(step.answer, Some(Answer::Refused(_))));
}
