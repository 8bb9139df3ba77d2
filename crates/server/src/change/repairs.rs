//! What an operator does to one instance: pause, resume, retry, set its state.
//!
//! It refuses to know what a repair changes; the node's table says.

use super::{becoming, chart, fields, in_the_way, note, occupant, written_wrong};
use crate::convert;
use crate::events::decided;
use crate::failure::Failure;
use crate::instances::{find, shown};
use crate::service::Service;
use everstate_api::v1::__buffa::view::{
    PauseInstanceRequestView, ResumeInstanceRequestView, RetryInstanceRequestView,
    SetInstanceStateRequestView,
};
use everstate_api::{Code, v1};
use everstate_chart::change::{Carried, Placement};
use everstate_kernel::{Address, Behaviour, Instance, Outcome, Refusal};
use everstate_runtime::{CallError, Decision};
use std::sync::Arc;

/// How often a change is worked out anew because the instance has moved on. An instance that takes an event every
/// millisecond is met at rest well before; one that never is should be paused first.
pub(super) const LOOKS_MAX: usize = 20;

pub(crate) async fn pause(
    service: &Service,
    request: &PauseInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let note = note(request.audit.as_option(), false)?;
    let decision = service.node.pause(address.clone(), &note).await?;
    after(service, &address, &decision).await
}

pub(crate) async fn resume(
    service: &Service,
    request: &ResumeInstanceRequestView<'_>,
) -> Result<v1::Instance, Failure> {
    let address = convert::address(request.address, "address")?;
    let note = note(request.audit.as_option(), false)?;
    let decision = service.node.resume(address.clone(), &note).await?;
    after(service, &address, &decision).await
}

pub(crate) async fn retry(
    service: &Service,
    request: &RetryInstanceRequestView<'_>,
) -> Result<v1::RetryInstanceResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    let note = note(request.audit.as_option(), false)?;
    let decision = service.node.retry(address.clone(), &note).await?;
    let (row, _) = find(service, &address).await?;
    if row.status.is_ended() && is_final(&decision) {
        return Err(ended(&address));
    }
    Ok(v1::RetryInstanceResponse {
        outcome: Some(decided(&decision)).into(),
        instance: Some(shown(service, &row)).into(),
        ..Default::default()
    })
}

fn is_final(decision: &Decision) -> bool {
    matches!(decision, Decision::Decided { outcome: Outcome::Rejected { .. }, .. })
}

pub(super) fn ended(address: &Address) -> Failure {
    let problem = format!("{address} has ended; an end is not repaired, `everstate restart` begins it anew");
    Failure::new(Code::Ended, problem).at("address")
}

async fn after(service: &Service, address: &Address, decision: &Decision) -> Result<v1::Instance, Failure> {
    if is_final(decision) {
        return Err(ended(address));
    }
    let (row, _) = find(service, address).await?;
    Ok(shown(service, &row))
}

pub(crate) async fn set_state(
    service: &Service,
    request: &SetInstanceStateRequestView<'_>,
) -> Result<v1::SetInstanceStateResponse, Failure> {
    let address = convert::address(request.address, "address")?;
    let note = note(request.audit.as_option(), !request.dry_run)?;
    let states: Vec<String> = request.states.iter().map(|state| (*state).to_owned()).collect();
    let set = fields(request.set.iter());
    if states.is_empty() && set.is_empty() {
        let problem = "neither states nor fields are given, so there is nothing to set";
        return Err(Failure::new(Code::MalformedRequest, problem).at("states"));
    }
    for _ in 0..LOOKS_MAX {
        let (row, _) = find(service, &address).await?;
        if row.status.is_ended() {
            return Err(ended(&address));
        }
        let chart = chart(&service.node, address.kind(), &row.version, "address")?;
        let placement = Placement::new(chart.clone(), &states, &set)
            .map_err(|errors| written_wrong(&errors, "states"))?;
        let placed = placement
            .place(&occupant(&row, &row.version, &[], service.now()))
            .map_err(|obstacles| in_the_way(&address, &obstacles))?;
        let answer = placed_as(&*chart, &row, &placed);
        if request.dry_run {
            return Ok(answer);
        }
        let version: Arc<str> = row.version.clone();
        let becoming = becoming(&row, &version, placed);
        match service.node.become_other(address.clone(), becoming, &note).await {
            Ok(decision) if is_final(&decision) => return Err(ended(&address)),
            Ok(_) => return Ok(answer),
            Err(CallError::Refused(Refusal::MovedOn { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let problem = format!("{address} makes turns as fast as it is looked at; pause it first");
    Err(Failure::new(Code::MovedOn, problem).at("address"))
}

fn placed_as(behaviour: &dyn Behaviour, row: &Instance, placed: &Carried) -> v1::SetInstanceStateResponse {
    let described = behaviour.decode(placed.state.as_slice()).map(|state| behaviour.describe(&state));
    let gone = row.timers.iter().filter(|timer| placed.timers.iter().all(|kept| kept.name != timer.name));
    let mut notes: Vec<String> = placed.notes.iter().map(ToString::to_string).collect();
    notes.extend(
        gone.filter(|timer| !timer.name.starts_with("after."))
            .map(|timer| format!("the timer {:?} is cleared", timer.name)),
    );
    v1::SetInstanceStateResponse {
        states: placed.labels.iter().map(ToString::to_string).collect(),
        context: described.ok().map(|described| convert::json_out(&described.data)).into(),
        notes,
        ..Default::default()
    }
}
