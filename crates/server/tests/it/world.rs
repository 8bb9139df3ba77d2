//! A server for one test, and ways to speak to it.

use connectrpc::client::{ClientConfig, HttpClient};
use connectrpc::{CodecFormat, ConnectError, Protocol};
use everstate_api::v1;
use everstate_server::{Config, Given, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) type Client = v1::EverstateClient<HttpClient>;

/// A machine with an answer, a guard, a fault, a state that defers, a state without a way out, and an end.
pub(crate) const ORDERS: &str = "
name: orders
version: v1
description: Orders for these tests
context: {paid: 0}
initial: open
states:
  open:
    on:
      pay:
        guard: event.amount > 0
        target: paid
        actions:
          - assign: {paid: event.amount}
          - reply: {total: event.amount}
      note: {}
      hold: held
      lose: lost
      boom: {actions: {assign: {paid: event.none.at.all}}}
  paid:
    initial: packing
    states:
      packing: {on: {ship: '#end'}}
  held:
    unhandled: defer
    on: {release: open}
  lost: {}
  end: {id: end, type: final}
";

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) client: Client,
}

/// The ways to speak that the server promises.
pub(crate) const SPEECHES: [(Protocol, CodecFormat); 4] = [
    (Protocol::Connect, CodecFormat::Json),
    (Protocol::Connect, CodecFormat::Proto),
    (Protocol::Grpc, CodecFormat::Proto),
    (Protocol::GrpcWeb, CodecFormat::Proto),
];

/// A configuration for a server on a free port with a store in memory, and these settings.
pub(crate) fn config(settings: &[(&str, &str)]) -> Config {
    let mut given = Given::default();
    for (name, value) in [("listen", "127.0.0.1:0"), ("engine", "memory")].iter().chain(settings) {
        given.flag(name, *value).expect("a setting");
    }
    Config::resolve(&given, Vec::new()).expect("a good configuration")
}

impl World {
    /// A server with [`ORDERS`].
    pub(crate) async fn new() -> World {
        let world = World::with(config(&[])).await;
        world.put(ORDERS).await.expect("a good definition");
        world
    }

    pub(crate) async fn with(config: Config) -> World {
        World::around(Server::start(config).await.expect("a server"))
    }

    pub(crate) fn around(server: Server) -> World {
        let client = speak(&server, Protocol::Connect, CodecFormat::Json);
        World { server, client }
    }

    pub(crate) async fn put(&self, source: &str) -> Result<v1::PutDefinitionResponse, ConnectError> {
        let request = v1::PutDefinitionRequest {
            source: source.into(),
            file_name: "orders.yaml".into(),
            ..Default::default()
        };
        Ok(self.client.put_definition(request).await?.into_owned())
    }

    pub(crate) async fn start(&self, id: &str) -> v1::Instance {
        let request = v1::StartInstanceRequest { kind: "orders".into(), id: id.into(), ..Default::default() };
        let answer = self.client.start_instance(request).await.expect("started").into_owned();
        answer.instance.into_option().expect("an instance")
    }

    pub(crate) async fn send(
        &self,
        address: &str,
        id: &str,
        name: &str,
    ) -> Result<v1::Outcome, ConnectError> {
        let answer = self.client.send_event(event(address, id, name, "{}")).await?.into_owned();
        Ok(answer.outcome.into_option().expect("an outcome"))
    }

    /// A call as `curl` makes it: HTTP/1.1, JSON. Answers the status and the body.
    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let kind = "content-type: application/json\r\n";
        self.raw("POST", path, kind, body.as_bytes()).await
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.server.address()).await.expect("connected");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        // A server that refuses a large body may close before it has read it whole.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default();
        (status, body)
    }
}

pub(crate) fn speak(server: &Server, protocol: Protocol, codec: CodecFormat) -> Client {
    speak_with(server, protocol, codec, &[])
}

pub(crate) fn speak_with(
    server: &Server,
    protocol: Protocol,
    codec: CodecFormat,
    headers: &[(&'static str, &str)],
) -> Client {
    let mut config = ClientConfig::new(server.url().parse().expect("a URL"))
        .with_protocol(protocol)
        .with_codec_format(codec)
        .with_default_timeout(Duration::from_secs(30));
    for (name, value) in headers {
        config = config.with_default_header(*name, *value);
    }
    let transport = match protocol {
        Protocol::Grpc => HttpClient::plaintext_http2_only(),
        _ => HttpClient::plaintext(),
    };
    v1::EverstateClient::new(transport, config)
}

pub(crate) fn event(address: &str, id: &str, name: &str, data: &str) -> v1::SendEventRequest {
    let data: buffa_types::google::protobuf::Value = serde_json::from_str(data).expect("JSON");
    v1::SendEventRequest {
        address: address.into(),
        event: Some(v1::Event {
            id: id.into(),
            name: name.into(),
            data: Some(data).into(),
            ..Default::default()
        })
        .into(),
        ..Default::default()
    }
}

/// The stable code in an error's detail.
pub(crate) fn code(error: &ConnectError) -> String {
    detail(error).map(|detail| detail.code).unwrap_or_default()
}

pub(crate) fn detail(error: &ConnectError) -> Option<v1::Error> {
    use base64::Engine as _;
    let detail = error.details.iter().find(|detail| detail.type_url.ends_with("everstate.v1.Error"))?;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(detail.value.as_deref()?.trim_end_matches('='))
        .ok()?;
    buffa::Message::decode_from_slice(&bytes).ok()
}
