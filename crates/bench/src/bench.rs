//! The benches by name.
//!
//! It refuses to know how one is done. Its one invariant: each has a smoke size that ends within seconds.

mod actors;
mod api;
mod chart;
mod charts;
mod explore;
mod growth;
mod hot;
mod spaces;
mod statemachine;
mod turns;

use crate::report::Section;
use anyhow::Result;
pub(crate) use chart::{With, compiled, ours};
use explore::Explored;
use std::time::Duration;

/// One bench.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Size) -> Result<Section>,
}

/// All of them, in the order in which they run.
pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "chart", about: "one turn of a chart, without I/O", run: chart::run },
    Bench { name: "charts", about: "charts of many shapes, without I/O", run: charts::run },
    Bench {
        name: "turns",
        about: "durable turns in process, beside a bare loop and PostgreSQL",
        run: turns::run,
    },
    Bench { name: "api", about: "events over loopback, beside an empty call and Restate", run: api::run },
    Bench { name: "hot", about: "one instance that gets all events", run: hot::run },
    Bench {
        name: "statemachine",
        about: "events as clients of go-statemachine send them",
        run: statemachine::run,
    },
    Bench {
        name: "actors",
        about: "machines in memory, beside ractor, kameo and a bare channel",
        run: actors::run,
    },
    Bench {
        name: "spaces",
        about: "publishing among many endpoints, beside NATS, Redis and a dataspace in memory",
        run: spaces::run,
    },
    Bench { name: "growth", about: "what more instances cost", run: growth::run },
    Bench {
        name: "explore",
        about: "every order of systems of machines, beside stateright",
        run: explore::run,
    },
];

/// How much faster than SCION charts of all shapes are to be.
const FASTER: f64 = 20.0;

/// Into how many slices the events of one round are cut where a turn takes no I/O: one lasts a millisecond or so, and
/// on a machine that does other things as well some are not interrupted. The best counts, on all sides.
const SLICES: u64 = 100;

/// How much of everything.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// Whether what Everstate is compared to runs as well.
    pub(crate) peers: bool,
    /// Of one load.
    pub(crate) time: Duration,
    /// How often both sides run, by turns; the median counts.
    pub(crate) rounds: usize,
    /// Instances in a load.
    pub(crate) instances: u64,
    /// Instances of a small and of a grown store.
    pub(crate) growth: [u64; 2],
    /// Turns of a chart without I/O.
    pub(crate) chart_turns: u64,
    /// Messages to one machine, or through one space.
    pub(crate) messages: u64,
    /// Machines that are made.
    pub(crate) spawned: u64,
    /// Endpoints of a space.
    pub(crate) endpoints: [u64; 3],
    /// Endpoints that join and crash together.
    pub(crate) crowd: u64,
    /// Of one instance.
    pub(crate) followers: u64,
    /// Systems that are explored.
    pub(crate) explored: Explored,
}

impl Size {
    pub(crate) fn full(peers: bool) -> Size {
        Size {
            peers,
            time: Duration::from_secs(3),
            rounds: 3,
            instances: 1_000,
            growth: [10_000, 1_000_000],
            chart_turns: 300_000,
            messages: 1_000_000,
            spawned: 1_000_000,
            endpoints: [1, 1_000, 100_000],
            crowd: 350_000,
            followers: 10_000,
            explored: Explored::FULL,
        }
    }

    pub(crate) fn smoke(peers: bool) -> Size {
        Size {
            peers,
            time: Duration::from_millis(100),
            rounds: 1,
            instances: 100,
            growth: [200, 2_000],
            chart_turns: 500,
            messages: 10_000,
            spawned: 1_000,
            endpoints: [1, 100, 1_000],
            crowd: 1_000,
            followers: 50,
            explored: Explored::SMOKE,
        }
    }
}

/// The middle one of some numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least of some numbers.
pub(crate) fn least(numbers: Vec<f64>) -> f64 {
    numbers.into_iter().min_by(f64::total_cmp).unwrap_or(f64::NAN)
}

/// Tries a peer; says why when it cannot be had.
pub(crate) fn peer<T>(section: &mut Section, name: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
    match work() {
        Ok(found) => Some(found),
        Err(error) => {
            section.row(name, "skipped");
            section.note(format!("{name} was skipped: {error:#}"));
            None
        }
    }
}
