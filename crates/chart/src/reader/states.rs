//! States of the native format. First an outline of all states, so that every name is known; then what each has.
//!
//! It refuses to know transitions beyond where they stand. Its one invariant: the outline is in document order.

use super::fields::Fields;
use super::{Reader, join};
use crate::code::StateIndex;
use crate::compile::initial_transition;
use crate::document::{Entry, Kind};
use crate::finding::Code;
use crate::format;
use crate::model::{ModelState, ModelTransition, STATE_DEPTH_MAX, STATES_MAX, StateKind};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<'a> Reader<'a> {
    /// Numbers all states, with their kinds and names.
    pub(super) fn outline(&mut self, root: Fields<'a>) {
        let span = 0..0;
        self.add_state("", None, &root, span);
        self.bodies.push(root.clone());
        self.outline_children(0, &root, 1);
        if self.states[0].kind == StateKind::Atomic {
            let at = root.keys().next().map_or(0..0, |entry| entry.key_span.clone());
            self.report(
                Code::MissingKey,
                at,
                "states",
                "the definition has no states",
                "add `states:` with at least one state, and `initial:`",
            );
        }
        self.name_states();
    }

    fn add_state(
        &mut self,
        name: &str,
        parent: Option<StateIndex>,
        fields: &Fields<'a>,
        span: std::ops::Range<usize>,
    ) -> StateIndex {
        let index = self.states.len() as StateIndex;
        let place = match parent {
            None => String::new(),
            Some(0) => format!("states.{name}"),
            Some(parent) => format!("{}.states.{name}", self.states[usize::from(parent)].place),
        };
        let kind = self.kind(fields, &place, parent.is_none());
        let outer = parent.map(|parent| (parent, self.states[usize::from(parent)].path.as_str()));
        let state = ModelState::new(name, kind, outer, index, span);
        self.states.push(ModelState { place, ..state });
        index
    }

    fn kind(&mut self, fields: &Fields<'a>, place: &str, is_root: bool) -> StateKind {
        let has_children = fields
            .find("states")
            .is_some_and(|entry| matches!(&entry.value.kind, Kind::Map(all) if !all.is_empty()));
        let inner = if has_children { StateKind::Compound } else { StateKind::Atomic };
        let word = self.word(fields, "type", place);
        let deep = !is_root && self.word(fields, "history", place) == Some("deep");
        let type_entry = fields.find("type");
        let mut refuse = |message: &str, hint: &str| {
            let span = type_entry.map_or(0..0, |entry| entry.value.span.clone());
            self.report(Code::BadValue, span, &join(place, "type"), message, hint);
        };
        match word {
            Some("parallel") if !has_children => {
                refuse("a parallel state needs regions under `states`", "");
                StateKind::Atomic
            }
            Some("parallel") => StateKind::Parallel,
            Some("compound") if !has_children => {
                refuse("a compound state needs sub-states under `states`", "");
                StateKind::Atomic
            }
            Some("atomic") if has_children => {
                refuse("an atomic state has no sub-states, this one has", "remove `type`");
                StateKind::Compound
            }
            Some("final") if has_children => {
                refuse("a final state has no sub-states, this one has", "");
                StateKind::Compound
            }
            Some("history") if has_children => {
                refuse("a history has no sub-states, this one has", "");
                StateKind::Compound
            }
            Some("final") => StateKind::Final,
            Some("history") => StateKind::History { deep },
            None if !is_root && !has_children && fields.find("history").is_some() => {
                StateKind::History { deep }
            }
            _ => inner,
        }
    }

    fn outline_children(&mut self, parent: StateIndex, fields: &Fields<'a>, depth: usize) {
        let Some(states) = fields.find("states") else { return };
        let place = join(&self.states[usize::from(parent)].place, "states");
        if depth > STATE_DEPTH_MAX {
            let message = format!("states nest deeper than {STATE_DEPTH_MAX} levels");
            self.report(
                Code::TooLarge,
                states.key_span.clone(),
                &place,
                message,
                "flatten the innermost states",
            );
            return;
        }
        for entry in self.entries(&states.value, &place, "a map from names to states") {
            if self.states.len() >= STATES_MAX {
                let message = format!("the definition has more than {STATES_MAX} states");
                self.report(Code::TooLarge, entry.key_span.clone(), &place, message, "");
                return;
            }
            self.check_name(entry, &place);
            let body = match entry.value.kind {
                Kind::Null => Fields::empty(&format::STATE),
                _ => {
                    let fields = self.fields(&entry.value, &format::STATE, &join(&place, &entry.key));
                    fields.unwrap_or_else(|| Fields::empty(&format::STATE))
                }
            };
            let index = self.add_state(&entry.key, Some(parent), &body, entry.key_span.clone());
            self.states[usize::from(parent)].children.push(index);
            if body.find("states").is_some() {
                self.bodies.push(body.clone());
                self.outline_children(index, &body, depth + 1);
            } else {
                self.bodies.push(body);
            }
        }
        self.states[usize::from(parent)].end = self.states.len() as StateIndex;
    }

    fn check_name(&mut self, entry: &Entry, place: &str) {
        let name = &entry.key;
        let message = if name.is_empty() {
            "the name of a state is empty".to_owned()
        } else if name.contains('.') {
            format!("the name of a state has a '.': {name:?}; paths are made with it")
        } else if name.starts_with('#') || name.chars().any(char::is_control) {
            format!("the name of a state begins with '#' or has a control character: {name:?}")
        } else if name.len() > NAME_BYTES_MAX {
            format!("the name of a state is {} bytes long, the limit is {NAME_BYTES_MAX}", name.len())
        } else {
            return;
        };
        let hint =
            if name.contains('.') { format!("write {:?}", name.replace('.', "_")) } else { String::new() };
        self.report(Code::BadValue, entry.key_span.clone(), &join(place, name), message, hint);
    }

    /// States can be asked for by path, by id, and by name where only one has it.
    fn name_states(&mut self) {
        let name = |at: &StateIndex| self.states[usize::from(*at)].name.as_str();
        let sorted = |children: &Vec<StateIndex>| {
            let mut children = children.clone();
            children.sort_by(|a, b| name(a).cmp(name(b)));
            children
        };
        self.children_by_name = self.states.iter().map(|state| sorted(&state.children)).collect();
        let mut by_name: BTreeMap<&str, Option<StateIndex>> = BTreeMap::new();
        for (at, state) in self.states.iter().enumerate().skip(1) {
            let index = at as StateIndex;
            by_name.entry(&state.name).and_modify(|known| *known = None).or_insert(Some(index));
        }
        let unique = by_name.iter().filter_map(|(name, at)| Some((Arc::from(*name), (*at)?)));
        let mut names: BTreeMap<Arc<str>, StateIndex> = unique.collect();
        for (at, state) in self.states.iter().enumerate().skip(1) {
            names.insert(Arc::from(state.path.as_str()), at as StateIndex);
        }
        for at in 1..self.states.len() {
            let place = self.states[at].place.clone();
            let Some(entry) = self.bodies[at].find("id") else { continue };
            let Some(id) = self.text(entry, &join(&place, "id")) else { continue };
            if self.ids.insert(id.to_owned(), at as StateIndex).is_some() {
                let message = format!("the id {id:?} is given to two states");
                self.report(Code::DuplicateState, entry.value.span.clone(), &join(&place, "id"), message, "");
            }
            self.states[at].id = id.to_owned();
            names.insert(Arc::from(id), at as StateIndex);
            names.insert(Arc::from(format!("#{id}")), at as StateIndex);
        }
        self.state_names = names;
    }

    /// Reads what every state has.
    pub(super) fn fill_states(&mut self) {
        for at in 0..self.states.len() {
            let body = std::mem::replace(&mut self.bodies[at], Fields::empty(&format::STATE));
            let index = at as StateIndex;
            let place = self.states[at].place.clone();
            let unhandled = self.unhandled(&body, &place);
            let description = self.text_of(&body, "description", &place).map(Arc::from);
            let tags = self.tags(&body, &place);
            let entry = self.actions_of(&body, "entry", &place);
            let exit = self.actions_of(&body, "exit", &place);
            let endpoints = self.endpoints(&body, &place);
            let initial = self.initial(index, &body);
            let mut transitions = Vec::new();
            let invokes = self.invokes(index, &body, &mut transitions);
            let transitions = self.transitions(index, &body, transitions);
            let output =
                body.find("output").and_then(|entry| self.formula(&entry.value, &join(&place, "output")));
            self.check_keys_of_kind(index, &body);
            let state = &mut self.states[at];
            state.unhandled = unhandled;
            state.description = description;
            state.tags = tags;
            state.entry = entry;
            state.exit = exit;
            state.initial = initial;
            state.transitions = transitions;
            state.invokes = invokes;
            state.endpoints = endpoints;
            state.output = output;
        }
    }

    /// Keys that have no meaning in a state of its kind.
    fn check_keys_of_kind(&mut self, index: StateIndex, body: &Fields<'a>) {
        let state = &self.states[usize::from(index)];
        let (place, is_root) = (state.place.clone(), index == 0);
        let (noun, refused): (&str, &[&str]) = match state.kind {
            StateKind::Atomic if is_root => return,
            StateKind::Atomic => ("an atomic state", &["initial", "onDone", "output", "history", "target"]),
            StateKind::Compound if is_root => return,
            StateKind::Compound => ("a compound state", &["output", "history", "target"]),
            StateKind::Parallel if is_root => ("a parallel machine", &["initial"]),
            StateKind::Parallel => ("a parallel state", &["initial", "output", "history", "target"]),
            StateKind::Final => (
                "a final state",
                &[
                    "initial",
                    "on",
                    "always",
                    "after",
                    "onDone",
                    "history",
                    "target",
                    "unhandled",
                    "invoke",
                    "endpoints",
                ],
            ),
            StateKind::History { .. } => (
                "a history",
                &[
                    "initial",
                    "on",
                    "always",
                    "after",
                    "onDone",
                    "entry",
                    "exit",
                    "output",
                    "unhandled",
                    "invoke",
                    "endpoints",
                ],
            ),
        };
        for key in refused {
            let Some(entry) = body.find(key) else { continue };
            let empty = matches!(&entry.value.kind, Kind::Map(all) if all.is_empty())
                || matches!(&entry.value.kind, Kind::List(all) if all.is_empty());
            if !empty {
                let message = format!("{noun} has no {key:?}");
                let hint = match (*key, noun) {
                    ("initial", "a parallel state" | "a parallel machine") => "all its regions are active",
                    ("output", _) => "only a final state has an output",
                    _ => "",
                };
                self.report(Code::BadValue, entry.key_span.clone(), &join(&place, key), message, hint);
            }
        }
    }

    /// Where a compound state begins, or what a history without memory stands for.
    fn initial(&mut self, index: StateIndex, body: &Fields<'a>) -> Option<ModelTransition> {
        match self.states[usize::from(index)].kind {
            StateKind::Compound => self.initial_of_compound(index, body),
            StateKind::History { .. } => self.default_of_history(index, body),
            _ => None,
        }
    }

    fn initial_of_compound(&mut self, index: StateIndex, body: &Fields<'a>) -> Option<ModelTransition> {
        let state = &self.states[usize::from(index)];
        let place = join(&state.place, "initial");
        let Some(entry) = body.find("initial") else {
            let is_history =
                |at: &StateIndex| matches!(self.states[usize::from(*at)].kind, StateKind::History { .. });
            let children: Vec<StateIndex> =
                state.children.iter().copied().filter(|at| !is_history(at)).collect();
            if let [only] = children[..] {
                return Some(initial_transition(vec![only], Vec::new(), state));
            }
            let what =
                if index == 0 { "the definition".to_owned() } else { format!("the state {:?}", state.path) };
            let span = match index {
                0 => body.find("states").map_or(0..0, |entry| entry.key_span.clone()),
                _ => state.span.clone(),
            };
            let first = children.first().map(|at| self.states[usize::from(*at)].name.clone());
            let hint = match first {
                Some(first) => format!("add `initial: {first}`, or another of its states"),
                None => "it has no state to begin in; add one".to_owned(),
            };
            let message = format!("{what} does not say in which sub-state it begins");
            self.report(Code::MissingInitial, span, &place, message, hint);
            return None;
        };
        let (node, actions) = match &entry.value.kind {
            Kind::Map(_) => {
                let fields = self.fields(&entry.value, &format::INITIAL, &place)?;
                let actions = self.actions_of(&fields, "actions", &place);
                let Some(target) = fields.find("target") else {
                    let message = "the initial transition has no target";
                    self.report(
                        Code::MissingKey,
                        entry.value.span.clone(),
                        &place,
                        message,
                        "add `target: STATE`",
                    );
                    return None;
                };
                (&target.value, actions)
            }
            _ => (&entry.value, Vec::new()),
        };
        let targets = self.inner_targets(index, node, &place, Code::BadInitial)?;
        let mut transition = initial_transition(targets, actions, &self.states[usize::from(index)]);
        transition.span = node.span.clone();
        Some(transition)
    }

    fn default_of_history(&mut self, index: StateIndex, body: &Fields<'a>) -> Option<ModelTransition> {
        let state = &self.states[usize::from(index)];
        let place = join(&state.place, "target");
        let parent = state.parent.unwrap_or(0);
        if let Some(entry) = body.find("target") {
            let targets = self.inner_targets(parent, &entry.value, &place, Code::HistoryDefault)?;
            let is_history =
                |at: &StateIndex| matches!(self.states[usize::from(*at)].kind, StateKind::History { .. });
            if targets.iter().any(is_history) {
                let message = "the default of a history cannot be a history";
                let hint = "name a state that is active when nothing was before";
                self.report(Code::HistoryDefault, entry.value.span.clone(), &place, message, hint);
                return None;
            }
            let mut transition = initial_transition(targets, Vec::new(), &self.states[usize::from(index)]);
            transition.span = entry.value.span.clone();
            return Some(transition);
        }
        // Without a target it stands for what the parent begins with. The parent comes before it in document
        // order, so its initial state is known by now.
        let outer = &self.states[usize::from(parent)];
        let targets = match (outer.kind, &outer.initial) {
            (StateKind::Parallel, _) => {
                let is_history =
                    |at: &StateIndex| matches!(self.states[usize::from(*at)].kind, StateKind::History { .. });
                outer.children.iter().copied().filter(|at| !is_history(at)).collect()
            }
            (_, Some(initial)) => initial.targets.clone(),
            // The missing initial state was reported.
            (_, None) => return None,
        };
        let leads_to_history =
            |at: &StateIndex| matches!(self.states[usize::from(*at)].kind, StateKind::History { .. });
        if targets.is_empty() || targets.iter().any(leads_to_history) {
            let (span, name) = (state.span.clone(), state.name.clone());
            let message =
                format!("the history {name:?} has no default, and none follows from its parent's `initial`");
            let hint = "add `target: STATE`, a state beside it";
            self.report(Code::HistoryDefault, span, &place, message, hint);
            return None;
        }
        Some(initial_transition(targets, Vec::new(), state))
    }
}

/// Bytes of a state's name. Paths of deep states must fit into the names of timers and events.
const NAME_BYTES_MAX: usize = 128;
