//! `await`: until an instance is where it is wanted.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;
use everstate_client::{ClientError, Condition};
use std::time::Duration;

/// Wait until an instance is in a state, or an expression over it holds
///
/// Prints the instance as it then is. Exits with 1 when that does not happen in time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate await orders/42 --in paid
  everstate await orders/42 --where 'context.amount > 100' --timeout 5m")]
pub(crate) struct Await {
    /// The instance, KIND/ID
    address: String,
    /// This state, or one below it, is active
    #[arg(
        long = "in",
        value_name = "STATE",
        required_unless_present = "condition",
        conflicts_with = "condition"
    )]
    state: Option<String>,
    /// An expression over `context`, `instance`, `now` and `in('state')` holds
    #[arg(long = "where", value_name = "EXPR", id = "condition")]
    expression: Option<String>,
    /// How long to wait, at most 1h
    #[arg(long, value_name = "TIME", default_value = "1m")]
    timeout: String,
}

/// The server's own bound.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

impl Await {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let address = meant::address(&self.address)?;
        let timeout = meant::span(&self.timeout)?;
        if timeout > TIMEOUT_MAX {
            return Err(Failure::usage("--timeout is at most 1h").hint("wait again in a loop"));
        }
        let condition = match (self.state, self.expression) {
            (Some(state), _) => Condition::In(state),
            (None, expression) => Condition::Where(expression.unwrap_or_default()),
        };
        let client = meant::client(shared, meant::LONG_PATIENCE)?;
        let instance = match client.await_instance(address, &condition, timeout).await {
            Ok(instance) => instance,
            Err(ClientError::Refused(refusal)) if refusal.status == "deadline_exceeded" => {
                let what = match &condition {
                    Condition::In(state) => format!("was not in {state}"),
                    Condition::Where(expression) => format!("did not fulfil {expression}"),
                };
                let message = format!("{address} {what} within {}", self.timeout);
                return Err(Failure::problem("not-in-time", message)
                    .hint(format!("see what it waits for with: everstate why {address}")));
            }
            Err(error) => return Err(error.into()),
        };
        if output.json() {
            output.document(&document::instance(&instance))?;
        } else {
            output.data(&render::instance(&instance, now(), output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
