//! What is promised? The wire messages, the service and the error codes of Everstate, for whoever speaks to a
//! server or is one.
//!
//! It refuses to know the machines: nothing of Everstate is below it, and it turns no message into anything.
//!
//! Its one invariant: what was released keeps its number, name and meaning; there are only additions.

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod generated {
    connectrpc::include_generated!("generated.rs");
}

/// The generated code of package `everstate.v1`.
pub mod v1 {
    pub use super::generated::everstate::v1::*;
}

/// The generated code of package `statemachine.v1beta`, which clients of go-statemachine speak.
pub mod v1beta {
    pub use super::generated::statemachine::v1beta::*;
}

/// The descriptors of both packages and all they import, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

mod code;
pub mod names;

pub use code::{Code, Entry, errors_page};
