//! Systems that are explored, as machines: what `peers/explored` has for `stateright`, written as anybody would write it
//! for Everstate.
//!
//! It refuses to measure. Its one invariant: the machines are ordinary ones that could be deployed as they are.

pub(crate) mod paxos;

/// The systems of the simulator's own tests: two-phase commit as charts, senders, tills.
#[path = "../../../sim/tests/models/mod.rs"]
pub(crate) mod models;
