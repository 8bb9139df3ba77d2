//! One fault at a time, at each thing that the way out asks of a destination and of a server, with exactly what follows
//! from it.

use super::{Fault, History, Reading, Taken, turns};
use crate::body::Form;
use crate::outbox::{Heard, Outbox, Shelf};
use crate::outward::{Choice, Outward, OutwardTally};
use crate::sink::{Notification, Sink};
use crate::trouble::Trouble;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What a delivery takes when nothing is wrong.
const CALM: Fault = Fault::Late(1);

/// Ten turns of five instances, all told.
const TURNS: u64 = 10;

fn history(faults: &[Fault]) -> Rc<History> {
    History::new(turns(TURNS, 5), Choice { all: true, kinds: Vec::new() }, faults)
}

/// So many were taken in all, the repeated ones included.
#[track_caller]
fn assert_told(
    history: &History,
    tally: OutwardTally,
    repeated: u64,
    taken: usize,
    plan: &dyn std::fmt::Debug,
) {
    assert_eq!(tally, OutwardTally { delivered: TURNS, repeated, cursor: TURNS }, "{plan:?}");
    history.assert_order();
    let mut all = history.taken.all.borrow().clone();
    assert_eq!(all.len(), taken, "{plan:?}");
    all.sort_by_key(|(_, cursor)| *cursor);
    all.dedup();
    assert_eq!(all, history.wanted(), "{plan:?}");
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_destination_has_exactly_its_consequences() {
    // Three deliveries at a time: the first three have a turn each, the fourth has the three that came meanwhile.
    let fourth = |fault| [CALM, CALM, CALM, fault];
    let cases: [(&[Fault], u64, usize); 11] = [
        (&[], 0, 10),
        (&[Fault::Refuse], 1, 10),
        (&[CALM, Fault::Refuse], 1, 10),
        (&[Fault::Late(20_000)], 0, 10),
        (&fourth(Fault::Refuse), 3, 10),
        (&fourth(Fault::Half), 1, 10),
        // Taken and not said: it is there twice, under the same id.
        (&[Fault::AfterTaking], 1, 11),
        (&[Fault::Mute], 1, 11),
        (&fourth(Fault::AfterTaking), 3, 13),
        (&fourth(Fault::Mute), 3, 13),
        (&fourth(Fault::Late(20_000)), 0, 10),
    ];
    for (faults, repeated, taken) in cases {
        let history = history(faults);
        let tally = super::all(&history, 100).await;
        assert_told(&history, tally, repeated, taken, &faults);
    }
}

/// What goes wrong with the first cursor that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    Refuse,
    Delay,
    Duplicate,
    AfterDone,
    Lasting,
}

/// The history, with a shelf of which the first call fails.
struct Shaky {
    reading: Reading,
    fault: Keeping,
    calls: Rc<Cell<u32>>,
    kept: Rc<RefCell<Vec<u64>>>,
}

struct ShakyShelf<S> {
    shelf: S,
    fault: Keeping,
    calls: Rc<Cell<u32>>,
    kept: Rc<RefCell<Vec<u64>>>,
}

impl Outbox for Shaky {
    async fn open(&self) -> Result<u64, Trouble> {
        self.reading.open().await
    }

    async fn next(&mut self) -> Result<Heard, Trouble> {
        self.reading.next().await
    }

    fn shelf(&self) -> impl Shelf + 'static {
        let (shelf, calls, kept) = (self.reading.shelf(), self.calls.clone(), self.kept.clone());
        ShakyShelf { shelf, fault: self.fault, calls, kept }
    }
}

impl<S: Shelf> ShakyShelf<S> {
    async fn do_keep(&self, cursor: u64) -> Result<(), Trouble> {
        self.kept.borrow_mut().push(cursor);
        // A cursor that is there already is passed over, as the server does it.
        let known = self.kept.borrow().iter().filter(|kept| **kept == cursor).count() > 1;
        if known { Ok(()) } else { self.shelf.keep(cursor).await }
    }
}

impl<S: Shelf> Shelf for ShakyShelf<S> {
    async fn keep(&self, cursor: u64) -> Result<(), Trouble> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() > 1 {
            return self.do_keep(cursor).await;
        }
        match self.fault {
            Keeping::Refuse => Err(Trouble::again("refused")),
            Keeping::Lasting => Err(Trouble::lasting("it was deleted")),
            Keeping::Delay => {
                tokio::time::sleep(Duration::from_secs(9)).await;
                self.do_keep(cursor).await
            }
            Keeping::Duplicate => {
                self.do_keep(cursor).await?;
                self.do_keep(cursor).await
            }
            Keeping::AfterDone => {
                self.do_keep(cursor).await?;
                Err(Trouble::again("the answer was lost"))
            }
        }
    }
}

fn shaky(history: &Rc<History>, fault: Keeping) -> (Shaky, Rc<RefCell<Vec<u64>>>) {
    let kept: Rc<RefCell<Vec<u64>>> = Rc::default();
    let reading = Reading(history.clone(), 0);
    (Shaky { reading, fault, calls: Rc::default(), kept: kept.clone() }, kept)
}

#[tokio::test(start_paused = true)]
async fn each_fault_at_keeping_the_cursor_has_exactly_its_consequences() {
    // How often a cursor comes to be kept at first.
    let cases = [(Keeping::Refuse, 1), (Keeping::Delay, 1), (Keeping::Duplicate, 2), (Keeping::AfterDone, 2)];
    for (fault, times) in cases {
        let history = history(&[]);
        let (outbox, kept) = shaky(&history, fault);
        let tally = super::driver(&history, 100).run(outbox, history.done()).await.unwrap();
        assert_told(&history, tally, 0, TURNS as usize, &fault);
        let kept = kept.borrow();
        let first = kept[0];
        assert_eq!(kept.iter().filter(|cursor| **cursor == first).count(), times, "{fault:?}: {kept:?}");
        assert!(kept.is_sorted() && kept.last() == Some(&TURNS), "{fault:?}: {kept:?}");
    }
}

/// A history that cannot be followed to its end.
struct Ends(Reading, Trouble);

impl Outbox for Ends {
    async fn open(&self) -> Result<u64, Trouble> {
        self.0.open().await
    }

    async fn next(&mut self) -> Result<Heard, Trouble> {
        match self.0.1 {
            5 => Err(self.1.clone()),
            _ => self.0.next().await,
        }
    }

    fn shelf(&self) -> impl Shelf + 'static {
        self.0.shelf()
    }
}

/// A destination that says of the third that it will never be taken.
struct Picky(Rc<Taken>);

impl Sink for Picky {
    fn batch_max(&self) -> usize {
        1
    }

    fn parallel(&self) -> usize {
        1
    }

    async fn deliver(&self, batch: &[Notification]) -> Vec<Result<(), Trouble>> {
        if batch[0].cursor == 3 {
            return vec![Err(Trouble::lasting("there is no such queue any more"))];
        }
        self.0.all.borrow_mut().push((batch[0].address.to_string(), batch[0].cursor));
        vec![Ok(())]
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_ends_the_run_and_nothing_is_passed_over() {
    let history = history(&[]);
    let (outbox, _) = shaky(&history, Keeping::Lasting);
    let error = super::driver(&history, 100).run(outbox, std::future::pending()).await.unwrap_err();
    assert_eq!((error, history.cursor.get()), (Trouble::lasting("it was deleted"), 0));

    let gone = Trouble::lasting("turns after the cursor 5 are kept no longer");
    let outbox = Ends(Reading(history.clone(), 0), gone.clone());
    let error = super::driver(&history, 100).run(outbox, std::future::pending()).await.unwrap_err();
    assert_eq!(error, gone);

    let picky = Picky(history.taken.clone());
    let driver = Outward::new("out", picky, history.choice.clone(), Form::Json, 100, Rc::new(|_| {}));
    let error = driver.run(Reading(history.clone(), 0), std::future::pending()).await.unwrap_err();
    assert_eq!(error, Trouble::lasting("there is no such queue any more"));
    assert!(history.cursor.get() < 3, "the cursor never passes what was not taken");
    // Whoever mends it and begins again gets all of it.
    let tally = super::all(&history, 100).await;
    assert_eq!(tally.cursor, TURNS);
    history.assert_order();
}
