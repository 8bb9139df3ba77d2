use super::*;
use alloc::string::String;

fn text(json: &str) -> Option<String> {
    index_text(&Json::parse(json).unwrap()).map(|text| String::from(&*text))
}

#[test]
fn values_are_indexed_as_text() {
    for (json, expected) in [
        ("\"ada\"", Some("ada")),
        ("5", Some("5")),
        ("5.0", Some("5")),
        ("-0.5", Some("-0.5")),
        ("true", Some("true")),
        ("\"\"", Some("")),
        ("null", None),
        ("[1]", None),
        ("{}", None),
    ] {
        assert_eq!(text(json).as_deref(), expected, "{json}");
    }
}

#[test]
fn a_long_text_is_told_from_another_with_the_same_beginning() {
    let long = |end: char| format!("\"{}{end}\"", "ä".repeat(500));
    let (one, other) = (text(&long('a')).unwrap(), text(&long('b')).unwrap());
    assert!(one.len() <= INDEX_VALUE_BYTES_MAX && one != other && one == text(&long('a')).unwrap());
}

#[test]
fn a_field_is_found_by_its_path() {
    let document = Json::parse(r#"{"customer": {"id": 7}, "total": 12.5}"#).unwrap();
    let found = |path| field_of(&document, path).map(|json| String::from(json.as_str()));
    assert_eq!(found("customer.id").as_deref(), Some("7"));
    assert_eq!(found("total").as_deref(), Some("12.5"));
    assert_eq!((found("customer.name"), found("total.x"), found("")), (None, None, None));
}

#[test]
fn a_definition_says_more_than_the_node() {
    let node = Retain { outcomes: None, history: Some(Span(10)), finished: Some(Span(20)) };
    let said = Retain { outcomes: Some(Span(5)), history: Some(Retain::FOREVER), finished: None };
    let retained = node.over(&said);
    assert_eq!((retained.outcomes, retained.history, retained.finished), (Span(5), None, Some(Span(20))));
    let silent = Retain::default().over(&Retain::default());
    assert_eq!((silent.outcomes, silent.history, silent.finished), (OUTCOMES, None, None));
}
