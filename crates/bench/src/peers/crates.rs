//! Crates that Everstate is compared to, each in a small program of its own, built by cargo under `target/`.
//!
//! It refuses to make them part of the workspace: nobody who builds Everstate should wait for them. Its one invariant: the
//! versions in their manifests are those that run.

use super::output;
use crate::scratch::target;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A program that drives what is compared to.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) manifest: &'static str,
    pub(crate) main: &'static str,
    /// Whether it uses what the stable compiler takes only when told so.
    pub(crate) unstable: bool,
}

/// Other libraries of actors.
pub(crate) const ACTORS: Program = Program {
    name: "actors",
    manifest: include_str!("actors/manifest.toml"),
    main: include_str!("actors/main.rs"),
    unstable: false,
};

/// An index of subscriptions in memory.
pub(crate) const DATASPACE: Program = Program {
    name: "dataspace",
    manifest: include_str!("dataspace/manifest.toml"),
    main: include_str!("dataspace/main.rs"),
    unstable: true,
};

/// A model checker.
pub(crate) const EXPLORED: Program = Program {
    name: "explored",
    manifest: include_str!("explored/manifest.toml"),
    main: include_str!("explored/main.rs"),
    unstable: false,
};

/// The program, built if it is not as it should be.
pub(crate) fn built(program: &Program) -> Result<PathBuf> {
    let folder = target().join("peers").join(program.name);
    fs::create_dir_all(folder.join("src"))?;
    for (file, text) in [("Cargo.toml", program.manifest), ("src/main.rs", program.main)] {
        let path = folder.join(file);
        // What is the same keeps its time, so that cargo builds nothing.
        if fs::read_to_string(&path).unwrap_or_default() != text {
            fs::write(&path, text)?;
        }
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--target-dir"]).arg(folder.join("target"));
    if program.unstable {
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    eprintln!("   building {} and what it needs, unless it is there", program.name);
    output(cargo.current_dir(&folder)).with_context(|| format!("building {}", program.name))?;
    Ok(folder.join("target/release").join(program.name))
}
