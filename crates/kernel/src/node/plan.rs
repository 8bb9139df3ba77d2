//! What a turn will change, worked out before anything does: too much, and it is a fault that leaves no trace.

use super::numbers::EFFECTS_INDEX;
use super::residents::Live;
use super::ties::{Ties, Wanted, check_end_of_name};
use super::turn::{sent, timer_key};
use crate::address::Address;
use crate::behaviour::{Effect, Fault, FaultCode, Next};
use crate::event::{Event, Sender};
use crate::json::Json;
use crate::limits::{
    DELAY_MS_MAX, EFFECT_BYTES_MAX, EFFECTS_MAX, ENDPOINT_VALUE_BYTES_MAX, STATE_BYTES_MAX, TIMERS_MAX,
};
use crate::link::{Links, RestartFrom};
use crate::record::{Kept, Sent, Serial, Status, Timer, TimerKey};
use crate::space::Act;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a turn changes.
pub(super) struct Change {
    pub(super) next: Next,
    pub(super) bytes: Kept,
    pub(super) timers: Timers,
    pub(super) sends: Vec<Sent>,
    pub(super) reply: Json,
    pub(super) log: Vec<String>,
    pub(super) links: Option<Box<Links>>,
    /// How the instance ends, if it does.
    pub(super) ending: Option<Status>,
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
    mut next: Next,
    effects: Vec<Effect>,
    position: u64,
    now: Time,
) -> Result<Change, Fault> {
    check_effects(&effects)?;
    next.done.as_ref().map_or(Ok(()), check_data)?;
    let bytes = live.definition.behaviour.encode(&next.state);
    let address = &live.row.address;
    let mut timers = Timers { all: live.row.timers.clone(), cleared: Vec::new(), set: Vec::new() };
    if let Some(fired) = fired {
        timers.remove(address, |timer| Some(timer.generation) == fired.generation);
    }
    let mut ties = Ties::of(live, now);
    let (mut sends, mut reply, mut log) = (Vec::new(), Json::NULL, Vec::new());
    let mut ending = next.done.take().map(Status::Final);
    for (index, effect) in effects.into_iter().enumerate() {
        let serial = Serial::of(position, EFFECTS_INDEX + index as u64);
        match effect {
            Effect::Send { to, event, data } => {
                sends.push(sent(serial, to, event, data, Sender::Instance(address.clone()), now));
            }
            Effect::Reply(data) => reply = data,
            Effect::SetTimer { name, delay, to, event, data } => {
                timers.remove(address, |timer| timer.name == name);
                timers.add(address, Timer { name, due: now + delay, generation: serial, to, event, data });
            }
            Effect::CancelTimer(name) => timers.remove(address, |timer| timer.name == name),
            Effect::Log(line) => log.push(line),
            Effect::Spawn { name, kind, version, id, data, orphan } => {
                sends.push(ties.spawn(serial, Wanted { name, kind, version, id, data, orphan })?);
            }
            Effect::Stop { child, kill } => sends.extend(ties.stop(serial, &child, kill)),
            Effect::Restart { child, from } => sends.extend(ties.restart(serial, &child, from)),
            Effect::Monitor(to) => sends.extend(ties.monitor(serial, to)?),
            Effect::Demonitor(to) => sends.extend(ties.demonitor(serial, &to)),
            Effect::Act(place, act) => ties.act(serial, &place, act)?,
            Effect::GiveUp(fault) => ending = Some(Status::GaveUp(fault.shortened())),
        }
    }
    if ending.is_some() {
        timers.remove(address, |_| true);
    }
    check_row(&bytes, &timers.all)?;
    sends.extend(ties.acting(live.row.born));
    let links = ties.kept();
    Ok(Change { next, bytes: Kept::new(bytes), timers, sends, reply, log, links, ending })
}

/// Is what the turn asks for within the limits?
fn check_effects(effects: &[Effect]) -> Result<(), Fault> {
    if effects.len() > EFFECTS_MAX {
        let wanted = effects.len();
        return Err(limit(format!("the turn asks for {wanted} effects, the limit is {EFFECTS_MAX}")));
    }
    let mut bytes = 0;
    for effect in effects {
        bytes += match effect {
            Effect::Send { event, data, .. } => check_event(event, data)?,
            Effect::SetTimer { name, delay, event, data, .. } => {
                if delay.0 > DELAY_MS_MAX {
                    let far = delay.0;
                    return Err(limit(format!(
                        "timer {name:?} is {far} ms away, the limit is {DELAY_MS_MAX}"
                    )));
                }
                name.len() + check_event(event, data)?
            }
            Effect::Reply(data) => check_data(data).map(|()| data.as_str().len())?,
            Effect::CancelTimer(_) => 0,
            Effect::Log(line) => line.len(),
            Effect::Spawn { name, data, .. } => {
                check_data(data)?;
                check_end_of_name("a child", name)? + data.as_str().len()
            }
            Effect::Restart { from: RestartFrom::Initial(data), .. } => {
                check_data(data).map(|()| data.as_str().len())?
            }
            Effect::Restart { from: RestartFrom::LastGood, .. } | Effect::Stop { .. } => 0,
            Effect::Monitor(_) | Effect::Demonitor(_) => 0,
            Effect::Act(_, act) => check_act(act)?,
            Effect::GiveUp(fault) => fault.message.len() + fault.place.len(),
        };
    }
    if bytes > EFFECT_BYTES_MAX {
        return Err(limit(format!("the turn's effects take {bytes} bytes, the limit is {EFFECT_BYTES_MAX}")));
    }
    Ok(())
}

/// Can the act be asked for? Whether the space lets it happen is the space's to say.
fn check_act(act: &Act) -> Result<usize, Fault> {
    match act {
        Act::Join { name, part } => {
            check_value(&part.value)?;
            Ok(check_end_of_name("an endpoint", name)?
                + part.pattern.as_str().len()
                + part.value.as_str().len())
        }
        Act::Leave { name } => Ok(name.len()),
        Act::Assert { name, value } => check_value(value).map(|()| name.len() + value.as_str().len()),
        Act::Publish { topic, data } | Act::Feedback { topic, data } => {
            check_data(data).map(|()| topic.as_str().len() + data.as_str().len())
        }
    }
}

fn check_value(value: &Json) -> Result<(), Fault> {
    check_data(value)?;
    match value.as_str().len() {
        bytes if bytes > ENDPOINT_VALUE_BYTES_MAX => Err(limit(format!(
            "an endpoint asserts {bytes} bytes, the limit is {ENDPOINT_VALUE_BYTES_MAX}; assert where to find them"
        ))),
        _ => Ok(()),
    }
}

fn check_event(name: &str, data: &Json) -> Result<usize, Fault> {
    Event::check_name(name).map_err(limit)?;
    if Event::is_reserved(name) {
        let message = format!("event {name:?} is one that only the kernel sends; use another name");
        return Err(Fault { code: FaultCode::Action, message, place: String::new() });
    }
    check_data(data)?;
    Ok(name.len() + data.as_str().len())
}

fn check_data(data: &Json) -> Result<(), Fault> {
    data.check_limits().map_err(|error| limit(error.to_string()))
}

/// Is what is kept of the instance within the limits?
fn check_row(state: &[u8], timers: &[Timer]) -> Result<(), Fault> {
    if timers.len() > TIMERS_MAX {
        let held = timers.len();
        return Err(limit(format!("the instance holds {held} timers, the limit is {TIMERS_MAX}")));
    }
    let of_timer = |timer: &Timer| timer.name.len() + timer.event.len() + timer.data.as_str().len();
    let bytes = state.len() + timers.iter().map(of_timer).sum::<usize>();
    if bytes > STATE_BYTES_MAX {
        return Err(limit(format!("state and timers take {bytes} bytes, the limit is {STATE_BYTES_MAX}")));
    }
    Ok(())
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

pub(super) fn limit(message: String) -> Fault {
    Fault { code: FaultCode::Limit, message, place: String::new() }
}
