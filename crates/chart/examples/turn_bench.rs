//! Time and allocations of one turn of a chart with four levels, a guard and an assignment, without I/O.
//!
//! `cargo run --release -p everstate-chart --example turn_bench [TURNS]`
#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]

use everstate_chart::{Chart, read};
use everstate_kernel::{Address, Behaviour, Event, EventId, Handled, Json, Sender, State, Time, Turn};
use std::time::Instant;

const FOUR_LEVELS: &str = "
name: levels
context: {count: 0, limit: 1000000000}
initial: a
states:
  a:
    entry: []
    initial: b
    states:
      b:
        entry: {assign: {count: context.count + 1}}
        exit: {assign: {count: context.count - 1}}
        initial: c
        states:
          c:
            initial: d
            states:
              d: {on: {go: {guard: context.count < context.limit, target: e, actions: {assign: {count: context.count + 1}}}}}
              e: {on: {go: {guard: context.count < context.limit, target: d, actions: {assign: {count: context.count + 1}}}, far: f}}
              f: {}
";

/// The same with the data of the event asked, and states left and entered on two levels.
const WITH_DATA: &str = "
name: data
context: {total: 0, limit: 1000000000}
initial: a
states:
  a:
    initial: b
    states:
      b:
        initial: c
        states:
          c:
            initial: d
            entry: {assign: {total: context.total + 1}}
            exit: {assign: {total: context.total - 1}}
            states:
              d: {on: {go: {guard: event.amount > 0 && context.total < context.limit, target: '#data.a.b.x.y', actions: {assign: {total: context.total + event.amount}}}}}
          x:
            initial: y
            states:
              y: {}
            on: {go: {target: c, guard: event.amount > 0}}
";

fn next(chart: &Chart, state: &State, event: &Event, turn: &mut Turn<'_>) -> State {
    match chart.handle(state, event, turn) {
        Ok(Handled::Took(next)) => next.state,
        other => {
            println!("{other:?}");
            std::process::exit(1);
        }
    }
}

fn measure(title: &str, text: &str, data: &str, turns: u64) {
    let outcome = read("bench.yaml", text);
    let Some(definition) = outcome.definition else {
        println!("{:?}", outcome.findings);
        std::process::exit(1);
    };
    let chart = definition.chart;
    let address = Address::parse("levels/1").expect("an address");
    let turn = || Turn {
        now: Time(1),
        seed: 1,
        instance: &address,
        version: "v1",
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    };
    let event = Event {
        id: EventId::parse("event-1").expect("an id"),
        name: "go".into(),
        data: Json::parse(data).expect("JSON"),
        sender: Sender::Client,
        time: Time(1),
    };
    let mut state = chart.start(&Json::NULL, &mut turn()).expect("started").state;
    let mut best = f64::INFINITY;
    let mut allocations = 0;
    for _ in 0..5 {
        let start = Instant::now();
        // The counter costs some time of its own, so allocations are counted in a few turns apart.
        for _ in 0..turns {
            state = next(&chart, &state, &event, &mut turn());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / turns as f64);
        let counted = allocation_counter::measure(|| {
            for _ in 0..1_000 {
                state = next(&chart, &state, &event, &mut turn());
            }
        });
        allocations = counted.count_total;
    }
    let bytes = chart.encode(&state).len();
    let context = chart.describe(&state).data.as_str().len();
    println!(
        "{title}: {best:.0} ns and {:.1} allocations a turn; stored in {bytes} bytes, context as JSON {context}",
        allocations as f64 / 1_000.0
    );
}

fn compile(states: usize) {
    let mut text = String::from("name: many\ninitial: s0\nstates:\n");
    for at in 0..states {
        let next = (at + 1) % states;
        text.push_str(&format!(
            "  s{at}: {{entry: {{assign: {{n: context.n + 1}}}}, on: {{go: {{guard: context.n < {at}, target: s{next}}}, back: s0}}}}\n"
        ));
    }
    let start = Instant::now();
    let outcome = read("many.yaml", &text);
    println!("reading {states} states ({} kB): {:?}", text.len() / 1000, start.elapsed());
    assert!(outcome.definition.is_some());
}

fn main() {
    let turns = std::env::args().nth(1).and_then(|turns| turns.parse().ok()).unwrap_or(500_000);
    measure("four levels, guard, assign", FOUR_LEVELS, "null", turns);
    measure("the same with event data, two levels left and entered", WITH_DATA, "{\"amount\":2}", turns);
    compile(1_000);
}
