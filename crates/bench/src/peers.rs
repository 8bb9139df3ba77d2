//! What Everstate is compared to, installed by the bench where it is missing.
//!
//! It refuses to keep anything in the project: packages lie under `target/`, data in scratch folders. Its one
//! invariant: a process it starts ends with the value that stands for it.

pub(crate) mod brokers;
pub(crate) mod crates;
pub(crate) mod npm;
pub(crate) mod postgres;
pub(crate) mod restate;
pub(crate) mod statig;

use anyhow::{Context, Result, bail};
use std::path::Path;
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

/// Installs a package of Debian's if its program is not there and that is allowed.
pub(crate) fn install(program: &str, package: &str) -> Result<()> {
    if is_there(program) {
        return Ok(());
    }
    install_package(package)?;
    anyhow::ensure!(is_there(program), "{package} was installed, but {program} does not start");
    Ok(())
}

/// The same without looking first.
pub(crate) fn install_package(package: &str) -> Result<()> {
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("there is no {package}, and only root can install it; run `apt-get install {package}` as root");
    }
    eprintln!("   installing {package}");
    let install = || {
        let quiet = ["install", "--yes", "--no-install-recommends", package];
        output(Command::new("apt-get").args(quiet).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if install().is_err() {
        output(Command::new("apt-get").arg("update"))?;
        install()?;
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
