use super::{json, value};
use serde_json::{Value as Json, json as text};

#[test]
fn what_goes_out_comes_back() {
    let there: Json = text!({
        "amount": 20, "price": 0.1, "negative": -7, "none": null, "yes": true,
        "items": [1, "two", {"three": [3]}], "empty": {}, "nothing": []
    });
    assert_eq!(json(&value(&there).unwrap()), there);
}

#[test]
fn a_number_that_would_change_is_refused_with_its_place() {
    let wrong = text!({"order": {"lines": [{"n": 1}, {"n": 9007199254740993_u64}]}});
    let refusal = value(&wrong).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "number is too large to be kept exactly at $.order.lines[1].n: 9007199254740993; write it as a string"
    );
    assert!(value(&text!(9007199254740991_u64)).is_ok());
    assert!(value(&text!(-9007199254740993_i64)).is_err());
}
