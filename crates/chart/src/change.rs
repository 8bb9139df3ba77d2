//! Change: what differs between two versions of a definition, and how an instance of one comes to stand in the other.
//!
//! It refuses to know how many instances there are and where they are kept. Its one invariant: what comes out of here is
//! a state that the chart can be in, or the reasons why there is none.

mod carry;
mod diff;
mod fields;
mod invocations;
mod mapping;
mod obstacle;
mod places;
mod survey;
mod timers;

pub use carry::{Carried, Migration, Occupant, Placement};
pub use diff::{Area, Change, Diff, How, diff};
pub use mapping::{Mapping, MappingError, ROUTES_MAX, read_mapping};
pub use obstacle::{Note, Obstacle, ObstacleCode};
pub use survey::{Group, Survey};

#[cfg(test)]
mod tests;
