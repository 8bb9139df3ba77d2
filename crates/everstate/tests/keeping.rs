//! What is kept: states of versions, definitions that a program needs, outcomes by id, and turns for followers.

use everstate::{
    Address, Behaviour, CallError, Change, Context, EventId, Everstate, OpenError, Options, Policy, Retry,
    Span, wait,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version 1 counted, version 2 counts and has a name, version 3 has forgotten how to read version 2.
macro_rules! ledger {
    ($module:ident, $version:literal, {$($field:ident: $type:ty),*}, $upgrade:expr) => {
        mod $module {
            use super::*;
            #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
            pub(super) struct Ledger { $(pub(super) $field: $type),* }
            impl Behaviour for Ledger {
                const NAME: &str = "ledgers";
                const VERSION: u32 = $version;
                type Message = u64;
                type Reply = u64;
                type Error = ();
                fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, ()> {
                    self.count += more;
                    Ok(self.count)
                }
                fn upgrade(version: u32, state: serde_json::Value) -> Result<Self, String> {
                    let upgrade: fn(u32, serde_json::Value) -> Result<Self, String> = $upgrade;
                    upgrade(version, state)
                }
            }
        }
    };
}

ledger!(first, 1, { count: u64 }, |version, _| Err(format!("version {version}?")));
ledger!(second, 2, { count: u64, name: String }, |version, state| {
    assert_eq!(version, 1);
    let count = state["count"].as_u64().ok_or("no count")?;
    Ok(Ledger { count, name: "unnamed".into() })
});

fn add<B>(folder: &Path, more: u64) -> Result<u64, OpenError>
where
    B: Behaviour<Message = u64, Reply = u64, Error = ()>,
{
    let everstate = Everstate::open(folder).behaviour::<B>().start()?;
    let count = wait(everstate.call(&Address::<B>::new("main").expect("an id"), more)).expect("it counts");
    everstate.stop()?;
    Ok(count)
}

#[test]
fn an_older_state_is_upgraded_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(add::<first::Ledger>(folder.path(), 3).expect("it opens"), 3);
    assert_eq!(add::<second::Ledger>(folder.path(), 4).expect("it opens"), 7);
    let everstate = Everstate::open(folder.path()).behaviour::<second::Ledger>().start().expect("it opens");
    let main = Address::<second::Ledger>::new("main").expect("an id");
    let ledger = everstate.look(&main).expect("it reads");
    assert_eq!(ledger, Some(second::Ledger { count: 7, name: "unnamed".into() }));
    everstate.stop().expect("it stops");
    let refused = add::<first::Ledger>(folder.path(), 1).expect_err("it is too old");
    assert_eq!(
        refused.to_string(),
        "ledgers:v2 in the store is a behaviour in Rust, and this program knows it up to version v1; use the program that wrote the newer one"
    );
}

#[test]
fn a_folder_that_needs_another_behaviour_does_not_open() {
    let folder = tempfile::tempdir().expect("a folder");
    add::<first::Ledger>(folder.path(), 3).expect("it opens");
    let refused = Everstate::open(folder.path()).start().map(drop).expect_err("nothing is registered");
    assert_eq!(
        refused.to_string(),
        "ledgers:v1 in the store is a behaviour in Rust, and this program does not register \"ledgers\"; register it, or open the folder with the program that does"
    );
    // Nothing was lost by the attempt.
    assert_eq!(add::<first::Ledger>(folder.path(), 1).expect("it opens"), 4);
}

#[test]
fn a_name_is_registered_once_and_is_a_name() {
    let twice = Everstate::memory().behaviour::<first::Ledger>().behaviour::<second::Ledger>().start();
    assert!(matches!(twice, Err(OpenError::Behaviour { name: "ledgers", .. })));
}

/// Fails at odd tries of `Fail`, so that whoever comes behind it waits.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Stubborn;

#[derive(Clone, Serialize, Deserialize)]
enum Say {
    Fail,
    Hello(u32),
}

impl Behaviour for Stubborn {
    const NAME: &str = "stubborn";
    type Message = Say;
    type Reply = u32;
    type Error = ();

    fn handle(&mut self, say: Say, _: &mut Context<Self>) -> Result<u32, ()> {
        match say {
            Say::Fail => panic!("no"),
            Say::Hello(number) => Ok(number),
        }
    }

    fn policy() -> Policy {
        let retry = Retry { attempts: 3, backoff: Span(20), backoff_max: Span(40) };
        Policy { create: everstate::Create::OnDemand, retry, ..Policy::default() }
    }
}

#[test]
fn callers_behind_a_faulting_message_get_their_own_results() {
    let everstate = Everstate::memory().behaviour::<Stubborn>().start().expect("it starts");
    let stubborn = Address::<Stubborn>::new("1").expect("an id");
    let id = EventId::parse("first").expect("an id");
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| wait(everstate.call_as(id.clone(), &stubborn, Say::Fail)));
        let behind: Vec<_> = (0..20)
            .map(|n| {
                let (everstate, stubborn) = (&everstate, &stubborn);
                scope.spawn(move || wait(everstate.call(stubborn, Say::Hello(n))))
            })
            .collect();
        for (n, caller) in behind.into_iter().enumerate() {
            assert_eq!(caller.join().expect("no panic").expect("it answers"), n as u32);
        }
        let failed = failing.join().expect("no panic");
        assert!(matches!(failed, Err(CallError::Failed { attempts: 3, .. })), "{failed:?}");
    });
}

#[tokio::test]
async fn a_caller_that_stopped_waiting_learns_the_outcome_by_the_id() {
    let everstate = Everstate::memory().behaviour::<Stubborn>().start().expect("it starts");
    let stubborn = Address::<Stubborn>::new("1").expect("an id");
    let (id, unknown) = (EventId::parse("mine").expect("an id"), EventId::parse("other").expect("an id"));
    let call = everstate.call_as(id.clone(), &stubborn, Say::Hello(7));
    // Asked once and dropped: what a timeout does.
    tokio::select! {
        biased;
        _ = call => {}
        () = std::future::ready(()) => {}
    }
    // The node takes calls in order, so after this one that one is decided.
    everstate.call(&stubborn, Say::Hello(1)).await.expect("it answers");
    assert_eq!(everstate.outcome::<Stubborn>(&id).await.expect("it is known"), Some(7));
    assert_eq!(everstate.outcome::<Stubborn>(&unknown).await.expect("it is asked"), None);
    assert_eq!(everstate.call_as(id, &stubborn, Say::Hello(7)).await.expect("it is answered again"), 7);
}

#[test]
fn a_follower_gets_a_snapshot_and_every_turn_after_it_and_goes_on_from_a_cursor() {
    let options = Options { follow_buffer_max: 2, ..Options::default() };
    let everstate =
        Everstate::memory().behaviour::<first::Ledger>().options(options).start().expect("it starts");
    let main = Address::<first::Ledger>::new("main").expect("an id");
    wait(everstate.call(&main, 5)).expect("it counts");
    let mut following = everstate.follow(&main, None);
    let (mut count, mut cursor) = match wait(following.next()).expect("the node runs") {
        Change::Snapshot { state: Some(state), cursor } => (state.count, cursor),
        other => panic!("{other:?}"),
    };
    assert_eq!(count, 5);
    // Many more than the follower's buffer holds.
    for _ in 0..300 {
        wait(everstate.call(&main, 1)).expect("it counts");
    }
    for told in 0..300 {
        if told == 120 {
            following = everstate.follow(&main, Some(cursor));
        }
        match wait(following.next()).expect("the node runs") {
            Change::Turn(turn) => {
                count += turn.message().expect("a message");
                assert_eq!(turn.result().expect("it counted"), count);
                cursor = turn.cursor;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count, 305);
    // Another life at the same address is told from its beginning.
    wait(everstate.handle().delete(main.any().clone())).expect("it is deleted");
    wait(everstate.call(&main, 1)).expect("it counts");
    let mut following = everstate.follow(&main, Some(cursor));
    assert!(matches!(
        wait(following.next()).expect("the node runs"),
        Change::Snapshot { state: Some(first::Ledger { count: 1 }), .. }
    ));
}
