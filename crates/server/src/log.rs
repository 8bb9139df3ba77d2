//! The server's log: on stderr, one event a line, as text or JSON. Tokens and data of events are never in it.

use crate::config::{Config, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log of this process. A second start, such as in a test, leaves the first as it is.
pub fn start(config: &Config) {
    // The setting was checked when it was read.
    let filter: Targets = config.log.parse().unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Compact => {
            let lines = lines
                .compact()
                .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
            tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => tracing_subscriber::registry().with(lines.json().with_filter(filter)).try_init(),
    };
    drop(started);
}
