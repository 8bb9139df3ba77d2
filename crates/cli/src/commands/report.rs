//! `report`: a fault of an instance as a file that replays.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::report::Report as File;
use clap::Args;
use everstate_client::api;

/// Write the report of a fault: every event up to it, with the state before each, as a file that replays
///
/// The file holds the text of the definition, so `everstate replay` plays it anywhere and without a server, by the
/// definition as it was or by one in a file. Reports are of charts, and of instances whose events alone led to the fault:
/// one that an operator put elsewhere, or whose history is not kept from its start, is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate report orders/42 > fault.jsonl
  everstate replay fault.jsonl
  everstate replay fault.jsonl --definition orders-mended.yaml")]
pub(crate) struct Report {
    /// The instance, KIND/ID
    address: String,
    /// The turn that failed; the last one that did when not given. Turns are numbered in `everstate history`
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    turn: Option<u64>,
}

/// The server's own bound of a page.
const PAGE: u32 = 1_000;
/// Turns of a report. More than a person reads; one that needs more asks for an earlier fault.
const TURNS_MAX: usize = 1_000_000;

impl Report {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let address = meant::address(&self.address)?;
        let client = meant::prompt_client(shared)?;
        let instance = client.instance(address).await?;
        let mut turns: Vec<api::Turn> = Vec::new();
        let mut after = 0;
        loop {
            let page = client.history(address, after, PAGE).await?;
            turns.extend(page.turns);
            after = page.next;
            if after == 0
                || self.turn.is_some_and(|turn| turns.last().is_some_and(|last| last.sequence >= turn))
            {
                break;
            }
            if turns.len() > TURNS_MAX {
                let message = format!("{address} has more than {TURNS_MAX} turns");
                return Err(Failure::problem("too-large", message).hint("name an earlier fault with --turn"));
            }
        }
        turns.truncate(self.fault(&turns)?);
        let kind = address.rsplit(':').next().and_then(|name| name.split('/').next()).unwrap_or_default();
        let definition = client.definition(kind, &instance.version).await?;
        let refused = |problem: String| {
            Failure::problem("report", format!("no report can be made of {address}: {problem}"))
                .hint(format!("everstate history {address} shows what it received"))
        };
        let read = everstate_chart::read(&format!("{kind}.yaml"), &definition.source).definition;
        let chart = read.ok_or_else(|| refused(format!("{kind}:{} is no chart", instance.version)))?;
        let file = File::of(&instance, &chart, &definition.source, &turns).map_err(refused)?;
        for line in file.lines() {
            output.line(&line)?;
        }
        output.talk(&format!("{} turns; `everstate replay FILE` plays them", file.turns.len()))?;
        Ok(Exit::Fine)
    }

    /// How many turns there are up to the fault.
    fn fault(&self, turns: &[api::Turn]) -> Result<usize, Failure> {
        let failed = |turn: &api::Turn| {
            turn.outcome.as_option().is_some_and(|outcome| crate::document::code(outcome) == "failed")
        };
        let address = &self.address;
        let place = match self.turn {
            Some(sequence) => turns.iter().position(|turn| turn.sequence == sequence && failed(turn)),
            None => turns.iter().rposition(failed),
        };
        place.map(|place| place + 1).ok_or_else(|| {
            let message = match self.turn {
                Some(sequence) => format!("turn {sequence} of {address} has not failed"),
                None => format!("no turn of {address} has failed for good"),
            };
            let hint = format!(
                "everstate history {address} shows its turns, everstate why {address} what it waits for"
            );
            Failure::problem("no-fault", message).hint(hint)
        })
    }
}
