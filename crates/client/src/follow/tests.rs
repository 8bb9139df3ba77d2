use super::{Place, Subject, Told};
use everstate_api::v1 as api;
use everstate_api::v1::__buffa::oneof::follow_response::What;

fn snapshot(address: &str, turns: u64) -> api::FollowResponse {
    let instance = api::Instance { address: address.into(), turns, ..Default::default() };
    api::FollowResponse { what: Some(What::Snapshot(Box::new(instance))), cursor: 5, ..Default::default() }
}

fn live(cursor: u64) -> api::FollowResponse {
    api::FollowResponse { what: Some(What::Live(true)), cursor, ..Default::default() }
}

fn turn(cursor: u64) -> api::FollowResponse {
    let turn = api::Turn { cursor, ..Default::default() };
    api::FollowResponse { what: Some(What::Turn(Box::new(turn))), cursor, ..Default::default() }
}

/// The messages as told, in short: `s orders/1:3`, `live`, `t 7`.
fn told(place: &mut Place, messages: impl IntoIterator<Item = api::FollowResponse>) -> Vec<String> {
    messages
        .into_iter()
        .filter_map(|message| place.take(message))
        .map(|told| match told {
            Told::Snapshot(instance) => format!("s {}:{}", instance.address, instance.turns),
            Told::Live => "live".into(),
            Told::Turn(turn) => format!("t {}", turn.cursor),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_snapshot_then_turns_then_the_cursor_of_the_last() {
    let mut place = Place::new(Subject::Kind("orders".into()), None);
    assert_eq!(place.request().cursor, None);
    let all = told(&mut place, [snapshot("orders/1", 3), live(5), turn(6), turn(8)]);
    assert_eq!(all, ["s orders/1:3", "live", "t 6", "t 8"]);
    assert_eq!(place.request().cursor, Some(8));
    assert_eq!(place.request().kind, "orders");
}

#[test]
fn what_comes_twice_is_told_once() {
    let mut place = Place::new(Subject::Everything, Some(6));
    assert_eq!(told(&mut place, [live(6), turn(5), turn(6), turn(7), turn(7), turn(8)]), ["t 7", "t 8"]);
}

#[test]
fn a_snapshot_that_broke_begins_anew_and_repeats_only_what_changed() {
    let mut place = Place::new(Subject::Everything, None);
    assert_eq!(told(&mut place, [snapshot("a/1", 1), snapshot("a/2", 1)]), ["s a/1:1", "s a/2:1"]);
    assert_eq!(place.request().cursor, None, "half a snapshot is no place to resume from");
    let rest = [snapshot("a/1", 1), snapshot("a/2", 2), snapshot("a/3", 1), live(9)];
    assert_eq!(told(&mut place, rest), ["s a/2:2", "s a/3:1", "live"]);
    assert_eq!(place.request().cursor, Some(9));
}
