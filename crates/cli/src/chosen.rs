//! Instances that a command is for: those that are named, or all that a query matches.
//!
//! Its one invariant: many are never changed unseen: what a query matches is counted first, and the count is confirmed.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::conditions::Conditions;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::{Output, now};
use crate::render::{count, counted};
use clap::Args;
use everstate_client::{Client, ClientError, api};
use serde_json::json;
use std::collections::BTreeMap;

/// Which instances.
#[derive(Debug, Args)]
#[command(next_help_heading = "In bulk")]
pub(crate) struct Filter {
    /// All instances of this kind that match, instead of those named
    #[arg(long, short)]
    pub(crate) kind: Option<String>,
    #[command(flatten)]
    conditions: Conditions,
    /// Whose last turn is longer ago than this, such as 2h or 7d
    #[arg(long, value_name = "TIME", requires = "kind")]
    older_than: Option<String>,
    /// How many there are: what --dry-run counted
    #[arg(long, value_name = "N", requires = "kind")]
    confirm: Option<u64>,
}

/// Who wants it and why.
#[derive(Debug, Args)]
#[command(next_help_heading = "Audit")]
pub(crate) struct Audit {
    /// Why, for whoever reads the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who wants it
    #[arg(long, value_name = "NAME", env = "EVERSTATE_BY", hide_env_values = true)]
    by: Option<String>,
}

impl Audit {
    pub(crate) fn message(&self) -> api::Audit {
        let by = self.by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
        api::Audit { by, reason: self.reason.clone().unwrap_or_default(), ..Default::default() }
    }
}

/// The server's own bound of a page.
const PAGE: u32 = 1_000;

/// Instances of one command in bulk. A million addresses are 50 MB; more are worth a narrower query.
const CHOSEN_MAX: usize = 1_000_000;

/// Instances named in a dry run.
const NAMED_MAX: usize = 10;

impl Filter {
    /// The instances that are meant; none when they are only counted, or the count is not confirmed.
    pub(crate) async fn chosen(
        &self,
        shared: &Shared,
        named: &[String],
        dry_run: bool,
        output: &mut Output,
    ) -> Result<Result<(Client, Vec<String>), Exit>, Failure> {
        let client = meant::prompt_client(shared)?;
        let Some(kind) = &self.kind else {
            if self.conditions.are_given() {
                let failure =
                    Failure::usage("conditions are given, and no kind whose instances they are for");
                return Err(failure.hint("say which with --kind, or leave the conditions out"));
            }
            if named.is_empty() {
                let failure = Failure::usage("no instance is named");
                return Err(failure.hint("name them, KIND/ID, or say which: --kind KIND --state STATE"));
            }
            let addresses = named.iter().map(|address| meant::address(address).map(str::to_owned));
            return Ok(Ok((client, addresses.collect::<Result<_, _>>()?)));
        };
        if !named.is_empty() {
            return Err(Failure::usage("instances are named, and --kind is given; use one of them"));
        }
        let found = self.matching(&client, kind).await?;
        let number = found.len() as u64;
        if dry_run {
            if output.json() {
                output.document(&json!({"matching": number, "addresses": found}))?;
            } else {
                output.data(&format!("{} would be concerned\n", counted(number, "instance")))?;
                found
                    .iter()
                    .take(NAMED_MAX)
                    .try_for_each(|address| output.data(&format!("  {address}\n")))?;
                if found.len() > NAMED_MAX {
                    output.data(&format!("  and {} more\n", count(number - NAMED_MAX as u64)))?;
                }
            }
            return Ok(Err(Exit::Fine));
        }
        if self.confirm != Some(number) && number > 0 {
            let message = format!("{} match, which is not confirmed", counted(number, "instance"));
            return Err(Failure::problem("unconfirmed", message)
                .hint(format!("add --confirm {number}, or look first with --dry-run")));
        }
        Ok(Ok((client, found)))
    }

    async fn matching(&self, client: &Client, kind: &str) -> Result<Vec<String>, Failure> {
        let before = match &self.older_than {
            None => None,
            Some(text) => Some(now().saturating_sub(meant::span(text)?.as_millis() as i64)),
        };
        let mut request = api::ListInstancesRequest {
            done: Some(false),
            page_size: PAGE,
            ..self.conditions.request(kind)?
        };
        let mut found = Vec::new();
        loop {
            let page = match client.instances(request.clone()).await {
                Ok(page) => page,
                Err(error) => return Err(explained(client, kind, error).await),
            };
            let old = |instance: &api::Instance| {
                let last = instance.last_event_time.as_option();
                let last = last.map_or(0, |time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000);
                before.is_none_or(|before| last < before)
            };
            found.extend(page.instances.iter().filter(|one| old(one)).map(|one| one.address.clone()));
            if found.len() > CHOSEN_MAX {
                let message = format!("more than {} instances match", count(CHOSEN_MAX as u64));
                return Err(Failure::problem("too-many", message).hint("narrow the query down"));
            }
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// What became of many.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: u64,
    /// Why it was not done, how often, and an example.
    refused: BTreeMap<String, (u64, String, String)>,
}

impl Tally {
    /// Counts one. What concerns more than this instance ends the command.
    pub(crate) fn count(&mut self, address: &str, answer: Result<(), ClientError>) -> Result<(), Failure> {
        match answer {
            Ok(()) => self.done += 1,
            Err(ClientError::Refused(refusal)) => {
                let entry = self
                    .refused
                    .entry(refusal.code.clone())
                    .or_insert_with(|| (0, address.to_owned(), refusal.message.clone()));
                entry.0 += 1;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Tells what became of them.
    pub(crate) fn tell(&self, done: &str, output: &mut Output) -> Result<Exit, Failure> {
        if output.json() {
            let refused: BTreeMap<&str, serde_json::Value> = self
                .refused
                .iter()
                .map(|(code, (count, address, message))| {
                    (code.as_str(), json!({"count": count, "example": address, "message": message}))
                })
                .collect();
            output.document(&json!({"done": self.done, "refused": refused}))?;
        } else {
            output.data(&format!("{} {done}\n", counted(self.done, "instance")))?;
            for (code, (number, _, message)) in &self.refused {
                output
                    .data(&format!("{} not ({code}), such as: {message}\n", counted(*number, "instance")))?;
            }
        }
        Ok(if self.refused.is_empty() { Exit::Fine } else { Exit::Problem })
    }
}
