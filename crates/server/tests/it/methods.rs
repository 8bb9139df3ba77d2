//! Every method, in every way to speak.

use crate::world::{Client, ORDERS, SPEECHES, World, code, event, speak};
use everstate_api::v1;
use v1::explain_instance_response::Verdict;
use v1::outcome::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_from_definition_to_end_in_every_speech() {
    for (protocol, codec) in SPEECHES {
        let world = World::with(crate::world::config(&[])).await;
        let client = speak(&world.server, protocol, codec);
        definitions(&client).await;
        an_order(&client).await;
        lists(&client).await;
        dead_letters(&client).await;
        operations(&client).await;
        world.server.stop().await.expect("stopped");
    }
}

async fn definitions(client: &Client) {
    let check = |source: &str| v1::CheckDefinitionRequest {
        source: source.into(),
        file_name: "x.yaml".into(),
        ..Default::default()
    };
    let bad = client.check_definition(check("name: x\ninitial: nowhere\nstates: {a: {on: {go: b}}}")).await;
    let findings = bad.expect("an answer").into_owned().findings;
    assert!(findings.len() >= 2, "{findings:?}");
    assert!(
        findings
            .iter()
            .all(|f| f.line > 0 && f.column > 0 && !f.message.is_empty() && f.rendered.contains("x.yaml"))
    );
    let good = client.check_definition(check(ORDERS)).await.expect("an answer").into_owned();
    assert_eq!((good.name.as_str(), good.version.as_str()), ("orders", "v1"), "{:?}", good.findings);

    let put = |source: &str| v1::PutDefinitionRequest { source: source.into(), ..Default::default() };
    let first = client.put_definition(put(ORDERS)).await.expect("put").into_owned();
    assert!(first.fresh && first.definition.put_time.is_set());
    assert!(!client.put_definition(put(ORDERS)).await.expect("put").into_owned().fresh);
    let changed =
        client.put_definition(put(&ORDERS.replace("paid: 0", "paid: 1"))).await.expect_err("refused");
    assert_eq!(code(&changed), "definition-exists");
    assert!(changed.message.expect("words").contains("raise its version"));
    let next = ORDERS.replace("version: v1", "version: v10").replace("paid: 0", "paid: 10");
    assert!(client.put_definition(put(&next)).await.expect("put").into_owned().fresh);
    let malformed = client.put_definition(put("name: [")).await.expect_err("refused");
    assert_eq!(code(&malformed), "malformed-definition");

    let get = |version: &str| v1::GetDefinitionRequest {
        name: "orders".into(),
        version: version.into(),
        ..Default::default()
    };
    assert_eq!(client.get_definition(get("")).await.expect("there").into_owned().version, "v10");
    let one = client.get_definition(get("v1")).await.expect("there").into_owned();
    assert_eq!(one.source, ORDERS);
    assert_eq!(one.description, "Orders for these tests");
    assert_eq!(one.states, ["open", "paid", "paid.packing", "held", "lost", "end"]);
    assert_eq!(one.events, ["boom", "hold", "lose", "note", "pay", "release", "ship"]);
    assert_eq!(code(&client.get_definition(get("v2")).await.expect_err("none")), "unknown-version");

    let list = |name: &str| v1::ListDefinitionsRequest { name: name.into(), ..Default::default() };
    let names = |answer: v1::ListDefinitionsResponse| -> Vec<String> {
        answer.definitions.into_iter().map(|one| one.version).collect()
    };
    assert_eq!(names(client.list_definitions(list("")).await.expect("all").into_owned()), ["v10"]);
    assert_eq!(
        names(client.list_definitions(list("orders")).await.expect("all").into_owned()),
        ["v1", "v10"]
    );
    assert_eq!(code(&client.list_definitions(list("x")).await.expect_err("none")), "unknown-definition");
}

async fn an_order(client: &Client) {
    let start = v1::StartInstanceRequest {
        kind: "orders".into(),
        id: "1".into(),
        version: "v1".into(),
        request_id: "start-1".into(),
        ..Default::default()
    };
    let started = client.start_instance(start.clone()).await.expect("started").into_owned();
    assert!(!started.duplicate);
    assert_eq!(started.instance.address, "orders/1");
    assert_eq!(started.instance.states, ["open"]);
    assert!(client.start_instance(start.clone()).await.expect("again").into_owned().duplicate);
    let other = v1::StartInstanceRequest { request_id: "start-2".into(), ..start };
    assert_eq!(code(&client.start_instance(other).await.expect_err("there")), "instance-exists");

    let pay = event("orders/1", "pay-1", "pay", r#"{"amount": 12, "b": [1.5, "x"]}"#);
    let answer = client.send_event(pay.clone()).await.expect("sent").into_owned();
    assert_eq!(answer.event_id, "pay-1");
    assert_eq!(answer.outcome.code, Code::Ok);
    assert_eq!(answer.outcome.from, ["open"]);
    assert_eq!(answer.outcome.to, ["paid.packing"]);
    assert_eq!(
        serde_json::to_string(&*answer.outcome.reply).expect("JSON").replace(".0", ""),
        r#"{"total":12}"#
    );
    let again = client.send_event(pay).await.expect("sent").into_owned();
    assert!(again.outcome.duplicate && again.outcome.code == Code::Ok);
    let reused =
        client.send_event(event("orders/1", "pay-1", "pay", r#"{"amount": 13}"#)).await.expect_err("refused");
    assert_eq!(code(&reused), "conflict");
    let rejected = client.send_event(event("orders/1", "", "hold", "{}")).await.expect("sent").into_owned();
    assert_eq!(rejected.outcome.code, Code::Rejected);
    assert_eq!(rejected.outcome.reason, "not-accepted");
    assert_eq!(rejected.outcome.accepts, ["ship"]);
    assert!(!rejected.event_id.is_empty());

    let known = v1::GetOutcomeRequest { event_id: "pay-1".into(), ..Default::default() };
    let known = client.get_outcome(known).await.expect("known").into_owned();
    assert_eq!((known.address.as_str(), known.outcome.code.as_known()), ("orders/1", Some(Code::Ok)));
    let unknown = v1::GetOutcomeRequest { event_id: "nobody".into(), ..Default::default() };
    assert_eq!(code(&client.get_outcome(unknown).await.expect_err("unknown")), "unknown-event");

    let ask = |address: &str| v1::GetInstanceRequest { address: address.into(), ..Default::default() };
    let now = client.get_instance(ask("orders/1")).await.expect("there").into_owned();
    assert_eq!(now.context.as_struct().and_then(|c| c.fields["paid"].as_number()), Some(12.0));
    assert_eq!(code(&client.get_instance(ask("orders/none")).await.expect_err("none")), "unknown-instance");

    let awaited = v1::AwaitInstanceRequest { address: "orders/1".into(), ..Default::default() };
    let inside = v1::AwaitInstanceRequest {
        condition: Some(v1::__buffa::oneof::await_instance_request::Condition::In("paid".into())),
        ..awaited.clone()
    };
    assert_eq!(client.await_instance(inside).await.expect("there").into_owned().states, ["paid.packing"]);
    let holds = v1::AwaitInstanceRequest {
        condition: Some(v1::__buffa::oneof::await_instance_request::Condition::Where(
            "context.paid > 11 && in('paid')".into(),
        )),
        ..awaited
    };
    assert_eq!(client.await_instance(holds).await.expect("there").into_owned().address, "orders/1");

    let ended = client.send_event(event("orders/1", "", "ship", "{}")).await.expect("sent").into_owned();
    assert_eq!(ended.outcome.to, ["end"]);
    let why = v1::ExplainInstanceRequest { address: "orders/1".into(), ..Default::default() };
    assert_eq!(client.explain_instance(why).await.expect("said").into_owned().verdict, Verdict::Done);

    let page =
        |after| v1::GetHistoryRequest { address: "orders/1".into(), after, limit: 2, ..Default::default() };
    let first = client.get_history(page(0)).await.expect("a page").into_owned();
    let second = client.get_history(page(first.next)).await.expect("a page").into_owned();
    assert_eq!((first.turns.len(), second.turns.len(), second.next), (2, 2, 0));
    assert!(first.turns[0].start_data.is_set() && !first.turns[0].event.is_set());
    let names: Vec<&str> =
        first.turns.iter().chain(&second.turns).skip(1).map(|t| t.event.name.as_str()).collect();
    assert_eq!(names, ["pay", "hold", "ship"]);
    assert_eq!(second.turns[0].outcome.code, Code::Rejected);
    assert_eq!(second.turns[0].sender, "client");
}

async fn lists(client: &Client) {
    for id in ["a", "b", "c"] {
        let start = v1::StartInstanceRequest {
            kind: "orders".into(),
            id: id.into(),
            version: "v1".into(),
            ..Default::default()
        };
        client.start_instance(start).await.expect("started");
    }
    let fresh =
        v1::StartInstanceRequest { kind: "orders".into(), request_id: "r-9".into(), ..Default::default() };
    let one = client.start_instance(fresh.clone()).await.expect("started").into_owned();
    let two = client.start_instance(fresh).await.expect("again").into_owned();
    assert_eq!((one.instance.address.as_str(), two.duplicate), ("orders/r-9", true));
    assert_eq!(one.instance.version, "v10");

    let query = v1::ListInstancesRequest {
        kind: "orders".into(),
        state: "open".into(),
        version: "v1".into(),
        done: Some(false),
        page_size: 2,
        count: true,
        ..Default::default()
    };
    let first = client.list_instances(query.clone()).await.expect("a page").into_owned();
    assert_eq!(first.total, Some(3));
    let rest = v1::ListInstancesRequest { page_token: first.next_page_token.clone(), ..query };
    let second = client.list_instances(rest).await.expect("a page").into_owned();
    let all: Vec<&str> =
        first.instances.iter().chain(&second.instances).map(|i| i.address.as_str()).collect();
    assert_eq!(all, ["orders/a", "orders/b", "orders/c"]);
    assert_eq!(second.next_page_token, "");

    let lost = client.send_event(event("orders/a", "", "lose", "{}")).await.expect("sent").into_owned();
    assert_eq!(lost.outcome.to, ["lost"]);
    let why = v1::ExplainInstanceRequest { address: "orders/a".into(), ..Default::default() };
    let why = client.explain_instance(why).await.expect("said").into_owned();
    assert_eq!(why.verdict, Verdict::Stuck, "{}", why.summary);
    let gone = v1::DeleteInstanceRequest { address: "orders/a".into(), ..Default::default() };
    client.delete_instance(gone.clone()).await.expect("deleted");
    assert_eq!(code(&client.delete_instance(gone).await.expect_err("gone")), "unknown-instance");

    // An event that waits in a mailbox is decided once the instance is let go on.
    client.send_event(event("orders/b", "", "hold", "{}")).await.expect("sent");
    let mut pay = event("orders/b", "later", "pay", r#"{"amount": 1}"#);
    assert_eq!(client.send_event(pay.clone()).await.expect("kept").into_owned().outcome.code, Code::Pending);
    pay.wait = Some(buffa_types::google::protobuf::Duration::from(std::time::Duration::from_secs(20))).into();
    let (waited, released) =
        tokio::join!(client.send_event(pay), client.send_event(event("orders/b", "", "release", "{}")));
    assert_eq!(released.expect("sent").into_owned().outcome.code, Code::Ok);
    assert_eq!(waited.expect("decided").into_owned().outcome.code, Code::Ok);
}

async fn dead_letters(client: &Client) {
    let batch = |items: Vec<v1::SendEventRequest>| v1::SendEventsRequest {
        events: items
            .into_iter()
            .map(|one| v1::send_events_request::Item {
                address: one.address,
                event: one.event,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let events = batch(vec![
        event("orders/c", "n1", "note", "{}"),
        event("orders/c", "~n2", "note", "{}"),
        event("orders/c", "boom", "boom", "{}"),
        event("nowhere/1", "n3", "note", "{}"),
        event("orders/c", "n1", "note", r#"{"other": 1}"#),
    ]);
    let results = client.send_events(events).await.expect("an answer").into_owned().results;
    assert_eq!(results.len(), 5);
    assert_eq!(results[0].outcome.code, Code::Ok);
    assert_eq!(
        (results[1].error.code.as_str(), results[1].error.field.as_str()),
        ("malformed-event", "events[1].event.id")
    );
    assert_eq!(results[2].outcome.code, Code::Failed);
    assert_eq!((results[2].outcome.reason.as_str(), results[2].outcome.attempts), ("fault-expression", 1));
    assert!(
        results[3].outcome.reason == "unknown-kind" || results[3].error.code == "unknown-definition",
        "{:?}",
        results[3]
    );
    assert_eq!(results[4].error.code, "conflict");
    assert!(client.send_events(batch(Vec::new())).await.expect("an answer").into_owned().results.is_empty());

    let list = || v1::ListDeadLettersRequest { page_size: 1, ..Default::default() };
    let letters = client.list_dead_letters(list()).await.expect("a page").into_owned().dead_letters;
    assert_eq!((letters[0].address.as_str(), letters[0].event.id.as_str()), ("orders/c", "boom"));
    let retry = v1::RetryDeadLetterRequest { number: letters[0].number, ..Default::default() };
    let outcome = client.retry_dead_letter(retry).await.expect("tried").into_owned().outcome;
    assert_eq!(outcome.code, Code::Failed);
    let letters = client.list_dead_letters(list()).await.expect("a page").into_owned().dead_letters;
    let discard = v1::DiscardDeadLetterRequest { number: letters[0].number, ..Default::default() };
    client.discard_dead_letter(discard.clone()).await.expect("discarded");
    assert_eq!(code(&client.discard_dead_letter(discard).await.expect_err("gone")), "unknown-dead-letter");
    assert!(client.list_dead_letters(list()).await.expect("a page").into_owned().dead_letters.is_empty());
}

async fn operations(client: &Client) {
    let status = client.get_status(v1::GetStatusRequest::default()).await.expect("told").into_owned();
    assert_eq!((status.definitions, status.instances, status.dead_letters), (2, 4, 0));
    assert!(!status.version.is_empty() && !status.engine.is_empty() && status.turns > 5);
    let mut stream = client.export(v1::ExportRequest::default()).await.expect("a stream");
    let mut text = Vec::new();
    while let Some(message) = stream.message().await.expect("lines") {
        text.extend_from_slice(&message.to_owned_message().lines);
    }
    let lines = String::from_utf8(text).expect("text");
    assert!(lines.ends_with('\n') && lines.lines().count() > 10);
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    }
}
