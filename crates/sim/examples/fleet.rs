//! Many runs of the simulated node: `cargo xtask fleet --minutes 10`, `cargo xtask mutations`, or one plan as a seeds
//! file has it: `cargo run -p everstate-sim --features node --example fleet -- plan '42 deeds 1,2 faults 0'`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use everstate_sim::node::{BUGS, CI_SEEDS, Plan, run, shrink};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs that a failure is shrunk by at most.
const TRIES: usize = 120;

fn main() -> ExitCode {
    // What panics in a run is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    match words[..] {
        ["--minutes", minutes] => match number(minutes) {
            Some(minutes) => fleet(minutes, None),
            None => usage(),
        },
        ["--minutes", minutes, "--from", seed] => match (number(minutes), number(seed)) {
            (Some(minutes), Some(seed)) => fleet(minutes, Some(seed)),
            _ => usage(),
        },
        ["mutations"] => mutations(),
        ["plan", line] => match Plan::read(line) {
            Ok(Some(plan)) => one(&plan),
            Ok(None) => usage(),
            Err(problem) => {
                eprintln!("{problem}");
                ExitCode::from(2)
            }
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("fleet --minutes N [--from SEED] | mutations | plan 'SEED [deeds N,… faults N,…]'");
    ExitCode::from(2)
}

fn one(plan: &Plan) -> ExitCode {
    let verdict = run(plan, None);
    for line in &verdict.story {
        println!("{line}");
    }
    match verdict.failure {
        Some(failure) => {
            println!("{}: {}", failure.check, failure.what);
            ExitCode::FAILURE
        }
        None => {
            println!("all promises hold");
            ExitCode::SUCCESS
        }
    }
}

/// Runs seeds on all cores for some minutes; those of every day are left out.
fn fleet(minutes: u64, from: Option<u64>) -> ExitCode {
    let began = Instant::now();
    let until = began + Duration::from_secs(60 * minutes);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let first = from.unwrap_or_else(|| clock.map_or(1, |since| since.as_secs() * 1_000_000));
    let (next, runs, crashes, commits) =
        (AtomicU64::new(first), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("seeds from {first}, on {threads} threads, for {minutes} minutes");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, runs, crashes, commits, failed) = (&next, &runs, &crashes, &commits, &failed);
            scope.spawn(move || {
                let mut told = Instant::now();
                while Instant::now() < until {
                    let plan = Plan::of(next.fetch_add(1, Relaxed));
                    let verdict = run(&plan, None);
                    crashes.fetch_add(verdict.crashes, Relaxed);
                    commits.fetch_add(verdict.commits, Relaxed);
                    let done = runs.fetch_add(1, Relaxed) + 1;
                    if let Some(failure) = verdict.failure {
                        let shrunk = shrink(&plan, None, TRIES);
                        println!("{shrunk} # {}: {}", failure.check, failure.what);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(shrunk);
                    }
                    if thread == 0 && told.elapsed() > Duration::from_secs(10) {
                        told = Instant::now();
                        eprintln!("{:5} s, {done} runs", began.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (runs, crashes, commits) = (runs.into_inner(), crashes.into_inner(), commits.into_inner());
    println!("{runs} runs, {crashes} crashes, {commits} commits, {} failed", failed.len());
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("add these lines to crates/sim/tests/node.seeds:");
    failed.iter().for_each(|plan| println!("{plan}"));
    ExitCode::FAILURE
}

/// Puts in each bug, and says which seed finds it, by which check and how soon.
fn mutations() -> ExitCode {
    println!("| bug | found by seed | check | time |");
    println!("|---|---|---|---|");
    let mut missed = 0;
    for (bug, what) in BUGS {
        let began = Instant::now();
        let mut seeds = CI_SEEDS;
        let found = seeds.find_map(|seed| Some((seed, run(&Plan::of(seed), Some(*bug)).failure?)));
        let took = began.elapsed().as_secs_f64();
        match found {
            Some((seed, failure)) => println!("| {what} | {seed} | {} | {took:.2} s |", failure.check),
            None => {
                missed += 1;
                println!("| {what} | **none** | | {took:.2} s |");
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
