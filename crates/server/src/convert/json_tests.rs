//! JSON in both directions: what goes round unchanged, what becomes equal, and what is refused.

use super::*;
use buffa::{Message, MessageView};
use proptest::prelude::*;

/// A Value as a request brings it: encoded and viewed.
fn read(value: &Value) -> Result<String, Failure> {
    let bytes = value.encode_to_vec();
    let view = ValueView::decode_view(&bytes).expect("a Value");
    json_in(Some(&view), "data").map(|json| json.as_str().to_string())
}

/// JSON text as a JSON request brings it.
fn from_text(text: &str) -> Result<String, Failure> {
    read(&serde_json::from_str(text).expect("JSON"))
}

fn round(text: &str) -> String {
    read(&json_out(&Json::parse(text).expect("JSON"))).expect("passes")
}

#[test]
fn equal_documents_become_equal_text() {
    assert_eq!(from_text(r#"{"b":1,"a":[true,null,"x"]}"#).as_deref(), Ok(r#"{"a":[true,null,"x"],"b":1}"#));
    assert_eq!(from_text("42.0").as_deref(), Ok("42"));
    assert_eq!(from_text("-0.0").as_deref(), Ok("0"));
    assert_eq!(from_text("1.5e3").as_deref(), Ok("1500"));
    assert_eq!(from_text("0.1").as_deref(), Ok("0.1"));
    assert_eq!(from_text(r#""a\u0000\n\"ü""#).as_deref(), Ok(r#""a\u0000\n\"ü""#));
    assert_eq!(from_text("null").as_deref(), Ok("null"));
    assert_eq!(json_in(None, "data"), Ok(Json::NULL));
}

#[test]
fn numbers_that_may_have_lost_digits_are_refused() {
    assert_eq!(from_text("9007199254740991").as_deref(), Ok("9007199254740991"));
    assert_eq!(from_text("-9007199254740991").as_deref(), Ok("-9007199254740991"));
    for text in ["9007199254740992", "9007199254740993", "-9007199254740992", "1e300"] {
        let failure = from_text(text).expect_err(text);
        assert_eq!(failure.code, Code::MalformedData);
        assert_eq!(failure.field, "data");
        assert!(failure.message.contains("send it as a string"), "{}", failure.message);
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(read(&Value::from(number)).expect_err("not finite").code, Code::MalformedData);
    }
}

#[test]
fn a_value_without_a_kind_is_refused() {
    assert_eq!(read(&Value::default()).expect_err("no kind").code, Code::MalformedData);
    let mut list = ListValue::default();
    list.values.push(Value::default());
    let list = Value { kind: Some(Kind::from(list)), ..Default::default() };
    assert_eq!(read(&list).expect_err("no kind inside").code, Code::MalformedData);
}

#[test]
fn what_is_too_large_is_refused() {
    let long = "x".repeat(DATA_BYTES_MAX);
    assert_eq!(read(&Value::from(long)).expect_err("too large").code, Code::TooLarge);
    let fits = "x".repeat(DATA_BYTES_MAX - 2);
    assert_eq!(read(&Value::from(fits)).expect("fits").len(), DATA_BYTES_MAX);
}

#[test]
fn of_a_key_given_twice_the_last_counts() {
    // Two entries of the map `fields` with one key, which only a peculiar encoder writes.
    let entry = |number: f64| {
        let mut object = Struct::default();
        object.fields.insert("a".into(), Value::from(number));
        object.encode_to_vec()
    };
    let fields = [entry(1.0), entry(2.0)].concat();
    let mut bytes = vec![0x2a, u8::try_from(fields.len()).expect("short")];
    bytes.extend_from_slice(&fields);
    let view = ValueView::decode_view(&bytes).expect("a Value");
    assert_eq!(
        json_in(Some(&view), "data").map(|json| json.as_str().to_string()).as_deref(),
        Ok(r#"{"a":2}"#)
    );
}

#[test]
fn integers_of_a_machines_making_come_out_exact() {
    let out = |text: &str| json_out(&Json::parse(text).expect("JSON"));
    assert_eq!(out("9007199254740993"), Value::from("9007199254740993"));
    assert_eq!(out("-9223372036854775808"), Value::from("-9223372036854775808"));
    assert_eq!(out("18446744073709551615"), Value::from("18446744073709551615"));
    assert_eq!(out("9007199254740991"), Value::from(9_007_199_254_740_991.0));
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(serde_json::Value::from),
        (-1e15f64..1e15)
            .prop_filter("has a fraction", |n| n.fract() != 0.0)
            .prop_map(serde_json::Value::from),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn documents_go_round_unchanged(document in documents()) {
        let back = round(&document.to_string());
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&back).expect("JSON"), document);
        // What went round once is in its one form.
        prop_assert_eq!(round(&back), back);
    }
}
