//! What may come in at the door: addresses, event ids, names, versions and JSON, with hostile texts.

use everstate_kernel::{
    Address, DefinitionId, Event, EventId, Json, JsonError, Retry, Span, Time, limits, version_order,
};
use proptest::prelude::*;
use std::cmp::Ordering;

#[track_caller]
fn check_address(text: &str, expected: Result<(&str, &str, &str), &str>) {
    let parsed = Address::parse(text);
    match (&parsed, expected) {
        (Ok(address), Ok(parts)) => {
            assert_eq!((address.space(), address.kind(), address.id()), parts);
            assert_eq!(address.to_string(), text);
        }
        (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
        _ => panic!("{text:?} gives {parsed:?}, expected {expected:?}"),
    }
}

#[test]
fn addresses() {
    check_address("orders/42", Ok(("", "orders", "42")));
    check_address("a-b/c:orders.v_1/john@example.org", Ok(("a-b/c", "orders.v_1", "john@example.org")));
    check_address("orders/日本", Ok(("", "orders", "日本")));
    check_address("", Err("has no id"));
    check_address("orders", Err("has no id"));
    check_address("orders/", Err("the id is empty"));
    check_address("/42", Err("the kind is empty"));
    check_address("4orders/42", Err("the kind is not a name"));
    check_address("or..ders/42", Err("the kind is not a name"));
    check_address("orders/..", Err("must not be '.' or contain '..'"));
    check_address("orders/.", Err("must not be '.'"));
    check_address("orders/a/b", Err("'/'"));
    check_address("orders/a\nb", Err("'\\n'"));
    check_address("orders/a\u{0}b", Err("'\\0'"));
    check_address("orders/a b", Err("' '"));
    check_address("orders/a\u{202e}b", Err("not allowed"));
    check_address("orders/a\u{200b}", Err("not allowed"));
    check_address(":orders/42", Err("a segment of the space is empty"));
    check_address("a//b:orders/42", Err("a segment of the space is empty"));
    check_address("../x:orders/42", Err("contain '..'"));
    check_address("a:b:orders/42", Err("the kind is not a name"));
    check_address(&"x".repeat(1 << 20), Err("address is 1048576 bytes long, the limit is 512"));
    check_address(&format!("{}/1", "k".repeat(129)), Err("the kind is 129 bytes long, the limit is 128"));
    check_address(&format!("k/{}", "x".repeat(256)), Err("the id is 256 bytes long, the limit is 255"));
    assert_eq!(Address::new("orders", "42").unwrap(), Address::parse("orders/42").unwrap());
    assert!(Address::new("a:orders", "42").is_err() && Address::new("orders", "a/b").is_err());
}

#[test]
fn event_ids_and_names() {
    let id = |text: &str| EventId::parse(text).map(|id| id.to_string());
    assert_eq!(id("a:b/c-1"), Ok("a:b/c-1".into()));
    for bad in ["", "~5", "a b", "a\tb", "a\u{7f}", "\u{feff}", &"x".repeat(256), &"x".repeat(1 << 20)] {
        assert!(id(bad).unwrap_err().len() < 1000);
    }
    assert_eq!(Event::check_name("payment.failed"), Ok(()));
    assert_eq!(Event::check_name("Zahlung erhalten"), Ok(()));
    for bad in ["", "a\nb", &"x".repeat(256), &"x".repeat(1 << 20)] {
        assert!(Event::check_name(bad).unwrap_err().len() < 1000);
    }
    for (name, version) in [("a/b", "v1"), ("a", ""), ("a", "v 1"), ("a", "../1"), ("", "v1")] {
        assert!(DefinitionId::new(name, version).is_err(), "{name}:{version}");
    }
    assert!(DefinitionId::new("a", &"1".repeat(1 << 20)).is_err());
}

#[test]
fn json() {
    for text in ["{}", "[1, -2.5e3, \"a\\n\\u00e9\", true, null]", "\"x\"", "0", "{\"a\":{\"b\":[]}}"] {
        assert_eq!(Json::parse(text).unwrap().as_str(), text);
    }
    for null in ["", "  \n", "null", " null "] {
        assert!(Json::parse(null).unwrap().is_null(), "{null:?}");
    }
    let malformed = [
        "{",
        "}",
        "[1,]",
        "{\"a\"}",
        "nul",
        "'a'",
        "01",
        "1 2",
        "\"a",
        "\"\u{1}\"",
        "1e999",
        "\"\\ud800\"",
        "\"\\udc00x\"",
        "[\"\\ud800\\u0041\"]",
        "{\"\\ud800\":1}",
        "NaN",
        "\u{feff}1",
    ];
    for text in malformed {
        let parsed = Json::parse(text);
        assert!(matches!(parsed, Err(JsonError::Malformed(_))), "{text:?} gives {parsed:?}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err());
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(&nested(limits::DATA_DEPTH_MAX)).is_ok());
    assert_eq!(Json::parse(&nested(limits::DATA_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
    assert_eq!(Json::parse(&nested(10_000)), Err(JsonError::TooDeep));
    assert_eq!(Json::parse(&"{\"a\":".repeat(10_000)), Err(JsonError::TooDeep));
    assert!(Json::parse(&format!("\"{}\"", "[".repeat(10_000))).is_ok(), "brackets in a string do not nest");
    let large = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(Json::parse(&large(limits::DATA_BYTES_MAX)).is_ok());
    let over = limits::DATA_BYTES_MAX + 1;
    assert_eq!(Json::parse(&large(over)), Err(JsonError::TooLarge(over)));
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let ascending =
        ["", "1", "1.2.0", "1.10.3", "2", "2-rc1", "v01", "v1", "v2", "v10", "v99999999999999999999"];
    for (place, a) in ascending.iter().enumerate() {
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(version_order(a, b), place.cmp(&other), "{a} and {b}");
        }
    }
}

#[test]
fn waits_double_up_to_the_longest() {
    let retry = Retry { attempts: 5, backoff: Span(100), backoff_max: Span(350) };
    let waits: Vec<_> = (1..=6).map(|attempts| retry.wait_after(attempts).map(|span| span.0)).collect();
    assert_eq!(waits, [Some(100), Some(200), Some(350), Some(350), None, None]);
    assert_eq!(Retry { attempts: 0, ..retry.clone() }.wait_after(1), None);
    let endless = Retry { attempts: u32::MAX, backoff: Span(u64::MAX), backoff_max: Span(u64::MAX) };
    assert_eq!(endless.wait_after(1_000_000), Some(Span(u64::MAX)));
    assert_eq!(Time(i64::MAX - 1) + Span(u64::MAX), Time::END);
    assert_eq!((Time(i64::MIN) - Time(5), Time(5) - Time(i64::MIN)), (Span(0), Span(i64::MAX as u64)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics_and_display_gives_the_text_back(text in r"([a-z.]{0,4}[:/~])*\PC{0,12}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(address.to_string(), text.as_str());
            let space = if address.space().is_empty() { String::new() } else { format!("{}:", address.space()) };
            prop_assert_eq!(format!("{space}{}/{}", address.kind(), address.id()), text.as_str());
        }
        if let Ok(id) = EventId::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
        }
    }

    #[test]
    fn any_text_is_json_here_exactly_when_it_is_json(text in r#"[\[\]{}:,"\\u0-9a-e.+\- nltr]{0,24}"#) {
        let known = serde_json::from_str::<serde_json::Value>(&text);
        match Json::parse(&text) {
            Ok(json) if json.is_null() => prop_assert!(text.trim().is_empty() || text.trim() == "null"),
            Ok(json) => prop_assert!(known.is_ok() && text.contains(json.as_str())),
            Err(_) => prop_assert!(known.is_err()),
        }
    }

    #[test]
    fn any_bytes_are_refused_or_taken(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (Json::parse(&text), Address::parse(&text), EventId::parse(&text), Event::check_name(&text));
    }

    #[test]
    fn the_order_of_versions_is_total(a in "[v0-2.]{0,5}", b in "[v0-2.]{0,5}", c in "[v0-2.]{0,5}") {
        prop_assert_eq!(version_order(&a, &b), version_order(&b, &a).reverse());
        prop_assert_eq!(version_order(&a, &b).is_eq(), a == b);
        if version_order(&a, &b).is_le() && version_order(&b, &c).is_le() {
            prop_assert_ne!(version_order(&a, &c), Ordering::Greater);
        }
    }
}
