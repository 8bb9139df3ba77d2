//! Sessions: what something outside does through its body in here, what it is told, and how it ends.

use crate::world::check;

#[test]
fn a_session_meets_a_machine_and_is_silent() {
    check(
        r#"start session/tcp #s {}
         send cup/1 go { join here seen sub see tcp/* }
         ask session/tcp session.act #a1 {"acts": [{"join": {"name": "c", "pattern": "tcp/9", "role": "publisher", "value": {"port": 9}}},
           {"publish": {"topic": "tcp/9", "data": "hello"}}]}
         send cup/1 credit { feedback here tcp/9 1 }
         send cup/1 tell { send session/tcp news }
         silent session/tcp
         send cup/1 late { send session/tcp more }"#
            .replace("\n           ", " ")
            .as_str(),
        r#"session/tcp start: ok >open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         session/tcp session.act: ok open
         space/~ space.acts: ok open
         cup/1 space.presence.seen (session/tcp c tcp/9 {"port":9}): ok idle
         cup/1 space.message.seen (session/tcp tcp/9 hello): ok idle
         cup/1 credit: ok idle
         space/~ space.feedback: ok open
         session/tcp space.feedback.c (cup/1 tcp/9 1): ok open
         cup/1 tell: ok idle
         session/tcp news: ok open
         session/tcp stop: ok open stopped
         silent session/tcp: ok open
         space/~ space.withdraw: ok open
         cup/1 space.absence.seen (session/tcp c tcp/9 {"port":9} silent): ok idle
         cup/1 late: ok idle
         session/tcp more: rejected final in open stopped
         cup/1 error.communication (final): ok idle"#,
    );
}

#[test]
fn a_session_moves_between_patterns_without_a_glitch_and_sends() {
    check(
        r#"start session/a #s {}
         send cup/1 go { join here all sub part x/* }
         ask session/a session.act #a1 {"acts": [{"join": {"name": "p", "pattern": "x/1", "role": "publisher"}}]}
         ask session/a session.act #a2 {"acts": [{"join": {"name": "p", "pattern": "x/*", "role": "publisher"}}, {"assert": {"name": "p", "value": 7}}]}
         ask session/a session.act #a3 {"acts": [{"send": {"to": "cup/2", "event": "wake"}}, {"leave": {"name": "p"}}, {"leave": {"name": "never"}}]}"#,
        r#"session/a start: ok >open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ start: ok >open
         space/~ space.join: ok open
         session/a session.act: ok open
         space/~ space.join: ok open
         cup/1 space.presence.all (session/a p x/1): ok idle
         session/a space.presence.p (cup/1 all x/1): ok open
         session/a session.act: ok open
         space/~ space.acts: ok open
         cup/1 space.changed.all (session/a p x/* 7): ok idle
         session/a session.act: ok open
         cup/2 start: ok >idle
         cup/2 wake: ok idle
         space/~ space.acts: ok open
         cup/1 space.absence.all (session/a p x/* 7 left): ok idle"#,
    );
}

#[test]
fn nobody_acts_for_a_session_and_nonsense_is_told() {
    check(
        r#"start session/a #s {}
         send cup/1 forge { send session/a session.act }
         ask session/a session.act #b1 {"acts": [{"dance": {}}]}
         ask session/a session.act #b2 {"acts": [{"join": {"name": "p", "pattern": "a//b", "role": "publisher"}}]}
         ask session/a session.act #b3 {"acts": [{"leave": {"name": "p"}}, {"send": {"to": "nowhere", "event": "x"}}]}
         ask session/a session.act #b4 {"acts": [{"assert": {"name": "p", "value": 1}}]}
         silent session/nobody
         silent session/a
         silent session/a"#,
        r#"session/a start: ok >open
         cup/1 start: ok >idle
         cup/1 forge: ok idle
         session/a session.act: rejected not-accepted in open
         cup/1 error.communication (not-accepted): ok idle
         session/a session.act: rejected bad-data in open: unknown variant `dance`, expected one of `join`, `leave`, `assert`, `publish`, `feedback`, `send` at line 1 column 18; write it as {"acts": [{"leave": {"name": "door"}}]}
         session/a session.act: rejected bad-data in open: segment 2 of the pattern is empty; write a name, '*' or a final '>' between single '/': "a//b" at line 1 column 50; write it as {"acts": [{"leave": {"name": "door"}}]}
         session/a session.act: rejected bad-data in open: acts[1]: address has no id: "nowhere"; write KIND/ID, such as orders/42
         session/a session.act: failed after 1: the instance holds no endpoint "p" in space/~; join with it first
         dead letter session/a session.act: failed after 1: the instance holds no endpoint "p" in space/~; join with it first
         silent session/nobody: refused: there is no instance session/nobody
         session/a stop: ok open stopped
         silent session/a: ok open
         silent session/a: rejected final"#,
    );
}

#[test]
fn what_was_silent_begins_anew_as_another_incarnation() {
    check(
        r#"start session/a #s {}
         ask session/a session.act #a1 {"acts": [{"join": {"name": "p", "pattern": "x", "role": "publisher"}}]}
         send cup/1 go { join here all sub part x; monitor session/a }
         silent session/a
         restart session/a {}
         ask session/a session.act #a2 {"acts": [{"join": {"name": "p", "pattern": "x", "role": "publisher"}}]}"#,
        r#"session/a start: ok >open
         session/a session.act: ok open
         space/~ start: ok >open
         space/~ space.join: ok open
         cup/1 start: ok >idle
         cup/1 go: ok idle
         space/~ space.join: ok open
         session/a space.presence.p (cup/1 all x): ok open
         cup/1 space.presence.all (session/a p x): ok idle
         session/a stop: ok open stopped
         silent session/a: ok open
         space/~ space.withdraw: ok open
         cup/1 monitor.exited (silent, nothing was heard from it any more): ok idle
         cup/1 space.absence.all (session/a p x silent): ok idle
         session/a restart: ok open
         restart session/a: ok open
         session/a session.act: ok open
         space/~ space.join: ok open
         cup/1 space.presence.all (session/a p x): ok idle
         session/a space.presence.p (cup/1 all x): ok open"#,
    );
}
