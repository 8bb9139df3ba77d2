//! Events sent, and what became of them in the codes of this API.
//!
//! | outcome here                                     | code                   |
//! |--------------------------------------------------|------------------------|
//! | ok                                               | `Ok`                   |
//! | rejected: no active state takes it, or it ended  | `EventNotAllowed`      |
//! | the same, but a guard closes a transition for it | `TransitionNotAllowed` |
//! | rejected: unknown address                        | `FsmNotFound`          |
//! | rejected: unknown kind                           | `ConfigurationNotFound`|
//! | rejected: bad data, mailbox full                 | `GenericError`         |
//! | failed                                           | `InternalError`        |
//! | refused at once, since nobody is named           | `MissingDestination`   |
//!
//! Its one invariant: an event that was answered with its id is decided, and is decided once.

use super::machines::Said;
use super::nobody::Stray;
use super::text::{Known, joined};
use super::{Statemachine, invalid, names, precondition, shown};
use crate::convert::{self, Names};
use crate::failure::Failure;
use crate::refused::{self, Sent};
use crate::service::FreshNames;
use connectrpc::{ConnectError, ErrorDetail};
use everstate_api::v1beta::__buffa::view::EventRequestView;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::{EventOutcome, EventResponse};
use everstate_api::{Code, v1beta};
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use everstate_kernel::{Address, Cause, Event, EventId, Outcome, OutcomeRecord, Refusal, Rejection, Sender};
use everstate_runtime::{CallError, Decision};
use everstate_store::{Reader, StoreError};
use std::sync::Arc;

pub(super) async fn send(
    service: &Statemachine,
    request: &EventRequestView<'_>,
) -> Result<EventResponse, ConnectError> {
    let wire = request.event.as_option();
    let name = wire.and_then(|event| event.transition.as_option()).map_or("", |transition| transition.event);
    if request.config.is_empty() || request.id.is_empty() {
        let lacking =
            if request.id.is_empty() { "the id of the FSM" } else { "the name of its configuration" };
        return Err(nowhere(request, format!("the event has no destination: {lacking} is missing")));
    }
    if name.is_empty() {
        return Err(precondition("the event has no name; give it in event.transition.event"));
    }
    let name = names::event(name);
    if name.len() > EVENT_NAME_BYTES_MAX {
        let problem = format!("the event's name is too long: {} bytes, the limit is", name.len());
        return Err(invalid(format!("{problem} {EVENT_NAME_BYTES_MAX}")));
    }
    let to = Address::new(&service.kind(request.config), &names::id(request.id)).map_err(Failure::from)?;
    let event = event(service, wire, &name)?;
    let id = event.id.clone();
    let decision = service.service.node.send(to.clone(), event).await.map_err(refused)?;
    if let Decision::Decided { outcome, duplicate: false } = &decision {
        note(service, &to, &id, &name, outcome);
    }
    let event_id = names::plain(id.as_str()).into_owned();
    Ok(EventResponse { event_id, ..Default::default() })
}

/// An event for nobody that could be: the code of that travels in the error's detail, since there is no outcome.
fn nowhere(request: &EventRequestView<'_>, problem: String) -> ConnectError {
    let outcome = EventOutcome {
        code: StatusCode::MissingDestination.into(),
        details: problem.clone(),
        id: request.id.into(),
        config: request.config.into(),
        ..Default::default()
    };
    precondition(problem).with_detail(ErrorDetail::from_message("statemachine.v1beta.EventOutcome", &outcome))
}

fn event(
    service: &Statemachine,
    wire: Option<&v1beta::__buffa::view::EventView<'_>>,
    name: &str,
) -> Result<Event, Failure> {
    let (id, originator, details) =
        wire.map_or(("", "", ""), |event| (event.event_id, event.originator, event.details));
    let id = match id {
        "" => FreshNames.fresh(),
        id => names::event_id(id).into_owned(),
    };
    let id = EventId::parse(&id).map_err(|problem| Failure::new(Code::MalformedEvent, problem))?;
    let time = match wire.and_then(|event| event.timestamp.as_option()) {
        Some(time) => convert::time_in(time, "event.timestamp")?,
        None => service.service.now(),
    };
    let data = Said::data(originator, details)?;
    Ok(Event { id, name: Arc::from(name), data, sender: Sender::Client, time })
}

/// Too much to do is a deadline here: it is what clients of this API know, and try again after.
fn refused(error: CallError) -> ConnectError {
    match &error {
        CallError::Overloaded { .. } | CallError::Refused(Refusal::Overloaded | Refusal::MailboxFull(_)) => {
            ConnectError::deadline_exceeded(error.to_string())
        }
        _ => Failure::from(error).into(),
    }
}

/// Remembers what the node does not, and logs what was refused.
fn note(service: &Statemachine, to: &Address, id: &EventId, name: &str, outcome: &Outcome) {
    if matches!(outcome, Outcome::Ok { .. }) {
        return;
    }
    let sent = Sent { to: to.clone(), id: id.clone(), name: Arc::from(name) };
    refused::log(&service.service, vec![(sent, outcome.clone())]);
    let (code, details) = told(service, to, id, Some(name), outcome, None);
    if matches!(code, StatusCode::FsmNotFound | StatusCode::ConfigurationNotFound) {
        service.nobody.keep(id.clone(), Stray { to: to.clone(), code, details });
    }
}

pub(super) async fn outcome(
    service: &Statemachine,
    request: &EventRequestView<'_>,
) -> Result<EventResponse, ConnectError> {
    if request.config.is_empty() || request.id.is_empty() {
        return Err(invalid(
            "config and id are needed: the name of the configuration and the id of the event",
        ));
    }
    let unknown = || {
        let (config, id) = (shown(request.config), shown(request.id));
        ConnectError::not_found(format!("no outcome is known (yet) of event {id} for configuration {config}"))
    };
    let kind = service.kind(request.config);
    let id = EventId::parse(&names::event_id(request.id)).map_err(|_| unknown())?;
    let now = service.service.now();
    let asked = id.clone();
    // Clients ask for what was decided a moment ago, and most of it was applied: that needs no other thread.
    let recent = service.service.node.reader().recent_outcome(&id, now).map_err(Failure::from)?;
    let known = match recent {
        Some(kept) if matches!(kept.outcome, Some(Outcome::Ok { .. })) => {
            Some(Record { kept, event: None, version: None })
        }
        _ => service.service.read(move |reader| Record::find(reader, &asked, now)).await?,
    };
    let (to, code, details) = match known {
        Some(Record { kept: OutcomeRecord { address, outcome: Some(outcome), .. }, event, version }) => {
            let (code, details) =
                told(service, &address, &id, event.as_deref(), &outcome, version.as_deref());
            (address, code, details)
        }
        // It waits, so there is none yet.
        Some(_) => return Err(unknown()),
        None => {
            service.nobody.find(&id).map(|stray| (stray.to, stray.code, stray.details)).ok_or_else(unknown)?
        }
    };
    if to.kind() != kind {
        return Err(unknown());
    }
    let outcome = EventOutcome {
        code: code.into(),
        details,
        id: names::plain(to.id()).into_owned(),
        config: names::plain(to.kind()).into_owned(),
        ..Default::default()
    };
    Ok(EventResponse { event_id: request.id.into(), outcome: Some(outcome).into(), ..Default::default() })
}

/// What the store knows of an event.
struct Record {
    kept: OutcomeRecord,
    /// Its name, looked up when it was not applied.
    event: Option<Arc<str>>,
    /// That of the receiver, likewise.
    version: Option<Arc<str>>,
}

impl Record {
    fn find(
        reader: &dyn Reader,
        id: &EventId,
        now: everstate_kernel::Time,
    ) -> Result<Option<Record>, StoreError> {
        let Some(kept) = reader.outcome(id, now)? else { return Ok(None) };
        let (mut event, mut version) = (None, None);
        if !matches!(kept.outcome, None | Some(Outcome::Ok { .. }))
            && let Some((row, _)) = reader.instance(&kept.address)?
        {
            event = name_of(reader, &kept, id, row.turns)?;
            version = Some(row.version);
        }
        Ok(Some(Record { kept, event, version }))
    }
}

/// Turns made in one millisecond that are looked through.
const AT_ONCE_MAX: usize = 1_000;

/// The name of an event that was not applied, from the history: times ascend there, so its turn is found by halves.
fn name_of(
    reader: &dyn Reader,
    kept: &OutcomeRecord,
    id: &EventId,
    turns: u64,
) -> Result<Option<Arc<str>>, StoreError> {
    let (mut low, mut high) = (0, turns);
    while low < high {
        let middle = low + (high - low) / 2;
        match reader.history(&kept.address, middle, 1)?.first() {
            Some(entry) if entry.at < kept.at => low = middle + 1,
            _ => high = middle,
        }
    }
    let near = reader.history(&kept.address, low, AT_ONCE_MAX)?;
    Ok(near.into_iter().find_map(|entry| match entry.cause {
        Cause::Event(event) if event.id == *id => Some(event.name),
        _ => None,
    }))
}

/// An outcome as this API tells it.
fn told(
    service: &Statemachine,
    to: &Address,
    id: &EventId,
    event: Option<&str>,
    outcome: &Outcome,
    version: Option<&str>,
) -> (StatusCode, String) {
    let config = names::plain(to.kind());
    let fsm = format!("{config}#{}", names::plain(to.id()));
    let named = event.map_or_else(String::new, |name| format!(" {:?}", names::plain(name)));
    let event_said = format!("event{named} (id {:?}) for FSM {fsm}", names::plain(id.as_str()));
    let of =
        version.map_or_else(|| config.to_string(), |version| format!("{config}:{}", names::plain(version)));
    match outcome {
        Outcome::Ok { .. } => (StatusCode::Ok, String::new()),
        Outcome::Failed { fault, .. } => (
            StatusCode::InternalError,
            format!("{event_said} failed in configuration {of}: {}", fault.message),
        ),
        Outcome::Rejected { reason: Rejection::UnknownAddress, .. } => {
            (StatusCode::FsmNotFound, format!("{event_said}: configuration {config} has no such FSM"))
        }
        Outcome::Rejected { reason: Rejection::UnknownKind, .. } => {
            (StatusCode::ConfigurationNotFound, format!("{event_said}: there is no configuration {config}"))
        }
        // Only what was imported has words of its own here.
        Outcome::Rejected { reason: Rejection::NotAccepted, detail, .. } if !detail.is_empty() => {
            (StatusCode::EventNotAllowed, format!("{event_said} was not allowed: {detail}"))
        }
        Outcome::Rejected { reason: Rejection::NotAccepted | Rejection::Final, state, accepts, .. } => {
            let allowed: Vec<_> = accepts.iter().map(|name| names::plain(name)).collect();
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            let known = definition(service, to, version);
            let guarded = event.zip(known).is_some_and(|(event, known)| is_guarded(&known, state, event));
            let (code, why) = match guarded {
                true => (StatusCode::TransitionNotAllowed, "is held back by a guard"),
                false => (StatusCode::EventNotAllowed, "is not allowed"),
            };
            let state = joined(state);
            (
                code,
                format!(
                    "{event_said} {why} in state {state:?} of configuration {of}; events allowed there: {allowed}"
                ),
            )
        }
        Outcome::Rejected { reason, state, detail, .. } => {
            let (state, colon) = (joined(state), if detail.is_empty() { "" } else { ": " });
            let said = format!("{event_said} was refused in state {state:?} of configuration {of}");
            (StatusCode::GenericError, format!("{said}, since {reason}{colon}{detail}"))
        }
    }
}

fn definition(service: &Statemachine, to: &Address, version: Option<&str>) -> Option<Arc<Known>> {
    let record = service.service.node.definitions().record(to.kind(), version)?;
    Some(service.known(&record))
}

/// Is there a transition for the event in one of these states, or around them, that has a guard?
fn is_guarded(known: &Known, states: &[Arc<str>], event: &str) -> bool {
    let names = |pattern: &str| match pattern.strip_suffix('*') {
        None => pattern == event,
        Some("") => true,
        Some(prefix) => event.starts_with(prefix) || event == prefix.trim_end_matches('.'),
    };
    let is_around = |source: &str| {
        let around = |state: &Arc<str>| {
            state.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        source.is_empty() || states.iter().any(around)
    };
    known.transitions.iter().any(|transition| {
        !transition.guard.is_empty()
            && is_around(&transition.source)
            && transition.events.iter().any(|pattern| names(pattern))
    })
}
