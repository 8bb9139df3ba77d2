//! Commits that fail and nodes that are restored.

use crate::world::{FAIR, Weather, World, address};
use everstate_kernel::{Answer, Event, EventId, Input, Node, Out, Sender, Ticket, Time};
use std::collections::BTreeSet;

#[test]
fn what_was_not_committed_never_was() {
    let mut world = World::new(Weather { failing: BTreeSet::from([0, 2]), ..FAIR });
    world.send("cup/1", "go", "x", "mode open; timer t 5 tick; send cup/2 go");
    assert!(world.disk.instances.is_empty() && world.answers.len() == 5, "{:?}", world.answers);
    assert_eq!((world.node.position(), world.node.outbox_len()), (0, 0));
    world.send("cup/1", "go", "x", "mode open; timer t 5 tick; send cup/2 go");
    world.advance(10);
    assert_eq!(
        world.transcript,
        [
            "commit failed",
            "cup/1 start: ok >idle",
            "cup/1 go: ok idle>open",
            "commit failed",
            "cup/2 start: ok >idle",
            "cup/2 go: ok idle",
            "@5",
            "cup/1 tick: ok open",
        ]
    );
}

#[test]
fn a_definition_whose_commit_failed_is_put_afresh() {
    let mut world = World::new(Weather { failing: BTreeSet::from([0]), ..FAIR });
    world.define("tub", "v1", "text");
    assert!(world.node.definition("tub", None).is_none());
    world.define("tub", "v1", "text");
    assert_eq!(world.answers.values().next_back(), Some(&Answer::Put { fresh: true }));
    world.define("tub", "v1", "text");
    assert_eq!(world.answers.values().next_back(), Some(&Answer::Put { fresh: false }));
    assert_eq!(world.disk.definitions.len(), 6);
}

#[test]
fn restoring_a_definition_twice_changes_nothing() {
    let mut node = Node::new(1);
    for version in ["v2", "v10", "v02", "v2"] {
        node.restore_definition(crate::world::definition("pot", version), version.into());
    }
    assert_eq!(&*node.definition("pot", None).unwrap().id.version, "v10");
    assert_eq!(&*node.definition("pot", Some("v02")).unwrap().id.version, "v02");
    let mut out = Out::default();
    let definition = crate::world::definition("pot", "v2");
    node.step(Time(0), Input::Define { ticket: Ticket(0), definition, source: "v2".into() }, &mut out);
    assert!(out.records.is_empty());
}

#[test]
#[should_panic(expected = "cup/1 was touched and not hydrated")]
fn a_step_without_its_instance_is_the_drivers_mistake() {
    let mut node = Node::new(1);
    node.step(Time(0), Input::Delete { ticket: Ticket(0), address: address("cup/1") }, &mut Out::default());
}

#[test]
#[should_panic(expected = "x was touched and not hydrated")]
fn a_step_without_its_event_id_is_the_drivers_mistake() {
    let mut world = World::new(FAIR);
    let (id, sender) = (EventId::parse("x").unwrap(), Sender::Client);
    let event = Event { id, name: "go".into(), data: Default::default(), sender, time: Time(0) };
    let input = Input::Event { ticket: Ticket(0), to: address("cup/1"), event };
    let mut touches = world.node.touches(&input);
    touches.ids.clear();
    world.node.hydrate(world.disk.hydrate(&touches));
    world.node.step(Time(0), input, &mut Out::default());
}
