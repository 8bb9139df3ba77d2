use super::{Target, transport};

fn problem(target: &Target) -> String {
    transport(target, false).map(|_| ()).unwrap_err().to_string()
}

fn at(server: &str) -> Target {
    Target { server: server.into(), ..Target::default() }
}

#[test]
fn addresses_with_scheme_host_and_port_are_usable() {
    for server in
        ["http://127.0.0.1:7400", "http://localhost:7400/", "https://everstate.example", "http://[::1]:7400"]
    {
        assert!(transport(&at(server), false).is_ok(), "{server}");
    }
}

#[test]
fn other_addresses_are_told_with_what_to_write() {
    for server in ["", "localhost:7400", "ftp://here:1", "http://", "http://here:1/path", "not an address"] {
        assert_eq!(
            problem(&at(server)),
            format!("server address is not usable: {server}; write http://HOST:PORT or https://HOST:PORT")
        );
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let target = Target { ca: Some("/nowhere/ca.pem".into()), ..at("https://here:1") };
    assert_eq!(problem(&target), "cannot read the authorities in /nowhere/ca.pem: no such file or directory");
    let target = Target { cert: Some("/nowhere/cert.pem".into()), ..at("https://here:1") };
    assert_eq!(problem(&target), "client certificate is not usable: its private key is missing");
    let target = Target { token: Some("two\nlines".into()), ..at("http://here:1") };
    assert!(problem(&target).starts_with("token is not usable"));
}
