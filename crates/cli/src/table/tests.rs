use super::{Table, pairs};
use crate::paint::Paint;

#[test]
fn columns_are_aligned_by_what_is_seen() {
    let mut table = Table::new(&["name", "turns", "state"]).right(1).colour(2, Paint::good);
    table.row(vec!["größe/1".into(), "7".into(), "open".into()]);
    table.row(vec!["a".into(), "12345".into(), String::new()]);
    insta::assert_snapshot!(table.render(Paint(false)), @r"
    name     turns  state
    größe/1      7  open
    a        12345
    ");
    assert!(table.render(Paint(true)).contains("\u{1b}[32mopen\u{1b}[0m"));
}

#[test]
fn control_characters_are_written_out() {
    let mut table = Table::new(&["name"]);
    table.row(vec!["\u{1b}[2Jgone".into()]);
    assert_eq!(table.render(Paint(false)), "name\n\\u{1b}[2Jgone\n");
}

#[test]
fn pairs_set_further_lines_in() {
    let text = pairs(&[("state", "open".into()), ("context", "{\n  1\n}".into())], Paint(false));
    assert_eq!(text, "state    open\ncontext  {\n           1\n         }\n");
}
