//! What the reader of SCXML takes and refuses, with places.

use crate::finding::Severity;

/// Findings as `line:column severity code: message`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let outcome = crate::read("test.scxml", text);
    let errors = outcome.findings.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(outcome.definition.is_none(), errors, "{:?}", outcome.findings);
    let shown = |one: &crate::Finding| {
        format!("{}:{} {} {}: {}", one.line, one.column, one.severity, one.code, one.message)
    };
    let findings: Vec<String> = outcome.findings.iter().map(shown).collect();
    assert_eq!(findings, expected);
}

#[test]
fn documents_are_refused_at_the_place_of_the_mistake() {
    check(
        "<scxml>\n  <state id='a'>\n    <transition event='e' target='bb'/>\n  </state>\n  <state id='bbb'/>\n</scxml>",
        &["3:35 error unknown-target: there is no state \"bb\""],
    );
    check("<scxml>\n <state", &["2:8 error malformed: not XML: the root node was opened but never closed"]);
    check(
        "<!DOCTYPE scxml>\n<scxml/>",
        &["1:1 error unsupported: a document type is not read: it could name files and entities"],
    );
    check(
        "<scxml><script src='x'/><state id='a'/></scxml>",
        &["1:8 error unsupported: scripts are not supported"],
    );
}
