//! What the compiler does not check: that the house keeps its shape.

mod edges;
mod links;
mod purity;
mod sizes;

use crate::run::output;
use anyhow::{Result, bail};

/// A text file of the project.
pub struct Text {
    /// Relative to the root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Checks everything, and reports all that is wrong at once.
pub fn check() -> Result<()> {
    let files = tracked()?;
    let mut problems = Vec::new();
    edges::check(&mut problems)?;
    purity::check(&files, &mut problems);
    sizes::check(&files, &mut problems);
    links::check(&files, &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort();
    bail!("{} untidy places:\n  {}", problems.len(), problems.join("\n  "));
}

/// Every text file that is, or is about to be, part of the project.
fn tracked() -> Result<Vec<Text>> {
    let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let read = |path: &str| Some(Text { path: path.into(), text: std::fs::read_to_string(path).ok()? });
    Ok(listed.lines().filter_map(read).collect())
}
