//! `start`: a new instance.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::document;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use clap::Args;
use everstate_client::api;
use serde_json::json;

/// Start an instance of a definition
///
/// Prints its address. Without an ID the server makes one that sorts by time.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  everstate start orders 42\n  everstate start orders --data '{\"amount\": 20}'"
)]
pub(crate) struct Start {
    /// Name of the definition
    kind: String,
    /// Name of the instance within its kind
    id: Option<String>,
    /// Version of the definition; the greatest when not given
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// What it starts with: JSON, @FILE or @- for stdin
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// The start's own id: repeating it with the same id starts nothing twice
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl Start {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        // `start orders/42` can only mean one thing.
        let (kind, id) = match (self.kind.split_once('/'), self.id) {
            (Some((kind, id)), None) => (kind.to_owned(), id.to_owned()),
            (Some(_), Some(id)) => {
                return Err(Failure::usage(format!("an id was given twice: {} {id}", self.kind)));
            }
            (None, id) => (self.kind.clone(), id.unwrap_or_default()),
        };
        let request = api::StartInstanceRequest {
            kind: kind.clone(),
            id,
            version: self.version.unwrap_or_default(),
            data: meant::data(self.data.as_deref())?.into(),
            request_id: self.request_id.unwrap_or_default(),
            ..Default::default()
        };
        let client = meant::prompt_client(shared)?;
        let answer = match client.start(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(explained(&client, &kind, error).await),
        };
        let instance = answer.instance.as_option().cloned().unwrap_or_default();
        if output.json() {
            let document =
                json!({ "instance": document::instance(&instance), "duplicate": answer.duplicate });
            output.document(&document)?;
            return Ok(Exit::Fine);
        }
        output.data(&format!("{}\n", instance.address))?;
        let word = if answer.duplicate { "was started before by this request" } else { "started" };
        output.talk(&format!("{word}, in {} (version {})", instance.states.join(", "), instance.version))?;
        Ok(Exit::Fine)
    }
}
