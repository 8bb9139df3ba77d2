//! Both APIs see the same things; ports, health, reflection and TLS.

use super::*;
use everstate_api::v1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_as_a_configuration_is_a_definition_with_instances() {
    let machines = Machines::with_orders().await;
    machines.put("test.orders:v2", "1", "").await.expect("put");
    machines.send("test.orders", "1", "first", "accept").await.expect("sent");
    machines.send("test.orders", "1", "second", "accept").await.expect("sent");
    let everstate = &machines.world.client;

    let ask =
        v1::GetDefinitionRequest { name: "test.orders".into(), version: "v2".into(), ..Default::default() };
    let definition = everstate.get_definition(ask).await.expect("there").into_owned();
    assert_eq!(definition.events, ["accept", "close", "deliver", "ship", "sign"]);
    let states: Vec<_> = definition.states.iter().filter(|state| !state.starts_with('~')).collect();
    assert_eq!(states, ["start", "pending", "shipping", "delivered", "completed", "closed"]);
    let check = v1::CheckDefinitionRequest {
        source: definition.source.clone(),
        file_name: "orders.yaml".into(),
        ..Default::default()
    };
    let findings = everstate.check_definition(check).await.expect("checked").into_owned().findings;
    assert!(findings.is_empty(), "{findings:?}");
    // The text that was written can be put elsewhere, and is the same configuration there.
    let elsewhere = Machines::new().await;
    elsewhere.world.put(&definition.source).await.expect("put");
    let same = elsewhere.client.get_configuration(text("test.orders:v2")).await.expect("there").into_owned();
    assert_eq!(same, orders("v2"));
    elsewhere.stop().await;

    let ask = v1::GetInstanceRequest { address: "test.orders/1".into(), ..Default::default() };
    let instance = everstate.get_instance(ask).await.expect("there").into_owned();
    assert_eq!((instance.states, instance.version.as_str()), (vec!["pending".to_string()], "v2"));
    let ask = |id: &str| v1::GetOutcomeRequest { event_id: id.into(), ..Default::default() };
    let known = everstate.get_outcome(ask("first")).await.expect("known").into_owned();
    assert_eq!(known.outcome.code, v1::outcome::Code::Ok);
    let known = everstate.get_outcome(ask("second")).await.expect("known").into_owned();
    assert_eq!(known.outcome.code, v1::outcome::Code::Rejected);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_as_a_definition_is_a_configuration_with_fsms() {
    let machines = Machines::new().await;
    machines.world.put(crate::world::ORDERS).await.expect("put");
    machines.world.start("1").await;
    assert_eq!(machines.configurations("").await, ["orders"]);
    assert_eq!(machines.configurations("orders").await, ["orders:v1"]);
    let found = machines.client.get_configuration(text("orders:v1")).await.expect("there").into_owned();
    assert_eq!(found.states, ["open", "paid", "paid.packing", "held", "lost", "end"]);
    assert_eq!(found.starting_state, "open");
    assert!(found.transitions.contains(&transition("paid.packing", "end", "ship")), "{found:?}");

    assert_eq!(machines.fsm("orders", "1").await.expect("there").state, "open");
    let outcome = machines.world.send("orders/1", "n", "note").await.expect("sent");
    assert_eq!(outcome.code, v1::outcome::Code::Ok);
    assert_eq!(machines.outcome("orders", "n").await.expect("known").code, StatusCode::Ok);
    assert_eq!(machines.sent("orders", "1", "hold").await.0, StatusCode::Ok);
    assert_eq!(machines.ids("orders", Some("held")).await, ["1"]);
    // Deferred until the state changes, so there is no outcome yet.
    machines.send("orders", "1", "later", "note").await.expect("sent");
    assert_eq!(refusal(machines.outcome("orders", "later").await).0, ErrorCode::NotFound);
    assert_eq!(machines.sent("orders", "1", "release").await.0, StatusCode::Ok);
    assert_eq!(machines.outcome("orders", "later").await.expect("known").code, StatusCode::Ok);
    assert_eq!(machines.fsm("orders", "1").await.expect("there").history.len(), 4);

    machines.put("orders:v1", "2", "").await.expect("put");
    machines.put("orders:v1", "3", "open").await.expect("put where it begins anyway");
    let (code, message) = refusal(machines.put("orders:v1", "4", "held").await);
    assert_eq!(code, ErrorCode::InvalidArgument);
    assert!(message.contains("open"), "{message}");
    // A state within another is found by the outer one as well.
    let pay = crate::world::event("orders/2", "p", "pay", "{\"amount\": 1}");
    machines.world.client.send_event(pay).await.expect("paid");
    assert_eq!(machines.fsm("orders", "2").await.expect("there").state, "paid.packing");
    for state in ["paid", "paid.packing"] {
        assert_eq!(machines.ids("orders", Some(state)).await, ["2"]);
    }
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_its_own_has_this_service_alone() {
    let machines = Machines::with(&[("statemachine-listen", "127.0.0.1:0")]).await;
    let address = machines.world.server.statemachine_address().expect("a port of its own");
    assert_ne!(address, machines.world.server.address());
    let own = client(address, Protocol::Grpc, CodecFormat::Proto);
    own.put_configuration(orders("v2")).await.expect("put");
    assert_eq!(machines.configurations("").await, ["test.orders"]);
    let health =
        own.health(buffa_types::google::protobuf::Empty::default()).await.expect("told").into_owned();
    assert_eq!(health.state, v1beta::health_response::ReadyState::READY);
    assert!(!health.tlsEnabled && !health.release.is_empty(), "{health:?}");
    let config = ClientConfig::new(format!("http://{address}").parse().expect("a URL"));
    let other = v1::EverstateClient::new(HttpClient::plaintext(), config);
    let error = other.get_status(v1::GetStatusRequest::default()).await.expect_err("not here");
    assert_eq!(error.code, ErrorCode::Unimplemented);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_in_health_and_in_json() {
    let machines = Machines::with_orders().await;
    let world = &machines.world;
    let ask = r#"{"service":"statemachine.v1beta.StatemachineService"}"#;
    let (status, body) = world.post("/grpc.health.v1.Health/Check", ask).await;
    assert!(status == 200 && body.contains("SERVING"), "{status} {body}");
    let path = "/statemachine.v1beta.StatemachineService/";
    let (status, body) = world.post(&format!("{path}GetConfiguration"), "\"test.orders:v2\"").await;
    assert!(status == 200 && body.contains("\"startingState\":\"start\""), "{status} {body}");
    let (status, body) = world.post(&format!("{path}Health"), "{}").await;
    assert!(status == 200 && body.contains("\"release\""), "{status} {body}");
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plaintext_client_on_a_tls_port_finds_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_string();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate");
    std::fs::write(path("cert.pem"), signed.cert.pem()).expect("written");
    std::fs::write(path("key.pem"), signed.signing_key.serialize_pem()).expect("written");
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let machines = Machines::with(&[("tls-cert", &cert), ("tls-key", &key)]).await;
    let error = machines
        .client
        .health(buffa_types::google::protobuf::Empty::default())
        .await
        .expect_err("nobody speaks plaintext here");
    assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
    machines.stop().await;
}
