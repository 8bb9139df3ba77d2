//! What goes: an instance with all that belonged to it, and the oldest part of a history.
//!
//! It refuses to know why it goes.
//!
//! Its one invariant: whatever rows the turns of an instance have led to are known from its runs, so nothing of them is
//! left when they are gone. Applying the same record again changes nothing.

use super::{
    Change, Dirty, HISTORY_OVERHEAD, INSTANCE_OVERHEAD, Layers, Position, Received, Run, Slice, in_order,
};
use crate::codec;
use crate::contract::StoreError;
use crate::keys;
use crate::tables::{Table, Tables};
use everstate_kernel::{DeletedRecord, TrimmedRecord};
use std::sync::Arc;

impl Layers {
    /// Takes away an instance with its mailbox, timers and history.
    pub(super) fn deleted(&mut self, tables: &dyn Tables, deleted: &DeletedRecord) -> Result<(), StoreError> {
        let key = keys::address_key(&deleted.address);
        let beneath = self.runs_beneath(tables, &key, None)?;
        self.expired_to(tables, &key, deleted.expired_to)?;
        let active = &mut self.active;
        for number in &deleted.mailbox {
            active.rows.insert(keys::mailbox(&key, *number), None);
        }
        active.timers(&deleted.timers_cleared, &[]);
        active.tasks(&deleted.tasks_cleared, &[]);
        active.expires(&key, deleted.before.expires, None);
        let fresh = || Box::new(Dirty::new(Some(deleted.before.clone())));
        let dirty = active.instances.entry(key.clone()).or_insert_with(fresh);
        dirty.row = Change::Gone;
        dirty.cut = true;
        let received = std::mem::take(&mut dirty.received);
        for run in beneath.iter().chain(&std::mem::take(&mut dirty.runs)) {
            active.rows.insert(keys::run(&key, run.incarnation, run.first), None);
            for position in &run.positions {
                active.history.insert(Position::of(*position), None);
            }
        }
        let names = beneath.iter().flat_map(|run| &run.names).chain(received.iter().map(|(name, _)| name));
        for name in names {
            active.rows.insert(keys::received(&key, name), None);
        }
        active.counters.census.moved(deleted.address.kind(), Some(&deleted.before), None);
        active.counters.instances = active.counters.instances.saturating_sub(1);
        active.bytes += INSTANCE_OVERHEAD + deleted.turns as usize * HISTORY_OVERHEAD;
        Ok(())
    }

    /// Takes away the oldest part of a history.
    pub(super) fn trimmed(
        &mut self,
        tables: &dyn Tables,
        trimmed: &TrimmedRecord,
        row: Slice,
    ) -> Result<(), StoreError> {
        let TrimmedRecord { instance, before, positions } = trimmed;
        let key = keys::address_key(&instance.address);
        let last = instance.trimmed;
        let whole = |run: &Run| run.first + run.positions.len() as u64 <= last.sequence + 1;
        let beneath: Vec<Run> = self.runs_beneath(tables, &key, None)?.into_iter().filter(whole).collect();
        // A name goes with the last turn that received it.
        let mut forgotten = Vec::new();
        for name in beneath.iter().flat_map(|run| &run.names) {
            if self.received(tables, &key, name)?.is_some_and(|received| received.position <= last.position) {
                forgotten.push(keys::received(&key, name));
            }
        }
        self.expired_to(tables, &key, if positions.is_empty() { 0 } else { last.position })?;
        let active = &mut self.active;
        for run in &beneath {
            active.rows.insert(keys::run(&key, run.incarnation, run.first), None);
        }
        active.rows.extend(forgotten.into_iter().map(|key| (key, None)));
        for position in positions {
            active.history.insert(Position::of(*position), None);
        }
        active.bytes += positions.len() * HISTORY_OVERHEAD;
        active.expires(&key, before.expires, instance.expires);
        // Runs of this generation stay, and with them what is known of names; whoever reads passes over what is gone.
        active.put(key, Some(before), row, instance.index_keys());
        Ok(())
    }

    /// Notes up to which position turns of a kind are gone.
    fn expired_to(
        &mut self,
        tables: &dyn Tables,
        address_key: &[u8],
        position: u64,
    ) -> Result<(), StoreError> {
        let key = keys::prefixed(keys::EXPIRED, keys::kind_of(address_key));
        if position > self.expired(tables, &key)? {
            self.active.rows.insert(key, Some(Slice::owned(codec::row(&position))));
        }
        Ok(())
    }

    fn expired(&self, tables: &dyn Tables, key: &[u8]) -> Result<u64, StoreError> {
        let damaged = |error: codec::CodecError| error.at(&tables.place(Table::Rows), 0);
        match self.plain_row(tables, key)? {
            Some(row) => codec::read_row(&row).map_err(damaged),
            None => Ok(0),
        }
    }

    /// A row other than those of instances and indexes.
    fn plain_row(&self, tables: &dyn Tables, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let beneath = || self.sealed.as_ref()?.rows.get(key);
        match self.active.rows.get(key).or_else(beneath) {
            Some(row) => Ok(row.as_ref().map(|row| row.as_slice().to_vec())),
            None => tables.row(Table::Rows, key),
        }
    }

    /// When the instance has last received an event of that name, if it has.
    pub(crate) fn received(
        &self,
        tables: &dyn Tables,
        address_key: &[u8],
        name: &str,
    ) -> Result<Option<Received>, StoreError> {
        let generations = std::iter::once(&self.active).chain(self.sealed.as_deref());
        let key = keys::received(address_key, name);
        let decoded =
            |row: &[u8]| codec::read_row(row).map_err(|error| error.at(&tables.place(Table::Runs), 0));
        for generation in generations {
            if let Some(dirty) = generation.instances.get(address_key)
                && let Ok(at) = dirty.received.binary_search_by(|(known, _)| (**known).cmp(name))
            {
                return Ok(Some(dirty.received[at].1));
            }
            if let Some(row) = generation.rows.get(&key) {
                return row.as_ref().map(|row| decoded(row.as_slice())).transpose();
            }
        }
        tables.row(Table::Runs, &key)?.map(|row| decoded(&row)).transpose()
    }

    /// The runs of an instance in the tables and the sealed generation that still count, ascending; only those
    /// from key `from` on when it is given.
    pub(crate) fn runs_beneath(
        &self,
        tables: &dyn Tables,
        address_key: &[u8],
        from: Option<&[u8]>,
    ) -> Result<Vec<Run>, StoreError> {
        let prefix = keys::prefixed(keys::RUNS, address_key);
        let end = keys::after_prefix(&prefix);
        let mut runs = Vec::new();
        for pair in self.rows(tables, from.unwrap_or(&prefix), &end) {
            let (key, row) = pair?;
            let (positions, names): (Vec<u64>, Vec<Arc<str>>) =
                codec::read_row(&row).map_err(|e| e.at(&tables.place(Table::Runs), 0))?;
            let incarnation = keys::run_incarnation(&key, prefix.len());
            runs.push(Run { incarnation, first: keys::run_first(&key), positions, names });
        }
        let cut = self.active.instances.get(address_key).is_some_and(|dirty| dirty.cut);
        let sealed = self.sealed.as_ref().filter(|_| !cut);
        if let Some(dirty) = sealed.and_then(|sealed| sealed.instances.get(address_key)) {
            let names: Vec<Arc<str>> = dirty.received.iter().map(|(name, _)| name.clone()).collect();
            runs.extend(dirty.runs.iter().map(|run| Run { names: names.clone(), ..run.clone() }));
        }
        Ok(in_order(runs))
    }
}
