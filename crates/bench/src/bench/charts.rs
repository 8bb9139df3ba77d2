//! One event of charts of many shapes without I/O, beside two interpreters: what it costs, what it allocates, how
//! large a stored instance is, and how long a large chart takes to be read.
//!
//! It refuses to store anything. Its one invariant: every side is shown to have done the work, by what the context
//! counts.

pub(crate) mod cases;

use super::chart::{fault, turn};
use super::{SLICES, Size, least, peer};
use crate::allocations;
use crate::peers::{npm, output};
use crate::report::{Section, time};
use anyhow::{Context, Result, bail, ensure};
use cases::Case;
use everstate_kernel::{Address, Behaviour, Event, EventId, Handled, Json, Next, Sender, State, Time};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// States of the chart whose reading is timed, and in how long it is to be read.
const LARGE: usize = 1_000;
const READ_NS: f64 = 10e6;

/// A case with an instance.
struct Machine {
    behaviour: Arc<dyn Behaviour>,
    state: State,
    address: Address,
    events: Vec<Event>,
}

impl Machine {
    fn new(case: &Case) -> Result<Machine> {
        let behaviour = behaviour(case.name, &case.machine.to_string())?;
        let address = Address::parse(&format!("{}/1", case.name))?;
        let event = |(name, data): &(&str, Value)| -> Result<Event> {
            let id = EventId::parse("event-1").map_err(anyhow::Error::msg)?;
            let data = Json::parse(&data.to_string())?;
            Ok(Event { id, name: Arc::from(*name), data, sender: Sender::Client, time: Time(0) })
        };
        let events = case.events.iter().map(event).collect::<Result<_>>()?;
        let next = behaviour.start(&Json::NULL, &mut turn(&address, 0)).map_err(fault)?;
        Ok(Machine { behaviour, state: next.state, address, events })
    }

    fn step(&self, number: u64) -> Result<Next> {
        let event = &self.events[number as usize % self.events.len()];
        match self.behaviour.handle(&self.state, event, &mut turn(&self.address, number)) {
            Ok(Handled::Took(next)) => Ok(next),
            Ok(other) => bail!("{} did not take {}: {other:?}", self.address, event.name),
            Err(error) => Err(fault(error)),
        }
    }

    /// Takes that many events; nanoseconds for each.
    fn run(&mut self, case: &Case, turns: u64) -> Result<f64> {
        let before = self.count()?;
        let started = Instant::now();
        for number in 0..turns {
            self.state = self.step(number)?.state;
        }
        let elapsed = started.elapsed().as_nanos() as f64;
        let added = self.count()? - before;
        ensure!(added == turns * case.adds, "{}: {turns} events added {added}", case.name);
        Ok(elapsed / turns as f64)
    }

    fn count(&self) -> Result<u64> {
        let data: Value = serde_json::from_str(self.behaviour.describe(&self.state).data.as_str())?;
        data["n"].as_u64().with_context(|| format!("no count in {data}"))
    }
}

fn behaviour(name: &str, text: &str) -> Result<Arc<dyn Behaviour>> {
    let outcome = everstate_chart::read(&format!("{name}.json"), text);
    let definition = outcome.definition.with_context(|| format!("{name}: {:?}", outcome.findings))?;
    Ok(definition.to_definition().behaviour)
}

/// What is found of one case. Times in nanoseconds.
struct Found {
    time: f64,
    allocations: f64,
    stored: usize,
    context: usize,
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let cases = cases::all();
    let found = ours(&cases, size)?;
    let mut section = Section::new("Charts of many shapes, without I/O");
    let peers =
        if size.peers { peer(&mut section, "SCION and XState", || interpreters(&cases, size)) } else { None };
    for (at, (case, found)) in cases.iter().zip(&found).enumerate() {
        let result = format!("{}, {:.1} allocations", time(found.time), found.allocations);
        section.row(case.about, result);
        for (name, key) in [("SCION", "scion"), ("XState", "xstate")] {
            let Some(peers) = &peers else { break };
            let theirs = number(&peers["cases"][at][key])?;
            let row = section.row(format!("  {name}"), time(theirs));
            row.times(theirs / found.time, "Everstate");
            if name == "SCION" {
                row.at_least(theirs / found.time, super::FASTER, "20");
            }
        }
    }
    let ratio = found[1].time / found[0].time;
    let row = section.row(format!("1,003 against 22 states, {} active", cases::ACTIVE), String::new());
    row.times(ratio, "the cost").at_most(ratio, 1.2, "1.2");
    reading(&mut section, size, peers.as_ref())?;
    let largest =
        found.iter().zip(&cases).map(|(one, case)| (one.stored as f64 / one.context as f64, one, case));
    let (ratio, one, case) =
        largest.max_by(|a, b| a.0.total_cmp(&b.0)).context("there is at least one case")?;
    section
        .row(
            format!("a stored instance, the worst: {}", case.name),
            format!("{} bytes, context as JSON {}", one.stored, one.context),
        )
        .times(ratio, "the context's JSON")
        .at_most(ratio, 2.0, "2");
    section.note(
        "Every event adds to a count in the context, on all sides. Guards and assignments of SCION and XState are \
         functions of JavaScript, which costs them less than what they would interpret; their foreach is a loop of it.",
    );
    Ok(section)
}

/// All cases by turns, in slices; the best counts.
fn ours(cases: &[Case], size: &Size) -> Result<Vec<Found>> {
    let turns = |case: &Case| (size.chart_turns / case.weight).max(10);
    let mut machines = cases.iter().map(Machine::new).collect::<Result<Vec<_>>>()?;
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..size.rounds as u64 * SLICES {
        for ((case, machine), times) in cases.iter().zip(&mut machines).zip(&mut times) {
            times.push(machine.run(case, (turns(case) / SLICES).max(10))?);
        }
    }
    let mut all = Vec::new();
    for ((case, machine), times) in cases.iter().zip(&mut machines).zip(times) {
        let mut done = Ok(0.0);
        let count = turns(case).min(1_000);
        // By difference, so that looking at the count does not count.
        let mut allocated = |turns: u64| -> Result<u64> {
            let count = allocations::count(|| done = machine.run(case, turns));
            std::mem::replace(&mut done, Ok(0.0))?;
            Ok(count)
        };
        let allocations = (allocated(2 * count)? as f64 - allocated(count)? as f64) / count as f64;
        all.push(Found {
            time: least(times),
            allocations,
            stored: machine.behaviour.encode(&machine.state).len(),
            context: machine.behaviour.describe(&machine.state).data.as_str().len(),
        });
    }
    Ok(all)
}

/// How long a large chart takes to be read, checked and compiled: as JSON, and as YAML as people write it.
fn reading(section: &mut Section, size: &Size, peers: Option<&Value>) -> Result<()> {
    let machine = cases::large(LARGE);
    let mut best = [f64::INFINITY; 2];
    let texts = [machine.to_string(), yaml(&machine)];
    for _ in 0..=5 * size.rounds {
        for (text, best) in texts.iter().zip(&mut best) {
            let started = Instant::now();
            behaviour("large", text)?;
            *best = best.min(started.elapsed().as_nanos() as f64);
        }
    }
    for (name, best) in ["JSON", "YAML"].into_iter().zip(best) {
        let what = format!("reading, checking and compiling {LARGE} states from {name}, the best of some");
        section.row(what, time(best)).at_most(best, READ_NS, "10 ms");
    }
    for (name, key) in [("SCION", "scion"), ("XState", "xstate")] {
        let Some(peers) = peers else { break };
        let theirs = number(&peers["large"][key])?;
        section
            .row(format!("  {name}, from JSON, nothing checked"), time(theirs))
            .times(theirs / best[0], "Everstate");
    }
    Ok(())
}

/// The large machine as a person would write it.
fn yaml(machine: &Value) -> String {
    let mut text = String::from("name: large\ninitial: s0\ncontext: { n: 0 }\nstates:\n");
    for (name, state) in machine["states"].as_object().into_iter().flatten() {
        let target = state["on"]["next"]["target"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "  {name}:\n    entry: {{ assign: {{ n: context.n + 1 }} }}\n    on:\n      \
             next: {{ target: {target}, guard: context.n >= 0 }}\n      back: s0\n"
        ));
    }
    text
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("{value} is no number"))
}

fn interpreters(cases: &[Case], size: &Size) -> Result<Value> {
    let folder = npm::installed("interpreters", npm::INTERPRETERS)?;
    let script = npm::script(&folder, "charts.mjs", include_str!("../peers/charts.mjs"))?;
    let all: Vec<Value> = cases
        .iter()
        .map(|case| {
            json!({
                "name": case.name, "machine": case.machine, "events": case.events, "adds": case.adds,
                "weight": case.weight,
            })
        })
        .collect();
    let asked = json!({
        "turns": size.chart_turns / 20, "rounds": 5 * size.rounds, "large": cases::large(LARGE), "cases": all,
    });
    let file = npm::script(&folder, "charts.json", &asked.to_string())?;
    let told = output(Command::new("node").arg(script).arg(file))?;
    serde_json::from_str(&told).with_context(|| format!("the script told {told}"))
}
