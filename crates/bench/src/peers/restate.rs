//! Restate's virtual object: the same machine as a handler that reads its state, moves on and writes it back.
//!
//! It refuses to send anything elsewhere: telemetry is off, everything is bound to this machine. Its one invariant:
//! answers are checked to be of the machine's two states.

use super::{Running, npm};
use crate::http::{Connection, free_port, once_there, post};
use crate::load::{Bound, Load, Sender, block_on, waiting};
use crate::scratch::Scratch;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Settings that were found to be its best here: what it comes with, and fewer partitions for fewer cores. Its
/// other provider of logs, `local`, and 1 or 4 partitions were slower.
pub(crate) const SETTINGS: &[(&str, u32)] = &[("as it comes, 24 partitions", 24), ("2 partitions", 2)];

/// A server with its service.
pub(crate) struct Restate {
    ingress: u16,
    // Before the folder: dropped in this order, the processes end before their data goes.
    _server: Running,
    _service: Running,
    _scratch: Scratch,
}

impl Restate {
    /// Starts both and makes them known to each other.
    pub(crate) fn start(partitions: u32) -> Result<Restate> {
        let folder = npm::installed("restate", npm::RESTATE)?;
        let script = npm::script(&folder, "restate.mjs", include_str!("restate.mjs"))?;
        let scratch = Scratch::new("restate")?;
        let (ingress, admin, node, service) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let mut endpoint = Command::new("node");
        let endpoint = endpoint.arg(script).arg(service.to_string()).current_dir(&folder);
        let endpoint = Running::start(endpoint.env("NODE_ENV", "production"))?;
        let mut server = Command::new(binary(&folder)?);
        server
            .args(["--no-logo", "--bind-ip", "127.0.0.1", "--listen-mode", "tcp", "--base-dir"])
            .arg(scratch.path())
            .env("RESTATE_INGRESS__BIND_PORT", ingress.to_string())
            .env("RESTATE_ADMIN__BIND_PORT", admin.to_string())
            .env("RESTATE_BIND_PORT", node.to_string())
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", partitions.to_string())
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1");
        let server = Running::start(&mut server)?;
        let known = format!("{{\"uri\":\"http://127.0.0.1:{service}\"}}");
        block_on(async {
            // Its answer to this is 201, which `once_there` takes for an error; so it is asked what it knows.
            let known = post("/deployments", "application/json", known.as_bytes());
            let listed = b"GET /services/turn HTTP/1.1\r\nhost: localhost\r\n\r\n";
            for _ in 0..60 {
                if let Ok(mut connection) = Connection::open(admin).await {
                    let _ = connection.send(&known).await;
                    if connection.send(listed).await.is_ok() {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            once_there(ingress, &call("first")).await
        })?;
        Ok(Restate { ingress, _server: server, _service: endpoint, _scratch: scratch })
    }

    /// Callers that wait, over that many keys.
    pub(crate) fn waiting(&self, connections: usize, keys: u64, time: Duration) -> Result<Load> {
        block_on(async {
            let mut senders = Vec::new();
            for number in 0..connections as u64 {
                senders.push(Caller {
                    connection: Connection::open(self.ingress).await?,
                    next: number,
                    keys,
                });
            }
            waiting(senders, Bound::time(time)).await
        })
    }
}

struct Caller {
    connection: Connection,
    next: u64,
    keys: u64,
}

impl Sender for Caller {
    async fn send(&mut self) -> Result<u64> {
        // A stride that is prime to the number of keys visits them all.
        self.next = (self.next + 7_919) % self.keys;
        let answer = self.connection.send(&call(&format!("turn-{}", self.next))).await?;
        ensure!(answer.starts_with(b"{\"outcome\":\"ok\""), "answered {}", String::from_utf8_lossy(answer));
        Ok(1)
    }
}

fn call(key: &str) -> Vec<u8> {
    post(&format!("/turn/{key}/step"), "application/json", br#"{"n":1}"#)
}

/// The binary for this machine, of the packages that npm has chosen from.
fn binary(folder: &Path) -> Result<std::path::PathBuf> {
    let packages = folder.join("node_modules/@restatedev");
    for entry in std::fs::read_dir(&packages)?.flatten() {
        let binary = entry.path().join("bin/restate-server");
        if binary.exists() {
            return Ok(binary);
        }
    }
    anyhow::bail!("Restate has no binary for this machine in {}", packages.display())
}
