//! A space: where machines meet. Who holds which endpoint, who is told of whom, and whom a message reaches, as a
//! function of the changes of a turn.
//!
//! It refuses to know how changes and notices travel and where endpoints are kept. Its invariant: what every endpoint
//! has been told, taken together, is who is present for it now; a reference that compares all pairs says the same.

mod act;
mod asked;
mod behaviour;
mod credit;
mod endpoint;
mod pattern;
mod presence;
mod reach;
mod routes;

pub use act::{Act, Place};
pub(crate) use asked::{Asked, message, told};
pub(crate) use behaviour::definition;
pub use credit::{Publication, Said};
pub use endpoint::{Endpoint, EndpointName, Interest, Part, Reason, Role};
pub use pattern::{Pattern, PatternError};
pub use presence::{Change, Changed, Counterpart, News, Notice, SpaceError};

use crate::address::Address;
use crate::limits::SPACE_ENDPOINTS_MAX;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use credit::Queues;
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use routes::Routes;

#[cfg(test)]
mod tests;

/// The endpoints of one space, and an index of them.
///
/// Endpoints are numbered by whoever drives it, ascending in the order in which they joined; the number stays when an
/// endpoint is replaced. Everything that is told is in the order of these numbers.
#[derive(Debug, Clone)]
pub struct Space {
    seats: IndexMap<u64, Seat, FixedState>,
    names: IndexMap<EndpointName, u64, FixedState>,
    members: IndexMap<Address, BTreeSet<u64>, FixedState>,
    publishers: Routes,
    subscribers: Routes,
    /// What waits for credit.
    queues: Queues,
    /// [`SPACE_ENDPOINTS_MAX`], but for tests of what happens there.
    endpoints_max: usize,
}

/// An endpoint and where the index has it.
#[derive(Debug, Clone)]
struct Seat {
    endpoint: Endpoint,
    leaf: u32,
}

impl Space {
    /// An empty one. `seed` keeps chosen names from colliding in its tables; nothing else depends on it.
    pub fn new(seed: u64) -> Space {
        Space {
            seats: IndexMap::with_hasher(FixedState::with_seed(seed)),
            names: IndexMap::with_hasher(FixedState::with_seed(seed)),
            members: IndexMap::with_hasher(FixedState::with_seed(seed)),
            publishers: Routes::new(seed),
            subscribers: Routes::new(seed),
            queues: Queues::default(),
            endpoints_max: SPACE_ENDPOINTS_MAX,
        }
    }

    /// Takes over an endpoint that was kept under this number. Nobody is told: they were, when it joined.
    pub fn restore(&mut self, number: u64, endpoint: Endpoint) {
        self.take_out(number);
        self.put_in(number, endpoint);
    }

    /// How many endpoints there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Is nobody here?
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The endpoint of that name, with its number.
    pub fn endpoint(&self, name: &EndpointName) -> Option<(u64, &Endpoint)> {
        let number = *self.names.get(name)?;
        Some((number, self.at(number)?))
    }

    /// Does the machine hold an endpoint here?
    pub fn is_member(&self, member: &Address) -> bool {
        self.members.contains_key(member)
    }

    /// All endpoints in the order of their numbers.
    pub fn endpoints(&self) -> impl Iterator<Item = (u64, &Endpoint)> {
        let mut numbers: Vec<u64> = self.seats.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| Some((number, self.at(number)?)))
    }

    /// Whom a message reaches: every endpoint of `role` whose pattern takes the topic, whatever its interest. A
    /// published message goes to subscribers, feedback to publishers. A topic with wildcards reaches all whose
    /// patterns intersect it. Nothing is sent by asking.
    pub fn takers(&self, role: Role, topic: &Pattern) -> Vec<(u64, &Endpoint)> {
        self.matching(role, topic).into_iter().filter_map(|number| Some((number, self.at(number)?))).collect()
    }

    /// Who is present for this part: what an endpoint that joined with it now would be told.
    pub fn present(&self, part: &Part) -> Vec<Counterpart> {
        let numbers = self.matching(part.role.opposite(), &part.pattern).into_iter();
        let there = numbers.filter_map(|number| Some((number, self.at(number)?)));
        there
            .filter(|(_, other)| part.interest.sees(other.part.interest))
            .filter_map(|(number, other)| Counterpart::of(number, other, part))
            .collect()
    }

    /// Numbers of the endpoints of a role whose patterns intersect, ascending.
    fn matching(&self, role: Role, pattern: &Pattern) -> Vec<u64> {
        let mut found = Vec::new();
        self.routes(role).find(pattern, &mut found);
        found.sort_unstable();
        found
    }

    fn at(&self, number: u64) -> Option<&Endpoint> {
        self.seats.get(&number).map(|seat| &seat.endpoint)
    }

    fn routes(&self, role: Role) -> &Routes {
        match role {
            Role::Publisher => &self.publishers,
            Role::Subscriber => &self.subscribers,
        }
    }

    fn routes_mut(&mut self, role: Role) -> &mut Routes {
        match role {
            Role::Publisher => &mut self.publishers,
            Role::Subscriber => &mut self.subscribers,
        }
    }

    fn put_in(&mut self, number: u64, endpoint: Endpoint) {
        let leaf = self.routes_mut(endpoint.part.role).insert(&endpoint.part.pattern, number);
        self.names.insert(endpoint.name.clone(), number);
        self.members.entry(endpoint.name.member.clone()).or_default().insert(number);
        self.seats.insert(number, Seat { endpoint, leaf });
    }

    /// Replaces an endpoint by one of the same name. Its place in the index stays when pattern and role do.
    fn put_again(&mut self, number: u64, endpoint: Endpoint) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        let before = core::mem::replace(&mut seat.endpoint, endpoint).part;
        if before.is_placed_like(&seat.endpoint.part) {
            return;
        }
        let (leaf, role, pattern) = (seat.leaf, seat.endpoint.part.role, seat.endpoint.part.pattern.clone());
        self.routes_mut(before.role).remove(leaf, &before.pattern, number);
        let leaf = self.routes_mut(role).insert(&pattern, number);
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.leaf = leaf;
        }
    }

    fn take_out(&mut self, number: u64) {
        let Some(Seat { endpoint, leaf }) = self.seats.swap_remove(&number) else { return };
        self.routes_mut(endpoint.part.role).remove(leaf, &endpoint.part.pattern, number);
        self.names.swap_remove(&endpoint.name);
        if let Some(numbers) = self.members.get_mut(&endpoint.name.member) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.members.swap_remove(&endpoint.name.member);
            }
        }
    }
}
