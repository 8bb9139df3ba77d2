//! What was typed, as what is meant: spans and times, addresses and kinds, data, the server and its patience.
//!
//! Its one invariant: what is wrong here is wrong usage, and is told before anything is asked of a server.

use crate::arguments::Shared;
use crate::failure::{Failure, plain};
use buffa_types::google::protobuf::{Timestamp, Value};
use everstate_client::{Client, Retry, Target, timestamp, value};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Waits of a load and of a follower: a restart, an upgrade, a reboot.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// The server as typed, as a client. `patience` is for when none was typed.
pub(crate) fn client(shared: &Shared, patience: Duration) -> Result<Client, Failure> {
    let retry = match &shared.patience {
        Some(typed) => Retry { patience: span(typed)?, first_contact: span(typed)? },
        None => Retry { patience, ..Retry::default() },
    };
    let target = Target {
        server: shared.server.clone(),
        token: token(shared.token_file.as_deref())?,
        ca: shared.ca.clone(),
        cert: shared.cert.clone(),
        key: shared.key.clone(),
        retry,
    };
    Ok(Client::new(&target)?)
}

/// A client with the patience of an ordinary command.
pub(crate) fn prompt_client(shared: &Shared) -> Result<Client, Failure> {
    client(shared, Retry::default().patience)
}

fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else {
        return Ok(std::env::var("EVERSTATE_TOKEN").ok().filter(|token| !token.is_empty()));
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the token in {}: {}", file.display(), plain(&error)))
    })?;
    let token = text.trim().to_owned();
    if token.is_empty() {
        return Err(Failure::usage(format!("there is no token in {}", file.display())));
    }
    Ok(Some(token))
}

/// A length of time, such as `500ms`, `30s`, `5m`, `2h`, `7d`, or their sums, such as `1h30m`.
pub(crate) fn span(text: &str) -> Result<Duration, Failure> {
    let wrong = || {
        Failure::usage(format!("time is not usable: {text:?}"))
            .hint("write a number and a unit, such as 500ms, 30s, 5m, 2h or 7d")
    };
    let (mut rest, mut sum) = (text.trim(), Duration::ZERO);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        let unit_end = rest[end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| end + at);
        let seconds = match rest[end..unit_end].trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        sum += Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        rest = &rest[unit_end..];
    }
    Ok(sum)
}

/// A point in time: RFC 3339, a date (its beginning in UTC), or a length of time before `now` (milliseconds).
pub(crate) fn since(text: &str, now: i64) -> Result<Timestamp, Failure> {
    if let Some(time) = timestamp(text).or_else(|| timestamp(&format!("{text}T00:00:00Z"))) {
        return Ok(time);
    }
    let before = span(text).map_err(|_| {
        Failure::usage(format!("time is not usable: {text:?}"))
            .hint("write 2026-01-31, 2026-01-31T12:00:00Z, or how long ago, such as 30m, 2h or 7d")
    })?;
    let millis = now.saturating_sub(i64::try_from(before.as_millis()).unwrap_or(i64::MAX));
    Ok(Timestamp::from_unix(millis.div_euclid(1000), (millis.rem_euclid(1000) * 1_000_000) as i32))
}

/// JSON from the command line, from a file with `@FILE`, or from stdin with `@-`.
pub(crate) fn data(text: Option<&str>) -> Result<Option<Value>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let (text, place) = match text.strip_prefix('@') {
        None => (text.to_owned(), "--data".to_owned()),
        Some("-") => {
            let mut read = String::new();
            let done = std::io::stdin().read_to_string(&mut read);
            done.map_err(|error| {
                Failure::usage(format!("cannot read the data on stdin: {}", plain(&error)))
            })?;
            (read, "stdin".to_owned())
        }
        Some(file) => {
            let read = std::fs::read_to_string(file);
            (
                read.map_err(|error| Failure::file("read the data in", Path::new(file), &error))?,
                file.to_owned(),
            )
        }
    };
    let json = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("data in {place} is not JSON: {error}")).hint(
            "write JSON, with the quotes kept from the shell: --data '{\"amount\": 20}', or --data @FILE",
        )
    })?;
    value(&json).map(Some).map_err(|error| Failure::usage(format!("data in {place}: {error}")))
}

/// `NAME` or `NAME:VERSION`; the version is empty for the greatest.
pub(crate) fn definition(text: &str) -> (String, String) {
    match text.split_once(':') {
        Some((name, version)) => (name.to_owned(), version.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// Is it an address rather than a kind?
pub(crate) fn is_address(text: &str) -> bool {
    text.contains('/')
}

/// An address must have an id; that much is told without asking a server.
pub(crate) fn address(text: &str) -> Result<&str, Failure> {
    if is_address(text) {
        return Ok(text);
    }
    Err(Failure::usage(format!("address has no id: {text}"))
        .hint(format!("write KIND/ID, such as {text}/42")))
}

/// Definition files: those named, and those in the folders named, in the order of their names.
pub(crate) fn definition_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let folders: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::problem(
            "no-definitions",
            format!("there is no definition in {}", folders.join(", ")),
        )
        .hint("definitions are files that end in .yaml, .yml, .json or .scxml"));
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file("read the folder", folder, &error);
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed)?;
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link to a folder could lead in a circle.
        let folder = path.symlink_metadata().is_ok_and(|kind| kind.is_dir());
        let fits =
            matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json" | "scxml"));
        // Systems, traces and mappings lie beside definitions and are none.
        let other = path.file_stem().is_some_and(|stem| {
            [".system", ".trace", ".map"].iter().any(|end| stem.to_string_lossy().ends_with(end))
        });
        if hidden {
            continue;
        } else if folder {
            walk(&path, files)?;
        } else if fits && !other && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
