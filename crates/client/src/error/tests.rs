use super::ClientError;
use buffa_types::google::protobuf::Duration as Span;
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};
use everstate_api::v1 as api;
use std::time::Duration;

#[test]
fn the_detail_of_the_server_becomes_a_refusal() {
    let detail = api::Error {
        code: "node-busy".into(),
        message: "the node is busy".into(),
        field: "event".into(),
        help: "node-busy".into(),
        retryable: true,
        retry_after: Span { seconds: 1, nanos: 500_000_000, ..Default::default() }.into(),
        ..Default::default()
    };
    let error = ConnectError::resource_exhausted("the node is busy")
        .with_detail(ErrorDetail::from_message("everstate.v1.Error", &detail));
    let ClientError::Refused(refusal) = ClientError::from_call("http://here", &error) else { panic!() };
    assert_eq!((refusal.status, refusal.code.as_str()), ("resource_exhausted", "node-busy"));
    assert_eq!(refusal.field, "event");
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(1500)));
    assert!(refusal.retryable);
}

#[test]
fn what_is_not_the_servers_word_is_sorted_by_what_can_be_done() {
    let sort = |code: ErrorCode| ClientError::from_call("http://here", &ConnectError::new(code, "no"));
    assert!(matches!(sort(ErrorCode::Unavailable), ClientError::Interrupted { .. }));
    assert!(matches!(sort(ErrorCode::Internal), ClientError::Interrupted { .. }));
    assert!(matches!(sort(ErrorCode::NotFound), ClientError::Foreign { .. }));
    assert!(matches!(sort(ErrorCode::Unauthenticated), ClientError::Refused(_)));
    assert!(!sort(ErrorCode::Unauthenticated).is_retryable());
}
