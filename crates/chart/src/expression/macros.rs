//! Calls that rule over the evaluation of their arguments: `has`, `in`, the comprehensions, `cel.bind` and the
//! mapping of optionals.
//!
//! It refuses to evaluate. Its one invariant: a variable is on the list of the checker exactly while its body is
//! lowered, so its place there is its place on the evaluator's stack.

use super::check::{Checker, Lowered, part_of};
use super::deduce;
use super::names::Type;
use super::node::{Kind, Loop, LoopForm, Node, Step, Variable};
use super::syntax::{Span, Tree, TreeKind};
use crate::value::Value;
use std::sync::Arc;

impl Checker<'_> {
    /// The call, if it is one of these.
    pub(super) fn macro_call(
        &mut self,
        span: Span,
        receiver: Option<&Tree>,
        name: &str,
        arguments: &[Tree],
    ) -> Option<Lowered> {
        let lowered = match (receiver, name, arguments) {
            (None, "has", [field]) => self.has(span, field),
            (None, "in" | "In", [state]) => self.active(span, state),
            (None, "present", [pattern]) => self.present(span, false, pattern, None),
            (None, "present", [pattern, condition]) => self.present(span, false, pattern, Some(condition)),
            (None, "presences", [pattern]) => self.present(span, true, pattern, None),
            (None, "presences", [pattern, condition]) => self.present(span, true, pattern, Some(condition)),
            (Some(receiver), "bind", [variable, value, body]) if is_named(receiver, "cel") => {
                self.bind(span, variable, value, body)
            }
            (Some(range), "all", [item, body]) => {
                self.loops(span, LoopForm::All, range, &[item], None, Some(body))
            }
            (Some(range), "exists", [item, body]) => {
                self.loops(span, LoopForm::Exists, range, &[item], None, Some(body))
            }
            (Some(range), "exists_one" | "existsOne", [item, body]) => {
                self.loops(span, LoopForm::ExistsOne, range, &[item], None, Some(body))
            }
            (Some(range), "all", [key, item, body]) => {
                self.loops(span, LoopForm::All, range, &[key, item], None, Some(body))
            }
            (Some(range), "exists", [key, item, body]) => {
                self.loops(span, LoopForm::Exists, range, &[key, item], None, Some(body))
            }
            (Some(range), "exists_one" | "existsOne", [key, item, body]) => {
                self.loops(span, LoopForm::ExistsOne, range, &[key, item], None, Some(body))
            }
            (Some(range), "map", [item, body]) => {
                self.loops(span, LoopForm::List, range, &[item], None, Some(body))
            }
            (Some(range), "map", [item, filter, body]) => {
                self.loops(span, LoopForm::List, range, &[item], Some(filter), Some(body))
            }
            (Some(range), "filter", [item, filter]) => {
                self.loops(span, LoopForm::List, range, &[item], Some(filter), None)
            }
            (Some(range), "transformList", [key, item, body]) => {
                self.loops(span, LoopForm::List, range, &[key, item], None, Some(body))
            }
            (Some(range), "transformList", [key, item, filter, body]) => {
                self.loops(span, LoopForm::List, range, &[key, item], Some(filter), Some(body))
            }
            (Some(range), "transformMap", [key, item, body]) => {
                self.loops(span, LoopForm::Map, range, &[key, item], None, Some(body))
            }
            (Some(range), "transformMap", [key, item, filter, body]) => {
                self.loops(span, LoopForm::Map, range, &[key, item], Some(filter), Some(body))
            }
            (Some(operand), "optMap", [item, body]) => self.optional_map(span, operand, item, body, false),
            (Some(operand), "optFlatMap", [item, body]) => self.optional_map(span, operand, item, body, true),
            _ => return None,
        };
        Some(lowered)
    }

    fn has(&mut self, span: Span, tree: &Tree) -> Lowered {
        if let TreeKind::Name { name, .. } = &tree.kind
            && self.names.bare.is_some()
        {
            return self.has_bare(span, tree.span, name);
        }
        let TreeKind::Select { operand, field, field_span, optional: false } = &tree.kind else {
            let hint = "write has(context.total)".to_owned();
            return self.fault(tree.span, "'has' takes a field".to_owned(), Some(hint));
        };
        let always = Lowered::new(span, Kind::Constant(true.into()), Type::Bool, 0);
        if self.is_dotted_name(tree) {
            return always;
        }
        let mut operand = self.lower(operand);
        self.field_type(&operand.kind, field, *field_span);
        if let Kind::Variable(variable) = operand.node.kind {
            if part_of(variable, field).is_some() {
                return always;
            }
            if variable == Variable::Meta {
                operand.node.kind = Kind::Variable(Variable::MetaMore);
            }
        }
        Lowered::new(span, Kind::Has(Box::new(operand.node), field.clone()), Type::Bool, 0)
    }

    /// `has(name)`: is there a value of that name? Data that was declared and not bound is `null`.
    fn has_bare(&mut self, span: Span, at: Span, name: &Arc<str>) -> Lowered {
        let node = |kind| Node { span: at, kind };
        let null = || node(Kind::Constant(Value::Null));
        if let Some(slot) = self.names.locals.iter().rposition(|(known, _)| known == name) {
            let local = node(Kind::Variable(Variable::Local(slot as u32)));
            return Lowered::new(span, Kind::Equal(Box::new([local, null()]), true), Type::Bool, 0);
        }
        let there = node(Kind::Has(Box::new(node(Kind::Variable(Variable::Context))), name.clone()));
        let step = Step { field: name.clone(), span: at };
        let value = node(Kind::Path(Variable::Context, Box::new([step])));
        let bound = node(Kind::Equal(Box::new([value, null()]), true));
        let parts = [there, bound];
        // The second part faults where the first is false, and a false part decides all the same.
        Lowered::new(span, Kind::All(Box::new(parts)), Type::Bool, 0)
    }

    fn variable_name(&mut self, tree: &Tree) -> Arc<str> {
        match &tree.kind {
            TreeKind::Name { name, absolute: false } => name.clone(),
            _ => {
                let hint = "write a name, as in items.all(item, item.ready)".to_owned();
                self.errors.push(tree.span.error("here stands the name of a variable", Some(hint)));
                Arc::from("")
            }
        }
    }

    /// What the variables of a comprehension over this type are.
    fn items_of(&mut self, range: &Lowered, pairs: bool) -> (Type, Type) {
        match &range.kind {
            Type::List(item) if pairs => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Dyn),
            kind if deduce::is_open(kind) => (Type::Dyn, Type::Dyn),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Object(_) => (Type::String, Type::Dyn),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!("this goes over a list or a map, this is {other}");
                self.mistake(range.node.span, message, None);
                (Type::Dyn, Type::Dyn)
            }
        }
    }

    fn loops(
        &mut self,
        span: Span,
        form: LoopForm,
        range: &Tree,
        variables: &[&Tree],
        filter: Option<&Tree>,
        body: Option<&Tree>,
    ) -> Lowered {
        let range = self.lower(range);
        let pairs = variables.len() == 2;
        let (first, second) = self.items_of(&range, pairs);
        let depth = self.bound.len();
        for (variable, kind) in variables.iter().zip([&first, &second]) {
            let name = self.variable_name(variable);
            if self.bound[depth..].iter().any(|(other, ..)| *other == name) {
                let message = format!("two variables are named '{name}'");
                self.errors.push(variable.span.error(message, None));
            }
            self.bound.push((name, kind.clone(), range.growth));
        }
        let filter = filter.map(|filter| self.lower(filter));
        if let Some(filter) = &filter {
            self.condition(filter);
        }
        let body = body.map(|body| self.lower(body));
        self.bound.truncate(depth);
        let condition = matches!(form, LoopForm::All | LoopForm::Exists | LoopForm::ExistsOne);
        if let Some(body) = &body
            && condition
        {
            self.condition(body);
        }
        let item = body.as_ref().map_or_else(|| first.clone(), |body| body.kind.clone());
        let inside = body.as_ref().map_or(range.growth, |body| body.growth);
        let (kind, growth) = match form {
            LoopForm::List => (Type::list(item), self.grown(span, inside)),
            LoopForm::Map => (Type::map(first, item), self.grown(span, inside)),
            _ => (Type::Bool, 0),
        };
        let node = Loop {
            form,
            range: range.node,
            pairs,
            filter: filter.map(|filter| filter.node),
            body: body.map(|body| body.node),
        };
        Lowered::new(span, Kind::Loop(Box::new(node)), kind, growth)
    }

    pub(super) fn condition(&mut self, part: &Lowered) {
        if !matches!(part.kind, Type::Bool | Type::Dyn) && !deduce::is_open(&part.kind) {
            let message = format!("here stands a condition, this is {}", part.kind);
            self.mistake(part.node.span, message, None);
        }
    }

    fn bind(&mut self, span: Span, variable: &Tree, value: &Tree, body: &Tree) -> Lowered {
        let value = self.lower(value);
        let name = self.variable_name(variable);
        self.bound.push((name, value.kind, value.growth));
        let body = self.lower(body);
        self.bound.pop();
        let parts = Box::new([value.node, body.node]);
        Lowered::new(span, Kind::Bind(parts), body.kind, body.growth)
    }

    fn optional_map(&mut self, span: Span, operand: &Tree, item: &Tree, body: &Tree, flat: bool) -> Lowered {
        let operand = self.lower(operand);
        let inside = match &operand.kind {
            Type::Optional(inside) => (**inside).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                let message = format!("this maps an optional, this is {other}");
                self.mistake(operand.node.span, message, None);
                Type::Dyn
            }
        };
        let name = self.variable_name(item);
        self.bound.push((name, inside, operand.growth));
        let body = self.lower(body);
        self.bound.pop();
        let (kind, growth) = match (flat, body.kind) {
            (true, kind) => (kind, body.growth),
            (false, kind) => (Type::Optional(Arc::new(kind)), self.grown(span, body.growth)),
        };
        let parts = Box::new([operand.node, body.node]);
        Lowered::new(span, Kind::OptionalMap(parts, flat), kind, growth)
    }
}

fn is_named(tree: &Tree, name: &str) -> bool {
    matches!(&tree.kind, TreeKind::Name { name: found, .. } if **found == *name)
}
