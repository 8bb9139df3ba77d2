//! What lies beneath the memory: four tables of rows in the order of their keys.
//!
//! It refuses to know what keys and rows mean.
//!
//! Its one invariant: a scan answers every row of its range once, ascending by key.

use crate::contract::StoreError;
use crate::keys;
use std::path::PathBuf;

/// The four tables. They are apart because they live differently: rows are overwritten in place, history only
/// grows at its end (so its files are never merged with each other), outcomes are random keys that expire, and runs
/// grow with the history at random keys, so among the rows they would make every merge longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Everything else; see [`crate::keys`] for what is in it.
    Rows,
    /// Position to history row.
    History,
    /// Event id to outcome row.
    Outcomes,
    /// The positions of the turns of each instance and the events that it received, by [`crate::keys::RUNS`] and
    /// [`crate::keys::BY_EVENT`]. Which events to forget with an instance is known from its runs, so the two are
    /// together: a table is written at once or not at all, and a power cut between two tables would leave events that
    /// nobody forgets.
    Runs,
}

impl Table {
    /// Where rows with keys of [`crate::keys`] lie.
    pub(crate) fn of(key: &[u8]) -> Table {
        match key.first() {
            Some(&(keys::RUNS | keys::BY_EVENT)) => Table::Runs,
            _ => Table::Rows,
        }
    }
}

/// A key and its row.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Rows, lazily, ascending by key.
pub(crate) type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// Tables that were written in bulk and are read in order.
pub(crate) trait Tables: Send + Sync {
    /// The row under that key.
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows with keys from `from` on and before `to`.
    fn scan(&self, table: Table, from: &[u8], to: &[u8]) -> Pairs<'_>;

    /// The same, descending by key.
    fn scan_back(&self, table: Table, from: &[u8], to: &[u8]) -> Pairs<'_>;

    /// The last key from `from` on and before `to`.
    fn last(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Bytes on disk.
    fn bytes(&self) -> u64;

    /// Name of the engine.
    fn engine(&self) -> &'static str;

    /// Where a table lies, for messages.
    fn place(&self, table: Table) -> PathBuf;
}

/// Nothing lies beneath: everything is in memory.
#[derive(Debug)]
pub(crate) struct NoTables;

impl Tables for NoTables {
    fn row(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &[u8], _: &[u8]) -> Pairs<'_> {
        Box::new(std::iter::empty())
    }

    fn scan_back(&self, _: Table, _: &[u8], _: &[u8]) -> Pairs<'_> {
        Box::new(std::iter::empty())
    }

    fn last(&self, _: Table, _: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn engine(&self) -> &'static str {
        "memory"
    }

    fn place(&self, table: Table) -> PathBuf {
        PathBuf::from(format!("memory/{table:?}"))
    }
}
