//! The compiled form of an expression: names are slots, fields are paths, calls are numbers.
//!
//! It refuses to know source text apart from spans. Its one invariant: it is never changed after it was made.

use super::functions::Builtin;
use super::moments::{Part, Zone};
use super::presence::Present;
use super::syntax::{Operator, Span};
use crate::value::Value;
use regex::Regex;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Constant(Value),
    Variable(Variable),
    /// Fields of fields of a variable, the form that most of a guard has.
    Path(Variable, Box<[Step]>),
    Select(Box<Node>, Arc<str>, Optional),
    Index(Box<[Node; 2]>, Optional),
    /// `has(operand.field)`.
    Has(Box<Node>, Arc<str>),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `==`, and `!=` when negated.
    Equal(Box<[Node; 2]>, Negated),
    Order(Box<[Node; 2]>, Operator),
    /// The `in` between two operands.
    Member(Box<[Node; 2]>),
    Arithmetic(Box<[Node; 2]>, Operator),
    Conditional(Box<[Node; 3]>),
    List(Box<[Piece]>),
    Map(Box<[(Node, Piece)]>),
    Call(Builtin, Box<[Node]>),
    /// `matches` with a pattern known beforehand.
    Matches(Box<Node>, Box<Pattern>),
    /// A part of a timestamp in a zone known beforehand.
    Moment(Box<Node>, Part, Box<Zone>),
    /// `in('state')`.
    Active(Box<Node>),
    Loop(Box<Loop>),
    /// `present(…)` and `presences(…)`.
    Present(Box<Present>),
    /// `cel.bind`: the first is the value of a variable of the second.
    Bind(Box<[Node; 2]>),
    /// `optMap` and `optFlatMap`: the operand's value, if any, is a variable of the second.
    OptionalMap(Box<[Node; 2]>, Flat),
    /// What could not be compiled but need not be evaluated.
    Fault(Box<str>),
}

/// Was it written with a question mark?
pub(super) type Optional = bool;
pub(super) type Negated = bool;
/// Does the body give an optional by itself?
pub(super) type Flat = bool;

/// A part of a list or the value of an entry of a map.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) node: Node,
    pub(super) optional: Optional,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) field: Arc<str>,
    pub(super) span: Span,
}

/// Where a name's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Context,
    Event,
    /// `_event` as a whole.
    Meta,
    MetaName,
    MetaId,
    MetaSender,
    MetaTime,
    MetaMore,
    /// `instance` as a whole.
    Instance,
    InstanceId,
    InstanceKind,
    InstanceSpace,
    InstanceAddress,
    InstanceVersion,
    InstanceIncarnation,
    Now,
    /// A declared variable.
    Local(u32),
    /// A variable of a comprehension, by its place on the stack.
    Bound(u32),
}

/// A compiled pattern, and what it costs for each byte that it looks at.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    pub(super) weight: u64,
}

/// A comprehension.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) form: LoopForm,
    pub(super) range: Node,
    /// Two variables: index or key, and value. One: the item or key.
    pub(super) pairs: bool,
    /// Which items count, when not all do.
    pub(super) filter: Option<Node>,
    pub(super) body: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopForm {
    All,
    Exists,
    ExistsOne,
    /// `map`, `filter` and `transformList`.
    List,
    /// `transformMap`.
    Map,
}
