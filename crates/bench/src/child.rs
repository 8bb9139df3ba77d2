//! What runs in a process of its own: where memory is measured, instructions are counted, or a server has to stand
//! apart from its load.
//!
//! It refuses to be called by hand. Its one invariant: what it finds it prints as one line of JSON.

use crate::bench::{With, compiled, median, ours};
use crate::load::Bound;
use crate::machine::resident_bytes;
use crate::node::{Among, KIND, Node};
use crate::peers::output;
use crate::served;
use crate::society::Counter;
use anyhow::{Context, Result, bail, ensure};
use everstate::{Address, CallError, Everstate, Options, wait};
use everstate_runtime::CallError as NodeError;
use everstate_store::{Order, Query};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The first argument of a child.
pub(crate) const COMMAND: &str = "child";

/// Runs the command of a child.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["open", folder, instances] => opened(Path::new(folder), instances.parse()?),
        ["bulk", folder, sends] => bulk(Path::new(folder), sends.parse()?),
        ["serve", folder] => served::serve(Path::new(folder)),
        ["chart", events] => ours(events.parse()?, With::Nothing).map(drop),
        ["chart-encoded", events] => ours(events.parse()?, With::Encoding).map(drop),
        ["statig", events] => compiled(events.parse()?).map(drop),
        ["actors", what, count] => actors(what, count.parse()?),
        _ => bail!("a child knows no {args:?}"),
    }
}

/// What is seen of a store that was opened anew. Times in nanoseconds.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) opening: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) first_page_cold: f64,
    pub(crate) first_page: f64,
    pub(crate) newest_page: f64,
    pub(crate) count: f64,
    pub(crate) disk_bytes: u64,
}

/// Opens a store in a process of its own.
pub(crate) fn open(folder: &Path, instances: u64) -> Result<Opened> {
    let mut child = Command::new(std::env::current_exe()?);
    let told = output(child.args([COMMAND, "open"]).arg(folder).arg(instances.to_string()))?;
    let told: Value = serde_json::from_str(&told)?;
    let number = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
    Ok(Opened {
        opening: number("opening")?,
        resident_bytes: number("resident_bytes")? as u64,
        first_page_cold: number("first_page_cold")?,
        first_page: number("first_page")?,
        newest_page: number("newest_page")?,
        count: number("count")?,
        disk_bytes: number("disk_bytes")? as u64,
    })
}

/// How long the store rests before its memory is looked at: long enough for what runs behind an opening.
const REST: Duration = Duration::from_millis(500);

/// Pages of a list that are timed.
const PAGES: usize = 50;

fn opened(folder: &Path, instances: u64) -> Result<()> {
    let started = Instant::now();
    let node = Node::open(folder)?;
    node.load(1, 1, Among::scattered(instances), Bound { sends: 1, ..Bound::time(Duration::from_secs(60)) })?;
    let opening = started.elapsed().as_nanos() as f64;
    let reader = node.handle().reader();
    let query = Query {
        kind: Some(KIND.into()),
        state: Some("outer.middle.left".into()),
        limit: 100,
        ..Query::default()
    };
    let timed = |query: &Query| -> Result<f64> {
        let started = Instant::now();
        let page = reader.list(query)?;
        let elapsed = started.elapsed().as_nanos() as f64;
        let found = page.total.unwrap_or(page.instances.len() as u64);
        ensure!(found > 0, "nobody is in the state that is asked for");
        Ok(elapsed)
    };
    let often = |query: &Query| {
        Ok::<_, anyhow::Error>(median((0..PAGES).map(|_| timed(query)).collect::<Result<_>>()?))
    };
    let first_page_cold = timed(&query)?;
    let first_page = often(&query)?;
    let newest_page = often(&Query { order: Order::Newest, ..query.clone() })?;
    let count = often(&Query { limit: 0, count: true, ..query.clone() })?;
    std::thread::sleep(REST);
    let found = json!({
        "opening": opening,
        "resident_bytes": resident_bytes("self"),
        "first_page_cold": first_page_cold,
        "first_page": first_page,
        "newest_page": newest_page,
        "count": count,
        "disk_bytes": reader.summary()?.bytes_on_disk,
    });
    println!("{found}");
    node.stop()
}

/// So many batches for a profiler to look at: `valgrind --tool=callgrind --separate-threads=yes everstate-bench
/// child bulk FOLDER 20`.
fn bulk(folder: &Path, sends: u64) -> Result<()> {
    let node = Node::open(folder)?;
    node.populate(1_000)?;
    let bound = Bound { sends, ..Bound::time(Duration::from_secs(600)) };
    let load = node.load(4, 512, Among::scattered(1_000), bound)?;
    println!("{}", json!({ "events": load.events, "per_second": load.per_second() }));
    node.stop()
}

/// Machines in memory: told, called, or made.
fn actors(what: &str, count: u64) -> Result<()> {
    // All of them stay awake: it is their memory that is asked for.
    let options = Options { instances_cached_max: usize::MAX, ..Options::default() };
    let everstate = Everstate::memory().behaviour::<Counter>().options(options).start()?;
    let one = Address::<Counter>::new("one")?;
    wait(everstate.call(&one, 0))?;
    let (before, started) = (resident_bytes("self"), Instant::now());
    let last = match what {
        "tell" => {
            (0..count).try_for_each(|_| post(&everstate, &one))?;
            asked(&everstate, &one)?
        }
        "call" => {
            for _ in 0..count {
                wait(everstate.call(&one, 1))?;
            }
            wait(everstate.call(&one, 0))?
        }
        "spawn" => {
            for number in 0..count {
                post(&everstate, &Address::new(&format!("c{number}"))?)?;
            }
            // Whoever is in the queue before it has been made.
            asked(&everstate, &Address::new(&format!("c{}", count - 1))?)?;
            count
        }
        other => bail!("a child knows no {other:?}"),
    };
    let seconds = started.elapsed().as_secs_f64();
    ensure!(last == count, "{last} messages were handled, not {count}");
    println!("{}", json!({ "seconds": seconds, "bytes": resident_bytes("self").saturating_sub(before) }));
    everstate.stop()?;
    Ok(())
}

/// How long whoever finds the queue full lets the shard work in peace: a fraction of what the queue holds.
const BREATH: Duration = Duration::from_millis(1);

/// What one of them has counted, once everything that is in the queue before has been handled.
fn asked(everstate: &Everstate, who: &Address<Counter>) -> Result<u64> {
    loop {
        match wait(everstate.call(who, 0)) {
            Err(CallError::Node(NodeError::Overloaded { .. })) => std::thread::sleep(BREATH),
            other => return Ok(other?),
        }
    }
}

/// Puts one message into the queue, when there is room.
fn post(everstate: &Everstate, to: &Address<Counter>) -> Result<()> {
    loop {
        match everstate.post(to, 1u64) {
            Err(CallError::Node(NodeError::Overloaded { .. })) => std::thread::sleep(BREATH),
            other => return Ok(other?),
        }
    }
}
