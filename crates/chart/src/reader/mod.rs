//! The reader of the native format: from a tree of keys to the model, with everything that is wrong on the way.
//!
//! It refuses to know how charts run. Its one invariant: a key is read only through the table in
//! [`crate::format`], and a definition with an error finding gives no chart.

mod author;
mod contents;
mod fields;
mod flat;
mod invokes;
mod kept;
mod links;
pub(crate) mod scxml;
mod shapes;
mod spaces;
mod states;
mod supervisor;
mod targets;
mod transitions;

use crate::chart::Chart;
use crate::code::{Action, Guard, StateIndex};
use crate::document::{self, Entry, Kind, Lines, Node};
use crate::expression::{Names, ObjectType, Type};
use crate::finding::{Code, Finding, Severity};
use crate::format;
use crate::model::{DeclaredEvent, Model, ModelState, Unhandled};
use crate::value::Value;
use everstate_kernel::{Create, Definition, DefinitionId, Durability, Park, Policy, Retry, Span};
use fields::Fields;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
pub use supervisor::SupervisorDefinition;

/// Findings kept of one definition. Whoever has a thousand does not read the next.
pub const FINDINGS_MAX: usize = 1_000;

/// What came of reading a definition.
#[derive(Debug)]
pub struct Outcome {
    /// The definition, if there were no errors.
    pub definition: Option<ChartDefinition>,
    /// All that is wrong or looks wrong, in the order of the text.
    pub findings: Vec<Finding>,
}

/// A definition that was read.
#[derive(Debug, Clone)]
pub struct ChartDefinition {
    /// Name and version.
    pub id: DefinitionId,
    /// What the kernel keeps for it.
    pub policy: Policy,
    /// What it does.
    pub chart: Arc<Chart>,
    /// For people.
    pub description: Option<Arc<str>>,
    /// Words for tools and people.
    pub tags: Vec<Arc<str>>,
}

impl ChartDefinition {
    /// The definition as the kernel takes it.
    pub fn to_definition(&self) -> Definition {
        Definition { id: self.id.clone(), behaviour: self.chart.clone(), policy: self.policy.clone() }
    }
}

/// Reads a definition in YAML, JSON or SCXML. The file's name gives the definition's name where the text does not.
pub fn read(file_name: &str, text: &str) -> Outcome {
    read_as(file_name, text, false)
}

/// Reads a definition whose turns are stored and restored before each microstep. It does the same, slower: that is
/// what it is for.
pub fn read_restless(file_name: &str, text: &str) -> Outcome {
    read_as(file_name, text, true)
}

/// Reads a document that was made by a machine.
pub(crate) fn read_inline(text: &str) -> Outcome {
    scxml::read("document.scxml", text, false)
}

fn read_as(file_name: &str, text: &str, restless: bool) -> Outcome {
    // A mark of byte order is no part of the text; places in findings stay those of the text as given.
    let (text, offset) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, '\u{feff}'.len_utf8()),
        None => (text, 0),
    };
    // No native definition begins so: it would be a text and no map.
    let is_xml = text.trim_start().starts_with('<') && !text.trim_start().starts_with("<<");
    let mut outcome = match document::parse(if is_xml { "" } else { text }) {
        _ if is_xml => scxml::read(file_name, text, restless),
        Ok(root) => read_tree(file_name, text, &root, restless),
        Err(finding) => Outcome { definition: None, findings: vec![*finding] },
    };
    for finding in &mut outcome.findings {
        finding.span = finding.span.start + offset..finding.span.end + offset;
    }
    outcome
}

fn read_tree(file_name: &str, source: &str, root: &Node, restless: bool) -> Outcome {
    let mut reader = Reader::new(source);
    reader.restless = restless;
    let definition =
        if flat::is_flat(root) { reader.flat(file_name, root) } else { reader.definition(file_name, root) };
    reader.findings.retain(|one| one.severity == Severity::Error || !reader.allowed.contains(&one.code));
    let (definition, findings) = finished(definition, reader.findings);
    Outcome { definition, findings }
}

/// What was read, unless one of the findings is an error, and the findings in the order of the text.
fn finished<T>(definition: Option<T>, mut findings: Vec<Finding>) -> (Option<T>, Vec<Finding>) {
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end, finding.code));
    findings.dedup();
    findings.truncate(FINDINGS_MAX);
    let usable = findings.iter().all(|finding| finding.severity != Severity::Error);
    (definition.filter(|_| usable), findings)
}

/// Reads a supervisor; none when the text is of another sort.
pub(crate) fn read_supervisor(
    file_name: &str,
    text: &str,
) -> Option<(Option<SupervisorDefinition>, Vec<Finding>)> {
    // Parsing costs as much as reading, and nearly all definitions are charts.
    if !text.contains("supervisor") {
        return None;
    }
    let root = document::parse(text).ok().filter(supervisor::is_supervisor)?;
    Some(supervisor::read(file_name, text, &root))
}

/// What is known while a definition is read.
pub(crate) struct Reader<'a> {
    source: &'a str,
    lines: Lines<'a>,
    findings: Vec<Finding>,
    states: Vec<ModelState>,
    /// The maps that the states were read from.
    bodies: Vec<Fields<'a>>,
    /// What states are called in `in('…')` and by guards.
    state_names: BTreeMap<Arc<str>, StateIndex>,
    /// The children of each state, sorted by name.
    children_by_name: Vec<Vec<StateIndex>>,
    /// States by `id`.
    ids: BTreeMap<String, StateIndex>,
    machine: String,
    guard_names: BTreeMap<&'a str, u16>,
    action_names: BTreeMap<&'a str, u16>,
    used_guards: BTreeSet<u16>,
    used_actions: BTreeSet<u16>,
    /// What expressions may name where the reader is now.
    names: Names,
    /// How many variables of loops are declared there.
    slots: usize,
    event_types: BTreeMap<Arc<str>, Type>,
    sent: Vec<crate::check::SentToSelf>,
    /// What endpoints may be told of.
    reaches: Vec<everstate_kernel::space::Pattern>,
    asked_presence: Vec<spaces::AskedPresence>,
    restless: bool,
    /// Warnings that the author has given reasons for.
    allowed: BTreeSet<Code>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Reader<'a> {
        Reader {
            source,
            lines: Lines::new(source),
            findings: Vec::new(),
            states: Vec::new(),
            bodies: Vec::new(),
            state_names: BTreeMap::new(),
            children_by_name: Vec::new(),
            ids: BTreeMap::new(),
            machine: String::new(),
            guard_names: BTreeMap::new(),
            action_names: BTreeMap::new(),
            used_guards: BTreeSet::new(),
            used_actions: BTreeSet::new(),
            names: Names::new(),
            slots: 0,
            event_types: BTreeMap::new(),
            sent: Vec::new(),
            reaches: Vec::new(),
            asked_presence: Vec::new(),
            restless: false,
            allowed: BTreeSet::new(),
        }
    }

    fn report(
        &mut self,
        code: Code,
        span: Range<usize>,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        // Sorting comes later, so a few more are kept than are shown.
        if self.findings.len() < 4 * FINDINGS_MAX {
            let mut finding = self.lines.finding(code, span, message.into());
            let hint = hint.into();
            finding.hint = (!hint.is_empty()).then_some(hint);
            finding.path = path.to_owned();
            self.findings.push(finding);
        }
    }

    fn definition(&mut self, file_name: &str, root: &'a Node) -> Option<ChartDefinition> {
        let fields = self.fields(root, &format::DEFINITION, "")?;
        let name = fields.find("name").or_else(|| fields.find("id"));
        let id = self.identity(file_name, name, fields.find("version"), root);
        if let Some(id) = fields.find("id").and_then(|entry| entry.value.text()) {
            self.machine = id.to_owned();
        }
        let policy = self.policy(&fields);
        let description = self.text_of(&fields, "description", "").map(Arc::from);
        let tags = self.tags(&fields, "");
        self.allow(&fields);
        self.properties(&fields);
        let unhandled = self.unhandled(&fields, "").unwrap_or(Unhandled::Reject);
        let context = self.context(&fields);
        let events = self.events(&fields);
        self.event_types = events
            .iter()
            .filter_map(|event| Some((event.name.clone(), event.shape.as_ref()?.to_type())))
            .collect();
        self.names = Names::new().context(Some(context_type(&context, root)));
        self.guard_names = self.name_table(&fields, "guards");
        self.action_names = self.name_table(&fields, "actions");
        self.outline(fields.clone());
        let guards = self.named_guards(&fields);
        let actions = self.named_actions(&fields);
        self.fill_states();
        self.check_names(&fields, &guards, &actions);
        let model = Model {
            states: std::mem::take(&mut self.states),
            guards,
            guard_names: names_in(&fields, "guards"),
            actions,
            action_names: names_in(&fields, "actions"),
            context,
            events,
            unhandled,
            rules: None,
            inline: Vec::new(),
        };
        self.check_presence();
        let sent = std::mem::take(&mut self.sent);
        // With states or transitions missing, what the whole looks like would only be misleading.
        let within_contents = [Code::Expression, Code::UnknownName, Code::UnknownState, Code::NameCycle];
        if self
            .findings
            .iter()
            .all(|one| one.severity != Severity::Error || within_contents.contains(&one.code))
        {
            crate::check::check(&model, &sent, &mut |code, span, path, message, hint| {
                self.report(code, span, path, message, hint);
            });
        }
        let usable = self.findings.iter().all(|finding| finding.severity != Severity::Error);
        let id = id.filter(|_| usable)?;
        let names = std::mem::take(&mut self.state_names).into_iter().collect();
        let mut chart = crate::compile::compile(&id.name, model, names);
        chart.restless = self.restless;
        let chart = Arc::new(chart);
        Some(ChartDefinition { id, policy, chart, description, tags })
    }

    fn identity(
        &mut self,
        file_name: &str,
        name: Option<&'a Entry>,
        version_entry: Option<&'a Entry>,
        root: &Node,
    ) -> Option<DefinitionId> {
        let stem = file_name.rsplit(['/', '\\']).next().unwrap_or("");
        let stem = stem.split('.').next().unwrap_or("");
        let (name, span) = match name {
            Some(entry) => (self.text(entry, &entry.key)?.to_owned(), entry.value.span.clone()),
            None => (stem.to_owned(), root.span.start..root.span.start),
        };
        let version = match version_entry {
            Some(entry) => match entry.value.text() {
                Some(version) => version.to_owned(),
                None if matches!(entry.value.kind, Kind::Int(_) | Kind::Double(_)) => {
                    self.source.get(entry.value.span.clone()).unwrap_or("").to_owned()
                }
                None => {
                    self.wrong_type(&entry.value, "version", "text such as v1");
                    return None;
                }
            },
            None => "v1".to_owned(),
        };
        self.machine = name.clone();
        match DefinitionId::new(&name, &version) {
            Ok(id) => Some(id),
            Err(message) => {
                let at_version = DefinitionId::new(&name, "v1").is_ok();
                let entry = version_entry.filter(|_| at_version);
                let span = entry.map_or(span, |entry| entry.value.span.clone());
                let path = if at_version { "version" } else { "name" };
                self.report(Code::BadValue, span, path, message, "");
                None
            }
        }
    }

    fn policy(&mut self, fields: &Fields<'a>) -> Policy {
        let mut policy = Policy::default();
        match self.word(fields, "create", "") {
            Some("on-demand") => policy.create = Create::OnDemand,
            Some(_) => policy.create = Create::Explicit,
            None => {}
        }
        match self.word(fields, "durability", "") {
            Some("none") => policy.durability = Durability::None,
            Some("process") => policy.durability = Durability::Process,
            Some(_) => policy.durability = Durability::Power,
            None => {}
        }
        policy.retain = self.retain(fields);
        policy.index = self.index(fields);
        if self.word(fields, "park", "") == Some("instance") {
            policy.park = Park::Instance;
        }
        if let Some(entry) = fields.find("retry")
            && let Some(retry) = self.fields(&entry.value, &format::RETRY, "retry")
        {
            policy.retry = self.retry(&retry, Retry::default(), "retry");
        }
        policy
    }

    fn retry(&mut self, fields: &Fields<'a>, default: Retry, path: &str) -> Retry {
        let mut retry = default;
        if let Some(entry) = fields.find("attempts") {
            match entry.value.kind {
                Kind::Int(attempts @ 1..=1_000_000) => retry.attempts = attempts as u32,
                Kind::Int(other) => {
                    let message = format!("attempts must be 1 to 1000000, this is {other}");
                    self.report(
                        Code::BadValue,
                        entry.value.span.clone(),
                        &join(path, "attempts"),
                        message,
                        "",
                    );
                }
                _ => self.wrong_type(&entry.value, &join(path, "attempts"), "a whole number"),
            }
        }
        if let Some(backoff) = self.duration(fields, "backoff", path) {
            retry.backoff = backoff;
        }
        if let Some(max) = self.duration(fields, "max", path) {
            retry.backoff_max = max;
        }
        retry
    }

    fn unhandled(&mut self, fields: &Fields<'a>, path: &str) -> Option<Unhandled> {
        self.word(fields, "unhandled", path).map(|word| match word {
            "ignore" => Unhandled::Ignore,
            "defer" => Unhandled::Defer,
            "fail" => Unhandled::Fail,
            _ => Unhandled::Reject,
        })
    }

    fn context(&mut self, fields: &Fields<'a>) -> Value {
        let empty = || Value::from(crate::value::Map::new());
        let Some(entry) = fields.find("context") else { return empty() };
        if !matches!(entry.value.kind, Kind::Map(_)) {
            self.wrong_type(&entry.value, "context", "a map of the data that an instance begins with");
            return empty();
        }
        self.check_repeats(&entry.value, "context");
        let value = entry.value.to_value();
        if !value.nests_within(crate::value::VALUE_DEPTH_MAX - 1) {
            let message =
                format!("the context nests deeper than {} levels", crate::value::VALUE_DEPTH_MAX - 1);
            self.report(Code::TooLarge, entry.value.span.clone(), "context", message, "flatten it");
            return empty();
        }
        value
    }

    fn events(&mut self, fields: &Fields<'a>) -> Vec<DeclaredEvent> {
        let Some(entry) = fields.find("events") else { return Vec::new() };
        let mut events = Vec::new();
        for declared in self.entries(&entry.value, "events", "a map from event names to their descriptions") {
            let path = format!("events.{}", declared.key);
            let (mut description, mut shape) = (None, None);
            match &declared.value.kind {
                Kind::Null => {}
                Kind::Text { text, .. } => description = Some(Arc::from(text.as_str())),
                _ => {
                    if let Some(fields) = self.fields(&declared.value, &format::EVENT, &path) {
                        description = self.text_of(&fields, "description", &path).map(Arc::from);
                        shape = fields
                            .find("data")
                            .and_then(|data| self.shape(&data.value, &format!("{path}.data")));
                    }
                }
            }
            let name = Arc::from(declared.key.as_str());
            events.push(DeclaredEvent { name, description, shape, span: declared.key_span.clone() });
        }
        events
    }

    fn name_table(&mut self, fields: &Fields<'a>, key: &str) -> BTreeMap<&'a str, u16> {
        let Some(entry) = fields.find(key) else { return BTreeMap::new() };
        let entries = self.entries(&entry.value, key, "a map from names");
        if entries.len() > usize::from(u16::MAX) {
            let message = format!("more than {} names", u16::MAX);
            self.report(Code::TooLarge, entry.value.span.clone(), key, message, "");
            return BTreeMap::new();
        }
        entries.iter().enumerate().map(|(at, entry)| (entry.key.as_str(), at as u16)).collect()
    }

    fn named_guards(&mut self, fields: &Fields<'a>) -> Vec<Guard> {
        let Some(entry) = fields.find("guards") else { return Vec::new() };
        let Kind::Map(_) = entry.value.kind else { return Vec::new() };
        let entries = distinct(&entry.value);
        let guards = entries.iter().map(|entry| {
            let path = format!("guards.{}", entry.key);
            self.guard_expression(&entry.value, &path).unwrap_or(Guard::Constant(false))
        });
        guards.collect()
    }

    fn named_actions(&mut self, fields: &Fields<'a>) -> Vec<Vec<Action>> {
        let Some(entry) = fields.find("actions") else { return Vec::new() };
        let Kind::Map(_) = entry.value.kind else { return Vec::new() };
        let entries = distinct(&entry.value);
        let lists = entries.iter().map(|entry| self.actions(&entry.value, &format!("actions.{}", entry.key)));
        lists.collect()
    }

    /// Named guards and actions that use each other in a circle would never end; unused ones are mistakes.
    fn check_names(&mut self, fields: &Fields<'a>, guards: &[Guard], actions: &[Vec<Action>]) {
        let mut uses: Vec<Vec<u16>> = vec![Vec::new(); guards.len()];
        for (at, guard) in guards.iter().enumerate() {
            guard.walk(&mut |part| {
                if let Guard::Named(name) = part {
                    uses[at].push(*name);
                }
            });
        }
        let used = std::mem::take(&mut self.used_guards);
        self.check_table(fields, "guards", &uses, &used);
        let mut uses: Vec<Vec<u16>> = vec![Vec::new(); actions.len()];
        for (at, action) in
            actions.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |one| (at, one)))
        {
            action.walk(&mut |part| {
                if let Action::Named(name) = part {
                    uses[at].push(*name);
                }
            });
        }
        let used = std::mem::take(&mut self.used_actions);
        self.check_table(fields, "actions", &uses, &used);
    }

    fn check_table(&mut self, fields: &Fields<'a>, key: &str, uses: &[Vec<u16>], used: &BTreeSet<u16>) {
        let Some(entry) = fields.find(key) else { return };
        let singular = key.trim_end_matches('s');
        for (at, entry) in distinct(&entry.value).into_iter().enumerate() {
            let path = format!("{key}.{}", entry.key);
            if reaches_itself(uses, at) {
                let message = format!("the {singular} {:?} uses itself in a circle", entry.key);
                self.report(Code::NameCycle, entry.key_span.clone(), &path, message, "");
            } else if !used.contains(&(at as u16)) {
                let message = format!("nothing uses the {singular} {:?}", entry.key);
                self.report(
                    Code::Unused,
                    entry.key_span.clone(),
                    &path,
                    message,
                    "remove it, or use it by its name",
                );
            }
        }
    }
}

/// Can a name be reached from itself by uses?
fn reaches_itself(uses: &[Vec<u16>], start: usize) -> bool {
    let mut seen = vec![false; uses.len()];
    let mut todo: Vec<u16> = uses[start].clone();
    while let Some(next) = todo.pop() {
        let next = usize::from(next);
        if next == start {
            return true;
        }
        if next < seen.len() && !std::mem::replace(&mut seen[next], true) {
            todo.extend(&uses[next]);
        }
    }
    false
}

/// The entries of a map, the first of each key; nothing for anything else.
fn distinct(node: &Node) -> Vec<&Entry> {
    let Kind::Map(entries) = &node.kind else { return Vec::new() };
    let mut seen = BTreeSet::new();
    entries.iter().filter(|entry| seen.insert(entry.key.as_str())).collect()
}

/// The keys of a table, the first of each.
fn names_in(fields: &Fields<'_>, key: &str) -> Vec<Arc<str>> {
    let entries = fields.find(key).map(|entry| distinct(&entry.value)).unwrap_or_default();
    entries.into_iter().map(|entry| Arc::from(entry.key.as_str())).collect()
}

/// What expressions may assume of the context: the declared keys, and those that some `assign` sets. Nothing is
/// assumed where none are declared.
fn context_type(context: &Value, root: &Node) -> Type {
    let Type::Object(object) = Type::of_initial(context) else { return Type::Dyn };
    if object.fields.is_empty() {
        return Type::Dyn;
    }
    let mut fields = object.fields.clone();
    assigned(root, &mut |name| {
        fields.entry(Arc::from(name)).or_insert(Type::Dyn);
    });
    Type::Object(Arc::new(ObjectType { fields, open: false }))
}

/// Visits every key that some `assign` sets.
fn assigned(node: &Node, visit: &mut dyn FnMut(&str)) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| assigned(item, visit)),
        Kind::Map(entries) => {
            for entry in entries {
                if entry.key == "assign"
                    && let Kind::Map(fields) = &entry.value.kind
                {
                    fields.iter().for_each(|field| visit(&field.key));
                }
                assigned(&entry.value, visit);
            }
        }
        _ => {}
    }
}

/// A path with one more step.
fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}

/// A length of time from a number or a text; otherwise what is wrong.
fn span_of(node: &Node) -> Result<Span, String> {
    match &node.kind {
        Kind::Int(milliseconds) => crate::duration::parse(&milliseconds.to_string()),
        Kind::Text { text, .. } => crate::duration::parse(text),
        _ => Err(format!(
            "a length of time is needed here, this is {}; write milliseconds, or such as 30s, 5m, 1h30m, 2d",
            node.noun()
        )),
    }
}

#[cfg(test)]
mod tests;
