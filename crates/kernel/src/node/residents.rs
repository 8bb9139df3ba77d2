//! The instances in memory, and which of them go when there are too many.

use super::spaces::Premises;
use crate::address::Address;
use crate::behaviour::State;
use crate::definition::Definition;
use crate::input::Stored;
use crate::record::{Instance, Queued, Seat, Serial};
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// An instance in memory.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) row: Instance,
    /// The row's state as its behaviour likes it; made when it is first needed.
    pub(super) state: Option<State>,
    pub(super) definition: Arc<Definition>,
    /// In the order of numbers.
    pub(super) mailbox: VecDeque<Waiting>,
    /// What it holds besides its row, if it is a space.
    pub(super) premises: Option<Box<Premises>>,
}

/// An event in a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) queued: Queued,
    /// May it be tried now? A deferred one may as soon as the active states have changed.
    pub(super) runnable: bool,
}

impl From<Queued> for Waiting {
    fn from(queued: Queued) -> Waiting {
        Waiting { runnable: !queued.deferred, queued }
    }
}

#[derive(Debug)]
struct Slot {
    /// None: it is known that there is no such instance.
    live: Option<Live>,
    /// Was it used since the clock's hand last passed?
    used: bool,
}

/// The table of instances. Its order is that of arrival, so nothing depends on the hash.
#[derive(Debug)]
pub(super) struct Residents {
    slots: IndexMap<Address, Slot, FixedState>,
    /// The hand of the clock that chooses who goes (second chance).
    hand: usize,
    /// Addresses known to have no instance, to be forgotten at the next `settle`.
    absent: Vec<Address>,
    /// Spaces that have just been brought in, whose seats are to follow.
    furnished: BTreeSet<Address>,
}

impl Residents {
    pub(super) fn new(seed: u64) -> Residents {
        Residents {
            slots: IndexMap::with_hasher(FixedState::with_seed(seed)),
            hand: 0,
            absent: Vec::new(),
            furnished: BTreeSet::new(),
        }
    }

    pub(super) fn knows(&self, address: &Address) -> bool {
        self.slots.contains_key(address)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn live(&self, address: &Address) -> Option<&Live> {
        self.slots.get(address)?.live.as_ref()
    }

    pub(super) fn live_mut(&mut self, address: &Address) -> Option<&mut Live> {
        let slot = self.slots.get_mut(address)?;
        slot.used = true;
        slot.live.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Address, &Live)> {
        self.slots.iter().filter_map(|(address, slot)| Some((address, slot.live.as_ref()?)))
    }

    /// Takes what the store holds of an address, unless it is known already.
    pub(super) fn bring_in(
        &mut self,
        address: Address,
        found: Option<Stored>,
        definition: Option<Arc<Definition>>,
        seed: u64,
    ) {
        if self.slots.contains_key(&address) {
            return;
        }
        let live = found.map(|(row, mailbox)| {
            let Some(definition) = definition else {
                panic!("the store holds {address} of version {} but not its definition", row.version)
            };
            let mailbox = mailbox.into_iter().map(Waiting::from).collect();
            let premises = definition.behaviour.is_space().then(|| Box::new(Premises::new(seed)));
            if premises.is_some() {
                self.furnished.insert(address.clone());
            }
            Live { row, state: None, definition, mailbox, premises }
        });
        if live.is_none() {
            self.absent.push(address.clone());
        }
        self.slots.insert(address, Slot { live, used: true });
    }

    /// Takes what the store holds of a space that has just been brought in.
    pub(super) fn bring_seat(&mut self, space: &Address, number: Serial, seat: Option<Seat>) {
        let slot = self.slots.get_mut(space).filter(|_| self.furnished.contains(space));
        let premises = slot.and_then(|slot| slot.live.as_mut()?.premises.as_deref_mut());
        if let (Some(premises), Some(seat)) = (premises, seat) {
            premises.restore(number, seat);
        }
    }

    /// All that was loaded is taken.
    pub(super) fn brought_in(&mut self) {
        self.furnished.clear();
    }

    pub(super) fn insert(&mut self, live: Live) {
        self.slots.insert(live.row.address.clone(), Slot { live: Some(live), used: true });
    }

    /// Takes an instance out; it is then known not to exist.
    pub(super) fn remove(&mut self, address: &Address) -> Option<Live> {
        let live = self.slots.get_mut(address)?.live.take()?;
        self.absent.push(address.clone());
        Some(live)
    }

    /// Forgets who is known not to exist, and sends the least recently used away until `max` are left.
    pub(super) fn settle(&mut self, max: usize) {
        for address in core::mem::take(&mut self.absent) {
            if self.slots.get(&address).is_some_and(|slot| slot.live.is_none()) {
                self.slots.swap_remove(&address);
            }
        }
        while self.slots.len() > max {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let (_, slot) = self.slots.get_index_mut(self.hand).expect("the hand is within the table");
            if slot.used {
                slot.used = false;
                self.hand += 1;
            } else {
                self.slots.swap_remove_index(self.hand);
            }
        }
    }
}
