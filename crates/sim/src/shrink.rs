//! Shorter traces: steps that are not needed for what broke are left out, as long as it still breaks.
//!
//! It refuses to reorder. Its one invariant: what it answers was played by the kernel and breaks the same property.

use crate::story::is_broken;
use crate::system::System;
use crate::trace::Trace;

/// Longer traces are left as they are: each try plays the whole trace.
const STEPS_MAX: usize = 400;

/// Leaves out each step that can be, the last ones first, until none can. Breadth-first search has found a shortest
/// trace among the orders that it has tried; a shorter one may be among those that it left out.
pub(crate) fn shrink(system: &System, mut trace: Trace) -> Trace {
    let is_plain = trace.circle.is_none() && trace.other.is_none();
    if !is_plain || trace.steps.len() > STEPS_MAX || is_broken(system, &trace) != Ok(true) {
        return trace;
    }
    let ends = trace.property.starts_with("no ")
        || system.properties.iter().any(|property| {
            *property.name == *trace.property
                && matches!(
                    property.claim,
                    crate::property::Claim::Always(_) | crate::property::Claim::Never(_)
                )
        });
    loop {
        let before = trace.steps.len();
        for place in (0..before).rev().filter(|_| ends) {
            let mut shorter = trace.clone();
            shorter.steps.remove(place);
            if is_broken(system, &shorter) == Ok(true) {
                trace = shorter;
            }
        }
        if trace.steps.len() == before {
            return trace;
        }
    }
}
