//! What Everstate is compared to, installed by the bench where it is missing.
//!
//! It refuses to keep anything in the project: packages lie under `target/`, data in scratch folders. Its one
//! invariant: a process it starts ends with the value that stands for it.

pub(crate) mod npm;
pub(crate) mod postgres;
pub(crate) mod restate;
pub(crate) mod statig;

use anyhow::{Context, Result, bail};
use std::process::{Child, Command, Stdio};

/// A process that runs beside the bench.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts it, without input; what it says goes nowhere.
    pub(crate) fn start(command: &mut Command) -> Result<Running> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Running { child })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // That it has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and answers what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
        bail!("{} ended with {}: {}", program.display(), output.status, last.join(" / "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Can it be started at all?
pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
