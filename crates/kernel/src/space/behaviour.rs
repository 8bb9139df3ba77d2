//! The built-in definition `space`. What a space does is the kernel's own, since it needs what lies in memory beside the
//! row; its behaviour only says that it is one, and its state is always the same.

use crate::address::{Address, SPACE_KIND};
use crate::behaviour::{Behaviour, Description, Fault, FaultCode, Handled, Next, State, Turn, Waiting};
use crate::definition::{Create, Definition, DefinitionId, Policy};
use crate::event::Event;
use crate::json::Json;
use crate::record::Labels;
use crate::retention::Retain;
use crate::time::{Span, Time};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The events that a space takes from outside: see [`super::asked`].
const ACCEPTED: [&str; 4] = ["feedback", "present", "publish", "takers"];

/// Conversations come and go by the thousand; an ended one is kept for a day, so that people can see why it ended.
const RETAIN: Retain = Retain { finished: Some(Span::seconds(24 * 3600)), outcomes: None, history: None };

#[derive(Debug)]
struct SpaceBehaviour;

/// The definition of all spaces. It comes before any that is put under its name with other policies.
pub(crate) fn definition() -> Definition {
    Definition {
        id: DefinitionId { name: Arc::from(SPACE_KIND), version: Arc::from("0") },
        behaviour: Arc::new(SpaceBehaviour),
        policy: Policy { create: Create::OnDemand, retain: RETAIN, ..Policy::default() },
    }
}

fn labels() -> Labels {
    Labels::from([Arc::from("open")])
}

impl Behaviour for SpaceBehaviour {
    fn start(&self, _: &Json, _: &mut Turn<'_>) -> Result<Next, Fault> {
        Ok(Next { state: Arc::new(()), labels: labels(), done: None })
    }

    fn handle(&self, _: &State, _: &Event, _: &mut Turn<'_>) -> Result<Handled, Fault> {
        Ok(Handled::Rejected)
    }

    fn is_space(&self) -> bool {
        true
    }

    fn encode(&self, _: &State) -> Vec<u8> {
        Vec::new()
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, Fault> {
        if bytes.is_empty() {
            return Ok(Arc::new(()));
        }
        let message = String::from("a space has no state of its own, and bytes of one were found");
        Err(Fault { code: FaultCode::State, message, place: String::new() })
    }

    fn describe(&self, _: &State) -> Description {
        Description { labels: labels(), data: Json::NULL }
    }

    fn waiting(&self, _: &State, _: &Address, _: Time) -> Waiting {
        Waiting { accepts: ACCEPTED.map(Arc::from).into(), guarded: Vec::new() }
    }
}
