//! Events for nobody: there was no such FSM or configuration. The node keeps no outcome of those, since the same event
//! may be taken once there is somebody; clients of this API ask for it all the same.
//!
//! It refuses to be durable: after a restart such an event is as unknown as one that was never sent.
//!
//! Its one invariant: never more than [`EVENTS_MAX`], the oldest go first.

use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_kernel::{Address, EventId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Outcomes kept. About 20 MB with the longest of names; clients ask within seconds, and half would still hold a
/// second of the highest rate that was measured.
const EVENTS_MAX: usize = 65_536;

/// What is known of an event that nobody took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) to: Address,
    pub(super) code: StatusCode,
    pub(super) details: String,
}

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Nobody(Mutex<Strays>);

#[derive(Debug, Default)]
struct Strays {
    by_id: HashMap<EventId, Stray>,
    /// In the order in which they came.
    ids: VecDeque<EventId>,
}

impl Nobody {
    pub(super) fn keep(&self, id: EventId, stray: Stray) {
        let mut strays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if strays.by_id.insert(id.clone(), stray).is_none() {
            strays.ids.push_back(id);
        }
        while strays.ids.len() > EVENTS_MAX {
            if let Some(oldest) = strays.ids.pop_front() {
                strays.by_id.remove(&oldest);
            }
        }
    }

    pub(super) fn find(&self, id: &EventId) -> Option<Stray> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_a_repeated_one_takes_no_room() {
        let nobody = Nobody::default();
        let id = |n: usize| EventId::parse(&format!("e{n}")).expect("an id");
        let to = Address::new("orders", "1").expect("an address");
        let stray = Stray { to, code: StatusCode::FsmNotFound, details: String::new() };
        for n in [0, 0, 0].into_iter().chain(1..EVENTS_MAX) {
            nobody.keep(id(n), stray.clone());
        }
        assert_eq!(nobody.find(&id(0)), Some(stray.clone()));
        nobody.keep(id(EVENTS_MAX), stray);
        assert_eq!(nobody.find(&id(0)), None);
        assert!(nobody.find(&id(1)).is_some() && nobody.find(&id(EVENTS_MAX)).is_some());
    }
}
