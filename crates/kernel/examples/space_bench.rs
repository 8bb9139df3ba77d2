//! What publishing, joining and leaving cost in a space of 1, 1,000 and 100,000 endpoints that do not match, and 350,000
//! endpoints that join and crash: `cargo run --release -p everstate-kernel --example space_bench`.
//!
//! Each figure is the median of rounds that take turns among the sizes, so that a busy machine disturbs all alike.
#![expect(clippy::print_stdout, reason = "a bench talks to a person")]

use everstate_kernel::Address;
use everstate_kernel::space::{Change, Endpoint, EndpointName, Interest, Part, Pattern, Reason, Role, Space};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: [u64; 3] = [1, 1_000, 100_000];
const ROUNDS: usize = 31;
const PER_ROUND: u32 = 2_000;
const CROWD: u64 = 350_000;

/// A name, the patterns of the endpoints that do not match, a topic that does, and the pattern that takes it.
type Shape = (&'static str, fn(u64) -> String, &'static str, &'static str);

/// How the patterns of the endpoints that do not match differ from the one that does.
const SHAPES: [Shape; 5] = [
    ("literal last", |n| format!("tick/{n}"), "tick/match", "tick/match"),
    ("literal first", |n| format!("{n}/tick"), "match/tick", "match/tick"),
    ("any then name", |n| format!("worker/{n}/busy"), "worker/7/idle", "worker/*/idle"),
    ("wild others", |n| format!("*/{n}/>"), "x/match/y", "*/match/>"),
    ("rest", |n| format!("room/{n}/door"), "room/match/door", "room/match/>"),
];

fn main() {
    println!(
        "{:<16}{:<12}{:>12}{:>12}{:>12}{:>10}",
        "patterns", "operation", "1", "1,000", "100,000", "ratio"
    );
    for (name, other, topic, pattern) in SHAPES {
        measure(name, other, topic, pattern);
    }
    crowd();
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

fn endpoint(member: &str, text: &str, role: Role) -> Endpoint {
    let name = EndpointName { member: address(member), name: Arc::from("e") };
    Endpoint { name, part: Part::new(pattern(text), role, Interest::Participant), since: 0, credit: 0 }
}

fn measure(name: &str, other: fn(u64) -> String, topic: &str, matching: &str) {
    let mut next = 0;
    let mut spaces: Vec<Space> = SIZES
        .map(|size| {
            let mut space = Space::new(1);
            let mut changes = vec![Change::Join(endpoint("taker/1", matching, Role::Subscriber))];
            for n in 1..size {
                let role = if n % 2 == 0 { Role::Publisher } else { Role::Subscriber };
                changes.push(Change::Join(endpoint(&format!("other/{n}"), &other(n), role)));
            }
            space.apply(1, changes).expect("they may join");
            space
        })
        .into();
    let topic = pattern(topic);
    let publisher = endpoint("sender/1", matching, Role::Publisher);
    let mut times = vec![[const { Vec::new() }; 3]; SIZES.len()];
    for _ in 0..ROUNDS {
        for (space, times) in spaces.iter_mut().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..PER_ROUND {
                assert_eq!(black_box(space.takers(Role::Subscriber, &topic)).len(), 1);
            }
            times[0].push(start.elapsed());
            let (mut joining, mut leaving) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..PER_ROUND {
                next += 1;
                let start = Instant::now();
                let joined = space.apply(1_000_000 + next, vec![Change::Join(publisher.clone())]);
                joining += start.elapsed();
                assert_eq!(joined.expect("it may join").notices.len(), 2);
                let start = Instant::now();
                let left = space.apply(1_000_000 + next, vec![Change::Leave(publisher.name.clone())]);
                leaving += start.elapsed();
                assert_eq!(left.expect("it may leave").notices.len(), 1);
            }
            times[1].push(joining);
            times[2].push(leaving);
        }
    }
    for (at, operation) in ["publish", "join", "leave"].iter().enumerate() {
        let medians: Vec<f64> = times
            .iter_mut()
            .map(|times| {
                times[at].sort();
                times[at][ROUNDS / 2].as_nanos() as f64 / f64::from(PER_ROUND)
            })
            .collect();
        let ratio = medians[2] / medians[0];
        let [one, thousand, many] = [medians[0], medians[1], medians[2]].map(|time| format!("{time:.0} ns"));
        println!("{name:<16}{operation:<12}{one:>12}{thousand:>12}{many:>12}{ratio:>10.2}");
    }
}

/// 350,000 machines join under one observer, crash together, and one more space is cleaned by dropping it.
fn crowd() {
    let mut space = Space::new(1);
    let watcher = Endpoint {
        part: Part::new(pattern("session/>"), Role::Subscriber, Interest::Observer),
        ..endpoint("watcher/1", "x", Role::Subscriber)
    };
    space.apply(0, vec![Change::Join(watcher)]).expect("it may join");
    let member = |n: u64| format!("session/{n}");
    let before = resident_bytes();
    let start = Instant::now();
    for n in 0..CROWD {
        let joining = endpoint(&member(n), &format!("session/{n}/here"), Role::Publisher);
        let told = space.apply(1 + n, vec![Change::Join(joining)]).expect("it may join");
        assert_eq!(told.notices.len(), 1);
    }
    let joined = start.elapsed();
    let bytes = (resident_bytes() - before) / CROWD;
    let start = Instant::now();
    let crash =
        (0..CROWD).map(|n| Change::Withdraw(address(&member(n)), Reason::Faulted(Arc::from("crash"))));
    let told = space.apply(CROWD * 2, crash.collect()).expect("they may go").notices.len();
    println!(
        "{CROWD} endpoints: joined one by one in {joined:.2?}, {bytes} bytes each; crashed in one turn with {told} absences in {:.2?}",
        start.elapsed()
    );
}

/// Bytes of memory in use, where the system tells.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}
