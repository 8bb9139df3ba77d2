//! FSMs with their histories.
//!
//! | the history                                        | the FSM                                                |
//! |----------------------------------------------------|--------------------------------------------------------|
//! | leads by the configuration to the state            | starts where it begins and takes every event           |
//! | does not, or an id in it was used before           | starts in its state, with the history as told          |
//!
//! Its one invariant: in both cases the FSM is in the state that Redis says, and every event of its history is told.

use super::super::machines::{Begin, Past, Said, past};
use super::{Known, Migration, MigrationError, TICKET, answer, name_of};
use crate::convert::Names;
use crate::service::FreshNames;
use buffa::view::MessageView;
use everstate_api::names;
use everstate_api::v1beta::__buffa::view::FiniteStateMachineView;
use everstate_kernel::{
    Address, Answer, Event, EventId, Input, Json, Loaded, Out, Outcome, Sender, Time, Touches,
};
use everstate_store::Store;
use std::collections::HashSet;
use std::sync::Arc;

/// An FSM that is to be imported.
struct Planned {
    key: String,
    address: Address,
    known: Arc<Known>,
    state: String,
    history: Vec<Past>,
    /// Its events, when they lead to the state.
    events: Option<Vec<Event>>,
}

/// Turns of one commit, the last FSM's apart. Half doubles the syncs, twice holds more memory for no gain.
const TURNS: usize = 8_192;

/// Why one is left out.
type Refused = (&'static str, String);

impl Migration {
    /// Keys below `fsm:` that are no lists, with their values.
    pub fn machines(&mut self, found: Vec<(String, Vec<u8>)>) -> Result<(), MigrationError> {
        let (mut planned, mut turns) = (Vec::with_capacity(found.len()), 0);
        for (key, value) in found {
            match self.plan(&key, &value) {
                Ok(Some(plan)) => {
                    turns += 1 + plan.history.len();
                    planned.push(plan);
                }
                Ok(None) => {}
                Err((reason, message)) => {
                    self.report.machines.found += 1;
                    self.report.machines.skipped += 1;
                    self.problem(&key, reason, message, true);
                }
            }
            if turns >= TURNS {
                self.apply(std::mem::take(&mut planned))?;
                turns = 0;
            }
        }
        self.apply(planned)
    }

    /// None when it was seen before: Redis may tell a key twice.
    fn plan(&mut self, key: &str, value: &[u8]) -> Result<Option<Planned>, Refused> {
        let wire = FiniteStateMachineView::decode_view(value)
            .map_err(|error| ("malformed-value", format!("it is no FiniteStateMachine: {error}")))?;
        let name = name_of(wire.config_id);
        let id = key.strip_prefix("fsm:").and_then(|rest| rest.strip_prefix(name)?.strip_prefix('#'));
        let Some(id) = id.filter(|_| !name.is_empty()) else {
            let problem = format!("it is of configuration {:?}, which its key does not say", wire.config_id);
            return Err(("malformed-value", problem));
        };
        let place = self.hash(&[name, id]);
        if self.places.contains_key(&place) {
            return Ok(None);
        }
        let number = self.number_of(wire.state);
        self.places.insert(place, number);
        let Some(known) = self.known.get(wire.config_id).cloned() else {
            let problem = format!("its configuration {:?} is not there, or was skipped", wire.config_id);
            return Err(("configuration-missing", problem));
        };
        let state = match wire.state {
            "" => known.configuration.starting_state.as_str(),
            state => state,
        };
        if !known.configuration.states.iter().any(|known| known == state) {
            let problem = format!("configuration {} has no state {state:?}", wire.config_id);
            return Err(("unknown-state", problem));
        }
        let state = state.to_owned();
        let address = Address::new(&known.id.name, &names::id(id))
            .map_err(|error| ("malformed-key", error.to_string()))?;
        let history: Result<Vec<_>, _> = wire.history.iter().map(|event| past(event, self.now)).collect();
        let history = history.map_err(|failure| ("malformed-value", failure.message))?;
        self.report.machines.found += 1;
        let mut plan = Planned { key: key.to_owned(), address, known, state, history, events: None };
        if let Some(broken) = plan.broken() {
            let problem = format!("{broken}; it is in state {:?}, with the history as told", plan.state);
            self.problem(key, "history-broken", problem, false);
        } else {
            let events = plan.history.iter().map(event).collect::<Result<Vec<_>, _>>();
            plan.events = Some(events?);
        }
        self.note_ids(&mut plan);
        Ok(Some(plan))
    }

    /// Remembers the ids of its events. One that was used before cannot be used again.
    fn note_ids(&mut self, plan: &mut Planned) {
        let mut repeated = None;
        for past in &plan.history {
            let hash = self.hash(&[past.id.as_str()]);
            if !past.id.is_empty() && !self.ids.insert(hash) {
                repeated = repeated.or(Some(past.id.clone()));
            }
        }
        match (repeated, plan.events.is_some()) {
            (Some(id), true) => self.tell_as_told(plan, &id),
            (_, false) => self.note_told(plan),
            (None, true) => {}
        }
    }

    fn note_told(&mut self, plan: &Planned) {
        for past in &plan.history {
            let hash = self.hash(&[past.id.as_str()]);
            self.told.insert(hash);
        }
    }

    fn tell_as_told(&mut self, plan: &mut Planned, id: &str) {
        plan.events = None;
        self.note_told(plan);
        let problem = format!(
            "event {id:?} was applied before; it is in state {:?}, with the history as told",
            plan.state
        );
        self.problem(&plan.key, "event-repeated", problem, false);
    }

    fn apply(&mut self, planned: Vec<Planned>) -> Result<(), MigrationError> {
        let loaded = self.look(&planned)?;
        let there: HashSet<Address> = (loaded.instances.iter())
            .filter(|(_, found)| found.is_some())
            .map(|(address, _)| address.clone())
            .collect();
        let used: HashSet<EventId> = (loaded.outcomes.iter())
            .filter(|(_, known)| known.as_ref().is_some_and(|known| known.until > self.now))
            .map(|(id, _)| id.clone())
            .collect();
        self.node.hydrate(loaded);
        let mut out = Out::default();
        for mut plan in planned {
            if there.contains(&plan.address) {
                self.report.machines.already += 1;
                continue;
            }
            let repeated = plan.events.iter().flatten().find(|event| used.contains(&event.id));
            if let Some(id) = repeated.map(|event| event.id.clone()) {
                self.tell_as_told(&mut plan, names::plain(id.as_str()).as_ref());
            }
            let events = plan.history.len() as u64;
            let data = match plan.data() {
                Ok(data) => data,
                Err((reason, message)) => {
                    self.report.machines.skipped += 1;
                    self.problem(&plan.key, reason, message, true);
                    continue;
                }
            };
            if !self.dry_run {
                self.step(plan, data, &mut out)?;
            }
            self.report.machines.imported += 1;
            self.report.history += events;
        }
        self.commit(&mut out)
    }

    /// What the store knows of them; without a store, nothing.
    fn look(&self, planned: &[Planned]) -> Result<Loaded, MigrationError> {
        let touches = Touches {
            addresses: planned.iter().map(|plan| plan.address.clone()).collect(),
            ids: planned
                .iter()
                .flat_map(|plan| plan.events.iter().flatten())
                .map(|event| event.id.clone())
                .collect(),
        };
        match &self.store {
            Some((store, _)) => Ok(store.hydrate(&touches)?),
            None => Ok(Loaded::default()),
        }
    }

    fn step(&mut self, plan: Planned, data: Json, out: &mut Out) -> Result<(), MigrationError> {
        let defect = |what: &str, out: &Out| {
            MigrationError::Defect(format!("{}: {what} was answered {:?}", plan.key, answer(out)))
        };
        let id = EventId::parse(&FreshNames.fresh()).map_err(MigrationError::Defect)?;
        // An id that was made just now is not known to any store.
        self.node.hydrate(Loaded { outcomes: vec![(id.clone(), None)], ..Loaded::default() });
        let (address, version) = (plan.address.clone(), Some(plan.known.id.version.clone()));
        self.node.step(self.now, Input::Start { ticket: TICKET, address, version, id, data }, out);
        if !took(out) {
            return Err(defect("the start", out));
        }
        for event in plan.events.into_iter().flatten() {
            self.node.step(self.now, Input::Event { ticket: TICKET, to: plan.address.clone(), event }, out);
            if !took(out) {
                return Err(MigrationError::Defect(format!(
                    "{}: an event of its history was answered {:?}",
                    plan.key,
                    answer(out)
                )));
            }
        }
        // Only the last answer is ever looked at.
        out.releases.clear();
        Ok(())
    }
}

fn took(out: &Out) -> bool {
    matches!(answer(out), Some(Answer::Decided { outcome: Outcome::Ok { .. }, duplicate: false }))
}

impl Planned {
    /// Where the history does not follow the configuration.
    fn broken(&self) -> Option<String> {
        let mut at = self.history.first().map_or(self.state.as_str(), |first| first.from.as_str());
        if !self.known.configuration.states.iter().any(|state| state == at) {
            return Some(format!("its history begins in {at:?}, which is no state"));
        }
        for (index, past) in self.history.iter().enumerate() {
            let to = self.known.ways.get(at).and_then(|ways| ways.get(&past.event));
            if past.from != at || to != Some(&past.to) {
                return Some(format!(
                    "event {index} of its history, {:?} from {:?} to {:?}, is not what happens in {at:?}",
                    past.event, past.from, past.to
                ));
            }
            at = &past.to;
        }
        (at != self.state).then(|| format!("its history ends in {at:?}"))
    }

    /// What it is started with.
    fn data(&mut self) -> Result<Json, Refused> {
        let from = match &self.events {
            Some(_) => self.history.first().map_or(self.state.as_str(), |first| first.from.as_str()),
            None => self.state.as_str(),
        };
        let begin = match from == self.known.configuration.starting_state {
            true => String::new(),
            false => names::state(from).into_owned(),
        };
        let history = match &self.events {
            Some(_) => Vec::new(),
            None => std::mem::take(&mut self.history),
        };
        Begin { begin, history }.data().map_err(|failure| ("too-large", failure.message))
    }
}

fn event(past: &Past) -> Result<Event, Refused> {
    let id = match past.id.as_str() {
        "" => FreshNames.fresh(),
        id => names::event_id(id).into_owned(),
    };
    let id = EventId::parse(&id).map_err(|problem| ("malformed-value", problem))?;
    let data = Said::data(&past.originator, &past.details)
        .map_err(|failure| ("malformed-value", failure.message))?;
    let name = Arc::from(&*names::event(&past.event));
    Ok(Event { id, name, data, sender: Sender::Client, time: Time(past.time) })
}
