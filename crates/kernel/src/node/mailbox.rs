//! Events that wait: deferred by a state, or behind an event that is being retried.

use super::Node;
use super::awaited::{Keys, retry_key};
use super::residents::Waiting;
use super::turn::{Attempt, Delivery};
use crate::address::Address;
use crate::input::Out;
use crate::limits::MAILBOX_MAX;
use crate::record::{OutcomeRecord, Queued, Record, Source};
use crate::time::Time;
use alloc::vec::Vec;

impl Node {
    /// Puts an event into the mailbox, unless it is there already or the mailbox is full.
    pub(super) fn keep(
        &mut self,
        address: &Address,
        delivery: Delivery,
        deferred: bool,
        out: &mut Out,
    ) -> Attempt {
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        out.require(live.definition.policy.durability);
        if let Source::Mailbox(number) = delivery.source {
            let waiting = live.mailbox.iter_mut().find(|waiting| waiting.queued.number == number);
            let waiting = waiting.expect("an event with the source mailbox is in the mailbox");
            waiting.runnable = false;
            if !waiting.queued.deferred {
                waiting.queued.deferred = true;
                out.records.push(Record::Queued(waiting.queued.clone()));
            }
            if let Some(retry) = live.row.retry.take_if(|retry| retry.number == number) {
                let timers_cleared = Vec::from([retry_key(address, retry.due)]);
                self.write_row(address, Keys { timers_cleared, ..Keys::default() }, out);
            }
            return Attempt::Kept;
        }
        if live.mailbox.len() >= MAILBOX_MAX {
            return Attempt::MailboxFull;
        }
        self.enqueue(address, &delivery, deferred, out);
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let mut keys = Keys::default();
        live.keep_told(delivery.told, &mut keys);
        self.write_row(address, keys, out);
        Attempt::Kept
    }

    /// Adds an event to the mailbox. The caller writes the row, whose count of them has changed.
    /// An event that faulted holds up the others: those that may be tried after it, since the active states have
    /// changed, are kept as such.
    pub(super) fn keep_runnable(&mut self, address: &Address, out: &mut Out) {
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        for waiting in live.mailbox.iter_mut().filter(|waiting| waiting.runnable && waiting.queued.deferred) {
            waiting.queued.deferred = false;
            out.records.push(Record::Queued(waiting.queued.clone()));
        }
    }

    pub(super) fn enqueue(
        &mut self,
        address: &Address,
        delivery: &Delivery,
        deferred: bool,
        out: &mut Out,
    ) -> u64 {
        let now = self.now;
        let live = self.residents.live_mut(address).expect("the instance was hydrated");
        let number = live.mailbox.back().map_or(0, |last| last.queued.number + 1);
        let queued = Queued {
            address: address.clone(),
            number,
            event: delivery.event.clone(),
            deferred,
            fingerprint: delivery.fingerprint,
            outcome_until: delivery.remembered.then_some(Time::END),
            source: delivery.source,
        };
        live.mailbox.push_back(Waiting::from(queued.clone()));
        live.row.mailbox_len = live.mailbox.len() as u32;
        out.records.push(Record::Queued(queued));
        if delivery.remembered {
            let (fingerprint, until) = (delivery.fingerprint, Time::END);
            let pending =
                OutcomeRecord { address: address.clone(), fingerprint, outcome: None, at: now, until };
            self.outcomes.insert(delivery.event.id.clone(), Some(pending));
        }
        number
    }
}
