//! Each field of a request absent, huge and wrong: always a failure that names the field, never a panic.

use super::*;
use crate::convert::{span_in, time_in, time_out};
use buffa::{Message, MessageView};
use buffa_types::google::protobuf::__buffa::view::{DurationView, TimestampView};
use std::time::Duration;

struct Counted;

impl Names for Counted {
    fn fresh(&self) -> String {
        "fresh-1".into()
    }
}

fn read(wire: &v1::Event) -> Result<Event, Failure> {
    let bytes = wire.encode_to_vec();
    let view = v1::__buffa::view::EventView::decode_view(&bytes).expect("an event");
    event(Some(&view), "event", Time(1_000), &Counted)
}

fn good() -> v1::Event {
    v1::Event { id: "e1".into(), name: "pay".into(), ..Default::default() }
}

fn refused(change: impl FnOnce(&mut v1::Event)) -> (Code, String) {
    let mut wire = good();
    change(&mut wire);
    let failure = read(&wire).expect_err("refused");
    assert!(!failure.message.is_empty() && failure.message.len() < 1_000, "{}", failure.message);
    (failure.code, failure.field)
}

#[test]
fn an_event_with_a_name_is_enough() {
    let taken =
        read(&v1::Event { name: "accepted/in_progress".into(), ..Default::default() }).expect("taken");
    assert_eq!(taken.id.as_str(), "fresh-1");
    assert_eq!(taken.time, Time(1_000));
    assert_eq!(taken.sender, Sender::Client);
    assert!(taken.data.is_null());
}

#[test]
fn an_event_is_refused_by_the_field_at_fault() {
    let field = |code: Code, field: &str| (code, field.to_string());
    let id = field(Code::MalformedEvent, "event.id");
    let name = field(Code::MalformedEvent, "event.name");
    assert_eq!(refused(|e| e.id = "~1".into()), id);
    assert_eq!(refused(|e| e.id = "a b".into()), id);
    assert_eq!(refused(|e| e.id = "a\u{7}".into()), id);
    assert_eq!(refused(|e| e.id = "x".repeat(256)), id);
    assert_eq!(refused(|e| e.id = "x".repeat(1 << 20)), id);
    assert_eq!(refused(|e| e.name = String::new()), name);
    assert_eq!(refused(|e| e.name = "a\nb".into()), name);
    assert_eq!(refused(|e| e.name = "x".repeat(256)), name);
    assert_eq!(refused(|e| e.name = "x".repeat(1 << 20)), name);
    let nan = buffa_types::google::protobuf::Value::from(f64::NAN);
    assert_eq!(refused(|e| e.data = Some(nan).into()), field(Code::MalformedData, "event.data"));
    let late = buffa_types::google::protobuf::Timestamp { seconds: i64::MAX, ..Default::default() };
    assert_eq!(refused(|e| e.time = Some(late).into()), field(Code::MalformedTime, "event.time"));
    let failure = event(None, "events[3].event", Time(0), &Counted).expect_err("absent");
    assert_eq!((failure.code, failure.field.as_str()), (Code::MalformedRequest, "events[3].event"));
}

#[test]
fn addresses_are_refused_by_the_field_at_fault() {
    for text in [
        "",
        "orders",
        "orders/",
        "/42",
        "orders/../x",
        "orders/a\u{0}b",
        "or ders/1",
        "orders/a/b",
        "a:b:c/d",
    ] {
        assert_eq!(address(text, "address").expect_err(text).field, "address", "{text:?}");
    }
    assert!(address(&format!("orders/{}", "x".repeat(1 << 20)), "address").is_err());
    assert_eq!(address("tenant:orders/42", "address").expect("good").space(), "tenant");
}

#[test]
fn a_start_names_kind_and_id() {
    assert_eq!(start_address("orders", "42").expect("good").as_str(), "orders/42");
    assert_eq!(start_address("a/b:orders", "42").expect("good").as_str(), "a/b:orders/42");
    for (kind, id, field) in
        [("", "1", "kind"), ("a/b", "1", "kind"), ("a b", "1", "kind"), ("a", "b/c", "id"), ("a", "..", "id")]
    {
        assert_eq!(start_address(kind, id).expect_err(kind).field, field, "{kind:?} {id:?}");
    }
}

#[test]
fn pages_have_bounds_and_tokens_of_their_own() {
    assert_eq!(limit(0, 100, 1_000, "limit"), Ok(100));
    assert_eq!(limit(1_000, 100, 1_000, "limit"), Ok(1_000));
    assert_eq!(limit(u32::MAX, 100, 1_000, "limit").expect_err("above").field, "limit");
    assert_eq!(page_token("").expect("none"), None);
    assert_eq!(page_token("a/b").expect("one").map(|a| a.to_string()), Some("a/b".into()));
    assert_eq!(page_token(&"\u{1F600}".repeat(100)).expect_err("none").field, "page_token");
    assert_eq!(page_number("18446744073709551615"), Ok(Some(Serial(u64::MAX))));
    assert_eq!(page_number("-1").expect_err("negative").code, Code::MalformedRequest);
}

#[test]
fn times_and_spans_have_ranges() {
    let time = |seconds, nanos| time_in(&TimestampView { seconds, nanos, ..Default::default() }, "since");
    assert_eq!(time(1, 500_000_000), Ok(Time(1_500)));
    assert_eq!(time(-1, 999_000_000), Ok(Time(-1)));
    assert!(time(i64::MIN, 0).is_err() && time(253_402_300_800, 0).is_err());
    assert!(time(0, -1).is_err() && time(0, 1_000_000_000).is_err());
    for at in [Time(0), Time(-1), Time(1_700_000_000_123), Time(i64::MAX), Time(i64::MIN)] {
        let wire = time_out(at);
        let back = time(wire.seconds, wire.nanos).expect("in range");
        assert!(back == at || at.0.unsigned_abs() > 1 << 50, "{at:?} {back:?}");
    }
    let span = |seconds, nanos| {
        span_in(&DurationView { seconds, nanos, ..Default::default() }, Duration::from_secs(60), "wait")
    };
    assert_eq!(span(1, 5), Ok(Duration::new(1, 5)));
    assert!(span(-1, 0).is_err() && span(0, -1).is_err() && span(0, i32::MAX).is_err());
    assert!(span(61, 0).is_err() && span(i64::MAX, 0).is_err() && span(60, 1).is_err());
}
