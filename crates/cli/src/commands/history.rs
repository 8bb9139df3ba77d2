//! `history`: the turns of an instance.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;

/// Show the turns of an instance, oldest first
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The instance, KIND/ID
    address: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Only those after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
}

/// The server's own bound of a page.
const PAGE: u64 = 1_000;

impl History {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let address = meant::address(&self.address)?;
        let client = meant::prompt_client(shared)?;
        let (mut after, mut left, mut turns) = (self.after, self.limit, Vec::new());
        let (mut more, mut kept_from) = (false, 0);
        while left > 0 {
            let page = client.history(address, after, left.min(PAGE) as u32).await?;
            left -= (page.turns.len() as u64).min(left);
            if output.json() {
                for turn in &page.turns {
                    output.line(&document::turn(turn))?;
                }
            } else {
                turns.extend(page.turns);
            }
            (after, kept_from) = (page.next, kept_from.max(page.kept_from));
            more = page.next != 0;
            if !more {
                break;
            }
        }
        if !output.json() {
            output.data(&render::history(&turns, output.paint()))?;
        }
        if kept_from > self.after + 1 {
            output.talk(&format!("turns before {kept_from} are kept no longer"))?;
        }
        if more {
            output.talk(&format!("there is more: --after {after}, or a higher --limit"))?;
        }
        Ok(Exit::Fine)
    }
}
