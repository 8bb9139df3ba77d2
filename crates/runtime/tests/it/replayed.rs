//! The runtime kept honest: what it recorded leads to the same bytes in the simulator, which never saw the runtime.

use crate::counter::{address, definition, event};
use everstate_kernel::{EventId, Input, Record, Time};
use everstate_runtime::{Options, Recorder, Runtime};
use everstate_sim::node::{Replay, Whole};
use everstate_store::Memory;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What was recorded: the batches, each of inputs with their times, and the records of all.
#[derive(Default)]
struct Tape {
    batches: Vec<Vec<(Time, Input)>>,
    records: Vec<Record>,
}

struct Recording(Arc<Mutex<Tape>>);

impl Recorder for Recording {
    fn committed(&mut self, inputs: Vec<(Time, Input)>, records: &[Record]) {
        let mut tape = self.0.lock().expect("nobody panics with it");
        tape.batches.push(inputs);
        tape.records.extend_from_slice(records);
    }

    fn restored(&mut self) {
        panic!("a store in memory is never full");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_inputs_lead_to_the_same_bytes_in_the_simulator() {
    let tape = Arc::new(Mutex::new(Tape::default()));
    let store = Memory::new();
    let view = store.share();
    let options = Options { seed: 11, batch_inputs_max: 7, instances_cached_max: 2, ..Options::default() };
    let runtime = Runtime::start_recorded(Box::new(store), options, Box::new(Recording(tape.clone())))
        .expect("it starts");
    let handle = runtime.handle();
    handle.put(definition(), Arc::from("a counter")).await.expect("it is put");
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    let name =
                        ["add", "when-open", "open", "soon", "pass", "fail"][(number * 7 + sender) % 6];
                    let to = address(&((number + sender) % 5).to_string());
                    let sent = event(&format!("{sender}-{number}"), name);
                    // Twice, as a client does that has not heard: the second is told what came of the first.
                    for _ in 0..2 {
                        handle.send(to.clone(), sent.clone()).await.expect("it is taken");
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("it sent");
    }
    runtime.stop().expect("it stops");

    let tape = tape.lock().expect("nobody panics with it");
    assert!(tape.records.len() > 8 * 60, "there is something to compare");
    let mut replay = Replay::new(11, everstate_kernel::Retain::default());
    tape.batches.iter().for_each(|batch| replay.batch(batch));
    let bytes = |records: &[Record]| postcard::to_allocvec(records).expect("records encode");
    let at = replay.records.iter().zip(&tape.records).position(|(again, first)| again != first);
    assert_eq!(at.map(|at| (&replay.records[at], &tape.records[at])), None);
    assert!(bytes(&replay.records) == bytes(&tape.records), "byte for byte");
    let ids: BTreeSet<EventId> = replay.whole.tables.outcomes.keys().cloned().collect();
    let kept = Whole::read(&view, &ids).expect("it answers");
    assert_eq!(replay.whole.difference(&kept), None, "and the store holds what they make");
}
