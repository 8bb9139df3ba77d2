//! Connectors with the real program and the queues of others: events come in through a queue while servers and connectors
//! are killed, and every notification goes out.

#![allow(missing_docs)]
#![cfg(unix)]

mod common;
#[path = "common/outside.rs"]
mod outside;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buffa::Message as _;
use common::Server;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::{Event, EventRequest, EventResponse, Transition};
use outside::{Ends, Nats, Sqs, Wire, until};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;

/// Steps are taken in their order or refused, so that an event out of order shows.
const COUNTERS: &str = "\
name: counters
create: on-demand
context: {last: 0}
initial: counting
states:
  counting:
    on:
      step:
        guard: event.n == context.last + 1
        actions: {assign: {last: event.n}}
      said:
        guard: event.details == string(context.last + 1)
        actions: {assign: {last: context.last + 1}}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/counters.yaml"), COUNTERS).unwrap();
    folder
}

/// A connector that runs until it is killed or told to stop. What it says lies in the folder's `connector.log`.
fn connector(server: &Server, file: &Path, environment: &[(&str, &str)]) -> Ends {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log(file)).unwrap();
    let mut command = server.command(&["connect"]);
    command.arg(file).envs(environment.iter().copied()).stdin(Stdio::null());
    Ends(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn log(file: &Path) -> PathBuf {
    file.with_file_name("connector.log")
}

fn stop(mut connector: Ends, file: &Path) {
    let id = connector.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let code = connector.0.wait().unwrap().code();
    assert_eq!(code, Some(0), "{}", std::fs::read_to_string(log(file)).unwrap());
}

/// What is sent: so many steps for each of so many counters, and now and then something that is refused.
#[derive(Clone, Copy)]
struct Load {
    counters: usize,
    steps: usize,
}

const REFUSED_EVERY: usize = 5;

impl Load {
    /// Counter, event id, name, number: in the order in which they are sent.
    fn events(self) -> Vec<(usize, String, &'static str, usize)> {
        let mut events = Vec::new();
        for n in 1..=self.steps {
            for counter in 0..self.counters {
                events.push((counter, format!("c{counter}-{n}"), "step", n));
                if n % REFUSED_EVERY == 0 {
                    events.push((counter, format!("c{counter}-{n}-x"), "nonsense", n));
                }
            }
        }
        events
    }

    fn refused(self) -> BTreeSet<String> {
        self.events().into_iter().filter(|event| event.2 == "nonsense").map(|event| event.1).collect()
    }

    /// Every event was applied once and in order; answers the turns by address and sequence.
    fn assert_applied(self, server: &Server) -> BTreeSet<(String, u64)> {
        let mut turns = BTreeSet::new();
        for counter in 0..self.counters {
            let address = format!("counters/{counter}");
            let condition = format!("context.last == {}", self.steps);
            server.run(&["await", &address, "--where", &condition, "--timeout", "300s"]).ok();
            let history = server.run(&["history", &address, "--json", "--limit", "10000"]).ok().lines();
            let of = |turn: &Json| turn["event"]["id"].as_str().unwrap_or_default().to_owned();
            let ids: Vec<String> = history.iter().map(of).filter(|id| id.starts_with('c')).collect();
            let sent = self.events().into_iter().filter(|event| event.0 == counter);
            // The last refused one may not be there yet when the last step is.
            let sent: Vec<String> = sent.map(|event| event.1).collect();
            assert!(ids == sent || ids[..] == sent[..sent.len() - 1], "{address}: {ids:?}");
            for turn in &history {
                let ok = turn["outcome"]["code"] == "ok";
                assert_eq!(ok, !of(turn).ends_with("-x"), "{turn}");
                turns.insert((address.clone(), turn["sequence"].as_u64().unwrap()));
            }
        }
        turns
    }
}

/// Server and connector are killed while events come in.
fn through_kills(
    server: Server,
    file: &Path,
    environment: &[(&str, &str)],
    mut send: impl FnMut(usize),
) -> (Server, Ends) {
    let folder = server.folder.clone();
    let mut first = connector(&server, file, environment);
    send(0);
    server.run(&["await", "counters/0", "--where", "context.last >= 1", "--timeout", "300s"]).ok();
    send(1);
    let address = server.kill();
    let server = Server::start_on(&folder, &address);
    server.run(&["await", "counters/0", "--where", "context.last >= 2", "--timeout", "300s"]).ok();
    send(2);
    first.kill();
    let second = connector(&server, file, environment);
    (server, second)
}

/// Thirds of what is sent.
fn third<T>(all: &[T], part: usize) -> &[T] {
    let size = all.len().div_ceil(3);
    &all[(part * size).min(all.len())..((part + 1) * size).min(all.len())]
}

/// Reads notifications until none is missing; none of an instance came before an earlier one had.
fn assert_told(mut told: impl FnMut() -> Vec<Json>, turns: &BTreeSet<(String, u64)>) {
    let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut left: BTreeSet<(String, u64)> = turns.clone();
    while !left.is_empty() {
        for body in told() {
            let (address, sequence) = (body["address"].as_str().unwrap(), body["sequence"].as_u64().unwrap());
            let seen = seen.entry(address.to_owned()).or_default();
            let expected = seen.last().map_or(1, |last| last + 1);
            assert!(sequence <= expected, "{address}: {sequence} was told before {expected}");
            seen.insert(sequence);
            left.remove(&(address.to_owned(), sequence));
        }
    }
}

fn nats(load: Load) {
    let (folder, nats) = (folder(), Nats::start());
    Wire::stream(&nats, "IN", &["in.>"]);
    Wire::stream(&nats, "OUT", &["told", "refused", "dead"]);
    let [told, refused, dead] = ["told", "refused", "dead"].map(|subject| Wire::listen(&nats, subject));
    let next = |messages: &Receiver<String>| messages.recv_timeout(outside::PATIENCE).unwrap();
    let file = folder.path().join("connectors.yaml");
    let at = format!("nats://{}", nats.address);
    let text = format!(
        "sources:\n\
         \x20 - name: events-in\n\
         \x20   in_flight: 200\n\
         \x20   nats: {{server: '{at}', stream: IN, consumer: everstate, dead_letter: dead, hold: 1s}}\n\
         sinks:\n\
         \x20 - {{name: all-out, send: all, kinds: [counters], from: beginning, nats: {{server: '{at}', subject: told}}}}\n\
         \x20 - {{name: refused-out, from: beginning, nats: {{server: '{at}', subject: refused}}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let events = load.events();
    let mut wire = Wire::new(&nats);
    wire.publish("in.junk", "this is no event");
    let (server, running) = through_kills(Server::start(folder.path()), &file, &[], |part| {
        for (counter, id, name, n) in third(&events, part) {
            let event = json!({"id": id, "name": name, "data": {"n": n}});
            let body = json!({"address": format!("counters/{counter}"), "event": event});
            wire.publish(&format!("in.{counter}"), &body.to_string());
        }
        wire.flush();
    });
    let turns = load.assert_applied(&server);
    assert_told(|| vec![serde_json::from_str(&next(&told)).unwrap()], &turns);
    let mut missing = load.refused();
    while !missing.is_empty() {
        let body: Json = serde_json::from_str(&next(&refused)).unwrap();
        assert_eq!(body["outcome"]["code"], "rejected");
        missing.remove(body["event"]["id"].as_str().unwrap());
    }
    assert_eq!(next(&dead), "this is no event");
    stop(running, &file);
    let left = Wire::ask(&nats, "CONSUMER.INFO.IN.everstate", &json!({}));
    assert_eq!((&left["num_ack_pending"], &left["num_pending"]), (&json!(0), &json!(0)), "{left}");
}

#[test]
fn ten_thousand_events_come_through_nats_in_order_over_kills() {
    nats(Load { counters: 100, steps: 84 });
}

/// Does the program speak SQS? The workspace's tests build it so; the package's own only when asked to.
#[allow(clippy::print_stderr, reason = "whoever runs this shall see that nothing was tried")]
fn speaks_sqs(folder: &Path) -> bool {
    let file = folder.join("sqs.yaml");
    std::fs::write(&file, "sinks: [{name: a, sqs: {queue: q, region: r}}]\n").unwrap();
    let checked = common::run(&["connect", "--check", file.to_str().unwrap()]);
    if !checked.err.contains("was built without") {
        checked.ok();
        return true;
    }
    eprintln!("SKIPPED: {}", checked.err);
    false
}

fn sqs(load: Load) {
    let folder = folder();
    if !speaks_sqs(folder.path()) {
        return;
    }
    let Some(sqs) = Sqs::start() else { return };
    let (into, dead, out) = (sqs.queue("in.fifo"), sqs.queue("dead.fifo"), sqs.queue("out.fifo"));
    let file = folder.path().join("connectors.yaml");
    let common = format!("region: us-east-1, endpoint: '{}'", sqs.url);
    let text = format!(
        "sources:\n\
         \x20 - name: events-in\n\
         \x20   body: statemachine\n\
         \x20   in_flight: 200\n\
         \x20   sqs: {{queue: '{into}', dead_letter: '{dead}', hold: 2s, {common}}}\n\
         sinks:\n\
         \x20 - {{name: failures-out, body: statemachine, from: beginning, sqs: {{queue: '{out}', {common}}}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let send = |bodies: &[(String, String, String)]| {
        for some in bodies.chunks(10) {
            let entry = |(at, (group, id, body)): (usize, &(String, String, String))| json!({"Id": at.to_string(), "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id});
            let entries: Vec<Json> = some.iter().enumerate().map(entry).collect();
            let answer = sqs.call("SendMessageBatch", &json!({"QueueUrl": into, "Entries": entries}));
            assert!(answer["Failed"].as_array().is_none_or(Vec::is_empty), "{answer}");
        }
    };
    let body = |(counter, id, name, n): &(usize, String, &str, usize)| {
        let name = if *name == "step" { "said" } else { name };
        let transition = Transition { event: name.into(), ..Default::default() };
        let event = Event {
            event_id: id.clone(),
            transition: Some(transition).into(),
            details: n.to_string(),
            ..Default::default()
        };
        let request = EventRequest {
            event: Some(event).into(),
            config: "counters".into(),
            id: counter.to_string(),
            ..Default::default()
        };
        (counter.to_string(), id.clone(), STANDARD.encode(request.encode_to_vec()))
    };
    let bodies: Vec<_> = load.events().iter().map(body).collect();
    send(&[("junk".into(), "junk".into(), "%%%".into())]);
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let server = Server::start(folder.path());
    let (server, running) = through_kills(server, &file, &keys, |part| send(third(&bodies, part)));
    load.assert_applied(&server);
    let mut missing = load.refused();
    until("the refused events", || {
        for message in sqs.take(&out) {
            let bytes = STANDARD.decode(message["Body"].as_str().unwrap()).unwrap();
            let told = EventResponse::decode_from_slice(&bytes).unwrap();
            let outcome = told.outcome.as_option().unwrap();
            assert_eq!(outcome.code.as_known(), Some(StatusCode::EventNotAllowed));
            assert!(outcome.details.contains("\"nonsense\""), "{}", outcome.details);
            missing.remove(&told.event_id);
        }
        missing.is_empty().then_some(())
    });
    let rejected = until("the dead letter", || sqs.take(&dead).pop());
    assert_eq!(rejected["Body"], "%%%");
    let reason = &rejected["MessageAttributes"]["Reason"]["StringValue"];
    assert!(reason.as_str().is_some_and(|reason| reason.starts_with("body is not base64")), "{rejected}");
    stop(running, &file);
    assert_eq!(sqs.take(&into), [Json::Null; 0], "all was acknowledged");
}

#[test]
fn events_come_through_sqs_in_order_over_kills() {
    sqs(Load { counters: 10, steps: 10 });
}

#[test]
#[ignore = "ten thousand events take minutes: cargo test --workspace --test connectors -- --ignored"]
fn ten_thousand_events_come_through_sqs() {
    sqs(Load { counters: 100, steps: 84 });
}

/// An endpoint that fails now and then; what it took goes to the channel, as id and body.
fn endpoint(taken: std::sync::mpsc::Sender<(String, Json)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                // A connector that is killed leaves requests behind that are none.
                if lines.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some((name, value)) = line.split_once(": ") {
                    headers.insert(name.to_lowercase(), value.trim().to_owned());
                }
            }
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            if headers.is_empty() || lines.read_exact(&mut body).is_err() {
                continue;
            }
            assert!(headers["webhook-signature"].starts_with("v1,"));
            assert!(headers["webhook-timestamp"].parse::<u64>().is_ok());
            let fails = at % 4 == 1;
            if !fails
                && taken
                    .send((headers["webhook-id"].clone(), serde_json::from_slice(&body).unwrap()))
                    .is_err()
            {
                return;
            }
            let status = if fails { "503 Away" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn webhooks_are_told_every_turn_in_order_over_kills() {
    let folder = folder();
    let (taken, told) = std::sync::mpsc::channel();
    let url = endpoint(taken);
    let file = folder.path().join("connectors.yaml");
    let hook = format!("webhook: {{url: '{url}', secret: {{env: HOOK_SECRET}}}}");
    let text = format!("sinks:\n  - {{name: hook, send: all, kinds: [counters], from: beginning, {hook}}}\n");
    std::fs::write(&file, text).unwrap();
    let secret = [("HOOK_SECRET", "whsec_c2VjcmV0")];
    let server = Server::start(folder.path());
    let mut first = connector(&server, &file, &secret);
    let send = |server: &Server, n: usize| {
        for counter in ["0", "1", "2"] {
            let data = format!("{{\"n\": {n}}}");
            server.run(&["send", &format!("counters/{counter}"), "step", "--data", &data]).ok();
        }
    };
    send(&server, 1);
    let (id, body) = told.recv_timeout(outside::PATIENCE).unwrap();
    assert_eq!(id, format!("hook-{}", body["cursor"]));
    send(&server, 2);
    first.kill();
    send(&server, 3);
    let second = connector(&server, &file, &secret);
    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    send(&server, 4);
    let mut turns = BTreeSet::new();
    for counter in 0..3 {
        let history = server.run(&["history", &format!("counters/{counter}"), "--json"]).ok().lines();
        turns.extend(
            history.iter().map(|turn| (format!("counters/{counter}"), turn["sequence"].as_u64().unwrap())),
        );
    }
    let mut first = Some(body);
    let next = || vec![first.take().unwrap_or_else(|| told.recv_timeout(outside::PATIENCE).unwrap().1)];
    assert_told(next, &turns);
    stop(second, &file);
}

#[test]
fn a_connector_file_is_checked_and_secrets_stay_unsaid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connectors.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        common::run(&["connect", "--check", file.to_str().unwrap()])
    };
    let good = check("sinks:\n  - {name: a, webhook: {url: 'https://x', secret: {env: NOWHERE}}}\n");
    assert_eq!((good.code, good.err.as_str()), (0, "0 sources and 1 sink: no problems\n"));
    let bad = check("sinks:\n  - {name: a, webhook: {url: 'https://x', secret: whsec_hidden}}\n");
    assert_eq!(bad.code, 1);
    assert!(bad.out.contains("`secret` holds a secret itself") && bad.out.contains(":2:"), "{}", bad.out);
    std::fs::write(&file, "sinks:\n  - {name: a, webhook: {url: 'https://x', secret: {env: NOWHERE}}}\n")
        .unwrap();
    let ran = common::run(&["connect", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a: the environment has no NOWHERE"), "{}", ran.err);
}
