//! A server in a process of its own, and callers of its API.
//!
//! It refuses to keep a server alive alone: it stops when the process that started it lets go of its input. Its one
//! invariant: every answer is read, and counts only what it says was decided as `ok`.

use crate::child;
use crate::http::{Connection, post};
use crate::load::Sender;
use crate::node::{Among, TURN, address, fresh_id};
use crate::scratch::Scratch;
use anyhow::{Context, Result, ensure};
use buffa::Message;
use buffa_types::google::protobuf::Value;
use everstate_api::v1::{
    self, SendEventRequest, SendEventResponse, SendEventsRequest, SendEventsResponse, outcome,
    send_events_request,
};
use everstate_server::{Config, Given, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that runs beside the bench.
#[derive(Debug)]
pub(crate) struct Served {
    port: u16,
    process: Child,
    _scratch: Scratch,
}

impl Served {
    /// Starts it on an empty store, with the machine of turn.yaml.
    pub(crate) fn start() -> Result<Served> {
        let scratch = Scratch::new("served")?;
        std::fs::write(scratch.path().join("turn.yaml"), TURN)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([child::COMMAND, "serve"]).arg(scratch.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let told = process.stdout.take().context("its output is piped")?;
        BufReader::new(told).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("the server told no port: {line:?}"));
        // Made first, so that a server without a port is ended as well.
        let mut served = Served { port: 0, process, _scratch: scratch };
        served.port = port?;
        Ok(served)
    }

    /// A connection to it.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        Connection::open(self.port).await
    }

    /// Someone with a connection of his own who makes that call.
    pub(crate) async fn caller(&self, call: Call, among: Among) -> Result<Caller> {
        Ok(Caller { connection: self.connection().await?, call, among, next: among.first })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The end of its input stops it; that it has stopped by itself is as good.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// What a child does for [`Served`].
pub(crate) fn serve(folder: &Path) -> Result<()> {
    let mut given = Given::default();
    given.flag("listen", "127.0.0.1:0")?;
    given.flag("data", folder.join("data").display().to_string())?;
    let config = Config::resolve(&given, vec![folder.join("turn.yaml")])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(Server::start(config))?;
    println!("{}", server.address().port());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(server.stop())?;
    Ok(())
}

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// The health check: as empty as a call can be.
    Empty(Wire),
    /// One event.
    One(Wire),
    /// So many events.
    Batch(Wire, usize),
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Json,
    Protobuf,
}

/// See [`Served::caller`].
pub(crate) struct Caller {
    connection: Connection,
    call: Call,
    among: Among,
    next: u64,
}

impl Caller {
    fn to(&mut self) -> String {
        let to = address(self.next);
        self.next = (self.next + self.among.stride) % self.among.count;
        to
    }

    fn event_json(&mut self) -> String {
        let (to, id) = (self.to(), fresh_id());
        format!(r#"{{"address":"{to}","event":{{"id":"{id}","name":"step","data":{{"n":1}}}}}}"#)
    }

    fn request(&mut self) -> Result<Vec<u8>> {
        let (call, wire, body) = match self.call {
            Call::Empty(Wire::Json) => ("grpc.health.v1.Health/Check", Wire::Json, b"{}".to_vec()),
            Call::Empty(Wire::Protobuf) => ("grpc.health.v1.Health/Check", Wire::Protobuf, Vec::new()),
            Call::One(Wire::Json) => {
                ("everstate.v1.Everstate/SendEvent", Wire::Json, self.event_json().into_bytes())
            }
            Call::One(Wire::Protobuf) => {
                let request =
                    SendEventRequest { address: self.to(), event: event()?.into(), ..Default::default() };
                ("everstate.v1.Everstate/SendEvent", Wire::Protobuf, request.encode_to_vec())
            }
            Call::Batch(Wire::Json, count) => {
                let events: Vec<String> = (0..count).map(|_| self.event_json()).collect();
                let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
                ("everstate.v1.Everstate/SendEvents", Wire::Json, body.into_bytes())
            }
            Call::Batch(Wire::Protobuf, count) => {
                let mut events = Vec::with_capacity(count);
                for _ in 0..count {
                    let (address, event) = (self.to(), event()?.into());
                    events.push(send_events_request::Item { address, event, ..Default::default() });
                }
                let request = SendEventsRequest { events, ..Default::default() };
                ("everstate.v1.Everstate/SendEvents", Wire::Protobuf, request.encode_to_vec())
            }
        };
        let content_type = match wire {
            Wire::Json => "application/json",
            Wire::Protobuf => "application/proto",
        };
        Ok(post(&format!("/{call}"), content_type, &body))
    }
}

fn event() -> Result<v1::Event> {
    let data: Value = serde_json::from_str(r#"{"n":1}"#)?;
    Ok(v1::Event { id: fresh_id(), name: "step".into(), data: data.into(), ..Default::default() })
}

impl Sender for Caller {
    async fn send(&mut self) -> Result<u64> {
        let request = self.request()?;
        let answer = self.connection.send(&request).await?;
        let (decided, expected) = match self.call {
            Call::Empty(_) => (1, 1),
            Call::One(Wire::Json) => (ok_in_json(answer), 1),
            Call::One(Wire::Protobuf) => {
                (usize::from(is_ok(&SendEventResponse::decode_from_slice(answer)?.outcome)), 1)
            }
            Call::Batch(Wire::Json, count) => (ok_in_json(answer), count),
            Call::Batch(Wire::Protobuf, count) => {
                let results = SendEventsResponse::decode_from_slice(answer)?.results;
                (results.iter().filter(|result| is_ok(&result.outcome)).count(), count)
            }
        };
        ensure!(
            decided == expected,
            "{decided} of {expected} events were ok: {}",
            String::from_utf8_lossy(answer)
        );
        Ok(decided as u64)
    }
}

fn is_ok(outcome: &v1::Outcome) -> bool {
    outcome.code == outcome::Code::CODE_OK
}

fn ok_in_json(answer: &[u8]) -> usize {
    String::from_utf8_lossy(answer).matches("\"CODE_OK\"").count()
}
