//! A store as simple as can be: every table is a map, and every record is checked against the tables as it is
//! applied. It refuses to know the node; whatever the records say that cannot be, it panics over.

use everstate_kernel::{
    Address, Cause, DeadLetter, DefinitionRecord, Errand, EventId, HistoryEntry, Hold, IndexKeys, Instance,
    Loaded, OutcomeRecord, Queued, Record, Seat, SeatRecord, Sent, Serial, Source, Status, TaskKey,
    TaskStanding, Time, TimerKey, Touches, TrimmedRecord, TurnRecord,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// All tables, and what checks the records.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Disk {
    pub(crate) definitions: Vec<DefinitionRecord>,
    pub(crate) instances: BTreeMap<Address, Instance>,
    pub(crate) indexes: BTreeMap<Address, IndexKeys>,
    pub(crate) history: BTreeMap<Address, Vec<HistoryEntry>>,
    pub(crate) outcomes: BTreeMap<EventId, OutcomeRecord>,
    pub(crate) mailboxes: BTreeMap<(Address, u64), Queued>,
    pub(crate) outbox: BTreeMap<Serial, Sent>,
    pub(crate) timers: BTreeSet<TimerKey>,
    pub(crate) tasks: BTreeSet<TaskKey>,
    pub(crate) letters: BTreeMap<Serial, DeadLetter>,
    pub(crate) seats: BTreeMap<(Address, Serial), Seat>,
    pub(crate) position: u64,
    /// How often a space was deleted.
    spaces_deleted: usize,
    /// Every number that was ever in the outbox.
    sent: BTreeSet<Serial>,
    /// Every event that was decided, and until when that is remembered.
    decided: BTreeMap<EventId, Time>,
}

impl Disk {
    pub(crate) fn apply(&mut self, records: &[Record]) {
        for record in records {
            self.apply_one(record);
        }
    }

    fn apply_one(&mut self, record: &Record) {
        match record {
            Record::Definition(definition) => {
                assert!(self.definitions.iter().all(|put| put.id != definition.id), "put twice");
                self.definitions.push(definition.clone());
            }
            Record::Turn(turn) => self.turn(turn),
            Record::Queued(queued) => self.queued(queued),
            Record::Sent(sent) => {
                assert!(self.sent.insert(sent.number), "number {:?} was sent twice", sent.number);
                self.outbox.insert(sent.number, sent.clone());
            }
            Record::Row(row) => {
                let before = self.instances.insert(row.instance.address.clone(), row.instance.clone());
                let before = before.expect("a row changes that is not there");
                assert_eq!(before.index_keys(), row.instance.index_keys(), "a row's index keys changed");
                assert_eq!((before.turns, before.state), (row.instance.turns, row.instance.state.clone()));
                self.timers(&row.timers_cleared, &row.timers_set);
                self.tasks(&row.tasks_cleared, &row.tasks_set);
            }
            Record::DeadLetter(letter) => {
                assert!(
                    self.letters.insert(letter.number, letter.clone()).is_none(),
                    "a letter's number twice"
                );
            }
            Record::DeadLetterGone(number) => {
                let letter = self.letters.remove(number).expect("a letter goes that is not there");
                self.decided.remove(&letter.event.id);
            }
            Record::Outcome(id, outcome) => {
                self.decide(id, outcome.at, Some(outcome.until));
                self.outcomes.insert(id.clone(), outcome.clone());
            }
            Record::SentGone(number) => {
                assert!(self.outbox.remove(number).is_some(), "{number:?} leaves the outbox twice");
            }
            Record::Seat(SeatRecord { space, number, seat }) => {
                let key = (space.clone(), *number);
                let before = match seat {
                    Some(seat) => self.seats.insert(key, seat.clone()),
                    None => Some(self.seats.remove(&key).expect("a seat goes that is not there")),
                };
                assert_ne!(before.as_ref(), seat.as_ref(), "a seat's record says nothing new");
            }
            Record::Trimmed(trimmed) => {
                let TrimmedRecord { instance, before, positions } = &**trimmed;
                let address = &instance.address;
                let held = self.indexes.insert(address.clone(), instance.index_keys());
                assert_eq!(held.as_ref(), Some(before), "the indexes of {address} hold what is replaced");
                let row = self.instances.insert(address.clone(), instance.clone()).expect("it is there");
                assert_eq!((row.turns, row.state), (instance.turns, instance.state.clone()));
                let history = self.history.get_mut(address).expect("it has a history");
                let gone: Vec<u64> = history.iter().map(|entry| entry.position).collect();
                assert_eq!(&gone[..positions.len()], &positions[..], "the oldest go");
                history.drain(..positions.len());
                let kept = history.first().map_or(row.turns, |entry| entry.sequence - 1);
                assert_eq!(instance.trimmed.sequence, kept, "{address} says from where it is kept");
            }
            Record::Deleted(deleted) => {
                self.spaces_deleted += usize::from(deleted.address.kind() == "space");
                let row = self.instances.remove(&deleted.address).expect("a deleted instance exists");
                assert_eq!((row.incarnation, row.turns), (deleted.incarnation, deleted.turns));
                assert_eq!(self.indexes.remove(&deleted.address).as_ref(), Some(&deleted.before));
                self.timers(&deleted.timers_cleared, &[]);
                self.tasks(&deleted.tasks_cleared, &[]);
                self.history.remove(&deleted.address);
                for number in &deleted.mailbox {
                    let queued = self.mailboxes.remove(&(deleted.address.clone(), *number));
                    assert!(queued.is_some(), "a deleted mailbox holds {number}");
                }
            }
        }
    }

    fn turn(&mut self, turn: &TurnRecord) {
        let TurnRecord { entry, instance, .. } = turn;
        let address = &instance.address;
        self.position += 1;
        assert_eq!(entry.position, self.position, "positions ascend by one");
        let history = self.history.entry(address.clone()).or_default();
        let last = history.last().map_or(instance.trimmed.sequence, |last| last.sequence);
        assert_eq!(entry.sequence, last + 1, "sequences of {address} ascend by one");
        assert_eq!(entry.sequence, instance.turns);
        history.push(entry.clone());
        let held = self.indexes.insert(address.clone(), instance.index_keys());
        assert_eq!(held, turn.before, "the indexes of {address} hold what the turn replaces");
        self.instances.insert(address.clone(), instance.clone());
        match turn.source {
            Source::Direct => {}
            Source::Mailbox(number) => {
                let queued = self.mailboxes.remove(&(address.clone(), number));
                let queued = queued.expect("an event taken from a mailbox was in it");
                assert_eq!(Cause::Event(queued.event), entry.cause);
            }
            Source::Outbox(number) => {
                assert!(self.outbox.remove(&number).is_some(), "{number:?} leaves the outbox twice");
            }
        }
        self.timers(&turn.timers_cleared, &turn.timers_set);
        self.tasks(&turn.tasks_cleared, &turn.tasks_set);
        let id = entry.cause.id();
        self.decide(id, entry.at, turn.outcome_until);
        if let Some(until) = turn.outcome_until {
            let (address, fingerprint, at) = (address.clone(), turn.fingerprint, entry.at);
            let outcome = Some(entry.outcome.clone());
            self.outcomes.insert(id.clone(), OutcomeRecord { address, fingerprint, outcome, at, until });
        }
    }

    fn queued(&mut self, queued: &Queued) {
        let key = (queued.address.clone(), queued.number);
        if let Some(before) = self.mailboxes.insert(key, queued.clone()) {
            assert_ne!(before.deferred, queued.deferred, "it says nothing new");
            assert_eq!(before, Queued { deferred: before.deferred, ..queued.clone() });
            return;
        }
        if let Source::Outbox(number) = queued.source {
            assert!(self.outbox.remove(&number).is_some(), "{number:?} leaves the outbox twice");
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
    }

    /// No event is decided twice, as long as that is remembered.
    fn decide(&mut self, id: &EventId, at: Time, until: Option<Time>) {
        let earlier = self.decided.insert(id.clone(), until.unwrap_or(Time::END));
        assert!(earlier.is_none_or(|earlier| earlier <= at), "{id} is decided twice");
    }

    fn timers(&mut self, cleared: &[TimerKey], set: &[TimerKey]) {
        for key in cleared {
            assert!(self.timers.remove(key), "{key:?} is cleared and was not set");
        }
        for key in set {
            assert!(self.timers.insert(key.clone()), "{key:?} is set twice");
        }
    }

    fn tasks(&mut self, cleared: &[TaskKey], set: &[TaskKey]) {
        for key in cleared {
            assert!(self.tasks.remove(key), "{key:?} is cleared and was not set");
        }
        for key in set {
            assert!(self.tasks.insert(key.clone()), "{key:?} is set twice");
        }
    }

    /// Tasks of a queue that are ready, the oldest first.
    pub(crate) fn ready_tasks(&self, queue: &str) -> Vec<TaskKey> {
        let ready = |key: &&TaskKey| &*key.queue == queue && key.standing == TaskStanding::Ready;
        self.tasks.iter().filter(ready).cloned().collect()
    }

    /// What must hold between the tables after every commit.
    pub(crate) fn check(&self) {
        let (mut timers, mut tasks) = (BTreeSet::new(), BTreeSet::new());
        for (address, row) in &self.instances {
            assert_eq!(self.mailbox(address).count(), row.mailbox_len as usize, "events of {address}");
            let key = |due, generation| TimerKey { due, address: address.clone(), generation };
            timers.extend(row.timers.iter().map(|timer| key(timer.due, Some(timer.generation))));
            timers.extend(row.tasks.iter().filter_map(|task| task.timer(address)));
            tasks.extend(row.task_keys());
            timers.extend(row.retry.iter().map(|retry| key(retry.due, None)));
            if matches!(row.status, Status::Parked(_) | Status::Paused(_)) {
                assert_eq!(row.retry, None, "{address} is parked and tries again");
            } else if let Some(retry) = &row.retry {
                assert!(self.mailboxes.contains_key(&(address.clone(), retry.number)), "retry of nothing");
            } else {
                let stuck = self.mailbox(address).find(|queued| !queued.deferred);
                assert_eq!(stuck, None, "{address} could take an event and does not");
            }
            if row.status.is_ended() {
                assert_eq!(self.mailbox(address).count(), 0, "{address} has ended and holds events");
            }
        }
        self.check_links();
        self.check_seats();
        assert_eq!(self.timers, timers, "the table of timers is that of the rows");
        assert_eq!(self.tasks, tasks, "the table of tasks is that of the rows");
        for (address, _) in self.mailboxes.keys() {
            assert!(self.instances.contains_key(address), "a mailbox of nobody: {address}");
        }
    }

    /// No living child without a living parent that knows it, but for what the outbox still carries.
    fn check_links(&self) {
        for (address, row) in &self.instances {
            let parent = row.links.as_ref().and_then(|links| links.parent.as_ref());
            let Some(parent) = parent.filter(|parent| parent.live) else { continue };
            let children = self.instances.get(&parent.address).and_then(|row| row.links.as_ref());
            let known =
                children.is_some_and(|links| links.children.iter().any(|child| child.link == parent.link));
            let carried = self
                .outbox
                .values()
                .any(|sent| sent.to == *address && !matches!(sent.errand, Errand::Event | Errand::Answer(_)));
            assert!(known || carried, "{address} is a child without a parent");
        }
    }

    /// Rows count what spaces hold, and everybody in a space is known to it, but for what the outbox still carries.
    fn check_seats(&self) {
        for (address, row) in &self.instances {
            let counted = row.links.as_ref().map_or(0, |links| links.seats as usize);
            assert_eq!(self.seats_of(address).count(), counted, "seats of {address}");
        }
        for (address, _) in self.seats.keys() {
            assert!(self.instances.contains_key(address), "a seat of no space: {address}");
        }
    }

    /// When nothing is on its way: in every space that lives are exactly the endpoints that instances hold there, and
    /// whoever lives in a space that was there to be entered.
    pub(crate) fn check_presence(&self) {
        assert_eq!(self.outbox.len(), 0, "it is at rest");
        let alive = |address: &Address| self.instances.get(address).is_some_and(|row| !row.status.is_ended());
        let (mut seated, mut inhabitants) = (BTreeSet::new(), BTreeSet::new());
        let (mut gates, mut waiting) = (BTreeSet::new(), BTreeSet::new());
        for ((space, _), seat) in &self.seats {
            match seat {
                Seat::Endpoint(endpoint) => {
                    let name = &endpoint.name;
                    let key = (space.clone(), name.member.clone(), name.name.clone(), endpoint.since);
                    assert!(seated.insert(key), "twice");
                    if endpoint.part.waits && endpoint.credit == 0 {
                        gates.insert((space.clone(), name.clone()));
                    }
                }
                Seat::Inhabitant(address) => drop(inhabitants.insert((space.clone(), address.clone()))),
                Seat::Publication(publication) => {
                    waiting.insert((space.clone(), publication.by.clone()));
                }
            }
        }
        assert!(waiting.is_subset(&gates), "{waiting:?} wait, and could do so at {gates:?}");
        let (mut held, mut living) = (BTreeSet::new(), BTreeSet::new());
        for (address, row) in self.instances.iter().filter(|(address, _)| alive(address)) {
            for place in row.links.iter().flat_map(|links| &links.held).filter(|place| alive(&place.space)) {
                let holds = place.holds.iter();
                let key = |hold: &Hold| (place.space.clone(), address.clone(), hold.name.clone(), hold.since);
                held.extend(holds.map(key));
            }
            if !address.space().is_empty() {
                living.insert((Address::of_space(address.space()).unwrap(), address.clone()));
            }
        }
        assert_eq!(inhabitants, living, "who lives in a space is known to it");
        let unknown: Vec<_> = seated.difference(&held).collect();
        assert_eq!(unknown, Vec::<&(Address, Address, std::sync::Arc<str>, u64)>::new(), "held by nobody");
        self.check_held(&held, &seated);
    }

    /// An endpoint that is held in a living space is there, unless that space has ended or was deleted since.
    fn check_held<T: Ord + std::fmt::Debug>(&self, held: &BTreeSet<T>, seated: &BTreeSet<T>) {
        let ended = |row: &Instance| row.address.kind() == "space" && row.incarnation > 1;
        let deleted = self.spaces_deleted > 0 || self.instances.values().any(ended);
        assert!(deleted || held == seated, "held {held:?}, there {seated:?}");
    }

    pub(crate) fn mailbox(&self, address: &Address) -> impl Iterator<Item = &Queued> {
        let range = (address.clone(), 0)..=(address.clone(), u64::MAX);
        self.mailboxes.range(range).map(|(_, queued)| queued)
    }

    pub(crate) fn hydrate(&self, touches: &Touches) -> Loaded {
        let row = |address: &Address| {
            let row = self.instances.get(address)?.clone();
            Some((row, self.mailbox(address).cloned().collect()))
        };
        Loaded {
            instances: touches.addresses.iter().map(|address| (address.clone(), row(address))).collect(),
            outcomes: touches.ids.iter().map(|id| (id.clone(), self.outcomes.get(id).cloned())).collect(),
            seats: touches.addresses.iter().flat_map(|address| self.seats_of(address)).collect(),
        }
    }

    pub(crate) fn seats_of(&self, space: &Address) -> impl Iterator<Item = SeatRecord> {
        let range = (space.clone(), Serial(0))..=(space.clone(), Serial(u64::MAX));
        self.seats.range(range).map(|((space, number), seat)| {
            let (space, number, seat) = (space.clone(), *number, Some(seat.clone()));
            SeatRecord { space, number, seat }
        })
    }

    /// At most `limit` timers after `after`, and whether these are all.
    pub(crate) fn timers_after(&self, after: Option<&TimerKey>, limit: usize) -> (Vec<TimerKey>, bool) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let timers: Vec<TimerKey> =
            self.timers.range((start, Bound::Unbounded)).take(limit).cloned().collect();
        let complete = timers.len() < limit;
        (timers, complete)
    }
}
