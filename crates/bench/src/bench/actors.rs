//! Machines in Rust that are kept in memory alone, beside libraries of actors and a bare channel.
//!
//! It refuses to compare what is kept with what is not: durability is `none`. Its one invariant: on both sides the clock
//! stops when the last message has been handled.

use super::{Size, median, peer};
use crate::child;
use crate::peers::crates::{ACTORS, built};
use crate::peers::output;
use crate::report::{Section, per_second, time};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What is measured, and how often of it when every message counts as one.
const WHAT: [(&str, &str); 3] = [("tell", "messages"), ("call", "calls"), ("spawn", "machines")];

/// What one process told.
struct Told {
    seconds: f64,
    bytes: f64,
}

/// The arguments after the program: who, what, and how often.
fn told(command: &mut Command) -> Result<Told> {
    let told: Value = serde_json::from_str(&output(command)?)?;
    let number = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
    Ok(Told { seconds: number("seconds")?, bytes: number("bytes")? })
}

fn ours(what: &str, count: u64) -> Result<Told> {
    told(Command::new(std::env::current_exe()?).args([child::COMMAND, "actors", what, &count.to_string()]))
}

fn theirs(program: &Path, library: &str, what: &str, count: u64) -> Result<Told> {
    told(Command::new(program).args([library, what, &count.to_string()]))
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let mut section = Section::new("Machines in memory, beside actors");
    let program = if size.peers { peer(&mut section, "ractor, kameo", || built(&ACTORS)) } else { None };
    for (what, of) in WHAT {
        let count = if what == "spawn" { size.spawned } else { size.messages };
        let mut rounds: Vec<Vec<Told>> = Vec::new();
        let libraries: &[&str] = if program.is_some() { &["ractor", "kameo", "channel"] } else { &[] };
        for _ in 0..size.rounds {
            let mut round = vec![ours(what, count)?];
            for library in libraries {
                round.push(theirs(program.as_deref().context("it was built")?, library, what, count)?);
            }
            rounds.push(round);
        }
        let middle = |place: usize, of: fn(&Told) -> f64| {
            median(rounds.iter().map(|round| of(&round[place])).collect())
        };
        let rate = |place: usize| count as f64 / middle(place, |told| told.seconds);
        let of_ours = rate(0);
        for (place, who) in ["Everstate"].iter().chain(libraries).enumerate() {
            let result = match what {
                "spawn" => {
                    let each = middle(place, |told| told.bytes) / count as f64;
                    format!("{}, {each:.0} bytes each", per_second(rate(place), of))
                }
                "call" => format!("{}, {} each", per_second(rate(place), of), time(1e9 / rate(place))),
                _ => per_second(rate(place), of),
            };
            let row = section.row(format!("{what}: {who}"), result);
            if place > 0 {
                row.times(rate(place) / of_ours, "Everstate");
            } else if what == "spawn" && count == 1_000_000 {
                row.at_most(count as f64 / of_ours, 3.0, "3 s");
            }
        }
    }
    section.note(format!(
        "{} messages from one sender that waits for nobody (`tell`) or for each answer (`call`) to one machine; {} \
         machines that each take one message. Memory is what the process grew by.",
        size.messages, size.spawned
    ));
    Ok(section)
}
