use super::{Backoff, WAIT_MAX, WAIT_MIN};
use std::time::Duration;

#[test]
fn waits_double_up_to_the_longest_and_end_with_the_patience() {
    let patience = Duration::from_secs(20);
    let mut backoff = Backoff::new(7);
    let (mut spent, mut waits) = (Duration::ZERO, Vec::new());
    while let Some(wait) = backoff.wait(spent, patience, None) {
        spent += wait;
        waits.push(wait);
    }
    assert_eq!(spent, patience);
    assert!(waits[0] <= WAIT_MIN && waits[0] >= WAIT_MIN * 3 / 4);
    assert!(waits.iter().all(|wait| *wait <= WAIT_MAX));
    assert!((12..=25).contains(&waits.len()), "{}", waits.len());
}

#[test]
fn the_server_may_ask_for_a_wait_of_its_own() {
    let mut backoff = Backoff::new(7);
    let asked = Duration::from_millis(700);
    assert_eq!(backoff.wait(Duration::ZERO, Duration::from_secs(1), Some(asked)), Some(asked));
    let left = backoff.wait(asked, Duration::from_secs(1), Some(asked));
    assert_eq!(left, Some(Duration::from_millis(300)));
}

#[test]
fn no_patience_no_wait() {
    assert_eq!(Backoff::new(1).wait(Duration::ZERO, Duration::ZERO, None), None);
}
