//! The answers as JSON for machines.
//!
//! It refuses to leave anything out: every field is there in every document, `null` or empty when there is nothing,
//! numbers are numbers, times are RFC 3339 in UTC. Names are those of the API. Fields stand in alphabetical order.

use crate::commands::tree::Node;
use buffa_types::google::protobuf::{Timestamp, Value};
use everstate_client::api;
use everstate_client::api::explain_instance_response::Verdict;
use everstate_client::api::instance::Status;
use everstate_client::api::outcome::Code;
use everstate_client::api::repair::Kind;
use everstate_client::{json as wire_json, rfc3339};
use serde_json::{Value as Json, json};

pub(crate) fn instance(instance: &api::Instance) -> Json {
    json!({
        "address": instance.address,
        "version": instance.version,
        "states": instance.states,
        "context": data(instance.context.as_option()),
        "done": instance.done,
        "output": data(instance.output.as_option()),
        "created_time": time(instance.created_time.as_option()),
        "last_event_time": time(instance.last_event_time.as_option()),
        "turns": instance.turns,
        "incarnation": instance.incarnation,
        "timers": instance.timers.iter().map(timer).collect::<Vec<_>>(),
        "waiting_events": instance.waiting_events,
        "status": standing(instance),
        "status_reason": instance.status_reason,
        "parent": instance.parent,
        "children": instance.children.iter().map(|child| json!({
            "name": child.name,
            "address": child.address,
            "stopping": child.stopping,
        })).collect::<Vec<_>>(),
    })
}

/// The word for how an instance stands.
pub(crate) fn standing(instance: &api::Instance) -> &'static str {
    match instance.status.as_known() {
        Some(Status::STATUS_ACTIVE) => "active",
        Some(Status::STATUS_FINAL) => "final",
        Some(Status::STATUS_PARKED) => "parked",
        Some(Status::STATUS_STOPPED) => "stopped",
        Some(Status::STATUS_GAVE_UP) => "gave-up",
        Some(Status::STATUS_PAUSED) => "paused",
        _ => "unknown",
    }
}

pub(crate) fn tree(node: &Node) -> Json {
    json!({
        "name": node.name,
        "address": node.address,
        "stopping": node.stopping,
        "instance": node.instance.as_ref().map(instance),
        "children": node.children.iter().map(tree).collect::<Vec<_>>(),
        "cut": node.cut,
    })
}

fn timer(timer: &api::Timer) -> Json {
    json!({
        "name": timer.name,
        "due_time": time(timer.due_time.as_option()),
        "event": timer.event,
        "to": timer.to,
    })
}

pub(crate) fn outcome(outcome: &api::Outcome) -> Json {
    json!({
        "code": code(outcome),
        "from": outcome.from,
        "to": outcome.to,
        "reply": data(outcome.reply.as_option()),
        "duplicate": outcome.duplicate,
        "reason": outcome.reason,
        "message": outcome.message,
        "accepts": outcome.accepts,
        "attempts": outcome.attempts,
    })
}

/// The word for what became of an event.
pub(crate) fn code(outcome: &api::Outcome) -> &'static str {
    match outcome.code.as_known() {
        Some(Code::CODE_OK) => "ok",
        Some(Code::CODE_REJECTED) => "rejected",
        Some(Code::CODE_FAILED) => "failed",
        Some(Code::CODE_PENDING) => "pending",
        _ => "unknown",
    }
}

pub(crate) fn event(event: &api::Event) -> Json {
    json!({
        "id": event.id,
        "name": event.name,
        "data": data(event.data.as_option()),
        "time": time(event.time.as_option()),
    })
}

pub(crate) fn turn(turn: &api::Turn) -> Json {
    json!({
        "address": turn.address,
        "cursor": turn.cursor,
        "sequence": turn.sequence,
        "time": time(turn.time.as_option()),
        "event": turn.event.as_option().map(event),
        "sender": turn.sender,
        "outcome": turn.outcome.as_option().map(outcome),
        "log": turn.log,
        "start_data": data(turn.start_data.as_option()),
        "repair": turn.repair.as_option().map(repair),
    })
}

fn repair(repair: &api::Repair) -> Json {
    json!({
        "kind": repaired(repair),
        "by": repair.by,
        "reason": repair.reason,
        "from_version": repair.from_version,
        "to_version": repair.to_version,
        "origin": repair.origin,
        "sequence": repair.sequence,
    })
}

/// The word for what an operator has done.
pub(crate) fn repaired(repair: &api::Repair) -> &'static str {
    match repair.kind.as_known() {
        Some(Kind::KIND_BECAME) => "became",
        Some(Kind::KIND_BEGAN) => "began",
        Some(Kind::KIND_PAUSED) => "paused",
        Some(Kind::KIND_RESUMED) => "resumed",
        _ => "unknown",
    }
}

pub(crate) fn definition(definition: &api::Definition) -> Json {
    json!({
        "name": definition.name,
        "version": definition.version,
        "source": definition.source,
        "put_time": time(definition.put_time.as_option()),
        "description": definition.description,
        "states": definition.states,
        "events": definition.events,
    })
}

pub(crate) fn dead_letter(letter: &api::DeadLetter) -> Json {
    json!({
        "number": letter.number,
        "address": letter.address,
        "event": letter.event.as_option().map(event),
        "sender": letter.sender,
        "outcome": letter.outcome.as_option().map(outcome),
        "time": time(letter.time.as_option()),
    })
}

/// The word for what an instance waits for.
pub(crate) fn verdict(explanation: &api::ExplainInstanceResponse) -> &'static str {
    match explanation.verdict.as_known() {
        Some(Verdict::VERDICT_WAITING) => "waiting",
        Some(Verdict::VERDICT_DONE) => "done",
        Some(Verdict::VERDICT_STUCK) => "stuck",
        Some(Verdict::VERDICT_RETRYING) => "retrying",
        Some(Verdict::VERDICT_PARKED) => "parked",
        Some(Verdict::VERDICT_PAUSED) => "paused",
        _ => "unknown",
    }
}

pub(crate) fn explanation(explanation: &api::ExplainInstanceResponse) -> Json {
    json!({
        "verdict": verdict(explanation),
        "summary": explanation.summary,
        "instance": explanation.instance.as_option().map(instance),
        "accepts": explanation.accepts,
        "guarded": explanation.guarded.iter().map(|guarded| json!({
            "event": guarded.event,
            "guard": guarded.guard,
        })).collect::<Vec<_>>(),
        "waiting": explanation.waiting.iter().map(event).collect::<Vec<_>>(),
        "retry": explanation.retry.as_option().map(|retry| json!({
            "event_id": retry.event_id,
            "attempts": retry.attempts,
            "due_time": time(retry.due_time.as_option()),
            "fault": retry.fault,
        })),
    })
}

pub(crate) fn status(status: &api::GetStatusResponse) -> Json {
    json!({
        "version": status.version,
        "started_time": time(status.started_time.as_option()),
        "engine": status.engine,
        "data_folder": status.data_folder,
        "bytes_on_disk": status.bytes_on_disk,
        "instances": status.instances,
        "turns": status.turns,
        "dead_letters": status.dead_letters,
        "definitions": status.definitions,
        "followers": status.followers,
        "queued": status.queued,
        "timers_late": status.timers_late,
    })
}

fn data(value: Option<&Value>) -> Json {
    value.map_or(Json::Null, wire_json)
}

pub(crate) fn time(time: Option<&Timestamp>) -> Json {
    time.map_or(Json::Null, |time| Json::String(rfc3339(time)))
}
