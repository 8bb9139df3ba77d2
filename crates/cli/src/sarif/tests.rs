//! Logs have what the schema of SARIF 2.1.0 demands of the objects that we write, and nothing that it does not know.

use super::*;
use everstate_chart::read;

const FILE: &str = "a folder/ä.yaml";

/// Findings of every sort of place: in the first line, over several lines, behind what is not ASCII, nowhere.
const TEXTS: &[&str] = &[
    "",
    "states: [",
    "name: \"ö\"\ninitial: nowhere\nstates: {a: {on: {e: b}, always: a, unknown: 1}, b: {}}\n",
    "name: x\ninitial: a\nstates:\n  a:\n    entry:\n      - assign: {n: 'ä' + }\n  a: {}\n",
    "<scxml>",
    "<!DOCTYPE x><scxml/>",
];

/// The keys that an object must have and those that it may have, of those of the schema that are written here.
fn has(object: &Json, required: &[&str], allowed: &[&str]) {
    let object = object.as_object().expect("an object");
    for key in required {
        assert!(object.contains_key(*key), "{key} is missing in {object:?}");
    }
    for key in object.keys() {
        assert!(required.contains(&&**key) || allowed.contains(&&**key), "{key} is not known in {object:?}");
    }
}

fn text(message: &Json) {
    has(message, &["text"], &["markdown", "id", "arguments", "properties"]);
    assert!(message["text"].as_str().is_some_and(|text| !text.is_empty()), "{message}");
}

fn rule(rule: &Json) {
    has(
        rule,
        &["id"],
        &["shortDescription", "fullDescription", "help", "helpUri", "name", "defaultConfiguration"],
    );
    text(&rule["shortDescription"]);
    has(&rule["defaultConfiguration"], &[], &["enabled", "level", "rank", "parameters", "properties"]);
    assert!(
        ["none", "note", "warning", "error"]
            .contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
    );
}

fn region(region: &Json) {
    has(region, &["startLine"], &["startColumn", "endLine", "endColumn"]);
    let number = |key: &str| region[key].as_u64().expect("a whole number");
    let (start, end) =
        ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
    assert!(start.0 >= 1 && start.1 >= 1 && end.1 >= 1 && start <= end, "{region}");
}

fn location(location: &Json) {
    has(location, &[], &["physicalLocation", "logicalLocations", "message", "id"]);
    let place = &location["physicalLocation"];
    has(place, &["artifactLocation"], &["region", "contextRegion", "address"]);
    has(&place["artifactLocation"], &["uri"], &["uriBaseId", "index", "description"]);
    assert_eq!(place["artifactLocation"]["uri"], "a%20folder/%C3%A4.yaml");
    region(&place["region"]);
    for one in location["logicalLocations"].as_array().expect("a list") {
        has(one, &[], &["name", "index", "fullyQualifiedName", "decoratedName", "parentIndex", "kind"]);
        assert!(one["fullyQualifiedName"].is_string());
    }
}

#[test]
fn every_log_is_one_by_the_schema() {
    let mut results = Vec::new();
    for source in TEXTS {
        results.extend(read(FILE, source).findings.iter().map(|finding| result(FILE, source, finding)));
    }
    assert!(results.len() >= TEXTS.len(), "{results:?}");
    let log = log(results);
    has(&log, &["version", "runs"], &["$schema", "inlineExternalProperties", "properties"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    has(run, &["tool"], &["results", "columnKind", "artifacts", "invocations", "defaultEncoding"]);
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
    has(&run["tool"], &["driver"], &["extensions", "properties"]);
    let driver = &run["tool"]["driver"];
    has(driver, &["name"], &["version", "semanticVersion", "informationUri", "rules", "fullName"]);
    let rules = driver["rules"].as_array().expect("rules");
    rules.iter().for_each(rule);
    for result in run["results"].as_array().expect("results") {
        has(result, &["message"], &["ruleId", "ruleIndex", "rule", "level", "kind", "locations", "fixes"]);
        text(&result["message"]);
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"], "the rule of the result");
        result["locations"].as_array().expect("a list").iter().for_each(location);
    }
}
