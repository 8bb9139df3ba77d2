//! Ten thousand events for a hundred FSMs through go-statemachine's gRPC, while the server is killed again and again.

#![allow(missing_docs)]

mod common;

use common::{Server, program};
use connectrpc::Protocol;
use connectrpc::client::{ClientConfig, HttpClient};
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::get_fsm_request::Query;
use everstate_api::v1beta::{
    Configuration, Event, EventRequest, FiniteStateMachine, GetFsmRequest, PutFsmRequest,
    StatemachineServiceClient, Transition,
};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FSMS: usize = 100;
const EVENTS: usize = 100;

/// States of the ring: an event that comes too soon, too late or twice is refused where it arrives.
const RING: usize = 7;

/// Every so many-th event is one that is not allowed.
const REFUSED_EVERY: usize = 10;

/// The server is killed when so many events have been answered.
const KILLS: [usize; 4] = [1_000, 3_000, 5_500, 8_000];

/// How long a client tries one call: far longer than a server takes to come back.
const PATIENCE_TRIES: usize = 3_000;

type Client = StatemachineServiceClient<HttpClient>;

/// The events of one FSM, in order: the id, the name, and where it leads unless it is refused.
fn events(fsm: usize) -> Vec<(String, String, Option<String>)> {
    let mut at = 0;
    let event = |n: usize| {
        let id = format!("f{fsm}-{n}");
        if n % REFUSED_EVERY == REFUSED_EVERY - 1 {
            return (id, "nonsense".to_owned(), None);
        }
        let name = format!("go{at}");
        at = (at + 1) % RING;
        (id, name, Some(format!("s{at}")))
    };
    (0..EVENTS).map(event).collect()
}

fn transition(from: &str, to: &str, event: &str) -> Transition {
    Transition { from: from.into(), to: to.into(), event: event.into(), ..Default::default() }
}

fn ring() -> Configuration {
    let step = |n: usize| transition(&format!("s{n}"), &format!("s{}", (n + 1) % RING), &format!("go{n}"));
    Configuration {
        name: "ring".into(),
        version: "v1".into(),
        starting_state: "s0".into(),
        states: (0..RING).map(|n| format!("s{n}")).collect(),
        transitions: (0..RING).map(step).collect(),
        ..Default::default()
    }
}

/// Asks until the server answers, which is away now and then.
macro_rules! asked {
    ($call:expr) => {{
        let mut tries = 0;
        loop {
            match $call.await {
                Ok(answer) => break answer.into_owned(),
                Err(error) => assert!(tries < PATIENCE_TRIES, "{error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }};
}

/// Sends the events of one FSM, each when the one before was answered.
async fn play(client: &Client, fsm: usize, answered: &AtomicUsize) {
    let machine = FiniteStateMachine { config_id: "ring:v1".into(), ..Default::default() };
    let put = PutFsmRequest { id: fsm.to_string(), fsm: Some(machine).into(), ..Default::default() };
    // One that is there already was put by a call whose answer was lost.
    let mut tries = 0;
    while let Err(error) = client.put_finite_state_machine(put.clone()).await {
        if error.code == connectrpc::ErrorCode::AlreadyExists {
            break;
        }
        assert!(tries < PATIENCE_TRIES, "{error}");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (id, name, _) in events(fsm) {
        let event = Event {
            event_id: id.clone(),
            transition: Some(transition("", "", &name)).into(),
            ..Default::default()
        };
        let request = EventRequest {
            event: Some(event).into(),
            config: "ring".into(),
            id: fsm.to_string(),
            ..Default::default()
        };
        assert_eq!(asked!(client.send_event(request.clone())).event_id, id);
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every event has its outcome, and the FSM the history of those that were allowed.
async fn check(client: &Client, fsm: usize) {
    let mut expected = Vec::new();
    let mut from = "s0".to_owned();
    for (id, name, to) in events(fsm) {
        let request = EventRequest { config: "ring".into(), id: id.clone(), ..Default::default() };
        let outcome = asked!(client.get_event_outcome(request.clone())).outcome.into_option().unwrap();
        let code = outcome.code.as_known().unwrap();
        let wanted = if to.is_some() { StatusCode::Ok } else { StatusCode::EventNotAllowed };
        assert_eq!(code, wanted, "{id}: {}", outcome.details);
        if let Some(to) = to {
            expected.push((id, name, std::mem::replace(&mut from, to.clone()), to));
        }
    }
    let query = Some(Query::Id(fsm.to_string()));
    let request = GetFsmRequest { config: "ring".into(), query, ..Default::default() };
    let found = asked!(client.get_finite_state_machine(request.clone()));
    let applied: Vec<_> = found
        .history
        .iter()
        .map(|event| {
            let transition = event.transition.as_option().unwrap();
            let Transition { event: name, from, to, .. } = transition.clone();
            (event.event_id.clone(), name, from, to)
        })
        .collect();
    assert_eq!((applied, found.state), (expected, from), "ring/{fsm}");
}

/// Turns that a follower was told of, over all restarts: each once, and those of an FSM in their order.
fn told(follower: impl BufRead) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in follower.lines() {
        let line: Json = serde_json::from_str(&line.unwrap()).unwrap();
        let turn = &line["turn"];
        if let Some(address) = turn["address"].as_str() {
            let id = turn["event"]["id"].as_str().unwrap_or_default();
            told.entry(address.to_owned()).or_default().push(id.to_owned());
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_come_through_grpc_over_kills() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(
        folder.path().join("definitions/lamp.yaml"),
        "{name: lamp, initial: off, states: {off: {}}}",
    )
    .unwrap();
    let mut server = Server::start(folder.path());
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let config = ClientConfig::new(server.url.parse().unwrap())
        .with_protocol(Protocol::Grpc)
        .with_default_timeout(Duration::from_secs(60));
    let client = Client::new(HttpClient::plaintext_http2_only(), config);
    asked!(client.put_configuration(ring()));
    // The start of each FSM is a turn as well.
    let turns = (FSMS * (EVENTS + 1)).to_string();
    let follow = ["follow", "ring", "--cursor", "0", "--turns", &turns, "--json", "--server", &server.url];
    let mut follower = program().args(follow).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap());
    let following = tokio::task::spawn_blocking(move || told(lines));

    let answered = std::sync::Arc::new(AtomicUsize::new(0));
    let players: Vec<_> = (0..FSMS)
        .map(|fsm| {
            let (client, answered) = (client.clone(), answered.clone());
            tokio::spawn(async move { play(&client, fsm, &answered).await })
        })
        .collect();
    for kill in KILLS {
        while answered.load(Ordering::Relaxed) < kill {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let all_ended = players.iter().all(tokio::task::JoinHandle::is_finished);
            assert!(!all_ended || answered.load(Ordering::Relaxed) >= kill, "the clients gave up");
        }
        server.kill();
        server = Server::start_on(folder.path(), &address);
    }
    for player in players {
        player.await.unwrap();
    }
    for fsm in 0..FSMS {
        check(&client, fsm).await;
    }
    let told = following.await.unwrap();
    assert_eq!(told.len(), FSMS);
    for fsm in 0..FSMS {
        let sent: Vec<String> = events(fsm).into_iter().map(|event| event.0).collect();
        assert_eq!(told[&format!("ring/{fsm}")][1..], sent, "ring/{fsm}");
    }
    assert!(follower.wait().unwrap().success());
}
