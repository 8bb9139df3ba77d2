//! Programs that attach: they meet in a space, outlive the server's power cut, and are missed when they are silent.

#![allow(missing_docs)]

mod common;

use common::{Server, folder};
use everstate_client::{Act, Attach, Client, Hand, Interest, News, Part, Retry, Session, Target};
use serde_json::json;
use std::time::Duration;

/// Nothing here takes this long; it only keeps a broken test from hanging.
const FAR: Duration = Duration::from_secs(60);

const IMPATIENT: &[&str] = &["--session-pulse", "0.2", "--session-silent", "6"];

fn client(server: &Server) -> Client {
    let client = Client::new(&Target { server: server.url.clone(), ..Target::default() }).unwrap();
    client.with_retry(Retry { patience: FAR, first_contact: FAR })
}

async fn next(session: &mut Session) -> News {
    let heard = tokio::time::timeout(FAR, session.next()).await.expect("something is told in time");
    heard.expect("the session goes on").expect("it is told").news
}

async fn acts(hand: &Hand, acts: Vec<Act>) {
    let outcome = tokio::time::timeout(FAR, hand.act(acts)).await.expect("done in time").expect("done");
    assert_eq!(outcome.reason, "", "{outcome:?}");
}

#[tokio::test]
async fn sessions_meet_survive_a_power_cut_and_are_missed() {
    let folder = folder();
    let server = Server::start_with(folder.path(), "127.0.0.1:0", IMPATIENT);
    let client = client(&server);
    let named = Attach { address: "session/driver".into(), ..Attach::default() };
    let driver = client.attach(named.clone()).await.unwrap();
    let mut seer = client.attach(Attach::default()).await.unwrap();
    assert_eq!(driver.address(), "session/driver");

    // One sees the other, whoever comes first, and they talk.
    let watch = Part::subscriber("tcp/*").with_interest(Interest::Observer);
    acts(&seer.hand(), vec![Act::join("watch", watch).unwrap()]).await;
    let line = Part::publisher("tcp/9").with_value(json!({"port": 9}));
    let join = Act::join("line", line).unwrap();
    acts(&driver.hand(), vec![join, Act::publish("tcp/9", &json!("hello")).unwrap()]).await;
    let News::Present { endpoint, who } = next(&mut seer).await else { panic!("the driver is there") };
    assert_eq!((&*endpoint, &*who.address, &*who.pattern), ("watch", "session/driver", "tcp/9"));
    assert_eq!(who.value, json!({"port": 9}));
    let News::Message { topic, data, from, .. } = next(&mut seer).await else { panic!("it speaks") };
    assert_eq!((&*topic, data, from.as_deref()), ("tcp/9", json!("hello"), Some("session/driver")));

    // A machine is sent to by a session, and a session by a client.
    let paid = Act::send("orders/1", "pay", &json!({"by": "card"})).unwrap();
    server.run(&["start", "orders", "1"]).ok();
    acts(&driver.hand(), vec![paid]).await;
    server.run(&["await", "orders/1", "--in", "paid", "--timeout", "30s"]).ok();
    server.run(&["send", seer.address(), "news", "--data", "1"]).ok();
    assert_eq!(next(&mut seer).await, News::Event { name: "news".into(), data: json!(1) });

    // The power goes; both come back by themselves as who they were, and nobody was missed.
    let address = server.kill();
    let server = Server::start_with(folder.path(), &address, IMPATIENT);
    acts(&driver.hand(), vec![Act::publish("tcp/9", &json!("again")).unwrap()]).await;
    let News::Message { data, .. } = next(&mut seer).await else { panic!("it speaks again") };
    assert_eq!(data, json!("again"));

    // Nobody else can be the driver.
    let held = client.attach(named.clone()).await.unwrap_err();
    assert_eq!(held.code(), "session-held");
    let forged = Attach { key: Some("0".repeat(64)), ..named.clone() };
    assert_eq!(client.attach(forged).await.unwrap_err().code(), "session-key");
    let forged = server.run(&["send", "session/driver", "session.act", "--data", r#"{"acts": []}"#]);
    assert_ne!(forged.code, 0, "{forged:?}");

    // It goes without a word, and is missed.
    let key = driver.key().to_owned();
    drop(driver);
    let News::Absent { who, reason, .. } = next(&mut seer).await else { panic!("the driver is missed") };
    assert_eq!((&*who.address, &*reason), ("session/driver", "silent"));
    let late = Attach { key: Some(key), ..named.clone() };
    assert_eq!(client.attach(late).await.unwrap_err().code(), "session-gone");

    // Under its name another may begin, and leave in good order.
    let driver = client.attach(named).await.unwrap();
    acts(&driver.hand(), vec![Act::join("line", Part::publisher("tcp/9")).unwrap()]).await;
    assert!(matches!(next(&mut seer).await, News::Present { .. }));
    driver.close().await.unwrap();
    let News::Absent { reason, detail, .. } = next(&mut seer).await else { panic!("it has left") };
    assert_eq!((&*reason, &*detail), ("exited", "stopped"));
}

#[tokio::test]
async fn what_a_session_publishes_waits_for_credit() {
    let folder = folder();
    let server = Server::start(folder.path());
    let client = client(&server);
    let source = client.attach(Attach::default()).await.unwrap();
    let mut sink = client.attach(Attach::default()).await.unwrap();
    let out = Act::join("out", Part::publisher("line/1").waiting()).unwrap();
    let line = |number: u32| Act::publish("line/1", &json!(number)).unwrap();
    acts(&source.hand(), vec![out, line(1), line(2)]).await;
    acts(&sink.hand(), vec![Act::join("in", Part::subscriber("line/*")).unwrap()]).await;
    assert!(matches!(next(&mut sink).await, News::Present { .. }));
    let routes = server.json(&["routes", "line/1", "--feedback"]);
    assert_eq!((&routes["takers"][0]["credit"], &routes["takers"][0]["waiting"]), (&json!(0), &json!(2)));
    let shown = server.run(&["routes", "line/1", "--feedback"]).ok().out;
    assert!(shown.contains("CREDIT") && shown.contains("WAITING"), "{shown}");

    for number in 1..=2 {
        let credit = Act::feedback("line/1", &json!({"credit": 1})).unwrap();
        acts(&sink.hand(), vec![credit]).await;
        let News::Message { data, from, .. } = next(&mut sink).await else { panic!("a line") };
        assert_eq!((data, from.as_deref()), (json!(number), Some(source.address())));
    }
}

#[tokio::test]
async fn acts_that_make_no_sense_are_told_and_the_session_goes_on() {
    let folder = folder();
    let server = Server::start(folder.path());
    let client = client(&server);
    let session = client.attach(Attach::default()).await.unwrap();
    let nonsense = [
        Act::join("x", Part::publisher("a//b")).unwrap(),
        Act::join("", Part::publisher("a")).unwrap(),
        Act::publish("a/>/b", &json!(1)).unwrap(),
        Act::send("nowhere", "x", &json!(1)).unwrap(),
        Act::assert("never-joined", &json!(1)).unwrap(),
        Act::leave("x").within("a//b"),
    ];
    for act in nonsense {
        let outcome = session.act(vec![act.clone()]).await.unwrap();
        assert!(["bad-data", "fault-action"].contains(&&*outcome.reason), "{act:?}: {outcome:?}");
        assert!(!outcome.message.is_empty(), "{act:?}: {outcome:?}");
    }
    let many = (0..300).map(|n| Act::leave(format!("e{n}"))).collect();
    assert_eq!(session.act(many).await.unwrap().reason, "bad-data");
    let astray = Act::send("orders/1", "pay", &json!(1)).unwrap().within("a");
    assert_eq!(session.act(vec![astray]).await.unwrap_err().code(), "malformed-request");
    acts(&session.hand(), vec![Act::leave("never-joined")]).await;
    let wrong = Attach { address: "orders/1".into(), ..Attach::default() };
    assert_eq!(client.attach(wrong).await.unwrap_err().code(), "malformed-request");
    let lost = Attach { key: Some("k".into()), ..Attach::default() };
    assert_eq!(client.attach(lost).await.unwrap_err().code(), "malformed-request");
    session.close().await.unwrap();
}
