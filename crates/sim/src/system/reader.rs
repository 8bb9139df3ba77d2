//! The reader of system files: YAML or JSON to a system, with everything that is wrong and where.
//!
//! It refuses to open files: whoever calls it does. Its one invariant: without findings of errors there is a system,
//! and with one there is none.

use super::{Faults, Link, May, Member, Scripted, System, Timers, Who};
use everstate_chart::document::{self, Entry, Kind, Lines, Node};
use everstate_chart::{Chart, ChartDefinition, Code, Finding, Machine, Severity, duration};
use everstate_kernel::{Address, Event, Json, SESSION_ACT, SESSION_KIND, version_order};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What came of reading a system file.
#[derive(Debug)]
pub struct ReadSystem {
    /// The system, if there were no errors.
    pub system: Option<System>,
    /// What is wrong or looks wrong: the file's name, its text, and what.
    pub findings: Vec<(Arc<str>, Arc<str>, Finding)>,
}

/// Keys of a system file, in the order in which they are read.
const KEYS: [&str; 15] = [
    "name",
    "description",
    "definitions",
    "replace",
    "cast",
    "first",
    "environment",
    "links",
    "tasks",
    "faults",
    "timers",
    "properties",
    "expect",
    "mailbox_max",
    "symmetric",
];

/// Events of an environment or faults of a budget; more would not be explored to the end in anybody's life.
pub(super) const TIMES_MAX: i64 = 200;

pub(super) struct Reader<'a> {
    file: Arc<str>,
    pub(super) text: Arc<str>,
    lines: Lines<'a>,
    open: &'a dyn Fn(&str) -> Result<String, String>,
    findings: Vec<(Arc<str>, Arc<str>, Finding)>,
    pub(super) charts: BTreeMap<Arc<str>, Arc<Chart>>,
    /// The same by name and version.
    pub(super) versions: BTreeMap<(Arc<str>, Arc<str>), Arc<Chart>>,
    pub(super) system: System,
}

impl System {
    /// Reads a system file. `open` gives the text of a definition that it names, by the path as it is written.
    pub fn read(file: &str, text: &str, open: &dyn Fn(&str) -> Result<String, String>) -> ReadSystem {
        let mut reader = Reader {
            file: Arc::from(file),
            text: Arc::from(text),
            lines: Lines::new(text),
            open,
            findings: Vec::new(),
            charts: BTreeMap::new(),
            versions: BTreeMap::new(),
            system: System { clock: false, ..System::new("system", Vec::new()) },
        };
        match document::parse(text) {
            Ok(root) => reader.root(&root),
            Err(finding) => reader.findings.push((reader.file.clone(), reader.text.clone(), *finding)),
        }
        let usable = reader.findings.iter().all(|(_, _, finding)| finding.severity != Severity::Error);
        ReadSystem { system: usable.then_some(reader.system), findings: reader.findings }
    }

    /// Reads a system whose definitions all stand in its file; the errors are one text.
    pub fn parse(text: &str) -> Result<System, String> {
        let read = System::read("system.yaml", text, &|path| Err(format!("there is no file {path} here")));
        let render = |(file, text, finding): &(Arc<str>, Arc<str>, Finding)| {
            everstate_chart::render(finding, file, text, false)
        };
        read.system.ok_or_else(|| read.findings.iter().map(render).collect())
    }
}

impl<'a> Reader<'a> {
    pub(super) fn report(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let mut finding = self.lines.finding(code, span, message.into());
        let hint = hint.into();
        finding.hint = (!hint.is_empty()).then_some(hint);
        self.findings.push((self.file.clone(), self.text.clone(), finding));
    }

    fn root(&mut self, root: &Node) {
        let Some(entries) = self.entries(root, "a system", &KEYS) else { return };
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        if let Some(name) = of("name").and_then(|node| self.text_of(node, "name")) {
            self.system.name = Arc::from(name);
        }
        match of("definitions") {
            Some(node) => self.definitions(node),
            None => self.report(
                Code::MissingKey,
                root.span.start..root.span.start,
                "the system has no definitions",
                "list files or definitions under `definitions`",
            ),
        }
        if !self.findings.is_empty() {
            // What is wrong with the definitions would be told over and over.
            return;
        }
        of("replace").into_iter().for_each(|node| self.replaced_kinds(node, of("cast")));
        of("cast").into_iter().for_each(|node| self.cast(node));
        of("replace").into_iter().for_each(|node| self.replace(node));
        of("first").into_iter().for_each(|node| self.first(node));
        of("environment").into_iter().for_each(|node| self.environment(node));
        of("links").into_iter().for_each(|node| self.links(node));
        of("tasks").into_iter().for_each(|node| self.tasks(node));
        of("faults").into_iter().for_each(|node| self.faults(node));
        of("timers").into_iter().for_each(|node| self.timers(node));
        if let Some(node) = of("mailbox_max") {
            self.system.mailbox_max = self.number(node, "mailbox_max", 1, 1000).unwrap_or(1) as usize;
        }
        of("symmetric").into_iter().for_each(|node| self.symmetric(node));
        let vocabulary = self.vocabulary();
        of("properties").into_iter().for_each(|node| self.properties(node, &vocabulary));
        of("expect").into_iter().for_each(|node| self.expect(node, &vocabulary));
        self.system.clock |= self.system.definitions.iter().any(|(_, source)| reads_clock(source));
        let nothing_happens = self.system.cast.iter().all(|member| member.start.is_none());
        if self.findings.is_empty()
            && nothing_happens
            && self.system.first.is_empty()
            && self.system.environment.is_empty()
        {
            let message = "nothing can happen: nobody is started and no event is sent";
            self.report(
                Code::MissingKey,
                0..0,
                message,
                "write a `cast`, and events under `first` or `environment`",
            );
        }
    }

    fn definitions(&mut self, node: &Node) {
        let Some(items) = self.items(node, "definitions") else { return };
        for item in items {
            let (file, text): (Arc<str>, Arc<str>) = match &item.kind {
                Kind::Text { text: path, .. } => match (self.open)(path) {
                    Ok(text) => (Arc::from(path.as_str()), Arc::from(text)),
                    Err(problem) => {
                        let hint = "paths count from the folder of the system file";
                        self.report(Code::BadValue, item.span.clone(), problem, hint);
                        continue;
                    }
                },
                _ => match Self::definition_text(item) {
                    Some(text) => (Arc::from("definition"), Arc::from(text)),
                    None => (self.file.clone(), Arc::from(self.cut_out(item))),
                },
            };
            let (machine, findings) = everstate_chart::machine(&file, &text);
            let inline = Arc::ptr_eq(&file, &self.file);
            let shown = if inline { self.text.clone() } else { text.clone() };
            let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
            self.findings.extend(errors.map(|finding| (file.clone(), shown.clone(), finding)));
            let Some(machine) = machine else { continue };
            if self.system.definitions.iter().any(|(other, _)| other.id == *machine.id()) {
                let message = format!("definition {} is there twice", machine.id());
                self.report(Code::DuplicateKey, item.span.clone(), message, "leave one of them out");
                continue;
            }
            match &machine {
                Machine::Chart(ChartDefinition { id, chart, .. }) => {
                    self.charts.insert(id.name.clone(), chart.clone());
                    self.versions.insert((id.name.clone(), id.version.clone()), chart.clone());
                }
                // When it has restarted whom is its state, by the clock.
                Machine::Supervisor(_) => self.system.clock = true,
            }
            self.system.definitions.push((Arc::new(machine.to_definition()), text));
        }
    }

    /// A definition that stands in the file, at the same lines and columns as there.
    fn cut_out(&self, item: &Node) -> String {
        let before = &self.text[..item.span.start];
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        let pad = before.bytes().map(|byte| blank(char::from(byte)));
        pad.collect::<String>() + self.text[item.span.clone()].trim_end()
    }

    fn cast(&mut self, node: &Node) {
        let Kind::Map(entries) = &node.kind else {
            return self.wrong(node, "cast", "a map from names to addresses");
        };
        for entry in entries {
            let name = &entry.key;
            let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !fits {
                let message = format!("the name of a member is not one that expressions can use: {name:?}");
                let hint = "use letters, digits and '_', starting with a letter";
                self.report(Code::BadValue, entry.key_span.clone(), message, hint);
                continue;
            }
            if self.system.cast.iter().any(|member| *member.name == **name) {
                let message = format!("member {name} is there twice");
                self.report(Code::DuplicateKey, entry.key_span.clone(), message, "give each its own name");
                continue;
            }
            self.member(name, &entry.value);
        }
    }

    fn member(&mut self, name: &str, node: &Node) {
        let (mut start, mut address, mut stands) = (Some(Json::NULL), None, None);
        match &node.kind {
            Kind::Text { .. } => address = self.address(node),
            _ => {
                let keys = ["is", "data", "start", "as"];
                let Some(entries) = self.entries(node, "a member of the cast", &keys) else { return };
                for entry in entries {
                    match entry.key.as_str() {
                        "is" => address = self.address(&entry.value),
                        "data" => start = self.data(&entry.value),
                        "as" => stands = Some(&entry.value),
                        _ if matches!(entry.value.kind, Kind::Bool(false)) => start = None,
                        _ => {}
                    }
                }
                if !entries.iter().any(|entry| entry.key == "is") {
                    let hint = "write `is: KIND/ID`";
                    self.report(Code::MissingKey, node.span.clone(), "the member has no address", hint);
                }
            }
        }
        if let Some(address) = address {
            if let Some(node) = stands {
                self.stands(&address, node);
            }
            self.system.cast.push(Member { name: Arc::from(name), address, start });
        }
    }

    fn first(&mut self, node: &Node) {
        let Some(items) = self.items(node, "first") else { return };
        for (place, item) in items.iter().enumerate() {
            let Some((to, event, data, rest)) = self.event(item, &["from"]) else { continue };
            let from = rest.first().and_then(|entry| self.text_of(&entry.value, "from"));
            let from = from.map_or_else(|| format!("client {}", place + 1), str::to_owned);
            if from.starts_with('~') {
                let message = format!("a client is not called {from:?}");
                self.report(Code::BadValue, item.span.clone(), message, "'~' marks what is Everstate's own");
                continue;
            }
            self.system.first.push(Scripted { from: Arc::from(from), to, event, data });
        }
    }

    fn environment(&mut self, node: &Node) {
        let Some(items) = self.items(node, "environment") else { return };
        if items.is_empty() {
            let hint = "list events, or leave `environment` out";
            self.report(Code::BadValue, node.span.clone(), "the environment has no events", hint);
        }
        for item in items {
            let Some((to, event, data, rest)) = self.event(item, &["times"]) else { continue };
            let times = match rest.first().map(|entry| &entry.value) {
                None => Some(1),
                Some(node) if node.text() == Some("any") => None,
                Some(node) => match self.number(node, "times", 1, TIMES_MAX) {
                    Some(times) => Some(times as u8),
                    None => continue,
                },
            };
            self.system.environment.push(May { to, event, data, times });
        }
    }

    /// An event with its receiver, and what else was written.
    fn event<'n>(
        &mut self,
        node: &'n Node,
        more: &[&str],
    ) -> Option<(Address, Arc<str>, Json, Vec<&'n Entry>)> {
        let keys: Vec<&str> = ["to", "event", "data", "acts"].iter().chain(more).copied().collect();
        let entries = self.entries(node, "an event", &keys)?;
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let rest = entries.iter().filter(|entry| more.contains(&entry.key.as_str())).collect();
        if let (Some(to), Some(acts), None, None) = (of("to"), of("acts"), of("event"), of("data")) {
            let to = self.receiver(to)?;
            if to.kind() != SESSION_KIND {
                let message = format!("{to} is no session, so it has no `acts`");
                self.report(Code::BadValue, acts.span.clone(), message, "write `event` and `data`");
                return None;
            }
            return Some((to, Arc::from(SESSION_ACT), self.acts(acts)?, rest));
        }
        let (Some(to), Some(event)) = (of("to"), of("event")) else {
            let hint = "write {to: MEMBER, event: NAME}, or {to: SESSION, acts: […]}";
            self.report(Code::MissingKey, node.span.clone(), "an event needs `to` and `event`", hint);
            return None;
        };
        let to = self.receiver(to);
        let name = self.text_of(event, "event").map(str::to_owned)?;
        if let Err(problem) = Event::check_name(&name) {
            self.report(Code::BadValue, event.span.clone(), problem, "");
            return None;
        }
        let data = match of("data") {
            Some(data) => self.data(data)?,
            None => Json::NULL,
        };
        let to = to?;
        self.check_taken(&to, &name, event);
        Some((to, Arc::from(name), data, rest))
    }

    /// An event that no state of its receiver names is a slip of the pen.
    fn check_taken(&mut self, to: &Address, name: &str, node: &Node) {
        let Some(chart) = self.charts.get(to.kind()) else { return };
        let events = chart.events();
        let takes = |known: &str| match known.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix.trim_end_matches('.')),
            None => known == name,
        };
        if !events.iter().any(|known| takes(known)) {
            let near = events.iter().min_by_key(|known| strsim::osa_distance(known, name));
            let hint = near.map_or(String::new(), |near| format!("did you mean {near}?"));
            let message = format!("no state of {} takes an event {name:?}", to.kind());
            self.report(Code::Unhandled, node.span.clone(), message, hint);
            if let Some((_, _, finding)) = self.findings.last_mut() {
                finding.severity = Severity::Error;
            }
        }
    }

    fn links(&mut self, node: &Node) {
        let Some(items) = self.items(node, "links") else { return };
        for item in items {
            let Some(entries) = self.entries(item, "a link", &["from", "to", "reorder"]) else { continue };
            let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
            let (Some(from), Some(to)) = (of("from"), of("to")) else {
                let hint = "write {from: MEMBER, to: MEMBER}; KIND/* and * are good as well";
                self.report(Code::MissingKey, item.span.clone(), "a link needs `from` and `to`", hint);
                continue;
            };
            let reorder = of("reorder").is_some_and(|node| matches!(node.kind, Kind::Bool(true)));
            if let (Some(from), Some(to)) = (self.who(from), self.who(to)) {
                self.system.links.push(Link { from, to, reorder });
            }
        }
    }

    pub(super) fn who(&mut self, node: &Node) -> Option<Who> {
        match self.text_of(node, "from and to")? {
            "*" => Some(Who::Anyone),
            text => match text.strip_suffix("/*").map(str::to_owned) {
                Some(kind) => self.check_kind(&kind, node).then(|| Who::Kind(Arc::from(kind))),
                None => self.receiver(node).map(Who::One),
            },
        }
    }

    fn faults(&mut self, node: &Node) {
        let keys = ["losses", "duplicates", "clock_steps", "clock_step", "silences", "reconnections"];
        let Some(entries) = self.entries(node, "faults", &keys) else { return };
        let mut faults = Faults::default();
        let mut by = None;
        for entry in entries {
            if entry.key == "clock_step" {
                by = self.span(&entry.value);
                continue;
            }
            let Some(times) = self.number(&entry.value, &entry.key, 1, TIMES_MAX) else { continue };
            match entry.key.as_str() {
                "losses" => faults.losses = times as u8,
                "duplicates" => faults.duplicates = times as u8,
                "silences" => faults.silences = times as u8,
                "reconnections" => faults.reconnections = times as u8,
                _ => faults.clock_steps = times as u8,
            }
        }
        match (by, faults.clock_steps) {
            (Some(by), 1..) => faults.clock_step = by,
            (None, 0) => {}
            _ => {
                let hint = "write both, such as {clock_steps: 1, clock_step: 1h}";
                let message = "`clock_steps` and `clock_step` belong together";
                self.report(Code::MissingKey, node.span.clone(), message, hint);
            }
        }
        let said = faults.duplicates > 0 && faults.losses == 0 && !self.system.tasks.is_empty();
        if (faults.losses > 0 || faults.duplicates > 0)
            && !said
            && self.system.links.is_empty()
            && self.system.first.is_empty()
            && self.findings.is_empty()
        {
            let message = "nothing can be lost or doubled: events between machines arrive exactly once";
            let hint =
                "declare the ways where it can happen under `links`, or events of clients under `first`";
            self.report(Code::BadValue, node.span.clone(), message, hint);
        }
        self.system.faults = faults;
        self.check_outside(node);
    }

    fn timers(&mut self, node: &Node) {
        match self.text_of(node, "timers") {
            Some("race") => self.system.timers = Timers::Race,
            Some("wait") => self.system.timers = Timers::Wait,
            Some(other) => {
                let message = format!("`timers` is race or wait, this is {other:?}");
                self.report(
                    Code::BadValue,
                    node.span.clone(),
                    message,
                    "race: timers may beat events on their way",
                );
            }
            None => {}
        }
    }

    pub(super) fn problems(&self) -> usize {
        self.findings.len()
    }

    /// The version that an instance is started with when none is given.
    pub(super) fn greatest(&self, kind: &str) -> Option<Arc<str>> {
        let versions = self.versions.keys().filter(|(name, _)| **name == *kind).map(|(_, version)| version);
        versions.max_by(|a, b| version_order(a, b)).cloned()
    }

    pub(super) fn known_members(&self) -> String {
        let names: Vec<&str> = self.system.cast.iter().map(|member| &*member.name).collect();
        format!("the cast has {}", names.join(", "))
    }

    /// A member of the cast or an address.
    pub(super) fn receiver(&mut self, node: &Node) -> Option<Address> {
        let text = self.text_of(node, "to")?;
        if let Some(member) = self.system.cast.iter().find(|member| *member.name == *text) {
            return Some(member.address.clone());
        }
        if !text.contains('/') {
            let message = format!("no member of the cast is called {text:?}");
            self.report(Code::UnknownName, node.span.clone(), message, self.known_members());
            return None;
        }
        self.address(node)
    }

    fn address(&mut self, node: &Node) -> Option<Address> {
        let text = self.text_of(node, "an address")?;
        match Address::parse(text) {
            Ok(address) => self.check_kind(address.kind(), node).then_some(address),
            Err(error) => {
                self.report(Code::BadValue, node.span.clone(), error.to_string(), "");
                None
            }
        }
    }

    fn check_kind(&mut self, kind: &str, node: &Node) -> bool {
        let names = || self.system.definitions.iter().map(|(definition, _)| &*definition.id.name);
        if names().any(|name| name == kind) || kind == SESSION_KIND {
            return true;
        }
        let known = names().collect::<Vec<_>>().join(", ");
        let message = format!("there is no definition {kind:?}");
        let hint = format!("the definitions are {known}");
        self.report(Code::UnknownName, node.span.clone(), message, hint);
        false
    }

    pub(super) fn data(&mut self, node: &Node) -> Option<Json> {
        let text = node.to_value().to_json();
        match text
            .map_err(|error| error.to_string())
            .and_then(|text| Json::parse(&text).map_err(|e| e.to_string()))
        {
            Ok(json) => Some(json),
            Err(problem) => {
                self.report(Code::BadValue, node.span.clone(), problem, "");
                None
            }
        }
    }

    pub(super) fn span(&mut self, node: &Node) -> Option<everstate_kernel::Span> {
        let text = match &node.kind {
            Kind::Int(number) => number.to_string(),
            _ => self.text_of(node, "a length of time")?.to_owned(),
        };
        match duration::parse(&text) {
            Ok(span) => Some(span),
            Err(problem) => {
                self.report(Code::BadValue, node.span.clone(), problem, "");
                None
            }
        }
    }

    pub(super) fn number(&mut self, node: &Node, what: &str, min: i64, max: i64) -> Option<i64> {
        match node.kind {
            Kind::Int(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                let message = format!("`{what}` is a whole number from {min} to {max}");
                self.report(Code::BadValue, node.span.clone(), message, "leave it out for none");
                None
            }
        }
    }

    pub(super) fn wrong(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("`{what}` is {wanted}, this is {}", node.noun());
        self.report(Code::WrongType, node.span.clone(), message, "");
    }

    pub(super) fn text_of<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            self.wrong(node, what, "a text");
        }
        text
    }

    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) => Some(items),
            _ => {
                self.wrong(node, what, "a list");
                None
            }
        }
    }

    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Option<&'n [Entry]> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong(node, what, "a map");
            return None;
        };
        for (place, entry) in entries.iter().enumerate() {
            if !keys.contains(&entry.key.as_str()) {
                let message = format!("{what} has no key {:?}", entry.key);
                let hint = format!("the keys are {}", keys.join(", "));
                self.report(Code::UnknownKey, entry.key_span.clone(), message, hint);
            } else if entries[..place].iter().any(|other| other.key == entry.key) {
                let message = format!("the key {:?} is there twice", entry.key);
                self.report(Code::DuplicateKey, entry.key_span.clone(), message, "leave one of them out");
            }
        }
        Some(entries)
    }
}

/// May the definition look at the clock? A word that only looks like it makes worlds differ by time that need not: more
/// work, and nothing wrong.
pub(crate) fn reads_clock(source: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    source.lines().any(|line| {
        let code = line.split_once(" #").map_or(line, |(code, _)| code);
        let is_comment = code.trim_start().starts_with('#');
        let mut words = code.split(|c: char| !part(c));
        !is_comment && (words.any(|word| word == "now") || code.contains("_event.time"))
    })
}

/// What tells a text from another: for traces, which replay on the same definitions alone.
pub fn digest(text: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}
