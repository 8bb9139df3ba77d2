//! To the wire: what the kernel remembers, told whole.

use super::{json_out, time_out};
use crate::failure::{fault_code, rejection_code};
use everstate_api::v1;
use everstate_kernel::{
    Address, Cause, Child, DeadLetter, Definition, Event, HistoryEntry, Instance, Json, Kept, Labels,
    Outcome, Rejection, Repaired, RestartFrom, Sender, Status, Timer,
};
use v1::outcome::Code;

/// What became of an event.
pub(crate) fn outcome(outcome: &Outcome, duplicate: bool) -> v1::Outcome {
    let empty = v1::Outcome { duplicate, ..Default::default() };
    match outcome {
        Outcome::Ok { from, to, reply } => v1::Outcome {
            code: Code::Ok.into(),
            from: labels(from),
            to: labels(to),
            reply: present(reply),
            ..empty
        },
        Outcome::Rejected { reason, state, detail, accepts } => v1::Outcome {
            code: Code::Rejected.into(),
            from: labels(state),
            reason: rejection_code(*reason).as_str().into(),
            message: rejection_message(*reason, detail),
            accepts: accepts.iter().map(ToString::to_string).collect(),
            ..empty
        },
        Outcome::Failed { fault, attempts } => v1::Outcome {
            code: Code::Failed.into(),
            reason: fault_code(fault).as_str().into(),
            message: match fault.place.as_str() {
                "" => fault.message.clone(),
                place => format!("{} (at {place})", fault.message),
            },
            attempts: *attempts,
            ..empty
        },
    }
}

/// The event is kept and not decided yet.
pub(crate) fn pending(duplicate: bool) -> v1::Outcome {
    v1::Outcome { code: Code::Pending.into(), duplicate, ..Default::default() }
}

fn rejection_message(reason: Rejection, detail: &str) -> String {
    if detail.is_empty() { reason.to_string() } else { format!("{reason}: {detail}") }
}

/// An instance with its context. Without its definition, or when that cannot read the state, the context is
/// left out: the row alone is worth having.
pub(crate) fn instance(row: &Instance, definition: Option<&Definition>) -> v1::Instance {
    v1::Instance {
        address: row.address.to_string(),
        version: row.version.to_string(),
        states: labels(&row.labels),
        context: context(&row.address, &row.state, definition).into(),
        done: row.status.is_ended(),
        output: match &row.status {
            Status::Final(output) => Some(json_out(output)).into(),
            _ => None.into(),
        },
        created_time: Some(time_out(row.created_at)).into(),
        last_event_time: Some(time_out(row.last_event_at)).into(),
        turns: row.turns,
        incarnation: row.incarnation,
        timers: row.timers.iter().map(timer).collect(),
        waiting_events: row.mailbox_len,
        status: status(&row.status).into(),
        status_reason: match &row.status {
            Status::Active | Status::Final(_) => String::new(),
            Status::Parked(parked) => {
                format!("{} faulted {} times: {}", parked.event, parked.attempts, parked.fault.message)
            }
            Status::Stopped(reason) => reason.clone(),
            Status::GaveUp(fault) => fault.message.clone(),
            Status::Paused(reason) => reason.clone(),
        },
        parent: row
            .links
            .as_ref()
            .and_then(|links| links.parent.as_ref())
            .filter(|parent| parent.live)
            .map(|parent| parent.address.to_string())
            .unwrap_or_default(),
        children: row.links.iter().flat_map(|links| &links.children).map(child).collect(),
        ..Default::default()
    }
}

fn status(status: &Status) -> v1::instance::Status {
    match status {
        Status::Active => v1::instance::Status::Active,
        Status::Final(_) => v1::instance::Status::Final,
        Status::Parked(_) => v1::instance::Status::Parked,
        Status::Stopped(_) => v1::instance::Status::Stopped,
        Status::GaveUp(_) => v1::instance::Status::GaveUp,
        Status::Paused(_) => v1::instance::Status::Paused,
    }
}

fn child(child: &Child) -> v1::Child {
    v1::Child {
        name: child.name.to_string(),
        address: child.address.to_string(),
        stopping: child.stopping,
        ..Default::default()
    }
}

fn context(
    address: &Address,
    state: &Kept,
    definition: Option<&Definition>,
) -> Option<buffa_types::google::protobuf::Value> {
    let behaviour = &definition?.behaviour;
    match behaviour.decode(state.as_slice()) {
        Ok(state) => Some(json_out(&behaviour.describe(&state).data)),
        Err(fault) => {
            tracing::warn!(%address, problem = %fault.message, "the definition cannot read the instance's state");
            None
        }
    }
}

fn timer(timer: &Timer) -> v1::Timer {
    v1::Timer {
        name: timer.name.to_string(),
        due_time: Some(time_out(timer.due)).into(),
        event: timer.event.to_string(),
        to: timer.to.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..Default::default()
    }
}

/// The parent that had a turn made; empty for an operator.
fn by_parent(by: &Option<Address>) -> String {
    by.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// A turn of an instance.
pub(crate) fn turn(address: &Address, entry: &HistoryEntry) -> v1::Turn {
    let (event, sender, start_data) = match &entry.cause {
        Cause::Start { data, .. } => (None, String::new(), Some(json_out(data))),
        Cause::Restart { from: RestartFrom::Initial(data), by, .. } => {
            (None, by_parent(by), Some(json_out(data)))
        }
        Cause::Restart { from: RestartFrom::LastGood, by, .. } | Cause::Stop { by, .. } => {
            (None, by_parent(by), None)
        }
        Cause::Repair { .. } => (None, String::new(), None),
        Cause::Event(event) => (Some(queued_event(event)), sender(&event.sender), None),
    };
    v1::Turn {
        address: address.to_string(),
        cursor: entry.position,
        sequence: entry.sequence,
        time: Some(time_out(entry.at)).into(),
        event: event.into(),
        sender,
        outcome: Some(outcome(&entry.outcome, false)).into(),
        log: entry.log.clone(),
        start_data: start_data.into(),
        repair: repair(&entry.cause).into(),
        ..Default::default()
    }
}

/// What an operator has done, if that is what the turn was.
fn repair(cause: &Cause) -> Option<v1::Repair> {
    let Cause::Repair { by, reason, done, .. } = cause else { return None };
    let told = v1::Repair { by: by.to_string(), reason: reason.clone(), ..Default::default() };
    Some(match done {
        Repaired::Became { before, after, .. } => v1::Repair {
            kind: v1::repair::Kind::Became.into(),
            from_version: before.version.to_string(),
            to_version: after.version.to_string(),
            ..told
        },
        Repaired::Began { origin, sequence, after } => v1::Repair {
            kind: v1::repair::Kind::Began.into(),
            to_version: after.version.to_string(),
            origin: origin.to_string(),
            sequence: *sequence,
            ..told
        },
        Repaired::Paused => v1::Repair { kind: v1::repair::Kind::Paused.into(), ..told },
        Repaired::Resumed => v1::Repair { kind: v1::repair::Kind::Resumed.into(), ..told },
    })
}

/// An event that nobody could take.
pub(crate) fn dead_letter(letter: &DeadLetter) -> v1::DeadLetter {
    v1::DeadLetter {
        number: letter.number.0,
        address: letter.to.to_string(),
        event: Some(queued_event(&letter.event)).into(),
        sender: sender(&letter.event.sender),
        outcome: Some(outcome(&letter.outcome, false)).into(),
        time: Some(time_out(letter.at)).into(),
        ..Default::default()
    }
}

/// An event as it is kept.
pub(crate) fn queued_event(event: &Event) -> v1::Event {
    v1::Event {
        id: event.id.to_string(),
        name: event.name.to_string(),
        data: present(&event.data),
        time: Some(time_out(event.time)).into(),
        ..Default::default()
    }
}

/// Who sent an event.
fn sender(sender: &Sender) -> String {
    match sender {
        Sender::Client => "client".into(),
        Sender::Timer => "timer".into(),
        Sender::System => "system".into(),
        Sender::Instance(address) => address.to_string(),
    }
}

fn labels(labels: &Labels) -> Vec<String> {
    labels.iter().map(ToString::to_string).collect()
}

/// `null` is left out, as nobody put it there.
fn present<P: buffa::ProtoBox<buffa_types::google::protobuf::Value>>(
    json: &Json,
) -> buffa::MessageField<buffa_types::google::protobuf::Value, P> {
    if json.is_null() { None.into() } else { Some(json_out(json)).into() }
}
