//! Which requests are let in, and what a file of tokens may hold.

use super::*;
use http::HeaderValue;

const SECRET: &str = "0123456789abcdef";

fn shown(value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).expect("a header"));
    headers
}

#[test]
fn without_tokens_everybody_may_call() {
    assert_eq!(Tokens::default().check(&HeaderMap::new()), Ok(None));
}

#[test]
fn a_known_token_opens_and_tells_its_name() {
    let tokens = Tokens::parse(&format!("# ours\n\nalice: {SECRET}\n{SECRET}2\n")).expect("good");
    assert_eq!(tokens.check(&shown(format!("Bearer {SECRET}").as_bytes())), Ok(Some("alice")));
    assert_eq!(tokens.check(&shown(format!("bearer  {SECRET}2 ").as_bytes())), Ok(Some("line 4")));
}

#[test]
fn everything_else_is_refused_without_the_token_in_the_words() {
    let tokens = Tokens::parse(SECRET).expect("good");
    let refused: [&[u8]; 8] = [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic 0123456789abcdef",
        b"Bearer 0123456789abcde",
        b"Bearer 0123456789abcdeX",
        b"Bearer 0123456789abcdef0",
        b"Bearer \xff\xfe",
    ];
    for value in refused {
        let failure = tokens.check(&shown(value)).expect_err("refused");
        assert_eq!(failure.code, Code::Unauthenticated);
        assert!(!failure.message.contains("0123456789abcde"), "{}", failure.message);
    }
    assert!(tokens.check(&HeaderMap::new()).is_err());
    assert_eq!(format!("{tokens:?}"), "1 tokens");
}

#[test]
fn a_file_that_holds_no_good_tokens_is_refused() {
    for text in [
        "",
        "# nothing\n",
        "short",
        "name:short",
        "tab\tinside-a-token-of-length",
        "ünïcödé-tökèn-0123456789",
    ] {
        let problem = Tokens::parse(text).expect_err(text);
        assert!(!problem.contains("short") && !problem.contains("inside"), "{problem}");
    }
}
