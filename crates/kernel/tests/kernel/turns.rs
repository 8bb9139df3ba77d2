//! One turn: what it changes, what it answers, what it leaves alone.

use crate::world::{FAIR, Weather, check, play};
use everstate_kernel::Durability;

#[test]
fn a_turn_changes_state_and_answers() {
    check(
        "start pot/1
         send pot/1 go { mode open; reply 1; log hello }
         send pot/1 go",
        r#"pot/1 start: ok >idle
           pot/1 go: ok idle>open = 1 "hello"
           pot/1 go: ok open"#,
    );
}

#[test]
fn a_fault_or_a_rejection_leaves_no_trace() {
    check(
        "start pot/1
         send pot/1 go { mode open; send pot/1 self; timer t 5 tick; log lost; reply 1; fault }
         send pot/1 go { mode open; send pot/1 self; timer t 5 tick; log lost; reply 1; reject }
         send pot/1 go { mode open; send pot/1 self; bad shape }
         send pot/1 go { mode open; send pot/1 self; ignore }
         advance 10",
        "pot/1 start: ok >idle
         pot/1 go: failed after 1: as told
         dead letter pot/1 go: failed after 1: as told
         pot/1 go: rejected not-accepted in idle
         pot/1 go: rejected bad-data in idle: shape
         pot/1 go: ok idle",
    );
}

#[test]
fn sends_arrive_once_in_order_also_at_oneself() {
    check(
        "start pot/1
         start pot/2
         send pot/1 go { send pot/2 a; send pot/1 b { send pot/2 d }; send pot/2 c }",
        "pot/1 start: ok >idle
         pot/2 start: ok >idle
         pot/1 go: ok idle
         pot/2 a: ok idle
         pot/1 b: ok idle
         pot/2 c: ok idle
         pot/2 d: ok idle",
    );
}

#[test]
fn a_sending_instance_gets_the_reply_as_an_event() {
    check(
        "send cup/1 go { send cup/2 ask { reply 5 } }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         cup/2 start: ok >idle
         cup/2 ask: ok idle = 5
         cup/1 reply.ask: ok idle",
    );
}

#[test]
fn replies_do_not_answer_each_other() {
    // The reply's own data is a program that replies, and one that rejects.
    check(
        r#"send cup/1 go { send cup/2 ask { reply "reply\u00201" } }
           send cup/1 go { send cup/2 ask { reply "reject" } }"#,
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           cup/2 start: ok >idle
           cup/2 ask: ok idle = "reply\u00201"
           cup/1 reply.ask: ok idle = 1
           cup/1 go: ok idle
           cup/2 ask: ok idle = "reject"
           cup/1 reply.ask: rejected not-accepted in idle"#,
    );
}

#[test]
fn the_durability_of_a_commit_is_the_strictest_concerned() {
    let world = play("send fly/1 go\nsend mule/1 go\nsend cup/1 go", FAIR);
    let last = &world.durabilities[world.durabilities.len() - 3..];
    assert_eq!(last, [Durability::None, Durability::Process, Durability::Power]);
    let world = play("+ send cup/1 go\n+ send fly/1 go", Weather { batch: 9, ..FAIR });
    assert_eq!(world.durabilities.last(), Some(&Durability::Power));
}
