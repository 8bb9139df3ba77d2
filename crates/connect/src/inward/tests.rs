//! The way in between a queue and a server that misbehave in every way that queues and servers do. Time is virtual.

mod faults;

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use tokio::time::Instant;

/// What a server does to a batch.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It is away.
    Refuse,
    /// It commits, and the answer is lost.
    AfterCommit,
    /// It takes its time.
    Late(u64),
}

/// A server in memory: what it has applied, in order, each id once.
#[derive(Default)]
struct Ledger {
    applied: RefCell<Vec<(String, String)>>,
    seen: RefCell<HashSet<String>>,
    faults: RefCell<VecDeque<Fault>>,
    /// Refused one by one so many times more, by address.
    busy: RefCell<BTreeMap<String, u32>>,
    batches: Cell<u32>,
}

impl Ledger {
    fn with(faults: &[Fault]) -> Ledger {
        Ledger { faults: RefCell::new(faults.iter().copied().collect()), ..Ledger::default() }
    }

    fn verdict(&self, item: &Item) -> Verdict {
        if let Some(left) = self.busy.borrow_mut().get_mut(&item.address).filter(|left| **left > 0) {
            *left -= 1;
            return Verdict::Again("busy".into());
        }
        if item.address.starts_with("nobody/") {
            return Verdict::Never("unknown-kind: there is no definition of that kind".into());
        }
        let id = item.event.as_option().unwrap().id.clone();
        let duplicate = !self.seen.borrow_mut().insert(id.clone());
        if !duplicate {
            self.applied.borrow_mut().push((item.address.clone(), id));
        }
        Verdict::Committed { duplicate }
    }

    fn of(&self, address: &str) -> Vec<String> {
        let applied = self.applied.borrow();
        applied.iter().filter(|(to, _)| to == address).map(|(_, id)| id.clone()).collect()
    }
}

impl Door for &Ledger {
    async fn commit(&self, items: Vec<Item>) -> Result<Vec<Verdict>, Trouble> {
        let addresses: BTreeSet<&str> = items.iter().map(|item| item.address.as_str()).collect();
        assert_eq!(addresses.len(), items.len(), "of an instance only one event is on its way");
        self.batches.set(self.batches.get() + 1);
        let fault = self.faults.borrow_mut().pop_front();
        match fault {
            Some(Fault::Refuse) => return Err(Trouble::again("away")),
            Some(Fault::Late(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Some(Fault::AfterCommit) | None => {}
        }
        let verdicts = items.iter().map(|item| self.verdict(item)).collect();
        match fault {
            Some(Fault::AfterCommit) => Err(Trouble::again("the connection broke")),
            _ => Ok(verdicts),
        }
    }
}

const HOLD: Duration = Duration::from_secs(3);

/// A queue in memory that gives messages out in order, and again when they were not acknowledged in time.
struct Queue<'a> {
    ledger: &'a Ledger,
    messages: RefCell<BTreeMap<usize, Message>>,
    /// Until when each that is out is not given out again.
    out: RefCell<BTreeMap<usize, Instant>>,
    acknowledged: RefCell<Vec<String>>,
    dead: RefCell<Vec<(String, String)>>,
    most_out: Cell<usize>,
    again: Cell<u32>,
    /// So many of the next calls fail.
    deaf: Cell<u32>,
    forgetful: Cell<u32>,
    full: Cell<u32>,
    /// Every so many-th message is given out twice.
    twice: usize,
}

impl<'a> Queue<'a> {
    fn new(ledger: &'a Ledger, bodies: impl IntoIterator<Item = String>) -> Queue<'a> {
        let message = |(at, body): (usize, String)| {
            (at, Message { id: format!("m{at}"), receipt: String::new(), body: body.into_bytes() })
        };
        Queue {
            ledger,
            messages: RefCell::new(bodies.into_iter().enumerate().map(message).collect()),
            out: RefCell::default(),
            acknowledged: RefCell::default(),
            dead: RefCell::default(),
            most_out: Cell::new(0),
            again: Cell::new(0),
            deaf: Cell::new(0),
            forgetful: Cell::new(0),
            full: Cell::new(0),
            twice: usize::MAX,
        }
    }

    /// Whoever had messages is gone; a FIFO queue gives them out before any later one of their group.
    fn crash(&self) {
        self.out.borrow_mut().clear();
    }

    async fn empty(&self) {
        while !self.messages.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    }

    fn fails(count: &Cell<u32>) -> Result<(), Trouble> {
        let left = count.get();
        count.set(left.saturating_sub(1));
        if left > 0 { Err(Trouble::again("a hiccup")) } else { Ok(()) }
    }

    fn at(receipt: &str) -> usize {
        receipt.parse().unwrap()
    }
}

impl Source for &Queue<'_> {
    fn hold(&self) -> Option<Duration> {
        Some(HOLD)
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble> {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Queue::fails(&self.deaf)?;
        let (now, mut given) = (Instant::now(), Vec::new());
        let mut out = self.out.borrow_mut();
        for (at, message) in self.messages.borrow().iter() {
            if given.len() >= max {
                break;
            }
            match out.insert(*at, now + HOLD) {
                Some(until) if until > now => drop(out.insert(*at, until)),
                before => {
                    self.again.set(self.again.get() + u32::from(before.is_some()));
                    let message = Message { receipt: at.to_string(), ..message.clone() };
                    if at % self.twice == self.twice - 1 && given.len() + 1 < max {
                        given.push(message.clone());
                    }
                    given.push(message);
                }
            }
        }
        self.most_out.set(self.most_out.get().max(out.len()));
        Ok(given)
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble> {
        Queue::fails(&self.forgetful)?;
        for receipt in receipts {
            let at = Queue::at(receipt);
            self.out.borrow_mut().remove(&at);
            let Some(message) = self.messages.borrow_mut().remove(&at) else { continue };
            let dead = self.dead.borrow().iter().any(|(id, _)| *id == message.id);
            let safe = self.ledger.seen.borrow().contains(&message.id) || dead;
            assert!(safe, "{} is acknowledged and nowhere safe", message.id);
            self.acknowledged.borrow_mut().push(message.id);
        }
        Ok(())
    }

    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble> {
        let until = Instant::now() + HOLD;
        for receipt in receipts {
            if let Some(out) = self.out.borrow_mut().get_mut(&Queue::at(receipt)) {
                *out = until;
            }
        }
        Ok(())
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble> {
        for receipt in receipts {
            self.out.borrow_mut().remove(&Queue::at(receipt));
        }
        Ok(())
    }

    async fn reject(&self, message: &Message, reason: &str) -> Result<(), Trouble> {
        Queue::fails(&self.full)?;
        self.dead.borrow_mut().push((message.id.clone(), reason.to_owned()));
        Ok(())
    }
}

fn event(address: &str) -> String {
    format!(r#"{{"address": "{address}", "event": {{"name": "go"}}}}"#)
}

/// `count` events round robin over so many instances: message `n` is for `lamps/{n % instances}`.
fn events(count: usize, instances: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |at| event(&format!("lamps/{}", at % instances)))
}

fn expected(count: usize, instances: usize, instance: usize) -> Vec<String> {
    (0..count).filter(|at| at % instances == instance).map(|at| format!("m{at}")).collect()
}

fn driver<'q>(queue: &'q Queue<'q>, in_flight: usize) -> Inward<&'q Queue<'q>, &'q Ledger> {
    Inward::new("in", queue, queue.ledger, Form::Json, in_flight, Rc::new(|_| {}))
}

async fn all(queue: &Queue<'_>, in_flight: usize) -> InwardTally {
    driver(queue, in_flight).run(queue.empty()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_event_is_applied_once_and_in_order_whatever_fails() {
    use Fault::{AfterCommit, Late, Refuse};
    let faults =
        [Refuse, Late(900), AfterCommit, Refuse, Refuse, Late(5_000), AfterCommit, AfterCommit, Late(1)];
    let ledger = Ledger::with(&faults);
    let mut queue = Queue::new(&ledger, events(300, 10));
    queue.twice = 7;
    queue.deaf.set(3);
    queue.forgetful.set(2);
    let tally = all(&queue, 50).await;
    for instance in 0..10 {
        assert_eq!(ledger.of(&format!("lamps/{instance}")), expected(300, 10, instance));
    }
    assert_eq!(ledger.applied.borrow().len(), 300);
    assert_eq!(queue.acknowledged.borrow().len(), 300);
    assert_eq!(tally.committed + tally.duplicates, 300, "each message is told once: {tally:?}");
    // What was committed with a lost answer was a duplicate the next time: at most a batch for each such answer.
    assert!((1..=30).contains(&tally.duplicates), "{tally:?}");
    assert_eq!((tally.rejected, tally.given_back), (0, 0));
    assert_eq!(*queue.dead.borrow(), []);
}

#[tokio::test(start_paused = true)]
async fn without_faults_nothing_is_done_twice() {
    let ledger = Ledger::default();
    let queue = Queue::new(&ledger, events(1_000, 100));
    let tally = all(&queue, 200).await;
    let whole = InwardTally { received: 1_000, committed: 1_000, ..InwardTally::default() };
    assert_eq!(tally, whole);
    assert!(ledger.batches.get() <= 100, "events of many instances go together: {}", ledger.batches.get());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_goes_to_the_dead_letter_queue_with_the_reason() {
    let ledger = Ledger::default();
    let bodies = [
        event("lamps/1"),
        "{".into(),
        event("nobody/1"),
        r#"{"address": "lamps/1", "event": {"name": "go"}, "evnt": 1}"#.into(),
        event("nobody/1"),
        event("lamps/1"),
    ];
    let queue = Queue::new(&ledger, bodies);
    queue.full.set(2);
    let tally = all(&queue, 10).await;
    assert_eq!((tally.received, tally.committed, tally.rejected), (6, 2, 4));
    let mut dead = queue.dead.borrow().clone();
    dead.sort();
    let dead: Vec<(&str, &str)> = dead.iter().map(|(id, reason)| (id.as_str(), reason.as_str())).collect();
    assert_eq!(
        dead,
        [
            ("m1", "body is no event: EOF while parsing an object at line 1 column 1"),
            ("m2", "unknown-kind: there is no definition of that kind"),
            (
                "m3",
                "body is no event: unknown field `evnt`, expected `address` or `event` at line 1 column 54"
            ),
            ("m4", "unknown-kind: there is no definition of that kind"),
        ]
    );
    assert_eq!(queue.acknowledged.borrow().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_busy_instance_keeps_nobody_else_waiting() {
    let ledger = Ledger::default();
    ledger.busy.borrow_mut().insert("lamps/0".into(), 8);
    let queue = Queue::new(&ledger, events(40, 4));
    all(&queue, 40).await;
    let order: Vec<String> = ledger.applied.borrow().iter().map(|(address, _)| address.clone()).collect();
    assert_eq!(ledger.of("lamps/0"), expected(40, 4, 0));
    assert!(order[..30].iter().all(|address| address != "lamps/0"), "{order:?}");
    assert_eq!(queue.again.get(), 0, "what is held is kept");
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_was_allowed_and_what_is_held_is_kept() {
    let ledger = Ledger::with(&[Fault::Late(20_000), Fault::Refuse, Fault::Late(20_000)]);
    let queue = Queue::new(&ledger, events(100, 5));
    let tally = all(&queue, 10).await;
    assert_eq!(queue.most_out.get(), 10);
    assert_eq!(
        queue.again.get(),
        0,
        "a server that takes longer than the queue holds messages changes nothing"
    );
    assert_eq!((tally.received, tally.committed), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_nobody_has_begun_with() {
    let ledger = Ledger::with(&[Fault::Late(1_000)]);
    let queue = Queue::new(&ledger, events(20, 1));
    let stop = tokio::time::sleep(Duration::from_millis(500));
    let tally = driver(&queue, 20).run(stop).await.unwrap();
    // The one on its way is finished, and acknowledged.
    assert_eq!((tally.committed, tally.given_back), (1, 19));
    assert!(queue.out.borrow().is_empty());
    let tally = all(&queue, 20).await;
    assert_eq!((tally.received, tally.committed), (19, 19));
    assert_eq!(ledger.of("lamps/0"), expected(20, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn crashes_at_any_moment_lose_nothing_and_repeat_nothing() {
    for crash_after in 1..60 {
        let ledger = Ledger::with(&[Fault::Late(9), Fault::AfterCommit, Fault::Late(4), Fault::Refuse]);
        let mut queue = Queue::new(&ledger, events(60, 6));
        queue.twice = 5;
        queue.forgetful.set(1);
        let mut crashes = 0;
        loop {
            let driver = driver(&queue, 12);
            // Longer each time, so that it comes to an end.
            let life = Duration::from_millis(crash_after + crashes * 3);
            let run = driver.run(queue.empty());
            if let Ok(tally) = tokio::time::timeout(life, run).await {
                tally.unwrap();
                break;
            }
            crashes += 1;
            queue.crash();
        }
        for instance in 0..6 {
            assert_eq!(ledger.of(&format!("lamps/{instance}")), expected(60, 6, instance), "{crash_after}");
        }
        assert_eq!(queue.acknowledged.borrow().len(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_an_error() {
    struct Gone;
    impl Source for Gone {
        fn hold(&self) -> Option<Duration> {
            None
        }
        async fn receive(&self, _: usize) -> Result<Vec<Message>, Trouble> {
            Err(Trouble::lasting("the queue was deleted"))
        }
        async fn acknowledge(&self, _: &[String]) -> Result<(), Trouble> {
            Ok(())
        }
        async fn keep(&self, _: &[String]) -> Result<(), Trouble> {
            Ok(())
        }
        async fn give_back(&self, _: &[String]) -> Result<(), Trouble> {
            Ok(())
        }
        async fn reject(&self, _: &Message, _: &str) -> Result<(), Trouble> {
            Ok(())
        }
    }
    let ledger = Ledger::default();
    let driver = Inward::new("in", Gone, &ledger, Form::Json, 10, Rc::new(|_| {}));
    let error = driver.run(std::future::pending()).await.unwrap_err();
    assert_eq!(error, Trouble::lasting("the queue was deleted"));
}
