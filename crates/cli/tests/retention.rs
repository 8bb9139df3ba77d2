//! What is kept for a time, with the real program: cursors into what is gone, and what a server lets go of when it comes
//! back.

#![allow(missing_docs)]

mod common;

use common::{Ran, Server};
use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

fn definition(name: &str, retain: &str) -> String {
    format!(
        "name: {name}\ncreate: on-demand\nretain: {retain}\ninitial: open\nstates:\n  \
         open: {{on: {{note: open, end: ended}}}}\n  ended: {{type: final}}\n"
    )
}

fn folder(definitions: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    for (name, retain) in definitions {
        let file = folder.path().join("definitions").join(format!("{name}.yaml"));
        std::fs::write(file, definition(name, retain)).unwrap();
    }
    folder
}

/// Asks until it is so; what is asked for takes milliseconds, and on a busy machine longer.
#[track_caller]
fn until(server: &Server, arguments: &[&str], holds: impl Fn(&Ran) -> bool) {
    assert!((0..1_000).any(|_| holds(&server.run(arguments))), "{arguments:?}: {:#?}", server.run(arguments));
}

fn is_gone(ran: &Ran) -> bool {
    ran.code == 1 && ran.err.contains("#unknown-instance")
}

#[test]
fn a_cursor_into_what_is_kept_no_longer_is_answered_with_the_earliest() {
    let folder = folder(&[("notes", "{history: 1ms}"), ("ledgers", "{history: forever}")]);
    let server = Server::start(folder.path());
    for address in ["notes/1", "ledgers/1"] {
        let (kind, id) = address.split_once('/').unwrap();
        server.run(&["start", kind, id]).ok();
        server.run(&["send", address, "note"]).ok();
    }
    until(&server, &["history", "notes/1", "--json"], |ran| {
        ran.lines().iter().all(|turn| turn["sequence"].as_u64() > Some(1))
    });
    for subject in [&["notes/1"][..], &["notes"], &[]] {
        let follow = [&["follow"], subject, &["--cursor", "0", "--turns", "1"]].concat();
        let refused = server.run(&follow);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:#?}");
        assert!(refused.err.contains("turns after the cursor 0 are kept no longer"), "{refused:#?}");
        assert!(refused.err.contains("the earliest cursor is "), "{refused:#?}");
        assert!(refused.err.contains("docs/errors.md#cursor-expired"), "{refused:#?}");
    }
    // Of what is kept nothing is missing, whatever has gone of others.
    for subject in ["ledgers", "ledgers/1"] {
        let whole = server.run(&["follow", subject, "--cursor", "0", "--turns", "2", "--json"]).ok().lines();
        let turns: Vec<&Json> = whole.iter().map(|line| &line["turn"]["sequence"]).collect();
        assert_eq!(turns, [&Json::from(1), &Json::from(2)]);
    }
    // Without a cursor it begins with what is there.
    let follow = ["follow", "notes", "--turns", "1", "--json"];
    let mut follower = server.command(&follow).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Json>(&line.unwrap()).unwrap());
    assert_eq!(lines.next().unwrap()["snapshot"]["address"], "notes/1");
    assert_eq!(lines.next().unwrap()["live"], true);
    server.run(&["send", "notes/1", "note", "--id", "later"]).ok();
    assert_eq!(lines.next().unwrap()["turn"]["event"]["id"], "later");
    assert!(follower.wait().unwrap().success());
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_expired_while_the_server_was_down_goes_when_it_comes_back() {
    let folder = folder(&[("parcels", "{finished: 300ms}")]);
    let server = Server::start(folder.path());
    for id in ["1", "2"] {
        server.run(&["start", "parcels", id]).ok();
    }
    server.run(&["send", "parcels/1", "end"]).ok();
    let ended = SystemTime::now();
    let address = server.kill();
    // Its time is over before there is a server again.
    while ended.elapsed().is_ok_and(|since| since < Duration::from_millis(300)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let server = Server::start_on(folder.path(), &address);
    until(&server, &["get", "parcels/1"], is_gone);
    assert_eq!(server.json(&["get", "parcels/2"])["states"], Json::from(vec!["open"]));
    server.run(&["start", "parcels", "1"]).ok();
    assert_eq!(server.stop(), 0);
}

#[test]
fn times_that_a_server_is_started_with_hold_for_what_is_there_already() {
    // More than the sweep looks at in one step.
    const PARCELS: usize = 200;
    let folder = folder(&[("parcels", "{}"), ("letters", "{finished: forever}")]);
    let server = Server::start(folder.path());
    let file = folder.path().join("log.jsonl");
    for kind in ["parcels", "letters"] {
        let mut lines = String::new();
        for id in 0..PARCELS {
            let events: &[&str] = if id % 2 == 0 { &["note", "end"] } else { &["note"] };
            for event in events {
                lines += &format!(
                    "{{\"id\":\"{kind}-{id}-{event}\",\"instance\":\"{id}\",\"event\":\"{event}\"}}\n"
                );
            }
        }
        std::fs::write(&file, &lines).unwrap();
        server.run(&["load", file.to_str().unwrap(), "--kind", kind]).ok();
    }
    let count = |server: &Server, kind: &str| -> usize {
        server.run(&["list", "--kind", kind, "--count"]).ok().out.trim().parse().unwrap()
    };
    assert_eq!((count(&server, "parcels"), count(&server, "letters")), (PARCELS, PARCELS));
    let address = server.kill();
    let server = Server::start_with(folder.path(), &address, &["--retain", "finished=1ms"]);
    until(&server, &["list", "--kind", "parcels", "--count"], |ran| {
        ran.out.trim() == (PARCELS / 2).to_string()
    });
    assert_eq!(server.run(&["list", "--kind", "parcels", "--done", "--count"]).ok().out.trim(), "0");
    assert_eq!(count(&server, "letters"), PARCELS, "what a definition says goes before");
    assert_eq!(server.stop(), 0);
}
