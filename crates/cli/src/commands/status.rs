//! `status`: how the server is.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::{Output, now};
use crate::{document, meant, render};
use clap::Args;

/// Show how the server is
#[derive(Debug, Args)]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let status = client.status().await?;
        if output.json() {
            output.document(&document::status(&status))?;
        } else {
            output.data(&render::status(&status, client.server(), now(), output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}
