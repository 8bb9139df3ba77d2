//! The one place that turns wire messages into kernel types and back.
//!
//! It refuses to call anything: conversions are pure, and what they need (the time, a fresh id, a definition) is
//! given to them.
//!
//! Its one invariant: what passes inward is within the kernel's limits; everything else is a [`Failure`] that
//! names the field. Going outward nothing fails.

mod acts;
mod inward;
mod json;
mod outward;
mod time;

pub(crate) use acts::acts;
pub(crate) use inward::{
    Names, address, event, event_id, limit, not_a_token, page_number, page_token, start_address, version,
};
pub(crate) use json::{json_in, json_out};
pub(crate) use outward::{dead_letter, instance, outcome, pending, queued_event, sender, task, turn};
pub(crate) use time::{span_in, time_in, time_out};
