//! Requests that no honest client makes, for every rpc: each field absent, huge, or wrong. Every one is answered with
//! the right code, nothing is changed by it, and the server lives on.

use super::*;
use buffa_types::google::protobuf::Timestamp;

/// A name that is too long for anything.
fn huge() -> String {
    "h".repeat(2 << 20)
}

/// Texts that are no good name anywhere, and are not too long.
const ODD: [&str; 8] = ["", ":", "/", "..", "\u{0}", "\u{202e}", "~", "_x41_"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_configurations() {
    let machines = Machines::with_orders().await;
    for value in ODD.into_iter().map(String::from).chain([huge()]) {
        let found = machines.client.get_configuration(text(&value)).await;
        assert_eq!(found.expect_err("none").code, ErrorCode::NotFound);
        if !value.is_empty() {
            assert!(machines.configurations(&value).await.is_empty());
            let mut stream = machines.client.stream_all_configurations(text(&value)).await.expect("a stream");
            assert!(stream.message().await.expect("an end").is_none());
        }
    }
    type Change = fn(&mut Configuration);
    let changes: [Change; 12] = [
        |one| *one = Configuration::default(),
        |one| one.name = huge(),
        |one| one.version = huge(),
        |one| one.starting_state = huge(),
        |one| one.states[0] = huge(),
        |one| one.states = vec![String::new(); 1_000],
        |one| one.states = Vec::new(),
        |one| one.transitions = Vec::new(),
        |one| one.transitions = vec![Transition::default(); 10_000],
        |one| one.transitions[0].event = huge(),
        |one| one.transitions[0].from = huge(),
        |one| one.states.extend((0..30_000).map(|n| format!("more{n}"))),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut one = orders("v3");
        change(&mut one);
        let (code, message) = refusal(machines.configure(one).await);
        assert_eq!(code, ErrorCode::InvalidArgument, "{number}: {message}");
        assert!(message.len() < 8_000, "{number}: it travels in a header");
    }
    assert_eq!(machines.configurations("test.orders").await, ["test.orders:v2"]);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_fsms() {
    let machines = Machines::with_orders().await;
    let put = |id: &str, fsm: Option<FiniteStateMachine>| PutFsmRequest {
        id: id.into(),
        fsm: fsm.into(),
        ..Default::default()
    };
    let fsm = |config_id: &str, state: &str| {
        Some(FiniteStateMachine { config_id: config_id.into(), state: state.into(), ..Default::default() })
    };
    let aged = |event: Event| {
        fsm("test.orders:v2", "").map(|one| FiniteStateMachine { history: vec![event], ..one })
    };
    let no_time = Timestamp { seconds: i64::MAX, nanos: -1, ..Default::default() };
    let cases = [
        (put("1", None), ErrorCode::InvalidArgument),
        (put("", None), ErrorCode::InvalidArgument),
        (put("1", fsm("", "")), ErrorCode::FailedPrecondition),
        (put("1", fsm("test.orders", "")), ErrorCode::FailedPrecondition),
        (put("1", fsm("test.orders:v9", "")), ErrorCode::FailedPrecondition),
        (put("1", fsm(&huge(), "")), ErrorCode::FailedPrecondition),
        (put("1", fsm("test.orders:v2", "nowhere")), ErrorCode::InvalidArgument),
        (put("1", fsm("test.orders:v2", "~begin")), ErrorCode::InvalidArgument),
        (put("1", fsm("test.orders:v2", &huge())), ErrorCode::InvalidArgument),
        (put(&huge(), fsm("test.orders:v2", "")), ErrorCode::InvalidArgument),
        (
            put("1", aged(Event { timestamp: Some(no_time).into(), ..Default::default() })),
            ErrorCode::InvalidArgument,
        ),
        (put("1", aged(Event { details: huge(), ..Default::default() })), ErrorCode::ResourceExhausted),
    ];
    for (number, (request, code)) in cases.into_iter().enumerate() {
        let error = machines.client.put_finite_state_machine(request).await.expect_err("refused");
        assert_eq!(error.code, code, "{number}: {:?}", error.message);
    }
    assert!(machines.ids("test.orders", None).await.is_empty());

    let ask = |config: &str, query: Option<Query>| GetFsmRequest {
        config: config.into(),
        query,
        ..Default::default()
    };
    let id = |id: &str| Some(Query::Id(id.into()));
    let state = |state: &str| Some(Query::State(state.into()));
    for (request, code) in [
        (ask("", None), ErrorCode::InvalidArgument),
        (ask("", id("1")), ErrorCode::InvalidArgument),
        (ask("test.orders", None), ErrorCode::InvalidArgument),
        (ask("test.orders", id("")), ErrorCode::InvalidArgument),
        (ask("test.orders", state("start")), ErrorCode::InvalidArgument),
        (ask("test.orders", id("\u{0}")), ErrorCode::NotFound),
        (ask("test.orders", id(&huge())), ErrorCode::NotFound),
        (ask(&huge(), id("1")), ErrorCode::NotFound),
    ] {
        let error = machines.client.get_finite_state_machine(request).await.expect_err("refused");
        assert_eq!(error.code, code, "{:?}", error.message);
    }
    for request in [ask("", None), ask("", state("start")), ask("test.orders", id("1"))] {
        let error = machines.client.get_all_in_state(request.clone()).await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        let code = match machines.client.stream_all_instate(request).await {
            Err(error) => error.code,
            Ok(mut stream) => stream.message().await.expect_err("refused").code,
        };
        assert_eq!(code, ErrorCode::InvalidArgument);
    }
    for value in ODD.into_iter().map(String::from).chain([huge()]).filter(|value| !value.is_empty()) {
        assert!(machines.ids("test.orders", Some(&value)).await.is_empty());
        assert!(machines.ids(&value, None).await.is_empty());
    }
    machines.put("test.orders:v2", "alive", "").await.expect("the server lives");
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_events() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    let good = || event_request("test.orders", "1", "x", "accept");
    let with = |change: fn(&mut Event)| {
        let mut request = good();
        change(request.event.as_option_mut().expect("an event"));
        request
    };
    let no_time = |event: &mut Event| {
        event.timestamp = Some(Timestamp { seconds: i64::MIN, ..Default::default() }).into();
    };
    for (number, (request, code)) in [
        (EventRequest::default(), ErrorCode::FailedPrecondition),
        (EventRequest { event: None.into(), ..good() }, ErrorCode::FailedPrecondition),
        (EventRequest { config: String::new(), ..good() }, ErrorCode::FailedPrecondition),
        (EventRequest { id: String::new(), ..good() }, ErrorCode::FailedPrecondition),
        (with(|event| event.transition = None.into()), ErrorCode::FailedPrecondition),
        (EventRequest { config: huge(), ..good() }, ErrorCode::InvalidArgument),
        (EventRequest { id: huge(), ..good() }, ErrorCode::InvalidArgument),
        (with(|event| event.event_id = huge()), ErrorCode::InvalidArgument),
        (
            with(|event| event.transition = Some(transition("", "", &huge())).into()),
            ErrorCode::InvalidArgument,
        ),
        (with(no_time), ErrorCode::InvalidArgument),
        (with(|event| event.details = huge()), ErrorCode::ResourceExhausted),
        (with(|event| event.originator = huge()), ErrorCode::ResourceExhausted),
    ]
    .into_iter()
    .enumerate()
    {
        let error = machines.client.send_event(request).await.expect_err("refused");
        assert_eq!(error.code, code, "{number}: {:?}", error.message);
    }
    // Wrong states do not count, and odd names are only names.
    for odd in ODD.into_iter().filter(|odd| !odd.is_empty()) {
        assert_eq!(machines.sent("test.orders", "1", odd).await.0, StatusCode::EventNotAllowed);
        assert_eq!(machines.sent("test.orders", odd, "accept").await.0, StatusCode::FsmNotFound);
        assert_eq!(machines.sent(odd, "1", "accept").await.0, StatusCode::ConfigurationNotFound);
    }
    for (config, id) in [("", "x"), ("test.orders", "")] {
        assert_eq!(refusal(machines.outcome(config, id).await).0, ErrorCode::InvalidArgument);
    }
    for (config, id) in [(&*huge(), "x"), ("test.orders", &*huge()), ("test.orders", "\u{0}")] {
        assert_eq!(refusal(machines.outcome(config, id).await).0, ErrorCode::NotFound);
    }
    let found = machines.fsm("test.orders", "1").await.expect("the server lives");
    assert_eq!((found.state.as_str(), found.history.len()), ("start", 0));
    assert_eq!(machines.sent("test.orders", "1", "accept").await.0, StatusCode::Ok);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message() {
    let machines = Machines::with_orders().await;
    let methods = [
        "PutConfiguration",
        "GetAllConfigurations",
        "GetConfiguration",
        "PutFiniteStateMachine",
        "GetFiniteStateMachine",
        "GetAllInState",
        "SendEvent",
        "GetEventOutcome",
    ];
    for method in methods {
        let path = format!("/statemachine.v1beta.StatemachineService/{method}");
        for body in [
            &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x0a\xff\xff\xff\xff\x0f",
            b"\x0a\x02\xff\xff",
        ] {
            let (status, answer) =
                machines.world.raw("POST", &path, "content-type: application/proto\r\n", body).await;
            assert_eq!(status, 400, "{method}: {answer}");
        }
        for body in ["{", "[]", "7", "{\"no\": \"such field\"}"] {
            let (status, answer) = machines.world.post(&path, body).await;
            assert!((400..500).contains(&status), "{method} {body}: {status} {answer}");
        }
    }
    assert_eq!(machines.configurations("").await, ["test.orders"]);
    machines.stop().await;
}
