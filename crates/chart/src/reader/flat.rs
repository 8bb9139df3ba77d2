//! Flat definitions: states, transitions from one to another by an event, and where it begins, as configurations of
//! go-statemachine are written.
//!
//! It refuses to know more than those. Its one invariant: what go-statemachine calls invalid is an error here.

use super::{ChartDefinition, Reader, join};
use crate::code::StateIndex;
use crate::compile::initial_transition;
use crate::document::{Entry, Kind, Node};
use crate::finding::{Code, Severity, nearest};
use crate::format;
use crate::model::{
    Descriptor, Model, ModelState, ModelTransition, Reach, STATES_MAX, StateKind, Trigger, Unhandled,
};
use crate::value::{Map, Value};
use everstate_kernel::{Event, Policy};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Is it a flat definition? Its states are a list; a native one has them in a map.
pub(super) fn is_flat(root: &Node) -> bool {
    let Kind::Map(entries) = &root.kind else { return false };
    entries.iter().any(|entry| entry.key == "states" && matches!(entry.value.kind, Kind::List(_)))
}

impl<'a> Reader<'a> {
    pub(super) fn flat(&mut self, file_name: &str, root: &'a Node) -> Option<ChartDefinition> {
        let fields = self.fields(root, &format::FLAT, "")?;
        let id = self.identity(file_name, fields.find("name"), fields.find("version"), root);
        let states = fields.find("states")?;
        let index = self.flat_states(states);
        let starting = fields.find("starting_state").or_else(|| fields.find("startingState"));
        match starting {
            Some(entry) => {
                let begins = self.flat_state(&index, entry, "starting_state");
                let machine = &self.states[0];
                self.states[0].initial = begins.map(|at| initial_transition(vec![at], Vec::new(), machine));
            }
            None => {
                let hint = "add `starting_state: STATE`";
                let message = "the definition does not say in which state it begins";
                self.report(Code::MissingInitial, states.key_span.clone(), "starting_state", message, hint);
            }
        }
        let mut used = vec![false; self.states.len()];
        if let Some(entry) = fields.find("transitions") {
            let Kind::List(items) = &entry.value.kind else {
                self.wrong_type(&entry.value, "transitions", "a list of transitions");
                return None;
            };
            for (at, item) in items.iter().enumerate() {
                self.flat_transition(&index, item, &format!("transitions[{at}]"), &mut used);
            }
        }
        for (at, _) in used.iter().enumerate().skip(1).filter(|(_, used)| !**used) {
            let (span, name) = (self.states[at].span.clone(), self.states[at].name.clone());
            let message = format!("no transition uses the state {name:?}");
            self.report(Code::BadValue, span, "states", message, "add a transition, or remove the state");
        }
        let usable = self.findings.iter().all(|finding| finding.severity != Severity::Error);
        let id = id.filter(|_| usable)?;
        let model = Model {
            states: std::mem::take(&mut self.states),
            guards: Vec::new(),
            guard_names: Vec::new(),
            actions: Vec::new(),
            action_names: Vec::new(),
            context: Value::from(Map::new()),
            events: Vec::new(),
            unhandled: Unhandled::Reject,
            rules: None,
            inline: Vec::new(),
        };
        let names = index.into_iter().map(|(name, at)| (Arc::from(name), at)).collect();
        let mut chart = crate::compile::compile(&id.name, model, names);
        chart.restless = self.restless;
        let (policy, chart) = (Policy::default(), Arc::new(chart));
        Some(ChartDefinition { id, policy, chart, description: None, tags: Vec::new() })
    }

    fn flat_states(&mut self, entry: &'a Entry) -> BTreeMap<&'a str, StateIndex> {
        self.states.push(ModelState::new("", StateKind::Compound, None, 0, entry.key_span.clone()));
        let mut index = BTreeMap::new();
        let Kind::List(items) = &entry.value.kind else { return index };
        if items.is_empty() {
            let hint = "name at least one state";
            self.report(Code::MissingKey, entry.key_span.clone(), "states", "there are no states", hint);
        }
        for item in items.iter().take(STATES_MAX) {
            let Some(name) = item.text() else {
                self.wrong_type(item, "states", "the name of a state");
                continue;
            };
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                let message = format!("the name of a state is 1 to {NAME_BYTES_MAX} bytes, this is {name:?}");
                self.report(Code::BadValue, item.span.clone(), "states", message, "");
                continue;
            }
            if index.contains_key(name) {
                let message = format!("the state {name:?} is here a second time");
                self.report(Code::DuplicateState, item.span.clone(), "states", message, "remove one");
                continue;
            }
            let at = self.states.len() as StateIndex;
            index.insert(name, at);
            let state = ModelState::new(name, StateKind::Atomic, Some((0, "")), at, item.span.clone());
            self.states.push(ModelState { place: format!("states.{name}"), ..state });
            self.states[0].children.push(at);
        }
        if items.len() > STATES_MAX {
            let message = format!("the definition has more than {STATES_MAX} states");
            self.report(Code::TooLarge, entry.key_span.clone(), "states", message, "");
        }
        self.states[0].end = self.states.len() as StateIndex;
        index
    }

    fn flat_state(
        &mut self,
        index: &BTreeMap<&'a str, StateIndex>,
        entry: &'a Entry,
        path: &str,
    ) -> Option<StateIndex> {
        let name = self.text(entry, path)?;
        let found = index.get(name).copied();
        if found.is_none() {
            let near = nearest(name, index.keys().copied());
            let hint = near
                .map_or_else(|| "add it to `states`".to_owned(), |near| format!("did you mean {near:?}?"));
            let message = format!("there is no state {name:?}");
            self.report(Code::UnknownTarget, entry.value.span.clone(), path, message, hint);
        }
        found
    }

    fn flat_transition(
        &mut self,
        index: &BTreeMap<&'a str, StateIndex>,
        item: &'a Node,
        path: &str,
        used: &mut [bool],
    ) {
        let Some(fields) = self.fields(item, &format::FLAT_TRANSITION, path) else { return };
        for key in ["from", "to", "event"].into_iter().filter(|key| fields.find(key).is_none()) {
            let message = format!("the transition has no {key:?}");
            self.report(Code::MissingKey, item.span.clone(), path, message, format!("add `{key}`"));
        }
        let mut ends = [None; 2];
        for (end, key) in ends.iter_mut().zip(["from", "to"]) {
            *end = fields.find(key).and_then(|entry| self.flat_state(index, entry, &join(path, key)));
            end.iter().for_each(|at| used[usize::from(*at)] = true);
        }
        let Some(entry) = fields.find("event") else { return };
        let Some(event) = self.text(entry, &join(path, "event")) else { return };
        if let Err(message) = Event::check_name(event) {
            return self.report(Code::BadValue, entry.value.span.clone(), &join(path, "event"), message, "");
        }
        let [Some(from), Some(to)] = ends else { return };
        self.states[usize::from(from)].transitions.push(ModelTransition {
            trigger: Trigger::Events(vec![Descriptor::Exact(Arc::from(event))]),
            guard: None,
            guard_text: String::new(),
            targets: vec![to],
            reach: Reach::External,
            actions: Vec::new(),
            span: item.span.clone(),
            trigger_span: entry.value.span.clone(),
            place: path.to_owned(),
        });
    }
}

/// Bytes of a state's name, as in the native format.
const NAME_BYTES_MAX: usize = 128;
