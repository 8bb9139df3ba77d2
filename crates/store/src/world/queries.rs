//! The queries that a world asks, and which instances each of them means. For tests.

use super::Key;
use crate::contract::Query;
use everstate_kernel::{Instance, Time};
use std::collections::BTreeMap;

pub(super) fn fits(query: &Query, instance: &Instance) -> bool {
    let within = |state: &String| {
        instance.labels.iter().any(|label| **label == **state || label.starts_with(&format!("{state}.")))
    };
    query.kind.as_ref().is_none_or(|kind| instance.address.kind() == kind)
        && query.version.as_ref().is_none_or(|version| *instance.version == **version)
        && query.state.as_ref().is_none_or(within)
        && query.since.is_none_or(|since| instance.last_event_at >= since)
        && query.done.is_none_or(|done| instance.status.is_ended() == done)
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
                            after,
                            limit,
                            count,
                        });
                    }
                }
            }
        }
    }
    queries
}
