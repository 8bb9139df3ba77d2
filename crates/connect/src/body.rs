//! Bodies of messages: events as they come in, notifications as they go out, in the forms that queues carry.
//!
//! It refuses to know queues. Its one invariant: what is malformed is an error that says what and where, never an event.

use crate::sink::Notification;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use buffa::Message as _;
use everstate_api::v1::outcome::Code;
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_api::v1beta::{EventOutcome, EventRequest, EventResponse};
use everstate_api::{names, v1};
use everstate_client::{api, json, rfc3339, timestamp, value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `{"address": "orders/42", "event": {"id", "name", "data", "time"}}` in, a turn as JSON out.
    #[default]
    Json,
    /// As go-statemachine does: base64 of a binary `EventRequest` of `statemachine.v1beta` in, `EventResponse` out.
    Statemachine,
}

/// An event and whom it is for, as the API takes them.
pub type Item = api::send_events_request::Item;

/// Bytes of a body that is looked at: an event's data may have 1 MiB, and base64 and JSON add a third. Beyond, the
/// server would refuse it anyway.
const BODY_BYTES_MAX: usize = 2 << 20;

/// Bytes of a notification. Queues carry 256 KiB with all that belongs to it; beyond, the event's data is left out.
const NOTIFICATION_BYTES_MAX: usize = 240 << 10;

/// Padding may be there or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Form {
    /// The event of a body, or what is wrong with it. `id` is the event's when the body says none.
    pub fn event(self, id: &str, body: &[u8]) -> Result<Item, String> {
        if body.len() > BODY_BYTES_MAX {
            return Err(format!("body is {} bytes long, the limit is {BODY_BYTES_MAX}", body.len()));
        }
        match self {
            Form::Json => json_event(id, body),
            Form::Statemachine => statemachine_event(id, body),
        }
    }

    /// The notification of a turn; none where this form has no word for it.
    pub fn notification(self, of: &str, turn: &api::Turn) -> Option<Notification> {
        let body = match self {
            Form::Json => Some(json_turn(turn)),
            Form::Statemachine => statemachine_turn(turn),
        };
        Some(Notification {
            id: format!("{of}-{}", turn.cursor),
            address: turn.address.as_str().into(),
            cursor: turn.cursor,
            seconds: turn.time.as_option().map_or(0, |time| time.seconds),
            body: body?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    address: String,
    event: WireEvent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEvent {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(default)]
    data: Json,
    time: Option<String>,
}

fn json_event(id: &str, body: &[u8]) -> Result<Item, String> {
    let wire: Wire = serde_json::from_slice(body).map_err(|error| format!("body is no event: {error}"))?;
    if wire.address.is_empty() {
        return Err("body is no event: its address is empty".into());
    }
    if wire.event.name.is_empty() {
        return Err("body is no event: event.name is empty".into());
    }
    let data = match &wire.event.data {
        Json::Null => None,
        data => Some(value(data).map_err(|error| format!("event.data: {error}"))?),
    };
    let time = match &wire.event.time {
        None => None,
        Some(text) => Some(timestamp(text).ok_or_else(|| format!("event.time is not RFC 3339: {text:?}"))?),
    };
    let id = if wire.event.id.is_empty() { id.to_owned() } else { wire.event.id };
    let event =
        api::Event { id, name: wire.event.name, data: data.into(), time: time.into(), ..Default::default() };
    Ok(Item { address: wire.address, event: Some(event).into(), ..Default::default() })
}

fn statemachine_event(id: &str, body: &[u8]) -> Result<Item, String> {
    let bytes = BASE64.decode(body.trim_ascii()).map_err(|error| format!("body is not base64: {error}"))?;
    let request = EventRequest::decode_from_slice(&bytes)
        .map_err(|error| format!("body is no statemachine.v1beta.EventRequest: {error}"))?;
    let (config, to) = (request.config.as_str(), request.id.as_str());
    if config.is_empty() || to.is_empty() {
        let lacking = if to.is_empty() { "id" } else { "config" };
        return Err(format!("the EventRequest has no destination: {lacking} is empty"));
    }
    let Some(event) = request.event.as_option() else {
        return Err("the EventRequest has no event".into());
    };
    let name = event.transition.as_option().map_or("", |transition| transition.event.as_str());
    if name.is_empty() {
        return Err("the EventRequest's event has no name: event.transition.event is empty".into());
    }
    let mut said = serde_json::Map::new();
    for (key, text) in [("originator", &event.originator), ("details", &event.details)] {
        if !text.is_empty() {
            said.insert(key.into(), text.as_str().into());
        }
    }
    let data = match said.is_empty() {
        true => None,
        false => Some(value(&Json::Object(said)).map_err(|error| error.to_string())?),
    };
    let id = if event.event_id.is_empty() { id.to_owned() } else { event.event_id.clone() };
    let event = api::Event {
        id: names::event_id(&id).into_owned(),
        name: names::event(name).into_owned(),
        data: data.into(),
        time: event.timestamp.clone(),
        ..Default::default()
    };
    let address = format!("{}/{}", names::kind(config), names::id(to));
    Ok(Item { address, event: Some(event).into(), ..Default::default() })
}

/// A turn as `everstate follow --json` tells it, without what only its instance's history is read for.
fn json_turn(turn: &api::Turn) -> String {
    let event = turn.event.as_option();
    let mut document = json!({
        "address": turn.address,
        "cursor": turn.cursor,
        "sequence": turn.sequence,
        "time": turn.time.as_option().map(rfc3339),
        "event": event.map(|event| json!({
            "id": event.id,
            "name": event.name,
            "data": event.data.as_option().map(json),
            "time": event.time.as_option().map(rfc3339),
        })),
        "sender": turn.sender,
        "outcome": turn.outcome.as_option().map(json_outcome),
    });
    let text = document.to_string();
    if text.len() <= NOTIFICATION_BYTES_MAX {
        return text;
    }
    document["left_out"] = json!(["event.data", "outcome.reply"]);
    document["event"]["data"] = Json::Null;
    document["outcome"]["reply"] = Json::Null;
    document.to_string()
}

fn json_outcome(outcome: &api::Outcome) -> Json {
    json!({
        "code": word(outcome),
        "from": outcome.from,
        "to": outcome.to,
        "reply": outcome.reply.as_option().map(json),
        "reason": outcome.reason,
        "message": outcome.message,
        "accepts": outcome.accepts,
        "attempts": outcome.attempts,
    })
}

fn word(outcome: &api::Outcome) -> &'static str {
    match outcome.code.as_known() {
        Some(Code::CODE_OK) => "ok",
        Some(Code::CODE_REJECTED) => "rejected",
        Some(Code::CODE_FAILED) => "failed",
        Some(Code::CODE_PENDING) => "pending",
        _ => "unknown",
    }
}

/// What became of a turn's event in the words of `statemachine.v1beta`; a turn without an event has none there.
fn statemachine_turn(turn: &api::Turn) -> Option<String> {
    let (event, outcome) = (turn.event.as_option()?, turn.outcome.as_option()?);
    let (kind, id) = turn.address.rsplit(':').next().unwrap_or_default().split_once('/')?;
    let (config, fsm) = (names::plain(kind).into_owned(), names::plain(id).into_owned());
    let event_id = names::plain(&event.id).into_owned();
    let (code, why) = match (outcome.code.as_known()?, outcome.reason.as_str()) {
        (Code::CODE_OK, _) => (StatusCode::Ok, String::new()),
        (Code::CODE_REJECTED, "not-accepted" | "final") => {
            (StatusCode::EventNotAllowed, "is not allowed".into())
        }
        (Code::CODE_REJECTED, "unknown-address") => (StatusCode::FsmNotFound, "found no such FSM".into()),
        (Code::CODE_REJECTED, "unknown-kind") => {
            (StatusCode::ConfigurationNotFound, "found no such configuration".into())
        }
        (Code::CODE_REJECTED, _) => (StatusCode::GenericError, format!("was refused ({})", outcome.message)),
        (Code::CODE_FAILED, _) => (StatusCode::InternalError, format!("failed ({})", outcome.message)),
        _ => return None,
    };
    let details = match code {
        StatusCode::Ok => String::new(),
        _ => told(&config, &fsm, &event_id, event, outcome, &why),
    };
    let outcome = EventOutcome { code: code.into(), details, id: fsm, config, ..Default::default() };
    let response = EventResponse { event_id, outcome: Some(outcome).into(), ..Default::default() };
    Some(BASE64.encode(response.encode_to_vec()))
}

/// Names configuration, FSM, event id, current state, event, and the events allowed there.
fn told(config: &str, fsm: &str, id: &str, event: &v1::Event, outcome: &v1::Outcome, why: &str) -> String {
    let plain = |all: &[String]| -> String {
        let all: Vec<_> = all.iter().map(|name| names::plain(name)).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let name = names::plain(&event.name);
    format!(
        "event {name:?} (id {id:?}) for FSM {config}#{fsm} {why} in state {:?} of configuration {config}; events \
         allowed there: {}",
        plain(&outcome.from),
        plain(&outcome.accepts)
    )
}

#[cfg(test)]
mod tests;
