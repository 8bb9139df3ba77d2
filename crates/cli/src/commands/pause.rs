//! `pause`, `resume`, `retry`: an instance is held, goes on, tries again. One file, since they are one thing three times.

use crate::arguments::Shared;
use crate::chosen::{Audit, Filter, Tally};
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, render};
use clap::Args;
use everstate_client::{Client, ClientError, api};

/// What is common to the three.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Instances, KIND/ID
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    audit: Audit,
    /// Only say how many are concerned
    #[arg(long, requires = "kind")]
    dry_run: bool,
}

/// Let instances take no events for now
///
/// Events that arrive wait in the mailbox, in order, up to its limit; then they are refused. Timers wait there too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate pause orders/42 --reason 'wrong price list'
  everstate pause --kind orders --state paying --dry-run
  everstate pause --kind orders --state paying --confirm 117")]
pub(crate) struct Pause {
    #[command(flatten)]
    whom: Whom,
}

/// Let instances that are paused or parked take events again
///
/// What has waited comes first. One that is parked goes on without the event that faulted, which stays a dead letter.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate resume orders/42
  everstate resume --kind orders --state paying --confirm 117")]
pub(crate) struct Resume {
    #[command(flatten)]
    whom: Whom,
}

/// Try the event that faulted now
///
/// Of an instance that tries an event again, now instead of later. Of one that is parked, the event that parked it,
/// before everything that has waited since. Exits with 1 when it faults again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate retry orders/42 --reason 'the price list is back'
  everstate retry --kind orders --older-than 1h --dry-run")]
pub(crate) struct Retry {
    #[command(flatten)]
    whom: Whom,
}

impl Whom {
    /// Does it with each, and tells: of one what it is now, of many how many.
    async fn each(
        self,
        shared: &Shared,
        output: &mut Output,
        done: &str,
        act: impl AsyncFn(&Client, String, api::Audit) -> Result<api::Instance, ClientError>,
    ) -> Result<Exit, Failure> {
        let chosen = self.filter.chosen(shared, &self.addresses, self.dry_run, output).await?;
        let (client, addresses) = match chosen {
            Ok(chosen) => chosen,
            Err(exit) => return Ok(exit),
        };
        if let ([only], None) = (&addresses[..], &self.filter.kind) {
            let instance = act(&client, only.clone(), self.audit.message()).await?;
            if output.json() {
                output.document(&document::instance(&instance))?;
            } else {
                output.data(&render::instance(&instance, now(), output.paint()))?;
            }
            return Ok(Exit::Fine);
        }
        let mut tally = Tally::default();
        for address in addresses {
            let answer = act(&client, address.clone(), self.audit.message()).await;
            tally.count(&address, answer.map(drop))?;
        }
        tally.tell(done, output)
    }
}

impl Pause {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let act = async |client: &Client, address, audit: api::Audit| {
            let audit = Some(audit).into();
            client.pause(api::PauseInstanceRequest { address, audit, ..Default::default() }).await
        };
        self.whom.each(shared, output, "paused", act).await
    }
}

impl Resume {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let act = async |client: &Client, address, audit: api::Audit| {
            let audit = Some(audit).into();
            client.resume(api::ResumeInstanceRequest { address, audit, ..Default::default() }).await
        };
        self.whom.each(shared, output, "resumed", act).await
    }
}

impl Retry {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let failed = std::cell::Cell::new(false);
        let act = async |client: &Client, address, audit: api::Audit| {
            let audit = Some(audit).into();
            let request = api::RetryInstanceRequest { address, audit, ..Default::default() };
            let answer = client.retry(request).await?;
            let outcome = answer.outcome.as_option().map_or("", document::code);
            failed.set(failed.get() || outcome == "failed");
            Ok(answer.instance.as_option().cloned().unwrap_or_default())
        };
        let exit = self.whom.each(shared, output, "retried", act).await?;
        Ok(if failed.get() { Exit::Problem } else { exit })
    }
}
