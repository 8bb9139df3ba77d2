//! How do we know? Systems of machines run by the production kernel in a world where time is virtual and every order
//! of what happens can be chosen: by hand ([`World`]), by chance ([`simulate`]), or all of them ([`explore`]).
//!
//! It refuses to know the runtime, threads that own shards, and real disks: whatever matters is in the kernel, the
//! charts and the store's contract.
//!
//! Its one invariant: what it says of a system is what the kernel does; no rule of the kernel is written down twice.

mod alone;
mod canonical;
mod chance;
mod choice;
mod explore;
mod kernel_step;
mod locals;
mod names;
#[cfg(feature = "node")]
pub mod node;
mod play;
mod property;
mod scene;
mod shrink;
mod simulate;
mod stand_in;
mod standing;
mod story;
mod symmetry;
mod system;
mod tables;
mod task;
mod trace;
mod world;

#[cfg(test)]
mod world_tests;

pub use alone::check_properties;
pub use explore::{ExploreError, Limits, Progress, Report, explore, explore_within};
pub use play::{Play, Told};
pub use property::{Claim, Condition, Property};
pub use simulate::{Cohort, CohortSummary, Run, STEPS_MAX, simulate};
pub use stand_in::{Reaction, Sending, StandIn};
pub use standing::{Standing, TimerLeft};
pub use story::{Violation, replay, tell};
pub use system::{
    BEGINS, BuiltIn, Ends, Faults, Link, MAILBOX_MAX, May, Member, ReadSystem, Scripted, System, Timers, Who,
    digest,
};
pub use tables::{Kept, Tables};
pub use task::{TaskAnswer, TaskEnd};
pub use trace::{Happening, Posted, TRACE_VERSION, Trace};
pub use world::{Step, World, WorldError};
