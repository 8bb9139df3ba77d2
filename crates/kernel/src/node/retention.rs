//! What a turn leaves for later: what is indexed of a state, and when something is kept no longer. And that time.
//!
//! | the instance | its history | it becomes |
//! |---|---|---|
//! | has ended, and its time is over | at most [`EXPIRED_MAX`] entries | deleted |
//! | has ended, and its time is over | longer | shorter by so many |
//! | is not due | | as it was, and due when these times say so |
//! | else | has entries that are too old | shorter by those, so many at most |
//! | else | has none | as it was, and looked at again when its oldest entry is too old |
//!
//! It refuses to look for instances. Its one invariant: an instance that was offered is due later afterwards, or has become
//! shorter, or is gone; so whoever offers them comes to an end.

use super::Node;
use super::residents::Live;
use crate::address::Address;
use crate::input::Out;
use crate::limits::EXPIRED_MAX;
use crate::record::{Fields, IndexKeys, Record, Trimmed, TrimmedRecord};
use crate::retention::{Aged, Retained, index_text};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Live {
    /// Counts a turn, and notes what follows from it.
    pub(super) fn turned(&mut self, now: Time, retained: &Retained) {
        if self.row.trimmed.sequence == self.row.turns {
            self.row.trimmed.since = now;
        }
        self.row.turns += 1;
        self.row.last_event_at = now;
        self.row.fields = self.indexed();
        self.row.expires = retained.next(&self.row);
    }

    fn indexed(&mut self) -> Fields {
        let definition = self.definition.clone();
        if definition.policy.index.is_empty() {
            return None;
        }
        // A state that cannot be read faults with its next event; until then nothing is known of it.
        let state = self.state().ok()?;
        let text = |path: &Arc<str>| {
            let value = definition.behaviour.field(&state, path)?;
            Some((path.clone(), index_text(&value)?))
        };
        let fields: Vec<_> = definition.policy.index.iter().filter_map(text).collect();
        (!fields.is_empty()).then(|| Arc::from(fields))
    }
}

impl Node {
    /// Lets go of what is kept no longer of an instance.
    pub(super) fn expire(&mut self, address: &Address, oldest: &[Aged], out: &mut Out) {
        let (now, default) = (self.now, self.retain);
        let Some(live) = self.residents.live_mut(address) else { return };
        let retained = default.over(&live.definition.policy.retain);
        let before = live.row.index_keys();
        if live.row.expires.is_none_or(|due| due > now) {
            // It may have been written when other times held.
            live.row.expires = retained.next(&live.row);
            if live.row.expires != before.expires {
                self.trimmed(address, before, Vec::new(), out);
            }
            return;
        }
        let over = retained.is_over(&live.row, now);
        let range = live.row.trimmed.sequence + 1..=live.row.turns;
        let oldest: Vec<&Aged> = oldest.iter().filter(|entry| range.contains(&entry.sequence)).collect();
        if over && oldest.len() <= EXPIRED_MAX {
            let last = oldest.last().map_or(0, |entry| entry.position);
            let expired_to = last.max(live.row.trimmed.position);
            self.remove(address, expired_to, out);
            return;
        }
        let gone = oldest.iter().take(EXPIRED_MAX);
        let gone = gone.take_while(|entry| over || retained.is_old(entry.at, now)).count();
        live.row.trimmed = match (oldest.get(gone), oldest[..gone].last()) {
            (Some(next), Some(last)) => {
                Trimmed { sequence: last.sequence, position: last.position, since: next.at }
            }
            (Some(next), None) => Trimmed { since: next.at, ..live.row.trimmed },
            (None, last) => Trimmed {
                sequence: live.row.turns,
                position: last.map_or(live.row.trimmed.position, |last| last.position),
                since: live.row.last_event_at,
            },
        };
        live.row.expires = retained.next(&live.row);
        let positions = oldest[..gone].iter().map(|entry| entry.position).collect();
        self.trimmed(address, before, positions, out);
    }

    fn trimmed(&mut self, address: &Address, before: IndexKeys, positions: Vec<u64>, out: &mut Out) {
        let live = self.residents.live(address).expect("it is there");
        out.require(live.definition.policy.durability);
        let instance = live.row.clone();
        out.records.push(Record::Trimmed(Box::new(TrimmedRecord { instance, before, positions })));
    }
}
