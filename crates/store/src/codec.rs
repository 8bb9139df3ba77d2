//! The one place that turns records and rows into bytes and back.
//!
//! It refuses to know where the bytes go.
//!
//! Its one invariant: whatever a released version wrote, this one reads. Every row and every record begins with
//! a version byte; a fixture of each version is opened by the tests for ever.
//!
//! What follows the version byte is postcard. A record in the journal is made of the very bytes that its rows
//! have in the tables, one after the other, so that nothing is encoded twice: the caller keeps slices.

use crate::contract::StoreError;
use crate::export::Row;
use everstate_kernel::{
    Address, Cause, DeadLetter, DefinitionRecord, DeletedRecord, EventId, HistoryEntry, IndexKeys, Instance,
    OutcomeRecord, Queued, Record, RowRecord, SeatRecord, Sent, Serial, Source, TaskKey, Time, TimerKey,
    TrimmedRecord, TurnRecord,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;

/// The version of every row and record written now.
pub(crate) const FORMAT: u8 = 1;

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("format {0} is newer than this program")]
    Format(u8),
    #[error("{0}")]
    Malformed(String),
}

impl CodecError {
    /// As the contract says it, for bytes found in `file` at `offset`.
    pub(crate) fn at(self, file: &Path, offset: u64) -> StoreError {
        match self {
            CodecError::Format(found) => {
                StoreError::Format { found: u32::from(found), known: u32::from(FORMAT) }
            }
            CodecError::Malformed(problem) => StoreError::Damaged {
                file: file.to_path_buf(),
                offset,
                problem: format!("{problem}; restore the folder from a backup, or export what can be read"),
            },
        }
    }
}

/// The history row: whose turn it was, and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryRow {
    pub(crate) address: Address,
    pub(crate) incarnation: u32,
    pub(crate) entry: HistoryEntry,
}

/// What a journal block holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// A record of the kernel.
    Record(Record),
    /// A row as it was exported.
    Row(Box<Row>),
}

/// Where the rows are among the bytes of an entry; empty when it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The row that the record is about.
    pub(crate) row: Range<usize>,
    /// For a turn, the row of the history.
    pub(crate) history: Range<usize>,
    /// Within the row of the history, the address and the outcome.
    pub(crate) address: Range<usize>,
    pub(crate) outcome: Range<usize>,
}

const DEFINITION: u8 = 1;
const TURN: u8 = 2;
const QUEUED: u8 = 3;
const SENT: u8 = 4;
const ROW: u8 = 5;
const DEAD_LETTER: u8 = 6;
const DEAD_LETTER_GONE: u8 = 7;
const SENT_GONE: u8 = 8;
const DELETED: u8 = 9;
const OUTCOME: u8 = 10;
const SEAT: u8 = 11;
const TRIMMED: u8 = 20;
const IMPORTED: u8 = 100;

/// What a turn record holds besides its two rows.
#[derive(Serialize, Deserialize)]
struct TurnRest<B, T, K> {
    before: B,
    source: Source,
    outcome_until: Option<Time>,
    fingerprint: u64,
    timers_cleared: T,
    timers_set: T,
    tasks_cleared: K,
    tasks_set: K,
}

/// Appends a row: the version byte and its postcard bytes.
pub(crate) fn push_row<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Range<usize> {
    let start = out.len();
    out.push(FORMAT);
    push(out, value);
    start..out.len()
}

/// A row as bytes of its own.
pub(crate) fn row<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    push_row(&mut out, value);
    out
}

/// Reads a row.
pub(crate) fn read_row<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut rest = bytes;
    let value = take_row(&mut rest)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(CodecError::Malformed("a row is longer than it should be".into()))
    }
}

/// Appends a record; answers where its rows are in `out`.
pub(crate) fn push_record(out: &mut Vec<u8>, record: &Record) -> Parts {
    out.push(FORMAT);
    let only_row = |row| Parts { row, ..Parts::default() };
    match record {
        Record::Definition(definition) => only_row(tagged(out, DEFINITION, definition)),
        Record::Turn(turn) => push_turn(out, turn),
        Record::Queued(queued) => only_row(tagged(out, QUEUED, queued)),
        Record::Sent(sent) => only_row(tagged(out, SENT, sent)),
        Record::Row(row) => {
            let range = tagged(out, ROW, &row.instance);
            push(out, &row.timers_cleared);
            push(out, &row.timers_set);
            push(out, &row.tasks_cleared);
            push(out, &row.tasks_set);
            only_row(range)
        }
        Record::DeadLetter(letter) => only_row(tagged(out, DEAD_LETTER, letter)),
        Record::DeadLetterGone(number) => only_row(tagged(out, DEAD_LETTER_GONE, number)),
        Record::SentGone(number) => only_row(tagged(out, SENT_GONE, number)),
        Record::Outcome(id, outcome) => only_row(tagged(out, OUTCOME, &(id, outcome))),
        Record::Deleted(deleted) => only_row(tagged(out, DELETED, deleted)),
        Record::Seat(seat) => only_row(tagged(out, SEAT, seat)),
        Record::Trimmed(trimmed) => {
            let range = tagged(out, TRIMMED, &trimmed.instance);
            push(out, &trimmed.before);
            push(out, &trimmed.positions);
            only_row(range)
        }
    }
}

/// Appends an exported row.
pub(crate) fn push_imported(out: &mut Vec<u8>, row: &Row) -> Result<(), StoreError> {
    // The exported form is JSON, and it is the form with a promise of its own, so it is kept as it is.
    let text = serde_json::to_string(row)
        .map_err(|error| StoreError::Io { action: "encoding a row".into(), source: error.into() })?;
    out.push(FORMAT);
    tagged(out, IMPORTED, &text);
    Ok(())
}

fn push_turn(out: &mut Vec<u8>, turn: &TurnRecord) -> Parts {
    out.push(TURN);
    let HistoryEntry { position, sequence, at, cause, outcome, log } = &turn.entry;
    let start = out.len();
    out.push(FORMAT);
    let address = pushed(out, &turn.instance.address);
    // What follows is a `HistoryRow`, part by part.
    push(out, &(turn.instance.incarnation, position, sequence, at, cause));
    let outcome = pushed(out, outcome);
    push(out, log);
    let history = start..out.len();
    let row = push_row(out, &turn.instance);
    push(
        out,
        &TurnRest {
            before: &turn.before,
            source: turn.source,
            outcome_until: turn.outcome_until,
            fingerprint: turn.fingerprint,
            timers_cleared: &turn.timers_cleared,
            timers_set: &turn.timers_set,
            tasks_cleared: &turn.tasks_cleared,
            tasks_set: &turn.tasks_set,
        },
    );
    Parts { row, history, address, outcome }
}

/// Reads the entry at `range` of `bytes`; the parts are ranges of `bytes` too.
pub(crate) fn read_entry(bytes: &[u8], range: Range<usize>) -> Result<(Entry, Parts), CodecError> {
    let end = range.end;
    let mut rest = bytes.get(range).ok_or_else(too_short)?;
    check_version(&mut rest)?;
    let (&kind, after_kind) = rest.split_first().ok_or_else(too_short)?;
    rest = after_kind;
    let at = |rest: &[u8]| end - rest.len();
    let start = at(rest);
    if kind == TURN {
        return read_turn(rest, end);
    }
    let mut row_end = start;
    let record = match kind {
        DEFINITION => Record::Definition(take_row::<DefinitionRecord>(&mut rest)?),
        QUEUED => Record::Queued(take_row::<Queued>(&mut rest)?),
        SENT => Record::Sent(take_row::<Sent>(&mut rest)?),
        ROW => {
            let instance = take_row(&mut rest)?;
            row_end = at(rest);
            let timers_cleared = take(&mut rest)?;
            let timers_set = take(&mut rest)?;
            let tasks_cleared = take(&mut rest)?;
            let tasks_set = take(&mut rest)?;
            Record::Row(Box::new(RowRecord {
                instance,
                timers_cleared,
                timers_set,
                tasks_cleared,
                tasks_set,
            }))
        }
        DEAD_LETTER => Record::DeadLetter(take_row::<DeadLetter>(&mut rest)?),
        DEAD_LETTER_GONE => Record::DeadLetterGone(take_row::<Serial>(&mut rest)?),
        SENT_GONE => Record::SentGone(take_row::<Serial>(&mut rest)?),
        OUTCOME => {
            let (id, outcome) = take_row::<(EventId, OutcomeRecord)>(&mut rest)?;
            Record::Outcome(id, outcome)
        }
        TRIMMED => {
            let instance = take_row(&mut rest)?;
            row_end = at(rest);
            let (before, positions) = (take(&mut rest)?, take(&mut rest)?);
            Record::Trimmed(Box::new(TrimmedRecord { instance, before, positions }))
        }
        SEAT => Record::Seat(take_row::<SeatRecord>(&mut rest)?),
        DELETED => Record::Deleted(take_row::<DeletedRecord>(&mut rest)?),
        IMPORTED => {
            let text: String = take_row(&mut rest)?;
            let row =
                serde_json::from_str(&text).map_err(|error| CodecError::Malformed(error.to_string()))?;
            return Ok((Entry::Row(Box::new(row)), Parts::default()));
        }
        other => return Err(CodecError::Malformed(format!("there is no record of kind {other}"))),
    };
    if row_end == start {
        row_end = at(rest);
    }
    Ok((Entry::Record(record), Parts { row: start..row_end, ..Parts::default() }))
}

/// Reads a turn, the rest of an entry that ends at `end`.
fn read_turn(mut rest: &[u8], end: usize) -> Result<(Entry, Parts), CodecError> {
    let at = |rest: &[u8]| end - rest.len();
    let start = at(rest);
    check_version(&mut rest)?;
    let address_start = at(rest);
    let _: Address = take(&mut rest)?;
    let address = address_start..at(rest);
    let (_, position, sequence, when, cause): (u32, u64, u64, Time, Cause) = take(&mut rest)?;
    let outcome_start = at(rest);
    let outcome = take(&mut rest)?;
    let outcome_range = outcome_start..at(rest);
    let log = take(&mut rest)?;
    let middle = at(rest);
    let instance: Instance = take_row(&mut rest)?;
    let parts = Parts { history: start..middle, row: middle..at(rest), address, outcome: outcome_range };
    let more: TurnRest<Option<IndexKeys>, Vec<TimerKey>, Vec<TaskKey>> = take(&mut rest)?;
    let turn = TurnRecord {
        entry: HistoryEntry { position, sequence, at: when, cause, outcome, log },
        instance,
        before: more.before,
        source: more.source,
        outcome_until: more.outcome_until,
        fingerprint: more.fingerprint,
        timers_cleared: more.timers_cleared,
        timers_set: more.timers_set,
        tasks_cleared: more.tasks_cleared,
        tasks_set: more.tasks_set,
    };
    Ok((Entry::Record(Record::Turn(Box::new(turn))), parts))
}

/// An outcome's row. Until when it is remembered stands first, so that reclaiming reads nothing else.
pub(crate) fn outcome_row(outcome: &OutcomeRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    push_row(&mut out, &outcome.until);
    push(&mut out, outcome);
    out
}

/// Appends an outcome's row, made of the bytes of its address and of what became of the event.
pub(crate) fn push_outcome(
    out: &mut Vec<u8>,
    address: &[u8],
    fingerprint: u64,
    outcome: &[u8],
    at: Time,
    until: Time,
) {
    push_row(out, &until);
    out.extend_from_slice(address);
    push(out, &fingerprint);
    push(out, &Some(()));
    out.extend_from_slice(outcome);
    push(out, &(at, until));
}

/// Reads an outcome's row.
pub(crate) fn read_outcome(bytes: &[u8]) -> Result<OutcomeRecord, CodecError> {
    read_row::<(Time, OutcomeRecord)>(bytes).map(|(_, outcome)| outcome)
}

/// Until when an outcome row is remembered; none when it cannot be read.
pub(crate) fn outcome_until(bytes: &[u8]) -> Option<Time> {
    take_row(&mut &*bytes).ok()
}

fn tagged<T: Serialize>(out: &mut Vec<u8>, kind: u8, value: &T) -> Range<usize> {
    out.push(kind);
    push_row(out, value)
}

fn take_row<T: DeserializeOwned>(rest: &mut &[u8]) -> Result<T, CodecError> {
    check_version(rest)?;
    take(rest)
}

fn check_version(rest: &mut &[u8]) -> Result<(), CodecError> {
    let (&version, after) = rest.split_first().ok_or_else(too_short)?;
    if version > FORMAT {
        return Err(CodecError::Format(version));
    }
    if version == 0 {
        return Err(CodecError::Malformed("there is no format 0".into()));
    }
    *rest = after;
    Ok(())
}

fn take<T: DeserializeOwned>(rest: &mut &[u8]) -> Result<T, CodecError> {
    let (value, after) =
        postcard::take_from_bytes(rest).map_err(|error| CodecError::Malformed(error.to_string()))?;
    *rest = after;
    Ok(value)
}

fn too_short() -> CodecError {
    CodecError::Malformed("a row ends too early".into())
}

/// Appends the postcard bytes of a value.
fn push<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    postcard::serialize_with_flavor(value, Appending(out))
        .expect("records hold only what postcard can write: no maps or sequences of unknown length");
}

/// Appends the postcard bytes of a value; answers where they are.
fn pushed<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Range<usize> {
    let start = out.len();
    push(out, value);
    start..out.len()
}

struct Appending<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
