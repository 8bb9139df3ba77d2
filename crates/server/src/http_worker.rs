//! A worker within the server: tasks that are requests. It takes them from the queue `http` like any other worker,
//! sends each where it is allowed to go, and reports what came back.
//!
//! | the answer | the task |
//! |---|---|
//! | 2xx | done; the result is its body, JSON or else text |
//! | 5xx, 408, 425, 429, none | failed, tried again |
//! | anything else, a redirect included | failed for good |
//! | the URL is not allowed, the request is none | failed for good |
//!
//! It refuses to know whose tasks these are.

mod allowed;

pub use allowed::Allowed;

use crate::service::{now, stopped};
use everstate_kernel::{Json, Lease, Leased, Report};
use everstate_runtime::{CallError, Handle, Reported};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Requests at a time. Half would leave a fast service idle, twice would be unkind to a slow one.
const CONCURRENCY: usize = 32;

/// Bytes of an answer that are taken as a result: as many as an event may carry.
const ANSWER_BYTES_MAX: usize = everstate_kernel::limits::DATA_BYTES_MAX;

/// How long after the node has failed to give tasks it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers that are the protocol's own, or the worker's.
const RESERVED: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "idempotency-key",
];

type Http = Client<HttpsConnector<HttpConnector>, Full<bytes::Bytes>>;

/// What a task asks for.
#[derive(Debug, Deserialize)]
struct Wanted {
    url: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: serde_json::Value,
}

/// Starts the worker; it ends some time after the server is told to stop.
pub(crate) fn start(
    node: &Handle,
    allowed: Allowed,
    stopping: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, String> {
    let http = client()?;
    let (allowed, mut all) = (Arc::new(allowed), JoinSet::new());
    for place in 0..CONCURRENCY {
        let (node, http, allowed, stopping) = (node.clone(), http.clone(), allowed.clone(), stopping.clone());
        all.spawn(async move {
            let (worker, queue): (Arc<str>, Arc<str>) = (format!("http/{place}").into(), "http".into());
            let mut stop = std::pin::pin!(stopped(stopping));
            loop {
                let leased = tokio::select! {
                    biased;
                    leased = node.lease(worker.clone(), vec![queue.clone()], 1, true) => leased,
                    () = &mut stop => return,
                };
                match leased {
                    Ok(leased) => {
                        for task in leased {
                            work(&node, &http, &allowed, task).await;
                        }
                    }
                    Err(CallError::Stopping | CallError::Failed(_)) => return,
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }
    Ok(all)
}

fn client() -> Result<Http, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// One task from its lease to its report.
async fn work(node: &Handle, http: &Http, allowed: &Allowed, task: Leased) {
    let every = task.heartbeat.map(|span| Duration::from_millis((span.0 / 3).max(10)));
    let mut asking = std::pin::pin!(ask(http, allowed, &task));
    let report = loop {
        let beat = async {
            match every {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            report = &mut asking => break report,
            () = beat => {
                let beat = node.report(task.lease.clone(), Report::Beat { progress: None }).await;
                if matches!(beat, Err(CallError::Refused(_))) {
                    return;
                }
            }
        }
    };
    if let Err(error) = said(node, &task.lease, report).await {
        tracing::debug!(task = %task.lease, %error, "a request's task was not reported; it ends by its timeout");
    }
}

/// Reports until the node takes it, as long as that helps.
async fn said(node: &Handle, lease: &Lease, report: Report) -> Result<Reported, CallError> {
    loop {
        match node.report(lease.clone(), report.clone()).await {
            Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(CallError::Full) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}

fn failed(code: &str, message: impl Into<String>, retryable: bool) -> Report {
    Report::Failed { code: code.into(), message: message.into(), retryable }
}

async fn ask(http: &Http, allowed: &Allowed, task: &Leased) -> Report {
    let request = match request(allowed, task) {
        Ok(request) => request,
        Err((code, problem)) => return failed(code, problem, false),
    };
    let left = Duration::from_millis((task.ends - now()).0.max(1));
    let answering = async {
        let answer = http.request(request).await.map_err(|error| no_answer(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| format!("the answer broke off or is too long: {error}"))?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    match tokio::time::timeout(left, answering).await {
        Err(_) => failed("no-answer", "there was no answer in time", true),
        Ok(Err(problem)) => failed("no-answer", problem, true),
        Ok(Ok((status, body))) => answered(status, &body),
    }
}

fn no_answer(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn answered(status: StatusCode, body: &[u8]) -> Report {
    let text = String::from_utf8_lossy(body);
    if status.is_success() {
        let result = Json::parse(&text);
        let quoted = || Json::parse(&serde_json::Value::from(&*text).to_string());
        return match result.or_else(|_| quoted()) {
            Ok(result) => Report::Done(result),
            Err(error) => failed("bad-answer", error.to_string(), false),
        };
    }
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    const SHOWN: usize = 300;
    let shown: String = text.chars().take(SHOWN).collect();
    failed(&format!("http-{}", status.as_u16()), format!("{status}: {shown}"), again)
}

fn request(allowed: &Allowed, task: &Leased) -> Result<Request<Full<bytes::Bytes>>, (&'static str, String)> {
    let bad = |problem: String| ("bad-request", problem);
    let wanted: Wanted = serde_json::from_str(task.input.as_str()).map_err(|error| {
        bad(format!("the input is no request: {error}; it has url, method, headers and body"))
    })?;
    let uri = allowed.check(&wanted.url).map_err(|problem| ("not-allowed", problem))?;
    let method = match &*wanted.method {
        "" => Method::POST,
        method => {
            Method::from_bytes(method.as_bytes()).map_err(|_| bad(format!("{method:?} is no method")))?
        }
    };
    let body = match (&wanted.body, &method) {
        (serde_json::Value::Null, _) | (_, &Method::GET) => bytes::Bytes::new(),
        (body, _) => bytes::Bytes::from(body.to_string()),
    };
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(headers) = request.headers_mut() {
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("everstate/", env!("CARGO_PKG_VERSION"))));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, text) in &wanted.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| bad(format!("{name:?} is no name of a header")))?;
            if RESERVED.contains(&name.as_str()) {
                return Err(bad(format!("the header {name} is not for a task to set")));
            }
            let text = HeaderValue::from_str(text)
                .map_err(|_| bad(format!("the header {name} has a character that none may have")))?;
            headers.insert(name, text);
        }
        let key = HeaderValue::from_str(&task.lease.task())
            .or_else(|_| HeaderValue::from_bytes(task.lease.task().as_bytes()))
            .map_err(|_| bad("the address of the instance cannot be in a header".into()))?;
        headers.insert("idempotency-key", key);
    }
    request.body(Full::new(body)).map_err(|error| bad(error.to_string()))
}
