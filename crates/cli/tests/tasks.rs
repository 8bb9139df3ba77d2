//! Tasks with the real program: a worker in the shell, requests that the server makes, and power cuts on both sides.

#![allow(missing_docs)]
#![cfg(unix)]

mod common;

use common::Server;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

const PAYMENTS: &str = r#"
name: payments
context: {results: 0, receipt: null, why: null}
initial: charging
states:
  charging:
    invoke:
      task: charge-card
      id: charge
      input: {order: instance.id}
      retry: {attempts: 100, backoff: 50ms, max: 200ms}
      timeout: 3s
      onDone:
        target: paid
        actions: {assign: {results: context.results + 1, receipt: event}}
      onError:
        target: refused
        actions: {assign: {why: event.code + "/" + event.message}}
    on:
      cancel: refused
  paid: {on: {again: charging}}
  refused: {on: {again: charging}}
"#;

fn folder(definition: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/machine.yaml"), definition).unwrap();
    folder
}

/// A worker that runs until it is killed.
fn worker(server: &Server, command: &str) -> Child {
    let arguments =
        ["tasks", "work", "charge-card", "--concurrency", "2", "--exec", command, "--patience", "60s"];
    server.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn power_cuts_on_both_sides_leave_each_task_with_one_effect() {
    const PAYMENTS_MAX: usize = 24;
    let folder = folder(PAYMENTS);
    let log = folder.path().join("charged");
    let command = format!(
        "cat > /dev/null; echo \"$EVERSTATE_TASK_KEY\" >> {}; echo '{{\"ok\": true}}'",
        log.display()
    );
    let server = Server::start(folder.path());
    for number in 0..PAYMENTS_MAX {
        server.run(&["start", "payments", &number.to_string()]).ok();
    }
    let mut first = worker(&server, &command);
    server.run(&["await", "payments/3", "--in", "paid", "--timeout", "60s"]).ok();
    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = worker(&server, &command);
    server.run(&["await", "payments/10", "--in", "paid", "--timeout", "60s"]).ok();
    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    for number in 0..PAYMENTS_MAX {
        let address = format!("payments/{number}");
        let paid = server.json(&["await", &address, "--in", "paid", "--timeout", "60s"]);
        assert_eq!(paid["context"]["results"], 1, "{paid}");
        assert_eq!(paid["context"]["receipt"], json!({"ok": true}));
        let history = server.run(&["history", &address, "--json"]).ok().lines();
        let told = history.iter().filter(|turn| turn["event"]["name"] == "done.task.charge").count();
        assert_eq!(told, 1, "{history:?}");
    }
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(server.run(&["tasks", "--json"]).ok().out, "", "nothing is open");
    let mut charged: BTreeMap<String, usize> = BTreeMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        *charged.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(charged.len(), PAYMENTS_MAX, "each was charged at least once, under one key: {charged:?}");
}

#[test]
fn what_is_open_is_shown_and_done_in_the_shell() {
    let folder = folder(PAYMENTS);
    let server = Server::start(folder.path());
    server.run(&["start", "payments", "1"]).ok();
    let open = server.run(&["tasks", "--queue", "charge-card", "--json"]).ok().lines();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0]["state"], &open[0]["name"]), (&json!("ready"), &json!("charge")));
    let of = server.run(&["tasks", "--of", "payments/1", "--json"]).ok().lines();
    assert_eq!(of[0]["input"], json!({"order": "1"}));
    let why = server.run(&["why", "payments/1"]).ok().out;
    assert!(why.contains("task charge  ready"), "{why}");
    assert!(server.run(&["tasks"]).ok().out.contains("charge-card"));
    assert_eq!(server.run(&["tasks", "--queue", "nobody", "--json"]).ok().out, "");

    let work =
        |command: &str| server.run(&["tasks", "work", "charge-card", "--count", "1", "--exec", command]).ok();
    let told = work("echo 'no route' >&2; exit 7").err;
    assert!(told.contains("charge of payments/1, attempt 1: no route"), "{told}");
    let told = work("echo 'declined' >&2; exit 65").err;
    assert!(told.contains("attempt 2: declined"), "{told}");
    let refused = server.json(&["await", "payments/1", "--in", "refused", "--timeout", "30s"]);
    assert_eq!(refused["context"]["why"], "exit-65/declined");
    server.run(&["send", "payments/1", "again"]).ok();
    work("printf 'receipt 7'");
    let paid = server.json(&["get", "payments/1"]);
    assert_eq!((&paid["states"], &paid["context"]["receipt"]), (&json!(["paid"]), &json!("receipt 7")));
    assert_eq!(paid["tasks"], json!([]));

    let forged = server.run(&["send", "payments/1", "done.task.charge"]);
    assert_eq!(forged.code, 1);
    assert!(forged.out.contains("only the kernel tells of tasks"), "{forged:?}");
    let bad = server.run(&["tasks", "work", "not a queue", "--exec", "true"]);
    assert!(bad.code != 0 && bad.err.contains("the name of a queue of tasks is not usable"), "{bad:?}");
}

const REQUESTS: &str = r#"
name: requests
context: {to: null, result: null, why: null}
initial: asking
states:
  asking:
    invoke:
      http: {url: "${context.to}", headers: {x-order: "${instance.id}"}}
      input: {amount: 3}
      retry: {attempts: 3, backoff: 10ms}
      onDone: {target: answered, actions: {assign: {result: event}}}
      onError: {target: refused, actions: {assign: {why: event.code}}}
  answered: {type: final}
  refused: {type: final}
"#;

/// Answers requests in order with these; tells what was asked.
fn outside(
    listener: TcpListener,
    answers: &[(&'static str, &'static str)],
) -> std::thread::JoinHandle<Vec<String>> {
    let answers = answers.to_vec();
    std::thread::spawn(move || {
        let answer = |(status, body): (&str, &str)| {
            let (stream, _) = listener.accept().unwrap();
            let asked = request(&stream);
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            (&stream).write_all(text.as_bytes()).unwrap();
            asked
        };
        answers.into_iter().map(answer).collect()
    })
}

fn request(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if let Some(count) = line.to_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().unwrap();
        }
        text += &line.to_lowercase();
        if line.trim().is_empty() {
            let mut body = vec![0; length];
            lines.read_exact(&mut body).unwrap();
            return text + &String::from_utf8(body).unwrap();
        }
    }
}

fn start_request(server: &Server, id: &str, to: &str) {
    let data = json!({"to": to}).to_string();
    server.run(&["start", "requests", id, "--data", &data]).ok();
}

fn served(folder: &Path, allowed: &str) -> Server {
    Server::start_with(folder, "127.0.0.1:0", &["--http-worker-allow", allowed])
}

#[test]
fn the_server_makes_requests_where_it_may() {
    let folder = folder(REQUESTS);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let allowed = format!("http://{}/v1", listener.local_addr().unwrap());
    let answers = [("503 Busy", "later"), ("200 OK", "{\"receipt\": 7}"), ("404 Not Found", "none")];
    let outside = outside(listener, &answers);
    let server = served(folder.path(), &allowed);
    start_request(&server, "1", &format!("{allowed}/charges"));
    let answered = server.json(&["await", "requests/1", "--in", "answered", "--timeout", "30s"]);
    assert_eq!(answered["context"]["result"], json!({"receipt": 7}));
    start_request(&server, "2", &format!("{allowed}/nothing"));
    let refused = server.json(&["await", "requests/2", "--in", "refused", "--timeout", "30s"]);
    assert_eq!(refused["context"]["why"], "http-404");
    let asked = outside.join().unwrap();
    let key = |asked: &str| {
        let line = asked.lines().find(|line| line.starts_with("idempotency-key:"));
        line.unwrap_or_else(|| panic!("no key: {asked}")).to_owned()
    };
    assert_eq!(key(&asked[0]), key(&asked[1]), "the same in every attempt");
    assert_ne!(key(&asked[1]), key(&asked[2]));
    assert!(
        asked[0].starts_with("post /v1/charges http/1.1") && asked[0].ends_with("{\"amount\":3}"),
        "{}",
        asked[0]
    );
    assert!(asked[0].contains("x-order: 1"), "{}", asked[0]);
    for (id, to) in [("3", allowed.replace("/v1", "/v2")), ("4", format!("{allowed}/../v2"))] {
        start_request(&server, id, &to);
        let address = format!("requests/{id}");
        let refused = server.json(&["await", &address, "--in", "refused", "--timeout", "30s"]);
        assert_eq!(refused["context"]["why"], "not-allowed", "{to}");
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn without_a_word_the_server_makes_no_requests() {
    let folder = folder(REQUESTS);
    let server = Server::start(folder.path());
    start_request(&server, "1", "http://127.0.0.1:1/");
    let why = server.run(&["why", "requests/1"]).ok().out;
    assert!(why.contains("ready") && why.contains("queue http"), "{why}");
}
