//! A TCP driver as a session: it brings real connections into a space, as endpoints `tcp/REMOTE/PORT`.
//!
//! Whoever observes `tcp/*/PORT` makes it listen. A connection publishes its lines at `tcp/REMOTE/PORT`, one for each
//! credit that comes back as feedback, and writes what is published at `tcp/PORT/REMOTE`. When the machine at the other
//! end of either goes, the connection is closed; when the connection goes, the machine is told so by absence.
//!
//! Try it with `everstate serve examples/listener.yaml examples/echo.yaml`, then `everstate start listener 5999`, then
//! `cargo run -p everstate-client --example tcp`, and speak to port 5999.

#![allow(missing_docs)]

use everstate_client::{Act, Attach, Client, ClientError, Hand, Heard, Interest, News, Part, Target};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[allow(dead_code, reason = "a test calls `drive` alone")]
#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let server = std::env::args().nth(1).unwrap_or("http://127.0.0.1:7400".into());
    let client =
        Client::new(&Target { server, ..Target::default() }).expect("an address such as the default");
    drive(client).await
}

/// Longer lines close their connection.
const LINE_MAX: u64 = 64 << 10;

/// What the machine at the other end wants of a connection. Dropping it closes the connection.
enum Wanted {
    Credit(u64),
    Write(String),
}

pub(crate) async fn drive(client: Client) -> Result<(), ClientError> {
    let mut session = client.attach(Attach::default()).await?;
    // It sees observers, and none sees it.
    let all = Part::publisher("tcp/*/*").with_interest(Interest::Everything);
    session.act(vec![Act::join("all", all).expect("kept exactly")]).await?;
    let (accepted, mut connections) = mpsc::channel(16);
    let mut open: HashMap<String, mpsc::Sender<Wanted>> = HashMap::new();
    loop {
        tokio::select! {
            Some((remote, port, stream)) = connections.recv() => {
                let (wanted, wants) = mpsc::channel(16);
                open.insert(remote, wanted);
                tokio::spawn(connection(session.hand(), stream, port, wants));
            }
            heard = session.next() => match heard {
                Some(Ok(Heard { news, .. })) => handle(news, &mut open, &accepted).await,
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    }
}

async fn handle(
    news: News,
    open: &mut HashMap<String, mpsc::Sender<Wanted>>,
    accepted: &mpsc::Sender<(String, u16, TcpStream)>,
) {
    match news {
        News::Present { endpoint, who } if endpoint == "all" && who.interest == "observer" => {
            if let Some(port) = who.pattern.rsplit('/').next().and_then(|port| port.parse().ok()) {
                tokio::spawn(listen(port, accepted.clone()));
            }
        }
        News::Feedback { endpoint, data, .. } => {
            if let Some(wanted) = open.get(&endpoint[1..]) {
                let credit = data.get("credit").and_then(Value::as_f64).unwrap_or(0.0) as u64;
                let _ = wanted.send(Wanted::Credit(credit)).await;
            }
        }
        News::Message { endpoint, data, .. } => {
            if let (Some(wanted), Some(line)) = (open.get(&endpoint[1..]), data.as_str()) {
                let _ = wanted.send(Wanted::Write(line.to_owned())).await;
            }
        }
        News::Absent { endpoint, .. } if endpoint != "all" => drop(open.remove(&endpoint[1..])),
        _ => {}
    }
}

async fn listen(port: u16, accepted: mpsc::Sender<(String, u16, TcpStream)>) {
    // One who listens already is enough; two observers of a port need no second.
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await else { return };
    while let Ok((stream, remote)) = listener.accept().await {
        if accepted.send((remote.to_string(), port, stream)).await.is_err() {
            return;
        }
    }
}

/// One connection: endpoints `<REMOTE` for what it says and `>REMOTE` for what it is told.
async fn connection(hand: Hand, stream: TcpStream, port: u16, mut wants: mpsc::Receiver<Wanted>) {
    let Ok(remote) = stream.peer_addr() else { return };
    let (says, told) = (format!("tcp/{remote}/{port}"), format!("tcp/{port}/{remote}"));
    let (from, to) = (format!("<{remote}"), format!(">{remote}"));
    let joins = vec![
        Act::join(&from, Part::publisher(&says)).expect("kept exactly"),
        Act::join(&to, Part::subscriber(&told)).expect("kept exactly"),
    ];
    if hand.act(joins).await.is_ok() {
        let _ = talk(&hand, stream, (&says, &told), &mut wants).await;
    }
    let _ = hand.act(vec![Act::leave(from), Act::leave(to)]).await;
}

async fn talk(
    hand: &Hand,
    mut stream: TcpStream,
    (says, told): (&str, &str),
    wants: &mut mpsc::Receiver<Wanted>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let (mut credit, mut line) = (0, Vec::new());
    loop {
        tokio::select! {
            wanted = wants.recv() => match wanted {
                Some(Wanted::Credit(more)) => credit += more,
                Some(Wanted::Write(text)) => {
                    write.write_all(format!("{text}\n").as_bytes()).await?;
                    let written = json!({ "credit": text.len() + 1 });
                    hand.act(vec![Act::feedback(told, &written)?]).await?;
                }
                None => return Ok(()),
            },
            // A line that was read in part stays in `line` when something is wanted in between.
            count = read_line(&mut read, &mut line), if credit > 0 => {
                if count? == 0 {
                    return Ok(());
                }
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                credit -= 1;
                hand.act(vec![Act::publish(says, &json!(text))?]).await?;
            }
        }
    }
}

/// Reads on to the end of a line; 0 at the end of all.
async fn read_line(read: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<usize> {
    let left = LINE_MAX.saturating_sub(line.len() as u64);
    let count = read.take(left).read_until(b'\n', line).await?;
    if line.len() as u64 >= LINE_MAX { Err(std::io::ErrorKind::InvalidData.into()) } else { Ok(count) }
}
