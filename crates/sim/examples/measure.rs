//! How many worlds a second, and how many bytes a world: `cargo run --release -p everstate-sim --example measure`.
//! With a number, two-phase commit has that many resource managers.

#![allow(missing_docs, clippy::print_stdout)]

#[path = "../tests/models/mod.rs"]
mod models;

use everstate_sim::{Limits, System, explore_within};
use std::time::Instant;

fn measure(name: &str, text: &str, reduce: bool, threads: usize) {
    let system = System::parse(text).unwrap_or_else(|problem| panic!("{problem}"));
    let began = Instant::now();
    let limits = Limits { reduce, threads, ..Limits::default() };
    let report = explore_within(&system, &limits, &|_| {}).unwrap_or_else(|problem| panic!("{problem}"));
    let seconds = began.elapsed().as_secs_f64();
    let verdict = match &report.violation {
        Some(violation) => violation.property().to_owned(),
        None if report.is_complete() => "complete".into(),
        None => report.bounds.join("; "),
    };
    println!(
        "{name:34} reduced {reduce:5} threads {threads} | {:9} worlds {:8} casts {:10} steps {:10} left out, {:3} deep, {:6} turns | {seconds:7.2} s, {:9.0} worlds/s {:9.0} steps/s {:4} bytes/world | {verdict}",
        report.worlds,
        report.casts,
        report.transitions,
        report.pruned,
        report.depth,
        report.local_steps,
        report.worlds as f64 / seconds,
        report.transitions as f64 / seconds,
        report.memory / report.worlds.max(1),
    );
}

fn main() {
    let managers: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    if std::env::args().nth(2).as_deref() == Some("alone") {
        return measure(
            &format!("two-phase {managers}, decisions any"),
            &models::two_phase(managers, true),
            false,
            2,
        );
    }
    for reduce in [false, true] {
        for threads in [1, 2] {
            measure(
                &format!("two-phase {managers}, decisions once"),
                &models::two_phase(managers, false),
                reduce,
                threads,
            );
        }
    }
    for threads in [1, 2] {
        measure(
            &format!("two-phase {managers}, decisions any"),
            &models::two_phase(managers, true),
            false,
            threads,
        );
    }
    for n in [9, 12] {
        measure(&format!("{n} senders to one that counts"), &models::senders(n, true, false), true, 2);
        measure(&format!("{n} senders to {n} machines"), &models::senders(n, false, true), true, 2);
    }
    measure("9 senders to one that keeps order", &models::senders(9, true, true), true, 1);
    measure("9 senders to one that keeps order", &models::senders(9, true, true), true, 2);
}
