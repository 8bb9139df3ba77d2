//! How instances come and go, and which definition they run.

use crate::world::{address, check};

#[test]
fn only_a_definition_that_says_so_creates_on_demand() {
    check(
        "send pot/1 go
         send cup/1 go
         send tub/1 go
         start tub/1
         start pot/1 @v9",
        "e1: rejected unknown-address
         cup/1 start: ok >idle
         cup/1 go: ok idle
         e3: rejected unknown-kind
         e4: refused: there is no definition \"tub\"; put it first
         e5: refused: there is no version \"v9\" of definition \"pot\"",
    );
}

#[test]
fn a_start_that_faults_leaves_nothing() {
    check(
        "start pot/1 { send pot/1 go; timer t 1 tick; fault }
         send pot/1 go
         start pot/1 { mode open; send pot/1 go; timer t 1 tick; reply 1 }
         advance 1",
        "e1: refused: the machine faulted while it started: as told
         e2: rejected unknown-address
         pot/1 start: ok >open = 1
         pot/1 go: ok open
         @1
         pot/1 tick: ok open",
    );
}

#[test]
fn an_ended_instance_takes_nothing_and_loses_its_timers() {
    check(
        "start pot/1 { timer t 10 tick }
         send pot/1 end { timer u 20 tick; send pot/1 more; done 1 }
         send pot/1 go
         advance 100
         start pot/1
         start pot/2 { done 1 }",
        "pot/1 start: ok >idle
         pot/1 end: ok idle ended
         pot/1 more: rejected final in idle ended
         pot/1 error.communication (final): rejected final in idle ended
         pot/1 go: rejected final in idle ended
         @100
         e4: refused: instance pot/1 exists already
         pot/2 start: ok >idle ended",
    );
}

#[test]
fn a_deleted_instance_is_gone_with_all_that_was_its() {
    check(
        "send mule/1 go { timer t 500 tick }
         send mule/1 bad #x { fault }
         send mule/1 next #y
         send cup/1 go { send mule/1 hello }
         delete mule/1
         send mule/1 next #y
         advance 1000
         delete mule/1
         send mule/1 go",
        "mule/1 start: ok >idle
         mule/1 go: ok idle
         x: kept
         y: kept
         cup/1 start: ok >idle
         cup/1 go: ok idle
         dead letter mule/1 hello: rejected unknown-address
         x decided: rejected unknown-address
         y decided: rejected unknown-address
         delete mule/1: gone
         cup/1 error.communication (unknown-address): ok idle
         y again: rejected unknown-address
         @1000
         delete mule/1: refused: there is no instance mule/1
         mule/1 start: ok >idle
         mule/1 go: ok idle",
    );
}

#[test]
fn an_answer_creates_nobody() {
    // The sender is deleted before the answers to it come: they must not bring it back.
    check(
        "+ send cup/1 go { send cup/2 ask { reply 1 }; send cup/2 no { reject } }
         + delete cup/1",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         delete cup/1: gone
         cup/2 start: ok >idle
         cup/2 ask: ok idle = 1
         cup/2 no: rejected not-accepted in idle
         dead letter cup/1 reply.ask: rejected unknown-address
         dead letter cup/1 error.communication: rejected unknown-address",
    );
}

#[test]
fn definitions_are_immutable_and_the_greatest_version_is_started() {
    check(
        "define pot v10 ten
         define pot v9 nine
         define pot v10 ten
         define pot v10 other
         start pot/1",
        "pot:v10: put
         pot:v9: put
         pot:v10: put before
         pot:v10: refused: definition pot:v10 exists with another content; definitions are immutable, so raise its version
         pot/1 start: ok >idle",
    );
    let story = "define pot v10 ten\ndefine pot v9 nine\nstart pot/1\nstart pot/2 @v9";
    let world = crate::world::play(story, crate::world::FAIR);
    assert_eq!(&*world.disk.instances[&address("pot/1")].version, "v10");
    assert_eq!(&*world.disk.instances[&address("pot/2")].version, "v9");
}
