//! Tasks: workers take them, say what became of them, and people look at them.
//!
//! It refuses to choose who gets what: that is the node's.

use crate::convert::{self, json_in, json_out, span_in, time_out};
use crate::failure::Failure;
use crate::service::Service;
use everstate_api::v1::__buffa::view::{
    CompleteTaskRequestView, FailTaskRequestView, HeartbeatTaskRequestView, LeaseTasksRequestView,
    ListTasksRequestView, ReturnTaskRequestView,
};
use everstate_api::v1::task::State;
use everstate_api::{Code, v1};
use everstate_kernel::limits::LEASES_MAX;
use everstate_kernel::{
    Address, Lease, Leased, Report, Serial, TaskKey, TaskStanding, Time, check_code, check_queue,
    check_worker,
};
use everstate_runtime::Reported;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may wait for tasks in one call: below what proxies cut off is its own choice.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// From how many queues one call may take. Each is looked into in turn.
const QUEUES_MAX: usize = 20;

pub(crate) async fn lease(
    service: &Service,
    request: &LeaseTasksRequestView<'_>,
) -> Result<v1::LeaseTasksResponse, Failure> {
    let malformed = |problem: String, field: &str| Failure::new(Code::MalformedRequest, problem).at(field);
    check_worker(request.worker).map_err(|problem| malformed(problem, "worker"))?;
    let mut queues: Vec<Arc<str>> = Vec::new();
    for queue in request.queues.iter() {
        check_queue(queue).map_err(|problem| malformed(problem, "queues"))?;
        if !queues.iter().any(|known| **known == **queue) {
            queues.push(Arc::from(&**queue));
        }
    }
    if queues.is_empty() || queues.len() > QUEUES_MAX {
        let problem = format!("tasks are wanted from {} queues; name 1 to {QUEUES_MAX}", queues.len());
        return Err(malformed(problem, "queues"));
    }
    let max = convert::limit(request.max, 1, LEASES_MAX, "max")?;
    let wait = match request.wait.as_option() {
        Some(wait) => span_in(wait, WAIT_MAX, "wait")?,
        None => Duration::ZERO,
    };
    let wanted = service.node.lease(Arc::from(request.worker), queues, max, !wait.is_zero());
    // Whoever stops waiting lets go of the call, and what was leased for it meanwhile is given back.
    let leased = tokio::select! {
        biased;
        leased = wanted => leased?,
        () = tokio::time::sleep(wait), if !wait.is_zero() => Vec::new(),
        () = service.stopped() => Vec::new(),
    };
    Ok(v1::LeaseTasksResponse { tasks: leased.iter().map(leased_out).collect(), ..Default::default() })
}

pub(crate) async fn complete(
    service: &Service,
    request: &CompleteTaskRequestView<'_>,
) -> Result<v1::CompleteTaskResponse, Failure> {
    let lease = lease_in(request.lease)?;
    let result = json_in(request.result.as_option(), "result")?;
    let duplicate = match service.node.report(lease, Report::Done(result)).await? {
        Reported::Ended { duplicate } => duplicate,
        Reported::Noted { .. } => false,
    };
    Ok(v1::CompleteTaskResponse { duplicate, ..Default::default() })
}

pub(crate) async fn fail(
    service: &Service,
    request: &FailTaskRequestView<'_>,
) -> Result<v1::FailTaskResponse, Failure> {
    let lease = lease_in(request.lease)?;
    check_code(request.code).map_err(|problem| Failure::new(Code::MalformedRequest, problem).at("code"))?;
    let (code, message) = (request.code.to_string(), request.message.to_string());
    let report = Report::Failed { code, message, retryable: !request.permanent };
    Ok(match service.node.report(lease, report).await? {
        Reported::Ended { .. } => v1::FailTaskResponse { ended: true, ..Default::default() },
        Reported::Noted { until } => {
            v1::FailTaskResponse { again_time: Some(time_out(until)).into(), ..Default::default() }
        }
    })
}

pub(crate) async fn heartbeat(
    service: &Service,
    request: &HeartbeatTaskRequestView<'_>,
) -> Result<v1::HeartbeatTaskResponse, Failure> {
    let lease = lease_in(request.lease)?;
    let progress = match request.progress.as_option() {
        Some(progress) => Some(json_in(Some(progress), "progress")?),
        None => None,
    };
    let until = match service.node.report(lease, Report::Beat { progress }).await? {
        Reported::Noted { until } => until,
        Reported::Ended { .. } => service.now(),
    };
    Ok(v1::HeartbeatTaskResponse { until_time: Some(time_out(until)).into(), ..Default::default() })
}

pub(crate) async fn give_back(
    service: &Service,
    request: &ReturnTaskRequestView<'_>,
) -> Result<v1::ReturnTaskResponse, Failure> {
    service.node.report(lease_in(request.lease)?, Report::Return).await?;
    Ok(v1::ReturnTaskResponse::default())
}

pub(crate) async fn list(
    service: &Service,
    request: &ListTasksRequestView<'_>,
) -> Result<v1::ListTasksResponse, Failure> {
    let limit = convert::limit(request.page_size, 100, 1_000, "page_size")?;
    let state = match request.state.as_known() {
        Some(state) => state,
        None => {
            let problem = "the state is not one of a task";
            return Err(Failure::new(Code::MalformedRequest, problem).at("state"));
        }
    };
    let queue = (!request.queue.is_empty()).then(|| request.queue.to_string());
    if !request.address.is_empty() {
        let address = convert::address(request.address, "address")?;
        return of_instance(service, address, queue.as_deref(), state).await;
    }
    let standing = match state {
        State::Unspecified => None,
        State::Ready => Some(TaskStanding::Ready),
        State::Leased => Some(TaskStanding::Leased),
        State::Waiting => Some(TaskStanding::Waiting),
        // Those are nobody's any more but their instance's.
        State::Ended => return Ok(v1::ListTasksResponse::default()),
    };
    let after = token_in(request.page_token)?;
    let (tasks, next) = service
        .read(move |reader| {
            let mut keys = reader.tasks(queue.as_deref(), standing, after.as_ref(), limit + 1)?;
            let more = keys.len() > limit;
            keys.truncate(limit);
            let next = keys.last().filter(|_| more).map(token_out);
            let mut tasks = Vec::with_capacity(keys.len());
            for key in keys {
                let Some((row, _)) = reader.instance(&key.address)? else { continue };
                // One that has gone on since is shown as it is now.
                let task = row.tasks.iter().find(|task| task.number == key.number);
                tasks.extend(task.map(|task| convert::task(&key.address, task, false)));
            }
            Ok((tasks, next))
        })
        .await?;
    let next_page_token = next.unwrap_or_default();
    Ok(v1::ListTasksResponse { tasks, next_page_token, ..Default::default() })
}

async fn of_instance(
    service: &Service,
    address: Address,
    queue: Option<&str>,
    state: State,
) -> Result<v1::ListTasksResponse, Failure> {
    let (row, _) = crate::instances::find(service, &address).await?;
    let tasks = row.tasks.iter().filter(|task| queue.is_none_or(|queue| *task.queue == *queue));
    let tasks = tasks.map(|task| convert::task(&address, task, true));
    let tasks = tasks.filter(|task| state == State::Unspecified || task.state == state);
    Ok(v1::ListTasksResponse { tasks: tasks.collect(), ..Default::default() })
}

fn lease_in(text: &str) -> Result<Lease, Failure> {
    Lease::parse(text).map_err(|problem| Failure::new(Code::MalformedRequest, problem).at("lease"))
}

fn leased_out(leased: &Leased) -> v1::LeasedTask {
    v1::LeasedTask {
        lease: leased.lease.to_string(),
        key: leased.lease.task(),
        address: leased.lease.address.to_string(),
        name: leased.name.to_string(),
        queue: leased.queue.to_string(),
        input: Some(json_out(&leased.input)).into(),
        attempt: leased.attempt,
        asked_time: Some(time_out(leased.asked_at)).into(),
        until_time: Some(time_out(leased.until)).into(),
        heartbeat: leased
            .heartbeat
            .map(|span| buffa_types::google::protobuf::Duration::from(Duration::from_millis(span.0)))
            .into(),
        progress: if leased.progress.is_null() {
            None.into()
        } else {
            Some(json_out(&leased.progress)).into()
        },
        ..Default::default()
    }
}

/// Where a list of tasks goes on. The address ends it, since it may hold any of the other characters.
fn token_out(key: &TaskKey) -> String {
    format!("{}:{}:{}:{}:{}", key.queue, key.standing as u8, key.since.0, key.number.0, key.address)
}

fn token_in(text: &str) -> Result<Option<TaskKey>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut parts = text.splitn(5, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (queue, standing, since, number, address) = (next(), next(), next(), next(), next());
    let standing = standing.parse::<usize>().ok().and_then(|at| TaskStanding::ALL.get(at).copied());
    match (standing, since.parse(), number.parse(), Address::parse(address)) {
        (Some(standing), Ok(since), Ok(number), Ok(address)) => {
            let (since, number) = (Time(since), Serial(number));
            Ok(Some(TaskKey { queue: Arc::from(queue), standing, since, number, address }))
        }
        _ => {
            let problem = "page_token is not one that a page gave";
            Err(Failure::new(Code::MalformedRequest, problem).at("page_token"))
        }
    }
}
