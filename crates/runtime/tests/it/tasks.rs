//! Workers at a running node: they wait without being asked again, get each task once, and give back what they left.

use crate::counter::{address, count, event, node};
use everstate_kernel::{Json, Leased, Refusal, Report};
use everstate_runtime::{CallError, Depth, Handle, Reported};
use std::sync::Arc;

async fn lease(handle: &Handle, max: usize, waits: bool) -> Vec<Leased> {
    handle.lease(Arc::from("w"), vec![Arc::from("work")], max, waits).await.expect("it is answered")
}

async fn ask(handle: &Handle, id: &str) {
    let _ = handle.send(address("a"), event(id, "ask")).await.expect("it is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_wait_get_each_task_once() {
    let (runtime, handle) = node().await;
    assert_eq!(lease(&handle, 1, false).await, []);
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    for leased in lease(&handle, 3.min(10 - done), true).await {
                        let report = handle.report(leased.lease, Report::Done(Json::NULL)).await;
                        assert!(matches!(report, Ok(Reported::Ended { duplicate: false })), "{report:?}");
                        done += 1;
                    }
                }
            })
        })
        .collect();
    for number in 0..80 {
        ask(&handle, &format!("task-{number}")).await;
    }
    for worker in workers {
        worker.await.expect("it worked");
    }
    assert_eq!(count(&handle, "a"), 80);
    assert_eq!(handle.task_queues(), []);
    runtime.stop().expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waiting_takes_nothing_along() {
    let (runtime, handle) = node().await;
    for number in 0..20 {
        let waiting = tokio::spawn({
            let handle = handle.clone();
            async move { lease(&handle, 1, true).await }
        });
        ask(&handle, &format!("task-{number}")).await;
        // It may have its task by now, or be about to get it.
        waiting.abort();
        let left = match waiting.await {
            Ok(leased) => leased,
            Err(_) => lease(&handle, 1, true).await,
        };
        let [leased] = &left[..] else { panic!("there is a task: {left:?}") };
        assert_eq!(leased.attempt, 1, "what was given back does not count");
        assert!(handle.report(leased.lease.clone(), Report::Done(Json::NULL)).await.is_ok());
    }
    assert_eq!(count(&handle, "a"), 20);
    runtime.stop().expect("it stops");
}

#[tokio::test]
async fn queues_are_counted_and_leases_end() {
    let (_runtime, handle) = node().await;
    ask(&handle, "one").await;
    ask(&handle, "two").await;
    let first = lease(&handle, 1, false).await.remove(0).lease;
    let depth = Depth { ready: 1, leased: 1, waiting: 0 };
    assert_eq!(handle.task_queues(), [(Arc::from("work"), depth)]);
    let failed = Report::Failed { code: "x".into(), message: "no".into(), retryable: true };
    assert!(matches!(handle.report(first.clone(), failed.clone()).await, Ok(Reported::Noted { .. })));
    let depth = Depth { ready: 1, leased: 0, waiting: 1 };
    assert_eq!(handle.task_queues(), [(Arc::from("work"), depth)]);
    handle.delete(address("a")).await.expect("it is deleted");
    assert_eq!(handle.task_queues(), []);
    let gone = handle.report(first, failed).await;
    assert!(matches!(gone, Err(CallError::Refused(Refusal::LeaseOver { .. }))), "{gone:?}");
}
