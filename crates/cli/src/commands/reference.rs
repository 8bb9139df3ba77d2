//! `reference`: the pages under `docs/` that are made from the program itself. Hidden: it is for whoever builds
//! Everstate, and for the check that the pages are up to date.

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::{Args, CommandFactory, ValueEnum};

/// Print a page of the reference
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Reference {
    /// Which
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// The command line
    Cli,
    /// The format of definitions
    Definition,
    /// The JSON Schema of definitions, for editors
    Schema,
    /// Every finding in definitions
    Findings,
    /// Every error and its code
    Errors,
}

impl Reference {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let page = match self.page {
            Page::Cli => crate::reference::markdown(&mut Arguments::command()),
            Page::Definition => everstate_chart::reference(),
            Page::Schema => everstate_chart::schema(),
            Page::Findings => everstate_chart::findings_page(),
            Page::Errors => everstate_server::errors_page(),
        };
        output.data(&page)?;
        Ok(Exit::Fine)
    }
}
