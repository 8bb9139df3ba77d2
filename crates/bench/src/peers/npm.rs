//! Packages of npm, by exact version, in a folder under `target/`.
//!
//! It refuses to run what packages bring to be run at their installation. Its one invariant: the versions here are
//! those that run.

use super::{is_there, output};
use crate::scratch::target;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that belong together.
pub(crate) const INTERPRETERS: &[(&str, &str)] = &[("xstate", "5.33.3"), ("@scion-scxml/core", "2.6.24")];

/// Packages that belong together.
pub(crate) const RESTATE: &[(&str, &str)] =
    &[("@restatedev/restate-server", "1.7.12"), ("@restatedev/restate-sdk", "1.17.2")];

/// The folder with these packages, installed if they are not there yet.
pub(crate) fn installed(name: &str, packages: &[(&str, &str)]) -> Result<PathBuf> {
    for program in ["node", "npm"] {
        if !is_there(program) {
            bail!("there is no {program}; install Node.js to see this row");
        }
    }
    let folder = target().join("peers").join(name);
    fs::create_dir_all(&folder)?;
    if packages.iter().all(|(package, version)| has(&folder, package, version)) {
        return Ok(folder);
    }
    eprintln!("   installing {packages:?} into {}", folder.display());
    // Without it npm looks for a project further up.
    fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    let exact = packages.iter().map(|(package, version)| format!("{package}@{version}"));
    let flags = ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"];
    output(Command::new("npm").args(flags).args(exact).current_dir(&folder)).context("npm")?;
    Ok(folder)
}

fn has(folder: &Path, package: &str, version: &str) -> bool {
    let manifest = folder.join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(manifest).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|manifest| manifest["version"] == version)
}

/// Puts a script of ours beside the packages that it imports.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}
