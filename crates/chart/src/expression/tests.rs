//! Expressions in small: text in, value or message out.

use super::{EventMeta, InstanceMeta, Scope};
use crate::value::Value;
use everstate_kernel::{Address, Time};
use std::sync::{Arc, LazyLock};

pub(super) static NOTHING: Value = Value::Null;
static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("pay"));
static ADDRESS: LazyLock<Address> = LazyLock::new(|| Address::parse("shop:orders/42").expect("an address"));
static META: LazyLock<EventMeta<'static>> =
    LazyLock::new(|| EventMeta { name: &NAME, id: "e-1", sender: None, time: Time(1_000), more: &NOTHING });
static INSTANCE: LazyLock<InstanceMeta<'static>> =
    LazyLock::new(|| InstanceMeta { address: &ADDRESS, version: "v1", incarnation: 3 });

/// A scope with this context and this event data.
pub(super) fn scope_of(context: &Value) -> Scope<'_> {
    Scope {
        context,
        event: context,
        event_meta: &META,
        instance: &INSTANCE,
        now: Time(1_234_567_890_123),
        active: &|state| state == "open",
        locals: &[],
    }
}
