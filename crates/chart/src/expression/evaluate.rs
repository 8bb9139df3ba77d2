//! The evaluation of the compiled form.
//!
//! It refuses to do work that is not paid for. Its one invariant: each node entered costs at least one unit, and
//! what it copies or compares is paid for by size before it is copied or compared.

use super::node::{Kind, Loop, LoopForm, Node, Piece, Step, Variable};
use super::syntax::{Operator, Span};
use super::{Cost, CostExceeded, EvaluationError, Scope, builtins, math, moments, pattern};
use crate::presence::Presence;
use crate::value::{Key, Map, TimeError, Timestamp, VALUE_DEPTH_MAX, Value, compare, equal_within, integral};
use std::cmp::Ordering;
use std::sync::Arc;

/// What a fault costs that is passed over, because its message was written for nothing.
const FAULT_COST: u64 = 10;

/// Why a node has no value. The place is filled in by the innermost node that has one.
#[derive(Debug)]
pub(super) struct Trouble(Box<Reason>);

#[derive(Debug)]
struct Reason {
    span: Option<Span>,
    message: String,
    limit: bool,
}

impl Trouble {
    #[cold]
    pub(super) fn new(message: impl Into<String>) -> Trouble {
        Trouble(Box::new(Reason { span: None, message: message.into(), limit: false }))
    }

    #[cold]
    pub(super) fn at(mut self, span: Span) -> Trouble {
        self.0.span.get_or_insert(span);
        self
    }

    pub(super) fn is_limit(&self) -> bool {
        self.0.limit
    }

    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    pub(super) fn into_error(self) -> EvaluationError {
        let Reason { span, message, limit } = *self.0;
        EvaluationError { span: span.unwrap_or_default().range(), message, limit }
    }
}

impl From<CostExceeded> for Trouble {
    #[cold]
    fn from(_: CostExceeded) -> Trouble {
        let message = "expression costs more than it may; compute less, or keep less in the context".into();
        Trouble(Box::new(Reason { span: None, message, limit: true }))
    }
}

impl From<TimeError> for Trouble {
    #[cold]
    fn from(error: TimeError) -> Trouble {
        Trouble::new(error.to_string())
    }
}

/// A value that belongs to the scope or to the expression, or one that was made.
pub(super) enum Item<'a> {
    Kept(&'a Value),
    Made(Value),
}

impl<'a> Item<'a> {
    #[inline]
    pub(super) fn value(&self) -> &Value {
        match self {
            Item::Kept(value) => value,
            Item::Made(value) => value,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Item::Kept(value) => value.clone(),
            Item::Made(value) => value,
        }
    }

    /// A part of it that `find` finds.
    fn part(
        self,
        find: impl for<'b> Fn(&'b Value) -> Result<&'b Value, Trouble>,
    ) -> Result<Item<'a>, Trouble> {
        match self {
            Item::Kept(value) => Ok(Item::Kept(find(value)?)),
            Item::Made(value) => Ok(Item::Made(find(&value)?.clone())),
        }
    }
}

type Evaluated<'a> = Result<Item<'a>, Trouble>;

pub(super) struct Run<'a, 'c> {
    scope: Option<&'a Scope<'a>>,
    pub(super) cost: &'c mut Cost,
    /// Variables of comprehensions. Empty for most expressions, and then it allocates nothing.
    stack: Vec<Value>,
}

/// The value of a node that has only constants in it.
pub(super) fn constant(node: &Node, cost: &mut Cost) -> Option<Value> {
    let mut run = Run { scope: None, cost, stack: Vec::new() };
    run.node(node).ok().map(Item::into_value)
}

impl<'a, 'c> Run<'a, 'c> {
    pub(super) fn new(scope: &'a Scope<'a>, cost: &'c mut Cost) -> Run<'a, 'c> {
        Run { scope: Some(scope), cost, stack: Vec::new() }
    }

    /// Constants and paths, of which most guards consist, take the short way.
    #[inline]
    pub(super) fn node(&mut self, node: &'a Node) -> Evaluated<'a> {
        match &node.kind {
            Kind::Constant(value) => {
                self.enter(node)?;
                Ok(Item::Kept(value))
            }
            Kind::Path(variable, steps) => {
                self.enter(node)?;
                self.path(*variable, steps).map_err(|trouble| trouble.at(node.span))
            }
            _ => self.other(node),
        }
    }

    #[inline]
    fn enter(&mut self, node: &'a Node) -> Result<(), Trouble> {
        self.cost.pay(1).map_err(|exceeded| Trouble::from(exceeded).at(node.span))
    }

    #[inline(never)]
    fn other(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.enter(node)?;
        let item = match &node.kind {
            Kind::Variable(variable) => self.variable(*variable),
            Kind::All(_)
            | Kind::Any(_)
            | Kind::Not(_)
            | Kind::Equal(..)
            | Kind::Order(..)
            | Kind::Member(_)
            | Kind::Active(_)
            | Kind::Has(..)
            | Kind::Matches(..) => self.condition(node).map(|truth| Item::Made(Value::Bool(truth))),
            Kind::Call(builtin, arguments) => self.call(*builtin, arguments),
            _ => self.compound(node),
        };
        item.map_err(|trouble| trouble.at(node.span))
    }

    /// The value of a node that must be true or false.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, Trouble> {
        match &node.kind {
            Kind::All(_)
            | Kind::Any(_)
            | Kind::Not(_)
            | Kind::Equal(..)
            | Kind::Order(..)
            | Kind::Member(_) => {
                self.enter(node)?;
                self.condition(node).map_err(|trouble| trouble.at(node.span))
            }
            _ => match self.node(node)?.value() {
                Value::Bool(truth) => Ok(*truth),
                other => {
                    let message = format!("a condition is a bool, this is {}", other.type_name());
                    Err(Trouble::new(message).at(node.span))
                }
            },
        }
    }

    /// Nodes that are true or false. Whoever calls it has paid for entering.
    fn condition(&mut self, node: &'a Node) -> Result<bool, Trouble> {
        match &node.kind {
            Kind::All(parts) => self.connected(parts, false),
            Kind::Any(parts) => self.connected(parts, true),
            Kind::Not(part) => Ok(!self.truth(part)?),
            Kind::Equal(parts, negated) => {
                let a = self.node(&parts[0])?;
                let b = self.node(&parts[1])?;
                Ok(self.equal(a.value(), b.value())? != *negated)
            }
            Kind::Order(parts, operator) => {
                let a = self.node(&parts[0])?;
                let b = self.node(&parts[1])?;
                self.order(a.value(), b.value(), *operator)
            }
            Kind::Member(parts) => {
                let a = self.node(&parts[0])?;
                let b = self.node(&parts[1])?;
                self.member(a.value(), b.value())
            }
            Kind::Has(operand, field) => {
                let from_meta = matches!(operand.kind, Kind::Variable(Variable::MetaMore));
                let operand = self.node(operand)?;
                match operand.value() {
                    Value::Optional(None) => Ok(false),
                    // Nothing was said of an event beyond what every event has.
                    Value::Null if from_meta => Ok(false),
                    Value::Optional(Some(inside)) => has_field(inside, field),
                    value => has_field(value, field),
                }
            }
            Kind::Active(state) => {
                let state = self.node(state)?;
                let Some(name) = state.value().as_str() else {
                    return Err(Trouble::new("'in' takes the name of a state"));
                };
                let Some(scope) = self.scope else { return Err(no_scope()) };
                Ok((scope.active)(name))
            }
            Kind::Matches(text, compiled) => {
                let text = self.node(text)?;
                match text.value() {
                    Value::String(text) => pattern::matches(compiled, text, self.cost),
                    other => {
                        Err(Trouble::new(format!("'matches' takes a string, this is {}", other.type_name())))
                    }
                }
            }
            _ => Err(Trouble::new("not a condition")),
        }
    }

    /// `&&` and `||`: the first part that decides does, whatever the others are; else the first fault counts.
    fn connected(&mut self, parts: &'a [Node], decides: bool) -> Result<bool, Trouble> {
        let mut fault = None;
        for part in parts {
            match self.truth(part) {
                Ok(truth) if truth == decides => return Ok(decides),
                Ok(_) => {}
                Err(trouble) if trouble.0.limit => return Err(trouble),
                Err(trouble) => {
                    self.cost.pay(FAULT_COST)?;
                    fault.get_or_insert(trouble);
                }
            }
        }
        fault.map_or(Ok(!decides), Err)
    }

    #[inline]
    fn equal(&mut self, a: &Value, b: &Value) -> Result<bool, Trouble> {
        let cost = &mut *self.cost;
        equal_within(a, b, &mut |bytes| cost.pay(bytes as u64 / 16 + 1)).map_err(Trouble::from)
    }

    fn order(&mut self, a: &Value, b: &Value, operator: Operator) -> Result<bool, Trouble> {
        if let (Value::String(a), Value::String(b)) = (a, b) {
            self.cost.pay(a.len().min(b.len()) as u64 / 16)?;
        }
        if let (Value::Bytes(a), Value::Bytes(b)) = (a, b) {
            self.cost.pay(a.len().min(b.len()) as u64 / 16)?;
        }
        let Some(order) = compare(a, b) else {
            let (a, b) = (a.type_name(), b.type_name());
            return Err(Trouble::new(format!("'{}' has no order for {a} and {b}", operator.as_str())));
        };
        // A NaN is neither less nor greater nor equal.
        Ok(order.is_some_and(|order| match operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }))
    }

    fn member(&mut self, wanted: &Value, among: &Value) -> Result<bool, Trouble> {
        match among {
            Value::List(items) => {
                for item in items.iter() {
                    self.cost.pay(1)?;
                    if self.equal(wanted, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => Ok(self.lookup(map, wanted)?.is_some()),
            other => {
                Err(Trouble::new(format!("'in' looks into a list or a map, this is {}", other.type_name())))
            }
        }
    }

    fn lookup<'m>(&mut self, map: &'m Map, key: &Value) -> Result<Option<&'m Value>, Trouble> {
        match key {
            Value::String(name) => {
                self.cost.pay(name.len() as u64 / 16)?;
                Ok(map.find(name))
            }
            Value::Bool(key) => Ok(map.find_key(&Key::Bool(*key))),
            other => Ok(integral(other).and_then(|key| map.find_key(&key))),
        }
    }

    // Names.

    fn path(&mut self, variable: Variable, steps: &'a [Step]) -> Evaluated<'a> {
        self.cost.pay(steps.len() as u64)?;
        let root: &Value = match (variable, self.scope) {
            (Variable::Context, Some(scope)) => scope.context,
            (Variable::Event, Some(scope)) => scope.event,
            (Variable::Local(slot), Some(scope)) if (slot as usize) < scope.locals.len() => {
                &scope.locals[slot as usize]
            }
            _ => {
                let mut item = self.variable(variable)?;
                for step in steps {
                    item = select(item, &step.field).map_err(|trouble| trouble.at(step.span))?;
                }
                return Ok(item);
            }
        };
        let mut value = root;
        for (at, step) in steps.iter().enumerate() {
            match value {
                Value::Map(map) => match map.find(&step.field) {
                    Some(found) => value = found,
                    None => return Err(no_field(&step.field).at(step.span)),
                },
                _ => {
                    let mut item = Item::Kept(value);
                    for step in &steps[at..] {
                        item = select(item, &step.field).map_err(|trouble| trouble.at(step.span))?;
                    }
                    return Ok(item);
                }
            }
        }
        Ok(Item::Kept(value))
    }

    #[inline(never)]
    fn variable(&mut self, variable: Variable) -> Evaluated<'a> {
        if let Variable::Bound(at) = variable {
            let value = self.stack.get(at as usize).cloned();
            return value.map(Item::Made).ok_or_else(|| Trouble::new("variable has no value"));
        }
        let Some(scope) = self.scope else { return Err(no_scope()) };
        let (meta, instance) = (scope.event_meta, scope.instance);
        let text = |text: &str| Value::from(text);
        let value = match variable {
            Variable::Context => return Ok(Item::Kept(scope.context)),
            Variable::Event => return Ok(Item::Kept(scope.event)),
            Variable::MetaMore => return Ok(Item::Kept(meta.more)),
            Variable::Local(slot) => {
                let value = scope.locals.get(slot as usize);
                return value.map(Item::Kept).ok_or_else(|| Trouble::new("variable has no value yet"));
            }
            Variable::Bound(_) => Value::Null,
            Variable::Meta => self.meta(scope)?,
            Variable::MetaName => Value::String(meta.name.clone()),
            Variable::MetaId => text(meta.id),
            Variable::MetaSender => meta.sender.map_or(Value::Null, text),
            Variable::MetaTime => Value::Timestamp(Timestamp::from_time(meta.time)?),
            Variable::Instance => self.instance(scope)?,
            Variable::InstanceId => text(instance.address.id()),
            Variable::InstanceKind => text(instance.address.kind()),
            Variable::InstanceSpace => text(instance.address.space()),
            Variable::InstanceAddress => text(instance.address.as_str()),
            Variable::InstanceVersion => text(instance.version),
            Variable::InstanceIncarnation => Value::Int(i64::from(instance.incarnation)),
            Variable::Now => Value::Timestamp(Timestamp::from_time(scope.now)?),
        };
        Ok(Item::Made(value))
    }

    fn meta(&mut self, scope: &'a Scope<'a>) -> Result<Value, Trouble> {
        let fields = [
            ("name", Variable::MetaName),
            ("id", Variable::MetaId),
            ("sender", Variable::MetaSender),
            ("time", Variable::MetaTime),
            ("data", Variable::Event),
        ];
        let mut entries = Vec::with_capacity(fields.len());
        if let Value::Map(more) = scope.event_meta.more {
            self.cost.pay(more.len() as u64)?;
            entries.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        self.fields(&fields, entries)
    }

    fn instance(&mut self, _: &'a Scope<'a>) -> Result<Value, Trouble> {
        let fields = [
            ("address", Variable::InstanceAddress),
            ("id", Variable::InstanceId),
            ("incarnation", Variable::InstanceIncarnation),
            ("kind", Variable::InstanceKind),
            ("space", Variable::InstanceSpace),
            ("version", Variable::InstanceVersion),
        ];
        self.fields(&fields, Vec::with_capacity(fields.len()))
    }

    fn fields(
        &mut self,
        fields: &[(&str, Variable)],
        mut entries: Vec<(Key, Value)>,
    ) -> Result<Value, Trouble> {
        self.cost.pay(fields.len() as u64 * 2)?;
        for (name, variable) in fields {
            entries.push((Key::from(*name), self.variable(*variable)?.into_value()));
        }
        Ok(Value::from(Map::from_entries(entries)))
    }

    // Nodes that make values.

    #[inline(never)]
    fn compound(&mut self, node: &'a Node) -> Evaluated<'a> {
        match &node.kind {
            Kind::Select(operand, field, optional) => {
                let operand = self.node(operand)?;
                if *optional { optional_select(operand, field) } else { select(operand, field) }
            }
            Kind::Index(parts, optional) => {
                let operand = self.node(&parts[0])?;
                let index = self.node(&parts[1])?;
                self.index(operand, index.value(), *optional)
            }
            Kind::Negate(part) => math::negate(self.node(part)?.value()).map(Item::Made),
            Kind::Arithmetic(parts, operator) => {
                let a = self.node(&parts[0])?;
                let b = self.node(&parts[1])?;
                math::arithmetic(*operator, a.value(), b.value(), self.cost).map(Item::Made)
            }
            Kind::Conditional(parts) => {
                let chosen = if self.truth(&parts[0])? { &parts[1] } else { &parts[2] };
                self.node(chosen)
            }
            Kind::List(pieces) => self.list(pieces),
            Kind::Map(pieces) => self.map(pieces),
            Kind::Moment(operand, part, zone) => {
                let operand = self.node(operand)?;
                part.of(operand.value(), zone).map(Item::Made)
            }
            Kind::Loop(parts) => self.loops(parts),
            Kind::Present(asked) => self.present(asked).map(Item::Made),
            Kind::Bind(parts) => {
                let value = self.node(&parts[0])?.into_value();
                self.with(value, &parts[1])
            }
            Kind::OptionalMap(parts, flat) => {
                let operand = self.node(&parts[0])?.into_value();
                let Value::Optional(inside) = operand else {
                    return Err(Trouble::new(format!(
                        "this maps an optional, this is {}",
                        operand.type_name()
                    )));
                };
                let Some(inside) = inside else { return Ok(Item::Made(Value::Optional(None))) };
                let value = self.with((*inside).clone(), &parts[1])?;
                if *flat {
                    return Ok(value);
                }
                Ok(Item::Made(Value::Optional(Some(Arc::new(value.into_value())))))
            }
            Kind::Fault(message) => Err(Trouble::new(&**message)),
            _ => Err(Trouble::new("not evaluated here")),
        }
    }

    /// Who is present.
    pub(super) fn presences(&self) -> Result<&'a [Presence], Trouble> {
        self.scope.map(|scope| scope.present).ok_or_else(no_scope)
    }

    /// Puts a variable on the stack, and says how high that was.
    pub(super) fn push(&mut self, value: Value) -> usize {
        self.stack.push(value);
        self.stack.len() - 1
    }

    /// Takes away what was put on the stack since then.
    pub(super) fn pop(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// The value of a node with one more variable on the stack.
    fn with(&mut self, value: Value, node: &'a Node) -> Evaluated<'a> {
        self.stack.push(value);
        let result = self.node(node);
        self.stack.pop();
        result
    }

    #[inline(never)]
    fn call(&mut self, builtin: super::functions::Builtin, nodes: &'a [Node]) -> Evaluated<'a> {
        let result = match nodes {
            [a] => {
                let a = self.node(a)?;
                builtins::call(builtin, &[a.value()], self.cost)
            }
            [a, b] => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                builtins::call(builtin, &[a.value(), b.value()], self.cost)
            }
            [a, b, c] => {
                let (a, b, c) = (self.node(a)?, self.node(b)?, self.node(c)?);
                builtins::call(builtin, &[a.value(), b.value(), c.value()], self.cost)
            }
            _ => {
                let items = nodes.iter().map(|node| self.node(node)).collect::<Result<Vec<_>, _>>()?;
                let values: Vec<&Value> = items.iter().map(Item::value).collect();
                builtins::call(builtin, &values, self.cost)
            }
        };
        result.map(Item::Made)
    }

    fn index(&mut self, operand: Item<'a>, index: &Value, optional: bool) -> Evaluated<'a> {
        if let Value::Optional(inside) = operand.value() {
            let inside = inside.clone();
            let Some(inside) = inside else { return Ok(Item::Made(Value::Optional(None))) };
            let found = self.find_index(&inside, index)?.cloned();
            return Ok(Item::Made(Value::Optional(found.map(Arc::new))));
        }
        if optional {
            let found = self.find_index(operand.value(), index)?.cloned();
            return Ok(Item::Made(Value::Optional(found.map(Arc::new))));
        }
        let missing = |value: &Value| match value {
            Value::List(items) => {
                Trouble::new(format!("index {} is beyond the {} items", brief(index), items.len()))
            }
            _ => Trouble::new(format!("map has no key {}", brief(index))),
        };
        match operand {
            Item::Kept(value) => match self.find_index(value, index)? {
                Some(found) => Ok(Item::Kept(found)),
                None => Err(missing(value)),
            },
            Item::Made(value) => match self.find_index(&value, index)? {
                Some(found) => Ok(Item::Made(found.clone())),
                None => Err(missing(&value)),
            },
        }
    }

    fn find_index<'m>(&mut self, value: &'m Value, index: &Value) -> Result<Option<&'m Value>, Trouble> {
        match value {
            Value::Map(map) => self.lookup(map, index),
            Value::List(items) => match integral(index) {
                Some(Key::Int(at)) => Ok(usize::try_from(at).ok().and_then(|at| items.get(at))),
                Some(Key::Uint(at)) => Ok(usize::try_from(at).ok().and_then(|at| items.get(at))),
                _ => Err(Trouble::new(format!("the index of a list is an int, this is {}", brief(index)))),
            },
            other => Err(Trouble::new(format!("a value of type {} has no index", other.type_name()))),
        }
    }

    fn list(&mut self, pieces: &'a [Piece]) -> Evaluated<'a> {
        let mut items = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let value = self.node(&piece.node)?.into_value();
            if let Some(value) =
                kept_piece(value, piece.optional).map_err(|trouble| trouble.at(piece.node.span))?
            {
                items.push(value);
            }
        }
        Ok(Item::Made(Value::list(items)))
    }

    fn map(&mut self, pieces: &'a [(Node, Piece)]) -> Evaluated<'a> {
        let mut map = Map::new();
        for (key, piece) in pieces {
            let key_value = self.node(key)?;
            let key = as_key(key_value.value()).map_err(|trouble| trouble.at(key.span))?;
            let value = self.node(&piece.node)?.into_value();
            let Some(value) =
                kept_piece(value, piece.optional).map_err(|trouble| trouble.at(piece.node.span))?
            else {
                continue;
            };
            if map.find_key(&key).is_some() {
                return Err(Trouble::new(format!("key is repeated: {key}")));
            }
            map.insert(key, value);
        }
        Ok(Item::Made(Value::from(map)))
    }

    fn loops(&mut self, parts: &'a Loop) -> Evaluated<'a> {
        let range = self.node(&parts.range)?.into_value();
        let length = match &range {
            Value::List(items) => items.len(),
            Value::Map(map) => map.len(),
            other => {
                let message = format!("this goes over a list or a map, this is {}", other.type_name());
                return Err(Trouble::new(message).at(parts.range.span));
            }
        };
        let base = self.stack.len();
        let mut found = Found::new(parts.form);
        for at in 0..length {
            self.cost.pay(1)?;
            let key = self.push_item(&range, at, parts.pairs);
            let go_on = self.iteration(parts, base, key, &mut found);
            self.stack.truncate(base);
            if !go_on? {
                break;
            }
        }
        found.result().map(Item::Made)
    }

    /// Puts the variables on the stack. Gives the key of an entry of a map, for those who make another map.
    fn push_item(&mut self, range: &Value, at: usize, pairs: bool) -> Option<Key> {
        match range {
            Value::List(items) => {
                if pairs {
                    self.stack.push(Value::Int(at as i64));
                }
                self.stack.push(items.get(at).cloned().unwrap_or_default());
                Some(Key::Int(at as i64))
            }
            Value::Map(map) => {
                let (key, value) = map.entry(at)?;
                self.stack.push(key.to_value());
                if pairs {
                    self.stack.push(value.clone());
                }
                Some(key.clone())
            }
            _ => None,
        }
    }

    /// One round; false when the rest does not matter any more.
    fn iteration(
        &mut self,
        parts: &'a Loop,
        base: usize,
        key: Option<Key>,
        found: &mut Found,
    ) -> Result<bool, Trouble> {
        if let Some(filter) = &parts.filter
            && !self.truth(filter)?
        {
            return Ok(true);
        }
        let Some(body) = &parts.body else {
            let item = self.stack.get(base).cloned().unwrap_or_default();
            found.items.push(item);
            return Ok(true);
        };
        match parts.form {
            LoopForm::List => found.items.push(self.node(body)?.into_value()),
            LoopForm::Map => {
                let value = self.node(body)?.into_value();
                found.entries.extend(key.map(|key| (key, value)));
            }
            LoopForm::ExistsOne => found.count += usize::from(self.truth(body)?),
            LoopForm::All | LoopForm::Exists => {
                let decides = parts.form == LoopForm::Exists;
                match self.truth(body) {
                    Ok(truth) if truth == decides => {
                        found.decided = true;
                        return Ok(false);
                    }
                    Ok(_) => {}
                    Err(trouble) if trouble.0.limit => return Err(trouble),
                    Err(trouble) => {
                        self.cost.pay(FAULT_COST)?;
                        found.fault.get_or_insert(trouble);
                    }
                }
            }
        }
        Ok(true)
    }
}

/// What a comprehension has found so far.
struct Found {
    form: LoopForm,
    items: Vec<Value>,
    entries: Vec<(Key, Value)>,
    count: usize,
    decided: bool,
    fault: Option<Trouble>,
}

impl Found {
    fn new(form: LoopForm) -> Found {
        Found { form, items: Vec::new(), entries: Vec::new(), count: 0, decided: false, fault: None }
    }

    fn result(self) -> Result<Value, Trouble> {
        match (self.form, self.fault) {
            (LoopForm::All | LoopForm::Exists, _) if self.decided => {
                Ok(Value::Bool(self.form == LoopForm::Exists))
            }
            (_, Some(fault)) => Err(fault),
            (LoopForm::All, None) => Ok(Value::Bool(true)),
            (LoopForm::Exists, None) => Ok(Value::Bool(false)),
            (LoopForm::ExistsOne, None) => Ok(Value::Bool(self.count == 1)),
            (LoopForm::List, None) => Ok(Value::list(self.items)),
            (LoopForm::Map, None) => Ok(Value::from(Map::from_entries(self.entries))),
        }
    }
}

fn as_key(value: &Value) -> Result<Key, Trouble> {
    match value {
        Value::String(text) => Ok(Key::String(text.clone())),
        Value::Bool(key) => Ok(Key::Bool(*key)),
        Value::Int(key) => Ok(Key::Int(*key)),
        Value::Uint(key) => Ok(Key::Uint(*key)),
        other => Err(Trouble::new(format!("a key cannot be of type {}", other.type_name()))),
    }
}

fn kept_piece(value: Value, optional: bool) -> Result<Option<Value>, Trouble> {
    match value {
        value if !optional => Ok(Some(value)),
        Value::Optional(inside) => Ok(inside.map(Arc::unwrap_or_clone)),
        other => Err(Trouble::new(format!("after '?' stands an optional, this is {}", other.type_name()))),
    }
}

fn select<'a>(operand: Item<'a>, field: &str) -> Evaluated<'a> {
    if let Value::Optional(_) = operand.value() {
        return optional_select(operand, field);
    }
    operand.part(|value| match value {
        Value::Map(map) => map.find(field).ok_or_else(|| no_field(field)),
        other => Err(Trouble::new(format!("a value of type {} has no field '{field}'", other.type_name()))),
    })
}

fn optional_select<'a>(operand: Item<'a>, field: &str) -> Evaluated<'a> {
    let found = match operand.value() {
        Value::Optional(None) => None,
        Value::Optional(Some(inside)) => find_field(inside, field)?,
        value => find_field(value, field)?,
    };
    Ok(Item::Made(Value::Optional(found.map(|value| Arc::new(value.clone())))))
}

fn find_field<'v>(value: &'v Value, field: &str) -> Result<Option<&'v Value>, Trouble> {
    match value {
        Value::Map(map) => Ok(map.find(field)),
        other => Err(Trouble::new(format!("a value of type {} has no field '{field}'", other.type_name()))),
    }
}

fn has_field(value: &Value, field: &str) -> Result<bool, Trouble> {
    find_field(value, field).map(|found| found.is_some())
}

#[cold]
fn no_field(field: &str) -> Trouble {
    Trouble::new(format!("there is no field '{field}'; ask with has(…) before"))
}

#[cold]
fn no_scope() -> Trouble {
    Trouble::new("there is no scope")
}

/// A value for a message, cut short.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.chars().take(40).collect::<String>()),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => format!("{number}u"),
        Value::Double(number) => format!("{number:?}"),
        Value::Bool(truth) => truth.to_string(),
        other => format!("of type {}", other.type_name()),
    }
}

/// A moment's zone given as text.
pub(super) fn zone(text: &str, cost: &mut Cost) -> Result<moments::Zone, Trouble> {
    // Reading a zone's table takes as long as about so many steps.
    cost.pay(500)?;
    moments::Zone::parse(text).ok_or_else(|| Trouble::new("unknown time zone; write such as Europe/Berlin"))
}

/// Pays for all parts of a value as often as they would be written, and refuses one that nests too deep.
pub(super) fn measure(value: &Value, cost: &mut Cost) -> Result<(), Trouble> {
    measure_within(value, VALUE_DEPTH_MAX, cost)
}

fn measure_within(value: &Value, levels: usize, cost: &mut Cost) -> Result<(), Trouble> {
    let deeper = || {
        let message = format!("value nests deeper than {VALUE_DEPTH_MAX} levels; flatten it");
        levels.checked_sub(1).ok_or_else(|| Trouble::new(message))
    };
    match value {
        Value::String(text) => cost.pay(1 + text.len() as u64 / 16).map_err(Trouble::from),
        Value::Bytes(bytes) => cost.pay(1 + bytes.len() as u64 / 16).map_err(Trouble::from),
        Value::List(items) => {
            let inside = deeper()?;
            cost.pay(1)?;
            items.iter().try_for_each(|item| measure_within(item, inside, cost))
        }
        Value::Map(map) => {
            let inside = deeper()?;
            cost.pay(1)?;
            map.iter().try_for_each(|(key, value)| {
                cost.pay(1 + key.as_str().map_or(0, str::len) as u64 / 16)?;
                measure_within(value, inside, cost)
            })
        }
        Value::Optional(Some(value)) => {
            let inside = deeper()?;
            measure_within(value, inside, cost)
        }
        _ => cost.pay(1).map_err(Trouble::from),
    }
}
