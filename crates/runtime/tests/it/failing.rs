//! Stores that are slow, full or broken: nothing is acknowledged that is not kept, and everybody is told.

use crate::counter::{address, count, event, node_over};
use crossbeam_channel::{Receiver, Sender};
use everstate_kernel::{Durability, Loaded, Record, Touches};
use everstate_runtime::{CallError, Options};
use everstate_store::{Memory, Reader, Store, StoreError};
use std::sync::Arc;

/// A memory store that asks a test, before each commit, what to do.
struct Asking {
    memory: Memory,
    asks: Sender<()>,
    answers: Receiver<Verdict>,
}

enum Verdict {
    Commit,
    Full,
    Break,
}

impl Store for Asking {
    fn hydrate(&self, touches: &Touches) -> Result<Loaded, StoreError> {
        self.memory.hydrate(touches)
    }
    fn commit(&mut self, records: &[Record], durability: Durability) -> Result<(), StoreError> {
        // A test that has ended lets everything through.
        let _ = self.asks.send(());
        match self.answers.recv().unwrap_or(Verdict::Commit) {
            Verdict::Commit => self.memory.commit(records, durability),
            Verdict::Full => Err(StoreError::Full),
            Verdict::Break => Err(StoreError::Poisoned("a test broke it".into())),
        }
    }
    fn reader(&self) -> Arc<dyn Reader> {
        self.memory.reader()
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Box::new(self.memory).close()
    }
}

fn asking() -> (Box<Asking>, Receiver<()>, Sender<Verdict>) {
    let (asks, asked) = crossbeam_channel::unbounded();
    let (verdicts, answers) = crossbeam_channel::unbounded();
    // The first commit is that of the definition.
    verdicts.send(Verdict::Commit).expect("it listens");
    (Box::new(Asking { memory: Memory::new(), asks, answers }), asked, verdicts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_more_than_the_queue_takes_is_refused_and_the_others_are_kept() {
    let (store, asked, verdicts) = asking();
    let (runtime, handle) = node_over(store, Options { queue_events_max: 2, ..Options::default() }).await;
    asked.recv().expect("the definition is committed");
    let send = |id: &'static str| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.send(address("a"), event(id, "add")).await })
    };
    let first = send("1");
    asked.recv().expect("the first is being committed");
    let waiting = [send("2"), send("3")];
    while handle.queue_len() < 2 {
        tokio::task::yield_now().await;
    }
    let refused = handle.send(address("a"), event("4", "add")).await;
    assert!(matches!(refused, Err(CallError::Overloaded { .. })), "{refused:?}");
    drop(verdicts);
    assert!(first.await.expect("it ran").is_ok());
    for waiting in waiting {
        assert!(waiting.await.expect("it ran").is_ok());
    }
    assert_eq!(count(&handle, "a"), 3);
    runtime.stop().expect("it stops");
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing() {
    let (store, _asked, verdicts) = asking();
    for verdict in [Verdict::Commit, Verdict::Full, Verdict::Commit] {
        verdicts.send(verdict).expect("it listens");
    }
    let (_runtime, handle) = node_over(store, Options::default()).await;
    handle.send(address("a"), event("1", "add")).await.expect("there is room");
    let refused = handle.send(address("a"), event("2", "add")).await;
    assert!(matches!(refused, Err(CallError::Full)), "{refused:?}");
    assert_eq!(count(&handle, "a"), 1);
    handle.send(address("a"), event("2", "add")).await.expect("there is room again");
    assert_eq!(count(&handle, "a"), 2);
}

#[tokio::test]
async fn a_broken_store_ends_the_node_and_says_so() {
    let (store, _asked, verdicts) = asking();
    verdicts.send(Verdict::Break).expect("it listens");
    let (_runtime, handle) = node_over(store, Options::default()).await;
    for id in ["1", "2"] {
        let refused = handle.send(address("a"), event(id, "add")).await;
        assert!(
            matches!(&refused, Err(CallError::Failed(why)) if why.contains("a test broke it")),
            "{refused:?}"
        );
    }
    assert!(handle.failure().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_finishes_what_waits_and_refuses_what_comes() {
    let (store, asked, verdicts) = asking();
    let (runtime, handle) = node_over(store, Options::default()).await;
    asked.recv().expect("the definition is committed");
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.send(address("a"), event("1", "add")).await }
    });
    asked.recv().expect("it is being committed");
    let stopping = tokio::task::spawn_blocking(|| runtime.stop());
    drop(verdicts);
    assert!(waiting.await.expect("it ran").is_ok());
    stopping.await.expect("it ran").expect("it stops");
    let refused = handle.send(address("a"), event("2", "add")).await;
    assert!(matches!(refused, Err(CallError::Stopping)), "{refused:?}");
}
