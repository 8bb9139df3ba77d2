//! Engines and test suites that nobody here wrote, from npm: the cases of SCION's test framework, and SCION and XState
//! themselves beside ours on random machines. `cargo xtask chart-engines` runs this, and `cargo xtask ci` with it; `cargo
//! test` leaves it out, since it needs Node.js and a package registry.
//!
//! Without them it says so and passes: the recommendation itself is checked by `tests/irp` and `tests/fuzz`.

mod differential;
mod npm;
mod scion;

use std::path::PathBuf;

#[allow(clippy::print_stderr, reason = "whoever runs this shall see what was tried")]
fn told(text: &str) {
    eprintln!("{text}");
}

/// A package, or nothing and the reason told.
fn package(name: &str, version: &str) -> Option<PathBuf> {
    let found = npm::unpacked(name, version);
    found
        .map_err(|problem| {
            told(&format!("SKIPPED: {name} could not be fetched, so it was not tried:\n{problem}"))
        })
        .ok()
}

#[test]
#[ignore = "needs npm and a package registry; `cargo xtask chart-engines` runs it"]
fn cases_of_scion_pass_or_are_skipped_by_name() {
    let Some(folder) = package("@scion-scxml/test-framework", "2.0.16") else { return };
    let report = scion::all(&folder.join("test"));
    told(&report.to_string());
    assert!(report.failed.is_empty(), "{} cases failed", report.failed.len());
    assert!(report.passed.len() > 200, "only {} cases were run", report.passed.len());
}

#[test]
#[ignore = "needs Node.js, npm and a package registry; `cargo xtask chart-engines` runs it"]
fn random_machines_do_the_same_in_scion_and_xstate() {
    let differences = match differential::compare() {
        Ok(differences) => differences,
        Err(problem) => return told(&format!("SKIPPED: SCION and XState could not be run:\n{problem}")),
    };
    told(&differences.to_string());
    assert!(differences.found.is_empty(), "{} differences", differences.found.len());
    assert!(differences.compared > 0, "no machine was compared");
}
