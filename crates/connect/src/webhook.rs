//! Webhooks: a request with a signature for each notification, as the Standard Webhooks have it.
//!
//! The signature is HMAC-SHA256 over `ID.TIMESTAMP.BODY` with a secret that both sides know, in base64 after `v1,`. The id
//! is the same whenever a notification is sent again, so the other side can tell. Any answer but 2xx is tried again, a
//! redirect included: it is for a person to say that an endpoint has moved.
//!
//! Its one invariant: nothing is sent without a signature.

use crate::plan::WebhookPlan;
use crate::sink::{Notification, Sink};
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Requests at a time, each about another instance. Half would leave a fast service idle, twice be unkind to a slow one.
const CONCURRENCY: usize = 32;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read: only so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// An endpoint.
pub(crate) struct Webhook {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    key: hmac::Key,
    timeout: Duration,
}

impl Webhook {
    pub(crate) fn open(plan: &WebhookPlan) -> Result<Webhook, Trouble> {
        let url = plan.url.parse::<Uri>().ok().filter(|url| url.host().is_some());
        let url = url.ok_or_else(|| Trouble::lasting(format!("{} is no URL", plan.url)))?;
        let secret = plan.secret.read().map_err(Trouble::lasting)?;
        Ok(Webhook { http: client()?, url, key: key(&secret)?, timeout: plan.timeout })
    }

    async fn post(&self, one: &Notification, now: u64) -> Result<(), Trouble> {
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "everstate")
            .header("webhook-id", &one.id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature(&self.key, &one.id, now, &one.body))
            .body(Full::new(Bytes::from(one.body.clone())));
        let request =
            request.map_err(|error| Trouble::lasting(format!("no request can be made: {error}")))?;
        let asking = async {
            let answer =
                self.http.request(request).await.map_err(|error| Trouble::again(innermost(&error)))?;
            let status = answer.status();
            // An answer that is too long or breaks off is an answer all the same.
            let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            if status.is_success() {
                return Ok(());
            }
            Err(Trouble::again(format!("{} answered {status}", self.url)))
        };
        let late = || Trouble::again(format!("{} did not answer within {:?}", self.url, self.timeout));
        tokio::time::timeout(self.timeout, asking).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Sink for Webhook {
    fn batch_max(&self) -> usize {
        1
    }

    fn parallel(&self) -> usize {
        CONCURRENCY
    }

    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut results = Vec::with_capacity(batch.len());
        for one in batch {
            results.push(self.post(one, now).await);
        }
        results
    }
}

fn client() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Trouble> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::lasting(error.to_string()))?
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

/// The key of a secret: `whsec_` and base64, or else the text as it is.
fn key(secret: &str) -> Result<hmac::Key, Trouble> {
    let bytes = match secret.strip_prefix("whsec_") {
        None => secret.as_bytes().to_vec(),
        Some(text) => STANDARD.decode(text).map_err(|_| {
            Trouble::lasting("the webhook's secret begins with whsec_ and is not base64 after it")
        })?,
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signature(key: &hmac::Key, id: &str, now: u64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{now}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

/// What the system said, without the layers it came through.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
