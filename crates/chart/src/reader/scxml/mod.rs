//! The reader of SCXML: from XML to the model, with everything that is wrong on the way.
//!
//! It refuses to know how charts run, and to read anything but the text that it is given: document types and entities
//! of a document's own, scripts and files named by `src` are refused. Its one invariant: what the recommendation lets a
//! machine meet at run time is a warning here, and an error event there.

mod contents;
mod expressions;
mod states;
mod values;

use super::{ChartDefinition, FINDINGS_MAX, Outcome};
use crate::chart::{Chart, Datum, Rules};
use crate::code::StateIndex;
use crate::document::{DEFINITION_BYTES_MAX, Lines, NESTING_MAX, NODES_MAX};
use crate::expression::{Names, Type};
use crate::finding::{Code, Finding, Severity};
use crate::model::{Model, ModelState, Unhandled};
use crate::value::Value;
use everstate_kernel::{Create, DefinitionId, Durability, Policy};
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// The namespace of the recommendation.
pub(crate) const NAMESPACE: &str = "http://www.w3.org/2005/07/scxml";

/// The namespace of attributes that only Everstate knows.
pub(crate) const OWN_NAMESPACE: &str = "https://everstate.dev/scxml";

/// Names that expressions see besides data, by their slots.
pub(crate) const SYSTEM_VARIABLES: [&str; 4] = ["_event", "_name", "_sessionid", "_ioprocessors"];

/// Reads a document.
pub(crate) fn read(file_name: &str, text: &str, restless: bool) -> Outcome {
    let oversized = text.len() > DEFINITION_BYTES_MAX;
    let lines = Lines::new(if oversized { "" } else { text });
    let fail = |code: Code, at: usize, message: String, hint: &str| {
        let mut finding = lines.finding(code, at..at, message);
        finding.hint = (!hint.is_empty()).then(|| hint.to_owned());
        Outcome { definition: None, findings: vec![finding] }
    };
    if oversized {
        let message =
            format!("the definition is {} bytes long, the limit is {DEFINITION_BYTES_MAX}", text.len());
        return fail(
            Code::TooLarge,
            0,
            message,
            "divide it into several machines that send events to each other",
        );
    }
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX as u32, ..ParsingOptions::default() };
    let document = match Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => {
            let at = match error {
                roxmltree::Error::UnclosedRootNode => text.trim_end().len(),
                _ => byte_at(text, error.pos()),
            };
            return match error {
                roxmltree::Error::DtdDetected => fail(
                    Code::Unsupported,
                    text.find("<!DOCTYPE").unwrap_or(at),
                    "a document type is not read: it could name files and entities".to_owned(),
                    "remove the <!DOCTYPE …>, and write out what its entities stand for",
                ),
                roxmltree::Error::NodesLimitReached => {
                    let message = format!("the document has more than {NODES_MAX} nodes");
                    fail(Code::TooLarge, at, message, "divide it into several machines")
                }
                other => fail(Code::Malformed, at, format!("not XML: {other}"), ""),
            };
        }
    };
    if let Some(deep) = too_deep(&document) {
        let message = format!("the document nests deeper than {NESTING_MAX} levels");
        return fail(Code::TooLarge, deep, message, "flatten the innermost elements");
    }
    let mut findings = Vec::new();
    let definition =
        Reader::new(text, &lines, restless).definition(file_name, document.root_element(), &mut findings);
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end, finding.code));
    findings.dedup();
    let usable = findings.iter().all(|finding| finding.severity != Severity::Error);
    findings.truncate(FINDINGS_MAX);
    Outcome { definition: definition.filter(|_| usable), findings }
}

/// The byte of a place that the parser gives as line and column in characters.
fn byte_at(text: &str, place: roxmltree::TextPos) -> usize {
    let line = text.split_inclusive('\n').take(place.row.saturating_sub(1) as usize).map(str::len).sum();
    let rest = text.get(line..).unwrap_or("");
    let column = rest.char_indices().nth(place.col.saturating_sub(1) as usize);
    line + column.map_or(rest.len(), |(at, _)| at)
}

/// Where a document nests deeper than recursion over it is safe.
fn too_deep(document: &Document<'_>) -> Option<usize> {
    let mut depths: Vec<usize> = Vec::new();
    for node in document.descendants() {
        let depth = node.parent().map_or(0, |parent| depths[parent.id().get_usize()] + 1);
        if depth > NESTING_MAX {
            return Some(node.range().start);
        }
        depths.push(depth);
    }
    None
}

type Element<'a> = Node<'a, 'a>;

/// What is known while a machine is read; one inside of an `invoke` has a reader of its own.
struct Reader<'s> {
    source: &'s str,
    lines: &'s Lines<'s>,
    findings: Vec<Finding>,
    states: Vec<ModelState>,
    ids: BTreeMap<String, StateIndex>,
    data: Vec<Datum>,
    /// What expressions may name.
    names: Names,
    has_data: bool,
    inline: Vec<Arc<Chart>>,
    restless: bool,
}

impl<'s> Reader<'s> {
    fn new(source: &'s str, lines: &'s Lines<'s>, restless: bool) -> Reader<'s> {
        Reader {
            source,
            lines,
            findings: Vec::new(),
            states: Vec::new(),
            ids: BTreeMap::new(),
            data: Vec::new(),
            names: Names::new(),
            has_data: true,
            inline: Vec::new(),
            restless,
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
        if self.findings.len() < 4 * FINDINGS_MAX {
            let mut finding = self.lines.finding(code, span, message.into());
            let hint = hint.into();
            finding.hint = (!hint.is_empty()).then_some(hint);
            finding.path = path.to_owned();
            self.findings.push(finding);
        }
    }

    fn definition(
        mut self,
        file_name: &str,
        root: Element<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<ChartDefinition> {
        let id = self.identity(file_name, root);
        let policy = self.policy(root);
        let chart = self.machine(root, &id.name);
        findings.append(&mut self.findings);
        Some(ChartDefinition { id, policy, chart: chart?, description: None, tags: Vec::new() })
    }

    /// The chart of an `scxml` element, if nothing is wrong with it.
    fn machine(&mut self, root: Element<'_>, name: &str) -> Option<Arc<Chart>> {
        if !is_scxml(root, "scxml") {
            let tag = root.tag_name().name().to_owned();
            let hint =
                "the outermost element is <scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\">";
            self.report(Code::UnknownKey, tag_span(root), "", format!("<{tag}> is not SCXML"), hint);
            return None;
        }
        self.check_attributes(
            root,
            &["name", "initial", "version", "datamodel", "binding", "exmode", "xmlns"],
        );
        self.check_version(root);
        self.has_data = self.datamodel(root);
        let late = match root.attribute("binding") {
            None | Some("early") => false,
            Some("late") => true,
            Some(other) => {
                let message = format!("binding is early or late, this is {other:?}");
                self.report(Code::BadValue, attribute_span(root, "binding"), "binding", message, "");
                false
            }
        };
        let unhandled = self.unhandled(root);
        self.declare_names(root);
        self.outline(root, name);
        self.fill(root);
        let rules = Rules {
            name: Value::from(root.attribute("name").unwrap_or("")),
            late,
            data: std::mem::take(&mut self.data).into_boxed_slice(),
        };
        let model = Model {
            states: std::mem::take(&mut self.states),
            guards: Vec::new(),
            actions: Vec::new(),
            context: Value::Null,
            events: Vec::new(),
            unhandled,
            rules: Some(rules),
            inline: std::mem::take(&mut self.inline),
        };
        let usable = |reader: &Reader<'_>| reader.findings.iter().all(|one| one.severity != Severity::Error);
        if !usable(self) {
            return None;
        }
        crate::check::check(&model, &[], &mut |code, span, path, message, hint| {
            self.report(code, span, path, message, hint);
        });
        if !usable(self) {
            return None;
        }
        let mut names: BTreeMap<Arc<str>, StateIndex> = BTreeMap::new();
        for (at, state) in model.states.iter().enumerate().skip(1) {
            names.insert(Arc::from(state.path.as_str()), at as StateIndex);
        }
        for (at, state) in model.states.iter().enumerate().skip(1).filter(|(_, state)| state.has_id) {
            names.insert(Arc::from(state.id.as_str()), at as StateIndex);
        }
        let mut chart = crate::compile::compile(name, model, names.into_iter().collect());
        chart.restless = self.restless;
        Some(Arc::new(chart))
    }

    /// The name where it can be one, else the file's.
    fn identity(&mut self, file_name: &str, root: Element<'_>) -> DefinitionId {
        let stem = file_name.rsplit(['/', '\\']).next().unwrap_or("");
        let stem = stem.split('.').next().unwrap_or("");
        let version = root.attribute((OWN_NAMESPACE, "version")).unwrap_or("v1");
        let named = root.attribute("name").and_then(|name| DefinitionId::new(name, "v1").ok());
        let id = named.or_else(|| DefinitionId::new(stem, "v1").ok());
        let id = id.map_or_else(|| Arc::from("machine"), |id| id.name);
        match DefinitionId::new(&id, version) {
            Ok(id) => id,
            Err(message) => {
                self.report(Code::BadValue, tag_span(root), "version", message, "");
                DefinitionId { name: id, version: Arc::from("v1") }
            }
        }
    }

    fn own_word<'w>(&mut self, root: Element<'_>, name: &str, words: &[&'w str]) -> Option<&'w str> {
        let text = root.attribute((OWN_NAMESPACE, name))?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let message = format!("{name} must be one of {}, this is {text:?}", words.join(", "));
            self.report(Code::BadValue, tag_span(root), name, message, "");
        }
        found
    }

    fn policy(&mut self, root: Element<'_>) -> Policy {
        let mut policy = Policy::default();
        if self.own_word(root, "create", &["explicit", "on-demand"]) == Some("on-demand") {
            policy.create = Create::OnDemand;
        }
        match self.own_word(root, "durability", &["power", "process", "none"]) {
            Some("none") => policy.durability = Durability::None,
            Some("process") => policy.durability = Durability::Process,
            _ => {}
        }
        policy
    }

    /// The recommendation drops events that nobody takes.
    fn unhandled(&mut self, root: Element<'_>) -> Unhandled {
        match self.own_word(root, "unhandled", crate::format::UNHANDLED) {
            Some("reject") => Unhandled::Reject,
            Some("defer") => Unhandled::Defer,
            Some("fail") => Unhandled::Fail,
            _ => Unhandled::Ignore,
        }
    }

    fn check_version(&mut self, root: Element<'_>) {
        if let Some(version) = root.attribute("version")
            && version != "1.0"
        {
            let message = format!("SCXML has version 1.0, this is {version:?}");
            self.report(Code::BadValue, attribute_span(root, "version"), "version", message, "");
        }
    }

    /// Are there data?
    fn datamodel(&mut self, root: Element<'_>) -> bool {
        match root.attribute("datamodel") {
            None | Some("cel") => true,
            Some("null") => false,
            Some(other) => {
                let message = format!("the data model {other:?} is not supported");
                let hint = "write datamodel=\"cel\", with expressions in CEL, or datamodel=\"null\"";
                self.report(Code::Unsupported, attribute_span(root, "datamodel"), "datamodel", message, hint);
                true
            }
        }
    }

    /// All data and variables of loops are known before the first expression is read.
    fn declare_names(&mut self, root: Element<'_>) {
        let mut known: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut names = Names::new().context(None).event(None);
        for name in SYSTEM_VARIABLES {
            names.declare(name, Type::Dyn);
        }
        let mut todo = vec![root];
        while let Some(element) = todo.pop() {
            for attribute in match element.tag_name().name() {
                "data" => &["id"][..],
                "foreach" => &["item", "index"][..],
                _ => &[],
            } {
                known.extend(element.attribute(*attribute).map(Arc::from));
            }
            // What is in another machine is not seen in this one.
            todo.extend(element.children().filter(|child| child.is_element() && !is_scxml(*child, "scxml")));
        }
        self.names = names.bare_context(Arc::new(known));
    }

    /// Reports attributes that an element does not have.
    fn check_attributes(&mut self, element: Element<'_>, known: &[&'static str]) {
        for attribute in element.attributes().filter(|one| one.namespace().is_none()) {
            let name = attribute.name();
            if known.contains(&name) {
                continue;
            }
            let tag = element.tag_name().name();
            let message = format!("unknown attribute {name:?} of <{tag}>");
            let hint = match crate::finding::nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.is_empty() => String::new(),
                None => format!("known attributes: {}", known.join(", ")),
            };
            self.report(Code::UnknownKey, attribute.range(), tag, message, hint);
        }
    }

    /// Reports a child that does not belong where it is. What is of another namespace is for other tools.
    fn stray(&mut self, child: Element<'_>, parent: &str) {
        let tag = child.tag_name().name();
        if child.tag_name().namespace().is_some_and(|namespace| namespace != NAMESPACE) {
            let message = format!("<{tag}> is of another namespace; it is passed over");
            self.report(Code::Ignored, tag_span(child), parent, message, "");
        } else {
            let message = format!("<{tag}> does not belong into <{parent}>");
            self.report(Code::UnknownKey, tag_span(child), parent, message, "");
        }
    }

    /// Both of two attributes that exclude each other?
    fn exclusive(&mut self, element: Element<'_>, one: &str, other: &str) {
        if element.has_attribute(one) && element.has_attribute(other) {
            let tag = element.tag_name().name();
            let message = format!("<{tag}> has {one:?} and {other:?}, of which only one can count");
            self.report(Code::BadValue, attribute_span(element, other), tag, message, "remove one of them");
        }
    }
}

/// Is it that element of the recommendation? Documents without any namespace are taken for SCXML too.
fn is_scxml(node: Element<'_>, tag: &str) -> bool {
    let name = node.tag_name();
    name.name() == tag && name.namespace().is_none_or(|namespace| namespace == NAMESPACE)
}

/// The elements in an element.
fn elements<'a>(node: Element<'a>) -> impl Iterator<Item = Element<'a>> {
    node.children().filter(|child| child.is_element())
}

/// Where the opening tag of an element stands, without its attributes.
fn tag_span(node: Element<'_>) -> Range<usize> {
    let start = node.range().start;
    start..(start + 1 + node.tag_name().name().len()).min(node.range().end)
}

/// Where the value of an attribute stands.
fn attribute_span(node: Element<'_>, name: &str) -> Range<usize> {
    node.attribute_node(name).map_or_else(|| tag_span(node), |attribute| attribute.range_value())
}

#[cfg(test)]
mod tests;
