//! One instance that gets all events: no parallelism can help it.
//!
//! It refuses to spread the load. Its one invariant: all events have one receiver.

use super::{Size, api, median};
use crate::load::Bound;
use crate::node::{Among, Node};
use crate::report::{Section, per_second, time};
use crate::scratch::Scratch;
use crate::served::{Call, Served, Wire};
use anyhow::Result;

pub(crate) fn run(size: &Size) -> Result<Section> {
    let scratch = Scratch::new("hot")?;
    let node = Node::open(scratch.path())?;
    node.populate(1)?;
    let among = Among::in_order(1);
    let (mut rates, mut latencies) = (Vec::new(), Vec::new());
    let (mut single, mut single_latencies) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let load = node.load(4, 500, among, Bound::time(size.time))?;
        rates.push(load.per_second());
        latencies.push(load.quantile(0.99));
        let load = node.load(64, 1, among, Bound::time(size.time))?;
        single.push(load.per_second());
        single_latencies.push(load.quantile(0.99));
    }
    node.stop()?;
    let mut section = Section::new("One hot instance");
    let rate = median(rates);
    let what = format!("in process, batches of 500, 4 in flight (p99 {})", time(median(latencies)));
    section.row(what, per_second(rate, "events")).at_least(rate, 20_000.0, "20,000/s");
    let what = format!("in process, 64 waiting senders (p99 {})", time(median(single_latencies)));
    section.row(what, per_second(median(single), "events"));
    let served = Served::start()?;
    for (wire, name) in [(Wire::Json, "JSON"), (Wire::Protobuf, "protobuf")] {
        let call = Call::Batch(wire, 200);
        let loads =
            (0..size.rounds).map(|_| api::load(&served, call, 8, among, Bound::time(size.time), None));
        let rate = median(loads.map(|load| Ok(load?.per_second())).collect::<Result<_>>()?);
        let what = format!("batch send through the API, {name}, 200 events a call, 8 connections");
        section.row(what, per_second(rate, "events")).at_least(rate, 20_000.0, "20,000/s");
    }
    Ok(section)
}
