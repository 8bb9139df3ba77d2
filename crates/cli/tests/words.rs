//! What the program says without a server: help, usage, errors, and how it exits.

#![allow(missing_docs)]

mod common;

use common::{program, run};

#[test]
fn help_is_a_tour() {
    let ran = run(&["help"]).ok();
    assert!(ran.out.starts_with("everstate: durable state machines"), "{}", ran.out);
    assert!(ran.err.is_empty());
    assert!(ran.out.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn help_of_a_command() {
    let ran = run(&["help", "send"]).ok();
    insta::assert_snapshot!(ran.out.split("\nConnection:").next().unwrap());
    assert_eq!(run(&["help", "dead-letters", "retry"]).ok().err, "");
}

#[test]
fn usage_is_two() {
    let ran = run(&["sned"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("a similar subcommand exists: 'send'"), "{}", ran.err);
    assert_eq!(run(&[]).code, 2);
    assert_eq!(run(&["get"]).code, 2);
    assert_eq!(run(&["help", "sned"]).code, 2);
}

fn check(arguments: &[&str]) -> String {
    let ran = run(arguments);
    format!("{}exit {}\n", ran.out + &ran.err, ran.code)
}

#[test]
fn what_cannot_be_meant_is_told_before_anything_is_asked() {
    let all = [
        check(&["get", "orders"]),
        check(&["start", "orders/1", "2"]),
        check(&["start", "orders", "--data", "{amount: 20}"]),
        check(&["send", "orders/1", "pay", "--data", "12345678901234567890"]),
        check(&["send", "orders/1", "pay", "--wait=10m"]),
        check(&["list", "--since", "yesterday"]),
        check(&["await", "orders/1", "--in", "paid", "--timeout", "5"]),
        check(&["status", "--server", "localhost:7400"]),
        check(&["status", "--ca", "/nowhere/ca.pem"]),
        check(&["status", "--token-file", "/nowhere/token"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_server_that_is_not_there_is_three() {
    // A port that was free a moment ago, and that nobody was told of.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    for command in
        [&["status"][..], &["get", "orders/1"], &["follow"], &["load", "Cargo.toml", "--kind", "orders"]]
    {
        let ran = run(&[command, &["--server", &server]].concat());
        assert_eq!(ran.code, 3, "{command:?} {ran:#?}");
        assert!(
            ran.err.starts_with(&format!(
                "error: cannot reach the server at {server}: connection refused\nhint: "
            )),
            "{ran:#?}"
        );
    }
    let ran = run(&["status", "--json", "--server", &server]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["code"], "unreachable");
}

#[test]
fn the_environment_names_the_server_and_a_flag_overrules_it() {
    let ran: common::Ran =
        program().args(["status"]).env("EVERSTATE_SERVER", "nonsense").output().unwrap().into();
    assert!(ran.err.contains("server address is not usable: nonsense"), "{ran:#?}");
    let ran: common::Ran = program()
        .args(["status", "--server", "other"])
        .env("EVERSTATE_SERVER", "nonsense")
        .output()
        .unwrap()
        .into();
    assert!(ran.err.contains("server address is not usable: other"), "{ran:#?}");
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&["completions", shell]).ok().out.contains("dead-letters"), "{shell}");
    }
}

#[test]
fn the_reference_has_every_command_and_no_empty_entry() {
    let page = run(&["reference", "cli"]).ok().out;
    for command in ["serve", "check", "put", "dead-letters retry", "load", "import", "await"] {
        assert!(page.contains(&format!(" everstate {command}\n")), "{command}");
    }
    assert!(!page.contains("`: \n"), "{page}");
}

#[test]
fn check_finds_all_problems_and_exits_with_one() {
    let folder = common::folder();
    let good = folder.path().join("definitions");
    let ran = run(&["check", good.to_str().unwrap()]).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "checked 1 file: no problems\n"));

    let wrong =
        common::ORDERS.replace("target: paid", "target: payd").replace("initial: unpaid", "inital: unpaid");
    let file = folder.path().join("wrong.yaml");
    std::fs::write(&file, wrong).unwrap();
    let ran = run(&["check", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.out.contains("unknown-target") && ran.out.contains("unknown-key"), "{}", ran.out);
    assert!(ran.out.contains("wrong.yaml:12:"), "{}", ran.out);
    let ran = run(&["check", "--json", file.to_str().unwrap()]);
    let codes: Vec<_> = ran.lines().iter().map(|line| line["code"].clone()).collect();
    assert!(codes.contains(&"unknown-target".into()) && codes.contains(&"unknown-key".into()), "{codes:?}");

    let ran = run(&["check", "/nowhere/file.yaml"]);
    assert_eq!(ran.err, "error: cannot read /nowhere/file.yaml: no such file or directory\n");
    assert_eq!(ran.code, 1);
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let plain = run(&["check", "/nowhere/file.yaml"]);
    assert!(!plain.err.contains('\u{1b}'));
    let coloured = run(&["check", "/nowhere/file.yaml", "--color", "always"]);
    assert!(coloured.err.starts_with("\u{1b}[31merror:\u{1b}[0m"), "{}", coloured.err);
}

const ORDERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/orders.yaml");

/// Runs a command with lines on stdin.
fn piped(arguments: &[&str], lines: &str) -> common::Ran {
    use std::io::Write;
    use std::process::Stdio;
    let mut command = program();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_chart_is_simulated_by_a_script() {
    let script = "add {\"article\": \"tea\", \"price\": 3}\nplace\n+10m\nback\npay {\"amount\": 3}\nshop\ntick\nship\nquit\n";
    let ran = piped(&["simulate", ORDERS], script).ok();
    assert_eq!(ran.err, "");
    insta::assert_snapshot!(ran.out);
    let ran = piped(&["simulate", ORDERS], "back 3\n+5 minutes\nadd {1}\n");
    assert_eq!(ran.code, 1);
}

#[test]
fn a_chart_is_drawn() {
    let svg = run(&["draw", ORDERS]).ok();
    assert!(svg.out.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", svg.out);
    assert_eq!(svg.out, run(&["draw", ORDERS]).ok().out);
    insta::assert_snapshot!("drawn_as_svg", svg.out);
    insta::assert_snapshot!("drawn_as_mermaid", run(&["draw", ORDERS, "--format", "mermaid"]).ok().out);
    insta::assert_snapshot!("drawn_as_dot", run(&["draw", ORDERS, "--format", "dot"]).ok().out);
}

#[test]
fn a_chart_is_converted_with_losses_named() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = folder.path().join("orders.yaml");
    let same = run(&["convert", ORDERS, "--to", "yaml"]).ok();
    assert_eq!(same.err, "");
    std::fs::write(&yaml, &same.out).unwrap();
    let again = run(&["convert", yaml.to_str().unwrap(), "--to", "yaml"]).ok();
    assert_eq!(again.out, same.out);
    let scxml = run(&["convert", ORDERS, "--to", "scxml"]);
    assert_eq!(scxml.code, 1, "{scxml:?}");
    insta::assert_snapshot!("converted_to_scxml", format!("{}\n{}", scxml.out, scxml.err));
}

#[test]
fn findings_are_written_as_sarif() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(&file, "name: bad\ninitial: a\nstates:\n  a: {on: {go: nowhere}}\n  b: {}\n").unwrap();
    let ran = run(&["check", "--format", "sarif", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    let log = ran.json();
    assert_eq!(log["version"], "2.1.0");
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "unknown-target");
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((region["startLine"].as_u64(), region["startColumn"].as_u64()), (Some(4), Some(16)));
    assert_eq!((region["endLine"].as_u64(), region["endColumn"].as_u64()), (Some(4), Some(23)));
    let index = result["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], "unknown-target");
}

#[test]
fn a_property_that_does_not_hold_is_a_warning_with_its_story() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.yaml");
    let orders = "name: orders
initial: open
properties:
  - never: in('shipped')
states:
  open: {on: {ship: shipped}}
  shipped: {type: final}
";
    std::fs::write(&file, orders).unwrap();
    let path = file.to_str().unwrap();
    let ran = run(&["check", path]).ok();
    assert!(
        ran.out.starts_with("warning[broken-property]: \"never in('shipped')\" does not hold after `ship`"),
        "{ran:#?}"
    );
    assert!(
        ran.out.contains("orders.yaml:4:12") && ran.out.contains("orders/1, in open, receives `ship`"),
        "{ran:#?}"
    );
    assert_eq!(run(&["check", "--strict", path]).code, 1);
    let allowed = orders.replace("initial", "allow: {broken-property: shipping is tried out}\ninitial");
    std::fs::write(&file, allowed).unwrap();
    assert_eq!(run(&["check", "--strict", path]).ok().out, "");
}

/// A counter that goes one too far.
const GATE: &str = "
definitions:
  - name: gate
    context: {inside: 0}
    initial: open
    states: {open: {on: {enter: {actions: {assign: {inside: context.inside + 1}}}}}}
cast: {gate: gate/1}
environment: [{to: gate, event: enter, times: 3}]
properties: [{name: not too many, never: gate.context.inside > 1}]
";

#[test]
fn a_system_is_explored_and_its_trace_replays() {
    let folder = tempfile::tempdir().unwrap();
    let (system, trace) = (folder.path().join("gate.system.yaml"), folder.path().join("many.trace.json"));
    std::fs::write(&system, GATE).unwrap();
    let (file, saved) = (system.to_str().unwrap(), trace.to_str().unwrap());
    let ran = run(&["explore", file, "--trace", saved, "--quiet"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out,
        "\
not too many is broken: this holds: gate.context.inside > 1
     at the beginning: gate/1 in open
   1 gate/1, in open, receives `enter` from outside: stays
   2 gate/1, in open, receives `enter` from outside: stays
     in the end:
       gate open {\"inside\":2}
broken: 4 worlds, 3 steps, 0 left out by reduction, 3 deep, 3 ends
"
    );
    let ran = run(&["replay", saved]);
    assert_eq!(
        (ran.code, ran.out.lines().next()),
        (1, Some("not too many is broken: this holds: gate.context.inside > 1"))
    );
    let ran = run(&["explore", file, "--replay", folder.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "0 mended, 1 still broken, 0 refused\n"));

    std::fs::write(&system, GATE.replace("inside + 1", "inside + 0")).unwrap();
    let ran = run(&["explore", file]).ok();
    assert_eq!(ran.out, "complete: 4 worlds, 3 steps, 0 left out by reduction, 3 deep, 4 ends\n");
    let ran = run(&["replay", saved]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("definition gate:v1 has another text"), "{ran:#?}");

    std::fs::write(&system, GATE.replace("gate.context.inside", "gate.context.insight")).unwrap();
    let ran = run(&["explore", file]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("gate.system.yaml:9:"), "{ran:#?}");
}

const DOOR: &str = "../../examples/door.yaml";

#[test]
fn coverage_of_a_script_is_told_with_places() {
    let folder = tempfile::tempdir().unwrap();
    let (script, picture) = (folder.path().join("door.script"), folder.path().join("missed.svg"));
    std::fs::write(&script, "# in and out\nopen\nclose\n+30s\nunlock {\"code\": 1}\nopen\n").unwrap();
    let (script, picture) = (script.to_str().unwrap(), picture.to_str().unwrap());
    let ran = run(&["coverage", DOOR, script, "--least", "90", "--draw", picture]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("90 % are asked for"), "{}", ran.err);
    let told = "\
../../examples/door.yaml: 4 of 5 states entered (80 %), 4 of 9 transitions taken (44 %)
  18:11    never taken    closed.unlocked: lock -> closed.locked
  22:11    never taken    closed.locked: unlock [event.code == context.code] -> closed.unlocked
  33:7     never taken    open: after.5m.open
  34:3     never entered  alarm
  37:7     never taken    alarm: all-clear -> closed.last
  39:3     never taken    the machine: alarm -> alarm
";
    assert_eq!(ran.out, told);
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
    let json = run(&["coverage", DOOR, script, "--json"]).ok().json();
    assert_eq!(json["definition"], "door:v1");
    let mut transitions = json["transitions"].as_array().unwrap().iter();
    let open = transitions.find(|one| one["events"] == serde_json::json!(["open"])).unwrap();
    assert_eq!((open["taken"].as_u64(), open["line"].as_u64()), (Some(1), Some(17)), "{open}");
    let alarm = json["states"].as_array().unwrap().iter().find(|state| state["path"] == "alarm").unwrap();
    assert_eq!((alarm["entered"].as_u64(), alarm["line"].as_u64()), (Some(0), Some(34)), "{alarm}");
    std::fs::write(folder.path().join("bad"), "back 4\n").unwrap();
    let ran = run(&["coverage", DOOR, folder.path().join("bad").to_str().unwrap()]);
    assert!(ran.code == 1 && ran.err.contains("line 1: there are 0 steps"), "{}", ran.err);
}

#[test]
fn coverage_of_histories_is_that_of_their_turns() {
    let turn = |at: u64, event: &str, to: &str| {
        let event = if event.is_empty() {
            "null".into()
        } else {
            format!("{{\"id\":\"e{at}\",\"name\":\"{event}\",\"data\":null}}")
        };
        format!(
            "{{\"address\":\"door/{}\",\"sequence\":{at},\"time\":\"2026-01-01T00:00:0{at}Z\",\"event\":{event},\
             \"sender\":\"client\",\"start_data\":null,\"outcome\":{{\"code\":\"ok\",\"to\":[\"{to}\"]}}}}\n",
            7
        )
    };
    let history =
        [turn(1, "", "closed.unlocked"), turn(2, "lock", "closed.locked"), turn(3, "alarm", "alarm")]
            .concat();
    let ran = piped(&["coverage", DOOR, "-"], &history).ok();
    assert!(ran.out.contains("4 of 5 states entered (80 %)"), "{}", ran.out);
    let other = history.replace("closed.locked", "open");
    let ran = piped(&["coverage", DOOR, "-"], &other);
    assert!(ran.code == 1 && ran.err.contains("the history of another definition"), "{}", ran.err);
    let cut = history.split_once('\n').unwrap().1;
    let ran = piped(&["coverage", DOOR, "-"], cut);
    assert!(ran.code == 1 && ran.err.contains("does not begin with its start"), "{}", ran.err);
}

#[test]
fn settings_are_printed_with_where_each_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.yaml");
    std::fs::write(&file, "queue-max: 7\nstreams-max: 8\nlisten: 127.0.0.1:3\n").unwrap();
    let print = |file: &std::path::Path, more: &[&str]| {
        let mut command = program();
        command.args(["serve", "--print-config", "--listen", "127.0.0.1:1", "--config"]).arg(file);
        command.args(more).env("EVERSTATE_STREAMS_MAX", "9");
        common::Ran::from(command.output().unwrap())
    };
    let ran = print(&file, &[]).ok();
    let line = |name: &str| {
        let line = ran.out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{ran:#?}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ").replace(&file.display().to_string(), "e.yaml")
    };
    assert_eq!(line("listen:"), "listen: \"127.0.0.1:1\" # flag");
    assert_eq!(line("streams-max:"), "streams-max: \"9\" # environment");
    assert_eq!(line("queue-max:"), "queue-max: \"7\" # in e.yaml:1:1");
    assert_eq!(line("engine:"), "engine: \"embedded\" # default");
    assert_eq!(line("# tokens:"), "# tokens: # not set");
    let again = folder.path().join("again.yaml");
    std::fs::write(&again, &ran.out).unwrap();
    let read = print(&again, &["--json"]).ok().json();
    assert_eq!(read["queue-max"]["value"], "7");

    std::fs::write(&file, "queue-max: 7\nqueues-max: 8\n").unwrap();
    let wrong = print(&file, &[]);
    assert_eq!(wrong.code, 2, "{wrong:#?}");
    assert!(wrong.err.contains("e.yaml:2:1); did you mean queue-max?"), "{wrong:#?}");
}
