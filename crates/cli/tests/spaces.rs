//! Who is in a space, asked from the command line of a real server.

#![allow(missing_docs, reason = "tests")]

mod common;

use common::{Server, folder, run};
use serde_json::json;

#[test]
fn who_is_present_and_whom_a_message_would_reach() {
    let folder = folder();
    let server = Server::start(folder.path());
    let example = |name: &str| format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    server.run(&["put", &example("worker.yaml"), &example("dispatch.yaml"), &example("guest.yaml")]).ok();
    let nobody = server.run(&["present", "worker/*/idle"]).ok();
    assert_eq!(
        (nobody.out.as_str(), nobody.err.trim()),
        ("", "nobody is present for worker/*/idle in space/~")
    );

    // A job waits for the worker that comes later.
    server.run(&["send", "dispatch/main", "job", "--data", r#"{"skill": "painting"}"#]).ok();
    server.run(&["send", "worker/1", "shift", "--data", r#"{"skill": "welding"}"#]).ok();
    server.run(&["send", "worker/2", "shift", "--data", r#"{"skill": "painting"}"#]).ok();
    server.run(&["await", "worker/2", "--in", "busy", "--timeout", "30s"]).ok();
    let present = server.json(&["present", "worker/*/idle"]);
    let welder = json!({
        "address": "worker/1", "endpoint": "me", "interest": "participant", "pattern": "worker/1/idle",
        "role": "publisher", "value": {"skill": "welding"},
    });
    // That the other one is idle no more may still be on its way to the space.
    assert!(present["present"].as_array().unwrap().contains(&welder), "{present}");
    assert_eq!(present["all"], true);
    let shown = server.run(&["present", ">", "--everything"]).ok().out;
    assert!(shown.contains("dispatch/main") && shown.contains("observer"), "{shown}");

    server.run(&["send", "guest/ann", "enter", "--data", r#"{"room": "tea"}"#]).ok();
    let asked = ["await", "guest/ann", "--where", "size(context.here) == 1", "--timeout", "30s"];
    server.run(&asked).ok();
    let routes = server.json(&["routes", "talk/ben", "--space", "room-tea"]);
    assert_eq!(routes["takers"], json!([{"address": "guest/ann", "endpoint": "ears", "pattern": "talk/*"}]));
    let back = server.run(&["routes", "talk/ann", "--space", "room-tea", "--feedback"]).ok().out;
    assert!(back.contains("mouth"), "{back}");
    assert_eq!(server.json(&["routes", "talk/ben"])["takers"], json!([]));
}

#[test]
fn what_is_no_pattern_is_told_before_anything_is_asked() {
    let wrong = run(&["present", "a//b"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("segment 2 of the pattern is empty"), "{wrong:?}");
    assert_eq!(run(&["routes", "a", "--space", "x//y"]).code, 2);
}
