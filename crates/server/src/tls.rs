//! Certificates and keys as the listener needs them, read again when their files change.
//!
//! It refuses to choose ciphers or versions: rustls's own choice stands, TLS 1.2 and 1.3.
//!
//! Its one invariant: with a client CA, a connection without a certificate that leads to it never sees a request. And
//! files that cannot be used change nothing: connections go on with what was read before.

use crate::config::Tls;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What connections are accepted with.
pub(crate) struct Certificates {
    files: Tls,
    current: RwLock<Arc<ServerConfig>>,
    /// The contents of the files as they were tried last, and what was wrong with them.
    tried: Mutex<(Vec<Vec<u8>>, Option<String>)>,
    /// How often changed files were taken.
    pub(crate) reloads: AtomicU64,
    /// How often changed files could not be used.
    pub(crate) failures: AtomicU64,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were when they were looked at last.
    Unchanged,
    /// New connections get the changed ones.
    Taken,
    /// They are changed, and cannot be used: what was there before goes on.
    Refused,
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn load(files: &Tls) -> Result<Certificates, String> {
        // The contents come first: what changes in between is then taken for a change.
        let contents = contents(files)?;
        let config = server_config(files)?;
        Ok(Certificates {
            files: files.clone(),
            current: RwLock::new(Arc::new(config)),
            tried: Mutex::new((contents, None)),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// For a new connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Can the files be used as they are now, as far as they were looked at?
    pub(crate) fn are_current(&self) -> bool {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).1.is_none()
    }

    /// Looks at the files, and takes them when they are changed and can be used. What is wrong with them is logged once,
    /// not at every look.
    pub(crate) fn reload(&self) -> Reload {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let read = contents(&self.files);
        let (contents, config) = match read {
            Ok(contents) if contents == tried.0 => return Reload::Unchanged,
            Ok(contents) => (contents, server_config(&self.files)),
            // A file is missing while it is being replaced, or for good.
            Err(problem) if tried.1.as_ref() == Some(&problem) => return Reload::Unchanged,
            Err(problem) => (Vec::new(), Err(problem)),
        };
        match config {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                *tried = (contents, None);
                self.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::info!(file = %self.files.cert.display(), "changed certificates are taken");
                Reload::Taken
            }
            Err(problem) => {
                tracing::error!(problem, "changed certificates cannot be used; those from before go on");
                *tried = (contents, Some(problem));
                self.failures.fetch_add(1, Ordering::Relaxed);
                Reload::Refused
            }
        }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "certificates in {}", self.files.cert.display())
    }
}

fn contents(files: &Tls) -> Result<Vec<Vec<u8>>, String> {
    let paths = [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()];
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    paths.into_iter().flatten().map(read).collect()
}

/// Reads the files.
fn server_config(tls: &Tls) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&tls.cert)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| format!("no private key could be read from {}: {error:?}", tls.key.display()))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("{}: {error}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        format!("{} and {} do not belong together: {error}", tls.cert.display(), tls.key.display())
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = |error| format!("no certificates could be read from {}: {error:?}", path.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    if found.is_empty() {
        return Err(format!("there is no certificate in {}; it must be PEM", path.display()));
    }
    Ok(found)
}
