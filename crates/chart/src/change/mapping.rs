//! What an operator says beside the two versions: which state leads where, what becomes of the context, what is
//! accepted. As it is written, and checked against both charts.
//!
//! It refuses to know instances. Its one invariant: a mapping that passes names only what there is.

use super::obstacle::ObstacleCode;
use crate::chart::Chart;
use crate::code::StateIndex;
use crate::document::{self, Kind, Node};
use crate::expression::{Expression, Names, Type};
use crate::finding::nearest;
use crate::model::StateKind;
use crate::value::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries of a mapping: as many as a chart can have states, at most.
pub const ROUTES_MAX: usize = crate::model::STATES_MAX;

/// What an operator says beside the two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Path of a state of the old version, and where it leads: paths of the new one, several where one state has become
    /// several regions. What is inside of it leads to what has the same name inside of there.
    pub states: Vec<(String, Vec<String>)>,
    /// Fields of the context and the expressions that give their values, over the context as it was.
    pub fields: Vec<(String, String)>,
    /// Fields of the context that go.
    pub drop: Vec<String>,
    /// Words of obstacles that are accepted.
    pub accept: Vec<String>,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {problem}")]
pub struct MappingError {
    /// The entry as it was written.
    pub entry: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl MappingError {
    fn new(entry: impl Into<String>, problem: impl Into<String>) -> MappingError {
        MappingError { entry: entry.into(), problem: problem.into() }
    }
}

impl Mapping {
    /// Adds `OLD=NEW` or `OLD=NEW,NEW`.
    pub fn route(&mut self, text: &str) -> Result<(), MappingError> {
        let wrong = || MappingError::new(text, "write OLD=NEW, such as waiting=pending, or OLD=NEW,NEW");
        let (old, new) = text.split_once('=').ok_or_else(wrong)?;
        let new: Vec<String> = new.split(',').map(|part| part.trim().to_owned()).collect();
        if old.trim().is_empty() || new.iter().any(String::is_empty) {
            return Err(wrong());
        }
        self.states.push((old.trim().to_owned(), new));
        Ok(())
    }

    /// Adds `FIELD=EXPRESSION`.
    pub fn set(&mut self, text: &str) -> Result<(), MappingError> {
        match text.split_once('=') {
            Some((field, expression)) if !field.trim().is_empty() && !expression.trim().is_empty() => {
                self.fields.push((field.trim().to_owned(), expression.trim().to_owned()));
                Ok(())
            }
            _ => Err(MappingError::new(text, "write FIELD=EXPRESSION, such as total=context.sum * 100")),
        }
    }
}

/// Reads a mapping from a file: YAML or JSON with the keys `states`, `set`, `drop` and `accept`, none of them needed.
///
/// ```yaml
/// states: {waiting: pending, open: [open.a, open.b]}
/// set: {total: context.sum * 100}
/// drop: [sum]
/// accept: [timer]
/// ```
pub fn read_mapping(text: &str) -> Result<Mapping, MappingError> {
    let root = document::parse(text)
        .map_err(|finding| MappingError::new(format!("line {}", finding.line), finding.message.clone()))?;
    let Kind::Map(entries) = &root.kind else {
        return Err(MappingError::new("the file", "it is no map; write states: {OLD: NEW}"));
    };
    let mut mapping = Mapping::default();
    for entry in entries {
        let key = entry.key.as_str();
        match (key, &entry.value.kind) {
            ("states", Kind::Map(routes)) => {
                for route in routes {
                    mapping.states.push((route.key.clone(), texts(&route.key, &route.value)?));
                }
            }
            ("set", Kind::Map(fields)) => {
                for field in fields {
                    let text = expression_of(&field.value).ok_or_else(|| {
                        MappingError::new(field.key.clone(), "its value is an expression, written as text")
                    })?;
                    mapping.fields.push((field.key.clone(), text));
                }
            }
            ("drop", _) => mapping.drop.extend(texts(key, &entry.value)?),
            ("accept", _) => mapping.accept.extend(texts(key, &entry.value)?),
            ("states" | "set", _) => return Err(MappingError::new(key, "it is no map")),
            _ => {
                let known = "known keys are states, set, drop and accept";
                return Err(MappingError::new(key, format!("there is no such key; {known}")));
            }
        }
    }
    Ok(mapping)
}

fn expression_of(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text { text, .. } => Some(text.to_string()),
        Kind::Int(number) => Some(number.to_string()),
        Kind::Double(number) => Some(format!("{number:?}")),
        Kind::Bool(truth) => Some(truth.to_string()),
        Kind::Null => Some("null".to_owned()),
        _ => None,
    }
}

fn texts(key: &str, node: &Node) -> Result<Vec<String>, MappingError> {
    let wrong = || MappingError::new(key, "write a name, or a list of names");
    match &node.kind {
        Kind::Text { text, .. } => Ok(vec![text.to_string()]),
        Kind::List(items) if !items.is_empty() => {
            items.iter().map(|item| item.text().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

/// A mapping that was checked.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Where states of the old chart lead, as the operator says.
    pub(super) states: BTreeMap<StateIndex, Vec<StateIndex>>,
    pub(super) fields: Vec<(Arc<str>, Expression)>,
    pub(super) drop: Vec<Arc<str>>,
    pub(super) accept: Vec<ObstacleCode>,
}

/// The state of that path.
pub(super) fn at_path(chart: &Chart, path: &str) -> Option<StateIndex> {
    let found = chart.states.iter().position(|state| *state.path == *path && !path.is_empty());
    found.map(|at| at as StateIndex)
}

fn unknown(chart: &Chart, path: &str, version: &str) -> String {
    let known = chart.states.iter().skip(1).map(|state| &*state.path);
    match nearest(path, known) {
        Some(near) => format!("the {version} version has no state {path:?}; did you mean {near:?}?"),
        None => {
            let some: Vec<&str> = chart.states.iter().skip(1).take(8).map(|state| &*state.path).collect();
            format!("the {version} version has no state {path:?}; its states are {}", some.join(", "))
        }
    }
}

impl Routes {
    /// Checks a mapping against both charts; gives all that is wrong.
    pub(super) fn check(old: &Chart, new: &Chart, mapping: &Mapping) -> Result<Routes, Vec<MappingError>> {
        let mut errors = Vec::new();
        let mut routes = Routes::default();
        if mapping.states.len() > ROUTES_MAX {
            let problem = format!("{} entries are too many, the limit is {ROUTES_MAX}", mapping.states.len());
            return Err(vec![MappingError::new("states", problem)]);
        }
        for (from, to) in &mapping.states {
            let entry = format!("{from}={}", to.join(","));
            match route(old, new, from, to) {
                Ok((from, _)) if routes.states.contains_key(&from) => {
                    errors.push(MappingError::new(entry, "the state is mapped twice; leave one entry out"));
                }
                Ok((from, to)) => drop(routes.states.insert(from, to)),
                Err(problem) => errors.push(MappingError::new(entry, problem)),
            }
        }
        match fields(old, &mapping.fields) {
            Ok(fields) => routes.fields = fields,
            Err(wrong) => errors.extend(wrong),
        }
        for field in &mapping.drop {
            match declared(new).is_some_and(|map| map.find(field).is_some()) {
                true => errors.push(MappingError::new(field, "the new version declares it; set it instead")),
                false => routes.drop.push(Arc::from(field.as_str())),
            }
        }
        for word in &mapping.accept {
            match ObstacleCode::named(word).filter(|code| code.is_acceptable()) {
                Some(code) => routes.accept.push(code),
                None => {
                    let all: Vec<&str> = ObstacleCode::acceptable().map(ObstacleCode::as_str).collect();
                    let problem = format!("this cannot be accepted; what can is {}", all.join(", "));
                    errors.push(MappingError::new(word, problem));
                }
            }
        }
        if errors.is_empty() { Ok(routes) } else { Err(errors) }
    }
}

fn route(
    old: &Chart,
    new: &Chart,
    from: &str,
    to: &[String],
) -> Result<(StateIndex, Vec<StateIndex>), String> {
    let source = at_path(old, from).ok_or_else(|| unknown(old, from, "old"))?;
    let targets: Vec<StateIndex> = to
        .iter()
        .map(|path| at_path(new, path).ok_or_else(|| unknown(new, path, "new")))
        .collect::<Result<_, _>>()?;
    let is_history =
        |chart: &Chart, at: StateIndex| matches!(chart.state(at).kind, StateKind::History { .. });
    let histories = targets.iter().filter(|at| is_history(new, **at)).count();
    if is_history(old, source) && (histories != 1 || targets.len() != 1) {
        return Err("a history leads to one history".to_owned());
    }
    if !is_history(old, source) && histories > 0 {
        return Err("it leads to a history, which is no state to stand in; name a state".to_owned());
    }
    if let Some((one, other)) = super::places::clash(new, &targets) {
        let (one, other) = (&new.state(one).path, &new.state(other).path);
        return Err(format!("{one:?} and {other:?} cannot be active together"));
    }
    Ok((source, targets))
}

/// The fields that a chart declares.
pub(super) fn declared(chart: &Chart) -> Option<&Map> {
    match &chart.context {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// Compiles what gives the values of fields, over the context of the old chart.
pub(super) fn fields(
    old: &Chart,
    fields: &[(String, String)],
) -> Result<Vec<(Arc<str>, Expression)>, Vec<MappingError>> {
    let mut errors = Vec::new();
    let mut compiled: Vec<(Arc<str>, Expression)> = Vec::new();
    let context = match Type::of_initial(&old.context) {
        Type::Object(object) if old.rules.is_none() => {
            Type::object(object.fields.iter().map(|(name, kind)| (name.clone(), kind.clone())), true)
        }
        _ => Type::Dyn,
    };
    let names = Names::new().context(Some(context)).event(None);
    for (field, text) in fields {
        let entry = format!("{field}={text}");
        if compiled.iter().any(|(other, _)| **other == **field) {
            errors.push(MappingError::new(entry, "the field is set twice; leave one entry out"));
            continue;
        }
        if field.is_empty() || field.contains('.') {
            let problem = "a whole field of the context is set; give a field inside of it with the whole";
            errors.push(MappingError::new(entry, problem));
            continue;
        }
        match Expression::compile(text, &names) {
            Ok(expression) => compiled.push((Arc::from(field.as_str()), expression)),
            Err(wrong) => {
                let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                errors.push(MappingError::new(entry, problems.join("; ")));
            }
        }
    }
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}
