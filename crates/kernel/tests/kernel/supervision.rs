//! Supervisors: order, strategies, waits, and giving up. The plans are in `supervisors`.

use crate::world::check;

#[test]
fn children_are_started_in_order_and_stopped_in_reverse() {
    check(
        "define one v1 x
         start one/1
         stop one/1",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           one/1 stop: ok watching>stopping
           stop one/1: ok stopping
           crab/c stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.c (stopped, its parent stopped it): ok stopping
           crab/b stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.b (stopped, its parent stopped it): ok stopping
           crab/a stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.a (stopped, its parent stopped it): ok stopping ended"#,
    );
}

#[test]
fn one_for_one_restarts_the_one_that_failed() {
    check(
        "define one v1 x
         start one/1
         send crab/b bad { fault }
         advance 1000",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           one/1 child.faulted.b (event-faulted): ok watching "b: restarted in 100 ms: event-faulted on bad: as told"
           @100
           one/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           one/1 child.started.b: ok watching"#,
    );
}

#[test]
fn one_for_all_restarts_everybody_in_order() {
    check(
        "define all v1 x
         start all/1
         send crab/b bad { fault }
         advance 1000",
        r#"all:v1: put
           all/1 start: ok >starting
           crab/a start: ok >idle
           all/1 child.started.a: ok starting
           crab/b start: ok >idle
           all/1 child.started.b: ok starting
           crab/c start: ok >idle
           all/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           all/1 child.faulted.b (event-faulted): ok watching>restarting "b: restarted in 100 ms with 2 more: event-faulted on bad: as told"
           crab/c stop: ok idle stopped "asked to stop in idle"
           all/1 child.exited.c (stopped, its parent stopped it): ok restarting
           crab/b stop: ok idle stopped
           all/1 child.exited.b (stopped, its parent stopped it): ok restarting
           crab/a stop: ok idle stopped "asked to stop in idle"
           all/1 child.exited.a (stopped, its parent stopped it): ok restarting
           @100
           all/1 supervisor.alarm: ok restarting>starting
           crab/a restart: ok idle
           all/1 child.started.a: ok starting
           crab/b restart: ok idle
           all/1 child.started.b: ok starting
           crab/c restart: ok idle
           all/1 child.started.c: ok starting>watching"#,
    );
}

#[test]
fn rest_for_one_restarts_those_that_come_after() {
    check(
        "define rest v1 x
         start rest/1
         send crab/b bad { fault }
         advance 1000",
        r#"rest:v1: put
           rest/1 start: ok >starting
           crab/a start: ok >idle
           rest/1 child.started.a: ok starting
           crab/b start: ok >idle
           rest/1 child.started.b: ok starting
           crab/c start: ok >idle
           rest/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           rest/1 child.faulted.b (event-faulted): ok watching>restarting "b: restarted in 100 ms with 1 more: event-faulted on bad: as told"
           crab/c stop: ok idle stopped "asked to stop in idle"
           rest/1 child.exited.c (stopped, its parent stopped it): ok restarting
           crab/b stop: ok idle stopped
           rest/1 child.exited.b (stopped, its parent stopped it): ok restarting
           @100
           rest/1 supervisor.alarm: ok restarting>starting
           crab/b restart: ok idle
           rest/1 child.started.b: ok starting
           crab/c restart: ok idle
           rest/1 child.started.c: ok starting>watching"#,
    );
}

#[test]
fn a_supervisor_that_restarts_too_often_gives_up_and_stops_its_children() {
    check(
        "define one v1 x
         start one/1
         send crab/b bad { fault }
         advance 1000
         send crab/c bad { fault }
         advance 1000",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           one/1 child.faulted.b (event-faulted): ok watching "b: restarted in 100 ms: event-faulted on bad: as told"
           @100
           one/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           one/1 child.started.b: ok watching
           @1000
           crab/c bad: failed after 1: as told parked
           dead letter crab/c bad: failed after 1: as told
           one/1 child.faulted.c (event-faulted): ok watching>giving-up "c: gave up: more than 1 restarts within 5000 ms, the last for c: event-faulted on bad: as told"
           crab/c stop: ok idle stopped
           one/1 child.exited.c (stopped, its parent stopped it): ok giving-up
           crab/b stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.b (stopped, its parent stopped it): ok giving-up
           crab/a stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.a (stopped, its parent stopped it): ok giving-up gave up"#,
    );
}

#[test]
fn failures_that_are_far_apart_are_borne() {
    check(
        "define one v1 x
         start one/1
         send crab/b bad { fault }
         advance 6000
         send crab/b bad { fault }
         advance 1000",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           one/1 child.faulted.b (event-faulted): ok watching "b: restarted in 100 ms: event-faulted on bad: as told"
           @100
           one/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           one/1 child.started.b: ok watching
           @6000
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           one/1 child.faulted.b (event-faulted): ok watching "b: restarted in 100 ms: event-faulted on bad: as told"
           @6100
           one/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           one/1 child.started.b: ok watching"#,
    );
}

#[test]
fn giving_up_climbs() {
    check(
        "define one v1 x
         define upper v1 x
         start upper/1
         send crab/b bad { fault }
         advance 1000
         send crab/c bad { fault }
         advance 1000",
        r#"one:v1: put
           upper:v1: put
           upper/1 start: ok >starting
           one/1 start: ok >starting
           upper/1 child.started.one: ok starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           pot/1 start: ok >idle
           upper/1 child.started.pot: ok starting>watching
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           one/1 child.faulted.b (event-faulted): ok watching "b: restarted in 100 ms: event-faulted on bad: as told"
           @100
           one/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           one/1 child.started.b: ok watching
           @1000
           crab/c bad: failed after 1: as told parked
           dead letter crab/c bad: failed after 1: as told
           one/1 child.faulted.c (event-faulted): ok watching>giving-up "c: gave up: more than 1 restarts within 5000 ms, the last for c: event-faulted on bad: as told"
           crab/c stop: ok idle stopped
           one/1 child.exited.c (stopped, its parent stopped it): ok giving-up
           crab/b stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.b (stopped, its parent stopped it): ok giving-up
           crab/a stop: ok idle stopped "asked to stop in idle"
           one/1 child.exited.a (stopped, its parent stopped it): ok giving-up gave up
           upper/1 child.exited.one (gave-up, gave up: more than 1 restarts within 5000 ms, the last for c: event-faulted on bad: as told): ok watching "one: restarted in 100 ms: gave-up: gave up: more than 1 restarts within 5000 ms, the last for c: event-faulted on bad: as told"
           @1100
           upper/1 supervisor.alarm: ok watching
           one/1 restart: ok giving-up>starting
           upper/1 child.started.one: ok watching
           crab/a restart: ok idle
           one/1 child.started.a: ok starting
           crab/b restart: ok idle
           one/1 child.started.b: ok starting
           crab/c restart: ok idle
           one/1 child.started.c: ok starting>watching"#,
    );
}

#[test]
fn waits_grow_with_failures_in_a_row_up_to_a_bound() {
    check(
        "define patient v1 x
         start patient/1
         send crab/a bad { fault }
         advance 1000
         send crab/a bad { fault }
         advance 1000
         send crab/a bad { fault }
         advance 1000",
        r#"patient:v1: put
           patient/1 start: ok >starting
           crab/a start: ok >idle
           patient/1 child.started.a: ok starting>watching
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           patient/1 child.faulted.a (event-faulted): ok watching "a: restarted in 100 ms: event-faulted on bad: as told"
           @100
           patient/1 supervisor.alarm: ok watching
           crab/a restart: ok idle
           patient/1 child.started.a: ok watching
           @1000
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           patient/1 child.faulted.a (event-faulted): ok watching "a: restarted in 200 ms: event-faulted on bad: as told"
           @1200
           patient/1 supervisor.alarm: ok watching
           crab/a restart: ok idle
           patient/1 child.started.a: ok watching
           @2000
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           patient/1 child.faulted.a (event-faulted): ok watching "a: restarted in 350 ms: event-faulted on bad: as told"
           @2350
           patient/1 supervisor.alarm: ok watching
           crab/a restart: ok idle
           patient/1 child.started.a: ok watching"#,
    );
}

#[test]
fn waits_are_spread_by_the_seed() {
    check(
        "define spread v1 x
         start spread/1
         send crab/a bad { fault }
         send crab/b bad { fault }
         advance 5000",
        r#"spread:v1: put
           spread/1 start: ok >starting
           crab/a start: ok >idle
           spread/1 child.started.a: ok starting
           crab/b start: ok >idle
           spread/1 child.started.b: ok starting>watching
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           spread/1 child.faulted.a (event-faulted): ok watching "a: restarted in 1100 ms: event-faulted on bad: as told"
           crab/b bad: failed after 1: as told parked
           dead letter crab/b bad: failed after 1: as told
           spread/1 child.faulted.b (event-faulted): ok watching "b: restarted in 1360 ms: event-faulted on bad: as told"
           @1100
           spread/1 supervisor.alarm: ok watching
           crab/a restart: ok idle
           spread/1 child.started.a: ok watching
           @1360
           spread/1 supervisor.alarm: ok watching
           crab/b restart: ok idle
           spread/1 child.started.b: ok watching"#,
    );
}

#[test]
fn an_immortal_child_resumes_with_what_waited() {
    check(
        "define immortal v1 x
         start immortal/1
         send crab/a on { mode open }
         send crab/a bad { fault }
         send crab/a waits { log waits }
         advance 1000",
        r#"immortal:v1: put
           immortal/1 start: ok >starting
           crab/a start: ok >idle
           immortal/1 child.started.a: ok starting>watching
           crab/a on: ok idle>open
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           immortal/1 child.faulted.a (event-faulted): ok watching "a: restarted in 100 ms: event-faulted on bad: as told"
           e4: kept
           @100
           immortal/1 supervisor.alarm: ok watching
           crab/a resume: ok open
           crab/a waits: ok open "waits"
           e4 decided: ok open
           immortal/1 child.started.a: ok watching"#,
    );
}

#[test]
fn a_transient_child_that_reaches_its_end_is_not_restarted() {
    check(
        "define transient v1 x
         start transient/1
         send crab/a end { done 1 }
         advance 1000",
        r#"transient:v1: put
           transient/1 start: ok >starting
           crab/a start: ok >idle
           transient/1 child.started.a: ok starting>watching
           crab/a end: ok idle ended
           transient/1 child.exited.a (final): ok watching "a: not restarted: final""#,
    );
}

#[test]
fn a_transient_child_that_gives_up_is_restarted() {
    check(
        "define transient v1 x
         start transient/1
         send crab/a tired { give-up tired }
         advance 1000",
        r#"transient:v1: put
           transient/1 start: ok >starting
           crab/a start: ok >idle
           transient/1 child.started.a: ok starting>watching
           crab/a tired: ok idle gave up
           transient/1 child.exited.a (gave-up, tired): ok watching "a: restarted in 100 ms: gave-up: tired"
           @100
           transient/1 supervisor.alarm: ok watching
           crab/a restart: ok idle
           transient/1 child.started.a: ok watching"#,
    );
}

#[test]
fn a_temporary_child_is_never_restarted() {
    check(
        "define temporary v1 x
         start temporary/1
         send crab/a bad { fault }
         advance 1000",
        r#"temporary:v1: put
           temporary/1 start: ok >starting
           crab/a start: ok >idle
           temporary/1 child.started.a: ok starting>watching
           crab/a bad: failed after 1: as told parked
           dead letter crab/a bad: failed after 1: as told
           temporary/1 child.faulted.a (event-faulted): ok watching "a: not restarted: event-faulted on bad: as told"
           crab/a stop: ok idle stopped
           temporary/1 child.exited.a (stopped, its parent killed it): ok watching"#,
    );
}

#[test]
fn a_permanent_child_that_is_deleted_begins_again() {
    check(
        "define one v1 x
         start one/1
         delete crab/b
         advance 1000",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           crab/b stop: ok idle stopped
           delete crab/b: gone
           one/1 child.exited.b (deleted, an operator deleted it): ok watching "b: restarted in 100 ms: deleted: an operator deleted it"
           @100
           one/1 supervisor.alarm: ok watching
           crab/b start: ok >idle
           one/1 child.started.b: ok watching"#,
    );
}

#[test]
fn the_next_child_waits_until_the_one_before_is_ready() {
    check(
        "define ready v1 x
         start ready/1
         advance 500
         send crab/a go { send ready/1 ready }",
        "ready:v1: put
         ready/1 start: ok >starting
         crab/a start: ok >idle
         ready/1 child.started.a: ok starting
         @500
         crab/a go: ok idle
         ready/1 ready: ok starting
         crab/b start: ok >idle
         ready/1 child.started.b: ok starting",
    );
}

#[test]
fn one_that_is_not_ready_in_time_is_killed_and_restarted() {
    check(
        "define ready v1 x
         start ready/1
         advance 1200
         send crab/a go { send ready/1 ready }",
        r#"ready:v1: put
           ready/1 start: ok >starting
           crab/a start: ok >idle
           ready/1 child.started.a: ok starting
           @1000
           ready/1 supervisor.alarm: ok starting "a: not ready within 1000 ms"
           crab/a stop: ok idle stopped
           ready/1 child.exited.a (stopped, its parent killed it): ok starting "a: restarted in 100 ms: not ready within 1000 ms"
           @1100
           ready/1 supervisor.alarm: ok starting
           crab/a restart: ok idle
           ready/1 child.started.a: ok starting
           @1200
           crab/a go: ok idle
           ready/1 ready: ok starting
           crab/b start: ok >idle
           ready/1 child.started.b: ok starting"#,
    );
}

#[test]
fn one_that_overruns_its_stop_deadline_is_named_and_killed() {
    check(
        "define slow v1 x
         start slow/1
         stop slow/1
         send crab/b tidied { done 1 }
         advance 3000",
        r#"slow:v1: put
           slow/1 start: ok >starting
           crab/a start: ok >idle
           slow/1 child.started.a: ok starting
           crab/b start: ok >idle
           slow/1 child.started.b: ok starting>watching
           slow/1 stop: ok watching>stopping
           stop slow/1: ok stopping
           crab/b stop: ok idle>stopping "asked to stop in idle"
           crab/b tidied: ok stopping ended
           slow/1 child.exited.b (stopped): ok stopping
           crab/a stop: ok idle>stopping "asked to stop in idle"
           @2000
           slow/1 supervisor.alarm: ok stopping "a: killed: it did not stop within 2000 ms"
           crab/a stop: ok stopping stopped
           slow/1 child.exited.a (stopped, its parent killed it): ok stopping ended"#,
    );
}

#[test]
fn a_child_that_cannot_be_started_is_tried_again_until_it_gives_up() {
    check(
        "define unable v1 x
         start unable/1
         advance 1000",
        r#"unable:v1: put
           unable/1 start: ok >starting
           unable/1 child.faulted.tub (unknown-kind): ok starting "tub: restarted in 100 ms: unknown-kind: there is no definition \"tub\"; put it first"
           @100
           unable/1 supervisor.alarm: ok starting
           unable/1 child.faulted.tub (unknown-kind): ok starting>giving-up gave up "tub: gave up: more than 1 restarts within 5000 ms, the last for tub: unknown-kind: there is no definition \"tub\"; put it first""#,
    );
}

#[test]
fn a_supervisor_that_starts_over_starts_its_children_over() {
    check(
        "define one v1 x
         start one/1
         restart one/1",
        r#"one:v1: put
           one/1 start: ok >starting
           crab/a start: ok >idle
           one/1 child.started.a: ok starting
           crab/b start: ok >idle
           one/1 child.started.b: ok starting
           crab/c start: ok >idle
           one/1 child.started.c: ok starting>watching
           one/1 restart: ok watching>starting
           restart one/1: ok watching>starting
           crab/a stop: ok idle stopped "asked to stop in idle"
           crab/b stop: ok idle stopped "asked to stop in idle"
           crab/c stop: ok idle stopped "asked to stop in idle"
           crab/a restart: ok idle
           one/1 child.started.a: ok starting
           crab/b restart: ok idle
           one/1 child.started.b: ok starting
           crab/c restart: ok idle
           one/1 child.started.c: ok starting>watching"#,
    );
}

#[test]
fn a_supervisor_ignores_what_others_say_of_its_children() {
    check(
        "define one v1 x
         start one/1
         send one/1 child.exited.a
         send one/1 supervisor.alarm
         send one/1 ready",
        "one:v1: put
         one/1 start: ok >starting
         crab/a start: ok >idle
         one/1 child.started.a: ok starting
         crab/b start: ok >idle
         one/1 child.started.b: ok starting
         crab/c start: ok >idle
         one/1 child.started.c: ok starting>watching
         one/1 child.exited.a: rejected not-accepted in watching
         one/1 supervisor.alarm: rejected not-accepted in watching
         one/1 ready: rejected not-accepted in watching",
    );
}
