//! `set-state`: an instance is put where it should be.

use crate::arguments::Shared;
use crate::chosen::{Audit, Filter, Tally};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Args;
use everstate_client::{Client, ClientError, api, json};
use serde_json::json;

/// Put an instance into states of its definition
///
/// States are completed by their ancestors and by where they begin; parallel regions that none of them concerns stay as
/// they are. No entry, exit or transition action runs. Timers and invoked machines follow: those of states that are left
/// end, those of states that are entered begin. The history keeps who did it and why. Without a state only fields are set.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate set-state orders/42 paid --reason 'paid by transfer, see ticket 7' --set 'paid_by=\"ann\"'
  everstate set-state orders/42 --set 'total=context.total + 5' --reason 'postage was missing'
  everstate set-state --kind orders --state checking --reason 'the checker is gone' --dry-run review
  everstate set-state --kind orders --state checking --reason 'the checker is gone' --confirm 17 review")]
pub(crate) struct SetState {
    /// The instance, KIND/ID, and states; with --kind, states alone
    #[arg(value_name = "ADDRESS STATE")]
    words: Vec<String>,
    /// A field of the context and an expression for its value, over the context as it is
    #[arg(long, value_name = "FIELD=EXPRESSION")]
    set: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    audit: Audit,
    /// Only say what would become of it
    #[arg(long)]
    dry_run: bool,
}

/// `FIELD=EXPRESSION` as typed.
pub(crate) fn fields(typed: &[String]) -> Result<Vec<api::FieldValue>, Failure> {
    typed
        .iter()
        .map(|text| match text.split_once('=') {
            Some((field, expression)) if !field.trim().is_empty() => Ok(api::FieldValue {
                field: field.trim().to_owned(),
                expression: expression.trim().to_owned(),
                ..Default::default()
            }),
            _ => Err(Failure::usage(format!("field is not usable: {text}"))
                .hint("write FIELD=EXPRESSION, such as --set 'total=context.sum * 100'")),
        })
        .collect()
}

impl SetState {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let set = fields(&self.set)?;
        if self.audit.reason.is_none() && !self.dry_run {
            return Err(Failure::usage("the reason is missing")
                .hint("say why with --reason, for whoever reads the history"));
        }
        let bulk = self.filter.kind.is_some();
        let (named, states) = match bulk {
            true => (&[][..], &self.words[..]),
            false => self.words.split_at(self.words.len().min(1)),
        };
        if states.is_empty() && set.is_empty() {
            return Err(Failure::usage("neither a state nor a field is given, so there is nothing to set"));
        }
        let counted_only = self.dry_run && bulk;
        let (client, addresses) = match self.filter.chosen(shared, named, counted_only, output).await? {
            Ok(chosen) => chosen,
            Err(exit) => return Ok(exit),
        };
        let request = |address: &str| api::SetInstanceStateRequest {
            address: address.to_owned(),
            states: states.to_vec(),
            set: set.clone(),
            audit: Some(self.audit.message()).into(),
            dry_run: self.dry_run,
            ..Default::default()
        };
        if bulk {
            let mut tally = Tally::default();
            for address in &addresses {
                let answer = one(&client, request(address)).await;
                tally.count(address, answer.map(drop))?;
            }
            return tally.tell("set", output);
        }
        for address in &addresses {
            let answer = one(&client, request(address)).await?;
            self.tell(address, &answer, output)?;
        }
        Ok(Exit::Fine)
    }

    fn tell(
        &self,
        address: &str,
        answer: &api::SetInstanceStateResponse,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let context = answer.context.as_option().map(json);
        if output.json() {
            return output.document(&json!({
                "address": address, "states": answer.states, "context": context, "notes": answer.notes,
                "dry_run": self.dry_run,
            }));
        }
        let word = if self.dry_run { "would be" } else { "is" };
        output.data(&format!("{address} {word} in {}\n", answer.states.join(", ")))?;
        if let Some(context) = context {
            output.data(&format!("  context: {context}\n"))?;
        }
        answer.notes.iter().try_for_each(|note| output.data(&format!("  {note}\n")))
    }
}

async fn one(
    client: &Client,
    request: api::SetInstanceStateRequest,
) -> Result<api::SetInstanceStateResponse, ClientError> {
    client.set_state(request).await
}
