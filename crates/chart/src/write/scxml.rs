//! SCXML with `datamodel="cel"`.
//!
//! It refuses to know how charts run. Its one invariant: a chart that was read from SCXML is written so that it reads
//! as the same chart.

mod contents;

use super::{Loss, Losses, children, delay_of, expressions, lose, transitions};
use crate::chart::{Chart, Transition};
use crate::code::{Action, Code, Formula, StateIndex};
use crate::model::{Descriptor, Reach, StateKind, Unhandled};
use crate::reader::ChartDefinition;
use crate::reader::scxml::{NAMESPACE, OWN_NAMESPACE};
use crate::value::Value;
use everstate_kernel::{Create, Durability, Policy};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn write(definition: &ChartDefinition, losses: Losses<'_>) -> String {
    let mut own = String::new();
    let policy = &definition.policy;
    if *definition.id.version != *"v1" {
        let _ = write!(own, " everstate:version=\"{}\"", escaped(&definition.id.version));
    }
    if policy.create == Create::OnDemand {
        own.push_str(" everstate:create=\"on-demand\"");
    }
    match policy.durability {
        Durability::None => own.push_str(" everstate:durability=\"none\""),
        Durability::Process => own.push_str(" everstate:durability=\"process\""),
        Durability::Power => {}
    }
    match definition.chart.unhandled {
        Unhandled::Reject => own.push_str(" everstate:unhandled=\"reject\""),
        Unhandled::Defer => own.push_str(" everstate:unhandled=\"defer\""),
        Unhandled::Fail => own.push_str(" everstate:unhandled=\"fail\""),
        Unhandled::Ignore => {}
    }
    if !own.is_empty() {
        own = format!(" xmlns:everstate=\"{OWN_NAMESPACE}\"{own}");
    }
    let default = Policy::default();
    if policy.retain != default.retain || policy.retry != default.retry || !policy.index.is_empty() {
        lose(losses, "", "left out: retain, retry and index");
    }
    if definition.description.is_some() || !definition.tags.is_empty() {
        lose(losses, "", "left out: description and tags of the definition");
    }
    let chart = &*definition.chart;
    if chart.rules.is_none() {
        let what = "faults that undo a turn are events in SCXML, and the turn goes on";
        lose(losses, "", what);
    }
    for event in chart.declared.iter().filter(|event| event.shape.is_some()) {
        let what = "left out: the shape of the event's data";
        lose(losses, &format!("events.{}", event.name), what);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    machine(chart, &own, 0, losses, &mut out);
    out
}

/// One machine; others can stand inside of it, to be invoked.
fn machine(chart: &Chart, own: &str, depth: usize, losses: &mut Vec<Loss>, out: &mut String) {
    let mut writer = Writer { chart, ids: ids(chart), losses, out, depth };
    let name = match &chart.rules {
        Some(rules) => rules.name.as_str().unwrap_or("").to_owned(),
        None => chart.name().to_owned(),
    };
    let mut attributes = format!(" xmlns=\"{NAMESPACE}\" version=\"1.0\" datamodel=\"cel\"{own}");
    if !name.is_empty() {
        let _ = write!(attributes, " name=\"{}\"", escaped(&name));
    }
    if chart.rules.as_ref().is_some_and(|rules| rules.late) {
        attributes.push_str(" binding=\"late\"");
    }
    let mut below = 0;
    match chart.state(0).kind {
        // The machine itself is compound in SCXML; one state inside of it is what the machine is here.
        StateKind::Parallel => below = 1,
        _ => writer.initial_attribute(0, &mut attributes),
    }
    // What belongs to the machine itself needs a state of its own.
    let root = chart.state(0);
    let has_own = transitions(chart, 0).next().is_some() || !root.entry.is_empty() || !root.exit.is_empty();
    if chart.rules.is_none() && has_own {
        below = 1;
    }
    writer.open("scxml", &attributes);
    writer.data(0);
    if below == 1 {
        let tag = if root.kind == StateKind::Parallel { "parallel" } else { "state" };
        let mut attributes = format!(" id=\"{}\"", escaped(&writer.ids[&0]));
        if root.kind == StateKind::Compound {
            writer.initial_attribute(0, &mut attributes);
            let inner = children(chart, 0).any(|at| chart.state(at).kind == StateKind::Final);
            if inner {
                lose(writer.losses, "", "the end of the machine is the end of a state inside of it");
            }
        }
        writer.open(tag, &attributes);
        writer.parts(0);
    }
    for child in children(chart, 0) {
        writer.state(child);
    }
    if below == 1 {
        writer.close(if root.kind == StateKind::Parallel { "parallel" } else { "state" });
    }
    writer.close("scxml");
}

/// An id for every state: the author's, the name where only one state has it, or the path.
fn ids(chart: &Chart) -> BTreeMap<StateIndex, String> {
    let own = |at: usize| {
        let own = super::own_id(chart, at as StateIndex);
        own.or_else(|| chart.rules.is_some().then(|| chart.states[at].name.to_string()))
    };
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for at in 1..chart.states.len() {
        *taken.entry(own(at).unwrap_or_else(|| chart.states[at].name.to_string())).or_default() += 1;
    }
    let legal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("_");
    let mut all = BTreeMap::new();
    for at in 1..chart.states.len() {
        let state = &chart.states[at];
        let id = own(at).unwrap_or_else(|| match taken.get(&*state.name) {
            Some(1) => state.name.to_string(),
            _ => state.path.to_string(),
        });
        all.insert(at as StateIndex, legal(&id));
    }
    let mut machine = legal(chart.name());
    while all.values().any(|id| *id == machine) {
        machine.push('_');
    }
    all.insert(0, machine);
    all
}

struct Writer<'c, 'w> {
    chart: &'c Chart,
    ids: BTreeMap<StateIndex, String>,
    losses: &'w mut Vec<Loss>,
    out: &'w mut String,
    depth: usize,
}

impl Writer<'_, '_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = 2 * self.depth);
    }

    fn open(&mut self, tag: &str, attributes: &str) {
        self.line(&format!("<{tag}{attributes}>"));
        self.depth += 1;
    }

    fn close(&mut self, tag: &str) {
        self.depth -= 1;
        self.line(&format!("</{tag}>"));
    }

    fn targets(&self, targets: &[StateIndex]) -> String {
        let ids: Vec<String> = targets.iter().map(|to| escaped(&self.ids[to])).collect();
        ids.join(" ")
    }

    fn place(&self, at: StateIndex) -> String {
        if at == 0 { String::new() } else { format!("states.{}", self.chart.state(at).path) }
    }

    fn code(&mut self, code: &Code) -> String {
        self.expression(code.expression.source(), &code.place)
    }

    fn expression(&mut self, source: &str, place: &str) -> String {
        if self.chart.rules.is_some() {
            return source.to_owned();
        }
        let ids = &self.ids;
        let rename = |at: StateIndex| ids.get(&at).cloned().unwrap_or_default();
        expressions::to_scxml(source, self.chart, &rename, (self.losses, place))
    }

    /// Where a state begins, as an attribute unless that is the first one anyway.
    fn initial_attribute(&mut self, at: StateIndex, attributes: &mut String) {
        let Some(initial) = self.chart.state(at).initial else { return };
        let initial = self.chart.transition(initial);
        if !initial.actions.is_empty() {
            if at == 0 {
                lose(self.losses, "initial", "left out: actions of the machine's initial transition");
            } else {
                return;
            }
        }
        let _ = write!(attributes, " initial=\"{}\"", self.targets(&initial.targets));
    }

    fn data(&mut self, at: StateIndex) {
        let mut items: Vec<String> = Vec::new();
        match &self.chart.rules {
            Some(rules) => {
                for datum in rules.data.iter().filter(|datum| datum.state == at) {
                    items.push(self.datum(&datum.id, datum.value.as_ref()));
                }
            }
            None if at == 0 => {
                let context = self.chart.context.clone();
                if let Value::Map(map) = &context {
                    for (key, value) in map.iter() {
                        let literal = Formula::Literal(value.clone());
                        items.push(self.datum(key.as_str().unwrap_or(""), Some(&literal)));
                    }
                }
                // Keys that only assignments name are declared, so that they can be assigned to.
                for key in self.assigned_only() {
                    items.push(format!("<data id=\"{}\"/>", escaped(&key)));
                }
            }
            None => {}
        }
        if !items.is_empty() {
            self.open("datamodel", "");
            items.iter().for_each(|item| self.line(item));
            self.close("datamodel");
        }
    }

    fn datum(&mut self, id: &str, value: Option<&Formula>) -> String {
        let place = format!("data.{id}");
        if !is_variable(id) {
            lose(self.losses, &place, "the name of a context key that is no name of a variable");
        }
        let id = escaped(id);
        match value {
            None => format!("<data id=\"{id}\"/>"),
            Some(Formula::Code(code)) => {
                format!("<data id=\"{id}\" expr=\"{}\"/>", escaped(&self.code(code)))
            }
            Some(Formula::Literal(value)) => match inner(value) {
                Some(text) => format!("<data id=\"{id}\">{text}</data>"),
                None => format!("<data id=\"{id}\" expr=\"{}\"/>", escaped(&expressions::literal(value))),
            },
            Some(other) => format!("<data id=\"{id}\" expr=\"{}\"/>", escaped(&self.formula(other))),
        }
    }

    fn assigned_only(&self) -> Vec<String> {
        let mut keys = std::collections::BTreeSet::new();
        let mut visit = |list: &[Action]| {
            for action in list {
                action.walk(&mut |one| {
                    if let Action::Assign(fields) = one {
                        keys.extend(fields.iter().filter_map(|(key, _)| key.as_str()).map(str::to_owned));
                    }
                });
            }
        };
        for state in &self.chart.states {
            visit(&state.entry);
            visit(&state.exit);
        }
        self.chart.transitions.iter().for_each(|one| visit(&one.actions));
        self.chart.actions.iter().for_each(|list| visit(list));
        keys.retain(|key| self.chart.context.field(key).is_none());
        keys.into_iter().collect()
    }

    fn state(&mut self, at: StateIndex) {
        let state = self.chart.state(at);
        let is_anonymous = self.chart.rules.is_some() && state.id.is_none();
        let mut attributes = String::new();
        if !is_anonymous || self.is_aimed_at(at) {
            let _ = write!(attributes, " id=\"{}\"", escaped(&self.ids[&at]));
        }
        let tag = match state.kind {
            StateKind::Parallel => "parallel",
            StateKind::Final => "final",
            StateKind::History { deep } => {
                attributes.push_str(if deep { " type=\"deep\"" } else { "" });
                "history"
            }
            StateKind::Compound => {
                self.initial_attribute(at, &mut attributes);
                "state"
            }
            StateKind::Atomic => "state",
        };
        if state.description.is_some() || !state.tags.is_empty() {
            let place = self.place(at);
            lose(self.losses, &place, "left out: description and tags");
        }
        let outer = if state.parent == 0 { None } else { self.chart.state(state.parent).unhandled };
        if state.unhandled.is_some() && state.unhandled != outer {
            let place = self.place(at);
            lose(self.losses, &place, "left out: what happens to unhandled events in this state");
        }
        self.open(tag, &attributes);
        self.data(at);
        self.parts(at);
        for child in children(self.chart, at) {
            self.state(child);
        }
        self.close(tag);
    }

    fn is_aimed_at(&self, at: StateIndex) -> bool {
        self.chart.transitions.iter().any(|one| one.targets.contains(&at))
    }

    /// Everything that a state has besides sub-states and data.
    fn parts(&mut self, at: StateIndex) {
        let chart = self.chart;
        let state = chart.state(at);
        let place = self.place(at);
        if let Some(initial) = state.initial.filter(|_| at != 0) {
            let initial = chart.transition(initial);
            let is_history = matches!(state.kind, StateKind::History { .. });
            if is_history || !initial.actions.is_empty() {
                let target = format!(" target=\"{}\"", self.targets(&initial.targets));
                if !is_history {
                    self.open("initial", "");
                }
                self.element("transition", &target, &initial.actions, &place);
                if !is_history {
                    self.close("initial");
                }
            }
        }
        self.handlers("onentry", &state.entry, &place);
        for after in &state.after {
            let name = escaped(&after.name);
            self.open("onentry", "");
            self.line(&format!("<send event=\"{name}\" id=\"{name}\" delay=\"{}ms\"/>", after.delay.0));
            self.close("onentry");
        }
        self.handlers("onexit", &state.exit, &place);
        for after in &state.after {
            self.open("onexit", "");
            self.line(&format!("<cancel sendid=\"{}\"/>", escaped(&after.name)));
            self.close("onexit");
        }
        for (_, transition) in transitions(chart, at) {
            self.transition(transition, &place);
        }
        self.invokes(at);
        for endpoint in &state.endpoints {
            lose(self.losses, &endpoint.place, "left out: spaces are not known to SCXML");
        }
        if let Some(output) = &state.output {
            let text = self.formula(output);
            self.open("donedata", "");
            self.line(&format!("<content expr=\"{}\"/>", escaped(&text)));
            self.close("donedata");
        }
        if let Some(payload) = &state.donedata {
            self.open("donedata", "");
            self.payload(payload);
            self.close("donedata");
        }
    }

    fn handlers(&mut self, tag: &str, list: &[Action], place: &str) {
        if self.chart.rules.is_none() {
            if !list.is_empty() {
                self.element(tag, "", list, place);
            }
            return;
        }
        for block in list {
            self.element(tag, "", std::slice::from_ref(block), place);
        }
    }

    fn element(&mut self, tag: &str, attributes: &str, actions: &[Action], place: &str) {
        if actions.is_empty() {
            self.line(&format!("<{tag}{attributes}/>"));
            return;
        }
        self.open(tag, attributes);
        self.actions(actions, place);
        self.close(tag);
    }

    fn transition(&mut self, transition: &Transition, place: &str) {
        let mut attributes = String::new();
        if !transition.descriptors.is_empty() {
            let source = transition.source;
            let names = transition.descriptors.iter().map(|one| self.event(one, source));
            let names: Vec<String> = names.collect();
            let _ = write!(attributes, " event=\"{}\"", names.join(" "));
        }
        let guard = transition.guard.as_ref().map(|guard| self.guard(guard));
        let guard = match (self.failing(transition), guard) {
            (Some(failing), Some(guard)) => Some(format!("{failing} && ({guard})")),
            (failing, guard) => failing.or(guard),
        };
        if let Some(guard) = guard {
            let _ = write!(attributes, " cond=\"{}\"", escaped(&guard));
        }
        let (targets, is_internal) = self.reach(transition, place);
        if !targets.is_empty() {
            let _ = write!(attributes, " target=\"{}\"", self.targets(&targets));
        }
        if is_internal {
            attributes.push_str(" type=\"internal\"");
        }
        if delay_of(self.chart, transition).is_some() && transition.source == 0 {
            lose(self.losses, place, "a timer of the machine itself is one of its outermost state");
        }
        self.element("transition", &attributes, &transition.actions, place);
    }

    /// SCXML takes every name as a prefix.
    fn event(&mut self, descriptor: &Descriptor, source: StateIndex) -> String {
        match descriptor {
            Descriptor::Any => "*".to_owned(),
            Descriptor::Exact(name) if *name == self.chart.state(source).done => {
                format!("done.state.{}", escaped(&self.ids[&source]))
            }
            Descriptor::Exact(name) if self.failed(name).is_some() => "error.communication".to_owned(),
            Descriptor::Exact(name) | Descriptor::Prefix(name) => escaped(name),
        }
    }

    /// The id of the invoked machine whose failing an event tells of, which has no event of its own in SCXML.
    fn failed<'n>(&self, name: &'n str) -> Option<&'n str> {
        let id = name.strip_prefix("error.invoke.").filter(|_| self.chart.rules.is_none())?;
        let mut all = self.chart.states.iter().flat_map(|state| &state.invokes);
        all.any(|invoke| invoke.id.as_deref() == Some(id)).then_some(id)
    }

    /// What tells the failing of one invoked machine from other errors.
    fn failing(&self, transition: &Transition) -> Option<String> {
        let [Descriptor::Exact(name)] = &*transition.descriptors else { return None };
        let id = self.failed(name)?;
        Some(format!("_event.invokeid == {}", expressions::quoted(id)))
    }

    /// The targets as SCXML has them, and whether the source stays.
    fn reach(&mut self, transition: &Transition, place: &str) -> (Vec<StateIndex>, bool) {
        let (chart, source) = (self.chart, transition.source);
        let targets = transition.targets.to_vec();
        match transition.reach {
            Reach::External => (targets, false),
            Reach::Internal => (targets, true),
            Reach::Within if targets.is_empty() => (targets, false),
            Reach::Within => {
                let strictly = targets.iter().all(|to| chart.is_inside(*to, source));
                let inside = targets.iter().all(|to| *to == source || chart.is_inside(*to, source));
                let kind = chart.state(source).kind;
                if strictly && kind == StateKind::Compound {
                    return (targets, true);
                }
                if inside && chart.is_leaf(source) {
                    // Nothing is left and nothing entered.
                    return (Vec::new(), false);
                }
                if inside {
                    let what =
                        "the state is left and entered again, where the transition only began anew inside";
                    lose(self.losses, place, what);
                }
                (targets, false)
            }
        }
    }
}

/// What stands inside of an element for a value; none when the reader would take it for another one.
fn inner(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => {
            // Only what comes back as the same text: neither JSON, nor with white space that would be normalised.
            let normal = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if normal != **text || everstate_kernel::Json::parse(text).is_ok() {
                return None;
            }
            text.to_string()
        }
        other => crate::behaviour::json_text(other)?,
    };
    (!text.trim().is_empty()).then(|| escaped(&text))
}

fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// Text as it can stand in an attribute; line ends and tabs would otherwise be read as spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
