//! docs/errors.md says what the table of codes says.

#[test]
fn the_page_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == everstate_server::errors_page(),
        "docs/errors.md is not what the code says; run `cargo xtask generate`"
    );
}
