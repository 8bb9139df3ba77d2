//! What a definition says must hold of its instances, tried within a small budget: one instance alone, with every event
//! that it takes coming whenever it likes, and its tasks ending in any way.
//!
//! It refuses to know files and systems. Its one invariant: a finding comes with a way that breaks the property, played by
//! the kernel; silence within the budget is no proof.

use crate::explore::{Limits, explore_within};
use crate::property::{Claim, Condition, Property, Vocabulary};
use crate::story::Violation;
use crate::system::{BuiltIn, May, Member, System, reads_clock};
use crate::task::{ANY_QUEUE, TaskAnswer, TaskEnd};
use crate::trace::Happening;
use everstate_chart::document::{self, Entry, Kind, Lines, Node};
use everstate_chart::expression::{ExpressionError, Type};
use everstate_chart::value::Value;
use everstate_chart::{Chart, Code, Finding, Machine, machine};
use everstate_kernel::{Address, Json};
use std::sync::Arc;

/// Worlds looked at for one property: a fraction of a second, and enough for a machine whose context does not count.
const WORLDS_MAX: usize = 2_000;

/// What events of machines, tasks and the kernel begin with, which no client sends.
const INTERNAL: [&str; 10] =
    ["done.", "error.", "child.", "space.", "monitor.", "reply.", "session.", "after.", "xstate.", "~"];

/// Findings about the properties of a definition; none for a text that is no chart or has errors.
pub fn check_properties(file: &str, text: &str) -> Vec<Finding> {
    if !text.contains("properties") {
        return Vec::new();
    }
    let (Some(Machine::Chart(definition)), Ok(root)) = (machine(file, text).0, document::parse(text)) else {
        return Vec::new();
    };
    let Some(Kind::List(items)) = entry(&root, "properties").map(|entry| &entry.value.kind) else {
        return Vec::new();
    };
    let Ok(address) = Address::new(&definition.id.name, "1") else { return Vec::new() };
    let mut system = System::new(&definition.id.name, Vec::new());
    system.definitions.push((Arc::new(definition.to_definition()), Arc::from(text)));
    system.environment = environment(&definition.chart, &root, &address);
    system.cast.push(Member { name: Arc::from("it"), address, start: Some(Json::NULL) });
    system.clock = reads_clock(text);
    let ends = [TaskEnd::Done(Json::NULL), TaskEnd::Failed { code: String::new(), message: String::new() }];
    let answer = |end| TaskAnswer { queue: Arc::from(ANY_QUEUE), end, times: None };
    system.tasks = ends.into_iter().map(answer).collect();
    let allowed = BuiltIn {
        faults: false,
        dead_letters: false,
        refusals: false,
        stuck: false,
        mailboxes: false,
        ..BuiltIn::default()
    };
    system.built_in = allowed;
    let alone = Alone { lines: Lines::new(text), text, system };
    let silent = entry(&root, "allow")
        .is_some_and(|allow| entry(&allow.value, Code::BrokenProperty.as_str()).is_some());
    let vocabulary = Vocabulary::alone(
        Type::of_initial(&Value::from_json(definition.chart.context().as_str()).unwrap_or_default()),
        definition.chart.states().map(|state| state.path).collect(),
    );
    let mut findings = Vec::new();
    for item in items {
        match alone.property(item, &vocabulary) {
            Err(errors) => findings.extend(errors),
            Ok(Some((node, property))) if !silent => findings.extend(alone.explored(node, property)),
            Ok(_) => {}
        }
    }
    findings
}

struct Alone<'a> {
    lines: Lines<'a>,
    text: &'a str,
    system: System,
}

impl Alone<'_> {
    /// A property, and where its claim is written.
    fn property<'n>(
        &self,
        item: &'n Node,
        known: &Vocabulary,
    ) -> Result<Option<(&'n Node, Property)>, Vec<Finding>> {
        let of = |key: &str| Some(&entry(item, key)?.value);
        let compile = |node: &Node| {
            let source = node.text().unwrap_or_default();
            let told = |errors: Vec<ExpressionError>| {
                errors.iter().map(|error| self.wrong(node, error)).collect::<Vec<_>>()
            };
            let condition = Condition::compile(source, known).map_err(told)?;
            match condition.may_be_bool() {
                true => Ok(condition),
                false => {
                    let message = "a condition is true or false, this never is".to_owned();
                    Err(vec![self.lines.finding(Code::Expression, node.span.clone(), message)])
                }
            }
        };
        for word in ["always", "never", "eventually", "reachable", "until"] {
            let Some(node) = of(word) else { continue };
            let condition = compile(node)?;
            let source = condition.source().to_owned();
            let claim = match (word, of("hold")) {
                ("always", _) => Claim::Always(condition),
                ("never", _) => Claim::Never(condition),
                ("eventually", _) => Claim::Eventually(condition),
                ("reachable", _) => Claim::Reachable(condition),
                (_, Some(hold)) => Claim::Until(compile(hold)?, condition),
                (_, None) => return Ok(None),
            };
            let name =
                of("name").and_then(Node::text).map_or_else(|| format!("{word} {source}"), str::to_owned);
            return Ok(Some((node, Property { name: Arc::from(name), claim })));
        }
        Ok(None)
    }

    fn wrong(&self, node: &Node, error: &ExpressionError) -> Finding {
        let span = node.locate(self.text, error.span.clone());
        let mut finding = self.lines.finding(Code::Expression, span, error.message.clone());
        finding.hint.clone_from(&error.hint);
        finding
    }

    /// What breaks the property, if anything does that is found.
    fn explored(&self, node: &Node, property: Property) -> Option<Finding> {
        let mut system = self.system.clone();
        let name = property.name.clone();
        system.properties.push(property);
        let limits = Limits { worlds_max: WORLDS_MAX, threads: 1, ..Limits::default() };
        let message = match explore_within(&system, &limits, &|_| {}) {
            Err(problem) => format!("its properties cannot be tried: {problem}"),
            Ok(report) => {
                let violation = report.violation?;
                let mut finding = self.finding(node, format!("{name:?} does not hold{}", after(&violation)));
                finding.hint = Some(violation.story().trim_end().to_owned());
                return Some(finding);
            }
        };
        Some(self.finding(node, message))
    }

    fn finding(&self, node: &Node, message: String) -> Finding {
        let mut finding = self.lines.finding(Code::BrokenProperty, node.span.clone(), message);
        finding.path = "properties".to_owned();
        finding
    }
}

/// The way there, in a line.
fn after(violation: &Violation) -> String {
    let step = |step: &Happening| match step {
        Happening::Send { event, .. } => format!("`{event}`"),
        Happening::Deliver(posted) => format!("its own `{}`", posted.event),
        Happening::Fire { timer, .. } => format!("the timer {}", timer.as_deref().unwrap_or("of a retry")),
        Happening::Answer { task, with, .. } => match with.get("failed") {
            Some(_) => format!("the failure of task {task}"),
            None => format!("the end of task {task}"),
        },
        _ => "a step".to_owned(),
    };
    match &violation.trace.steps[..] {
        [] => ": not even at the beginning".to_owned(),
        steps => format!(" after {}", steps.iter().map(step).collect::<Vec<_>>().join(", ")),
    }
}

fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|entry| entry.key == key)
}

/// Every event that the chart takes from clients, with data as it declares it.
fn environment(chart: &Chart, root: &Node, to: &Address) -> Vec<May> {
    let declared = entry(root, "events").map(|entry| &entry.value);
    let mut all = Vec::new();
    for event in chart.events() {
        if event.contains('*') || INTERNAL.iter().any(|prefix| event.starts_with(prefix)) {
            continue;
        }
        let shape = declared.and_then(|events| entry(&entry(events, &event)?.value, "data"));
        let mut samples = match shape {
            None => vec![Json::NULL],
            Some(shape) => [false, true].map(|other| json(sample(&shape.value, other))).to_vec(),
        };
        samples.dedup();
        let may = |data| May { to: to.clone(), event: event.clone(), data, times: None };
        all.extend(samples.into_iter().map(may));
    }
    all
}

fn json(value: serde_json::Value) -> Json {
    Json::trusted(value.to_string())
}

/// Data of a declared shape: the least of it, or the other one.
fn sample(shape: &Node, other: bool) -> serde_json::Value {
    let part = |key: &str| entry(shape, key).map(|entry| &entry.value);
    let plain = |node: &Node| {
        let text = node.to_value().to_json().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    if let Some(Kind::List(allowed)) = part("enum").map(|node| &node.kind) {
        let one = if other { allowed.last() } else { allowed.first() };
        return one.map_or(serde_json::Value::Null, plain);
    }
    let kind = match part("type").map(|node| &node.kind) {
        Some(Kind::List(kinds)) => kinds.first().and_then(Node::text),
        _ => part("type").and_then(Node::text),
    };
    let properties = part("properties");
    match kind.or(properties.map(|_| "object")) {
        Some("object") => {
            let Some(Kind::Map(entries)) = properties.map(|node| &node.kind) else {
                return serde_json::json!({});
            };
            let each = entries.iter().map(|entry| (entry.key.clone(), sample(&entry.value, other)));
            serde_json::Value::Object(each.collect())
        }
        Some("integer" | "number") => {
            let bound = if other { part("maximum").or(part("minimum")) } else { part("minimum") };
            bound.map_or_else(|| i64::from(other).into(), plain)
        }
        Some("string") => {
            let least = part("minLength").map(plain).and_then(|length| length.as_u64()).unwrap_or(0);
            "x".repeat(least.clamp(u64::from(other), 1_000) as usize).into()
        }
        Some("boolean") => other.into(),
        Some("array") => serde_json::json!([]),
        _ => serde_json::Value::Null,
    }
}
