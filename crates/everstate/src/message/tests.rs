use super::*;
use serde::Deserialize;
use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Place,
    Pay(u64),
    Move(u8, String),
    Note { text: String, to: Option<u8> },
    Maybe(Option<u8>),
}

fn check<M: Serialize + DeserializeOwned + PartialEq + Debug>(message: M, name: &str, data: &str) {
    let written = write(&message).expect("it is written");
    assert_eq!((written.0, written.1.as_str()), (name, data));
    assert_eq!(read::<M>(name, &written.1), Ok(message));
}

#[test]
fn a_variant_is_an_event_of_its_name() {
    check(Order::Place, "place", "null");
    check(Order::Pay(3), "pay", "3");
    check(Order::Move(1, "x".into()), "move", r#"[1,"x"]"#);
    check(Order::Note { text: "a\"b".into(), to: None }, "note", r#"{"text":"a\"b","to":null}"#);
    check(Order::Maybe(None), "maybe", "null");
}

#[test]
fn everything_else_is_a_plain_message() {
    check(7u64, PLAIN, "7");
    check((), PLAIN, "null");
    check(vec![1, 2], PLAIN, "[1,2]");
    check("x".to_string(), PLAIN, "\"x\"");
    check(Some(3u8), PLAIN, "3");
}

#[test]
fn what_is_no_message_says_why() {
    assert_eq!(read::<Order>("fly", &Json::NULL), Err(NoMessage::Unknown));
    assert!(matches!(read::<Order>("pay", &Json::trusted("\"x\"".into())), Err(NoMessage::Data(_))));
    assert!(matches!(read::<Order>("place", &Json::trusted("1".into())), Err(NoMessage::Data(_))));
    assert_eq!(read::<u64>("pay", &Json::trusted("1".into())), Err(NoMessage::Unknown));
    assert!(matches!(read::<u64>(PLAIN, &Json::NULL), Err(NoMessage::Data(_))));
}

#[test]
fn names_are_those_of_the_variants() {
    assert_eq!(names::<Order>(), ["place", "pay", "move", "note", "maybe"]);
    assert_eq!(names::<u64>(), [PLAIN]);
}
