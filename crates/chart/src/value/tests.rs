//! Values: JSON there and back, bytes there and back, order.

use super::{Duration, Key, Map, Timestamp, TypeName, VALUE_DEPTH_MAX, Value};
use proptest::prelude::*;
use std::sync::Arc;

fn json(text: &str) -> Value {
    Value::from_json(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

#[test]
fn json_numbers_keep_their_type() {
    assert_eq!(json("1"), Value::Int(1));
    assert_eq!(json("1.0"), Value::Double(1.0));
    assert_eq!(json("1e2"), Value::Double(100.0));
    assert_eq!(json("9223372036854775807"), Value::Int(i64::MAX));
    assert_eq!(json("9223372036854775808"), Value::Uint(1 << 63));
    assert_eq!(json("-9223372036854775808"), Value::Int(i64::MIN));
    assert_eq!(json("1.38e-23"), Value::Double("1.38e-23".parse().unwrap_or(0.0)));
}

#[test]
fn json_is_written_with_sorted_keys() {
    let value = json(r#"{"b":[1,2.5,1.0,null,true],"a":"line\n\u0001\"","a":"last"}"#);
    assert_eq!(value.to_json().as_deref(), Ok(r#"{"a":"last","b":[1,2.5,1.0,null,true]}"#));
}

#[test]
fn what_json_has_no_word_for() {
    let check = |value: Value, text: &str| assert_eq!(value.to_json().as_deref(), Ok(text));
    check(Value::Double(f64::NAN), r#""NaN""#);
    check(Value::Double(f64::NEG_INFINITY), r#""-Infinity""#);
    check(Value::Double(1e300), "1e300");
    check(Value::Bytes(Arc::from(&b"hello"[..])), r#""aGVsbG8=""#);
    check(Value::Duration(Duration::from_nanoseconds(-90_500_000_000)), r#""-90.5s""#);
    check(Value::Type(TypeName::Int), r#""int""#);
    check(Value::Optional(None), "null");
    check(Value::Optional(Some(Arc::new(Value::Int(1)))), "1");
    let keys = Map::from_entries(vec![(Key::Int(1), Value::Null), (Key::Bool(true), Value::Null)]);
    check(Value::from(keys), r#"{"true":null,"1":null}"#);
    let same = Map::from_entries(vec![(Key::Int(1), Value::Null), (Key::from("1"), Value::Null)]);
    assert!(Value::from(same).to_json().is_err());
}

#[test]
fn json_has_a_depth() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Value::from_json(&deep(VALUE_DEPTH_MAX)).is_ok());
    assert!(Value::from_json(&deep(VALUE_DEPTH_MAX + 1)).is_err());
    assert!(Value::from_json(&deep(100_000)).is_err());
}

#[test]
fn bytes_are_about_as_short_as_json() {
    let text = r#"{"amount":19.99,"count":3,"customer":"c-1042","items":[{"name":"pen","price":1.5},{"name":"ink","price":120}],"paid":false,"at":"2026-01-02T03:04:05Z"}"#;
    let bytes = encoded(&json(text));
    assert!(bytes.len() * 10 < text.len() * 9, "{} bytes for {} of JSON", bytes.len(), text.len());
}

#[test]
fn times_are_read_as_they_are_written() {
    for text in ["2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"] {
        assert_eq!(Timestamp::parse(text).map(|time| time.to_string()).as_deref(), Ok(text));
    }
    let offset = Timestamp::parse("2026-03-01T00:30:00+01:00").map(|time| time.to_string());
    assert_eq!(offset.as_deref(), Ok("2026-02-28T23:30:00Z"));
    for text in ["", "2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "é"]
    {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
    for (text, written) in [("1h30m", "5400s"), ("-1.5s", "-1.5s"), ("20ms", "0.02s"), ("0", "0s")] {
        assert_eq!(Duration::parse(text).map(|length| length.to_string()).as_deref(), Ok(written));
    }
    for text in ["", "1", "s", "1.2.3s", "1y", "99999999999999999999999s", "-", "1h-1s", "µ"] {
        assert!(Duration::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_map_is_sorted_and_found_by_key() {
    let map: Map = (0..100)
        .rev()
        .map(|n| (Key::from(&*format!("k{n:03}")), Value::Int(n)))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    assert_eq!(map.find("k042"), Some(&Value::Int(42)));
    assert_eq!(map.find("k0420"), None);
    let numbers = Map::from_entries(vec![
        (Key::Uint(1), Value::from("first")),
        (Key::from("1"), Value::Null),
        (Key::Int(1), Value::from("second")),
    ]);
    assert_eq!(numbers.len(), 2, "numbers of two types are one key");
    assert_eq!(numbers.find_key(&Key::Uint(1)), Some(&Value::from("second")));
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200i64..200).prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<f64>().prop_map(Value::Double),
        (-100_000i32..100_000).prop_map(|cents| Value::Double(f64::from(cents) / 100.0)),
        ".{0,80}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(Arc::from(bytes))),
        any::<i64>().prop_map(|length| Value::Duration(Duration::from_nanoseconds(length))),
        (-62_135_596_800i64..253_402_300_799, 0u32..1_000_000_000)
            .prop_filter_map("a time", |(s, n)| Timestamp::new(s, n).ok().map(Value::Timestamp)),
        Just(Value::Type(TypeName::Duration)),
        Just(Value::Optional(None)),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        let key = prop_oneof![
            "[a-z]{0,70}".prop_map(|text| Key::from(&*text)),
            any::<i64>().prop_map(Key::Int),
            any::<u64>().prop_map(Key::Uint),
            any::<bool>().prop_map(Key::Bool),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::list),
            prop::collection::vec((key, inner.clone()), 0..20)
                .prop_map(|entries| Value::from(Map::from_entries(entries))),
            inner.prop_map(|value| Value::Optional(Some(Arc::new(value)))),
        ]
    })
}

/// Values as JSON can say them.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ((1u64 << 63)..=u64::MAX).prop_map(Value::Uint),
        prop::num::f64::NORMAL.prop_map(Value::Double),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 10, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..10).prop_map(Value::list),
            prop::collection::vec(("[a-z]{0,4}", inner), 0..10).prop_map(|entries| Value::from(
                entries.iter().map(|(k, v)| (&**k, v.clone())).collect::<Map>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_there_and_back(value in any_value()) {
        let bytes = encoded(&value);
        let mut rest = &bytes[..];
        let back = Value::decode(&mut rest);
        prop_assert_eq!(back.as_ref(), Ok(&value));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_refused_or_the_only_spelling(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut rest = &bytes[..];
        if let Ok(value) = Value::decode(&mut rest) {
            prop_assert_eq!(encoded(&value), &bytes[..bytes.len() - rest.len()]);
        }
    }

    #[test]
    fn cut_bytes_are_refused(value in any_value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let mut rest = &bytes[..cut.index(bytes.len())];
        prop_assert!(Value::decode(&mut rest).is_err());
    }

    #[test]
    fn json_there_and_back(value in any_json()) {
        let text = value.to_json();
        prop_assert!(text.is_ok());
        let text = text.unwrap_or_default();
        prop_assert_eq!(Value::from_json(&text), Ok(value));
    }

    #[test]
    fn any_value_writes_json_that_is_read(value in any_value()) {
        if let Ok(text) = value.to_json() {
            prop_assert!(Value::from_json(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn equality_is_the_same_both_ways(a in any_value(), b in any_value()) {
        prop_assert_eq!(a.equals(&b), b.equals(&a));
    }

    #[test]
    fn any_text_is_a_time_or_not(text in ".{0,30}") {
        let _ = Timestamp::parse(&text);
        let _ = Duration::parse(&text);
    }
}
