//! A made-up world for tests: coherent random records, and a model so plain that it can be read in a minute.
//!
//! It refuses to share code with what it tests. Its one invariant: equal seeds give equal records.

use self::queries::queries;
use crate::contract::Reader;
pub(crate) use crate::dice::Dice;
use everstate_kernel::{
    Address, Cause, DeadLetter, DefinitionId, DefinitionRecord, DeletedRecord, Errand, Event, EventId,
    HistoryEntry, Instance, Json, Kept, Labels, Links, Outcome, OutcomeRecord, Queued, Record, Rejection,
    RowRecord, Seat, SeatRecord, Sender, Sent, Serial, Source, Status, TaskKey, Time, Timer, TimerKey,
    Touches, Trimmed, TurnRecord, Watch,
};
use std::collections::BTreeMap;
use std::sync::Arc;

mod queries;
mod retention;
mod tasks;

const STATES: &[&[&str]] = &[
    &["open"],
    &["open.wait"],
    &["open.wait.user"],
    &["open.work"],
    &["openly"],
    &["done"],
    &["left.a", "right.b"],
    &["left.a", "right.c"],
];
const PLACES: &[&str] = &["orders", "a", "a-b", "a.b", "t1:orders", "t1/x:a", "doors"];

pub(crate) fn labels(index: usize) -> Labels {
    STATES[index % STATES.len()].iter().map(|state| Arc::from(*state)).collect()
}

/// Makes records.
pub(crate) struct World {
    dice: Dice,
    ids: u64,
    pub(crate) model: Model,
    serial: u64,
    now: i64,
    incarnations: BTreeMap<String, u32>,
}

impl World {
    pub(crate) fn new(seed: u64, ids: u64) -> World {
        World {
            dice: Dice::new(seed),
            ids,
            model: Model::default(),
            serial: 0,
            now: 1_700_000_000_000,
            incarnations: BTreeMap::new(),
        }
    }

    /// The next batch; the model knows it already.
    pub(crate) fn batch(&mut self) -> Vec<Record> {
        let length = 1 + self.dice.below(6);
        let mut batch = Vec::new();
        while batch.len() < length as usize {
            for record in self.step() {
                self.model.apply(&record);
                batch.push(record);
            }
        }
        batch
    }

    fn step(&mut self) -> Vec<Record> {
        self.now += self.dice.below(40 * 60_000) as i64;
        match self.dice.below(20) {
            0 => vec![self.definition()],
            1 => self.deleted(),
            2 => self.queued(),
            3 => vec![self.sent()],
            4 => vec![self.dead_letter()],
            5 => self.gone(),
            6 => self.row(),
            7 => vec![self.outcome()],
            8 => self.seat(),
            9 => self.trimmed(),
            _ => vec![self.turn()],
        }
    }

    fn address(&mut self) -> Address {
        let place = PLACES[self.dice.below(PLACES.len() as u64) as usize];
        let id = self.dice.below(self.ids);
        Address::parse(&format!("{place}/{id}")).expect("an address")
    }

    fn known(&mut self) -> Option<Instance> {
        let count = self.model.instances.len() as u64;
        if count == 0 {
            return None;
        }
        let at = self.dice.below(count) as usize;
        self.model.instances.values().nth(at).cloned()
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn event(&mut self) -> Event {
        let number = self.serial();
        Event {
            id: EventId::parse(&format!("e{}-{number}", self.dice.below(1000))).expect("an id"),
            name: Arc::from(["pay", "ship", "sign", "pay\0", "pay\u{1}"][self.dice.below(5) as usize]),
            data: Json::parse(&format!("{{\"n\":{number}}}")).expect("json"),
            sender: Sender::Client,
            time: Time(self.now),
        }
    }

    fn definition(&mut self) -> Record {
        let version = format!("v{}", self.serial());
        Record::Definition(DefinitionRecord {
            id: DefinitionId::new("orders", &version).expect("an id"),
            source: Arc::from("name: orders"),
            put_at: Time(self.now),
        })
    }

    fn turn(&mut self) -> Record {
        let address = self.address();
        let before = self.model.instances.get(&key(&address)).cloned();
        let state = self.dice.below(STATES.len() as u64) as usize;
        let to = labels(state);
        let position =
            self.model.history.keys().next_back().map_or(0, |last| *last).max(self.model.last_position) + 1;
        let event = self.event();
        let source = self.source(&address);
        let mut instance = before.clone().unwrap_or_else(|| Instance {
            address: address.clone(),
            version: Arc::from(if self.ids.is_multiple_of(2) { "v1" } else { "v2" }),
            incarnation: self.incarnations.get(address.as_str()).map_or(0, |last| last + 1),
            born: 0,
            status: Status::Active,
            state: Kept::new(vec![]),
            labels: to.clone(),
            created_at: Time(self.now),
            last_event_at: Time(self.now),
            turns: 0,
            mailbox_len: 0,
            timers: vec![],
            tasks: vec![],
            retry: None,
            links: None,
            fields: None,
            trimmed: Trimmed::default(),
            expires: None,
        });
        // One in a while is restarted: its history goes on in the next incarnation.
        instance.incarnation += u32::from(before.is_some() && self.dice.one_in(12));
        self.incarnations.insert(address.as_str().into(), instance.incarnation);
        if let Source::Mailbox(_) = source {
            instance.mailbox_len -= 1;
        }
        let from = instance.labels.clone();
        instance.labels = to.clone();
        instance.state = Kept::new(vec![state as u8; self.dice.below(60) as usize]);
        instance.turns += 1;
        instance.last_event_at = Time(self.now);
        instance.version = Arc::from(if self.dice.one_in(9) { "v2" } else { &*instance.version });
        instance.status = if self.dice.one_in(6) { Status::Final(Json::NULL) } else { Status::Active };
        // What it holds as a space stays; of its links, one in a while has a watcher.
        let seats = instance.links.as_ref().map_or(0, |links| links.seats);
        let watch = Watch { address: address.clone(), number: Serial(position) };
        let watchers = if self.dice.one_in(4) { vec![watch] } else { vec![] };
        let links = Links { watchers, seats, ..Links::default() };
        instance.links = Some(Box::new(links)).filter(|links| **links != Links::default());
        self.keep(&mut instance);
        let (timers_cleared, timers_set) = self.timers(&mut instance);
        let (tasks_cleared, tasks_set) = self.tasks(&mut instance);
        let outcome = self.decision(from, to);
        let cause = match &before {
            None => Cause::Start { id: event.id.clone(), data: event.data.clone() },
            Some(_) => Cause::Event(event),
        };
        Record::Turn(Box::new(TurnRecord {
            entry: HistoryEntry {
                position,
                sequence: instance.turns,
                at: Time(self.now),
                cause,
                outcome,
                log: vec!["said".into()],
            },
            before: before.map(|before| before.index_keys()),
            instance,
            source,
            outcome_until: (!self.dice.one_in(8)).then(|| Time(self.now + self.dice.below(1 << 33) as i64)),
            fingerprint: self.serial,
            timers_cleared,
            timers_set,
            tasks_cleared,
            tasks_set,
        }))
    }

    fn decision(&mut self, from: Labels, to: Labels) -> Outcome {
        if !self.dice.one_in(5) {
            return Outcome::Ok { from, to, reply: Json::NULL };
        }
        let (detail, accepts) = ("no".to_string(), vec![Arc::from("x")]);
        Outcome::Rejected { reason: Rejection::NotAccepted, state: from, detail, accepts }
    }

    /// Where the event of a turn of `address` may have been.
    fn source(&mut self, address: &Address) -> Source {
        let waiting =
            self.model.mailboxes.iter().find(|((of, _), _)| of == &key(address)).map(|((_, n), _)| *n);
        if let Some(number) = waiting {
            return Source::Mailbox(number);
        }
        match self.model.outbox.keys().next() {
            Some(number) if self.dice.one_in(3) => Source::Outbox(Serial(*number)),
            _ => Source::Direct,
        }
    }

    fn timers(&mut self, instance: &mut Instance) -> (Vec<TimerKey>, Vec<TimerKey>) {
        let timer_key = |timer: &Timer| TimerKey {
            due: timer.due,
            address: instance.address.clone(),
            generation: Some(timer.generation),
        };
        let mut cleared = Vec::new();
        if self.dice.one_in(3) {
            cleared = instance.timers.iter().map(timer_key).collect();
            instance.timers.clear();
        }
        if !self.dice.one_in(3) {
            return (cleared, vec![]);
        }
        let timer = Timer {
            name: Arc::from("late"),
            due: Time(self.now + self.dice.below(1 << 22) as i64 - (1 << 21)),
            generation: Serial(self.serial()),
            to: None,
            event: Arc::from("expire"),
            data: Json::NULL,
        };
        let set = TimerKey {
            due: timer.due,
            address: instance.address.clone(),
            generation: Some(timer.generation),
        };
        instance.timers.push(timer);
        (cleared, vec![set])
    }

    fn queued(&mut self) -> Vec<Record> {
        let Some(mut instance) = self.known() else { return vec![] };
        let number = self.serial();
        instance.mailbox_len += 1;
        let source = match self.model.outbox.keys().next() {
            Some(number) => Source::Outbox(Serial(*number)),
            None => Source::Direct,
        };
        let queued = Queued {
            address: instance.address.clone(),
            number,
            event: self.event(),
            deferred: true,
            fingerprint: number,
            outcome_until: Some(Time(self.now + 1_000_000)),
            source,
        };
        let row = changed(instance);
        vec![Record::Queued(queued), Record::Row(Box::new(row))]
    }

    fn sent(&mut self) -> Record {
        let number = Serial(self.serial());
        let errand = match self.dice.below(4) {
            0 => Errand::Stop { link: number, kill: true },
            1 => Errand::Answer(number),
            _ => Errand::Event,
        };
        Record::Sent(Sent { number, to: self.address(), event: self.event(), errand })
    }

    fn dead_letter(&mut self) -> Record {
        let number = Serial(self.serial());
        let outcome = Outcome::Rejected {
            reason: Rejection::UnknownKind,
            state: labels(0),
            detail: String::new(),
            accepts: vec![],
        };
        Record::DeadLetter(DeadLetter {
            number,
            to: self.address(),
            event: self.event(),
            outcome,
            at: Time(self.now),
        })
    }

    fn gone(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(
            self.model.dead_letters.keys().next().map(|number| Record::DeadLetterGone(Serial(*number))),
        );
        records.extend(self.model.outbox.keys().next().map(|number| Record::SentGone(Serial(*number))));
        records
    }

    fn row(&mut self) -> Vec<Record> {
        let Some(mut instance) = self.known() else { return vec![] };
        let (timers_cleared, timers_set) = self.timers(&mut instance);
        let (tasks_cleared, tasks_set) = self.tasks(&mut instance);
        vec![Record::Row(Box::new(RowRecord {
            instance,
            timers_cleared,
            timers_set,
            tasks_cleared,
            tasks_set,
        }))]
    }

    fn outcome(&mut self) -> Record {
        let event = self.event();
        let outcome = OutcomeRecord {
            address: self.address(),
            fingerprint: 7,
            outcome: None,
            at: Time(self.now),
            until: Time(self.now + 5_000_000),
        };
        Record::Outcome(event.id, outcome)
    }

    /// Somebody comes to an instance or goes, as if it were a space.
    fn seat(&mut self) -> Vec<Record> {
        let Some(mut instance) = self.known() else { return vec![] };
        let space = instance.address.clone();
        let mut links = instance.links.take().unwrap_or_default();
        let there = self.model.seats_of(&space).next().map(|record| record.number);
        let (number, seat) = match there.filter(|_| self.dice.one_in(3)) {
            Some(number) => (number, None),
            None => (Serial(self.serial()), Some(Seat::Inhabitant(self.address()))),
        };
        links.seats = links.seats + u32::from(seat.is_some()) - u32::from(seat.is_none());
        instance.links = Some(links);
        let row = changed(instance);
        vec![Record::Seat(SeatRecord { space, number, seat }), Record::Row(Box::new(row))]
    }

    fn deleted(&mut self) -> Vec<Record> {
        let Some(instance) = self.known() else { return vec![] };
        let of = key(&instance.address);
        let mailbox =
            self.model.mailboxes.keys().filter(|(owner, _)| *owner == of).map(|(_, n)| *n).collect();
        let timer_key = |timer: &Timer| TimerKey {
            due: timer.due,
            address: instance.address.clone(),
            generation: Some(timer.generation),
        };
        let gone = |record: &SeatRecord| Record::Seat(SeatRecord { seat: None, ..record.clone() });
        let mut records: Vec<Record> = self.model.seats_of(&instance.address).map(gone).collect();
        records.push(Record::Deleted(DeletedRecord {
            address: instance.address.clone(),
            incarnation: instance.incarnation,
            turns: instance.turns,
            before: instance.index_keys(),
            timers_cleared: instance.timers.iter().map(timer_key).collect(),
            tasks_cleared: instance.task_keys().collect(),
            mailbox,
            expired_to: self.expired_to(&instance),
        }));
        records
    }
}

/// A row that changed, and neither its timers nor its tasks.
fn changed(instance: Instance) -> RowRecord {
    let (timers_cleared, timers_set, tasks_cleared, tasks_set) = Default::default();
    RowRecord { instance, timers_cleared, timers_set, tasks_cleared, tasks_set }
}

type Key = (String, String, String);

/// Kind, space and id: the order in which instances are listed.
fn key(address: &Address) -> Key {
    (address.kind().into(), address.space().into(), address.id().into())
}

/// What the records say, one plain map for each question.
#[derive(Default, Clone)]
pub(crate) struct Model {
    definitions: Vec<DefinitionRecord>,
    instances: BTreeMap<Key, Instance>,
    mailboxes: BTreeMap<(Key, u64), Queued>,
    history: BTreeMap<u64, (Address, HistoryEntry)>,
    pub(crate) outcomes: BTreeMap<EventId, OutcomeRecord>,
    timers: std::collections::BTreeSet<TimerKey>,
    tasks: std::collections::BTreeSet<TaskKey>,
    outbox: BTreeMap<u64, Sent>,
    dead_letters: BTreeMap<u64, DeadLetter>,
    seats: BTreeMap<(Key, u64), SeatRecord>,
    last_position: u64,
    /// Up to which position turns of a kind are gone.
    expired: BTreeMap<String, u64>,
}

impl Model {
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Definition(definition) => self.definitions.push(definition.clone()),
            Record::Turn(turn) => self.turn(turn),
            Record::Queued(queued) => {
                self.taken(queued.source, &queued.address);
                self.mailboxes.insert((key(&queued.address), queued.number), queued.clone());
                if let Some(until) = queued.outcome_until {
                    let outcome = OutcomeRecord {
                        address: queued.address.clone(),
                        fingerprint: queued.fingerprint,
                        outcome: None,
                        at: queued.event.time,
                        until,
                    };
                    self.outcomes.insert(queued.event.id.clone(), outcome);
                }
            }
            Record::Sent(sent) => {
                self.outbox.insert(sent.number.0, sent.clone());
            }
            Record::Row(row) => {
                self.instances.insert(key(&row.instance.address), row.instance.clone());
                self.timers(&row.timers_cleared, &row.timers_set);
                self.keep_tasks(&row.tasks_cleared, &row.tasks_set);
            }
            Record::DeadLetter(letter) => {
                self.dead_letters.insert(letter.number.0, letter.clone());
            }
            Record::DeadLetterGone(number) => {
                self.dead_letters.remove(&number.0);
            }
            Record::Seat(record) => {
                let key = (key(&record.space), record.number.0);
                match &record.seat {
                    Some(_) => drop(self.seats.insert(key, record.clone())),
                    None => drop(self.seats.remove(&key)),
                }
            }
            Record::Outcome(id, outcome) => {
                self.outcomes.insert(id.clone(), outcome.clone());
            }
            Record::SentGone(number) => {
                self.outbox.remove(&number.0);
            }
            Record::Deleted(deleted) => {
                self.instances.remove(&key(&deleted.address));
                self.mailboxes.retain(|(of, _), _| *of != key(&deleted.address));
                self.history.retain(|_, (of, _)| *of != deleted.address);
                self.timers(&deleted.timers_cleared, &[]);
                self.keep_tasks(&deleted.tasks_cleared, &[]);
                self.has_expired(deleted.address.kind(), deleted.expired_to);
            }
            Record::Trimmed(trimmed) => self.trim(trimmed),
        }
    }

    fn turn(&mut self, turn: &TurnRecord) {
        let address = &turn.instance.address;
        self.taken(turn.source, address);
        self.instances.insert(key(address), turn.instance.clone());
        self.history.insert(turn.entry.position, (address.clone(), turn.entry.clone()));
        self.last_position = turn.entry.position;
        self.timers(&turn.timers_cleared, &turn.timers_set);
        self.keep_tasks(&turn.tasks_cleared, &turn.tasks_set);
        if let Some(until) = turn.outcome_until {
            let outcome = OutcomeRecord {
                address: address.clone(),
                fingerprint: turn.fingerprint,
                outcome: Some(turn.entry.outcome.clone()),
                at: turn.entry.at,
                until,
            };
            self.outcomes.insert(turn.entry.cause.id().clone(), outcome);
        }
    }

    fn taken(&mut self, source: Source, address: &Address) {
        match source {
            Source::Direct => {}
            Source::Mailbox(number) => {
                self.mailboxes.remove(&(key(address), number));
            }
            Source::Outbox(number) => {
                self.outbox.remove(&number.0);
            }
        }
    }

    fn timers(&mut self, cleared: &[TimerKey], set: &[TimerKey]) {
        cleared.iter().for_each(|timer| {
            self.timers.remove(timer);
        });
        self.timers.extend(set.iter().cloned());
    }

    /// Compares every question of the contract.
    pub(crate) fn check(&self, reader: &dyn Reader) {
        assert_eq!(reader.definitions().unwrap(), self.definitions);
        for (of, instance) in &self.instances {
            let mailbox: Vec<_> =
                self.mailboxes.iter().filter(|((owner, _), _)| owner == of).map(|(_, q)| q.clone()).collect();
            let found = reader.instance(&instance.address).unwrap();
            assert_eq!(found, Some((instance.clone(), mailbox)));
            let history: Vec<_> = self.history.values().filter(|(a, _)| *a == instance.address).collect();
            for after in [0, 1, history.len() as u64 / 2] {
                let expected: Vec<_> = history
                    .iter()
                    .filter(|(_, entry)| entry.sequence > after)
                    .take(7)
                    .map(|(_, entry)| entry.clone())
                    .collect();
                assert_eq!(reader.history(&instance.address, after, 7).unwrap(), expected);
            }
        }
        let missing = Address::parse("orders/not-there").expect("an address");
        assert_eq!(reader.instance(&missing).unwrap(), None);
        let turns: Vec<_> = self.history.values().cloned().collect();
        assert_eq!(reader.turns(0, usize::MAX).unwrap(), turns);
        let middle = self.last_position / 2;
        let expected: Vec<_> =
            self.history.range(middle + 1..).take(5).map(|(_, turn)| turn.clone()).collect();
        assert_eq!(reader.turns(middle, 5).unwrap(), expected);
        self.check_numbered(reader);
        self.check_tasks(reader);
        self.check_retention(reader);
        let received = self.received();
        for query in queries(&self.instances) {
            self.check_list(reader, &query, &received);
            self.check_order(reader, &query, &received);
        }
        let summary = reader.summary().unwrap();
        assert_eq!(summary.last_position, self.last_position);
        assert_eq!(summary.instances, self.instances.len() as u64);
        assert_eq!(summary.dead_letters, self.dead_letters.len() as u64);
        let mut census: BTreeMap<(String, Arc<str>), u64> = BTreeMap::new();
        for instance in self.instances.values() {
            for label in instance.labels.iter() {
                *census.entry((instance.address.kind().into(), label.clone())).or_default() += 1;
            }
        }
        let found = reader.census().into_iter().map(|(kind, state, count)| ((kind, state), count));
        assert_eq!(found.collect::<Vec<_>>(), census.into_iter().collect::<Vec<_>>());
    }

    fn check_numbered(&self, reader: &dyn Reader) {
        let latest = self.history.values().map(|(_, entry)| entry.at).max().unwrap_or(Time(0));
        for (id, outcome) in &self.outcomes {
            let expected = Some(outcome.clone()).filter(|outcome| outcome.until > latest);
            assert_eq!(reader.outcome(id, latest).unwrap(), expected, "outcome of {id}");
            let recent = reader.recent_outcome(id, latest).unwrap();
            assert!(recent.is_none() || recent == expected, "recent outcome of {id}");
        }
        let timers: Vec<_> = self.timers.iter().cloned().collect();
        assert_eq!(reader.timers(None, usize::MAX).unwrap(), timers);
        if let Some(middle) = timers.get(timers.len() / 2) {
            assert_eq!(
                reader.timers(Some(middle), 3).unwrap(),
                timers[timers.len() / 2 + 1..].iter().take(3).cloned().collect::<Vec<_>>()
            );
        }
        let outbox: Vec<_> = self.outbox.values().cloned().collect();
        assert_eq!(reader.outbox(None, usize::MAX).unwrap(), outbox);
        let letters: Vec<_> = self.dead_letters.values().cloned().collect();
        assert_eq!(reader.dead_letters(None, usize::MAX).unwrap(), letters);
        if let Some(first) = letters.first() {
            assert_eq!(
                reader.dead_letters(Some(first.number), 2).unwrap(),
                letters[1..].iter().take(2).cloned().collect::<Vec<_>>()
            );
        }
    }

    /// What a space holds, ascending by number.
    pub(crate) fn seats_of(&self, space: &Address) -> impl Iterator<Item = &SeatRecord> {
        let key = key(space);
        self.seats.range((key.clone(), 0)..=(key, u64::MAX)).map(|(_, record)| record)
    }

    /// What the kernel would bring in.
    pub(crate) fn touches(&self) -> Touches {
        Touches {
            addresses: self.instances.values().map(|instance| instance.address.clone()).collect(),
            ids: self.outcomes.keys().cloned().collect(),
        }
    }
}
