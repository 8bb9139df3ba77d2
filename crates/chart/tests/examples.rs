//! Every example reads without a finding, and the real log of incidents runs through its chart where it is there.

use everstate_chart::{read, render};
use everstate_kernel::{Address, Behaviour, Event, EventId, Handled, Json, Sender, State, Time, Turn};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = std::fs::read_dir(folder).expect("a folder of examples");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // Beside charts there are machines that are built in.
        file.extension().is_some_and(|extension| extension == "yaml") && !text.contains("\ntype: supervisor")
    });
    files.sort();
    files
}

#[test]
fn examples_read_without_findings() {
    let files = examples();
    assert!(files.len() >= 4);
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let text = std::fs::read_to_string(&file).expect("text");
        let outcome = read(name, &text);
        let findings: Vec<String> =
            outcome.findings.iter().map(|one| render(one, name, &text, false)).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
        let definition = outcome.definition.expect("a definition");
        assert_eq!(format!("{}.yaml", definition.id.name), name);
        assert!(!definition.chart.initial().is_empty());
    }
}

/// Every event of thirteen kinds, after every other: what is refused is refused for a reason.
#[test]
fn a_closed_incident_is_only_reopened_by_work() {
    let file = examples().into_iter().find(|file| file.ends_with("incidents.yaml")).expect("incidents");
    let definition =
        read("incidents.yaml", &std::fs::read_to_string(file).expect("text")).definition.expect("none");
    let chart = definition.chart;
    let kinds = chart.events();
    assert_eq!(kinds.len(), 13);
    let address = Address::parse("incidents/1").expect("an address");
    let turn = || Turn {
        now: Time(0),
        seed: 0,
        instance: &address,
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: vec![],
    };
    let event = |name: &str| Event {
        id: EventId::parse("e").expect("an id"),
        name: name.into(),
        data: Json::parse("{\"impact\":\"High\"}").expect("JSON"),
        sender: Sender::Client,
        time: Time(0),
    };
    let fresh = chart.start(&Json::NULL, &mut turn()).expect("started").state;
    let take =
        |state: &State, name: &str| match chart.handle(state, &event(name), &mut turn()).expect("no fault") {
            Handled::Took(next) => Some(next.state),
            _ => None,
        };
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for first in &kinds {
        let state = take(&fresh, first).expect("a fresh incident takes everything");
        let label = chart.describe(&state).labels[0].clone();
        assert!(label.starts_with(first.split('/').next().expect("a status")));
        for second in &kinds {
            if take(&state, second).is_none() {
                *refused.entry(first.to_string()).or_default() += 1;
            }
        }
    }
    let expected = [("completed/cancelled".to_owned(), 13), ("completed/closed".to_owned(), 10)];
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), expected);
}
