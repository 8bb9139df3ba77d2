//! Which instances match a query: exact, in the order asked for, without looking at those that cannot match.
//!
//! It refuses to know how rows are kept.
//!
//! Its one invariant: the index only proposes; a row is listed or counted because of what the row, or an index
//! that says the very thing asked for, says.
//!
//! | asked for | walked |
//! |---|---|
//! | a field, an event, a state or a version (and anything) | the index of that condition, of several the one with the fewest rows, one kind after the other |
//! | since (and kind, done) | the index by time when it proposes few, otherwise the instances |
//! | kind, done, nothing | the instances |
//! | any of these by time | what is proposed by the first index when it is little, and otherwise the index by time |

use super::Reading;
use crate::contract::{Cursor, Order, Page, Query, StoreError};
use crate::keys;
use crate::layers::Layers;
use crate::tables::{Table, Tables};
use everstate_kernel::{IndexKeys, Instance};

mod address;
mod time;
mod walk;

use walk::{Over, Walk};
pub(super) use walk::{instances, load};

/// Instances that one page looks at before it ends early: 20,000, some 40 ms. At half, more pages with little in them; at
/// twice, one reader takes a processor for longer than anybody wants to wait behind.
const LOOK_MAX: usize = 20_000;

/// Rows of an index that are counted to find the one with the fewest. More are many, however many.
const PROBE: usize = 256;

pub(super) fn list<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Page, StoreError> {
    let mut page = match query.order {
        _ if query.limit == 0 => Page::default(),
        Order::Address => address::page(reading, query)?,
        Order::Newest | Order::Oldest => time::page(reading, query)?,
    };
    if query.count || query.limit == 0 {
        page.total = Some(address::count(reading, query)?);
    }
    Ok(page)
}

/// How many instances a page looks at. Whoever wants long pages wants them full.
fn look_max(query: &Query) -> usize {
    LOOK_MAX.max(query.limit.saturating_mul(4))
}

/// The kinds that are walked, as the beginnings of address keys.
fn kinds_of<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Vec<Vec<u8>>, StoreError> {
    match &query.kind {
        Some(kind) => Ok(vec![keys::kind_prefix(kind)]),
        None => kinds(reading),
    }
}

/// All kinds that have instances, ascending, each found by a jump behind the one before.
fn kinds<T: Tables>(reading: &Reading<T>) -> Result<Vec<Vec<u8>>, StoreError> {
    let layers = reading.read();
    let mut kinds = Vec::new();
    let mut from = Vec::new();
    loop {
        let generations = std::iter::once(&layers.active).chain(layers.sealed.as_deref());
        let memory = generations.filter_map(|generation| {
            generation.instances.range(from.clone()..).next().map(|(key, _)| key.clone())
        });
        let start = keys::prefixed(keys::INSTANCES, &from);
        let table = reading.tables.scan(Table::Rows, &start, &[keys::INSTANCES + 1]).next().transpose()?;
        let table = table.map(|(key, _)| key[1..].to_vec());
        let Some(first) = memory.chain(table).min() else { return Ok(kinds) };
        let kind = keys::kind_of(&first).to_vec();
        from = keys::after_prefix(&kind);
        kinds.push(kind);
    }
}

/// The index of the condition that is expected to propose the fewest instances of a kind; none without such a condition.
fn index_of<'a, T: Tables>(
    reading: &Reading<T>,
    query: &'a Query,
    kind: &[u8],
) -> Result<Option<Over<'a>>, StoreError> {
    let fields = query.fields.iter().map(|(path, value)| Over::Field(path, value));
    let event = query.event.iter().map(|name| Over::Event(name));
    let state = query.state.iter().map(|state| Over::State(state));
    let version = query.version.iter().map(|version| Over::Version(version));
    let mut indexes: Vec<Over<'a>> = fields.chain(event).chain(state).chain(version).collect();
    if indexes.len() > 1 {
        let mut sized = Vec::with_capacity(indexes.len());
        for over in indexes {
            sized.push((Walk { over, kind }.probe(reading, PROBE)?, over));
        }
        sized.sort_by_key(|(rows, _)| *rows);
        indexes = sized.into_iter().map(|(_, over)| over).collect();
    }
    Ok(indexes.into_iter().next())
}

/// Is there a condition with an index in the order of addresses?
fn is_indexed(query: &Query) -> bool {
    conditions(query) > usize::from(query.since.is_some()) + usize::from(query.done.is_some())
}

/// Conditions besides the kind, which the walk itself keeps.
fn conditions(query: &Query) -> usize {
    usize::from(query.version.is_some())
        + usize::from(query.state.is_some())
        + usize::from(query.since.is_some())
        + usize::from(query.done.is_some())
        + usize::from(query.event.is_some())
        + query.fields.len()
}

/// Do all conditions hold?
fn matches<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    query: &Query,
    key: &[u8],
    index: &IndexKeys,
) -> Result<bool, StoreError> {
    let of_kind =
        |kind: &String| key.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
    let held = index.fields.as_deref().unwrap_or_default();
    let has = |(path, value): &(String, String)| {
        held.iter().any(|(held_path, held_value)| **held_path == **path && **held_value == **value)
    };
    let fits = query.kind.as_ref().is_none_or(of_kind)
        && query.version.as_deref().is_none_or(|version| *index.version == *version)
        && query.state.as_deref().is_none_or(|state| keys::is_active(index, state))
        && query.since.is_none_or(|since| index.last_event_at >= since)
        && query.done.is_none_or(|done| index.done == done)
        && query.fields.iter().all(has);
    let Some(name) = query.event.as_deref().filter(|_| fits) else { return Ok(fits) };
    let received = layers.received(&reading.tables, key, name)?;
    Ok(received.is_some_and(|received| {
        received.position > index.trimmed && query.since.is_none_or(|since| received.at >= since)
    }))
}

/// Where a page ends with this instance.
fn cursor_at(instance: &Instance) -> Cursor {
    Cursor { address: instance.address.clone(), at: instance.last_event_at }
}
