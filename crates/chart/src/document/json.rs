//! The quick way through a definition in JSON, which is how most of those are written that machines make.
//!
//! It refuses to say what is wrong: whatever it does not take goes to the reader of YAML, which does. Its one
//! invariant: the tree that it makes is the one that the reader of YAML would make.

use super::{Entry, Kind, NESTING_MAX, NODES_MAX, Node, core_schema};
use std::ops::Range;

/// The tree, if the text is JSON within the limits, and a map.
pub(super) fn parse(source: &str) -> Option<Node> {
    let mut scanner = Scanner { source, at: 0, nodes: 0 };
    scanner.space();
    if scanner.peek() != Some(b'{') {
        return None;
    }
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut node = match scanner.begin(open.len())? {
            Begun::Open(begun) => {
                open.push(begun);
                continue;
            }
            Begun::Whole(node) => node,
        };
        // What has ended is a part of what is open, and may be its last one.
        loop {
            let Some(outer) = open.pop() else {
                scanner.space();
                return (scanner.at == source.len()).then_some(node);
            };
            match scanner.part(outer, node)? {
                Begun::Open(outer) => {
                    open.push(outer);
                    break;
                }
                Begun::Whole(outer) => node = outer,
            }
        }
    }
}

/// A collection of which a part is still to come.
struct Open {
    start: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map(Vec<Entry>, (String, Range<usize>)),
}

enum Begun {
    Whole(Node),
    Open(Open),
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
    nodes: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= NODES_MAX).then_some(())
    }

    /// A value, or the beginning of one that has others inside.
    fn begin(&mut self, depth: usize) -> Option<Begun> {
        self.space();
        self.count()?;
        let start = self.at;
        let whole = |kind, end| Some(Begun::Whole(Node { span: start..end, kind }));
        match self.peek()? {
            b'{' | b'[' if depth >= NESTING_MAX => None,
            b'{' => {
                self.at += 1;
                if self.eat(b'}') {
                    return whole(Kind::Map(Vec::new()), self.at);
                }
                let parts = Parts::Map(Vec::new(), self.key()?);
                Some(Begun::Open(Open { start, parts }))
            }
            b'[' => {
                self.at += 1;
                if self.eat(b']') {
                    return whole(Kind::List(Vec::new()), self.at);
                }
                Some(Begun::Open(Open { start, parts: Parts::List(Vec::new()) }))
            }
            b'"' => {
                let (text, verbatim) = self.text()?;
                let content = verbatim.then_some(start + 1);
                whole(Kind::Text { text, content }, self.at)
            }
            _ => {
                let kind = self.plain()?;
                whole(kind, self.at)
            }
        }
    }

    /// Puts a part into what it belongs to.
    fn part(&mut self, outer: Open, node: Node) -> Option<Begun> {
        let Open { start, parts } = outer;
        let (parts, last) = match parts {
            Parts::List(mut nodes) => {
                nodes.push(node);
                if self.eat(b',') {
                    return Some(Begun::Open(Open { start, parts: Parts::List(nodes) }));
                }
                (Kind::List(nodes), b']')
            }
            Parts::Map(mut entries, (key, key_span)) => {
                entries.push(Entry { key, key_span, value: node });
                if self.eat(b',') {
                    let parts = Parts::Map(entries, self.key()?);
                    return Some(Begun::Open(Open { start, parts }));
                }
                (Kind::Map(entries), b'}')
            }
        };
        self.eat(last).then_some(Begun::Whole(Node { span: start..self.at, kind: parts }))
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Option<(String, Range<usize>)> {
        self.space();
        self.count()?;
        let start = self.at;
        let (text, _) = self.text()?;
        let span = start..self.at;
        self.eat(b':').then_some((text, span))
    }

    /// A text in quotes, and whether it is written as it reads.
    fn text(&mut self) -> Option<(String, bool)> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at;
        let mut verbatim = true;
        loop {
            self.at += 1;
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    verbatim = false;
                    self.at += 1;
                }
                0..0x20 | 0x7f => return None,
                _ => {}
            }
        }
        self.at += 1;
        if verbatim {
            return Some((self.source.get(start + 1..self.at - 1)?.to_owned(), true));
        }
        let text: String = serde_json::from_str(self.source.get(start..self.at)?).ok()?;
        // A backslash that stands for itself reads as it is written, as far as the text goes.
        let verbatim = self.source.get(start + 1..start + 1 + text.len()) == Some(text.as_str());
        Some((text, verbatim))
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self) -> Option<Kind> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
        {
            self.at += 1;
        }
        let text = self.source.get(start..self.at)?;
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+.eE".contains(&byte));
        let is_word = matches!(text, "true" | "false" | "null");
        if is_number || is_word { core_schema(text) } else { None }
    }
}
