//! The runtime over the memory engine, with a machine written in Rust and stores that misbehave on demand.

mod calls;
mod counter;
mod failing;
mod following;
mod natives;
mod replayed;
mod tasks;
