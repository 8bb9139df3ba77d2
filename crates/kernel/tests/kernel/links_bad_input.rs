//! Links that cannot be: each has a documented answer, and nothing is lost.

use crate::world::{FAIR, address, check, play};
use everstate_kernel::Status;

#[test]
fn an_address_in_use_is_told_and_the_parent_goes_on() {
    check(
        "start pot/7
         send cup/1 go { spawn a pot 7 stop; mode open }
         send cup/1 look { family }
         send pot/7 still",
        r#"pot/7 start: ok >idle
           cup/1 start: ok >idle
           cup/1 go: ok idle>open
           cup/1 child.faulted.a (address-in-use): ok open
           cup/1 look: ok open "none []"
           pot/7 still: ok idle"#,
    );
}

#[test]
fn the_child_of_another_is_not_taken_over_though_it_has_ended() {
    check(
        "send cup/2 go { spawn a pot 7 stop { done 1 } }
         send cup/1 go { spawn a pot 7 stop }",
        "cup/2 start: ok >idle
         cup/2 go: ok idle
         pot/7 start: ok >idle ended
         cup/2 child.started.a: ok idle
         cup/2 child.exited.a (final): ok idle
         cup/1 start: ok >idle
         cup/1 go: ok idle
         cup/1 child.faulted.a (address-in-use): ok idle",
    );
}

#[test]
fn a_machine_that_would_be_its_own_child_or_its_parents_parent_is_told() {
    check(
        "send cup/1 go { spawn me cup 1 stop; spawn a cup 2 stop { spawn up cup 1 stop } }
         send cup/2 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           cup/2 start: ok >idle
           cup/1 child.faulted.me (address-in-use): ok idle
           cup/1 child.started.a: ok idle
           cup/2 child.faulted.up (address-in-use): ok idle
           cup/2 look: ok idle "cup/1 []""#,
    );
}

/// One that has itself as a child is refused where it is written (`everstate check`).
#[test]
fn a_supervisor_that_would_supervise_its_parent_gives_up_and_so_does_that_one() {
    let world = play("define ring v1 x\ndefine gnir v1 x\nstart ring/1\nadvance 5000", FAIR);
    let told = world.transcript.join("\n");
    assert!(told.contains("gnir/1 child.faulted.ring (address-in-use)"), "{told}");
    for of in ["ring/1", "gnir/1"] {
        let row = &world.disk.instances[&address(of)];
        assert!(matches!(row.status, Status::GaveUp(_)), "{of}: {:?}\n{told}", row.status);
    }
}

#[test]
fn an_unknown_kind_and_a_start_that_faults_are_told() {
    check(
        "send cup/1 go { spawn a tub 7 stop; spawn b pot 7 stop { fault } }
         send cup/1 look { family }
         start pot/7",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           cup/1 child.faulted.a (unknown-kind): ok idle
           cup/1 child.faulted.b (start-faulted): ok idle
           cup/1 look: ok idle "none []"
           pot/7 start: ok >idle"#,
    );
}

#[test]
fn a_name_twice_and_an_id_that_is_none_are_faults() {
    check(
        "send cup/1 go { spawn a pot 7 stop; spawn a pot 8 stop }
         send cup/1 go { spawn a pot 7/8 stop }",
        r#"cup/1 start: ok >idle
           cup/1 go: failed after 1: there is a child named "a" already; stop it first
           dead letter cup/1 go: failed after 1: there is a child named "a" already; stop it first
           cup/1 go: failed after 1: child "a" has no usable address: the id has a character that is not allowed: '/' in "7/8"
           dead letter cup/1 go: failed after 1: child "a" has no usable address: the id has a character that is not allowed: '/' in "7/8""#,
    );
}

#[test]
fn stopping_or_restarting_whom_one_does_not_have_is_nothing() {
    check(
        "send cup/1 go { stop a; kill b; restart c; resume d; demonitor pot/1 }
         stop pot/3",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         stop pot/3: refused: there is no instance pot/3",
    );
}

#[test]
fn names_that_the_kernel_keeps_for_itself_are_faults() {
    check(
        "send cup/1 go { send cup/2 child.exited.a }
         send cup/1 go { timer t 5 monitor.exited }",
        r#"cup/1 start: ok >idle
           cup/1 go: failed after 1: event "child.exited.a" is one that only the kernel sends; use another name
           dead letter cup/1 go: failed after 1: event "child.exited.a" is one that only the kernel sends; use another name
           cup/1 go: failed after 1: event "monitor.exited" is one that only the kernel sends; use another name
           dead letter cup/1 go: failed after 1: event "monitor.exited" is one that only the kernel sends; use another name"#,
    );
}

#[test]
fn what_a_stranger_calls_the_end_of_a_child_is_an_event_like_any_other() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         send cup/1 child.exited.a { reject }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           cup/1 child.exited.a: rejected not-accepted in idle
           cup/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn a_restart_whose_start_faults_parks_the_child_until_the_next() {
    check(
        "send cup/1 go { spawn a pot 7 stop { mode open } }
         send cup/1 again { restart a { fault } }
         send pot/7 waits
         send cup/1 again { restart a { log better } }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >open
           cup/1 child.started.a: ok idle
           cup/1 again: ok idle
           cup/1 child.faulted.a (start-faulted): ok idle
           e3: kept
           cup/1 again: ok idle
           pot/7 restart: ok open>idle "better"
           pot/7 waits: rejected gone in idle
           e3 decided: rejected gone in idle
           cup/1 child.started.a: ok idle
           cup/1 look: ok idle "none [a]""#,
    );
}

#[test]
fn a_child_that_ends_while_it_is_restarted_begins_anew() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         + send pot/7 end { done 1 }
         + send cup/1 again { restart a { log anew } }
         send cup/1 look { family }
         send pot/7 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/7 end: ok idle ended
           cup/1 again: ok idle
           cup/1 look: ok idle "none [a starting]"
           pot/7 restart: ok idle "anew"
           cup/1 child.started.a: ok idle
           pot/7 look: ok idle "cup/1 []""#,
    );
}

#[test]
fn a_child_that_ends_while_it_is_resumed_stays_ended() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         + send pot/7 end { done 1 }
         + send cup/1 again { resume a }
         send cup/1 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/7 end: ok idle ended
           cup/1 again: ok idle
           cup/1 look: ok idle "none [a]"
           cup/1 child.exited.a (final): ok idle"#,
    );
}

#[test]
fn one_that_ended_and_was_restarted_by_an_operator_is_nobodys_child() {
    check(
        "send cup/1 go { spawn a pot 7 stop }
         + send pot/7 end { done 1 }
         + restart pot/7
         + send cup/1 again { resume a }
         send cup/1 look { family }
         send pot/7 look { family }",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           pot/7 start: ok >idle
           cup/1 child.started.a: ok idle
           pot/7 end: ok idle ended
           pot/7 restart: ok idle
           restart pot/7: ok idle
           cup/1 again: ok idle
           cup/1 look: ok idle "none [a]"
           cup/1 child.exited.a (final): ok idle
           pot/7 look: ok idle "none []""#,
    );
}
