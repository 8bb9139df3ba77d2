use super::{Exit, Failure};
use crate::output::Manner;
use everstate_client::{ClientError, Refusal};

fn render(error: ClientError) -> (String, Exit) {
    let failure = Failure::from(error);
    (failure.render(&Manner::default()), failure.exit)
}

#[test]
fn an_unreachable_server_says_how_to_start_one() {
    let (text, exit) = render(ClientError::Unreachable {
        server: "http://127.0.0.1:7400".into(),
        problem: "connection refused".into(),
    });
    insta::assert_snapshot!(text, @r"
    error: cannot reach the server at http://127.0.0.1:7400: connection refused
    hint: start one with: everstate serve, or name another with --server URL
    ");
    assert_eq!(exit, Exit::Unreachable);
}

fn refusal() -> ClientError {
    ClientError::Refused(Box::new(Refusal {
        status: "not_found",
        code: "a-newer-code".into(),
        message: "no such thing: orders".into(),
        field: "kind".into(),
        help: "a-newer-code".into(),
        retryable: false,
        retry_after: None,
    }))
}

#[test]
fn the_servers_refusal_names_the_field_and_the_page() {
    let (text, exit) = render(refusal());
    insta::assert_snapshot!(text, @r"
    error: no such thing: orders
      in kind
    help: docs/errors.md#a-newer-code
    ");
    assert_eq!(exit, Exit::Problem);
}

#[test]
fn machines_get_a_document() {
    let text = Failure::from(refusal()).hint("do this").render(&Manner { json: true, ..Manner::default() });
    insta::assert_snapshot!(text, @r#"{"error":{"code":"a-newer-code","field":"kind","help":"a-newer-code","hints":["do this"],"message":"no such thing: orders"}}"#);
}

#[test]
fn every_known_code_has_a_hint() {
    for entry in everstate_api::Code::table() {
        let refusal = Refusal {
            status: "",
            code: entry.text.into(),
            message: "m".into(),
            field: String::new(),
            help: entry.text.into(),
            retryable: entry.retryable,
            retry_after: None,
        };
        let text = Failure::refused(&refusal).render(&Manner::default());
        assert!(text.contains("hint: "), "{text}");
    }
}
