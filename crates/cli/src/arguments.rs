//! The command line as typed.
//!
//! It refuses to judge: whether what was typed can be meant is said by [`crate::meant`] and by each command.

use crate::commands;
use crate::output::{Colour, Manner};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Durable state machines, from the command line.
///
/// A definition says what a machine does; an instance is one machine, reached at its address KIND/ID, such as
/// orders/42. Events move it, and every event is handled once, in order, whatever crashes in between.
#[derive(Debug, Parser)]
#[command(
    name = "everstate",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = AFTER,
    after_long_help = AFTER_LONG,
    max_term_width = 100,
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Examples:
  everstate serve examples                        run a server on the definitions in a folder
  everstate start orders 42 --data '{\"amount\": 20}'
  everstate send orders/42 pay
  everstate follow orders                         every turn of every order, as it happens

'everstate help' is a short tour, 'everstate help COMMAND' tells all about a command.";

const AFTER_LONG: &str = "\
Exit codes:
  0  done
  1  a problem: findings, an event that was rejected or failed, something that is not there
  2  the command line is wrong
  3  the server cannot be reached

Data goes to stdout, talk to stderr. With --json, stdout carries one JSON document, or one a line where there are
many, and errors are JSON on stderr.";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shared {
    /// The server to speak to
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "EVERSTATE_SERVER",
        default_value = "http://127.0.0.1:7400",
        hide_env_values = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub(crate) server: String,
    /// A file with the bearer token to show to the server; or set EVERSTATE_TOKEN to the token itself
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVERSTATE_TOKEN_FILE",
        hide_env_values = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates of the authorities that may have signed the server's (PEM); the system's when not given
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVERSTATE_CA",
        hide_env_values = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub(crate) ca: Option<PathBuf>,
    /// The client's own certificate (PEM), for servers that ask for one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVERSTATE_CERT",
        hide_env_values = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EVERSTATE_KEY",
        hide_env_values = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub(crate) key: Option<PathBuf>,
    /// How long to wait for a server that is away, such as 30s or 5m; a server that was never there is told at
    /// once unless this is given
    #[arg(long, global = true, value_name = "TIME", help_heading = "Connection", hide_short_help = true)]
    pub(crate) patience: Option<String>,
    /// Answer with JSON, for machines
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = false,
        help_heading = "Output",
        hide_short_help = true
    )]
    pub(crate) color: Colour,
    /// Say nothing but the data and failures
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

impl Shared {
    pub(crate) fn manner(&self) -> Manner {
        Manner::new(self.json, self.quiet, self.color)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(commands::serve::Serve),
    Check(commands::check::Check),
    Trace(commands::trace::Trace),
    Draw(commands::draw::Draw),
    Simulate(commands::simulate::Simulate),
    Diff(commands::diff::Diff),
    Convert(commands::convert::Convert),
    Coverage(commands::coverage::Coverage),
    Explore(commands::explore::Explore),
    Replay(commands::replay::Replay),
    Snapshot(commands::snapshot::Snapshot),
    Put(commands::put::Put),
    Definitions(commands::definitions::Definitions),
    Definition(commands::definition::Definition),
    Start(commands::start::Start),
    Send(commands::send::Send),
    Get(commands::get::Get),
    Outcome(commands::outcome::Outcome),
    History(commands::history::History),
    List(commands::list::List),
    Follow(commands::follow::Follow),
    Await(commands::r#await::Await),
    Why(commands::why::Why),
    Delete(commands::delete::Delete),
    Stop(commands::stop::Stop),
    Restart(commands::restart::Restart),
    Pause(commands::pause::Pause),
    Resume(commands::pause::Resume),
    Retry(commands::pause::Retry),
    SetState(commands::set_state::SetState),
    Report(commands::report::Report),
    Fork(commands::fork::Fork),
    Rehearse(commands::rehearse::Rehearse),
    Migrate(commands::migrate::Migrate),
    Tree(commands::tree::Tree),
    Restarts(commands::restarts::Restarts),
    Present(commands::present::Present),
    Routes(commands::routes::Routes),
    Tasks(commands::tasks::Tasks),
    DeadLetters(commands::dead_letters::DeadLetters),
    Connect(commands::connect::Connect),
    Load(commands::load::Load),
    Export(commands::export::Export),
    Import(commands::import::Import),
    MigrateFromRedis(commands::migrate_from_redis::MigrateFromRedis),
    Status(commands::status::Status),
    Completions(commands::completions::Completions),
    Help(commands::help::Help),
    Reference(commands::reference::Reference),
}
