//! The reading side of both engines: every question of the contract, answered from memory over tables.
//!
//! It refuses to know how either of them is written.
//!
//! Its one invariant: an answer is what all records committed before the call say. Within one call the lock is let
//! go between chunks of a long scan, so that no question holds up a commit for long; a chunk is consistent in itself.

use crate::codec::{self, HistoryRow};
use crate::contract::{Page, Query, Reader, StoreError, Summary};
use crate::export::{InstanceRow, Row, store_row};
use crate::keys;
use crate::layers::{Change, Counters, Layers, Outcome, Run, in_order};
use crate::tables::{Table, Tables};
use everstate_kernel::{
    Address, DeadLetter, DefinitionRecord, EventId, HistoryEntry, Instance, Loaded, OutcomeRecord, Queued,
    SeatRecord, Sent, Serial, Span, TaskKey, TaskStanding, Time, TimerKey, Touches,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

mod list;

/// Memory over tables, shared by the writing side, the readers and the applier.
pub(crate) struct Reading<T> {
    layers: RwLock<Layers>,
    pub(crate) tables: T,
    /// Bytes of the journal's files.
    pub(crate) journal_bytes: AtomicU64,
}

impl<T: Tables> Reading<T> {
    pub(crate) fn new(layers: Layers, tables: T) -> Reading<T> {
        Reading { layers: RwLock::new(layers), tables, journal_bytes: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode<R: DeserializeOwned>(&self, table: Table, bytes: &[u8]) -> Result<R, StoreError> {
        codec::read_row(bytes).map_err(|error| error.at(&self.tables.place(table), 0))
    }

    fn decode_outcome(&self, bytes: &[u8]) -> Result<OutcomeRecord, StoreError> {
        codec::read_outcome(bytes).map_err(|error| error.at(&self.tables.place(Table::Outcomes), 0))
    }

    fn address_of(&self, address_key: &[u8]) -> Result<Address, StoreError> {
        keys::address_of(address_key).ok_or_else(|| {
            let problem = "a key that should hold an address does not".to_owned();
            codec::CodecError::Malformed(problem).at(&self.tables.place(Table::Rows), 0)
        })
    }

    /// The row of an instance.
    fn instance_row(&self, layers: &Layers, address_key: &[u8]) -> Result<Option<Instance>, StoreError> {
        match layers.dirty(address_key).map(|dirty| &dirty.row) {
            Some(Change::Put(row, _)) => self.decode(Table::Rows, row.as_slice()).map(Some),
            Some(Change::Gone) => Ok(None),
            None => match self.tables.row(Table::Rows, &keys::instance(address_key))? {
                Some(row) => self.decode(Table::Rows, &row).map(Some),
                None => Ok(None),
            },
        }
    }

    /// An instance with its mailbox, at one moment.
    fn instance_at(
        &self,
        layers: &Layers,
        address: &Address,
    ) -> Result<Option<(Instance, Vec<Queued>)>, StoreError> {
        let key = keys::address_key(address);
        let Some(instance) = self.instance_row(layers, &key)? else { return Ok(None) };
        // Most mailboxes are empty, and need no scan.
        if instance.mailbox_len == 0 {
            return Ok(Some((instance, Vec::new())));
        }
        let prefix = keys::prefixed(keys::MAILBOXES, &key);
        let mailbox = self.collect(layers, &prefix, &keys::after_prefix(&prefix), usize::MAX)?;
        Ok(Some((instance, mailbox)))
    }

    fn collect<R: DeserializeOwned>(
        &self,
        layers: &Layers,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<R>, StoreError> {
        layers
            .rows(&self.tables, from, to)
            .take(limit)
            .map(|pair| self.decode(Table::Rows, &pair?.1))
            .collect()
    }

    /// Rows of a table keyed by number, above `after`.
    fn numbered<R: DeserializeOwned>(
        &self,
        table: u8,
        after: Option<Serial>,
        limit: usize,
    ) -> Result<Vec<R>, StoreError> {
        let from = match after {
            Some(after) => keys::after(&keys::numbered(table, after.0)),
            None => vec![table],
        };
        self.collect(&self.read(), &from, &[table + 1], limit)
    }

    fn outcome_at(&self, layers: &Layers, id: &EventId) -> Result<Option<OutcomeRecord>, StoreError> {
        if let Some(outcome) = layers.outcome(id) {
            return self.outcome_in_memory(outcome).map(Some);
        }
        match self.tables.row(Table::Outcomes, id.as_str().as_bytes())? {
            Some(row) => self.decode_outcome(&row).map(Some),
            None => Ok(None),
        }
    }

    fn outcome_in_memory(&self, outcome: &Outcome) -> Result<OutcomeRecord, StoreError> {
        let mut row = Vec::with_capacity(128);
        outcome.push_row(&mut row);
        self.decode_outcome(&row)
    }

    /// See [`crate::Store::hydrate`].
    pub(crate) fn hydrate(&self, touches: &Touches) -> Result<Loaded, StoreError> {
        let layers = self.read();
        let mut loaded = Loaded::default();
        for address in &touches.addresses {
            let instance = self.instance_at(&layers, address)?;
            // Few instances are spaces, and only of those is there more.
            let links = instance.as_ref().and_then(|(row, _)| row.links.as_ref());
            if links.is_some_and(|links| links.seats > 0) {
                let prefix = keys::prefixed(keys::SEATS, &keys::address_key(address));
                let seats = self.collect(&layers, &prefix, &keys::after_prefix(&prefix), usize::MAX)?;
                loaded.seats.extend::<Vec<SeatRecord>>(seats);
            }
            loaded.instances.push((address.clone(), instance));
        }
        for id in &touches.ids {
            loaded.outcomes.push((id.clone(), self.outcome_at(&layers, id)?));
        }
        Ok(loaded)
    }

    /// Which sequences above `after` an instance has kept, and its runs that may hold them, ascending.
    fn runs(
        &self,
        layers: &Layers,
        address: &Address,
        after: u64,
    ) -> Result<(std::ops::RangeInclusive<u64>, Vec<Run>), StoreError> {
        let key = keys::address_key(address);
        let Some(instance) = self.instance_row(layers, &key)? else { return Ok((0..=0, Vec::new())) };
        let after = after.max(instance.trimmed.sequence);
        let prefix = keys::prefixed(keys::RUNS, &key);
        // The last run that begins at or before the first sequence wanted holds it, if any in the tables does.
        // Sequences go on from one incarnation to the next, so it is looked for in one after the other, newest first.
        let sequence = after.saturating_add(1);
        let mut incarnation = instance.incarnation;
        let start = loop {
            let wanted = keys::after(&keys::run(&key, incarnation, sequence));
            match self.tables.last(Table::Runs, &prefix, &wanted)? {
                None => break prefix,
                Some(run) if keys::run_first(&run) <= sequence => break run,
                Some(run) => incarnation = keys::run_incarnation(&run, prefix.len()),
            }
        };
        let mut runs = layers.runs_beneath(&self.tables, &key, Some(&start))?;
        if let Some(dirty) = layers.active.instances.get(&key) {
            runs.extend(dirty.runs.iter().cloned());
        }
        Ok((sequence..=instance.turns, in_order(runs)))
    }

    pub(crate) fn counters(&self) -> Counters {
        self.read().active.counters.clone()
    }
}

/// History rows that one chunk takes while it holds the lock: about a millisecond.
const CHUNK: usize = 512;

impl<T: Tables> Reader for Reading<T> {
    fn definitions(&self) -> Result<Vec<DefinitionRecord>, StoreError> {
        self.collect(&self.read(), &[keys::DEFINITIONS], &[keys::DEFINITIONS + 1], usize::MAX)
    }

    fn instance(&self, address: &Address) -> Result<Option<(Instance, Vec<Queued>)>, StoreError> {
        self.instance_at(&self.read(), address)
    }

    fn history(&self, address: &Address, after: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let layers = self.read();
        let mut entries = Vec::new();
        let (kept, runs) = self.runs(&layers, address, after)?;
        for run in runs {
            for (sequence, position) in (run.first..).zip(&run.positions) {
                // A run in the tables may reach beyond a crash that lost what was not to be kept.
                if !kept.contains(&sequence) {
                    continue;
                }
                if entries.len() >= limit {
                    return Ok(entries);
                }
                if let Some(row) = layers.history_row(&self.tables, *position)? {
                    entries.push(self.decode::<HistoryRow>(Table::History, &row)?.entry);
                }
            }
        }
        Ok(entries)
    }

    fn turns(&self, after: u64, limit: usize) -> Result<Vec<(Address, HistoryEntry)>, StoreError> {
        let mut turns = Vec::new();
        let mut from = after.saturating_add(1);
        loop {
            let layers = self.read();
            let wanted = CHUNK.min(limit - turns.len());
            let before = turns.len();
            for pair in layers.history(&self.tables, from).take(wanted) {
                let row: HistoryRow = self.decode(Table::History, &pair?.1)?;
                from = row.entry.position.saturating_add(1);
                turns.push((row.address, row.entry));
            }
            if turns.len() == limit || turns.len() - before < wanted {
                return Ok(turns);
            }
        }
    }

    fn outcome(&self, id: &EventId, now: Time) -> Result<Option<OutcomeRecord>, StoreError> {
        Ok(self.outcome_at(&self.read(), id)?.filter(|outcome| outcome.until > now))
    }

    fn recent_outcome(&self, id: &EventId, now: Time) -> Result<Option<OutcomeRecord>, StoreError> {
        let Ok(layers) = self.layers.try_read() else { return Ok(None) };
        let found = layers.outcome(id).map(|outcome| self.outcome_in_memory(outcome)).transpose()?;
        Ok(found.filter(|outcome| outcome.until > now))
    }

    fn list(&self, query: &Query) -> Result<Page, StoreError> {
        list::list(self, query)
    }

    fn timers(&self, after: Option<&TimerKey>, limit: usize) -> Result<Vec<TimerKey>, StoreError> {
        let from = match after {
            Some(after) => keys::after(&keys::timer(after)),
            None => vec![keys::TIMERS],
        };
        self.collect(&self.read(), &from, &[keys::TIMERS + 1], limit)
    }

    fn tasks(
        &self,
        queue: Option<&str>,
        standing: Option<TaskStanding>,
        after: Option<&TaskKey>,
        limit: usize,
    ) -> Result<Vec<TaskKey>, StoreError> {
        let prefix = queue.map_or_else(|| vec![keys::TASKS], |queue| keys::queue(queue, standing));
        let from = match after {
            Some(after) => keys::after(&keys::task(after)).max(prefix.clone()),
            None => prefix.clone(),
        };
        let to = keys::after_prefix(&prefix);
        let (layers, mut tasks) = (self.read(), Vec::new());
        if from >= to {
            return Ok(tasks);
        }
        for pair in layers.rows(&self.tables, &from, &to) {
            if tasks.len() >= limit {
                break;
            }
            let task: TaskKey = self.decode(Table::Rows, &pair?.1)?;
            if standing.is_none_or(|standing| task.standing == standing) {
                tasks.push(task);
            }
        }
        Ok(tasks)
    }

    fn expiring(&self, until: Time, limit: usize) -> Result<Vec<(Time, Address)>, StoreError> {
        let (from, to) = ([keys::EXPIRES], keys::timed(keys::EXPIRES, until + Span(1), &[]));
        let layers = self.read();
        let rows = layers.rows(&self.tables, &from, &to).take(limit);
        rows.map(|pair| {
            let key = pair?.0;
            let (due, address_key) = keys::of_timed(&key);
            Ok((due, self.address_of(address_key)?))
        })
        .collect()
    }

    fn expired(&self, kind: Option<&str>) -> Result<u64, StoreError> {
        let prefix = keys::prefixed(keys::EXPIRED, &kind.map(keys::kind_prefix).unwrap_or_default());
        let of_kinds: Vec<u64> =
            self.collect(&self.read(), &prefix, &keys::after_prefix(&prefix), usize::MAX)?;
        Ok(of_kinds.into_iter().max().unwrap_or(0))
    }

    fn outbox(&self, after: Option<Serial>, limit: usize) -> Result<Vec<Sent>, StoreError> {
        self.numbered(keys::OUTBOX, after, limit)
    }

    fn dead_letters(&self, after: Option<Serial>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.numbered(keys::DEAD_LETTERS, after, limit)
    }

    fn census(&self) -> Vec<(String, Arc<str>, u64)> {
        self.read().active.counters.census.all()
    }

    fn summary(&self) -> Result<Summary, StoreError> {
        let counters = self.counters();
        Ok(Summary {
            last_position: counters.last_position,
            instances: counters.instances,
            dead_letters: counters.dead_letters,
            bytes_on_disk: self.tables.bytes() + self.journal_bytes.load(Ordering::Relaxed),
            engine: self.tables.engine(),
        })
    }
}

impl<T: Tables> Reading<T> {
    /// See [`crate::Portable::rows`]. The caller sees to it that nothing is committed meanwhile.
    pub(crate) fn export(
        &self,
        each: &mut dyn FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let layers = self.read();
        each(store_row(layers.active.counters.last_position))?;
        for pair in layers.rows(&self.tables, &[keys::DEFINITIONS], &[keys::DEFINITIONS + 1]) {
            each(Row::Definition(self.decode(Table::Rows, &pair?.1)?))?;
        }
        self.export_instances(&layers, each)?;
        for pair in layers.rows(&self.tables, &[keys::MAILBOXES], &[keys::MAILBOXES + 1]) {
            each(Row::Queued(self.decode(Table::Rows, &pair?.1)?))?;
        }
        for pair in layers.rows(&self.tables, &[keys::SEATS], &[keys::SEATS + 1]) {
            each(Row::Seat(self.decode(Table::Rows, &pair?.1)?))?;
        }
        for pair in layers.history(&self.tables, 0) {
            let HistoryRow { address, incarnation, entry } = self.decode(Table::History, &pair?.1)?;
            each(Row::History { address, incarnation, entry })?;
        }
        self.export_outcomes(&layers, each)?;
        for pair in layers.rows(&self.tables, &[keys::TIMERS], &[keys::TIMERS + 1]) {
            each(Row::Timer(self.decode(Table::Rows, &pair?.1)?))?;
        }
        for pair in layers.rows(&self.tables, &[keys::OUTBOX], &[keys::OUTBOX + 1]) {
            each(Row::Sent(self.decode(Table::Rows, &pair?.1)?))?;
        }
        for pair in layers.rows(&self.tables, &[keys::DEAD_LETTERS], &[keys::DEAD_LETTERS + 1]) {
            each(Row::DeadLetter(self.decode(Table::Rows, &pair?.1)?))?;
        }
        for pair in layers.rows(&self.tables, &[keys::EXPIRED], &[keys::EXPIRED + 1]) {
            let (key, row) = pair?;
            let kind = String::from_utf8_lossy(&key[1..]).trim_end_matches('\0').to_owned();
            each(Row::Expired { kind, position: self.decode(Table::Rows, &row)? })?;
        }
        Ok(())
    }

    fn export_instances(
        &self,
        layers: &Layers,
        each: &mut dyn FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut cursor = Vec::new();
        while let Some(chunk) = list::instances(self, layers, &[], &mut cursor)? {
            for candidate in chunk {
                let instance = list::load(self, layers, candidate)?;
                each(Row::Instance(Box::new(InstanceRow::new(instance))))?;
            }
        }
        Ok(())
    }

    fn export_outcomes(
        &self,
        layers: &Layers,
        each: &mut dyn FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Those in memory are sorted by hand, since memory keeps them by hash.
        let mut memory: BTreeMap<&EventId, &Outcome> = BTreeMap::new();
        if let Some(sealed) = &layers.sealed {
            memory.extend(&sealed.outcomes);
        }
        memory.extend(&layers.active.outcomes);
        let latest = layers.active.counters.latest;
        let mut emit = |id: EventId, outcome: OutcomeRecord| {
            // What may be gone already after a compaction is left out, so that an export does not depend on it.
            if crate::layers::reclaimable(outcome.until, latest) {
                return Ok(());
            }
            each(Row::Outcome { id, outcome })
        };
        let mut memory = memory.into_iter().peekable();
        for pair in self.tables.scan(Table::Outcomes, &[], &[u8::MAX; 9]) {
            let (key, row) = pair?;
            while let Some((id, outcome)) = memory.next_if(|(id, _)| id.as_str().as_bytes() < key.as_slice())
            {
                emit(id.clone(), self.outcome_in_memory(outcome)?)?;
            }
            if let Some((id, outcome)) = memory.next_if(|(id, _)| id.as_str().as_bytes() == key.as_slice()) {
                emit(id.clone(), self.outcome_in_memory(outcome)?)?;
                continue;
            }
            emit(self.event_id(&key)?, self.decode_outcome(&row)?)?;
        }
        memory.try_for_each(|(id, outcome)| emit(id.clone(), self.outcome_in_memory(outcome)?))
    }

    /// The id that is the key of an outcome. Read as postcard reads it: ids of the kernel's own making are not
    /// what [`EventId::parse`] takes.
    fn event_id(&self, key: &[u8]) -> Result<EventId, StoreError> {
        let text = String::from_utf8_lossy(key);
        serde_json::from_value(serde_json::Value::String(text.into_owned())).map_err(|error| {
            codec::CodecError::Malformed(error.to_string()).at(&self.tables.place(Table::Outcomes), 0)
        })
    }
}
