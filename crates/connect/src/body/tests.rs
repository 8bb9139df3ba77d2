use super::*;
use everstate_api::v1beta::{Event, Transition};
use proptest::prelude::*;

fn read(body: &str) -> Result<(String, String, String, Json), String> {
    let item = Form::Json.event("m1", body.as_bytes())?;
    let event = item.event.as_option().unwrap().clone();
    let data = event.data.as_option().map_or(Json::Null, json);
    Ok((item.address, event.id, event.name, data))
}

#[test]
fn an_event_in_json_is_read_strictly() {
    let whole = r#"{"address": "orders/42", "event": {"id": "e1", "name": "pay", "data": {"amount": 20}}}"#;
    let told = ("orders/42".into(), "e1".into(), "pay".into(), json!({"amount": 20}));
    assert_eq!(read(whole), Ok(told));
    let short = r#"{"address": "orders/42", "event": {"name": "pay"}}"#;
    assert_eq!(read(short), Ok(("orders/42".into(), "m1".into(), "pay".into(), Json::Null)));
    for (body, problem) in [
        ("", "body is no event: EOF while parsing a value at line 1 column 0"),
        ("[]", "body is no event: invalid length 0, expected struct Wire with 2 elements at line 1 column 2"),
        (r#"{"address": "a/1"}"#, "body is no event: missing field `event` at line 1 column 18"),
        (r#"{"address": "", "event": {"name": "x"}}"#, "body is no event: its address is empty"),
        (r#"{"address": "a/1", "event": {"name": ""}}"#, "body is no event: event.name is empty"),
        (
            r#"{"address": "a/1", "event": {"name": "x", "time": "noon"}}"#,
            "event.time is not RFC 3339: \"noon\"",
        ),
        (
            r#"{"address": "a/1", "event": {"name": "x", "data": [9007199254740993]}}"#,
            "event.data: number is too large to be kept exactly at $[0]: 9007199254740993; write it as a string",
        ),
    ] {
        assert_eq!(read(body).unwrap_err(), problem);
    }
    let huge = vec![b' '; BODY_BYTES_MAX + 1];
    let problem = Form::Json.event("m1", &huge).unwrap_err();
    assert_eq!(problem, "body is 2097153 bytes long, the limit is 2097152");
}

fn request(event: Option<Event>) -> EventRequest {
    EventRequest { config: "my orders".into(), id: "4/2".into(), event: event.into(), ..Default::default() }
}

fn named(name: &str) -> Event {
    let transition = Transition { event: name.into(), ..Default::default() };
    Event { transition: Some(transition).into(), ..Default::default() }
}

fn coded(request: &EventRequest) -> Vec<u8> {
    BASE64.encode(request.encode_to_vec()).into_bytes()
}

#[test]
fn a_request_of_go_statemachine_names_what_its_server_would() {
    let event = Event { event_id: "~1".into(), originator: "shop".into(), ..named("accept") };
    let item = Form::Statemachine.event("m1", &coded(&request(Some(event)))).unwrap();
    assert_eq!(item.address, "my_x20_orders/4_x2F_2");
    let event = item.event.as_option().unwrap();
    assert_eq!((event.id.as_str(), event.name.as_str()), ("_x7E_1", "accept"));
    assert_eq!(event.data.as_option().map(json), Some(json!({"originator": "shop"})));
    let item = Form::Statemachine.event("m1", &coded(&request(Some(named("accept"))))).unwrap();
    assert_eq!(item.event.as_option().unwrap().id, "m1");
    for (body, problem) in [
        (b"%%".to_vec(), "body is not base64: Invalid symbol 37, offset 0."),
        (coded(&request(None)), "the EventRequest has no event"),
        (
            coded(&request(Some(Event::default()))),
            "the EventRequest's event has no name: event.transition.event is empty",
        ),
        (
            coded(&EventRequest { id: String::new(), ..request(Some(named("go"))) }),
            "the EventRequest has no destination: id is empty",
        ),
        (Vec::new(), "the EventRequest has no destination: id is empty"),
    ] {
        assert_eq!(Form::Statemachine.event("m1", &body).unwrap_err(), problem);
    }
    let rubbish = BASE64.encode([0xff; 20]).into_bytes();
    let problem = Form::Statemachine.event("m1", &rubbish).unwrap_err();
    assert!(problem.starts_with("body is no statemachine.v1beta.EventRequest: "), "{problem}");
}

fn refused() -> api::Turn {
    let outcome = api::Outcome {
        code: Code::CODE_REJECTED.into(),
        from: vec!["start".into()],
        reason: "not-accepted".into(),
        message: "no active state takes it".into(),
        accepts: vec!["accept".into()],
        ..Default::default()
    };
    let event = api::Event { id: "e1".into(), name: "ship".into(), ..Default::default() };
    api::Turn {
        address: "my_x20_orders/42".into(),
        cursor: 7,
        sequence: 3,
        event: Some(event).into(),
        outcome: Some(outcome).into(),
        ..Default::default()
    }
}

#[test]
fn a_refused_event_is_told_in_both_forms() {
    let told = Form::Json.notification("hook", &refused()).unwrap();
    assert_eq!((told.id.as_str(), told.cursor, &*told.address), ("hook-7", 7, "my_x20_orders/42"));
    let body: Json = serde_json::from_str(&told.body).unwrap();
    assert_eq!(body["event"], json!({"id": "e1", "name": "ship", "data": null, "time": null}));
    assert_eq!(body["outcome"]["code"], "rejected");
    assert_eq!(body["outcome"]["accepts"], json!(["accept"]));
    let told = Form::Statemachine.notification("hook", &refused()).unwrap();
    let response = EventResponse::decode_from_slice(&BASE64.decode(told.body).unwrap()).unwrap();
    let outcome = response.outcome.as_option().unwrap();
    assert_eq!(outcome.code.as_known(), Some(StatusCode::EventNotAllowed));
    assert_eq!((outcome.config.as_str(), outcome.id.as_str()), ("my orders", "42"));
    assert_eq!(
        outcome.details,
        "event \"ship\" (id \"e1\") for FSM my orders#42 is not allowed in state \"start\" of configuration my \
         orders; events allowed there: accept"
    );
    assert_eq!(Form::Statemachine.notification("hook", &api::Turn::default()), None);
}

#[test]
fn data_that_no_queue_could_carry_is_left_out() {
    let mut turn = refused();
    let long = value(&json!("x".repeat(300_000))).unwrap();
    turn.event.get_or_insert_default().data = Some(long).into();
    let told = Form::Json.notification("hook", &turn).unwrap();
    assert!(told.body.len() < 1_000, "{}", told.body.len());
    let body: Json = serde_json::from_str(&told.body).unwrap();
    assert_eq!(body["left_out"], json!(["event.data", "outcome.reply"]));
    assert_eq!(body["event"]["id"], "e1");
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        for form in [Form::Json, Form::Statemachine] {
            let _ = form.event("m1", &body);
            let _ = form.event("m1", text.as_bytes());
            let _ = form.event("m1", BASE64.encode(&body).as_bytes());
        }
    }
}
