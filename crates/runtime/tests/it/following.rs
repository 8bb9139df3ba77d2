//! Followers see every turn once, in order, and never hold up the shard.

use crate::counter::{address, count, event, node, node_over};
use everstate_runtime::{Interrupted, Options};
use everstate_store::Memory;

#[tokio::test]
async fn a_follower_sees_every_turn_once_and_in_order() {
    let (_runtime, handle) = node().await;
    let mut follower = handle.follow();
    let since = follower.since();
    handle
        .send_many((0..500).map(|n| (address("a"), event(&n.to_string(), "add"))).collect())
        .await
        .expect("taken");
    // 500 events, and the start of the instance.
    for expected in since + 1..=since + 501 {
        assert_eq!(follower.next().await.expect("the node runs").entry.position, expected);
    }
}

#[tokio::test]
async fn a_slow_follower_is_told_where_to_resume_and_the_store_has_the_rest() {
    let (_runtime, handle) =
        node_over(Box::new(Memory::new()), Options { follow_buffer_max: 2, ..Options::default() }).await;
    let mut follower = handle.follow();
    for n in 0..50 {
        handle.send(address("a"), event(&n.to_string(), "add")).await.expect("it is taken");
    }
    let mut told = follower.since();
    loop {
        match follower.next().await {
            Ok(turned) => {
                assert_eq!(turned.entry.position, told + 1);
                told += 1;
            }
            Err(Interrupted::Lagged(resume_after)) => {
                assert_eq!(resume_after, told);
                for (_, entry) in handle.reader().turns(told, 1_000).expect("it reads") {
                    assert_eq!(entry.position, told + 1);
                    told += 1;
                }
                follower.resume_after(told);
            }
            Err(Interrupted::Closed) => panic!("the node runs"),
        }
        if told == 51 {
            break;
        }
    }
    assert_eq!(count(&handle, "a"), 50);
}

#[tokio::test]
async fn a_timer_fires_without_anybody_calling() {
    let (_runtime, handle) = node().await;
    let mut follower = handle.follow();
    handle.send(address("a"), event("1", "soon")).await.expect("it is taken");
    let set_at = loop {
        let turned = follower.next().await.expect("the node runs");
        if turned.entry.sequence == 2 {
            break turned.entry.at;
        }
    };
    let fired = follower.next().await.expect("the node runs");
    assert_eq!(count(&handle, "a"), 1);
    assert!((fired.entry.at - set_at).0 >= 15, "a timer never fires early");
}
