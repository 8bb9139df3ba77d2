//! `connect`: events in from queues, notifications out to queues and webhooks, as a connector file says.

use crate::arguments::Shared;
use crate::commands::explore;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::render::{count, counted};
use clap::Args;
use everstate_client::Retry;
use everstate_connect::{Ended, News, Plan, Tell, Trouble, lacking, run};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::sync::{mpsc, watch};

/// Connect queues and webhooks, as a file says, until Ctrl-C
///
/// Events come in from SQS and NATS JetStream: in order for each instance, each applied once, acknowledged after it is
/// committed; what is no event goes to the dead-letter queue with the reason. Notifications go out to SQS, NATS and
/// webhooks, at least once and in order for each instance, also over crashes. Secrets are read from the environment or
/// from files, as the file says. See docs/guides/connectors.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate connect --check connectors.yaml
  everstate connect connectors.yaml")]
pub(crate) struct Connect {
    /// The connector file
    file: PathBuf,
    /// Only look for what is wrong with the file
    #[arg(long)]
    check: bool,
}

/// News that wait to be told; beyond, they are left out.
const NEWS_MAX: usize = 1_000;

impl Connect {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let Some(plan) = read(&self.file, output)? else { return Ok(Exit::Problem) };
        let (sources, sinks) = (plan.sources.len() as u64, plan.sinks.len() as u64);
        if let Some(lacking) = lacking(&plan).first() {
            return Err(Failure::problem("not-built-in", lacking));
        }
        if self.check {
            output.talk(&format!(
                "{} and {}: no problems",
                counted(sources, "source"),
                counted(sinks, "sink")
            ))?;
            return Ok(Exit::Fine);
        }
        let mut shared = shared.clone();
        // What was typed or is in the environment goes before what the file says.
        if let Some(server) = plan.server.as_ref().filter(|_| shared.server == DEFAULT_SERVER) {
            shared.server.clone_from(server);
        }
        let client = meant::client(&shared, Retry::default().patience)?;
        let (told, mut news) = mpsc::channel(NEWS_MAX);
        let tell: Tell = Rc::new(move |news: &News| drop(told.try_send(news.clone())));
        let (stop, _) = watch::channel(false);
        let mut running = std::pin::pin!(run(&plan, &client, &tell, &stop));
        let mut interrupted = std::pin::pin!(interrupted());
        let mut asked = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut running => break ended,
                Some(news) = news.recv() => say(&news, output)?,
                () = &mut interrupted, if !asked => {
                    asked = true;
                    stop.send_replace(true);
                    output.talk("stopping: what is on its way is finished")?;
                }
            }
        };
        while let Ok(news) = news.try_recv() {
            say(&news, output)?;
        }
        let mut ended = ended.map_err(|Trouble { reason, .. }| Failure::problem("connector", reason))?;
        ended.sort_by(|a, b| name(a).cmp(name(b)));
        for one in &ended {
            if output.json() { output.line(&document(one))? } else { output.data(&rendered(one))? }
        }
        Ok(Exit::Fine)
    }
}

/// As [`Shared`] has it.
const DEFAULT_SERVER: &str = "http://127.0.0.1:7400";

/// Reads a connector file; what is wrong with it is told.
fn read(file: &Path, output: &mut Output) -> Result<Option<Plan>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    let name = file.display().to_string();
    let read = Plan::read(&text);
    for finding in &read.findings {
        explore::tell_finding(finding, &name, &text, output)?;
    }
    Ok(read.plan)
}

/// Ends with Ctrl-C, or when a supervisor says so.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn say(news: &News, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        let line = json!({"connector": *news.of, "news": news.what.word(), "message": news.message});
        return output.talk(&line.to_string());
    }
    output.talk(&format!("{}: {}: {}", news.of, news.what.word(), news.message))
}

fn name(ended: &Ended) -> &str {
    match ended {
        Ended::Source(name, _) | Ended::Sink(name, _) => name,
    }
}

fn document(ended: &Ended) -> Json {
    match ended {
        Ended::Source(name, tally) => json!({
            "source": name,
            "received": tally.received,
            "committed": tally.committed,
            "duplicates": tally.duplicates,
            "rejected": tally.rejected,
            "given_back": tally.given_back,
        }),
        Ended::Sink(name, tally) => json!({
            "sink": name,
            "delivered": tally.delivered,
            "repeated": tally.repeated,
            "cursor": tally.cursor,
        }),
    }
}

fn rendered(ended: &Ended) -> String {
    match ended {
        Ended::Source(name, tally) => format!(
            "{name}: {} received, {} committed, {} duplicates, {} rejected, {} given back\n",
            count(tally.received),
            count(tally.committed),
            count(tally.duplicates),
            count(tally.rejected),
            count(tally.given_back)
        ),
        Ended::Sink(name, tally) => {
            format!("{name}: {} delivered, {} tried again\n", count(tally.delivered), count(tally.repeated))
        }
    }
}
