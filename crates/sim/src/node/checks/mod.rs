//! One file for each promise. A check looks at what was seen from outside and at what the store holds in the end, and
//! says what is wrong.
//!
//! It refuses to ask the kernel whether the kernel is right. Its one invariant: a check that finds nothing to look at
//! says nothing; that there is enough to look at is tested apart.

mod acknowledged;
mod indexes;
mod machines;
mod once;
mod order;
mod outcomes;
mod presence;
mod replay;
mod retention;
mod supervision;
mod timers;

pub(super) use indexes::indexes;

use super::ledger::Ledger;
use super::plan::Plan;
use super::whole::Whole;
use everstate_kernel::{Address, Cause, HistoryEntry, Record, Time, TurnRecord};
use everstate_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// What is looked at.
pub(super) struct Evidence<'e> {
    pub(super) plan: &'e Plan,
    pub(super) ledger: &'e Ledger,
    /// What the store holds in the end.
    pub(super) whole: &'e Whole,
    /// Which deeds were answered, by their place among those of the plan.
    pub(super) answered: &'e [bool],
    pub(super) store: &'e dyn Store,
    pub(super) now: Time,
}

/// Says what is wrong.
type Check = fn(&Evidence<'_>) -> Result<(), String>;

/// All checks, each with the name of its promise.
pub(super) const ALL: &[(&str, Check)] = &[
    ("acknowledged", acknowledged::check),
    ("once", once::check),
    ("order", order::check),
    ("timers", timers::check),
    ("outcomes", outcomes::check),
    ("indexes", indexes::check),
    ("presence", presence::check),
    ("supervision", supervision::check),
    ("machines", machines::check),
    ("retention", retention::check),
    ("replay", replay::check),
];

impl Evidence<'_> {
    /// All turns that stand, in their order.
    fn turns(&self) -> impl Iterator<Item = &TurnRecord> {
        self.records().filter_map(|record| match record {
            Record::Turn(turn) => Some(&**turn),
            _ => None,
        })
    }

    /// All records that stand, in their order.
    fn records(&self) -> impl Iterator<Item = &Record> {
        self.ledger.commits.iter().flat_map(|commit| &commit.records)
    }

    /// What each instance that is there has done, what is kept no longer included.
    fn history(&self) -> BTreeMap<&Address, Vec<&HistoryEntry>> {
        let mut history: BTreeMap<&Address, Vec<&HistoryEntry>> = BTreeMap::new();
        for record in self.records() {
            match record {
                Record::Turn(turn) => history.entry(&turn.instance.address).or_default().push(&turn.entry),
                Record::Deleted(deleted) => drop(history.remove(&deleted.address)),
                _ => {}
            }
        }
        history
    }

    /// Instances that were deleted at some time, by an operator or because their time was over.
    fn deleted(&self) -> BTreeSet<Address> {
        let deleted = self.records().filter_map(|record| match record {
            Record::Deleted(deleted) => Some(deleted.address.clone()),
            _ => None,
        });
        deleted.collect()
    }

    /// Ids of events that were dead letters: they may be decided anew.
    fn letters(&self) -> BTreeSet<&str> {
        let letters = self.records().filter_map(|record| match record {
            Record::DeadLetter(letter) => Some(letter.event.id.as_str()),
            _ => None,
        });
        letters.collect()
    }
}

/// The event of a turn, if it had one.
fn event_of(entry: &HistoryEntry) -> Option<&everstate_kernel::Event> {
    match &entry.cause {
        Cause::Event(event) => Some(event),
        _ => None,
    }
}
