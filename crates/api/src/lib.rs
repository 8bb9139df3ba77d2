//! What is promised? The wire messages, the service and the error codes of Everstate, for whoever speaks to a
//! server or is one.
//!
//! It refuses to know the machines: nothing of Everstate is below it, and it turns no message into anything.
//!
//! Its one invariant: what was released keeps its number, name and meaning; there are only additions.

/// The generated code of package `everstate.v1`.
pub mod v1 {
    pub use generated::everstate::v1::*;

    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    mod generated {
        connectrpc::include_generated!("everstate.rs");
    }
}

/// The descriptors of `everstate.v1` and all it imports, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

mod code;

pub use code::{Code, Entry, errors_page};
