//! `migrate-from-redis`, from a real Redis to clients that find what they knew.

mod common;
#[path = "common/outside.rs"]
mod outside;
#[path = "redis/source.rs"]
mod source;

use common::{Ran, Server, program, run};
use everstate_api::v1beta::event_outcome::StatusCode;
use serde_json::{Value as Json, json};
use source::{Redis, Writer, event, order, orders, transition};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// Orders that are as they should be.
const ORDERS: usize = 400;

/// Fills it with [`ORDERS`], a failed event, and nothing that is wrong.
fn fill(redis: &mut Redis) {
    let mut writer = Writer::new(redis);
    for version in ["v1", "v2"] {
        writer.put(&orders(version));
    }
    for number in 0..ORDERS {
        let version = if number % 4 == 0 { "v1" } else { "v2" };
        writer.machine(&format!("{number}"), &order(version, &format!("o{number}"), number % 6));
    }
    writer.set("events:test.orders#early", &event("early", transition("", "", "sign"), 1_700_000_000));
    let failed =
        writer.outcome_of("test.orders", "0", StatusCode::InternalError, "unexpected event transition");
    writer.set("events:test.orders:outcome#early", &failed);
    writer.raw("session:7", b"of somebody else");
    writer.flush();
}

/// Adds one of everything that can be wrong.
fn spoil(redis: &mut Redis) {
    let mut writer = Writer::new(redis);
    let mut lonely = orders("v3");
    lonely.states.push("never used".into());
    writer.put(&lonely);
    writer.set("configs#test.orders:v4", &orders("v4"));
    writer.add("configs#test.orders", "test.orders:v5");
    writer.set("configs#other:v1", &orders("v1"));

    writer.machine("of-nothing", &order("v9", "x", 0));
    writer.machine("of-refused", &order("v3", "x", 0));
    let mut nowhere = order("v2", "nowhere", 0);
    nowhere.state = "nowhere".into();
    writer.machine("nowhere", &nowhere);
    writer.raw("fsm:test.orders#noise", b"\xff\xff\xff");
    writer.add("fsm:test.orders#a-set", "1");
    // Kept, with the history as told.
    let mut broken = order("v2", "broken", 3);
    broken.history.remove(1);
    writer.machine("broken", &broken);
    let mut twice = order("v2", "twice", 2);
    twice.history[1].event_id = "twice-accept".into();
    writer.machine("twice", &twice);
    writer.machine("odd id/#1", &order("v4", "odd", 1));

    writer.add("fsm:test.orders:state#closed", "1");
    writer.add("fsm:test.orders:state#closed", "nobody");
    writer.set("events:test.orders#waits", &event("waits", transition("", "", "sign"), 1_700_000_000));
    writer.raw("events:test.orders:outcome#noise", b"\xff\xff\xff");
    writer.flush();
    let key: &[u8] = b"fsm:test.orders#\xff";
    let () = redis::cmd("SET").arg(key).arg("x").query(&mut redis.connection).unwrap();
}

fn migrate(redis: &Redis, data: &Path, more: &[&str]) -> Ran {
    run(&[&["migrate-from-redis", &redis.url, "--data", data.to_str().unwrap()], more].concat())
}

fn number(document: &Json, path: &str) -> u64 {
    document.pointer(path).and_then(Json::as_u64).unwrap_or_else(|| panic!("{path} in {document:#}"))
}

/// A call as a client of go-statemachine makes it, in JSON: the status and the answer.
fn call(server: &Server, method: &str, request: &Json) -> (u16, Json) {
    let body = request.to_string();
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        // HTTP/1.0 has no chunks.
        "POST /statemachine.v1beta.StatemachineService/{method} HTTP/1.0\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

#[test]
fn what_lay_in_redis_is_there_with_history_and_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut redis) = source::start(folder.path()) else { return };
    fill(&mut redis);
    let data = folder.path().join("data");

    let dry = migrate(&redis, &data, &["--dry-run", "--json"]).ok().json();
    assert!(!data.exists(), "a dry run makes no folder");
    let told = migrate(&redis, &data, &["--json"]).ok().json();
    for path in [
        "/configurations/imported",
        "/fsms/imported",
        "/history_events",
        "/outcomes/imported",
        "/outcomes/already_there",
        "/events/found",
        "/state_set_members",
        "/other_keys",
    ] {
        assert_eq!(number(&dry, path), number(&told, path), "{path}");
    }
    let events: usize = (0..ORDERS).map(|number| number % 6).sum();
    assert_eq!(number(&told, "/configurations/imported"), 2);
    assert_eq!(number(&told, "/fsms/imported"), ORDERS as u64);
    assert_eq!(number(&told, "/history_events"), events as u64);
    assert_eq!(number(&told, "/outcomes/imported"), 1);
    assert_eq!(number(&told, "/outcomes_told_by_history"), events as u64);
    assert_eq!(number(&told, "/events/found"), events as u64 + 1);
    assert_eq!(number(&told, "/state_set_members"), ORDERS as u64);
    assert_eq!(number(&told, "/other_keys"), 1);
    assert_eq!(told["problems"], json!({}));

    // More has come since; what is there stays as it is.
    let mut writer = Writer::new(&mut redis);
    writer.machine("late", &order("v2", "late", 1));
    writer.flush();
    let again = migrate(&redis, &data, &["--json"]).ok().json();
    assert_eq!(number(&again, "/configurations/imported"), 0);
    assert_eq!(number(&again, "/fsms/imported"), 1);
    assert_eq!(number(&again, "/fsms/already_there"), ORDERS as u64);
    assert_eq!(number(&again, "/outcomes/imported"), 0);

    let text = migrate(&redis, &data, &["--dry-run"]).ok().out;
    assert!(text.contains("to import") && text.contains("this was a dry run"), "{text}");

    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    served(&Server::start(folder.path()));
}

/// What clients find.
fn served(server: &Server) {
    let (_, all) = call(server, "GetAllInState", &json!({ "config": "test.orders" }));
    assert_eq!(all["ids"].as_array().unwrap().len(), ORDERS + 1);
    let (_, closed) = call(server, "GetAllInState", &json!({ "config": "test.orders", "state": "closed" }));
    assert_eq!(closed["ids"].as_array().unwrap().len(), (0..ORDERS).filter(|number| number % 6 == 5).count());
    let (_, fsm) = call(server, "GetFiniteStateMachine", &json!({ "config": "test.orders", "id": "3" }));
    assert_eq!((&fsm["configId"], &fsm["state"]), (&json!("test.orders:v2"), &json!("delivered")));
    let history = fsm["history"].as_array().unwrap();
    let ids: Vec<_> = history.iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["o3-accept", "o3-ship", "o3-deliver"]);
    assert_eq!(
        history[1],
        json!({
            "eventId": "o3-ship", "timestamp": "2023-11-14T22:13:21Z", "originator": "shop",
            "details": "{\"at\":1700000001}",
            "transition": { "from": "pending", "to": "shipping", "event": "ship" },
        })
    );
    let turns = server.run(&["history", "test.orders/3", "--json"]).ok().lines();
    assert_eq!(turns.len(), 4, "its start and three events: {turns:#?}");

    let outcome = |id: &str| call(server, "GetEventOutcome", &json!({ "config": "test.orders", "id": id })).1;
    assert_eq!(outcome("o3-ship")["outcome"]["id"], json!("3"));
    let early = &outcome("early")["outcome"];
    assert_eq!(early["code"], json!("InternalError"));
    assert!(early["details"].as_str().unwrap().contains("unexpected event transition"), "{early}");

    // The same event again is the same event, and the next one goes on from there.
    let send = |id: &str, name: &str, at: i64| {
        let event = json!({
            "eventId": id, "transition": { "event": name }, "originator": "shop",
            "details": format!("{{\"at\":{at}}}"),
        });
        call(server, "SendEvent", &json!({ "config": "test.orders", "id": "3", "event": event })).0
    };
    assert_eq!(send("o3-ship", "ship", 1_700_000_001), 200);
    assert_eq!(send("new", "sign", 1), 200);
    let (_, fsm) = call(server, "GetFiniteStateMachine", &json!({ "config": "test.orders", "id": "3" }));
    assert_eq!(fsm["state"], json!("completed"));
    assert_eq!(fsm["history"].as_array().map(Vec::len), Some(4));
}

#[test]
fn what_is_wrong_is_named_and_nothing_else_suffers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut redis) = source::start(folder.path()) else { return };
    fill(&mut redis);
    spoil(&mut redis);
    let data = folder.path().join("data");
    let list = folder.path().join("problems.jsonl");
    let list = ["--problems", list.to_str().unwrap()];

    let dry = migrate(&redis, &data, &[&list[..], &["--dry-run", "--json"]].concat());
    let told = migrate(&redis, &data, &[&list[..], &["--json"]].concat());
    assert_eq!((dry.code, told.code), (1, 1), "{told:#?}");
    assert_eq!(dry.json()["problems"], told.json()["problems"]);
    let told = told.json();
    assert_eq!(
        told["problems"],
        json!({
            "configuration-missing": 3, "configuration-unlisted": 2, "event-repeated": 1, "event-undecided": 1,
            "history-broken": 1, "invalid-configuration": 1, "listed-elsewhere": 1, "listed-missing": 1,
            "malformed-key": 1, "malformed-value": 3, "unknown-state": 1, "wrong-type": 1,
        })
    );
    assert_eq!(number(&told, "/fsms/imported"), ORDERS as u64 + 3);
    let problems: Vec<Json> = std::fs::read_to_string(list[1])
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let skipped = problems.iter().filter(|problem| problem["skipped"] == json!(true)).count();
    assert_eq!(skipped as u64, number(&told, "/skipped"));
    let total: u64 = told["problems"].as_object().unwrap().values().filter_map(Json::as_u64).sum();
    assert_eq!(problems.len() as u64, total);
    let noise = problems.iter().find(|problem| problem["key"] == json!("fsm:test.orders#noise")).unwrap();
    assert_eq!((&noise["reason"], &noise["skipped"]), (&json!("malformed-value"), &json!(true)));

    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    let server = Server::start(folder.path());
    for (id, state, events) in
        [("broken", "delivered", 2), ("twice", "shipping", 2), ("odd id/#1", "pending", 1)]
    {
        let (_, fsm) = call(&server, "GetFiniteStateMachine", &json!({ "config": "test.orders", "id": id }));
        assert_eq!(fsm["state"], json!(state), "{id}");
        assert_eq!(fsm["history"].as_array().map(Vec::len), Some(events), "{id}");
    }
    let (status, _) =
        call(&server, "GetFiniteStateMachine", &json!({ "config": "test.orders", "id": "noise" }));
    assert_eq!(status, 404);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_stopped() {
    const NUMBER: usize = 6_000;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut redis) = source::start(folder.path()) else { return };
    let mut writer = Writer::new(&mut redis);
    writer.put(&orders("v1"));
    let (mut events, mut broken) = (0, 0);
    for at in 0..NUMBER {
        let mut order = order("v1", &format!("o{at}"), at % 3);
        events += at % 3;
        if at % 1_200 == 2 {
            // It is named, so that there is a line to wait for.
            order.history.pop();
            events -= 2;
            broken += 1;
        }
        writer.machine(&format!("{at}"), &order);
    }
    writer.flush();
    let data = folder.path().join("data");
    let mut killed = program()
        .args(["migrate-from-redis", &redis.url, "--data", data.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(killed.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("history-broken"), "{line}");
    killed.kill().unwrap();
    killed.wait().unwrap();

    let told = migrate(&redis, &data, &["--json"]).ok().json();
    let (imported, already) = (number(&told, "/fsms/imported"), number(&told, "/fsms/already_there"));
    assert_eq!(imported + already, NUMBER as u64);
    assert!(already > 0, "the line came after the commit");
    let again = migrate(&redis, &data, &["--json"]).ok().json();
    assert_eq!((number(&again, "/fsms/imported"), number(&again, "/outcomes/imported")), (0, 0));
    assert_eq!(number(&told, "/problems/history-broken"), broken);
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    let server = Server::start(folder.path());
    assert_eq!(number(&server.json(&["status"]), "/turns"), (NUMBER + events) as u64);
}

#[test]
fn a_redis_that_is_not_there_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let none = run(&["migrate-from-redis", "redis://127.0.0.1:1", "--data", data]);
    assert_eq!(none.code, 3, "{none:#?}");
    assert!(none.err.contains("cannot reach Redis on 127.0.0.1:1"), "{none:#?}");
    let wrong = run(&["migrate-from-redis", "http://:secret@x", "--data", data]);
    assert_eq!(wrong.code, 2, "{wrong:#?}");
    assert!(!wrong.err.contains("secret"), "{wrong:#?}");
    assert!(!Path::new(data).exists());
}

/// By hand: `EVERSTATE_FSMS=1000000 cargo test --release -p everstate-cli --test redis -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[allow(clippy::print_stderr, reason = "it tells what it has measured")]
fn how_many_fsms_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut redis) = source::start(folder.path()) else { return };
    let number: usize =
        std::env::var("EVERSTATE_FSMS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut writer = Writer::new(&mut redis);
    writer.put(&orders("v1"));
    for at in 0..number {
        writer.machine(&format!("{at}"), &order("v1", &format!("o{at}"), at % 4));
        if at % 1_000 == 0 {
            writer.flush();
        }
    }
    writer.flush();
    let began = Instant::now();
    let told = migrate(&redis, &folder.path().join("data"), &[]).ok();
    eprintln!("{:.1} s for {number} FSMs\n{}{}", began.elapsed().as_secs_f64(), told.out, told.err);
}
