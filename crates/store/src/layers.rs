//! What was committed and is not in the tables yet, served from memory: the mapping from records to rows.
//!
//! It refuses to know journals, files and threads.
//!
//! Its one invariant: reading the active generation over the sealed one over the tables gives what all records so
//! far say, whatever part of them the tables hold already. So applying a journal's tail again changes nothing.
//!
//! The mapping is made in two steps, because most of what a turn would write is overwritten by the next turn of
//! the same instance. At the commit, only what is cheap is done: the row is a slice of the journal's own bytes,
//! and of the indexes it is only remembered what the tables hold (`base`). When a generation is sealed and moved
//! into the tables, each instance's index rows are the difference between `base` and what is true now, once.

use crate::codec::{self, Entry, HistoryRow, Parts};
use crate::contract::StoreError;
use crate::export::Row;
use crate::keys;
use crate::tables::{Table, Tables};
use everstate_kernel::{
    Address, EventId, HistoryEntry, IndexKeys, OutcomeRecord, Queued, Record, Source, TaskKey, Time,
    TimerKey, TurnRecord,
};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

mod census;
mod dirty;
mod ending;
mod merged;
mod moving;

pub(crate) use census::Census;
use dirty::name_of;
pub(crate) use dirty::{Dirty, Received, Run, in_order};
use merged::{Merged, lift, nothing};
pub(crate) use moving::Write;

/// A part of a buffer that several rows share.
#[derive(Clone)]
pub(crate) struct Slice {
    buffer: Arc<Vec<u8>>,
    range: Range<u32>,
}

impl Slice {
    pub(crate) fn new(buffer: &Arc<Vec<u8>>, range: &Range<usize>) -> Slice {
        // A block is far below 4 GiB: the journal refuses longer ones.
        Slice { buffer: buffer.clone(), range: range.start as u32..range.end as u32 }
    }

    fn owned(bytes: Vec<u8>) -> Slice {
        let range = 0..bytes.len() as u32;
        Slice { buffer: Arc::new(bytes), range }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.buffer[self.range.start as usize..self.range.end as usize]
    }
}

/// Numbers that are kept beside the rows, in the tables under [`keys::MARKER`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// The last journal block that these count.
    pub(crate) applied: u64,
    pub(crate) last_position: u64,
    pub(crate) instances: u64,
    pub(crate) dead_letters: u64,
    pub(crate) definitions: u64,
    /// The latest time seen in a turn; the store's only clock, used to reclaim what has expired.
    pub(crate) latest: Time,
    pub(crate) census: Census,
}

/// The position of a turn as its key in the tables. Its order is that of the number, which costs less to compare than
/// bytes do and is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position([u8; 8]);

impl Position {
    fn of(position: u64) -> Position {
        Position(position.to_be_bytes())
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Position) -> Ordering {
        u64::from_be_bytes(self.0).cmp(&u64::from_be_bytes(other.0))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<[u8]> for Position {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What became of the row of an instance.
pub(crate) enum Change {
    /// It is this now, and the indexes say this of it.
    Put(Slice, IndexKeys),
    /// It is deleted.
    Gone,
}

/// What is remembered of an event: where its parts are, so that noting it copies nothing.
pub(crate) enum Outcome {
    /// Of a turn: parts of the turn's history row, in a journal block.
    Turn {
        block: Arc<Vec<u8>>,
        address: Range<u32>,
        outcome: Range<u32>,
        fingerprint: u64,
        at: Time,
        until: Time,
    },
    /// A row of its own.
    Row(Slice, Time),
}

impl Outcome {
    fn owned(outcome: &OutcomeRecord) -> Outcome {
        Outcome::Row(Slice::owned(codec::outcome_row(outcome)), outcome.until)
    }

    /// Until when it is remembered.
    pub(crate) fn until(&self) -> Time {
        match self {
            Outcome::Turn { until, .. } | Outcome::Row(_, until) => *until,
        }
    }

    /// Appends its row.
    pub(crate) fn push_row(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::Row(row, _) => out.extend_from_slice(row.as_slice()),
            Outcome::Turn { block, address, outcome, fingerprint, at, until } => {
                let part = |range: &Range<u32>| &block[range.start as usize..range.end as usize];
                codec::push_outcome(out, part(address), *fingerprint, part(outcome), *at, *until);
            }
        }
    }
}

/// A part of what was committed.
#[derive(Default)]
pub(crate) struct Generation {
    /// Rows other than instances, runs and indexes, by their keys in [`Table::Rows`].
    pub(crate) rows: BTreeMap<Vec<u8>, Option<Slice>>,
    pub(crate) history: BTreeMap<Position, Option<Slice>>,
    pub(crate) outcomes: HashMap<EventId, Outcome, foldhash::fast::RandomState>,
    pub(crate) instances: BTreeMap<Vec<u8>, Box<Dirty>>,
    pub(crate) counters: Counters,
    /// About how much memory it takes.
    pub(crate) bytes: usize,
}

/// All that is served from memory.
#[derive(Default)]
pub(crate) struct Layers {
    /// Where commits go.
    pub(crate) active: Generation,
    /// What is being moved into the tables.
    pub(crate) sealed: Option<Arc<Generation>>,
    /// How many generations were moved.
    pub(crate) moved: u64,
}

/// Memory that a dirty instance, an outcome and a history entry take besides their bytes, measured roughly.
const INSTANCE_OVERHEAD: usize = 256;
const OUTCOME_OVERHEAD: usize = 160;
const HISTORY_OVERHEAD: usize = 64;

impl Layers {
    /// Applies an entry of a journal block whose bytes are `buffer`.
    pub(crate) fn apply(
        &mut self,
        tables: &dyn Tables,
        entry: &Entry,
        parts: &Parts,
        buffer: &Arc<Vec<u8>>,
    ) -> Result<(), StoreError> {
        match entry {
            Entry::Record(record) => self.record(tables, record, parts, buffer),
            Entry::Row(row) => self.row(row),
        }
    }

    /// Applies a record whose row parts are in `buffer`.
    pub(crate) fn record(
        &mut self,
        tables: &dyn Tables,
        record: &Record,
        parts: &Parts,
        buffer: &Arc<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let row = || Some(Slice::new(buffer, &parts.row));
        let active = &mut self.active;
        match record {
            Record::Definition(_) => active.definition(Slice::new(buffer, &parts.row)),
            Record::Turn(turn) => active.turn(turn, parts, buffer),
            Record::Queued(queued) => active.queued(queued, Slice::new(buffer, &parts.row)),
            Record::Sent(sent) => {
                active.rows.insert(keys::numbered(keys::OUTBOX, sent.number.0), row());
            }
            Record::Row(changed) => {
                let key = keys::address_key(&changed.instance.address);
                let index_keys = changed.instance.index_keys();
                // Without a turn the indexes stay, so what lies beneath is what is true now.
                active.put(key, Some(&index_keys), Slice::new(buffer, &parts.row), index_keys.clone());
                active.timers(&changed.timers_cleared, &changed.timers_set);
                active.tasks(&changed.tasks_cleared, &changed.tasks_set);
            }
            Record::DeadLetter(letter) => {
                let key = keys::numbered(keys::DEAD_LETTERS, letter.number.0);
                let fresh = !self.has(tables, &key)?;
                self.active.counters.dead_letters += u64::from(fresh);
                self.active.rows.insert(key, row());
            }
            Record::DeadLetterGone(number) => {
                let key = keys::numbered(keys::DEAD_LETTERS, number.0);
                let there = self.has(tables, &key)?;
                self.active.counters.dead_letters -= u64::from(there);
                self.active.rows.insert(key, None);
            }
            Record::SentGone(number) => {
                active.rows.insert(keys::numbered(keys::OUTBOX, number.0), None);
            }
            Record::Seat(seat) => {
                let key = keys::seat(&keys::address_key(&seat.space), seat.number);
                active.bytes += INSTANCE_OVERHEAD;
                active.rows.insert(key, row().filter(|_| seat.seat.is_some()));
            }
            Record::Outcome(id, outcome) => active.outcome(id, Outcome::owned(outcome)),
            Record::Deleted(deleted) => self.deleted(tables, deleted)?,
            Record::Trimmed(trimmed) => {
                self.trimmed(tables, trimmed, Slice::new(buffer, &parts.row))?;
            }
        }
        Ok(())
    }

    /// Applies a row as it was exported. The store was empty, so nothing lies beneath.
    fn row(&mut self, row: &Row) -> Result<(), StoreError> {
        let active = &mut self.active;
        match row {
            Row::Definition(definition) => active.definition(Slice::owned(codec::row(definition))),
            Row::Instance(instance) => {
                let instance = instance.to_instance()?;
                active.counters.instances += 1;
                active.counters.census.moved(instance.address.kind(), None, Some(&instance));
                active.counters.latest = active.counters.latest.max(instance.last_event_at);
                let key = keys::address_key(&instance.address);
                let bytes = Slice::owned(codec::row(&instance));
                active.tasks(&[], &instance.task_keys().collect::<Vec<_>>());
                active.expires(&key, None, instance.expires);
                active.put(key, None, bytes, instance.index_keys());
            }
            Row::Timer(timer) => active.timers(&[], std::slice::from_ref(timer)),
            Row::Queued(queued) => {
                let key = keys::mailbox(&keys::address_key(&queued.address), queued.number);
                active.rows.insert(key, Some(Slice::owned(codec::row(queued))));
            }
            Row::History { address, incarnation, entry } => {
                let history =
                    HistoryRow { address: address.clone(), incarnation: *incarnation, entry: entry.clone() };
                let bytes = Slice::owned(codec::row(&history));
                active.history(address, *incarnation, entry, bytes);
                active.counters.last_position = active.counters.last_position.max(entry.position);
                active.counters.latest = active.counters.latest.max(entry.at);
            }
            Row::Outcome { id, outcome } => active.outcome(id, Outcome::owned(outcome)),
            Row::Seat(seat) => {
                let key = keys::seat(&keys::address_key(&seat.space), seat.number);
                active.rows.insert(key, Some(Slice::owned(codec::row(seat))));
            }
            Row::Sent(sent) => {
                let key = keys::numbered(keys::OUTBOX, sent.number.0);
                active.rows.insert(key, Some(Slice::owned(codec::row(sent))));
            }
            Row::DeadLetter(letter) => {
                let key = keys::numbered(keys::DEAD_LETTERS, letter.number.0);
                active.counters.dead_letters += 1;
                active.rows.insert(key, Some(Slice::owned(codec::row(letter))));
            }
            Row::Expired { kind, position } => {
                let key = keys::prefixed(keys::EXPIRED, &keys::kind_prefix(kind));
                active.rows.insert(key, Some(Slice::owned(codec::row(position))));
            }
            Row::Store { last_position, .. } => {
                active.counters.last_position = active.counters.last_position.max(*last_position);
            }
        }
        active.bytes += 256;
        Ok(())
    }

    /// The instance in memory, if it differs from the tables.
    pub(crate) fn dirty(&self, address_key: &[u8]) -> Option<&Dirty> {
        let beneath = || self.sealed.as_ref()?.instances.get(address_key);
        self.active.instances.get(address_key).or_else(beneath).map(|dirty| &**dirty)
    }

    /// The outcome in memory.
    pub(crate) fn outcome(&self, id: &EventId) -> Option<&Outcome> {
        let beneath = || self.sealed.as_ref()?.outcomes.get(id);
        self.active.outcomes.get(id).or_else(beneath)
    }

    fn has(&self, tables: &dyn Tables, key: &[u8]) -> Result<bool, StoreError> {
        let beneath = || self.sealed.as_ref()?.rows.get(key);
        match self.active.rows.get(key).or_else(beneath) {
            Some(row) => Ok(row.is_some()),
            None => Ok(tables.row(Table::Rows, key)?.is_some()),
        }
    }

    /// The rows with keys from `from` on and before `to`, other than instances, runs in memory and indexes.
    pub(crate) fn rows<'a>(&'a self, tables: &'a dyn Tables, from: &[u8], to: &[u8]) -> Merged<'a> {
        let range = || (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
        Merged {
            active: lift(self.active.rows.range::<[u8], _>(range())),
            sealed: match &self.sealed {
                Some(sealed) => lift(sealed.rows.range::<[u8], _>(range())),
                None => nothing(),
            },
            tables: tables.scan(Table::of(from), from, to).peekable(),
        }
    }

    /// History rows with positions from `from` on.
    pub(crate) fn history<'a>(&'a self, tables: &'a dyn Tables, from: u64) -> Merged<'a> {
        let from = Position::of(from);
        Merged {
            active: lift(self.active.history.range(from..)),
            sealed: match &self.sealed {
                Some(sealed) => lift(sealed.history.range(from..)),
                None => nothing(),
            },
            tables: tables.scan(Table::History, from.as_ref(), &[u8::MAX; 9]).peekable(),
        }
    }

    /// The history row at that position.
    pub(crate) fn history_row(
        &self,
        tables: &dyn Tables,
        position: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = Position::of(position);
        let beneath = || self.sealed.as_ref()?.history.get(&key);
        match self.active.history.get(&key).or_else(beneath) {
            Some(row) => Ok(row.as_ref().map(|slice| slice.as_slice().to_vec())),
            None => tables.row(Table::History, key.as_ref()),
        }
    }

    /// Seals the active generation, so that it can be moved into the tables. None must be sealed.
    pub(crate) fn seal(&mut self) -> Arc<Generation> {
        let counters = self.active.counters.clone();
        // The next one will be about as large; growing step by step would move each outcome twice.
        let outcomes = HashMap::with_capacity_and_hasher(self.active.outcomes.len(), Default::default());
        let sealed = Arc::new(std::mem::replace(
            &mut self.active,
            Generation { counters, outcomes, ..Default::default() },
        ));
        self.sealed = Some(sealed.clone());
        sealed
    }

    /// Lets go of the sealed generation, which is in the tables now.
    pub(crate) fn moved_in(&mut self) {
        self.sealed = None;
        self.moved += 1;
    }
}

impl Generation {
    fn definition(&mut self, row: Slice) {
        self.counters.definitions += 1;
        self.rows.insert(keys::numbered(keys::DEFINITIONS, self.counters.definitions), Some(row));
    }

    fn turn(&mut self, turn: &TurnRecord, parts: &Parts, buffer: &Arc<Vec<u8>>) {
        let TurnRecord { entry, instance, .. } = turn;
        let address = &instance.address;
        let history = Slice::new(buffer, &parts.history);
        self.history.insert(Position::of(entry.position), Some(history));
        self.bytes += HISTORY_OVERHEAD;
        let key = keys::address_key(address);
        self.expires(&key, turn.before.as_ref().and_then(|before| before.expires), instance.expires);
        let row = Slice::new(buffer, &parts.row);
        let dirty = self.put(key, turn.before.as_ref(), row, instance.index_keys());
        dirty.extend_runs(instance.incarnation, entry);
        if let Some(until) = turn.outcome_until {
            let range = |range: &Range<usize>| range.start as u32..range.end as u32;
            let outcome = Outcome::Turn {
                block: buffer.clone(),
                address: range(&parts.address),
                outcome: range(&parts.outcome),
                fingerprint: turn.fingerprint,
                at: entry.at,
                until,
            };
            self.outcome(entry.cause.id(), outcome);
        }
        self.taken_from(turn.source, address);
        self.timers(&turn.timers_cleared, &turn.timers_set);
        self.tasks(&turn.tasks_cleared, &turn.tasks_set);
        let counters = &mut self.counters;
        counters.instances += u64::from(turn.before.is_none());
        counters.census.moved(address.kind(), turn.before.as_ref(), Some(instance));
        counters.last_position = counters.last_position.max(entry.position);
        counters.latest = counters.latest.max(entry.at);
    }

    fn queued(&mut self, queued: &Queued, row: Slice) {
        self.taken_from(queued.source, &queued.address);
        self.rows.insert(keys::mailbox(&keys::address_key(&queued.address), queued.number), Some(row));
        if let Some(until) = queued.outcome_until {
            let Queued { address, fingerprint, event, .. } = queued;
            let (address, fingerprint) = (address.clone(), *fingerprint);
            let outcome = OutcomeRecord { address, fingerprint, outcome: None, at: event.time, until };
            self.outcome(&event.id, Outcome::owned(&outcome));
        }
    }

    /// Notes the row of an instance. `beneath` is what the indexes held of it just before.
    fn put(
        &mut self,
        key: Vec<u8>,
        beneath: Option<&IndexKeys>,
        row: Slice,
        index_keys: IndexKeys,
    ) -> &mut Dirty {
        let bytes = &mut self.bytes;
        let length = key.len();
        let dirty = self.instances.entry(key).or_insert_with(|| {
            *bytes += INSTANCE_OVERHEAD + length;
            Box::new(Dirty::new(beneath.cloned()))
        });
        dirty.row = Change::Put(row, index_keys);
        dirty
    }

    fn history(&mut self, address: &Address, incarnation: u32, entry: &HistoryEntry, row: Slice) {
        self.history.insert(Position::of(entry.position), Some(row));
        let key = keys::address_key(address);
        if let Some(dirty) = self.instances.get_mut(&key) {
            return dirty.extend_runs(incarnation, entry);
        }
        // An import whose instance is in the sealed generation already: a run of its own will do.
        let (names, received) = (name_of(entry), Received { position: entry.position, at: entry.at });
        for name in &names {
            self.rows.insert(keys::received(&key, name), Some(Slice::owned(codec::row(&received))));
        }
        let run = codec::row(&(&[entry.position][..], &names[..]));
        self.rows.insert(keys::run(&key, incarnation, entry.sequence), Some(Slice::owned(run)));
    }

    fn outcome(&mut self, id: &EventId, outcome: Outcome) {
        if self.outcomes.insert(id.clone(), outcome).is_none() {
            self.bytes += OUTCOME_OVERHEAD;
        }
    }

    fn taken_from(&mut self, source: Source, address: &Address) {
        match source {
            Source::Direct => {}
            Source::Mailbox(number) => {
                self.rows.insert(keys::mailbox(&keys::address_key(address), number), None);
            }
            Source::Outbox(number) => {
                self.rows.insert(keys::numbered(keys::OUTBOX, number.0), None);
            }
        }
    }

    fn timers(&mut self, cleared: &[TimerKey], set: &[TimerKey]) {
        for timer in cleared {
            self.rows.insert(keys::timer(timer), None);
        }
        for timer in set {
            self.rows.insert(keys::timer(timer), Some(Slice::owned(codec::row(timer))));
            self.bytes += INSTANCE_OVERHEAD;
        }
    }

    /// Something of the instance is kept until another time than before, or for ever.
    fn expires(&mut self, address_key: &[u8], before: Option<Time>, now: Option<Time>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.rows.insert(keys::timed(keys::EXPIRES, before, address_key), None);
        }
        if let Some(now) = now {
            let there = Slice::owned(Vec::new());
            self.rows.insert(keys::timed(keys::EXPIRES, now, address_key), Some(there));
            self.bytes += INSTANCE_OVERHEAD;
        }
    }

    fn tasks(&mut self, cleared: &[TaskKey], set: &[TaskKey]) {
        for task in cleared {
            self.rows.insert(keys::task(task), None);
        }
        for task in set {
            self.rows.insert(keys::task(task), Some(Slice::owned(codec::row(task))));
            self.bytes += INSTANCE_OVERHEAD;
        }
    }

    /// Forgets outcomes that have expired. Only for a generation that nothing lies beneath.
    pub(crate) fn forget_expired(&mut self) {
        let latest = self.counters.latest;
        self.outcomes.retain(|_, outcome| !reclaimable(outcome.until(), latest));
    }
}

/// May an outcome that is remembered until `until` be forgotten for good? The latest time seen may be ahead of
/// the caller's clock when that was set back, so an hour is left: at half, a common clock correction after a
/// restart would do harm; at twice, nothing is gained.
pub(crate) fn reclaimable(until: Time, latest: Time) -> bool {
    const MARGIN_MS: i64 = 3_600_000;
    until.0 < latest.0.saturating_sub(MARGIN_MS)
}
