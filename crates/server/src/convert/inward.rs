//! From the wire: what a request names, checked field by field.

use super::{json_in, time_in};
use crate::failure::Failure;
use everstate_api::{Code, v1};
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use everstate_kernel::{Address, Event, EventId, SESSION_ACT, Sender, Serial, Time};
use std::sync::Arc;

/// Makes names for what a client left unnamed.
pub(crate) trait Names {
    /// One that was never given before, and sorts by time.
    fn fresh(&self) -> String;
}

/// An address.
pub(crate) fn address(text: &str, field: &str) -> Result<Address, Failure> {
    if text.is_empty() {
        return Err(missing(field, "write it like orders/42"));
    }
    Address::parse(text).map_err(|error| Failure::from(error).at(field))
}

/// Where an instance of `kind` is started; within a space, `kind` is `space:kind`.
pub(crate) fn start_address(kind: &str, id: &str) -> Result<Address, Failure> {
    if kind.is_empty() {
        return Err(missing("kind", "it is the name of a definition"));
    }
    let name = kind.rsplit(':').next().unwrap_or(kind);
    if name.contains('/') {
        let problem = format!("the kind has a '/': {kind:?}; give the id in `id`");
        return Err(Failure::new(Code::MalformedAddress, problem).at("kind"));
    }
    let field = if Address::new(name, "id").is_ok() { "id" } else { "kind" };
    Address::parse(&format!("{kind}/{id}")).map_err(|error| Failure::from(error).at(field))
}

/// An idempotency key; an empty one gets a fresh one.
pub(crate) fn event_id(text: &str, field: &str, names: &dyn Names) -> Result<EventId, Failure> {
    let fresh;
    let text = match text {
        "" => {
            fresh = names.fresh();
            &fresh
        }
        text => text,
    };
    EventId::parse(text).map_err(|problem| Failure::new(Code::MalformedEvent, problem).at(field))
}

/// An event from a client. `field` is where it stands in the request.
pub(crate) fn event(
    wire: Option<&v1::__buffa::view::EventView<'_>>,
    field: &str,
    now: Time,
    names: &dyn Names,
) -> Result<Event, Failure> {
    let Some(wire) = wire else {
        return Err(missing(field, "it needs a name at least"));
    };
    let id = event_id(wire.id, &format!("{field}.id"), names)?;
    check_event_name(wire.name, &format!("{field}.name"))?;
    if wire.name == SESSION_ACT {
        let problem = format!("{SESSION_ACT} is what a session does; attach, and act through the connection");
        return Err(Failure::new(Code::MalformedEvent, problem).at(format!("{field}.name")));
    }
    let data = json_in(wire.data.as_option(), &format!("{field}.data"))?;
    let time = match wire.time.as_option() {
        Some(time) => time_in(time, &format!("{field}.time"))?,
        None => now,
    };
    Ok(Event { id, name: Arc::from(wire.name), data, sender: Sender::Client, time })
}

fn check_event_name(name: &str, field: &str) -> Result<(), Failure> {
    let problem = if name.is_empty() {
        "event has no name; say what happened, such as pay".to_string()
    } else if name.len() > EVENT_NAME_BYTES_MAX {
        format!("event name is {} bytes long, the limit is {EVENT_NAME_BYTES_MAX}", name.len())
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        format!("event name has white space or a control character: {name:?}")
    } else {
        return Ok(());
    };
    Err(Failure::new(Code::MalformedEvent, problem).at(field))
}

/// A version; an empty one is none.
pub(crate) fn version(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// How many a page may have: 0 is `usual`.
pub(crate) fn limit(wanted: u32, usual: usize, max: usize, field: &str) -> Result<usize, Failure> {
    match wanted as usize {
        0 => Ok(usual),
        wanted if wanted > max => {
            let problem = format!("{field} is {wanted}, the limit is {max}; read page by page");
            Err(Failure::new(Code::MalformedRequest, problem).at(field))
        }
        wanted => Ok(wanted),
    }
}

/// Where a list of instances goes on.
pub(crate) fn page_token(text: &str) -> Result<Option<Address>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    Address::parse(text).map(Some).map_err(|_| not_a_token(text))
}

/// Where a list of numbered things goes on.
pub(crate) fn page_number(text: &str) -> Result<Option<Serial>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(|number| Some(Serial(number))).map_err(|_| not_a_token(text))
}

fn missing(field: &str, hint: &str) -> Failure {
    Failure::new(Code::MalformedRequest, format!("{field} is missing; {hint}")).at(field)
}

pub(crate) fn not_a_token(text: &str) -> Failure {
    let shown: String = text.chars().take(40).collect();
    let problem = format!("page_token is not one that a page gave: {shown:?}");
    Failure::new(Code::MalformedRequest, problem).at("page_token")
}

#[cfg(test)]
#[path = "inward_tests.rs"]
mod tests;
