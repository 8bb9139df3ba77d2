//! Calls and their answers.

use crate::counter::{address, count, event, node};
use everstate_kernel::{EventId, Json, Outcome, Refusal};
use everstate_runtime::{CallError, Decision};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_many_senders_is_counted_once() {
    let (runtime, handle) = node().await;
    let senders: Vec<_> = (0..32)
        .map(|sender| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let sent = handle.send(address("a"), event(&format!("{sender}-{number}"), "add")).await;
                    assert!(matches!(
                        sent,
                        Ok(Decision::Decided { outcome: Outcome::Ok { .. }, duplicate: false })
                    ));
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("it sent");
    }
    assert_eq!(count(&handle, "a"), 32 * 50);
    runtime.stop().expect("it stops");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_and_a_repeat_changes_nothing() {
    let (_runtime, handle) = node().await;
    let batch = || (0..100).map(|n| (address("a"), event(&n.to_string(), "add"))).collect::<Vec<_>>();
    for duplicate_expected in [false, true] {
        let answers = handle.send_many(batch()).await.expect("it is taken");
        for (n, answer) in answers.into_iter().enumerate() {
            let Ok(Decision::Decided { outcome: Outcome::Ok { reply, .. }, duplicate }) = answer else {
                panic!("{n} was answered {answer:?}")
            };
            assert_eq!((reply.as_str(), duplicate), (&*(n + 1).to_string(), duplicate_expected));
        }
    }
    assert_eq!(count(&handle, "a"), 100);
}

#[tokio::test]
async fn an_id_used_for_another_event_is_a_conflict() {
    let (_runtime, handle) = node().await;
    handle.send(address("a"), event("1", "add")).await.expect("it is taken");
    let again = handle.send(address("a"), event("1", "open")).await;
    assert!(matches!(again, Err(CallError::Refused(Refusal::Conflict(_)))), "{again:?}");
}

#[tokio::test]
async fn whoever_waits_for_a_deferred_event_learns_its_outcome() {
    let (_runtime, handle) = node().await;
    let kept = handle.send(address("a"), event("late", "when-open")).await.expect("it is taken");
    assert_eq!(kept, Decision::Kept { duplicate: false });
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.decided(&EventId::parse("late").expect("an id")).await }
    });
    handle.send(address("a"), event("open", "open")).await.expect("it is taken");
    assert!(matches!(waiting.await.expect("it waited"), Ok(Outcome::Ok { .. })));
    assert_eq!(count(&handle, "a"), 100);
    // Asking after the decision is answered as well.
    assert!(handle.decided(&EventId::parse("late").expect("an id")).await.is_ok());
}

#[tokio::test]
async fn an_event_sent_by_a_machine_arrives_once() {
    let (_runtime, handle) = node().await;
    let mut follower = handle.follow();
    handle.send(address("a"), event("1", "pass")).await.expect("it is taken");
    loop {
        let turned = follower.next().await.expect("the node runs");
        if turned.address == address("other") && turned.entry.sequence == 2 {
            break;
        }
    }
    assert_eq!(count(&handle, "other"), 1);
}

#[tokio::test]
async fn an_event_that_faults_is_a_dead_letter_until_it_is_discarded() {
    let (_runtime, handle) = node().await;
    let sent = handle.send(address("a"), event("1", "fail")).await.expect("it is taken");
    assert!(matches!(sent, Decision::Decided { outcome: Outcome::Failed { attempts: 1, .. }, .. }));
    let letters = handle.reader().dead_letters(None, 10).expect("it reads");
    let number = letters[0].number;
    let retried = handle.retry_dead_letter(number).await.expect("it is tried");
    assert!(matches!(retried, Decision::Decided { outcome: Outcome::Failed { .. }, .. }));
    let number = handle.reader().dead_letters(None, 10).expect("it reads")[0].number;
    handle.discard_dead_letter(number).await.expect("it goes");
    assert!(handle.reader().dead_letters(None, 10).expect("it reads").is_empty());
    let again = handle.discard_dead_letter(number).await;
    assert!(matches!(again, Err(CallError::Refused(Refusal::UnknownDeadLetter(_)))));
}

#[tokio::test]
async fn a_start_is_idempotent_by_its_id_and_refused_for_a_taken_address() {
    let (_runtime, handle) = node().await;
    let start = |id: &str| {
        let id = EventId::parse(id).expect("an id");
        handle.start(address("a"), None, id, Json::NULL)
    };
    assert!(matches!(start("one").await, Ok(Decision::Decided { duplicate: false, .. })));
    assert!(matches!(start("one").await, Ok(Decision::Decided { duplicate: true, .. })));
    assert!(matches!(start("two").await, Err(CallError::Refused(Refusal::InstanceExists(_)))));
    handle.delete(address("a")).await.expect("it is deleted");
    assert!(matches!(
        handle.delete(address("a")).await,
        Err(CallError::Refused(Refusal::UnknownInstance(_)))
    ));
}

#[tokio::test]
async fn a_definition_named_by_its_file_keeps_its_name_when_the_node_starts_again() {
    use everstate_kernel::{DefinitionId, DefinitionRecord, Durability, Record, Time};
    use everstate_store::{Memory, Store};
    let mut store = Memory::new();
    let id = DefinitionId::new("lamp", "v1").expect("a name");
    let source = "initial: dark\nstates: {dark: {on: {press: light}}, light: {on: {press: dark}}}\n".into();
    let record = Record::Definition(DefinitionRecord { id, source, put_at: Time(0) });
    store.commit(&[record], Durability::Process).expect("it is kept");
    let runtime = everstate_runtime::Runtime::start(Box::new(store), everstate_runtime::Options::default());
    assert!(runtime.expect("it starts").handle().definitions().find("lamp", None).is_some());
}
