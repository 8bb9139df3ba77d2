//! Where a server is and how it is spoken to: address, certificates, token.
//!
//! It refuses to open anything: a connection is made by the first call, and made anew when it broke.

use crate::error::plain;
use crate::retry::Retry;
use connectrpc::CompressionRegistry;
use connectrpc::client::{ClientBody, ClientConfig, ServiceTransport};
use http::Uri;
use http::header::{AUTHORIZATION, HeaderValue};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Which server, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `http://` or `https://`, host and port.
    pub server: String,
    /// The bearer token.
    pub token: Option<String>,
    /// A PEM file with the authorities that may have signed the server's certificate; the system's when none.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's own certificate, for servers that ask for one.
    pub cert: Option<PathBuf>,
    /// A PEM file with its private key.
    pub key: Option<PathBuf>,
    /// How long calls are tried.
    pub retry: Retry,
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address of the server is none.
    #[error("server address is not usable: {address}; write http://HOST:PORT or https://HOST:PORT")]
    Address {
        /// As given.
        address: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read the {what} in {}: {problem}", .file.display())]
    Pem {
        /// `certificate`, `authorities` or `private key`.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The certificate and the key do not belong together, or one of them is missing.
    #[error("client certificate is not usable: {0}")]
    Certificate(String),
    /// The token has characters that no header may have.
    #[error("token is not usable: it has a character that is not allowed in a header")]
    Token,
}

pub(crate) type Transport =
    ServiceTransport<hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, ClientBody>>;

/// Long enough for any honest network; a wrong address that answers nothing is told after this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that went away without a word is noticed after about three of these.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Bytes of one answer: a page of 1,000 instances with large contexts. Half would cut honest pages off.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What carries calls to the target; `duplex` those whose two sides speak at once.
pub(crate) fn transport(target: &Target, duplex: bool) -> Result<(Transport, ClientConfig), TargetError> {
    let address = || TargetError::Address { address: target.server.clone() };
    let uri: Uri = target.server.trim_end_matches('/').parse().map_err(|_| address())?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(address()),
    };
    if uri.host().is_none_or(str::is_empty) || uri.path() != "/" || uri.query().is_some() {
        return Err(address());
    }
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls(target, secure)?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    let client =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http2_only(duplex).build(connector);
    let mut config = ClientConfig::new(uri)
        .with_compression(CompressionRegistry::new())
        .with_default_max_message_size(ANSWER_BYTES_MAX)
        .with_default_element_memory_limit(ANSWER_BYTES_MAX * 4);
    if let Some(token) = &target.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| TargetError::Token)?;
        value.set_sensitive(true);
        config = config.with_default_header(AUTHORIZATION, value);
    }
    Ok((ServiceTransport::new(client), config))
}

fn tls(target: &Target, secure: bool) -> Result<TlsConfig, TargetError> {
    let roots = match (&target.ca, secure) {
        (Some(file), _) => authorities(file)?,
        (None, true) => system_authorities(),
        (None, false) => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TargetError::Certificate(error.to_string()))?
        .with_root_certificates(roots);
    match (&target.cert, &target.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| pem("private key", key, &error))?;
            builder
                .with_client_auth_cert(certificates("certificate", cert)?, private)
                .map_err(|error| TargetError::Certificate(error.to_string()))
        }
        (Some(_), None) => Err(TargetError::Certificate("its private key is missing".into())),
        (None, Some(_)) => {
            Err(TargetError::Certificate("there is a private key without a certificate".into()))
        }
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, TargetError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("authorities", file)? {
        roots.add(certificate).map_err(|error| pem("authorities", file, &error))?;
    }
    Ok(roots)
}

/// Those of the system; one that cannot be read is left out, since a server it signed says so by itself.
fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn certificates(what: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(what, file, &error))?;
    if found.is_empty() {
        return Err(pem(what, file, &"there is no certificate in it"));
    }
    Ok(found)
}

fn pem(what: &'static str, file: &Path, problem: &dyn std::fmt::Display) -> TargetError {
    let problem = problem.to_string();
    let problem = problem.strip_prefix("I/O error: ").unwrap_or(&problem).to_owned();
    TargetError::Pem { what, file: file.to_owned(), problem: plain(problem) }
}

#[cfg(test)]
mod tests;
