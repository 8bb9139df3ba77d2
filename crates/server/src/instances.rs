//! Instances: started, looked at one by one or in lists, explained, deleted.

use crate::convert;
use crate::failure::Failure;
use crate::service::{FreshNames, Service};
use everstate_api::v1::__buffa::view::{
    DeleteInstanceRequestView, ExplainInstanceRequestView, GetHistoryRequestView, GetInstanceRequestView,
    RestartInstanceRequestView, StartInstanceRequestView, StopInstanceRequestView,
};
use everstate_api::v1::explain_instance_response::{Guarded, Retry, Verdict};
use everstate_api::v1::restart_instance_request::From as Beginning;
use everstate_api::{Code, v1};
use everstate_kernel::{
    Address, Definition, Instance, Outcome, Queued, RestartFrom, Stage, Status, Task, Waiting,
};
use everstate_runtime::Decision;
use std::sync::Arc;

/// Entries of a page when the request does not say, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Events of a mailbox that an explanation shows.
const WAITING_MAX: usize = 100;

pub(crate) async fn start(
    service: &Service,
    request: &StartInstanceRequestView<'_>,
) -> Result<v1::StartInstanceResponse, Failure> {
    let request_id = convert::event_id(request.request_id, "request_id", &FreshNames)?;
    // Without an id the request's own names the instance, so that a repeated start is recognised as the same.
    let id = if request.id.is_empty() { request_id.as_str() } else { request.id };
    let address = convert::start_address(request.kind, id)?;
    let version = convert::version(request.version).map(Arc::from);
    let data = convert::json_in(request.data.as_option(), "data")?;
    let decision = service.node.start(address.clone(), version, request_id, data).await?;
    let duplicate = match decision {
        Decision::Decided { duplicate, .. } | Decision::Kept { duplicate } => duplicate,
    };
    let (row, _) = find(service, &address).await?;
    Ok(v1::StartInstanceResponse {
        instance: Some(shown(service, &row)).into(),
        duplicate,
        ..Default::default()
    })
}

pub(crate) async fn get(
    service: &Service,
    request: &GetInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let (row, _) = find(service, &address).await?;
    Ok(shown(service, &row))
}

/// The row of an instance, and its mailbox.
pub(crate) async fn look(
    service: &Service,
    address: &Address,
) -> Result<Option<(Instance, Vec<Queued>)>, Failure> {
    let address = address.clone();
    service.read(move |reader| reader.instance(&address)).await
}

pub(crate) async fn find(service: &Service, address: &Address) -> Result<(Instance, Vec<Queued>), Failure> {
    look(service, address).await?.ok_or_else(|| unknown(address))
}

fn unknown(address: &Address) -> Failure {
    let problem = format!("there is no instance {address}; start it first");
    Failure::new(Code::UnknownInstance, problem).at("address")
}

/// An instance for the wire, with what its definition says of its state.
pub(crate) fn shown(service: &Service, row: &Instance) -> v1::Instance {
    let definition = definition(service, &row.address, &row.version);
    convert::instance(row, definition.as_deref())
}

/// The definition of an instance.
pub(crate) fn definition(service: &Service, address: &Address, version: &str) -> Option<Arc<Definition>> {
    service.node.definitions().find(address.kind(), Some(version))
}

pub(crate) async fn history(
    service: &Service,
    request: &GetHistoryRequestView<'_>,
) -> Result<v1::GetHistoryResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    let limit = convert::limit(request.limit, PAGE, PAGE_MAX, "limit")?;
    let after = request.after;
    let mut entries = {
        let address = address.clone();
        service.read(move |reader| reader.history(&address, after, limit + 1)).await?
    };
    // Nothing after `after` is an answer; no such instance is not. A history that begins with 1 is whole.
    let kept_from = match entries.first().filter(|entry| entry.sequence == 1) {
        Some(_) => 1,
        None => find(service, &address).await?.0.trimmed.sequence + 1,
    };
    let more = entries.len() > limit;
    entries.truncate(limit);
    Ok(v1::GetHistoryResponse {
        next: entries.last().filter(|_| more).map_or(0, |entry| entry.sequence),
        turns: entries.iter().map(|entry| convert::turn(&address, entry)).collect(),
        kept_from,
        ..Default::default()
    })
}

pub(crate) async fn delete(
    service: &Service,
    request: &DeleteInstanceRequestView<'_>,
) -> Result<v1::DeleteInstanceResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    service.node.delete(address).await?;
    Ok(v1::DeleteInstanceResponse::default())
}

pub(crate) async fn stop(
    service: &Service,
    request: &StopInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let decision = service.node.stop_instance(address.clone(), request.kill).await?;
    after(service, &address, decision, "it has ended already").await
}

pub(crate) async fn restart(
    service: &Service,
    request: &RestartInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let data = convert::json_in(request.data.as_option(), "data")?;
    let from = match request.from.as_known() {
        Some(Beginning::Unspecified | Beginning::Initial) => RestartFrom::Initial(data),
        Some(Beginning::LastGood) if data.is_null() => RestartFrom::LastGood,
        Some(Beginning::LastGood) => {
            let problem = "data is for a restart from the start; leave it out, or say FROM_INITIAL";
            return Err(Failure::new(Code::MalformedRequest, problem).at("data"));
        }
        None => {
            let problem = "it is not known where to restart from; say FROM_INITIAL or FROM_LAST_GOOD";
            return Err(Failure::new(Code::MalformedRequest, problem).at("from"));
        }
    };
    let decision = service.node.restart(address.clone(), from).await?;
    after(
        service,
        &address,
        decision,
        "it has ended, so it has no last good state; restart it from its start",
    )
    .await
}

/// The instance after what an operator did to it, or why nothing was done.
async fn after(
    service: &Service,
    address: &Address,
    decision: Decision,
    ended: &str,
) -> Result<v1::Instance, Failure> {
    if let Decision::Decided { outcome: Outcome::Rejected { .. }, .. } = decision {
        return Err(Failure::new(Code::Ended, format!("{address}: {ended}")).at("address"));
    }
    let (row, _) = find(service, address).await?;
    Ok(shown(service, &row))
}

pub(crate) async fn explain(
    service: &Service,
    request: &ExplainInstanceRequestView<'_>,
) -> Result<v1::ExplainInstanceResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    let (row, mailbox) = find(service, &address).await?;
    let waiting = waiting(service, &row)?;
    let verdict = verdict(&row, &mailbox, &waiting);
    Ok(v1::ExplainInstanceResponse {
        verdict: verdict.into(),
        summary: summary(verdict, &row, &mailbox, &waiting),
        accepts: waiting.accepts.iter().map(ToString::to_string).collect(),
        guarded: waiting
            .guarded
            .iter()
            .map(|(event, guard)| Guarded {
                event: event.to_string(),
                guard: guard.clone(),
                ..Default::default()
            })
            .collect(),
        waiting: mailbox
            .iter()
            .take(WAITING_MAX)
            .map(|queued| convert::queued_event(&queued.event))
            .collect(),
        retry: row.retry.as_ref().map(|retry| retrying(retry, &mailbox)).into(),
        instance: Some(shown(service, &row)).into(),
        ..Default::default()
    })
}

fn waiting(service: &Service, row: &Instance) -> Result<Waiting, Failure> {
    if row.status.is_ended() {
        return Ok(Waiting::default());
    }
    let unreadable = |problem: &str| {
        let problem = format!("definition {}:{} {problem}", row.address.kind(), row.version);
        Failure::new(Code::Internal, problem)
    };
    let definition =
        definition(service, &row.address, &row.version).ok_or_else(|| unreadable("is not there"))?;
    let state = definition
        .behaviour
        .decode(row.state.as_slice())
        .map_err(|fault| unreadable(&format!("cannot read the state of the instance: {}", fault.message)))?;
    Ok(definition.behaviour.waiting(&state, &row.address, service.now()))
}

fn retrying(retry: &everstate_kernel::Pending, mailbox: &[Queued]) -> Retry {
    let event = mailbox.iter().find(|queued| queued.number == retry.number);
    Retry {
        event_id: event.map(|queued| queued.event.id.to_string()).unwrap_or_default(),
        attempts: retry.attempts,
        due_time: Some(convert::time_out(retry.due)).into(),
        fault: match retry.fault.place.as_str() {
            "" => retry.fault.message.clone(),
            place => format!("{} (at {place})", retry.fault.message),
        },
        ..Default::default()
    }
}

/// What is to be said of an instance.
///
/// | status | retry | accepts, a guard that may open, a timer, a task, an event behind another, others it is told of | verdict  |
/// |--------|-------|--------------------------------------------------------------------------------------------------|----------|
/// | ended  |       |                                                                                                  | done     |
/// | parked |       |                                                                                                  | parked   |
/// | paused |       |                                                                                                  | paused   |
/// | active | yes   |                                                                                                  | retrying |
/// | active | no    | any of them                                                                                      | waiting  |
/// | active | no    | none                                                                                             | stuck    |
///
/// A deferred event waits for the active states to change, so it frees nothing by itself.
fn verdict(row: &Instance, mailbox: &[Queued], waiting: &Waiting) -> Verdict {
    let on_its_way = mailbox.iter().any(|queued| !queued.deferred);
    let hope = waiting.guarded.iter().any(|(_, guard)| may_open(guard));
    let told = row.links.as_ref().is_some_and(|links| {
        !(links.children.is_empty() && links.watched.is_empty() && links.held.is_empty())
    });
    // Only the kernel tells of tasks, and only of those that are open.
    let accepts = waiting.accepts.iter().any(|name| !is_of_task(name));
    let own = !row.timers.is_empty() || !row.tasks.is_empty() || told;
    if row.status.is_ended() {
        Verdict::Done
    } else if matches!(row.status, Status::Parked(_)) {
        Verdict::Parked
    } else if matches!(row.status, Status::Paused(_)) {
        Verdict::Paused
    } else if row.retry.is_some() {
        Verdict::Retrying
    } else if on_its_way || accepts || hope || own {
        Verdict::Waiting
    } else {
        Verdict::Stuck
    }
}

/// Tasks that are named in a summary.
const TASKS_SHOWN: usize = 3;

/// What a task has come to, in a few words.
fn task_hope(task: &Task) -> String {
    let stands = match &task.stage {
        Stage::Ready { .. } => format!("waiting for a worker of {}", task.queue),
        Stage::Leased { worker, .. } => format!("with the worker {worker}"),
        Stage::Waiting { .. } => "to be tried again".to_string(),
        Stage::Ended => "ended".to_string(),
    };
    let tried = match (&task.failure, task.attempts) {
        (Some(failure), attempts) => {
            format!(
                " (attempt {attempts} of {}; the last failure: {})",
                task.policy.retry.attempts, failure.message
            )
        }
        (None, _) => String::new(),
    };
    format!("the task {}, {stands}{tried}", task.name)
}

fn is_of_task(name: &str) -> bool {
    name.starts_with("done.task.") || name.starts_with("error.task.")
}

/// May a guard that says no at present say yes without a turn? One over the context or the active states alone
/// cannot, since only turns change them. One that names `now` can, and so may one that is known by a name only.
fn may_open(guard: &str) -> bool {
    let words = || guard.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words().any(|word| word == "now") || !words().any(|word| matches!(word, "context" | "in" | "In"))
}

fn summary(verdict: Verdict, row: &Instance, mailbox: &[Queued], waiting: &Waiting) -> String {
    let states = if row.labels.is_empty() { "its state".to_string() } else { row.labels.join(", ") };
    match verdict {
        Verdict::Done => format!("{} has reached its end in {states}", row.address),
        Verdict::Parked => {
            let fault = match &row.status {
                Status::Parked(parked) => format!("{} faulted: {}", parked.event, parked.fault.message),
                _ => "a fault".into(),
            };
            format!(
                "{} takes no events since {fault}. Retry the event, resume without it, or restart it",
                row.address
            )
        }
        Verdict::Paused => {
            let reason = match &row.status {
                Status::Paused(reason) if !reason.is_empty() => format!(" ({reason})"),
                _ => String::new(),
            };
            format!("{} is paused in {states}{reason} and takes no events. Resume it", row.address)
        }
        Verdict::Retrying => {
            let (attempts, fault) =
                row.retry.as_ref().map_or((0, ""), |retry| (retry.attempts, retry.fault.message.as_str()));
            format!("{} tries an event again that faulted {attempts} times: {fault}", row.address)
        }
        Verdict::Stuck => {
            let deferred = match mailbox.len() {
                0 => String::new(),
                1 => "; 1 deferred event waits for another state".into(),
                n => format!("; {n} deferred events wait for another state"),
            };
            format!(
                "{} is stuck in {states}: no event is taken there, no timer is set and no task open{deferred}. Give the definition a way out and start the instance anew, or delete it",
                row.address
            )
        }
        _ => {
            let mut hopes = Vec::new();
            let accepts: Vec<&str> =
                waiting.accepts.iter().map(|name| &**name).filter(|name| !is_of_task(name)).collect();
            if !accepts.is_empty() {
                hopes.push(format!("one of the events {}", accepts.join(", ")));
            }
            hopes.extend(row.tasks.iter().take(TASKS_SHOWN).map(task_hope));
            if let Some(timer) = row.timers.iter().min_by_key(|timer| timer.due) {
                hopes.push(format!("the timer {}", timer.name));
            }
            if !waiting.guarded.is_empty() {
                let names: Vec<&str> = waiting.guarded.iter().map(|(event, _)| event.as_ref()).collect();
                hopes.push(format!("{}, whose guard says no at present", names.join(", ")));
            }
            if let Some(links) = row.links.as_ref().filter(|links| !links.children.is_empty()) {
                let names: Vec<&str> = links.children.iter().map(|child| &*child.name).collect();
                hopes.push(format!("word of its children {}", names.join(", ")));
            }
            let others = row.links.as_ref().map(|links| (&links.watched, &links.held));
            if others.is_some_and(|(watched, _)| !watched.is_empty()) {
                hopes.push("word of those that it watches".into());
            }
            if others.is_some_and(|(_, held)| !held.is_empty()) {
                hopes.push("word of those that come and go in the spaces where it takes part".into());
            }
            if hopes.is_empty() {
                hopes.push("its mailbox".into());
            }
            format!("{} waits in {states} for {}", row.address, hopes.join(", or "))
        }
    }
}

#[cfg(test)]
#[path = "instances_tests.rs"]
mod tests;
