//! Timers: set, replaced, cancelled, fired on time and in order; and the window through which a node sees them.

use crate::script::{Step, data};
use crate::world::{FAIR, Weather, World, address, check, play};
use everstate_kernel::{DeadlineReason, Event, EventId, Input, Sender, Span, Ticket, Time, TimerKey};
use std::sync::Arc;

#[test]
fn a_timer_fires_once_when_it_is_due() {
    check(
        "send cup/1 go { timer t 100 tick { log t }; timer u 50 tock }
         advance 99
         advance 1
         advance 1000",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           @50
           cup/1 tock: ok idle
           @100
           cup/1 tick: ok idle "t""#,
    );
}

#[test]
fn a_name_holds_one_timer() {
    check(
        "send cup/1 go { timer t 100 first }
         advance 50
         send cup/1 go { timer t 100 second; timer u 10 never; timer u 20 once; timer v 5 never; cancel v }
         advance 200
         send cup/1 go { timer t 10 third; cancel t; cancel nothing }
         advance 200",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         @50
         cup/1 go: ok idle
         @70
         cup/1 once: ok idle
         @150
         cup/1 second: ok idle
         @250
         cup/1 go: ok idle",
    );
}

#[test]
fn a_timer_may_set_itself_again_and_send_to_others() {
    check(
        "send cup/1 go { timer t 10 tick { timer t 10 tock }; later cup/2 u 15 hello { reply 1 } }
         advance 100",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         @10
         cup/1 tick: ok idle
         @15
         cup/2 start: ok >idle
         cup/2 hello: ok idle = 1
         cup/1 reply.hello: ok idle
         @20
         cup/1 tock: ok idle",
    );
}

#[test]
fn timers_that_are_late_fire_in_the_order_of_their_dues() {
    // Set in the reverse order, and all late: the receiver must see them as if they had been on time.
    check(
        "send cup/1 go { later cup/9 a 300 third; later cup/9 b 200 second; timer c 100 first { send cup/9 x } }
         sleep 1000
         advance 0",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         @1000
         cup/1 first: ok idle
         cup/9 start: ok >idle
         cup/9 second: ok idle
         cup/9 third: ok idle
         cup/9 x: ok idle",
    );
}

#[test]
fn the_event_of_a_timer_bears_the_time_when_it_was_due() {
    let world =
        play("send cup/1 go { timer t 100 tick; later cup/2 u 150 tock }\nsleep 400\nadvance 0", FAIR);
    let times = world.records.iter().filter_map(|record| match record {
        everstate_kernel::Record::Turn(turn) => match &turn.entry.cause {
            everstate_kernel::Cause::Event(event) if &*event.name != "go" => {
                Some((event.time.0, turn.entry.at.0))
            }
            _ => None,
        },
        _ => None,
    });
    assert_eq!(times.collect::<Vec<_>>(), [(100, 400), (150, 400)]);
}

#[test]
fn machines_that_write_to_each_other_hold_up_no_timer() {
    let mut world = World::new(FAIR);
    world.run();
    // Two machines that answer each other for ever, and a timer.
    let volley = |to: &str, then| Step::Send(to.into(), "ball".into(), then);
    let mut rally = Vec::new();
    for turn in 0..60 {
        rally = vec![volley(if turn % 2 == 0 { "cup/1" } else { "cup/2" }, rally)];
    }
    rally.push(Step::Timer("t".into(), 5, "tick".into(), vec![]));
    feed(&mut world, "cup/1", &rally);
    let mut ready = Vec::new();
    while let Some(input) = world.node.ready(world.now) {
        ready.push(matches!(input, Input::Due(_)));
        world.feed(input);
        world.now = world.now + Span(1);
    }
    let at = ready.iter().position(|due| *due).unwrap();
    assert!((4..8).contains(&at), "the timer came after {at} deliveries");
}

fn feed(world: &mut World, to: &str, steps: &[Step]) {
    let ticket = world.ticket("fed");
    let id = EventId::parse(&format!("fed{}", ticket.0)).unwrap();
    let event =
        Event { id, name: Arc::from("go"), data: data(steps), sender: Sender::Client, time: world.now };
    world.feed(Input::Event { ticket, to: address(to), event });
}

#[test]
fn a_stale_key_wakes_nobody() {
    let mut world = play("send cup/1 go { timer t 100 tick }\nsend mule/1 bad { fault }", FAIR);
    let keys: Vec<TimerKey> = world.disk.timers.iter().cloned().collect();
    let before = world.disk.clone();
    for key in keys {
        let stale = match key.generation {
            Some(generation) => {
                TimerKey { generation: Some(everstate_kernel::Serial(generation.0 + 1)), ..key.clone() }
            }
            None => TimerKey { due: Time(key.due.0 - 1), ..key.clone() },
        };
        world.feed(Input::Due(stale));
        world.feed(Input::Due(TimerKey { address: address("cup/77"), ..key }));
    }
    assert_eq!(world.disk, before);
}

#[test]
fn timers_are_read_before_a_busy_outbox_is_emptied() {
    let mut world = World::new(FAIR);
    feed(&mut world, "cup/1", &[Step::Send("cup/2".into(), "go".into(), vec![])]);
    assert_eq!(world.node.next_deadline().unwrap().reason, DeadlineReason::Refill);
    let refill = Input::Refill { timers: Vec::new(), complete: false };
    world.feed(refill);
    assert_eq!(world.node.next_deadline().unwrap().reason, DeadlineReason::Outbox, "none at all are all");
}

#[test]
fn a_timer_set_between_the_read_and_the_refill_is_not_lost() {
    // The store is read while a turn that sets a timer is stepped and not yet committed.
    for also_cancelled in [false, true] {
        let mut world = World::new(Weather { batch: 99, ..FAIR });
        let mut steps = crate::script::program("timer t 10 tick");
        feed(&mut world, "cup/1", &steps);
        if also_cancelled {
            steps = crate::script::program("cancel t");
            feed(&mut world, "cup/1", &steps);
        }
        let (timers, complete) = world.disk.timers_after(world.node.refill_after(), 9);
        world.feed(Input::Refill { timers, complete });
        world.commit();
        world.advance(20);
        let ticked = world.transcript.iter().any(|line| line.starts_with("cup/1 tick"));
        assert_eq!(ticked, !also_cancelled);
    }
}

#[test]
fn asking_changes_nothing() {
    let world = play("send cup/1 go { timer t 10 tick; send cup/2 go }", FAIR);
    let input = Input::Delete { ticket: Ticket(0), address: address("cup/1") };
    let ask = || {
        let asked = (world.node.next_deadline(), world.node.touches(&input));
        format!("{asked:?} {:?}", world.node.ready(world.now + Span(10)))
    };
    assert_eq!(ask(), ask());
    assert_eq!((world.node.timers_late(Time(10)), world.node.timers_late(Time(9))), (1, 0));
}
