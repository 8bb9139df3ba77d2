//! The table holds an entry for each code, in order, and the page explains each.

use super::*;
use std::collections::HashSet;

#[test]
fn the_table_is_in_the_order_of_the_enum() {
    for (index, entry) in TABLE.iter().enumerate() {
        assert_eq!(entry.code as usize, index, "{} is out of order", entry.text);
        assert_eq!(entry.code.entry().text, entry.text);
    }
    assert_eq!(TABLE.len(), Code::FaultState as usize + 1, "a code without an entry");
}

#[test]
fn every_text_is_stable_and_unique() {
    let mut seen = HashSet::new();
    for entry in TABLE {
        assert!(seen.insert(entry.text), "{} is there twice", entry.text);
        assert!(entry.text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", entry.text);
        assert!(entry.happened.ends_with('.') && entry.remedy.ends_with('.'), "{}", entry.text);
        assert_eq!(Code::parse(entry.text), Some(entry.code));
    }
    assert_eq!(Code::parse("from-the-future"), None);
}

#[test]
fn the_page_has_a_section_for_each_code_and_finding() {
    let page = errors_page(&[("unknown-target", "A transition names a state that is not there.")]);
    for entry in TABLE {
        assert!(page.contains(&format!("\n### {}\n", entry.text)), "{}", entry.text);
    }
    assert!(page.contains("### unknown-target"));
}
