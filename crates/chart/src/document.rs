//! YAML (and JSON, which is YAML) as a tree with positions. One reader for both, so that a definition means the
//! same in either.
//!
//! It refuses to know what the keys mean. Its one invariant: whatever the text, it answers with a tree within the
//! limits below or with findings, in time linear in the text, and without recursion over the text's depth.

mod json;

use crate::finding::{Code, Finding};
use crate::value::{Map, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a definition. Charts of a thousand states are about 200 kB; at twice this, reading one could
/// hold up a server for a second.
pub const DEFINITION_BYTES_MAX: usize = 4 << 20;

/// How deep a definition may nest. A state nests two levels deeper than its parent, so this is more than
/// [`crate::STATE_DEPTH_MAX`] states and their actions, and shallow enough for recursion on a 2 MiB stack.
pub const NESTING_MAX: usize = 200;

/// Nodes of a definition after aliases are put in. Bounds what a few lines of nested aliases can grow to.
pub const NODES_MAX: usize = 400_000;

/// A value in a definition, with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands, in bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Double(f64),
    /// Text; `content` is where its first character stands when it is written as it reads.
    Text {
        /// The text.
        text: String,
        /// Where its first character stands.
        content: Option<usize>,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text, repeated keys included.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What it is, in words for messages.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Double(_) => "a number",
            Kind::Text { .. } => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Where a range of its text stands in the source, as exactly as its notation allows.
    pub fn locate(&self, source: &str, range: Range<usize>) -> Range<usize> {
        let Kind::Text { text, content } = &self.kind else { return self.span.clone() };
        if let Some(content) = content {
            return content + range.start..content + range.end.max(range.start);
        }
        // Block and folded texts: find the line of the text in the source, then count from its start.
        let before = text.get(..range.start).unwrap_or("");
        let mut cursor = self.span.start;
        for line in before.split('\n').take(before.matches('\n').count()) {
            match source.get(cursor..self.span.end).and_then(|rest| rest.find(line)) {
                Some(at) => cursor += at + line.len(),
                None => return self.span.clone(),
            }
        }
        let line_from = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_from..].split('\n').next().unwrap_or("");
        match source.get(cursor..self.span.end).and_then(|rest| rest.find(line)) {
            Some(at) if !line.is_empty() => {
                let start = cursor + at + (range.start - line_from);
                start..start + range.len().min(line.len() - (range.start - line_from).min(line.len()))
            }
            _ => self.span.clone(),
        }
    }

    /// The node as a value, for data that is carried as it is.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Int(value) => Value::Int(*value),
            Kind::Double(value) => Value::Double(*value),
            Kind::Text { text, .. } => Value::from(text.as_str()),
            Kind::List(nodes) => Value::list(nodes.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.as_str(), entry.value.to_value()));
                Value::from(entries.collect::<Map>())
            }
        }
    }
}

/// Turns places in bytes into lines and columns.
#[derive(Debug)]
pub struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Looks for the lines of a text.
    pub fn new(source: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { source, starts }
    }

    /// Line and column of a byte, counted from 1; columns in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let byte = byte.min(self.source.len());
        let line = self.starts.partition_point(|start| *start <= byte);
        let column = self.source.get(self.starts[line - 1]..byte).map_or(1, |text| text.chars().count() + 1);
        (line, column)
    }

    /// A finding at a place of the text.
    pub fn finding(&self, code: Code, span: Range<usize>, message: String) -> Finding {
        let (line, column) = self.position(span.start);
        let severity = code.severity();
        Finding { code, severity, message, span, line, column, path: String::new(), hint: None }
    }
}

/// Reads a text. The findings are errors; without any there is a tree.
pub fn parse(source: &str) -> Result<Node, Box<Finding>> {
    let lines = Lines::new(if source.len() > DEFINITION_BYTES_MAX { "" } else { source });
    if source.len() > DEFINITION_BYTES_MAX {
        let message =
            format!("the definition is {} bytes long, the limit is {DEFINITION_BYTES_MAX}", source.len());
        let mut finding = lines.finding(Code::TooLarge, 0..0, message);
        finding.hint = Some("divide it into several machines that send events to each other".into());
        return Err(Box::new(finding));
    }
    match json::parse(source) {
        Some(node) => Ok(node),
        None => Builder::new(source, &lines).run(),
    }
}

/// A collection that is being read.
struct Open {
    start: usize,
    anchor: usize,
    nodes_before: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Range<usize>)> },
}

/// A node that aliases may stand for, and how many nodes it is.
struct Anchored {
    node: Node,
    nodes: usize,
}

struct Builder<'a> {
    source: &'a str,
    lines: &'a Lines<'a>,
    /// Bytes of every character's start, for texts that are not ASCII: the parser counts characters.
    bytes: Option<Vec<u32>>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a str, lines: &'a Lines<'a>) -> Builder<'a> {
        let bytes = (!source.is_ascii()).then(|| {
            let starts = source.char_indices().map(|(at, _)| at as u32);
            starts.chain(std::iter::once(source.len() as u32)).collect()
        });
        Builder { source, lines, bytes, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            None => character.min(self.source.len()),
            Some(bytes) => bytes.get(character).map_or(self.source.len(), |byte| *byte as usize),
        }
    }

    fn fail(&self, code: Code, span: Range<usize>, message: impl Into<String>, hint: &str) -> Box<Finding> {
        let mut finding = self.lines.finding(code, span, message.into());
        finding.hint = (!hint.is_empty()).then(|| hint.to_owned());
        Box::new(finding)
    }

    fn run(mut self) -> Result<Node, Box<Finding>> {
        let mut parser = Parser::new_from_str(self.source);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((Event::StreamEnd, _)) => break,
                Ok((event, span)) => self.event(event, span)?,
                Err(error) => {
                    let at = self.byte(error.marker().index());
                    let at = at.min(self.source.trim_end().len());
                    if error.info().contains("recursion limit") {
                        let message = format!("the definition nests deeper than {NESTING_MAX} levels");
                        return Err(self.fail(
                            Code::TooLarge,
                            at..at,
                            message,
                            "flatten the innermost states",
                        ));
                    }
                    return Err(self.fail(
                        Code::Malformed,
                        at..at,
                        format!("not YAML: {}", error.info()),
                        "",
                    ));
                }
            }
        }
        match self.root.take() {
            Some(node) => Ok(node),
            None => Err(self.fail(
                Code::Malformed,
                0..0,
                "the definition is empty",
                "begin with `name: NAME`, `initial: STATE` and `states:`",
            )),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Finding>> {
        let span = self.byte(span.start.index())..self.byte(span.end.index());
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(self.fail(
                Code::Malformed,
                span,
                "a second document begins here; a file holds one definition",
                "put it into a file of its own",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text, style, tag.as_deref(), span)?;
                self.count(1, &node.span)?;
                self.anchor(anchor, &node, 1)?;
                self.add(node)
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(anchor, tag.as_deref(), span, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.start(anchor, tag.as_deref(), span, OpenKind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span.end),
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return Err(self.fail(
                        Code::Malformed,
                        span,
                        "the alias stands inside of what it is an alias of",
                        "",
                    ));
                };
                let nodes = anchored.nodes;
                self.count(nodes, &span)?;
                let node = self.anchors[&id].node.clone();
                self.add(node)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, span: &Range<usize>) -> Result<(), Box<Finding>> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("the definition has more than {NODES_MAX} values, aliases included");
        Err(self.fail(Code::TooLarge, span.clone(), message, "write it without nested aliases"))
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        span: Range<usize>,
        kind: OpenKind,
    ) -> Result<(), Box<Finding>> {
        if let Some(tag) = tag
            && !matches!((tag.is_yaml_core_schema(), tag.suffix.as_str()), (true, "map" | "seq"))
        {
            return Err(self.unknown_tag(tag, span));
        }
        if self.open.len() >= NESTING_MAX {
            let message = format!("the definition nests deeper than {NESTING_MAX} levels");
            return Err(self.fail(Code::TooLarge, span, message, "flatten the innermost states"));
        }
        self.count(1, &span)?;
        let nodes_before = self.nodes - 1;
        self.open.push(Open { start: span.start, anchor, nodes_before, kind });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Box<Finding>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.kind {
            OpenKind::List(nodes) => Kind::List(nodes),
            OpenKind::Map { entries, .. } => Kind::Map(entries),
        };
        // A block collection ends where the next thing begins; its text ends before the white space there.
        let text = self.source.get(open.start..end).unwrap_or("");
        let node = Node { span: open.start..open.start + text.trim_end().len(), kind };
        self.anchor(open.anchor, &node, self.nodes - open.nodes_before)?;
        self.add(node)
    }

    /// Keeps a copy for aliases. Copies count like what they are copies of: anchors may nest as well.
    fn anchor(&mut self, anchor: usize, node: &Node, nodes: usize) -> Result<(), Box<Finding>> {
        if anchor != 0 {
            self.count(nodes, &node.span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes });
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Box<Finding>> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(nodes)) => nodes.push(node),
            Some(OpenKind::Map { entries, key }) => match key.take() {
                Some((key, key_span)) => entries.push(Entry { key, key_span, value: node }),
                None => {
                    let text = match node.kind {
                        Kind::Text { text, .. } => text,
                        Kind::Int(_) | Kind::Double(_) | Kind::Bool(_) => {
                            self.source.get(node.span.clone()).unwrap_or("").to_owned()
                        }
                        _ => {
                            let message = format!("a key must be text, this is {}", node.noun());
                            return Err(self.fail(
                                Code::WrongType,
                                node.span.clone(),
                                message,
                                "put it in quotes",
                            ));
                        }
                    };
                    *key = Some((text, node.span));
                }
            },
        }
        Ok(())
    }

    fn unknown_tag(&self, tag: &Tag, span: Range<usize>) -> Box<Finding> {
        let message = format!("tags are not supported: {tag}");
        self.fail(Code::Malformed, span, message, "remove the tag; put text into quotes")
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Range<usize>,
    ) -> Result<Node, Box<Finding>> {
        let mut plain = style == ScalarStyle::Plain;
        if let Some(tag) = tag {
            if !(tag.is_yaml_core_schema() && tag.suffix == "str") {
                return Err(self.unknown_tag(tag, span));
            }
            plain = false;
        }
        if plain && let Some(kind) = core_schema(&text) {
            return Ok(Node { span, kind });
        }
        let quote = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        let content = span.start + quote;
        let verbatim = self.source.get(content..content + text.len()) == Some(&*text);
        let content = verbatim.then_some(content);
        Ok(Node { span, kind: Kind::Text { text: text.into_owned(), content } })
    }
}

/// What an unquoted scalar means in YAML 1.2's core schema when it is not text.
fn core_schema(text: &str) -> Option<Kind> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Kind::Null),
        "true" | "True" | "TRUE" => return Some(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Kind::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Kind::Int);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Kind::Int);
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(Kind::Int(value));
    }
    let number = digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !number {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Kind::Double)
}

#[cfg(test)]
mod tests;
