//! What becomes of invoked machines, and of tasks that states have asked for: they follow their state.
//!
//! It refuses to know what they do. Its one invariant: an invocation that is kept names one that the chart has.

use super::obstacle::{Found, ObstacleCode};
use super::places::Way;
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::configuration::Configuration;
use crate::invoke::{Invoke, Source};
use crate::session::Invocation;
use everstate_kernel::{Effect, Task};

/// What becomes of invoked machines.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    pub(super) kept: Vec<Invocation>,
    /// Machines to stop.
    pub(super) stop: Vec<Effect>,
    /// Machines to start: the state, and the number there.
    pub(super) start: Vec<(StateIndex, u16)>,
}

/// What an invocation is called for people.
fn name(invoke: &Invoke, number: u16) -> String {
    match (&invoke.id, &invoke.source) {
        (Some(id), _) => id.to_string(),
        (None, Source::Definition(crate::code::Template::Fixed(kind))) => kind.to_string(),
        _ => format!("number {}", number + 1),
    }
}

/// Is it a task, and not a machine?
fn is_task(invoke: &Invoke) -> bool {
    matches!(invoke.source, Source::Task(_))
}

/// The number of the invocation that takes the place of another: the one of the same id, or of those without an id the
/// one at the same place. A task takes the place of a task only.
fn heir(invoke: &Invoke, number: u16, own: &[Invoke], others: &[Invoke]) -> Option<u16> {
    let place = match &invoke.id {
        Some(id) => others.iter().position(|other| other.id.as_ref() == Some(id)),
        None => {
            let nameless =
                |list: &[Invoke], at: usize| list[..at].iter().filter(|one| one.id.is_none()).count();
            let rank = nameless(own, usize::from(number));
            (0..others.len()).find(|at| others[*at].id.is_none() && nameless(others, *at) == rank)
        }
    };
    place.filter(|place| is_task(&others[*place]) == is_task(invoke)).map(|place| place as u16)
}

/// What cancels the tasks of states that nothing takes the place of.
pub(super) fn cancelled(
    way: Way<'_>,
    (before, after): (&Configuration, &Configuration),
    open: &[Task],
    found: &mut Found,
) -> Vec<Effect> {
    let mut cancelled = Vec::new();
    for state in &before.0 {
        let own = &way.old.state(*state).invokes;
        for (number, invoke) in own.iter().enumerate().filter(|(_, invoke)| is_task(invoke)) {
            let Some(task) = open.iter().find(|task| invoke.id.as_ref() == Some(&task.name)) else {
                continue;
            };
            if place(way, after, *state, (number as u16, invoke)).is_some() {
                continue;
            }
            let path = &way.old.state(*state).path;
            let what = format!(
                "the task {:?} that {path:?} has asked for has no counterpart where it leads",
                task.name
            );
            let fix = "ask for it there under the same id, or accept it with --accept task: it is cancelled";
            if found.meet(ObstacleCode::Task, what, fix.to_owned(), "it is cancelled") {
                cancelled.push(Effect::CancelTask(task.name.clone()));
            }
        }
    }
    cancelled
}

pub(super) fn invocations(
    way: Way<'_>,
    (before, after): (&Configuration, &Configuration),
    running: &[Invocation],
    found: &mut Found,
) -> Invocations {
    let mut all = Invocations::default();
    let mut settled: Vec<(StateIndex, u16)> = Vec::new();
    // What the old states invoke is not invoked again, whether it still runs or not.
    for state in &before.0 {
        let own = &way.old.state(*state).invokes;
        for (number, invoke) in own.iter().enumerate() {
            settled.extend(place(way, after, *state, (number as u16, invoke)));
        }
    }
    for one in running {
        let invoke = way
            .old
            .states
            .get(usize::from(one.state))
            .and_then(|row| row.invokes.get(usize::from(one.number)));
        let heir = invoke.and_then(|invoke| place(way, after, one.state, (one.number, invoke)));
        match heir {
            Some((state, number)) => all.kept.push(Invocation { state, number, ..one.clone() }),
            // Its state was left; only its last word is awaited.
            None if one.cancelled => {
                all.kept.push(Invocation { state: own_or_machine(way, one.state), ..one.clone() })
            }
            None => {
                let path = &way.old.state(one.state).path;
                let called = invoke.map_or_else(|| one.id.to_string(), |invoke| name(invoke, one.number));
                let what = format!(
                    "the machine {called:?} that {path:?} has invoked has no counterpart where it leads"
                );
                let fix =
                    "invoke it there under the same id, or accept it with --accept child: it is stopped";
                if found.meet(ObstacleCode::Child, what, fix.to_owned(), "it is stopped") {
                    all.stop.push(Effect::Stop { child: one.name.clone(), kill: false });
                    let state = own_or_machine(way, one.state);
                    all.kept.push(Invocation { state, cancelled: true, ..one.clone() });
                }
            }
        }
    }
    start_new(way.new, after, &settled, &mut all, found);
    all
}

fn place(
    way: Way<'_>,
    after: &Configuration,
    state: StateIndex,
    (number, invoke): (u16, &Invoke),
) -> Option<(StateIndex, u16)> {
    let own = &way.old.state(state).invokes;
    way.heirs(state)
        .into_iter()
        .filter(|to| after.contains(*to))
        .find_map(|to| heir(invoke, number, own, &way.new.state(to).invokes).map(|number| (to, number)))
}

/// Where a cancelled invocation says that it was made: nobody asks any more, so any state does.
fn own_or_machine(way: Way<'_>, state: StateIndex) -> StateIndex {
    way.heirs(state).first().copied().unwrap_or(0)
}

fn start_new(
    chart: &Chart,
    after: &Configuration,
    settled: &[(StateIndex, u16)],
    all: &mut Invocations,
    found: &mut Found,
) {
    for state in &after.0 {
        let row = chart.state(*state);
        for (number, invoke) in row.invokes.iter().enumerate() {
            let number = number as u16;
            if settled.contains(&(*state, number)) {
                continue;
            }
            let what = format!("{:?} invokes {:?}, which does not run", row.path, name(invoke, number));
            let fix = "lead it to another state, or accept it with --accept invoke: it is started";
            if found.meet(ObstacleCode::Invoke, what, fix.to_owned(), "it is started") {
                all.start.push((*state, number));
            }
        }
    }
}
