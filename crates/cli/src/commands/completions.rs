//! `completions`: for shells.

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate completions bash > ~/.local/share/bash-completion/completions/everstate
  everstate completions zsh > ~/.zfunc/_everstate
  everstate completions fish > ~/.config/fish/completions/everstate.fish")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "everstate", &mut script);
        output.raw(&script)?;
        Ok(Exit::Fine)
    }
}
