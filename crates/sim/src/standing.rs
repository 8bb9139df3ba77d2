//! Where an instance stands when a system begins, if not at its start: what a snapshot of a live instance says.
//!
//! It refuses to run actions: nobody has sent an event. Its one invariant: the state is one that the definition can be in,
//! found by the same means by which an operator puts an instance somewhere.

use everstate_chart::Chart;
use everstate_chart::change::{Occupant, Placement};
use everstate_kernel::{
    Address, Becoming, Behaviour, Effect, Input, Instance, Json, Kept, Remedy, Repair, Serial, Span,
    Standing as Stood, Ticket, Time, Timer, Turn,
};
use std::sync::Arc;

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub(crate) address: Address,
    pub(crate) version: Arc<str>,
    state: Kept,
    effects: Vec<Effect>,
    timers: Vec<TimerLeft>,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerLeft {
    /// Its name among the timers of the instance.
    pub name: Arc<str>,
    /// How long until it is due.
    pub left: Span,
    /// The event that it brings.
    pub event: Arc<str>,
    /// To whom; none for the instance itself.
    pub to: Option<Address>,
    /// Its data.
    pub data: Json,
}

/// What is written of it.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    pub(crate) address: &'a Address,
    pub(crate) version: Arc<str>,
    pub(crate) states: &'a [String],
    /// Fields of the context, with the expressions for them.
    pub(crate) fields: &'a [(String, String)],
    pub(crate) timers: Vec<TimerLeft>,
}

/// What is wrong: the entry that it is about, empty for all of it, and why.
pub(crate) type Problem = (String, String);

impl Standing {
    /// Works out the state, or says all that is wrong.
    pub(crate) fn new(chart: &Arc<Chart>, written: Written<'_>, now: Time) -> Result<Standing, Vec<Problem>> {
        let Written { address, version, states, fields, timers } = written;
        let whole = |text: String| vec![(String::new(), text)];
        let placement = Placement::new(chart.clone(), states, fields).map_err(|errors| {
            errors.into_iter().map(|error| (error.entry, error.problem)).collect::<Vec<_>>()
        })?;
        let mut turn = Turn {
            now,
            seed: 0,
            instance: address,
            version: &version,
            incarnation: 1,
            parent: None,
            children: &[],
            effects: Vec::new(),
        };
        // What the start would have sent and said was sent and said long ago.
        let started = chart.start(&Json::NULL, &mut turn);
        let started = started.map_err(|fault| whole(format!("it cannot be started: {}", fault.message)))?;
        let held = |effect: &Effect| {
            matches!(
                effect,
                Effect::Task { .. } | Effect::Spawn { .. } | Effect::Act(..) | Effect::Monitor(_)
            )
        };
        let mut effects: Vec<Effect> = turn.effects.into_iter().filter(held).collect();
        let state = chart.encode(&started.state);
        let occupant = Occupant {
            address,
            version: &version,
            incarnation: 1,
            parent: None,
            state: &state,
            timers: &[],
            tasks: &[],
            waiting: &[],
            now,
        };
        let carried = placement.place(&occupant).map_err(|obstacles| {
            let text: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
            whole(text.join("; "))
        })?;
        // Timers are those that are written, and no others.
        effects
            .extend(carried.effects.into_iter().filter(|effect| !matches!(effect, Effect::SetTimer { .. })));
        Ok(Standing { address: address.clone(), version, state: carried.state, effects, timers })
    }

    /// What lets it stand there.
    pub(crate) fn begin(&self, now: Time, ticket: Ticket) -> Input {
        let timer = |left: &TimerLeft| Timer {
            name: left.name.clone(),
            due: now + left.left,
            generation: Serial(0),
            to: left.to.clone(),
            event: left.event.clone(),
            data: left.data.clone(),
        };
        let (version, state) = (self.version.clone(), self.state.clone());
        let standing = Stood { version, state, timers: self.timers.iter().map(timer).collect() };
        let origin = self.address.clone();
        repair(&self.address, ticket, Remedy::Begin { origin, sequence: 0, standing: Box::new(standing) })
    }

    /// What lets it ask for its tasks and take its places in spaces, once it stands there; none when it does neither.
    pub(crate) fn settle(&self, row: &Instance, ticket: Ticket) -> Option<Input> {
        if self.effects.is_empty() {
            return None;
        }
        let (version, state, timers) = (row.version.clone(), row.state.clone(), row.timers.clone());
        let standing = Stood { version, state, timers };
        let becoming = Becoming { expected: row.turns, standing, effects: self.effects.clone() };
        Some(repair(&self.address, ticket, Remedy::Become(Box::new(becoming))))
    }
}

fn repair(address: &Address, ticket: Ticket, remedy: Remedy) -> Input {
    let (by, reason) = (Arc::from("world"), Arc::from("it stands so when the system begins"));
    Input::Repair { ticket, address: address.clone(), repair: Box::new(Repair { by, reason, remedy }) }
}
