//! Walks everything a node holds and looks for what must never be. Called after every step in tests and in
//! simulation; too slow for production.

mod links;

use self::links::OnTheWay;
use super::Node;
use super::awaited::{retry_key, timer_key};
use crate::address::Address;
use crate::task::Stage;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of which instance; none when it concerns the node.
    pub address: Option<Address>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{address}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl Node {
    /// Checks every invariant of the node; the first one broken is the answer.
    pub fn audit(&self) -> Result<(), Violation> {
        for (number, sent) in &self.outbox {
            if *number != sent.number || number.0 / crate::record::Serial::PER_TURN > self.position {
                return Err(Violation {
                    address: None,
                    problem: format!("outbox entry {number:?} is misnumbered"),
                });
            }
        }
        let on_the_way = OnTheWay::of(self);
        for (address, live) in self.residents.iter() {
            audit_instance(self, live)
                .and_then(|()| on_the_way.audit(self, live))
                .map_err(|problem| Violation { address: Some(address.clone()), problem })?;
        }
        Ok(())
    }
}

fn audit_instance(node: &Node, live: &super::residents::Live) -> Result<(), String> {
    let row = &live.row;
    if row.turns == 0 {
        return Err("it exists without a turn".into());
    }
    if row.trimmed.sequence > row.turns {
        return Err(format!(
            "{} entries of its history are gone, it made {} turns",
            row.trimmed.sequence, row.turns
        ));
    }
    if row.version != live.definition.id.version || row.address.kind() != &*live.definition.id.name {
        return Err(format!("it runs {}, which is not its definition", live.definition.id));
    }
    let state = live.definition.behaviour.decode(row.state.as_slice()).map_err(|fault| fault.message)?;
    if live.definition.behaviour.encode(&state) != row.state.as_slice() {
        return Err("its stored state reads back as another one".into());
    }
    let description = live.definition.behaviour.describe(&state);
    if description.labels != row.labels {
        return Err(format!("its row says {:?}, its state {:?}", row.labels, description.labels));
    }
    if let Some(state) = &live.state
        && live.definition.behaviour.encode(state) != row.state.as_slice()
    {
        return Err("its state in memory is not the one in its row".into());
    }
    let ended = row.status.is_ended();
    if ended
        && (!row.timers.is_empty()
            || !row.tasks.is_empty()
            || row.retry.is_some()
            || !live.mailbox.is_empty())
    {
        return Err("it has ended and still waits for something".into());
    }
    for (place, timer) in row.timers.iter().enumerate() {
        if row.timers[..place].iter().any(|other| other.name == timer.name) {
            return Err(format!("timer {:?} is set twice", timer.name));
        }
        let key = timer_key(&row.address, timer);
        if node.window.reaches(&key) && !node.window.contains(&key) {
            return Err(format!("timer {:?} is set and nobody will wake it", timer.name));
        }
    }
    audit_tasks(node, live)?;
    let seats = live.premises.as_ref().map_or(0, |premises| premises.len());
    let counted = row.links.as_ref().map_or(0, |links| links.seats as usize);
    if seats != counted {
        return Err(format!("its row counts {counted} seats, there are {seats}"));
    }
    audit_mailbox(node, live)
}

fn audit_tasks(node: &Node, live: &super::residents::Live) -> Result<(), String> {
    let tasks = &live.row.tasks;
    for (place, task) in tasks.iter().enumerate() {
        if tasks[..place].iter().any(|other| other.name == task.name) {
            return Err(format!("task {:?} is open twice", task.name));
        }
        let waits = live.mailbox.iter().any(|waiting| waiting.queued.event.task() == Some(task.number));
        if waits != (task.stage == Stage::Ended) {
            return Err(format!("task {:?} has ended without an event, or the reverse", task.name));
        }
        if let Some(key) = task.timer(&live.row.address)
            && node.window.reaches(&key)
            && !node.window.contains(&key)
        {
            return Err(format!("task {:?} will take too long and nobody will wake it", task.name));
        }
    }
    Ok(())
}

fn audit_mailbox(node: &Node, live: &super::residents::Live) -> Result<(), String> {
    if live.row.mailbox_len as usize != live.mailbox.len() {
        return Err(format!(
            "its row counts {} waiting events, there are {}",
            live.row.mailbox_len,
            live.mailbox.len()
        ));
    }
    let numbers = || live.mailbox.iter().map(|waiting| waiting.queued.number);
    if numbers().zip(numbers().skip(1)).any(|(one, next)| one >= next) {
        return Err("its mailbox is out of order".into());
    }
    if live.mailbox.iter().any(|waiting| waiting.runnable == waiting.queued.deferred) {
        return Err("an event of its mailbox is kept as deferred and may be tried, or the reverse".into());
    }
    match &live.row.retry {
        Some(retry) => {
            if !numbers().any(|number| number == retry.number) {
                return Err("the event to be tried again is not in its mailbox".into());
            }
            let key = retry_key(&live.row.address, retry.due);
            if node.window.reaches(&key) && !node.window.contains(&key) {
                return Err("an event is to be tried again and nobody will wake it".into());
            }
        }
        None if !live.is_parked() && live.mailbox.iter().any(|waiting| waiting.runnable) => {
            return Err("it could take an event of its mailbox and does not".into());
        }
        None => {}
    }
    Ok(())
}
