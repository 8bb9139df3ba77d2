//! Actors of other libraries, and a bare channel: telling, calling and spawning them, as their guides show it.
//!
//! It refuses to tune them beyond an unbounded mailbox, so that telling waits for nobody. Its one invariant: it stops the
//! clock when the last message has been handled, not when it has been sent.
//!
//! `actors LIBRARY tell|call|spawn COUNT` prints `{"seconds": …, "bytes": …}`; `bytes` is the growth of the resident memory.

use std::time::Instant;

/// What each of them does.
enum Ask {
    Add(u64),
    Read,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, library, what, count] = &args[..] else { panic!("LIBRARY tell|call|spawn COUNT") };
    let count: u64 = count.parse().expect("a count");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let before = resident();
    let seconds = match library.as_str() {
        "ractor" => runtime.block_on(of_ractor::run(what, count)),
        "kameo" => runtime.block_on(of_kameo::run(what, count)),
        "channel" => runtime.block_on(channel(what, count)),
        other => panic!("there is no {other:?}"),
    };
    println!("{{\"seconds\": {seconds}, \"bytes\": {}}}", resident().saturating_sub(before));
    // Whoever drops a million actors one after the other measures nothing that was asked for.
    std::process::exit(0);
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

mod of_ractor {
    use super::{Ask, Instant};
    use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

    struct Counter;

    struct Message(Ask, Option<RpcReplyPort<u64>>);

    impl Actor for Counter {
        type Msg = Message;
        type State = u64;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u64, ActorProcessingErr> {
            Ok(0)
        }

        async fn handle(
            &self,
            _: ActorRef<Message>,
            Message(ask, port): Message,
            count: &mut u64,
        ) -> Result<(), ActorProcessingErr> {
            if let Ask::Add(more) = ask {
                *count += more;
            }
            if let Some(port) = port {
                port.send(*count)?;
            }
            Ok(())
        }
    }

    pub(super) async fn run(what: &str, count: u64) -> f64 {
        let started = Instant::now();
        if what == "spawn" {
            let mut all = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let (actor, _) = Actor::spawn(None, Counter, ()).await.expect("it starts");
                actor.cast(Message(Ask::Add(1), None)).expect("it takes");
                all.push(actor);
            }
            for actor in &all {
                assert_eq!(read(actor).await, 1);
            }
            std::mem::forget(all);
            return started.elapsed().as_secs_f64();
        }
        let (actor, _) = Actor::spawn(None, Counter, ()).await.expect("it starts");
        let started = Instant::now();
        for _ in 0..count {
            match what {
                "tell" => actor.cast(Message(Ask::Add(1), None)).expect("it takes"),
                _ => {
                    ractor::call!(actor, |port| Message(Ask::Add(1), Some(port))).expect("it answers");
                }
            }
        }
        assert_eq!(read(&actor).await, count);
        started.elapsed().as_secs_f64()
    }

    async fn read(actor: &ActorRef<Message>) -> u64 {
        ractor::call!(actor, |port| Message(Ask::Read, Some(port))).expect("it answers")
    }
}

mod of_kameo {
    use super::{Ask, Instant};
    use kameo::prelude::*;

    struct Counter(u64);

    impl Actor for Counter {
        type Args = u64;
        type Error = std::convert::Infallible;

        async fn on_start(count: u64, _: ActorRef<Counter>) -> Result<Counter, Self::Error> {
            Ok(Counter(count))
        }
    }

    impl Message<Ask> for Counter {
        type Reply = u64;

        async fn handle(&mut self, ask: Ask, _: &mut Context<Counter, u64>) -> u64 {
            if let Ask::Add(more) = ask {
                self.0 += more;
            }
            self.0
        }
    }

    pub(super) async fn run(what: &str, count: u64) -> f64 {
        let started = Instant::now();
        if what == "spawn" {
            let mut all = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let actor = Counter::spawn_with_mailbox(0, mailbox::unbounded());
                actor.tell(Ask::Add(1)).await.expect("it takes");
                all.push(actor);
            }
            for actor in &all {
                assert_eq!(actor.ask(Ask::Read).await.expect("it answers"), 1);
            }
            std::mem::forget(all);
            return started.elapsed().as_secs_f64();
        }
        let actor = Counter::spawn_with_mailbox(0, mailbox::unbounded());
        let started = Instant::now();
        for _ in 0..count {
            match what {
                "tell" => actor.tell(Ask::Add(1)).await.expect("it takes"),
                _ => {
                    actor.ask(Ask::Add(1)).await.expect("it answers");
                }
            }
        }
        assert_eq!(actor.ask(Ask::Read).await.expect("it answers"), count);
        started.elapsed().as_secs_f64()
    }
}

/// What is left when there is no library: a task that reads a channel.
async fn channel(what: &str, count: u64) -> f64 {
    type Port = tokio::sync::oneshot::Sender<u64>;
    let spawn = || {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(Ask, Option<Port>)>();
        tokio::spawn(async move {
            let mut count = 0;
            while let Some((ask, port)) = receiver.recv().await {
                if let Ask::Add(more) = ask {
                    count += more;
                }
                if let Some(port) = port {
                    let _ = port.send(count);
                }
            }
        });
        sender
    };
    let call = async |to: &tokio::sync::mpsc::UnboundedSender<(Ask, Option<Port>)>, ask: Ask| {
        let (port, answer) = tokio::sync::oneshot::channel();
        assert!(to.send((ask, Some(port))).is_ok(), "it takes");
        answer.await.expect("it answers")
    };
    let started = Instant::now();
    if what == "spawn" {
        let all: Vec<_> = (0..count)
            .map(|_| {
                let to = spawn();
                assert!(to.send((Ask::Add(1), None)).is_ok(), "it takes");
                to
            })
            .collect();
        for to in &all {
            assert_eq!(call(to, Ask::Read).await, 1);
        }
        std::mem::forget(all);
        return started.elapsed().as_secs_f64();
    }
    let to = spawn();
    let started = Instant::now();
    for _ in 0..count {
        match what {
            "tell" => assert!(to.send((Ask::Add(1), None)).is_ok(), "it takes"),
            _ => {
                call(&to, Ask::Add(1)).await;
            }
        }
    }
    assert_eq!(call(&to, Ask::Read).await, count);
    started.elapsed().as_secs_f64()
}
