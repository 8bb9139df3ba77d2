//! Two libraries of actors, each with a counter.
//!
//! It refuses to know what is compared. Its one invariant: both do what the counter of Everstate does, as their own
//! documents show it.

use crate::bench::{Amount, Side, p50};
use anyhow::{Context, Result};
use std::time::Instant;

mod by_ractor {
    use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

    pub(super) struct Counter;

    pub(super) enum Message {
        Add(u64),
        Ask(u64, RpcReplyPort<u64>),
    }

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
            message: Message,
            count: &mut u64,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                Message::Add(more) => *count += more,
                Message::Ask(more, reply) => {
                    *count += more;
                    reply.send(*count)?;
                }
            }
            Ok(())
        }
    }
}

pub(crate) fn ractor(amount: Amount) -> Result<Side> {
    use by_ractor::{Counter, Message};
    use ractor::Actor;
    tokio::runtime::Runtime::new()?.block_on(async {
        let (actor, _) = Counter::spawn(None, Counter, ()).await?;
        let call = async |more| {
            let asked = actor.call(|reply| Message::Ask(more, reply), None).await;
            asked.ok().and_then(|answer| answer.success_or(()).ok()).context("it answers")
        };
        let started = Instant::now();
        for _ in 0..amount.tells {
            actor.cast(Message::Add(1)).ok().context("it takes")?;
        }
        let tells = amount.rate(call(0).await?, started)?;
        let mut times = Vec::with_capacity(amount.calls);
        for _ in 0..amount.calls {
            let asked = Instant::now();
            call(1).await?;
            times.push(asked.elapsed().as_nanos() as f64);
        }
        actor.stop(None);
        Ok(Side { tells, call: p50(times) })
    })
}

mod by_kameo {
    use kameo::Actor;
    use kameo::actor::ActorRef;
    use kameo::message::{Context, Message};
    use std::convert::Infallible;

    pub(super) struct Counter(pub(super) u64);
    pub(super) struct Add(pub(super) u64);

    impl Actor for Counter {
        type Args = Self;
        type Error = Infallible;

        async fn on_start(counter: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
            Ok(counter)
        }
    }

    impl Message<Add> for Counter {
        type Reply = u64;

        async fn handle(&mut self, Add(more): Add, _: &mut Context<Self, u64>) -> u64 {
            self.0 += more;
            self.0
        }
    }
}

pub(crate) fn kameo(amount: Amount) -> Result<Side> {
    use by_kameo::{Add, Counter};
    use kameo::actor::Spawn;
    tokio::runtime::Runtime::new()?.block_on(async {
        let actor = Counter::spawn_with_mailbox(Counter(0), kameo::mailbox::unbounded());
        let call = async |more| actor.ask(Add(more)).await.ok().context("it answers");
        let started = Instant::now();
        for _ in 0..amount.tells {
            actor.tell(Add(1)).await.ok().context("it takes")?;
        }
        let tells = amount.rate(call(0).await?, started)?;
        let mut times = Vec::with_capacity(amount.calls);
        for _ in 0..amount.calls {
            let asked = Instant::now();
            call(1).await?;
            times.push(asked.elapsed().as_nanos() as f64);
        }
        actor.kill();
        Ok(Side { tells, call: p50(times) })
    })
}
