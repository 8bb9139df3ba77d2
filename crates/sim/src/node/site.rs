//! A node with its store, as the runtime drives it: batch, hydrate, step, one commit, release; and its end and its coming
//! back.
//!
//! It refuses to know clients. Its one invariant: nothing leaves before the commit that carries it, unless a bug is put in
//! for that.

use super::bugs::{Bug, Seam};
use super::cast;
use super::clock::Clock;
use super::ledger::{Commit, Ledger};
use super::plan::Sizes;
use super::whole::Whole;
use crate::chance::Chance;
use everstate_kernel::{
    Aged, DeadlineReason, Durability, HistoryEntry, Input, Json, Node, Out, Record, Release, Span, Ticket,
    Time, Touches, limits,
};
use everstate_store::{Crash, Embedded, FakeDisk, Options, Store, StoreError, Torn, open_fake};
use std::path::Path;

/// The seed of the node's own chance.
const NODE_SEED: u64 = 7;

/// Instances that are offered in one batch because something of them is kept no longer.
const EXPIRING_MAX: usize = 2;

/// A node that runs.
struct Running {
    node: Node,
    store: Embedded,
}

/// A place where a node runs, or is to run again.
pub(super) struct Site<'a> {
    running: Option<Running>,
    pub(super) disk: FakeDisk,
    folder: &'a Path,
    options: Options,
    sizes: Sizes,
    pub(super) clock: Clock,
    pub(super) seam: Seam,
    out: Out,
    inputs: Vec<(Time, Input)>,
    life: u64,
}

/// How a piece of work ended.
pub(super) enum Worked {
    /// These may leave.
    Released(Vec<Release>),
    /// The disk was full; nothing was done.
    Full,
    /// The process has ended.
    Down,
}

/// A violation of a promise, or of the contract between kernel, store and driver.
pub(super) type Broken = String;

impl<'a> Site<'a> {
    pub(super) fn new(folder: &'a Path, seed: u64, sizes: &Sizes, bug: Option<Bug>) -> Site<'a> {
        let options = Options {
            segment_bytes: sizes.segment_bytes,
            memory_bytes: sizes.memory_bytes,
            cache_bytes: 1 << 20,
            open_files: 32,
        };
        Site {
            running: None,
            disk: FakeDisk::new(seed),
            folder,
            options,
            sizes: sizes.clone(),
            clock: Clock::new(sizes.drift_ppm),
            seam: Seam::new(bug, Chance::new(seed ^ 0xb06)),
            out: Out::default(),
            inputs: Vec::new(),
            life: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Everything that its store holds, as a reader sees it.
    pub(super) fn read(&self, ledger: &Ledger) -> Result<Option<Whole>, StoreError> {
        let Some(running) = &self.running else { return Ok(None) };
        Whole::read(&running.store, &ledger.ids()).map(Some)
    }

    /// The store, while it is open.
    pub(super) fn store(&self) -> Option<&dyn Store> {
        self.running.as_ref().map(|running| &running.store as &dyn Store)
    }

    /// The process ends, whatever it was about to do.
    pub(super) fn kill(&mut self) {
        self.disk.die_after(0);
        self.running = None;
        self.out = Out::default();
        self.inputs.clear();
    }

    /// The process begins again on what the last one left. False when the disk does not let it.
    pub(super) fn begin(&mut self) -> Result<bool, Broken> {
        self.clock.restart();
        self.seam.restart();
        self.life += 1;
        let opened = open_fake(self.folder, &self.options, &self.disk);
        let (store, _) = match opened {
            Ok(opened) => opened,
            // No space, a sync that failed, or another end meanwhile: whoever starts it tries again.
            Err(StoreError::Full | StoreError::Io { .. }) => return Ok(false),
            Err(_) if self.disk.is_dead() => return Ok(false),
            Err(error) => return Err(format!("after a crash the store does not open: {error}")),
        };
        let mut running = Running { node: Node::new(NODE_SEED), store };
        let found = match restore(&mut running, &mut self.seam, &self.sizes) {
            Ok(()) => Some(running),
            Err(Failed::Store(_)) if self.disk.is_dead() => None,
            Err(Failed::Store(error)) => return Err(format!("the store does not answer: {error}")),
            Err(Failed::Broken(what)) => return Err(what),
        };
        self.running = found;
        Ok(self.is_up())
    }

    /// When the node wants to be called next, though nothing comes from outside.
    pub(super) fn wakes_at(&self, at_ms: u64) -> Option<u64> {
        let running = self.running.as_ref()?;
        let when = |at: Time| self.clock.when(at, at_ms).max(at_ms);
        let own = running.node.next_deadline().map(|deadline| match deadline.reason {
            DeadlineReason::Outbox | DeadlineReason::Refill => at_ms,
            DeadlineReason::Timer => when(deadline.at),
        });
        // A store that does not answer says so at the next batch.
        let expiring = running.store.reader().expiring(Time::END, 1).unwrap_or_default();
        own.into_iter().chain(expiring.first().map(|(due, _)| when(*due))).min()
    }

    /// Offers the node what is kept no longer, as the last commit left it.
    fn expire(&mut self, now: Time) -> Result<(), Failed> {
        let Some(running) = &self.running else { return Ok(()) };
        let reader = running.store.reader();
        let due = reader.expiring(now, EXPIRING_MAX).map_err(Failed::Store)?;
        for (_, address) in due {
            let Some((row, _)) = reader.instance(&address).map_err(Failed::Store)? else { continue };
            let oldest = reader.history(&address, row.trimmed.sequence, limits::EXPIRED_MAX + 1);
            let aged = |entry: &HistoryEntry| Aged {
                sequence: entry.sequence,
                position: entry.position,
                at: entry.at,
            };
            let oldest = oldest.map_err(Failed::Store)?.iter().map(aged).collect();
            self.step(now, Input::Expire { address, oldest })?;
        }
        Ok(())
    }

    /// Timers that are due and have not fired, and events on their way.
    pub(super) fn restless(&self, now: Time) -> (usize, usize) {
        self.running
            .as_ref()
            .map_or((0, 0), |running| (running.node.timers_late(now), running.node.outbox_len()))
    }

    /// One batch: these inputs, and what arises from within.
    pub(super) fn work(
        &mut self,
        inputs: Vec<Input>,
        at_ms: u64,
        ledger: &mut Ledger,
    ) -> Result<Worked, Broken> {
        let now = self.clock.now(at_ms);
        match self.batch(inputs, now) {
            Ok(()) => {}
            Err(Failed::Broken(what)) => return Err(what),
            Err(Failed::Store(_)) => {
                self.kill();
                return Ok(Worked::Down);
            }
        }
        self.finish(now, ledger)
    }

    fn batch(&mut self, inputs: Vec<Input>, now: Time) -> Result<(), Failed> {
        self.expire(now)?;
        for input in inputs {
            self.step(now, input)?;
        }
        for _ in 0..self.sizes.ready_max {
            let Some(running) = &mut self.running else { return Ok(()) };
            let deadline = running.node.next_deadline();
            if deadline.is_some_and(|deadline| deadline.reason == DeadlineReason::Refill) {
                if !self.out.records.is_empty() {
                    return Ok(());
                }
                refill(running, &mut self.seam, self.sizes.refill, now)?;
                continue;
            }
            let Some(input) = running.node.ready(self.seam.ready_at(now)) else { return Ok(()) };
            self.step(now, input)?;
        }
        Ok(())
    }

    fn step(&mut self, now: Time, input: Input) -> Result<(), Failed> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let touches = running.node.touches(&input);
        if touches != Touches::default() {
            let loaded = running.store.hydrate(&touches).map_err(Failed::Store)?;
            running.node.hydrate(self.seam.loaded(loaded));
        }
        running.node.step(now, input.clone(), &mut self.out);
        self.inputs.push((now, input));
        Ok(())
    }

    fn finish(&mut self, now: Time, ledger: &mut Ledger) -> Result<Worked, Broken> {
        let Some(running) = &mut self.running else { return Ok(Worked::Down) };
        let Out { records, mut releases, durability } = std::mem::take(&mut self.out);
        let inputs = std::mem::take(&mut self.inputs);
        if !records.is_empty() {
            let durability = durability.unwrap_or(Durability::Power);
            let kept = self.seam.committed(&records);
            let life = self.life;
            let early = self.seam.released_early(&mut releases);
            let stored = running.store.commit(&kept, self.seam.durability(durability));
            drop(kept);
            let commit = Commit { records, durability, inputs, at: now, life };
            match stored {
                Ok(()) => ledger.commits.push(commit),
                Err(StoreError::Full) => {
                    if restore(running, &mut self.seam, &self.sizes).is_err() {
                        self.kill();
                        return Ok(Worked::Down);
                    }
                    return Ok(Worked::Full);
                }
                Err(_) => {
                    ledger.doubt = Some(commit);
                    self.kill();
                    return Ok(early.map_or(Worked::Down, Worked::Released));
                }
            }
            releases.splice(0..0, early.into_iter().flatten());
        }
        running.node.settle(self.sizes.resident_max);
        running.node.audit().map_err(|violation| format!("the node contradicts itself: {violation}"))?;
        Ok(Worked::Released(releases))
    }

    /// What the store's threads do now and then. The process ends when the disk does meanwhile.
    pub(super) fn tend(&mut self) {
        let Some(running) = &mut self.running else { return };
        if running.store.tend().is_err() || self.disk.is_dead() {
            self.kill();
        }
    }

    /// Moves everything into the tables.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        match &mut self.running {
            Some(running) => running.store.settle(),
            None => Ok(()),
        }
    }

    /// What a crash leaves, before anybody begins again.
    pub(super) fn crash(&mut self, crash: Crash, torn: Torn) {
        self.disk.crash(crash, torn);
    }

    /// Puts the first definitions, with nothing in the way.
    pub(super) fn furnish(&mut self, ledger: &mut Ledger) -> Result<(), Broken> {
        let mut inputs = Vec::new();
        for (id, source) in cast::first() {
            let definition = cast::compile(&id, &source, &self.seam.text(&source))?;
            inputs.push(Input::Define { ticket: Ticket(0), definition, source });
        }
        match self.work(inputs, 0, ledger)? {
            Worked::Released(_) => Ok(()),
            Worked::Full | Worked::Down => Err("a fresh store takes no definitions".into()),
        }
    }

    /// A letter to be retried or discarded: the oldest one.
    pub(super) fn oldest_letter(&self) -> Option<everstate_kernel::DeadLetter> {
        self.running.as_ref()?.store.reader().dead_letters(None, 1).ok()?.into_iter().next()
    }
}

enum Failed {
    Store(StoreError),
    Broken(Broken),
}

/// Makes the node anew from what is committed.
fn restore(running: &mut Running, seam: &mut Seam, sizes: &Sizes) -> Result<(), Failed> {
    let reader = running.store.reader();
    running.node = Node::new(NODE_SEED);
    running.node.retain_by_default(sizes.retain);
    for record in reader.definitions().map_err(Failed::Store)? {
        let definition =
            cast::compile(&record.id, &record.source, &seam.text(&record.source)).map_err(Failed::Broken)?;
        running.node.restore_definition(definition, record.source);
    }
    let last_position = reader.summary().map_err(Failed::Store)?.last_position;
    let outbox = reader.outbox(None, usize::MAX).map_err(Failed::Store)?;
    running.node.restore(last_position, seam.outbox(outbox));
    Ok(())
}

fn refill(running: &mut Running, seam: &mut Seam, limit: usize, now: Time) -> Result<(), Failed> {
    let timers = running.store.reader().timers(running.node.refill_after(), limit).map_err(Failed::Store)?;
    let complete = timers.len() < limit;
    let timers = seam.timers(timers);
    running.node.step(now, Input::Refill { timers, complete }, &mut Out::default());
    Ok(())
}

/// A commit in a few words, for stories.
pub(super) fn summary(records: &[Record]) -> String {
    let mut turns = Vec::new();
    for record in records {
        if let Record::Turn(turn) = record {
            turns.push(format!("{} #{}", turn.instance.address, turn.entry.position));
        }
    }
    format!("{} records, turns: {}", records.len(), turns.join(", "))
}

/// How long a node rests after the disk was found full, as the runtime does.
pub(super) const FULL_PAUSE: Span = Span(200);

/// Data as JSON; what is empty is null.
pub(super) fn data(text: &str) -> Json {
    Json::parse(text).unwrap_or(Json::NULL)
}
