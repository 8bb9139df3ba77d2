//! An instance of one version as one of another, and an instance that an operator puts somewhere: the new state, or the
//! reasons why there is none.
//!
//! No entry, exit or transition action runs: nobody has sent an event. What states hold while they are active follows
//! them: timers and invoked machines.
//!
//! It refuses to know where states are kept and who asks. Its one invariant: what comes out is read back by the new
//! version as a configuration that it can be in.

use super::fields::{self, Seen};
use super::invocations::{Invocations, cancelled, invocations};
use super::mapping::{Mapping, MappingError, Routes, at_path};
use super::obstacle::{Found, Note, Obstacle, ObstacleCode};
use super::places::{self, Image, Way};
use super::timers::{Timers, takes, timers};
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::configuration::{Configuration, Memory};
use crate::expression::{Expression, InstanceMeta};
use crate::model::{StateKind, Unhandled};
use crate::run::Occurrence;
use crate::session::{Program, Session};
use crate::stored::{self, ChartState};
use everstate_kernel::{Address, Effect, Kept, Labels, Task, Time, Timer, Turn};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An instance as it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Occupant<'a> {
    /// Its name.
    pub address: &'a Address,
    /// The version that it shall be of.
    pub version: &'a str,
    /// How many times it was restarted.
    pub incarnation: u32,
    /// Who has spawned it.
    pub parent: Option<&'a Address>,
    /// Its state as its version encodes it.
    pub state: &'a [u8],
    /// Its timers.
    pub timers: &'a [Timer],
    /// Its open tasks.
    pub tasks: &'a [Task],
    /// Names of the events that wait in its mailbox.
    pub waiting: &'a [Arc<str>],
    /// The time.
    pub now: Time,
}

/// An instance carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Its state as the new version encodes it.
    pub state: Kept,
    /// Its active states there.
    pub labels: Labels,
    /// Its timers: those that go on keep their generation and due.
    pub timers: Vec<Timer>,
    /// Timers to be set from now, children to be started and stopped.
    pub effects: Vec<Effect>,
    /// What was done on the way.
    pub notes: Vec<Note>,
}

/// From one version to another.
#[derive(Debug)]
pub struct Migration {
    old: Arc<Chart>,
    new: Arc<Chart>,
    routes: Routes,
}

impl Migration {
    /// Checks what the operator says against both versions; gives all that is wrong.
    pub fn new(old: Arc<Chart>, new: Arc<Chart>, mapping: &Mapping) -> Result<Migration, Vec<MappingError>> {
        let routes = Routes::check(&old, &new, mapping)?;
        Ok(Migration { old, new, routes })
    }

    /// The instance as one of the new version, or everything that is in the way.
    pub fn carry(&self, occupant: &Occupant<'_>) -> Result<Carried, Vec<Obstacle>> {
        let mut found = Found::accepting(self.routes.accept.clone());
        let carried = self.carry_within(occupant, &mut found);
        finish(carried, found)
    }

    fn carry_within(&self, occupant: &Occupant<'_>, found: &mut Found) -> Option<Carried> {
        let before = read(&self.old, occupant.state, found)?;
        let program = before.session.as_ref().map_or(Program::Main, |session| session.program.clone());
        let (old, new) = match (program.chart(&self.old), program.chart(&self.new)) {
            (Ok(old), Ok(new)) => (old, new),
            _ => {
                let what =
                    "it runs a chart written inside of the definition, which the new version does not have";
                found.refuse(ObstacleCode::Program, what, "wait for its end, or stop it");
                return None;
            }
        };
        // What is mapped are states of the definition itself.
        let nowhere = BTreeMap::new();
        let none = Routes::default();
        let (states, routes) = match program {
            Program::Main => (&self.routes.states, &self.routes),
            _ => (&nowhere, &none),
        };
        let way = Way { old, new, states };
        let memory = remembered(way, &before.memory, found);
        let targets = way.targets(&before.configuration, found);
        let after = match found.obstacles.iter().any(|one| one.code == ObstacleCode::State) {
            true => None,
            false => places::complete(new, &memory, &targets, found),
        };
        let seen = Seen {
            chart: old,
            configuration: &before.configuration,
            context: &before.context,
            instance: meta(occupant),
            now: occupant.now,
        };
        let set = fields::values(&routes.fields, seen, found);
        let context = fields::carried((old, new), &before.context, routes, set.unwrap_or_default(), found);
        check_waiting(way, occupant.waiting, found);
        let after = after?;
        check_ends(way, &before.configuration, &after, found);
        let journey = Journey { way, occupant, before: &before, main: &self.new };
        journey.arrive(after, memory, context, found)
    }
}

/// An instance that an operator puts somewhere: states of its own version, and values for fields of its context.
#[derive(Debug)]
pub struct Placement {
    chart: Arc<Chart>,
    targets: Vec<StateIndex>,
    fields: Vec<(Arc<str>, Expression)>,
}

impl Placement {
    /// Checks what the operator says; gives all that is wrong. Without states the instance stays where it is.
    pub fn new(
        chart: Arc<Chart>,
        states: &[String],
        fields: &[(String, String)],
    ) -> Result<Placement, Vec<MappingError>> {
        let mut errors = Vec::new();
        let mut targets = Vec::new();
        let wrong = |entry: &str, problem: String| MappingError { entry: entry.to_owned(), problem };
        for path in states {
            match at_path(&chart, path) {
                Some(at) if matches!(chart.state(at).kind, StateKind::History { .. }) => {
                    errors.push(wrong(path, "it is a history, which is no state to stand in".to_owned()));
                }
                Some(at) => targets.push(at),
                None => {
                    let known = chart.states.iter().skip(1).map(|state| &*state.path);
                    let hint = crate::finding::nearest(path, known)
                        .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                    errors.push(wrong(path, format!("there is no such state{hint}")));
                }
            }
        }
        if let Some((one, other)) = places::clash(&chart, &targets) {
            let (one, other) = (&chart.state(one).path, &chart.state(other).path);
            errors.push(wrong(one, format!("it cannot be active together with {other:?}")));
        }
        match super::mapping::fields(&chart, fields) {
            Ok(fields) if errors.is_empty() => Ok(Placement { chart, targets, fields }),
            Ok(_) => Err(errors),
            Err(more) => Err(errors.into_iter().chain(more).collect()),
        }
    }

    /// The instance as it stands then, or everything that is in the way. Regions that no named state concerns stay as
    /// they are; what else is not named begins where it begins.
    pub fn place(&self, occupant: &Occupant<'_>) -> Result<Carried, Vec<Obstacle>> {
        let mut found = Found::accepting(ObstacleCode::acceptable().collect());
        let placed = self.place_within(occupant, &mut found);
        finish(placed, found)
    }

    fn place_within(&self, occupant: &Occupant<'_>, found: &mut Found) -> Option<Carried> {
        let chart = &*self.chart;
        let before = read(chart, occupant.state, found)?;
        if before.session.as_ref().is_some_and(|session| !matches!(session.program, Program::Main)) {
            let what =
                "it runs a chart written inside of a definition, whose states have no names outside of it";
            found.refuse(ObstacleCode::Program, what, "wait for its end, or stop it");
            return None;
        }
        let mut targets = self.targets.clone();
        let stays = |leaf: &StateIndex| self.targets.iter().all(|to| places::beside(chart, *to, *leaf));
        targets.extend(before.configuration.leaves(chart).filter(stays));
        targets.sort_unstable();
        targets.dedup();
        let after = places::complete(chart, &before.memory, &targets, found)?;
        let seen = Seen {
            chart,
            configuration: &before.configuration,
            context: &before.context,
            instance: meta(occupant),
            now: occupant.now,
        };
        let set = fields::values(&self.fields, seen, found)?;
        let context = fields::carried((chart, chart), &before.context, &Routes::default(), set, found);
        let states = BTreeMap::new();
        let way = Way { old: chart, new: chart, states: &states };
        check_ends(way, &before.configuration, &after, found);
        let memory = before.memory.clone();
        let journey = Journey { way, occupant, before: &before, main: chart };
        journey.arrive(after, memory, context, found)
    }
}

fn finish(carried: Option<Carried>, mut found: Found) -> Result<Carried, Vec<Obstacle>> {
    found.obstacles.sort();
    found.obstacles.dedup();
    found.notes.sort();
    found.notes.dedup();
    match carried {
        Some(carried) if found.obstacles.is_empty() => Ok(Carried { notes: found.notes, ..carried }),
        _ => Err(found.obstacles),
    }
}

fn read(chart: &Chart, bytes: &[u8], found: &mut Found) -> Option<ChartState> {
    match stored::decode(chart, bytes) {
        Ok(state) => Some(state),
        Err(what) => {
            found.refuse(ObstacleCode::Unreadable, what, "restart it from its start");
            None
        }
    }
}

fn meta<'a>(occupant: &Occupant<'a>) -> InstanceMeta<'a> {
    InstanceMeta { address: occupant.address, version: occupant.version, incarnation: occupant.incarnation }
}

/// What the histories of the new chart remember.
fn remembered(way: Way<'_>, memory: &Memory, found: &mut Found) -> Memory {
    let mut carried = Memory::new();
    for (history, states) in memory {
        let heir = match way.image(*history) {
            Image::Said(targets) => targets.first().copied(),
            Image::Same(same) => Some(same),
            Image::Nowhere(_) => None,
        };
        let heir = heir.filter(|heir| matches!(way.new.state(*heir).kind, StateKind::History { .. }));
        let mut leads: Vec<StateIndex> = Vec::new();
        let whole = states.iter().all(|state| match way.image(*state) {
            Image::Said(targets) => {
                leads.extend(targets);
                true
            }
            Image::Same(same) => {
                leads.push(same);
                true
            }
            Image::Nowhere(_) => false,
        });
        leads.sort_unstable();
        leads.dedup();
        let fits = |heir: &StateIndex| whole && stored::check_history(way.new, *heir, &leads).is_ok();
        match heir.filter(fits) {
            Some(heir) => carried.push((heir, leads.into())),
            None => {
                let path = &way.old.state(*history).path;
                let remembered: Vec<&str> = states.iter().map(|state| &*way.old.state(*state).path).collect();
                let what = format!(
                    "what the history {path:?} remembers has no counterpart: {}",
                    remembered.join(", ")
                );
                let fix =
                    "map the history and those states, or accept it with --accept history: it is forgotten";
                found.meet(ObstacleCode::History, what, fix.to_owned(), "it is forgotten");
            }
        }
    }
    carried.sort_unstable_by_key(|entry| entry.0);
    carried.dedup_by_key(|entry| entry.0);
    carried
}

/// Events that wait must be taken somewhere, or they would wait for nothing.
fn check_waiting(way: Way<'_>, waiting: &[Arc<str>], found: &mut Found) {
    for event in waiting {
        if takes(way.old, event) && !takes(way.new, event) {
            let what =
                format!("the event {event:?} waits in its mailbox, and no state of the new version takes it");
            let then = match way.new.unhandled {
                Unhandled::Reject => "it is rejected",
                Unhandled::Ignore => "it is ignored",
                Unhandled::Fail => "it fails",
                Unhandled::Defer => "it goes on waiting",
            };
            let fix = format!("let a state take it, or accept it with --accept event: {then}");
            found.meet(ObstacleCode::Event, what, fix, then);
        }
    }
}

/// An end is come to by a transition, which tells whoever waits for it; nobody is put there.
fn check_ends(way: Way<'_>, before: &Configuration, after: &Configuration, found: &mut Found) {
    let ended = |at: StateIndex| way.old.state(at).kind == StateKind::Final;
    let (old_ends, new) = (before.0.iter().filter(|at| ended(**at)).count(), way.new);
    let ends: Vec<StateIndex> =
        after.0.iter().copied().filter(|at| new.state(*at).kind == StateKind::Final).collect();
    let stood_there =
        |at: StateIndex| before.0.iter().any(|from| ended(*from) && way.heirs(*from).contains(&at));
    for at in &ends {
        let whole = new.state(*at).parent == 0 && new.state(0).kind != StateKind::Parallel;
        if whole || old_ends == 0 || !stood_there(*at) {
            let what = format!("{:?} is an end, which a transition leads to", new.state(*at).path);
            found.refuse(ObstacleCode::End, what, "lead it to a state before; to end it, stop it");
        }
    }
    if new.state(0).kind == StateKind::Parallel && after.is_in_final(new, 0) {
        let what = "all regions of the machine would be at their ends";
        found.refuse(ObstacleCode::End, what, "lead one to a state before; to end it, stop it");
    }
}

/// All that is known when it is settled where an instance stands.
struct Journey<'a> {
    way: Way<'a>,
    occupant: &'a Occupant<'a>,
    before: &'a ChartState,
    /// The chart of the definition that it shall be of.
    main: &'a Chart,
}

impl Journey<'_> {
    /// What states hold while they are active follows them.
    fn arrive(
        &self,
        after: Configuration,
        memory: Memory,
        context: crate::value::Value,
        found: &mut Found,
    ) -> Option<Carried> {
        let (way, before) = (self.way, self.before);
        let session = before.session.as_deref();
        let both = (&before.configuration, &after);
        let Timers { kept, set } = timers(way, both, self.occupant.timers, found);
        let running = session.map_or(&[][..], |session| &session.invocations);
        let Invocations { kept: running, stop, start } = invocations(way, both, running, found);
        let cancelled = cancelled(way, both, self.occupant.tasks, found);
        let session = session.map(|session| {
            let mut bound: Vec<StateIndex> =
                session.bound.iter().flat_map(|state| way.heirs(*state).first().copied()).collect();
            bound.sort_unstable();
            bound.dedup();
            Arc::new(Session { invocations: running, bound, ..session.clone() })
        });
        let labels = stored::labels(way.new, &after);
        let state = ChartState {
            configuration: after,
            memory,
            context,
            sends: before.sends,
            ended: before.ended,
            labels,
            session,
        };
        let mut effects: Vec<Effect> = set.into_iter().chain(stop).chain(cancelled).collect();
        let state = self.come_to_rest(state, &start, &mut effects, found)?;
        let bytes = stored::encode(self.main, &state);
        if let Err(what) = stored::decode(self.main, &bytes) {
            found.refuse(ObstacleCode::Unreadable, what, "report this: it must not happen");
            return None;
        }
        let labels = state.labels.clone();
        Some(Carried { state: Kept::new(bytes), labels, timers: kept, effects, notes: Vec::new() })
    }

    /// Starts what is to be started, and sees to it that nothing would happen at once.
    fn come_to_rest(
        &self,
        mut state: ChartState,
        start: &[(StateIndex, u16)],
        effects: &mut Vec<Effect>,
        found: &mut Found,
    ) -> Option<ChartState> {
        let chart = self.way.new;
        let mut turn = Turn {
            now: self.occupant.now,
            seed: 0,
            instance: self.occupant.address,
            version: self.occupant.version,
            incarnation: self.occupant.incarnation,
            parent: self.occupant.parent,
            children: &[],
            effects: Vec::new(),
        };
        let mut run = chart.resume(&state, Occurrence::nothing(self.occupant.now), &mut turn);
        run.system_variables();
        for (at, number) in start {
            let invoke = &chart.state(*at).invokes[usize::from(*number)];
            if let Err(fault) = run.invoke(*at, *number, invoke) {
                let what =
                    format!("what {:?} invokes cannot be started: {}", chart.state(*at).path, fault.message);
                found.refuse(ObstacleCode::Invoke, what, "lead it to another state");
            }
        }
        let moved = self.before.configuration != state.configuration || !std::ptr::eq(self.way.old, chart);
        let restless = if moved { run.select(false).map(|all| all.first().copied()) } else { Ok(None) };
        match restless {
            Ok(None) => {}
            Ok(Some(transition)) => {
                let row = chart.transition(transition);
                let to: Vec<&str> = row.targets.iter().map(|to| &*chart.state(*to).path).collect();
                let what = format!(
                    "{:?} would be left at once, for {}",
                    chart.state(row.source).path,
                    to.join(", ")
                );
                let fix = "lead it where that transition leads, whose actions then do not run";
                found.refuse(ObstacleCode::Restless, what, fix);
            }
            // It may look at the event, which there is none of.
            Err(fault) => found.note(format!(
                "whether it would be left at once cannot be told: {} (at {})",
                fault.message, fault.place
            )),
        }
        let (context, sends, session) = (run.context.clone(), run.sends, run.session.take());
        drop(run);
        effects.append(&mut turn.effects);
        (state.context, state.sends) = (context, sends);
        state.session = session.filter(|session| !session.is_empty());
        found.obstacles.is_empty().then_some(state)
    }
}
