//! `follow`: what happens, as it happens.

use crate::arguments::Shared;
use crate::commands::explained;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;
use everstate_client::{Subject, Told};
use serde_json::json;

/// Follow an instance or a kind: a snapshot, then every turn
///
/// Without a gap and without a repeat, also over restarts of the server. Ends with Ctrl-C, or after --turns.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate follow orders/42
  everstate follow orders --json | jq .turn.outcome.to")]
pub(crate) struct Follow {
    /// An address, a kind, or nothing for everything
    #[arg(value_name = "ADDRESS|KIND")]
    subject: Option<String>,
    /// Go on after this cursor (as --json told it) instead of beginning with a snapshot
    #[arg(long, value_name = "N")]
    cursor: Option<u64>,
    /// End after so many turns
    #[arg(long, value_name = "N")]
    turns: Option<u64>,
    /// Leave the snapshot out
    #[arg(long)]
    no_snapshot: bool,
}

impl Follow {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::client(shared, meant::LONG_PATIENCE)?;
        let named = self.subject.clone().unwrap_or_default();
        let subject = match &self.subject {
            None => Subject::Everything,
            Some(text) if meant::is_address(text) => Subject::Address(text.clone()),
            Some(text) => Subject::Kind(text.clone()),
        };
        let mut follower = client.follow(subject, self.cursor);
        let mut left = self.turns;
        while left != Some(0) {
            let told = match follower.next().await {
                Ok(told) => told,
                Err(error) => return Err(explained(&client, &named, error).await),
            };
            if matches!(told, Told::Turn(_)) {
                left = left.map(|left| left - 1);
            }
            self.tell(&told, follower.cursor(), shared, output)?;
            // A pipe must see each turn when it happens.
            output.flush()?;
        }
        Ok(Exit::Fine)
    }

    fn tell(
        &self,
        told: &Told,
        cursor: Option<u64>,
        shared: &Shared,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let json = output.json();
        match told {
            Told::Snapshot(_) if self.no_snapshot => Ok(()),
            Told::Snapshot(instance) if json => {
                output.line(&json!({ "snapshot": document::instance(instance) }))
            }
            Told::Snapshot(instance) => output.data(&render::snapshot_line(instance, output.paint())),
            Told::Live if json => output.line(&json!({ "live": true, "cursor": cursor })),
            Told::Live => output.talk("following; Ctrl-C ends it"),
            Told::Turn(turn) if json => {
                output.line(&json!({ "turn": document::turn(turn), "cursor": cursor }))
            }
            Told::Turn(turn) => output.data(&render::follow_line(turn, output.paint())),
            Told::Lost(error) => {
                output.talk(&format!("{error}; trying again, nothing will be missed ({})", shared.server))
            }
            Told::Resumed => output.talk("connected again"),
        }
    }
}
