//! The program under test, and a server of it in a folder of its own.
//!
//! Its one invariant: nothing here waits for a time; it waits for a line, an end, or an answer.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part")]

use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// A document a line.
    pub(crate) fn lines(&self) -> Vec<Json> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// The program, untouched by the environment of whoever runs the tests.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_everstate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVERSTATE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    program().args(arguments).output().unwrap().into()
}

/// A server with its data and definitions in a folder.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    rest: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Serves `folder/definitions` on a free port.
    pub(crate) fn start(folder: &Path) -> Server {
        Server::start_on(folder, "127.0.0.1:0")
    }

    /// Serves on a given address, as after a restart that clients must survive.
    pub(crate) fn start_on(folder: &Path, listen: &str) -> Server {
        Server::start_with(folder, listen, &[])
    }

    /// Serves with further settings.
    pub(crate) fn start_with(folder: &Path, listen: &str, settings: &[&str]) -> Server {
        let mut process = serve(folder, listen)
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("everstate listens on ").map(str::to_owned) else {
            let mut told = String::new();
            process.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("the server did not start: {line}{told}");
        };
        // Its log must not fill the pipe.
        let mut log = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Server { process, url, folder: folder.to_owned(), rest: Some(lines) }
    }

    /// What it printed after its first line, up to the first that fulfils `last`.
    pub(crate) fn printed_until(&mut self, last: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for line in self.rest.take().unwrap().lines() {
            let line = line.unwrap();
            text += &format!("{line}\n");
            if last(&line) {
                break;
            }
        }
        text
    }

    /// Runs a command against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).args(["--server", &self.url]);
        command
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Json {
        self.run(&[arguments, &["--json"]].concat()).ok().json()
    }

    /// As a power cut does it. Answers the address, for a restart in the same place.
    pub(crate) fn kill(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    /// As an operator does it.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) -> i32 {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command that serves `folder`.
pub(crate) fn serve(folder: &Path, listen: &str) -> Command {
    let mut command = program();
    command.arg("serve").arg(folder.join("definitions"));
    command.arg("--data").arg(folder.join("data")).args(["--listen", listen, "--log", "warn"]);
    command
}

/// A folder with the definition of an order that is paid or expires.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("definitions")).unwrap();
    std::fs::write(folder.path().join("definitions/orders.yaml"), ORDERS).unwrap();
    folder
}

pub(crate) const ORDERS: &str = "\
name: orders
version: v1
description: An order with payment and expiry
context:
  amount: 0
  paid_by: null
initial: unpaid
states:
  unpaid:
    on:
      pay:
        target: paid
        actions:
          - assign:
              paid_by: event.by
          - reply:
              thanks: event.by
      cancel: cancelled
    after: {2s: expired}
  paid:
    on:
      ship: shipped
  shipped:
    type: final
  cancelled:
    type: final
  expired:
    on:
      revive: unpaid
";
