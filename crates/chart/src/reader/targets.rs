//! What a target means: the name of a state beside, inside, by path, or by id.
//!
//! It refuses to know transitions. Its one invariant: what it answers is a state that exists.

use super::fields::one_or_more;
use super::{Reader, join};
use crate::code::StateIndex;
use crate::document::Node;
use crate::finding::{Code, nearest};
use crate::model::{ModelState, StateKind};

impl<'a> Reader<'a> {
    fn model_state(&self, at: StateIndex) -> &ModelState {
        &self.states[usize::from(at)]
    }

    /// The state at a path of names below another.
    fn below(&self, from: StateIndex, path: &str) -> Option<StateIndex> {
        path.split('.').try_fold(from, |at, name| {
            let mut children = self.model_state(at).children.iter().copied();
            children.find(|child| self.model_state(*child).name == name)
        })
    }

    /// `#id`, or `#id.path.below`; the machine itself is one of the ids.
    fn by_id(&self, text: &str) -> Option<StateIndex> {
        let find = |id: &str| match self.ids.get(id) {
            Some(at) => Some(*at),
            None if id == self.machine => Some(0),
            None => None,
        };
        if let Some(at) = find(text) {
            return Some(at);
        }
        let splits = text.match_indices('.').map(|(at, _)| at);
        let mut splits: Vec<usize> = splits.collect();
        splits.reverse();
        splits.into_iter().find_map(|at| self.below(find(&text[..at])?, &text[at + 1..]))
    }

    /// The state that a target of `source` means.
    fn resolve(&self, source: StateIndex, text: &str) -> Option<StateIndex> {
        if let Some(id) = text.strip_prefix('#') {
            return self.by_id(id);
        }
        if let Some(path) = text.strip_prefix('.') {
            return self.below(source, path);
        }
        let beside = self.model_state(source).parent.unwrap_or(0);
        self.below(beside, text).or_else(|| self.below(0, text))
    }

    /// The targets of a transition; none when one of them is unknown or they cannot be active together.
    pub(super) fn targets(
        &mut self,
        source: StateIndex,
        node: &'a Node,
        path: &str,
    ) -> Option<Vec<StateIndex>> {
        self.resolve_all(node, path, |reader, text| reader.resolve(source, text), source)
    }

    /// Targets that must be inside of a state: initial ones and defaults of histories.
    pub(super) fn inner_targets(
        &mut self,
        outer: StateIndex,
        node: &'a Node,
        path: &str,
        code: Code,
    ) -> Option<Vec<StateIndex>> {
        let resolve = |reader: &Reader<'a>, text: &str| match text.strip_prefix('#') {
            Some(id) => reader.by_id(id),
            None => {
                let text = text.strip_prefix('.').unwrap_or(text);
                reader.below(outer, text).or_else(|| reader.below(0, text))
            }
        };
        let targets = self.resolve_all(node, path, resolve, outer)?;
        let end = self.model_state(outer).end;
        if let Some(outside) = targets.iter().find(|target| **target <= outer || **target >= end) {
            let (inner, name) =
                (self.model_state(*outside).path.clone(), self.model_state(outer).path.clone());
            let message = format!("{inner:?} is not inside of {name:?}");
            let children = self.model_state(outer).children.iter();
            let names: Vec<&str> = children.take(12).map(|at| self.model_state(*at).name.as_str()).collect();
            let hint = format!("name one of its sub-states: {}", names.join(", "));
            self.report(code, node.span.clone(), path, message, hint);
            return None;
        }
        if targets.is_empty() {
            self.report(code, node.span.clone(), path, "no state is named here", "name a sub-state");
            return None;
        }
        Some(targets)
    }

    fn resolve_all(
        &mut self,
        node: &'a Node,
        path: &str,
        resolve: impl Fn(&Reader<'a>, &str) -> Option<StateIndex>,
        from: StateIndex,
    ) -> Option<Vec<StateIndex>> {
        let mut targets = Vec::new();
        let mut complete = true;
        for item in one_or_more(node) {
            let Some(text) = item.text() else {
                self.wrong_type(item, path, "the name of a state");
                complete = false;
                continue;
            };
            match resolve(self, text) {
                Some(target) => targets.push(target),
                None => {
                    self.unknown_target(item, text, path, from);
                    complete = false;
                }
            }
        }
        (complete && self.can_be_together(&targets, node, path)).then_some(targets)
    }

    fn unknown_target(&mut self, item: &Node, text: &str, path: &str, from: StateIndex) {
        let bare = text.trim_start_matches(['#', '.']);
        let beside = self.model_state(from).parent.unwrap_or(0);
        let names_of = |at: StateIndex| self.model_state(at).children.iter();
        let near_names = names_of(beside).chain(names_of(from)).map(|at| self.model_state(*at).name.as_str());
        let by_path = self.states.iter().skip(1).map(|state| state.path.as_str());
        let near = nearest(bare, near_names).map(str::to_owned);
        let elsewhere = self.states.iter().skip(1).find(|state| state.name == bare || state.id == bare);
        let near_path = nearest(bare, by_path).map(str::to_owned);
        let hint = match (near, elsewhere, near_path) {
            (_, Some(state), _) if self.ids.contains_key(&state.id) => format!("write \"#{}\"", state.id),
            (_, Some(state), _) => format!("write {:?}", state.path),
            (Some(near), ..) => format!("did you mean {near:?}?"),
            (_, _, Some(near)) => format!("did you mean {near:?}?"),
            _ => "targets name a state beside (`paid`), inside (`.waiting`), by path (`open.waiting`) or by id (`#paid`)"
                .to_owned(),
        };
        self.report(
            Code::UnknownTarget,
            item.span.clone(),
            path,
            format!("there is no state {text:?}"),
            hint,
        );
    }

    /// Several targets must lie in different regions of a parallel state.
    fn can_be_together(&mut self, targets: &[StateIndex], node: &Node, path: &str) -> bool {
        let Some((one, other)) = apart(&self.states, targets) else { return true };
        let names = (self.model_state(one).path.clone(), self.model_state(other).path.clone());
        let message = format!("{:?} and {:?} cannot be active together", names.0, names.1);
        let hint = "several targets must be in different regions of a parallel state";
        self.report(Code::ConflictingTargets, node.span.clone(), path, message, hint);
        false
    }

    /// The state that a guard or an expression asks for.
    pub(super) fn asked_state(
        &mut self,
        text: &str,
        span: std::ops::Range<usize>,
        path: &str,
    ) -> Option<StateIndex> {
        if let Some(at) = self.state_names.get(text) {
            return Some(*at);
        }
        let named: Vec<&str> = self
            .states
            .iter()
            .filter(|state| state.name == text)
            .map(|state| state.path.as_str())
            .take(4)
            .collect();
        let hint = match (named.is_empty(), nearest(text, self.state_names.keys().map(|name| &**name))) {
            (false, _) => format!("several states have that name; write one of {}", named.join(", ")),
            (true, Some(near)) => format!("did you mean {near:?}?"),
            (true, None) => "name a state by its path, such as open.waiting, or by its id".to_owned(),
        };
        self.report(Code::UnknownState, span, &join(path, ""), format!("there is no state {text:?}"), hint);
        None
    }
}

/// Two of the targets that cannot be active together, the first in document order first.
pub(super) fn apart(states: &[ModelState], targets: &[StateIndex]) -> Option<(StateIndex, StateIndex)> {
    let state = |at: StateIndex| &states[usize::from(at)];
    // A history stands for what is in its parent.
    let meant = |at: StateIndex| match state(at).kind {
        StateKind::History { .. } => state(at).parent.unwrap_or(at),
        _ => at,
    };
    for (at, one) in targets.iter().enumerate() {
        for other in &targets[at + 1..] {
            let (one, other) = (meant(*one), meant(*other));
            let (low, high) = (one.min(other), one.max(other));
            let nested = high < state(low).end;
            let mut common = low;
            while high >= state(common).end {
                common = state(common).parent.unwrap_or(0);
            }
            if nested || state(common).kind != StateKind::Parallel {
                return Some((low, high));
            }
        }
    }
    None
}
