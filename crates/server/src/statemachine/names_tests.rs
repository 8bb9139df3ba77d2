//! Any text becomes a name, and comes back.

use everstate_api::names::*;
use everstate_kernel::{Address, DefinitionId, EventId};
use proptest::prelude::*;
use std::borrow::Cow;

#[test]
fn usual_names_stay_as_they_are() {
    for name in ["orders", "test.orders", "Orders-2_b", "_x", "a_xyz", "snake_case_name"] {
        assert_eq!(kind(name), name);
        assert!(matches!(kind(name), Cow::Borrowed(_)), "nothing is copied");
    }
    assert_eq!(id("6f1c-aa.b@c"), "6f1c-aa.b@c");
    assert_eq!(state("on hold"), "on hold");
    assert_eq!(event("payment.failed"), "payment.failed");
    assert_eq!(version("1.2.0+b"), "1.2.0+b");
}

#[test]
fn what_cannot_stand_is_written_as_its_code_point() {
    for (name, made) in [
        ("my orders", "my_x20_orders"),
        ("2fast", "_x32_fast"),
        ("a/b:c", "a_x2F_b_x3A_c"),
        ("a..b", "a._x2E_b"),
        ("Bestellungen für", "Bestellungen_x20_f_xFC_r"),
        ("my_x20_orders", "my_x5F_x20_orders"),
        ("a_x4 ", "a_x5F_x4_x20_"),
    ] {
        assert_eq!(kind(name), made);
        assert_eq!(plain(made), name);
    }
    assert_eq!(state("a.b"), "a_x2E_b");
    assert_eq!(state("~begin"), "_x7E_begin");
    assert_eq!(state("on hold "), "on hold_x20_");
    assert_eq!(event("*"), "_x2A_");
    assert_eq!(id("."), "_x2E_");
    assert_eq!(event_id("~1"), "_x7E_1");
    assert_eq!(plain("a_x41"), "a_x41");
    assert_eq!(plain("a_x0041_"), "a_x0041_");
}

proptest! {
    #[test]
    fn every_text_can_be_carried_and_comes_back(text in "(\\PC|[._x0-9A-F ~#/]|\u{0}|\u{200b}){1,6}") {
        for made in [kind, version, state, event, id, event_id].map(|make| make(&text).into_owned()) {
            prop_assert_eq!(plain(&made), text.as_str());
        }
        prop_assert!(DefinitionId::new(&kind(&text), &version(&text)).is_ok(), "{}", kind(&text));
        prop_assert!(Address::new(&kind(&text), &id(&text)).is_ok(), "{}", id(&text));
        prop_assert!(EventId::parse(&event_id(&text)).is_ok());
    }
}
