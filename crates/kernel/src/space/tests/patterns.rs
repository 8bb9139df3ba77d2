//! Which texts are patterns, and what two of them have in common, against all topics of a small world.

extern crate std;

use super::script::pattern;
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_SEGMENTS_MAX};
use crate::space::Pattern;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, problem) in [
        ("", "pattern is empty; write segments joined by '/', such as room/42"),
        (
            "/a",
            "segment 1 of the pattern is empty; write a name, '*' or a final '>' between single '/': \"/a\"",
        ),
        (
            "a//b",
            "segment 2 of the pattern is empty; write a name, '*' or a final '>' between single '/': \"a//b\"",
        ),
        (
            "a/",
            "segment 2 of the pattern is empty; write a name, '*' or a final '>' between single '/': \"a/\"",
        ),
        (
            "a/>/b",
            "segment 2 of the pattern is '>', which takes the rest and so must be the last; use '*' for one segment: \"a/>/b\"",
        ),
        (
            "a/b*",
            "segment 2 of the pattern mixes a wildcard with other characters (\"b*\"); '*' and '>' stand alone: \"a/b*\"",
        ),
        ("a/b c", "segment 2 of the pattern has a character that cannot be seen: ' ': \"a/b c\""),
        (
            "a/\u{200b}",
            "segment 2 of the pattern has a character that cannot be seen: '\\u{200b}': \"a/\\u{200b}\"",
        ),
    ] {
        let error = Pattern::parse(text).expect_err(text);
        assert_eq!(error.to_string(), problem);
    }
}

#[test]
fn long_ones_are_refused_without_being_repeated() {
    let million = vec!["a"; 1_000_000].join("/");
    let error = Pattern::parse(&million).expect_err("too long").to_string();
    assert_eq!(error, format!("pattern is 1999999 bytes long, the limit is {PATTERN_BYTES_MAX}"));
    let many = vec!["a"; PATTERN_SEGMENTS_MAX + 1].join("/");
    let error = Pattern::parse(&many).expect_err("too many").to_string();
    assert_eq!(
        error,
        format!(
            "pattern has {} segments, the limit is {PATTERN_SEGMENTS_MAX}: {many:?}",
            PATTERN_SEGMENTS_MAX + 1
        )
    );
    assert!(Pattern::parse(&vec!["*"; PATTERN_SEGMENTS_MAX].join("/")).is_ok());
    assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
}

#[test]
fn the_intersection_of_two() {
    for (a, b, both) in [
        ("a/b", "a/b", Some("a/b")),
        ("a/b", "a/c", None),
        ("a/*", "a/b", Some("a/b")),
        ("a/*", "*/b", Some("a/b")),
        ("a/>", "a/b/c", Some("a/b/c")),
        ("a/>", "a", None),
        (">", "a", Some("a")),
        (">", "*/b/>", Some("*/b/>")),
        ("a/>", "*/b/>", Some("a/b/>")),
        ("a/>", "*/*", Some("a/*")),
        ("*/*", "*/*/*", None),
        ("a/*/c/>", "*/b/>", Some("a/b/c/>")),
        ("a/>", "b/>", None),
    ] {
        let (first, second) = (pattern(a), pattern(b));
        let found = first.intersection(&second);
        assert_eq!(found.as_ref().map(Pattern::as_str), both, "{a} and {b}");
        assert_eq!(found, second.intersection(&first), "{b} and {a}");
        assert_eq!(first.intersects(&second), both.is_some());
    }
}

/// All patterns of up to three segments over two names, against all topics of up to five over three.
#[test]
fn an_intersection_takes_the_topics_that_both_take() {
    let topics = words(&["a", "b", "z"], 5);
    let mut patterns: Vec<String> = words(&["a", "b", "*"], 3);
    let open: Vec<String> = patterns.iter().map(|text| format!("{text}/>")).collect();
    patterns.extend(open);
    patterns.push(">".into());
    let taken = |pattern: &str| -> Vec<bool> { topics.iter().map(|topic| takes(pattern, topic)).collect() };
    let taken_by: Vec<Vec<bool>> = patterns.iter().map(|text| taken(text)).collect();
    for (a, by_a) in patterns.iter().zip(&taken_by) {
        for (b, by_b) in patterns.iter().zip(&taken_by) {
            let both: Vec<bool> = by_a.iter().zip(by_b).map(|(a, b)| *a && *b).collect();
            match pattern(a).intersection(&pattern(b)) {
                None => assert!(!both.contains(&true), "{a} and {b}"),
                Some(common) => {
                    assert_eq!(taken(common.as_str()), both, "{a} and {b}: {common}");
                    let read = pattern(common.as_str());
                    assert_eq!((read.is_topic(), read.shape()), (common.is_topic(), common.shape()));
                }
            }
        }
    }
}

/// All paths of 1 to `longest` of these segments.
fn words(segments: &[&str], longest: usize) -> Vec<String> {
    let mut all: Vec<String> = segments.iter().map(ToString::to_string).collect();
    let mut last = all.clone();
    for _ in 1..longest {
        last =
            last.iter().flat_map(|path| segments.iter().map(move |next| format!("{path}/{next}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// The meaning of a pattern, word for word.
fn takes(pattern: &str, topic: &str) -> bool {
    match (pattern.split_once('/'), topic.split_once('/')) {
        _ if pattern == ">" => true,
        (None, None) => pattern == "*" || pattern == topic,
        (Some((first, rest)), Some((name, names))) => (first == "*" || first == name) && takes(rest, names),
        _ => false,
    }
}
