//! Exploring systems of machines: how fast, how far, and beside the model checker `stateright`.
//!
//! It refuses to compare verdicts that differ. Its one invariant: where states are said to coincide, both sides have
//! counted the same number of them in this run.

use super::{Size, peer};
use crate::explored::{models, paxos};
use crate::peers::crates::{EXPLORED, built};
use crate::peers::output;
use crate::report::{Section, per_second, thousands, time};
use anyhow::{Context, Result, ensure};
use everstate_sim::{Limits, Report, System, explore_within};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// How large the systems are.
#[derive(Debug, Clone)]
pub(crate) struct Explored {
    /// Payments to each of two tills.
    pub(crate) payments: usize,
    /// Resource managers of two-phase commit where worlds are counted by the second.
    pub(crate) managers: usize,
    /// And where they stand beside stateright's, with everything.
    pub(crate) beside: &'static [usize],
    /// And where only one world of each orbit is explored here: all of them are tens of millions.
    pub(crate) alike: usize,
    /// Clients of Paxos.
    pub(crate) clients: &'static [usize],
    /// Senders to one machine that keeps their order.
    pub(crate) senders: usize,
}

impl Explored {
    pub(crate) const FULL: Explored =
        Explored { payments: 30, managers: 4, beside: &[5, 7], alike: 8, clients: &[1, 2], senders: 9 };
    pub(crate) const SMOKE: Explored =
        Explored { payments: 3, managers: 2, beside: &[3], alike: 4, clients: &[1], senders: 4 };
}

/// What came of an exploration, and how long it took.
struct Ours {
    report: Report,
    seconds: f64,
}

fn ours(system: &System, reduce: bool, threads: usize) -> Result<Ours> {
    let limits =
        Limits { reduce, threads, worlds_max: 100_000_000, memory_max: 12 << 30, ..Limits::default() };
    let began = Instant::now();
    let report = explore_within(system, &limits, &|_| {})?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(violation) = &report.violation {
        anyhow::bail!("{}", violation.story());
    }
    ensure!(report.is_complete(), "{} is bounded: {}", report.system, report.bounds.join("; "));
    Ok(Ours { report, seconds })
}

impl Ours {
    fn rate(&self) -> f64 {
        self.report.worlds as f64 / self.seconds
    }

    fn told(&self) -> String {
        let worlds = thousands(self.report.worlds as f64);
        format!("{worlds} worlds in {}, {}", time(self.seconds * 1e9), per_second(self.rate(), "worlds"))
    }

    fn bytes(&self) -> f64 {
        self.report.memory as f64 / self.report.worlds as f64
    }
}

/// What stateright has counted.
struct Theirs {
    states: f64,
    seconds: f64,
}

impl Theirs {
    fn told(&self) -> String {
        let states = thousands(self.states);
        let rate = per_second(self.states / self.seconds, "states");
        format!("{states} states in {}, {rate}", time(self.seconds * 1e9))
    }
}

fn theirs(program: &Path, arguments: [&str; 4]) -> Result<Theirs> {
    let told: Value = serde_json::from_str(&output(Command::new(program).args(arguments))?)?;
    let number = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
    Ok(Theirs { states: number("states")?, seconds: number("seconds")? })
}

fn parsed(text: &str) -> Result<System> {
    System::parse(text).map_err(anyhow::Error::msg)
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let mut section = Section::new("Exploring systems of machines");
    let explored = &size.explored;
    rates(&mut section, explored)?;
    let program = if size.peers { peer(&mut section, "stateright", || built(&EXPLORED)) } else { None };
    for managers in explored.beside {
        two_phase(&mut section, *managers, true, program.as_deref())?;
    }
    two_phase(&mut section, explored.alike, false, program.as_deref())?;
    for clients in explored.clients {
        of_paxos(&mut section, *clients, program.as_deref())?;
    }
    orders(&mut section, explored.senders)?;
    section.note(
        "A world is everything: machines, and what is on its way between them. A state of stateright's two-phase commit has a \
         set of messages that are never consumed in place of ways, so there the machines alone are counted, and beside them \
         stand worlds. Stateright's Paxos leaves ignored messages on the network for ever; the same machines that consume \
         them have as many states as Everstate has worlds.",
    );
    Ok(section)
}

/// Worlds a second, without reduction.
fn rates(section: &mut Section, explored: &Explored) -> Result<()> {
    let two = parsed(&models::tills(explored.payments))?;
    let more = parsed(&models::two_phase(explored.managers, false))?;
    for system in [&two, &more] {
        let machines = system.cast.len();
        let alone = ours(system, false, 1)?;
        section.row(format!("{machines} machines, one thread"), alone.told());
        let both = ours(system, false, 2)?;
        let row = section.row(format!("{machines} machines, two threads"), both.told());
        row.times(both.rate() / alone.rate(), "one thread");
        let bytes = alone.bytes();
        let row = section.row(format!("{machines} machines: memory"), format!("{bytes:.0} bytes a world"));
        row.at_most(bytes, 1e9 / 1e6, "1 GB for a million worlds");
    }
    Ok(())
}

/// Two-phase commit, by both.
fn two_phase(section: &mut Section, managers: usize, whole: bool, program: Option<&Path>) -> Result<()> {
    let name = |how: &str| format!("two-phase commit, {managers} managers: {how}");
    let mut of_ours = None;
    if whole {
        let ours = ours(&parsed(&models::two_phase(managers, true))?, false, 2)?;
        let told = format!("{} casts; {}", thousands(ours.report.casts as f64), ours.told());
        section.row(name("Everstate, everything"), told);
        of_ours = Some(ours);
    }
    let alike = ours(&parsed(&models::alike_two_phase(managers, true))?, true, 2)?;
    section.row(name("Everstate, managers alike"), alike.told());
    let Some(program) = program else { return Ok(()) };
    let size = managers.to_string();
    // It makes use of symmetry with one thread alone.
    let each = |threads: &str, how: &str| theirs(program, ["two-phase", &size, threads, how]);
    let (all, symmetric) = (each("2", "all")?, each("1", "symmetric")?);
    let row = section.row(name("stateright, everything"), all.told());
    if let Some(ours) = of_ours {
        let casts = ours.report.casts as f64;
        ensure!(all.states == casts, "{} states there, {casts} casts here", all.states);
        let times = (all.states / all.seconds) / ours.rate();
        row.times(times, "Everstate's worlds/s").at_most(times, 10.0, "10");
    }
    section.row(name("stateright, managers alike"), symmetric.told());
    let row = section.row(name("time to a verdict"), time(alike.seconds * 1e9));
    let gain = all.seconds / alike.seconds;
    row.times(gain, "as fast as stateright's everything").at_least(gain, 1.0, "1");
    Ok(())
}

/// Paxos, by both.
fn of_paxos(section: &mut Section, clients: usize, program: Option<&Path>) -> Result<()> {
    let name = |how: &str| format!("Paxos, {clients} clients: {how}");
    let system = |overtaking| paxos::system(clients, overtaking).system().map_err(anyhow::Error::msg);
    let whole = ours(&system(true)?, false, 2)?;
    section.row(name("Everstate, any order"), whole.told());
    let reduced = ours(&system(true)?, true, 2)?;
    section.row(name("Everstate, any order, reduced"), reduced.told());
    section.row(name("Everstate, order kept for each pair, reduced"), ours(&system(false)?, true, 2)?.told());
    let Some(program) = program else { return Ok(()) };
    let size = clients.to_string();
    let each = |how: &str| theirs(program, ["paxos", &size, "2", how]);
    section.row(name("stateright, ignored messages stay"), each("stays")?.told());
    let more = (clients + 1).to_string();
    let told = theirs(program, ["paxos", &more, "2", "stays"])?.told();
    section.row(format!("Paxos, {more} clients: stateright, ignored messages stay"), told);
    let consumed = each("consumed")?;
    ensure!(
        consumed.states == whole.report.worlds as f64,
        "{} states there, {} worlds here",
        consumed.states,
        whole.report.worlds
    );
    let row = section.row(name("stateright, ignored messages consumed"), consumed.told());
    let rate = consumed.states / consumed.seconds;
    row.times(rate / whole.rate(), "Everstate's worlds/s");
    row.at_most(rate / whole.rate(), 10.0, "10");
    Ok(())
}

/// Independent messages: what their orders cost where they matter, and where not.
fn orders(section: &mut Section, senders: usize) -> Result<()> {
    let of = |n: usize, one: bool, keeps: bool| parsed(&models::senders(n, one, keeps));
    let kept = ours(&of(senders, true, true)?, true, 2)?;
    let told = format!("{} orders; {}", thousands(kept.report.ends as f64), kept.told());
    section.row(format!("{senders} senders to one whose state is their order"), told);
    for n in [senders, senders + 3] {
        let one = ours(&of(n, true, false)?, true, 2)?;
        section.row(format!("{n} senders to one that counts"), one.told());
        let each = ours(&of(n, false, true)?, true, 2)?;
        section.row(format!("{n} senders to {n} machines"), each.told());
    }
    Ok(())
}
