//! An echo server over real TCP: the driver is a session, a machine listens, and each connection has a handler of its own.

#![allow(missing_docs)]

mod common;
#[path = "../../client/examples/tcp.rs"]
mod tcp;

use common::Server;
use everstate_client::{Client, Retry, Target};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Nothing here takes this long; it only keeps a broken test from hanging.
const FAR: Duration = Duration::from_secs(60);

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Connects once somebody listens.
async fn connect(port: u16) -> BufReader<TcpStream> {
    let connected = async {
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
                return BufReader::new(stream);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(FAR, connected).await.expect("somebody listens in time")
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    tokio::time::timeout(FAR, stream.read_line(&mut line)).await.expect("echoed in time").unwrap();
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_has_a_handler_and_each_ends_with_the_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    for name in ["listener.yaml", "echo.yaml"] {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        std::fs::copy(example, folder.path().join("definitions").join(name)).unwrap();
    }
    let server = Server::start(folder.path());
    let port = free_port();
    server.run(&["start", "listener", "one", "--data", &format!(r#"{{"port": "{port}"}}"#)]).ok();
    let client = Client::new(&Target { server: server.url.clone(), ..Target::default() }).unwrap();
    let driver = tokio::spawn(tcp::drive(client.with_retry(Retry { patience: FAR, first_contact: FAR })));

    let mut one = connect(port).await;
    let mut two = connect(port).await;
    one.write_all(b"hello\nand\nmore\n").await.unwrap();
    two.write_all(b"other\n").await.unwrap();
    assert_eq!(line(&mut one).await, "hello\n");
    assert_eq!(line(&mut two).await, "other\n");
    assert_eq!(line(&mut one).await, "and\n");
    assert_eq!(line(&mut one).await, "more\n");
    let handlers = server.run(&["list", "--kind", "echo", "--json"]).ok();
    assert_eq!(handlers.lines().len(), 2, "{handlers:?}");

    // The power goes, and nobody at either end notices.
    let address = server.kill();
    let server = Server::start_on(folder.path(), &address);
    one.write_all(b"still there?\n").await.unwrap();
    assert_eq!(line(&mut one).await, "still there?\n");

    // A killed handler closes its connection, and no other.
    let remote = one.get_ref().local_addr().unwrap();
    let handlers = server.run(&["list", "--kind", "echo", "--json"]).ok().lines();
    let is_mine = |handler: &&serde_json::Value| handler["context"]["remote"] == remote.to_string();
    let mine = handlers.iter().find(is_mine).expect("the handler is listed");
    server.run(&["stop", "--kill", mine["address"].as_str().unwrap()]).ok();
    let mut rest = String::new();
    tokio::time::timeout(FAR, one.read_to_string(&mut rest)).await.expect("closed in time").unwrap();
    assert_eq!(rest, "");
    two.write_all(b"me too?\n").await.unwrap();
    assert_eq!(line(&mut two).await, "me too?\n");

    // A connection that goes ends its handler.
    drop(two);
    let gone = async {
        loop {
            let left = server.run(&["list", "--kind", "echo", "--living", "--json"]).ok();
            if left.out.trim().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(FAR, gone).await.expect("the handler ends in time");
    driver.abort();
}
