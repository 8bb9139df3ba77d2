//! What a turn will change, worked out before anything does: too much, and it is a fault that leaves no trace.

use super::awaited::Awaited;
use super::numbers::EFFECTS_INDEX;
use super::residents::Live;
use super::ties::{Ties, Wanted, check_end_of_name};
use super::turn::sent;
use crate::behaviour::{Effect, Fault, FaultCode, Next};
use crate::event::{Event, Sender};
use crate::json::Json;
use crate::limits::{
    DELAY_MS_MAX, EFFECT_BYTES_MAX, EFFECTS_MAX, ENDPOINT_VALUE_BYTES_MAX, STATE_BYTES_MAX,
    TASK_INPUT_BYTES_MAX, TASKS_MAX, TIMERS_MAX,
};
use crate::link::{Links, RestartFrom};
use crate::record::{Kept, Sent, Serial, Status, Timer};
use crate::space::Act;
use crate::task::{Task, TaskPolicy, check_queue};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a turn changes.
pub(super) struct Change {
    pub(super) next: Next,
    pub(super) bytes: Kept,
    pub(super) awaited: Awaited,
    pub(super) sends: Vec<Sent>,
    pub(super) reply: Json,
    pub(super) log: Vec<String>,
    pub(super) links: Option<Box<Links>>,
    /// How the instance ends, if it does.
    pub(super) ending: Option<Status>,
}

/// Turns what the behaviour wants into what will be written, or finds that it wants too much.
pub(super) fn plan(
    live: &Live,
    told: Option<Serial>,
    mut next: Next,
    effects: Vec<Effect>,
    position: u64,
    now: Time,
) -> Result<Change, Fault> {
    check_effects(&effects)?;
    next.done.as_ref().map_or(Ok(()), check_data)?;
    let bytes = live.definition.behaviour.encode(&next.state);
    let address = &live.row.address;
    let mut awaited = Awaited::of(&live.row);
    awaited.remove_told(address, told);
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
                awaited.remove_timers(address, |timer| timer.name == name);
                let timer = Timer { name, due: now + delay, generation: serial, to, event, data };
                awaited.add_timer(address, timer);
            }
            Effect::CancelTimer(name) => awaited.remove_timers(address, |timer| timer.name == name),
            Effect::Task { name, queue, input, policy } => {
                awaited.remove_tasks(address, |task| task.name == name);
                awaited.add_task(address, Task::new((name, serial), queue, input, policy, now));
            }
            Effect::CancelTask(name) => awaited.remove_tasks(address, |task| task.name == name),
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
        awaited.remove_timers(address, |_| true);
        awaited.remove_tasks(address, |_| true);
    }
    check_row(&bytes, &awaited)?;
    sends.extend(ties.acting());
    let links = ties.kept();
    Ok(Change { next, bytes: Kept::new(bytes), awaited, sends, reply, log, links, ending })
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
            Effect::CancelTimer(_) | Effect::CancelTask(_) => 0,
            Effect::Task { name, queue, input, policy } => check_task(name, queue, input, policy)?,
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

/// Can the task be asked for?
fn check_task(name: &str, queue: &str, input: &Json, policy: &TaskPolicy) -> Result<usize, Fault> {
    check_queue(queue).map_err(limit)?;
    policy.check().map_err(|problem| limit(format!("task {name:?}: {problem}")))?;
    check_data(input)?;
    let bytes = input.as_str().len();
    if bytes > TASK_INPUT_BYTES_MAX {
        return Err(limit(format!(
            "the input of task {name:?} takes {bytes} bytes, the limit is {TASK_INPUT_BYTES_MAX}; give it where to find them"
        )));
    }
    Ok(check_end_of_name("a task", name)? + queue.len() + bytes)
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
fn check_row(state: &[u8], awaited: &Awaited) -> Result<(), Fault> {
    let (timers, tasks) = (awaited.timers.len(), awaited.tasks.len());
    if timers > TIMERS_MAX {
        return Err(limit(format!("the instance holds {timers} timers, the limit is {TIMERS_MAX}")));
    }
    if tasks > TASKS_MAX {
        return Err(limit(format!("the instance has {tasks} tasks open, the limit is {TASKS_MAX}")));
    }
    let of_timer = |timer: &Timer| timer.name.len() + timer.event.len() + timer.data.as_str().len();
    let bytes = state.len()
        + awaited.timers.iter().map(of_timer).sum::<usize>()
        + awaited.tasks.iter().map(Task::bytes).sum::<usize>();
    if bytes > STATE_BYTES_MAX {
        return Err(limit(format!(
            "state, timers and tasks take {bytes} bytes, the limit is {STATE_BYTES_MAX}"
        )));
    }
    Ok(())
}

pub(super) fn limit(message: String) -> Fault {
    Fault { code: FaultCode::Limit, message, place: String::new() }
}
