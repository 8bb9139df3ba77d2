use super::*;

fn keys(taken: &[(Key, u32)]) -> Vec<(&str, u32)> {
    taken.iter().map(|(key, item)| (&**key, *item)).collect()
}

#[test]
fn heads_are_taken_once_and_the_next_one_only_when_they_are_done() {
    let mut lanes = Lanes::new();
    for (key, item) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
        lanes.push(Key::from(key), item);
    }
    assert_eq!(keys(&lanes.take(2)), [("a", 1), ("b", 2)]);
    assert_eq!(keys(&lanes.take(9)), [("c", 4)]);
    assert_eq!(keys(&lanes.take(9)), []);
    lanes.done(&Key::from("b"));
    lanes.done(&Key::from("a"));
    assert_eq!(keys(&lanes.take(9)), [("a", 3)]);
    assert_eq!((lanes.failed(&Key::from("a")), lanes.failed(&Key::from("a"))), (1, 2));
    assert_eq!(keys(&lanes.take(9)), []);
    lanes.again(&Key::from("a"));
    assert_eq!(keys(&lanes.take(9)), [("a", 3)]);
    lanes.done(&Key::from("a"));
    lanes.done(&Key::from("c"));
    assert!(lanes.lanes.is_empty());
}

#[test]
fn what_nobody_has_begun_with_can_be_taken_out() {
    let mut lanes = Lanes::new();
    for (key, item) in [("a", 1), ("b", 2), ("a", 3), ("b", 4)] {
        lanes.push(Key::from(key), item);
    }
    assert_eq!(keys(&lanes.take(1)), [("a", 1)]);
    let mut left = lanes.drain();
    left.sort_unstable();
    assert_eq!(left, [2, 3, 4]);
    assert_eq!(keys(&lanes.take(9)), []);
    lanes.done(&Key::from("a"));
    assert!(lanes.lanes.is_empty());
}
