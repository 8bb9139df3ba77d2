//! Indexes equal a scan: every list that can be asked for holds the instances that fit, and no other.
//!
//! It refuses to know how indexes are kept.

use super::Evidence;
use crate::node::whole::Whole;
use everstate_kernel::{Address, Instance, Time};
use everstate_store::{Query, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), String> {
    indexes(evidence.whole, evidence.store)
}

/// The same for a store that was just opened.
pub(crate) fn indexes(whole: &Whole, store: &dyn Store) -> Result<(), String> {
    let reader = store.reader();
    for query in queries(whole) {
        let page = reader.list(&query).map_err(|error| format!("{query:?}: {error}"))?;
        let found: BTreeSet<&Address> = page.instances.iter().map(|row| &row.address).collect();
        let expected: BTreeSet<&Address> =
            whole.rows().filter(|row| fits(row, &query)).map(|row| &row.address).collect();
        if found != expected || page.total != Some(expected.len() as u64) {
            return Err(format!(
                "{query:?} lists {found:?}, {:?} in all; a scan finds {expected:?}",
                page.total
            ));
        }
    }
    let mut expected: BTreeMap<(String, Arc<str>), u64> = BTreeMap::new();
    for row in whole.rows() {
        for label in row.labels.iter() {
            *expected.entry((row.address.kind().to_owned(), label.clone())).or_default() += 1;
        }
    }
    let census = reader.census().into_iter().map(|(kind, state, count)| ((kind, state), count));
    match census.collect::<BTreeMap<_, _>>() {
        census if census == expected => Ok(()),
        census => Err(format!("the census says {census:?}; a scan finds {expected:?}")),
    }
}

fn queries(whole: &Whole) -> Vec<Query> {
    let kinds: BTreeSet<&str> = whole.rows().map(|row| row.address.kind()).collect();
    let mut queries = Vec::new();
    let all = Query { limit: usize::MAX, count: true, ..Query::default() };
    for kind in kinds {
        let of_kind = Query { kind: Some(kind.to_owned()), ..all.clone() };
        let rows = || whole.rows().filter(|row| row.address.kind() == kind);
        for version in ["v1", "v2"] {
            queries.push(Query { version: Some(version.into()), ..of_kind.clone() });
        }
        for done in [true, false] {
            queries.push(Query { done: Some(done), ..of_kind.clone() });
        }
        let labels: BTreeSet<&str> = rows().flat_map(|row| row.labels.iter().map(|label| &**label)).collect();
        // Some states that nobody is in belong to each list, too.
        for state in labels.into_iter().chain(["open", "closed", "draft", "held", "free", "watching"]) {
            queries.push(Query { state: Some(state.to_owned()), ..of_kind.clone() });
        }
        let latest = rows().map(|row| row.last_event_at).max().unwrap_or(Time(0));
        queries.push(Query { since: Some(latest), ..of_kind.clone() });
        queries.push(Query { since: Some(Time(latest.0 - 1_000)), ..of_kind });
    }
    queries.push(all);
    queries
}

fn fits(row: &Instance, query: &Query) -> bool {
    let is_in = |state: &str| {
        row.labels.iter().any(|label| {
            label.strip_prefix(state).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    query.kind.as_deref().is_none_or(|kind| row.address.kind() == kind)
        && query.version.as_deref().is_none_or(|version| &*row.version == version)
        && query.state.as_deref().is_none_or(is_in)
        && query.since.is_none_or(|since| row.last_event_at >= since)
        && query.done.is_none_or(|done| row.status.is_ended() == done)
}
