//! What a user does, with the real program and a real server.

#![allow(missing_docs)]

mod common;

use common::{ORDERS, Server, folder, run, serve};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

#[test]
fn an_order_survives_a_power_cut_and_its_timer_fires_afterwards() {
    let folder = folder();
    let server = Server::start(folder.path());
    let started = server.run(&["start", "orders", "42", "--data", r#"{"amount": 20}"#]).ok();
    assert_eq!(
        (started.out.as_str(), started.err.as_str()),
        ("orders/42\n", "started, in unpaid (version v1)\n")
    );
    let paid = server.json(&["send", "orders/42", "pay", "--data", r#"{"by": "card"}"#, "--id", "payment-1"]);
    assert_eq!(paid["outcome"]["code"], "ok");
    assert_eq!(paid["outcome"]["to"], json!(["paid"]));
    assert_eq!(paid["outcome"]["reply"], json!({"thanks": "card"}));
    server.run(&["start", "orders", "43"]).ok();
    let before = server.json(&["get", "orders/42"]);

    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    assert_eq!(server.json(&["get", "orders/42"]), before);
    assert_eq!(before["context"]["paid_by"], "card");

    // The same event again is answered with its first outcome and changes nothing.
    let again =
        server.json(&["send", "orders/42", "pay", "--data", r#"{"by": "card"}"#, "--id", "payment-1"]);
    assert_eq!(again["outcome"]["duplicate"], true);
    assert_eq!(again["outcome"]["reply"], json!({"thanks": "card"}));
    assert_eq!(server.json(&["get", "orders/42"]), before);

    // The other order was not paid: its timer outlived the server.
    let expired = server.json(&["await", "orders/43", "--in", "expired", "--timeout", "30s"]);
    assert_eq!(expired["states"], json!(["expired"]));
    let history = server.run(&["history", "orders/43", "--json"]).ok().lines();
    assert_eq!(history.last().unwrap()["sender"], "timer");
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_server_says_what_to_try_and_it_works() {
    let folder = folder();
    let mut server = Server::start(folder.path());
    let printed = server.printed_until(|line| line.contains(" why "));
    assert!(printed.contains("definitions: orders:v1\n"), "{printed}");
    let commands: Vec<Vec<String>> = printed
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect())
        .collect();
    assert_eq!(commands.len(), 3, "{printed}");
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        run(&words).ok();
    }
}

#[test]
fn rejections_say_what_would_be_taken_and_exit_with_one() {
    let folder = folder();
    let server = Server::start(folder.path());
    server.run(&["start", "orders", "1"]).ok();
    let ran = server.run(&["send", "orders/1", "shp"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.out.starts_with("rejected  "), "{ran:#?}");
    assert!(ran.out.contains("accepts   cancel, pay\n"), "{ran:#?}");
    let ran = server.run(&["send", "orders/1", "pya"]);
    assert!(ran.err.contains("hint: did you mean pay?"), "{ran:#?}");
    let ran = server.run(&["send", "orders/nobody", "pay"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("everstate start orders nobody"), "{ran:#?}");
    let ran = server.run(&["start", "ordres"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("hint: did you mean orders?"), "{ran:#?}");
    assert!(ran.err.contains("help: docs/errors.md#unknown-definition"), "{ran:#?}");
    let ran = server.run(&["get", "orders/nobody"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("help: docs/errors.md#unknown-instance"), "{ran:#?}");
    let ran = server.run(&["start", "orders", "1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("help: docs/errors.md#instance-exists"), "{ran:#?}");
    let ran = server.run(&["outcome", "never-sent"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
}

#[test]
fn a_follower_sees_everything_once_across_a_restart() {
    let folder = folder();
    let server = Server::start(folder.path());
    server.run(&["start", "orders", "1"]).ok();
    let follow = ["follow", "orders", "--turns", "4", "--json"];
    let mut follower = server.command(&follow).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let mut next = || lines.next().unwrap();
    assert_eq!(next()["snapshot"]["address"], "orders/1");
    assert_eq!(next()["live"], true);
    server.run(&["start", "orders", "2"]).ok();
    assert_eq!(next()["turn"]["address"], "orders/2");
    server.run(&["send", "orders/1", "pay", "--data", r#"{"by": "card"}"#]).ok();
    assert_eq!(next()["turn"]["event"]["name"], "pay");

    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    server.run(&["send", "orders/1", "ship"]).ok();
    server.run(&["send", "orders/2", "cancel"]).ok();
    let turn = next();
    assert_eq!(
        (&turn["turn"]["address"], &turn["turn"]["event"]["name"]),
        (&json!("orders/1"), &json!("ship"))
    );
    let turn = next();
    assert_eq!(
        (&turn["turn"]["address"], &turn["turn"]["event"]["name"]),
        (&json!("orders/2"), &json!("cancel"))
    );
    assert!(follower.wait().unwrap().success());

    // A later follower goes on where this one ended.
    server.run(&["start", "orders", "3"]).ok();
    let cursor = turn["cursor"].to_string();
    let rest = server.run(&["follow", "orders", "--cursor", &cursor, "--turns", "1", "--json"]).ok().lines();
    let turns: Vec<_> = rest.iter().filter(|line| !line["turn"].is_null()).collect();
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0]["turn"]["address"], "orders/3");
}

#[test]
fn lists_are_exact_and_paged() {
    let folder = folder();
    let server = Server::start(folder.path());
    for id in 1..=5 {
        server.run(&["start", "orders", &id.to_string()]).ok();
    }
    server.run(&["send", "orders/2", "cancel"]).ok();
    assert_eq!(server.run(&["list", "--kind", "orders", "--count"]).ok().out, "5\n");
    assert_eq!(server.run(&["list", "--state", "cancelled", "--count"]).ok().out, "1\n");
    assert_eq!(server.run(&["list", "--living", "--count"]).ok().out, "4\n");
    let ran = server.run(&["list", "--limit", "2"]).ok();
    assert_eq!(ran.out.lines().count(), 3, "{ran:#?}");
    assert_eq!(ran.err, "2 of 5; --limit N shows more\n");
    let all = server.run(&["list", "--json"]).ok().lines();
    let addresses: Vec<_> = all.iter().map(|one| one["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["orders/1", "orders/2", "orders/3", "orders/4", "orders/5"]);
    server.run(&["delete", "orders/1"]).ok();
    assert_eq!(server.run(&["list", "--count"]).ok().out, "4\n");
    assert_eq!(server.run(&["get", "orders/1"]).code, 1);
}

#[test]
fn a_changed_definition_needs_another_version() {
    let folder = folder();
    let file = folder.path().join("definitions/orders.yaml");
    let server = Server::start(folder.path());
    let path = file.to_str().unwrap();
    assert!(server.run(&["put", path]).ok().out.contains("already there"));
    std::fs::write(&file, ORDERS.replace("2s: expired", "3s: expired")).unwrap();
    let ran = server.run(&["put", path]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("version"), "{ran:#?}");
    drop(server);
    let ran: common::Ran = serve(folder.path(), "127.0.0.1:0").output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("orders.yaml") && ran.err.contains("version"), "{ran:#?}");
    std::fs::write(&file, ORDERS.replace("version: v1", "version: v2")).unwrap();
    let server = Server::start(folder.path());
    let versions = server.run(&["definitions", "orders", "--json"]).ok().lines();
    assert_eq!(versions.len(), 2);
    assert_eq!(server.run(&["definition", "orders:v1"]).ok().out, ORDERS);
}

#[test]
fn two_servers_cannot_have_one_folder_nor_one_port() {
    let folder = folder();
    let server = Server::start(folder.path());
    let ran: common::Ran = serve(folder.path(), "127.0.0.1:0").output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("in use"), "{ran:#?}");
    let other = common::folder();
    let address = server.url.strip_prefix("http://").unwrap();
    let ran: common::Ran = serve(other.path(), address).output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("in use by another program"), "{ran:#?}");
}

#[test]
fn a_data_folder_that_cannot_be_made_is_told() {
    let folder = folder();
    // A file where a folder should be stops everybody, whatever their rights.
    std::fs::write(folder.path().join("data"), "").unwrap();
    let ran: common::Ran = serve(folder.path(), "127.0.0.1:0").output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("data folder"), "{ran:#?}");
}

#[cfg(unix)]
#[test]
fn a_data_folder_without_permission_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser is let in anywhere; then there is nothing to see.
    if std::fs::write(data.join("probe"), "").is_ok() {
        return;
    }
    let ran: common::Ran = serve(folder.path(), "127.0.0.1:0").output().unwrap().into();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("data folder") && ran.err.contains("ermission"), "{ran:#?}");
}

#[test]
fn beyond_this_machine_only_with_care() {
    let folder = folder();
    let ran: common::Ran = serve(folder.path(), "0.0.0.0:0").output().unwrap().into();
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert!(ran.err.contains("--insecure"), "{ran:#?}");
}

/// Lines of a load: `events` events for each of `instances` orders, interleaved.
fn lines(instances: u64, events: &[&str]) -> String {
    let mut text = String::new();
    for (number, event) in events.iter().enumerate() {
        for instance in 0..instances {
            text += &json!({
                "id": format!("{instance}#{number}"), "instance": instance.to_string(), "event": event,
                "time": "2026-01-31T12:00:00+01:00", "data": {"by": "log"},
            })
            .to_string();
            text.push('\n');
        }
    }
    text
}

const ON_DEMAND: &str = "version: v1\ncreate: on-demand\n";

#[test]
fn a_load_counts_every_line_and_a_second_one_changes_nothing() {
    let folder = folder();
    let definition = ORDERS.replace("version: v1\n", ON_DEMAND).replace("    after: {2s: expired}\n", "");
    std::fs::write(folder.path().join("definitions/orders.yaml"), definition).unwrap();
    let file = folder.path().join("log.jsonl");
    // `pay` twice: the second one is rejected.
    let text = lines(50, &["pay", "pay", "ship"]) + "not json\n";
    std::fs::write(&file, text).unwrap();
    let refused = folder.path().join("refused.jsonl");
    let server = Server::start(folder.path());
    let load = ["load", file.to_str().unwrap(), "--kind", "orders", "--batch", "7", "--json", "--refused"];
    let load = [&load[..], &[refused.to_str().unwrap()]].concat();
    let first = server.run(&load);
    assert_eq!(first.code, 1, "{first:#?}");
    assert_eq!(first.json()["taken"], 100);
    assert_eq!(first.json()["refused"], 50);
    assert_eq!(first.json()["malformed"], 1);
    assert_eq!(first.json()["lines"], 151);
    assert_eq!(std::fs::read_to_string(&refused).unwrap().lines().count(), 51);
    let history = server.run(&["history", "orders/7", "--json"]).ok().lines();
    let events: Vec<_> = history.iter().filter_map(|turn| turn["event"]["name"].as_str()).collect();
    assert_eq!(events, ["pay", "pay", "ship"]);
    let export = server.run(&["export"]).ok().out;

    let second = server.run(&load);
    assert_eq!(
        (second.json()["taken"].clone(), second.json()["already_there"].clone()),
        (json!(0), json!(150))
    );
    assert_eq!(server.run(&["export"]).ok().out, export);
}

#[test]
fn a_load_survives_the_servers_death() {
    let folder = folder();
    let definition = ORDERS.replace("version: v1\n", ON_DEMAND).replace("    after: {2s: expired}\n", "");
    std::fs::write(folder.path().join("definitions/orders.yaml"), definition).unwrap();
    let server = Server::start(folder.path());
    let arguments = ["load", "-", "--kind", "orders", "--batch", "20", "--json"];
    let mut load = server
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = load.stdin.take().unwrap();
    input.write_all(lines(200, &["pay"]).as_bytes()).unwrap();
    input.flush().unwrap();
    // Some of it is there, the rest on its way, when the server dies.
    server.run(&["await", "orders/1", "--in", "paid"]);
    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    input.write_all(lines(200, &["ship"]).replace("#0", "#1").as_bytes()).unwrap();
    drop(input);
    let ran: common::Ran = load.wait_with_output().unwrap().into();
    let told = ran.json();
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(told["taken"].as_u64().unwrap() + told["already_there"].as_u64().unwrap(), 400);
    assert_eq!(server.run(&["list", "--state", "shipped", "--count"]).ok().out, "200\n");
}

#[test]
fn an_export_makes_the_same_store_elsewhere() {
    let folder = folder();
    let server = Server::start(folder.path());
    server.run(&["start", "orders", "1"]).ok();
    server.run(&["send", "orders/1", "pay", "--data", r#"{"by": "card"}"#]).ok();
    let file = folder.path().join("all.jsonl.gz");
    server.run(&["export", "--out", file.to_str().unwrap()]).ok();
    let export = server.run(&["export"]).ok().out;
    drop(server);
    let other = common::folder();
    let data = other.path().join("data");
    let arguments = ["import", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    run(&arguments).ok();
    assert_eq!(run(&arguments).code, 1, "the folder is not empty any more");
    let server = Server::start(other.path());
    assert_eq!(server.run(&["export"]).ok().out, export);
    assert_eq!(server.json(&["get", "orders/1"])["states"], json!(["paid"]));
}

#[test]
fn why_and_status_tell() {
    let folder = folder();
    let server = Server::start(folder.path());
    server.run(&["start", "orders", "1"]).ok();
    let why = server.run(&["why", "orders/1"]).ok();
    assert!(why.out.starts_with("orders/1 is in unpaid and waiting.\n"), "{why:#?}");
    assert!(why.out.contains("cancel, pay"), "{why:#?}");
    let status = server.json(&["status"]);
    assert_eq!((&status["instances"], &status["definitions"]), (&json!(1), &json!(1)));
    let never = server.run(&["await", "orders/1", "--in", "shipped", "--timeout", "10ms"]);
    assert_eq!(never.code, 1);
    assert!(never.err.contains("orders/1 was not in shipped within 10ms"), "{never:#?}");
}

#[test]
fn a_supervisor_restarts_a_child_and_remembers_it_beyond_a_power_cut() {
    let folder = folder();
    let server = Server::start(folder.path());
    let example = |name: &str| format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    server.run(&["put", &example("door.yaml"), &example("house.yaml")]).ok();
    server.run(&["start", "house", "1"]).ok();
    server.run(&["await", "house/1", "--in", "watching", "--timeout", "30s"]).ok();
    let tree = server.run(&["tree", "house/1"]).ok();
    assert_eq!(
        tree.out,
        "house/1  watching\n├─ front  door/front  closed.unlocked\n└─ back  door/back  closed.unlocked\n"
    );
    assert_eq!(server.json(&["get", "door/front"])["parent"], "house/1");
    // One without children is a tree, too.
    assert_eq!(server.run(&["tree", "door/front"]).ok().out, "door/front  closed.unlocked\n");

    server.run(&["stop", "door/front"]).ok();
    let restarted = "context.restarts == 1 && context.children.all(c, c.state == 'up')";
    server.run(&["await", "house/1", "--where", restarted, "--timeout", "30s"]).ok();
    let before = server.json(&["restarts", "house/1"]);
    assert_eq!(before["children"][0]["restarts"], 1);
    assert_eq!(before["children"][0]["reason"], "stopped: an operator stopped it");
    assert_eq!(server.json(&["get", "door/front"])["incarnation"], 2);

    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    assert_eq!(server.json(&["restarts", "house/1"]), before);
    assert_eq!(server.json(&["tree", "house/1"])["children"].as_array().unwrap().len(), 2);
    let whole = server.json(&["restart", "door/back", "--from", "last-good"]);
    assert_eq!((&whole["status"], &whole["incarnation"]), (&json!("active"), &json!(2)));
    assert_eq!(server.run(&["restarts", "door/back"]).code, 1);

    // With the house everything in it ends, and its history stays.
    server.run(&["stop", "house/1", "--kill"]).ok();
    // It never holds, so this waits for the end.
    let ended = server.run(&["await", "door/back", "--where", "false", "--timeout", "30s"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("door/back has reached its end"), "{ended:?}");
    assert_eq!(server.json(&["get", "door/back"])["status"], "stopped");
    assert_eq!(server.json(&["get", "house/1"])["status"], "stopped");
    assert_eq!(server.stop(), 0);
}

const PARCELS: &str = "
name: parcels
retain: {finished: 1ms, outcomes: 1h}
index: [customer.id, weight]
context: {customer: {id: nobody}, weight: 0}
initial: packed
states:
  packed: {on: {weigh: {actions: {assign: {weight: event.kg}}}, ship: underway}}
  underway: {on: {deliver: delivered}}
  delivered: {type: final}
";

#[test]
fn lists_by_fields_events_and_time() {
    let folder = folder();
    let server = Server::start(folder.path());
    let file = folder.path().join("parcels.yaml");
    std::fs::write(&file, PARCELS).unwrap();
    server.run(&["put", file.to_str().unwrap()]).ok();
    for (id, customer) in [("1", "ada"), ("2", "bob"), ("3", "ada")] {
        let data = json!({"customer": {"id": customer}}).to_string();
        server.run(&["start", "parcels", id, "--data", &data]).ok();
    }
    server.run(&["send", "parcels/3", "weigh", "--data", r#"{"kg": 2.0}"#]).ok();
    server.run(&["send", "parcels/1", "ship"]).ok();
    let listed = |more: &[&str]| -> Vec<String> {
        let lines = server.run(&[&["list", "--kind", "parcels", "--json"], more].concat()).ok().lines();
        lines.iter().map(|one| one["address"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&["--where", "customer.id=ada"]), ["parcels/1", "parcels/3"]);
    assert_eq!(listed(&["--where", "customer.id=ada", "--where", "weight=2"]), ["parcels/3"]);
    assert_eq!(listed(&["--where", "customer.id=ada", "--state", "underway"]), ["parcels/1"]);
    assert_eq!(listed(&["--where", "customer.id=eve"]), [""; 0]);
    assert_eq!(listed(&["--event", "ship"]), ["parcels/1"]);
    assert_eq!(listed(&["--event", "ship", "--since", "1h"]), ["parcels/1"]);
    assert_eq!(listed(&["--newest"]), ["parcels/1", "parcels/3", "parcels/2"]);
    assert_eq!(listed(&["--oldest", "--limit", "2"]), ["parcels/2", "parcels/3"]);
    let count = ["list", "--kind", "parcels", "--where", "weight=0", "--count"];
    assert_eq!(server.run(&count).ok().out, "2\n");
    let refused = server.run(&["list", "--kind", "parcels", "--where", "colour=red"]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("indexed are customer.id, weight"), "{}", refused.err);
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_ended_instance_goes_after_its_time_into_the_archive() {
    let folder = folder();
    let archive = folder.path().join("archive");
    let settings = ["--retain-export", archive.to_str().unwrap(), "--retain", "history=90d"];
    let server = Server::start_with(folder.path(), "127.0.0.1:0", &settings);
    let file = folder.path().join("parcels.yaml");
    std::fs::write(&file, PARCELS).unwrap();
    server.run(&["put", file.to_str().unwrap()]).ok();
    server.run(&["start", "parcels", "1"]).ok();
    server.run(&["send", "parcels/1", "ship"]).ok();
    server.run(&["send", "parcels/1", "deliver", "--id", "d1"]).ok();
    // It is gone within milliseconds; a slow machine may take longer.
    let gone = (0..500).any(|_| server.run(&["get", "parcels/1"]).code == 1);
    assert!(gone, "an ended instance stays");
    assert_eq!(server.json(&["outcome", "d1"])["outcome"]["code"], "ok");
    let files: Vec<_> = std::fs::read_dir(&archive).unwrap().map(|file| file.unwrap().path()).collect();
    let lines = std::fs::read_to_string(&files[0]).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_history = lines.iter().filter(|line| line["history"]["address"] == "parcels/1").count();
    assert_eq!((lines.len(), of_history), (4, 3));
    assert_eq!(lines[0]["instance"]["address"], "parcels/1");
    assert_eq!(server.stop(), 0);
}
