//! Durable turns in process: how near to the bare loop, and how far from what is written by hand.
//!
//! It refuses to compare runs of different times: both sides run by turns. Its one invariant: the bare loop writes
//! as many bytes for a turn as the journal got for one.

use super::{Size, median, peer};
use crate::bare::Bare;
use crate::load::{Bound, Load, block_on, waiting};
use crate::node::{Among, Node};
use crate::peers::postgres;
use crate::report::{Section, per_second, time};
use crate::scratch::Scratch;
use anyhow::Result;

/// Senders that wait, each for the outcome of its event.
const WAITING: u64 = 64;

/// Calls in flight in bulk, and events in each.
const BULK: (u64, usize) = (8, 512);

/// Both sides of one way to send.
#[derive(Default)]
struct Sides {
    ours: Vec<f64>,
    bare: Vec<f64>,
    half: Vec<f64>,
    latency: Vec<f64>,
}

impl Sides {
    fn add(&mut self, ours: &Load, bare: &Load) {
        self.ours.push(ours.per_second());
        self.bare.push(bare.per_second());
        self.half.push(ours.per_second() / bare.per_second());
        self.latency.push(ours.quantile(0.99));
    }
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let scratch = Scratch::new("turns")?;
    let node = Node::open(scratch.path())?;
    node.populate(size.instances)?;
    let among = Among::scattered(size.instances);
    let bound = Bound::time(size.time);
    // What a turn takes in the journal decides what the bare loop writes.
    let before = node.journal_bytes();
    let first = node.load(BULK.0, BULK.1, among, bound)?;
    let bytes = ((node.journal_bytes() - before) / first.events.max(1)) as usize;
    let bare = Bare::start(bytes)?;
    let bare_load = |senders: u64, each: usize| {
        block_on(waiting((0..senders).map(|_| bare.sender(each)).collect(), bound))
    };
    let (mut single, mut bulk) = (Sides::default(), Sides::default());
    for _ in 0..size.rounds {
        single.add(&node.load(WAITING, 1, among, bound)?, &bare_load(WAITING, 1)?);
        bulk.add(&node.load(BULK.0, BULK.1, among, bound)?, &bare_load(BULK.0, BULK.1)?);
    }
    bare.stop()?;
    node.stop()?;

    let mut section = Section::new("Durable turns, in process");
    let rate = |rates: Vec<f64>| per_second(median(rates), "turns");
    section.row(format!("bare loop, {WAITING} waiting senders"), rate(single.bare));
    let half = median(single.half);
    let what = format!("Everstate, {WAITING} waiting senders (p99 {})", time(median(single.latency)));
    section.row(what, rate(single.ours)).times(half, "the bare loop").at_least(half, 0.5, "0.5");
    section.row("bare loop, in bulk", rate(bulk.bare));
    let (half, ours) = (median(bulk.half), median(bulk.ours.clone()));
    section
        .row("Everstate, in bulk", rate(bulk.ours))
        .times(half, "the bare loop")
        .at_least(half, 0.5, "0.5");
    if size.peers
        && let Some(by_hand) =
            peer(&mut section, "PostgreSQL by hand", || postgres::events_per_second(size.time))
    {
        let ratio = ours / by_hand;
        let what = format!("PostgreSQL by hand, {} clients", postgres::CLIENTS);
        section.row(what, per_second(by_hand, "turns"));
        let bulk = section.row("Everstate, in bulk", per_second(ours, "turns"));
        bulk.times(ratio, "PostgreSQL by hand").at_least(ratio, 30.0, "30");
    }
    section.note(format!(
        "Durability `power`, {} instances of a chart with 4 levels, a guard and an assign; {bytes} bytes of journal \
         for a turn. In bulk: {} calls in flight with {} events each, acknowledged after the sync.",
        size.instances, BULK.0, BULK.1
    ));
    Ok(section)
}
