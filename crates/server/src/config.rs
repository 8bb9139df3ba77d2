//! What a server is told: one table of settings, each with its name, default and meaning. A setting comes from a
//! flag, else from the environment (`EVERSTATE_` and its name), else from a TOML or YAML file, else from its default.
//!
//! It refuses to touch the world beyond reading that file: nothing is opened, bound or checked against the disk.
//!
//! Its one invariant: a [`Config`] is whole and consistent; what cannot be so is a [`ConfigError`] that names the
//! setting, where it was given, and what would be right.

mod file;

pub use file::Place;

use crate::http_worker::Allowed;
use crate::rates::RateLimit;
use everstate_kernel::{Retain, Span};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it listens for clients of go-statemachine alone, beside `listen`, which they can use as well.
    pub statemachine_listen: Option<SocketAddr>,
    /// The folder of the store.
    pub data: PathBuf,
    /// What keeps the instances.
    pub engine: Engine,
    /// The server's certificate chain and key, PEM.
    pub tls: Option<Tls>,
    /// How often changed certificates are looked for.
    pub tls_reload: Duration,
    /// What each client may ask for.
    pub rate_limit: RateLimit,
    /// A file of bearer tokens, one a line, each alone or as `name:token`.
    pub tokens: Option<PathBuf>,
    /// Listen beyond loopback without TLS or tokens.
    pub insecure: bool,
    /// Bytes of one request.
    pub request_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// Calls at a time in one HTTP/2 connection.
    pub streams_max: u32,
    /// How long a connection may take to say what it wants.
    pub header_timeout: Duration,
    /// How long requests may take to finish once the server is told to stop.
    pub stop_timeout: Duration,
    /// Inputs waiting for the shard before calls are refused.
    pub queue_max: usize,
    /// Instances kept in memory.
    pub instances_cached_max: usize,
    /// How often a session is asked to say something.
    pub session_pulse: Duration,
    /// After how long without a word a session ends.
    pub session_silent: Duration,
    /// Where tasks that are requests may go; nowhere: the server makes none.
    pub http_worker_allow: Allowed,
    /// How long what has happened is kept where a definition says nothing.
    pub retain: Retain,
    /// Where what is kept no longer is written before it is deleted.
    pub retain_export: Option<PathBuf>,
    /// What is logged: a level, or `target=level` pairs.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Definitions to put at the start: files, and folders of them.
    pub definitions: Vec<PathBuf>,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Certificates that clients' certificates must lead to; then every client needs one.
    pub client_ca: Option<PathBuf>,
}

/// What keeps the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded store in the data folder.
    Embedded,
    /// Memory: all is gone with the process.
    Memory,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text for each event.
    Compact,
    /// A JSON object for each event.
    Json,
}

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In this file, at this place.
    File(PathBuf, Place),
    /// Nowhere.
    Default,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// As a flag without its `--`, and as a key of the file. In the environment it is in capitals, with `_`.
    pub name: &'static str,
    /// What stands for its value in a usage line; empty for a switch, whose value is `true` or `false`.
    pub value: &'static str,
    /// Its default; none where it then is not set.
    pub default: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

/// Settings as given, before defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<&'static str, (String, Origin)>);

/// Why a server cannot be told so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting("listen", "HOST:PORT", Some("127.0.0.1:7400"), "where to listen; port 0 takes a free one"),
    setting(
        "statemachine-listen",
        "HOST:PORT",
        None,
        "where to listen for clients of go-statemachine alone, whose own port is 7398",
    ),
    setting(
        "data",
        "FOLDER",
        Some("everstate-data"),
        "folder of the embedded store; made when it is not there",
    ),
    setting(
        "engine",
        "ENGINE",
        Some("embedded"),
        "what keeps the instances: embedded, or memory (gone at the end)",
    ),
    setting("tls-cert", "FILE", None, "certificate chain, PEM; with --tls-key"),
    setting("tls-key", "FILE", None, "private key of the certificate, PEM"),
    setting("tls-client-ca", "FILE", None, "certificates that every client's own must lead to, PEM"),
    setting("tls-reload", "SECONDS", Some("10"), "how often changed certificates are looked for"),
    setting(
        "rate-limit",
        "RATE,…",
        Some("none"),
        "calls that each client may make, such as 100/s+1000000/d,NAME=5000/s; a client is the name of its token, else its certificate, else its address",
    ),
    setting("tokens", "FILE", None, "bearer tokens, one a line, each alone or as NAME:TOKEN"),
    setting("insecure", "", Some("false"), "listen beyond loopback without TLS or tokens"),
    setting("request-bytes-max", "BYTES", Some("16777216"), "largest request"),
    setting("connections-max", "N", Some("4096"), "connections at a time"),
    setting("streams-max", "N", Some("256"), "calls at a time in one HTTP/2 connection"),
    setting("header-timeout", "SECONDS", Some("20"), "how long a connection may take to say what it wants"),
    setting("stop-timeout", "SECONDS", Some("10"), "how long calls may take to finish when the server stops"),
    setting("queue-max", "N", Some("16384"), "inputs waiting before calls are refused as overloaded"),
    setting("instances-cached-max", "N", Some("65536"), "instances kept in memory"),
    setting("session-pulse", "SECONDS", Some("2"), "how often a session is asked to say something"),
    setting("session-silent", "SECONDS", Some("10"), "after how long without a word a session ends"),
    setting(
        "http-worker-allow",
        "URL,…",
        Some(""),
        "let the server make the requests of `http` tasks to URLs that begin so; off unless given, since the server may reach what clients must not",
    ),
    setting(
        "retain",
        "WHAT=TIME,…",
        Some(""),
        "how long things are kept where a definition says nothing, such as outcomes=7d,history=90d,finished=30d; otherwise outcomes 30d, the rest for ever",
    ),
    setting(
        "retain-export",
        "FOLDER",
        None,
        "write what is kept no longer into files there, as lines of JSON like those of `export`, before it is deleted",
    ),
    setting("log", "LEVEL", Some("info"), "error, warn, info, debug or trace, or TARGET=LEVEL,… "),
    setting("log-format", "FORMAT", Some("compact"), "compact or json"),
];

const fn setting(
    name: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> Setting {
    Setting { name, value, default, about }
}

impl Setting {
    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("EVERSTATE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

impl Given {
    /// Gives a setting by its name on the command line.
    pub fn flag(&mut self, name: &str, value: impl Into<String>) -> Result<(), ConfigError> {
        self.set(name, value.into(), Origin::Flag)
    }

    /// What the environment says. Variables that are no setting are left alone; an empty one counts as not given.
    pub fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Given {
        let mut given = Given::default();
        for (variable, value) in variables {
            let known = SETTINGS.iter().find(|setting| setting.variable() == variable);
            if let (Some(setting), false) = (known, value.is_empty()) {
                given.0.insert(setting.name, (value, Origin::Environment));
            }
        }
        given
    }

    /// What a file says: YAML when its name ends so, otherwise TOML.
    pub fn file(path: &Path) -> Result<Given, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("cannot read the settings in {}: {error}", path.display()))
        })?;
        Given::text(&text, path)
    }

    /// What a text says; `path` tells its format, and is for messages. All that is wrong with it is told at once.
    pub fn text(text: &str, path: &Path) -> Result<Given, ConfigError> {
        let mut given = Given::default();
        let mut problems = Vec::new();
        for line in file::read(text, path).map_err(ConfigError)? {
            let origin = Origin::File(path.to_path_buf(), line.place);
            if let Err(ConfigError(problem)) = given.set(&line.key.replace('_', "-"), line.value, origin) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(given) } else { Err(ConfigError(problems.join("\n"))) }
    }

    /// Flags, else the environment, else the file.
    pub fn merged(flags: Given, file: Option<&Path>) -> Result<Given, ConfigError> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let file = file.map(Given::file).transpose()?.unwrap_or_default();
        Ok(flags.or(Given::environment(variables)).or(file))
    }

    /// Every setting with its value, as far as it has one, and where that comes from. Secrets are left out.
    pub fn shown(&self) -> Vec<(&'static Setting, Option<String>, Origin)> {
        let show = |setting: &'static Setting| {
            let (value, origin) = Reading(self).given(setting.name);
            let is_set = !value.is_empty() || setting.default.is_some();
            (setting, is_set.then(|| without_secret(setting.name, &value)), origin)
        };
        SETTINGS.iter().map(show).collect()
    }

    fn set(&mut self, name: &str, value: String, origin: Origin) -> Result<(), ConfigError> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let nearest = nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(ConfigError(format!("there is no setting {name:?} ({origin}){nearest}")));
        };
        self.0.insert(setting.name, (value, origin));
        Ok(())
    }

    /// These settings, and where one is not given, `other`'s.
    pub fn or(mut self, other: Given) -> Given {
        for (name, value) in other.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }
}

impl Config {
    /// Flags, else the environment, else the file, else defaults.
    pub fn load(flags: Given, file: Option<&Path>, definitions: Vec<PathBuf>) -> Result<Config, ConfigError> {
        Config::resolve(&Given::merged(flags, file)?, definitions)
    }

    /// What is given, and defaults for the rest.
    pub fn resolve(given: &Given, definitions: Vec<PathBuf>) -> Result<Config, ConfigError> {
        let read = Reading(given);
        let config = Config {
            listen: read.with("listen", listen)?,
            statemachine_listen: read.with("statemachine-listen", |text| {
                if text.is_empty() { Ok(None) } else { listen(text).map(Some) }
            })?,
            data: PathBuf::from(read.text("data")),
            engine: read.with("engine", |text| match text {
                "embedded" => Ok(Engine::Embedded),
                "memory" => Ok(Engine::Memory),
                _ => Err("use embedded or memory".into()),
            })?,
            tls: read.tls()?,
            tls_reload: read.with("tls-reload", seconds)?,
            rate_limit: read.with("rate-limit", RateLimit::parse)?,
            tokens: read.path("tokens"),
            insecure: read.with("insecure", switch)?,
            request_bytes_max: read.with("request-bytes-max", |text| number(text, 1024, 1 << 30))? as usize,
            connections_max: read.with("connections-max", |text| number(text, 1, 1 << 20))? as usize,
            streams_max: read.with("streams-max", |text| number(text, 1, 1 << 20))? as u32,
            header_timeout: read.with("header-timeout", seconds)?,
            stop_timeout: read.with("stop-timeout", seconds)?,
            queue_max: read.with("queue-max", |text| number(text, 1, 1 << 24))? as usize,
            instances_cached_max: read.with("instances-cached-max", |text| number(text, 1, 1 << 28))?
                as usize,
            session_pulse: read.with("session-pulse", seconds)?,
            session_silent: read.with("session-silent", seconds)?,
            http_worker_allow: read.with("http-worker-allow", Allowed::parse)?,
            retain: read.with("retain", retain)?,
            retain_export: read.path("retain-export"),
            log: read.with("log", |text| {
                text.parse::<tracing_subscriber::filter::Targets>()
                    .map(|_| text.to_string())
                    .map_err(|_| "use a level, such as info, or TARGET=LEVEL pairs".into())
            })?,
            log_format: read.with("log-format", |text| match text {
                "compact" => Ok(LogFormat::Compact),
                "json" => Ok(LogFormat::Json),
                _ => Err("use compact or json".into()),
            })?,
            definitions,
        };
        config.check_exposure()?;
        config.check_pulse()?;
        Ok(config)
    }

    /// A session that says something as often as it is asked to must not be taken for silent.
    fn check_pulse(&self) -> Result<(), ConfigError> {
        let (pulse, silent) = (self.session_pulse, self.session_silent);
        if silent >= 2 * pulse {
            return Ok(());
        }
        Err(ConfigError(format!(
            "session-silent is {} s and session-pulse {} s; let silence begin after two pulses at least",
            silent.as_secs_f64(),
            pulse.as_secs_f64()
        )))
    }

    /// Whoever reaches the port could do everything: that takes loopback, tokens, client certificates, or the
    /// word. TLS alone would hide the talk from others but let anybody talk.
    fn check_exposure(&self) -> Result<(), ConfigError> {
        let guarded = self.tokens.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let addresses = [Some(self.listen), self.statemachine_listen];
        let exposed = addresses.into_iter().flatten().find(|address| !address.ip().is_loopback());
        let Some(exposed) = exposed else { return Ok(()) };
        if self.insecure || (guarded && self.tls.is_some()) {
            return Ok(());
        }
        let lacking = match (&self.tls, guarded) {
            (Some(_), _) => "nobody is asked who they are; give --tokens or --tls-client-ca",
            (None, true) => "the tokens would travel in the open; give --tls-cert and --tls-key",
            (None, false) => "everybody could reach it; give --tls-cert, --tls-key and --tokens",
        };
        Err(ConfigError(format!(
            "listening on {exposed}, beyond this machine, is refused: {lacking}, or say --insecure"
        )))
    }
}

/// Reads settings out of what is given.
struct Reading<'a>(&'a Given);

impl Reading<'_> {
    fn text(&self, name: &str) -> String {
        self.given(name).0
    }

    fn given(&self, name: &str) -> (String, Origin) {
        if let Some(given) = self.0.0.get(name) {
            return given.clone();
        }
        let default =
            SETTINGS.iter().find(|setting| setting.name == name).and_then(|setting| setting.default);
        (default.unwrap_or_default().to_string(), Origin::Default)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let (text, _) = self.given(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn with<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let (text, origin) = self.given(name);
        parse(&text).map_err(|hint| ConfigError(format!("{name} ({origin}) is not usable: {text:?}; {hint}")))
    }

    fn tls(&self) -> Result<Option<Tls>, ConfigError> {
        let client_ca = self.path("tls-client-ca");
        match (self.path("tls-cert"), self.path("tls-key")) {
            (Some(cert), Some(key)) => Ok(Some(Tls { cert, key, client_ca })),
            (None, None) if client_ca.is_none() => Ok(None),
            (cert, _) => {
                let lacking = if cert.is_none() { "tls-cert" } else { "tls-key" };
                Err(ConfigError(format!("TLS needs a certificate and its key; {lacking} is missing")))
            }
        }
    }
}

/// `HOST:PORT` with an address or `localhost`; other names could mean several addresses, so they are refused.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:7400 or [::]:7400".into())
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("use true or false".into()),
    }
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let hint = || format!("use a whole number from {least} to {most}");
    let number: u64 = text.replace('_', "").parse().map_err(|_| hint())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(hint()) }
}

/// `WHAT=TIME` pairs, with commas between them.
fn retain(text: &str) -> Result<Retain, String> {
    let mut retain = Retain::default();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let hint = || {
            format!(
                "{pair:?} is not one of outcomes=TIME, history=TIME, finished=TIME, such as history=90d or finished=forever"
            )
        };
        let (what, time) = pair.split_once('=').ok_or_else(hint)?;
        let time = match time {
            "forever" => Retain::FOREVER,
            time => Span::parse(time).filter(|_| !time.is_empty()).ok_or_else(hint)?,
        };
        match what {
            "outcomes" => retain.outcomes = Some(time),
            "history" => retain.history = Some(time),
            "finished" => retain.finished = Some(time),
            _ => return Err(hint()),
        }
    }
    Ok(retain)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let hint = || "use seconds from 0.001 to 3600, such as 10".to_string();
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| hint())?;
    if (0.001..=3600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(hint()) }
}

/// The setting whose name shares most with `name`, if that is a good part of it.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |setting: &Setting| {
        let start = setting.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        let end = setting.name.bytes().rev().zip(name.bytes().rev()).take_while(|(a, b)| a == b).count();
        (start + end).min(setting.name.len())
    };
    let best = SETTINGS.iter().max_by_key(|setting| shared(setting))?;
    (shared(best) * 2 >= best.name.len()).then_some(best.name)
}

/// A value as it may be shown: what follows the name of a secret, and a password in a URL, is left out.
fn without_secret(name: &str, value: &str) -> String {
    const SECRETS: [&str; 4] = ["-secret", "-password", "-token", "-key-id"];
    if SECRETS.iter().any(|end| name.ends_with(end)) && !value.is_empty() {
        return "(secret)".into();
    }
    let parts = value.split("://").enumerate().map(|(index, part)| {
        let end = part.find(['/', ',', ' ']).unwrap_or(part.len());
        match part[..end].rfind('@') {
            Some(at) if index > 0 => format!("(secret){}", &part[at..]),
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("://")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment => f.write_str("environment"),
            Origin::File(path, place) => {
                write!(f, "in {}:{}:{}", path.display(), place.line, place.column)
            }
            Origin::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
