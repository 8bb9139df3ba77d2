//! Configurations: put once, listed, streamed, and read back as they were.

use super::*;
use crate::world::SPEECHES;
use everstate_api::v1beta::put_response::EntityResponse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_is_put_once_and_read_back_as_it_was() {
    let machines = Machines::new().await;
    let put = machines.configure(orders("v2")).await.expect("put");
    assert_eq!(put.id, "test.orders:v2");
    let Some(EntityResponse::Config(echo)) = put.entity_response else { panic!("a configuration") };
    assert_eq!(*echo, orders("v2"));
    let found = machines.client.get_configuration(text("test.orders:v2")).await.expect("there").into_owned();
    assert_eq!(found, orders("v2"));
    // The same again, and another with the same name and version.
    let mut other = orders("v2");
    other.transitions.push(transition("closed", "start", "again"));
    for again in [orders("v2"), other] {
        let (code, message) = refusal(machines.configure(again).await);
        assert_eq!(code, ErrorCode::AlreadyExists);
        assert!(message.contains("test.orders:v2"), "{message}");
    }
    // Without a version it is the first.
    let put = machines.configure(orders("")).await.expect("put");
    assert_eq!(put.id, "test.orders:v1");
    let Some(EntityResponse::Config(echo)) = put.entity_response else { panic!("a configuration") };
    assert_eq!(echo.version, "v1");
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_versions_of_a_name_are_listed_and_streamed() {
    for (protocol, codec) in SPEECHES {
        let mut machines = Machines::new().await;
        machines.client = client(machines.world.server.address(), protocol, codec);
        assert!(machines.configurations("").await.is_empty());
        for version in ["v1", "v2", "v10"] {
            machines.configure(orders(version)).await.expect("put");
        }
        machines.configure(configuration("devices", "v1", &[["off", "on", "start"]])).await.expect("put");
        assert_eq!(machines.configurations("").await, ["devices", "test.orders"]);
        let all = ["test.orders:v1", "test.orders:v2", "test.orders:v10"];
        assert_eq!(machines.configurations("test.orders").await, all);
        assert!(machines.configurations("nothing").await.is_empty());

        let mut stream =
            machines.client.stream_all_configurations(text("test.orders")).await.expect("a stream");
        let mut versions = Vec::new();
        while let Some(message) = stream.message().await.expect("configurations") {
            versions.push(message.to_owned_message().version);
        }
        assert_eq!(versions, ["v1", "v2", "v10"]);
        let mut stream = machines.client.stream_all_configurations(text("nothing")).await.expect("a stream");
        assert!(stream.message().await.expect("an end").is_none());
        machines.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_configuration_is_refused_with_what_is_wrong() {
    let machines = Machines::new().await;
    let mut cases: Vec<(Configuration, &str)> = Vec::new();
    let mut with = |words: &'static str, change: &dyn Fn(&mut Configuration)| {
        let mut one = orders("v1");
        change(&mut one);
        cases.push((one, words));
    };
    with("no name", &|one| one.name.clear());
    with("no states", &|one| one.states.clear());
    with("starting state", &|one| one.starting_state = "nowhere".into());
    with("\"lost\" is not used", &|one| one.states.push("lost".into()));
    with("\"nowhere\"", &|one| one.transitions[1].to = "nowhere".into());
    with("no event", &|one| one.transitions[1].event.clear());
    with("version is not usable", &|one| one.version = "v".repeat(100));
    with("128", &|one| one.name = "n".repeat(1_000));
    with("255", &|one| one.transitions[0].event = "e".repeat(1_000));
    with("no states", &|one| *one = Configuration { name: "x".into(), ..Default::default() });
    for (configuration, words) in cases {
        let (code, message) = refusal(machines.configure(configuration).await);
        assert_eq!(code, ErrorCode::InvalidArgument, "{words}: {message}");
        assert!(message.starts_with("invalid configuration: ") && message.contains(words), "{message}");
    }
    assert!(machines.configurations("").await.is_empty());
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_not_found() {
    let machines = Machines::with_orders().await;
    for id in ["", "test.orders", "test.orders:v9", "nothing:v1", ":", "a:b:c"] {
        let found = machines.client.get_configuration(text(id)).await.map(|found| found.into_owned());
        let (code, message) = refusal(found);
        assert_eq!(code, ErrorCode::NotFound, "{id}: {message}");
        assert!(!id.starts_with("test.orders") || message.contains("test.orders:v2"), "{message}");
    }
    let stream = machines.client.stream_all_configurations(text("")).await;
    let code = match stream {
        Err(error) => error.code,
        Ok(mut stream) => stream.message().await.expect_err("refused").code,
    };
    assert_eq!(code, ErrorCode::InvalidArgument);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_every_sort_can_be_used() {
    let machines = Machines::new().await;
    let name = "Bestellungen für/heute: 2";
    let one = configuration(
        name,
        "2 beta",
        &[["in.Arbeit", "~fertig*", "los * geht's"], ["~fertig*", "in.Arbeit", "zurück"]],
    );
    assert_eq!(machines.configure(one.clone()).await.expect("put").id, format!("{name}:2 beta"));
    let id = format!("{name}:2 beta");
    assert_eq!(machines.configurations("").await, [name]);
    assert_eq!(machines.configurations(name).await, std::slice::from_ref(&id));
    assert_eq!(machines.client.get_configuration(text(&id)).await.expect("there").into_owned(), one);
    let fsm = "a/b#1 ..\u{1F600}";
    machines.put(&id, fsm, "").await.expect("put");
    machines.put(&id, "x", "~fertig*").await.expect("put");
    assert_eq!(machines.ids(name, Some("in.Arbeit")).await, [fsm]);
    assert_eq!(machines.send(name, fsm, "~1 /", "los * geht's").await.expect("sent"), "~1 /");
    let outcome = machines.outcome(name, "~1 /").await.expect("known");
    assert!(outcome.code == StatusCode::Ok && outcome.id == fsm && outcome.config == name, "{outcome:?}");
    let found = machines.fsm(name, fsm).await.expect("there");
    assert_eq!((found.config_id, found.state.as_str()), (id, "~fertig*"));
    assert_eq!(found.history[0].event_id, "~1 /");
    let moved = transition("in.Arbeit", "~fertig*", "los * geht's");
    assert_eq!(found.history[0].transition.as_option(), Some(&moved));
    assert_eq!(machines.ids(name, Some("~fertig*")).await, [fsm, "x"]);
    machines.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_configuration_is_as_good_as_a_small_one() {
    let machines = Machines::new().await;
    let names: Vec<String> = (0..=3_000).map(|n| format!("s{n}")).collect();
    let mut ways: Vec<[&str; 3]> = names.windows(2).map(|two| [&*two[0], &*two[1], "on"]).collect();
    // One state with as many events.
    let events: Vec<String> = (0..3_000).map(|n| format!("e{n}")).collect();
    ways.extend(events.iter().map(|event| ["s0", "s1", event.as_str()]));
    machines.configure(configuration("large", "v1", &ways)).await.expect("put");
    let found = machines.client.get_configuration(text("large:v1")).await.expect("there").into_owned();
    assert_eq!(found, configuration("large", "v1", &ways));
    machines.put("large:v1", "first", "").await.expect("put");
    machines.put("large:v1", "last", "s3000").await.expect("put");
    assert_eq!(machines.sent("large", "first", "e2999").await.0, StatusCode::Ok);
    assert_eq!(machines.ids("large", Some("s3000")).await, ["last"]);
    machines.stop().await;
}
