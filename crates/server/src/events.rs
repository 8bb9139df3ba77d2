//! Sending events and asking what became of them.

use crate::convert;
use crate::failure::Failure;
use crate::refused::{self, Sent};
use crate::service::{FreshNames, Service};
use everstate_api::v1::__buffa::view::{GetOutcomeRequestView, SendEventRequestView, SendEventsRequestView};
use everstate_api::{Code, v1};
use everstate_kernel::{Address, Event, EventId, Outcome};
use everstate_runtime::Decision;
use std::time::Duration;

/// How long one call may wait for an event that is kept. Longer waits belong in `GetOutcome` or `Follow`, which
/// survive a broken connection.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Events in one batch. A batch is one answer and mostly one commit; ten thousand small ones fill it.
const BATCH_MAX: usize = 10_000;

pub(crate) async fn send(
    service: &Service,
    request: &SendEventRequestView<'_>,
) -> Result<v1::SendEventResponse, Failure> {
    let to = convert::address(request.address, "address")?;
    let event = convert::event(request.event.as_option(), "event", service.now(), &FreshNames)?;
    let wait = match request.wait.as_option() {
        Some(wait) => convert::span_in(wait, WAIT_MAX, "wait")?,
        None => Duration::ZERO,
    };
    let id = event.id.clone();
    let sent = Sent { to: to.clone(), id: id.clone(), name: event.name.clone() };
    let mut decision = service.node.send(to, event).await?;
    if let (Decision::Kept { duplicate }, false) = (&decision, wait.is_zero()) {
        decision = decided_within(service, &id, wait, *duplicate).await?;
    }
    if let Decision::Decided { outcome, duplicate: false } = &decision {
        refused::log(service, vec![(sent, outcome.clone())]);
    }
    Ok(v1::SendEventResponse {
        event_id: id.to_string(),
        outcome: Some(decided(&decision)).into(),
        ..Default::default()
    })
}

/// Waits for the outcome of an event that is kept. Too short a wait, or a stop, leaves it pending: it is safe.
async fn decided_within(
    service: &Service,
    id: &EventId,
    wait: Duration,
    duplicate: bool,
) -> Result<Decision, Failure> {
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(wait, service.node.decided(id)) => outcome,
        () = service.stopped() => return Ok(Decision::Kept { duplicate }),
    };
    match outcome {
        Ok(outcome) => Ok(Decision::Decided { outcome: outcome?, duplicate }),
        Err(_) => Ok(Decision::Kept { duplicate }),
    }
}

pub(crate) async fn send_many(
    service: &Service,
    request: &SendEventsRequestView<'_>,
) -> Result<v1::SendEventsResponse, Failure> {
    if request.events.len() > BATCH_MAX {
        let problem =
            format!("the batch has {} events, the limit is {BATCH_MAX}; split it", request.events.len());
        return Err(Failure::new(Code::TooLarge, problem).at("events"));
    }
    let now = service.now();
    let mut good = Vec::with_capacity(request.events.len());
    let mut results: Vec<v1::send_events_response::Result> = Vec::with_capacity(request.events.len());
    // Which result each good one belongs to.
    let mut places = Vec::with_capacity(request.events.len());
    for (index, item) in request.events.iter().enumerate() {
        let mut result = v1::send_events_response::Result::default();
        match read_item(item, index, now) {
            Ok((to, event)) => {
                result.event_id = event.id.to_string();
                places.push(index);
                good.push((to, event));
            }
            Err(failure) => result.error = Some(failure.into_message()).into(),
        }
        results.push(result);
    }
    if !good.is_empty() {
        let sent = good.iter().map(|(to, event)| (to.clone(), event.id.clone(), event.name.clone()));
        let sent: Vec<_> = sent.map(|(to, id, name)| Sent { to, id, name }).collect();
        let answers = service.node.send_many(good).await?;
        let mut refused = Vec::new();
        for ((place, sent), answer) in places.into_iter().zip(sent).zip(answers) {
            match answer {
                Ok(decision) => {
                    results[place].outcome = Some(decided(&decision)).into();
                    if let Decision::Decided { outcome, duplicate: false } = decision
                        && !matches!(outcome, Outcome::Ok { .. })
                    {
                        refused.push((sent, outcome));
                    }
                }
                Err(error) => results[place].error = Some(Failure::from(error).into_message()).into(),
            }
        }
        refused::log(service, refused);
    }
    Ok(v1::SendEventsResponse { results, ..Default::default() })
}

fn read_item(
    item: &v1::__buffa::view::send_events_request::ItemView<'_>,
    index: usize,
    now: everstate_kernel::Time,
) -> Result<(Address, Event), Failure> {
    let to = convert::address(item.address, &format!("events[{index}].address"))?;
    let event = convert::event(item.event.as_option(), &format!("events[{index}].event"), now, &FreshNames)?;
    Ok((to, event))
}

pub(crate) async fn outcome(
    service: &Service,
    request: &GetOutcomeRequestView<'_>,
) -> Result<v1::GetOutcomeResponse, Failure> {
    if request.event_id.is_empty() {
        return Err(Failure::new(Code::MalformedRequest, "event_id is missing").at("event_id"));
    }
    let id = convert::event_id(request.event_id, "event_id", &FreshNames)?;
    let now = service.now();
    let known = match service.node.reader().recent_outcome(&id, now)? {
        Some(known) => Some(known),
        None => {
            let id = id.clone();
            service.read(move |reader| reader.outcome(&id, now)).await?
        }
    };
    let Some(known) = known else {
        let problem =
            format!("no outcome is known of event {id}; it was never taken in, or its retention has passed");
        return Err(Failure::new(Code::UnknownEvent, problem).at("event_id"));
    };
    let outcome = match &known.outcome {
        Some(outcome) => convert::outcome(outcome, false),
        None => convert::pending(false),
    };
    Ok(v1::GetOutcomeResponse {
        address: known.address.to_string(),
        outcome: Some(outcome).into(),
        time: Some(convert::time_out(known.at)).into(),
        ..Default::default()
    })
}

/// What the node says of an event, for the wire.
pub(crate) fn decided(decision: &Decision) -> v1::Outcome {
    match decision {
        Decision::Decided { outcome, duplicate } => convert::outcome(outcome, *duplicate),
        Decision::Kept { duplicate } => convert::pending(*duplicate),
    }
}
