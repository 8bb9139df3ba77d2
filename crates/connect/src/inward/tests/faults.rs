//! One fault at a time, at each thing that the way in asks of a queue and of a server, with exactly what follows from it.
//!
//! The queue is FIFO within a group, as SQS and a stream are: while a message is out, later ones of its instance wait.

use super::{HOLD, Ledger, event};
use crate::body::{Form, Item};
use crate::door::{Door, Verdict};
use crate::inward::{Inward, InwardTally};
use crate::source::{Message, Source};
use crate::trouble::Trouble;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Receive,
    Commit,
    Acknowledge,
    Keep,
    GiveBack,
    Reject,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing is done, and it says so.
    Refuse,
    /// It is done after this many milliseconds.
    Delay(u64),
    /// It is done twice, as when a message arrives twice.
    Duplicate,
    /// It is done, and says that it was not.
    AfterDone,
}

/// Which call fails, the how-manieth of its sort, and how.
#[derive(Debug, Clone, Copy)]
struct Plan(Call, u32, Fault);

/// Two instances of which each event takes long enough for what is held to have to be kept.
const SLOW: Duration = Duration::from_millis(1_400);

struct World {
    plan: Option<Plan>,
    calls: RefCell<BTreeMap<&'static str, u32>>,
    ledger: Ledger,
    slow: bool,
    waiting: RefCell<BTreeMap<usize, (String, Message)>>,
    out: RefCell<BTreeMap<usize, Instant>>,
    dead: RefCell<Vec<String>>,
    /// Deliveries after the first one of a message.
    again: Cell<u32>,
}

/// Twelve events for three instances in turns, one body that is no event, and one event for nobody.
const EVENTS: usize = 12;

/// What happens when nothing goes wrong.
const CALM: InwardTally =
    InwardTally { received: 14, committed: 12, duplicates: 0, rejected: 2, given_back: 0 };

impl World {
    fn new(plan: Option<Plan>, slow: bool) -> World {
        let events = (0..EVENTS).map(|at| (format!("lamps/{}", at % 3), event(&format!("lamps/{}", at % 3))));
        let strays = [("junk".to_owned(), "{".to_owned()), ("nobody/1".to_owned(), event("nobody/1"))];
        let message = |(at, (group, body)): (usize, (String, String))| {
            let message = Message { id: format!("m{at}"), receipt: at.to_string(), body: body.into_bytes() };
            (at, (group, message))
        };
        World {
            plan,
            calls: RefCell::default(),
            ledger: Ledger::default(),
            slow,
            waiting: RefCell::new(events.chain(strays).enumerate().map(message).collect()),
            out: RefCell::default(),
            dead: RefCell::default(),
            again: Cell::new(0),
        }
    }

    /// Does it as the plan says; `again` does it once more.
    async fn called<T>(
        &self,
        call: Call,
        name: &'static str,
        act: impl Fn() -> T,
        again: impl Fn(T) -> T,
    ) -> Result<T, Trouble> {
        let number = {
            let mut calls = self.calls.borrow_mut();
            let number = calls.entry(name).or_default();
            *number += 1;
            *number
        };
        let planned = self.plan.filter(|Plan(of, at, _)| *of == call && *at == number);
        match planned.map(|Plan(_, _, fault)| fault) {
            None => Ok(act()),
            Some(Fault::Refuse) => Err(Trouble::again("refused")),
            Some(Fault::Delay(millis)) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(act())
            }
            Some(Fault::Duplicate) => Ok(again(act())),
            Some(Fault::AfterDone) => {
                act();
                Err(Trouble::again("the answer was lost"))
            }
        }
    }

    fn give(&self, max: usize) -> Vec<Message> {
        let (now, mut given) = (Instant::now(), Vec::new());
        let mut out = self.out.borrow_mut();
        let held = |out: &BTreeMap<usize, Instant>, at: &usize| out.get(at).is_some_and(|until| *until > now);
        let waiting = self.waiting.borrow();
        let groups: Vec<&String> =
            waiting.iter().filter(|(at, _)| held(&out, at)).map(|(_, (group, _))| group).collect();
        for (at, (group, message)) in waiting.iter() {
            if given.len() == max {
                break;
            }
            if !groups.contains(&group) {
                self.again.set(self.again.get() + u32::from(out.insert(*at, now + HOLD).is_some()));
                given.push(message.clone());
            }
        }
        given
    }

    fn take_away(&self, receipts: &[String]) {
        for receipt in receipts {
            let at: usize = receipt.parse().unwrap();
            self.out.borrow_mut().remove(&at);
            self.waiting.borrow_mut().remove(&at);
        }
    }

    fn visible_in(&self, receipts: &[String], span: Duration) {
        let until = Instant::now() + span;
        for receipt in receipts {
            if let Some(out) = self.out.borrow_mut().get_mut(&receipt.parse().unwrap()) {
                *out = until;
            }
        }
    }

    async fn empty(&self) {
        while !self.waiting.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    }

    async fn run(&self, stop: impl Future<Output = ()>) -> InwardTally {
        let driver = Inward::new("in", self, self, Form::Json, 6, Rc::new(|_| {}));
        driver.run(stop).await.unwrap()
    }

    #[track_caller]
    fn assert_applied_once_and_in_order(&self, plan: &dyn std::fmt::Debug) {
        for instance in 0..3 {
            let sent: Vec<String> =
                (0..EVENTS).filter(|at| at % 3 == instance).map(|at| format!("m{at}")).collect();
            assert_eq!(self.ledger.of(&format!("lamps/{instance}")), sent, "{plan:?}");
        }
        assert_eq!(self.ledger.applied.borrow().len(), EVENTS, "{plan:?}");
    }
}

impl Source for &World {
    fn hold(&self) -> Option<Duration> {
        Some(HOLD)
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble> {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let twice = |one: Vec<Message>| [one.clone(), one].concat();
        self.called(Call::Receive, "receive", || self.give(max), twice).await
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble> {
        let take_away = || self.take_away(receipts);
        self.called(Call::Acknowledge, "acknowledge", take_away, |()| take_away()).await
    }

    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble> {
        let keep = || self.visible_in(receipts, HOLD);
        self.called(Call::Keep, "keep", keep, |()| keep()).await
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble> {
        let give_back = || self.visible_in(receipts, Duration::ZERO);
        self.called(Call::GiveBack, "give back", give_back, |()| give_back()).await
    }

    async fn reject(&self, message: &Message, _: &str) -> Result<(), Trouble> {
        let keep = || self.dead.borrow_mut().push(message.id.clone());
        self.called(Call::Reject, "reject", keep, |()| keep()).await
    }
}

impl Door for &World {
    async fn commit(&self, items: Vec<Item>) -> Result<Vec<Verdict>, Trouble> {
        if self.slow {
            tokio::time::sleep(SLOW).await;
        }
        let verdicts = || items.iter().map(|item| self.ledger.verdict(item)).collect();
        self.called(Call::Commit, "commit", verdicts, |_| verdicts()).await
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_exactly_its_consequences() {
    use Call::{Acknowledge, Commit, Receive, Reject};
    use Fault::{AfterDone, Delay, Duplicate, Refuse};
    // Besides the tally of a calm day: letters in the dead-letter queue, and deliveries after the first.
    let cases: [(Option<Plan>, InwardTally, usize, u32); 17] = [
        (None, CALM, 2, 0),
        (Some(Plan(Receive, 1, Refuse)), CALM, 2, 0),
        (Some(Plan(Receive, 1, Delay(9_000))), CALM, 2, 0),
        // Six messages twice: the newer delivery stands for both.
        (Some(Plan(Receive, 1, Duplicate)), InwardTally { received: 20, ..CALM }, 2, 0),
        // Six messages that nobody has got; they come again after their time, and nothing overtakes them.
        (Some(Plan(Receive, 1, AfterDone)), CALM, 2, 6),
        (Some(Plan(Commit, 1, Refuse)), CALM, 2, 0),
        (Some(Plan(Commit, 2, Refuse)), CALM, 2, 0),
        // Longer than the queue holds messages: they are kept meanwhile.
        (Some(Plan(Commit, 1, Delay(9_000))), CALM, 2, 0),
        // The first event of each of three instances.
        (Some(Plan(Commit, 1, Duplicate)), InwardTally { committed: 9, duplicates: 3, ..CALM }, 2, 0),
        (Some(Plan(Commit, 1, AfterDone)), InwardTally { committed: 9, duplicates: 3, ..CALM }, 2, 0),
        (Some(Plan(Acknowledge, 1, Refuse)), CALM, 2, 0),
        (Some(Plan(Acknowledge, 1, Delay(2_000))), CALM, 2, 0),
        (Some(Plan(Acknowledge, 1, AfterDone)), CALM, 2, 0),
        (Some(Plan(Reject, 1, Refuse)), CALM, 2, 0),
        (Some(Plan(Reject, 1, Delay(9_000))), CALM, 2, 0),
        // At least once: whoever reads the dead-letter queue may find one twice.
        (Some(Plan(Reject, 1, Duplicate)), CALM, 3, 0),
        (Some(Plan(Reject, 1, AfterDone)), CALM, 3, 0),
    ];
    for (plan, tally, dead, again) in cases {
        let world = World::new(plan, false);
        assert_eq!(world.run(world.empty()).await, tally, "{plan:?}");
        world.assert_applied_once_and_in_order(&plan);
        assert_eq!((world.dead.borrow().len(), world.again.get()), (dead, again), "{plan:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_stays_held_when_keeping_it_fails_once() {
    for fault in [Fault::Refuse, Fault::Delay(500), Fault::Duplicate, Fault::AfterDone] {
        let plan = Plan(Call::Keep, 1, fault);
        let world = World::new(Some(plan), true);
        assert_eq!(world.run(world.empty()).await, CALM, "{plan:?}");
        world.assert_applied_once_and_in_order(&plan);
        assert!(world.calls.borrow()["keep"] > 1 && world.again.get() == 0, "{plan:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_back_comes_back_by_itself() {
    for fault in [Fault::Refuse, Fault::Duplicate, Fault::AfterDone] {
        let plan = Plan(Call::GiveBack, 1, fault);
        let world = World::new(Some(plan), true);
        // Stopped while the first events are on their way.
        let first = world.run(tokio::time::sleep(SLOW / 2)).await;
        assert_eq!(first, InwardTally { received: 6, committed: 3, given_back: 3, ..InwardTally::default() });
        let second = world.run(world.empty()).await;
        assert_eq!(second, InwardTally { received: 11, committed: 9, ..CALM }, "{plan:?}");
        world.assert_applied_once_and_in_order(&plan);
        assert_eq!(world.again.get(), 3, "{plan:?}");
    }
}

/// A source of which one call says that something lasting is wrong.
struct Broken<'a>(&'a World, Call);

impl Broken<'_> {
    async fn or(&self, call: Call, done: impl Future<Output = Result<(), Trouble>>) -> Result<(), Trouble> {
        if self.1 == call { Err(Trouble::lasting("it is gone")) } else { done.await }
    }
}

impl Source for Broken<'_> {
    fn hold(&self) -> Option<Duration> {
        Some(HOLD)
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>, Trouble> {
        self.0.receive(max).await
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.or(Call::Acknowledge, self.0.acknowledge(receipts)).await
    }

    async fn keep(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.or(Call::Keep, self.0.keep(receipts)).await
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), Trouble> {
        self.or(Call::GiveBack, self.0.give_back(receipts)).await
    }

    async fn reject(&self, message: &Message, reason: &str) -> Result<(), Trouble> {
        self.or(Call::Reject, self.0.reject(message, reason)).await
    }
}

/// The server says so.
struct Shut;

impl Door for Shut {
    async fn commit(&self, _: Vec<Item>) -> Result<Vec<Verdict>, Trouble> {
        Err(Trouble::lasting("the token is not known"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_ends_the_run_where_going_on_would_lose_something() {
    let world = World::new(None, false);
    let driver = Inward::new("in", Broken(&world, Call::Reject), &world, Form::Json, 20, Rc::new(|_| {}));
    let error = driver.run(std::future::pending()).await.unwrap_err();
    assert_eq!(error, Trouble::lasting("it is gone"), "nothing is acknowledged that lies nowhere");
    assert!(world.waiting.borrow().len() >= 2);

    let driver = Inward::new("in", &world, Shut, Form::Json, 20, Rc::new(|_| {}));
    // Other messages are out for a while yet.
    let error = driver.run(std::future::pending()).await.unwrap_err();
    assert_eq!(error, Trouble::lasting("the token is not known"));

    // What cannot be acknowledged comes again, and is known then.
    let world = World::new(None, false);
    let broken = Broken(&world, Call::Acknowledge);
    let driver = Inward::new("in", broken, &world, Form::Json, 20, Rc::new(|_| {}));
    let tally = driver.run(tokio::time::sleep(Duration::from_secs(60))).await.unwrap();
    assert!(tally.committed == 12 && tally.duplicates >= 12 && tally.rejected >= 4, "{tally:?}");
    world.assert_applied_once_and_in_order(&"acknowledging fails for good");
    assert_eq!(world.waiting.borrow().len(), 14);
}
