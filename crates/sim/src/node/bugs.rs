//! Bugs that are put in on purpose, to see that the checkers notice: each at a seam between kernel, store, disk and
//! driver, so that nothing of what is shipped has a switch for it.
//!
//! It refuses to touch anything but what crosses a seam. Its one invariant: without a bug, everything crosses unchanged.

use crate::chance::Chance;
use everstate_kernel::{
    Durability, Errand, Loaded, Record, Release, Sent, Serial, Source, Span, Time, TimerKey,
};
use std::borrow::Cow;
use std::sync::Arc;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// The disk answers a sync and does nothing.
    SkipSync,
    /// A commit that must survive a power cut is not synced.
    WeakCommit,
    /// Answers leave before the commit that carries them.
    AnswerBeforeCommit,
    /// What is remembered of an event's id is not found again, one time in three.
    ForgetDedupe,
    /// Events on their way are not read back at a restart.
    DropOutbox,
    /// The last event on its way is read back twice at a restart, under two numbers.
    RepeatOutbox,
    /// Events on their way are read back in another order at a restart.
    ReorderOutbox,
    /// An event that waits is not kept.
    ForgetMailbox,
    /// An event that waits is not brought in.
    LoseMailbox,
    /// The soonest timer is not read back at a restart.
    LoseTimer,
    /// Timers fire a little before they are due.
    TimersEarly,
    /// A timer that is cleared stays in the table.
    KeepClearedTimer,
    /// The index rows of a state that was left are not removed.
    KeepIndexRow,
    /// What is told of presence goes out twice after a restart.
    PresenceTwice,
    /// A seat is not kept.
    ForgetSeat,
    /// A supervisor restarts the wrong siblings.
    WrongSiblings,
    /// A supervisor's state is not kept when it changes.
    ForgetSupervisor,
    /// Of several guarded transitions the later ones are tried first.
    GuardOrder,
    /// An event that a turn sends is not kept.
    ForgetSend,
    /// An entry of the history is kept with another time.
    HistoryTime,
}

/// All of them, each with a line of what it is.
pub const BUGS: &[(Bug, &str)] = &[
    (Bug::SkipSync, "the disk answers a sync and does nothing"),
    (Bug::WeakCommit, "a commit that must survive a power cut is not synced"),
    (Bug::AnswerBeforeCommit, "answers leave before the commit"),
    (Bug::ForgetDedupe, "an id is forgotten, one time in three"),
    (Bug::DropOutbox, "the outbox is dropped at a restart"),
    (Bug::RepeatOutbox, "an event on its way is delivered twice after a restart"),
    (Bug::ReorderOutbox, "events on their way change their order at a restart"),
    (Bug::ForgetMailbox, "an event that waits is not kept"),
    (Bug::LoseMailbox, "an event that waits is not brought in"),
    (Bug::LoseTimer, "the soonest timer is lost at a restart"),
    (Bug::TimersEarly, "timers fire 40 ms early"),
    (Bug::KeepClearedTimer, "a cleared timer stays in the table"),
    (Bug::KeepIndexRow, "index rows of a state that was left stay"),
    (Bug::PresenceTwice, "presence is told twice after a restart"),
    (Bug::ForgetSeat, "a seat of a space is not kept"),
    (Bug::WrongSiblings, "a supervisor restarts the wrong siblings"),
    (Bug::ForgetSupervisor, "a supervisor's restart is not kept"),
    (Bug::GuardOrder, "later guards are tried first"),
    (Bug::ForgetSend, "an event that a turn sends is not kept"),
    (Bug::HistoryTime, "an entry of the history has another time"),
];

/// By how much [`Bug::TimersEarly`] is early.
const EARLY: Span = Span(40);

/// Where a bug sits; without one, nothing happens here.
#[derive(Debug)]
pub(super) struct Seam {
    bug: Option<Bug>,
    chance: Chance,
    /// Does the first refill since a restart stand out?
    begun: bool,
}

impl Seam {
    pub(super) fn new(bug: Option<Bug>, chance: Chance) -> Seam {
        Seam { bug, chance, begun: false }
    }

    pub(super) fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn restart(&mut self) {
        self.begun = true;
    }

    /// The records that the store gets of those that the node wants kept.
    pub(super) fn committed<'r>(&mut self, records: &'r [Record]) -> Cow<'r, [Record]> {
        use Bug::*;
        match self.bug {
            Some(ForgetMailbox) => filtered(records, |record| !matches!(record, Record::Queued(_))),
            Some(ForgetSeat) => filtered(records, |record| !matches!(record, Record::Seat(_))),
            Some(ForgetSend) => filtered(records, |record| !matches!(record, Record::Sent(_))),
            Some(KeepClearedTimer) => altered(records, |record| {
                if let Record::Turn(turn) = record {
                    turn.timers_cleared.pop();
                }
            }),
            Some(KeepIndexRow) => altered(records, |record| {
                if let Record::Turn(turn) = record
                    && let Some(before) = &mut turn.before
                {
                    before.labels = Arc::from([]);
                }
            }),
            Some(ForgetSupervisor) => altered(records, |record| {
                if let Record::Turn(turn) = record
                    && turn.instance.labels.first().is_some_and(|label| &**label == "restarting")
                {
                    turn.instance.labels = Arc::from([Arc::from("watching")]);
                }
            }),
            Some(HistoryTime) => altered(records, |record| {
                if let Record::Turn(turn) = record {
                    turn.entry.at = turn.entry.at + Span(1);
                }
            }),
            _ => Cow::Borrowed(records),
        }
    }

    /// What survives a commit.
    pub(super) fn durability(&self, asked: Durability) -> Durability {
        if self.is(Bug::WeakCommit) { asked.min(Durability::Process) } else { asked }
    }

    /// Releases that leave though the commit has not been made.
    pub(super) fn released_early(&self, releases: &mut Vec<Release>) -> Option<Vec<Release>> {
        self.is(Bug::AnswerBeforeCommit).then(|| std::mem::take(releases))
    }

    /// What is brought in.
    pub(super) fn loaded(&mut self, mut loaded: Loaded) -> Loaded {
        if self.is(Bug::ForgetDedupe) && self.chance.one_in(3) {
            loaded.outcomes.iter_mut().for_each(|(_, outcome)| *outcome = None);
        }
        if self.is(Bug::LoseMailbox) {
            for (row, mailbox) in loaded.instances.iter_mut().filter_map(|(_, found)| found.as_mut()) {
                if row.retry.is_none() && mailbox.pop().is_some() {
                    row.mailbox_len -= 1;
                }
            }
        }
        loaded
    }

    /// The outbox as it is read back.
    pub(super) fn outbox(&mut self, mut outbox: Vec<Sent>) -> Vec<Sent> {
        match self.bug {
            Some(Bug::DropOutbox) => Vec::new(),
            Some(Bug::RepeatOutbox) => {
                let again = outbox.iter().rev().find(|sent| matches!(sent.errand, Errand::Event)).cloned();
                outbox.extend(again.map(again_later));
                outbox
            }
            Some(Bug::PresenceTwice) => {
                let is_presence = |sent: &&Sent| sent.event.name.starts_with("space.presence");
                let again: Vec<Sent> = outbox.iter().filter(is_presence).cloned().collect();
                outbox.extend(again.into_iter().map(again_later));
                outbox
            }
            Some(Bug::ReorderOutbox) => {
                let numbers: Vec<Serial> = outbox.iter().map(|sent| sent.number).collect();
                outbox.reverse();
                for (sent, number) in outbox.iter_mut().zip(numbers) {
                    sent.number = number;
                }
                outbox
            }
            _ => outbox,
        }
    }

    /// Timers as they are read back.
    pub(super) fn timers(&mut self, mut timers: Vec<TimerKey>) -> Vec<TimerKey> {
        if self.is(Bug::LoseTimer) && std::mem::take(&mut self.begun) && !timers.is_empty() {
            timers.remove(0);
        }
        timers
    }

    /// Up to when timers are due.
    pub(super) fn ready_at(&self, now: Time) -> Time {
        if self.is(Bug::TimersEarly) { now + EARLY } else { now }
    }

    /// The text that is compiled of a definition's.
    pub(super) fn text(&self, source: &Arc<str>) -> String {
        match self.bug {
            Some(Bug::GuardOrder) => {
                source.replace(">= 100", ">= 10#").replace(">= 10,", ">= 100,").replace(">= 10#", ">= 10")
            }
            Some(Bug::WrongSiblings) => source.replace("rest_for_one", "one_for_all"),
            _ => source.to_string(),
        }
    }
}

/// The same under another number, which nobody else has.
fn again_later(mut sent: Sent) -> Sent {
    sent.number = Serial(sent.number.0 + Serial::PER_TURN / 2 + 1);
    sent
}

fn filtered(records: &[Record], keep: impl Fn(&Record) -> bool) -> Cow<'_, [Record]> {
    records.iter().filter(|record| keep(record)).cloned().collect()
}

fn altered(records: &[Record], alter: impl Fn(&mut Record)) -> Cow<'_, [Record]> {
    let mut records = records.to_vec();
    records.iter_mut().for_each(alter);
    Cow::Owned(records)
}

/// Is a record about an event that was in the outbox?
pub(super) fn taken_out(record: &Record) -> Option<Serial> {
    match record {
        Record::Turn(turn) => from_outbox(turn.source),
        Record::Queued(queued) => from_outbox(queued.source),
        Record::SentGone(number) => Some(*number),
        _ => None,
    }
}

fn from_outbox(source: Source) -> Option<Serial> {
    match source {
        Source::Outbox(number) => Some(number),
        Source::Direct | Source::Mailbox(_) => None,
    }
}
