//! Deferred events: kept until the active states change, then tried again in the order in which they came (OTP's
//! postpone), before anything that comes later.

use crate::world::check;

#[test]
fn deferred_events_are_tried_in_order_when_the_state_changes() {
    check(
        "send cup/1 a { defer-in idle; log a }
         send cup/1 b { defer-in idle; log b }
         send cup/1 c { log c }
         send cup/1 open { mode open; send cup/1 d }",
        r#"cup/1 start: ok >idle
           e1: kept
           e2: kept
           cup/1 c: ok idle "c"
           cup/1 open: ok idle>open
           cup/1 a: ok open "a"
           cup/1 b: ok open "b"
           e1 decided: ok open
           e2 decided: ok open
           cup/1 d: ok open"#,
    );
}

#[test]
fn each_change_tries_again_from_the_oldest() {
    check(
        "send cup/1 a { defer-in idle; defer-in open; log a }
         send cup/1 b { defer-in idle; mode shut }
         send cup/1 c { defer-in idle; log c }
         send cup/1 open { mode open }",
        r#"cup/1 start: ok >idle
           e1: kept
           e2: kept
           e3: kept
           cup/1 open: ok idle>open
           cup/1 b: ok open>shut
           cup/1 a: ok shut "a"
           cup/1 c: ok shut "c"
           e2 decided: ok open>shut
           e1 decided: ok shut
           e3 decided: ok shut"#,
    );
}

#[test]
fn a_turn_that_stays_in_its_state_tries_nothing_again() {
    check(
        "send cup/1 a { defer-in idle }
         send cup/1 go
         send cup/1 go { reply 1 }",
        "cup/1 start: ok >idle
         e1: kept
         cup/1 go: ok idle
         cup/1 go: ok idle = 1",
    );
}

#[test]
fn the_sender_of_a_deferred_event_is_answered_when_it_is_decided() {
    check(
        "send cup/1 go { send cup/2 ask { defer-in idle; reply 7 } }
         send cup/2 open { mode open }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         cup/2 start: ok >idle
         cup/2 open: ok idle>open
         cup/2 ask: ok open = 7
         cup/1 reply.ask: ok idle",
    );
}

#[test]
fn the_end_rejects_what_was_deferred() {
    check(
        "send cup/1 a { defer-in idle }
         send cup/1 end { done 3 }",
        "cup/1 start: ok >idle
         e1: kept
         cup/1 end: ok idle ended
         cup/1 a: rejected final in idle ended
         e1 decided: rejected final in idle",
    );
}

#[test]
fn deferred_events_wait_behind_one_that_faults_and_are_still_tried() {
    // Of two deferred events the first faults after the change: the second must be tried after it, though nothing
    // changes any more.
    check(
        "send mule/1 a { defer-in idle; fault-until 50; log a }
         send mule/1 b { defer-in idle; log b }
         send mule/1 open { mode open }
         send mule/1 c { log c }
         advance 200",
        r#"mule/1 start: ok >idle
           e1: kept
           e2: kept
           mule/1 open: ok idle>open
           e4: kept
           @100
           mule/1 a: ok open "a"
           mule/1 b: ok open "b"
           mule/1 c: ok open "c"
           e1 decided: ok open
           e2 decided: ok open
           e4 decided: ok open"#,
    );
}

#[test]
fn a_deferred_timer_event_is_kept_and_its_timer_gone() {
    check(
        "send cup/1 go { timer t 10 tick { defer-in idle; log tick } }
         advance 20
         send cup/1 open { mode open }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           @20
           cup/1 open: ok idle>open
           cup/1 tick: ok open "tick""#,
    );
}
