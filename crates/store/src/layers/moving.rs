//! What a sealed generation tells the tables: its rows in the order of their keys, each key once.
//!
//! It refuses to know how the tables are written.
//!
//! Its one invariant: keys come strictly ascending. Nothing is sorted that is in order already: the instances are, and
//! the keys of one index prefix are the instances' own, so only the prefixes, of which there are few, are put in order.

use super::{Change, Dirty, Generation, Outcome, Received, Run, Slice};
use crate::codec;
use crate::contract::StoreError;
use crate::keys;
use everstate_kernel::{EventId, IndexKeys, Time};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

/// Takes a key and its row; none removes it.
pub(crate) type Write<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), StoreError>;

/// An index row that changes: the end of its key, and whether it is there from now on.
type Entry<'a> = (&'a [u8], bool);

impl Generation {
    /// All writes to [`crate::tables::Table::Rows`], ascending by key, each key once; the marker is among them.
    pub(crate) fn table_rows(&self, write: Write<'_>) -> Result<(), StoreError> {
        write(keys::MARKER, Some(&codec::row(&self.counters)))?;
        self.plain(keys::DEFINITIONS, keys::DEFINITIONS, write)?;
        let mut key = Vec::with_capacity(64);
        for (address_key, dirty) in &self.instances {
            rewrite(&mut key, keys::INSTANCES, address_key);
            match &dirty.row {
                Change::Put(row, _) => write(&key, Some(row.as_slice()))?,
                Change::Gone => write(&key, None)?,
            }
        }
        self.plain(keys::MAILBOXES, keys::TIMERS, write)?;
        let indexes = self.indexes();
        let (early, late) =
            indexes.split_at(indexes.partition_point(|(prefix, _)| prefix[0] < keys::BY_TIME));
        index_rows(early, write)?;
        self.time_rows(write)?;
        self.plain(keys::OUTBOX, keys::DEAD_LETTERS, write)?;
        self.plain(keys::SEATS, keys::TASKS, write)?;
        index_rows(late, write)?;
        self.plain(keys::EXPIRES, keys::EXPIRED, write)
    }

    /// The rows of the tables from one to another as they are.
    fn plain(&self, from: u8, to: u8, write: Write<'_>) -> Result<(), StoreError> {
        for (key, row) in self.plain_range(from, to) {
            write(key, row.as_ref().map(Slice::as_slice))?;
        }
        Ok(())
    }

    fn plain_range(&self, from: u8, to: u8) -> impl Iterator<Item = (&Vec<u8>, &Option<Slice>)> {
        let (from, to) = ([from], [to + 1]);
        self.rows.range::<[u8], _>((Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice())))
    }

    /// What changes in the indexes other than that by time: by prefix, ascending, the ends of keys, ascending too.
    fn indexes(&self) -> Vec<(Vec<u8>, Vec<Entry<'_>>)> {
        let mut indexes: BTreeMap<Vec<u8>, Vec<Entry<'_>>> = BTreeMap::new();
        let mut prefix = Vec::with_capacity(64);
        for (address_key, dirty) in &self.instances {
            dirty.index_changes(address_key, |push_prefix, suffix, there| {
                prefix.clear();
                push_prefix(&mut prefix);
                match indexes.get_mut(prefix.as_slice()) {
                    Some(entries) => entries.push((suffix, there)),
                    None => {
                        indexes.insert(prefix.clone(), vec![(suffix, there)]);
                    }
                }
            });
        }
        indexes.into_iter().collect()
    }

    /// What changes in the index by time: nearly every instance is in it twice, with a key of its own.
    fn time_rows(&self, write: Write<'_>) -> Result<(), StoreError> {
        let mut changes: Vec<(Time, &[u8], bool)> = Vec::with_capacity(2 * self.instances.len());
        for (address_key, dirty) in &self.instances {
            let before = dirty.base.as_ref().map(|base| base.last_event_at);
            let now = dirty.index().map(|index| index.last_event_at);
            if before != now {
                changes.extend(before.map(|time| (time, &address_key[..], false)));
                changes.extend(now.map(|time| (time, &address_key[..], true)));
            }
        }
        changes.sort_unstable();
        for (time, address_key, there) in changes {
            write(&keys::timed(keys::BY_TIME, time, address_key), there.then_some(&[]))?;
        }
        Ok(())
    }

    /// What changes in the index of events received. Of equal keys what was received in this generation counts.
    fn received_rows(&self, write: Write<'_>) -> Result<(), StoreError> {
        let mut names: BTreeMap<Vec<u8>, Vec<(&[u8], Received)>> = BTreeMap::new();
        for (address_key, dirty) in &self.instances {
            let kind = keys::kind_of(address_key);
            for (name, received) in &dirty.received {
                let entries = names.entry(keys::by_event(kind, name)).or_default();
                entries.push((&address_key[kind.len()..], *received));
            }
        }
        let mut gone = self.plain_range(keys::BY_EVENT, keys::BY_EVENT).peekable();
        let mut row = Vec::with_capacity(32);
        for (mut key, entries) in names {
            let length = key.len();
            for (suffix, received) in entries {
                key.truncate(length);
                key.extend_from_slice(suffix);
                before(&mut gone, Some(&key), write)?;
                gone.next_if(|next| *next.0 == key);
                row.clear();
                codec::push_row(&mut row, &received);
                write(&key, Some(&row))?;
            }
        }
        before(&mut gone, None, write)
    }

    /// All writes to [`crate::tables::Table::Runs`]: the runs in this generation and what was received in it, and those
    /// beneath that go. Of equal keys the run in this generation counts.
    pub(crate) fn table_runs(&self, write: Write<'_>) -> Result<(), StoreError> {
        let mut gone = self.plain_range(keys::RUNS, keys::RUNS).peekable();
        let (mut key, mut row) = (Vec::with_capacity(64), Vec::with_capacity(128));
        for (address_key, dirty) in &self.instances {
            let names: Vec<&str> = dirty.received.iter().map(|(name, _)| &**name).collect();
            for run in ascending(&dirty.runs) {
                rewrite(&mut key, keys::RUNS, address_key);
                keys::push_run(&mut key, run.incarnation, run.first);
                before(&mut gone, Some(&key), write)?;
                gone.next_if(|next| *next.0 == key);
                row.clear();
                codec::push_row(&mut row, &(&run.positions, &names));
                write(&key, Some(&row))?;
            }
        }
        before(&mut gone, None, write)?;
        self.received_rows(write)
    }

    /// All writes to [`crate::tables::Table::Outcomes`], ascending by key.
    pub(crate) fn table_outcomes(&self, write: Write<'_>) -> Result<(), StoreError> {
        // The first eight bytes decide nearly always, and they are at hand without following a pointer.
        let first = |id: &EventId| {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(id.as_str().bytes()).for_each(|(to, from)| *to = from);
            u64::from_be_bytes(bytes)
        };
        let mut ids: Vec<(u64, &EventId, &Outcome)> =
            self.outcomes.iter().map(|(id, outcome)| (first(id), id, outcome)).collect();
        ids.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| a.1.as_str().as_bytes().cmp(b.1.as_str().as_bytes()))
        });
        let mut row = Vec::with_capacity(256);
        for (_, id, outcome) in ids {
            row.clear();
            outcome.push_row(&mut row);
            write(id.as_str().as_bytes(), Some(&row))?;
        }
        Ok(())
    }
}

/// Writes the rows of indexes.
fn index_rows(indexes: &[(Vec<u8>, Vec<Entry<'_>>)], write: Write<'_>) -> Result<(), StoreError> {
    let mut key = Vec::with_capacity(64);
    for (prefix, entries) in indexes {
        let mut entries = entries.iter().peekable();
        while let Some((suffix, there)) = entries.next() {
            let mut there = *there;
            // Two names of states may lead to one key; it is there when either is active.
            while let Some((_, other)) = entries.next_if(|next| next.0 == *suffix) {
                there |= other;
            }
            key.clear();
            key.extend_from_slice(prefix);
            key.extend_from_slice(suffix);
            write(&key, there.then_some(&[]))?;
        }
    }
    Ok(())
}

fn rewrite(key: &mut Vec<u8>, table: u8, rest: &[u8]) {
    key.clear();
    key.push(table);
    key.extend_from_slice(rest);
}

/// Writes the rows with keys before `limit`, or all.
fn before<'a>(
    rows: &mut Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Option<Slice>)>>,
    limit: Option<&Vec<u8>>,
    write: Write<'_>,
) -> Result<(), StoreError> {
    while let Some((key, row)) = rows.next_if(|next| limit.is_none_or(|limit| next.0 < limit)) {
        write(key, row.as_ref().map(Slice::as_slice))?;
    }
    Ok(())
}

/// Runs by incarnation and first sequence, each once; nearly always there is one.
fn ascending(runs: &[Run]) -> Vec<&Run> {
    let mut sorted: Vec<&Run> = runs.iter().collect();
    if sorted.len() > 1 {
        // Stable, so that of equal ones the later is what counts.
        sorted.sort_by_key(|run| (run.incarnation, run.first));
        sorted.reverse();
        sorted.dedup_by_key(|run| (run.incarnation, run.first));
        sorted.reverse();
    }
    sorted
}

impl Dirty {
    /// What the indexes say of it now; nothing when it is gone.
    fn index(&self) -> Option<&IndexKeys> {
        match &self.row {
            Change::Put(_, index_keys) => Some(index_keys),
            Change::Gone => None,
        }
    }

    /// Tells `change` of each index row that is not what it was: how its key begins, how it ends, and whether it is
    /// there now.
    fn index_changes<'a>(
        &'a self,
        address_key: &'a [u8],
        mut change: impl FnMut(&dyn Fn(&mut Vec<u8>), &'a [u8], bool),
    ) {
        let now = self.index();
        let kind = keys::kind_of(address_key);
        let within_kind = &address_key[kind.len()..];
        let mut differ = |one: Option<&IndexKeys>, other: Option<&IndexKeys>, there: bool| {
            let Some(one) = one else { return };
            for label in one.labels.iter() {
                if other.is_none_or(|other| !other.labels.contains(label)) {
                    change(&|prefix| keys::push_state(prefix, kind, label), within_kind, there);
                }
            }
            if other.is_none_or(|other| other.version != one.version) {
                change(&|prefix| keys::push_version(prefix, kind, &one.version), within_kind, there);
            }
            let held = other.and_then(|other| other.fields.as_deref()).unwrap_or_default();
            for field in
                one.fields.as_deref().unwrap_or_default().iter().filter(|field| !held.contains(field))
            {
                let (path, value) = field;
                change(&|prefix| keys::push_field(prefix, kind, path, value), within_kind, there);
            }
        };
        differ(self.base.as_ref(), now, false);
        differ(now, self.base.as_ref(), true);
    }
}
