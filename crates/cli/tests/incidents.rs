//! The real incident log of an IT department, where it lies beside the project: everything in it arrives once and in
//! order, however often the server is killed in between.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod common;

use common::Server;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const INCIDENTS: usize = 7_554;
const EVENTS: usize = 65_533;
const KILLS: u64 = 20;

/// An event's id and whether it was taken, for each event of an instance in the order of its history.
type History = Vec<(String, bool)>;

/// What is left of an instance once times and numbers of the node are taken away: its states, its encoded state with
/// the context, its turns, and its history.
#[derive(Debug, Default, PartialEq)]
struct Incident {
    states: Json,
    state: Json,
    turns: Json,
    history: History,
}

fn log() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = root.join("../shared/data/incidents.jsonl.gz");
    if !found.exists() {
        eprintln!("SKIPPED: the incident log is not beside the project, at {}", found.display());
        return None;
    }
    Some(found)
}

/// A folder whose definitions are the incidents alone.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let definitions = folder.path().join("definitions");
    std::fs::create_dir(&definitions).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/incidents.yaml");
    std::fs::copy(example, definitions.join("incidents.yaml")).unwrap();
    folder
}

/// Ids of the log's events by instance, in its order.
fn expected(log: &Path) -> BTreeMap<String, Vec<String>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(log).unwrap()).read_to_string(&mut text).unwrap();
    let mut by_instance: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let event: Json = serde_json::from_str(line).unwrap();
        let address = format!("incidents/{}", event["instance"].as_str().unwrap());
        by_instance.entry(address).or_default().push(event["id"].as_str().unwrap().to_owned());
    }
    by_instance
}

/// Everything in the server, by instance.
fn incidents(server: &Server) -> BTreeMap<String, Incident> {
    let mut export = server.command(&["export"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut all: BTreeMap<String, Incident> = BTreeMap::new();
    let mut places: BTreeMap<(String, u64), (String, bool)> = BTreeMap::new();
    for line in BufReader::new(export.stdout.take().unwrap()).lines() {
        let row: Json = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(instance) = row.get("instance") {
            let incident = all.entry(instance["address"].as_str().unwrap().to_owned()).or_default();
            (incident.states, incident.state) = (instance["labels"].clone(), instance["state"].clone());
            incident.turns = instance["turns"].clone();
        } else if let Some(history) = row.get("history") {
            let entry = &history["entry"];
            let Some(event) = entry["cause"].get("Event") else { continue };
            let taken = entry["outcome"].get("Ok").is_some();
            let place =
                (history["address"].as_str().unwrap().to_owned(), entry["sequence"].as_u64().unwrap());
            assert_eq!(places.insert(place, (event["id"].as_str().unwrap().to_owned(), taken)), None);
        }
    }
    assert!(export.wait().unwrap().success());
    for ((address, _), line) in places {
        all.entry(address).or_default().history.push(line);
    }
    all
}

fn check(found: &BTreeMap<String, Incident>, expected: &BTreeMap<String, Vec<String>>) {
    assert_eq!(found.len(), INCIDENTS);
    for (address, ids) in expected {
        let history = &found[address].history;
        assert!(history.iter().map(|(id, _)| id).eq(ids), "{address}: {history:?} is not {ids:?}");
    }
    let refused = found.values().flat_map(|one| &one.history).filter(|(_, taken)| !taken).count();
    assert_eq!(refused, 13, "12 closings and one resolving of what was closed already");
}

#[test]
fn the_log_is_loaded_once_and_in_order_even_when_the_server_is_killed_twenty_times() {
    let Some(log) = log() else { return };
    let path = log.to_str().unwrap();
    let expected = expected(&log);
    assert_eq!(expected.values().map(Vec::len).sum::<usize>(), EVENTS);

    let calm = folder();
    let server = Server::start(calm.path());
    let load = ["load", path, "--kind", "incidents", "--batch", "100", "--json"];
    let told = server.run(&load).json();
    assert_eq!((told["taken"].as_u64(), told["refused"].as_u64()), (Some(65_520), Some(13)), "{told}");
    let undisturbed = incidents(&server);
    check(&undisturbed, &expected);
    let again = server.run(&load).json();
    assert_eq!(
        (again["taken"].as_u64(), again["already_there"].as_u64()),
        (Some(0), Some(EVENTS as u64)),
        "{again}"
    );
    assert_eq!(incidents(&server), undisturbed, "a second load changes nothing");
    drop(server);

    let rough = folder();
    let mut server = Server::start(rough.path());
    let mut loading = server.command(&load).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Moments chosen by chance, the same in every run: after so many turns of the whole log.
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut moments: Vec<u64> = (0..KILLS)
        .map(|_| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % 50_000
        })
        .collect();
    moments.sort_unstable();
    for moment in moments {
        while server.json(&["status"])["turns"].as_u64().unwrap() < moment {
            assert!(loading.try_wait().unwrap().is_none(), "the load ended before all kills");
        }
        let address = server.kill();
        server = Server::start_on(rough.path(), &address);
    }
    loading.wait().unwrap();
    let disturbed = incidents(&server);
    check(&disturbed, &expected);
    assert!(disturbed == undisturbed, "killing the server changed what became of the incidents");
}
