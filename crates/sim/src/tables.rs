//! What a store would hold, as maps: made from records alone, cheap to clone.
//!
//! It refuses to know files, bytes and indexes. Its one invariant: what a node hydrates from it is what a store with
//! the same records would have answered.

use everstate_kernel::{
    Address, DeadLetter, EventId, Instance, Loaded, OutcomeRecord, Queued, Record, Seat, SeatRecord, Sent,
    Serial, Source, Touches, TurnRecord,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An instance with its mailbox, shared between the worlds in which it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its row.
    pub row: Instance,
    /// Events that wait, by number.
    pub mailbox: Vec<Queued>,
}

/// Every table of a store but the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Instances with their mailboxes.
    pub instances: BTreeMap<Address, Arc<Kept>>,
    /// Events on their way, in order.
    pub outbox: BTreeMap<Serial, Sent>,
    /// What is remembered of events from outside.
    pub outcomes: BTreeMap<EventId, OutcomeRecord>,
    /// Events that nobody could take.
    pub dead_letters: BTreeMap<Serial, DeadLetter>,
    /// What spaces hold.
    pub seats: BTreeMap<(Address, Serial), Seat>,
    /// Of the last turn.
    pub position: u64,
}

impl Tables {
    /// Takes over what records say.
    pub fn apply(&mut self, records: &[Record]) {
        for record in records {
            self.apply_one(record);
        }
    }

    fn apply_one(&mut self, record: &Record) {
        match record {
            Record::Definition(_) => {}
            Record::Turn(turn) => self.turn(turn),
            Record::Queued(queued) => self.queued(queued),
            Record::Seat(held) => {
                let key = (held.space.clone(), held.number);
                match &held.seat {
                    Some(seat) => drop(self.seats.insert(key, seat.clone())),
                    None => drop(self.seats.remove(&key)),
                }
            }
            Record::Sent(sent) => drop(self.outbox.insert(sent.number, sent.clone())),
            Record::SentGone(number) => drop(self.outbox.remove(number)),
            Record::Row(row) => self.row(&row.instance),
            Record::DeadLetter(letter) => drop(self.dead_letters.insert(letter.number, letter.clone())),
            Record::DeadLetterGone(number) => drop(self.dead_letters.remove(number)),
            Record::Outcome(id, outcome) => drop(self.outcomes.insert(id.clone(), outcome.clone())),
            Record::Deleted(deleted) => drop(self.instances.remove(&deleted.address)),
            Record::Trimmed(trimmed) => self.row(&trimmed.instance),
        }
    }

    fn row(&mut self, row: &Instance) {
        let found = self.instances.entry(row.address.clone());
        let kept = found.or_insert_with(|| Arc::new(Kept { row: row.clone(), mailbox: Vec::new() }));
        Arc::make_mut(kept).row = row.clone();
    }

    fn turn(&mut self, turn: &TurnRecord) {
        self.position = turn.entry.position;
        self.row(&turn.instance);
        match turn.source {
            Source::Direct => {}
            Source::Mailbox(number) => {
                if let Some(kept) = self.instances.get_mut(&turn.instance.address) {
                    Arc::make_mut(kept).mailbox.retain(|queued| queued.number != number);
                }
            }
            Source::Outbox(number) => drop(self.outbox.remove(&number)),
        }
        if let Some(until) = turn.outcome_until {
            let known = OutcomeRecord {
                address: turn.instance.address.clone(),
                fingerprint: turn.fingerprint,
                outcome: Some(turn.entry.outcome.clone()),
                at: turn.entry.at,
                until,
            };
            self.outcomes.insert(turn.entry.cause.id().clone(), known);
        }
    }

    fn queued(&mut self, queued: &Queued) {
        if let Source::Outbox(number) = queued.source {
            self.outbox.remove(&number);
        }
        if let Some(until) = queued.outcome_until {
            let pending = OutcomeRecord {
                address: queued.address.clone(),
                fingerprint: queued.fingerprint,
                outcome: None,
                at: queued.event.time,
                until,
            };
            self.outcomes.insert(queued.event.id.clone(), pending);
        }
        let Some(kept) = self.instances.get_mut(&queued.address) else { return };
        let mailbox = &mut Arc::make_mut(kept).mailbox;
        match mailbox.iter_mut().find(|waiting| waiting.number == queued.number) {
            Some(waiting) => *waiting = queued.clone(),
            None => mailbox.push(queued.clone()),
        }
    }

    /// All that is touched, absence included.
    pub fn hydrate(&self, touches: &Touches) -> Loaded {
        let instance = |address: &Address| {
            let found = self.instances.get(address).map(|kept| (kept.row.clone(), kept.mailbox.clone()));
            (address.clone(), found)
        };
        let seats_of = |space: &Address| {
            let (first, last) = ((space.clone(), Serial(0)), (space.clone(), Serial(u64::MAX)));
            self.seats.range(first..=last).map(|((space, number), seat)| SeatRecord {
                space: space.clone(),
                number: *number,
                seat: Some(seat.clone()),
            })
        };
        Loaded {
            seats: touches.addresses.iter().flat_map(seats_of).collect::<Vec<_>>(),
            instances: touches.addresses.iter().map(instance).collect(),
            outcomes: touches.ids.iter().map(|id| (id.clone(), self.outcomes.get(id).cloned())).collect(),
        }
    }
}
