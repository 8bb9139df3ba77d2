use super::{millis, rfc3339, timestamp};

#[test]
fn offsets_become_utc() {
    let time = timestamp("2010-03-31T16:59:42+02:00").unwrap();
    assert_eq!(rfc3339(&time), "2010-03-31T14:59:42Z");
    assert_eq!(millis(&time), 1_270_047_582_000);
}

#[test]
fn what_is_no_time_is_none() {
    for text in ["", "yesterday", "2010-02-30T00:00:00Z", "2010-03-31", "2010-03-31T25:00:00Z"] {
        assert!(timestamp(text).is_none(), "{text}");
    }
}

#[test]
fn milliseconds_are_kept() {
    assert_eq!(rfc3339(&timestamp("2026-01-01T00:00:00.250Z").unwrap()), "2026-01-01T00:00:00.250Z");
    assert_eq!(millis(&timestamp("1969-12-31T23:59:59.500Z").unwrap()), -500);
}
