//! Both ways through JSON lead to one tree, with the same places.

use super::*;
use proptest::prelude::*;

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f32>().prop_map(serde_json::Value::from),
        "[ -~äß€]{0,12}".prop_map(serde_json::Value::from),
        Just(serde_json::Value::from("line\nend\t\"quoted\" \\ é")),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z .:#]{1,8}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn by_yaml(text: &str) -> Option<String> {
    let lines = Lines::new(text);
    Builder::new(text, &lines).run().ok().map(|node| format!("{node:?}"))
}

proptest! {
    #[test]
    fn json_reads_as_yaml_does(value in values(), pretty: bool) {
        let value = serde_json::json!({ "value": value });
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let quick = json::parse(&text).map(|node| format!("{node:?}"));
        prop_assert!(quick.is_some(), "{}", text);
        prop_assert_eq!(quick, by_yaml(&text), "{}", text);
    }

    /// Damaged texts: the quick way takes nothing that the other one refuses, or takes for something else.
    #[test]
    fn it_takes_no_liberties(value in values(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut bytes = serde_json::json!({ "value": value }).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        if let Some(node) = json::parse(&text) {
            prop_assert_eq!(Some(format!("{node:?}")), by_yaml(&text), "{}", text);
        }
    }
}

#[test]
fn limits_hold_in_json() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(NESTING_MAX), "]".repeat(NESTING_MAX));
    assert!(json::parse(&deep).is_none());
    assert_eq!(parse(&deep).map_err(|finding| finding.code).err(), Some(Code::TooLarge));
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(NODES_MAX));
    assert!(json::parse(&many).is_none());
    assert_eq!(parse(&many).map_err(|finding| finding.code).err(), Some(Code::TooLarge));
}
