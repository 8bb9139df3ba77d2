//! A space that is full: a million endpoints, a million inhabitants, and one more.

use crate::world::{FAIR, Weather, World, address};
use everstate_kernel::limits::{SPACE_ENDPOINTS_MAX, SPACE_INHABITANTS_MAX};
use everstate_kernel::space::{Endpoint, EndpointName, Interest, Part, Pattern, Role};
use everstate_kernel::{Address, Seat, Serial};
use std::sync::Arc;

/// A world in which the space has so many seats beside those that it has, all of them kept by its disk.
fn filled(first: &str, to: &str, space: &str, seats: impl Iterator<Item = Seat>) -> World {
    let mut world = World::new(Weather { audit: false, ..FAIR });
    say(&mut world, to, first);
    let space = address(space);
    // Far above all that the node will number itself.
    for (number, seat) in (1 << 40..).zip(seats) {
        world.disk.seats.insert((space.clone(), Serial(number)), seat);
    }
    let row = world.disk.instances.get_mut(&space).expect("somebody has joined");
    row.links.get_or_insert_default().seats = world.disk.seats.len() as u32;
    world.crash();
    world.transcript.clear();
    world
}

fn say(world: &mut World, to: &str, text: &str) {
    let id = format!("e{}", world.transcript.len() + world.records.len());
    world.send(to, "do", &id, text);
    world.run();
}

fn told(world: &World) -> String {
    world.transcript.join("\n")
}

/// As the disk of a world without a reader of its limits would have it.
fn endpoint(number: usize, member: &Address, pattern: &Pattern) -> Seat {
    let name = EndpointName { member: member.clone(), name: Arc::from(format!("e{number}")) };
    let part = Part::new(pattern.clone(), Role::Publisher, Interest::Participant);
    Seat::Endpoint(Endpoint { name, part, since: 1, credit: 0 })
}

#[test]
fn a_space_takes_a_million_endpoints_and_no_more() {
    let (crowd, other) = (address("pot/crowd"), Pattern::parse("other").expect("a pattern"));
    let others = (1..SPACE_ENDPOINTS_MAX).map(|number| endpoint(number, &crowd, &other));
    let mut world = filled("join here a pub part x", "cup/1", "space/~", others);
    assert_eq!(world.disk.seats.len(), SPACE_ENDPOINTS_MAX);

    // One more is refused with all that its turn wanted; its machine is told, and nobody else is.
    say(&mut world, "cup/2", "join here b pub part y; publish here other 1");
    let refused = "space/~ space.acts: rejected bad-data in open: the space would have 1000001 endpoints";
    assert!(told(&world).contains(refused), "{}", told(&world));
    assert!(told(&world).contains("cup/2 error.communication"), "{}", told(&world));
    assert_eq!(world.disk.seats.len(), SPACE_ENDPOINTS_MAX);

    // One for another is no more than before; and where one has left, one may come.
    world.transcript.clear();
    say(&mut world, "cup/1", "leave here a; join here c pub part x");
    say(&mut world, "cup/1", "leave here c");
    say(&mut world, "cup/3", "join here d pub part y");
    assert!(!told(&world).contains("rejected"), "{}", told(&world));
    assert_eq!(world.disk.seats.len(), SPACE_ENDPOINTS_MAX);
    world.crash();
    say(&mut world, "cup/4", "join here d pub part y");
    assert!(told(&world).contains("cup/4 error.communication"), "{}", told(&world));
}

#[test]
fn a_space_has_a_million_inhabitants_and_no_more() {
    let others = (1..SPACE_INHABITANTS_MAX).map(|n| Seat::Inhabitant(address(&format!("a:pot/{n}"))));
    let mut world = filled("mode here", "a:cup/1", "space/a", others);
    assert_eq!(world.disk.seats.len(), SPACE_INHABITANTS_MAX);
    say(&mut world, "a:cup/2", "mode here");
    assert!(told(&world).contains("a:cup/2 stop: ok here stopped"), "{}", told(&world));
    assert_eq!(world.disk.seats.len(), SPACE_INHABITANTS_MAX);

    // When one goes, another may come.
    world.transcript.clear();
    say(&mut world, "a:cup/1", "done 1");
    say(&mut world, "a:cup/3", "mode here");
    assert!(!told(&world).contains("a:cup/3 stop"), "{}", told(&world));
    assert_eq!(world.disk.seats.len(), SPACE_INHABITANTS_MAX);
}
