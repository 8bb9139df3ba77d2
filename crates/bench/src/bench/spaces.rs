//! Publishing to one matching subscriber among many in a space, beside brokers and a dataspace in memory.
//!
//! It refuses to count what was sent: only what a subscriber has handled counts. Its one invariant: the number of endpoints
//! is all that differs between the rows that are compared.

use super::{Size, peer};
use crate::machine::resident_bytes;
use crate::peers::brokers::BROKERS;
use crate::peers::crates::{DATASPACE, built};
use crate::peers::output;
use crate::report::{Section, per_second, time};
use crate::scratch::Scratch;
use crate::society::{Counter, Crowd, EACH, Ear, Listener, Talk, Talker};
use anyhow::{Context, Result};
use everstate::{Address, Everstate, Setup, wait};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Messages that one turn publishes.
const BURST: u64 = 100;

/// Talkers that wait, each for its own turn.
const TALKERS: u64 = 64;

/// A space with so many endpoints, one of which listens.
struct Room {
    everstate: Everstate,
    listener: Address<Listener>,
    talkers: Vec<Address<Talker>>,
    /// What the listener will have heard when all is handled.
    published: u64,
}

/// Costs of one thing each, in nanoseconds.
struct Costs {
    single: f64,
    burst: f64,
    join: f64,
    leave: f64,
}

impl Room {
    fn open(setup: Setup, endpoints: u64) -> Result<Room> {
        let everstate = setup.behaviour::<Crowd>().behaviour::<Listener>().behaviour::<Talker>().start()?;
        let listener = Address::new("one")?;
        let talkers = (0..TALKERS).map(|number| Address::new(&format!("t{number}")));
        let talkers = talkers.collect::<Result<Vec<_>, _>>()?;
        wait(everstate.call(&listener, Ear::Open))?;
        let mut room = Room { everstate, listener, talkers, published: 0 };
        for first in (1..endpoints).step_by(EACH as usize) {
            let crowd = Address::<Crowd>::new(&format!("c{first}"))?;
            wait(room.everstate.call(&crowd, (first, EACH.min(endpoints - first))))?;
        }
        room.publish(1, 1)?;
        Ok(room)
    }

    /// Lets the talkers publish `times` bursts of `burst` together, and waits until all of it was heard.
    fn publish(&mut self, times: u64, burst: u64) -> Result<Duration> {
        let started = Instant::now();
        self.tell(times, move || Talk::Publish(burst))?;
        self.published += times * burst;
        while wait(self.everstate.call(&self.listener, Ear::Count))? < self.published {
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(started.elapsed())
    }

    /// Each of `times` is told to one of the talkers, all of whom are busy at once.
    fn tell(&self, times: u64, talk: impl Fn() -> Talk + Copy + Send + 'static) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let told: Result<Vec<()>> = runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for (number, talker) in (0..).zip(&self.talkers) {
                let (everstate, talker) = (self.everstate.clone(), talker.clone());
                let share = times / TALKERS + u64::from(number < times % TALKERS);
                tasks.spawn(async move {
                    for _ in 0..share {
                        everstate.call(&talker, talk()).await?;
                    }
                    anyhow::Ok(())
                });
            }
            tasks.join_all().await.into_iter().collect()
        });
        told.map(drop)
    }

    /// What each costs.
    fn costs(&mut self, size: &Size) -> Result<Costs> {
        let messages = size.messages / 10;
        let each = |elapsed: Duration, count: u64| elapsed.as_nanos() as f64 / count as f64;
        let single = each(self.publish(messages / 4, 1)?, messages / 4);
        let burst = each(self.publish(messages / BURST, BURST)?, messages / BURST * BURST);
        let (mut join, mut leave) = (Duration::ZERO, Duration::ZERO);
        let rounds = (messages / 4 / TALKERS).max(1);
        for _ in 0..rounds {
            let started = Instant::now();
            self.tell(TALKERS, || Talk::Join)?;
            self.publish(1, 1)?;
            join += started.elapsed();
            let started = Instant::now();
            self.tell(TALKERS, || Talk::Leave)?;
            self.publish(1, 1)?;
            leave += started.elapsed();
        }
        let rounds = rounds * TALKERS;
        Ok(Costs { single, burst, join: each(join, rounds), leave: each(leave, rounds) })
    }
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let mut section = Section::new("Spaces");
    let scratch = Scratch::new("spaces")?;
    let mut rates = Vec::new();
    for durable in [false, true] {
        let mut smallest: Option<Costs> = None;
        for &endpoints in &size.endpoints {
            let setup = if durable {
                Everstate::open(scratch.path().join(endpoints.to_string()))
            } else {
                Everstate::memory()
            };
            let mut room = Room::open(setup, endpoints)?;
            let costs = room.costs(size)?;
            room.everstate.stop()?;
            let base = smallest.get_or_insert(Costs { ..costs });
            tell(&mut section, durable, endpoints, &costs, base);
            rates.push((durable, endpoints, 1e9 / costs.burst));
        }
    }
    if size.peers {
        beside(&mut section, size, &rates);
    }
    crowd(&mut section, size)?;
    followers(&mut section, size)?;
    section.note(format!(
        "{TALKERS} publishers, each waiting for its own turn; a message is counted when the subscriber has made its turn \
         for it. In bursts one turn publishes {BURST} messages. Durable: the embedded store, `power`. Brokers are driven \
         with their own protocol over loopback, {} messages written at once and not kept by anybody.",
        1_000
    ));
    Ok(section)
}

fn tell(section: &mut Section, durable: bool, endpoints: u64, costs: &Costs, base: &Costs) {
    let how = if durable { "durable" } else { "in memory" };
    let rows = [
        ("publish, one a turn", costs.single, base.single),
        ("publish, in bursts", costs.burst, base.burst),
        ("join", costs.join, base.join),
        ("leave", costs.leave, base.leave),
    ];
    for (what, cost, least) in rows {
        let result = format!("{} ({})", per_second(1e9 / cost, "times"), time(cost));
        let row = section.row(format!("{how}, {endpoints} endpoints: {what}"), result);
        if cost != least {
            row.times(cost / least, "the cost at 1").at_most(cost / least, 1.5, "1.5");
        }
    }
}

/// What is compared to, at each number of endpoints.
fn beside(section: &mut Section, size: &Size, rates: &[(bool, u64, f64)]) {
    let dataspace = peer(section, "syndicate's dataspace", || built(&DATASPACE));
    for &endpoints in &size.endpoints {
        let ours = |durable: bool| {
            let of = rates.iter().find(|rate| (rate.0, rate.1) == (durable, endpoints));
            of.map_or(f64::NAN, |rate| rate.2)
        };
        for broker in BROKERS {
            let name = format!("{}, {endpoints} subscriptions", broker.name);
            let of = || broker.per_second(endpoints, size.messages);
            if let Some(rate) = peer(section, &name, of) {
                section
                    .row(name, per_second(rate, "messages"))
                    .times(rate / ours(false), "Everstate in memory, in bursts");
            }
        }
        let Some(program) = &dataspace else { continue };
        let name = format!("syndicate's dataspace, {endpoints} subscriptions");
        if let Some(rate) = peer(section, &name, || routed(program, endpoints, size.messages)) {
            section.row(name, per_second(rate, "messages"));
            for durable in [false, true] {
                let ratio = ours(durable) / rate;
                let how = if durable { "durable" } else { "in memory" };
                let row = section.row(
                    format!("Everstate {how}, in bursts, beside it"),
                    per_second(ours(durable), "messages"),
                );
                row.times(ratio, "the dataspace");
                if endpoints > 1 {
                    row.at_least(ratio, 1.0, "1");
                }
            }
        }
    }
}

fn routed(program: &Path, endpoints: u64, messages: u64) -> Result<f64> {
    let counts = [endpoints.to_string(), messages.to_string()];
    let told: serde_json::Value = serde_json::from_str(&output(Command::new(program).args(counts))?)?;
    Ok(messages as f64 / told["seconds"].as_f64().context("it told no time")?)
}

/// Very many join one space, and all crash.
fn crowd(section: &mut Section, size: &Size) -> Result<()> {
    let before = resident_bytes("self");
    let started = Instant::now();
    let mut room = Room::open(Everstate::memory(), size.crowd)?;
    section.row(
        format!("{} endpoints join one space", size.crowd),
        format!("{:.1} s", started.elapsed().as_secs_f64()),
    );
    let bytes = resident_bytes("self").saturating_sub(before);
    section.row("their memory, each", format!("{} bytes", bytes / size.crowd));
    let started = Instant::now();
    let kills =
        (1..size.crowd).step_by(EACH as usize).map(|first| Address::<Crowd>::new(&format!("c{first}")));
    for crowd in kills.collect::<Result<Vec<_>, _>>()? {
        wait(room.everstate.handle().stop_instance(crowd.any().clone(), true))?;
    }
    room.publish(1, 1)?;
    section.row("all crash, and the space is clean", format!("{:.1} s", started.elapsed().as_secs_f64()));
    room.everstate.stop()?;
    Ok(())
}

/// Very many follow one instance.
fn followers(section: &mut Section, size: &Size) -> Result<()> {
    let everstate = Everstate::memory().behaviour::<Counter>().start()?;
    let counter = Arc::new(Address::<Counter>::new("one")?);
    wait(everstate.call(&*counter, 0))?;
    let turns = size.messages / 2_000;
    let alone = Instant::now();
    for _ in 0..turns {
        wait(everstate.call(&*counter, 1))?;
    }
    let alone = alone.elapsed().as_nanos() as f64 / turns as f64;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let elapsed = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        let heard = Arc::new(AtomicU64::new(0));
        for _ in 0..size.followers {
            let mut follower = everstate.handle().follow_instance(counter.any().clone());
            let heard = heard.clone();
            tasks.spawn(async move {
                for _ in 0..turns {
                    follower.next().await?;
                    heard.fetch_add(1, Relaxed);
                }
                anyhow::Ok(())
            });
        }
        let started = Instant::now();
        for turn in 1..=turns {
            everstate.call(&counter, 1).await?;
            // All hear it before the next: it is the cost of each that is asked for.
            while heard.load(Relaxed) < turn * size.followers {
                if let Some(ended) = tasks.try_join_next() {
                    ended??;
                }
                tokio::task::yield_now().await;
            }
        }
        anyhow::Ok(started.elapsed())
    })?;
    let each = elapsed.as_nanos() as f64 / turns as f64;
    section.row("one instance without followers: a turn", time(alone));
    section
        .row(format!("the same with {} followers, all told: a turn", size.followers), time(each))
        .times(each / alone, "the turn alone");
    section.row("each follower and turn", time((each - alone).max(0.0) / size.followers as f64));
    everstate.stop()?;
    Ok(())
}
