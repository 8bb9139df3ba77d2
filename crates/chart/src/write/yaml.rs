//! The native format.
//!
//! It refuses to know how YAML looks. Its one invariant: a chart that was read from the native format is written
//! without loss, and reads as the same chart.

mod invokes;

use super::yaml_actions::Contents;
use super::yaml_text::Tree;
use super::{Losses, children, delay_of, lose, transitions};
use crate::chart::{Chart, Transition};
use crate::code::{Formula, StateIndex};
use crate::invoke::{Invoke, Source};
use crate::model::{Descriptor, Reach, StateKind, Unhandled};
use crate::reader::ChartDefinition;
use crate::shape::{Additional, Shape};
use crate::value::Value;
use everstate_kernel::{Create, Durability, Park, Policy, Retain, Retry, Span};

type Entries = Vec<(String, Tree)>;

pub(super) fn write(definition: &ChartDefinition, losses: Losses<'_>) -> String {
    let chart = &*definition.chart;
    let data = chart.rules.iter().flat_map(|rules| rules.data.iter().map(|datum| &*datum.id)).collect();
    let mut writer = Writer { chart, contents: Contents { chart, data, losses, locals: Vec::new() } };
    let mut entries: Entries = vec![
        ("name".to_owned(), Tree::text(&*definition.id.name)),
        ("version".to_owned(), Tree::text(&*definition.id.version)),
    ];
    if let Some(description) = &definition.description {
        entries.push(("description".to_owned(), Tree::text(&**description)));
    }
    if !definition.tags.is_empty() {
        entries.push(("tags".to_owned(), words(&definition.tags)));
    }
    policy(&definition.policy, &mut entries);
    if chart.unhandled != Unhandled::Reject {
        entries.push(("unhandled".to_owned(), Tree::text(word(chart.unhandled))));
    }
    writer.events(&mut entries);
    writer.context(&mut entries);
    writer.tables(&mut entries);
    writer.body(0, &mut entries);
    writer.failing_of_invoked();
    if chart.rules.is_some() {
        let what =
            "errors in actions and guards are events in SCXML; here they are faults that undo the turn";
        lose(writer.contents.losses, "", what);
    }
    Tree::Map(entries).write()
}

fn words(tags: &[std::sync::Arc<str>]) -> Tree {
    Tree::List(tags.iter().map(|tag| Tree::text(&**tag)).collect())
}

fn word(unhandled: Unhandled) -> &'static str {
    match unhandled {
        Unhandled::Reject => "reject",
        Unhandled::Ignore => "ignore",
        Unhandled::Fail => "fail",
        Unhandled::Defer => "defer",
    }
}

pub(super) fn policy(policy: &Policy, entries: &mut Entries) {
    let default = Policy::default();
    let mut add = |key: &str, tree: Tree| entries.push((key.to_owned(), tree));
    if policy.create == Create::OnDemand {
        add("create", Tree::text("on-demand"));
    }
    match policy.durability {
        Durability::None => add("durability", Tree::text("none")),
        Durability::Process => add("durability", Tree::text("process")),
        Durability::Power => {}
    }
    if policy.retain != default.retain {
        add("retain", retain(&policy.retain));
    }
    if !policy.index.is_empty() {
        add("index", Tree::List(policy.index.iter().map(|path| Tree::text(&**path)).collect()));
    }
    if policy.retry != default.retry {
        add("retry", retry(&policy.retry));
    }
    if policy.park == Park::Instance {
        add("park", Tree::text("instance"));
    }
}

fn retain(retain: &Retain) -> Tree {
    let span = |span: Span| match span == Retain::FOREVER {
        true => Tree::text("forever"),
        false => Tree::Text(crate::duration::format(span)),
    };
    let said = [("outcomes", retain.outcomes), ("history", retain.history), ("finished", retain.finished)];
    let said = said.into_iter().filter_map(|(key, time)| Some((key.to_owned(), span(time?))));
    Tree::Map(said.collect())
}

pub(super) fn retry(retry: &Retry) -> Tree {
    let span = |span| Tree::Text(crate::duration::format(span));
    let retry = [
        ("attempts", Tree::Plain(retry.attempts.to_string())),
        ("backoff", span(retry.backoff)),
        ("max", span(retry.backoff_max)),
    ];
    Tree::Map(retry.into_iter().map(|(key, tree)| (key.to_owned(), tree)).collect())
}

struct Writer<'c, 'l> {
    chart: &'c Chart,
    contents: Contents<'c, 'l>,
}

impl Writer<'_, '_> {
    fn events(&mut self, entries: &mut Entries) {
        if self.chart.declared.is_empty() {
            return;
        }
        let events = self.chart.declared.iter().map(|event| {
            let tree = match (&event.description, &event.shape) {
                (None, None) => Tree::Plain("null".to_owned()),
                (Some(description), None) => Tree::text(&**description),
                (description, Some(shape)) => {
                    let mut entries: Entries = Vec::new();
                    let description = description.as_ref().map(|text| Tree::text(&**text));
                    entries.extend(description.map(|text| ("description".to_owned(), text)));
                    entries.push(("data".to_owned(), self::shape(shape)));
                    Tree::Map(entries)
                }
            };
            (event.name.to_string(), tree)
        });
        entries.push(("events".to_owned(), Tree::Map(events.collect())));
    }

    fn context(&mut self, entries: &mut Entries) {
        let Some(rules) = &self.chart.rules else {
            if !matches!(&self.chart.context, Value::Map(map) if map.iter().next().is_none()) {
                entries.push(("context".to_owned(), Tree::value(&self.chart.context)));
            }
            return;
        };
        let mut items: Entries = Vec::new();
        for datum in &rules.data {
            let place = format!("data.{}", datum.id);
            if rules.late && datum.state != 0 {
                let what = "late binding: the item has its value from the start";
                lose(self.contents.losses, &place, what);
            }
            let value = match &datum.value {
                None => Some(Value::Null),
                Some(Formula::Literal(value)) => Some(value.clone()),
                Some(Formula::Code(code)) => constant(code.expression.source()),
                Some(_) => None,
            };
            if value.is_none() {
                let what = "the context begins with values, not with expressions; this item begins with null";
                lose(self.contents.losses, &place, what);
            }
            items.push((datum.id.to_string(), Tree::value(&value.unwrap_or_default())));
        }
        if !items.is_empty() {
            entries.push(("context".to_owned(), Tree::Map(items)));
        }
    }

    fn tables(&mut self, entries: &mut Entries) {
        let chart = self.chart;
        let mut guards: Entries = Vec::new();
        for (name, guard) in chart.guard_names.iter().zip(&chart.guards) {
            let tree = match guard {
                // A name alone would be read as an expression here.
                crate::code::Guard::Named(_) => {
                    Tree::Map(vec![("type".to_owned(), self.contents.guard(guard))])
                }
                guard => self.contents.guard(guard),
            };
            guards.push((name.to_string(), tree));
        }
        let mut actions: Entries = Vec::new();
        for (name, list) in chart.action_names.iter().zip(&chart.actions) {
            actions.push((name.to_string(), Tree::one_or_more(self.contents.actions(list))));
        }
        for (key, table) in [("guards", guards), ("actions", actions)] {
            if !table.is_empty() {
                entries.push((key.to_owned(), Tree::Map(table)));
            }
        }
    }

    fn body(&mut self, at: StateIndex, entries: &mut Entries) {
        let state = self.chart.state(at);
        let place = if at == 0 { String::new() } else { format!("states.{}", state.path) };
        let mut add = |key: &str, tree: Tree| entries.push((key.to_owned(), tree));
        if at != 0 {
            if let Some(id) = self.own_id(at) {
                add("id", Tree::Text(id));
            }
            state.description.iter().for_each(|text| add("description", Tree::text(&**text)));
            if !state.tags.is_empty() {
                add("tags", words(&state.tags));
            }
            let outer = if state.parent == 0 { None } else { self.chart.state(state.parent).unhandled };
            if let Some(unhandled) = state.unhandled.filter(|own| Some(*own) != outer) {
                add("unhandled", Tree::text(word(unhandled)));
            }
        }
        match state.kind {
            StateKind::Parallel => add("type", Tree::text("parallel")),
            StateKind::Final => add("type", Tree::text("final")),
            StateKind::History { deep } => {
                add("type", Tree::text("history"));
                if deep {
                    add("history", Tree::text("deep"));
                }
            }
            _ => {}
        }
        self.begin(at, &place, entries);
        let state = self.chart.state(at);
        let mut add = |key: &str, tree: Tree| entries.push((key.to_owned(), tree));
        for (key, list) in [("entry", &state.entry), ("exit", &state.exit)] {
            let actions = self.contents.actions(list);
            if !actions.is_empty() {
                add(key, Tree::one_or_more(actions));
            }
        }
        if !state.endpoints.is_empty() {
            add("endpoints", self.contents.endpoints(&state.endpoints));
        }
        let invokes = self.invokes(at, &place);
        if !invokes.is_empty() {
            entries.push(("invoke".to_owned(), Tree::one_or_more(invokes)));
        }
        self.transitions_of(at, &place, entries);
        let state = self.chart.state(at);
        let output = state.output.as_ref().map(|output| self.contents.formula(output));
        let output = output.or_else(|| state.donedata.as_ref().and_then(|data| self.contents.payload(data)));
        entries.extend(output.map(|output| ("output".to_owned(), output)));
        let mut states: Entries = Vec::new();
        for child in children(self.chart, at) {
            let mut inner = Vec::new();
            self.body(child, &mut inner);
            states.push((self.name(child), Tree::Map(inner)));
        }
        if !states.is_empty() {
            entries.push(("states".to_owned(), Tree::Map(states)));
        }
    }

    /// A task. What it does in the end stands with the other transitions, under the names of its events.
    fn task(&mut self, invoke: &Invoke) -> Option<Tree> {
        let Source::Task(asked) = &invoke.source else { return None };
        let id = invoke.id.as_ref().map(|id| Tree::text(&**id));
        let input = invoke.payload.content.as_ref();
        Some(self.contents.asked("task", asked, id, input))
    }

    /// Where a compound state begins, or a history leads.
    fn begin(&mut self, at: StateIndex, place: &str, entries: &mut Entries) {
        let state = self.chart.state(at);
        let is_history = matches!(state.kind, StateKind::History { .. });
        let mut add = |key: &str, tree: Tree| entries.push((key.to_owned(), tree));
        if let Some(initial) = state.initial {
            let initial = self.chart.transition(initial);
            let outer = if is_history { state.parent } else { at };
            let targets: Vec<Tree> =
                initial.targets.iter().map(|to| Tree::Text(self.relative(outer, *to))).collect();
            let targets = Tree::one_or_more(targets);
            let actions = self.contents.actions(&initial.actions);
            if is_history {
                if !actions.is_empty() {
                    lose(self.contents.losses, place, "left out: actions of a history's default");
                }
                add("target", targets);
            } else if actions.is_empty() {
                add("initial", targets);
            } else {
                let parts =
                    vec![("target".to_owned(), targets), ("actions".to_owned(), Tree::one_or_more(actions))];
                add("initial", Tree::Map(parts));
            }
        }
    }

    /// What the author calls the state besides its name; in SCXML the id is the name, and found from anywhere.
    fn own_id(&self, at: StateIndex) -> Option<String> {
        super::own_id(self.chart, at)
    }

    fn transitions_of(&mut self, at: StateIndex, place: &str, entries: &mut Entries) {
        let mut groups: [Vec<(String, Vec<Tree>)>; 4] = Default::default();
        let mut order: Vec<&Descriptor> = Vec::new();
        let chart = self.chart;
        for (_, transition) in transitions(chart, at) {
            let tree = self.transition(transition);
            let keys: Vec<(usize, String)> = match &*transition.descriptors {
                [] => vec![(3, String::new())],
                _ if transition.timed => {
                    let delay = delay_of(chart, transition).unwrap_or_default();
                    vec![(1, crate::duration::format(delay))]
                }
                [Descriptor::Exact(name) | Descriptor::Prefix(name)]
                    if at != 0 && *name == chart.state(at).done =>
                {
                    vec![(2, String::new())]
                }
                all => all.iter().map(|one| (0, self.event_key(one))).collect(),
            };
            if keys[0].0 == 0 {
                order.extend(transition.descriptors.iter());
            }
            for (group, key) in keys {
                match groups[group].iter_mut().find(|(known, _)| *known == key) {
                    Some((_, list)) => list.push(tree.clone()),
                    None => groups[group].push((key, vec![tree.clone()])),
                }
            }
        }
        if chart.rules.is_some() && !keeps_order(&order) {
            let what = "exact events are tried before prefixes and '*' here, whatever their order";
            lose(self.contents.losses, place, what);
        }
        for (key, group) in ["on", "after", "onDone", "always"].into_iter().zip(groups) {
            let mut all = group.into_iter().map(|(name, list)| (name, Tree::one_or_more(list)));
            match key {
                "on" | "after" => {
                    let all: Entries = all.collect();
                    if !all.is_empty() {
                        entries.push((key.to_owned(), Tree::Map(all)));
                    }
                }
                _ => entries.extend(all.next().map(|(_, list)| (key.to_owned(), list))),
            }
        }
    }

    /// SCXML's own events have other names here.
    fn event_key(&self, descriptor: &Descriptor) -> String {
        match descriptor {
            Descriptor::Prefix(name) if self.chart.rules.is_some() => {
                let done = self.chart.states.iter().any(|state| state.done == *name);
                if done || invokes::is_end(self.chart, name) { name.to_string() } else { format!("{name}.*") }
            }
            other => other.text().to_string(),
        }
    }

    fn transition(&mut self, transition: &Transition) -> Tree {
        let mut entries: Entries = Vec::new();
        if let Some(guard) = &transition.guard {
            entries.push(("guard".to_owned(), self.contents.guard(guard)));
        }
        let targets: Vec<Tree> =
            transition.targets.iter().map(|to| Tree::Text(self.target(transition.source, *to))).collect();
        if !targets.is_empty() {
            entries.push(("target".to_owned(), Tree::one_or_more(targets)));
        }
        if self.reenters(transition) {
            entries.push(("reenter".to_owned(), Tree::Plain("true".to_owned())));
        }
        let actions = self.contents.actions(&transition.actions);
        if !actions.is_empty() || (transition.targets.is_empty() && transition.descriptors.is_empty()) {
            entries.push(("actions".to_owned(), Tree::one_or_more(actions)));
        }
        match &entries[..] {
            [(key, target @ Tree::Text(_))] if key == "target" => target.clone(),
            [] => Tree::Map(Vec::new()),
            _ => Tree::Map(entries),
        }
    }

    fn reenters(&self, transition: &Transition) -> bool {
        let source = transition.source;
        let inside = |to: &StateIndex| self.chart.is_inside(*to, source);
        match (transition.reach, &self.chart.rules) {
            (Reach::Within, _) => false,
            (Reach::External, None) => true,
            // What leads outside leaves the source either way.
            (Reach::External, Some(_)) => {
                !transition.targets.is_empty()
                    && transition.targets.iter().all(|to| *to == source || inside(to))
            }
            (Reach::Internal, _) => {
                let strictly = transition.targets.iter().all(inside);
                let is_compound = self.chart.state(source).kind == StateKind::Compound;
                // One without targets stays anyway.
                let stays = transition.targets.is_empty() || strictly && is_compound;
                !stays && transition.targets.iter().all(|to| *to == source || inside(to))
            }
        }
    }

    /// The name of a state. Paths are made with dots, so a name has none.
    fn name(&self, at: StateIndex) -> String {
        let name = self.chart.state(at).name.replace('.', "_");
        if name.starts_with('#') { name.replacen('#', "_", 1) } else { name }
    }

    /// The path of a state from inside of another.
    fn relative(&self, outer: StateIndex, to: StateIndex) -> String {
        let mut names = vec![self.name(to)];
        let mut at = self.chart.state(to).parent;
        while at != outer && at != 0 {
            names.push(self.name(at));
            at = self.chart.state(at).parent;
        }
        names.reverse();
        names.join(".")
    }

    fn below(&self, from: StateIndex, path: &str) -> Option<StateIndex> {
        path.split('.')
            .try_fold(from, |at, name| children(self.chart, at).find(|child| self.name(*child) == name))
    }

    /// How a transition names its target: the shortest that cannot mean another state.
    fn target(&self, source: StateIndex, to: StateIndex) -> String {
        let chart = self.chart;
        let beside = chart.state(source).parent;
        if to != 0 && chart.state(to).parent == beside {
            return self.name(to);
        }
        if chart.is_inside(to, source) {
            return format!(".{}", self.relative(source, to));
        }
        let path = self.relative(0, to);
        if to != 0 && self.below(beside, &path).is_none_or(|found| found == to) {
            return path;
        }
        if let Some(id) = self.own_id(to) {
            return format!("#{id}");
        }
        if to == 0 { format!("#{}", chart.name()) } else { format!("#{}.{path}", chart.name()) }
    }
}

/// Would the reader's order change which of two transitions is tried first?
fn keeps_order(all: &[&Descriptor]) -> bool {
    let rank = |one: &Descriptor| match one {
        Descriptor::Exact(_) => (0, 0),
        Descriptor::Prefix(prefix) => (1, usize::MAX - prefix.len()),
        Descriptor::Any => (2, 0),
    };
    let overlap = |a: &Descriptor, b: &Descriptor| match (a, b) {
        (Descriptor::Any, _) | (_, Descriptor::Any) => true,
        (a, Descriptor::Exact(name) | Descriptor::Prefix(name)) if a.matches(name) => true,
        (Descriptor::Exact(name) | Descriptor::Prefix(name), b) => b.matches(name),
    };
    all.iter().enumerate().all(|(at, first)| {
        all[at + 1..].iter().take(1_000).all(|second| rank(first) <= rank(second) || !overlap(first, second))
    })
}

/// The value of an expression that needs nothing to be known.
fn constant(source: &str) -> Option<Value> {
    let text = source.trim();
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
        && !inner.contains(['\\', '\''])
    {
        return Some(Value::from(inner));
    }
    everstate_kernel::Json::parse(text).ok().and_then(|json| Value::from_json(json.as_str()).ok())
}

pub(super) fn shape(shape: &Shape) -> Tree {
    let mut entries: Entries = Vec::new();
    let mut add = |key: &str, tree: Option<Tree>| entries.extend(tree.map(|tree| (key.to_owned(), tree)));
    let number = |value: f64| Tree::Plain(format!("{value}"));
    let count = |value: u64| Tree::Plain(value.to_string());
    let types = || Tree::one_or_more(shape.types.iter().map(|name| Tree::text(*name)).collect());
    add("type", (!shape.types.is_empty()).then(types));
    let required = || Tree::List(shape.required.iter().map(|name| Tree::text(&**name)).collect());
    add("required", (!shape.required.is_empty()).then(required));
    let properties = shape.properties.iter().map(|(name, inner)| (name.to_string(), self::shape(inner)));
    add("properties", (!shape.properties.is_empty()).then(|| Tree::Map(properties.collect())));
    match &shape.additional {
        Additional::Allowed => {}
        Additional::Refused => add("additionalProperties", Some(Tree::Plain("false".to_owned()))),
        Additional::Shaped(inner) => add("additionalProperties", Some(self::shape(inner))),
    }
    add("items", shape.items.as_ref().map(|inner| self::shape(inner)));
    add("enum", shape.allowed.as_ref().map(|all| Tree::List(all.iter().map(Tree::value).collect())));
    add("minimum", shape.minimum.map(number));
    add("maximum", shape.maximum.map(number));
    add("exclusiveMinimum", shape.above.map(number));
    add("exclusiveMaximum", shape.below.map(number));
    add("minLength", shape.length.0.map(count));
    add("maxLength", shape.length.1.map(count));
    add("minItems", shape.count.0.map(count));
    add("maxItems", shape.count.1.map(count));
    Tree::Map(entries)
}
