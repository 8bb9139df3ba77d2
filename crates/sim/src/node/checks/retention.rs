//! What is kept for a time is kept for that time and no longer; what is left of a history is its end; and events are found
//! as long as histories hold them.
//!
//! It refuses to know who lets go of what, and when it is looked for.

use super::{Evidence, event_of};
use everstate_kernel::{Address, HistoryEntry, Instance, Record, Retain, Time};
use everstate_store::{Query, Reader};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    not_too_early(evidence)?;
    let history = evidence.history();
    for row in evidence.whole.rows() {
        // A power cut takes back what was let go of with less durability, and there is no batch after the last one.
        let is_kept = !matches!(row.address.kind(), "ticker" | "gauge");
        if let Some(due) = row.expires.filter(|due| is_kept && *due <= evidence.now) {
            return Err(format!("{} was due at {due} and is there still", row.address));
        }
        let all = history.get(&row.address).map_or(&[][..], Vec::as_slice);
        let kept = all.iter().filter(|entry| entry.sequence > row.trimmed.sequence).copied();
        let found = evidence.whole.history.get(&row.address).map_or(&[][..], Vec::as_slice);
        if !kept.eq(found) {
            return Err(format!(
                "{} keeps its history from turn {} on, and holds {:?} of {:?}",
                row.address,
                row.trimmed.sequence + 1,
                found.iter().map(|entry| entry.sequence).collect::<Vec<_>>(),
                all.iter().map(|entry| entry.sequence).collect::<Vec<_>>(),
            ));
        }
    }
    events_are_found(evidence, &*evidence.store.reader())
}

/// Times in which nothing may go, of the machines that say nothing of their own.
fn not_too_early(evidence: &Evidence<'_>) -> Result<(), String> {
    let retain = &evidence.plan.sizes.retain;
    let mut entries: BTreeMap<u64, &HistoryEntry> = BTreeMap::new();
    let mut rows: BTreeMap<&Address, &Instance> = BTreeMap::new();
    for commit in &evidence.ledger.commits {
        for record in &commit.records {
            match record {
                Record::Turn(turn) => {
                    entries.insert(turn.entry.position, &turn.entry);
                    rows.insert(&turn.instance.address, &turn.instance);
                }
                Record::Trimmed(trimmed) => {
                    let ended = trimmed.instance.status.is_ended();
                    for entry in trimmed.positions.iter().filter_map(|position| entries.get(position)) {
                        let over = retain.history.is_some_and(|span| entry.at + span <= commit.at);
                        if !over && !ended && !says_itself(&trimmed.instance) {
                            return Err(early(&trimmed.instance.address, entry.at, commit.at, retain));
                        }
                    }
                }
                Record::Deleted(deleted) if deleted.expired_to > 0 => {
                    let Some(row) = rows.get(&deleted.address).filter(|row| !says_itself(row)) else {
                        continue;
                    };
                    let over = retain.finished.is_some_and(|span| row.last_event_at + span <= commit.at);
                    if !over || !row.status.is_ended() {
                        return Err(early(&deleted.address, row.last_event_at, commit.at, retain));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn says_itself(row: &Instance) -> bool {
    matches!(row.address.kind(), "space" | "session")
}

fn early(address: &Address, at: Time, now: Time, retain: &Retain) -> String {
    format!("something of {address} from {at} was let go of at {now}, and is kept for {retain:?}")
}

/// Who received an event is listed, as far as histories are kept, and nobody else.
fn events_are_found(evidence: &Evidence<'_>, reader: &dyn Reader) -> Result<(), String> {
    for name in ["add", "submit", "hold", "close", "break", "nothing"] {
        let query = Query { event: Some(name.into()), limit: usize::MAX, ..Query::default() };
        let page = reader.list(&query).map_err(|error| format!("{query:?}: {error}"))?;
        let found: BTreeSet<Address> = page.instances.into_iter().map(|row| row.address).collect();
        let received = |entry: &HistoryEntry| event_of(entry).is_some_and(|event| *event.name == *name);
        let history = evidence.whole.history.iter();
        let expected = history.filter(|(_, entries)| entries.iter().any(received));
        let expected: BTreeSet<Address> = expected.map(|(address, _)| address.clone()).collect();
        if found != expected {
            return Err(format!("{name} was received by {expected:?}, and the list says {found:?}"));
        }
    }
    Ok(())
}
