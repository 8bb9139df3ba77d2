//! The way out between a history and a destination that misbehaves. Time is virtual.

mod faults;

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// What a destination does to a delivery.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Takes nothing.
    Refuse,
    /// Takes all, and says it did not.
    AfterTaking,
    /// Takes every second one.
    Half,
    /// Takes its time.
    Late(u64),
    /// Takes all, and answers nothing.
    Mute,
}

/// A node's history, and the cursor that is kept in it.
struct History {
    turns: Vec<api::Turn>,
    cursor: Cell<u64>,
    kept: RefCell<Vec<u64>>,
    taken: Rc<Taken>,
    choice: Choice,
    /// So many of the next cursors cannot be kept.
    full: Cell<u32>,
}

#[derive(Default)]
struct Taken {
    /// Address and position, in the order in which they were taken.
    all: RefCell<Vec<(String, u64)>>,
    faults: RefCell<VecDeque<Fault>>,
    deliveries: Cell<u32>,
}

fn turn(cursor: u64, address: &str, code: Code) -> api::Turn {
    let outcome = api::Outcome { code: code.into(), reason: "not-accepted".into(), ..Default::default() };
    let event = api::Event { id: format!("e{cursor}"), name: "go".into(), ..Default::default() };
    api::Turn {
        address: address.into(),
        cursor,
        sequence: cursor,
        event: Some(event).into(),
        outcome: Some(outcome).into(),
        ..Default::default()
    }
}

/// Turns of so many instances round robin; every third is refused, every ninth fails.
fn turns(count: u64, instances: u64) -> Vec<api::Turn> {
    let code = |n: u64| match n {
        n if n % 9 == 0 => Code::CODE_FAILED,
        n if n % 3 == 0 => Code::CODE_REJECTED,
        _ => Code::CODE_OK,
    };
    (1..=count).map(|n| turn(n, &format!("lamps/{}", n % instances), code(n))).collect()
}

impl History {
    fn new(turns: Vec<api::Turn>, choice: Choice, faults: &[Fault]) -> Rc<History> {
        let taken = Taken { faults: RefCell::new(faults.iter().copied().collect()), ..Taken::default() };
        Rc::new(History {
            turns,
            cursor: Cell::new(0),
            kept: RefCell::default(),
            taken: Rc::new(taken),
            choice,
            full: Cell::new(0),
        })
    }

    fn wanted(&self) -> Vec<(String, u64)> {
        let wanted = self.turns.iter().filter(|turn| self.choice.wants(turn));
        wanted.map(|turn| (turn.address.clone(), turn.cursor)).collect()
    }

    /// All that was wanted has been taken, and the cursor kept.
    fn is_done(&self) -> bool {
        let (wanted, taken) = (self.wanted(), self.taken.all.borrow());
        wanted.iter().all(|one| taken.contains(one))
            && wanted.last().is_none_or(|last| self.cursor.get() >= last.1)
    }

    async fn done(&self) {
        while !self.is_done() {
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    }

    /// None of an instance was taken before an earlier one of it had been.
    fn assert_order(&self) {
        let taken = self.taken.all.borrow();
        for (at, (address, cursor)) in taken.iter().enumerate() {
            for earlier in self.wanted().iter().filter(|(of, n)| of == address && n < cursor) {
                assert!(taken[..at].contains(earlier), "{address}: {cursor} before {}", earlier.1);
            }
        }
    }
}

struct Reading(Rc<History>, usize);

impl Outbox for Reading {
    async fn open(&self) -> Result<u64, Trouble> {
        Ok(self.0.cursor.get())
    }

    async fn next(&mut self) -> Result<Heard, Trouble> {
        let since = self.0.cursor.get();
        if self.1 == 0 {
            self.1 = self.0.turns.partition_point(|turn| turn.cursor <= since);
        }
        let Some(turn) = self.0.turns.get(self.1) else { return std::future::pending().await };
        self.1 += 1;
        Ok(Heard::Turn(Box::new(turn.clone())))
    }

    fn shelf(&self) -> impl Shelf + 'static {
        Keeping(self.0.clone())
    }
}

struct Keeping(Rc<History>);

impl Shelf for Keeping {
    async fn keep(&self, cursor: u64) -> Result<(), Trouble> {
        if self.0.full.get() > 0 {
            self.0.full.set(self.0.full.get() - 1);
            return Err(Trouble::again("a hiccup"));
        }
        assert!(cursor > self.0.cursor.get(), "{cursor} after {}", self.0.cursor.get());
        let taken = self.0.taken.all.borrow();
        for one in self.0.wanted().iter().filter(|(_, n)| *n <= cursor) {
            assert!(taken.contains(one), "the cursor {cursor} passes {one:?}");
        }
        self.0.cursor.set(cursor);
        self.0.kept.borrow_mut().push(cursor);
        Ok(())
    }
}

struct Destination(Rc<Taken>);

impl Sink for Destination {
    fn batch_max(&self) -> usize {
        4
    }

    fn parallel(&self) -> usize {
        3
    }

    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        self.0.deliveries.set(self.0.deliveries.get() + 1);
        let fault = self.0.faults.borrow_mut().pop_front();
        tokio::time::sleep(Duration::from_millis(match fault {
            Some(Fault::Late(millis)) => millis,
            _ => 1,
        }))
        .await;
        let refused = || Err(Trouble::again("refused"));
        let mut results = Vec::new();
        for (at, one) in batch.iter().enumerate() {
            let takes = match fault {
                Some(Fault::Refuse) => false,
                Some(Fault::Half) => at % 2 == 0,
                _ => true,
            };
            if takes {
                self.0.all.borrow_mut().push((one.address.to_string(), one.cursor));
            }
            match fault {
                Some(Fault::Mute) => {}
                Some(Fault::AfterTaking) => results.push(refused()),
                _ => results.push(if takes { Ok(()) } else { refused() }),
            }
        }
        results
    }
}

fn driver(history: &History, in_flight: usize) -> Outward<Destination> {
    let sink = Destination(history.taken.clone());
    Outward::new("out", sink, history.choice.clone(), Form::Json, in_flight, Rc::new(|_| {}))
}

async fn all(history: &Rc<History>, in_flight: usize) -> OutwardTally {
    driver(history, in_flight).run(Reading(history.clone(), 0), history.done()).await.unwrap()
}

const FAULTS: [Fault; 9] = [
    Fault::Refuse,
    Fault::Half,
    Fault::AfterTaking,
    Fault::Late(2_500),
    Fault::Mute,
    Fault::Half,
    Fault::Refuse,
    Fault::AfterTaking,
    Fault::Late(40),
];

#[tokio::test(start_paused = true)]
async fn refused_and_failed_events_are_told_and_nothing_else() {
    let history = History::new(turns(90, 7), Choice::default(), &[]);
    let tally = all(&history, 20).await;
    let mut taken = history.taken.all.borrow().clone();
    taken.sort_by_key(|(_, cursor)| *cursor);
    let thirds: Vec<(String, u64)> = (1..=30).map(|n| (format!("lamps/{}", n * 3 % 7), n * 3)).collect();
    assert_eq!(taken, thirds);
    assert_eq!(tally, OutwardTally { delivered: 30, repeated: 0, cursor: 90 });
    history.assert_order();
}

#[tokio::test(start_paused = true)]
async fn all_turns_and_some_kinds_are_told_when_wanted() {
    let mut mixed = turns(40, 4);
    mixed.push(turn(41, "rooms:doors/1", Code::CODE_OK));
    mixed.push(turn(42, "connector-cursor/out", Code::CODE_FAILED));
    mixed.push(turn(43, "doors/2", Code::CODE_PENDING));
    let everything = History::new(mixed.clone(), Choice { all: true, kinds: Vec::new() }, &[]);
    let tally = all(&everything, 100).await;
    assert_eq!((tally.delivered, tally.cursor), (42, 43), "but for turns that keep cursors");
    let doors = History::new(mixed, Choice { all: true, kinds: vec!["doors".into()] }, &[]);
    all(&doors, 100).await;
    let taken: Vec<u64> = doors.taken.all.borrow().iter().map(|(_, cursor)| *cursor).collect();
    assert_eq!(taken, [41, 43]);
}

#[tokio::test(start_paused = true)]
async fn every_notification_arrives_in_order_whatever_fails() {
    let history = History::new(turns(200, 9), Choice { all: true, kinds: Vec::new() }, &FAULTS);
    history.full.set(2);
    let tally = all(&history, 30).await;
    history.assert_order();
    assert_eq!((tally.delivered, tally.cursor), (200, 200));
    let mut once = history.taken.all.borrow().clone();
    once.sort_by_key(|(_, cursor)| *cursor);
    once.dedup();
    assert_eq!(once.len(), 200);
    // What was taken and not said so came once more: three deliveries of at most four.
    let twice = history.taken.all.borrow().len() - 200;
    assert!((1..=12).contains(&twice), "{twice}");
}

#[tokio::test(start_paused = true)]
async fn the_cursor_is_kept_now_and_then_and_at_the_end() {
    let history =
        History::new(turns(300, 300), Choice { all: true, kinds: Vec::new() }, &[Fault::Late(3_500)]);
    all(&history, 1_000).await;
    let kept = history.kept.borrow().clone();
    assert_eq!(kept.last(), Some(&300));
    assert!(kept.len() <= 4, "once a second at most: {kept:?}");
}

#[tokio::test(start_paused = true)]
async fn crashes_at_any_moment_skip_nothing() {
    for crash_after in 1..60 {
        let history = History::new(turns(60, 5), Choice { all: true, kinds: Vec::new() }, &FAULTS);
        let mut crashes = 0;
        loop {
            let driver = driver(&history, 8);
            let life = Duration::from_millis(crash_after + crashes * 40);
            let run = driver.run(Reading(history.clone(), 0), history.done());
            if let Ok(tally) = tokio::time::timeout(life, run).await {
                tally.unwrap();
                break;
            }
            crashes += 1;
        }
        assert_eq!(history.cursor.get(), 60);
        history.assert_order();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_on_its_way_and_keeps_the_cursor() {
    let faults = [Fault::Late(800)];
    let history = History::new(turns(4, 4), Choice { all: true, kinds: Vec::new() }, &faults);
    let stop = tokio::time::sleep(Duration::from_millis(100));
    let tally = driver(&history, 10).run(Reading(history.clone(), 0), stop).await.unwrap();
    assert!(tally.delivered >= 1 && tally.cursor >= 1, "{tally:?}");
    assert_eq!(history.cursor.get(), tally.cursor);
}
