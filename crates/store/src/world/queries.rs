//! The queries that a world asks, and which instances each of them means. For tests.

use super::{Key, Model, key};
use crate::contract::{Query, Reader};
use everstate_kernel::{Instance, Time};
use std::collections::BTreeMap;

fn fits(query: &Query, instance: &Instance) -> bool {
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

impl Model {
    pub(super) fn check_list(&self, reader: &dyn Reader, query: &Query) {
        let matching: Vec<&Instance> =
            self.instances.values().filter(|instance| fits(query, instance)).collect();
        let all = matching.len() as u64;
        let after = query.after.as_ref().map(key);
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
        assert_eq!(page.next, wanted.last().filter(|_| more).cloned(), "{query:?}");
        for (line, instance) in page.instances.iter().zip(&expected) {
            assert_eq!(
                (&line.labels, line.turns, &line.state),
                (&instance.labels, instance.turns, &instance.state)
            );
        }
    }
}
