//! Everything that a store holds, as maps: read from one, or made from records by rules so plain that they are right.
//!
//! It refuses to share code with the store. Its one invariant: the maps made from the records that a store has kept are
//! those that are read from it.

use crate::tables::{Kept, Tables};
use everstate_kernel::{
    Address, DefinitionRecord, EventId, HistoryEntry, Instance, Record, Seat, Time, TimerKey, Touches,
};
use everstate_store::{Query, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

/// Every table of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// All but what follows.
    pub tables: Tables,
    /// What each instance has done.
    pub history: BTreeMap<Address, Vec<HistoryEntry>>,
    /// In the order in which they were put.
    pub definitions: Vec<DefinitionRecord>,
    /// What wakes instances.
    pub timers: BTreeSet<TimerKey>,
}

impl Whole {
    /// Takes over what records say.
    pub fn apply(&mut self, records: &[Record]) {
        self.tables.apply(records);
        for record in records {
            match record {
                Record::Definition(definition) => self.definitions.push(definition.clone()),
                Record::Turn(turn) => {
                    let address = turn.instance.address.clone();
                    self.history.entry(address).or_default().push(turn.entry.clone());
                    self.timers_of(&turn.instance);
                }
                Record::Row(row) => self.timers_of(&row.instance),
                Record::Deleted(deleted) => {
                    self.history.remove(&deleted.address);
                    self.timers.retain(|key| key.address != deleted.address);
                }
                Record::Trimmed(trimmed) => {
                    let gone = trimmed.instance.trimmed.sequence;
                    let kept = self.history.entry(trimmed.instance.address.clone()).or_default();
                    kept.retain(|entry| entry.sequence > gone);
                }
                _ => {}
            }
        }
    }

    /// The timers of an instance are those that its row names.
    fn timers_of(&mut self, row: &Instance) {
        self.timers.retain(|key| key.address != row.address);
        let key = |due: Time, generation| TimerKey { due, address: row.address.clone(), generation };
        self.timers.extend(row.timers.iter().map(|timer| key(timer.due, Some(timer.generation))));
        self.timers.extend(row.retry.iter().map(|retry| key(retry.due, None)));
    }

    /// Reads everything. Outcomes cannot be listed, so it is said which are asked for.
    pub fn read(store: &dyn Store, ids: &BTreeSet<EventId>) -> Result<Whole, StoreError> {
        let reader = store.reader();
        let mut whole = Whole { definitions: reader.definitions()?, ..Whole::default() };
        let all = Query { limit: usize::MAX, ..Query::default() };
        let addresses: Vec<Address> =
            reader.list(&all)?.instances.into_iter().map(|row| row.address).collect();
        for address in &addresses {
            if let Some((row, mailbox)) = reader.instance(address)? {
                whole.tables.instances.insert(address.clone(), Arc::new(Kept { row, mailbox }));
            }
            whole.history.insert(address.clone(), reader.history(address, 0, usize::MAX)?);
        }
        let outbox = reader.outbox(None, usize::MAX)?;
        whole.tables.outbox = outbox.into_iter().map(|sent| (sent.number, sent)).collect();
        let letters = reader.dead_letters(None, usize::MAX)?;
        whole.tables.dead_letters = letters.into_iter().map(|letter| (letter.number, letter)).collect();
        whole.tables.position = reader.summary()?.last_position;
        whole.timers = reader.timers(None, usize::MAX)?.into_iter().collect();
        let loaded = store.hydrate(&Touches { addresses, ids: ids.iter().cloned().collect() })?;
        whole.tables.outcomes =
            loaded.outcomes.into_iter().filter_map(|(id, outcome)| Some((id, outcome?))).collect();
        let seats = loaded.seats.into_iter().filter_map(|held| Some(((held.space, held.number), held.seat?)));
        whole.tables.seats = seats.collect();
        Ok(whole)
    }

    /// What stands first in one and is not the same in the other, for a person.
    pub fn difference(&self, other: &Whole) -> Option<String> {
        let (a, b) = (&self.tables, &other.tables);
        map_difference("instance", &a.instances, &b.instances)
            .or_else(|| map_difference("event on its way", &a.outbox, &b.outbox))
            .or_else(|| map_difference("outcome", &a.outcomes, &b.outcomes))
            .or_else(|| map_difference("dead letter", &a.dead_letters, &b.dead_letters))
            .or_else(|| map_difference("seat", &a.seats, &b.seats))
            .or_else(|| map_difference("history", &self.history, &other.history))
            .or_else(|| (self.timers != other.timers).then(|| timers_differ(&self.timers, &other.timers)))
            .or_else(|| (self.definitions != other.definitions).then(|| "definitions differ".to_owned()))
            .or_else(|| {
                (a.position != b.position)
                    .then(|| format!("the last position is {}, and here {}", a.position, b.position))
            })
    }

    /// The row of an instance.
    pub fn row(&self, address: &Address) -> Option<&Instance> {
        self.tables.instances.get(address).map(|kept| &kept.row)
    }

    /// The rows of all instances.
    pub fn rows(&self) -> impl Iterator<Item = &Instance> {
        self.tables.instances.values().map(|kept| &kept.row)
    }

    /// What the space at that address holds.
    pub fn seats_of<'a>(&'a self, space: &'a Address) -> impl Iterator<Item = &'a Seat> {
        self.tables.seats.iter().filter(move |((of, _), _)| of == space).map(|(_, seat)| seat)
    }
}

fn timers_differ(a: &BTreeSet<TimerKey>, b: &BTreeSet<TimerKey>) -> String {
    let (more, less) = (a.difference(b).next(), b.difference(a).next());
    format!("timers differ: {more:?} is in the first alone, {less:?} in the second alone")
}

fn map_difference<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
) -> Option<String> {
    let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
    let key = keys.into_iter().find(|key| a.get(key) != b.get(key))?;
    Some(format!("{what} {key:?} is {:?}, and here {:?}", a.get(key), b.get(key)))
}
