//! `help`: a short tour, or all about one command.

use crate::arguments::Arguments;
use crate::commands::nearest;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::{Args, CommandFactory};

/// Show a short tour, or all about a command
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// The command
    command: Vec<String>,
}

const TOUR: &str = "\
everstate: durable state machines, from the command line

Write a machine down in YAML, have it checked, and run it:
  everstate check examples              every problem of a definition, with line and column
  everstate simulate FILE               step through it, back and forth in time
  everstate draw FILE                   a picture of it
  everstate serve examples              a server with these definitions

In a second terminal, with a definition named orders:
  everstate definitions                 what there is
  everstate start orders 42             a new instance, orders/42
  everstate send orders/42 pay          an event; prints what became of it
  everstate get orders/42               its state, context and timers
  everstate why orders/42               what it waits for
  everstate history orders/42           every turn it made
  everstate list --kind orders          all of them; --state, --since and more to choose
  everstate follow orders               every turn as it happens
  everstate await orders/42 --in paid   until it is there
  everstate present 'worker/>'          who is in a space; routes: who would get a message

Many at once, and housekeeping:
  everstate load log.jsonl.gz --kind incidents   events from a file; run it again to go on
  everstate connect FILE                events from queues, notifications to queues and webhooks
  everstate dead-letters list           events that nobody could take
  everstate export --out all.jsonl.gz   everything; a backup while the server runs
  everstate migrate-from-redis URL      what go-statemachine keeps
  everstate status                      how the server is

Another server: --server URL or EVERSTATE_SERVER. For machines: --json.
More: everstate help COMMAND, everstate --help, everstate completions SHELL
";

impl Help {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let mut root = Arguments::command();
        if self.command.is_empty() {
            output.data(TOUR)?;
            return Ok(Exit::Fine);
        }
        root.build();
        let mut command = &mut root;
        for name in &self.command {
            let known: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
            command = command.find_subcommand_mut(name).ok_or_else(|| {
                let failure = Failure::usage(format!("there is no command: {name}"));
                match nearest(name, known.into_iter()) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint("everstate --help lists them"),
                }
            })?;
        }
        output.data(&command.render_long_help().to_string())?;
        Ok(Exit::Fine)
    }
}
