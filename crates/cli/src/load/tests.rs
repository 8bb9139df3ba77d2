use super::{Lanes, Lines, Loaded, Read, Tally, parse};
use crate::failure::Exit;
use crate::paint::Paint;
use everstate_client::api;
use everstate_client::api::outcome::Code;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn line(number: u64, instance: &str) -> Loaded {
    parse(number, &format!(r#"{{"id":"e{number}","instance":"{instance}","event":"go"}}"#), "k").unwrap()
}

#[test]
fn a_line_becomes_an_event() {
    let text = r#"{"id":"1#1","instance":"1","event":"accepted/in_progress","time":"2010-03-31T16:59:42+02:00","data":{"impact":"Medium"}}"#;
    let loaded = parse(7, text, "incidents").unwrap();
    assert_eq!((loaded.line, loaded.item.address.as_str()), (7, "incidents/1"));
    let event = loaded.item.event.as_option().unwrap();
    assert_eq!((event.id.as_str(), event.name.as_str()), ("1#1", "accepted/in_progress"));
    assert_eq!(event.time.as_option().unwrap().seconds, 1_270_047_582);
    assert_eq!(everstate_client::json(event.data.as_option().unwrap()).to_string(), r#"{"impact":"Medium"}"#);
}

#[test]
fn a_line_that_is_no_event_says_why() {
    let check = |text: &str| parse(3, text, "k").unwrap_err().problem;
    let all = [
        check("not json"),
        check(r#"{"id":"1","instance":"1"}"#),
        check(r#"{"id":"1","instance":1,"event":"go"}"#),
        check(r#"{"id":"1","instance":"1","event":"go","impact":"high"}"#),
        check(r#"{"id":"","instance":"1","event":"go"}"#),
        check(r#"{"id":"1","instance":"1","event":"go","time":"yesterday"}"#),
        check(r#"{"id":"1","instance":"1","event":"go","data":{"n":12345678901234567890}}"#),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    expected ident (column 2)
    missing field `event` (column 25)
    invalid type: integer `1`, expected a string (column 22)
    unknown field `impact`, expected one of `id`, `instance`, `event`, `time`, `data` (column 46)
    id is empty
    time is not RFC 3339, such as 2026-01-31T12:00:00+01:00: "yesterday"
    data: number is too large to be kept exactly at $.n: 12345678901234567890; write it as a string
    "#);
}

fn read(bytes: &[u8]) -> Vec<(u64, Read)> {
    let mut lines = Lines::new(Box::new(std::io::Cursor::new(bytes.to_vec())), None).unwrap();
    std::iter::from_fn(|| lines.next().unwrap()).collect()
}

#[test]
fn lines_are_counted_empty_ones_included_and_the_last_needs_no_end() {
    let text = b"{\"a\":1}\r\n\n  \n{\"b\":2}";
    let expected = vec![(1, Read::Line("{\"a\":1}".into())), (4, Read::Line("{\"b\":2}".into()))];
    assert_eq!(read(text), expected);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).unwrap();
    assert_eq!(read(&packed.finish().unwrap()), expected);
    assert_eq!(read(b""), vec![]);
}

#[test]
fn lines_that_cannot_be_are_told_and_the_next_is_read() {
    let mut bytes = b"\xff\xfe\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 3 << 20));
    bytes.extend(b"\nlast\n");
    let all = read(&bytes);
    assert_eq!(all[0], (1, Read::Wrong("line is not UTF-8 text".into())));
    assert_eq!(all[1], (2, Read::Wrong("line is longer than 2097152 bytes".into())));
    assert_eq!(all[2], (3, Read::Line("last".into())));
}

#[test]
fn a_file_cut_short_is_an_error_after_its_whole_lines() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"one\ntwo\n").unwrap();
    let mut bytes = packed.finish().unwrap();
    bytes.truncate(bytes.len() - 6);
    let mut lines = Lines::new(Box::new(std::io::Cursor::new(bytes)), None).unwrap();
    let mut seen = 0;
    let error = loop {
        match lines.next() {
            Ok(Some(_)) => seen += 1,
            Ok(None) => panic!("the end was taken for whole"),
            Err(error) => break error,
        }
    };
    assert!(seen <= 2);
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_instance_keeps_its_order_whatever_the_lanes_do() {
    let mut lanes = Lanes::new(3, 4);
    for number in 1..=100 {
        lanes.push(line(number, &format!("i{}", number % 7)));
    }
    let mut on_the_way: Vec<(usize, Vec<Loaded>)> = Vec::new();
    let mut seen: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    let mut total = 0;
    loop {
        while let Some(batch) = lanes.take(true) {
            assert!(batch.1.len() <= 4);
            assert!(on_the_way.iter().all(|(lane, _)| *lane != batch.0), "a lane has one batch on its way");
            on_the_way.push(batch);
        }
        // The last one out is the first one done: lanes finish in any order.
        let Some((lane, batch)) = on_the_way.pop() else { break };
        for loaded in batch {
            let before = seen.insert(loaded.item.address.clone(), loaded.line).unwrap_or(0);
            assert!(before < loaded.line);
            total += 1;
        }
        lanes.done(lane);
    }
    assert_eq!(total, 100);
}

#[test]
fn half_a_batch_waits_for_more_and_a_full_lane_stops_the_reading() {
    let mut lanes = Lanes::new(1, 2);
    lanes.push(line(1, "a"));
    assert!(lanes.take(false).is_none());
    for number in 2..=4 {
        assert!(lanes.have_room());
        lanes.push(line(number, "a"));
    }
    assert!(!lanes.have_room());
    assert_eq!(lanes.take(false).unwrap().1.len(), 2);
    assert!(lanes.take(true).is_none(), "its batch is still on its way");
}

fn result(code: Code, duplicate: bool, reason: &str) -> api::send_events_response::Result {
    let outcome = api::Outcome {
        code: code.into(),
        duplicate,
        reason: reason.into(),
        message: "why".into(),
        ..Default::default()
    };
    api::send_events_response::Result { outcome: outcome.into(), ..Default::default() }
}

#[test]
fn every_line_is_in_one_number() {
    let mut tally = Tally::default();
    assert_eq!(tally.exit(), Exit::Fine);
    tally.count(&line(1, "a"), &result(Code::CODE_OK, false, ""));
    tally.count(&line(2, "a"), &result(Code::CODE_OK, true, ""));
    tally.count(&line(3, "a"), &result(Code::CODE_PENDING, false, ""));
    let refused = tally.count(&line(4, "a"), &result(Code::CODE_REJECTED, false, "not-accepted")).unwrap();
    tally.count(&line(5, "a"), &result(Code::CODE_REJECTED, true, "not-accepted"));
    let error = api::Error { code: "conflict".into(), message: "another event".into(), ..Default::default() };
    let conflict = api::send_events_response::Result { error: error.into(), ..Default::default() };
    tally.count(&line(6, "a"), &conflict);
    tally.wrong(&parse(7, "?", "k").unwrap_err());
    insta::assert_snapshot!(tally.render(Paint(false)), @r"
    lines           7
    taken           1
    already there   2, 1 of them refused
    kept for later  1
    refused         2
    malformed       1

    refused       events  kept        first   message
    conflict           1  no          line 6  another event
    not-accepted       2  in history  line 4  why
    ");
    insta::assert_snapshot!(refused.0.to_string(), @r#"{"event":{"event":"go","id":"e4","instance":"a"},"line":4,"message":"why","reason":"not-accepted"}"#);
    assert_eq!(tally.exit(), Exit::Problem);
}
