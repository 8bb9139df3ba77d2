//! `statemachine.v1beta`, as clients of go-statemachine use it.

mod both;
mod configurations;
mod events;
mod hostile;
mod machines;

use crate::world::{World, config};
use connectrpc::client::{ClientConfig, HttpClient};
use connectrpc::{CodecFormat, ConnectError, ErrorCode, Protocol};
use everstate_api::v1beta;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::get_fsm_request::Query;
use everstate_api::v1beta::{
    Configuration, Event, EventOutcome, EventRequest, FiniteStateMachine, GetFsmRequest, PutFsmRequest,
    PutResponse, Transition,
};
use std::time::Duration;

type Client = v1beta::StatemachineServiceClient<HttpClient>;

/// A server and a client that speaks gRPC to it.
struct Machines {
    world: World,
    client: Client,
}

fn client(address: std::net::SocketAddr, protocol: Protocol, codec: CodecFormat) -> Client {
    let url = format!("http://{address}");
    let config = ClientConfig::new(url.parse().expect("a URL"))
        .with_protocol(protocol)
        .with_codec_format(codec)
        .with_default_timeout(Duration::from_secs(60));
    let transport = match protocol {
        Protocol::Grpc => HttpClient::plaintext_http2_only(),
        _ => HttpClient::plaintext(),
    };
    v1beta::StatemachineServiceClient::new(transport, config)
}

fn text(value: &str) -> buffa_types::google::protobuf::StringValue {
    buffa_types::google::protobuf::StringValue { value: value.into(), ..Default::default() }
}

fn transition(from: &str, to: &str, event: &str) -> Transition {
    Transition { from: from.into(), to: to.into(), event: event.into(), ..Default::default() }
}

/// A configuration of transitions `from to event`, whose states are all that they name.
fn configuration(name: &str, version: &str, transitions: &[[&str; 3]]) -> Configuration {
    let mut states: Vec<String> = Vec::new();
    for state in transitions.iter().flat_map(|[from, to, _]| [from, to]) {
        if !states.iter().any(|known| known == state) {
            states.push(state.to_string());
        }
    }
    Configuration {
        name: name.into(),
        version: version.into(),
        starting_state: states.first().cloned().unwrap_or_default(),
        states,
        transitions: transitions.iter().map(|[from, to, event]| transition(from, to, event)).collect(),
        ..Default::default()
    }
}

/// The orders that the original is shown with.
fn orders(version: &str) -> Configuration {
    let transitions = [
        ["start", "pending", "accept"],
        ["pending", "shipping", "ship"],
        ["shipping", "delivered", "deliver"],
        ["delivered", "completed", "sign"],
        ["completed", "closed", "close"],
    ];
    configuration("test.orders", version, &transitions)
}

fn event_request(config: &str, fsm: &str, event_id: &str, event: &str) -> EventRequest {
    let event = Event {
        event_id: event_id.into(),
        transition: Some(transition("", "", event)).into(),
        ..Default::default()
    };
    EventRequest { event: Some(event).into(), config: config.into(), id: fsm.into(), ..Default::default() }
}

impl Machines {
    async fn new() -> Machines {
        Machines::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Machines {
        let world = World::with(config(settings)).await;
        let client = client(world.server.address(), Protocol::Grpc, CodecFormat::Proto);
        Machines { world, client }
    }

    /// With [`orders`] of version v2.
    async fn with_orders() -> Machines {
        let machines = Machines::new().await;
        machines.configure(orders("v2")).await.expect("put");
        machines
    }

    async fn configure(&self, configuration: Configuration) -> Result<PutResponse, ConnectError> {
        Ok(self.client.put_configuration(configuration).await?.into_owned())
    }

    async fn put(&self, config_id: &str, id: &str, state: &str) -> Result<PutResponse, ConnectError> {
        let fsm =
            FiniteStateMachine { config_id: config_id.into(), state: state.into(), ..Default::default() };
        let request = PutFsmRequest { id: id.into(), fsm: Some(fsm).into(), ..Default::default() };
        Ok(self.client.put_finite_state_machine(request).await?.into_owned())
    }

    async fn fsm(&self, config: &str, id: &str) -> Result<FiniteStateMachine, ConnectError> {
        let query = Some(Query::Id(id.into()));
        let request = GetFsmRequest { config: config.into(), query, ..Default::default() };
        Ok(self.client.get_finite_state_machine(request).await?.into_owned())
    }

    /// The id that the event was answered with.
    async fn send(&self, config: &str, fsm: &str, id: &str, event: &str) -> Result<String, ConnectError> {
        let answer = self.client.send_event(event_request(config, fsm, id, event)).await?.into_owned();
        assert!(answer.outcome.as_option().is_none(), "the outcome is for those who ask for it");
        Ok(answer.event_id)
    }

    async fn outcome(&self, config: &str, event_id: &str) -> Result<EventOutcome, ConnectError> {
        let request = EventRequest { config: config.into(), id: event_id.into(), ..Default::default() };
        let answer = self.client.get_event_outcome(request).await?.into_owned();
        assert_eq!(answer.event_id, event_id);
        Ok(answer.outcome.into_option().expect("an outcome"))
    }

    /// Sends and asks what became of it.
    async fn sent(&self, config: &str, fsm: &str, event: &str) -> (StatusCode, String) {
        let id = self.send(config, fsm, "", event).await.expect("sent");
        let outcome = self.outcome(config, &id).await.expect("an outcome");
        assert_eq!((outcome.config.as_str(), outcome.id.as_str()), (config, fsm));
        (outcome.code.as_known().expect("a known code"), outcome.details)
    }

    async fn ids(&self, config: &str, state: Option<&str>) -> Vec<String> {
        let query = state.map(|state| Query::State(state.into()));
        let request = GetFsmRequest { config: config.into(), query, ..Default::default() };
        let mut listed =
            self.client.get_all_in_state(request.clone()).await.expect("a list").into_owned().ids;
        let mut stream = self.client.stream_all_instate(request).await.expect("a stream");
        let mut streamed = Vec::new();
        while let Some(message) = stream.message().await.expect("FSMs") {
            streamed.push(message.to_owned_message().id);
        }
        listed.sort();
        streamed.sort();
        assert_eq!(listed, streamed, "the stream has what the list has");
        listed
    }

    async fn configurations(&self, name: &str) -> Vec<String> {
        self.client.get_all_configurations(text(name)).await.expect("a list").into_owned().ids
    }

    async fn stop(self) {
        self.world.server.stop().await.expect("stopped");
    }
}

/// The status of a call that failed, and its message.
fn refusal<T: std::fmt::Debug>(result: Result<T, ConnectError>) -> (ErrorCode, String) {
    let error = result.expect_err("refused");
    (error.code, error.message.unwrap_or_default())
}
