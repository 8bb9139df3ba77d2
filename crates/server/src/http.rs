//! What is where on a port: the services for every protocol, health, reflection, metrics.
//!
//! It refuses to know connections. Its one invariant: without a known token only health is told, and nobody gets more
//! answers than their rate.

use crate::auth::Tokens;
use crate::config::Config;
use crate::failure::Failure;
use crate::metrics;
use crate::rates::{Peer, Rates};
use crate::service::Service;
use crate::statemachine::Statemachine;
use crate::tls::Certificates;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use connectrpc::{CompressionPolicy, ConnectError, ConnectRpcService, Limits};
use connectrpc_health::StaticChecker;
use connectrpc_reflection::Reflector;
use everstate_api::{DESCRIPTORS, v1, v1beta};
use everstate_runtime::Handle;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// Memory that decoding one request may take for its elements, beyond their contents. The largest request has
/// ten thousand events, each with its data in small values.
const ELEMENTS_BYTES_MAX: usize = 128 << 20;

/// What a port answers beside health, reflection and metrics.
pub(crate) enum Offer {
    /// Both services.
    Everything(Arc<Service>, Arc<Statemachine>),
    /// That of go-statemachine's clients alone.
    Statemachine(Arc<Service>, Arc<Statemachine>),
}

/// Who comes in, and how often.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) tokens: Tokens,
    /// None where nobody is limited.
    pub(crate) rates: Option<Rates>,
    /// None without TLS.
    pub(crate) certificates: Option<Arc<Certificates>>,
}

/// Everything on a port. The checker is for telling, at the end, that this server is going.
pub(crate) fn app(
    offer: Offer,
    gate: Arc<Gate>,
    config: &Config,
) -> Result<(Router, Arc<StaticChecker>), String> {
    let reflector = Reflector::from_descriptor_set_bytes(DESCRIPTORS)
        .map_err(|error| format!("the wire's descriptors do not load: {error}"))?;
    let rpc = connectrpc::Router::new();
    let (rpc, node, names) = match offer {
        Offer::Everything(service, statemachine) => {
            let node = service.node.clone();
            let names = vec![v1::EVERSTATE_SERVICE_NAME, v1beta::STATEMACHINE_SERVICE_SERVICE_NAME];
            (rpc.add_service(service).add_service(statemachine), node, names)
        }
        Offer::Statemachine(service, statemachine) => {
            let names = vec![v1beta::STATEMACHINE_SERVICE_SERVICE_NAME];
            (rpc.add_service(statemachine), service.node.clone(), names)
        }
    };
    let reflector = reflector.with_services(names.clone());
    let (rpc, health) = connectrpc_health::install_static(rpc, names);
    let rpc = connectrpc_reflection::install(rpc, reflector);
    let limits = Limits::default()
        .with_max_request_body_size(config.request_bytes_max)
        .with_max_message_size(config.request_bytes_max)
        .with_element_memory_limit(ELEMENTS_BYTES_MAX);
    let rpc =
        ConnectRpcService::new(rpc).with_limits(limits).with_compression_policy(CompressionPolicy::default());

    let open = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state((node.clone(), gate.clone()));
    let guarded = Router::new()
        .route("/metrics", get(show_metrics))
        .with_state((node, gate.clone()))
        .fallback_service(rpc)
        .layer(middleware::from_fn_with_state(gate, admit));
    let app = open.merge(guarded).layer(CatchPanicLayer::custom(caught));
    Ok((app, health))
}

/// Takes events in? And what is in the way of something else.
async fn ready(State((node, gate)): State<(Handle, Arc<Gate>)>) -> Response {
    if let Some(failure) = node.failure() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")).into_response();
    }
    // Whoever asks need not be known, so the paths of the files are left to the log.
    match gate.certificates.as_ref().is_none_or(|certificates| certificates.are_current()) {
        true => "ready\n".into_response(),
        false => {
            "ready\nthe changed certificates cannot be used, and those from before go on; the log says why\n"
                .into_response()
        }
    }
}

async fn show_metrics(State((node, gate)): State<(Handle, Arc<Gate>)>) -> Response {
    ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::text(&node, &gate)).into_response()
}

/// Lets in whoever brings a known token and has not used up their rate, and health checks, which cannot bring one.
async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/grpc.health.v1.Health/")
        && let Err(failure) = gate.admit(&request)
    {
        tracing::debug!(path = request.uri().path(), problem = failure.message, "a call was not let in");
        let error = ConnectError::from(failure);
        return error.into_http_response(request.headers()).map(Body::new);
    }
    next.run(request).await
}

impl Gate {
    fn admit(&self, request: &Request) -> Result<(), Failure> {
        let token = self.tokens.check(request.headers())?;
        if let Some(name) = token {
            tracing::debug!(caller = name, path = request.uri().path(), "a call");
        }
        match (&self.rates, request.extensions().get::<Peer>()) {
            (Some(rates), Some(peer)) => rates.check(&peer.client(token)),
            _ => Ok(()),
        }
    }
}

/// A handler panicked. Its turn, if there was one, is whole or not there; the client may ask again.
fn caught(panic: Box<dyn std::any::Any + Send>) -> Response {
    let words = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = words, "a handler panicked");
    ConnectError::from(Failure::internal()).into_response()
}
