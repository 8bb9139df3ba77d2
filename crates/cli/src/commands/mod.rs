//! The commands, one file each: what it takes, and what it does.

pub(crate) mod r#await;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod convert;
pub(crate) mod coverage;
pub(crate) mod dead_letters;
pub(crate) mod definition;
pub(crate) mod definitions;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod draw;
pub(crate) mod explore;
pub(crate) mod export;
pub(crate) mod follow;
pub(crate) mod fork;
pub(crate) mod get;
pub(crate) mod help;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod migrate;
pub(crate) mod migrate_from_redis;
pub(crate) mod outcome;
pub(crate) mod pause;
pub(crate) mod present;
pub(crate) mod put;
pub(crate) mod reference;
pub(crate) mod rehearse;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod restart;
pub(crate) mod restarts;
pub(crate) mod routes;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod set_state;
pub(crate) mod simulate;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod tasks;
pub(crate) mod trace;
pub(crate) mod tree;
pub(crate) mod why;

use crate::arguments::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use everstate_client::{Client, ClientError};

/// Does what is meant. A client lives on one thread; only a server takes more.
pub(crate) fn run(arguments: Arguments, output: &mut Output) -> Result<Exit, Failure> {
    let shared = arguments.shared;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Failure::problem("system", format!("cannot start: {}", crate::failure::plain(&error)))
        })
    };
    match arguments.command {
        Command::Serve(command) => command.run(&shared, output),
        Command::Check(command) => command.run(output),
        Command::Trace(command) => command.run(output),
        Command::Draw(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Diff(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Convert(command) => command.run(output),
        Command::Coverage(command) => command.run(output),
        Command::Simulate(command) => command.run(output),
        Command::Explore(command) => command.run(output),
        Command::Replay(command) => command.run(output),
        Command::Import(command) => command.run(output),
        Command::MigrateFromRedis(command) => command.run(output),
        Command::Completions(command) => command.run(output),
        Command::Help(command) => command.run(output),
        Command::Reference(command) => command.run(output),
        Command::Put(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Definitions(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Definition(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Start(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Send(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Get(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Outcome(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::History(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::List(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Follow(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Await(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Why(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Delete(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Stop(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Restart(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Pause(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Resume(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Retry(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::SetState(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Report(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Fork(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Rehearse(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Migrate(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Snapshot(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Tree(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Restarts(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Present(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Routes(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Tasks(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::DeadLetters(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Connect(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Load(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Export(command) => runtime()?.block_on(command.run(&shared, output)),
        Command::Status(command) => runtime()?.block_on(command.run(&shared, output)),
    }
}

/// The failure, with the nearest kind when the one that was named is not known.
pub(crate) async fn explained(client: &Client, kind: &str, error: ClientError) -> Failure {
    let unknown = matches!(error.code(), "unknown-definition" | "unknown-kind");
    let failure = Failure::from(error);
    if unknown { failure_with_nearest(client, kind, failure).await } else { failure }
}

async fn failure_with_nearest(client: &Client, kind: &str, failure: Failure) -> Failure {
    match nearest_kind(client, kind).await {
        Some(near) => failure.first_hint(format!("did you mean {near}?")),
        None => failure,
    }
}

/// The kind that the server knows and that is most like this one.
pub(crate) async fn nearest_kind(client: &Client, kind: &str) -> Option<String> {
    let definitions = client.definitions("").await.ok()?;
    let names = definitions.into_iter().map(|definition| definition.name);
    nearest(kind, names)
}

/// The name that is most like this one, if it could be a slip of the fingers: one in three letters, at most three.
pub(crate) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let allowed = name.chars().count().div_ceil(3).min(3);
    let name = name.to_lowercase();
    known
        .map(|known| (strsim::osa_distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
