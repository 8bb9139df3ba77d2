//! What a turn will change, worked out before anything does: too much, and it is a fault that leaves no trace.

use super::residents::Live;
use super::turn::{sent, timer_key};
use crate::address::Address;
use crate::behaviour::{Effect, Fault, FaultCode, Next};
use crate::event::Sender;
use crate::json::Json;
use crate::limits::{DELAY_MS_MAX, EFFECTS_MAX, STATE_BYTES_MAX, TIMERS_MAX};
use crate::record::{Kept, Sent, Serial, Timer, TimerKey};
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a turn changes.
pub(super) struct Change {
    pub(super) next: Next,
    pub(super) bytes: Kept,
    pub(super) timers: Timers,
    pub(super) sends: Vec<Sent>,
    pub(super) reply: Json,
    pub(super) log: Vec<String>,
}

/// The timers of an instance while a turn works on them.
pub(super) struct Timers {
    pub(super) all: Vec<Timer>,
    pub(super) cleared: Vec<TimerKey>,
    pub(super) set: Vec<TimerKey>,
}

/// Turns what the behaviour wants into what will be written, or finds that it wants too much.
pub(super) fn plan(
    live: &Live,
    fired: Option<&TimerKey>,
    next: Next,
    effects: Vec<Effect>,
    position: u64,
    now: Time,
) -> Result<Change, Fault> {
    if effects.len() > EFFECTS_MAX {
        return Err(limit(format!(
            "the turn asks for {} effects, the limit is {EFFECTS_MAX}",
            effects.len()
        )));
    }
    let bytes = live.definition.behaviour.encode(&next.state);
    if bytes.len() > STATE_BYTES_MAX {
        return Err(limit(format!("the state takes {} bytes, the limit is {STATE_BYTES_MAX}", bytes.len())));
    }
    let address = &live.row.address;
    let mut timers = Timers { all: live.row.timers.clone(), cleared: Vec::new(), set: Vec::new() };
    if let Some(fired) = fired {
        timers.remove(address, |timer| Some(timer.generation) == fired.generation);
    }
    let (mut sends, mut reply, mut log) = (Vec::new(), Json::NULL, Vec::new());
    for (index, effect) in effects.into_iter().enumerate() {
        let serial = Serial::of(position, index as u64);
        match effect {
            Effect::Send { to, event, data } => {
                sends.push(sent(serial, to, event, data, Sender::Instance(address.clone()), now));
            }
            Effect::Reply(data) => reply = data,
            Effect::SetTimer { name, delay, to, event, data } => {
                if delay.0 > DELAY_MS_MAX {
                    return Err(limit(format!(
                        "timer {name:?} is {} ms away, the limit is {DELAY_MS_MAX}",
                        delay.0
                    )));
                }
                timers.remove(address, |timer| timer.name == name);
                timers.add(address, Timer { name, due: now + delay, generation: serial, to, event, data });
            }
            Effect::CancelTimer(name) => timers.remove(address, |timer| timer.name == name),
            Effect::Log(line) => log.push(line),
        }
    }
    if next.done.is_some() {
        timers.remove(address, |_| true);
    }
    if timers.all.len() > TIMERS_MAX {
        return Err(limit(format!(
            "the instance holds {} timers, the limit is {TIMERS_MAX}",
            timers.all.len()
        )));
    }
    Ok(Change { next, bytes: Kept::new(bytes), timers, sends, reply, log })
}

impl Timers {
    fn add(&mut self, address: &Address, timer: Timer) {
        self.set.push(timer_key(address, &timer));
        self.all.push(timer);
    }

    /// Removes all timers that match; one that this turn has set was never there.
    fn remove(&mut self, address: &Address, matches: impl Fn(&Timer) -> bool) {
        let (set, cleared) = (&mut self.set, &mut self.cleared);
        self.all.retain(|timer| {
            if !matches(timer) {
                return true;
            }
            let key = timer_key(address, timer);
            match set.iter().position(|other| *other == key) {
                Some(place) => drop(set.remove(place)),
                None => cleared.push(key),
            }
            false
        });
    }
}

fn limit(message: String) -> Fault {
    Fault { code: FaultCode::Limit, message, place: String::new() }
}
