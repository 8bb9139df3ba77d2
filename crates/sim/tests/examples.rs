//! The systems in `examples/systems` are explored to the end, as their first lines say.

#![allow(missing_docs)]

use everstate_sim::{Cohort, System, explore};
use std::path::Path;

fn system(name: &str) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/systems");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let open = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    let read = System::read(name, &text, &open);
    read.system.unwrap_or_else(|| panic!("{:#?}", read.findings))
}

#[test]
fn checkout() {
    let report = explore(&system("checkout.system.yaml"));
    assert_eq!(report.assert().worlds, 441);
    let summary = Cohort { seed: 1, runs: 50, threads: 2 }.run(&system("checkout.system.yaml")).unwrap();
    assert_eq!((summary.runs, summary.failed.len()), (50, 0));
}

/// Every order in which they come into being and are told of each other, and then some by chance, to their ends.
#[track_caller]
fn meets(name: &str, worlds: usize) {
    let system = system(name);
    let report = explore(&system);
    assert_eq!(report.assert().worlds, worlds);
    let summary = Cohort { seed: 1, runs: 100, threads: 2 }.run(&system).unwrap();
    assert_eq!((summary.runs, summary.failed.len()), (100, 0));
}

#[test]
fn a_dispatcher_waits_for_a_worker_with_the_skill() {
    meets("dispatch.system.yaml", 16828);
}

#[test]
fn rooms_of_a_chat_are_spaces() {
    meets("chat.system.yaml", 1185);
}

#[test]
fn a_feed_waits_for_its_reader() {
    meets("feed.system.yaml", 456);
}

#[test]
fn a_listener_spawns_a_handler_for_each_connection() {
    meets("echo.system.yaml", 1563);
}
