//! How do we know? Systems of machines run by the production kernel in a world where time is virtual and every order
//! of what happens can be chosen: by hand, by chance, or all of them.
//!
//! It refuses to know the runtime, threads that own shards, and real disks: whatever matters is in the kernel, the
//! charts and the store's contract.
//!
//! Its one invariant: what it says of a system is what the kernel does; no rule of the kernel is written down twice.

mod tables;
mod world;

#[cfg(test)]
mod world_tests;

pub use tables::{Kept, Tables};
pub use world::{Step, World, WorldError};
