//! Transitions of the native format: `on`, `always`, `after` and `onDone`.
//!
//! It refuses to know how they are chosen at run time. Its one invariant: transitions of one state come out in
//! the order in which they are tried.

use super::fields::{Fields, one_or_more};
use super::{Reader, join};
use crate::code::{Guard, StateIndex};
use crate::document::{Entry, Kind, Node};
use crate::expression::{Names, Type};
use crate::finding::Code;
use crate::format;
use crate::model::{Descriptor, ModelTransition, Reach, Trigger};
use everstate_kernel::limits::EVENT_NAME_BYTES_MAX;
use std::sync::Arc;

/// What fires transitions, and what their expressions may name.
pub(super) struct Triggered<'p> {
    pub(super) path: &'p str,
    pub(super) trigger: Trigger,
    pub(super) names: Names,
}

impl<'a> Reader<'a> {
    /// The transitions of a state, added to those that its invocations have. Exact names come before prefixes, longer prefixes before shorter ones, and
    /// `*` last, as users of the format expect; else the order of the text counts.
    pub(super) fn transitions(
        &mut self,
        source: StateIndex,
        body: &Fields<'a>,
        mut all: Vec<ModelTransition>,
    ) -> Vec<ModelTransition> {
        let place = self.states[usize::from(source)].place.clone();
        if let Some(entry) = body.find("on") {
            let path = join(&place, "on");
            let mut entries = Vec::new();
            for entry in self.entries(&entry.value, &path, "a map from events to transitions") {
                if let Some(descriptor) = self.descriptor(entry, &path) {
                    entries.push((descriptor, entry));
                }
            }
            entries.sort_by_key(|(descriptor, _)| match descriptor {
                Descriptor::Exact(_) => (0, 0),
                Descriptor::Prefix(prefix) => (1, usize::MAX - prefix.len()),
                Descriptor::Any => (2, 0),
            });
            for (descriptor, entry) in entries {
                let names = self.names_at(&descriptor);
                let trigger = Trigger::Events(vec![descriptor]);
                let path = join(&path, &entry.key);
                self.read_list(source, entry, Triggered { path: &path, trigger, names }, &mut all);
            }
        }
        if let Some(entry) = body.find("after") {
            let path = join(&place, "after");
            for entry in self.entries(&entry.value, &path, "a map from lengths of time to transitions") {
                let path = join(&path, &entry.key);
                match crate::duration::parse(&entry.key) {
                    Ok(delay) => {
                        let names = self.names.clone();
                        let trigger = Trigger::After(delay.0);
                        self.read_list(source, entry, Triggered { path: &path, trigger, names }, &mut all);
                    }
                    Err(message) => self.report(Code::BadValue, entry.key_span.clone(), &path, message, ""),
                }
            }
        }
        for (key, trigger) in [("onDone", Trigger::Done), ("always", Trigger::Eventless)] {
            // The machine itself has no `onDone`: when it is done there is nobody to go on.
            if (key != "onDone" || source != 0)
                && let Some(entry) = body.find(key)
            {
                let names = self.names.clone();
                let path = join(&place, key);
                self.read_list(source, entry, Triggered { path: &path, trigger, names }, &mut all);
            }
        }
        all
    }

    fn descriptor(&mut self, entry: &Entry, path: &str) -> Option<Descriptor> {
        let name = entry.key.as_str();
        if name == "*" {
            return Some(Descriptor::Any);
        }
        let (prefix, exact) = match name.strip_suffix(".*") {
            Some(prefix) => (prefix, false),
            None => (name, true),
        };
        let wrong = if name.is_empty() {
            Some("the name of an event is empty".to_owned())
        } else if name.len() > EVENT_NAME_BYTES_MAX {
            Some(format!(
                "the name of an event is {} bytes long, the limit is {EVENT_NAME_BYTES_MAX}",
                name.len()
            ))
        } else if prefix.is_empty() || prefix.contains('*') {
            Some(format!("'*' can only stand for a whole name or, after a '.', for its end: {name:?}"))
        } else if prefix.chars().any(|c| c.is_control() || c.is_whitespace()) {
            Some(format!("the name of an event has white space or a control character: {name:?}"))
        } else {
            None
        };
        if let Some(message) = wrong {
            self.report(Code::BadValue, entry.key_span.clone(), &join(path, name), message, "");
            return None;
        }
        Some(if exact { Descriptor::Exact(Arc::from(prefix)) } else { Descriptor::Prefix(Arc::from(prefix)) })
    }

    /// What expressions may name in a transition for these events.
    fn names_at(&self, descriptor: &Descriptor) -> Names {
        let kind = match descriptor {
            Descriptor::Exact(name) => self.event_types.get(name).cloned(),
            _ => None,
        };
        match kind {
            Some(kind) => self.names.clone().event(Some(kind)),
            None => self.names.clone().event(Some(Type::Dyn)),
        }
    }

    pub(super) fn read_list(
        &mut self,
        source: StateIndex,
        entry: &'a Entry,
        triggered: Triggered<'_>,
        all: &mut Vec<ModelTransition>,
    ) {
        let Triggered { path, trigger, names } = triggered;
        let node = &entry.value;
        let first = all.len();
        let outer = std::mem::replace(&mut self.names, names);
        let items = one_or_more(node);
        // `on: {ping: }` names an event that does nothing but is taken, so it is not refused or seen by parents.
        if matches!(node.kind, Kind::Null) {
            all.push(empty(node, path, trigger.clone()));
        }
        for (at, item) in items.iter().enumerate() {
            let path =
                if matches!(node.kind, Kind::List(_)) { format!("{path}[{at}]") } else { path.to_owned() };
            if let Some(transition) = self.transition(source, item, &path, trigger.clone()) {
                all.push(transition);
            }
        }
        all[first..].iter_mut().for_each(|one| one.trigger_span = entry.key_span.clone());
        self.names = outer;
    }

    fn transition(
        &mut self,
        source: StateIndex,
        node: &'a Node,
        path: &str,
        trigger: Trigger,
    ) -> Option<ModelTransition> {
        let mut transition = empty(node, path, trigger);
        match &node.kind {
            Kind::Text { .. } => transition.targets = self.targets(source, node, path)?,
            Kind::Map(_) => {
                let fields = self.fields(node, &format::TRANSITION, path)?;
                if let Some(entry) = fields.find("guard").or_else(|| fields.find("cond")) {
                    // One that cannot be read is still one: the transition does not always fire.
                    let guard = self.guard(&entry.value, &join(path, &entry.key));
                    transition.guard = Some(guard.unwrap_or(Guard::Any(Vec::new())));
                    transition.guard_text = entry
                        .value
                        .text()
                        .or_else(|| self.source.get(entry.value.span.clone()))
                        .unwrap_or("")
                        .to_owned();
                }
                transition.actions = self.actions_of(&fields, "actions", path);
                if self.is_reentering(&fields, path) {
                    transition.reach = Reach::External;
                }
                let target = fields.find("target");
                if let Some(entry) = target {
                    transition.targets = self.targets(source, &entry.value, &join(path, "target"))?;
                }
                let idle = target.is_none() && fields.find("actions").is_none();
                if idle && transition.trigger == Trigger::Eventless {
                    let message = "a transition without an event needs a target or actions";
                    self.report(Code::MissingKey, node.span.clone(), path, message, "add `target: STATE`");
                    return None;
                }
            }
            _ => {
                self.wrong_type(node, path, "a target or a map (transition)");
                return None;
            }
        }
        Some(transition)
    }

    fn is_reentering(&mut self, fields: &Fields<'a>, path: &str) -> bool {
        let reenter = self.bool_of(fields, "reenter", path);
        let internal = self.bool_of(fields, "internal", path);
        if let (Some(reenter), Some(internal)) = (reenter, internal)
            && reenter == internal
            && let Some(entry) = fields.find("internal")
        {
            let message = "`reenter` and `internal` say the opposite of each other";
            self.report(
                Code::BadValue,
                entry.value.span.clone(),
                &join(path, "internal"),
                message,
                "keep `reenter`",
            );
        }
        reenter.or(internal.map(|internal| !internal)).unwrap_or(false)
    }
}

/// A transition that does nothing yet.
fn empty(node: &Node, path: &str, trigger: Trigger) -> ModelTransition {
    ModelTransition {
        trigger,
        guard: None,
        guard_text: String::new(),
        targets: Vec::new(),
        reach: Reach::Within,
        actions: Vec::new(),
        span: node.span.clone(),
        trigger_span: node.span.clone(),
        place: path.to_owned(),
    }
}
