//! The service of `statemachine.v1beta`: what clients of go-statemachine speak, answered by the same node as
//! everything else. A configuration is a definition, a finite state machine (FSM) an instance.
//!
//! It refuses to hold machines or to decide: it translates, and what it remembers by itself is only what the node has
//! no place for.
//!
//! Its one invariant: what is put through either API is there through the other.

mod configurations;
mod events;
mod machines;
pub(crate) mod migration;
mod nobody;
mod text;

#[cfg(test)]
mod names_tests;

use crate::service::Service;
use connectrpc::{ConnectError, RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream};
use everstate_api::{names, v1beta};
use everstate_kernel::DefinitionId;
use nobody::Nobody;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use text::Known;

/// What every handler has.
#[derive(Debug)]
pub(crate) struct Statemachine {
    service: Arc<Service>,
    /// Does the server speak TLS?
    secure: bool,
    /// What definitions say, read once: they never change.
    known: Mutex<HashMap<DefinitionId, Arc<Known>>>,
    nobody: Nobody,
}

/// A request that lacks what it cannot do without.
fn precondition(message: impl Into<String>) -> ConnectError {
    ConnectError::failed_precondition(message)
}

fn invalid(message: impl Into<String>) -> ConnectError {
    ConnectError::invalid_argument(message)
}

/// A text from a client as it is shown in a message: quoted, and cut off where it grows long.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

impl Statemachine {
    pub(crate) fn new(service: Arc<Service>, secure: bool) -> Statemachine {
        Statemachine { service, secure, known: Mutex::default(), nobody: Nobody::default() }
    }

    fn health(&self) -> v1beta::HealthResponse {
        use v1beta::health_response::ReadyState;
        let state = match self.service.node.failure() {
            None => ReadyState::READY,
            Some(_) => ReadyState::NOT_READY,
        };
        v1beta::HealthResponse {
            state: state.into(),
            release: env!("CARGO_PKG_VERSION").into(),
            tlsEnabled: self.secure,
            ..Default::default()
        }
    }
}

/// The methods of the trait are alike: hand the request over, wrap the answer.
macro_rules! service {
    ($($method:ident $handler:path, $request:ty => $answer:ident;)*) => {
        impl v1beta::StatemachineService for Statemachine {
            async fn health<'a>(
                &'a self,
                _context: RequestContext,
                _request: ServiceRequest<'_, buffa_types::google::protobuf::Empty>,
            ) -> ServiceResult<impl connectrpc::Encodable<v1beta::HealthResponse> + Send + use<'a>> {
                Response::ok(Statemachine::health(self))
            }

            $(
                async fn $method<'a>(
                    &'a self,
                    _context: RequestContext,
                    request: ServiceRequest<'_, $request>,
                ) -> ServiceResult<impl connectrpc::Encodable<v1beta::$answer> + Send + use<'a>> {
                    let answer: v1beta::$answer = $handler(self, request.view()).await?;
                    Response::ok(answer)
                }
            )*

            async fn stream_all_configurations(
                &self,
                _context: RequestContext,
                request: ServiceRequest<'_, buffa_types::google::protobuf::StringValue>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1beta::Configuration> + Send + use<>>> {
                Ok(Response::stream(configurations::stream(self, request.view())?))
            }

            async fn stream_all_instate(
                &self,
                _context: RequestContext,
                request: ServiceRequest<'_, v1beta::GetFsmRequest>,
            ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<v1beta::PutResponse> + Send + use<>>> {
                Ok(Response::stream(machines::stream(self, request.view())?))
            }
        }
    };
}

service! {
    put_configuration configurations::put, v1beta::Configuration => PutResponse;
    get_all_configurations configurations::list, buffa_types::google::protobuf::StringValue => ListResponse;
    get_configuration configurations::get, buffa_types::google::protobuf::StringValue => Configuration;
    put_finite_state_machine machines::put, v1beta::PutFsmRequest => PutResponse;
    get_finite_state_machine machines::get, v1beta::GetFsmRequest => FiniteStateMachine;
    get_all_in_state machines::list, v1beta::GetFsmRequest => ListResponse;
    send_event events::send, v1beta::EventRequest => EventResponse;
    get_event_outcome events::outcome, v1beta::EventRequest => EventResponse;
}
