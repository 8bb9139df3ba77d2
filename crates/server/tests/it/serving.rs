//! A server's outside: health, metrics, tokens, TLS, addresses in use, definitions at the start, restarts.

use crate::world::{ORDERS, World, code, config, speak_with};
use connectrpc::{CodecFormat, Protocol};
use everstate_api::v1;
use everstate_server::{Config, Given, ServeError, Server};
use std::path::PathBuf;

const SECRET: &str = "correct-horse-battery-staple";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_are_told() {
    let world = World::new().await;
    world.start("1").await;
    world.send("orders/1", "", "ship").await.expect("sent");
    assert_eq!(world.raw("GET", "/healthz", "", b"").await, (200, "ok\n".into()));
    assert_eq!(world.raw("GET", "/readyz", "", b"").await, (200, "ready\n".into()));
    let (status, text) = world.raw("GET", "/metrics", "", b"").await;
    assert_eq!(status, 200);
    for line in [
        "everstate_turns_total{outcome=\"rejected\"} 1",
        "# TYPE everstate_commit_seconds histogram",
        "everstate_commit_seconds_bucket{le=\"+Inf\"}",
        "everstate_followers 0",
        "everstate_up 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let (status, body) =
        world.post("/grpc.health.v1.Health/Check", r#"{"service":"everstate.v1.Everstate"}"#).await;
    assert!(status == 200 && body.contains("SERVING"), "{status} {body}");
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_known_token_only_health_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("me:{SECRET}\n")).expect("written");
    let world = World::with(config(&[("tokens", file.to_str().expect("text"))])).await;
    for (protocol, codec) in crate::world::SPEECHES {
        for (header, known) in
            [("Bearer wrong-wrong-wrong-wrong", false), (&*format!("Bearer {SECRET}"), true)]
        {
            let client = speak_with(&world.server, protocol, codec, &[("authorization", header)]);
            match client.get_status(v1::GetStatusRequest::default()).await {
                Ok(_) => assert!(known, "{protocol:?}"),
                Err(error) => {
                    assert!(!known, "{protocol:?}: {error:?}");
                    assert_eq!(error.code, connectrpc::ErrorCode::Unauthenticated);
                    assert_eq!(code(&error), "unauthenticated");
                }
            }
        }
    }
    assert_eq!(world.raw("GET", "/healthz", "", b"").await.0, 200);
    assert_eq!(world.post("/grpc.health.v1.Health/Check", "{}").await.0, 200);
    assert_eq!(world.raw("GET", "/metrics", "", b"").await.0, 401);
    let header = format!("authorization: Bearer {SECRET}\r\n");
    assert_eq!(world.raw("GET", "/metrics", &header, b"").await.0, 200);
    world.server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_and_missing_files_are_said_clearly() {
    let world = World::with(config(&[])).await;
    let taken = world.server.address().to_string();
    let problem = Server::start(config(&[("listen", &taken)])).await.expect_err("in use").to_string();
    assert!(problem.contains(&taken) && problem.contains("--listen"), "{problem}");
    let problem =
        Server::start(config(&[("tokens", "/nowhere/tokens")])).await.expect_err("none").to_string();
    assert!(problem.contains("/nowhere/tokens"), "{problem}");
    let tls = config(&[("tls-cert", "/nowhere/c.pem"), ("tls-key", "/nowhere/k.pem")]);
    assert!(Server::start(tls).await.expect_err("none").to_string().contains("/nowhere/"));
    world.server.stop().await.expect("stopped");
}

fn stored(folder: &std::path::Path, definitions: Vec<PathBuf>) -> Config {
    let mut given = Given::default();
    given.flag("listen", "127.0.0.1:0").expect("a setting");
    given.flag("data", folder.join("data").to_str().expect("text")).expect("a setting");
    Config::resolve(&given, definitions).expect("good")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_finds_everything_and_definitions_do_not_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let definitions = folder.path().join("definitions");
    std::fs::create_dir(&definitions).expect("made");
    std::fs::write(definitions.join("orders.yaml"), ORDERS).expect("written");
    std::fs::write(definitions.join("README.md"), "not a definition").expect("written");

    let world = World::with(stored(folder.path(), vec![definitions.clone()])).await;
    assert_eq!(world.server.put().len(), 1);
    assert!(world.server.put()[0].fresh);
    world.start("1").await;
    world.send("orders/1", "h", "hold").await.expect("sent");
    let second = Server::start(stored(folder.path(), Vec::new())).await.expect_err("in use");
    assert!(matches!(second, ServeError::Store(_)) && second.to_string().contains("in use"), "{second}");
    let mut stream = world.client.export(v1::ExportRequest::default()).await.expect("a stream");
    let mut lines = 0;
    while let Some(message) = stream.message().await.expect("lines") {
        lines += message.to_owned_message().lines.iter().filter(|byte| **byte == b'\n').count();
    }
    assert!(lines > 4, "{lines}");
    world.server.stop().await.expect("stopped");

    let world = World::with(stored(folder.path(), vec![definitions.clone()])).await;
    assert!(!world.server.put()[0].fresh);
    let ask = v1::GetInstanceRequest { address: "orders/1".into(), ..Default::default() };
    assert_eq!(world.client.get_instance(ask).await.expect("there").into_owned().states, ["held"]);
    assert!(world.send("orders/1", "h", "hold").await.expect("sent").duplicate);
    world.server.stop().await.expect("stopped");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("read").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left.len(), 2, "no copy of an export is left: {left:?}");

    std::fs::write(definitions.join("orders.yaml"), ORDERS.replace("paid: 0", "paid: 1")).expect("written");
    let changed =
        Server::start(stored(folder.path(), vec![definitions])).await.expect_err("changed").to_string();
    assert!(changed.contains("orders.yaml") && changed.contains("raise its version"), "{changed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_client_ca_only_its_clients_are_let_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_string();
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).expect("a CA");
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
    let cert = rcgen::CertificateParams::new(names)
        .expect("parameters")
        .signed_by(&key, &ca)
        .expect("a certificate");
    std::fs::write(path("ca.pem"), ca.pem()).expect("written");
    std::fs::write(path("cert.pem"), cert.pem()).expect("written");
    std::fs::write(path("key.pem"), key.serialize_pem()).expect("written");
    let settings =
        [("tls-cert", path("cert.pem")), ("tls-key", path("key.pem")), ("tls-client-ca", path("ca.pem"))];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Server::start(config(&settings)).await.expect("a server");
    assert!(server.url().starts_with("https://"));

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path("ca.pem")).expect("read")).expect("added");
    let builder = || {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
    };
    let chain = vec![CertificateDer::from_pem_file(path("cert.pem")).expect("read")];
    let private = PrivateKeyDer::from_pem_file(path("key.pem")).expect("read");
    let known = builder().with_client_auth_cert(chain, private).expect("a client");
    let unknown = builder().with_no_client_auth();
    for (config, admitted) in [(known, true), (unknown, false)] {
        let stream = tokio::net::TcpStream::connect(server.address()).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut answer = String::new();
        if let Ok(mut stream) =
            tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await
        {
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            let _ = stream.read_to_string(&mut answer).await;
        }
        assert_eq!(answer.starts_with("HTTP/1.1 200"), admitted, "{answer}");
    }
    server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_is_closed() {
    use tokio::io::AsyncReadExt;
    let world = World::with(config(&[("header-timeout", "0.05"), ("connections-max", "1")])).await;
    let mut silent = tokio::net::TcpStream::connect(world.server.address()).await.expect("connected");
    let mut nothing = [0; 1];
    // The only place is taken until the silent one is turned out.
    let status = world.client.get_status(v1::GetStatusRequest::default());
    let (closed, status) = tokio::join!(silent.read(&mut nothing), status);
    assert!(matches!(closed, Ok(0) | Err(_)));
    status.expect("an answer");
    let client = crate::world::speak(&world.server, Protocol::Connect, CodecFormat::Proto);
    drop(client);
    world.server.stop().await.expect("stopped");
}
