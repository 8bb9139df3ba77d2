//! Asking the routes without sending, the limits, and the shapes at which an index could go wrong.

extern crate std;

use super::script::{name, part, pattern};
use crate::json::Json;
use crate::limits::{ENDPOINT_NAME_BYTES_MAX, ENDPOINT_VALUE_BYTES_MAX};
use crate::space::{Change, Endpoint, Role, Space};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn join(member: &str, endpoint: &str, text: &str) -> Change {
    Change::Join(Endpoint { name: name(member, endpoint), part: part(text), since: 0, credit: 0 })
}

fn space(joins: &[(&str, &str)]) -> Space {
    let mut space = Space::new(1);
    let changes = joins.iter().map(|(member, text)| join(member, "e", text)).collect();
    space.apply(1, changes).expect("they may join");
    space
}

#[test]
fn who_would_receive_this_and_who_is_here() {
    let space = space(&[
        ("a/1", "subscriber participant x/1"),
        ("a/2", "subscriber observer x/*"),
        ("a/3", "publisher participant x/1 {\"v\":1}"),
    ]);
    let takers = |role, topic| -> Vec<String> {
        let takers = space.takers(role, &pattern(topic));
        takers.iter().map(|(number, taker)| format!("{number} {}", taker.name.member)).collect()
    };
    assert_eq!(takers(Role::Subscriber, "x/1"), ["1 a/1", "2 a/2"]);
    assert_eq!(takers(Role::Subscriber, "x/2"), ["2 a/2"]);
    assert_eq!(takers(Role::Publisher, "x/*"), ["3 a/3"]);
    assert_eq!(takers(Role::Subscriber, "y"), [""; 0]);
    let present = |text| -> Vec<String> {
        let present = space.present(&part(text));
        present
            .iter()
            .map(|other| format!("{} at {} {}", other.name.member, other.pattern, other.value))
            .collect()
    };
    assert_eq!(present("subscriber observer x/*"), ["a/3 at x/1 {\"v\":1}"]);
    assert_eq!(present("publisher observer >"), ["a/1 at x/1 null"]);
    assert_eq!(present("publisher everything >"), ["a/1 at x/1 null", "a/2 at x/* null"]);
}

/// Names behind a `*` go by the lists of leaves; here the first name is rare, then the last, then neither is known.
#[test]
fn a_name_behind_a_wildcard_finds_what_intersects() {
    let mut space = Space::new(1);
    let mut changes = Vec::new();
    for n in 0..50 {
        changes.push(join(&format!("busy/{n}"), "e", &format!("publisher participant worker/{n}/busy")));
        changes.push(join(&format!("other/{n}"), "e", &format!("publisher participant other/{n}/idle")));
    }
    changes.push(join("one/1", "e", "publisher participant worker/7/idle"));
    changes.push(join("any/1", "e", "publisher participant worker/*/*"));
    changes.push(join("rest/1", "e", "publisher participant worker/>"));
    changes.push(join("short/1", "e", "publisher participant worker/7"));
    space.apply(1, changes).expect("they may join");
    let takers = |topic| -> Vec<String> {
        let takers = space.takers(Role::Publisher, &pattern(topic));
        takers.iter().map(|(_, taker)| taker.name.member.to_string()).collect()
    };
    assert_eq!(takers("worker/*/idle"), ["one/1", "any/1", "rest/1"]);
    assert_eq!(takers("*/7/idle"), ["other/7", "one/1", "any/1", "rest/1"]);
    assert_eq!(takers("*/*/unknown"), ["any/1", "rest/1"]);
    assert_eq!(takers("worker/*/>").len(), 53);
    assert_eq!(takers("*/7"), ["rest/1", "short/1"]);
}

#[test]
fn what_goes_over_a_limit_changes_nothing() {
    let mut space = space(&[("a/1", "publisher participant x")]);
    let long = Json::parse(&format!("\"{}\"", "v".repeat(ENDPOINT_VALUE_BYTES_MAX))).expect("a value");
    let refused = |space: &mut Space, change| {
        let leave = Change::Leave(name("a/1", "e"));
        let error = space.apply(100, [leave, change].into()).expect_err("over a limit").to_string();
        assert_eq!(space.len(), 1, "nothing has changed");
        error
    };
    let mut too_much = part("publisher participant y");
    too_much.value = long.clone();
    let error = refused(
        &mut space,
        Change::Join(Endpoint { name: name("a/2", "e"), part: too_much, since: 0, credit: 0 }),
    );
    let bytes = ENDPOINT_VALUE_BYTES_MAX + 2;
    let expected = format!(
        "endpoint \"e\" asserts a value of {bytes} bytes, the limit is {ENDPOINT_VALUE_BYTES_MAX}; assert where to find it"
    );
    assert_eq!(error, expected);
    assert_eq!(refused(&mut space, Change::Assert(name("a/1", "e"), long)), expected);
    space.endpoints_max = 2;
    let two = [join("a/2", "e", "publisher participant y"), join("a/3", "e", "publisher participant y")];
    let error = space.apply(200, two.to_vec()).expect_err("one too many").to_string();
    assert_eq!(
        error,
        "the space would have 3 endpoints, the limit is 2; leave with those that are not needed"
    );
    let in_exchange = [Change::Leave(name("a/1", "e")), two[0].clone(), two[1].clone()];
    assert!(space.clone().apply(200, in_exchange.to_vec()).is_ok(), "one goes for two that come");
    for bad in [String::new(), "n".repeat(ENDPOINT_NAME_BYTES_MAX + 1), "a\nb".into()] {
        let error = refused(&mut space, join("a/2", &bad, "publisher participant y"));
        assert!(error.contains("is not usable"), "{error}");
    }
}
