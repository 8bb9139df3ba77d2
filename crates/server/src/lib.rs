//! Who answers? One port that speaks gRPC, gRPC-Web and Connect (plain HTTP with JSON), with health, reflection
//! and metrics, in front of one runtime.
//!
//! It refuses to decide: every answer comes from the runtime or its store, and [`convert`] alone knows both the
//! wire's messages and the kernel's types.
//!
//! Its one invariant: no request, however malformed, stops the server or changes what it did not name.

mod auth;
pub mod config;
mod convert;
mod failure;
mod listen;
mod tls;
