//! Lets go of what is kept no longer, in small batches of their own between those of callers.
//!
//! It refuses to decide what is kept no longer: the kernel does. Its one invariant: what an archive is to have is in it
//! before the commit that deletes it. When it cannot be written, nothing is deleted.

use crate::estate::Ended;
use crate::shard::{Batch, Shard};
use everstate_kernel::limits::EXPIRED_MAX;
use everstate_kernel::{Address, Aged, HistoryEntry, Input, Instance, Record, Retain, Span, Time};
use everstate_store::{Archive, Cursor, Query, Reader, Row, StoreError};

/// Instances, and entries of histories, that are looked at in one batch. Callers wait for it: about five milliseconds and a
/// sync. At half, a million ended instances take twice as many syncs.
const INSTANCES_MAX: usize = 64;
const ENTRIES_MAX: usize = 1_024;

/// How long nothing is let go of when an archive could not be written, or nothing came of it.
const REST: Span = Span::seconds(60);

/// What is due, and where it goes.
#[derive(Debug, Default)]
pub(crate) struct Expiring {
    /// When to look next; none while nothing is known to be due at any time.
    pub(crate) at: Option<Time>,
    archive: Option<Archive>,
    sweep: Sweep,
}

/// Instances that the node's own times may concern and that were written without them.
#[derive(Debug, Default)]
enum Sweep {
    #[default]
    Done,
    /// Those after this one are to be looked at.
    After(Option<Cursor>),
}

impl Expiring {
    /// Something is due then.
    pub(crate) fn note(&mut self, due: Option<Time>) {
        self.at = [self.at, due].into_iter().flatten().min();
    }

    /// Notes what a committed record says.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Turn(turn) => self.note(turn.instance.expires),
            Record::Trimmed(trimmed) => self.note(trimmed.instance.expires),
            _ => {}
        }
    }

    /// Begins again with what the store holds.
    pub(crate) fn restore(&mut self, reader: &dyn Reader, retain: &Retain) -> Result<(), StoreError> {
        self.at = reader.expiring(Time::END, 1)?.first().map(|(due, _)| *due);
        if *retain != Retain::default() {
            self.sweep = Sweep::After(None);
            self.at = Some(Time(i64::MIN));
        }
        Ok(())
    }

    /// The next instances that were written without the node's times.
    fn swept(&mut self, reader: &dyn Reader) -> Result<Vec<Address>, StoreError> {
        let Sweep::After(after) = &mut self.sweep else { return Ok(Vec::new()) };
        let query = Query { after: after.take(), limit: INSTANCES_MAX, ..Query::default() };
        let page = reader.list(&query)?;
        self.sweep = page.next.map_or(Sweep::Done, |next| Sweep::After(Some(next)));
        let without = page.instances.into_iter().filter(|row| row.expires.is_none());
        Ok(without.map(|row| row.address).collect())
    }
}

impl Shard {
    /// Lets go of some of what is due, if anything is.
    pub(crate) fn expire(&mut self) -> Result<(), Ended> {
        let now = self.now()?;
        if self.is_full() || self.expiring.at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let (mut batch, mut gone) = (Batch::default(), Vec::new());
        let due = self.reader.expiring(now, INSTANCES_MAX)?.into_iter().map(|(_, address)| address);
        let mut entries = 0;
        let swept = self.expiring.swept(&*self.reader)?;
        let any_due = due.len() > 0;
        for address in due.chain(swept) {
            entries += self.offer(now, address, &mut batch, &mut gone)?;
            if entries >= ENTRIES_MAX && matches!(self.expiring.sweep, Sweep::Done) {
                break;
            }
        }
        if let Err(error) = self.archive(now, &gone) {
            tracing::error!(%error, "what is kept no longer cannot be archived, so nothing of it is deleted; free some space, or mend --retain-export");
            self.give_up_batch()?;
            self.expiring.at = Some(now + REST);
            return Ok(());
        }
        let idle = any_due && batch.is_empty();
        self.finish(&mut batch)?;
        let next = self.reader.expiring(Time::END, 1)?.first().map(|(due, _)| *due);
        self.expiring.at = match self.expiring.sweep {
            Sweep::After(_) => Some(now),
            // What is due and does not change would be offered for ever without a rest.
            Sweep::Done if idle => next.map(|next| next.max(now + REST)),
            Sweep::Done => next,
        };
        Ok(())
    }

    /// Offers an instance to the node; answers how many entries of its history were read.
    fn offer(
        &mut self,
        now: Time,
        address: Address,
        batch: &mut Batch,
        gone: &mut Vec<Row>,
    ) -> Result<usize, Ended> {
        let Some((row, _)) = self.reader.instance(&address)? else { return Ok(0) };
        let history = match row.expires {
            Some(due) if due <= now => {
                self.reader.history(&address, row.trimmed.sequence, EXPIRED_MAX + 1)?
            }
            // It is only to be reckoned anew.
            _ => Vec::new(),
        };
        let aged =
            |entry: &HistoryEntry| Aged { sequence: entry.sequence, position: entry.position, at: entry.at };
        let oldest: Vec<Aged> = history.iter().map(aged).collect();
        let before = batch.records().len();
        self.step(now, Input::Expire { address, oldest }, batch)?;
        if self.options.archive.is_some() {
            let (entries, records) = (history.len(), &batch.records()[before..]);
            gone.extend(records.iter().flat_map(|record| rows_of(record, &row, &history)));
            return Ok(entries);
        }
        Ok(history.len())
    }

    fn archive(&mut self, now: Time, gone: &[Row]) -> Result<(), StoreError> {
        let Some(folder) = self.options.archive.as_ref().filter(|_| !gone.is_empty()) else { return Ok(()) };
        let mut archive = match self.expiring.archive.take() {
            Some(archive) => archive,
            None => Archive::open(folder)?,
        };
        archive.keep(now, gone)?;
        self.expiring.archive = Some(archive);
        Ok(())
    }
}

/// What a record deletes, as it is exported.
fn rows_of(record: &Record, row: &Instance, history: &[HistoryEntry]) -> Vec<Row> {
    let (instance, until) = match record {
        Record::Trimmed(trimmed) => (None, trimmed.instance.trimmed.sequence),
        Record::Deleted(deleted) if deleted.address == row.address => {
            (Some(Row::of_instance(row.clone())), u64::MAX)
        }
        _ => return Vec::new(),
    };
    let entries = history.iter().filter(|entry| entry.sequence <= until).map(|entry| Row::History {
        address: row.address.clone(),
        incarnation: row.incarnation,
        entry: entry.clone(),
    });
    instance.into_iter().chain(entries).collect()
}
