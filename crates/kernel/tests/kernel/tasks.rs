//! Tasks: asked for, leased, reported, retried, timed out and cancelled; a result is taken once, whatever the weather.

use crate::script::{data, program};
use crate::world::{FAIR, Weather, World, address, check, failed, play};
use everstate_kernel::{Answer, Json, Lease, Refusal, Report, Serial, Stage, limits};

#[test]
fn a_result_arrives_once_as_an_event() {
    check(
        "send cup/1 go { task pay cards 3 1000 - - }
         lease w cards
         lease v cards
         done w { log paid; reply 1 }
         done w { log paid; reply 1 }
         done w { log twice }
         beat w
         advance 5000",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           w gets pay of cup/1, attempt 1, until 1000
           v gets nothing
           cup/1 done.task.pay: ok idle = 1 "paid"
           w: ok idle = 1
           w again: ok idle = 1
           w: over: it was reported otherwise
           w: over: the task was cancelled or has ended"#,
    );
}

#[test]
fn the_oldest_of_a_queue_go_first_and_queues_are_apart() {
    check(
        "send cup/1 go { task a cards 1 1000 - - }
         advance 5
         send cup/2 go { task b mails 1 1000 - - ; task c cards 1 1000 - - }
         send cup/1 go { task d cards 1 1000 - - }
         lease w cards 2
         lease w cards 9
         lease w mails",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         @5
         cup/2 start: ok >idle
         cup/2 go: ok idle
         cup/1 go: ok idle
         w gets a of cup/1, attempt 1, until 1005
         w gets c of cup/2, attempt 1, until 1005
         w gets d of cup/1, attempt 1, until 1005
         w gets b of cup/2, attempt 1, until 1005",
    );
}

#[test]
fn a_failed_attempt_is_tried_again_after_a_while_and_then_told() {
    check(
        "send cup/1 go { task pay cards 2 1000 - - }
         lease w cards
         fail w busy
         fail w busy
         lease w cards
         advance 100
         lease w cards
         fail w declined
         fail w declined
         fail w busy",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 1000
         w: noted until 100
         w: noted until 100
         w gets nothing
         @100
         w gets pay of cup/1, attempt 2, until 1100
         cup/1 error.task.pay (failed): ok idle
         w: ok idle
         w again: ok idle
         w: over: it was reported otherwise",
    );
}

#[test]
fn what_no_attempt_can_mend_is_told_at_once() {
    let story = "send cup/1 go { task pay cards 9 1000 - - }
         lease w cards
         fail-for-good w declined";
    check(
        story,
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 1000
         cup/1 error.task.pay (failed): ok idle
         w: ok idle",
    );
    let world = play(story, FAIR);
    let last = world.disk.history[&address("cup/1")].last().unwrap().clone();
    let everstate_kernel::Cause::Event(event) = last.cause else { panic!("an event") };
    assert_eq!(
        event.data.as_str(),
        r#"{"attempts":1,"code":"declined","message":"it says declined","queue":"cards","reason":"failed","task":"pay"}"#
    );
}

#[test]
fn an_attempt_that_takes_too_long_is_given_to_another_worker() {
    check(
        "send cup/1 go { task pay cards 2 1000 - - }
         lease w cards
         advance 1100
         lease v cards
         done w { log late }
         beat w
         fail w late
         done v { log paid }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           w gets pay of cup/1, attempt 1, until 1000
           @1100
           v gets pay of cup/1, attempt 2, until 2100
           w: over: another worker has the task by now
           w: over: another worker has the task by now
           w: over: another worker has the task by now
           cup/1 done.task.pay: ok idle "paid"
           v: ok idle"#,
    );
}

#[test]
fn the_last_attempt_that_takes_too_long_is_told() {
    check(
        "send cup/1 go { task pay cards 1 1000 - - }
         lease w cards
         advance 999
         advance 1
         done w { log late }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 1000
         @1000
         cup/1 error.task.pay (timeout): ok idle
         w: over: the task was cancelled or has ended",
    );
}

#[test]
fn heartbeats_keep_a_lease_up_to_its_timeout() {
    check(
        "send cup/1 go { task pay cards 2 1000 - 300 }
         lease w cards
         advance 200
         beat w half
         advance 290
         beat w
         advance 300
         lease w cards
         advance 100
         lease w cards
         advance 200
         beat w
         advance 200
         beat w
         advance 200
         beat w
         advance 200
         beat w
         advance 200",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 300
         @200
         w: noted until 500
         @490
         w: noted until 790
         @790
         w gets nothing
         @890
         w gets pay of cup/1, attempt 2, until 1190
         @1090
         w: noted until 1390
         @1290
         w: noted until 1590
         @1490
         w: noted until 1790
         @1690
         w: noted until 1890
         @1890
         cup/1 error.task.pay (timeout): ok idle",
    );
    let world =
        play("send cup/1 go { task p q 2 1000 - 300 }\nlease w q\nbeat w half\nadvance 500\nlease w q", FAIR);
    assert_eq!(
        world.leases["w"].progress.as_str(),
        "\"half\"",
        "the next attempt knows how far the last one came"
    );
}

#[test]
fn silence_is_told_by_its_own_name() {
    check(
        "send cup/1 go { task pay cards 1 1000 - 300 }
         lease w cards
         advance 300",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 300
         @300
         cup/1 error.task.pay (heartbeat): ok idle",
    );
}

#[test]
fn a_deadline_ends_a_task_wherever_it_stands() {
    check(
        "send cup/1 go { task nobody cards 9 100 500 - }
         advance 500
         send cup/1 go { task slow cards 9 1000 500 - }
         lease w cards
         advance 500
         send cup/1 go { task busy cards 9 1000 350 - }
         lease w cards
         fail w busy
         advance 100
         lease w cards
         advance 100
         fail w busy",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         @500
         cup/1 error.task.nobody (deadline): ok idle
         cup/1 go: ok idle
         w gets slow of cup/1, attempt 1, until 1000
         @1000
         cup/1 error.task.slow (deadline): ok idle
         cup/1 go: ok idle
         w gets busy of cup/1, attempt 1, until 1350
         w: noted until 1100
         @1100
         w gets busy of cup/1, attempt 2, until 1350
         @1200
         cup/1 error.task.busy (failed): ok idle
         w: ok idle",
    );
}

#[test]
fn what_is_given_back_is_no_attempt() {
    check(
        "send cup/1 go { task pay cards 1 1000 - - }
         lease w cards
         return w
         return w
         lease v cards
         done w { log paid }
         fail v busy",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         w gets pay of cup/1, attempt 1, until 1000
         w: noted until 0
         w: over: it took too long or was reported, and the task will be tried again
         v gets pay of cup/1, attempt 1, until 1000
         w: over: another worker has the task by now
         cup/1 error.task.pay (failed): ok idle
         v: ok idle",
    );
}

#[test]
fn a_task_goes_with_whoever_asked_for_it() {
    for ending in ["send cup/1 go { done 1 }", "kill cup/1", "stop cup/1", "restart cup/1 {}", "delete cup/1"]
    {
        let story = format!(
            "send cup/1 go {{ task pay cards 3 1000 9000 300 }}\nlease w cards\n{ending}\ndone w\nbeat w\nadvance 9000"
        );
        let world = play(&story, FAIR);
        let told = world.transcript.iter().filter(|line| line.contains(": over: ")).count();
        assert_eq!(told, 2, "{ending}: {:?}", world.transcript);
        assert!(world.transcript.iter().all(|line| !line.contains(".task.pay")), "{ending}");
        assert!(world.disk.tasks.is_empty() && world.disk.timers.is_empty(), "{ending}");
    }
}

#[test]
fn a_task_lives_on_when_its_instance_goes_on() {
    check(
        "send crab/1 go { task pay cards 3 1000 - - }
         lease w cards
         send crab/1 go { fault }
         done w { log paid }
         resume crab/1",
        r#"crab/1 start: ok >idle
           crab/1 go: ok idle
           w gets pay of crab/1, attempt 1, until 1000
           crab/1 go: failed after 1: as told parked
           dead letter crab/1 go: failed after 1: as told
           w: kept
           crab/1 resume: ok idle
           crab/1 done.task.pay: ok idle "paid"
           ~w decided: ok idle
           restart crab/1: ok idle"#
            .replace("~w", &event_of("send crab/1 go { task pay cards 3 1000 - - }\nlease w cards"))
            .as_str(),
    );
}

fn event_of(story: &str) -> String {
    let lease = play(story, FAIR).leases["w"].lease.clone();
    format!("~{}.{}", lease.number.0, lease.lease)
}

#[test]
fn a_space_that_ends_takes_its_tasks_along() {
    let world = play(
        "send room:cup/1 go { task pay cards 3 1000 - - }
         lease w cards
         kill space/room
         done w",
        FAIR,
    );
    assert!(world.transcript.last().unwrap().ends_with("over: the task was cancelled or has ended"));
    assert!(world.disk.tasks.is_empty());
}

#[test]
fn cancelled_and_replaced_tasks_are_over() {
    check(
        "send cup/1 go { task pay cards 3 1000 - - }
         lease w cards
         send cup/1 go { cancel-task pay; cancel-task nothing }
         done w { log late }
         send cup/1 go { task pay cards 3 1000 - - }
         lease w cards
         send cup/1 go { task pay cards 3 1000 - - ; task other cards 3 1000 - - ; cancel-task other }
         done w { log late }
         lease w cards 9
         done w { log paid }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           w gets pay of cup/1, attempt 1, until 1000
           cup/1 go: ok idle
           w: over: the task was cancelled or has ended
           cup/1 go: ok idle
           w gets pay of cup/1, attempt 1, until 1000
           cup/1 go: ok idle
           w: over: the task was cancelled or has ended
           w gets pay of cup/1, attempt 1, until 1000
           cup/1 done.task.pay: ok idle "paid"
           w: ok idle"#,
    );
}

#[test]
fn a_result_that_waits_is_dropped_when_its_task_is_cancelled_meanwhile() {
    let id = event_of("send mule/1 go { task pay cards 3 1000 - - }\nlease w cards");
    check(
        "send mule/1 go { task pay cards 3 1000 - - }
         lease w cards
         send mule/1 stuck { fault-until 100; cancel-task pay }
         done w { log late }
         advance 1000",
        &r#"mule/1 start: ok >idle
           mule/1 go: ok idle
           w gets pay of mule/1, attempt 1, until 1000
           e2: kept
           w: kept
           @100
           mule/1 stuck: ok idle
           mule/1 done.task.pay: rejected gone in idle
           e2 decided: ok idle
           ~w decided: rejected gone in idle"#
            .replace("~w", &id),
    );
}

#[test]
fn a_result_that_faults_is_tried_again_and_a_dead_letter_in_the_end() {
    let id = event_of("send mule/1 go { task pay cards 3 1000 - - }\nlease w cards");
    check(
        "send mule/1 go { task pay cards 3 1000 - - }
         lease w cards
         done w { fault-until 1000; log paid }
         done w { fault-until 1000; log paid }
         advance 999
         advance 1
         letters retry",
        &r#"mule/1 start: ok >idle
           mule/1 go: ok idle
           w gets pay of mule/1, attempt 1, until 1000
           w: kept
           w again: kept
           @250
           mule/1 done.task.pay: failed after 3: not yet
           dead letter mule/1 done.task.pay: failed after 3: not yet
           ~w decided: failed after 3: not yet
           @1000
           mule/1 done.task.pay: ok idle "paid"
           LETTER: ok idle"#
            .replace("~w", &id)
            .replace("LETTER", &letter_of_story()),
    );
}

/// How the transcript names the letter of the story above.
fn letter_of_story() -> String {
    let world = play(
        "send mule/1 go { task pay cards 3 1000 - - }
         lease w cards
         done w { fault-until 1000; log paid }
         advance 999",
        FAIR,
    );
    format!("letter {}", world.disk.letters.keys().next().unwrap().0)
}

#[test]
fn a_machine_cannot_make_up_the_end_of_a_task() {
    check(
        "send cup/1 go { send cup/2 done.task.pay }",
        "cup/1 start: ok >idle
         cup/1 go: failed after 1: event \"done.task.pay\" is one that only the kernel sends; use another name
         dead letter cup/1 go: failed after 1: event \"done.task.pay\" is one that only the kernel sends; use another name",
    );
}

#[test]
fn a_client_cannot_make_up_the_end_of_a_task() {
    check(
        "send cup/1 go { task pay cards 1 1000 - - }
         send cup/1 done.task.pay { log paid }
         send cup/1 error.task.pay { log failed }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         cup/1 done.task.pay: rejected not-accepted in idle: only the kernel tells of tasks; their workers report them
         cup/1 error.task.pay: rejected not-accepted in idle: only the kernel tells of tasks; their workers report them",
    );
}

#[test]
fn a_full_mailbox_leaves_the_result_with_its_worker() {
    let mut story = String::from(
        "send mule/1 go { task pay cards 1 100000 - - ; task rest cards 1 50 - - }
         lease w cards
         lease v cards
         send mule/1 stuck { fault-until 180 }\n",
    );
    (0..limits::MAILBOX_MAX - 1).for_each(|_| story.push_str("+send mule/1 go\n"));
    story.push_str("done w { log paid }\nadvance 60\nadvance 240\ndone w { log paid }");
    let world = play(&story, Weather { audit: false, ..FAIR });
    let lines = world.transcript.join("\n");
    assert!(lines.contains("w: refused: mule/1 has 1000 events waiting"), "{lines}");
    assert!(lines.contains("dead letter mule/1 error.task.rest: rejected mailbox-full"), "{lines}");
    assert!(lines.ends_with("mule/1 done.task.pay: ok idle \"paid\"\nw: ok idle"), "{lines}");
}

#[test]
fn what_is_too_much_is_a_fault() {
    let limit = limits::TASKS_MAX;
    let many: String = (0..=limit).map(|n| format!("task t{n} q 1 10 - -;")).collect();
    for (program, problem) in [
        (many.as_str(), "the instance has 257 tasks open, the limit is 256"),
        ("task t q 0 10 - -", "task \"t\": a task has 0 attempts; give it at least 1"),
        ("task t q 1 0 - -", "task \"t\": the timeout of a task is 0; give it some time"),
        (
            "task t a*b 1 10 - -",
            "the name of a queue of tasks is not usable: \"a*b\"; use 1 to 128 letters, digits, '_', '-', '.' and '/', such as charge-card",
        ),
        (
            "task t q 1 3162240000001 - -",
            "task \"t\": the timeout of a task is 3162240000001 ms, the limit is 3162240000000",
        ),
    ] {
        let world = play(&format!("send cup/1 go {{ {program} }}"), FAIR);
        let last = world.transcript.last().unwrap();
        assert!(last.ends_with(problem), "{last}");
        assert!(world.disk.tasks.is_empty());
    }
}

#[test]
fn one_lease_takes_no_more_than_its_limit() {
    let mut world = World::new(FAIR);
    let ask = |n: usize| format!("task t{n} q 1 10 - -");
    let all: Vec<String> = (0..150).map(ask).collect();
    world.send("cup/1", "go", "e1", &all.join("; "));
    let ticket = world.lease("w", "q", usize::MAX);
    let Answer::Leased(leased) = &world.answers[&ticket] else { panic!("leased") };
    assert_eq!(leased.len(), limits::LEASES_MAX);
}

#[test]
fn a_lease_that_never_was_is_over() {
    let mut world = World::new(FAIR);
    world.send("cup/1", "go", "e1", "task pay cards 3 1000 - -");
    world.lease("w", "cards", 1);
    let real = world.leases["w"].lease.clone();
    let others = [
        Lease { lease: 2, ..real.clone() },
        Lease { lease: 0, ..real.clone() },
        Lease { number: Serial(1), ..real.clone() },
        Lease { address: address("cup/2"), ..real.clone() },
    ];
    let reports =
        || [Report::Done(Json::NULL), failed("x", true), Report::Beat { progress: None }, Report::Return];
    for lease in others {
        for report in reports() {
            let ticket = world.report_lease("w", lease.clone(), report);
            assert!(matches!(world.answers[&ticket], Answer::Refused(Refusal::LeaseOver { .. })), "{lease}");
        }
    }
    assert_eq!(Lease::parse(&real.to_string()), Ok(real.clone()));
    for text in ["", "cup/1", "cup/1#", "cup/1#1", "#1.1", "cup/1#1.x", "cup/1#-1.1"] {
        assert!(Lease::parse(text).is_err(), "{text}");
    }
    world.report("w", Report::Done(data(&program("log paid"))));
    assert!(world.disk.instances[&address("cup/1")].tasks.is_empty());
}

#[test]
fn what_a_worker_says_has_limits() {
    let mut world = World::new(FAIR);
    world.send("cup/1", "go", "e1", "task pay cards 3 1000 - 500");
    world.lease("w", "cards", 1);
    let long = Json::trusted(format!("{:?}", "x".repeat(limits::DATA_BYTES_MAX)));
    for report in [
        Report::Done(long.clone()),
        Report::Beat { progress: Some(long) },
        Report::Failed { code: "x".repeat(129), message: String::new(), retryable: true },
    ] {
        let lease = world.leases["w"].lease.clone();
        let ticket = world.report_lease("w", lease, report);
        assert!(matches!(world.answers[&ticket], Answer::Refused(Refusal::BadReport(_))));
    }
    let row = &world.disk.instances[&address("cup/1")];
    assert!(matches!(row.tasks[0].stage, Stage::Leased { .. }), "it has the task still");
}
