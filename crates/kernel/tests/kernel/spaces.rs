//! Spaces as instances: what members do and are told, how spaces nest and end, and who may not.

use crate::world::{FAIR, Weather, check, play};

#[test]
fn ping_and_pong_meet_in_a_space() {
    check(
        "send cup/ping go { join here ball pub part ball }
         send cup/pong go { join here ball sub part ball }
         send cup/ping serve { publish here ball 1 }
         send cup/pong back { feedback here ball 2 }
         send cup/pong end { done 0 }",
        "cup/ping start: ok >idle
         cup/ping go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/pong start: ok >idle
         cup/pong go: ok idle
         space/~ space.join: ok open
         cup/ping space.presence.ball (cup/pong ball ball): ok idle
         cup/pong space.presence.ball (cup/ping ball ball): ok idle
         cup/ping serve: ok idle
         space/~ space.publish: ok open
         cup/pong space.message.ball (cup/ping ball 1): ok idle
         cup/pong back: ok idle
         space/~ space.feedback: ok open
         cup/ping space.feedback.ball (cup/pong ball 2): ok idle
         cup/pong end: ok idle ended
         space/~ space.withdraw: ok open
         cup/ping space.absence.ball (cup/pong ball ball exited final): ok idle",
    );
}

#[test]
fn what_happens_in_a_space_stays_there() {
    check(
        "send a:cup/1 go { join here x pub part x }
         send a:cup/2 go { join here x sub part x }
         send b:cup/3 go { join here x sub part x }
         send cup/4 go { join here x sub see x }
         send a:cup/1 out { join outer x pub part x }
         send a/b:cup/5 in { join outer y sub see x; join @a z sub see x; join @ o sub see x }
         send a:cup/1 say { publish here x 1; publish outer x 2 }",
        "a:cup/1 start: ok >idle
         a:cup/1 go: ok idle
         space/a start: ok >open
         space/a space.join: ok open
         a:cup/2 start: ok >idle
         a:cup/2 go: ok idle
         space/a space.join: ok open
         a:cup/1 space.presence.x (a:cup/2 x x): ok idle
         a:cup/2 space.presence.x (a:cup/1 x x): ok idle
         b:cup/3 start: ok >idle
         b:cup/3 go: ok idle
         space/b start: ok >open
         space/b space.join: ok open
         cup/4 start: ok >idle
         cup/4 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         a:cup/1 out: ok idle
         space/~ space.join: ok open
         cup/4 space.presence.x (a:cup/1 x x): ok idle
         a/b:cup/5 start: ok >idle
         a/b:cup/5 in: ok idle
         a:space/b start: ok >open
         space/a space.acts: ok open
         space/~ space.join: ok open
         a/b:cup/5 space.presence.y (a:cup/1 x x): ok idle
         a/b:cup/5 space.presence.z (a:cup/1 x x): ok idle
         a/b:cup/5 space.presence.o (a:cup/1 x x): ok idle
         a:cup/1 say: ok idle
         space/a space.publish: ok open
         space/~ space.publish: ok open
         a:cup/2 space.message.x (a:cup/1 x 1): ok idle
         a/b:cup/5 space.message.y (a:cup/1 x 1): ok idle
         a/b:cup/5 space.message.z (a:cup/1 x 1): ok idle
         cup/4 space.message.x (a:cup/1 x 2): ok idle
         a/b:cup/5 space.message.o (a:cup/1 x 2): ok idle",
    );
}

#[test]
fn a_space_ends_with_everything_in_it() {
    check(
        "send cup/out go { join here w sub see worker; join @a x sub part x }
         send a:cup/1 go { join outer w pub part worker; join here x pub part x; timer t 10 tick }
         send a/b:cup/2 go { join @ w pub part worker }
         stop space/a
         advance 20
         send a:cup/3 late
         send cup/out end { done 1 }",
        "cup/out start: ok >idle
         cup/out go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         space/a start: ok >open
         space/a space.join: ok open
         a:cup/1 start: ok >idle
         a:cup/1 go: ok idle
         space/~ space.join: ok open
         space/a space.join: ok open
         cup/out space.presence.w (a:cup/1 w worker): ok idle
         cup/out space.presence.x (a:cup/1 x x): ok idle
         a:cup/1 space.presence.x (cup/out x x): ok idle
         a/b:cup/2 start: ok >idle
         a/b:cup/2 go: ok idle
         a:space/b start: ok >open
         space/~ space.join: ok open
         cup/out space.presence.w (a/b:cup/2 w worker): ok idle
         space/a stop: ok open stopped
         space/a space.more: ok open stopped
         stop space/a: ok open
         cup/out space.ended.x: ok idle
         a:cup/1 stop: ok idle stopped
         a:space/b stop: ok open stopped
         a:space/b space.more: ok open stopped
         space/~ space.withdraw: ok open
         a/b:cup/2 stop: ok idle stopped
         cup/out space.absence.w (a:cup/1 w worker exited stopped): ok idle
         space/~ space.withdraw: ok open
         cup/out space.absence.w (a/b:cup/2 w worker exited stopped): ok idle
         @20
         a:cup/3 start: ok >idle
         a:cup/3 late: ok idle
         a:cup/3 stop: ok idle stopped
         cup/out end: ok idle ended
         space/~ space.withdraw: ok open",
    );
}

#[test]
fn every_way_of_going_is_told_with_its_reason() {
    check(
        "send cup/o go { join here o sub see x }
         send cup/1 go { join here a pub part x; join here b pub part x }
         send cup/1 leave { leave here a }
         send cup/1 end { done 1 }
         send cup/2 go { join here a pub part x }
         send cup/2 tired { give-up tired }
         send cup/3 go { join here a pub part x }
         stop cup/3
         send cup/4 go { join here a pub part x }
         delete cup/4
         send crab/5 go { join here a pub part x }
         send crab/5 poison { fault }
         restart crab/5 { join here a pub part x }
         resume crab/5",
        r#"cup/o start: ok >idle
         cup/o go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.acts: ok open
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/o space.presence.o (cup/1 b x): ok idle
         cup/1 leave: ok idle
         space/~ space.leave: ok open
         cup/o space.absence.o (cup/1 a x left): ok idle
         cup/1 end: ok idle ended
         space/~ space.withdraw: ok open
         cup/o space.absence.o (cup/1 b x exited final): ok idle
         cup/2 start: ok >idle
         cup/2 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/2 a x): ok idle
         cup/2 tired: ok idle gave up
         space/~ space.withdraw: ok open
         cup/o space.absence.o (cup/2 a x faulted tired): ok idle
         cup/3 start: ok >idle
         cup/3 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/3 a x): ok idle
         cup/3 stop: ok idle stopped "asked to stop in idle"
         stop cup/3: ok idle
         space/~ space.withdraw: ok open
         cup/o space.absence.o (cup/3 a x exited stopped): ok idle
         cup/4 start: ok >idle
         cup/4 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/4 a x): ok idle
         cup/4 stop: ok idle stopped
         delete cup/4: gone
         space/~ space.withdraw: ok open
         cup/o space.absence.o (cup/4 a x exited deleted): ok idle
         crab/5 start: ok >idle
         crab/5 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (crab/5 a x): ok idle
         crab/5 poison: failed after 1: as told parked
         dead letter crab/5 poison: failed after 1: as told
         crab/5 restart: ok idle
         restart crab/5: ok idle
         space/~ space.withdraw: ok open
         space/~ space.join: ok open
         cup/o space.absence.o (crab/5 a x faulted as told): ok idle
         cup/o space.presence.o (crab/5 a x): ok idle
         crab/5 resume: ok idle
         restart crab/5: ok idle"#,
    );
}

#[test]
fn a_new_incarnation_is_told_afresh_and_nothing_of_before() {
    check(
        "send cup/o go { join here o pub part x }
         send cup/1 go { join here a sub part x }
         + send cup/o more { publish here x 1 }
         + restart cup/1 { join here a sub part x }
         send cup/o late { publish here x 2 }",
        "cup/o start: ok >idle
         cup/o go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/1 space.presence.a (cup/o o x): ok idle
         cup/o more: ok idle
         cup/1 restart: ok idle
         restart cup/1: ok idle
         cup/o late: ok idle
         space/~ space.publish: ok open
         space/~ space.withdraw: ok open
         space/~ space.join: ok open
         space/~ space.publish: ok open
         cup/o space.absence.o (cup/1 a x exited restarted): ok idle
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/1 space.presence.a (cup/o o x): ok idle
         cup/1 space.message.a (cup/o x 2): ok idle",
    );
}

/// Without it a presence that the space told before it heard of the leaving would be taken for news of the new endpoint.
#[test]
fn an_endpoint_that_joins_again_in_a_later_turn_is_told_afresh_and_nothing_of_before() {
    check(
        "send cup/1 go { join here a sub part x }
         + send cup/o go { join here o pub part x; publish here x 1 }
         + send cup/1 out { leave here a }
         + send cup/1 back { join here a sub part x }
         send cup/o late { publish here x 2 }
         + send cup/o gone { leave here o }
         + send cup/1 turn { leave here a; join here a sub part x/* }
         send cup/1 back { join here a sub part > }",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/o start: ok >idle
         cup/o go: ok idle
         cup/1 out: ok idle
         cup/1 back: ok idle
         cup/o late: ok idle
         space/~ space.acts: ok open
         space/~ space.leave: ok open
         space/~ space.join: ok open
         space/~ space.publish: ok open
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/o space.absence.o (cup/1 a x left): ok idle
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/1 space.presence.a (cup/o o x): ok idle
         cup/1 space.message.a (cup/o x 2): ok idle
         cup/o gone: ok idle
         cup/1 turn: ok idle
         cup/1 back: ok idle
         space/~ space.leave: ok open
         space/~ space.acts: ok open
         space/~ space.join: ok open
         cup/1 space.absence.a (cup/o o x left): ok idle",
    );
}

#[test]
fn what_is_said_while_coming_and_going_is_heard_by_who_sees_it() {
    check(
        "send cup/o go { join here o sub part x }
         send cup/1 go { publish here x 1; join here a pub part x }
         send cup/1 swap { leave here a; join here b pub part x; publish here x 2 }
         send cup/1 end { publish here x 3; done 1 }",
        "cup/o start: ok >idle
         cup/o go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.acts: ok open
         cup/o space.presence.o (cup/1 a x): ok idle
         cup/1 space.presence.a (cup/o o x): ok idle
         cup/o space.message.o (cup/1 x 1): ok idle
         cup/1 swap: ok idle
         space/~ space.acts: ok open
         cup/o space.presence.o (cup/1 b x): ok idle
         cup/1 space.presence.b (cup/o o x): ok idle
         cup/o space.message.o (cup/1 x 2): ok idle
         cup/o space.absence.o (cup/1 a x left): ok idle
         cup/1 end: ok idle ended
         space/~ space.publish: ok open
         space/~ space.withdraw: ok open
         cup/o space.message.o (cup/1 x 3): ok idle
         cup/o space.absence.o (cup/1 b x exited final): ok idle",
    );
}

#[test]
fn changes_of_one_turn_are_one_change() {
    check(
        "send cup/o go { join here o sub see room/* }
         send cup/1 go { join here a pub part room/1 }
         send cup/1 move { leave here a; join here a pub part room/2 }
         send cup/1 blink { join here b pub part room/3; leave here b }
         send cup/1 again { join here a pub part room/2 }
         send cup/1 value { assert here a 7 }
         send cup/1 value { assert here a 7 }",
        "cup/o start: ok >idle
         cup/o go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/1 a room/1): ok idle
         cup/1 move: ok idle
         space/~ space.acts: ok open
         cup/o space.changed.o (cup/1 a room/2): ok idle
         cup/1 blink: ok idle
         space/~ space.acts: ok open
         cup/1 again: ok idle
         space/~ space.join: ok open
         cup/1 value: ok idle
         space/~ space.assert: ok open
         cup/o space.changed.o (cup/1 a room/2 7): ok idle
         cup/1 value: ok idle
         space/~ space.assert: ok open",
    );
}

#[test]
fn nothing_is_made_for_what_needs_nobody() {
    check(
        "send a:cup/1 go { leave outer x; publish @b x 1; feedback @c x 1 }
         send cup/2 go { leave here x; publish here x 1 }",
        "a:cup/1 start: ok >idle
         a:cup/1 go: ok idle
         space/a start: ok >open
         cup/2 start: ok >idle
         cup/2 go: ok idle",
    );
}

#[test]
fn what_a_space_refuses_is_told_to_who_asked() {
    check(
        "send cup/1 go { join here a pub part x }
         send cup/1 wrong { assert here b 1; leave here a }
         send cup/1 wrong { assert @b a 1 }
         send cup/o see { join here o sub see x }
         start a:pot/1 { }
         stop space/a
         send cup/1 dead { join @a x pub part x }",
        r#"cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 wrong: failed after 1: the instance holds no endpoint "b" in space/~; join with it first
         dead letter cup/1 wrong: failed after 1: the instance holds no endpoint "b" in space/~; join with it first
         cup/1 wrong: failed after 1: the instance holds no endpoint "a" in space/b; join with it first
         dead letter cup/1 wrong: failed after 1: the instance holds no endpoint "a" in space/b; join with it first
         cup/o start: ok >idle
         cup/o see: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (cup/1 a x): ok idle
         a:pot/1 start: ok >idle
         space/a start: ok >open
         space/a stop: ok open stopped
         space/a space.more: ok open stopped
         stop space/a: ok open
         a:pot/1 stop: ok idle stopped
         cup/1 dead: ok idle
         space/a space.join: rejected final in open stopped
         cup/1 error.communication (final): ok idle"#,
    );
}

#[test]
fn a_space_answers_who_asks() {
    check(
        r#"send cup/1 go { join here a sub part x/1 }
         send cup/2 go { join here a sub see x/* }
         send cup/3 go { join here a pub part x/1 }
         ask space/~ takers {"topic": "x/1"}
         ask space/~ takers {"topic": "x/1", "role": "publisher"}
         ask space/~ present {"pattern": ">", "role": "publisher"}
         ask space/~ publish {"topic": "x/2", "data": {"n": 1}}
         ask space/~ feedback {"topic": "x/1"}
         ask space/~ publish {"topic": "x//2"}
         ask space/~ publish {"topic": "x", "to": 1}
         ask space/~ dance
         send cup/4 ask { send space/~ takers }"#,
        r#"cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/2 start: ok >idle
         cup/2 go: ok idle
         space/~ space.join: ok open
         cup/3 start: ok >idle
         cup/3 go: ok idle
         space/~ space.join: ok open
         cup/1 space.presence.a (cup/3 a x/1): ok idle
         cup/2 space.presence.a (cup/3 a x/1): ok idle
         cup/3 space.presence.a (cup/1 a x/1): ok idle
         space/~ takers: ok open = {"takers":[{"address":"cup/1","endpoint":"a","pattern":"x/1"},{"address":"cup/2","endpoint":"a","pattern":"x/*"}],"all":true}
         space/~ takers: ok open = {"takers":[{"address":"cup/3","endpoint":"a","pattern":"x/1"}],"all":true}
         space/~ present: ok open = {"present":[{"address":"cup/1","endpoint":"a","pattern":"x/1","role":"subscriber","interest":"participant","value":null}],"all":true}
         space/~ publish: ok open = {"takers":1}
         space/~ space.more: ok open
         cup/2 space.message.a (x/2 {"n":1}): ok idle
         space/~ feedback: ok open = {"takers":1}
         space/~ space.more: ok open
         cup/3 space.feedback.a (x/1): ok idle
         space/~ publish: rejected bad-data in open: segment 2 of the pattern is empty; write a name, '*' or a final '>' between single '/': "x//2" at line 1 column 17; see what a space takes: {"topic": "room/42", "data": …}
         space/~ publish: rejected bad-data in open: unknown field `to`, expected `topic` or `data` at line 1 column 19; see what a space takes: {"topic": "room/42", "data": …}
         space/~ dance: rejected not-accepted in open
         cup/4 start: ok >idle
         cup/4 ask: ok idle
         space/~ takers: rejected bad-data in open: invalid type: null, expected struct Takers at line 1 column 4; see what a space takes: {"topic": "room/42", "role": "subscriber"}
         cup/4 error.communication (bad-data): ok idle"#,
    );
}

#[test]
fn a_conversation_is_a_child_that_is_a_space() {
    check(
        "send cup/boss go { spawn talk space 42 stop }
         send 42:cup/1 go { join here a pub part x; timer t 1000 tick }
         send 42:cup/2 go { join here a sub part x; join outer b pub part y }
         send cup/o go { join here o sub see y }
         send cup/boss enough { stop talk }
         advance 2000",
        "cup/boss start: ok >idle
         cup/boss go: ok idle
         space/42 start: ok >open
         cup/boss child.started.talk: ok idle
         42:cup/1 start: ok >idle
         42:cup/1 go: ok idle
         space/42 space.join: ok open
         42:cup/2 start: ok >idle
         42:cup/2 go: ok idle
         space/42 space.join: ok open
         space/~ start: ok >open
         space/~ space.join: ok open
         42:cup/1 space.presence.a (42:cup/2 a x): ok idle
         42:cup/2 space.presence.a (42:cup/1 a x): ok idle
         cup/o start: ok >idle
         cup/o go: ok idle
         space/~ space.join: ok open
         cup/o space.presence.o (42:cup/2 b y): ok idle
         cup/boss enough: ok idle
         space/42 stop: ok open stopped
         space/42 space.more: ok open stopped
         cup/boss child.exited.talk (stopped, its parent stopped it): ok idle
         42:cup/1 stop: ok idle stopped
         42:cup/2 stop: ok idle stopped
         space/~ space.withdraw: ok open
         cup/o space.absence.o (42:cup/2 b y exited stopped): ok idle",
    );
}

#[test]
fn where_there_is_no_space_to_act_in() {
    check(
        "send cup/1 go { join outer a pub part x }
         send cup/1 go { join @a//b a pub part x }
         send cup/1 go { join @~ a pub part x }
         send cup/1 go { join @a/~ a pub part x }
         send cup/1 go { join @1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17 a pub part x }
         define space v9 no-space",
        r#"cup/1 start: ok >idle
         cup/1 go: failed after 1: cup/1 lives in the outermost space, which has no space around it
         dead letter cup/1 go: failed after 1: cup/1 lives in the outermost space, which has no space around it
         cup/1 go: failed after 1: space "a//b" has no usable address: a segment of the space is empty; write KIND/ID, such as orders/42
         dead letter cup/1 go: failed after 1: space "a//b" has no usable address: a segment of the space is empty; write KIND/ID, such as orders/42
         cup/1 go: failed after 1: space "~" has no usable address: '~' is the outermost space itself and cannot lie within a path; leave it out: "~"
         dead letter cup/1 go: failed after 1: space "~" has no usable address: '~' is the outermost space itself and cannot lie within a path; leave it out: "~"
         cup/1 go: failed after 1: space "a/~" has no usable address: '~' is the outermost space itself and cannot lie within a path; leave it out: "a/~"
         dead letter cup/1 go: failed after 1: space "a/~" has no usable address: '~' is the outermost space itself and cannot lie within a path; leave it out: "a/~"
         cup/1 go: failed after 1: space "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17" has no usable address: the space is 17 spaces deep, the limit is 16; let fewer lie within each other
         dead letter cup/1 go: failed after 1: space "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17" has no usable address: the space is 17 spaces deep, the limit is 16; let fewer lie within each other
         space:v9: refused: the name "space" is that of a built-in definition; choose another name"#,
    );
}

#[test]
fn a_deleted_space_is_gone_with_everything() {
    check(
        "send a:cup/1 go { join here a pub part x; join outer b pub part y }
         send cup/2 go { join here o sub see y; join @a o sub see x }
         delete space/a
         send a:cup/1 more",
        "a:cup/1 start: ok >idle
         a:cup/1 go: ok idle
         space/a start: ok >open
         space/a space.join: ok open
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/2 start: ok >idle
         cup/2 go: ok idle
         space/~ space.join: ok open
         space/a space.join: ok open
         cup/2 space.presence.o (a:cup/1 b y): ok idle
         cup/2 space.presence.o (a:cup/1 a x): ok idle
         space/a stop: ok open stopped
         space/a space.more: ok open stopped
         delete space/a: gone
         cup/2 space.ended.o: ok idle
         a:cup/1 stop: ok idle stopped
         space/~ space.withdraw: ok open
         cup/2 space.absence.o (a:cup/1 b y exited stopped): ok idle
         a:cup/1 more: rejected final in idle stopped",
    );
}

/// More than one turn can number: further turns of the same commit tell the rest, and nobody is left out.
#[test]
fn a_crowd_is_told_in_several_turns_of_one_commit() {
    const CROWD: usize = 4_200;
    let mut story: String =
        (0..CROWD).map(|n| format!("+ send cup/{n} go {{ join here e sub part x }}\n")).collect();
    story += "advance 1\nask space/~ publish {\"topic\": \"x\"}\nsend cup/p go { join here p pub part x }\n";
    story += "send cup/p end { done 1 }";
    let world = play(&story, Weather { batch: 500, audit: false, ..FAIR });
    let count = |what: &str| world.transcript.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("= {\"takers\":4200}"), 1);
    assert_eq!(count(" space.message.e (x): ok"), CROWD);
    assert_eq!(count(" space.presence.e (cup/p p x): ok"), CROWD);
    assert_eq!(count("cup/p space.presence.p "), CROWD);
    assert_eq!(count(" space.absence.e (cup/p p x exited final): ok"), CROWD);
    assert_eq!(count("space/~ space.more: ok"), 2 + 2 + 1);
}
