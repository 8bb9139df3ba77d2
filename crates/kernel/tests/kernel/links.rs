//! Parents and children: what each is told, what becomes of the one when the other ends, and who watches whom.

use crate::world::check;

#[test]
fn a_child_is_started_and_its_parent_told() {
    check(
        "send cup/1 go { spawn a pot 7 stop { log hello; family }; family }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle "none []"
           pot/7 start: ok >idle "hello" "cup/1 []"
           cup/1 child.started.a: ok idle
           cup/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn a_child_without_an_id_gets_one_that_is_always_the_same() {
    check(
        "send cup/1 go { spawn a pot - stop; spawn b pot - stop }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/4400-2b061f9a start: ok >idle
         pot/4401-d7fb5c70 start: ok >idle
         cup/1 child.started.a: ok idle
         cup/1 child.started.b: ok idle",
    );
}

#[test]
fn a_child_that_ends_tells_its_parent_its_output() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         send pot/7 end { done [1,2] }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/7 end: ok idle ended
           cup/1 child.exited.a (final): ok idle
           cup/1 look: ok idle "none []""#,
    );
}

#[test]
fn a_child_may_end_in_its_first_turn_and_its_last_words_come_first() {
    check(
        "send cup/1 go { spawn a pot 7 stop { send cup/1 result; done 5 } }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/7 start: ok >idle ended
         cup/1 child.started.a: ok idle
         cup/1 result: ok idle
         cup/1 child.exited.a (final): ok idle",
    );
}

#[test]
fn a_child_that_gives_up_tells_why() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         send pot/7 try { give-up tired }
         send pot/7 more",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/7 start: ok >idle
         cup/1 child.started.a: ok idle
         pot/7 try: ok idle gave up
         cup/1 child.exited.a (gave-up, tired): ok idle
         pot/7 more: rejected final in idle gave up",
    );
}

#[test]
fn a_parent_stops_a_child() {
    check(
        "send cup/1 go { spawn a pot 7 stop { timer t 50 tick } }
         send cup/1 enough { stop a; family }
         advance 100",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 enough: ok idle "none [a]"
           pot/7 stop: ok idle stopped "asked to stop in idle"
           cup/1 child.exited.a (stopped, its parent stopped it): ok idle"#,
    );
}

#[test]
fn a_child_may_tidy_up_before_it_stops() {
    check(
        "send cup/1 go { spawn a pot 7 stop { on-stop slow } }
         send cup/1 enough { stop a }
         send cup/1 again { stop a; family }
         send pot/7 tidied { done 1 }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 enough: ok idle
           pot/7 stop: ok idle>stopping "asked to stop in idle"
           cup/1 again: ok idle "none [a stopping]"
           pot/7 tidied: ok stopping ended
           cup/1 child.exited.a (stopped): ok idle
           cup/1 look: ok idle "none []""#,
    );
}

#[test]
fn one_that_takes_too_long_to_stop_is_killed() {
    check(
        "send cup/1 go { spawn a pot 7 stop { on-stop slow } }
         send cup/1 enough { stop a; timer late 50 kill-it { kill a } }
         advance 100",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 enough: ok idle
           pot/7 stop: ok idle>stopping "asked to stop in idle"
           @50
           cup/1 kill-it: ok idle
           pot/7 stop: ok stopping stopped
           cup/1 child.exited.a (stopped, its parent killed it): ok idle"#,
    );
}

#[test]
fn one_that_faults_when_it_is_asked_to_stop_ends() {
    check(
        "send cup/1 go { spawn a pot 7 stop { on-stop fault } }
         send cup/1 enough { stop a }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/7 start: ok >idle
         cup/1 child.started.a: ok idle
         cup/1 enough: ok idle
         pot/7 stop: ok idle stopped
         cup/1 child.exited.a (stopped, its parent stopped it; asked to stop, it faulted: no): ok idle",
    );
}

#[test]
fn the_name_of_a_stopping_child_may_be_given_again() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         send cup/1 swap { stop a; spawn a pot 7 stop { log second }; family }
         send cup/1 look { family }
         send cup/1 swap { stop a; spawn a pot 8 stop { log third } }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 swap: ok idle "none [a]"
           pot/7 stop: ok idle stopped "asked to stop in idle"
           pot/7 restart: ok idle "second"
           cup/1 child.started.a: ok idle
           cup/1 look: ok idle "none [a]"
           cup/1 swap: ok idle
           pot/7 stop: ok idle stopped "asked to stop in idle"
           pot/8 start: ok >idle "third"
           cup/1 child.started.a: ok idle
           cup/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn children_of_an_ended_parent_are_stopped_or_kept() {
    check(
        "send cup/1 go { spawn a pot 7 stop { spawn b pot 8 stop; spawn c pot 9 keep { timer t 10 tick { family } } } }
         send cup/1 end { done 1 }
         advance 20",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/8 start: ok >idle
           pot/9 start: ok >idle
           pot/7 child.started.b: ok idle
           pot/7 child.started.c: ok idle
           cup/1 end: ok idle ended
           pot/7 stop: ok idle stopped "asked to stop in idle"
           pot/8 stop: ok idle stopped "asked to stop in idle"
           @10
           pot/9 tick: ok idle "none []""#,
    );
}

#[test]
fn deleting_a_parent_stops_its_children_and_its_parent_is_told() {
    check(
        "send cup/1 go { spawn a pot 7 stop { spawn b pot 8 stop } }
         delete pot/7
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/8 start: ok >idle
           pot/7 child.started.b: ok idle
           pot/7 stop: ok idle stopped
           delete pot/7: gone
           cup/1 child.exited.a (deleted, an operator deleted it): ok idle
           pot/8 stop: ok idle stopped "asked to stop in idle"
           cup/1 look: ok idle "none []""#,
    );
}

#[test]
fn a_fault_is_told_to_the_parent_and_the_child_goes_on() {
    check(
        "send cup/1 go { spawn a mule 7 stop }
         send mule/7 bad { fault }
         advance 1000
         send mule/7 good",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         mule/7 start: ok >idle
         cup/1 child.started.a: ok idle
         e2: kept
         @250
         mule/7 bad: failed after 3: as told
         dead letter mule/7 bad: failed after 3: as told
         e2 decided: failed after 3: as told
         cup/1 child.faulted.a (event-faulted): ok idle
         @1000
         mule/7 good: ok idle",
    );
}

#[test]
fn a_parked_child_waits_for_its_parent_and_resumes() {
    check(
        "send cup/1 go { spawn a crab 7 stop { mode open; timer t 30 tick } }
         send crab/7 bad { fault }
         send crab/7 waits { log waits }
         advance 100
         send cup/1 again { resume a }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           crab/7 start: ok >open
           cup/1 child.started.a: ok idle
           crab/7 bad: failed after 1: as told parked
           dead letter crab/7 bad: failed after 1: as told
           cup/1 child.faulted.a (event-faulted): ok idle
           e3: kept
           @100
           cup/1 again: ok idle
           crab/7 resume: ok open
           crab/7 waits: ok open "waits"
           crab/7 tick: ok open
           e3 decided: ok open
           cup/1 child.started.a: ok idle"#,
    );
}

#[test]
fn a_parked_child_starts_over_and_what_waited_is_gone() {
    check(
        "send cup/1 go { spawn a crab 7 stop { mode open; timer t 30 tick } }
         send crab/7 bad { fault }
         send crab/7 waits { log waits }
         send cup/1 again { restart a { log fresh } }
         advance 100
         send crab/7 next",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           crab/7 start: ok >open
           cup/1 child.started.a: ok idle
           crab/7 bad: failed after 1: as told parked
           dead letter crab/7 bad: failed after 1: as told
           cup/1 child.faulted.a (event-faulted): ok idle
           e3: kept
           cup/1 again: ok idle
           crab/7 restart: ok open>idle "fresh"
           crab/7 waits: rejected gone in idle
           e3 decided: rejected gone in idle
           cup/1 child.started.a: ok idle
           @100
           crab/7 next: ok idle"#,
    );
}

#[test]
fn an_operator_decides_as_a_parent_does() {
    check(
        "send crab/7 bad { fault }
         send crab/7 waits { log waits }
         resume crab/7
         send crab/7 bad { fault }
         send crab/7 waits { log waits }
         restart crab/7 { log fresh }
         stop crab/7
         stop crab/7
         resume crab/7
         restart crab/7 { mode open }
         restart pot/9 { mode open }",
        r#"crab/7 start: ok >idle
           crab/7 bad: failed after 1: as told parked
           dead letter crab/7 bad: failed after 1: as told
           e2: kept
           crab/7 resume: ok idle
           crab/7 waits: ok idle "waits"
           e2 decided: ok idle
           restart crab/7: ok idle
           crab/7 bad: failed after 1: as told parked
           dead letter crab/7 bad: failed after 1: as told
           e4: kept
           crab/7 restart: ok idle "fresh"
           crab/7 waits: rejected gone in idle
           e4 decided: rejected gone in idle
           restart crab/7: ok idle
           crab/7 stop: ok idle stopped "asked to stop in idle"
           stop crab/7: ok idle
           stop crab/7: rejected final
           restart crab/7: rejected final
           crab/7 restart: ok idle>open
           restart crab/7: ok idle>open
           restart pot/9: refused: there is no instance pot/9"#,
    );
}

#[test]
fn the_children_of_a_parent_that_starts_over_are_stopped() {
    check(
        "send cup/1 go { spawn a pot 7 stop; spawn b pot 8 keep }
         restart cup/1 { spawn a pot 7 stop { log anew } }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           pot/8 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 child.started.b: ok idle
           cup/1 restart: ok idle
           restart cup/1: ok idle
           pot/7 stop: ok idle stopped "asked to stop in idle"
           pot/7 restart: ok idle "anew"
           cup/1 child.started.a: ok idle
           cup/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn the_children_of_a_parent_that_resumes_stay() {
    check(
        "send crab/1 go { spawn a pot 7 stop }
         send crab/1 bad { fault }
         resume crab/1
         send crab/1 look { family }",
        r#"crab/1 start: ok >idle
           crab/1 go: ok idle
           pot/7 start: ok >idle
           crab/1 child.started.a: ok idle
           crab/1 bad: failed after 1: as told parked
           dead letter crab/1 bad: failed after 1: as told
           crab/1 resume: ok idle
           restart crab/1: ok idle
           crab/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn what_an_earlier_incarnation_has_sent_is_gone() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         + send cup/1 again { restart a }
         + send pot/7 late { send cup/1 old }
         send pot/7 after
         send pot/7 now { send cup/1 new }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/7 start: ok >idle
         cup/1 child.started.a: ok idle
         cup/1 again: ok idle
         pot/7 late: ok idle
         pot/7 after: ok idle
         pot/7 restart: ok idle
         cup/1 child.started.a: ok idle
         cup/1 old: rejected gone in idle
         pot/7 error.communication (gone): rejected gone in idle
         pot/7 now: ok idle
         cup/1 new: ok idle",
    );
}

#[test]
fn an_answer_to_an_earlier_incarnation_is_gone() {
    check(
        "start pot/1
         start pot/2
         + send pot/1 ask { send pot/2 ask { reply 5 } }
         + restart pot/1
         send pot/1 ask { send pot/2 ask { reply 6 } }",
        "pot/1 start: ok >idle
         pot/2 start: ok >idle
         pot/1 ask: ok idle
         pot/1 restart: ok idle
         restart pot/1: ok idle
         pot/1 ask: ok idle
         pot/2 ask: ok idle = 5
         pot/2 ask: ok idle = 6
         pot/1 reply.ask: rejected gone in idle
         pot/1 reply.ask: ok idle",
    );
}

#[test]
fn what_an_instance_has_sent_to_its_earlier_self_is_gone() {
    check(
        "start pot/1
         + send pot/1 go { send pot/1 self }
         + restart pot/1
         send pot/1 go",
        "pot/1 start: ok >idle
         pot/1 go: ok idle
         pot/1 restart: ok idle
         restart pot/1: ok idle
         pot/1 go: ok idle
         pot/1 self: rejected gone in idle
         pot/1 error.communication (gone): rejected gone in idle",
    );
}

#[test]
fn a_monitor_is_told_of_the_end_once() {
    check(
        "start pot/1
         send cup/1 go { monitor pot/1; monitor pot/1 }
         send pot/1 end { done 3 }
         send cup/1 go { monitor pot/1; monitor pot/9 }",
        "pot/1 start: ok >idle
         cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/1 end: ok idle ended
         cup/1 monitor.exited (final): ok idle
         cup/1 go: ok idle
         cup/1 monitor.exited (final, it had ended before): ok idle
         cup/1 monitor.exited (unknown, there is no such instance): ok idle",
    );
}

#[test]
fn one_that_monitors_no_more_is_not_told() {
    check(
        "start pot/1
         start pot/2
         send cup/1 go { monitor pot/1; monitor pot/2 }
         + send pot/1 end { done 3 }
         send cup/1 no { demonitor pot/1; demonitor pot/2 }
         send pot/2 end { done 3 }",
        "pot/1 start: ok >idle
         pot/2 start: ok >idle
         cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/1 end: ok idle ended
         cup/1 no: ok idle
         pot/2 end: ok idle ended",
    );
}

#[test]
fn a_last_word_comes_before_the_end_though_the_parent_is_busy() {
    check(
        "send mule/1 go { spawn a pot 7 stop }
         send mule/1 slow { fault-until 300 }
         send pot/7 end { send mule/1 last { log last }; done 1 }
         advance 1000",
        r#"mule/1 start: ok >idle
           mule/1 go: ok idle
           pot/7 start: ok >idle
           mule/1 child.started.a: ok idle
           e2: kept
           pot/7 end: ok idle ended
           @250
           mule/1 slow: failed after 3: not yet
           dead letter mule/1 slow: failed after 3: not yet
           mule/1 last: ok idle "last"
           mule/1 child.exited.a (final): ok idle
           e2 decided: failed after 3: not yet"#,
    );
}
