//! The dataspace of the crate `syndicate`, in process: messages to one subscription among many that differ in a literal.
//!
//! It refuses to send them from another actor than the dataspace's, which would cost a hand-over each. Its one invariant:
//! the clock stops when the last message has been received, and each was.
//!
//! `dataspace SUBSCRIPTIONS MESSAGES` prints `{"seconds": …}`.

use preserves::{Map, Record, Value};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Instant;
use syndicate::actor::*;
use syndicate::dataspace::Dataspace;
use syndicate::enclose;
use syndicate::schemas::dataspace::Observe;
use syndicate::schemas::dataspace_patterns as pattern;

/// A message about a topic.
fn says(topic: &'static str) -> AnyValue {
    Value::new(Record::_from_vec(vec![Value::symbol("Says"), AnyValue::new(topic), Value::bytes(vec![])]))
}

/// Those about that topic.
fn about(topic: String) -> pattern::Pattern {
    pattern::Pattern::Group {
        type_: pattern::GroupType::Rec { label: AnyValue::symbol("Says") },
        entries: Map::from([
            (pattern::_Any::new(0), pattern::Pattern::Lit { value: pattern::AnyAtom::String(topic) }),
            (pattern::_Any::new(1), pattern::Pattern::Bind { pattern: Box::new(pattern::Pattern::Discard) }),
        ]),
    }
}

struct Receiver {
    received: u64,
    expected: u64,
    started: Arc<AtomicU64>,
    epoch: Instant,
}

impl Entity<AnyValue> for Receiver {
    fn message(&mut self, turn: &mut Activation, _: AnyValue) -> ActorResult {
        self.received += 1;
        if self.received == self.expected {
            let nanoseconds = self.epoch.elapsed().as_nanos() as u64 - self.started.load(Relaxed);
            println!("{{\"seconds\": {}}}", nanoseconds as f64 / 1e9);
            return Ok(turn.stop());
        }
        Ok(())
    }
}

fn main() {
    let count = |place| std::env::args().nth(place).and_then(|text| text.parse::<u64>().ok()).expect("a count");
    let (subscriptions, messages) = (count(1), count(2));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (started, epoch) = (Arc::new(AtomicU64::new(0)), Instant::now());
    runtime.block_on(async move {
        let actor = Actor::top(None, move |turn| {
            let _ = turn.prevent_inert_check();
            let space = Dataspace::new(turn, None);
            let receiver =
                Receiver { received: 0, expected: messages, started: started.clone(), epoch };
            let receiver = turn.create_anycap(receiver);
            for number in 0..subscriptions {
                let topic = if number == 0 { "wanted".to_owned() } else { format!("other-{number}") };
                space.assert(turn, &Observe { pattern: about(topic), observer: receiver.clone() });
            }
            turn.after(
                std::time::Duration::from_millis(200),
                enclose!((space) move |turn: &mut Activation| {
                    started.store(epoch.elapsed().as_nanos() as u64, Relaxed);
                    for _ in 0..messages {
                        space.message(turn, &says("wanted"));
                    }
                    Ok(())
                }),
            );
            Ok(())
        });
        let _ = actor.await;
    });
}
