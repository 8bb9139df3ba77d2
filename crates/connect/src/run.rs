//! A plan at work: every source and sink of a connector file, on one thread.
//!
//! It refuses to decide anything about messages. Its one invariant: when one of them cannot go on, all of them stop in
//! good order, and the error says which it was.

use crate::inward::{Inward, InwardTally};
use crate::news::{Tell, Teller, What};
use crate::outbox::ServerOutbox;
use crate::outward::{Outward, OutwardTally};
use crate::plan::{Plan, SinkPlan, SourcePlan, Spoken};
use crate::sink::Sink;
use crate::source::Source;
use crate::trouble::{Trouble, insist};
use everstate_client::Client;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

/// How a source or a sink ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A source.
    Source(String, InwardTally),
    /// A sink.
    Sink(String, OutwardTally),
}

type Running<'a> = LocalBoxFuture<'a, Result<Ended, Trouble>>;

/// Works until `stop` says true, or until something lasting is wrong with one of them.
pub async fn run(
    plan: &Plan,
    client: &Client,
    tell: &Tell,
    stop: &watch::Sender<bool>,
) -> Result<Vec<Ended>, Trouble> {
    let mut all: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
    for source in &plan.sources {
        all.push(open_source(source, client, tell, stop.subscribe()));
    }
    for sink in &plan.sinks {
        all.push(open_sink(sink, client, tell, stop.subscribe()));
    }
    let (mut ended, mut failed) = (Vec::new(), None);
    while let Some(one) = all.next().await {
        match one {
            Ok(one) => ended.push(one),
            Err(trouble) => {
                failed = failed.or(Some(trouble));
                stop.send_replace(true);
            }
        }
    }
    match failed {
        None => Ok(ended),
        Some(trouble) => Err(trouble),
    }
}

fn open_source<'a>(
    plan: &'a SourcePlan,
    client: &'a Client,
    tell: &'a Tell,
    stop: watch::Receiver<bool>,
) -> Running<'a> {
    match &plan.queue {
        #[cfg(feature = "nats")]
        Spoken::Nats(queue) => {
            let open = async || crate::nats::NatsSource::open(queue, plan.in_flight).await;
            Box::pin(inward(plan, client, tell, stop, open))
        }
        #[cfg(feature = "sqs")]
        Spoken::Sqs(queue) => {
            let open = async || crate::sqs::SqsSource::open(queue).await;
            Box::pin(inward(plan, client, tell, stop, open))
        }
        #[allow(unreachable_patterns, reason = "with all features everything is spoken but webhooks")]
        other => Box::pin(async move { Err(Trouble::lasting(unspoken(&plan.name, other))) }),
    }
}

fn open_sink<'a>(
    plan: &'a SinkPlan,
    client: &'a Client,
    tell: &'a Tell,
    stop: watch::Receiver<bool>,
) -> Running<'a> {
    match &plan.destination {
        #[cfg(feature = "nats")]
        Spoken::Nats(queue) => {
            let open = async || crate::nats::NatsSink::open(queue).await;
            Box::pin(outward(plan, client, tell, stop, open))
        }
        #[cfg(feature = "sqs")]
        Spoken::Sqs(queue) => {
            let open = async || crate::sqs::SqsSink::open(queue).await;
            Box::pin(outward(plan, client, tell, stop, open))
        }
        #[cfg(feature = "webhook")]
        Spoken::Webhook(hook) => {
            let open = async || crate::webhook::Webhook::open(hook);
            Box::pin(outward(plan, client, tell, stop, open))
        }
        #[allow(unreachable_patterns, reason = "with all features everything is spoken")]
        other => Box::pin(async move { Err(Trouble::lasting(unspoken(&plan.name, other))) }),
    }
}

/// What the plan needs and this program was built without; each as it can be told.
pub fn lacking(plan: &Plan) -> Vec<String> {
    let sources = plan.sources.iter().map(|source| (&source.name, &source.queue));
    let sinks = plan.sinks.iter().map(|sink| (&sink.name, &sink.destination));
    let lacks = |spoken: &Spoken| match spoken {
        Spoken::Nats(_) => !cfg!(feature = "nats"),
        Spoken::Sqs(_) => !cfg!(feature = "sqs"),
        Spoken::Webhook(_) => !cfg!(feature = "webhook"),
    };
    let all = sources.chain(sinks).filter(|(_, spoken)| lacks(spoken));
    all.map(|(name, spoken)| unspoken(name, spoken)).collect()
}

fn unspoken(name: &str, what: &Spoken) -> String {
    let feature = match what {
        Spoken::Nats(_) => "nats",
        Spoken::Sqs(_) => "sqs",
        Spoken::Webhook(_) => "webhook",
    };
    format!(
        "{name} needs {feature}, which this program was built without; build one that has it with: cargo build --release \
         -p everstate-cli --features {feature}"
    )
}

async fn inward<S: Source>(
    plan: &SourcePlan,
    client: &Client,
    tell: &Tell,
    mut stop: watch::Receiver<bool>,
    open: impl AsyncFn() -> Result<S, Trouble>,
) -> Result<Ended, Trouble> {
    let teller = Teller::new(&plan.name, tell.clone());
    let opened = tokio::select! {
        opened = insist("open the queue", &teller, open) => Some(opened),
        () = stopped(&mut stop) => None,
    };
    let tally = match opened {
        None => Ok(InwardTally::default()),
        Some(Err(trouble)) => Err(trouble),
        Some(Ok(source)) => {
            teller.say(What::Began, "takes events in");
            let driver =
                Inward::new(&plan.name, source, client.clone(), plan.form, plan.in_flight, tell.clone());
            driver.run(stopped(&mut stop)).await
        }
    };
    match tally {
        Ok(tally) => Ok(Ended::Source(plan.name.clone(), tally)),
        Err(trouble) => Err(of(&plan.name, trouble)),
    }
}

async fn outward<S: Sink>(
    plan: &SinkPlan,
    client: &Client,
    tell: &Tell,
    mut stop: watch::Receiver<bool>,
    open: impl AsyncFn() -> Result<S, Trouble>,
) -> Result<Ended, Trouble> {
    let teller = Teller::new(&plan.name, tell.clone());
    let opened = tokio::select! {
        opened = insist("open the destination", &teller, open) => Some(opened),
        () = stopped(&mut stop) => None,
    };
    let tally = match opened {
        None => Ok(OutwardTally::default()),
        Some(Err(trouble)) => Err(trouble),
        Some(Ok(sink)) => {
            teller.say(What::Began, "sends notifications out");
            let (form, choice) = (plan.form, plan.choice.clone());
            let driver = Outward::new(&plan.name, sink, choice, form, plan.in_flight, tell.clone());
            driver.run(ServerOutbox::new(client, &plan.name, plan.begin), stopped(&mut stop)).await
        }
    };
    match tally {
        Ok(tally) => Ok(Ended::Sink(plan.name.clone(), tally)),
        Err(trouble) => Err(of(&plan.name, trouble)),
    }
}

fn of(name: &str, trouble: Trouble) -> Trouble {
    Trouble { reason: format!("{name}: {}", trouble.reason), ..trouble }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say so lives as long as this does.
    let _ = stop.wait_for(|stop| *stop).await;
}
