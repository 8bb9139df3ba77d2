//! Events: applied once, in order, with an outcome of every sort.

use super::*;
use base64::Engine as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_through_all_its_states() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    for event in ["accept", "ship"] {
        assert_eq!(machines.sent("test.orders", "1", event).await, (StatusCode::Ok, String::new()));
    }
    let found = machines.fsm("test.orders", "1").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("shipping", 2));
    assert_eq!(found.history[1].transition.as_option(), Some(&transition("pending", "shipping", "ship")));
    for event in ["deliver", "sign", "close"] {
        assert_eq!(machines.sent("test.orders", "1", event).await.0, StatusCode::Ok);
    }
    let found = machines.fsm("test.orders", "1").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("closed", 5));
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_keeps_what_it_came_with_and_gets_what_it_lacks() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    let time = buffa_types::google::protobuf::Timestamp {
        seconds: 1_700_000_000,
        nanos: 250_000_000,
        ..Default::default()
    };
    let event = Event {
        event_id: "mine".into(),
        timestamp: Some(time.clone()).into(),
        // What the client says of states does not count, and what happened is kept.
        transition: Some(transition("closed", "nowhere", "accept")).into(),
        originator: "me".into(),
        details: "{\"any\": \"text\"}".into(),
        ..Default::default()
    };
    let request = EventRequest {
        event: Some(event.clone()).into(),
        config: "test.orders".into(),
        id: "1".into(),
        ..Default::default()
    };
    assert_eq!(machines.client.send_event(request).await.expect("sent").into_owned().event_id, "mine");
    let made = machines.send("test.orders", "1", "", "ship").await.expect("sent");
    assert_eq!(made.len(), 36, "{made} is a UUID");
    let history = machines.fsm("test.orders", "1").await.expect("there").history;
    let kept = Event { transition: Some(transition("start", "pending", "accept")).into(), ..event };
    assert_eq!(history[0], kept);
    assert_eq!(history[1].event_id, made);
    assert!(history[1].timestamp.seconds > time.seconds);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_not_allowed_leaves_the_state_and_says_everything() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    for event in ["ship", "unheard-of"] {
        let id = machines.send("test.orders", "1", &format!("e-{event}"), event).await.expect("sent");
        let outcome = machines.outcome("test.orders", &id).await.expect("known");
        assert_eq!(outcome.code, StatusCode::EventNotAllowed);
        for part in ["test.orders:v2", "test.orders#1", &*id, "\"start\"", event, "accept"] {
            assert!(outcome.details.contains(part), "{part} is not in {}", outcome.details);
        }
    }
    let found = machines.fsm("test.orders", "1").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("start", 0));
    assert_eq!(machines.ids("test.orders", Some("start")).await, ["1"]);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_for_nobody_has_an_outcome_and_is_taken_once_there_is_somebody() {
    let machines = Machines::with_orders().await;
    let (code, details) = machines.sent("test.orders", "nobody", "accept").await;
    assert_eq!(code, StatusCode::FsmNotFound);
    assert!(details.contains("test.orders#nobody") && details.contains("accept"), "{details}");
    let (code, details) = machines.sent("nothing", "1", "accept").await;
    assert_eq!(code, StatusCode::ConfigurationNotFound);
    assert!(details.contains("nothing"), "{details}");

    machines.send("test.orders", "1", "early", "accept").await.expect("sent");
    assert_eq!(machines.outcome("test.orders", "early").await.expect("known").code, StatusCode::FsmNotFound);
    machines.put("test.orders:v2", "1", "").await.expect("put");
    machines.send("test.orders", "1", "early", "accept").await.expect("sent");
    assert_eq!(machines.outcome("test.orders", "early").await.expect("known").code, StatusCode::Ok);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_codes_come_from_definitions_that_can_do_more() {
    let machines = Machines::new().await;
    let text = "
name: gates
initial: shut
context: {key: 1}
events: {knock: {data: {type: object, properties: {details: {type: string, maxLength: 3}}}}}
states:
  shut:
    on:
      open: {guard: context.key > 1, target: ajar}
      break: {actions: {assign: {key: event.none.at.all}}}
      knock: {}
  ajar: {on: {shut: shut}}
";
    machines.world.put(text).await.expect("a definition");
    machines.put("gates:v1", "1", "").await.expect("put");
    let (code, details) = machines.sent("gates", "1", "open").await;
    assert_eq!(code, StatusCode::TransitionNotAllowed, "{details}");
    assert!(details.contains("\"shut\"") && details.contains("guard"), "{details}");
    assert_eq!(machines.sent("gates", "1", "shut").await.0, StatusCode::EventNotAllowed);
    let (code, details) = machines.sent("gates", "1", "break").await;
    assert_eq!(code, StatusCode::InternalError, "{details}");
    let mut knock = event_request("gates", "1", "loud", "knock");
    if let Some(event) = knock.event.as_option_mut() {
        event.details = "too long".into();
    }
    machines.client.send_event(knock).await.expect("sent");
    let outcome = machines.outcome("gates", "loud").await.expect("known");
    assert_eq!(outcome.code, StatusCode::GenericError, "{}", outcome.details);
    assert!(outcome.details.contains("gates#1") && outcome.details.contains("knock"), "{}", outcome.details);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_destination_or_a_name_an_event_is_refused() {
    let machines = Machines::with_orders().await;
    let no_event = EventRequest { config: "test.orders".into(), id: "1".into(), ..Default::default() };
    let mut no_transition = event_request("test.orders", "1", "x", "accept");
    if let Some(event) = no_transition.event.as_option_mut() {
        event.transition = None.into();
    }
    for (request, nowhere) in [
        (event_request("test.orders", "", "x", "accept"), true),
        (event_request("", "1", "x", "accept"), true),
        (event_request("test.orders", "1", "x", ""), false),
        (no_event, false),
        (no_transition, false),
        (EventRequest::default(), true),
    ] {
        let error = machines.client.send_event(request).await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::FailedPrecondition, "{error:?}");
        let detail = error.details.iter().find(|one| one.type_url.ends_with("v1beta.EventOutcome"));
        assert_eq!(detail.is_some(), nowhere, "{error:?}");
        if let Some(value) = detail.and_then(|one| one.value.as_deref()) {
            let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
                .decode(value.trim_end_matches('='))
                .expect("base64");
            let outcome: EventOutcome = buffa::Message::decode_from_slice(&bytes).expect("an outcome");
            assert_eq!(outcome.code, StatusCode::MissingDestination);
        }
    }
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_yet_is_not_found() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    machines.send("test.orders", "1", "mine", "accept").await.expect("sent");
    assert_eq!(refusal(machines.outcome("test.orders", "other").await).0, ErrorCode::NotFound);
    assert_eq!(refusal(machines.outcome("another", "mine").await).0, ErrorCode::NotFound);
    assert_eq!(refusal(machines.outcome("", "mine").await).0, ErrorCode::InvalidArgument);
    assert_eq!(refusal(machines.outcome("test.orders", "").await).0, ErrorCode::InvalidArgument);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_id_is_applied_once_however_often_it_is_sent() {
    let machines = Machines::new().await;
    let lamp = configuration("lamp", "v1", &[["on", "off", "flip"], ["off", "on", "flip"]]);
    machines.configure(lamp).await.expect("put");
    for id in ["1", "2"] {
        machines.put("lamp:v1", id, "").await.expect("put");
    }
    let all = (0..20).map(|_| machines.send("lamp", "1", "same", "flip"));
    for sent in futures::future::join_all(all).await {
        assert_eq!(sent.expect("sent"), "same");
    }
    let found = machines.fsm("lamp", "1").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("off", 1));
    // The id of one event is not good for another.
    let (code, message) = refusal(machines.send("lamp", "2", "same", "flip").await);
    assert_eq!(code, ErrorCode::AlreadyExists, "{message}");
    assert_eq!(machines.fsm("lamp", "2").await.expect("there").state, "on");
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_transitions_the_first_is_applied() {
    let machines = Machines::new().await;
    let ways = [["a", "b", "go"], ["a", "c", "go"], ["c", "a", "go"], ["b", "b", "stay"]];
    machines.configure(configuration("ways", "v1", &ways)).await.expect("put");
    machines.put("ways:v1", "1", "").await.expect("put");
    assert_eq!(machines.sent("ways", "1", "go").await.0, StatusCode::Ok);
    assert_eq!(machines.sent("ways", "1", "stay").await.0, StatusCode::Ok);
    let found = machines.fsm("ways", "1").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("b", 2));
    let same = machines.client.get_configuration(text("ways:v1")).await.expect("there").into_owned();
    assert_eq!(same, configuration("ways", "v1", &ways));
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_client_are_applied_in_order_while_others_go_on() {
    let machines = Machines::new().await;
    let count = 40;
    let names: Vec<String> = (0..=count).map(|n| format!("s{n}")).collect();
    let steps: Vec<String> = (0..count).map(|n| format!("to{}", n + 1)).collect();
    let ways: Vec<[&str; 3]> =
        (0..count).map(|n| [names[n].as_str(), names[n + 1].as_str(), steps[n].as_str()]).collect();
    machines.configure(configuration("ladder", "v1", &ways)).await.expect("put");
    let fsms: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let climbs = fsms.iter().map(|fsm| {
        let (machines, steps) = (&machines, &steps);
        async move {
            machines.put("ladder:v1", fsm, "").await.expect("put");
            for step in steps {
                assert_eq!(machines.sent("ladder", fsm, step).await.0, StatusCode::Ok);
            }
        }
    });
    futures::future::join_all(climbs).await;
    assert_eq!(machines.ids("ladder", Some("s40")).await.len(), 10);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let settings = [("engine", "embedded"), ("data", data.to_str().expect("text"))];
    let machines = Machines::with(&settings).await;
    machines.configure(orders("v2")).await.expect("put");
    machines.put("test.orders:v2", "1", "").await.expect("put");
    machines.send("test.orders", "1", "good", "accept").await.expect("sent");
    machines.send("test.orders", "1", "bad", "accept").await.expect("sent");
    let before = machines.outcome("test.orders", "bad").await.expect("known");
    machines.stop().await;
    let machines = Machines::with(&settings).await;
    assert_eq!(machines.outcome("test.orders", "good").await.expect("known").code, StatusCode::Ok);
    assert_eq!(machines.outcome("test.orders", "bad").await.expect("known"), before);
    let found = machines.client.get_configuration(text("test.orders:v2")).await.expect("there").into_owned();
    assert_eq!(found, orders("v2"));
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_much_to_do_an_event_is_a_missed_deadline() {
    let machines = Machines::with(&[("queue-max", "1")]).await;
    let lamp = configuration("lamp", "v1", &[["on", "off", "flip"], ["off", "on", "flip"]]);
    machines.configure(lamp).await.expect("put");
    machines.put("lamp:v1", "1", "").await.expect("put");
    let (mut applied, mut late) = (0, 0);
    // One at a time may wait, so of many at once some are refused; how many is up to the machine.
    for _ in 0..50 {
        let many = (0..64).map(|_| machines.send("lamp", "1", "", "flip"));
        for sent in futures::future::join_all(many).await {
            match sent {
                Ok(_) => applied += 1,
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::DeadlineExceeded, "{error:?}");
                    late += 1;
                }
            }
        }
        if late > 0 {
            break;
        }
    }
    assert!(late > 0, "{applied} events at 64 a time never found the queue full");
    assert_eq!(machines.fsm("lamp", "1").await.expect("there").history.len(), applied);
    machines.stop().await;
}
