//! `list`: instances.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::conditions::Conditions;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;
use everstate_client::api;

/// List instances by kind, version, state, time, events and fields
///
/// Exact as of the call. Goes on from page to page by itself, up to --limit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate list --kind orders --state unpaid --since 2h
  everstate list --kind orders --where customer.id=ada --newest
  everstate list --kind orders --event refund --since 24h
  everstate list --kind orders --count")]
pub(crate) struct List {
    /// Of this kind
    #[arg(long, short)]
    kind: Option<String>,
    #[command(flatten)]
    conditions: Conditions,
    /// The last turn first
    #[arg(long, conflicts_with = "oldest")]
    newest: bool,
    /// The last turn last
    #[arg(long)]
    oldest: bool,
    /// Only those that have ended
    #[arg(long, conflicts_with = "living")]
    done: bool,
    /// Only those that have not
    #[arg(long)]
    living: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Only how many there are
    #[arg(long, conflicts_with = "limit")]
    count: bool,
}

/// The server's own bound of a page.
const PAGE: u64 = 1_000;

impl List {
    fn order(&self) -> api::list_instances_request::Order {
        use api::list_instances_request::Order;
        match (self.newest, self.oldest) {
            (true, _) => Order::Newest,
            (_, true) => Order::Oldest,
            _ => Order::Unspecified,
        }
    }

    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let mut request = api::ListInstancesRequest {
            done: if self.done { Some(true) } else { self.living.then_some(false) },
            order: self.order().into(),
            count: true,
            ..self.conditions.request(self.kind.as_deref().unwrap_or_default())?
        };
        let (mut left, mut shown, mut instances) = (if self.count { 1 } else { self.limit }, 0, Vec::new());
        let mut total = None;
        while left > 0 {
            request.page_size = left.min(PAGE) as u32;
            let page = match client.instances(request.clone()).await {
                Ok(page) => page,
                Err(error) => return Err(explained(&client, &request.kind, error).await),
            };
            total = total.or(page.total);
            request.count = false;
            request.page_token = page.next_page_token;
            if self.count {
                break;
            }
            left -= (page.instances.len() as u64).min(left);
            shown += page.instances.len() as u64;
            if output.json() {
                for instance in &page.instances {
                    output.line(&document::instance(instance))?;
                }
            } else {
                instances.extend(page.instances);
            }
            if request.page_token.is_empty() {
                break;
            }
        }
        if self.count {
            output.data(&format!("{}\n", total.unwrap_or(0)))?;
            return Ok(Exit::Fine);
        }
        if !output.json() && !instances.is_empty() {
            output.data(&render::instances(&instances, now(), output.paint()))?;
        }
        match total {
            Some(0) => output.talk("there are none")?,
            Some(total) if total > shown => {
                output.talk(&format!(
                    "{} of {}; --limit N shows more",
                    render::count(shown),
                    render::count(total)
                ))?;
            }
            _ => {}
        }
        Ok(Exit::Fine)
    }
}
