//! `draw`: a definition as a picture.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{chart_file, meant};
use clap::{Args, ValueEnum};
use everstate_chart::draw::{Marks, Picture, draw};
use everstate_chart::write::{Notation, write};
use std::path::PathBuf;
use std::sync::Arc;

/// Draw a definition: states in states, transitions with events, guards and actions
///
/// Works without a server, but for --instance, which marks the states that an instance is in.
#[derive(Debug, Args)]
pub(crate) struct Draw {
    /// The definition
    file: PathBuf,
    /// How the picture is written
    #[arg(long, value_name = "FORMAT", default_value = "svg")]
    format: Format,
    /// Mark the active states of this instance, KIND/ID
    #[arg(long, value_name = "ADDRESS")]
    instance: Option<String>,
    /// Write to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture, ready to be shown
    Svg,
    /// For Markdown that is rendered with Mermaid
    Mermaid,
    /// For Graphviz
    Dot,
    /// SCXML, for other statechart tools
    Scxml,
}

impl Draw {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let definition = match chart_file::definition(&self.file, output)? {
            Ok(definition) => definition,
            Err(exit) => return Ok(exit),
        };
        let picture = match self.format {
            Format::Svg => Picture::Svg,
            Format::Mermaid => Picture::Mermaid,
            Format::Dot => Picture::Dot,
            Format::Scxml => {
                let written = write(&definition, Notation::Scxml);
                chart_file::deliver(&written.text, self.output.as_deref(), output)?;
                return Ok(Exit::Fine);
            }
        };
        let mut marks = Marks::default();
        if let Some(address) = &self.instance {
            let instance = meant::prompt_client(shared)?.instance(meant::address(address)?).await?;
            if let Some(unknown) = instance.states.iter().find(|path| !definition.chart.has_state(path)) {
                let message =
                    format!("{address} is in a state that {} does not have: {unknown}", self.file.display());
                let hint = format!("draw the definition in version {}", instance.version);
                return Err(Failure::problem("unknown-state", message).hint(hint));
            }
            marks.active = instance.states.iter().map(|path| Arc::from(path.as_str())).collect();
        }
        let text = draw(&definition.chart, picture, &marks)
            .map_err(|error| Failure::problem("too-large", error.to_string()))?;
        chart_file::deliver(&text, self.output.as_deref(), output)?;
        Ok(Exit::Fine)
    }
}
