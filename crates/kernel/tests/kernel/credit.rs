//! What waits for credit, through the node: it survives crashes, and goes with who said it, with the endpoint and the space.

use crate::world::{FAIR, Weather, check, play};
use everstate_kernel::limits::SPACE_WAITING_MAX;

#[test]
fn what_is_published_waits_for_credit_and_goes_in_order() {
    check(
        r#"send cup/p go { join here out pub wait x; publish here x 1; publish here x 2 }
         ask space/~ takers {"topic": "x", "role": "publisher"}
         send cup/s go { join here in sub part x }
         ask space/~ feedback {"topic": "x", "data": {"credit": 9}}
         send cup/s one { credit here x 1 }
         send cup/s two { credit here x 2 }
         ask space/~ takers {"topic": "x", "role": "publisher"}
         send cup/p more { publish here x 3; publish here x 4 }
         send cup/s end { done 1 }
         send cup/p end { done 1 }
         ask space/~ takers {"topic": "x", "role": "publisher"}"#,
        r#"cup/p start: ok >idle
         cup/p go: ok idle
         space/~ start: ok >open
         space/~ space.acts: ok open
         space/~ takers: ok open = {"takers":[{"address":"cup/p","endpoint":"out","pattern":"x","credit":0,"waiting":2}],"all":true}
         cup/s start: ok >idle
         cup/s go: ok idle
         space/~ space.join: ok open
         cup/p space.presence.out (cup/s in x): ok idle
         cup/s space.presence.in (cup/p out x): ok idle
         space/~ feedback: ok open = {"takers":1}
         space/~ space.more: ok open
         cup/p space.feedback.out (x {"credit":9}): ok idle
         cup/s one: ok idle
         space/~ space.feedback: ok open
         cup/p space.feedback.out (cup/s x {"credit":1}): ok idle
         cup/s space.message.in (cup/p x 1): ok idle
         cup/s two: ok idle
         space/~ space.feedback: ok open
         cup/p space.feedback.out (cup/s x {"credit":2}): ok idle
         cup/s space.message.in (cup/p x 2): ok idle
         space/~ takers: ok open = {"takers":[{"address":"cup/p","endpoint":"out","pattern":"x","credit":1,"waiting":0}],"all":true}
         cup/p more: ok idle
         space/~ space.acts: ok open
         cup/s space.message.in (cup/p x 3): ok idle
         cup/s end: ok idle ended
         space/~ space.withdraw: ok open
         cup/p space.absence.out (cup/s in x exited final): ok idle
         cup/p end: ok idle ended
         space/~ space.withdraw: ok open
         space/~ takers: ok open = {"takers":[],"all":true}"#,
    );
}

#[test]
fn what_waits_is_gone_with_the_space_and_with_an_incarnation() {
    check(
        r#"send a:cup/p go { join here out pub wait x; publish here x 1 }
         send cup/s go { join @a in sub part x }
         restart a:cup/p { join here out pub wait x; publish here x 2 }
         send cup/s ask { credit @a x 2 }
         send a:cup/p say { publish here x 3; publish here x 4 }
         stop space/a"#,
        r#"a:cup/p start: ok >idle
         a:cup/p go: ok idle
         space/a start: ok >open
         space/a space.acts: ok open
         cup/s start: ok >idle
         cup/s go: ok idle
         space/a space.join: ok open
         a:cup/p space.presence.out (cup/s in x): ok idle
         cup/s space.presence.in (a:cup/p out x): ok idle
         a:cup/p restart: ok idle
         restart a:cup/p: ok idle
         space/a space.withdraw: ok open
         space/a space.acts: ok open
         cup/s space.absence.in (a:cup/p out x exited restarted): ok idle
         cup/s space.presence.in (a:cup/p out x): ok idle
         a:cup/p space.presence.out (cup/s in x): ok idle
         cup/s ask: ok idle
         space/a space.feedback: ok open
         a:cup/p space.feedback.out (cup/s x {"credit":2}): ok idle
         cup/s space.message.in (a:cup/p x 2): ok idle
         a:cup/p say: ok idle
         space/a space.acts: ok open
         cup/s space.message.in (a:cup/p x 3): ok idle
         space/a stop: ok open stopped
         space/a space.more: ok open stopped
         stop space/a: ok open
         cup/s space.ended.in: ok idle
         a:cup/p stop: ok idle stopped"#,
    );
}

#[test]
fn more_than_may_wait_is_refused_and_told() {
    let all = vec!["publish here x 1"; SPACE_WAITING_MAX - 1].join("; ");
    let story = format!(
        "send cup/p go {{ join here out pub wait x; {all} }}
         send cup/p one {{ publish here x 2 }}
         send cup/p more {{ join here other sub part y; leave here no; publish here x 3 }}
         send cup/s go {{ join here in sub part x; credit here x 1000 }}
         send cup/p last {{ publish here x 4 }}"
    );
    let world = play(&story, Weather { resident_max: 1, crash_every: 3, ..FAIR });
    let told = world.transcript.join("\n");
    let refused = r#"space/~ space.acts: rejected bad-data in open: more waits for credit at endpoint "out""#;
    assert!(told.contains(refused), "{told}");
    assert!(told.contains("cup/p error.communication"), "{told}");
    assert_eq!(told.matches("cup/s space.message.in").count(), SPACE_WAITING_MAX);
}
