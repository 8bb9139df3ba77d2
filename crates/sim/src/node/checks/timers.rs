//! Timers are neither lost nor early: one that is set is cleared by its machine, or fires once, at its due or later, with
//! its due as the time of its event; and none that is due is left when everything is at rest.
//!
//! It refuses to read rows: it follows what records say is set and cleared.

use super::Evidence;
use everstate_kernel::{Cause, Record, Sender, Serial, Time, TimerKey};
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let mut set: BTreeMap<TimerKey, Time> = BTreeMap::new();
    let mut dues: BTreeMap<String, Time> = BTreeMap::new();
    for commit in &evidence.ledger.commits {
        for record in &commit.records {
            fired_early(record, &dues, commit.at)?;
            let (cleared, new) = match record {
                Record::Turn(turn) => (&turn.timers_cleared, &turn.timers_set),
                Record::Row(row) => (&row.timers_cleared, &row.timers_set),
                Record::Deleted(deleted) => (&deleted.timers_cleared, NONE),
                _ => continue,
            };
            for key in cleared {
                if set.remove(key).is_none() {
                    return Err(format!("{key:?} is cleared and was not set"));
                }
            }
            for key in new {
                if let Some(Serial(number)) = key.generation {
                    dues.insert(format!("~{number}"), key.due);
                }
                if set.insert(key.clone(), key.due).is_some() {
                    return Err(format!("{key:?} is set twice"));
                }
            }
        }
    }
    let late = set.keys().find(|key| key.due <= evidence.now);
    if let Some(key) = late {
        return Err(format!("{key:?} is due since {} and has not fired", evidence.now));
    }
    let stored = &evidence.whole.timers;
    match set.keys().find(|key| !stored.contains(key)).or(stored.iter().find(|key| !set.contains_key(key))) {
        Some(key) => Err(format!("{key:?} is set, and not in the store, or the other way round")),
        None => Ok(()),
    }
}

const NONE: &Vec<TimerKey> = &Vec::new();

/// The event of a timer comes at its due or later, and says when it was due.
fn fired_early(record: &Record, dues: &BTreeMap<String, Time>, now: Time) -> Result<(), String> {
    let (event, at) = match record {
        Record::Turn(turn) => match &turn.entry.cause {
            Cause::Event(event) => (event, turn.entry.at.min(now)),
            _ => return Ok(()),
        },
        Record::Queued(queued) => (&queued.event, now),
        Record::Sent(sent) => (&sent.event, now),
        _ => return Ok(()),
    };
    let Some(due) = dues.get(event.id.as_str()) else { return Ok(()) };
    if event.sender == Sender::Timer && event.time != *due {
        return Err(format!(
            "timer {} says that it was due at {}, and it was at {due}",
            event.id, event.time
        ));
    }
    if at < *due {
        return Err(format!("timer {} fires at {at} and is due at {due}", event.id));
    }
    Ok(())
}
