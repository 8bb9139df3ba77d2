//! Following: a snapshot, then every turn once, in order, also over a break and under load.

use crate::world::{SPEECHES, World, code, detail, event, speak};
use everstate_api::v1;
use v1::__buffa::oneof::follow_response::What;

fn of(kind: &str, address: &str, cursor: Option<u64>) -> v1::FollowRequest {
    v1::FollowRequest { kind: kind.into(), address: address.into(), cursor, ..Default::default() }
}

/// What a stream tells until `done` says so.
async fn told(
    world: &World,
    speech: usize,
    request: v1::FollowRequest,
    turns: usize,
) -> Vec<v1::FollowResponse> {
    let (protocol, codec) = SPEECHES[speech];
    let client = speak(&world.server, protocol, codec);
    let mut stream = client.follow(request).await.expect("a stream");
    let mut all = Vec::new();
    let mut seen = 0;
    while seen < turns {
        let message = stream.message().await.expect("goes on").expect("more").to_owned_message();
        seen += usize::from(matches!(message.what, Some(What::Turn(_))));
        all.push(message);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_then_turns_then_on_from_a_cursor() {
    let world = World::new().await;
    world.start("1").await;
    world.start("2").await;
    for speech in 0..SPEECHES.len() {
        let follow = told(&world, speech, of("orders", "", None), 2);
        let act = async {
            // The stream is told of these whether they come before, during or after its snapshot.
            tokio::task::yield_now().await;
            world.send("orders/1", &format!("a{speech}"), "note").await.expect("sent");
            world.send("orders/2", &format!("b{speech}"), "note").await.expect("sent");
            world.send("orders/1", &format!("c{speech}"), "note").await.expect("sent");
            world.send("orders/2", &format!("d{speech}"), "note").await.expect("sent");
        };
        let (messages, ()) = tokio::join!(follow, act);
        let snapshots = messages.iter().filter(|m| matches!(m.what, Some(What::Snapshot(_)))).count();
        assert_eq!(snapshots, 2);
        let live = messages.iter().position(|m| matches!(m.what, Some(What::Live(_)))).expect("live");
        let cursor = messages[live].cursor;
        let after = told(&world, speech, of("orders", "", Some(cursor)), 1).await;
        assert!(matches!(&after[0].what, Some(What::Turn(turn)) if turn.cursor == cursor + 1));
    }
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_snapshot_and_turns_join_without_gap_or_repeat() {
    let world = World::new().await;
    for id in 0..20 {
        world.start(&id.to_string()).await;
    }
    let sends = async {
        for round in 0..40 {
            let items = (0..20).map(|id| {
                let one = event(&format!("orders/{id}"), &format!("{round}-{id}"), "note", "{}");
                v1::send_events_request::Item { address: one.address, event: one.event, ..Default::default() }
            });
            let batch = v1::SendEventsRequest { events: items.collect(), ..Default::default() };
            world.client.send_events(batch).await.expect("sent");
        }
        world.send("orders/0", "last", "hold").await.expect("sent");
    };
    let follow = async {
        let mut stream = world.client.follow(of("", "", None)).await.expect("a stream");
        let mut turns = std::collections::HashMap::<String, u64>::new();
        let mut last = 0;
        loop {
            let message = stream.message().await.expect("goes on").expect("more").to_owned_message();
            match message.what.expect("something") {
                What::Snapshot(instance) => {
                    assert!(turns.insert(instance.address.clone(), instance.turns).is_none())
                }
                What::Live(_) => last = last.max(message.cursor),
                What::Turn(turn) => {
                    assert!(turn.cursor > last, "turns come in order, each once");
                    last = turn.cursor;
                    let known = turns.get_mut(&turn.address).expect("its snapshot came before");
                    assert_eq!(turn.sequence, *known + 1, "no gap and no repeat for {}", turn.address);
                    *known = turn.sequence;
                    if turn.event.id == "last" {
                        return turns;
                    }
                }
            }
        }
    };
    let ((), turns) = tokio::join!(sends, follow);
    assert_eq!(turns.len(), 20);
    assert!(turns.iter().all(|(address, turns)| *turns == if address == "orders/0" { 42 } else { 41 }));
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_tells_a_follower_where_to_go_on() {
    let world = World::new().await;
    world.start("1").await;
    let mut stream = world.client.follow(of("", "orders/1", None)).await.expect("a stream");
    let mut cursor = 0;
    while cursor == 0 {
        let message = stream.message().await.expect("goes on").expect("more").to_owned_message();
        if matches!(message.what, Some(What::Live(_))) {
            cursor = message.cursor;
        }
    }
    let stopped = tokio::spawn(world.server.stop());
    let error = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a word"),
            Err(error) => break error,
        }
    };
    assert_eq!(code(&error), "stopping");
    assert_eq!(detail(&error).and_then(|detail| detail.cursor), Some(cursor));
    stopped.await.expect("no panic").expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_hears_of_a_turn_an_end_and_too_late() {
    use v1::__buffa::oneof::await_instance_request::Condition;
    let world = World::new().await;
    world.start("1").await;
    let ask = |condition: Condition, seconds: u64| v1::AwaitInstanceRequest {
        address: "orders/1".into(),
        condition: Some(condition),
        timeout: Some(std::time::Duration::from_secs(seconds).into()).into(),
        ..Default::default()
    };
    let (found, sent) = tokio::join!(
        world.client.await_instance(ask(Condition::In("held".into()), 20)),
        world.send("orders/1", "h", "hold")
    );
    sent.expect("sent");
    assert_eq!(found.expect("held").into_owned().states, ["held"]);
    let late = world.client.await_instance(ask(Condition::In("open".into()), 0)).await.expect_err("too late");
    assert_eq!(code(&late), "not-in-time");
    assert!(late.message.expect("words").contains("it is in held"));
    let bad =
        world.client.await_instance(ask(Condition::Where("context.".into()), 1)).await.expect_err("bad");
    assert_eq!(code(&bad), "malformed-expression");

    world.send("orders/1", "r", "release").await.expect("sent");
    world.client.send_event(event("orders/1", "p", "pay", r#"{"amount": 1}"#)).await.expect("sent");
    let (never, ended) = tokio::join!(
        world.client.await_instance(ask(Condition::In("held".into()), 20)),
        world.send("orders/1", "s", "ship")
    );
    ended.expect("sent");
    assert_eq!(code(&never.expect_err("never")), "ended");
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_followed_is_refused() {
    let world = World::new().await;
    for (request, expected) in [
        (of("orders", "orders/1", None), "malformed-request"),
        (of("none", "", None), "unknown-definition"),
        (of("", "no address", None), "malformed-address"),
        (of("", "", Some(1_000_000)), "malformed-request"),
    ] {
        let error = match world.client.follow(request).await {
            Ok(mut stream) => stream.message().await.expect_err("refused"),
            Err(error) => error,
        };
        assert_eq!(code(&error), expected, "{error:?}");
    }
    world.server.stop().await.expect("stopped");
}
