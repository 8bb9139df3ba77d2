//! Times a guard with its scope bound anew each time, and counts what it allocates.
//!
//! `cargo run --release -p everstate-chart --example expression_bench`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use everstate_chart::expression::{Cost, EventMeta, Expression, InstanceMeta, Names, Scope, Type};
use everstate_chart::value::Value;
use everstate_kernel::{Address, Time};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const CASES: [&str; 8] = [
    "event.amount >= context.total && size(context.items) < 10 && context.state == 'open'",
    "event.amount > 100",
    "context.total + event.amount * 2 - 1",
    "event.currency in context.currencies",
    "context.items.exists(item, item.price > 100)",
    "context.items.all(item, item.price > 0 && item.name.startsWith('i'))",
    "event.email.matches('^[a-z.]+@[a-z.]+$')",
    "{'total': context.total + event.amount, 'last': event.currency}",
];

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let rounds: u32 = if smoke { 1_000 } else { 1_000_000 };
    let items = (0..5).map(|n| format!(r#"{{"name":"item-{n}","price":{}}}"#, n * 10 + 1));
    let items = items.collect::<Vec<_>>().join(",");
    let context = format!(
        r#"{{"total":100,"items":[{items}],"state":"open","currencies":["USD","EUR","CHF"],"customer":"c-1"}}"#
    );
    let event = r#"{"amount":120,"currency":"CHF","email":"jane.doe@example.org"}"#;
    let (Ok(context), Ok(event)) = (Value::from_json(&context), Value::from_json(event)) else {
        println!("the data does not parse");
        return;
    };
    let names = Names::new().context(Some(Type::of_initial(&context)));
    println!("{:>8} {:>10} {:>6} {:>10}  expression", "ns", "allocated", "cost", "compile us");
    let only = std::env::args().nth(1).and_then(|at| at.parse::<usize>().ok());
    for (at, source) in CASES.into_iter().enumerate() {
        if only.is_some_and(|only| only != at) {
            continue;
        }
        match Expression::compile(source, &names) {
            Ok(expression) => measure(&expression, &names, &context, &event, rounds),
            Err(errors) => println!("{source}: {errors:?}"),
        }
    }
}

fn measure(expression: &Expression, names: &Names, context: &Value, event: &Value, rounds: u32) {
    let Ok(address) = Address::parse("orders/42") else { return };
    let name: Arc<str> = Arc::from("pay");
    let once = || {
        let meta = EventMeta { name: &name, id: "e-1", sender: None, time: Time(1), more: &Value::Null };
        let instance = InstanceMeta { address: &address, version: "v1", incarnation: 1 };
        let scope = Scope {
            context: black_box(context),
            event: black_box(event),
            event_meta: &meta,
            instance: &instance,
            now: Time(1_700_000_000_000),
            active: &|_| false,
            locals: &[],
            present: &[],
        };
        let mut cost = Cost::new(100_000);
        let value = expression.evaluate(&scope, &mut cost);
        black_box(value).map(|_| 100_000 - cost.remaining())
    };
    let cost = once().unwrap_or(0);
    let counted = allocation_counter::measure(|| {
        let _ = once();
    });
    let allocated = counted.count_total;
    // The least of many short runs: other work on the machine only ever adds.
    let mut least = f64::MAX;
    for _ in 0..rounds / 200 {
        let start = Instant::now();
        for _ in 0..200 {
            let _ = once();
        }
        least = least.min(start.elapsed().as_nanos() as f64 / 200.0);
    }
    let start = Instant::now();
    for _ in 0..rounds / 1_000 {
        let _ = black_box(Expression::compile(black_box(expression.source()), names));
    }
    let compile = start.elapsed().as_nanos() as f64 / f64::from(rounds / 1_000) / 1_000.0;
    println!("{least:>8.0} {allocated:>10} {cost:>6} {compile:>10.1}  {}", expression.source());
}
