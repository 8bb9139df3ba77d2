//! Repairs: each is one turn with who and why, or nothing at all. It refuses to know how they are carried out.

use crate::world::{FAIR, World, address, check};
use everstate_kernel::{
    Address, Answer, Becoming, Cause, DeadLetter, Effect, Input, Instance, Json, Kept, Refusal, Remedy,
    Repair, Repaired, Serial, Span, Standing, Status, TaskPolicy, Time, Timer,
};
use std::sync::Arc;

impl World {
    /// Repairs an instance as `ann`, because of `reason`.
    pub(crate) fn repair(&mut self, of: &str, name: &str, remedy: Remedy) -> everstate_kernel::Ticket {
        let ticket = self.ticket(&format!("{name} {of}"));
        let repair = Repair { by: Arc::from("ann"), reason: Arc::from(name), remedy };
        self.feed(Input::Repair { ticket, address: address(of), repair: Box::new(repair) });
        ticket
    }

    /// The letter of the event that parked an instance, as a driver finds it.
    pub(crate) fn letter_of(&self, of: &Address) -> Option<DeadLetter> {
        let number = self.disk.history.get(of)?.iter().rev().find_map(|entry| entry.letter())?;
        self.disk.letters.get(&number).cloned()
    }

    /// The instance stands in `mode` from now on, of `version`, with the timers that it has.
    pub(crate) fn become_mode(&mut self, of: &str, mode: &str, version: Option<&str>) {
        let remedy = match self.disk.instances.get(&address(of)) {
            None => Remedy::Pause,
            Some(row) if !of.starts_with("space/") => {
                let version = version.map_or_else(|| row.version.clone(), Arc::from);
                Remedy::Become(Box::new(Becoming { effects: Vec::new(), ..becoming(row, mode, &version) }))
            }
            Some(row) => {
                Remedy::Become(Box::new(Becoming { expected: row.turns, ..becoming(row, mode, "v1") }))
            }
        };
        self.repair(of, "become", remedy);
    }
}

fn becoming(row: &Instance, mode: &str, version: &str) -> Becoming {
    let state = Kept::new(format!("{mode} 1 0 now ").into_bytes());
    let standing = Standing { version: Arc::from(version), state, timers: row.timers.clone() };
    Becoming { expected: row.turns, standing, effects: Vec::new() }
}

fn row(world: &World, of: &str) -> Instance {
    world.disk.instances[&address(of)].clone()
}

#[test]
fn it_stands_elsewhere_in_another_version_and_deferred_events_are_tried() {
    check(
        "start cup/1
         define cup v2 other
         send cup/1 a { defer-in idle; log a }
         become cup/1 @v2 open
         send cup/1 b",
        r#"cup/1 start: ok >idle
           cup:v2: put
           e2: kept
           cup/1 become (become by ann): ok idle>open
           cup/1 a: ok open "a"
           e2 decided: ok open
           become cup/1: ok idle>open
           cup/1 b: ok open"#,
    );
}

#[test]
fn paused_it_keeps_what_arrives_and_takes_it_in_order_when_resumed() {
    check(
        "start cup/1 { timer t 10 tick { log late } }
         pause cup/1
         pause cup/1
         send cup/1 a { log a }
         advance 20
         crash
         go-on cup/1
         go-on cup/1",
        r#"cup/1 start: ok >idle
           cup/1 pause (pause by ann): ok idle paused
           pause cup/1: ok idle
           pause cup/1 again: ok idle
           e2: kept
           @20
           cup/1 go-on (go-on by ann): ok idle
           cup/1 a: ok idle "a"
           cup/1 tick: ok idle "late"
           e2 decided: ok idle
           go-on cup/1: ok idle
           go-on cup/1: refused: cup/1 is neither paused nor parked, so there is nothing to resume"#,
    );
}

#[test]
fn an_event_that_is_tried_again_is_tried_now_and_waits_when_paused() {
    check(
        "send mule/1 go { fault-until 10; log go }
         sleep 20
         retry mule/1
         send mule/1 stay { fault-until 50; log stay }
         pause mule/1
         advance 500
         go-on mule/1
         retry mule/1",
        r#"mule/1 start: ok >idle
           e1: kept
           @20
           mule/1 go: ok idle "go"
           e1 decided: ok idle
           retry mule/1: ok idle
           e2: kept
           mule/1 pause (pause by ann): ok idle paused
           pause mule/1: ok idle
           @520
           mule/1 go-on (go-on by ann): ok idle
           mule/1 stay: ok idle "stay"
           e2 decided: ok idle
           go-on mule/1: ok idle
           retry mule/1: refused: mule/1 has no event to try again; events that failed for good are among the dead letters"#,
    );
}

#[test]
fn a_parked_one_tries_its_event_first_or_goes_on_without() {
    check(
        "send crab/1 go { fault-until 50; log go }
         send crab/1 next { log next }
         advance 60
         pause crab/1
         retry crab/1
         send crab/1 again { fault }
         send crab/1 last { log last }
         retry crab/1
         go-on crab/1",
        r#"crab/1 start: ok >idle
           crab/1 go: failed after 1: not yet parked
           dead letter crab/1 go: failed after 1: not yet
           e2: kept
           @60
           pause crab/1: refused: crab/1 is parked after a fault, so it takes no events already; resume or retry it
           crab/1 go-on (retry by ann): ok idle
           crab/1 go: ok idle "go"
           crab/1 next: ok idle "next"
           e2 decided: ok idle
           retry crab/1: ok idle
           crab/1 again: failed after 1: as told parked
           dead letter crab/1 again: failed after 1: as told
           e4: kept
           crab/1 go-on (retry by ann): ok idle
           crab/1 again: failed after 1: as told parked
           dead letter crab/1 again: failed after 1: as told
           retry crab/1: failed after 1: as told
           crab/1 go-on (go-on by ann): ok idle
           crab/1 last: ok idle "last"
           e4 decided: ok idle
           go-on crab/1: ok idle"#,
    );
}

#[test]
fn what_cannot_be_repaired_is_said_and_left_alone() {
    check(
        "start cup/1
         kill cup/1
         pause cup/1
         become cup/1 open
         pause cup/9
         send cup/2 go { join here a pub part x }
         pause space/~
         become cup/2 @v7 open",
        "cup/1 start: ok >idle
         cup/1 stop: ok idle stopped
         stop cup/1: ok idle
         pause cup/1: rejected final
         become cup/1: rejected final
         pause cup/9: refused: there is no instance cup/9
         cup/2 start: ok >idle
         cup/2 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         pause space/~: refused: space/~ is a space, which is what its members make it; nothing of it can be repaired by hand
         become cup/2: refused: there is no version \"v7\" of definition \"cup\"",
    );
}

#[test]
fn one_that_has_moved_on_is_left_alone() {
    let mut world = World::new(FAIR);
    world.start("cup/1", "s", None, "");
    let seen = row(&world, "cup/1");
    world.send("cup/1", "go", "e", "mode open");
    let ticket = world.repair("cup/1", "late", Remedy::Become(Box::new(becoming(&seen, "shut", "v1"))));
    let expected = Refusal::MovedOn { address: address("cup/1"), expected: 1, found: 2 };
    assert_eq!(world.answers[&ticket], Answer::Refused(expected));
    assert_eq!(row(&world, "cup/1").labels, ["open".into()].into());
}

#[test]
fn a_state_that_its_version_cannot_read_is_refused() {
    let mut world = World::new(FAIR);
    world.start("cup/1", "s", None, "");
    let mut wrong = becoming(&row(&world, "cup/1"), "open", "v1");
    wrong.standing.state = Kept::new(b"?".to_vec());
    let ticket = world.repair("cup/1", "wrong", Remedy::Become(Box::new(wrong)));
    let Answer::Refused(refusal) = &world.answers[&ticket] else { panic!("{:?}", world.answers[&ticket]) };
    assert_eq!(refusal.to_string(), "cup/1 cannot stand so: not a script");
    assert_eq!(row(&world, "cup/1").turns, 1);
}

#[test]
fn timers_go_on_under_other_names_are_cleared_and_are_set() {
    let mut world = World::new(FAIR);
    world.start("cup/1", "s", None, "timer a 100 tick { log a }; timer b 200 tock { log b }");
    let before = row(&world, "cup/1");
    let mut becoming = becoming(&before, "open", "v1");
    let timers = &mut becoming.standing.timers;
    timers.remove(1);
    (timers[0].name, timers[0].event) = (Arc::from("c"), Arc::from("tack"));
    timers.push(Timer {
        name: Arc::from("d"),
        due: Time(50),
        generation: Serial(0),
        to: None,
        event: Arc::from("dong"),
        data: Json::NULL,
    });
    becoming.effects = vec![Effect::SetTimer {
        name: Arc::from("e"),
        delay: Span(300),
        to: None,
        event: Arc::from("ding"),
        data: Json::NULL,
    }];
    world.repair("cup/1", "timers", Remedy::Become(Box::new(becoming)));
    let after = row(&world, "cup/1");
    let names: Vec<_> = after.timers.iter().map(|timer| (&*timer.name, timer.due.0)).collect();
    assert_eq!(names, [("c", 100), ("d", 50), ("e", 300)]);
    assert_eq!(after.timers[0].generation, before.timers[0].generation);
    world.advance(400);
    let fired: Vec<&str> = world.transcript.iter().filter_map(|line| line.strip_prefix("cup/1 ")).collect();
    assert_eq!(fired[2..], ["dong: ok open", "tack: ok open \"a\"", "ding: ok open"]);

    let entry = world.disk.history[&address("cup/1")][1].clone();
    let Cause::Repair { by, reason, done: Repaired::Became { before: stood, children, .. }, .. } =
        entry.cause
    else {
        panic!("{:?}", entry.cause)
    };
    assert_eq!((&*by, &*reason, children), ("ann", "timers", false));
    assert_eq!((stood.state, stood.timers), (before.state, before.timers));
}

#[test]
fn tasks_are_cancelled_and_asked_for_with_their_deadlines() {
    let mut world = World::new(FAIR);
    world.start("cup/1", "s", None, "task a cards 1 1000 900 -");
    let mut becoming = becoming(&row(&world, "cup/1"), "open", "v1");
    let policy = TaskPolicy { deadline: Some(Span(300)), ..TaskPolicy::default() };
    let (name, queue, input) = (Arc::from("b"), Arc::from("cards"), Json::NULL);
    becoming.effects = vec![Effect::CancelTask(Arc::from("a")), Effect::Task { name, queue, input, policy }];
    world.repair("cup/1", "tasks", Remedy::Become(Box::new(becoming)));
    let names: Vec<_> = row(&world, "cup/1").tasks.iter().map(|task| task.name.clone()).collect();
    assert_eq!(names, [Arc::from("b")]);
    assert_eq!(world.disk.ready_tasks("cards").len(), 1);
    let Cause::Repair { done: Repaired::Became { children, .. }, .. } =
        &world.disk.history[&address("cup/1")][1].cause
    else {
        panic!("it is the repair")
    };
    assert!(children, "it cannot be taken back");
    world.advance(1_000);
    let told: Vec<&str> = world.transcript.iter().filter_map(|line| line.strip_prefix("cup/1 ")).collect();
    assert!(told[2].starts_with("error.task.b"), "{told:?}");
    assert_eq!(told.len(), 3, "of the cancelled one nothing is heard: {told:?}");
}

#[test]
fn a_fork_begins_with_its_timers_and_nobody_may_be_there() {
    let mut world = World::new(FAIR);
    world.start("cup/1", "s", None, "timer a 100 tick { log a }");
    let origin = row(&world, "cup/1");
    let standing = Standing { version: origin.version, state: origin.state, timers: origin.timers };
    let begin =
        || Remedy::Begin { origin: address("cup/1"), sequence: 1, standing: Box::new(standing.clone()) };
    world.repair("cup/2", "fork", begin());
    let there = world.repair("cup/1", "fork", begin());
    assert_eq!(world.answers[&there], Answer::Refused(Refusal::InstanceExists(address("cup/1"))));
    let in_space = world.repair("s:cup/3", "fork", begin());
    assert!(matches!(world.answers[&in_space], Answer::Decided { .. }));
    let space = world.repair("space/9", "fork", begin());
    assert!(matches!(world.answers[&space], Answer::Refused(_)));
    world.advance(200);
    assert_eq!(row(&world, "cup/2").turns, 2);
    assert_eq!(row(&world, "cup/2").status, Status::Active);
    assert_eq!(row(&world, "s:cup/3").turns, 2);
}
