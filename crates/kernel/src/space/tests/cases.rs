//! The cases that the model is described by, each as a script.

extern crate std;

use super::script::check;

/// Rows: the local endpoint; columns: the remote one. Both orders of arrival.
#[test]
fn who_is_told_about_whom() {
    for (local, remote, told) in [
        ("participant", "participant", true),
        ("participant", "observer", false),
        ("participant", "everything", false),
        ("observer", "participant", true),
        ("observer", "observer", false),
        ("observer", "everything", false),
        ("everything", "participant", true),
        ("everything", "observer", true),
        ("everything", "everything", true),
    ] {
        for (here, there) in [("publisher", "subscriber"), ("subscriber", "publisher")] {
            let l = std::format!("l/1 joins e: {here} {local} a/*");
            let r = std::format!("r/1 joins e: {there} {remote} a/b");
            let presence = if told { "l/1 e: presence of r/1 e at a/b\n" } else { "" };
            for order in [[&l, &r], [&r, &l]] {
                let script = std::format!("{}\n{}", order[0], order[1]);
                let found = super::script::run(&script);
                let about: std::string::String = found
                    .lines()
                    .filter(|line| line.starts_with("l/1"))
                    .map(|line| std::format!("{line}\n"))
                    .collect();
                assert_eq!(about, presence, "{script}");
            }
        }
    }
}

#[test]
fn equal_roles_and_disjoint_patterns_see_nothing() {
    check(
        "a/1 joins e: publisher everything a/b
         b/1 joins e: publisher everything a/b
         c/1 joins e: subscriber everything a/c",
        "-\n-\n-",
    );
}

#[test]
fn the_presence_names_the_intersection() {
    check(
        "a/1 joins e: publisher participant tcp/*/80
         b/1 joins e: subscriber participant tcp/here/*
         c/1 joins e: subscriber participant >",
        "-
         a/1 e: presence of b/1 e at tcp/here/80
         b/1 e: presence of a/1 e at tcp/here/80
         -
         a/1 e: presence of c/1 e at tcp/*/80
         c/1 e: presence of a/1 e at tcp/*/80
         -",
    );
}

#[test]
fn endpoints_of_one_machine_are_a_pair_too() {
    check(
        "a/1 joins out: publisher participant x & a/1 joins in: subscriber participant x
         publish x
         a/1 leaves out",
        "a/1 out: presence of a/1 in at x
         a/1 in: presence of a/1 out at x
         -
         a/1 in: message x
         -
         a/1 in: absence of a/1 out at x, left
         -",
    );
}

#[test]
fn ping_and_pong_in_either_order() {
    let ping = "ping/1 joins e: publisher participant ball & ping/1 joins back: subscriber participant llab";
    let pong = "pong/1 joins e: subscriber participant ball & pong/1 joins back: publisher participant llab";
    let talk = "publish ball\npublish llab\npong/1 exits";
    check(
        &std::format!("{ping}\n{pong}\n{talk}"),
        "-
         ping/1 e: presence of pong/1 e at ball
         ping/1 back: presence of pong/1 back at llab
         pong/1 e: presence of ping/1 e at ball
         pong/1 back: presence of ping/1 back at llab
         -
         pong/1 e: message ball
         -
         ping/1 back: message llab
         -
         ping/1 e: absence of pong/1 e at ball, exited (final)
         ping/1 back: absence of pong/1 back at llab, exited (final)
         -",
    );
    check(
        &std::format!("{pong}\n{ping}\n{talk}"),
        "-
         pong/1 e: presence of ping/1 e at ball
         pong/1 back: presence of ping/1 back at llab
         ping/1 e: presence of pong/1 e at ball
         ping/1 back: presence of pong/1 back at llab
         -
         pong/1 e: message ball
         -
         ping/1 back: message llab
         -
         ping/1 e: absence of pong/1 e at ball, exited (final)
         ping/1 back: absence of pong/1 back at llab, exited (final)
         -",
    );
}

#[test]
fn every_reason_of_going_is_told() {
    check(
        "o/1 joins e: subscriber observer x
         a/1 joins e: publisher participant x
         a/1 leaves e
         a/1 joins e: publisher participant x
         a/1 exits
         a/1 joins e: publisher participant x
         a/1 faults
         a/1 joins e: publisher participant x
         a/1 falls silent",
        "-
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, left
         -
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, exited (final)
         -
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, faulted (out of paper)
         -
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, silent
         -",
    );
}

#[test]
fn leaving_what_was_never_joined_does_nothing() {
    check(
        "o/1 joins e: subscriber everything x
         a/1 leaves e & a/1 exits
         a/1 joins e: publisher participant x & a/1 leaves e",
        "-\n-\n-",
    );
}

#[test]
fn joining_twice_is_joining_once() {
    check(
        "o/1 joins e: subscriber observer x
         a/1 joins e: publisher participant x
         a/1 joins e: publisher participant x
         a/1 leaves e
         a/1 leaves e",
        "-
         o/1 e: presence of a/1 e at x
         -
         -
         o/1 e: absence of a/1 e at x, left
         -
         -",
    );
}

#[test]
fn a_move_is_no_absence_for_who_matches_both() {
    check(
        "o/1 joins e: subscriber observer room/*
         o/2 joins e: subscriber observer room/1
         o/3 joins e: subscriber observer room/2
         a/1 joins e: publisher participant room/1
         a/1 joins e: publisher participant room/2
         a/1 leaves e & a/1 joins e: publisher participant room/1",
        "-
         -
         -
         o/1 e: presence of a/1 e at room/1
         o/2 e: presence of a/1 e at room/1
         -
         o/1 e: change of a/1 e at room/2
         o/2 e: absence of a/1 e at room/1, left
         o/3 e: presence of a/1 e at room/2
         -
         o/1 e: change of a/1 e at room/1
         o/2 e: presence of a/1 e at room/1
         o/3 e: absence of a/1 e at room/2, left
         -",
    );
}

#[test]
fn who_moves_is_told_of_the_difference() {
    check(
        "a/1 joins e: publisher participant x/1
         a/2 joins e: publisher participant x/2
         a/3 joins e: publisher participant y/1
         o/1 joins e: subscriber observer x/*
         o/1 joins e: subscriber observer */1",
        "-
         -
         -
         o/1 e: presence of a/1 e at x/1
         o/1 e: presence of a/2 e at x/2
         -
         o/1 e: presence of a/3 e at y/1
         o/1 e: absence of a/2 e at x/2, left
         -",
    );
}

#[test]
fn a_change_of_role_or_interest_is_seen_as_what_it_is() {
    check(
        "o/1 joins e: subscriber observer x
         a/1 joins e: publisher participant x
         a/1 joins e: publisher observer x
         a/1 joins e: publisher participant x
         a/1 joins e: subscriber participant x",
        "-
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, left
         -
         o/1 e: presence of a/1 e at x
         -
         o/1 e: absence of a/1 e at x, left
         -",
    );
}

/// The one takes over as the other goes: an observer that counts never counts to nought.
#[test]
fn a_hand_over_has_no_gap() {
    check(
        "o/1 joins e: subscriber observer job
         a/1 joins e: publisher participant job
         b/1 joins e: publisher participant job & a/1 exits",
        "-
         o/1 e: presence of a/1 e at job
         -
         o/1 e: presence of b/1 e at job
         o/1 e: absence of a/1 e at job, exited (final)
         -",
    );
}

#[test]
fn a_message_reaches_every_interest_and_the_sender_too() {
    check(
        "a/1 joins e: subscriber participant x/1
         a/2 joins e: subscriber observer x/*
         a/3 joins e: subscriber everything >
         a/4 joins e: publisher participant x/1 & a/4 joins f: subscriber participant x/1
         a/5 joins e: subscriber participant x/2
         publish x/1
         feedback x/1
         publish x/*
         publish nobody/here",
        "-
         -
         -
         a/1 e: presence of a/4 e at x/1
         a/2 e: presence of a/4 e at x/1
         a/3 e: presence of a/4 e at x/1
         a/4 e: presence of a/1 e at x/1
         a/4 e: presence of a/4 f at x/1
         a/4 f: presence of a/4 e at x/1
         -
         -
         a/1 e: message x/1
         a/2 e: message x/1
         a/3 e: message x/1
         a/4 f: message x/1
         -
         a/4 e: message x/1
         -
         a/1 e: message x/*
         a/2 e: message x/*
         a/3 e: message x/*
         a/4 f: message x/*
         a/5 e: message x/*
         -
         a/3 e: message nobody/here
         -",
    );
}

#[test]
fn new_interest_is_told_what_is_there_and_that_it_was_all() {
    check(
        "a/1 joins e: publisher participant x/1 {\"skill\":\"welding\"}
         a/2 joins e: publisher participant x/2
         o/1 joins e: subscriber observer x/* marked
         o/2 joins e: subscriber observer y/* marked
         o/1 joins e: subscriber observer x/1 marked",
        "-
         -
         o/1 e: presence of a/1 e at x/1 {\"skill\":\"welding\"}
         o/1 e: presence of a/2 e at x/2
         o/1 e: that was all
         -
         o/2 e: that was all
         -
         o/1 e: absence of a/2 e at x/2, left
         -",
    );
}

#[test]
fn an_assertion_is_told_when_it_changes() {
    check(
        "o/1 joins e: subscriber observer worker/*/idle
         w/1 joins e: publisher participant worker/1/idle {\"skill\":\"welding\"}
         w/1 asserts e {\"skill\":\"paint\"}
         w/1 asserts e {\"skill\":\"paint\"}
         w/1 joins e: publisher participant worker/1/idle {\"skill\":\"none\"}
         w/1 leaves e
         w/1 asserts e {\"skill\":\"late\"}",
        "-
         o/1 e: presence of w/1 e at worker/1/idle {\"skill\":\"welding\"}
         -
         o/1 e: change of w/1 e at worker/1/idle {\"skill\":\"paint\"}
         -
         -
         o/1 e: change of w/1 e at worker/1/idle {\"skill\":\"none\"}
         -
         o/1 e: absence of w/1 e at worker/1/idle, left
         -
         refused: w/1 has no endpoint \"e\" here that could assert a value; join first
         -",
    );
}

/// A demand that rises and falls in turns of their own is seen to do both; in one turn it was never there.
#[test]
fn demand_that_rises_and_falls() {
    check(
        "m/1 joins e: subscriber observer job/*
         c/1 joins e: publisher participant job/7
         c/1 leaves e
         c/2 joins e: publisher participant job/8 & c/2 leaves e",
        "-
         m/1 e: presence of c/1 e at job/7
         -
         m/1 e: absence of c/1 e at job/7, left
         -
         -",
    );
}
