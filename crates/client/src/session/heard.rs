//! What a session is told, read from the events that its machine gets. Pure.

use crate::json::json;
use everstate_api::v1 as api;
use serde_json::Value as Json;

/// One thing that a session is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// To take the session up again after it.
    pub cursor: u64,
    /// Its id, unique for ever.
    pub id: String,
    /// Who sent it: `client`, `timer`, `system` for the kernel, or an address.
    pub sender: String,
    /// What it is.
    pub news: News,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A counterpart is there.
    Present {
        /// For this endpoint.
        endpoint: String,
        /// Who.
        who: Counterpart,
    },
    /// A counterpart asserts another value, or has another part of the pattern in common.
    Changed {
        /// For this endpoint.
        endpoint: String,
        /// Who.
        who: Counterpart,
    },
    /// A counterpart is gone.
    Absent {
        /// For this endpoint.
        endpoint: String,
        /// Who.
        who: Counterpart,
        /// `left`, `exited`, `faulted` or `silent`.
        reason: String,
        /// More for a person; often empty.
        detail: String,
    },
    /// All who were there when the endpoint joined are told; see [`super::Part::mark`].
    Complete {
        /// For this endpoint.
        endpoint: String,
    },
    /// A message from a publisher.
    Message {
        /// To this endpoint.
        endpoint: String,
        /// About what.
        topic: String,
        /// Who published it; none for somebody outside.
        from: Option<String>,
        /// What it says.
        data: Json,
    },
    /// A message back from a subscriber.
    Feedback {
        /// To this endpoint.
        endpoint: String,
        /// About what.
        topic: String,
        /// Who; none for somebody outside.
        from: Option<String>,
        /// What it says.
        data: Json,
    },
    /// Any other event, such as one that a machine sent, a reply, or the end of a space.
    Event {
        /// Its name.
        name: String,
        /// Its data.
        data: Json,
    },
}

/// An endpoint that matches one of the session's.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterpart {
    /// Whose it is.
    pub address: String,
    /// What its machine calls it.
    pub endpoint: String,
    /// What both patterns have in common.
    pub pattern: String,
    /// `publisher` or `subscriber`.
    pub role: String,
    /// `participant`, `observer` or `everything`.
    pub interest: String,
    /// What it asserts.
    pub value: Json,
}

impl Heard {
    pub(super) fn read(told: &api::attach_response::Told) -> Heard {
        let event = told.event.as_option().cloned().unwrap_or_default();
        let data = event.data.as_option().map_or(Json::Null, json);
        let news = News::read(&event.name, data);
        Heard { cursor: told.cursor, id: event.id, sender: told.sender.clone(), news }
    }
}

impl News {
    fn read(name: &str, data: Json) -> News {
        let text = |field: &str| data.get(field).and_then(Json::as_str).unwrap_or_default().to_owned();
        let from = || data.get("from").and_then(Json::as_str).map(str::to_owned);
        let said = || data.get("data").cloned().unwrap_or_default();
        let who = || Counterpart {
            address: text("address"),
            endpoint: text("endpoint"),
            pattern: text("pattern"),
            role: text("role"),
            interest: text("interest"),
            value: data.get("value").cloned().unwrap_or_default(),
        };
        let named = name.strip_prefix("space.").and_then(|rest| rest.split_once('.'));
        let Some((word, endpoint)) = named else {
            return News::Event { name: name.to_owned(), data };
        };
        let endpoint = endpoint.to_owned();
        match word {
            "presence" => News::Present { endpoint, who: who() },
            "changed" => News::Changed { endpoint, who: who() },
            "absence" => {
                News::Absent { endpoint, who: who(), reason: text("reason"), detail: text("detail") }
            }
            "complete" => News::Complete { endpoint },
            "message" => News::Message { endpoint, topic: text("topic"), from: from(), data: said() },
            "feedback" => News::Feedback { endpoint, topic: text("topic"), from: from(), data: said() },
            _ => News::Event { name: name.to_owned(), data },
        }
    }
}
