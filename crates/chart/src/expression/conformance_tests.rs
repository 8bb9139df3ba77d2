//! The specification's conformance cases, where the folder with them stands beside the project.
//!
//! A case that is skipped is matched by a line of [`SKIPPED`], with the reason; a line that matches nothing, or
//! that matches a case that would pass, fails the test.

use super::tests::{NOTHING, scope_of};
use super::{Cost, Expression, Names, Type};
use crate::value::{Key, Map, Timestamp, TypeName, Value, decode_base64};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Cases in the folder, and how many of them pass.
const CASES: usize = 1_621;
const PASSING: usize = 1_619;

/// File, section and name, of which an empty one matches all; and why.
const SKIPPED: &[(&str, &str, &str, &str)] = &[
    ("parse", "bytes_literals", "triple_single_quoted_unescaped_punctuation", ESCAPE_KEPT),
    ("parse", "bytes_literals", "triple_double_quoted_unescaped_punctuation", ESCAPE_KEPT),
];

/// Their sources write the question mark of the expected bytes with a backslash, which the cases took for one.
const ESCAPE_KEPT: &str = "the expected bytes hold a backslash that the expression does not have";

#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so, and the table of results is wanted")]
fn conformance() {
    // Beside the project, or beside the folder with its worktrees.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let listing = above.map(|folder| folder.join("shared/data/cel")).find_map(|cases| cases.read_dir().ok());
    let Some(listing) = listing else {
        eprintln!("SKIPPED: there is no folder shared/data/cel beside the project");
        return;
    };
    let mut files: Vec<_> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut used = vec![false; SKIPPED.len()];
    for path in files {
        for line in std::fs::read_to_string(&path).expect("a readable file").lines() {
            let case: Json = serde_json::from_str(line).expect("a case is JSON");
            let part = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
            let (file, section, name) = (part("file"), part("section"), part("name"));
            let tally = tallies.entry(file.clone()).or_default();
            let outcome = run(&case);
            let matches = |pattern: &str, text: &str| pattern.is_empty() || pattern == text;
            let skip = SKIPPED.iter().position(|skip| {
                matches(skip.0, &file) && matches(skip.1, &section) && matches(skip.2, &name)
            });
            match (outcome, skip) {
                (Ok(()), None) => tally.passed += 1,
                (Err(_), Some(at)) => {
                    used[at] = true;
                    tally.skipped += 1;
                }
                (Ok(()), Some(_)) => failures.push(format!("{file}/{section}/{name}: is skipped but passes")),
                (Err(why), None) => {
                    failures.push(format!("{file}/{section}/{name}: {}\n    {why}", part("expr")));
                }
            }
        }
    }
    for (file, tally) in &tallies {
        eprintln!("{file:16} {:4} passed {:3} skipped", tally.passed, tally.skipped);
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(used.iter().all(|used| *used), "a line of SKIPPED matches nothing");
    let passed: usize = tallies.values().map(|tally| tally.passed).sum();
    let skipped: usize = tallies.values().map(|tally| tally.skipped).sum();
    assert_eq!((passed + skipped, passed), (CASES, PASSING));
}

/// Runs a case as the specification says: an expected error may come from checking or from evaluating, unless
/// the case is not to be checked.
fn run(case: &Json) -> Result<(), String> {
    let mut names = Names::new().context(None).event(None);
    let mut locals = Vec::new();
    let none = serde_json::Map::new();
    let declared = case["declare"].as_object().unwrap_or(&none);
    let bindings = case["bindings"].as_object().unwrap_or(&none);
    let all: BTreeMap<&String, ()> = declared.keys().chain(bindings.keys()).map(|name| (name, ())).collect();
    for name in all.keys() {
        let kind = declared.get(*name).map_or(Type::Dyn, type_of);
        names.declare(name, kind);
        locals.push(bindings.get(*name).map_or(Value::Null, value_of));
    }
    let unchecked = case["unchecked"].as_bool().unwrap_or(false);
    if unchecked {
        names = names.unchecked();
    }
    let source = case["expr"].as_str().unwrap_or_default();
    let error_expected = case.get("error").is_some();
    let expression = match Expression::compile(source, &names) {
        Ok(expression) => expression,
        Err(_) if error_expected && !unchecked => return Ok(()),
        Err(errors) => return Err(format!("does not compile: {errors:?}")),
    };
    if let Some(kind) = case.get("type") {
        let wanted = type_of(kind);
        if *expression.kind() != wanted {
            return Err(format!("deduced {}, expected {wanted}", expression.kind()));
        }
    }
    if case["check_only"].as_bool().unwrap_or(false) {
        return Ok(());
    }
    let mut scope = scope_of(&NOTHING);
    scope.locals = &locals;
    match (expression.evaluate(&scope, &mut Cost::new(1_000_000)), case.get("value")) {
        (Ok(value), Some(wanted)) => {
            let wanted = value_of(wanted);
            // A NaN is the same as itself here, and a number of one type is not the same as one of another.
            if same(&value, &wanted) { Ok(()) } else { Err(format!("gave {value:?}, expected {wanted:?}")) }
        }
        (Err(_), None) if error_expected => Ok(()),
        (Ok(value), None) => Err(format!("gave {value:?}, expected an error: {}", case["error"])),
        (Err(error), _) => Err(format!("faulted: {error}")),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

fn type_of(json: &Json) -> Type {
    match json.as_str() {
        Some("int64") => Type::Int,
        Some("uint64") => Type::Uint,
        Some("bool") => Type::Bool,
        Some("double") => Type::Double,
        Some("string") => Type::String,
        Some("bytes") => Type::Bytes,
        Some("null") => Type::Null,
        Some("dyn") => Type::Dyn,
        Some(other) => panic!("unknown type in a case: {other}"),
        None => match json.get("list") {
            Some(item) => Type::list(type_of(item)),
            None => Type::map(type_of(&json["map"][0]), type_of(&json["map"][1])),
        },
    }
}

fn value_of(json: &Json) -> Value {
    let (tag, inside) = json.as_object().and_then(|object| object.iter().next()).expect("a tagged value");
    let text = inside.as_str().unwrap_or_default();
    match tag.as_str() {
        "null" => Value::Null,
        "bool" => Value::Bool(inside.as_bool().expect("a bool")),
        "int" => Value::Int(text.parse().expect("an int")),
        "uint" => Value::Uint(text.parse().expect("a uint")),
        "double" => Value::Double(match text {
            "nan" => f64::NAN,
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            _ => inside.as_f64().expect("a double"),
        }),
        "string" => Value::from(text),
        "bytes" => Value::Bytes(Arc::from(decode_base64(text).expect("base64"))),
        "list" => Value::list(inside.as_array().expect("a list").iter().map(value_of).collect()),
        "map" => {
            let entry = |entry: &Json| {
                let key = match value_of(&entry[0]) {
                    Value::Bool(key) => Key::Bool(key),
                    Value::Int(key) => Key::Int(key),
                    Value::Uint(key) => Key::Uint(key),
                    Value::String(key) => Key::String(key),
                    other => panic!("no key: {other:?}"),
                };
                (key, value_of(&entry[1]))
            };
            Value::from(Map::from_entries(inside.as_array().expect("a map").iter().map(entry).collect()))
        }
        "timestamp" => Value::Timestamp(Timestamp::parse(text).expect("a timestamp")),
        "duration" => Value::Duration(crate::value::Duration::parse(text).expect("a duration")),
        "type" => Value::Type(TypeName::named(text).expect("a type")),
        other => panic!("unknown tag in a case: {other}"),
    }
}
