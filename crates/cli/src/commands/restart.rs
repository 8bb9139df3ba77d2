//! `restart`: an instance begins again.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::{Args, ValueEnum};
use everstate_client::api;
use everstate_client::api::restart_instance_request::From as Beginning;

/// Let an instance that is parked, has ended or is wedged begin again
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// The instance, KIND/ID
    address: String,
    /// Where it begins
    #[arg(long, value_enum, default_value = "initial")]
    from: From,
    /// What it is started with, as JSON; `-` reads it from stdin
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// From its start: timers are cleared, and what was meant for the old incarnation cannot reach the new one
    Initial,
    /// From its state after the last turn that did not fault, with its timers, mailbox and children
    LastGood,
}

impl Restart {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let request = api::RestartInstanceRequest {
            address: meant::address(&self.address)?.into(),
            from: match self.from {
                From::Initial => Beginning::Initial.into(),
                From::LastGood => Beginning::LastGood.into(),
            },
            data: meant::data(self.data.as_deref())?.into(),
            ..Default::default()
        };
        let instance = client.restart(request).await?;
        if output.json() {
            output.document(&document::instance(&instance))?;
        } else {
            output.data(&render::instance(&instance, now(), output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
