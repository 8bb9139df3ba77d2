//! A walk over the instances, or over those that an index proposes, in the order of their addresses.
//!
//! It refuses to know what is asked for; it is told by a function what memory holds that matches.
//!
//! Its one invariant: between two chunks nothing that was there all the time is passed over or met twice.

use crate::contract::StoreError;
use crate::keys;
use crate::layers::{Change, Layers};
use crate::reading::Reading;
use crate::tables::{Pairs, Table, Tables};
use everstate_kernel::{IndexKeys, Instance};
use std::iter::Peekable;

/// Index rows that one chunk takes while it holds the lock: about a millisecond.
pub(super) const CHUNK: usize = 512;

/// An instance that may match.
pub(in crate::reading) struct Candidate {
    pub(super) key: Vec<u8>,
    /// Its row, when it was at hand.
    row: Option<Vec<u8>>,
    /// Is it known to match, because it was checked in memory?
    pub(super) checked: bool,
}

/// What is walked.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    /// The instances themselves.
    Instances,
    /// The index by state: a state, and all those within it.
    State(&'a str),
    /// The index by version.
    Version(&'a str),
    /// The index of an indexed path: this value.
    Field(&'a str, &'a str),
    /// The index of events received: those of this name.
    Event(&'a str),
}

impl Over<'_> {
    /// Does the index say of an instance that is in it that the condition holds?
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Over::State(_) | Over::Version(_) | Over::Field(..) => true,
            // What was received may be gone by now.
            Over::Instances | Over::Event(_) => false,
        }
    }
}

/// Walks one table or index of one kind; the cursor is an address key.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) over: Over<'a>,
    /// What all address keys begin with: a kind, or nothing.
    pub(super) kind: &'a [u8],
}

impl Walk<'_> {
    /// How much of an address key stands before the rest of it in the walked keys.
    fn within(&self) -> usize {
        match self.over {
            Over::Instances => 0,
            Over::State(_) | Over::Version(_) | Over::Field(..) | Over::Event(_) => self.kind.len(),
        }
    }

    /// What the keys of the tables that are walked begin with. Right until a generation is moved into the tables.
    pub(super) fn prefixes<T: Tables>(&self, reading: &Reading<T>) -> Result<Vec<Vec<u8>>, StoreError> {
        let state = match self.over {
            Over::Instances => return Ok(vec![vec![keys::INSTANCES]]),
            Over::Version(version) => return Ok(vec![keys::by_version(self.kind, version)]),
            Over::Field(path, value) => return Ok(vec![keys::by_field(self.kind, path, value)]),
            Over::Event(name) => return Ok(vec![keys::by_event(self.kind, name)]),
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
    /// How many rows of the tables it would meet, up to `most`.
    pub(super) fn probe<T: Tables>(&self, reading: &Reading<T>, most: usize) -> Result<usize, StoreError> {
        let _layers = reading.read();
        let mut rows = 0;
        for prefix in self.prefixes(reading)? {
            let end = keys::after_prefix(&prefix);
            rows += reading.tables.scan(Table::of(&prefix), &prefix, &end).take(most - rows).count();
            if rows == most {
                break;
            }
        }
        Ok(rows)
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

/// Says of an instance in memory whether it matches.
pub(super) type Fits<'a> = &'a dyn Fn(&[u8], &IndexKeys) -> Result<bool, StoreError>;

/// All instances of a kind (or of all) in order; none at the end.
pub(in crate::reading) fn instances<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    kind: &[u8],
    cursor: &mut Vec<u8>,
) -> Result<Option<Vec<Candidate>>, StoreError> {
    let walk = Walk { over: Over::Instances, kind };
    chunk(reading, layers, &walk, &walk.prefixes(reading)?, cursor, &|_, _| Ok(true))
}

/// The next candidates from the cursor on, ascending; moves the cursor behind them. None at the end.
pub(super) fn chunk<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    walk: &Walk<'_>,
    prefixes: &[Vec<u8>],
    cursor: &mut Vec<u8>,
    fits: Fits<'_>,
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
            _ => keys::after_prefix(prefix),
        };
        (prefix.len(), reading.tables.scan(Table::of(prefix), &from, &to).peekable())
    });
    let together = Together { streams: streams.collect() };
    let mut found = Vec::new();
    let mut seen = 0;
    let mut next = from_memory(layers, cursor, &end, fits, &mut found)?;
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

/// Adds the instances in memory that match, with keys from `from` on and before `to`, about a chunk of each
/// generation. Answers the key before which all have been added.
fn from_memory(
    layers: &Layers,
    from: &[u8],
    to: &[u8],
    fits: Fits<'_>,
    found: &mut Vec<Candidate>,
) -> Result<Vec<u8>, StoreError> {
    let range = || (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
    let active = &layers.active.instances;
    let mut next = to.to_vec();
    let sealed = layers.sealed.as_ref().map(|sealed| &sealed.instances);
    for (upper, generation) in std::iter::once((true, active)).chain(sealed.map(|sealed| (false, sealed))) {
        let mut added = 0;
        for (key, dirty) in generation.range::<[u8], _>(range()) {
            let Change::Put(row, index) = &dirty.row else { continue };
            if (!upper && active.contains_key(key)) || !fits(key, index)? {
                continue;
            }
            found.push(Candidate { key: key.clone(), row: Some(row.as_slice().to_vec()), checked: true });
            added += 1;
            if added == CHUNK {
                next = next.min(keys::after(key));
                break;
            }
        }
    }
    Ok(next)
}

/// The instance of a candidate that was found under this very lock.
pub(in crate::reading) fn load<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    candidate: Candidate,
) -> Result<Instance, StoreError> {
    match candidate.row {
        Some(row) => reading.decode(Table::Rows, &row),
        None => loaded(reading, layers, &candidate.key),
    }
}

/// The instance that an index names under this very lock.
pub(super) fn loaded<T: Tables>(
    reading: &Reading<T>,
    layers: &Layers,
    key: &[u8],
) -> Result<Instance, StoreError> {
    reading.instance_row(layers, key)?.ok_or_else(|| StoreError::Damaged {
        file: reading.tables.place(Table::Rows),
        offset: 0,
        problem: "an index names an instance that is not there; export what can be read and import it anew"
            .into(),
    })
}
