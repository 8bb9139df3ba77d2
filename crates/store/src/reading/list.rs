//! Which instances match a query: exact, in the order of their keys, without looking at those that cannot match.
//!
//! It refuses to know how rows are kept.
//!
//! Its one invariant: the index only proposes; a row is listed or counted because of what the row, or an index
//! that says the very thing asked for, says.
//!
//! | asked for | walked |
//! |---|---|
//! | state (and anything) | the index by state, one kind after the other, all states within the one at once |
//! | version (and anything but state) | the index by version, one kind after the other |
//! | since (and kind, done) | a few thousand instances in order; when they do not fill the page, the index by time |
//! | kind, done, nothing | the instances |

use super::Reading;
use crate::contract::{Page, Query, StoreError};
use crate::keys;
use crate::layers::{Change, Layers};
use crate::tables::{Pairs, Table, Tables};
use everstate_kernel::{IndexKeys, Instance};
use std::collections::BTreeSet;
use std::iter::Peekable;

/// Index rows that one chunk takes while it holds the lock: about a millisecond.
const CHUNK: usize = 512;

/// Instances looked at in order before a query by time turns to its index. When more than one in a hundred
/// matches, a page of 40 is full by then; below that the index is faster.
const TRIAL: usize = 4_096;

/// An instance that may match.
pub(super) struct Candidate {
    key: Vec<u8>,
    /// Its row, when it was at hand.
    row: Option<Vec<u8>>,
    /// Is it known to match, because it was checked in memory?
    checked: bool,
}

/// What is walked.
#[derive(Clone, Copy)]
enum Over<'a> {
    /// The instances themselves.
    Instances,
    /// The index by state: a state, and all those within it.
    State(&'a str),
    /// The index by version.
    Version(&'a str),
}

/// Walks one table or index of one kind; the cursor is an address key.
struct Walk<'a> {
    over: Over<'a>,
    /// What all address keys begin with: a kind, or nothing.
    kind: &'a [u8],
}

impl Walk<'_> {
    /// How much of an address key stands before the rest of it in the walked keys.
    fn within(&self) -> usize {
        match self.over {
            Over::Instances => 0,
            Over::State(_) | Over::Version(_) => self.kind.len(),
        }
    }

    /// What the keys of the tables that are walked begin with. Right until a generation is moved into the tables.
    fn prefixes<T: Tables>(&self, reading: &Reading<T>) -> Result<Vec<Vec<u8>>, StoreError> {
        let state = match self.over {
            Over::Instances => return Ok(vec![vec![keys::INSTANCES]]),
            Over::Version(version) => return Ok(vec![keys::by_version(self.kind, version)]),
            Over::State(state) => state,
        };
        let itself = keys::by_state(self.kind, state);
        let mut from = itself[..itself.len() - 1].to_vec();
        from.push(b'.');
        let to = keys::after_prefix(&from);
        let mut prefixes = vec![itself];
        // Every state within it that has instances is found by a jump behind the one before.
        while let Some(pair) = reading.tables.scan(Table::Rows, &from, &to).next() {
            let mut key = pair?.0;
            let begun = 1 + self.kind.len();
            let ended =
                key[begun..].iter().position(|byte| *byte == 0).map_or(key.len(), |at| begun + at + 1);
            key.truncate(ended);
            from = keys::after_prefix(&key);
            prefixes.push(key);
        }
        Ok(prefixes)
    }
}

/// Rows of several prefixes in the order of what follows the prefix.
struct Together<'a> {
    streams: Vec<(usize, Peekable<Pairs<'a>>)>,
}

impl Iterator for Together<'_> {
    type Item = Result<(usize, Vec<u8>, Vec<u8>), StoreError>;

    /// The length of the prefix, the key and the row.
    fn next(&mut self) -> Option<Self::Item> {
        let mut least: Option<(usize, &[u8])> = None;
        for (at, (length, stream)) in self.streams.iter_mut().enumerate() {
            let Some(pair) = stream.peek() else { continue };
            // An error is told at once.
            let rest = pair.as_ref().map_or(&[][..], |(key, _)| &key[*length..]);
            if least.is_none_or(|(_, other)| rest < other) {
                least = Some((at, rest));
            }
        }
        let at = least?.0;
        let (length, stream) = &mut self.streams[at];
        stream.next().map(|pair| pair.map(|(key, row)| (*length, key, row)))
    }
}

pub(super) fn list<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<Page, StoreError> {
    let mut found = Found::new(query);
    match (&query.state, &query.version, query.since) {
        (Some(state), _, _) => by_kind(reading, query, &mut found, Over::State(state))?,
        (None, Some(version), _) => by_kind(reading, query, &mut found, Over::Version(version))?,
        (None, None, Some(_)) => by_time(reading, query, &mut found)?,
        (None, None, None) => {
            let kind = query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
            found.walk(reading, &Walk { over: Over::Instances, kind: &kind }, usize::MAX)?;
        }
    }
    Ok(found.page())
}

fn by_kind<T: Tables>(
    reading: &Reading<T>,
    query: &Query,
    found: &mut Found<'_>,
    over: Over<'_>,
) -> Result<(), StoreError> {
    let kinds = match &query.kind {
        Some(kind) => vec![keys::kind_prefix(kind)],
        None => kinds(reading)?,
    };
    for kind in kinds {
        found.walk(reading, &Walk { over, kind: &kind }, usize::MAX)?;
        if found.is_full() {
            break;
        }
    }
    Ok(())
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

/// What was found so far.
struct Found<'a> {
    query: &'a Query,
    /// The key of the last address of the page before.
    after: Option<Vec<u8>>,
    lines: Vec<Instance>,
    total: u64,
    /// Is the total to be counted to the end?
    counting: bool,
}

impl<'a> Found<'a> {
    fn new(query: &'a Query) -> Found<'a> {
        let after = query.after.as_ref().map(keys::address_key);
        Found { query, after, lines: Vec::new(), total: 0, counting: query.count || query.limit == 0 }
    }

    /// Is there nothing more to find out? One line beyond the page tells that there is a next one.
    fn is_full(&self) -> bool {
        !self.counting && self.lines.len() > self.query.limit
    }

    fn wants_line(&self, key: &[u8]) -> bool {
        self.query.limit > 0
            && self.lines.len() <= self.query.limit
            && self.after.as_deref().is_none_or(|after| key > after)
    }

    /// Walks up to about `budget` rows; answers whether it came to an end.
    fn walk<T: Tables>(
        &mut self,
        reading: &Reading<T>,
        walk: &Walk<'_>,
        budget: usize,
    ) -> Result<bool, StoreError> {
        let mut cursor = walk.kind.to_vec();
        // Without a total, what is before the page need not be seen.
        if let Some(after) = self.after.as_ref().filter(|_| !self.counting) {
            if !after.starts_with(walk.kind) && after.as_slice() > walk.kind {
                return Ok(true);
            }
            cursor = cursor.max(keys::after(after));
        }
        let query = self.query;
        let from_index = !matches!(walk.over, Over::Instances);
        let mut seen = 0;
        let (mut prefixes, mut moved) = (Vec::new(), None);
        loop {
            let layers = reading.read();
            if moved != Some(layers.moved) {
                prefixes = walk.prefixes(reading)?;
                moved = Some(layers.moved);
            }
            let fits = |key: &[u8], index: &IndexKeys| matches(query, key, index);
            let Some(chunk) = chunk(reading, &layers, walk, &prefixes, &mut cursor, &fits)? else {
                return Ok(true);
            };
            seen += chunk.len();
            for candidate in chunk {
                self.consider(reading, &layers, from_index, candidate)?;
                if self.is_full() {
                    return Ok(true);
                }
            }
            if seen >= budget {
                return Ok(false);
            }
        }
    }

    fn consider<T: Tables>(
        &mut self,
        reading: &Reading<T>,
        layers: &Layers,
        from_index: bool,
        candidate: Candidate,
    ) -> Result<(), StoreError> {
        let wants_line = self.wants_line(&candidate.key);
        // The index has said the one thing that was asked, so a row that is only counted need not be read.
        let known = candidate.checked || conditions(self.query) == usize::from(from_index);
        if known && !wants_line {
            self.total += 1;
            return Ok(());
        }
        let key = candidate.key.clone();
        let instance = load(reading, layers, candidate)?;
        if known || matches(self.query, &key, &instance.index_keys()) {
            self.total += 1;
            if wants_line {
                self.lines.push(instance);
            }
        }
        Ok(())
    }

    fn page(mut self) -> Page {
        let more = self.lines.len() > self.query.limit;
        self.lines.truncate(self.query.limit);
        Page {
            next: self.lines.last().filter(|_| more).map(|line| line.address.clone()),
            instances: self.lines,
            total: self.counting.then_some(self.total),
        }
    }
}

/// Conditions besides the kind, which the walk itself keeps.
fn conditions(query: &Query) -> usize {
    usize::from(query.version.is_some())
        + usize::from(query.state.is_some())
        + usize::from(query.since.is_some())
        + usize::from(query.done.is_some())
}

/// Do all conditions hold?
fn matches(query: &Query, key: &[u8], index: &IndexKeys) -> bool {
    let of_kind =
        |kind: &String| key.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
    query.kind.as_ref().is_none_or(of_kind)
        && query.version.as_deref().is_none_or(|version| *index.version == *version)
        && query.state.as_deref().is_none_or(|state| keys::is_active(index, state))
        && query.since.is_none_or(|since| index.last_event_at >= since)
        && query.done.is_none_or(|done| index.done == done)
}

/// All instances of a kind (or of all) in order; none at the end.
pub(super) fn instances<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    kind: &[u8],
    cursor: &mut Vec<u8>,
    matches: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<Vec<Candidate>>, StoreError> {
    let walk = Walk { over: Over::Instances, kind };
    chunk(reading, layers, &walk, &walk.prefixes(reading)?, cursor, &|key, _| matches(key))
}

/// The next candidates from the cursor on, ascending; moves the cursor behind them. None at the end.
fn chunk<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    walk: &Walk<'_>,
    prefixes: &[Vec<u8>],
    cursor: &mut Vec<u8>,
    matches: &dyn Fn(&[u8], &IndexKeys) -> bool,
) -> Result<Option<Vec<Candidate>>, StoreError> {
    let end = if walk.kind.is_empty() { vec![u8::MAX; 9] } else { keys::after_prefix(walk.kind) };
    if *cursor >= end {
        return Ok(None);
    }
    let within = walk.within();
    let streams = prefixes.iter().map(|prefix| {
        let mut from = prefix.clone();
        from.extend_from_slice(&cursor[within.min(cursor.len())..]);
        let to = match walk.over {
            Over::Instances => keys::prefixed(keys::INSTANCES, &end),
            Over::State(_) | Over::Version(_) => keys::after_prefix(prefix),
        };
        (prefix.len(), reading.tables.scan(Table::Rows, &from, &to).peekable())
    });
    let together = Together { streams: streams.collect() };
    let mut found = Vec::new();
    let mut seen = 0;
    let mut next = from_memory(layers, cursor, &end, CHUNK, matches, &mut found);
    for pair in together {
        let (prefix, key, row) = pair?;
        let mut address_key = walk.kind[..within].to_vec();
        address_key.extend_from_slice(&key[prefix..]);
        if address_key >= next {
            break;
        }
        seen += 1;
        if seen == CHUNK {
            next = keys::after(&address_key);
        }
        if layers.dirty(&address_key).is_none() {
            let row = matches!(walk.over, Over::Instances).then_some(row);
            found.push(Candidate { key: address_key, row, checked: false });
        }
        if seen == CHUNK {
            break;
        }
    }
    found.retain(|candidate| candidate.key < next);
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    // With several active states an instance is in the index several times.
    found.dedup_by(|a, b| a.key == b.key);
    *cursor = next;
    Ok(Some(found))
}

/// Adds the instances in memory that match, with keys from `from` on and before `to`, about `limit` of each
/// generation. Answers the key before which all have been added.
fn from_memory(
    layers: &Layers,
    from: &[u8],
    to: &[u8],
    limit: usize,
    matches: &dyn Fn(&[u8], &IndexKeys) -> bool,
    found: &mut Vec<Candidate>,
) -> Vec<u8> {
    let range = || (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
    let active = &layers.active.instances;
    let mut next = to.to_vec();
    let sealed = layers.sealed.as_ref().map(|sealed| &sealed.instances);
    for (upper, generation) in std::iter::once((true, active)).chain(sealed.map(|sealed| (false, sealed))) {
        let mut added = 0;
        for (key, dirty) in generation.range::<[u8], _>(range()) {
            let Change::Put(row, index) = &dirty.row else { continue };
            if !matches(key, index) || (!upper && active.contains_key(key)) {
                continue;
            }
            found.push(Candidate { key: key.clone(), row: Some(row.as_slice().to_vec()), checked: true });
            added += 1;
            if added == limit {
                next = next.min(keys::after(key));
                break;
            }
        }
    }
    next
}

/// The instance of a candidate that was found under this very lock.
pub(super) fn load<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    candidate: Candidate,
) -> Result<Instance, StoreError> {
    match candidate.row {
        Some(row) => reading.decode(Table::Rows, &row),
        None => reading.instance_row(layers, &candidate.key)?.ok_or_else(|| StoreError::Damaged {
            file: reading.tables.place(Table::Rows),
            offset: 0,
            problem:
                "an index names an instance that is not there; export what can be read and import it anew"
                    .into(),
        }),
    }
}

/// Those whose last turn was at or after a time.
fn by_time<T: Tables>(reading: &Reading<T>, query: &Query, found: &mut Found<'_>) -> Result<(), StoreError> {
    let kind = query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
    if !found.counting {
        let walk = Walk { over: Over::Instances, kind: &kind };
        if found.walk(reading, &walk, TRIAL)? || found.is_full() {
            return Ok(());
        }
        found.lines.clear();
        found.total = 0;
    }
    let keys = recent(reading, query)?;
    let layers = reading.read();
    for key in keys {
        let wants_line = found.wants_line(&key);
        if !wants_line && !found.counting {
            continue;
        }
        // It was checked when it was found. It may have moved on or be gone since; then it is not listed.
        let Some(instance) = reading.instance_row(&layers, &key)? else { continue };
        if matches(query, &key, &instance.index_keys()) {
            found.total += 1;
            if wants_line {
                found.lines.push(instance);
            }
        }
        if found.is_full() {
            break;
        }
    }
    Ok(())
}

/// The keys of all instances that the index by time or the memory proposes. Memory is asked first: what moves
/// from it into the tables meanwhile moves to a later bucket, which is not walked yet.
fn recent<T: Tables>(reading: &Reading<T>, query: &Query) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let mut keys_found = BTreeSet::new();
    let Some(since) = query.since else { return Ok(keys_found) };
    let mut from = keys::by_time(since);
    let mut memory = Vec::new();
    from_memory(
        &reading.read(),
        &[],
        &[u8::MAX; 9],
        usize::MAX,
        &|key, index| matches(query, key, index),
        &mut memory,
    );
    keys_found.extend(memory.into_iter().map(|candidate| candidate.key));
    let kind = query.kind.as_deref().map(keys::kind_prefix).unwrap_or_default();
    loop {
        let _layers = reading.read();
        let mut seen = 0;
        for pair in reading.tables.scan(Table::Rows, &from.clone(), &[keys::BY_TIME + 1]).take(CHUNK) {
            let (key, _) = pair?;
            let address_key = keys::by_time_address(&key);
            if address_key.starts_with(&kind) {
                keys_found.insert(address_key.to_vec());
            }
            from = keys::after(&key);
            seen += 1;
        }
        if seen < CHUNK {
            return Ok(keys_found);
        }
    }
}
