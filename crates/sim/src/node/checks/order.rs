//! What one sends to another arrives in the order in which it was sent.
//!
//! Between machines the order is that of the kernel's numbers, which are given where a turn asks for a send; what is
//! delayed by a timer arrives later and is left out. From one client it is that of its deeds, as far as one was answered
//! before the next was sent.

use super::Evidence;
use crate::node::bugs::taken_out;
use everstate_kernel::{Address, Answer, EventId, Record, Sender, Sent, Serial};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    let mut delayed: BTreeSet<Serial> = BTreeSet::new();
    let mut sent: BTreeMap<Serial, &Sent> = BTreeMap::new();
    let mut last: BTreeMap<(Address, Address), Serial> = BTreeMap::new();
    for record in evidence.records() {
        match record {
            Record::Turn(turn) => delayed.extend(turn.timers_set.iter().filter_map(|key| key.generation)),
            Record::Row(row) => delayed.extend(row.timers_set.iter().filter_map(|key| key.generation)),
            Record::Sent(one) => drop(sent.insert(one.number, one)),
            _ => {}
        }
        let Some(one) = taken_out(record).and_then(|number| sent.get(&number)) else { continue };
        let Sender::Instance(from) = &one.event.sender else { continue };
        if delayed.contains(&one.number) {
            continue;
        }
        let pair = (from.clone(), one.to.clone());
        if let Some(before) = last.insert(pair, one.number).filter(|before| *before >= one.number) {
            return Err(format!(
                "from {from} to {} number {} arrives after number {}",
                one.to, one.number.0, before.0
            ));
        }
    }
    clients(evidence)
}

/// Turns for one client's events at one receiver stand in the order of its deeds, when each was decided at once.
fn clients(evidence: &Evidence<'_>) -> Result<(), String> {
    let at_once: BTreeMap<&EventId, usize> = evidence
        .ledger
        .told
        .iter()
        .filter(|told| matches!(told.answer, Answer::Decided { duplicate: false, .. }))
        .map(|told| (&told.id, told.deed))
        .collect();
    let letters = evidence.letters();
    let mut last: BTreeMap<(usize, &Address), usize> = BTreeMap::new();
    for turn in evidence.turns() {
        let id = turn.entry.cause.id();
        let Some(place) = at_once.get(id).filter(|_| !letters.contains(id.as_str())) else { continue };
        let Some((_, deed)) = evidence.plan.deeds.iter().find(|(other, _)| other == place) else { continue };
        if deed.attempts().is_some() {
            // One that was given up may still be on its way when the next is sent.
            continue;
        }
        let order = evidence.plan.deeds.iter().position(|(other, _)| other == place).unwrap_or(0);
        let pair = (deed.client, &turn.instance.address);
        if let Some(before) = last.insert(pair, order).filter(|before| *before > order) {
            return Err(format!(
                "{id} of client {} at {} is after its deed number {before}",
                deed.client, turn.instance.address
            ));
        }
    }
    Ok(())
}
