//! What a space is asked by an event, from outside or by a machine, and how it puts what it tells into JSON.
//!
//! | event | data | reply |
//! |---|---|---|
//! | `publish`, `feedback` | `{"topic": …, "data": …}` | `{"takers": N}`, how many get it; of what waits for credit `{"takers": 0, "waits": true}` |
//! | `takers` | `{"topic": …, "role": "subscriber"}` | who would get it: `{"takers": […], "all": true}`; with `credit` and `waiting` where a publisher waits |
//! | `present` | `{"pattern": …, "role": …, "interest": "observer"}` | who is here for that: `{"present": […], "all": true}` |
//!
//! `all` is false when there are more than the limit. It refuses to know the node.

use super::Space;
use super::act::Act;
use super::credit::Said;
use super::endpoint::{Endpoint, Interest, Part, Role};
use super::pattern::Pattern;
use super::presence::{Counterpart, News};
use crate::event::Event;
use crate::json::Json;
use crate::limits::SPACE_ANSWER_MAX;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a space is asked.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To publish, or to feed back.
    Say(Act),
    /// For this answer.
    Answer(Json),
    /// Something that no space knows.
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sending<'a> {
    topic: Pattern,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Takers {
    topic: Pattern,
    #[serde(default = "subscriber")]
    role: Role,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Present {
    pattern: Pattern,
    #[serde(default = "subscriber")]
    role: Role,
    #[serde(default = "observer")]
    interest: Interest,
}

fn subscriber() -> Role {
    Role::Subscriber
}

fn observer() -> Interest {
    Interest::Observer
}

impl Space {
    /// What the event asks, and the answer where that is all. An error says what is wrong with the data.
    pub(crate) fn asked(&self, event: &Event) -> Result<Asked, String> {
        let read =
            |error: serde_json::Error| format!("{error}; see what a space takes: {}", shape(&event.name));
        let text = event.data.as_str();
        Ok(match &*event.name {
            name @ ("publish" | "feedback") => {
                let Sending { topic, data } = serde_json::from_str(text).map_err(read)?;
                let data = data.map_or(Json::NULL, |data| Json::trusted(data.get().to_owned()));
                let publishes = name == "publish";
                Asked::Say(if publishes {
                    Act::Publish { topic, data }
                } else {
                    Act::Feedback { topic, data }
                })
            }
            "takers" => {
                let Takers { topic, role } = serde_json::from_str(text).map_err(read)?;
                let takers = self.takers(role, &topic);
                let rows = takers.iter().map(|(_, taker)| self.taker_json(taker));
                Asked::Answer(list("takers", rows, takers.len()))
            }
            "present" => {
                let Present { pattern, role, interest } = serde_json::from_str(text).map_err(read)?;
                let present = self.present(&Part::new(pattern, role, interest));
                let rows = present.iter().map(|other| format!("{{{}}}", counterpart_json(other)));
                Asked::Answer(list("present", rows, present.len()))
            }
            _ => Asked::Unknown,
        })
    }

    fn taker_json(&self, endpoint: &Endpoint) -> String {
        let (member, name) = (quoted(endpoint.name.member.as_str()), quoted(&endpoint.name.name));
        let pattern = quoted(endpoint.part.pattern.as_str());
        let credit = match endpoint.part.waits {
            true => format!(r#","credit":{},"waiting":{}"#, endpoint.credit, self.waiting(&endpoint.name)),
            false => String::new(),
        };
        format!(r#"{{"address":{member},"endpoint":{name},"pattern":{pattern}{credit}}}"#)
    }
}

fn shape(name: &str) -> &'static str {
    match name {
        "takers" => r#"{"topic": "room/42", "role": "subscriber"}"#,
        "present" => r#"{"pattern": "room/*", "role": "subscriber", "interest": "observer"}"#,
        _ => r#"{"topic": "room/42", "data": …}"#,
    }
}

fn list(name: &str, rows: impl Iterator<Item = String>, length: usize) -> Json {
    let rows: Vec<String> = rows.take(SPACE_ANSWER_MAX).collect();
    Json::trusted(format!(r#"{{"{name}":[{}],"all":{}}}"#, rows.join(","), length <= SPACE_ANSWER_MAX))
}

fn counterpart_json(other: &Counterpart) -> String {
    let role = match other.role {
        Role::Publisher => "publisher",
        Role::Subscriber => "subscriber",
    };
    let interest = match other.interest {
        Interest::Participant => "participant",
        Interest::Observer => "observer",
        Interest::Everything => "everything",
    };
    format!(
        r#""address":{},"endpoint":{},"pattern":{},"role":"{role}","interest":"{interest}","value":{}"#,
        quoted(other.name.member.as_str()),
        quoted(&other.name.name),
        quoted(other.pattern.as_str()),
        other.value
    )
}

/// The event that tells an endpoint of `inside`: the first part of its name, and its data.
pub(crate) fn told(inside: &str, news: &News) -> (&'static str, Json) {
    let space = quoted(inside);
    let about = |other| format!(r#"{{"space":{space},{}}}"#, counterpart_json(other));
    let (word, text) = match news {
        News::Presence(other) => ("space.presence.", about(other)),
        News::Changed(other) => ("space.changed.", about(other)),
        News::Complete => ("space.complete.", format!(r#"{{"space":{space}}}"#)),
        News::Absence(other, reason) => {
            let (code, detail) = (reason.code(), quoted(reason.detail()));
            let about = counterpart_json(other);
            let text = format!(r#"{{"space":{space},{about},"reason":"{code}","detail":{detail}}}"#);
            ("space.absence.", text)
        }
    };
    (word, Json::trusted(text))
}

/// The event that brings a message: the first part of its name, and its data.
pub(crate) fn message(inside: &str, from: Option<&str>, message: &Said) -> (&'static str, Json) {
    let word = match message.takers {
        Role::Subscriber => "space.message.",
        Role::Publisher => "space.feedback.",
    };
    let (space, topic) = (quoted(inside), quoted(message.topic.as_str()));
    let from = from.map_or_else(|| "null".to_string(), quoted);
    (
        word,
        Json::trusted(format!(
            r#"{{"space":{space},"topic":{topic},"from":{from},"data":{}}}"#,
            message.data
        )),
    )
}

/// The text as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
