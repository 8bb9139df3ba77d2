//! Files under docs/ that are made from the code: written by `generate`, compared by `ci`.

use crate::run::output;
use anyhow::{Result, bail};
use std::path::Path;

/// A file, and the hidden command of the `everstate` binary that prints it.
const FILES: &[(&str, &[&str])] = &[
    ("docs/reference/cli.md", &["reference", "cli"]),
    ("docs/reference/definition.md", &["reference", "definition"]),
    ("docs/reference/definition.schema.json", &["reference", "schema"]),
    ("docs/reference/findings.md", &["reference", "findings"]),
    ("docs/errors.md", &["reference", "errors"]),
];

/// Writes them all.
pub fn write() -> Result<()> {
    for (path, command) in FILES {
        let folder = Path::new(path).parent().expect("they lie in docs/");
        std::fs::create_dir_all(folder)?;
        std::fs::write(path, made(command)?)?;
    }
    Ok(())
}

/// Fails when one is not what `write` would make of it.
pub fn check() -> Result<()> {
    for (path, command) in FILES {
        if std::fs::read_to_string(path).unwrap_or_default() != made(command)? {
            bail!("{path} is not what the code says; run `cargo xtask generate`");
        }
    }
    Ok(())
}

fn made(command: &[&str]) -> Result<String> {
    let run = ["run", "--quiet", "--locked", "--package", "everstate-cli", "--bin", "everstate", "--"];
    output("cargo", &[&run[..], command].concat())
}
