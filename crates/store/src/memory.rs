//! The engine that keeps everything in memory and nothing on disk: for tests, simulations and trying things out.
//!
//! It refuses to know files.
//!
//! Its one invariant: it answers every question as the embedded engine does; one suite runs against both.

use crate::codec::{self, Entry};
use crate::contract::{Reader, Store, StoreError};
use crate::export::{Portable, Row};
use crate::layers::Layers;
use crate::reading::Reading;
use crate::tables::NoTables;
use everstate_kernel::{Durability, Loaded, Record, Touches};
use std::sync::Arc;

/// A store in memory: the layers of the embedded engine with no tables beneath.
pub struct Memory {
    reading: Arc<Reading<NoTables>>,
    /// How many outcomes there may be before expired ones are looked for.
    sweep_at: usize,
}

/// The least number of outcomes worth sweeping. Sweeping at every doubling costs each outcome a constant.
const SWEEP_MIN: usize = 4_096;

impl Memory {
    /// An empty store.
    pub fn new() -> Memory {
        Memory { reading: Arc::new(Reading::new(Layers::default(), NoTables)), sweep_at: SWEEP_MIN }
    }

    /// Another view of the same store, to export from while a node has this one. Commit through one of them only.
    pub fn share(&self) -> Memory {
        Memory { reading: self.reading.clone(), sweep_at: self.sweep_at }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Store for Memory {
    fn hydrate(&self, touches: &Touches) -> Result<Loaded, StoreError> {
        self.reading.hydrate(touches)
    }

    fn commit(&mut self, records: &[Record], _: Durability) -> Result<(), StoreError> {
        let mut buffer = Vec::new();
        let parts: Vec<_> = records.iter().map(|record| codec::push_record(&mut buffer, record)).collect();
        let buffer = Arc::new(buffer);
        let mut layers = self.reading.write();
        for (record, parts) in records.iter().zip(&parts) {
            layers.record(&NoTables, record, parts, &buffer)?;
        }
        if layers.active.outcomes.len() > self.sweep_at {
            layers.active.forget_expired();
            self.sweep_at = (2 * layers.active.outcomes.len()).max(SWEEP_MIN);
        }
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reading.clone()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Portable for Memory {
    fn rows(&self, each: &mut dyn FnMut(Row) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.reading.export(each)
    }

    fn commit_rows(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let nothing = Arc::new(Vec::new());
        let mut layers = self.reading.write();
        for row in rows {
            layers.apply(
                &NoTables,
                &Entry::Row(Box::new(row.clone())),
                &codec::Parts::default(),
                &nothing,
            )?;
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        let counters = self.reading.counters();
        Ok(counters == crate::layers::Counters::default())
    }
}
