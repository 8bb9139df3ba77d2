//! What becomes of the context: what is set, what is new, what goes, and whether the rest is what the new version
//! declares.
//!
//! It refuses to know states, but for those that an expression asks for. Its one invariant: a field whose declared type
//! has not changed is never touched unless it is named.

use super::mapping::{Routes, declared};
use super::obstacle::{Found, ObstacleCode};
use crate::chart::Chart;
use crate::configuration::Configuration;
use crate::expression::{Cost, EventMeta, Expression, InstanceMeta, Scope, Type};
use crate::run::TURN_COST_MAX;
use crate::value::{Key, Map, Value};
use everstate_kernel::Time;
use std::sync::Arc;

/// What expressions for fields see.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) chart: &'a Chart,
    pub(super) configuration: &'a Configuration,
    pub(super) context: &'a Value,
    pub(super) instance: InstanceMeta<'a>,
    pub(super) now: Time,
}

/// The values that were asked for; none when one faults.
pub(super) fn values(
    fields: &[(Arc<str>, Expression)],
    seen: Seen<'_>,
    found: &mut Found,
) -> Option<Vec<(Arc<str>, Value)>> {
    let name: Arc<str> = Arc::from("");
    let nothing = EventMeta { name: &name, id: "", sender: None, time: seen.now, more: &Value::Null };
    let active = |path: &str| seen.chart.named(path).is_some_and(|state| seen.configuration.contains(state));
    let scope = Scope {
        context: seen.context,
        event: &Value::Null,
        event_meta: &nothing,
        instance: &seen.instance,
        now: seen.now,
        active: &active,
        locals: &[],
        present: &[],
    };
    let mut cost = Cost::new(TURN_COST_MAX);
    let mut values = Vec::with_capacity(fields.len());
    for (field, expression) in fields {
        match expression.evaluate(&scope, &mut cost) {
            Ok(value) => values.push((field.clone(), value)),
            Err(error) => {
                let what = format!("the expression for {field:?} has no value: {}", error.message);
                found.refuse(ObstacleCode::Expression, what, "give it one that holds for these as well");
            }
        }
    }
    (values.len() == fields.len()).then_some(values)
}

/// The context after the change.
pub(super) fn carried(
    (old, new): (&Chart, &Chart),
    context: &Value,
    routes: &Routes,
    set: Vec<(Arc<str>, Value)>,
    found: &mut Found,
) -> Value {
    if old.rules.is_some() != new.rules.is_some() {
        let what = "one version is written in SCXML, the other is not, and they keep their data differently";
        found.refuse(ObstacleCode::Notation, what, "write both in one notation; `everstate convert` helps");
        return context.clone();
    }
    let (before, after) = (names_of(old), names_of(new));
    let mut map = match context {
        Value::Map(map) => Map::clone(map),
        _ => Map::new(),
    };
    let (was_map, length) = (matches!(context, Value::Map(_)), map.len());
    for field in &routes.drop {
        map.remove(field);
    }
    let named: Vec<Arc<str>> = set.iter().map(|(field, _)| field.clone()).collect();
    for (field, value) in set {
        map.insert(Key::from(&*field), value);
    }
    for field in after.iter().filter(|field| !before.contains(field)) {
        if map.find(field).is_some() {
            continue;
        }
        match (new.rules.is_some(), declared(new).and_then(|map| map.find(field))) {
            (false, Some(initial)) => drop(map.insert(Key::from(&**field), initial.clone())),
            _ => {
                let what = format!("the data item {field:?} is new and has no value");
                found.refuse(ObstacleCode::Missing, what, format!("set it, such as --set {field}=null"));
            }
        }
    }
    for field in before.iter().filter(|field| !after.contains(field) && map.find(field).is_some()) {
        found.note(format!(
            "the field {field:?} is not declared any more; it stays, unless --drop {field} says otherwise"
        ));
    }
    check_types((old, new), &map, &named, found);
    if was_map || map.len() != length { Value::from(map) } else { context.clone() }
}

fn names_of(chart: &Chart) -> Vec<Arc<str>> {
    match &chart.rules {
        Some(rules) => rules.data.iter().map(|datum| datum.id.clone()).collect(),
        None => declared(chart)
            .map(|map| map.iter().filter_map(|(key, _)| key.as_str().map(Arc::from)).collect())
            .unwrap_or_default(),
    }
}

fn check_types((old, new): (&Chart, &Chart), map: &Map, named: &[Arc<str>], found: &mut Found) {
    let Some(fields) = declared(new) else { return };
    for (key, initial) in fields.iter() {
        let Some(field) = key.as_str() else { continue };
        let Some(value) = map.find(field) else { continue };
        let kind = part_type(initial);
        let before = declared(old).and_then(|map| map.find(field)).map(part_type);
        let changed = before.as_ref() != Some(&kind) || named.iter().any(|name| **name == *field);
        if changed && !fits(value, &kind) {
            let is = match value {
                Value::Null => "null".to_owned(),
                value => part_type(value).to_string(),
            };
            let what = format!("the field {field:?} is declared as {kind}, this is {is}");
            found.refuse(
                ObstacleCode::Field,
                what,
                format!("convert it, such as --set {field}={kind}(context.{field})"),
            );
        }
    }
}

/// The type that an initial value declares for a field.
fn part_type(value: &Value) -> Type {
    match Type::of_initial(value) {
        // What is inside of a field may grow further fields.
        Type::Object(object) => {
            Type::object(object.fields.iter().map(|(name, kind)| (name.clone(), kind.clone())), true)
        }
        kind => kind,
    }
}

fn fits(value: &Value, kind: &Type) -> bool {
    match (kind, value) {
        (Type::Dyn, _) => true,
        (Type::Null, value) => matches!(value, Value::Null),
        (Type::Bool, value) => matches!(value, Value::Bool(_)),
        (Type::Int | Type::Uint | Type::Double | Type::Number, value) => {
            matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
        }
        (Type::String, value) => matches!(value, Value::String(_)),
        (Type::Bytes, value) => matches!(value, Value::Bytes(_)),
        (Type::Timestamp, value) => matches!(value, Value::Timestamp(_)),
        (Type::Duration, value) => matches!(value, Value::Duration(_)),
        (Type::Type, value) => matches!(value, Value::Type(_)),
        (Type::List(item), Value::List(items)) => items.iter().all(|value| fits(value, item)),
        (Type::Map(..), value) => matches!(value, Value::Map(_)),
        (Type::Object(object), Value::Map(map)) => {
            object.fields.iter().all(|(name, kind)| map.find(name).is_none_or(|value| fits(value, kind)))
        }
        (Type::Optional(_), _) => true,
        (Type::List(_) | Type::Object(_), _) => false,
    }
}
