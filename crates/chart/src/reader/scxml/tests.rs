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

#[test]
fn what_a_machine_may_meet_at_run_time_is_a_warning() {
    check(
        "<scxml><datamodel><data id='n' expr='1 +'/></datamodel>\n<state id='a'>\n<onentry><assign location='1x' expr='2'/></onentry>\n<transition event='e' cond=\"In('b')\" target='a'/></state></scxml>",
        &[
            "1:41 warning failing-expression: expected a value, found the end; error.execution will tell the machine",
            "3:28 warning failing-expression: \"1x\" is no place in the data; error.execution will tell the machine",
            "4:32 warning failing-expression: there is no state \"b\", so it is never active",
        ],
    );
}

#[test]
fn hostile_documents_have_defined_answers() {
    let code = |text: &str| {
        let outcome = crate::read("test.scxml", text);
        assert!(outcome.definition.is_none(), "{}", &text[..text.len().min(200)]);
        outcome.findings.first().map(|one| one.code).expect("a finding")
    };
    use crate::finding::Code;
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|at| format!("<state id='s{at}'>")).collect();
        format!("<scxml>{open}{}</scxml>", "</state>".repeat(depth))
    };
    assert!(crate::read("test.scxml", &nested(60)).definition.is_some());
    assert_eq!(code(&nested(100)), Code::TooLarge);
    assert_eq!(code(&nested(100_000)), Code::TooLarge);
    assert_eq!(code(&format!("<scxml>{}</scxml>", "<state/>".repeat(20_001))), Code::TooLarge);
    assert_eq!(code(&format!("<scxml>{}</scxml>", " ".repeat(crate::DEFINITION_BYTES_MAX))), Code::TooLarge);
    for (text, expected) in [
        (
            "<scxml><state id='a'><onentry><send event='e' delay='-1s'/></onentry></state></scxml>",
            Code::BadValue,
        ),
        (
            "<scxml><state id='a'><onentry><send event='e' delay='36601d'/></onentry></state></scxml>",
            Code::BadValue,
        ),
        ("<scxml><state id='a'/><state id='a'/></scxml>", Code::DuplicateState),
        ("<scxml initial='b'><state id='a'/></scxml>", Code::UnknownTarget),
        ("<scxml><state id='a' initial='b'><state id='c'/></state><state id='b'/></scxml>", Code::BadInitial),
        ("<scxml><state id='a'><state id='c'/><history id='h'/></state></scxml>", Code::HistoryDefault),
        (
            "<scxml><state id='a'><state id='c'/><history id='h'><transition target='h'/></history></state></scxml>",
            Code::HistoryDefault,
        ),
        (
            "<scxml><state id='a'><transition event='e' target='a b'/></state><state id='b'/></scxml>",
            Code::ConflictingTargets,
        ),
        ("<scxml><state id='a'><onentry><script/></onentry></state></scxml>", Code::Unsupported),
        (
            "<scxml><datamodel><data id='a' src='file:///etc/passwd'/></datamodel><state/></scxml>",
            Code::Unsupported,
        ),
        ("<scxml datamodel='null'><datamodel><data id='a'/></datamodel><state/></scxml>", Code::Unsupported),
        ("<scxml><state id='a'><onentri/></state></scxml>", Code::UnknownKey),
        ("<scxml/>", Code::MissingKey),
        ("<html/>", Code::UnknownKey),
        ("<a>&b;</a>", Code::Malformed),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}
