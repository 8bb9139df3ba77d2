//! Change and repair, from the command line to the disk: one story each, with the real program.

mod common;

use common::{Ran, Server, program};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const LOANS: u64 = 1_000;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/change").join(name)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A folder with the loans of the example, created by their first event.
fn loans() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    for version in ["v1", "v2"] {
        let definition = text(&example(&format!("loans-{version}.yaml")));
        let on_demand = definition.replace("\ninitial: received", "\ncreate: on-demand\ninitial: received");
        // Instances that an event creates are of the greatest version, so the second one is put later.
        let place = if version == "v1" { "definitions/loans-v1.yaml" } else { "loans-v2.yaml" };
        std::fs::write(folder.path().join(place), on_demand).unwrap();
    }
    folder
}

/// Loans in several states: checking, deciding, granted, refused.
fn fill(server: &Server, number: u64) {
    let mut lines = String::new();
    for at in 0..number {
        let events: &[&str] = match at % 4 {
            0 => &["check"],
            1 => &["check", "scored"],
            2 => &["check", "scored", "grant"],
            _ => &["check", "scored", "refuse"],
        };
        for (place, event) in events.iter().enumerate() {
            let _ = writeln!(
                lines,
                r#"{{"id":"{at}-{place}","instance":"{at}","event":"{event}","time":"2026-01-01T00:00:00Z","data":{{"score":{}}}}}"#,
                400 + at % 200
            );
        }
    }
    let file = server.folder.join("loans.jsonl");
    std::fs::write(&file, lines).unwrap();
    server.run(&["load", file.to_str().unwrap(), "--kind", "loans"]).ok();
}

fn put_v2(server: &Server) {
    server.run(&["put", server.folder.join("loans-v2.yaml").to_str().unwrap()]).ok();
}

fn number(server: &Server, query: &[&str]) -> u64 {
    let ran = server.run(&[&["list", "--kind", "loans", "--count"], query].concat()).ok();
    ran.out.trim().parse().unwrap()
}

fn migrate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["migrate", "loans", "--from", "v1", "--to", "v2"], more].concat()
}

/// Runs the migration, and kills the server when the first instances have been carried over.
fn kill_amid(server: Server, migration: &[&str]) {
    let mut following = server
        .command(&["follow", "loans", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(following.stdout.take().unwrap()).lines();
    // The snapshot comes first; what is told after it comes after the follower is there.
    let snapshots = (0..LOANS).map(|_| told.next().unwrap().unwrap()).count();
    assert_eq!(snapshots as u64, LOANS);
    let mut migrating = server
        .command(migration)
        .args(["--patience", "1ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = told.find(|line| line.as_ref().unwrap().contains("became"));
    assert!(first.is_some());
    server.kill();
    following.kill().unwrap();
    following.wait().unwrap();
    let _ = migrating.wait().unwrap();
}

#[test]
fn a_thousand_loans_are_looked_at_mapped_killed_amid_carried_over_and_put_back() {
    let folder = loans();
    let server = Server::start(folder.path());
    fill(&server, LOANS);
    put_v2(&server);
    assert_eq!(number(&server, &["--version", "v1", "--living"]), LOANS * 3 / 4);

    // What has no counterpart is named, with how many it concerns, and nothing is done.
    let dry = server.run(&migrate(&["--dry-run", "--json"]));
    assert_eq!(dry.code, 1, "{dry:#?}");
    let report = dry.json();
    assert_eq!((&report["clear"], &report["blocked"]), (&Json::from(250), &Json::from(500)), "{report:#}");
    assert_eq!(report["ended"], 250);
    let blocked: Vec<&Json> =
        report["groups"].as_array().unwrap().iter().filter(|one| one["to"] == Json::Array(vec![])).collect();
    assert_eq!(blocked.len(), 2, "{report:#}");
    assert!(blocked.iter().all(|group| group["count"] == 250 && group["obstacles"][0]["code"] == "state"));
    let held = server.run(&migrate(&[]));
    assert_eq!(held.code, 1, "{held:#?}");
    assert!(held.out.contains("nothing was done"), "{}", held.out);
    assert_eq!(number(&server, &["--version", "v2"]), 0);

    // With the mapping all of them can be; the server is killed when the first ones have been.
    let map = example("loans-v2.map.yaml");
    let map = ["--map-file", map.to_str().unwrap()];
    let clear = server.json(&migrate(&[map[0], map[1], "--dry-run"]));
    assert_eq!((&clear["clear"], &clear["blocked"]), (&Json::from(750), &Json::from(0)), "{clear:#}");
    kill_amid(server, &migrate(&map));

    // The same command goes on where it stopped.
    let server = Server::start(folder.path());
    let half = number(&server, &["--version", "v2"]);
    assert!(half > 0 && number(&server, &["--version", "v1", "--living"]) == 750 - half);
    let rest = server.json(&migrate(&map));
    assert_eq!(rest["applied"], 750 - half, "{rest:#}");
    assert_eq!(number(&server, &["--version", "v1", "--living"]), 0);
    assert_eq!(number(&server, &["--version", "v2", "--state", "vetting.identity.waiting"]), 250);
    assert_eq!(number(&server, &["--version", "v2", "--state", "approved"]), 250);
    let one = server.json(&["get", "loans/2"]);
    assert_eq!((&one["version"], &one["context"]["cents"]), (&Json::from("v2"), &Json::from(0)), "{one:#}");
    let deciding = server.json(&["get", "loans/1"]);
    assert_eq!(deciding["timers"][0]["name"], "after.10d.deciding");

    put_back(&server);
}

/// What goes on as one of the new version cannot be put back; all others can.
fn put_back(server: &Server) {
    server.run(&["send", "loans/0", "scored", "--data", r#"{"score": 700}"#]).ok();
    server.run(&["send", "loans/0", "identified"]).ok();
    assert_eq!(server.json(&["get", "loans/0"])["states"], Json::from(vec!["deciding"]));
    let undone = server.run(&migrate(&["--undo", "--json"]));
    assert_eq!(undone.code, 1, "{undone:#?}");
    let report = undone.json();
    assert_eq!((&report["applied"], &report["blocked"]), (&Json::from(749), &Json::from(1)), "{report:#}");
    assert!(report["groups"][0]["examples"][0] == "loans/0");
    assert_eq!(number(server, &["--version", "v1", "--living"]), 749);
    let back = server.json(&["get", "loans/1"]);
    assert_eq!(
        (&back["version"], &back["timers"][0]["name"]),
        (&Json::from("v1"), &Json::from("after.7d.deciding"))
    );
    assert_eq!(back["context"], serde_json::json!({"euros": 0, "score": 401}));
    server.run(&["send", "loans/1", "grant"]).ok();
    assert_eq!(number(server, &["--version", "v1", "--state", "granted"]), 251);
}

#[test]
fn loans_that_take_events_meanwhile_lose_none() {
    let folder = loans();
    let server = Server::start(folder.path());
    fill(&server, 200);
    put_v2(&server);
    // Every loan that is deciding is asked for something that it rejects, over and over, while it is carried over.
    let mut lines = String::new();
    for round in 0..40 {
        for at in (0..200).filter(|at| at % 4 == 1) {
            let _ = writeln!(lines, r#"{{"id":"x{round}-{at}","instance":"{at}","event":"pay"}}"#);
        }
    }
    let file = folder.path().join("busy.jsonl");
    std::fs::write(&file, lines).unwrap();
    let mut loading = server
        .command(&["load", file.to_str().unwrap(), "--kind", "loans", "--batch", "10"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let map = example("loans-v2.map.yaml");
    let map = ["--map-file", map.to_str().unwrap()];
    // One that never rests is left and said so; the same command goes on.
    let mut ran = server.run(&migrate(&map));
    let _ = loading.wait().unwrap();
    if ran.code != 0 {
        ran = server.run(&migrate(&map));
    }
    ran.ok();
    assert_eq!(number(&server, &["--version", "v1", "--living"]), 0);
    assert_eq!(number(&server, &["--version", "v2"]), 150);
    for at in [1, 101, 197] {
        let history = server.run(&["history", &format!("loans/{at}"), "--limit", "1000", "--json"]).ok();
        let turns = history.lines().len();
        // Start, check, scored, forty that are rejected, and the one of the migration.
        assert_eq!(turns, 44, "loans/{at}");
    }
}

#[test]
fn what_cannot_be_migrated_is_said() {
    let folder = loans();
    let server = Server::start(folder.path());
    put_v2(&server);
    let says = |arguments: &[&str], code: i32, words: &str| {
        let ran = server.run(arguments);
        assert!(ran.code == code && ran.err.contains(words), "{arguments:?}: {ran:#?}");
    };
    says(&["migrate", "loans", "--from", "v1", "--to", "v3"], 1, "there is no version \"v3\"");
    says(&["migrate", "loan", "--from", "v1", "--to", "v2"], 1, "there is no definition \"loan\"");
    says(&migrate(&["--map", "checking=vettng"]), 1, "did you mean \"vetting\"?");
    says(
        &migrate(&["--map", "checking=vetting.credit.waiting,vetting.credit.known"]),
        1,
        "cannot be active together",
    );
    says(&migrate(&["--map", "checking"]), 2, "write OLD=NEW");
    says(&["migrate", "space", "--from", "v1", "--to", "v2"], 1, "space");
    says(&["migrate", "loans", "--from", "v1", "--to", "v1"], 1, "both versions are the same");
}

#[test]
fn two_files_and_two_versions_are_compared() {
    let folder = loans();
    let server = Server::start(folder.path());
    put_v2(&server);
    let (v1, v2) = (example("loans-v1.yaml"), example("loans-v2.yaml"));
    let (v1, v2) = (v1.to_str().unwrap(), v2.to_str().unwrap());
    let diff = |arguments: &[&str]| -> Ran { program().arg("diff").args(arguments).output().unwrap().into() };
    let files = diff(&[v1, v2]);
    assert_eq!(files.code, 1, "{files:#?}");
    assert!(files.out.contains("+ vetting: parallel"), "{}", files.out);
    assert_eq!(diff(&[v1, v1]).code, 0);
    assert_eq!(diff(&[v1, "nowhere.yaml"]).code, 2);
    let versions = server.run(&["diff", "loans@v1", "loans@v2"]);
    assert_eq!((versions.code, &versions.out), (1, &files.out));
    let json = server.run(&["diff", "loans@v1", v2, "--json"]).json();
    assert!(
        json["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["area"] == "context" && one["place"] == "cents")
    );
    assert_eq!(server.run(&["diff", "loans@v1", "loans@v9"]).code, 1);
}

#[test]
fn an_operator_holds_puts_and_lets_go_on_and_the_history_knows() {
    let folder = loans();
    let server = Server::start(folder.path());
    fill(&server, 8);
    server.run(&["pause", "loans/1", "--reason", "audit", "--by", "ann"]).ok();
    let paused = server.json(&["get", "loans/1"]);
    assert_eq!((&paused["status"], &paused["status_reason"]), (&Json::from("paused"), &Json::from("audit")));
    let kept = server.json(&["send", "loans/1", "grant", "--id", "later"]);
    assert_eq!(kept["outcome"]["code"], "pending", "{kept:#}");
    server.run(&["resume", "loans/1"]).ok();
    assert_eq!(server.json(&["get", "loans/1"])["states"], Json::from(vec!["granted"]));
    assert_eq!(server.run(&["resume", "loans/1"]).code, 1);

    let set = ["set-state", "loans/0", "deciding", "--set", "score=700"];
    assert_eq!(server.run(&set).code, 2, "a reason is needed");
    let dry = server.json(&[&set[..], &["--dry-run"]].concat());
    assert_eq!((&dry["states"], &dry["context"]["score"]), (&Json::from(vec!["deciding"]), &Json::from(700)));
    assert_eq!(server.json(&["get", "loans/0"])["states"], Json::from(vec!["checking"]));
    server.run(&[&set[..], &["--reason", "scored by hand"]].concat()).ok();
    let there = server.json(&["get", "loans/0"]);
    assert_eq!(
        (&there["states"], &there["timers"][0]["name"]),
        (&Json::from(vec!["deciding"]), &Json::from("after.7d.deciding"))
    );
    let ended = server.run(&["set-state", "loans/0", "paid", "--reason", "x"]);
    assert!(ended.code == 1 && ended.err.contains("is an end"), "{ended:#?}");
    let over = server.run(&["set-state", "loans/3", "deciding", "--reason", "x"]);
    assert!(over.code == 1 && over.err.contains("has ended"), "{over:#?}");
    let history = server.run(&["history", "loans/0", "--json"]).ok().out;
    assert!(history.contains("scored by hand"), "{history}");

    // In bulk nothing is done unseen.
    let bulk = ["pause", "--kind", "loans", "--state", "granted"];
    let counted = server.json(&[&bulk[..], &["--dry-run"]].concat());
    assert_eq!(counted["matching"], 3, "{counted:#}");
    let unconfirmed = server.run(&bulk);
    assert!(unconfirmed.code == 1 && unconfirmed.err.contains("--confirm 3"), "{unconfirmed:#?}");
    let done = server.json(&[&bulk[..], &["--confirm", "3"]].concat());
    assert_eq!(done["done"], 3);
    let nobody =
        server.run(&["pause", "--kind", "loans", "--older-than", "9d", "--dry-run", "--json"]).ok().json();
    assert_eq!(nobody["matching"], 0);

    // The conditions are those of lists, and what is done in bulk goes by address.
    let received = ["pause", "--kind", "loans", "--event", "grant", "--since", "1h", "--dry-run"];
    let received = server.json(&received);
    assert_eq!(received["matching"], 3, "{received:#}");
    let listed = server.run(&["list", "--kind", "loans", "--event", "grant", "--json"]).ok().lines();
    assert_eq!(received["addresses"][0], listed[0]["address"]);
    let unindexed = server.run(&["pause", "--kind", "loans", "--where", "score=400", "--dry-run"]);
    assert!(unindexed.code == 1 && unindexed.err.contains("is not indexed"), "{unindexed:#?}");
    let of_no_kind = server.run(&["pause", "loans/1", "--event", "grant"]);
    assert!(of_no_kind.code == 2 && of_no_kind.err.contains("--kind"), "{of_no_kind:#?}");
}

const WORK: &str = "\
name: work
initial: charging
states:
  charging:
    invoke: {task: cards, id: charge, onDone: done}
  waiting: {}
  done: {}
";

#[test]
fn the_task_of_a_state_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/work-v1.yaml"), format!("version: v1\n{WORK}")).unwrap();
    let server = Server::start(folder.path());
    for id in ["1", "2", "3"] {
        server.run(&["start", "work", id]).ok();
    }
    let open = || server.run(&["tasks", "--json"]).ok().lines().len();
    assert_eq!(open(), 3);
    server.run(&["set-state", "work/1", "waiting", "--reason", "paid by transfer"]).ok();
    assert_eq!(open(), 2, "an operator who puts an instance elsewhere cancels its task");

    let renamed = WORK.replace("charging", "paying");
    let v2 = folder.path().join("work-v2.yaml");
    std::fs::write(&v2, format!("version: v2\n{renamed}")).unwrap();
    let v3 = folder.path().join("work-v3.yaml");
    std::fs::write(&v3, format!("version: v3\n{WORK}")).unwrap();
    server.run(&["put", v2.to_str().unwrap(), v3.to_str().unwrap()]).ok();
    let kept = ["migrate", "work", "--from", "v1", "--to", "v2", "--map", "charging=paying"];
    assert_eq!(server.json(&kept)["applied"], 3);
    assert_eq!(open(), 2, "a task goes on with the state that the old one leads to");
    let left = ["migrate", "work", "--from", "v2", "--to", "v3", "--map", "paying=waiting"];
    let in_the_way = server.run(&[&left[..], &["--json"]].concat());
    assert_eq!(in_the_way.json()["blocked"], 2, "{in_the_way:#?}");
    assert!(in_the_way.out.contains("--accept task"), "{in_the_way:#?}");
    assert_eq!(server.json(&[&left[..], &["--accept", "task"]].concat())["applied"], 3);
    assert_eq!(open(), 0);
}

const CARDS: &str = "\
name: cards
version: v1
create: on-demand
park: instance
context: {left: 2}
initial: open
states:
  open:
    on:
      use: {target: open, actions: {assign: {left: 'context.left - 10 / context.left'}}}
      shut: shut
    after: {1h: shut}
  shut: {}
";

#[test]
fn a_parked_card_is_mended_and_its_event_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/cards.yaml"), CARDS.replace("{left: 2}", "{left: 0}"))
        .unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.run(&["send", "cards/1", "use", "--json"]).json()["outcome"]["code"], "failed");
    server.json(&["send", "cards/1", "shut", "--id", "second"]);
    assert_eq!(server.json(&["get", "cards/1"])["status"], "parked");
    assert_eq!(server.run(&["retry", "cards/1"]).code, 1, "nothing has changed, so it faults again");
    server.run(&["set-state", "cards/1", "--set", "left=2", "--reason", "it was empty"]).ok();
    server.run(&["retry", "cards/1", "--reason", "mended"]).ok();
    let mended = server.json(&["get", "cards/1"]);
    assert_eq!(
        (&mended["states"], &mended["context"]["left"]),
        (&Json::from(vec!["shut"]), &Json::from(-3)),
        "{mended:#}"
    );
    assert_eq!(server.json(&["status"])["dead_letters"], 0);
    assert_eq!(server.run(&["retry", "cards/1"]).code, 1);
}

#[test]
fn a_fork_stands_where_its_origin_stood_and_a_rehearsal_shows_what_would_differ() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/cards.yaml"), CARDS.replace("10 / context.left", "1"))
        .unwrap();
    let server = Server::start(folder.path());
    for event in ["use", "use", "shut"] {
        server.run(&["send", "cards/1", event]).ok();
    }
    let fork = server.json(&["fork", "cards/1", "--at", "2", "cards/2"]);
    assert_eq!(
        (&fork["states"], &fork["context"]["left"]),
        (&Json::from(vec!["open"]), &Json::from(1)),
        "{fork:#}"
    );
    assert_eq!(
        fork["timers"][0]["due_time"],
        server.json(&["fork", "cards/1", "--at", "3", "cards/3"])["timers"][0]["due_time"]
    );
    server.run(&["send", "cards/2", "shut"]).ok();
    // A fork of a fork begins where that one began.
    server.run(&["fork", "cards/2", "cards/4"]).ok();
    assert_eq!(server.json(&["get", "cards/4"])["states"], Json::from(vec!["shut"]));
    for (arguments, words) in [
        (["fork", "cards/1", "--at", "9", "cards/9"], "has made 4 turns"),
        (["fork", "cards/1", "--at", "1", "cards/2"], "exists already"),
        (["fork", "cards/7", "--at", "1", "cards/9"], "there is no instance cards/7"),
        (["fork", "cards/1", "--at", "1", "loans/9"], "is of another kind"),
    ] {
        let ran = server.run(&arguments);
        assert!(ran.code == 1 && ran.err.contains(words), "{ran:#?}");
    }

    let same = server.run(&["rehearse", "cards/1", "--against", "v1"]).ok();
    assert!(same.out.contains("4 turns, 0 differ; both end in shut"), "{}", same.out);
    let next = folder.path().join("next.yaml");
    std::fs::write(&next, CARDS.replace("shut: shut", "shut: {guard: context.left > 1, target: shut}"))
        .unwrap();
    let other = server.run(&["rehearse", "cards/1", "--against", next.to_str().unwrap(), "--json"]);
    assert_eq!(other.code, 1, "{other:#?}");
    let other = other.json();
    assert_eq!(
        (&other["different"], &other["rehearsed_states"]),
        (&Json::from(1), &Json::from(vec!["open"])),
        "{other:#}"
    );
    assert_eq!(other["differences"][0]["event"], "shut");
    assert_eq!(server.run(&["rehearse", "cards/1", "--against", "v8"]).code, 1);
}
