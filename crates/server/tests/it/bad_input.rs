//! Requests that no honest client makes: each is answered with the right code, and the server lives on.

use crate::world::{SPEECHES, World, code, speak};
use buffa_types::google::protobuf::Value;
use everstate_api::v1;

const SEND: &str = "/everstate.v1.Everstate/SendEvent";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_json_and_http_are_refused() {
    let world = World::new().await;
    world.start("1").await;
    let deep = |levels: usize| {
        let data = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"address":"orders/1","event":{{"name":"note","data":{data}}}}}"#)
    };
    let event = |field: &str| format!(r#"{{"address":"orders/1","event":{{"name":"note",{field}}}}}"#);
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("not JSON", "{".into(), 400, "invalid_argument"),
        ("not UTF-8", "\u{fffd}{".into(), 400, "invalid_argument"),
        ("another type", r#"{"address": 7}"#.into(), 400, "invalid_argument"),
        ("nothing", "{}".into(), 400, "malformed"),
        ("no event", r#"{"address":"orders/1"}"#.into(), 400, "event is missing"),
        ("a bad address", r#"{"address":"orders/..","event":{"name":"x"}}"#.into(), 400, "must not be"),
        (
            "a control character",
            r#"{"address":"orders/a\u0007","event":{"name":"x"}}"#.into(),
            400,
            "not allowed",
        ),
        ("a large integer", event(r#""data":9007199254740993"#), 400, "send it as a string"),
        ("a bad time", event(r#""time":"yesterday""#), 400, "invalid_argument"),
        (
            "a name of a megabyte",
            event(&format!(r#""id":"x","name":"{}""#, "n".repeat(1 << 20))),
            400,
            "invalid_argument",
        ),
        ("too deep for JSON", deep(10_000), 400, "invalid_argument"),
        ("too deep for the wire", deep(60), 400, "invalid_argument"),
    ];
    for (what, body, status, words) in cases {
        let (found, answer) = world.post(SEND, &body).await;
        let answer: String = answer.chars().take(300).collect();
        assert_eq!(found, status, "{what}: {answer}");
        assert!(words == "malformed" || answer.contains(words), "{what}: {answer}");
    }
    let (status, answer) = world.post(SEND, &deep(20)).await;
    assert_eq!(status, 200, "{answer}");

    assert_eq!(world.post("/everstate.v1.Everstate/Nothing", "{}").await.0, 404);
    assert_eq!(world.raw("POST", SEND, "content-type: text/plain\r\n", b"{}").await.0, 415);
    assert!(matches!(world.raw("DELETE", SEND, "", b"").await.0, 404 | 405));
    assert!(world.raw("POST", SEND, "content-type: application/proto\r\n", &[0xff; 64]).await.0 == 400);
    let long = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    assert!(matches!(world.raw("GET", "/healthz", &long, b"").await.0, 431 | 400 | 0));
    world.send("orders/1", "alive", "note").await.expect("the server lives");
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused() {
    let world = World::with(crate::world::config(&[("request-bytes-max", "3000000")])).await;
    world.put(crate::world::ORDERS).await.expect("put");
    world.start("1").await;
    let large = v1::PutDefinitionRequest { source: "x".repeat(4_000_000), ..Default::default() };
    for (protocol, codec) in SPEECHES {
        let client = speak(&world.server, protocol, codec);
        let error = client.put_definition(large.clone()).await.expect_err("refused");
        assert_eq!(error.code, connectrpc::ErrorCode::ResourceExhausted, "{protocol:?}: {error:?}");
        let mut event = crate::world::event("orders/1", "big", "note", "{}");
        if let Some(event) = event.event.as_option_mut() {
            event.data = Some(Value::from("x".repeat(2_000_000))).into();
        }
        assert_eq!(code(&client.send_event(event).await.expect_err("refused")), "too-large");
        let item = v1::send_events_request::Item { address: "orders/1".into(), ..Default::default() };
        let many = v1::SendEventsRequest { events: vec![item; 10_001], ..Default::default() };
        assert_eq!(code(&client.send_events(many).await.expect_err("refused")), "too-large");
    }
    world.send("orders/1", "alive", "note").await.expect("the server lives");
    world.server.stop().await.expect("stopped");
}
