//! The queries that a world asks, and which instances each of them means. For tests.

use super::{Key, Model, key};
use crate::contract::{Cursor, Order, Query, Reader};
use everstate_kernel::{Address, Cause, Instance, Time};
use std::collections::BTreeMap;

/// When an instance has last received an event, as far as its history is kept.
pub(super) type Received = BTreeMap<(Key, String), Time>;

fn fits(received: &Received, query: &Query, instance: &Instance) -> bool {
    let within = |state: &String| {
        instance.labels.iter().any(|label| **label == **state || label.starts_with(&format!("{state}.")))
    };
    let held = instance.fields.as_deref().unwrap_or_default();
    let has = |(path, value): &(String, String)| held.iter().any(|(p, v)| **p == **path && **v == **value);
    query.kind.as_ref().is_none_or(|kind| instance.address.kind() == kind)
        && query.version.as_ref().is_none_or(|version| *instance.version == **version)
        && query.state.as_ref().is_none_or(within)
        && query.since.is_none_or(|since| instance.last_event_at >= since)
        && query.done.is_none_or(|done| instance.status.is_ended() == done)
        && query.fields.iter().all(has)
        && query.event.as_ref().is_none_or(|name| {
            let at = received.get(&(key(&instance.address), name.clone()));
            at.is_some_and(|at| query.since.is_none_or(|since| *at >= since))
        })
}

pub(super) fn queries(instances: &BTreeMap<Key, Instance>) -> Vec<Query> {
    let mut queries = Vec::new();
    let times: Vec<Time> = instances.values().map(|instance| instance.last_event_at).collect();
    let since = times.iter().copied().max().map(|latest| Time(latest.0 - 3_000_000));
    let middle = instances.values().nth(instances.len() / 2).map(|instance| instance.address.clone());
    for kind in [None, Some("a"), Some("orders"), Some("nobody")] {
        for state in [None, Some("open"), Some("open.wait"), Some("right.c")] {
            for version in [None, Some("v2")] {
                for since in [None, since] {
                    for (after, limit, count) in
                        [(None, 3, true), (middle.clone(), 4, false), (None, 0, true)]
                    {
                        queries.push(Query {
                            kind: kind.map(Into::into),
                            version: version.map(Into::into),
                            state: state.map(Into::into),
                            since,
                            done: (limit == 4).then_some(false),
                            after: after.map(at),
                            limit,
                            count,
                            ..Query::default()
                        });
                    }
                }
            }
        }
    }
    queries.extend(by_what_they_hold(since, middle));
    queries
}

/// Queries by fields and events, and with conditions besides.
fn by_what_they_hold(since: Option<Time>, middle: Option<Address>) -> Vec<Query> {
    let field = |path: &str, value: &str| (path.to_string(), value.to_string());
    let fields = [
        vec![],
        vec![field("customer", "ada")],
        vec![field("customer", "ada"), field("paid", "1")],
        vec![field("paid", "9")],
    ];
    let mut queries = Vec::new();
    for fields in &fields {
        for (kind, event) in
            [(None, None), (Some("a"), Some("pay")), (None, Some("pay")), (None, Some("pay\0"))]
        {
            for (state, since, after, limit) in
                [(None, None, None, 3), (Some("open"), None, middle.clone(), 2), (None, since, None, 0)]
            {
                {
                    queries.push(Query {
                        kind: kind.map(Into::into),
                        fields: fields.clone(),
                        event: event.map(Into::into),
                        state: state.map(Into::into),
                        since,
                        after: after.map(at),
                        limit,
                        count: limit != 2,
                        ..Query::default()
                    });
                }
            }
        }
    }
    queries
}

fn at(address: Address) -> Cursor {
    Cursor { address, at: Time(0) }
}

impl Model {
    /// What each instance has received.
    pub(super) fn received(&self) -> Received {
        let mut received = Received::new();
        for (address, entry) in self.history.values() {
            if let Cause::Event(event) = &entry.cause {
                received.insert((key(address), event.name.to_string()), entry.at);
            }
        }
        received
    }

    pub(super) fn check_list(&self, reader: &dyn Reader, query: &Query, received: &Received) {
        let matching: Vec<&Instance> =
            self.instances.values().filter(|instance| fits(received, query, instance)).collect();
        let all = matching.len() as u64;
        let after = query.after.as_ref().map(|cursor| key(&cursor.address));
        let expected: Vec<_> = matching
            .into_iter()
            .filter(|instance| after.as_ref().is_none_or(|after| key(&instance.address) > *after))
            .collect();
        let page = reader.list(query).unwrap();
        let found: Vec<_> = page.instances.iter().map(|line| line.address.clone()).collect();
        let wanted: Vec<_> =
            expected.iter().take(query.limit).map(|instance| instance.address.clone()).collect();
        assert_eq!(found, wanted, "{query:?}");
        assert_eq!(page.total, (query.count || query.limit == 0).then_some(all), "{query:?}");
        let more = expected.len() > query.limit && query.limit > 0;
        let next = page.next.map(|cursor| cursor.address);
        assert_eq!(next, wanted.last().filter(|_| more).cloned(), "{query:?}");
        for (line, instance) in page.instances.iter().zip(&expected) {
            assert_eq!(
                (&line.labels, line.turns, &line.state),
                (&instance.labels, instance.turns, &instance.state)
            );
        }
    }
    /// The same by time, page by page.
    pub(super) fn check_order(&self, reader: &dyn Reader, query: &Query, received: &Received) {
        // Some of them are enough.
        let plain = query.fields.is_empty() && query.event.is_none();
        if query.after.is_some() || query.limit == 0 || (plain && query.kind.is_some()) {
            return;
        }
        for order in [Order::Newest, Order::Oldest] {
            let mut expected: Vec<_> = self
                .instances
                .values()
                .filter(|instance| fits(received, query, instance))
                .map(|instance| (instance.last_event_at, key(&instance.address)))
                .collect();
            expected.sort();
            if order == Order::Newest {
                expected.reverse();
            }
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = reader.list(&Query { order, after, count: false, ..query.clone() }).unwrap();
                assert!(page.instances.len() <= query.limit);
                let places = page.instances.iter().map(|line| (line.last_event_at, key(&line.address)));
                found.extend(places);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{order:?} {query:?}");
        }
    }
}
