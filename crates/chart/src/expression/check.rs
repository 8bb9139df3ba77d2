//! From the tree to the compiled form: names become slots, types are checked, constants are folded.
//!
//! It refuses to stop at the first mistake. Its one invariant: what it gives evaluates without a panic, also where
//! it found a mistake, because a mistake becomes a node that faults.

use super::deduce::{self, is_open};
use super::functions::{Builtin, FUNCTIONS, MACROS};
use super::moments::Zone;
use super::names::{Names, ObjectType, Type};
use super::nearest::nearest;
use super::node::{Kind, Node, Piece, Step, Variable};
use super::parser::as_text;
use super::presence::AskedAt;
use super::syntax::{Item, Operator, Span, Tree, TreeKind};
use super::{Cost, ExpressionError, evaluate, pattern};
use crate::value::{TypeName, VALUE_DEPTH_MAX, Value};
use std::ops::Range;
use std::sync::Arc;

/// What folding a constant may cost; dearer ones are left to the evaluation.
const FOLDING_COST: u64 = 1_000;

/// What compiling all patterns of one expression may cost: 3,900 small ones or 30 of the largest, some 100 ms.
const PATTERNS_COST: u64 = 1_000_000;

/// Mistakes told at once. A text with more is not an expression with mistakes but something else.
const ERRORS_MAX: usize = 20;

pub(super) struct Checker<'a> {
    pub(super) names: &'a Names,
    pub(super) errors: Vec<ExpressionError>,
    pub(super) states: Vec<(String, Range<usize>)>,
    /// Patterns that are asked for.
    pub(super) present: Vec<AskedAt>,
    /// Variables of the comprehensions around, outermost first: their place is their place on the stack.
    pub(super) bound: Vec<(Arc<str>, Type, usize)>,
    /// What compiling the patterns of this expression may still cost.
    patterns: Cost,
}

/// A part that is done.
pub(super) struct Lowered {
    pub(super) node: Node,
    pub(super) kind: Type,
    /// How many levels deeper than the values in the scope its value may nest.
    pub(super) growth: usize,
}

impl Lowered {
    pub(super) fn new(span: Span, kind: Kind, of: Type, growth: usize) -> Lowered {
        Lowered { node: Node { span, kind }, kind: of, growth }
    }

    fn constant(&self) -> Option<&Value> {
        match &self.node.kind {
            Kind::Constant(value) => Some(value),
            _ => None,
        }
    }
}

pub(super) fn is_constant(node: &Node) -> bool {
    matches!(node.kind, Kind::Constant(_))
}

impl<'a> Checker<'a> {
    pub(super) fn new(names: &'a Names) -> Checker<'a> {
        Checker {
            names,
            errors: Vec::new(),
            states: Vec::new(),
            present: Vec::new(),
            bound: Vec::new(),
            patterns: Cost::new(PATTERNS_COST),
        }
    }

    /// A mistake of types. When names are unchecked the evaluation finds it.
    pub(super) fn mistake(&mut self, span: Span, message: String, hint: Option<String>) {
        if self.tells() {
            self.errors.push(span.error(message, hint));
        }
    }

    /// Will a further mistake be told? If not, its hint need not be looked for.
    fn tells(&self) -> bool {
        self.names.checked && self.errors.len() < ERRORS_MAX
    }

    /// A mistake that no evaluation can find, because there is nothing to evaluate.
    pub(super) fn fault(&mut self, span: Span, message: String, hint: Option<String>) -> Lowered {
        self.mistake(span, message.clone(), hint);
        Lowered::new(span, Kind::Fault(message.into()), Type::Dyn, 0)
    }

    pub(super) fn lower(&mut self, tree: &Tree) -> Lowered {
        let span = tree.span;
        match &tree.kind {
            TreeKind::Literal(value) => {
                Lowered::new(span, Kind::Constant(value.clone()), literal_type(value), 0)
            }
            TreeKind::Name { name, absolute } => self.name(span, name, *absolute),
            TreeKind::Select { operand, field, field_span, optional } => {
                self.select(tree, operand, field, *field_span, *optional)
            }
            TreeKind::Index { operand, index, optional } => self.index(span, operand, index, *optional),
            TreeKind::Call { receiver, name, name_span, arguments } => {
                self.call(span, receiver.as_deref(), name, *name_span, arguments)
            }
            TreeKind::List(items) => self.list(span, items),
            TreeKind::Map(entries) => self.map(span, entries),
            TreeKind::Conditional(parts) => self.conditional(span, parts),
            TreeKind::All(parts) => self.connected(span, parts, "&&"),
            TreeKind::Any(parts) => self.connected(span, parts, "||"),
            TreeKind::Not(part) => {
                let operand = self.lower(part);
                self.must_be_bool(&operand, "!");
                self.folded(Lowered::new(span, Kind::Not(Box::new(operand.node)), Type::Bool, 0))
            }
            TreeKind::Negate(part) => self.negate(span, part),
            TreeKind::Binary(operator, parts) => self.binary(span, *operator, parts),
        }
    }

    /// Evaluates now what has only constants in it. What faults is left to fault when it is reached, if it is.
    pub(super) fn folded(&self, lowered: Lowered) -> Lowered {
        let constant = match &lowered.node.kind {
            Kind::Not(part) | Kind::Negate(part) => is_constant(part),
            Kind::Matches(part, _) | Kind::Moment(part, ..) => is_constant(part),
            Kind::Select(part, _, optional) => is_constant(part) && !optional,
            Kind::Arithmetic(parts, _) | Kind::Order(parts, _) => parts.iter().all(is_constant),
            Kind::Member(parts) | Kind::Equal(parts, _) => parts.iter().all(is_constant),
            Kind::Index(parts, optional) => !optional && parts.iter().all(is_constant),
            Kind::Conditional(parts) => parts.iter().all(is_constant),
            Kind::All(parts) | Kind::Any(parts) | Kind::Call(_, parts) => parts.iter().all(is_constant),
            Kind::List(pieces) => pieces.iter().all(|piece| !piece.optional && is_constant(&piece.node)),
            Kind::Map(pieces) => pieces
                .iter()
                .all(|(key, piece)| is_constant(key) && !piece.optional && is_constant(&piece.node)),
            _ => false,
        };
        if !constant {
            return lowered;
        }
        let mut cost = Cost::new(FOLDING_COST);
        match evaluate::constant(&lowered.node, &mut cost) {
            Some(value) => {
                let node = Node { span: lowered.node.span, kind: Kind::Constant(value) };
                Lowered { node, ..lowered }
            }
            None => lowered,
        }
    }

    // Names and fields.

    fn bare_name(&self, span: Span, name: &Arc<str>) -> Lowered {
        let step = Step { field: name.clone(), span };
        Lowered::new(span, Kind::Path(Variable::Context, Box::new([step])), Type::Dyn, 0)
    }

    fn name(&mut self, span: Span, name: &Arc<str>, absolute: bool) -> Lowered {
        if !absolute && let Some(at) = self.bound.iter().rposition(|(bound, ..)| bound == name) {
            let (_, kind, growth) = self.bound[at].clone();
            return Lowered::new(span, Kind::Variable(Variable::Bound(at as u32)), kind, growth);
        }
        if self.names.bare.as_ref().is_some_and(|fields| fields.contains(name)) {
            return self.bare_name(span, name);
        }
        match self.variable(name) {
            Some((kind, of)) => Lowered::new(span, kind, of, 0),
            None if self.names.bare.is_some() => self.bare_name(span, name),
            None => {
                let hint = self.nearest_name(name).map(|known| format!("did you mean '{known}'?"));
                self.fault(span, format!("unknown name: '{name}'"), hint)
            }
        }
    }

    /// A declared variable, one of the standard ones, or a type.
    fn variable(&self, name: &str) -> Option<(Kind, Type)> {
        if let Some(at) = self.names.locals.iter().rposition(|(known, _)| **known == *name) {
            return Some((Kind::Variable(Variable::Local(at as u32)), self.names.locals[at].1.clone()));
        }
        let variable = |variable, kind: Type| Some((Kind::Variable(variable), kind));
        match name {
            "context" if self.names.context.is_some() => {
                variable(Variable::Context, self.names.context.clone()?)
            }
            "event" if self.names.event.is_some() => variable(Variable::Event, self.names.event.clone()?),
            "_event" => variable(Variable::Meta, self.meta_type()),
            "instance" => variable(Variable::Instance, instance_type()),
            "now" => variable(Variable::Now, Type::Timestamp),
            _ => TypeName::named(name).map(|kind| (Kind::Constant(Value::Type(kind)), Type::Type)),
        }
    }

    fn nearest_name(&self, name: &str) -> Option<String> {
        if !self.tells() {
            return None;
        }
        let locals = self.names.locals.iter().map(|(known, _)| &**known);
        let bound = self.bound.iter().map(|(known, ..)| &**known);
        let standard = ["context", "event", "_event", "instance", "now"];
        let standard = standard.into_iter().filter(|known| self.variable(known).is_some());
        nearest(name, bound.chain(locals).chain(standard)).map(str::to_owned)
    }

    /// Names with points in them, such as `google.protobuf.Timestamp`; the longest declared one counts.
    fn dotted(&self, tree: &Tree) -> Option<(Kind, Type)> {
        let mut parts = Vec::new();
        let mut at = tree;
        loop {
            match &at.kind {
                TreeKind::Select { operand, field, optional: false, .. } => {
                    parts.push(&**field);
                    at = operand;
                }
                TreeKind::Name { name, absolute } => {
                    let hidden = !absolute && self.bound.iter().any(|(bound, ..)| bound == name);
                    parts.push(&**name);
                    parts.reverse();
                    return if hidden { None } else { self.variable(&parts.join(".")) };
                }
                _ => return None,
            }
        }
    }

    pub(super) fn is_dotted_name(&self, tree: &Tree) -> bool {
        self.has_dotted_names(tree) && self.dotted(tree).is_some()
    }

    fn has_dotted_names(&self, tree: &Tree) -> bool {
        // Cheap to refute: the outermost name of a dotted one is seldom a declared variable.
        let mut at = tree;
        while let TreeKind::Select { operand, .. } = &at.kind {
            at = operand;
        }
        let TreeKind::Name { name, .. } = &at.kind else { return false };
        let begins = |known: &str| known.strip_prefix(&**name).is_some_and(|rest| rest.starts_with('.'));
        **name == *"google" || self.names.locals.iter().any(|(known, _)| begins(known))
    }

    fn select(&mut self, tree: &Tree, operand: &Tree, field: &Arc<str>, at: Span, optional: bool) -> Lowered {
        let span = tree.span;
        if !optional
            && self.has_dotted_names(tree)
            && let Some((kind, of)) = self.dotted(tree)
        {
            return Lowered::new(span, kind, of, 0);
        }
        let operand = self.lower(operand);
        let kind = self.field_type(&operand.kind, field, at);
        let kind = if optional { as_optional(kind) } else { kind };
        let step = Step { field: operand.kind.name_of_field(field), span: at };
        let node = match operand.node.kind {
            Kind::Variable(variable) if !optional => match part_of(variable, field) {
                Some(part) => Kind::Variable(part),
                None if variable == Variable::Meta => Kind::Path(Variable::MetaMore, Box::new([step])),
                None => Kind::Path(variable, Box::new([step])),
            },
            Kind::Path(variable, steps) if !optional => {
                Kind::Path(variable, steps.into_iter().chain([step]).collect())
            }
            kind => {
                let node = Node { span: operand.node.span, kind };
                Kind::Select(Box::new(node), field.clone(), optional)
            }
        };
        self.folded(Lowered::new(span, node, kind, operand.growth))
    }

    pub(super) fn field_type(&mut self, of: &Type, field: &str, at: Span) -> Type {
        match of {
            of if is_open(of) => Type::Dyn,
            Type::Dyn => Type::Dyn,
            Type::Map(_, value) => (**value).clone(),
            Type::Optional(inside) => as_optional(self.field_type(inside, field, at)),
            Type::Object(object) => match object.fields.get(field) {
                Some(kind) => kind.clone(),
                None if object.open || !self.tells() => Type::Dyn,
                None => {
                    let known = object.fields.keys().map(|known| &**known);
                    let hint = match nearest(field, known.clone()) {
                        Some(known) => format!("did you mean '{known}'?"),
                        None => format!("it has {}", listed(known)),
                    };
                    self.mistake(at, format!("there is no field '{field}'"), Some(hint));
                    Type::Dyn
                }
            },
            other => {
                let hint = "only maps have fields".to_owned();
                self.mistake(at, format!("a value of type {other} has no field '{field}'"), Some(hint));
                Type::Dyn
            }
        }
    }

    fn index(&mut self, span: Span, operand: &Tree, index: &Tree, optional: bool) -> Lowered {
        let operand = self.lower(operand);
        let index = self.lower(index);
        let of = match &operand.kind {
            Type::Optional(inside) => (**inside).clone(),
            kind => kind.clone(),
        };
        let item = self.item_type(&of, &index);
        let chained = optional || matches!(operand.kind, Type::Optional(_));
        let kind = if chained { as_optional(item) } else { item };
        // A field named by a literal is a path like any other.
        let literal = match index.constant() {
            Some(Value::String(name)) if !optional => Some(name.clone()),
            _ => None,
        };
        let step = |field| Step { field, span: index.node.span };
        let node = match (operand.node.kind, literal) {
            (Kind::Variable(variable), Some(name))
                if !matches!(variable, Variable::Meta | Variable::Instance) =>
            {
                Kind::Path(variable, Box::new([step(name)]))
            }
            (Kind::Path(variable, steps), Some(name)) => {
                Kind::Path(variable, steps.into_iter().chain([step(name)]).collect())
            }
            (kind, _) => {
                let node = Node { span: operand.node.span, kind };
                Kind::Index(Box::new([node, index.node]), optional)
            }
        };
        self.folded(Lowered::new(span, node, kind, operand.growth))
    }

    fn item_type(&mut self, of: &Type, index: &Lowered) -> Type {
        let span = index.node.span;
        match of {
            of if is_open(of) => Type::Dyn,
            Type::Dyn => Type::Dyn,
            Type::List(item) => {
                if !matches!(index.kind, Type::Int | Type::Uint | Type::Number | Type::Dyn) {
                    let message = format!("the index of a list is an int, this is {}", index.kind);
                    self.mistake(span, message, None);
                }
                (**item).clone()
            }
            Type::Map(key, value) => {
                if !deduce::comparable(key, &index.kind) {
                    let message = format!("the keys of this map are of type {key}, this is {}", index.kind);
                    self.mistake(span, message, None);
                }
                (**value).clone()
            }
            Type::Object(_) => match index.constant() {
                Some(Value::String(name)) => {
                    let name = name.clone();
                    self.field_type(of, &name, span)
                }
                _ => Type::Dyn,
            },
            other => {
                self.mistake(span, format!("a value of type {other} has no index"), None);
                Type::Dyn
            }
        }
    }

    fn meta_type(&self) -> Type {
        let mut fields = self.names.more.fields.clone();
        let known = [
            ("name", Type::String),
            ("id", Type::String),
            ("sender", Type::Dyn),
            ("time", Type::Timestamp),
            ("data", self.names.event.clone().unwrap_or_default()),
        ];
        fields.extend(known.map(|(name, kind)| (Arc::from(name), kind)));
        Type::Object(Arc::new(ObjectType { fields, open: false }))
    }

    // Literals and operators.

    fn list(&mut self, span: Span, items: &[Item]) -> Lowered {
        let mut item_type = deduce::open_type();
        let mut growth = 0;
        let mut pieces = Vec::with_capacity(items.len());
        for item in items {
            let lowered = self.lower(&item.tree);
            growth = growth.max(lowered.growth);
            item_type = deduce::join_items(&item_type, &self.unwrapped(&lowered, item.optional));
            pieces.push(Piece { node: lowered.node, optional: item.optional });
        }
        let growth = self.grown(span, growth);
        self.folded(Lowered::new(span, Kind::List(pieces.into()), Type::list(item_type), growth))
    }

    fn map(&mut self, span: Span, entries: &[(Tree, Item)]) -> Lowered {
        let (mut key_type, mut value_type) = (deduce::open_type(), deduce::open_type());
        let mut growth = 0;
        let mut pieces = Vec::with_capacity(entries.len());
        for (key, item) in entries {
            let key = self.lower(key);
            let key_fits = matches!(key.kind, Type::String | Type::Int | Type::Uint | Type::Bool | Type::Dyn)
                || key.kind == Type::Number;
            if !key_fits {
                let hint = "use texts, whole numbers or booleans".to_owned();
                self.mistake(key.node.span, format!("a key cannot be of type {}", key.kind), Some(hint));
            }
            let value = self.lower(&item.tree);
            growth = growth.max(value.growth);
            let kind = self.unwrapped(&value, item.optional);
            key_type = deduce::join_items(&key_type, &key.kind);
            value_type = deduce::join_items(&value_type, &kind);
            pieces.push((key.node, Piece { node: value.node, optional: item.optional }));
        }
        let growth = self.grown(span, growth);
        let kind = Type::map(key_type, value_type);
        self.folded(Lowered::new(span, Kind::Map(pieces.into()), kind, growth))
    }

    /// The type of what stays of a part written with a question mark.
    fn unwrapped(&mut self, lowered: &Lowered, optional: bool) -> Type {
        match &lowered.kind {
            kind if !optional => kind.clone(),
            Type::Optional(inside) => (**inside).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                let message = format!("after '?' stands an optional, this is {other}");
                self.mistake(lowered.node.span, message, None);
                Type::Dyn
            }
        }
    }

    /// One level deeper; a value that could nest too deep is refused before it is made.
    pub(super) fn grown(&mut self, span: Span, growth: usize) -> usize {
        if growth + 1 > VALUE_DEPTH_MAX {
            let message = format!("value nests deeper than {VALUE_DEPTH_MAX} levels");
            self.errors.push(span.error(message, Some("flatten it".into())));
            return 0;
        }
        growth + 1
    }

    fn conditional(&mut self, span: Span, parts: &[Tree; 3]) -> Lowered {
        let [condition, yes, no] = parts;
        let condition = self.lower(condition);
        self.must_be_bool(&condition, "?");
        let (yes, no) = (self.lower(yes), self.lower(no));
        let kind = deduce::join(&yes.kind, &no.kind);
        let growth = yes.growth.max(no.growth);
        match condition.constant() {
            Some(Value::Bool(true)) => Lowered { kind, growth, ..yes },
            Some(Value::Bool(false)) => Lowered { kind, growth, ..no },
            _ => {
                let parts = Box::new([condition.node, yes.node, no.node]);
                Lowered::new(span, Kind::Conditional(parts), kind, growth)
            }
        }
    }

    fn must_be_bool(&mut self, part: &Lowered, sign: &str) {
        if !matches!(part.kind, Type::Bool | Type::Dyn) && !is_open(&part.kind) {
            let message = format!("'{sign}' takes a bool, this is {}", part.kind);
            let hint = "compare it: x != 0, x != '', x != null".to_owned();
            self.mistake(part.node.span, message, Some(hint));
        }
    }

    fn connected(&mut self, span: Span, parts: &[Tree], sign: &str) -> Lowered {
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            let lowered = self.lower(part);
            self.must_be_bool(&lowered, sign);
            nodes.push(lowered.node);
        }
        let kind = if sign == "&&" { Kind::All(nodes.into()) } else { Kind::Any(nodes.into()) };
        self.folded(Lowered::new(span, kind, Type::Bool, 0))
    }

    fn negate(&mut self, span: Span, part: &Tree) -> Lowered {
        let operand = self.lower(part);
        let kind = match &operand.kind {
            Type::Int | Type::Double | Type::Number | Type::Duration | Type::Dyn => operand.kind.clone(),
            kind if is_open(kind) => Type::Dyn,
            other => {
                self.mistake(span, format!("'-' takes a number or a duration, this is {other}"), None);
                Type::Dyn
            }
        };
        self.folded(Lowered::new(span, Kind::Negate(Box::new(operand.node)), kind, 0))
    }

    fn binary(&mut self, span: Span, operator: Operator, parts: &[Tree; 2]) -> Lowered {
        let a = self.lower(&parts[0]);
        let b = self.lower(&parts[1]);
        let growth = a.growth.max(b.growth);
        let kind = self.binary_type(span, operator, &a.kind, &b.kind);
        let parts = Box::new([a.node, b.node]);
        let node = match operator {
            Operator::Equal => Kind::Equal(parts, false),
            Operator::NotEqual => Kind::Equal(parts, true),
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                Kind::Order(parts, operator)
            }
            Operator::In => Kind::Member(parts),
            _ => Kind::Arithmetic(parts, operator),
        };
        self.folded(Lowered::new(span, node, kind, growth))
    }

    fn binary_type(&mut self, span: Span, operator: Operator, a: &Type, b: &Type) -> Type {
        let sign = operator.as_str();
        match operator {
            Operator::Equal | Operator::NotEqual => {
                if !deduce::comparable(a, b) {
                    let hint = "they are never equal; convert one, as in string(x)".to_owned();
                    self.mistake(span, format!("'{sign}' compares {a} with {b}"), Some(hint));
                }
                Type::Bool
            }
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                if !deduce::ordered(a, b) {
                    let hint = "compare numbers, texts, bytes, times or durations of one type".to_owned();
                    self.mistake(span, format!("'{sign}' has no order for {a} and {b}"), Some(hint));
                }
                Type::Bool
            }
            Operator::In => {
                let inside = match b {
                    Type::List(item) => Some((**item).clone()),
                    Type::Map(key, _) => Some((**key).clone()),
                    Type::Object(_) => Some(Type::String),
                    Type::Dyn => Some(Type::Dyn),
                    _ => None,
                };
                match inside {
                    None => self.mistake(span, format!("'in' looks into a list or a map, this is {b}"), None),
                    Some(inside) if !deduce::comparable(a, &inside) => {
                        self.mistake(span, format!("'in' looks for {a} among {inside}"), None);
                    }
                    Some(_) => {}
                }
                Type::Bool
            }
            _ => deduce::arithmetic(operator, a, b).unwrap_or_else(|| {
                let hint = match (a, b) {
                    (Type::String, _) | (_, Type::String) if operator == Operator::Add => {
                        Some("convert with string(x)".to_owned())
                    }
                    (Type::Int, Type::Uint) | (Type::Uint, Type::Int) => {
                        Some("convert with int(x) or uint(x)".to_owned())
                    }
                    _ => None,
                };
                self.mistake(span, format!("'{sign}' does not take {a} and {b}"), hint);
                Type::Dyn
            }),
        }
    }

    // Calls.

    fn call(
        &mut self,
        span: Span,
        receiver: Option<&Tree>,
        name: &Arc<str>,
        name_span: Span,
        arguments: &[Tree],
    ) -> Lowered {
        if let Some(lowered) = self.macro_call(span, receiver, name, arguments) {
            return lowered;
        }
        // `math.abs(x)` is parsed as a method of `math`.
        let namespace = match receiver.map(|receiver| &receiver.kind) {
            Some(TreeKind::Name { name: space, .. }) => Some(format!("{space}.{name}")),
            _ => None,
        };
        let qualified = namespace
            .as_deref()
            .filter(|name| FUNCTIONS.iter().any(|function| function.name == *name) || MACROS.contains(name));
        let (name, receiver) = match qualified {
            Some(qualified) => (qualified, None),
            None => (&**name, receiver),
        };
        let mut lowered: Vec<Lowered> = Vec::with_capacity(arguments.len() + 1);
        lowered.extend(receiver.map(|receiver| self.lower(receiver)));
        lowered.extend(arguments.iter().map(|argument| self.lower(argument)));
        self.function_call(span, receiver.is_some(), name, name_span, lowered)
    }

    fn function_call(
        &mut self,
        span: Span,
        method: bool,
        name: &str,
        name_span: Span,
        arguments: Vec<Lowered>,
    ) -> Lowered {
        let candidates = || FUNCTIONS.iter().filter(|known| known.is_called(name, method, arguments.len()));
        if candidates().next().is_none() {
            return self.unknown_call(name, method, name_span, arguments.len());
        }
        let fits = |known: &&super::functions::Function| {
            arguments.iter().enumerate().all(|(at, argument)| known.takes_at(at).fits(&argument.kind))
        };
        let Some(function) = candidates().find(fits) else {
            let known = candidates().next();
            for (at, argument) in arguments.iter().enumerate() {
                let Some(takes) = known.map(|known| known.takes_at(at)) else { continue };
                if !takes.fits(&argument.kind) {
                    let message = format!("'{name}' takes {} here, this is {}", takes.words(), argument.kind);
                    self.mistake(argument.node.span, message, None);
                }
            }
            let builtin = known.map_or(Builtin::Dyn, |known| known.builtin);
            let nodes = arguments.into_iter().map(|argument| argument.node).collect();
            return Lowered::new(span, Kind::Call(builtin, nodes), Type::Dyn, 1);
        };
        let kinds: Vec<Type> = arguments.iter().map(|argument| argument.kind.clone()).collect();
        let growth = arguments.iter().map(|argument| argument.growth).max().unwrap_or(0);
        let wraps = matches!(
            function.builtin,
            Builtin::OptionalOf
                | Builtin::OptionalOfNonZero
                | Builtin::First
                | Builtin::Last
                | Builtin::Split
        );
        let growth = if wraps { self.grown(span, growth) } else { growth };
        let kind = function.result(&kinds);
        let nodes: Vec<Node> = arguments.into_iter().map(|argument| argument.node).collect();
        let node = self.prepared(function.builtin, nodes);
        self.folded(Lowered::new(span, node, kind, growth))
    }

    /// Patterns and time zones that are known beforehand are made ready once.
    fn prepared(&mut self, builtin: Builtin, mut nodes: Vec<Node>) -> Kind {
        let text = nodes.get(1).and_then(|node| match &node.kind {
            Kind::Constant(Value::String(text)) => Some((text.clone(), node.span)),
            _ => None,
        });
        match (builtin, text) {
            (Builtin::Matches, Some((text, span))) => match pattern::compile(&text, &mut self.patterns) {
                Ok(pattern) => {
                    nodes.truncate(1);
                    match nodes.pop() {
                        Some(node) => return Kind::Matches(Box::new(node), Box::new(pattern)),
                        None => return Kind::Fault("'matches' has no text".into()),
                    }
                }
                Err(trouble) => self.mistake(span, trouble.message().to_owned(), None),
            },
            (Builtin::Moment(part), Some((text, span))) => match Zone::parse(&text) {
                Some(zone) => {
                    nodes.truncate(1);
                    match nodes.pop() {
                        Some(node) => return Kind::Moment(Box::new(node), part, Box::new(zone)),
                        None => return Kind::Fault("there is no timestamp".into()),
                    }
                }
                None => {
                    let hint = "write a name such as Europe/Berlin, or an offset such as +02:00".to_owned();
                    self.mistake(span, format!("unknown time zone: '{text}'"), Some(hint));
                }
            },
            _ => {}
        }
        Kind::Call(builtin, nodes.into())
    }

    fn unknown_call(&mut self, name: &str, method: bool, span: Span, count: usize) -> Lowered {
        let counts: Vec<usize> = FUNCTIONS
            .iter()
            .filter(|known| known.is_called(name, method, known.takes.len()))
            .map(|known| known.takes.len() - usize::from(method))
            .collect();
        if !counts.is_empty() {
            let counts = counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            let given = count - usize::from(method);
            let message = format!("'{name}' takes {counts} arguments, here are {given}");
            return self.fault(span, message, None);
        }
        if !self.tells() {
            return self.fault(span, format!("unknown function: '{name}'"), None);
        }
        let other_way = FUNCTIONS.iter().any(|known| known.name == name);
        let hint = match nearest(name, FUNCTIONS.iter().map(|known| known.name).chain(MACROS)) {
            _ if other_way && method => Some(format!("write {name}(x)")),
            _ if other_way => Some(format!("write x.{name}()")),
            Some(known) if known == name => Some(format!("it is called with other arguments; see '{known}'")),
            Some(known) => Some(format!("did you mean '{known}'?")),
            None => None,
        };
        self.fault(span, format!("unknown function: '{name}'"), hint)
    }

    /// `in('state')` and `In('state')`.
    pub(super) fn active(&mut self, span: Span, argument: &Tree) -> Lowered {
        if let Some(name) = as_text(argument) {
            self.states.push((name.to_string(), argument.span.range()));
        }
        let argument = self.lower(argument);
        if !matches!(argument.kind, Type::String | Type::Dyn) {
            let message = format!("'in' takes the name of a state, this is {}", argument.kind);
            self.mistake(argument.node.span, message, Some("write in('state')".into()));
        }
        Lowered::new(span, Kind::Active(Box::new(argument.node)), Type::Bool, 0)
    }
}

/// The part of `_event` or `instance` that is kept by itself.
pub(super) fn part_of(variable: Variable, field: &str) -> Option<Variable> {
    Some(match (variable, field) {
        (Variable::Meta, "name") => Variable::MetaName,
        (Variable::Meta, "id") => Variable::MetaId,
        (Variable::Meta, "sender") => Variable::MetaSender,
        (Variable::Meta, "time") => Variable::MetaTime,
        (Variable::Meta, "data") => Variable::Event,
        (Variable::Instance, "id") => Variable::InstanceId,
        (Variable::Instance, "kind") => Variable::InstanceKind,
        (Variable::Instance, "space") => Variable::InstanceSpace,
        (Variable::Instance, "address") => Variable::InstanceAddress,
        (Variable::Instance, "version") => Variable::InstanceVersion,
        (Variable::Instance, "incarnation") => Variable::InstanceIncarnation,
        _ => return None,
    })
}

fn instance_type() -> Type {
    let texts = ["id", "kind", "space", "address", "version"].map(|name| (name, Type::String));
    Type::object(texts.into_iter().chain([("incarnation", Type::Int)]), false)
}

fn as_optional(kind: Type) -> Type {
    match kind {
        Type::Optional(_) => kind,
        kind => Type::Optional(Arc::new(kind)),
    }
}

fn literal_type(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::Null => Type::Null,
        _ => Type::Dyn,
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const NAMED_MAX: usize = 8;
    let mut names: Vec<&str> = names.take(NAMED_MAX + 1).collect();
    if names.is_empty() {
        return "no fields".to_owned();
    }
    if names.len() > NAMED_MAX {
        names[NAMED_MAX] = "…";
    }
    names.join(", ")
}
