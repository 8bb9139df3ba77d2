//! Files under docs/ that are made from the code: written by `generate`, compared by `ci`.

use crate::run::{cargo, output, root};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

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
    let program = program()?;
    for (path, command) in FILES {
        let folder = Path::new(path).parent().expect("they lie in docs/");
        std::fs::create_dir_all(folder)?;
        std::fs::write(path, made(&program, command)?)?;
    }
    Ok(())
}

/// Fails when one is not what `write` would make of it.
pub fn check() -> Result<()> {
    let program = program()?;
    for (path, command) in FILES {
        if std::fs::read_to_string(path).unwrap_or_default() != made(&program, command)? {
            bail!("{path} is not what the code says; run `cargo xtask generate`");
        }
    }
    Ok(())
}

fn made(program: &Path, command: &[&str]) -> Result<String> {
    output(&program.display().to_string(), command)
}

/// The program, built with the others as the tests need it: by itself it would be built once more.
fn program() -> Result<PathBuf> {
    cargo(&["build", "--locked", "--workspace", "--bins"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("debug").join(format!("everstate{}", std::env::consts::EXE_SUFFIX)))
}
