//! FSMs: put once, found with their history, listed by state.

use super::*;
use everstate_api::v1beta::put_response::EntityResponse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_fsm_is_put_once_and_found() {
    let machines = Machines::with_orders().await;
    let put = machines.put("test.orders:v2", "1", "").await.expect("put");
    assert_eq!(put.id, "1");
    let Some(EntityResponse::Fsm(fsm)) = put.entity_response else { panic!("an FSM") };
    assert_eq!((fsm.config_id.as_str(), fsm.state.as_str()), ("test.orders:v2", "start"));
    assert_eq!(machines.fsm("test.orders", "1").await.expect("there"), *fsm);
    let unnamed = machines.put("test.orders:v2", "", "").await.expect("put").id;
    assert_eq!(unnamed.len(), 36, "{unnamed} is a UUID");
    // It is not overwritten, and keeps its state.
    machines.send("test.orders", "1", "", "accept").await.expect("sent");
    let (code, message) = refusal(machines.put("test.orders:v2", "1", "").await);
    assert_eq!(code, ErrorCode::AlreadyExists);
    assert!(message.contains("test.orders/1"), "{message}");
    assert_eq!(machines.fsm("test.orders", "1").await.expect("there").state, "pending");
    assert_eq!(machines.ids("test.orders", Some("start")).await, [unnamed.as_str()]);
    // The name alone identifies it: another version's FSM of the same id is the same FSM.
    machines.configure(orders("v3")).await.expect("put");
    assert_eq!(refusal(machines.put("test.orders:v3", "1", "").await).0, ErrorCode::AlreadyExists);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_fsm_begins_in_any_state_of_its_configuration_and_in_no_other() {
    let machines = Machines::with_orders().await;
    let states = orders("v2").states;
    for state in &states {
        machines.put("test.orders:v2", &format!("in-{state}"), state).await.expect("put");
        assert_eq!(machines.ids("test.orders", Some(state)).await, [format!("in-{state}")]);
    }
    let (code, message) = refusal(machines.put("test.orders:v2", "x", "nowhere").await);
    assert_eq!(code, ErrorCode::InvalidArgument);
    assert!(message.contains("\"nowhere\"") && message.contains("test.orders:v2"), "{message}");
    assert_eq!(machines.sent("test.orders", "in-shipping", "deliver").await.0, StatusCode::Ok);
    let found = machines.fsm("test.orders", "in-shipping").await.expect("there");
    assert_eq!((found.state.as_str(), found.history.len()), ("delivered", 1));
    assert_eq!(machines.sent("test.orders", "in-closed", "close").await.0, StatusCode::EventNotAllowed);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_is_brought_along_is_kept() {
    let machines = Machines::with_orders().await;
    let event = |id: &str, from: &str, to: &str, event: &str| Event {
        event_id: id.into(),
        transition: Some(transition(from, to, event)).into(),
        timestamp: Some(buffa_types::google::protobuf::Timestamp {
            seconds: 1_600_000_000,
            nanos: 5_000_000,
            ..Default::default()
        })
        .into(),
        originator: "me".into(),
        details: "then".into(),
        ..Default::default()
    };
    let before = vec![event("a", "start", "pending", "accept"), event("b", "pending", "shipping", "ship")];
    let fsm = FiniteStateMachine {
        config_id: "test.orders:v2".into(),
        state: "shipping".into(),
        history: before.clone(),
        ..Default::default()
    };
    let request = PutFsmRequest { id: "1".into(), fsm: Some(fsm.clone()).into(), ..Default::default() };
    machines.client.put_finite_state_machine(request).await.expect("put");
    assert_eq!(machines.fsm("test.orders", "1").await.expect("there"), fsm);
    machines.send("test.orders", "1", "c", "deliver").await.expect("sent");
    let after = machines.fsm("test.orders", "1").await.expect("there");
    assert_eq!(after.history[..2], before);
    assert_eq!((after.history.len(), after.history[2].event_id.as_str()), (3, "c"));
    // The past lies in the first turn alone, so that later ones do not carry it.
    let ask = everstate_api::v1::GetInstanceRequest { address: "test.orders/1".into(), ..Default::default() };
    let instance = machines.world.client.get_instance(ask).await.expect("there").into_owned();
    let context = serde_json::to_string(&instance.context).expect("JSON");
    assert!(!context.contains("then"), "{context}");
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsms_are_counted_by_state_and_both_lists_follow_a_move() {
    let machines = Machines::new().await;
    let lamp = configuration("lamp", "v1", &[["start", "stop", "halt"], ["stop", "start", "go"]]);
    machines.configure(lamp).await.expect("put");
    assert!(machines.ids("lamp", None).await.is_empty());
    for n in 0..5 {
        machines.put("lamp:v1", &format!("a{n}"), "start").await.expect("put");
    }
    for n in 0..3 {
        machines.put("lamp:v1", &format!("b{n}"), "stop").await.expect("put");
    }
    assert_eq!(machines.ids("lamp", Some("start")).await.len(), 5);
    assert_eq!(machines.ids("lamp", Some("stop")).await, ["b0", "b1", "b2"]);
    assert_eq!(machines.ids("lamp", None).await.len(), 8);
    assert_eq!(machines.ids("lamp", Some("")).await.len(), 8);
    assert!(machines.ids("lamp", Some("nowhere")).await.is_empty());
    assert!(machines.ids("nothing", Some("start")).await.is_empty());
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_three_of_nine_updates_both_lists() {
    let machines = Machines::with_orders().await;
    for n in 0..9 {
        machines.put("test.orders:v2", &n.to_string(), "").await.expect("put");
    }
    for n in [1, 4, 7] {
        machines.send("test.orders", &n.to_string(), "", "accept").await.expect("sent");
    }
    assert_eq!(machines.ids("test.orders", Some("pending")).await, ["1", "4", "7"]);
    assert_eq!(machines.ids("test.orders", Some("start")).await, ["0", "2", "3", "5", "6", "8"]);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_and_histories_come_whole() {
    let machines = Machines::new().await;
    let lamp = configuration("lamp", "v1", &[["on", "off", "flip"], ["off", "on", "flip"]]);
    machines.configure(lamp).await.expect("put");
    let ids: Vec<String> = (0..1_100).map(|n| n.to_string()).collect();
    let starts = ids.iter().map(|id| machines.put("lamp:v1", id, ""));
    for put in futures::future::join_all(starts).await {
        put.expect("put");
    }
    assert_eq!(machines.ids("lamp", Some("on")).await.len(), 1_100);
    let events = (0..1_050).map(|_| machines.send("lamp", "7", "", "flip"));
    for sent in futures::future::join_all(events).await {
        sent.expect("sent");
    }
    let found = machines.fsm("lamp", "7").await.expect("there");
    assert_eq!((found.history.len(), found.state.as_str()), (1_050, "on"));
    for two in found.history.windows(2) {
        assert_eq!(two[0].transition.to, two[1].transition.from, "in order");
    }
    machines.stop().await;
}
