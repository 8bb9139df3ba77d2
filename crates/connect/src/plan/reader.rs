//! The reader of connector files: YAML to a plan, with everything that is wrong and where.
//!
//! Its one invariant: a key that is not known, or a value that cannot be meant, is a finding and never ignored.

use super::{NatsPlan, Plan, ReadPlan, SinkPlan, SourcePlan, Spoken, SqsPlan, WebhookPlan};
use crate::body::Form;
use crate::outbox::Begin;
use crate::outward::Choice;
use crate::secret::Secret;
use everstate_chart::document::{self, Entry, Kind, Lines, Node};
use everstate_chart::{Code, Finding, Severity, duration};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Messages held, or notifications waiting, when the file does not say how many.
const IN_FLIGHT: i64 = 1_000;
/// More would only be memory: a server commits far less at a time.
const IN_FLIGHT_MAX: i64 = 100_000;
/// For how long a queue leaves a message to us before it hands it out again. A crash is noticed after as long.
const HOLD: &str = "30s";
/// A hold that is as short as a pause of the network would make every message come twice; SQS holds twelve hours at most.
const HOLDS: (Range<u64>, &str) = (1_000..43_200_001, "1s to 12h");
/// How long a webhook may take to answer, as the Standard Webhooks recommend.
const TIMEOUT: &str = "20s";
const TIMEOUTS: (Range<u64>, &str) = (100..300_001, "100ms to 5m");
/// Sources and sinks of a file, each.
const COUNT_MAX: usize = 100;
/// Bytes of a name. It is part of ids, which have 255.
const NAME_BYTES_MAX: usize = 100;

struct Reader<'a> {
    lines: Lines<'a>,
    findings: Vec<Finding>,
    names: Vec<String>,
}

/// A map whose keys are known.
struct Fields<'n> {
    what: &'static str,
    span: Range<usize>,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    fn of(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }
}

pub(super) fn read(text: &str) -> ReadPlan {
    let mut reader = Reader { lines: Lines::new(text), findings: Vec::new(), names: Vec::new() };
    let mut plan = Plan::default();
    match document::parse(text) {
        Ok(root) => reader.root(&root, &mut plan),
        Err(finding) => reader.findings.push(*finding),
    }
    let usable = reader.findings.iter().all(|finding| finding.severity != Severity::Error);
    ReadPlan { plan: usable.then_some(plan), findings: reader.findings }
}

impl Reader<'_> {
    fn report(&mut self, code: Code, span: Range<usize>, message: impl Into<String>, hint: &str) {
        let mut finding = self.lines.finding(code, span, message.into());
        finding.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.findings.push(finding);
    }

    fn root(&mut self, root: &Node, plan: &mut Plan) {
        let Some(fields) = self.fields(root, "a connector file", &["server", "sources", "sinks"]) else {
            return;
        };
        plan.server = self.url(&fields, "server", &["http", "https"]);
        for node in self.list(&fields, "sources") {
            plan.sources.extend(self.source(node));
        }
        for node in self.list(&fields, "sinks") {
            plan.sinks.extend(self.sink(node));
        }
        if fields.of("sources").is_none() && fields.of("sinks").is_none() {
            let message = "there is nothing to connect: neither sources nor sinks";
            self.report(Code::MissingKey, 0..0, message, "write a list of `sources`, of `sinks`, or both");
        }
    }

    fn source(&mut self, node: &Node) -> Option<SourcePlan> {
        let keys = ["name", "body", "in_flight", "nats", "sqs"];
        let fields = self.fields(node, "a source", &keys)?;
        let (name, form) = (self.name(&fields), self.form(&fields));
        let in_flight = self.count(&fields, "in_flight");
        let queue = match self.one_of(&fields, &["nats", "sqs"])? {
            ("nats", node) => self.nats(node, true).map(Spoken::Nats),
            (_, node) => self.sqs(node, true).map(Spoken::Sqs),
        };
        Some(SourcePlan { name: name?, form: form?, in_flight: in_flight?, queue: queue? })
    }

    fn sink(&mut self, node: &Node) -> Option<SinkPlan> {
        let keys = ["name", "body", "in_flight", "send", "kinds", "from", "nats", "sqs", "webhook"];
        let fields = self.fields(node, "a sink", &keys)?;
        let (name, form) = (self.name(&fields), self.form(&fields));
        let in_flight = self.count(&fields, "in_flight");
        let all = self.word(&fields, "send", &["failures", "all"]).map(|at| at == 1);
        let begin = self.word(&fields, "from", &["now", "beginning"]);
        let kinds: Vec<Option<String>> =
            self.list(&fields, "kinds").iter().map(|node| self.text(node, "a kind")).collect();
        let destination = match self.one_of(&fields, &["nats", "sqs", "webhook"])? {
            ("nats", node) => self.nats(node, false).map(Spoken::Nats),
            ("sqs", node) => self.sqs(node, false).map(Spoken::Sqs),
            (_, node) => self.webhook(node).map(Spoken::Webhook),
        };
        Some(SinkPlan {
            name: name?,
            form: form?,
            in_flight: in_flight?,
            choice: Choice { all: all?, kinds: kinds.into_iter().collect::<Option<_>>()? },
            begin: if begin? == 0 { Begin::Now } else { Begin::Beginning },
            destination: destination?,
        })
    }

    fn nats(&mut self, node: &Node, inward: bool) -> Option<NatsPlan> {
        let common = ["server", "subject", "credentials", "token", "ca"];
        let own: &[&str] = if inward { &["stream", "consumer", "dead_letter", "hold"] } else { &[] };
        let fields = self.fields(node, "a `nats` part", &[&common, own].concat())?;
        let server = self.urls(&fields, "server", &["nats", "tls"]);
        let credentials = self.secret(&fields, "credentials");
        let token = self.secret(&fields, "token");
        let ca = self.optional(&fields, "ca").map(PathBuf::from);
        let mut plan = NatsPlan { server: server?, credentials, token, ca, ..NatsPlan::default() };
        if !inward {
            plan.subject = self.required(&fields, "subject", "where to publish, such as orders.failed")?;
            return Some(plan);
        }
        plan.subject = self.optional(&fields, "subject").unwrap_or_default();
        let stream = self.required(&fields, "stream", "the stream that has the messages");
        let consumer = self.required(&fields, "consumer", "the name of its durable consumer");
        let dead_letter = self.required(&fields, "dead_letter", "a subject for messages that are no events");
        plan.hold = self.span(&fields, "hold", HOLD, HOLDS)?;
        (plan.stream, plan.consumer, plan.dead_letter) = (stream?, consumer?, dead_letter?);
        Some(plan)
    }

    fn sqs(&mut self, node: &Node, inward: bool) -> Option<SqsPlan> {
        let common = ["queue", "region", "endpoint", "credentials", "profile"];
        let own: &[&str] = if inward { &["dead_letter", "hold"] } else { &[] };
        let fields = self.fields(node, "an `sqs` part", &[&common, own].concat())?;
        let queue = self.required(&fields, "queue", "the queue's URL");
        let region = self.required(&fields, "region", "such as eu-central-1");
        let mut plan = SqsPlan {
            endpoint: self.url(&fields, "endpoint", &["http", "https"]),
            credentials: self.optional(&fields, "credentials").map(PathBuf::from),
            profile: self.optional(&fields, "profile").unwrap_or_else(|| "default".into()),
            ..SqsPlan::default()
        };
        if inward {
            let dead_letter =
                self.required(&fields, "dead_letter", "the URL of the queue for what is no event");
            plan.hold = self.span(&fields, "hold", HOLD, HOLDS)?;
            plan.dead_letter = dead_letter?;
        }
        (plan.queue, plan.region) = (queue?, region?);
        Some(plan)
    }

    fn webhook(&mut self, node: &Node) -> Option<WebhookPlan> {
        let fields = self.fields(node, "a `webhook` part", &["url", "secret", "timeout"])?;
        let url = self.urls(&fields, "url", &["http", "https"]);
        let secret = self.secret(&fields, "secret");
        if fields.of("secret").is_none() {
            self.missing(&fields, "secret", "where the signing secret is: {env: NAME} or {file: PATH}");
        }
        let timeout = self.span(&fields, "timeout", TIMEOUT, TIMEOUTS);
        Some(WebhookPlan { url: url?, secret: secret?, timeout: timeout? })
    }

    fn secret(&mut self, fields: &Fields<'_>, key: &str) -> Option<Secret> {
        let node = fields.of(key)?;
        if node.text().is_some() {
            let message = format!("`{key}` holds a secret itself");
            let hint = "say where it is kept: {env: NAME} or {file: PATH}";
            self.report(Code::WrongType, node.span.clone(), message, hint);
            return None;
        }
        let inner = self.fields(node, "a secret", &["env", "file"])?;
        match self.one_of(&inner, &["env", "file"])? {
            ("env", node) => self.text(node, "env").map(Secret::Environment),
            (_, node) => self.text(node, "file").map(|file| Secret::File(file.into())),
        }
    }

    fn name(&mut self, fields: &Fields<'_>) -> Option<String> {
        let name =
            self.required(fields, "name", "a name for logs, and under which a sink's cursor is kept")?;
        let node = fields.of("name")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            let message = format!("name is not usable: {name:?}");
            let hint = "write letters, digits, `-` and `_`, at most 100";
            self.report(Code::BadValue, node.span.clone(), message, hint);
            return None;
        }
        if self.names.contains(&name) {
            let message = format!("there is another source or sink with this name: {name}");
            self.report(Code::BadValue, node.span.clone(), message, "give each a name of its own");
            return None;
        }
        self.names.push(name.clone());
        Some(name)
    }

    fn form(&mut self, fields: &Fields<'_>) -> Option<Form> {
        let at = self.word(fields, "body", &["json", "statemachine"])?;
        Some(if at == 0 { Form::Json } else { Form::Statemachine })
    }

    /// Which of these words it is; the first one when there is none.
    fn word(&mut self, fields: &Fields<'_>, key: &str, words: &[&str]) -> Option<usize> {
        let Some(node) = fields.of(key) else { return Some(0) };
        let text = self.text(node, key)?;
        let at = words.iter().position(|word| *word == text);
        if at.is_none() {
            let message = format!("`{key}` is one of {}, this is {text:?}", words.join(", "));
            self.report(Code::BadValue, node.span.clone(), message, "");
        }
        at
    }

    fn count(&mut self, fields: &Fields<'_>, key: &str) -> Option<usize> {
        let Some(node) = fields.of(key) else { return usize::try_from(IN_FLIGHT).ok() };
        match node.kind {
            Kind::Int(count) if (1..=IN_FLIGHT_MAX).contains(&count) => usize::try_from(count).ok(),
            _ => {
                let message = format!("`{key}` is a whole number from 1 to {IN_FLIGHT_MAX}");
                self.report(Code::BadValue, node.span.clone(), message, "");
                None
            }
        }
    }

    fn span(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        default: &str,
        (range, told): (Range<u64>, &str),
    ) -> Option<Duration> {
        let (text, span) = match fields.of(key) {
            None => (default.to_owned(), 0..0),
            Some(node) => (self.text(node, key)?, node.span.clone()),
        };
        let problem = match duration::parse(&text) {
            Ok(length) if range.contains(&length.0) => return Some(Duration::from_millis(length.0)),
            Ok(_) => format!("from {told}, this is {text}"),
            Err(problem) => problem,
        };
        self.report(Code::BadValue, span, format!("`{key}` is {problem}"), "");
        None
    }

    fn url(&mut self, fields: &Fields<'_>, key: &str, schemes: &[&str]) -> Option<String> {
        fields.of(key)?;
        self.urls(fields, key, schemes)
    }

    /// Addresses with a scheme, separated by commas. What is not asked for here may not have a password in it.
    fn urls(&mut self, fields: &Fields<'_>, key: &str, schemes: &[&str]) -> Option<String> {
        let example = schemes.iter().map(|scheme| format!("{scheme}://HOST:PORT")).collect::<Vec<_>>();
        let text = self.required(fields, key, &example.join(" or "))?;
        let node = fields.of(key)?;
        for url in text.split(',') {
            let rest =
                url.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)).map(|(_, rest)| rest);
            let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
            else {
                let hint = format!("write {}", example.join(" or "));
                self.report(
                    Code::BadValue,
                    node.span.clone(),
                    format!("`{key}` is no address: {url:?}"),
                    &hint,
                );
                return None;
            };
            if rest.split('/').next().is_some_and(|host| host.contains('@')) {
                let hint = "say where they are kept with a key for them, such as `credentials` or `token`";
                let message = format!("`{key}` has credentials in it");
                self.report(Code::BadValue, node.span.clone(), message, hint);
                return None;
            }
        }
        Some(text)
    }

    fn required(&mut self, fields: &Fields<'_>, key: &str, what: &str) -> Option<String> {
        match fields.of(key) {
            Some(node) => self.text(node, key),
            None => {
                self.missing(fields, key, what);
                None
            }
        }
    }

    fn missing(&mut self, fields: &Fields<'_>, key: &str, what: &str) {
        let message = format!("{} has no `{key}`", fields.what);
        let at = fields.span.start..fields.span.start;
        self.report(Code::MissingKey, at, message, &format!("write `{key}`: {what}"));
    }

    fn optional(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        fields.of(key).and_then(|node| self.text(node, key))
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.text() {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => {
                let message = format!("`{what}` is text, this is {}", node.noun());
                self.report(Code::WrongType, node.span.clone(), message, "put it in quotes");
                None
            }
        }
    }

    fn list<'n>(&mut self, fields: &Fields<'n>, key: &str) -> &'n [Node] {
        match fields.of(key).map(|node| (&node.kind, node)) {
            None => &[],
            Some((Kind::List(nodes), _)) if nodes.len() <= COUNT_MAX => nodes,
            Some((Kind::List(nodes), node)) => {
                let message = format!("`{key}` has {} entries, the limit is {COUNT_MAX}", nodes.len());
                self.report(Code::TooLarge, node.span.clone(), message, "divide it into several files");
                &[]
            }
            Some((_, node)) => {
                let message = format!("`{key}` is a list, this is {}", node.noun());
                self.report(Code::WrongType, node.span.clone(), message, "begin each entry with `- `");
                &[]
            }
        }
    }

    /// The one of these keys that is there.
    fn one_of<'n, 'k>(&mut self, fields: &Fields<'n>, keys: &[&'k str]) -> Option<(&'k str, &'n Node)> {
        let mut there = keys.iter().filter_map(|key| Some((*key, fields.of(key)?)));
        let (first, second) = (there.next(), there.next());
        let at = fields.span.start..fields.span.start;
        let words = keys.join(", ");
        match (first, second) {
            (Some(one), None) => Some(one),
            (None, _) => {
                let message = format!("{} has none of {words}", fields.what);
                self.report(Code::MissingKey, at, message, "write one of them");
                None
            }
            (Some(_), Some((key, node))) => {
                let message = format!("{} has one of {words}; `{key}` is one too many", fields.what);
                self.report(Code::BadValue, node.span.clone(), message, "make another entry for it");
                None
            }
        }
    }

    fn fields<'n>(&mut self, node: &'n Node, what: &'static str, keys: &[&str]) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{what} is a map, this is {}", node.noun());
            let hint = format!("write keys and values; the keys are {}", keys.join(", "));
            self.report(Code::WrongType, node.span.clone(), message, &hint);
            return None;
        };
        for (at, entry) in entries.iter().enumerate() {
            if !keys.contains(&entry.key.as_str()) {
                let message = format!("{what} has no key `{}`", entry.key);
                let hint = format!("the keys are {}", keys.join(", "));
                self.report(Code::UnknownKey, entry.key_span.clone(), message, &hint);
            } else if entries[..at].iter().any(|before| before.key == entry.key) {
                let message = format!("`{}` stands here for the second time", entry.key);
                self.report(Code::DuplicateKey, entry.key_span.clone(), message, "remove one of them");
            }
        }
        Some(Fields { what, span: node.span.clone(), entries })
    }
}
