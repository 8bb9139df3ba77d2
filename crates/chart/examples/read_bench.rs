//! How long it takes to read a chart of a thousand states, and how much of it is YAML's or JSON's parser.
//!
//! `cargo run --release -p everstate-chart --example read_bench [STATES]`
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::fmt::Write;
use std::time::Instant;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let mut yaml = String::from("name: large\ninitial: s0\ncontext: {n: 0}\nstates:\n");
    let mut json = String::from(r#"{"name":"large","initial":"s0","context":{"n":0},"states":{"#);
    for at in 0..count {
        let next = (at + 1) % count;
        let _ = writeln!(
            yaml,
            "  s{at}:\n    entry: {{assign: {{n: context.n + 1}}}}\n    on:\n      next: {{target: s{next}, guard: context.n >= 0}}\n      back: s0"
        );
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            json,
            r#"{comma}"s{at}":{{"entry":{{"assign":{{"n":"context.n + 1"}}}},"on":{{"next":{{"target":"s{next}","guard":"context.n >= 0"}},"back":"s0"}}}}"#
        );
    }
    json.push_str("}}");
    for (name, text) in [("YAML", &yaml), ("JSON", &json)] {
        let parsed = best(|| assert!(everstate_chart::document::parse(text).is_ok()));
        let read = best(|| {
            let outcome = everstate_chart::read("large.yaml", text);
            assert!(outcome.definition.is_some(), "{:?}", outcome.findings.first());
        });
        println!("{count} states from {name}, {} bytes: {read}; the parser alone: {parsed}", text.len());
    }
}

fn best(mut work: impl FnMut()) -> String {
    let mut least = f64::INFINITY;
    for _ in 0..15 {
        let began = Instant::now();
        work();
        least = least.min(began.elapsed().as_secs_f64() * 1e3);
    }
    let allocations = allocation_counter::measure(work).count_total;
    format!("{least:.1} ms, {allocations} allocations")
}
