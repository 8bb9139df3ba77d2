//! Packages of npm by exact version, unpacked under `target/`.
//!
//! It refuses to run what packages bring to be run at their installation. Its one invariant: nothing lies in the
//! project itself.

use std::path::{Path, PathBuf};
use std::process::Command;

fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("this test");
    // target/PROFILE/deps/this-test
    exe.ancestors().nth(3).expect("it lies in target/").to_path_buf()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// The folder of a package.
pub(crate) fn unpacked(name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = target().join("peers").join("unpacked").join(name.replace('/', "-")).join(version);
    let package = folder.join("package");
    if package.join("package.json").exists() {
        return Ok(package);
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let pack = ["pack", "--silent", "--pack-destination", "."];
    run(Command::new("npm").args(pack).arg(format!("{name}@{version}")).current_dir(&folder))?;
    let archive = packed(&folder).ok_or_else(|| format!("npm pack left nothing in {}", folder.display()))?;
    run(Command::new("tar").arg("xzf").arg(&archive).current_dir(&folder))?;
    if package.join("package.json").exists() {
        Ok(package)
    } else {
        Err(format!("{name} has no package.json"))
    }
}

/// A folder with these packages and what they depend on, which is little.
pub(crate) fn installed(packages: &[(&str, &str)]) -> Result<PathBuf, String> {
    run(Command::new("node").arg("--version"))?;
    let folder = target().join("peers").join("engines");
    let there = |(name, version): &(&str, &str)| {
        let manifest = folder.join("node_modules").join(name).join("package.json");
        let text = std::fs::read_to_string(manifest).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|manifest| manifest["version"] == *version)
    };
    if packages.iter().all(there) {
        return Ok(folder);
    }
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    // Without it npm looks for a project further up.
    std::fs::write(folder.join("package.json"), "{ \"private\": true }\n").map_err(failed)?;
    let flags = ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"];
    let exact = packages.iter().map(|(name, version)| format!("{name}@{version}"));
    run(Command::new("npm").args(flags).args(exact).current_dir(&folder))?;
    Ok(folder)
}

fn packed(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "tgz"))
}
