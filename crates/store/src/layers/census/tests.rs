//! What the census answers by itself, and what it leaves to a walk. That it equals a scan is the conformance suite's.

use super::*;
use everstate_kernel::{Address, Kept, Status, Time, Trimmed};

/// An instance of a version in these states, which ends in the state `end`.
fn instance(id: &str, version: &str, states: &[&str]) -> Instance {
    let ended = states.contains(&"end");
    Instance {
        address: Address::parse(&format!("orders/{id}")).expect("an address"),
        version: Arc::from(version),
        incarnation: 1,
        born: 1,
        status: if ended { Status::Stopped(String::new()) } else { Status::Active },
        state: Kept::new(Vec::new()),
        labels: states.iter().map(|state| Arc::from(*state)).collect(),
        created_at: Time(0),
        last_event_at: Time(0),
        turns: 1,
        mailbox_len: 0,
        timers: Vec::new(),
        tasks: Vec::new(),
        retry: None,
        links: None,
        fields: None,
        trimmed: Trimmed::default(),
        expires: None,
    }
}

fn census(instances: &[Instance]) -> Census {
    let mut census = Census::default();
    for instance in instances {
        census.moved("orders", None, Some(instance));
    }
    census
}

fn of(state: Option<&str>, version: Option<&str>, done: Option<bool>) -> Query {
    Query {
        kind: Some("orders".into()),
        state: state.map(Into::into),
        version: version.map(Into::into),
        done,
        ..Query::default()
    }
}

#[test]
fn kinds_versions_states_and_ends_are_known() {
    let mut census = census(&[
        instance("1", "v1", &["open.wait"]),
        instance("2", "v1", &["open.work"]),
        instance("3", "v2", &["openly"]),
        instance("4", "v2", &["end"]),
    ]);
    let counted = [
        (of(None, None, None), 4),
        (of(Some("open"), None, None), 2),
        (of(Some("open.wait"), None, Some(false)), 1),
        (of(Some("open"), Some("v2"), None), 0),
        (of(Some("end"), None, Some(true)), 1),
        (of(None, Some("v2"), Some(false)), 1),
        (of(Some("nowhere"), None, None), 0),
        (Query { kind: Some("nobody".into()), ..Query::default() }, 0),
        (Query::default(), 4),
    ];
    for (query, expected) in counted {
        assert_eq!(census.count(&query), Some(expected), "{query:?}");
    }
    // One moves to another version, one ends, and all go.
    let moves = [
        (instance("1", "v1", &["open.wait"]), Some(instance("1", "v2", &["open.wait"]))),
        (instance("2", "v1", &["open.work"]), Some(instance("2", "v1", &["end"]))),
    ];
    for (before, now) in &moves {
        census.moved("orders", Some(&before.index_keys()), now.as_ref());
    }
    assert_eq!(census.count(&of(Some("open"), Some("v2"), None)), Some(1));
    assert_eq!(census.count(&of(None, None, Some(true))), Some(2));
    for (id, version, state) in
        [("1", "v2", "open.wait"), ("2", "v1", "end"), ("3", "v2", "openly"), ("4", "v2", "end")]
    {
        census.moved("orders", Some(&instance(id, version, &[state]).index_keys()), None);
    }
    assert_eq!(census, Census::default(), "nothing is kept of what is not there");
}

#[test]
fn nothing_is_guessed_where_one_may_be_in_two_states() {
    let census = census(&[
        instance("1", "v1", &["busy.left.a", "busy.right.b"]),
        instance("2", "v1", &["busy.left.a", "busy.right.c"]),
        instance("3", "v2", &["busy"]),
    ]);
    assert_eq!(census.count(&of(Some("busy"), None, None)), None);
    assert_eq!(census.count(&of(Some("busy.left"), None, None)), Some(2), "one state of each is enough");
    assert_eq!(census.count(&of(Some("busy.right"), None, None)), None);
    assert_eq!(census.count(&of(Some("busy"), Some("v2"), None)), Some(1));
    assert_eq!(census.count(&of(None, None, None)), Some(3));
    let by_time = Query { since: Some(Time(1)), ..Query::default() };
    assert_eq!(census.count(&by_time), None, "times, events and fields are not in it");
}
