//! `dead-letters`: events that nobody could take.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::{Args, Subcommand};
use everstate_client::{Client, api};
use serde_json::json;

/// List, retry or discard events that nobody could take
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, oldest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u64,
    },
    /// Send their events once more; those that are taken are no dead letters any more
    Retry(Which),
    /// Forget them
    Discard(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// Their numbers, as `list` shows them
    #[arg(value_name = "NUMBER", required_unless_present = "all")]
    numbers: Vec<u64>,
    /// All of them
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

/// The server's own bound of a page.
const PAGE: u64 = 1_000;

impl DeadLetters {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        match self.action {
            Action::List { limit } => list(&client, limit, output).await,
            Action::Retry(which) => retry(&client, which, output).await,
            Action::Discard(which) => discard(&client, which, output).await,
        }
    }
}

async fn list(client: &Client, limit: u64, output: &mut Output) -> Result<Exit, Failure> {
    let (letters, more) = letters(client, limit).await?;
    if output.json() {
        for letter in &letters {
            output.line(&document::dead_letter(letter))?;
        }
    } else if letters.is_empty() {
        output.talk("there are none")?;
    } else {
        output.data(&render::dead_letters(&letters, output.paint()))?;
        let failed = |letter: &&api::DeadLetter| {
            letter.outcome.as_option().is_some_and(|outcome| document::code(outcome) == "failed")
        };
        if let Some(letter) = letters.iter().find(failed) {
            let address = &letter.address;
            output.talk(&format!(
                "everstate report {address} > fault.jsonl keeps how its event came to fail"
            ))?;
        }
    }
    if more {
        output.talk("there are more; --limit N shows them")?;
    }
    Ok(Exit::Fine)
}

async fn letters(client: &Client, limit: u64) -> Result<(Vec<api::DeadLetter>, bool), Failure> {
    let (mut letters, mut token) = (Vec::new(), String::new());
    while (letters.len() as u64) < limit {
        let size = (limit - letters.len() as u64).min(PAGE) as u32;
        let page = client.dead_letters(size, &token).await?;
        letters.extend(page.dead_letters);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    Ok((letters, !token.is_empty()))
}

async fn numbers(client: &Client, which: Which) -> Result<Vec<u64>, Failure> {
    if !which.all {
        return Ok(which.numbers);
    }
    Ok(letters(client, u64::MAX).await?.0.into_iter().map(|letter| letter.number).collect())
}

async fn retry(client: &Client, which: Which, output: &mut Output) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    for number in numbers(client, which).await? {
        let answer = client.retry_dead_letter(number).await?;
        let outcome = answer.outcome.as_option().cloned().unwrap_or_default();
        if !matches!(document::code(&outcome), "ok" | "pending") {
            exit = Exit::Problem;
        }
        if output.json() {
            output.line(&json!({ "number": number, "outcome": document::outcome(&outcome) }))?;
        } else {
            output.data(&render::outcome(&outcome, &format!("dead letter {number}"), output.paint()))?;
        }
    }
    Ok(exit)
}

async fn discard(client: &Client, which: Which, output: &mut Output) -> Result<Exit, Failure> {
    for number in numbers(client, which).await? {
        client.discard_dead_letter(number).await?;
        if output.json() {
            output.line(&json!({ "number": number, "discarded": true }))?;
        } else {
            output.talk(&format!("discarded {number}"))?;
        }
    }
    Ok(Exit::Fine)
}
