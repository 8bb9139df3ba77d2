//! Every limit has an outcome, and none is a panic or a silent loss.

use crate::script::{Step, program};
use crate::world::{FAIR, Weather, World, address, outcome, play};
use everstate_kernel::{Answer, Refusal, limits};

/// What becomes of one program.
#[track_caller]
fn check(text: &str, expected: &str) {
    let world = play(&format!("start pot/1\nsend pot/1 go {{ {text} }}"), FAIR);
    assert_eq!(world.transcript[1].trim_start_matches("pot/1 go: "), expected);
    let row = &world.disk.instances[&address("pot/1")];
    assert_eq!(expected.starts_with("ok"), world.disk.letters.is_empty());
    assert!(row.state.as_slice().len() < 100 || expected.starts_with("ok"));
}

#[test]
fn a_turn_that_wants_too_much_is_a_fault() {
    let max = limits::EFFECTS_MAX;
    let world = play(&format!("start pot/1\nsend pot/1 go {{ many {max} }}"), FAIR);
    assert!(world.transcript[1].starts_with("pot/1 go: ok idle \"x\""));
    check(&format!("many {}", max + 1), "failed after 1: the turn asks for 1001 effects, the limit is 1000");
    check("wide 4194200", "ok idle");
    check("wide 4194300", "failed after 1: state, timers and tasks take 4194319 bytes, the limit is 4194304");
    let event = "e".repeat(256);
    check(&format!("send pot/1 {event}"), "failed after 1: event name is 256 bytes long, the limit is 255");
    check(&format!("timer t 1 {event}"), "failed after 1: event name is 256 bytes long, the limit is 255");
    let (near, far) = (limits::DELAY_MS_MAX, limits::DELAY_MS_MAX + 1);
    check(&format!("timer t {near} tick"), "ok idle");
    check(
        &format!("timer t {far} tick"),
        "failed after 1: timer \"t\" is 3162240000001 ms away, the limit is 3162240000000",
    );
    let timers: String = (0..257).map(|timer| format!("timer t{timer} 9 tick;")).collect();
    check(&timers, "failed after 1: the instance holds 257 timers, the limit is 256");
    check(&format!("log {}", "x".repeat(1 << 20)), &format!("ok idle {:?}", "x".repeat(1 << 20)));
    let many: String = (0..9).map(|_| format!("log {};", "x".repeat(1_000_000))).collect();
    check(&many, "failed after 1: the turn's effects take 9000000 bytes, the limit is 8388608");
}

#[test]
fn data_that_could_not_be_read_back_is_a_fault() {
    // Two quotes more than the limit allows, made by a machine; what comes from outside is checked by `parse`.
    let text = format!("send pot/2 go {{ log {} }}", "x".repeat(limits::DATA_BYTES_MAX));
    let mut world = World::new(FAIR);
    let Step::Send(_, _, inner) = program(&text).remove(0) else { panic!("a send") };
    let mut turn = everstate_kernel::Turn {
        now: world.now,
        seed: 0,
        instance: &address("pot/1"),
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    };
    turn.effects.push(everstate_kernel::Effect::Reply(crate::script::data(&inner)));
    world.start("pot/1", "s", None, &text);
    assert_eq!(
        world.transcript,
        [
            "s: refused: the machine faulted while it started: data is 1048582 bytes long, the limit is 1048576; keep large things elsewhere and send their address"
        ]
    );
}

#[test]
fn long_words_about_a_fault_are_cut_off() {
    let world = play(&format!("start pot/1\nsend pot/1 go {{ bad {} }}", "é".repeat(10_000)), FAIR);
    let line = world.transcript.last().unwrap();
    assert!(line.ends_with("éé…") && line.len() < limits::TEXT_BYTES_MAX + 100, "{} bytes", line.len());
    // Told to a sending instance, the words fit into an event.
    let text = format!("start pot/1\nsend cup/1 go {{ send pot/1 go {{ bad {} }} }}", "é".repeat(400_000));
    assert!(
        play(&text, FAIR).transcript.last().unwrap().starts_with("cup/1 error.communication (bad-data): ok")
    );
}

#[test]
fn a_full_mailbox_refuses_clients_and_makes_dead_letters_of_the_rest() {
    let mut world = World::new(Weather { audit: false, ..FAIR });
    world.run();
    world.send("mule/1", "go", "t", "timer t 10 tick");
    for place in 0..limits::MAILBOX_MAX {
        world.send("mule/1", "go", &format!("d{place}"), "defer-in idle");
    }
    world.transcript.clear();
    let ticket = world.send("mule/1", "more", "m", "defer-in idle");
    assert_eq!(world.answers[&ticket], Answer::Refused(Refusal::MailboxFull(address("mule/1"))));
    world.send("mule/1", "fault", "f", "fault");
    world.send("mule/1", "fine", "n", "");
    world.send("cup/1", "go", "c", "send mule/1 hello { defer-in idle }");
    world.advance(20);
    assert!(world.transcript.remove(0).starts_with("m: refused: mule/1 has 1000 events waiting"));
    assert_eq!(
        world.transcript.join("\n"),
        "mule/1 fault: failed after 1: as told\n\
         dead letter mule/1 fault: failed after 1: as told\n\
         mule/1 fine: ok idle\n\
         cup/1 start: ok >idle\n\
         cup/1 go: ok idle\n\
         dead letter mule/1 hello: rejected mailbox-full\n\
         cup/1 error.communication (mailbox-full): ok idle\n\
         @10\n\
         mule/1 tick: ok idle"
    );
    world.audit();
    world.send("mule/1", "open", "o", "mode open");
    assert_eq!(world.disk.mailboxes.len(), 0);
    let row = &world.disk.instances[&address("mule/1")];
    assert_eq!(row.turns, 1 + 1 + 3 + 1 + limits::MAILBOX_MAX as u64);
}

#[test]
fn a_full_outbox_refuses_clients_and_goes_before_timers() {
    let mut world = World::new(Weather { audit: false, batch: 1000, ..FAIR });
    world.run();
    let burst: String = (0..999).map(|_| "send cup/2 x;").collect();
    for place in 0..limits::OUTBOX_MAX / 999 + 1 {
        world.send("cup/1", "go", &format!("e{place}"), &burst);
    }
    world.commit();
    let ticket = world.send("cup/3", "go", "late", "");
    world.start("cup/4", "s", None, "");
    world.commit();
    assert_eq!(world.answers[&ticket], Answer::Refused(Refusal::Overloaded));
    assert!(world.transcript.last().unwrap().starts_with("s: refused: this node has 100000 events"));
}

#[test]
fn a_rejection_names_what_would_be_taken() {
    let world = play("start pot/1\nsend pot/1 go { reject }", FAIR);
    let entry = world.disk.history[&address("pot/1")].last().unwrap();
    let everstate_kernel::Outcome::Rejected { accepts, .. } = &entry.outcome else {
        panic!("{}", outcome(&entry.outcome))
    };
    assert_eq!(accepts.iter().map(|name| &**name).collect::<Vec<_>>(), ["go"]);
}

#[test]
fn a_tree_that_grows_for_ever_ends_with_a_fault() {
    let mut program = String::from("log leaf");
    for _ in 0..limits::DEPTH_MAX {
        program = format!("spawn a pot - stop {{ {program} }}");
    }
    let mut world = World::new(FAIR);
    world.send("cup/1", "deep", "x", &program);
    world.run();
    let starts = |world: &World| {
        world.transcript.iter().filter(|line| line.starts_with("pot/") && line.contains(" start:")).count()
    };
    assert_eq!(starts(&world), limits::DEPTH_MAX as usize);
    assert!(world.transcript.iter().any(|line| line.contains("\"leaf\"")));

    let mut world = World::new(FAIR);
    world.send("cup/1", "deeper", "x", &format!("spawn a pot - stop {{ {program} }}"));
    world.run();
    assert_eq!(starts(&world), limits::DEPTH_MAX as usize - 1);
    assert!(world.transcript.iter().any(|line| line.contains("child.faulted.a (start-faulted)")));
}

#[test]
fn an_instance_has_so_many_children_and_no_more() {
    let children = |from: usize, to: usize| {
        (from..to).map(|n| format!("spawn c{n} pot {n} stop")).collect::<Vec<_>>().join("; ")
    };
    let mut world = World::new(Weather { audit: false, ..FAIR });
    world.send("cup/1", "half", "a", &children(0, 500));
    world.send("cup/1", "half", "b", &children(500, limits::CHILDREN_MAX));
    world.send("cup/1", "more", "c", &children(limits::CHILDREN_MAX, limits::CHILDREN_MAX + 1));
    world.run();
    world.audit();
    assert!(world.transcript.iter().any(|line| line.contains("1000 children, which is the limit")));
    world.send("cup/1", "end", "d", "done 1");
    world.run();
    world.audit();
    let stopped = world.transcript.iter().filter(|line| line.contains(" stop: ok idle stopped")).count();
    assert_eq!(stopped, limits::CHILDREN_MAX);
}

#[test]
fn an_instance_is_watched_by_so_many_and_the_next_is_told() {
    let mut world = World::new(Weather { audit: false, ..FAIR });
    world.start("pot/1", "p", None, "");
    for n in 0..=limits::MONITORS_MAX {
        world.send(&format!("cup/{n}"), "watch", &format!("w{n}"), "monitor pot/1");
    }
    world.run();
    assert!(world.transcript.iter().any(|line| line.contains("monitor.exited (refused")));
    world.send("pot/1", "end", "e", "done 1");
    world.run();
    world.audit();
    let told = world.transcript.iter().filter(|line| line.contains("monitor.exited (final)")).count();
    assert_eq!(told, limits::MONITORS_MAX);
}
