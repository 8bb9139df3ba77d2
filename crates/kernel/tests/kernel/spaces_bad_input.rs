//! What cannot be in a space: each has a documented answer (docs/guides/spaces.md), and nothing is lost.

use crate::world::{FAIR, check, play};
use everstate_kernel::limits::HELD_MAX;

#[test]
fn joining_twice_is_moving_and_leaving_what_was_never_joined_is_nothing() {
    check(
        "send cup/o go { join here o sub see x/* }
         send cup/1 go { join here a pub part x/1; join here a pub part x/1 }
         send cup/1 again { join here a pub part x/1 }
         send cup/1 other { leave here b; leave @elsewhere a }
         send cup/1 end { leave here a; leave here a }
         send cup/1 end { leave here a }",
        "cup/o start: ok >idle
         cup/o go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.acts: ok open
         cup/o space.presence.o (cup/1 a x/1): ok idle
         cup/1 again: ok idle
         space/~ space.join: ok open
         cup/1 other: ok idle
         space/~ space.leave: ok open
         cup/1 end: ok idle
         space/~ space.acts: ok open
         cup/o space.absence.o (cup/1 a x/1 left): ok idle
         cup/1 end: ok idle
         space/~ space.leave: ok open",
    );
}

/// What is named like the space that it lies in is another one: no path leads back into itself.
#[test]
fn a_space_in_a_space_of_its_name_is_another_one() {
    check(
        "send a:cup/1 go { join here x pub part x; spawn talk space a stop }
         send a/a:cup/2 go { join here x sub part x; join outer y sub part x }
         stop a:space/a
         send a:cup/1 still",
        "a:cup/1 start: ok >idle
         a:cup/1 go: ok idle
         space/a start: ok >open
         space/a space.join: ok open
         a:space/a start: ok >open
         a:cup/1 child.started.talk: ok idle
         a/a:cup/2 start: ok >idle
         a/a:cup/2 go: ok idle
         a:space/a space.join: ok open
         space/a space.join: ok open
         a:cup/1 space.presence.x (a/a:cup/2 y x): ok idle
         a/a:cup/2 space.presence.y (a:cup/1 x x): ok idle
         a:space/a stop: ok open stopped
         a:space/a space.more: ok open stopped
         stop a:space/a: ok open
         a:cup/1 child.exited.talk (stopped, an operator stopped it): ok idle
         a/a:cup/2 stop: ok idle stopped
         space/a space.withdraw: ok open
         a:cup/1 space.absence.x (a/a:cup/2 y x exited stopped): ok idle
         a:cup/1 still: ok idle",
    );
}

#[test]
fn an_instance_holds_so_many_endpoints_and_no_more() {
    let joins = |from: usize, to: usize| {
        let joins: Vec<String> = (from..to).map(|n| format!("join here e{n} pub part x")).collect();
        joins.join("; ")
    };
    let (most, more) = (joins(0, HELD_MAX), joins(HELD_MAX, HELD_MAX + 1));
    let story = format!(
        "send cup/1 go {{ {most} }}
         send cup/1 more {{ {more} }}
         send cup/1 swap {{ leave here e0; {more} }}
         ask space/~ takers {{\"topic\": \"x\", \"role\": \"publisher\"}}"
    );
    let world = play(&story, FAIR);
    let told = world.transcript.join("\n");
    let limit = format!("the instance holds {HELD_MAX} endpoints, which is the limit; leave with one first");
    assert!(told.contains(&format!("cup/1 more: failed after 1: {limit}")), "{told}");
    assert!(told.contains("cup/1 swap: ok idle"), "{told}");
    assert_eq!(told.matches(r#"{"address":"cup/1","endpoint":"e"#).count(), HELD_MAX);
}
