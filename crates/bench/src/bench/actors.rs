//! Machines in memory, in process: telling, calling and spawning, beside a bare channel and two libraries of actors.
//!
//! It refuses to call equal what is not: actors keep nothing and answer for nothing, and the notes say so. Its one
//! invariant: every side counts to the same number before it is believed.

use super::{Size, median};
use crate::report::{Section, per_second, thousands, time};
use anyhow::{Context as _, Result, ensure};
use everstate::{Address, Behaviour, CallError, Context, Create, Durability, Everstate, Policy, wait};
use serde::{Deserialize, Serialize};
use std::time::Instant;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Counter(u64);

impl Behaviour for Counter {
    const NAME: &str = "counters";
    type Message = u64;
    type Reply = u64;
    type Error = ();

    fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, ()> {
        self.0 += more;
        Ok(self.0)
    }

    fn policy() -> Policy {
        Policy { create: Create::OnDemand, durability: Durability::None, ..Policy::default() }
    }
}

/// What one side has shown: events told in a second, and the time of each call in nanoseconds.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) tells: f64,
    pub(crate) call: f64,
}

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) tells: u64,
    pub(crate) calls: usize,
}

impl Amount {
    /// Tells in a second, when so many were counted since `started`.
    pub(crate) fn rate(self, counted: u64, started: Instant) -> Result<f64> {
        ensure!(counted == self.tells, "{counted} of {} were counted", self.tells);
        Ok(counted as f64 / started.elapsed().as_secs_f64())
    }
}

pub(crate) fn run(size: &Size) -> Result<Section> {
    let amount = Amount { tells: size.chart_turns, calls: (size.chart_turns / 10) as usize };
    let mut section = Section::new("Machines in memory, in process");
    let mut rounds: Vec<(&str, Vec<Side>)> = Vec::new();
    for _ in 0..size.rounds {
        for (name, side) in sides(amount, size.peers)? {
            match rounds.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(side),
                None => rounds.push((name, vec![side])),
            }
        }
    }
    let middle = |all: &[Side], of: fn(&Side) -> f64| median(all.iter().map(of).collect());
    let ours = &rounds[0].1;
    let (tells, call) = (middle(ours, |side| side.tells), middle(ours, |side| side.call));
    for (name, all) in &rounds {
        let (their_tells, their_call) = (middle(all, |side| side.tells), middle(all, |side| side.call));
        section
            .row(format!("{name}: tell"), per_second(their_tells, "events"))
            .times(tells / their_tells, name);
        section.row(format!("{name}: call, p50"), time(their_call)).times(their_call / call, name);
    }
    spawn(size, &mut section)?;
    section.note(
        "Everstate with durability `none`: each event is deduplicated by its id, its turn is recorded with its outcome, and \
         the state is encoded. The others keep nothing. Ratios above 1 are in favour of Everstate.",
    );
    if !cfg!(feature = "actors") {
        section.note("ractor and kameo were left out: build with the feature `actors`.");
    }
    Ok(section)
}

fn sides(amount: Amount, peers: bool) -> Result<Vec<(&'static str, Side)>> {
    let mut sides = vec![("Everstate", ours(amount)?), ("a bare tokio channel", channel(amount)?)];
    #[cfg(feature = "actors")]
    if peers {
        sides.push(("ractor", crate::peers::actors::ractor(amount)?));
        sides.push(("kameo", crate::peers::actors::kameo(amount)?));
    }
    let _ = peers;
    Ok(std::mem::take(&mut sides))
}

/// The middle one of the times of calls.
pub(crate) fn p50(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ours(amount: Amount) -> Result<Side> {
    let everstate = Everstate::memory().behaviour::<Counter>().start()?;
    let counter = Address::<Counter>::new("1")?;
    let call = |more| wait(everstate.call(&counter, more)).context("a call");
    call(0)?;
    let started = Instant::now();
    for _ in 0..amount.tells {
        post(&everstate, &counter, 1)?;
    }
    let tells = amount.rate(call(0)?, started)?;
    let mut times = Vec::with_capacity(amount.calls);
    for _ in 0..amount.calls {
        let asked = Instant::now();
        call(1)?;
        times.push(asked.elapsed().as_nanos() as f64);
    }
    everstate.stop()?;
    Ok(Side { tells, call: p50(times) })
}

/// Sends, and lets the node catch up when its queue is full.
fn post(everstate: &Everstate, to: &Address<Counter>, more: u64) -> Result<()> {
    loop {
        match everstate.post(to, more) {
            Ok(()) => return Ok(()),
            Err(CallError::Node(everstate_runtime::CallError::Overloaded { .. })) => std::thread::yield_now(),
            Err(error) => anyhow::bail!("it was not taken: {error:?}"),
        }
    }
}

enum Message {
    Add(u64),
    Ask(u64, tokio::sync::oneshot::Sender<u64>),
}

fn channel(amount: Amount) -> Result<Side> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(message) = receiver.recv().await {
                match message {
                    Message::Add(more) => count += more,
                    Message::Ask(more, reply) => {
                        count += more;
                        let _ = reply.send(count);
                    }
                }
            }
        });
        let call = |more| {
            let (reply, answer) = tokio::sync::oneshot::channel();
            let sent = sender.send(Message::Ask(more, reply));
            async move {
                sent.ok().context("the task runs")?;
                answer.await.context("it answers")
            }
        };
        let started = Instant::now();
        for _ in 0..amount.tells {
            sender.send(Message::Add(1)).ok().context("the task runs")?;
        }
        let tells = amount.rate(call(0).await?, started)?;
        let mut times = Vec::with_capacity(amount.calls);
        for _ in 0..amount.calls {
            let asked = Instant::now();
            call(1).await?;
            times.push(asked.elapsed().as_nanos() as f64);
        }
        Ok(Side { tells, call: p50(times) })
    })
}

/// Instances that begin with their first message: time, and memory awake and at rest.
fn spawn(size: &Size, section: &mut Section) -> Result<()> {
    let count = size.growth[1];
    let mut bytes = [0.0; 2];
    let mut seconds = 0.0;
    for (place, awake) in [true, false].into_iter().enumerate() {
        let cached = if awake { usize::MAX } else { 0 };
        let options = everstate::Options { instances_cached_max: cached, ..Default::default() };
        let before = resident()?;
        let everstate = Everstate::memory().behaviour::<Counter>().options(options).start()?;
        let started = Instant::now();
        for number in 0..count {
            post(&everstate, &Address::new(&number.to_string())?, 1)?;
        }
        let last = Address::<Counter>::new(&(count - 1).to_string())?;
        ensure!(wait(everstate.call(&last, 0)).context("a call")? == 1, "the last one has counted");
        if awake {
            seconds = started.elapsed().as_secs_f64();
        }
        bytes[place] = (resident()?.saturating_sub(before)) as f64 / count as f64;
        everstate.stop()?;
    }
    let number = thousands(count as f64);
    section.row(format!("{number} spawned by their first message"), time(seconds * 1e9)).at_most(
        seconds * 1e6 / count as f64,
        3.0,
        "3 s for a million",
    );
    section.row("memory of each, awake", format!("{:.0} B", bytes[0])).at_most(bytes[0], 1024.0, "1 KiB");
    section.row("memory of each, at rest", format!("{:.0} B", bytes[1])).at_most(bytes[1], 300.0, "300 B");
    section.note(
        "Memory is the process's, with the engine in memory, so the history of two turns and the remembered outcome of \
         each message are in it.",
    );
    Ok(())
}

/// Bytes of memory that the process has.
fn resident() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").context("how much memory this process has")?;
    let pages: u64 = text.split(' ').nth(1).context("a second number")?.parse()?;
    Ok(pages * 4096)
}
