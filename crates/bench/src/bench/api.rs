//! Events through the API, over loopback: how near to an empty call of the same server, and how far from Restate.
//!
//! It refuses to let the load share the server's process. Its one invariant: both sides have as many connections,
//! and the same client, which does as little as it can.

use super::{Size, median, peer};
use crate::load::{Bound, Load, block_on, paced, waiting};
use crate::node::Among;
use crate::peers::restate::{Restate, SETTINGS};
use crate::report::{Section, per_second, time};
use crate::served::{Call, Served, Wire};
use anyhow::Result;
use std::time::Duration;

/// Connections, each with one call at a time.
const CONNECTIONS: u64 = 64;

/// Connections and events of a call in batches. More connections would only queue: 8 keep the shard busy.
const BATCH: (u64, usize) = (8, 200);

/// A way to call, with what was found in each round.
struct Way {
    name: String,
    call: Call,
    connections: u64,
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Way {
    fn new(name: impl Into<String>, call: Call, connections: u64) -> Way {
        let (rates, p50, p99) = (Vec::new(), Vec::new(), Vec::new());
        Way { name: name.into(), call, connections, rates, p50, p99 }
    }

    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let served = Served::start()?;
    // Makes the instances.
    let all = Among::in_order(size.instances);
    let bound = Bound { sends: size.instances.div_ceil(100), ..Bound::time(Duration::from_secs(60)) };
    load(&served, Call::Batch(Wire::Json, 100), 1, all, bound, None)?;
    let batch = |wire| Call::Batch(wire, BATCH.1);
    let batch_name = |wire| format!("batch send, {wire}, {} events a call, {} connections", BATCH.1, BATCH.0);
    let mut ways = [
        Way::new("empty call, JSON", Call::Empty(Wire::Json), CONNECTIONS),
        Way::new("send, JSON", Call::One(Wire::Json), CONNECTIONS),
        Way::new(batch_name("JSON"), batch(Wire::Json), BATCH.0),
        Way::new("empty call, protobuf", Call::Empty(Wire::Protobuf), CONNECTIONS),
        Way::new("send, protobuf", Call::One(Wire::Protobuf), CONNECTIONS),
        Way::new(batch_name("protobuf"), batch(Wire::Protobuf), BATCH.0),
    ];
    let among = Among::scattered(size.instances);
    let bound = Bound::time(size.time);
    for _ in 0..size.rounds {
        for way in &mut ways {
            way.rates.push(load(&served, way.call, way.connections, among, bound, None)?.per_second());
        }
    }
    for way in &mut ways {
        let each = if let Call::Batch(_, each) = way.call { each as f64 } else { 1.0 };
        let half = way.rate() / each / 2.0;
        for _ in 0..size.rounds {
            let load = load(&served, way.call, way.connections, among, bound, Some(half))?;
            way.p50.push(load.quantile(0.5));
            way.p99.push(load.quantile(0.99));
        }
    }
    drop(served);
    let mut section = Section::new("Through the API, over loopback");
    for three in ways.chunks(3) {
        tell(&mut section, three);
    }
    if size.peers {
        against_restate(size, &mut section, &ways)?;
    }
    section.note(format!(
        "{CONNECTIONS} connections with one call at a time where nothing else is said, HTTP/1.1, durability `power`, \
         {} instances. The server runs in a process of its own; the load takes one thread of the same machine. \
         Latencies are those at half of the peak rate.",
        size.instances
    ));
    Ok(section)
}

/// An empty call, a send and a batch of one wire.
fn tell(section: &mut Section, ways: &[Way]) {
    let (empty, one) = (ways[0].rate(), ways[1].rate());
    for way in ways {
        let (p50, p99) = (median(way.p50.clone()), median(way.p99.clone()));
        let what = format!("{} (p50 {}, p99 {})", way.name, time(p50), time(p99));
        let rate = way.rate();
        match way.call {
            Call::Empty(_) => drop(section.row(what, per_second(rate, "calls"))),
            Call::One(_) => {
                let row = section.row(what, per_second(rate, "events")).times(rate / empty, "the empty call");
                row.at_least(rate / empty, 0.5, "0.5");
                section
                    .row(format!("{}: p99 at half of the peak", way.name), time(p99))
                    .at_most(p99, 25e6, "25 ms");
            }
            Call::Batch(..) => {
                let row = section.row(what, per_second(rate, "events")).times(rate / one, "single sends");
                row.at_least(rate / one, 2.0, "2");
            }
        }
    }
}

fn against_restate(size: &Size, section: &mut Section, ways: &[Way]) -> Result<()> {
    let ours = ways[1].rate();
    for (keys, name) in [(size.instances, "1,000 keys"), (1, "1 key")] {
        let found = peer(section, &format!("Restate, {name}"), || best_of_restate(size, keys));
        let Some((setting, rate)) = found else { continue };
        section.row(format!("Restate's virtual object, {name} ({setting})"), per_second(rate, "events"));
        let ours = match keys {
            1 => hot(size)?,
            _ => ours,
        };
        let row = section.row(format!("send, JSON, {name}"), per_second(ours, "events"));
        row.times(ours / rate, "Restate").at_least(ours / rate, 25.0, "25");
    }
    Ok(())
}

/// Sends to one instance.
fn hot(size: &Size) -> Result<f64> {
    let served = Served::start()?;
    let load =
        load(&served, Call::One(Wire::Json), CONNECTIONS, Among::in_order(1), Bound::time(size.time), None)?;
    Ok(load.per_second())
}

/// Its best setting, and events per second with it.
fn best_of_restate(size: &Size, keys: u64) -> Result<(&'static str, f64)> {
    let mut best = ("", 0.0);
    for (setting, partitions) in SETTINGS {
        let restate = Restate::start(*partitions)?;
        // The first run lets Node.js see what is hot.
        restate.waiting(CONNECTIONS as usize, keys, size.time)?;
        for _ in 0..size.rounds {
            let rate = restate.waiting(CONNECTIONS as usize, keys, size.time)?.per_second();
            if rate > best.1 {
                best = (*setting, rate);
            }
        }
    }
    Ok(best)
}

/// A load at full speed, or at so many calls per second.
pub(super) fn load(
    served: &Served,
    call: Call,
    connections: u64,
    among: Among,
    bound: Bound,
    per_second: Option<f64>,
) -> Result<Load> {
    block_on(async {
        let mut callers = Vec::new();
        for number in 0..connections {
            callers.push(served.caller(call, among.from(number, connections)).await?);
        }
        match per_second {
            Some(per_second) => paced(callers, per_second, bound).await,
            None => waiting(callers, bound).await,
        }
    })
}
