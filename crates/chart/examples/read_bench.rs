//! How long it takes to read a chart of a thousand states: `cargo run --release --example read_bench`.

use std::fmt::Write;
use std::time::Instant;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let mut text = String::from("name: large\ninitial: s0\ncontext: {n: 0}\nstates:\n");
    for at in 0..count {
        let next = (at + 1) % count;
        let _ = writeln!(
            text,
            "  s{at}:\n    entry: {{assign: {{n: context.n + 1}}}}\n    on:\n      next: {{target: s{next}, guard: context.n >= 0}}\n      back: s0"
        );
    }
    let mut best = f64::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        let outcome = everstate_chart::read("large.yaml", &text);
        best = best.min(began.elapsed().as_secs_f64() * 1e3);
        assert!(outcome.definition.is_some(), "{:?}", outcome.findings.first());
    }
    let report = format!("{count} states, {} bytes: {best:.1} ms\n", text.len());
    let _ = std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes());
}
