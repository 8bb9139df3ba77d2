//! Fewer deeds and faults that still make the same check fail.
//!
//! It refuses to change what is left. Its one invariant: what it answers was run, and failed the same check.

use super::bugs::Bug;
use super::plan::Plan;
use super::run;
use std::collections::BTreeSet;

/// Leaves out deeds and faults as long as the same check fails, in halves first and one by one in the end; at most
/// `tries` runs.
pub fn shrink(plan: &Plan, bug: Option<Bug>, tries: usize) -> Plan {
    let Some(failure) = run(plan, bug).failure else { return plan.clone() };
    let mut best = plan.clone();
    let mut left = tries;
    let mut size = best.len().div_ceil(2);
    while size > 0 && left > 0 {
        let places: Vec<Place> = places(&best);
        let mut shorter = false;
        for part in places.chunks(size) {
            if left == 0 {
                break;
            }
            left -= 1;
            let out: BTreeSet<&Place> = part.iter().collect();
            let tried = best
                .with(|deed| !out.contains(&Place::Deed(deed)), |fault| !out.contains(&Place::Fault(fault)));
            let found = run(&tried, bug).failure;
            if found.is_some_and(|found| found.check == failure.check) {
                best = tried;
                shorter = true;
            }
        }
        if size == 1 && !shorter {
            break;
        }
        if !shorter || size > best.len() {
            size = (size / 2).max(1).min(best.len());
        }
    }
    best
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Deed(usize),
    Fault(usize),
}

/// Deeds and faults, the last ones first.
fn places(plan: &Plan) -> Vec<Place> {
    let deeds = plan.deeds.iter().map(|(place, _)| Place::Deed(*place));
    let faults = plan.faults.iter().map(|(place, _)| Place::Fault(*place));
    deeds.chain(faults).rev().collect()
}
