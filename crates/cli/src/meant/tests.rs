use super::{address, data, definition, definition_files, since, span};
use everstate_client::rfc3339;
use std::time::Duration;

#[test]
fn spans() {
    let check =
        |text: &str, millis: u64| assert_eq!(span(text).unwrap(), Duration::from_millis(millis), "{text}");
    check("500ms", 500);
    check("1.5s", 1_500);
    check("2m", 120_000);
    check("1h30m", 5_400_000);
    check("7d", 604_800_000);
    for wrong in ["", "5", "s", "five s", "5y", "-1s", "1..2s", "1e99d", "5s extra"] {
        assert!(span(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn times() {
    let now = 1_700_000_000_500;
    let check = |text: &str, time: &str| assert_eq!(rfc3339(&since(text, now).unwrap()), time, "{text}");
    check("2026-01-31", "2026-01-31T00:00:00Z");
    check("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z");
    check("1m", "2023-11-14T22:12:20.500Z");
    assert!(since("yesterday", now).is_err());
}

#[test]
fn data_is_json_or_a_file_of_it() {
    assert!(data(None).unwrap().is_none());
    assert!(data(Some("{\"amount\": 20}")).unwrap().is_some());
    assert!(data(Some("{amount: 20}")).is_err());
    assert!(data(Some("9007199254740993")).is_err());
    assert!(data(Some("@/nowhere/data.json")).is_err());
}

#[test]
fn names() {
    assert_eq!(definition("orders:v1"), ("orders".into(), "v1".into()));
    assert_eq!(definition("orders"), ("orders".into(), String::new()));
    assert_eq!(address("orders/42").unwrap(), "orders/42");
    assert!(address("orders").is_err());
}

#[test]
fn folders_are_walked_in_order_and_hidden_files_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("b/.hidden")).unwrap();
    for file in ["z.json", "a.yaml", "b/c.yml", "b/notes.md", "b/.hidden/d.yaml"] {
        std::fs::write(root.join(file), "").unwrap();
    }
    let found = definition_files(&[root.to_owned()]).unwrap();
    assert_eq!(found, ["a.yaml", "b/c.yml", "z.json"].map(|file| root.join(file)));
    let empty = tempfile::tempdir().unwrap();
    assert!(definition_files(&[empty.path().to_owned()]).is_err());
}
