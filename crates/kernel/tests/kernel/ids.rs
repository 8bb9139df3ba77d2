//! Event ids: one id, one event, however often it arrives.

use crate::world::check;

#[test]
fn a_repeated_event_gets_the_first_outcome() {
    check(
        "send cup/1 go #x { mode open; reply 1 }
         send cup/1 go #x { mode open; reply 1 }
         send cup/1 no #y { reject }
         send cup/1 no #y { reject }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle>open = 1
         x again: ok idle>open = 1
         cup/1 no: rejected not-accepted in open
         y again: rejected not-accepted in open",
    );
}

#[test]
fn an_id_of_another_event_is_a_conflict() {
    let refused = "x: refused: event id x was used for another event; use a new id for a new event\n";
    check(
        "send cup/1 go #x { log a }
         send cup/1 go #x { log b }
         send cup/1 gone #x { log a }
         send cup/2 go #x { log a }
         start cup/1 #x { log a }
         start pot/1 #v1 @v1
         send pot/1 v1 #v1",
        &format!(
            "cup/1 start: ok >idle\n cup/1 go: ok idle \"a\"\n{}\
             pot/1 start: ok >idle\n\
             v1: refused: event id v1 was used for another event; use a new id for a new event",
            refused.repeat(4)
        ),
    );
}

#[test]
fn a_start_is_repeated_by_its_id_too() {
    check(
        "start pot/1 #s { log a }
         start pot/1 #s { log a }
         start pot/1 #t { log a }",
        "pot/1 start: ok >idle \"a\"
         s again: ok >idle
         t: refused: instance pot/1 exists already",
    );
}

#[test]
fn a_waiting_event_is_pending_for_as_long_as_it_waits() {
    // `fly` remembers outcomes for a second; what is not decided yet is not forgotten, and is remembered from then.
    check(
        "send fly/1 go #x { defer-in idle; log once }
         send fly/1 go #x { defer-in idle; log once }
         advance 5000
         send fly/1 go #x { defer-in idle; log once }
         send fly/1 open { mode open }
         advance 999
         send fly/1 go #x { defer-in idle; log once }
         advance 1
         send fly/1 go #x { defer-in idle; log twice }",
        r#"fly/1 start: ok >idle
           x: kept
           x again: kept
           @5000
           x again: kept
           fly/1 open: ok idle>open
           fly/1 go: ok open "once"
           x decided: ok open
           @5999
           x again: ok open
           @6000
           fly/1 go: ok open "twice""#,
    );
}

#[test]
fn a_rejection_by_nobody_is_not_remembered() {
    check(
        "send pot/1 go #x
         send tub/1 go #y
         start pot/1
         send pot/1 go #x",
        "x: rejected unknown-address
         y: rejected unknown-kind
         pot/1 start: ok >idle
         pot/1 go: ok idle",
    );
}

#[test]
fn repeats_within_one_commit_are_seen() {
    check(
        "+ send cup/1 go #x { reply 1 }
         + send cup/1 go #x { reply 1 }
         + send cup/1 go #x { reply 2 }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle = 1
         x again: ok idle = 1
         x: refused: event id x was used for another event; use a new id for a new event",
    );
}
