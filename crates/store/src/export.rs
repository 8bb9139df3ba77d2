//! Everything in a store as lines of JSON, and back.
//!
//! It refuses to know tables and engines: it reads through the reading side and writes rows through a commit.
//!
//! Its one invariant: exporting an imported export gives the very same lines.

use crate::contract::StoreError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use everstate_kernel::{
    Address, DeadLetter, DefinitionRecord, EventId, Fields, HistoryEntry, Instance, Kept, Labels, Links,
    OutcomeRecord, Pending, Queued, SeatRecord, Sent, Status, Task, Time, Timer, TimerKey, Trimmed,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::sync::Arc;

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// The first line: what this is.
    Store {
        /// The format of the lines; 1.
        format: u32,
        /// Position of the last turn.
        last_position: u64,
    },
    /// A definition, in the order in which they were put.
    Definition(DefinitionRecord),
    /// An instance; its state in base64.
    Instance(Box<InstanceRow>),
    /// An event in a mailbox.
    Queued(Queued),
    /// A turn.
    History {
        /// Whose.
        address: Address,
        /// Of which of its incarnations.
        incarnation: u32,
        /// The turn.
        entry: HistoryEntry,
    },
    /// What is remembered of an event.
    Outcome {
        /// The event's id.
        id: EventId,
        /// What is remembered.
        outcome: OutcomeRecord,
    },
    /// A timer or retry.
    Timer(TimerKey),
    /// An event on its way.
    Sent(Sent),
    /// An event that nobody could take.
    DeadLetter(DeadLetter),
    /// What a space holds.
    Seat(SeatRecord),
    /// Up to which position turns of a kind are gone because their time was over.
    Expired {
        /// Of which kind.
        kind: String,
        /// The position.
        position: u64,
    },
}

/// An instance as it is exported: [`Instance`] with its state in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the kernel's instance")]
pub struct InstanceRow {
    pub address: Address,
    pub version: Arc<str>,
    pub incarnation: u32,
    pub born: u64,
    pub status: Status,
    pub state: String,
    pub labels: Labels,
    pub created_at: Time,
    pub last_event_at: Time,
    pub turns: u64,
    pub mailbox_len: u32,
    pub timers: Vec<Timer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    pub retry: Option<Pending>,
    pub links: Option<Box<Links>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Fields,
    #[serde(default)]
    pub trimmed: Trimmed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

impl InstanceRow {
    pub(crate) fn new(instance: Instance) -> InstanceRow {
        InstanceRow {
            state: STANDARD.encode(instance.state.as_slice()),
            address: instance.address,
            version: instance.version,
            incarnation: instance.incarnation,
            born: instance.born,
            status: instance.status,
            labels: instance.labels,
            created_at: instance.created_at,
            last_event_at: instance.last_event_at,
            turns: instance.turns,
            mailbox_len: instance.mailbox_len,
            timers: instance.timers,
            tasks: instance.tasks,
            retry: instance.retry,
            links: instance.links,
            fields: instance.fields,
            trimmed: instance.trimmed,
            expires: instance.expires,
        }
    }

    pub(crate) fn to_instance(&self) -> Result<Instance, StoreError> {
        let state = STANDARD
            .decode(&self.state)
            .map_err(|error| bad_line(format!("state of {} is not base64: {error}", self.address)))?;
        Ok(Instance {
            address: self.address.clone(),
            version: self.version.clone(),
            incarnation: self.incarnation,
            born: self.born,
            status: self.status.clone(),
            state: Kept::new(state),
            labels: self.labels.clone(),
            created_at: self.created_at,
            last_event_at: self.last_event_at,
            turns: self.turns,
            mailbox_len: self.mailbox_len,
            timers: self.timers.clone(),
            tasks: self.tasks.clone(),
            retry: self.retry.clone(),
            links: self.links.clone(),
            fields: self.fields.clone(),
            trimmed: self.trimmed,
            expires: self.expires,
        })
    }
}

/// The format of the lines written now.
const FORMAT: u32 = 1;

/// What can be exported and imported: both engines.
pub trait Portable {
    /// Calls `each` with every row: the store's own first, then definitions, instances, mailboxes, history,
    /// outcomes, timers, outbox, dead letters.
    fn rows(&self, each: &mut dyn FnMut(Row) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Keeps the rows, or none of them.
    fn commit_rows(&mut self, rows: &[Row]) -> Result<(), StoreError>;

    /// Is nothing in it?
    fn is_empty(&self) -> Result<bool, StoreError>;
}

/// Writes everything as lines of JSON; answers how many.
pub fn export(store: &dyn Portable, out: &mut dyn Write) -> Result<u64, StoreError> {
    let mut lines = 0;
    let written = |source| StoreError::Io { action: "writing the export".into(), source };
    store.rows(&mut |row| {
        serde_json::to_writer(&mut *out, &row).map_err(|error| written(error.into()))?;
        out.write_all(b"\n").map_err(written)?;
        lines += 1;
        Ok(())
    })?;
    out.flush().map_err(written)?;
    Ok(lines)
}

/// Bytes of lines that are kept in one commit. Half doubles the syncs, twice holds more memory for no gain.
const IMPORT_BYTES: usize = 1 << 20;

/// Reads what [`export`] wrote into an empty store; answers how many lines. When it fails in the middle, what was
/// read until then is in the store: remove the folder and begin anew.
pub fn import(store: &mut dyn Portable, lines: &mut dyn BufRead) -> Result<u64, StoreError> {
    if !store.is_empty()? {
        return Err(bad_line("the store is not empty; import into a folder of its own".into()));
    }
    let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0u64);
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines
            .read_line(&mut line)
            .map_err(|source| StoreError::Io { action: format!("reading line {}", count + 1), source })?;
        if read > 0 && !line.trim().is_empty() {
            count += 1;
            let row: Row =
                serde_json::from_str(&line).map_err(|error| bad_line(format!("line {count}: {error}")))?;
            check_first(count, &row)?;
            bytes += read;
            batch.push(row);
        }
        if bytes > IMPORT_BYTES || (read == 0 && !batch.is_empty()) {
            store.commit_rows(&batch)?;
            batch.clear();
            bytes = 0;
        }
        if read == 0 {
            return Ok(count);
        }
    }
}

fn check_first(count: u64, row: &Row) -> Result<(), StoreError> {
    match row {
        Row::Store { format, .. } if *format > FORMAT => {
            Err(StoreError::Format { found: *format, known: FORMAT })
        }
        Row::Store { .. } => Ok(()),
        _ if count == 1 => {
            Err(bad_line("line 1 does not say what this is; give a file that export wrote".into()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn store_row(last_position: u64) -> Row {
    Row::Store { format: FORMAT, last_position }
}

fn bad_line(problem: String) -> StoreError {
    StoreError::Io {
        action: "importing".into(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, problem),
    }
}
