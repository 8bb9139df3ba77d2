//! Outcomes of events, events without one, and the sets of FSMs in a state.
//!
//! Its one invariant: an outcome that a history tells already is not written again, and one whose id belongs to another
//! event is named instead of written.

use super::super::machines::Said;
use super::{Migration, MigrationError, RedisKey};
use buffa::view::MessageView;
use everstate_api::names;
use everstate_api::v1beta::__buffa::view::{EventOutcomeView, EventView};
use everstate_api::v1beta::event_outcome::StatusCode;
use everstate_kernel::{
    Address, Event, EventId, Fault, FaultCode, Json, Labels, Outcome, OutcomeRecord, Record, Rejection,
    Retain, Sender,
};
use std::collections::HashSet;
use std::sync::Arc;

/// An outcome as it lies in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOutcome {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// The event that it is of, where it is there.
    pub event: Option<Vec<u8>>,
}

impl Migration {
    /// Keys below `events:` that are outcomes.
    pub fn outcomes(&mut self, found: Vec<RedisOutcome>) -> Result<(), MigrationError> {
        let mut records = Vec::new();
        let mut written = HashSet::new();
        for outcome in found {
            let hash = self.hash(&[outcome.key.as_str()]);
            if !self.seen.insert(hash) {
                continue;
            }
            self.report.outcomes.found += 1;
            match self.outcome(&outcome, &mut written)? {
                Ok(Some(record)) => {
                    self.report.outcomes.imported += 1;
                    records.push(record);
                }
                Ok(None) => self.report.outcomes.already += 1,
                Err((reason, message)) => {
                    self.report.outcomes.skipped += 1;
                    self.problem(&outcome.key, reason, message, true);
                }
            }
        }
        match records.is_empty() {
            true => Ok(()),
            false => self.keep(&records),
        }
    }

    /// The record of an outcome; none when it is known.
    #[allow(
        clippy::type_complexity,
        reason = "a store that fails is another thing than an entry that is wrong"
    )]
    fn outcome(
        &mut self,
        found: &RedisOutcome,
        written: &mut HashSet<EventId>,
    ) -> Result<Result<Option<Record>, (&'static str, String)>, MigrationError> {
        let Some(RedisKey::Outcome { config, id: plain }) = RedisKey::parse(&found.key) else {
            return Ok(Err(("malformed-key", "it is not the key of an outcome".into())));
        };
        let wire = match EventOutcomeView::decode_view(&found.value) {
            Ok(wire) => wire,
            Err(error) => {
                return Ok(Err(("malformed-value", format!("it is no EventOutcome: {error}"))));
            }
        };
        let id = match EventId::parse(&names::event_id(plain)) {
            Ok(id) => id,
            Err(problem) => return Ok(Err(("malformed-key", problem))),
        };
        let kind = names::kind(config);
        let hash = self.hash(&[plain]);
        let told = self.ids.contains(&hash) && !self.told.contains(&hash);
        let known = match &self.store {
            Some((_, reader)) => reader.outcome(&id, self.now)?,
            None => None,
        };
        let other =
            known.as_ref().is_some_and(|known| known.address.kind() != &*kind) || !written.insert(id.clone());
        if other {
            let problem = format!("event id {plain:?} was used for another configuration as well");
            return Ok(Err(("outcome-conflict", problem)));
        }
        let is_ok = wire.code.as_known() == Some(StatusCode::Ok);
        if known.is_some() || (told && self.dry_run && is_ok) {
            self.report.outcomes_of_history += u64::from(told);
            return Ok(Ok(None));
        }
        let address = match Address::new(&kind, &names::id(wire.id)) {
            Ok(address) => address,
            Err(error) => return Ok(Err(("malformed-value", format!("it names no FSM: {error}")))),
        };
        // An event that is not there any more has no fingerprint: sent again, it is taken for another one.
        let event = found.event.as_deref().and_then(|bytes| self.event(&id, bytes));
        let fingerprint = event.map_or(0, |event| event.fingerprint(&address));
        let outcome = Some(outcome(wire.code.as_known(), wire.details));
        let retain =
            self.node.definition(&kind, None).map_or_else(Retain::default, |known| known.policy.retain);
        let (at, until) = (self.now, self.now + retain.outcomes_kept());
        Ok(Ok(Some(Record::Outcome(id, OutcomeRecord { address, fingerprint, outcome, at, until }))))
    }

    /// The event as a client would send it again.
    fn event(&self, id: &EventId, bytes: &[u8]) -> Option<Event> {
        let wire = EventView::decode_view(bytes).ok()?;
        let name = wire.transition.as_option().map_or("", |transition| transition.event);
        Some(Event {
            id: id.clone(),
            name: Arc::from(&*names::event(name)),
            data: Said::data(wire.originator, wire.details).ok()?,
            sender: Sender::Client,
            time: self.now,
        })
    }

    /// Keys below `events:` that are events, and whether each has an outcome.
    pub fn events(&mut self, found: Vec<(String, bool)>) {
        for (key, decided) in found {
            let Some(RedisKey::Event { id, .. }) = RedisKey::parse(&key) else { continue };
            let hash = self.hash(&[key.as_str()]);
            if !self.seen.insert(hash) {
                continue;
            }
            self.report.events.found += 1;
            if decided || self.ids.contains(&self.hash(&[id])) {
                self.report.events.already += 1;
            } else {
                self.report.events.skipped += 1;
                let problem = "neither an outcome nor a history has it; send it again if it still counts";
                self.problem(&key, "event-undecided", problem, true);
            }
        }
    }

    /// Members of the set of FSMs in a state.
    pub fn listed(&mut self, key: &str, members: &[Vec<u8>]) {
        let Some(RedisKey::Listed { config, state }) = RedisKey::parse(key) else { return };
        let number = self.number_of(state);
        for member in members {
            let Some(id) = self.text_of(member) else { continue };
            self.report.listed += 1;
            match self.places.get(&self.hash(&[config, id.as_str()])) {
                Some(place) if *place == number => {}
                Some(_) => {
                    let problem = format!("FSM {id:?} is in another state");
                    self.problem(key, "listed-elsewhere", problem, false);
                }
                None => {
                    let problem = format!("there is no FSM {id:?}");
                    self.problem(key, "listed-missing", problem, false);
                }
            }
        }
    }
}

/// An outcome of that code, as [`super::super::events`] tells it again.
fn outcome(code: Option<StatusCode>, details: &str) -> Outcome {
    let rejected = |reason| Outcome::Rejected {
        reason,
        state: Labels::default(),
        detail: details.chars().take(DETAILS_MAX).collect(),
        accepts: Vec::new(),
    };
    match code {
        Some(StatusCode::Ok) => {
            Outcome::Ok { from: Labels::default(), to: Labels::default(), reply: Json::NULL }
        }
        Some(StatusCode::EventNotAllowed | StatusCode::TransitionNotAllowed) => {
            rejected(Rejection::NotAccepted)
        }
        Some(StatusCode::FsmNotFound) => rejected(Rejection::UnknownAddress),
        Some(StatusCode::ConfigurationNotFound) => rejected(Rejection::UnknownKind),
        Some(StatusCode::InternalError) => Outcome::Failed {
            fault: Fault {
                code: FaultCode::Unhandled,
                message: details.chars().take(DETAILS_MAX).collect(),
                place: String::new(),
            },
            attempts: 1,
        },
        Some(StatusCode::GenericError | StatusCode::MissingDestination) | None => {
            rejected(Rejection::Refused)
        }
    }
}

/// Characters of an outcome's details that are kept; the original writes a line.
const DETAILS_MAX: usize = 1_000;
