//! The report of a fault: taken from a server, played without one.

mod common;

use common::{Server, run};
use serde_json::json;
use std::path::Path;

const TILLS: &str = "\
name: tills
version: v1
create: on-demand
retry: {attempts: 1}
context: {sum: 0, count: 0, mean: 0}
initial: open
states:
  open:
    on:
      add: {actions: {assign: {sum: context.sum + event.n, count: context.count + 1}}}
      average: {actions: {assign: {mean: context.sum / context.count}}}
      empty: {actions: {assign: {sum: 0, count: 0}}}
      close: closed
  closed: {}
";

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_fault_is_reported_and_played_anywhere_until_the_definition_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/tills.yaml"), TILLS).unwrap();
    let server = Server::start(folder.path());
    let report = |more: &[&str]| server.run(&[&["report", "tills/1"], more].concat());
    for (event, data) in [("add", r#"{"n": 4}"#), ("average", "null"), ("empty", "null")] {
        server.run(&["send", "tills/1", event, "--data", data]).ok();
    }
    let early = report(&[]);
    assert_eq!(early.code, 1);
    assert!(early.err.contains("no turn of tills/1 has failed for good"), "{}", early.err);
    assert_eq!(server.run(&["send", "tills/1", "average"]).code, 1);
    server.run(&["send", "tills/1", "close"]).ok();

    let told = report(&[]).ok();
    assert_eq!(told.out, report(&["--turn", "5"]).ok().out);
    assert_eq!(report(&["--turn", "4"]).code, 1);
    let lines = told.lines();
    assert_eq!(lines.len(), 6, "{}", told.out);
    assert_eq!((&lines[0]["address"], &lines[0]["source"]), (&json!("tills/1"), &json!(TILLS)));
    assert_eq!(lines[1]["before"], json!(null));
    let before = |line: usize| &lines[line]["before"];
    assert_eq!(before(3), &json!({"states": ["open"], "context": {"sum": 4, "count": 1, "mean": 0}}));
    assert_eq!(before(5), &json!({"states": ["open"], "context": {"sum": 0, "count": 0, "mean": 4}}));
    assert_eq!(
        (&lines[5]["event"]["name"], &lines[5]["outcome"]["code"]),
        (&json!("average"), &json!("failed"))
    );
    drop(server);

    // Without the server: as it was, mended, and by a definition that it is not of.
    let saved = file(folder.path(), "fault.jsonl", &told.out);
    let again = run(&["replay", &saved]);
    assert_eq!(again.code, 1, "{again:#?}");
    assert!(
        again.out.contains("in open {\"count\":0,\"mean\":4,\"sum\":0}\n     faults again: "),
        "{}",
        again.out
    );
    let mended = TILLS.replace("average: {", "average: {guard: context.count > 0, ");
    let mended = file(folder.path(), "mended.yaml", &mended);
    let gone = run(&["replay", &saved, "--definition", &mended, "--json"]);
    assert_eq!((gone.code, &gone.json()["again"]), (0, &json!(false)), "{gone:#?}");
    let other = file(folder.path(), "other.yaml", &TILLS.replace("event.n,", "event.n * 2,"));
    let other = run(&["replay", &saved, "--definition", &other]);
    assert_eq!(other.code, 1);
    assert!(other.err.contains("turn 3: before it the instance stands at"), "{}", other.err);
    assert!(other.err.contains("it is of another definition"), "{}", other.err);

    // A file that is not whole, and one that somebody has changed.
    let half: String = told.out.lines().take(4).map(|line| format!("{line}\n")).collect();
    let half = run(&["replay", &file(folder.path(), "half.jsonl", &half)]);
    assert_eq!(half.code, 1);
    assert!(half.err.contains("it ends after 3 turns, and should have 5"), "{}", half.err);
    let forged = file(folder.path(), "forged.jsonl", &told.out.replacen(r#""n":4"#, r#""n":5"#, 1));
    let forged = run(&["replay", &forged]);
    assert_eq!(forged.code, 1);
    assert!(forged.err.contains("it is of another definition"), "{}", forged.err);
    let none = run(&["replay", &file(folder.path(), "none.json", "{}"), "--definition", &mended]);
    assert_eq!(none.code, 2, "{none:#?}");
}
