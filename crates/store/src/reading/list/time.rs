//! Pages in the order of the last turn's time.
//!
//! It refuses to know how an index is walked by address.
//!
//! Its one invariant: within a page, and from one to the next, the place (time, then address) only ascends, or only
//! descends; of instances that make no turn meanwhile none is passed over.

use super::walk::{Walk, chunk, load, loaded};
use super::{cursor_at, index_of, is_indexed, kinds_of, look_max, matches};
use crate::contract::{Cursor, Order, Page, Query, StoreError};
use crate::keys;
use crate::layers::{Change, Layers};
use crate::reading::Reading;
use crate::tables::{Pairs, Table, Tables};
use everstate_kernel::{IndexKeys, Instance, Time};
use std::cmp::Ordering;

/// Instances that are read and put in order for one page, when an index proposes no more. At twice this a page takes
/// 20 ms; at half, the index by time is walked, which meets many that do not match.
const GATHER_MAX: usize = 4_096;

/// Rows of the index by time in one chunk, while the lock is held: about two milliseconds.
const CHUNK: usize = 1_024;

/// Where an instance stands in the order.
type Place = (Time, Vec<u8>);

/// Instances at their places.
type Lines = Vec<(Place, Instance)>;

/// The page that is asked for.
pub(super) fn page<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Page, StoreError> {
    let after = query.after.as_ref().map(|cursor| (cursor.at, keys::address_key(&cursor.address)));
    let kind = query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
    let sought = Sought { query, kind, after };
    match sought.gather(reading)? {
        Some(lines) => Ok(sought.page(lines)),
        None => sought.along_time(reading),
    }
}

struct Sought<'a> {
    query: &'a Query,
    /// What address keys begin with.
    kind: Vec<u8>,
    /// Where the page before has ended.
    after: Option<Place>,
}

impl Sought<'_> {
    /// The order of two places.
    fn order(&self, one: &Place, other: &Place) -> Ordering {
        match self.query.order {
            Order::Newest => other.cmp(one),
            Order::Oldest | Order::Address => one.cmp(other),
        }
    }

    /// Does the place belong to this page or a later one?
    fn is_ahead(&self, place: &Place) -> bool {
        self.after.as_ref().is_none_or(|after| self.order(after, place).is_lt())
    }

    /// All that match, when an index proposes few.
    fn gather<T: Tables>(&self, reading: &Reading<T>) -> Result<Option<Lines>, StoreError> {
        let (mut lines, mut looked, query) = (Vec::new(), 0, self.query);
        if !is_indexed(query) {
            return Ok(None);
        }
        for kind in kinds_of(reading, query)? {
            let Some(over) = index_of(reading, query, &kind)? else { return Ok(None) };
            let walk = Walk { over, kind: &kind };
            let mut cursor = kind.clone();
            loop {
                let layers = reading.read();
                let fits = |key: &[u8], index: &IndexKeys| matches(reading, &layers, query, key, index);
                let prefixes = walk.prefixes(reading)?;
                let Some(chunk) = chunk(reading, &layers, &walk, &prefixes, &mut cursor, &fits)? else {
                    break;
                };
                looked += chunk.len();
                if looked > GATHER_MAX {
                    return Ok(None);
                }
                for candidate in chunk {
                    let (key, known) = (candidate.key.clone(), candidate.checked);
                    let instance = load(reading, &layers, candidate)?;
                    if known || matches(reading, &layers, query, &key, &instance.index_keys())? {
                        lines.push(((instance.last_event_at, key), instance));
                    }
                }
            }
        }
        lines.retain(|(place, _)| self.is_ahead(place));
        lines.sort_by(|one, other| self.order(&one.0, &other.0));
        Ok(Some(lines))
    }

    fn page(&self, lines: Lines) -> Page {
        let more = lines.len() > self.query.limit;
        let instances: Vec<Instance> =
            lines.into_iter().take(self.query.limit).map(|(_, instance)| instance).collect();
        let next = instances.last().filter(|_| more).map(cursor_at);
        Page { instances, next, total: None }
    }

    /// Walks the index by time beside what is in memory.
    fn along_time<T: Tables>(mut self, reading: &Reading<T>) -> Result<Page, StoreError> {
        let mut instances: Vec<Instance> = Vec::new();
        let mut looks = look_max(self.query);
        loop {
            let layers = reading.read();
            let (mut lines, reached, seen) = self.in_tables(reading, &layers)?;
            self.in_memory(reading, &layers, reached.as_ref(), &mut lines)?;
            lines.sort_by(|one, other| self.order(&one.0, &other.0));
            for (_, instance) in lines {
                if instances.len() == self.query.limit {
                    let next = instances.last().map(cursor_at);
                    return Ok(Page { instances, next, total: None });
                }
                instances.push(instance);
            }
            let Some(reached) = reached else { return Ok(Page { instances, next: None, total: None }) };
            looks = looks.saturating_sub(seen);
            if looks == 0 {
                let next = Cursor { address: reading.address_of(&reached.1)?, at: reached.0 };
                return Ok(Page { instances, next: Some(next), total: None });
            }
            self.after = Some(reached);
        }
    }

    /// The next chunk of the index: those that match, the place that it has come to unless it is at its end, and how many
    /// rows it has met.
    fn in_tables<T: Tables>(
        &self,
        reading: &Reading<T>,
        layers: &Layers,
    ) -> Result<(Lines, Option<Place>, usize), StoreError> {
        let (mut lines, mut reached, mut seen) = (Vec::new(), None, 0);
        for pair in self.scan(reading).take(CHUNK) {
            let key = pair?.0;
            let (at, address_key) = keys::of_timed(&key);
            seen += 1;
            reached = Some((at, address_key.to_vec()));
            if !address_key.starts_with(&self.kind) || layers.dirty(address_key).is_some() {
                continue;
            }
            let instance = loaded(reading, layers, address_key)?;
            if matches(reading, layers, self.query, address_key, &instance.index_keys())? {
                lines.push(((at, address_key.to_vec()), instance));
            }
            // A page's worth is enough, and one; what is in memory may come in between.
            if lines.len() > self.query.limit {
                return Ok((lines, reached, seen));
            }
        }
        Ok((lines, reached.filter(|_| seen == CHUNK), seen))
    }

    fn scan<'t, T: Tables>(&self, reading: &'t Reading<T>) -> Pairs<'t> {
        let since = self.query.since.unwrap_or(Time(i64::MIN));
        let first = keys::timed(keys::BY_TIME, since, &[]);
        let end = vec![keys::BY_TIME + 1];
        let at = self.after.as_ref().map(|(time, key)| keys::timed(keys::BY_TIME, *time, key));
        match (self.query.order, at) {
            (Order::Newest, at) => {
                let to = at.unwrap_or(end).max(first.clone());
                reading.tables.scan_back(Table::Rows, &first, &to)
            }
            (_, at) => {
                let from = at.map_or(first.clone(), |at| keys::after(&at).max(first));
                reading.tables.scan(Table::Rows, &from, &end)
            }
        }
    }

    /// Adds those in memory that match and stand not behind `reached`: of many, a page's worth and one.
    fn in_memory<T: Tables>(
        &self,
        reading: &Reading<T>,
        layers: &Layers,
        reached: Option<&Place>,
        lines: &mut Lines,
    ) -> Result<(), StoreError> {
        let mut places: Vec<Place> = Vec::new();
        for generation in std::iter::once(&layers.active).chain(layers.sealed.as_deref()) {
            for (key, dirty) in generation.instances.range(self.kind.clone()..) {
                if !key.starts_with(&self.kind) {
                    break;
                }
                let Change::Put(_, index) = &dirty.row else { continue };
                let place = (index.last_event_at, key.clone());
                // What a later generation says of it counts.
                let counts = layers.dirty(key).is_some_and(|upper| std::ptr::eq(upper, &**dirty));
                if counts
                    && self.is_ahead(&place)
                    && reached.is_none_or(|reached| self.order(&place, reached).is_le())
                    && matches(reading, layers, self.query, key, index)?
                {
                    places.push(place);
                }
            }
        }
        places.sort_by(|one, other| self.order(one, other));
        places.truncate(self.query.limit.saturating_add(1));
        for place in places {
            let instance = loaded(reading, layers, &place.1)?;
            lines.push((place, instance));
        }
        Ok(())
    }
}
