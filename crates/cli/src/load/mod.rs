//! Bulk loading: lines in, events out, in order for each instance, and an account of every line.
//!
//! Its one invariant: each line of the input ends up in exactly one number of the [`Tally`].

mod lanes;
mod line;
mod lines;
mod tally;

pub(crate) use lanes::{Lane, Lanes};
pub(crate) use line::{Loaded, Wrong, parse};
pub(crate) use lines::{Feed, Lines, Read};
pub(crate) use tally::{Refused, Tally};

#[cfg(test)]
mod tests;
