//! What a session does, from the wire to the data of the event that its machine gets. What the kernel checks is left to
//! the kernel; what has no place in its form is refused here.

use super::json_in;
use crate::failure::Failure;
use buffa::EnumValue;
use everstate_api::Code;
use everstate_api::v1::__buffa::view::attach_request::{ActView, ActsView};
use everstate_api::v1::__buffa::view::oneof::attach_request::act::What;
use everstate_api::v1::attach_request::{Interest, Role};
use everstate_kernel::Json;
use serde_json::{Map, Value, json};

/// The data of `session.act`.
pub(crate) fn acts(acts: &ActsView<'_>) -> Result<Json, Failure> {
    let mut all = Vec::with_capacity(acts.acts.len());
    for (index, act) in acts.acts.iter().enumerate() {
        all.push(one(act, &format!("acts.acts[{index}]"))?);
    }
    Json::parse(&json!({ "acts": all }).to_string()).map_err(|error| Failure::from(error).at("acts"))
}

fn one(act: &ActView<'_>, field: &str) -> Result<Value, Failure> {
    let missing = || {
        let problem = "the act says nothing; set one of join, leave, assert, publish, feedback and send";
        Failure::new(Code::MalformedRequest, problem).at(field)
    };
    let (word, mut body) = match act.what.as_ref().ok_or_else(missing)? {
        What::Join(join) => {
            let body = json!({
                "name": join.name, "pattern": join.pattern, "mark": join.mark, "waits": join.waits,
                "role": role(join.role, field)?, "interest": interest(join.interest, field)?,
                "value": value(join.value.as_option(), &format!("{field}.join.value"))?,
            });
            ("join", body)
        }
        What::Leave(name) => ("leave", json!({ "name": name })),
        What::Assert(assert) => {
            let value = value(assert.value.as_option(), &format!("{field}.assert.value"))?;
            ("assert", json!({ "name": assert.name, "value": value }))
        }
        What::Publish(said) => {
            let data = value(said.data.as_option(), &format!("{field}.publish.data"))?;
            ("publish", json!({ "topic": said.topic, "data": data }))
        }
        What::Feedback(said) => {
            let data = value(said.data.as_option(), &format!("{field}.feedback.data"))?;
            ("feedback", json!({ "topic": said.topic, "data": data }))
        }
        What::Send(send) => {
            if !act.space.is_empty() {
                let problem = "an event is sent to an address, which names the space; leave `space` empty";
                return Err(Failure::new(Code::MalformedRequest, problem).at(format!("{field}.space")));
            }
            let data = value(send.data.as_option(), &format!("{field}.send.data"))?;
            ("send", json!({ "to": send.address, "event": send.event, "data": data }))
        }
    };
    if let (Some(body), false) = (body.as_object_mut(), act.space.is_empty()) {
        let path = if act.space == "~" { "" } else { act.space };
        body.insert("space".into(), path.into());
    }
    Ok(Value::Object(Map::from_iter([(word.to_owned(), body)])))
}

fn value(
    value: Option<&buffa_types::google::protobuf::__buffa::view::ValueView<'_>>,
    field: &str,
) -> Result<Value, Failure> {
    let json = json_in(value, field)?;
    serde_json::from_str(json.as_str()).map_err(|_| Failure::internal().at(field))
}

fn role(role: EnumValue<Role>, field: &str) -> Result<&'static str, Failure> {
    match role.as_known() {
        Some(Role::ROLE_PUBLISHER) => Ok("publisher"),
        Some(Role::ROLE_SUBSCRIBER) => Ok("subscriber"),
        _ => Err(unknown("role is missing or unknown; give PUBLISHER or SUBSCRIBER", field, "role")),
    }
}

fn interest(interest: EnumValue<Interest>, field: &str) -> Result<&'static str, Failure> {
    match interest.as_known() {
        Some(Interest::INTEREST_UNSPECIFIED | Interest::INTEREST_PARTICIPANT) => Ok("participant"),
        Some(Interest::INTEREST_OBSERVER) => Ok("observer"),
        Some(Interest::INTEREST_EVERYTHING) => Ok("everything"),
        None => {
            Err(unknown("interest is unknown; give PARTICIPANT, OBSERVER or EVERYTHING", field, "interest"))
        }
    }
}

fn unknown(problem: &str, field: &str, name: &str) -> Failure {
    Failure::new(Code::MalformedRequest, problem).at(format!("{field}.join.{name}"))
}
