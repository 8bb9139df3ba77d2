//! Who answers? One port that speaks gRPC, gRPC-Web and Connect (plain HTTP with JSON), with health, reflection
//! and metrics, in front of one node.
//!
//! It refuses to decide: every answer comes from the runtime or its store, and `convert` alone knows both the
//! wire's messages and the kernel's types.
//!
//! Its one invariant: no request, however malformed, stops the server or changes what it did not name.

mod auth;
mod catalogue;
mod change;
pub mod config;
mod convert;
mod dead_letters;
mod definitions;
mod drained;
mod events;
mod export;
mod failure;
mod follow;
mod http;
mod http_worker;
mod instances;
mod listen;
pub mod log;
mod metrics;
mod operations;
mod queries;
mod rates;
mod refused;
mod serve;
mod service;
mod sessions;
mod statemachine;
mod tasks;
mod tls;

pub use config::{Config, ConfigError, Engine, Given, LogFormat, Origin, Place, SETTINGS, Setting};
pub use http_worker::Allowed;
pub use rates::RateLimit;
pub use serve::{Put, ServeError, Server, serve};
pub use statemachine::migration::{
    MIGRATION_REASONS, Migration, MigrationError, MigrationProblem, MigrationReport, RedisKey, RedisOutcome,
    RedisValue, Tally,
};
pub use tls::Reload;

/// `docs/errors.md`: the codes of calls and outcomes, and those of findings in definitions.
pub fn errors_page() -> String {
    let findings: Vec<_> =
        everstate_chart::Code::ALL.iter().map(|code| (code.as_str(), code.explanation())).collect();
    everstate_api::errors_page(&findings)
}
