//! What stands before the handlers: rates of clients, and certificates that change.

use crate::world::{ORDERS, SPEECHES, World, code, config, detail, speak, speak_with};
use connectrpc::ErrorCode;
use everstate_api::v1;
use everstate_server::{Reload, Server};
use rustls::pki_types::ServerName;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_too_often_is_told_when_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    let (mine, theirs) = ("mine-mine-mine-mine-mine", "theirs-theirs-theirs-theirs");
    std::fs::write(&file, format!("me:{mine}\nthem:{theirs}\n")).expect("written");
    // A rate of a day does not come back while this runs.
    let settings = [("tokens", file.to_str().expect("text")), ("rate-limit", "4/d,them=40/d")];
    let world = World::with(config(&settings)).await;
    let bearer = |token: &str| format!("Bearer {token}");
    for (number, (protocol, codec)) in SPEECHES.into_iter().enumerate() {
        let me = speak_with(&world.server, protocol, codec, &[("authorization", &bearer(mine))]);
        if number == 0 {
            for _ in 0..4 {
                me.get_status(v1::GetStatusRequest::default()).await.expect("within the rate");
            }
        }
        let error = me.get_status(v1::GetStatusRequest::default()).await.expect_err("beyond it");
        assert_eq!(error.code, ErrorCode::ResourceExhausted, "{protocol:?}: {error:?}");
        assert_eq!(code(&error), "rate-limited");
        let detail = detail(&error).expect("a detail");
        assert!(detail.retryable && detail.retry_after.seconds > 60, "{detail:?}");
        assert!(detail.message.starts_with("client me has used up its rate of 4/d"), "{}", detail.message);
        let them = speak_with(&world.server, protocol, codec, &[("authorization", &bearer(theirs))]);
        them.get_status(v1::GetStatusRequest::default()).await.expect("somebody else's");
    }
    // The other API counts for the same client.
    let header = format!("authorization: Bearer {mine}\r\ncontent-type: application/json\r\n");
    let health = "/statemachine.v1beta.StatemachineService/Health";
    let (status, answer) = world.raw("POST", health, &header, b"{}").await;
    assert!(status == 429 && answer.contains("used up its rate"), "{status} {answer}");
    for _ in 0..10 {
        assert_eq!(world.raw("GET", "/healthz", "", b"").await.0, 200);
        assert_eq!(world.post("/grpc.health.v1.Health/Check", "{}").await.0, 200);
    }
    let header = format!("authorization: Bearer {theirs}\r\n");
    let (_, metrics) = world.raw("GET", "/metrics", &header, b"").await;
    assert!(metrics.contains("everstate_rate_limited_total 5\n"), "{metrics}");
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tokens_an_address_is_a_client() {
    let world = World::with(config(&[("rate-limit", "2/d")])).await;
    let client = speak(&world.server, connectrpc::Protocol::Connect, connectrpc::CodecFormat::Json);
    world.put(ORDERS).await.expect("within the rate");
    client.get_status(v1::GetStatusRequest::default()).await.expect("within the rate");
    let error = client.get_status(v1::GetStatusRequest::default()).await.expect_err("beyond it");
    assert!(error.message.expect("words").starts_with("client 127.0.0.1 has"));
    world.server.stop().await.expect("stopped");
}

/// Files of a certificate that nobody but itself vouches for.
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn write(&self, cert: &str, key: &str) {
        std::fs::write(&self.cert, cert).expect("written");
        std::fs::write(&self.key, key).expect("written");
    }
}

fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Asks over TLS, believing in this certificate alone; none when the server shows another one.
async fn asked(server: &Server, believed: &str, path: &str) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(believed.as_bytes()).expect("read")).expect("added");
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.address()).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    Some(answer)
}

fn secure(folder: &Path, reload: &str) -> (Files, everstate_server::Config, String) {
    let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    let (cert, key) = certificate();
    files.write(&cert, &key);
    let text = |path: &PathBuf| path.to_str().expect("text").to_owned();
    let settings =
        [("tls-cert", text(&files.cert)), ("tls-key", text(&files.key)), ("tls-reload", reload.into())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = config(&settings);
    (files, config, cert)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_certificates_are_taken_and_bad_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, config, first) = secure(folder.path(), "3600");
    let server = Server::start(config).await.expect("a server");
    assert!(asked(&server, &first, "/readyz").await.expect("agreed").ends_with("\r\n\r\nready\n"));
    assert_eq!(server.reload_certificates(), Reload::Unchanged);

    // Only the half of it is there: the other half is another one's.
    let (second, key) = certificate();
    std::fs::write(&files.cert, &second).expect("written");
    assert_eq!(server.reload_certificates(), Reload::Refused);
    assert_eq!(server.reload_certificates(), Reload::Unchanged, "it is told once");
    assert!(asked(&server, &second, "/readyz").await.is_none());
    let ready = asked(&server, &first, "/readyz").await.expect("agreed");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("cannot be used"), "{ready}");
    let metrics = asked(&server, &first, "/metrics").await.expect("agreed");
    assert!(metrics.contains("everstate_tls_current 0\n"), "{metrics}");
    assert!(metrics.contains("everstate_tls_reloads_total{outcome=\"refused\"} 1\n"), "{metrics}");

    files.write(&second, &key);
    assert_eq!(server.reload_certificates(), Reload::Taken);
    assert!(asked(&server, &first, "/readyz").await.is_none());
    assert!(asked(&server, &second, "/readyz").await.expect("agreed").ends_with("\r\n\r\nready\n"));
    let metrics = asked(&server, &second, "/metrics").await.expect("agreed");
    assert!(metrics.contains("everstate_tls_current 1\n"), "{metrics}");

    std::fs::remove_file(&files.key).expect("removed");
    assert_eq!(server.reload_certificates(), Reload::Refused);
    assert_eq!(server.reload_certificates(), Reload::Unchanged);
    files.write("no certificate", &key);
    assert_eq!(server.reload_certificates(), Reload::Refused);
    assert!(asked(&server, &second, "/healthz").await.is_some());
    files.write(&second, &key);
    assert_eq!(server.reload_certificates(), Reload::Taken, "as they were, and good again");
    server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_found_without_being_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, config, _) = secure(folder.path(), "0.01");
    let server = Server::start(config).await.expect("a server");
    let (second, key) = certificate();
    files.write(&second, &key);
    // Until then every connection shows the first one.
    while asked(&server, &second, "/healthz").await.is_none() {}
    server.stop().await.expect("stopped");
}
