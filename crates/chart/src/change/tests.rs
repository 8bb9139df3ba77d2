//! Diffs and migrations as text, and what holds for all of them.
//!
//! It refuses to know the kernel's node. Its one invariant: every case reads its definitions anew.

mod diffs;
mod migrations;
mod placements;
mod properties;

use super::{Carried, Mapping, Migration, Obstacle, Occupant, Placement};
use crate::harness::machine;
use crate::reader::{ChartDefinition, read};
use everstate_kernel::{
    Address, Behaviour, Effect, Event, EventId, Handled, Json, Sender, Serial, Stage, Task, TaskPolicy, Time,
    Timer, Turn,
};
use std::fmt::Write;
use std::sync::Arc;

/// A definition that must have no errors.
#[track_caller]
fn definition(text: &str) -> ChartDefinition {
    machine(text).definition
}

/// An instance in memory: its state and its timers.
struct Instance {
    definition: ChartDefinition,
    address: Address,
    state: Vec<u8>,
    timers: Vec<Timer>,
    tasks: Vec<Task>,
    now: Time,
    turns: u64,
}

impl Instance {
    /// Started and given events.
    fn after(definition: ChartDefinition, events: &[&str]) -> Instance {
        let address = Address::parse(&format!("{}/1", definition.id.name)).expect("an address");
        let mut instance = Instance {
            definition,
            address,
            state: Vec::new(),
            timers: Vec::new(),
            tasks: Vec::new(),
            now: Time(1_000),
            turns: 0,
        };
        instance.turn(None);
        events.iter().for_each(|event| instance.turn(Some(event)));
        instance
    }

    fn turn(&mut self, event: Option<&str>) {
        self.turns += 1;
        let chart = self.definition.chart.clone();
        let address = self.address.clone();
        let mut turn = Turn {
            now: self.now,
            seed: 1,
            instance: &address,
            version: "v1",
            incarnation: 1,
            parent: None,
            children: &[],
            effects: Vec::new(),
        };
        let next = match event {
            None => chart.start(&Json::NULL, &mut turn).expect("it starts"),
            Some(name) => {
                let event = Event {
                    id: EventId::parse("e").expect("an id"),
                    name: Arc::from(name),
                    data: Json::NULL,
                    sender: Sender::Client,
                    time: self.now,
                };
                let state = chart.decode(&self.state).expect("it is its own");
                match chart.handle(&state, &event, &mut turn) {
                    Ok(Handled::Took(next)) => next,
                    Ok(Handled::Ignored) => return,
                    other => panic!("{name}: {other:?}"),
                }
            }
        };
        let effects = turn.effects;
        self.state = chart.encode(&next.state);
        for (index, effect) in effects.into_iter().enumerate() {
            match effect {
                Effect::SetTimer { name, delay, to, event, data } => {
                    self.timers.retain(|timer| timer.name != name);
                    let generation = Serial(self.turns * 100 + index as u64);
                    self.timers.push(Timer { name, due: self.now + delay, generation, to, event, data });
                }
                Effect::CancelTimer(name) => self.timers.retain(|timer| timer.name != name),
                Effect::Task { name, queue, input, policy } => {
                    let number = Serial(self.turns * 100 + index as u64);
                    self.tasks.push(task((name, number), queue, input, policy, self.now));
                }
                Effect::CancelTask(name) => self.tasks.retain(|task| task.name != name),
                _ => {}
            }
        }
    }

    fn occupant<'a>(&'a self, waiting: &'a [Arc<str>]) -> Occupant<'a> {
        Occupant {
            address: &self.address,
            version: "v2",
            incarnation: 1,
            parent: None,
            state: &self.state,
            timers: &self.timers,
            tasks: &self.tasks,
            waiting,
            now: self.now,
        }
    }
}

/// A task that was just asked for.
fn task(
    (name, number): (Arc<str>, Serial),
    queue: Arc<str>,
    input: Json,
    policy: TaskPolicy,
    now: Time,
) -> Task {
    let (stage, failure, progress) = (Stage::Ready { since: now }, None, Json::NULL);
    let (attempts, leases) = (0, 0);
    Task { name, number, queue, input, policy, asked_at: now, attempts, leases, stage, failure, progress }
}

/// What came of it, as text.
fn shown(new: &ChartDefinition, result: &Result<Carried, Vec<Obstacle>>) -> String {
    let mut out = String::new();
    match result {
        Err(obstacles) => {
            for one in obstacles {
                let _ = writeln!(out, "{}: {one}", one.code);
            }
        }
        Ok(carried) => {
            let state = new.chart.decode(carried.state.as_slice()).expect("it is one of the new version");
            let described = new.chart.describe(&state);
            assert_eq!(described.labels, carried.labels);
            let _ = writeln!(out, "{} {}", carried.labels.join(" + "), described.data);
            for timer in &carried.timers {
                let again = if timer.generation == Serial(0) { " anew" } else { "" };
                let _ = writeln!(out, "timer {} at {}{again}", timer.name, timer.due.0);
            }
            for effect in &carried.effects {
                let _ = match effect {
                    Effect::SetTimer { name, delay, .. } => writeln!(out, "set {name} in {}", delay.0),
                    Effect::Spawn { name, kind, .. } => writeln!(out, "spawn {name} of {kind}"),
                    Effect::Stop { child, .. } => writeln!(out, "stop {child}"),
                    Effect::Task { name, queue, .. } => writeln!(out, "task {name} for {queue}"),
                    Effect::CancelTask(name) => writeln!(out, "cancel {name}"),
                    other => writeln!(out, "{other:?}"),
                };
            }
            for note in &carried.notes {
                let _ = writeln!(out, "note: {note}");
            }
        }
    }
    out
}

/// A mapping from lines: `OLD=NEW`, `set FIELD=EXPRESSION`, `drop FIELD`, `accept WORD`.
fn mapping(lines: &str) -> Mapping {
    let mut mapping = Mapping::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("set", rest)) => mapping.set(rest).expect("an entry"),
            Some(("drop", field)) => mapping.drop.push(field.to_owned()),
            Some(("accept", word)) => mapping.accept.push(word.to_owned()),
            _ => mapping.route(line).expect("an entry"),
        }
    }
    mapping
}

/// Brings an instance of `old`, after these events, into `new`.
fn migrated(old: &str, events: &[&str], new: &str, map: &str) -> String {
    migrated_waiting(old, events, new, map, &[])
}

fn migrated_waiting(old: &str, events: &[&str], new: &str, map: &str, waiting: &[&str]) -> String {
    let (old, new) = (definition(old), definition(new));
    let migration = match Migration::new(old.chart.clone(), new.chart.clone(), &mapping(map)) {
        Ok(migration) => migration,
        Err(errors) => return errors.iter().map(|error| format!("{error}\n")).collect(),
    };
    let instance = Instance::after(old, events);
    let waiting: Vec<Arc<str>> = waiting.iter().map(|name| Arc::from(*name)).collect();
    shown(&new, &migration.carry(&instance.occupant(&waiting)))
}

/// Compares text with what is expected, line by line and trimmed.
#[track_caller]
fn expect(text: &str, expected: &str) {
    let clean = |text: &str| text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert_eq!(clean(text), clean(expected), "\n{text}");
}
