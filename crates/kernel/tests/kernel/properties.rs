//! Random societies of machines: whatever they say to each other, and whatever befalls the node meanwhile, what
//! becomes true is the same. A failure prints the deeds and the weather, which `play` plays again.

use crate::script::Step;
use crate::world::{FAIR, Weather, World, address, definition};
use everstate_kernel::{
    Address, Answer, Cause, Event, EventId, HistoryEntry, Input, Outcome, Record, Refusal, Rehearsal, Remedy,
    RestartFrom, Sender, Serial, Span, Ticket, agrees,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ADDRESSES: [&str; 9] =
    ["cup/1", "cup/2", "mule/1", "mule/2", "fly/1", "pot/1", "crab/1", "s:cup/3", "space/s"];
/// Kinds and ids of children; `-` is for an id of the kernel's.
const CHILDREN: [(&str, &str); 5] = [("cup", "2"), ("crab", "1"), ("mule", "-"), ("tub", "1"), ("pot", "1")];
const MODES: [&str; 3] = ["idle", "open", "shut"];

/// What comes from outside, and when.
#[derive(Debug, Clone)]
enum Deed {
    Send(&'static str, Vec<Step>),
    Start(&'static str, Vec<Step>),
    Delete(&'static str),
    Stop(&'static str, bool),
    Restart(&'static str, RestartFrom),
    Letters(bool),
    /// What is done is worked out from the disk.
    Repair(&'static str, Mend),
    Wait(u64),
}

/// How an operator repairs.
#[derive(Debug, Clone)]
enum Mend {
    Pause,
    Resume,
    Retry,
    Become(String),
}

fn mends() -> impl Strategy<Value = Mend> {
    prop_oneof![
        2 => Just(Mend::Pause),
        3 => Just(Mend::Resume),
        2 => Just(Mend::Retry),
        3 => modes().prop_map(Mend::Become),
    ]
}

fn addresses() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&ADDRESSES[..])
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(&["a", "b"][..]).prop_map(str::to_owned)
}

fn modes() -> impl Strategy<Value = String> {
    prop::sample::select(&MODES[..]).prop_map(str::to_owned)
}

/// Acts in the outermost space and in another, which comes and goes.
fn acts() -> impl Strategy<Value = Step> {
    let place = || prop::sample::select(&["here", "@", "@s"][..]);
    let pattern = || prop::sample::select(&["x", "y", "*", ">"][..]);
    let part = prop::sample::select(&["pub part", "sub part", "pub see", "sub see", "sub all"][..]);
    let words = prop_oneof![
        5 => (place(), names(), part, pattern())
            .prop_map(|(place, name, part, pattern)| format!("join {place} {name} {part} {pattern}")),
        2 => (place(), names()).prop_map(|(place, name)| format!("leave {place} {name}")),
        1 => (place(), names()).prop_map(|(place, name)| format!("assert {place} {name} 1")),
        2 => (place(), pattern()).prop_map(|(place, topic)| format!("publish {place} {topic} 1")),
        1 => (place(), pattern()).prop_map(|(place, topic)| format!("feedback {place} {topic} 2")),
    ];
    words.prop_map(|words| Step::Act(words.split(' ').map(str::to_owned).collect()))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        4 => modes().prop_map(Step::Mode),
        2 => modes().prop_map(Step::DeferIn),
        1 => modes().prop_map(Step::RejectIn),
        2 => (0..400i64).prop_map(Step::FaultUntil),
        1 => Just(Step::Fault),
        1 => Just(Step::Reject),
        1 => Just(Step::Seed),
        2 => Just(Step::Reply("7".into())),
        1 => "[tu]".prop_map(Step::Cancel),
        2 => names().prop_map(Step::Stop),
        1 => names().prop_map(Step::Kill),
        1 => names().prop_map(Step::Resume),
        2 => addresses().prop_map(|to| Step::Monitor(to.into())),
        1 => addresses().prop_map(|to| Step::Demonitor(to.into())),
        1 => Just(Step::GiveUp("tired".into())),
        1 => Just(Step::Family),
        1 => prop::sample::select(&["now", "slow", "fault"][..]).prop_map(|how| Step::OnStop(how.into())),
        1 => Just(Step::Done("1".into())),
    ];
    let leaf = prop_oneof![3 => leaf, 1 => acts()];
    let program = prop::collection::vec(leaf, 0..3);
    program.prop_recursive(3, 24, 4, |inner| {
        let node = prop_oneof![
            4 => (addresses(), "[ab]", inner.clone())
                .prop_map(|(to, event, then)| Step::Send(to.into(), event, then)),
            2 => ("[tu]", 0..200u64, inner.clone())
                .prop_map(|(name, delay, then)| Step::Timer(name, delay, "tick".into(), then)),
            3 => (names(), prop::sample::select(&CHILDREN[..]), any::<bool>(), inner.clone()).prop_map(
                |(name, (kind, id), keep, then)| {
                    let orphan = if keep { "keep" } else { "stop" };
                    Step::Spawn(name, kind.into(), id.into(), orphan.into(), then)
                }
            ),
            1 => (names(), inner.clone()).prop_map(|(name, then)| Step::Restart(name, then)),
            1 => (addresses(), "[tu]", 0..200u64, inner.clone())
                .prop_map(|(to, name, delay, then)| Step::Later(to.into(), name, delay, "late".into(), then)),
        ];
        (inner, prop::collection::vec(node, 1..4)).prop_map(|(mut before, sends)| {
            before.extend(sends);
            before
        })
    })
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        12 => (addresses(), steps()).prop_map(|(to, steps)| Deed::Send(to, steps)),
        2 => (addresses(), steps()).prop_map(|(to, steps)| Deed::Start(to, steps)),
        1 => addresses().prop_map(Deed::Delete),
        1 => (addresses(), any::<bool>()).prop_map(|(of, kill)| Deed::Stop(of, kill)),
        1 => addresses().prop_map(|of| Deed::Restart(of, RestartFrom::LastGood)),
        1 => (addresses(), steps()).prop_map(|(of, steps)| Deed::Restart(of, RestartFrom::Initial(crate::script::data(&steps)))),
        1 => any::<bool>().prop_map(Deed::Letters),
        3 => (addresses(), mends()).prop_map(|(of, mend)| Deed::Repair(of, mend)),
        5 => (0..300u64).prop_map(Deed::Wait),
    ];
    prop::collection::vec(deed, 1..14)
}

/// Does all deeds, each `times` times over, and lets everything come to rest.
fn play(deeds: &[Deed], weather: Weather, times: usize) -> World {
    let mut world = World::new(weather);
    for (place, deed) in deeds.iter().enumerate() {
        for _ in 0..times {
            deliver(&mut world, place, deed);
        }
        if place % 2 == 0 {
            world.run();
        }
    }
    world.advance(5_000);
    world.audit();
    world.disk.check_presence();
    world
}

/// Does one deed; when its commit fails, again, as a client does that hears nothing.
fn deliver(world: &mut World, place: usize, deed: &Deed) {
    let (ticket, input) = match deed {
        Deed::Wait(ms) => return world.advance(*ms),
        Deed::Letters(retry) => {
            world.commit();
            return world.take_letters(*retry);
        }
        Deed::Repair(of, mend) => {
            world.commit();
            return match mend {
                Mend::Pause => drop(world.repair(of, "pause", Remedy::Pause)),
                Mend::Resume => drop(world.repair(of, "go-on", Remedy::Resume)),
                Mend::Retry => {
                    let letter = world.letter_of(&address(of)).map(Box::new);
                    world.repair(of, "retry", Remedy::Retry(letter));
                }
                Mend::Become(mode) => world.become_mode(of, mode, None),
            };
        }
        Deed::Delete(of) => {
            let ticket = world.ticket("delete");
            (ticket, Input::Delete { ticket, address: address(of) })
        }
        Deed::Stop(of, kill) => {
            let ticket = world.ticket("stop");
            (ticket, Input::Stop { ticket, address: address(of), kill: *kill })
        }
        Deed::Restart(of, from) => {
            let ticket = world.ticket("restart");
            (ticket, Input::Restart { ticket, address: address(of), from: from.clone() })
        }
        Deed::Start(to, steps) => {
            let id = format!("s{place}");
            let ticket = world.ticket(&id);
            let data = crate::script::data(steps);
            let (address, id) = (address(to), EventId::parse(&id).unwrap());
            (ticket, Input::Start { ticket, address, version: None, id, data })
        }
        Deed::Send(to, steps) => {
            let id = format!("d{place}");
            let ticket = world.ticket(&id);
            let id = EventId::parse(&id).unwrap();
            let (data, sender, time) = (crate::script::data(steps), Sender::Client, world.now);
            let event = Event { id, name: Arc::from("do"), data, sender, time };
            (ticket, Input::Event { ticket, to: address(to), event })
        }
    };
    world.feed(input.clone());
    while world.weather.batch == 1 && !world.answers.contains_key(&ticket) {
        world.feed(input.clone());
    }
}

fn weather() -> impl Strategy<Value = Weather> {
    (0..4usize, 1..4usize, 0..4usize).prop_map(|(resident_max, refill, crash_every)| Weather {
        resident_max,
        refill,
        crash_every,
        ..FAIR
    })
}

/// Events from each sending instance as each receiver decided them, but for those that a timer, the kernel or an
/// operator sent.
fn decided_sends(records: &[Record]) -> BTreeMap<(Address, Address), Vec<u64>> {
    let mut sends: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for record in records {
        let Record::Turn(turn) = record else { continue };
        let Cause::Event(event) = &turn.entry.cause else { continue };
        let Sender::Instance(from) = &event.sender else { continue };
        if &*event.name != "late" {
            let number = event.id.as_str()[1..].parse().unwrap();
            sends.entry((from.clone(), turn.instance.address.clone())).or_default().push(number);
        }
    }
    sends
}

fn postpones(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::DeferIn(_) => true,
        Step::Send(_, _, then) | Step::Timer(_, _, _, then) | Step::Later(_, _, _, _, then) => {
            postpones(then)
        }
        Step::Spawn(_, _, _, _, then) | Step::Restart(_, then) => postpones(then),
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn crashes_and_evictions_are_not_seen(deeds in deeds(), weather in weather()) {
        let (calm, stormy) = (play(&deeds, FAIR, 1), play(&deeds, weather, 1));
        prop_assert_eq!(&calm.transcript, &stormy.transcript);
        prop_assert_eq!(calm.records, stormy.records);
        prop_assert_eq!(calm.disk, stormy.disk);
    }

    #[test]
    fn how_steps_are_batched_is_not_seen(deeds in deeds(), batch in 2..9usize, weather in weather()) {
        // Letters are read from the disk, so a batch ends before them, and nothing else differs.
        let (single, batched) = (play(&deeds, FAIR, 1), play(&deeds, Weather { batch, crash_every: 0, ..weather }, 1));
        prop_assert_eq!(&single.records, &batched.records);
        prop_assert_eq!(single.disk, batched.disk);
    }

    #[test]
    fn a_failed_commit_and_a_second_try_are_not_seen(
        deeds in deeds(),
        failing in prop::collection::btree_set(0..40usize, 1..12),
    ) {
        // An operator looks again before trying again; all others just try again.
        let deeds: Vec<Deed> = deeds.into_iter().filter(|deed| !matches!(deed, Deed::Letters(_) | Deed::Repair(..))).collect();
        let (calm, stormy) = (play(&deeds, FAIR, 1), play(&deeds, Weather { failing, ..FAIR }, 1));
        prop_assert_eq!(calm.records, stormy.records);
        prop_assert_eq!(calm.disk, stormy.disk);
    }

    #[test]
    fn failed_batches_leave_a_world_without_contradictions(
        deeds in deeds(),
        failing in prop::collection::btree_set(0..20usize, 1..8),
        batch in 2..6usize,
    ) {
        // What was lost with a batch is sent again; the disk checks itself, and each id has one outcome at most.
        let mut world = play(&deeds, Weather { failing, batch, ..FAIR }, 1);
        world.weather = FAIR;
        for (place, deed) in deeds.iter().enumerate() {
            if matches!(deed, Deed::Send(..) | Deed::Start(..)) {
                deliver(&mut world, place, deed);
                world.run();
            }
        }
        world.audit();
        for answer in world.answers.values() {
            prop_assert!(!matches!(answer, Answer::Refused(Refusal::Conflict(_))));
        }
    }

    #[test]
    fn a_repeated_event_changes_nothing(deeds in deeds()) {
        // `fly` forgets within the time of a play, and a letter that is retried is decided anew.
        let once: Vec<Deed> = deeds
            .into_iter()
            .filter(|deed| matches!(deed, Deed::Send(to, _) | Deed::Start(to, _) if *to != "fly/1"))
            .collect();
        let (single, double) = (play(&once, FAIR, 1), play(&once, FAIR, 2));
        prop_assert_eq!(single.records, double.records);
        let mut late = play(&once, FAIR, 1);
        for (place, deed) in once.iter().enumerate() {
            deliver(&mut late, place, deed);
            late.run();
        }
        // What nobody was there for may be taken now; everything else is as it was.
        let decided = |world: &World| {
            let turns = world.records.iter().filter_map(|record| match record {
                Record::Turn(turn) => Some(turn.entry.cause.id().clone()),
                _ => None,
            });
            turns.collect::<BTreeSet<_>>().len()
                == world.records.iter().filter(|record| matches!(record, Record::Turn(_))).count()
        };
        prop_assert!(decided(&late));
    }

    #[test]
    fn what_one_sends_to_another_arrives_in_order(deeds in deeds()) {
        let in_order: Vec<Deed> = deeds
            .into_iter()
            .filter(|deed| match deed {
                Deed::Send(_, steps) | Deed::Start(_, steps) => !postpones(steps),
                Deed::Letters(_) | Deed::Delete(_) | Deed::Stop(..) | Deed::Restart(..) | Deed::Repair(..) => {
                    false
                }
                Deed::Wait(_) => true,
            })
            .collect();
        let world = play(&in_order, FAIR, 1);
        for ((from, to), numbers) in decided_sends(&world.records) {
            prop_assert!(numbers.is_sorted(), "from {} to {}: {:?}", from, to, numbers);
        }
    }

    #[test]
    fn a_history_played_again_comes_to_what_it_says(deeds in deeds()) {
        let world = play(&deeds, FAIR, 1);
        'instances: for (of, history) in &world.disk.history {
            // A space is not asked by events alone, and one that is stopped may go on for a while.
            let is_asked = |entry: &HistoryEntry| !matches!(entry.cause, Cause::Stop { .. });
            if of.kind() == "space" || !history.iter().all(is_asked) {
                continue;
            }
            let mut rehearsal = Rehearsal::new(definition(of.kind(), "v1"), of.clone(), None);
            for entry in history {
                let played = rehearsal.play(entry);
                // What the kernel refuses of a turn is not asked again.
                if matches!(entry.outcome, Outcome::Failed { .. }) && !agrees(&entry.outcome, &played) {
                    continue 'instances;
                }
                prop_assert!(agrees(&entry.outcome, &played), "{of}: {entry:?}: {played:?}");
            }
            if let Some(row) = world.disk.instances.get(of) {
                let standing = rehearsal.standing().expect("it was started");
                prop_assert_eq!(&standing.state, &row.state, "{}", of);
                prop_assert_eq!(rehearsal.labels(), &row.labels);
            }
        }
    }

    #[test]
    fn no_number_is_given_twice(deeds in deeds()) {
        let world = play(&deeds, FAIR, 1);
        let mut events = BTreeMap::new();
        for record in &world.records {
            let event = match record {
                Record::Sent(sent) => &sent.event,
                Record::Turn(turn) => match &turn.entry.cause {
                    Cause::Event(event) => event,
                    _ => continue,
                },
                _ => continue,
            };
            let seen = events.entry(event.id.clone()).or_insert_with(|| event.clone());
            prop_assert_eq!(&*seen, event, "one id, one event");
        }
    }

    #[test]
    fn stale_and_repeated_wakes_change_nothing(deeds in deeds(), ms in 0..300u64) {
        let mut world = play(&deeds, FAIR, 1);
        let fired: Vec<_> = world.records.iter().flat_map(|record| match record {
            Record::Turn(turn) => turn.timers_cleared.clone(),
            Record::Row(row) => row.timers_cleared.clone(),
            _ => Vec::new(),
        }).collect();
        let before = world.disk.clone();
        world.now = world.now + Span(ms);
        for key in fired.into_iter().filter(|key| !before.timers.contains(key)) {
            world.feed(Input::Due(key));
        }
        world.feed(Input::Deliver(Serial(3), address("cup/1")));
        let ticket = Ticket(u64::MAX);
        prop_assert!(world.disk == before && !world.answers.contains_key(&ticket));
    }
}
