//! The shape of an expression as written.
//!
//! It refuses to know names and types. Its one invariant: a tree is at most [`TREE_DEPTH_MAX`] deep, so that
//! recursion over it is safe.

use super::ExpressionError;
use crate::value::Value;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a source. The longest honest guard is a few hundred; 64 KiB leaves room for generated ones and lets a
/// position fit 32 bits. Twice this would only make hostile definitions slower to refuse.
pub(super) const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// How deep a tree may be. The parser, the checker and the evaluator recurse that deep; at twice this a thread
/// with a stack of 2 MiB would come near its end in builds without optimisation.
pub(super) const TREE_DEPTH_MAX: usize = 256;

/// Bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    pub(super) fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn error(self, message: impl Into<String>, hint: Option<String>) -> ExpressionError {
        ExpressionError { span: self.range(), message: message.into(), hint }
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) span: Span,
    pub(super) depth: usize,
    pub(super) kind: TreeKind,
}

#[derive(Debug)]
pub(super) enum TreeKind {
    Literal(Value),
    /// A name; `absolute` when written with a point before it, which looks past variables of comprehensions.
    Name {
        name: Arc<str>,
        absolute: bool,
    },
    /// `operand.field`, or `operand.?field` when optional.
    Select {
        operand: Box<Tree>,
        field: Arc<str>,
        field_span: Span,
        optional: bool,
    },
    /// `operand[index]`, or `operand[?index]` when optional.
    Index {
        operand: Box<Tree>,
        index: Box<Tree>,
        optional: bool,
    },
    /// `name(arguments)` or `receiver.name(arguments)`.
    Call {
        receiver: Option<Box<Tree>>,
        name: Arc<str>,
        name_span: Span,
        arguments: Vec<Tree>,
    },
    List(Vec<Item>),
    Map(Vec<(Tree, Item)>),
    Conditional(Box<[Tree; 3]>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    Negate(Box<Tree>),
    Binary(Operator, Box<[Tree; 2]>),
}

/// A part of a list or the value of an entry of a map; `optional` when written with a question mark.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) tree: Tree,
    pub(super) optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

impl TreeKind {
    /// How deep the deepest part is.
    pub(super) fn depth_inside(&self) -> usize {
        let deepest = |trees: &[Tree]| trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
        match self {
            TreeKind::Literal(_) | TreeKind::Name { .. } => 0,
            TreeKind::Select { operand, .. } => operand.depth,
            TreeKind::Index { operand, index, .. } => operand.depth.max(index.depth),
            TreeKind::Call { receiver, arguments, .. } => {
                receiver.as_ref().map_or(0, |receiver| receiver.depth).max(deepest(arguments))
            }
            TreeKind::List(items) => items.iter().map(|item| item.tree.depth).max().unwrap_or(0),
            TreeKind::Map(entries) => {
                entries.iter().map(|(key, value)| key.depth.max(value.tree.depth)).max().unwrap_or(0)
            }
            TreeKind::Conditional(parts) => deepest(&parts[..]),
            TreeKind::All(parts) | TreeKind::Any(parts) => deepest(parts),
            TreeKind::Not(part) | TreeKind::Negate(part) => part.depth,
            TreeKind::Binary(_, parts) => deepest(&parts[..]),
        }
    }
}
