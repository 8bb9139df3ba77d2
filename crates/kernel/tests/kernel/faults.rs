//! Faults: tried again in place, order kept; at last a dead letter. And what nobody takes or nobody is there for.

use crate::world::{FAIR, World, address, check};
use everstate_kernel::{
    Address, Behaviour, Create, Definition, DefinitionId, Description, Effect, Event, Fault, Handled, Input,
    Json, Labels, Next, Policy, State, Time, Turn, Waiting,
};
use std::sync::Arc;

#[test]
fn a_fault_is_tried_again_with_backoff_until_it_goes() {
    check(
        "send mule/1 go { fault-until 120; mode open }
         advance 1000",
        "mule/1 start: ok >idle
         e1: kept
         @250
         mule/1 go: ok idle>open
         e1 decided: ok idle>open",
    );
}

#[test]
fn after_the_last_attempt_it_is_a_dead_letter_and_the_instance_lives() {
    check(
        "send mule/1 go { fault }
         send mule/1 next { log next }
         advance 1000",
        r#"mule/1 start: ok >idle
           e1: kept
           e2: kept
           @250
           mule/1 go: failed after 3: as told
           dead letter mule/1 go: failed after 3: as told
           mule/1 next: ok idle "next"
           e1 decided: failed after 3: as told
           e2 decided: ok idle"#,
    );
}

#[test]
fn order_is_kept_while_an_event_is_tried_again() {
    check(
        "send mule/1 a { fault-until 50; log a }
         send cup/1 go { send mule/1 b; send mule/1 c }
         send mule/1 d
         advance 100",
        r#"mule/1 start: ok >idle
           e1: kept
           cup/1 start: ok >idle
           cup/1 go: ok idle
           e3: kept
           @100
           mule/1 a: ok idle "a"
           mule/1 b: ok idle
           mule/1 c: ok idle
           mule/1 d: ok idle
           e1 decided: ok idle
           e3 decided: ok idle"#,
    );
}

#[test]
fn a_faulting_timer_is_tried_again_and_a_timer_waits_behind_it() {
    check(
        "send mule/1 go { timer a 10 tick { fault-until 50; log a }; timer b 20 tock { log b } }
         advance 200",
        r#"mule/1 start: ok >idle
           mule/1 go: ok idle
           @110
           mule/1 tick: ok idle "a"
           mule/1 tock: ok idle "b""#,
    );
}

#[test]
fn an_event_tried_again_may_be_deferred_then() {
    check(
        "send mule/1 a { fault-until 50; defer-in idle; log a }
         send mule/1 b { log b }
         advance 100
         send mule/1 open { mode open }",
        r#"mule/1 start: ok >idle
           e1: kept
           e2: kept
           @100
           mule/1 b: ok idle "b"
           e2 decided: ok idle
           mule/1 open: ok idle>open
           mule/1 a: ok open "a"
           e1 decided: ok open"#,
    );
}

#[test]
fn a_sending_instance_is_told_what_was_not_taken() {
    check(
        "start pot/1
         send cup/1 go { send pot/1 no { reject }; send pot/1 bad { fault }; send pot/9 lost; send tub/1 lost }",
        "pot/1 start: ok >idle
         cup/1 start: ok >idle
         cup/1 go: ok idle
         pot/1 no: rejected not-accepted in idle
         pot/1 bad: failed after 1: as told
         dead letter pot/1 bad: failed after 1: as told
         dead letter pot/9 lost: rejected unknown-address
         dead letter tub/1 lost: rejected unknown-kind
         cup/1 error.communication (unknown-address): ok idle
         cup/1 error.communication (unknown-kind): ok idle
         cup/1 error.communication (not-accepted): ok idle
         cup/1 error.communication (failed): ok idle",
    );
}

#[test]
fn what_the_kernel_tells_is_ignored_by_whoever_does_not_take_it() {
    for (unwilling, otherwise) in [
        (Handled::Rejected, "rejected not-accepted in picky"),
        (Handled::Deferred, ""),
        (Handled::Ignored, "ok picky"),
    ] {
        let mut world = World::new(FAIR);
        let policy = Policy { create: Create::OnDemand, ..Policy::default() };
        let id = DefinitionId::new("shy", "v1").unwrap();
        let behaviour = Arc::new(Shy(unwilling));
        let definition = Arc::new(Definition { id, behaviour, policy });
        let ticket = world.ticket("define");
        world.feed(Input::Define { ticket, definition, source: "shy".into() });
        world.send("shy/1", "go", "e1", "");
        world.send("shy/1", "other", "e2", "");
        world.run();
        let lines = world.transcript[1..].join("\n");
        let other =
            if otherwise.is_empty() { "e2: kept".into() } else { format!("shy/1 other: {otherwise}") };
        assert_eq!(
            lines,
            format!(
                "shy/1 start: ok >picky\nshy/1 go: ok picky\n{other}\n\
                 dead letter nobody/1 hello: rejected unknown-kind\n\
                 shy/1 error.communication (unknown-kind): ok picky"
            )
        );
    }
}

/// Takes `go`, upon which it writes to nobody, and nothing else.
#[derive(Debug)]
struct Shy(Handled);

impl Behaviour for Shy {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(Next { state: Arc::new(()), labels: picky(), done: None })
    }
    fn handle(&self, state: &State, event: &Event, turn: &mut Turn<'_>) -> Result<Handled, Fault> {
        if &*event.name == "go" {
            let to = address("nobody/1");
            turn.effects.push(Effect::Send { to, event: "hello".into(), data: Json::NULL });
            return Ok(Handled::Took(Next { state: state.clone(), labels: picky(), done: None }));
        }
        Ok(match self.0 {
            Handled::Rejected => Handled::Rejected,
            Handled::Deferred => Handled::Deferred,
            _ => Handled::Ignored,
        })
    }
    fn encode(&self, _: &State) -> Vec<u8> {
        Vec::new()
    }
    fn decode(&self, _: &[u8]) -> Result<State, Fault> {
        Ok(Arc::new(()))
    }
    fn describe(&self, _: &State) -> Description {
        Description { labels: picky(), data: Json::NULL }
    }
    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting::default()
    }
}

fn picky() -> Labels {
    Labels::from([Arc::from("picky")])
}

#[test]
fn dead_letters_are_retried_or_discarded_once() {
    check(
        "send cup/1 go { send pot/1 hello { log late } }
         start pot/1
         letters retry
         letters retry",
        r#"cup/1 start: ok >idle
           cup/1 go: ok idle
           dead letter pot/1 hello: rejected unknown-address
           cup/1 error.communication (unknown-address): ok idle
           pot/1 start: ok >idle
           pot/1 hello: ok idle "late"
           letter 17408: ok idle"#,
    );
    check(
        "send cup/1 go { send pot/1 hello }
         letters retry
         letters discard
         letters discard",
        "cup/1 start: ok >idle
         cup/1 go: ok idle
         dead letter pot/1 hello: rejected unknown-address
         cup/1 error.communication (unknown-address): ok idle
         dead letter pot/1 hello: rejected unknown-address
         letter 17408: rejected unknown-address
         letter 17408: gone",
    );
}

#[test]
fn a_retried_letter_decides_its_event_anew() {
    check(
        "send mule/1 go #x { fault-until 1000; log late }
         advance 500
         send mule/1 go #x { fault-until 1000; log late }
         advance 500
         letters retry
         send mule/1 go #x { fault-until 1000; log late }",
        r#"mule/1 start: ok >idle
           x: kept
           @250
           mule/1 go: failed after 3: not yet
           dead letter mule/1 go: failed after 3: not yet
           x decided: failed after 3: not yet
           @500
           x again: failed after 3: not yet
           @1000
           mule/1 go: ok idle "late"
           letter 19459: ok idle
           x again: ok idle"#,
    );
}
