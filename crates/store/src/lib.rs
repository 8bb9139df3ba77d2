//! How is it kept? The store's contract, the versioned codec, and the engines behind the contract.
//!
//! It refuses to decide anything: what is true is in the records, and every table and index follows from them.
//!
//! Its one invariant: what a commit has returned `Ok` for is seen by every later read, and, at the durability
//! asked for, by every later opening.

mod archive;
mod codec;
mod contract;
#[cfg(any(test, feature = "test-world"))]
mod dice;
mod embedded;
mod export;
mod keys;
mod layers;
mod memory;
mod reading;
mod tables;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod world;

pub use archive::Archive;
pub use contract::{Cursor, Order, Page, Query, Reader, Store, StoreError, Summary};
#[cfg(any(test, feature = "test-world"))]
pub use embedded::{Crash, FakeDisk, Torn, open_fake};
pub use embedded::{Dropped, Embedded, Handle, Options, Recovery, Stats, open};
pub use export::{InstanceRow, Portable, Row, export, import};
pub use memory::Memory;
