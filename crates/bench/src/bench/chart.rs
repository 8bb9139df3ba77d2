//! One turn of a chart without I/O: time, allocations, instructions, beside other ways to run a statechart.
//!
//! It refuses to store anything. Its one invariant: every side leaves two states and enters two, checked by count.

use super::{SLICES, Size, least, peer};
use crate::peers::{npm, output, statig};
use crate::report::{Section, thousands, time};
use crate::{allocations, child};
use anyhow::{Context, Result, bail, ensure};
use everstate_kernel::{
    Address, Behaviour, Event, EventId, Fault, Handled, Json, Next, Sender, State, Time, Turn,
};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// How much slower than what a compiler has made of the same chart it is to be at most.
const SLOWER: f64 = 10.0;

const TOUR: &str = include_str!("../machines/tour.yaml");

/// What a turn does besides the chart itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// Nothing.
    Nothing,
    /// Its state is encoded, as the runtime does for each turn.
    Encoding,
}

/// The chart of tour.yaml with an instance.
struct Tour {
    behaviour: Arc<dyn Behaviour>,
    state: State,
    address: Address,
    event: Event,
}

impl Tour {
    fn new() -> Result<Tour> {
        let outcome = everstate_chart::read("tour.yaml", TOUR);
        let definition = outcome.definition.with_context(|| format!("tour.yaml: {:?}", outcome.findings))?;
        let behaviour = definition.to_definition().behaviour;
        let address = Address::parse("tour/1")?;
        let id = EventId::parse("1").map_err(anyhow::Error::msg)?;
        let event =
            Event { id, name: Arc::from("step"), data: Json::NULL, sender: Sender::Client, time: Time(0) };
        let next = behaviour.start(&Json::NULL, &mut turn(&address, 0)).map_err(fault)?;
        Ok(Tour { behaviour, state: next.state, address, event })
    }

    fn step(&mut self, number: u64) -> Result<Next> {
        match self.behaviour.handle(&self.state, &self.event, &mut turn(&self.address, number)) {
            Ok(Handled::Took(next)) => Ok(next),
            Ok(other) => bail!("the chart did not take the event: {other:?}"),
            Err(error) => Err(fault(error)),
        }
    }

    fn entered(&self) -> Result<u64> {
        let data: serde_json::Value =
            serde_json::from_str(self.behaviour.describe(&self.state).data.as_str())?;
        data["entered"].as_u64().with_context(|| format!("no count in {data}"))
    }
}

pub(super) fn turn(address: &Address, number: u64) -> Turn<'_> {
    Turn {
        now: Time(number as i64),
        seed: number,
        instance: address,
        version: "v1",
        incarnation: 0,
        parent: None,
        children: &[],
        effects: vec![],
    }
}

pub(super) fn fault(fault: Fault) -> anyhow::Error {
    anyhow::anyhow!("the chart faulted at {}: {}", fault.place, fault.message)
}

/// Takes that many events; nanoseconds for each.
pub(crate) fn ours(events: u64, with: With) -> Result<f64> {
    let mut tour = Tour::new()?;
    let before = tour.entered()?;
    let started = Instant::now();
    for number in 0..events {
        let next = tour.step(number)?;
        if with == With::Encoding {
            std::hint::black_box(tour.behaviour.encode(&next.state));
        }
        tour.state = next.state;
    }
    let elapsed = started.elapsed().as_nanos() as f64;
    ensure!(tour.entered()? - before == 2 * events, "the chart did not enter two states for each event");
    Ok(elapsed / events as f64)
}

/// One way to run the machine of this process.
struct Way {
    name: &'static str,
    /// How a child is told to run it.
    child: &'static str,
    run: fn(u64) -> Result<f64>,
}

const WAYS: &[Way] = &[
    Way { name: "Everstate", child: "chart", run: |events| ours(events, With::Nothing) },
    Way {
        name: "Everstate, state encoded as well",
        child: "chart-encoded",
        run: |events| ours(events, With::Encoding),
    },
    Way { name: "statig, compiled", child: "statig", run: compiled },
];

/// The same by statig.
pub(crate) fn compiled(events: u64) -> Result<f64> {
    let started = Instant::now();
    let entered = statig::run(events);
    let elapsed = started.elapsed().as_nanos() as f64;
    ensure!(entered == 2 * events + 2, "statig entered {entered} states for {events} events");
    Ok(elapsed / events as f64)
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let turns = size.chart_turns;
    let slice = (turns / SLICES).max(100);
    let mut times = vec![Vec::new(); WAYS.len()];
    for _ in 0..size.rounds as u64 * SLICES {
        for (way, times) in WAYS.iter().zip(&mut times) {
            times.push((way.run)(slice)?);
        }
    }
    let mut section = Section::new("One turn of a chart, without I/O");
    let best: Vec<f64> = times.into_iter().map(least).collect();
    let ours = best[0];
    let counts_instructions =
        Command::new("valgrind").arg("--version").output().is_ok_and(|told| told.status.success());
    for (way, best) in WAYS.iter().zip(&best) {
        let mut result = format!("{}, {:.1} allocations", time(*best), allocated(way, turns)?);
        if counts_instructions {
            result.push_str(&format!(", {} instructions", thousands(instructions(way, turns)?)));
        }
        section.row(way.name, result).times(best / ours, "Everstate");
    }
    let compiled = ours / best[2];
    section.row("Everstate against statig", "").times(compiled, "the time").at_most(compiled, SLOWER, "10");
    if size.peers
        && let Some([scion, xstate]) = peer(&mut section, "SCION and XState", || interpreters(turns / 5))
    {
        section
            .row("SCION, SCXML interpreter in Node.js", time(scion))
            .times(scion / ours, "Everstate")
            .at_least(scion / ours, super::FASTER, "20");
        section.row("XState, actor in Node.js", time(xstate)).times(xstate / ours, "Everstate");
    }
    section.note(
        "4 levels; an event passes one guard, leaves two states and enters two, each with an action that counts. \
         An event goes from the interpreter's door to the new state: nothing is stored, and no node is around it.",
    );
    if !counts_instructions {
        section.note("Instructions were not counted: there is no valgrind.");
    }
    Ok(section)
}

fn allocated(way: &Way, turns: u64) -> Result<f64> {
    let (mut done, mut counts) = (Ok(0.0), [0; 2]);
    // By difference, so that making the machine does not count.
    for (turns, count) in [turns, 2 * turns].into_iter().zip(&mut counts) {
        *count = allocations::count(|| done = (way.run)(turns));
        std::mem::replace(&mut done, Ok(0.0))?;
    }
    Ok((counts[1] - counts[0]) as f64 / turns as f64)
}

fn instructions(way: &Way, turns: u64) -> Result<f64> {
    let turns = turns.min(5_000);
    let count = |turns: u64| -> Result<u64> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
        let told = valgrind.args([child::COMMAND, way.child, &turns.to_string()]).output()?;
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
        collected.with_context(|| format!("callgrind told no count: {said}"))
    };
    Ok((count(2 * turns)? - count(turns)?) as f64 / turns as f64)
}

fn interpreters(turns: u64) -> Result<[f64; 2]> {
    let folder = npm::installed("interpreters", npm::INTERPRETERS)?;
    let script = npm::script(&folder, "tour.mjs", include_str!("../peers/tour.mjs"))?;
    let told = output(Command::new("node").arg(script).arg(turns.to_string()))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let nanoseconds = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
    Ok([nanoseconds("scion")?, nanoseconds("xstate")?])
}
