//! Which crate may know which. ARCHITECTURE.md draws the same picture for people.

use crate::run::output;
use anyhow::{Context, Result};
use serde_json::Value;

/// A crate of ours, and all the crates of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("everstate-kernel", &[]),
    ("everstate-chart", &["everstate-kernel"]),
    ("everstate-store", &["everstate-kernel"]),
    ("everstate-sim", &["everstate-kernel", "everstate-chart", "everstate-store"]),
    ("everstate-runtime", &["everstate-kernel", "everstate-chart", "everstate-store"]),
    ("everstate-api", &[]),
    ("everstate-client", &["everstate-api"]),
    ("everstate-connect", &["everstate-api", "everstate-client", "everstate-chart"]),
    (
        "everstate-server",
        &["everstate-api", "everstate-runtime", "everstate-store", "everstate-chart", "everstate-kernel"],
    ),
    (
        "everstate-cli",
        &[
            "everstate-client",
            "everstate-connect",
            "everstate-api",
            "everstate-chart",
            "everstate-kernel",
            "everstate-server",
            "everstate-sim",
            "everstate-store",
        ],
    ),
    (
        "everstate-bench",
        &[
            "everstate",
            "everstate-kernel",
            "everstate-chart",
            "everstate-store",
            "everstate-sim",
            "everstate-runtime",
            "everstate-client",
            "everstate-api",
            "everstate-server",
        ],
    ),
    (
        "everstate",
        &[
            "everstate-kernel",
            "everstate-chart",
            "everstate-runtime",
            "everstate-store",
            "everstate-sim",
            "everstate-client",
        ],
    ),
    ("xtask", &[]),
];

pub fn check(problems: &mut Vec<String>) -> Result<()> {
    let metadata: Value =
        serde_json::from_str(&output("cargo", &["metadata", "--no-deps", "--format-version", "1"])?)?;
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            problems
                .push(format!("{name}: not in the list of crates; add it to xtask and to ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            // Tests may look at anything.
            let for_tests = dependency["kind"] == "dev";
            let ours = on == "everstate" || on.starts_with("everstate-") || on == "xtask";
            if ours && !for_tests && !allowed.contains(&on) {
                problems.push(format!("{name}: depends on {on}, which its ring forbids"));
            }
        }
    }
    Ok(())
}
