//! Pages in the order of addresses, and counts.
//!
//! It refuses to know how an index is walked.
//!
//! Its one invariant: a page that ends early says where it has come to, so pages after one another hold every instance
//! that matches once.

use super::walk::{CHUNK, Over, Walk, chunk, load};
use super::{conditions, cursor_at, index_of, is_indexed, kinds_of, look_max, matches};
use crate::contract::{Cursor, Page, Query, StoreError};
use crate::keys;
use crate::reading::Reading;
use crate::tables::{Table, Tables};
use everstate_kernel::{IndexKeys, Instance, Time};
use std::collections::BTreeSet;

/// Rows of the index by time that are put in order for a page. More are many, and then the instances are walked.
const RECENT_MAX: usize = 8_192;

/// The page that is asked for.
pub(super) fn page<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Page, StoreError> {
    if query.since.is_some()
        && !is_indexed(query)
        && let Some(keys) = recent(reading, query)?
    {
        return of_recent(reading, query, &keys);
    }
    let mut found = Found::new(query, look_max(query));
    walk(reading, &mut found)?;
    Ok(found.page())
}

/// How many match.
pub(super) fn count<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<u64, StoreError> {
    if let Some(known) = reading.read().active.counters.census.count(query) {
        return Ok(known);
    }
    let all = Query { after: None, limit: 0, ..query.clone() };
    let mut found = Found::new(&all, usize::MAX);
    walk(reading, &mut found)?;
    Ok(found.total)
}

fn walk<T: Tables>(reading: &Reading<T>, found: &mut Found<'_>) -> Result<(), StoreError> {
    if !is_indexed(found.query) {
        let kind = found.query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
        return found.walk(reading, &Walk { over: Over::Instances, kind: &kind });
    }
    for kind in kinds_of(reading, found.query)? {
        let over = index_of(reading, found.query, &kind)?.unwrap_or(Over::Instances);
        found.walk(reading, &Walk { over, kind: &kind })?;
        if found.is_over() {
            break;
        }
    }
    Ok(())
}

/// What was found so far.
struct Found<'a> {
    query: &'a Query,
    /// The key of the last address of the page before.
    after: Option<Vec<u8>>,
    lines: Vec<Instance>,
    total: u64,
    /// How many more may be looked at.
    looks: usize,
    /// Where the walk has come to when it looked at so many.
    stopped: Option<Cursor>,
}

impl<'a> Found<'a> {
    fn new(query: &'a Query, looks: usize) -> Found<'a> {
        let after = query.after.as_ref().map(|cursor| keys::address_key(&cursor.address));
        Found { query, after, lines: Vec::new(), total: 0, looks, stopped: None }
    }

    /// Is there nothing more to find out? One line beyond the page tells that there is a next one.
    fn is_over(&self) -> bool {
        self.stopped.is_some() || (self.query.limit > 0 && self.lines.len() > self.query.limit)
    }

    fn walk<T: Tables>(&mut self, reading: &Reading<T>, walk: &Walk<'_>) -> Result<(), StoreError> {
        let mut cursor = walk.kind.to_vec();
        if let Some(after) = &self.after {
            if !after.starts_with(walk.kind) && after.as_slice() > walk.kind {
                return Ok(());
            }
            cursor = cursor.max(keys::after(after));
        }
        let query = self.query;
        // The index has said the one thing that was asked, so a row that is only counted need not be read.
        let exact = conditions(query) == usize::from(walk.over.is_exact());
        let (mut prefixes, mut moved) = (Vec::new(), None);
        loop {
            let layers = reading.read();
            if moved != Some(layers.moved) {
                prefixes = walk.prefixes(reading)?;
                moved = Some(layers.moved);
            }
            let fits = |key: &[u8], index: &IndexKeys| matches(reading, &layers, query, key, index);
            let Some(chunk) = chunk(reading, &layers, walk, &prefixes, &mut cursor, &fits)? else {
                return Ok(());
            };
            for candidate in chunk {
                let known = candidate.checked || exact;
                if known && query.limit == 0 {
                    self.total += 1;
                    continue;
                }
                let key = candidate.key.clone();
                let instance = load(reading, &layers, candidate)?;
                let fits = known || matches(reading, &layers, query, &key, &instance.index_keys())?;
                self.look(instance, fits);
                if self.is_over() {
                    return Ok(());
                }
            }
        }
    }

    /// Takes an instance that was looked at.
    fn look(&mut self, instance: Instance, fits: bool) {
        self.looks = self.looks.saturating_sub(1);
        match fits {
            true => {
                self.total += 1;
                if self.query.limit > 0 {
                    self.lines.push(instance);
                }
            }
            false if self.looks == 0 => self.stopped = Some(cursor_at(&instance)),
            false => {}
        }
    }

    fn page(mut self) -> Page {
        let more = self.lines.len() > self.query.limit;
        self.lines.truncate(self.query.limit);
        let next = match more {
            true => self.lines.last().map(cursor_at),
            false => self.stopped,
        };
        Page { next, instances: self.lines, total: None }
    }
}

/// A page of those whose last turn was at or after a time, which are few.
fn of_recent<T: Tables>(
    reading: &Reading<T>,
    query: &Query,
    keys: &BTreeSet<Vec<u8>>,
) -> Result<Page, StoreError> {
    let mut found = Found::new(query, usize::MAX);
    let layers = reading.read();
    for key in keys.iter().filter(|key| found.after.as_ref().is_none_or(|after| *key > after)) {
        // It was proposed a moment ago. It may have moved on or be gone since; then it is not listed.
        let Some(instance) = reading.instance_row(&layers, key)? else { continue };
        if matches(reading, &layers, query, key, &instance.index_keys())? {
            found.lines.push(instance);
        }
        if found.lines.len() > query.limit {
            break;
        }
    }
    Ok(found.page())
}

/// The keys of all instances that the memory or the index by time proposes, unless they are many. Memory is asked first:
/// what moves from it into the tables meanwhile moves to a later time, which is not walked yet.
fn recent<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Option<BTreeSet<Vec<u8>>>, StoreError> {
    let Some(since) = query.since else { return Ok(None) };
    let kind = query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
    let mut proposed = recent_in_memory(reading, &kind, since);
    let mut from = keys::timed(keys::BY_TIME, since, &[]);
    let mut looked = 0;
    loop {
        if looked > RECENT_MAX || proposed.len() > RECENT_MAX {
            return Ok(None);
        }
        let _layers = reading.read();
        let mut seen = 0;
        for pair in reading.tables.scan(Table::Rows, &from.clone(), &[keys::BY_TIME + 1]).take(CHUNK) {
            let (key, _) = pair?;
            let address_key = keys::of_timed(&key).1;
            if address_key.starts_with(&kind) {
                proposed.insert(address_key.to_vec());
            }
            from = keys::after(&key);
            seen += 1;
        }
        if seen < CHUNK {
            return Ok(Some(proposed));
        }
        looked += seen;
    }
}

/// Those in memory; one more than are put in order tells that they are many.
fn recent_in_memory<T: Tables>(reading: &Reading<T>, kind: &[u8], since: Time) -> BTreeSet<Vec<u8>> {
    let layers = reading.read();
    let mut proposed = BTreeSet::new();
    for generation in std::iter::once(&layers.active).chain(layers.sealed.as_deref()) {
        for (key, dirty) in generation.instances.range(kind.to_vec()..) {
            if !key.starts_with(kind) || proposed.len() > RECENT_MAX {
                break;
            }
            if dirty.last_event_at().is_some_and(|at| at >= since) {
                proposed.insert(key.clone());
            }
        }
    }
    proposed
}
