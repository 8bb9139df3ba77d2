//! States and transitions of SCXML. First an outline of all states, so that every id is known; then what each has.
//!
//! It refuses to know executable content beyond where it stands. Its one invariant: the outline is in document order.

use super::{Element, Reader, attribute_span, elements, is_scxml, tag_span};
use crate::code::{Action, Location, StateIndex};
use crate::compile::initial_transition;
use crate::finding::{Code, nearest};
use crate::invoke::{Invoke, Source};
use crate::model::{
    Descriptor, ModelState, ModelTransition, Reach, STATE_DEPTH_MAX, STATES_MAX, StateKind, Trigger,
};
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use std::sync::Arc;

/// Elements that are states.
const STATES: [&str; 4] = ["state", "parallel", "final", "history"];

/// What each sort of state may have inside, besides sub-states.
fn parts_of(kind: StateKind, is_root: bool) -> &'static [&'static str] {
    match kind {
        _ if is_root => &["datamodel", "script"],
        StateKind::Parallel => &["onentry", "onexit", "transition", "datamodel", "invoke"],
        StateKind::Final => &["onentry", "onexit", "donedata"],
        StateKind::History { .. } => &["transition"],
        _ => &["onentry", "onexit", "transition", "initial", "datamodel", "invoke"],
    }
}

impl Reader<'_> {
    /// Numbers all states, with their kinds and ids.
    pub(super) fn outline(&mut self, root: Element<'_>, name: &str) {
        self.add_state(root, name.to_owned(), "", None, StateKind::Compound);
        self.outline_children(root, 0, 1);
        if self.states[0].children.is_empty() {
            let hint = "add a <state> or a <final>";
            self.report(Code::MissingKey, tag_span(root), "", "the machine has no states", hint);
        }
        for at in 1..self.states.len() {
            if self.states[at].has_id {
                continue;
            }
            // A name for people, that no state has by its id.
            let mut name = self.states[at].name.clone();
            while self.ids.contains_key(&name) {
                name.push('_');
            }
            let outer = self.states[at].parent.map_or("", |parent| &self.states[usize::from(parent)].path);
            self.states[at].path = super::super::join(outer, &name);
            self.states[at].id = name.clone();
            self.states[at].place = name.clone();
            self.states[at].name = name;
        }
    }

    fn add_state(
        &mut self,
        element: Element<'_>,
        name: String,
        outer: &str,
        parent: Option<StateIndex>,
        kind: StateKind,
    ) -> StateIndex {
        let index = self.states.len() as StateIndex;
        let path = if parent.is_none() { String::new() } else { super::super::join(outer, &name) };
        self.states.push(ModelState {
            place: if parent.is_none() { String::new() } else { name.clone() },
            id: name.clone(),
            name,
            path,
            parent,
            end: index + 1,
            children: Vec::new(),
            kind,
            initial: None,
            transitions: Vec::new(),
            entry: Vec::new(),
            exit: Vec::new(),
            output: None,
            donedata: None,
            invokes: Vec::new(),
            has_id: parent.is_some() && element.has_attribute("id"),
            unhandled: None,
            description: None,
            tags: Vec::new(),
            span: tag_span(element),
        });
        index
    }

    fn outline_children(&mut self, element: Element<'_>, parent: StateIndex, depth: usize) {
        if depth > STATE_DEPTH_MAX {
            let message = format!("states nest deeper than {STATE_DEPTH_MAX} levels");
            let hint = "flatten the innermost states";
            self.report(Code::TooLarge, tag_span(element), "", message, hint);
            return;
        }
        let outer = self.states[usize::from(parent)].path.clone();
        for child in elements(element).filter(|child| STATES.iter().any(|tag| is_scxml(*child, tag))) {
            if self.states.len() >= STATES_MAX {
                let message = format!("the machine has more than {STATES_MAX} states");
                self.report(Code::TooLarge, tag_span(child), "", message, "");
                return;
            }
            let tag = child.tag_name().name();
            let kind = self.kind(child, tag);
            let id = child.attribute("id").map(str::trim);
            let name = id.map_or_else(|| format!("{tag}_{}", self.states.len()), str::to_owned);
            let index = self.add_state(child, name.clone(), &outer, Some(parent), kind);
            if let Some(id) = id {
                self.add_id(child, id, index);
            }
            self.states[usize::from(parent)].children.push(index);
            if matches!(kind, StateKind::Atomic | StateKind::Compound | StateKind::Parallel) {
                self.outline_children(child, index, depth + 1);
            }
        }
        self.states[usize::from(parent)].end = self.states.len() as StateIndex;
    }

    fn kind(&mut self, element: Element<'_>, tag: &str) -> StateKind {
        let is_state = |child: Element<'_>| STATES.iter().any(|tag| is_scxml(child, tag));
        let is_active = |child: Element<'_>| is_state(child) && !is_scxml(child, "history");
        match tag {
            "parallel" if elements(element).any(is_active) => StateKind::Parallel,
            "final" => StateKind::Final,
            "history" => match element.attribute("type") {
                Some("deep") => StateKind::History { deep: true },
                None | Some("shallow") => StateKind::History { deep: false },
                Some(other) => {
                    let message = format!("a history is shallow or deep, this is {other:?}");
                    self.report(Code::BadValue, attribute_span(element, "type"), "type", message, "");
                    StateKind::History { deep: false }
                }
            },
            _ if elements(element).any(is_active) => StateKind::Compound,
            _ => StateKind::Atomic,
        }
    }

    fn add_id(&mut self, element: Element<'_>, id: &str, index: StateIndex) {
        let span = attribute_span(element, "id");
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            let message =
                format!("the id of a state is 1 to {ID_BYTES_MAX} bytes without white space, this is {id:?}");
            self.report(Code::BadValue, span, "id", message, "");
        } else if self.ids.insert(id.to_owned(), index).is_some() {
            let hint = "ids are unique in the whole document";
            self.report(
                Code::DuplicateState,
                span,
                "id",
                format!("the id {id:?} is given to two states"),
                hint,
            );
        }
    }

    /// Reads what every state has.
    pub(super) fn fill(&mut self, root: Element<'_>) {
        let mut todo = vec![(root, 0usize)];
        while let Some((element, at)) = todo.pop() {
            self.fill_state(element, at);
            let children = self.states[at].children.clone();
            let inner = elements(element).filter(|child| STATES.iter().any(|tag| is_scxml(*child, tag)));
            let inner: Vec<_> = inner.zip(children).map(|(child, at)| (child, usize::from(at))).collect();
            todo.extend(inner.into_iter().rev());
        }
    }

    fn fill_state(&mut self, element: Element<'_>, at: usize) {
        let (kind, is_root) = (self.states[at].kind, at == 0);
        let index = at as StateIndex;
        let place = self.states[at].place.clone();
        match kind {
            _ if is_root => {}
            StateKind::History { .. } => self.check_attributes(element, &["id", "type"]),
            StateKind::Atomic | StateKind::Compound if is_scxml(element, "state") => {
                self.check_attributes(element, &["id", "initial"]);
            }
            _ => self.check_attributes(element, &["id"]),
        }
        let known = parts_of(kind, is_root);
        let may_nest = matches!(kind, StateKind::Atomic | StateKind::Compound | StateKind::Parallel);
        for child in elements(element) {
            let is_part = known.iter().any(|tag| is_scxml(child, tag));
            let is_state = may_nest && STATES.iter().any(|tag| is_scxml(child, tag));
            if !is_part && !is_state {
                self.stray(child, element.tag_name().name());
            } else if is_scxml(child, "script") {
                let hint = "compute with <assign>, whose expressions are CEL";
                self.report(Code::Unsupported, tag_span(child), "", "scripts are not supported", hint);
            }
        }
        self.data_of(element, index);
        let entry = self.handlers(element, "onentry", &place);
        let exit = self.handlers(element, "onexit", &place);
        let initial = match kind {
            StateKind::Compound => self.initial(element, index),
            StateKind::History { .. } => self.history_default(element, index),
            _ => None,
        };
        let mut transitions = Vec::new();
        if !matches!(kind, StateKind::History { .. }) {
            let all = elements(element).filter(|child| is_scxml(*child, "transition"));
            for (number, child) in all.enumerate() {
                transitions.extend(self.transition(child, &format!("{place}.transition[{number}]")));
            }
        }
        let donedata = elements(element).find(|child| is_scxml(*child, "donedata"));
        let donedata = donedata.map(|child| self.payload(child, &format!("{place}.donedata"), false));
        let invokes = self.invokes(element, index, &place);
        let state = &mut self.states[at];
        state.entry = entry;
        state.exit = exit;
        state.initial = initial;
        state.transitions = transitions;
        state.donedata = donedata;
        state.invokes = invokes;
    }

    fn data_of(&mut self, element: Element<'_>, state: StateIndex) {
        let models = elements(element).filter(|child| is_scxml(*child, "datamodel"));
        for data in models.flat_map(elements) {
            if !is_scxml(data, "data") {
                self.stray(data, "datamodel");
                continue;
            }
            self.needs_data(data, "data");
            self.check_attributes(data, &["id", "expr", "src"]);
            let id = self.required(data, "id");
            if data.has_attribute("src") {
                let hint = "write the value inside of <data>, or give it when the machine is started";
                let span = attribute_span(data, "src");
                self.report(Code::Unsupported, span, "data", "nothing is read from outside", hint);
            }
            if self.data.iter().any(|known| *known.id == *id) {
                let message = format!("the data item {id:?} is declared twice");
                self.report(Code::DuplicateKey, attribute_span(data, "id"), "data", message, "");
            }
            let value = self.value_of(data, &format!("data.{id}"));
            self.data.push(crate::chart::Datum { id: Arc::from(id), state, value });
        }
    }

    /// The states that a text of ids names.
    fn targets(&mut self, element: Element<'_>, attribute: &str, path: &str) -> Option<Vec<StateIndex>> {
        let text = element.attribute(attribute)?;
        let span = attribute_span(element, attribute);
        let mut targets = Vec::new();
        let mut complete = true;
        for id in text.split_ascii_whitespace() {
            match self.ids.get(id) {
                Some(target) => targets.push(*target),
                None => {
                    let near = nearest(id, self.ids.keys().map(String::as_str));
                    let hint = near.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
                    let message = format!("there is no state {id:?}");
                    self.report(Code::UnknownTarget, span.clone(), path, message, hint);
                    complete = false;
                }
            }
        }
        targets.dedup();
        if let Some((one, other)) = super::super::targets::apart(&self.states, &targets) {
            let names = (&self.states[usize::from(one)].id, &self.states[usize::from(other)].id);
            let message = format!("{:?} and {:?} cannot be active together", names.0, names.1);
            let hint = "several targets must be in different regions of a parallel state";
            self.report(Code::ConflictingTargets, span, path, message, hint);
            return None;
        }
        (complete && !targets.is_empty()).then_some(targets)
    }

    /// Targets that must lie inside of a state.
    fn inner_targets(
        &mut self,
        element: Element<'_>,
        attribute: &str,
        outer: StateIndex,
        code: Code,
    ) -> Option<Vec<StateIndex>> {
        let path = self.states[usize::from(outer)].place.clone();
        if element.attribute(attribute).is_some_and(|text| text.trim().is_empty()) {
            let span = attribute_span(element, attribute);
            self.report(code, span, &path, "no state is named here", "name a sub-state");
            return None;
        }
        let targets = self.targets(element, attribute, &path)?;
        let end = self.states[usize::from(outer)].end;
        if let Some(outside) = targets.iter().find(|target| **target <= outer || **target >= end) {
            let inner = self.states[usize::from(*outside)].id.clone();
            let name = self.states[usize::from(outer)].id.clone();
            let message = format!("{inner:?} is not inside of {name:?}");
            self.report(
                code,
                attribute_span(element, attribute),
                &path,
                message,
                "name one of its sub-states",
            );
            return None;
        }
        Some(targets)
    }

    fn initial(&mut self, element: Element<'_>, index: StateIndex) -> Option<ModelTransition> {
        let inner = elements(element).find(|child| index != 0 && is_scxml(*child, "initial"));
        if let Some(initial) = inner {
            if element.has_attribute("initial") {
                let message = "the state has the attribute \"initial\" and an <initial>";
                self.report(Code::BadInitial, tag_span(initial), "initial", message, "remove one of them");
            }
            let path = format!("{}.initial", self.states[usize::from(index)].place);
            let Some(transition) = elements(initial).find(|child| is_scxml(*child, "transition")) else {
                let hint = "add <transition target=\"…\"/>";
                self.report(Code::MissingKey, tag_span(initial), &path, "<initial> has no transition", hint);
                return None;
            };
            self.required(transition, "target");
            let targets = self.inner_targets(transition, "target", index, Code::BadInitial)?;
            let actions = self.block(transition, &path).into_iter().collect();
            return Some(initial_transition(targets, actions, &self.states[usize::from(index)]));
        }
        let targets = match element.has_attribute("initial") {
            true => self.inner_targets(element, "initial", index, Code::BadInitial)?,
            false => {
                let is_history = |at: &&StateIndex| {
                    matches!(self.states[usize::from(**at)].kind, StateKind::History { .. })
                };
                let children = &self.states[usize::from(index)].children;
                vec![*children.iter().find(|at| !is_history(at))?]
            }
        };
        Some(initial_transition(targets, Vec::new(), &self.states[usize::from(index)]))
    }

    fn history_default(&mut self, element: Element<'_>, index: StateIndex) -> Option<ModelTransition> {
        let path = self.states[usize::from(index)].place.clone();
        let parent = self.states[usize::from(index)].parent.unwrap_or(0);
        let Some(transition) = elements(element).find(|child| is_scxml(*child, "transition")) else {
            let message = "the history has no default";
            let hint = "add <transition target=\"…\"/>, for when nothing was active yet";
            self.report(Code::HistoryDefault, tag_span(element), &path, message, hint);
            return None;
        };
        self.check_attributes(transition, &["target", "type"]);
        self.required(transition, "target");
        let targets = self.inner_targets(transition, "target", parent, Code::HistoryDefault)?;
        let is_history =
            |at: &StateIndex| matches!(self.states[usize::from(*at)].kind, StateKind::History { .. });
        if targets.iter().any(is_history) {
            let message = "the default of a history cannot be a history";
            let hint = "name a state that is active when nothing was before";
            self.report(Code::HistoryDefault, attribute_span(transition, "target"), &path, message, hint);
            return None;
        }
        let actions = self.block(transition, &path).into_iter().collect();
        Some(initial_transition(targets, actions, &self.states[usize::from(index)]))
    }

    fn transition(&mut self, element: Element<'_>, path: &str) -> Option<ModelTransition> {
        self.check_attributes(element, &["event", "cond", "target", "type"]);
        let reach = match element.attribute("type") {
            None | Some("external") => Reach::External,
            Some("internal") => Reach::Internal,
            Some(other) => {
                let message = format!("a transition is internal or external, this is {other:?}");
                self.report(Code::BadValue, attribute_span(element, "type"), path, message, "");
                Reach::External
            }
        };
        let trigger = self.trigger(element, path);
        let guard = self.guard_of(element, path);
        let guard_text = element.attribute("cond").unwrap_or("").to_owned();
        if element.attribute("target").is_some_and(|target| target.trim().is_empty()) {
            let message = "no state is named here";
            let hint = "name a state, or remove the attribute";
            self.report(Code::UnknownTarget, attribute_span(element, "target"), path, message, hint);
        }
        let targets = match element.has_attribute("target") {
            true => self.targets(element, "target", path)?,
            false => Vec::new(),
        };
        let actions: Vec<Action> = self.block(element, path).into_iter().collect();
        let (span, trigger_span) = (tag_span(element), attribute_span(element, "event"));
        let place = path.to_owned();
        Some(ModelTransition {
            trigger,
            guard,
            guard_text,
            targets,
            reach,
            actions,
            span,
            trigger_span,
            place,
        })
    }

    /// Tokens of names: each takes the event of that name and all whose names go on after a dot.
    fn trigger(&mut self, element: Element<'_>, path: &str) -> Trigger {
        let Some(text) = element.attribute("event") else { return Trigger::Eventless };
        let mut descriptors = Vec::new();
        for token in text.split_ascii_whitespace() {
            let name = token.strip_suffix(".*").unwrap_or(token);
            let name = name.strip_suffix('.').unwrap_or(name);
            if name == "*" || name.is_empty() {
                descriptors.push(Descriptor::Any);
            } else if name.len() > EVENT_NAME_BYTES_MAX {
                let message = format!(
                    "no event has a name of {} bytes; {EVENT_NAME_BYTES_MAX} are the limit",
                    name.len()
                );
                self.report(Code::BadValue, attribute_span(element, "event"), path, message, "");
            } else {
                descriptors.push(Descriptor::Prefix(Arc::from(name)));
            }
        }
        if descriptors.is_empty() {
            let message = "no event is named here";
            let hint = "name events, or remove the attribute for a transition that needs none";
            self.report(Code::BadValue, attribute_span(element, "event"), path, message, hint);
        }
        Trigger::Events(descriptors)
    }

    fn invokes(&mut self, element: Element<'_>, index: StateIndex, place: &str) -> Vec<Invoke> {
        let mut invokes = Vec::new();
        for (at, child) in elements(element).filter(|child| is_scxml(*child, "invoke")).enumerate() {
            let prefix = Arc::from(self.states[usize::from(index)].id.as_str());
            invokes.extend(self.invoke(child, prefix, &format!("{place}.invoke[{at}]")));
        }
        invokes
    }

    fn invoke(&mut self, element: Element<'_>, prefix: Arc<str>, path: &str) -> Option<Invoke> {
        const KNOWN: [&str; 8] =
            ["type", "typeexpr", "src", "srcexpr", "id", "idlocation", "namelist", "autoforward"];
        self.check_attributes(element, &KNOWN);
        for child in elements(element) {
            if !["param", "content", "finalize"].iter().any(|tag| is_scxml(child, tag)) {
                self.stray(child, "invoke");
            }
        }
        self.exclusive(element, "id", "idlocation");
        let kind = self.text_of(element, "type", "typeexpr", path);
        let src = self.text_of(element, "src", "srcexpr", path);
        let id_location = match self.location_of(element, "idlocation", path) {
            Some(Ok(location)) => Some(location),
            // Storing to it fails at run time, as the recommendation wants.
            Some(Err(message)) => Some(nowhere(&message, path)),
            None => None,
        };
        let forwards = match element.attribute("autoforward") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                let message = format!("autoforward is true or false, this is {other:?}");
                self.report(Code::BadValue, attribute_span(element, "autoforward"), path, message, "");
                false
            }
        };
        let content = elements(element).find(|child| is_scxml(*child, "content"));
        let inner = content.and_then(|content| elements(content).find(|one| is_scxml(*one, "scxml")));
        let mut payload = self.payload(element, path, inner.is_some());
        let source = match (src, inner, payload.content.take()) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                let message = "<invoke> names what to invoke, and has <content>, of which only one can count";
                self.report(Code::BadValue, tag_span(element), path, message, "remove one of them");
                return None;
            }
            (Some(src), None, None) => Source::Definition(src),
            (None, Some(inner), _) => Source::Inline(self.inline(inner)?),
            (None, None, Some(document)) => Source::Document(document),
            (None, None, None) => {
                let hint = "add src=\"NAME\" of a definition, or <content> with an <scxml> in it";
                self.report(Code::MissingKey, tag_span(element), path, "<invoke> does not say what", hint);
                return None;
            }
        };
        let finalize = self.finalize(element, path);
        let id = element.attribute("id").map(Arc::from);
        let place = Arc::from(path);
        Some(Invoke { id, id_location, prefix, kind, source, payload, forwards, finalize, place })
    }

    /// A machine inside of this one, by its number.
    fn inline(&mut self, root: Element<'_>) -> Option<u16> {
        let mut reader = Reader::new(self.source, self.lines, self.restless);
        let name = root.attribute("name").unwrap_or("inline").to_owned();
        let chart = reader.machine(root, &name);
        self.findings.append(&mut reader.findings);
        let number = u16::try_from(self.inline.len()).ok()?;
        self.inline.push(chart?);
        Some(number)
    }

    /// What is done with the events of an invoked machine. An empty one takes its data over.
    fn finalize(&mut self, element: Element<'_>, path: &str) -> Vec<Action> {
        let Some(finalize) = elements(element).find(|child| is_scxml(*child, "finalize")) else {
            return Vec::new();
        };
        self.check_attributes(finalize, &[]);
        let path = format!("{path}.finalize");
        if let Some(block) = self.block(finalize, &path) {
            return vec![block];
        }
        let mut places: Vec<(String, String)> = element
            .attribute("namelist")
            .map(|names| {
                names.split_ascii_whitespace().map(|name| (name.to_owned(), name.to_owned())).collect()
            })
            .unwrap_or_default();
        for param in elements(element).filter(|child| is_scxml(*child, "param")) {
            if let (Some(name), Some(location)) = (param.attribute("name"), param.attribute("location")) {
                places.push((name.to_owned(), location.to_owned()));
            }
        }
        let mut actions = Vec::new();
        for (name, location) in places {
            let quoted = serde_json::Value::from(name.as_str()).to_string();
            let guard = format!("type(_event.data) == map && {quoted} in _event.data");
            let guard = crate::code::Guard::Code(self.code(&guard, tag_span(finalize), &path));
            let value = self.code(&format!("_event.data[{quoted}]"), tag_span(finalize), &path);
            let Ok(location) = self.location(&location, tag_span(finalize), &path) else { continue };
            let value = crate::code::Formula::Code(value);
            let set = Action::Set(Box::new(crate::code::Set { location, value }));
            actions.push(Action::If { guard, then: vec![set], otherwise: Vec::new() });
        }
        if actions.is_empty() { actions } else { vec![Action::Block(actions)] }
    }
}

/// A place that nothing can be stored to.
fn nowhere(message: &str, path: &str) -> Location {
    Location { root: Arc::from("_"), steps: Vec::new(), text: Arc::from(message), place: Arc::from(path) }
}

/// Bytes of a state's id: it ends the names of `done.state.` events.
const ID_BYTES_MAX: usize = 128;
